//! Every op on small cases with literal results: computed by hand, by numpy or by onnxruntime.
//!
//! All cases go through [`check`] (the op computes this) and [`refuse`] (the op is refused, and says so). Both write the
//! op as text and parse it, so a case covers inference, the text form and the evaluator.

#![allow(clippy::excessive_precision, clippy::approx_constant)]
#![allow(clippy::unwrap_used)]

mod activation;
mod axes;
mod binary;
mod cast;
mod contractions;
mod control;
mod data;
mod indices;
mod movement;
mod narrow;
mod quantize;
mod recurrent;
mod resize;
mod unary;
mod windows;

use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{DType, Tensor, eval_module};

/// Infinity, for the literals.
const INF: f32 = f32::INFINITY;
/// Not a number, for the literals.
const NAN: f32 = f32::NAN;

/// An f32 tensor.
fn f(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_f32(shape, values)
}

/// An i64 tensor.
fn i(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::from_i64(DType::I64, shape, values)
}

/// A bool tensor of 0 and 1.
fn b(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::from_i64(DType::Bool, shape, values)
}

/// An integer vector of that element type.
fn n(dtype: DType, values: &[i64]) -> Tensor {
    Tensor::from_i64(dtype, &[values.len()], values)
}

/// A module that applies the op, attributes as in the text form, to operands of these types.
fn program<T: Clone + Into<Option<Tensor>>>(op: &str, operands: &[T], attrs: &str, results: &[String]) -> String {
    let (mut params, mut names) = (Vec::new(), Vec::new());
    for operand in operands {
        let operand: Option<Tensor> = operand.clone().into();
        names.push(operand.as_ref().map_or("none".to_owned(), |_| format!("%{}", params.len())));
        params.extend(operand.map(|tensor| format!("%{0} \"p{0}\": {1}", params.len(), tensor.ty())));
    }
    let values: Vec<String> = (0..results.len()).map(|index| format!("%{}", params.len() + index)).collect();
    let returned: Vec<String> = values.iter().map(|value| format!("{value} \"{value}\"")).collect();
    let types = match results {
        [only] => only.clone(),
        several => format!("({})", several.join(", ")),
    };
    let attrs = if attrs.is_empty() { String::new() } else { format!(" {{{attrs}}}") };
    format!(
        "graph({}) {{\n  {} = {op}({}){attrs} : {types}\n  return {}\n}}\n",
        params.join(", "),
        values.join(", "),
        names.join(", "),
        returned.join(", ")
    )
}

/// Asserts that the op on these operands has these results: integers exactly, floats to 2e-6, NaN where NaN is expected.
#[track_caller]
fn check<T: Clone + Into<Option<Tensor>>>(op: &str, operands: &[T], attrs: &str, expected: &[Tensor]) {
    let types: Vec<String> = expected.iter().map(|tensor| tensor.ty().to_string()).collect();
    let text = program(op, operands, attrs, &types);
    let module = parse_module(&text, &no_weights).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let inputs: Vec<Tensor> = operands.iter().filter_map(|operand| operand.clone().into()).collect();
    let results = eval_module(&module, inputs).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(results.len(), expected.len(), "{text}");
    for (have, want) in results.iter().zip(expected) {
        assert_eq!(have.ty(), want.ty(), "{text}");
        for at in 0..want.len() {
            let (x, y) = (have.f64_at(at), want.f64_at(at));
            let same = if want.dtype().is_float() {
                let near = (x - y).abs() <= 2e-6 * y.abs().max(1.0) || x == y;
                (near && (y != 0.0 || x != 0.0 || x.is_sign_negative() == y.is_sign_negative()))
                    || (x.is_nan() && y.is_nan())
            } else {
                have.i64_at(at) == want.i64_at(at)
            };
            assert!(same, "element {at} is {x}, not {y}\n{text}have {have:?}\nwant {want:?}");
        }
    }
}

/// Asserts that the op on these operands is refused, at the latest when it is evaluated, with a message that has that
/// part. `results` are the types written behind the op; they do not matter where it is refused before.
#[track_caller]
fn refuse<T: Clone + Into<Option<Tensor>>>(op: &str, operands: &[T], attrs: &str, results: &[&str], message: &str) {
    let results: Vec<String> = results.iter().map(|ty| (*ty).to_owned()).collect();
    let text = program(op, operands, attrs, &results);
    let inputs: Vec<Tensor> = operands.iter().filter_map(|operand| operand.clone().into()).collect();
    let refused = match parse_module(&text, &no_weights) {
        Err(error) => error.to_string(),
        Ok(module) => match eval_module(&module, inputs) {
            Err(error) => error.to_string(),
            Ok(results) => panic!("not refused: {results:?}\n{text}"),
        },
    };
    assert!(refused.contains(message), "the message has no {message:?}: {refused}\n{text}");
}
