//! Finds where results go wrong: the import, a pass, or the native code of an op.
//!
//! The evaluator stands between: of the imported module it says what the import means, of the module after each pass what
//! the pass meant, and of each op what its kernel has to give. Evaluation lets values die with their last user, and
//! each op is compiled alone on the operands at hand, so that memory does not grow with the model.

use crate::artifact::{self, InProcess};
use crate::{backend, plan};
use lathe_ir::{
    Bindings, Builder, Diagnostic, Diagnostics, Env, Graph, Module, Op, OpCode, Operands, Tensor, eval_module, eval_op,
};
use lathe_passes::{Options, Report, pipeline};

/// How the steps between a module and its results are done; tests put faults in.
pub trait Steps {
    /// Names of the passes.
    fn passes(&self) -> Vec<String>;
    /// Runs the first passes, without some rules.
    fn optimize(&self, module: &mut Module, steps: usize, without: &[&str]) -> Result<Report, Diagnostics>;
    /// Compiles and runs; gives the outputs and the names of the kernels.
    fn native(&self, module: &Module, inputs: &[Tensor]) -> Result<(Vec<Tensor>, Vec<String>), Diagnostics>;
}

/// The steps as Lathe does them.
pub struct Native {
    /// Options of the passes.
    pub passes: Options,
    /// Options of the code generator.
    pub backend: backend::Options,
}

impl Steps for Native {
    fn passes(&self) -> Vec<String> {
        match &self.passes.passes {
            Some(names) => names.clone(),
            None => pipeline::DEFAULT.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn optimize(&self, module: &mut Module, steps: usize, without: &[&str]) -> Result<Report, Diagnostics> {
        let mut options = Options { stop_after: Some(steps), ..self.passes.clone() };
        options.disabled_rules.extend(without.iter().map(|rule| (*rule).to_owned()));
        lathe_passes::optimize(module, &options)
    }

    fn native(&self, module: &Module, inputs: &[Tensor]) -> Result<(Vec<Tensor>, Vec<String>), Diagnostics> {
        let plan = plan::plan(module)?;
        let kernels = plan.program.kernels.iter().map(|kernel| kernel.name.clone()).collect();
        let compiled = artifact::compile(plan, &self.backend)?;
        Ok((InProcess::load(&compiled, 1)?.run(inputs)?, kernels))
    }
}

/// Where results go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nowhere; the largest difference in words, for each output.
    None(Vec<String>),
    /// The imported module means something else than the reference.
    Import {
        /// The difference.
        what: String,
    },
    /// A pass changes what the module means.
    Pass {
        /// Its name.
        pass: String,
        /// Its place in the pipeline, from 1.
        step: usize,
        /// The rule without which the result is right, if it is one.
        rule: Option<&'static str>,
        /// The difference.
        what: String,
    },
    /// The native code of an op gives something else than the evaluator for the same operands.
    Kernel {
        /// The ONNX nodes that the op stands for.
        nodes: String,
        /// The op as text.
        op: String,
        /// Its kernels.
        kernels: Vec<String>,
        /// The difference.
        what: String,
    },
    /// Every op is right by itself; together they are not.
    Together {
        /// The difference.
        what: String,
    },
}

/// How far results may be from the reference, relative to the largest value of the tensor.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance(pub f64);

impl Tolerance {
    /// What differs beyond the tolerance, or (`Ok`) how far they are apart.
    pub fn compare(self, want: &Tensor, got: &Tensor) -> Result<String, String> {
        if (want.dtype(), want.shape()) != (got.dtype(), got.shape()) {
            return Err(format!("{} where {} is expected", got.ty(), want.ty()));
        }
        if !want.dtype().is_float() {
            let wrong = (0..want.len()).filter(|&at| want.i64_at(at) != got.i64_at(at)).count();
            return if wrong == 0 { Ok("equal".to_owned()) } else { Err(format!("{wrong} of {} differ", want.len())) };
        }
        let (mut largest, mut worst, mut place) = (0.0f64, 0.0f64, 0);
        for at in 0..want.len() {
            let (a, b) = (want.f64_at(at), got.f64_at(at));
            if a == b || a.is_nan() && b.is_nan() {
                largest = if a.is_finite() { largest.max(a.abs()) } else { largest };
                continue;
            }
            if !a.is_finite() || !b.is_finite() {
                return Err(format!("element {at} is {b}, expected {a}"));
            }
            largest = largest.max(a.abs());
            if (a - b).abs() > worst {
                (worst, place) = ((a - b).abs(), at);
            }
        }
        let relative = if largest > 0.0 { worst / largest } else { worst };
        let text = format!("{relative:.1e} of the largest value");
        if relative <= self.0 {
            return Ok(text);
        }
        let (a, b) = (want.f64_at(place), got.f64_at(place));
        Err(format!("{text}: element {place} is {b:e}, expected {a:e}"))
    }

