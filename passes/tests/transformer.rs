//! Whole stacks, written as exporters write them: what the rules must find in every layer, and how work grows.

#![allow(clippy::unwrap_used)]

mod nets;

use lathe_ir::{Builder, DType, Dim, Module, OpCode, Tensor, TensorType, eval_module};
use lathe_passes::{Options, Report, Stop, optimize};
use nets::{Net, WIDTH, encoder};

fn count(module: &Module, code: OpCode) -> usize {
    module.main.iter().filter(|(_, op)| op.code == code).count()
}

fn optimized(layers: usize) -> (Module, Report) {
    let mut module = encoder(layers);
    let report = optimize(&mut module, &Options::default()).unwrap_or_else(|found| panic!("{found}"));
    (module, report)
}

#[test]
fn every_layer_is_found() {
    let layers = 12;
    let (module, report) = optimized(layers);
    assert_eq!(report.stop, Some(Stop::Saturated));
    assert_eq!(count(&module, OpCode::Attention), layers);
    assert_eq!(count(&module, OpCode::LayerNorm), 2 * layers);
    assert_eq!(count(&module, OpCode::MatMul), 6 * layers);
    for code in [OpCode::Softmax, OpCode::Erf, OpCode::Pow, OpCode::Add, OpCode::Mul, OpCode::Div, OpCode::Gelu] {
        assert_eq!(count(&module, code), 0, "{} is left", code.name());
    }
    let compute = module.main.iter().filter(|(_, op)| !matches!(op.code, OpCode::Const | OpCode::Reshape)).count();
    assert_eq!(compute, layers * (6 + 1 + 2 + 4), "what is left beside products, norms and attention is transposes");
}

#[test]
fn rules_fire_in_proportion_to_the_layers() {
    let fired = |layers| optimized(layers).1.fired.values().sum::<usize>();
    let (two, four, eight) = (fired(2), fired(4), fired(8));
    assert_eq!(eight - four, 2 * (four - two));
}

#[test]
fn strict_keeps_every_bit() {
    let mut module = encoder(1);
    let before = module.clone();
    let options = Options { strict: true, ..Options::default() };
    optimize(&mut module, &options).unwrap_or_else(|found| panic!("{found}"));
    assert!(count(&module, OpCode::Erf) == 1 && count(&module, OpCode::Attention) == 0);
    let row: Vec<f64> = (0..5 * WIDTH).map(|at| f64::from((at * 37 % 101) as i32 - 50) / 25.0).collect();
    let mask: Vec<f64> = (0..25).map(|at| if at % 5 > at / 5 { f64::NEG_INFINITY } else { 0.0 }).collect();
    let inputs = vec![
        Tensor::from_f64(DType::F32, &[1, 5, WIDTH as usize], &row),
        Tensor::from_f64(DType::F32, &[1, 1, 5, 5], &mask),
    ];
    assert_eq!(eval_module(&module, inputs.clone()).unwrap(), eval_module(&before, inputs).unwrap());
}

#[test]
fn pieces_find_the_same() {
    let layers = 6;
    let mut module = encoder(layers);
    let options = Options { region_ops: 120, ..Options::default() };
    optimize(&mut module, &options).unwrap_or_else(|found| panic!("{found}"));
    let whole = optimized(layers).0;
    for code in [OpCode::Attention, OpCode::LayerNorm, OpCode::MatMul, OpCode::Transpose] {
        assert_eq!(count(&module, code), count(&whole, code), "{}", code.name());
    }
}

/// What an adversary could write: long chains in which many rules keep finding something.
#[test]
fn a_long_chain_stays_within_limits() {
    let mut module = Module::default();
    let x = module.main.add_param("x", TensorType::fixed(DType::F32, &[3, 4, 5]));
    let mut net = Net { b: Builder::new(&mut module.env, &mut module.main), s: Dim::ONE, seed: 1 };
    let mut value = x;
    for step in 0..1000 {
        let scalar = net.scalar(1.0 + f64::from(step) / 1024.0);
        value = match step % 4 {
            0 => net.op(OpCode::Add, &[value, scalar]),
            1 => net.op(OpCode::Mul, &[value, scalar]),
            2 => net.b.transpose(value, [&[1, 2, 0], &[2, 1, 0], &[0, 2, 1]][step as usize % 3]).unwrap(),
            _ => net.op(OpCode::Mul, &[value, x]).to_owned(),
        };
        if net.b.ty(value).shape != net.b.ty(x).shape {
            value = net.b.reshape(value, net.b.ty(x).shape.clone()).unwrap();
        }
    }
    module.main.add_result("y", value);
    let options = Options { node_limit: 20_000, ..Options::default() };
    let before = module.main.len();
    optimize(&mut module, &options).unwrap_or_else(|found| panic!("{found}"));
    assert!(module.main.len() <= before);
}

#[test]
fn the_same_module_gives_the_same_text() {
    let text = || lathe_ir::text::print_module(&optimized(3).0);
    assert_eq!(text(), text());
}
