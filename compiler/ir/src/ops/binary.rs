//! Ops on two operands, element by element, with numpy broadcasting.

use super::index::broadcast_positions;
use crate::op::{AC, ELEMENTWISE, EvalCx, InferCx, OpDef, OpError, Traits, Types, one, operand};
use crate::tensor::Tensor;
use crate::types::TensorType;

fn infer_same(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    let dtype = cx.same_dtype(0, 1)?;
    let shape = cx.broadcast(&cx.operand(0).shape, &cx.operand(1).shape)?;
    Ok(one(TensorType { dtype, shape }))
}

/// Computes floats in f64 and rounds once; integers wrap.
fn map(
    cx: &EvalCx<'_>,
    float: fn(f64, f64) -> f64,
    int: fn(i64, i64) -> Result<i64, OpError>,
) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (cx.operand(0), cx.operand(1));
    let shape = cx.result_shape(0)?;
    let positions = broadcast_positions(a.shape(), &shape).into_iter().zip(broadcast_positions(b.shape(), &shape));
    Ok(vec![if a.dtype().is_float() {
        let values: Vec<f64> = positions.map(|(i, j)| float(a.f64_at(i), b.f64_at(j))).collect();
        Tensor::from_f64(cx.result_dtype(0), &shape, &values)
    } else {
        let values = positions.map(|(i, j)| int(a.i64_at(i), b.i64_at(j))).collect::<Result<Vec<_>, _>>()?;
        Tensor::from_i64(cx.result_dtype(0), &shape, &values)
    }])
}

macro_rules! binary {
    ($(#[doc = $doc:literal] $const:ident = $name:literal, $traits:ident, $infer:ident, $float:expr, $int:expr;)+) => {$(
        pub(super) const $const: OpDef = OpDef {
            name: $name,
            operands: &[operand("a"), operand("b")],
            attrs: &[],
            traits: $traits,
            infer: $infer,
            eval: |cx| map(cx, $float, $int),
            doc: $doc,
        };
    )+};
}

const EW: Traits = ELEMENTWISE;

binary! {
    #[doc = "a + b; integers wrap. ONNX: Add, Sum."]
    ADD = "add", AC, infer_same, |a, b| a + b, |a, b| Ok(a.wrapping_add(b));
    #[doc = "a - b; integers wrap. ONNX: Sub."]
    SUB = "sub", EW, infer_same, |a, b| a - b, |a, b| Ok(a.wrapping_sub(b));
    #[doc = "a * b; integers wrap. ONNX: Mul."]
    MUL = "mul", AC, infer_same, |a, b| a * b, |a, b| Ok(a.wrapping_mul(b));
    #[doc = "a / b; integers truncate and wrap, division by 0 is an error. ONNX: Div."]
    DIV = "div", EW, infer_same, |a, b| a / b, |a, b| {
        if b == 0 { Err(OpError::invalid("integer division by 0")) } else { Ok(a.wrapping_div(b)) }
    };
}
