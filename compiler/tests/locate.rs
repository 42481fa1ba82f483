//! Faults put into each step are found where they are.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

use lathe_compiler::locate::{Fault, Native, Steps, Tolerance, locate};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{Diagnostics, Module, OpCode, Tensor, eval_module};
use lathe_passes::{Options, Report};

/// Lathe with a fault.
struct Faulty {
    native: Native,
    /// The first step of the pipeline that turns relu into abs.
    bad_step: usize,
    /// An op whose native code is off by some.
    bad_op: Option<OpCode>,
}

impl Steps for Faulty {
    fn passes(&self) -> Vec<String> {
        self.native.passes()
    }

    fn optimize(&self, module: &mut Module, steps: usize, without: &[&str]) -> Result<Report, Diagnostics> {
        let report = self.native.optimize(module, steps, without)?;
        if steps >= self.bad_step {
            let relu: Vec<_> = module.main.iter().filter(|(_, op)| op.code == OpCode::Relu).map(|(id, _)| id).collect();
            relu.into_iter().for_each(|id| module.main.op_mut(id).code = OpCode::Abs);
        }
        Ok(report)
    }

    fn native(&self, module: &Module, inputs: &[Tensor]) -> Result<(Vec<Tensor>, Vec<String>), Diagnostics> {
        let (mut outputs, kernels) = self.native.native(module, inputs)?;
        if module.main.iter().any(|(_, op)| Some(op.code) == self.bad_op) {
            for output in &mut outputs {
                let values: Vec<f64> = output.to_f64().into_iter().map(|value| value + 0.01).collect();
                *output = Tensor::from_f64(output.dtype(), output.shape(), &values);
            }
        }
        Ok((outputs, kernels))
    }
}

const TEXT: &str = r#"
weight @0 "w" : f32[8,8] = seed 3
graph(%0 "x": f32[4,8]) {
  %1 = const @0
  %2 = matmul(%0, %1) loc "first"
  %3 = relu(%2) loc "second"
  %4 = softmax(%3) {axis = 1} loc "third"
  %5 = sin(%4) loc "fourth"
  return %5 "y"
}"#;

fn found(bad_step: usize, bad_op: Option<OpCode>, shift: f64) -> Fault {
    let module = parse_module(TEXT, &no_weights).unwrap();
    let values: Vec<f32> = (0..32).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
    let inputs = vec![Tensor::from_f32(&[4, 8], &values)];
    let mut reference = eval_module(&module, inputs.clone()).unwrap();
    let moved: Vec<f64> = reference[0].to_f64().into_iter().map(|value| value + shift).collect();
    reference[0] = Tensor::from_f64(reference[0].dtype(), reference[0].shape(), &moved);
    // No fusion of the matmul with the relu, which the fault looks for.
    let passes = ["canonicalize", "fold-constants", "cse", "dce"].map(str::to_owned).to_vec();
    let options = Options { passes: Some(passes), ..Options::default() };
    let native = Native { passes: options, backend: Default::default() };
    let faulty = Faulty { native, bad_step, bad_op };
    locate(&module, &inputs, &reference, Tolerance(1e-4), &faulty, &mut |_| ()).unwrap()
}

#[test]
fn right_results_agree() {
    assert!(matches!(found(9, None, 0.0), Fault::None(_)));
}

#[test]
fn another_reference_is_the_imports_fault() {
    assert!(matches!(found(9, None, 0.1), Fault::Import { .. }));
}

#[test]
fn a_pass_is_named() {
    for step in 1..=4 {
        let Fault::Pass { pass, step: found, rule, .. } = found(step, None, 0.0) else { panic!("step {step}") };
        assert_eq!((found, rule), (step, None));
        assert_eq!(pass, ["canonicalize", "fold-constants", "cse", "dce"][step - 1]);
    }
}

#[test]
fn a_kernel_is_named() {
    let Fault::Kernel { nodes, op, kernels, .. } = found(9, Some(OpCode::Softmax), 0.0) else { panic!() };
    assert_eq!((nodes.as_str(), op.as_str()), ("third", "softmax(f32[4,8])"));
    assert!(!kernels.is_empty());
    let Fault::Kernel { nodes, .. } = found(9, Some(OpCode::MatMul), 0.0) else { panic!() };
    assert_eq!(nodes, "first");
}

#[test]
fn tensors_are_compared_by_kind() {
    let tolerance = Tolerance(1e-3);
    let a = Tensor::from_f32(&[3], &[1.0, f32::NAN, -1000.0]);
    assert!(tolerance.compare(&a, &Tensor::from_f32(&[3], &[1.5, f32::NAN, -1000.0])).is_ok());
    assert!(tolerance.compare(&a, &Tensor::from_f32(&[3], &[1.5, 0.0, -1000.0])).is_err());
    assert!(tolerance.compare(&a, &Tensor::from_f32(&[3], &[3.5, f32::NAN, -1000.0])).is_err());
    assert!(tolerance.compare(&a, &Tensor::from_f32(&[1, 3], &[1.0, f32::NAN, -1000.0])).is_err());
    let ints = |value| Tensor::from_i64(lathe_ir::DType::I32, &[1], &[value]);
    assert!(tolerance.compare(&ints(100_000), &ints(100_001)).is_err());
}
