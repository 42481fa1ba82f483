//! layer_norm as LayerNormalization; rms_norm spelled out, which opset 21 does not have.

use lathe_ir::Tensor;

use super::activation::shifted;
use super::reduce::mean;
use super::{Cx, one, work_type};
use crate::onnx::export::emit::{In, R, Val, float, int};

/// layer_norm; a gamma left out is a tensor of ones, which the operator requires.
pub(super) fn layer(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, gamma, beta) = (cx.operand(0)?, cx.opt(1)?, cx.opt(2)?);
    let axis = cx.op.int("axis");
    let gamma = match gamma {
        Some(gamma) => gamma,
        None => {
            let trailing = &cx.shape(0)?[axis as usize..];
            cx.emitter.filled(&Tensor::scalar(x.dtype, 1.0), trailing)?
        }
    };
    let attributes = vec![int("axis", axis), float("epsilon", cx.op.float("eps"))];
    one(cx.emitter.kernel("LayerNormalization", &[In::T(&x), In::T(&gamma), In::opt(beta.as_ref())], attributes)?)
}

/// rms_norm: x / sqrt(mean(x * x) + eps) * gamma
pub(super) fn rms(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, gamma) = (cx.operand(0)?, cx.opt(1)?);
    let own = x.dtype;
    let axes: Vec<i64> = (cx.op.int("axis")..cx.ty(0)?.rank() as i64).collect();
    let x = cx.emitter.cast(&x, work_type(own));
    let square = cx.emitter.apply("Mul", &[&x, &x])?;
    let mean = mean(cx, &square, &axes)?;
    let mean = shifted(cx, &mean, cx.op.float("eps"))?;
    let root = cx.emitter.apply("Sqrt", &[&mean])?;
    let mut result = cx.emitter.apply("Div", &[&x, &root])?;
    if let Some(gamma) = gamma {
        let gamma = cx.emitter.cast(&gamma, work_type(own));
        result = cx.emitter.apply("Mul", &[&result, &gamma])?;
    }
    one(cx.emitter.cast(&result, own))
}