    /// The first output that differs.
    fn first(self, names: &[String], want: &[Tensor], got: &[Tensor]) -> Option<String> {
        if want.len() != got.len() {
            return Some(format!("{} outputs where {} are expected", got.len(), want.len()));
        }
        let outputs = names.iter().zip(want.iter().zip(got));
        outputs
            .filter_map(|(name, (want, got))| Some((name, self.compare(want, got).err()?)))
            .next()
            .map(|(name, what)| format!("output {name:?}: {what}"))
    }
}

/// Finds the first place at which the results of `module` leave the reference. `progress` is told what is being looked at.
pub fn locate(
    module: &Module,
    inputs: &[Tensor],
    reference: &[Tensor],
    tolerance: Tolerance,
    steps: &dyn Steps,
    progress: &mut dyn FnMut(&'static str),
) -> Result<Fault, Diagnostics> {
    let names: Vec<String> = module.main.results.iter().map(|port| port.name.to_string()).collect();
    let passes = steps.passes();
    let optimized = |count: usize, without: &[&str]| -> Result<(Module, Report), Diagnostics> {
        let mut copy = module.clone();
        let report = steps.optimize(&mut copy, count, without)?;
        Ok((copy, report))
    };
    let evaluated = |module: &Module| -> Result<Option<String>, Diagnostics> {
        let outputs = eval_module(module, inputs.to_vec())
            .map_err(|error| Diagnostic::invalid(format!("the evaluator stops: {error}")))?;
        Ok(tolerance.first(&names, reference, &outputs))
    };
    progress("run");
    let (full, report) = optimized(passes.len(), &[])?;
    let outputs = steps.native(&full, inputs)?.0;
    let Some(wrong) = tolerance.first(&names, reference, &outputs) else {
        let pairs = names.iter().zip(reference.iter().zip(&outputs));
        let far = |(want, got)| tolerance.compare(want, got).unwrap_or_default();
        return Ok(Fault::None(pairs.map(|(name, pair)| format!("output {name:?}: {}", far(pair))).collect()));
    };
    progress("evaluate the imported model");
    if let Some(what) = evaluated(module)? {
        return Ok(Fault::Import { what });
    }
    progress("evaluate after the passes");
    if let Some(what) = evaluated(&full)? {
        // Right before the first pass and wrong after the last: a step between turns it.
        let (mut right, mut bad) = (0, passes.len());
        while bad - right > 1 {
            let middle = (right + bad) / 2;
            if evaluated(&optimized(middle, &[])?.0)?.is_some() {
                bad = middle;
            } else {
                right = middle;
            }
        }
        progress("leave out rules");
        let mut rule = None;
        for name in report.fired.keys().filter(|_| passes[bad - 1] == "rewrite") {
            if evaluated(&optimized(bad, &[name])?.0)?.is_none() {
                rule = Some(*name);
                break;
            }
        }
        return Ok(Fault::Pass { pass: passes[bad - 1].clone(), step: bad, rule, what });
    }
    progress("compare the ops one by one");
    Ok(first_kernel(&full, inputs, tolerance, steps).unwrap_or(Fault::Together { what: wrong }))
}

/// The first op whose native code, on the operands that the evaluator gives, differs from the evaluator.
fn first_kernel(module: &Module, inputs: &[Tensor], tolerance: Tolerance, steps: &dyn Steps) -> Option<Fault> {
    let graph = &module.main;
    let types: Vec<_> = graph.params.iter().map(|port| graph.ty(port.value)).collect();
    let bindings: Bindings = lathe_ir::eval::bind(&types, inputs).ok()?;
    let mut values: Vec<Option<Tensor>> = vec![None; graph.value_count()];
    for (port, input) in graph.params.iter().zip(inputs) {
        values[port.value.index()] = Some(input.clone());
    }
    let mut uses = graph.use_counts();
    for (_, op) in graph.iter() {
        let operands: Vec<Option<Tensor>> =
            op.operands.iter().map(|operand| operand.and_then(|value| values[value.index()].clone())).collect();
        let results = eval_op(&module.env, &bindings, op.code, &operands, &op.attrs, &op.regions).ok()?;
        let alone = if op.code == OpCode::Const { None } else { alone(module, op, &operands) };
        // What cannot be compiled by itself is passed over.
        let found = alone.and_then(|(alone, given)| steps.native(&alone, &given).ok());
        if let Some((outputs, kernels)) = found {
            let difference = results.iter().zip(&outputs).find_map(|(want, got)| tolerance.compare(want, got).err());
            if let Some(what) = difference {
                let nodes: Vec<&str> = op.loc.names().iter().map(|name| &**name).collect();
                let shapes: Vec<String> = operands.iter().flatten().map(|operand| operand.ty().to_string()).collect();
                let op = format!("{}({})", op.code.name(), shapes.join(", "));
                return Some(Fault::Kernel { nodes: nodes.join(", "), op, kernels, what });
            }
        }
        for (&value, tensor) in op.results.iter().zip(results) {
            values[value.index()] = Some(tensor);
        }
        for value in op.inputs() {
            uses[value.index()] -= 1;
            if uses[value.index()] == 0 {
                values[value.index()] = None;
            }
        }
    }
    None
}

/// A module of one op, constants as they are and other operands as inputs, with the inputs' values.
fn alone(module: &Module, op: &Op, operands: &[Option<Tensor>]) -> Option<(Module, Vec<Tensor>)> {
    let (mut env, mut graph, mut inputs) = (Env::default(), Graph::default(), Vec::new());
    let mut given = Operands::new();
    for (index, (value, tensor)) in op.operands.iter().zip(operands).enumerate() {
        given.push(match (value, tensor) {
            (Some(value), Some(tensor)) if module.main.constant(&module.env, *value).is_some() => {
                Some(Builder::new(&mut env, &mut graph).constant(&format!("w{index}"), tensor.clone()))
            }
            (Some(_), Some(tensor)) => {
                inputs.push(tensor.clone());
                Some(graph.add_param(&format!("in{index}"), tensor.ty()))
            }
            _ => None,
        });
    }
    let id = Builder::new(&mut env, &mut graph).copy_op(op, given).ok()?;
    for (index, value) in graph.op(id).results.clone().into_iter().enumerate() {
        graph.add_result(&format!("out{index}"), value);
    }
    let module = Module { env, main: graph };
    lathe_ir::verify::verify(&module).is_ok().then_some((module, inputs))
}
