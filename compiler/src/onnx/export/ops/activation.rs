//! Activations: ops of their own, and in the epilogues of matmul and conv.
//!
//! In f64, of which onnxruntime has few kernels, those that can be are written with operators that have one; so are
//! those whose parameters ONNX holds in f32.

use lathe_ir::activation::ACTIVATIONS;
use lathe_ir::{DType, Tensor};

use super::elementwise::clipped;
use super::{Cx, one, work_type};
use crate::onnx::export::emit::{In, R, Val, float, word};

/// An activation without parameters.
pub(super) fn plain(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    one(activate(cx, &x, cx.op.code.name(), 0.0, 0.0)?)
}

/// leaky_relu, elu, hardsigmoid.
pub(super) fn parametrised(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    one(activate(cx, &x, cx.op.code.name(), cx.op.float("alpha"), cx.op.float("beta"))?)
}

/// The activation of that word; f16 and bf16 are computed in f32 and rounded once.
pub(super) fn activate(cx: &mut Cx<'_, '_>, x: &Val, name: &str, p0: f64, p1: f64) -> R<Val> {
    if name == "none" {
        return Ok(x.clone());
    }
    if !ACTIVATIONS.contains(&name) {
        return Err(format!("there is no activation {name}"));
    }
    let wide = cx.emitter.cast(x, work_type(x.dtype));
    let result = if wide.dtype == DType::F64 { in_f64(cx, &wide, name, p0, p1)? } else { None };
    let result = match result {
        Some(result) => result,
        None => operators(cx, &wide, name, p0, p1)?,
    };
    Ok(cx.emitter.cast(&result, x.dtype))
}

fn operators(cx: &mut Cx<'_, '_>, x: &Val, name: &str, p0: f64, p1: f64) -> R<Val> {
    let (operator, attributes) = match name {
        "relu" => ("Relu", vec![]),
        "sigmoid" => ("Sigmoid", vec![]),
        "tanh" => ("Tanh", vec![]),
        "erf" => ("Erf", vec![]),
        "exp" => ("Exp", vec![]),
        "softplus" => ("Softplus", vec![]),
        "mish" => ("Mish", vec![]),
        "hardswish" => ("HardSwish", vec![]),
        "gelu" => ("Gelu", vec![word("approximate", "none")]),
        "gelu_tanh" => ("Gelu", vec![word("approximate", "tanh")]),
        "leaky_relu" => ("LeakyRelu", vec![float("alpha", p0)]),
        "elu" => ("Elu", vec![float("alpha", p0)]),
        "hardsigmoid" => ("HardSigmoid", vec![float("alpha", p0), float("beta", p1)]),
        "clip" => {
            return clipped(cx, x, &Tensor::scalar(x.dtype, p0), &Tensor::scalar(x.dtype, p1));
        }
        "silu" => {
            let gate = cx.emitter.apply("Sigmoid", &[x])?;
            return cx.emitter.apply("Mul", &[x, &gate]);
        }
        _ => return Err(format!("there is no activation {name}")),
    };
    cx.emitter.kernel(operator, &[In::T(x)], attributes)
}

/// Forms made of operators with a kernel for f64; `None` where there is none, or where the operator has one.
fn in_f64(cx: &mut Cx<'_, '_>, x: &Val, name: &str, p0: f64, p1: f64) -> R<Option<Val>> {
    Ok(Some(match name {
        "softplus" => softplus(cx, x)?,
        "mish" => {
            let inner = softplus(cx, x)?;
            let gate = cx.emitter.apply("Tanh", &[&inner])?;
            cx.emitter.apply("Mul", &[x, &gate])?
        }
        "gelu_tanh" => {
            let square = cx.emitter.apply("Mul", &[x, x])?;
            let cube = cx.emitter.apply("Mul", &[&square, x])?;
            let cube = scaled(cx, &cube, 0.044715)?;
            let sum = cx.emitter.apply("Add", &[x, &cube])?;
            let inner = scaled(cx, &sum, (2.0 / std::f64::consts::PI).sqrt())?;
            let tanh = cx.emitter.apply("Tanh", &[&inner])?;
            let gate = shifted(cx, &tanh, 1.0)?;
            let half = scaled(cx, x, 0.5)?;
            cx.emitter.apply("Mul", &[&half, &gate])?
        }
        "hardsigmoid" => hard_sigmoid(cx, x, p0, p1)?,
        "hardswish" => {
            let gate = hard_sigmoid(cx, x, 1.0 / 6.0, 0.5)?;
            cx.emitter.apply("Mul", &[x, &gate])?
        }
        "leaky_relu" => {
            let slope = scaled(cx, x, p0)?;
            below_zero(cx, x, &slope)?
        }
        "elu" => {
            let exp = cx.emitter.apply("Exp", &[x])?;
            let less_one = shifted(cx, &exp, -1.0)?;
            let curve = scaled(cx, &less_one, p0)?;
            below_zero(cx, x, &curve)?
        }
        _ => return Ok(None),
    }))
}

/// x * factor
pub(super) fn scaled(cx: &mut Cx<'_, '_>, x: &Val, factor: f64) -> R<Val> {
    let factor = cx.emitter.scalar(x.dtype, factor);
    cx.emitter.apply("Mul", &[x, &factor])
}

/// x + offset
pub(super) fn shifted(cx: &mut Cx<'_, '_>, x: &Val, offset: f64) -> R<Val> {
    let offset = cx.emitter.scalar(x.dtype, offset);
    cx.emitter.apply("Add", &[x, &offset])
}

/// `other` where x < 0, else x.
fn below_zero(cx: &mut Cx<'_, '_>, x: &Val, other: &Val) -> R<Val> {
    let zero = cx.emitter.scalar(x.dtype, 0.0);
    let negative = cx.emitter.test("Less", &[x, &zero])?;
    cx.emitter.select(&negative, other, x)
}

/// max(x, 0) + ln(1 + exp(-|x|))
fn softplus(cx: &mut Cx<'_, '_>, x: &Val) -> R<Val> {
    let magnitude = cx.emitter.apply("Abs", &[x])?;
    let negative = cx.emitter.apply("Neg", &[&magnitude])?;
    let exp = cx.emitter.apply("Exp", &[&negative])?;
    let sum = shifted(cx, &exp, 1.0)?;
    let rest = cx.emitter.apply("Log", &[&sum])?;
    let positive = cx.emitter.apply("Relu", &[x])?;
    cx.emitter.apply("Add", &[&positive, &rest])
}

/// max(0, min(1, alpha * x + beta))
fn hard_sigmoid(cx: &mut Cx<'_, '_>, x: &Val, alpha: f64, beta: f64) -> R<Val> {
    let line = scaled(cx, x, alpha)?;
    let line = shifted(cx, &line, beta)?;
    clipped(cx, &line, &Tensor::scalar(x.dtype, 0.0), &Tensor::scalar(x.dtype, 1.0))
}
