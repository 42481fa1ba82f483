//! Graphs planned, compiled and run, against the reference evaluator.

#![allow(dead_code, reason = "not every test needs all")]

use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::{backend, plan};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{DType, Module, Tensor, eval_module};

/// Deterministic values: floats about -2..2, small integers, alternating bools.
fn fill(dtype: DType, shape: &[usize], seed: u64) -> Tensor {
    let count: usize = shape.iter().product();
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64
    };
    if dtype.holds_floats() {
        let values: Vec<f64> = (0..count).map(|_| (next() % 4001) as f64 / 1000.0 - 2.0).collect();
        Tensor::from_f64(dtype, shape, &values)
    } else if dtype == DType::Bool {
        Tensor::from_i64(dtype, shape, &(0..count).map(|_| next() & 1).collect::<Vec<_>>())
    } else {
        let low = if dtype.is_unsigned() { 1 } else { -3 };
        Tensor::from_i64(dtype, shape, &(0..count).map(|_| low + next().rem_euclid(4)).collect::<Vec<_>>())
    }
}

fn inputs(module: &Module, symbol: i64) -> Vec<Tensor> {
    let params = module.main.params.iter().enumerate();
    params
        .map(|(index, port)| {
            let ty = module.main.ty(port.value);
            let shape: Vec<usize> =
                ty.shape.iter().map(|dim| dim.eval(&|_| Some(symbol)).expect("one symbol value") as usize).collect();
            fill(ty.dtype, &shape, index as u64 + 1)
        })
        .collect()
}

/// Compares with the tolerance of the element type times a factor.
pub(crate) fn close(got: &Tensor, want: &Tensor, factor: f64) -> Result<(), String> {
    if got.ty() != want.ty() {
        return Err(format!("type {} instead of {}", got.ty(), want.ty()));
    }
    if !got.dtype().is_float() {
        return if got == want { Ok(()) } else { Err(format!("{got:?} instead of {want:?}")) };
    }
    let tolerance = match got.dtype() {
        DType::F64 => 1e-12,
        DType::F32 => 2e-6,
        DType::F16 => 2e-3,
        _ => 1.6e-2,
    };
    let most = want.to_f64().iter().filter(|v| v.is_finite()).fold(1.0f64, |most, v| most.max(v.abs()));
    for (index, (g, w)) in got.to_f64().into_iter().zip(want.to_f64()).enumerate() {
        if !(g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= tolerance * factor * most) {
            return Err(format!("element {index} is {g} instead of {w}"));
        }
    }
    Ok(())
}

/// Runs a graph body natively with one and with two threads and compares with the evaluator.
pub(crate) fn check(text: &str) {
    check_within(text, 1.0);
}

/// The same with a factor on the tolerance, for algorithms with errors of their own.
pub(crate) fn check_within(text: &str, factor: f64) {
    let full = if text.contains("graph(") { text.to_owned() } else { format!("graph{text}") };
    let module = parse_module(&full, &no_weights).unwrap_or_else(|error| panic!("{error}\n{full}"));
    let planned = plan::plan(&module).unwrap_or_else(|errors| panic!("{errors}\n{full}"));
    let program = planned.program.clone();
    let load = |planned, threads| {
        let compiled = compile(planned, &backend::Options::default()).unwrap_or_else(|e| panic!("{e}\n{full}"));
        InProcess::load(&compiled, threads).unwrap_or_else(|e| panic!("{e}\n{full}"))
    };
    let mut session = load(planned, 1);
    let again = plan::plan(&module).expect("plans twice");
    assert_eq!(again.program, program, "planning is deterministic");
    let mut pair = load(again, 2);
    let sizes: &[i64] = if module.env.symbols.is_empty() { &[1] } else { &[1, 3, 17, 40, 0] };
    let least = module.env.symbols.values().filter(|info| !info.data_dependent).map(|info| info.lo).max().unwrap_or(0);
    for &size in sizes.iter().filter(|size| **size >= least || **size > 0) {
        let given = inputs(&module, size);
        let want = match eval_module(&module, given.clone()) {
            Ok(want) => want,
            // Of nothing some ops have no result; that must be an error of the program, too.
            Err(_) if size == 0 => {
                session.run(&given).expect_err(&full);
                continue;
            }
            Err(error) => panic!("{error}\n{full}"),
        };
        let got = session.run(&given).unwrap_or_else(|e| panic!("{e}\n{full}"));
        let two = pair.run(&given).unwrap_or_else(|e| panic!("{e}\n{full}"));
        assert_eq!(got, two, "one and two threads differ\n{full}");
        assert_eq!(got.len(), want.len());
        for (index, (g, w)) in got.iter().zip(&want).enumerate() {
            close(g, w, factor).unwrap_or_else(|e| panic!("output {index} at N = {size}: {e}\n{full}"));
        }
    }
}

/// A graph of one op over parameters of the given types.
pub(crate) fn op(types: &[&str], call: &str) {
    let params: Vec<String> = types.iter().enumerate().map(|(i, ty)| format!("%{i} \"p{i}\": {ty}")).collect();
    let symbol = if types.iter().any(|ty| ty.contains('N')) { "symbol N : 0..512 ~ 32\n" } else { "" };
    let result = types.len();
    check(&format!("{symbol}graph({}) {{ %{result} = {call} return %{result} \"y\" }}", params.join(", ")));
}
