//! matmul, and the epilogue that it shares with conv.

use super::activation::activate;
use super::{Cx, one, work_type};
use crate::onnx::export::emit::{R, Val};

/// matmul; f16 and bf16 are computed in f32 up to the end of the epilogue.
pub(super) fn matmul(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let own = cx.ty(0)?.dtype;
    let [a, b] = [cx.operand(0)?, cx.operand(1)?].map(|val| cx.emitter.cast(&val, work_type(own)));
    let mut result = cx.emitter.apply("MatMul", &[&a, &b])?;
    if let Some(bias) = cx.opt(2)? {
        let bias = cx.emitter.cast(&bias, work_type(own));
        result = cx.emitter.apply("Add", &[&result, &bias])?;
    }
    let result = epilogue(cx, result)?;
    one(cx.emitter.cast(&result, own))
}

/// act(result + residual): the last operand and the attributes `act`, `p0` and `p1`.
pub(super) fn epilogue(cx: &mut Cx<'_, '_>, mut result: Val) -> R<Val> {
    if let Some(residual) = cx.opt(3)? {
        let residual = cx.emitter.cast(&residual, result.dtype);
        result = cx.emitter.apply("Add", &[&result, &residual])?;
    }
    activate(cx, &result, cx.op.word("act"), cx.op.float("p0"), cx.op.float("p1"))
}
