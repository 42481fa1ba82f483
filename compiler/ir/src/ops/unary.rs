//! Ops on one operand, element by element.

use crate::dtype::DType;
use crate::op::{ELEMENTWISE, EvalCx, InferCx, OpDef, OpError, Types, operand};
use crate::tensor::Tensor;

/// Refuses bool operands.
fn infer_number(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    match cx.operand(0).dtype {
        DType::Bool => Err(OpError::invalid("the operand is bool, a number is needed")),
        _ => cx.like(0),
    }
}

/// Refuses operands that are no floats.
fn infer_float(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    match cx.operand(0).dtype {
        dtype if dtype.is_float() => cx.like(0),
        dtype => Err(OpError::invalid(format!("the operand is {dtype}, a float is needed"))),
    }
}

/// Computes in f64 and rounds once to the element type; integers take `int` instead.
fn map(cx: &EvalCx<'_>, float: fn(f64) -> f64, int: fn(i64) -> i64) -> Result<Vec<Tensor>, OpError> {
    let x = cx.operand(0);
    Ok(vec![if x.dtype().is_float() {
        Tensor::from_f64(x.dtype(), x.shape(), &x.to_f64().into_iter().map(float).collect::<Vec<_>>())
    } else {
        Tensor::from_i64(x.dtype(), x.shape(), &x.to_i64().into_iter().map(int).collect::<Vec<_>>())
    }])
}

macro_rules! unary {
    ($(#[doc = $doc:literal] $const:ident = $name:literal, $infer:ident, $float:expr, $int:expr;)+) => {$(
        pub(super) const $const: OpDef = OpDef {
            name: $name,
            operands: &[operand("x")],
            attrs: &[],
            traits: ELEMENTWISE,
            infer: $infer,
            eval: |cx| map(cx, $float, $int),
            doc: $doc,
        };
    )+};
}

/// For ops whose inference refuses integers.
fn no_int(_: i64) -> i64 {
    0
}

unary! {
    #[doc = "-x; integers wrap. ONNX: Neg."]
    NEG = "neg", infer_number, |x| -x, i64::wrapping_neg;
    #[doc = "|x|; the smallest integer stays as it is. ONNX: Abs."]
    ABS = "abs", infer_number, f64::abs, i64::wrapping_abs;
    #[doc = "e to the x. ONNX: Exp."]
    EXP = "exp", infer_float, f64::exp, no_int;
    #[doc = "max(x, 0); NaN stays NaN. ONNX: Relu."]
    RELU = "relu", infer_number, |x| if x < 0.0 { 0.0 } else { x }, |x| x.max(0);
}
