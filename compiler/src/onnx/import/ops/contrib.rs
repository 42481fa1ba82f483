//! Operators of com.microsoft that onnxruntime's optimiser and exporters for it write.

use lathe_ir::{Attr, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, unsupported};

use super::norm::{layer_norm, rms_norm};

/// BiasGelu and FastGelu: a gelu of the sum with a bias.
pub(super) fn bias_gelu(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let sum = match cx.opt(1) {
        Some(bias) => cx.op(OpCode::Add, &[x, bias], &[])?,
        None => x,
    };
    let code = if cx.op == "FastGelu" { OpCode::GeluTanh } else { OpCode::Gelu };
    one(cx.op(code, &[sum], &[])?)
}

/// SkipLayerNormalization and SkipSimplifiedLayerNormalization: the normalised sum with a second operand (and a bias);
/// output 3 is the sum.
pub(super) fn skip_norm(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, skip) = (cx.input(0)?, cx.input(1)?);
    let simplified = cx.op == "SkipSimplifiedLayerNormalization";
    let (gamma, beta, bias) = if simplified { (cx.opt(2), None, cx.opt(3)) } else { (cx.opt(2), cx.opt(3), cx.opt(4)) };
    if cx.wants(1) || cx.wants(2) {
        return unsupported("the outputs mean and inv_std_var");
    }
    let mut sum = cx.op(OpCode::Add, &[x, skip], &[])?;
    if let Some(bias) = bias {
        sum = cx.op(OpCode::Add, &[sum, bias], &[])?;
    }
    let epsilon = cx.float_or("epsilon", f64::from(1e-12f32))?;
    let axis = cx.rank(sum)?.saturating_sub(1);
    let y = if simplified {
        rms_norm(cx, sum, gamma, axis, epsilon)?
    } else {
        layer_norm(cx, sum, gamma, beta, axis, epsilon)?
    };
    // Nobody uses the statistics.
    Ok(vec![y, y, y, sum])
}

/// SimplifiedLayerNormalization, which onnxruntime writes into the standard domain: an RMS norm.
pub(super) fn simplified_norm(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, scale) = (cx.input(0)?, cx.opt(1));
    let axis = cx.axis_or("axis", -1, cx.rank(x)?)?;
    let epsilon = cx.float_or("epsilon", f64::from(1e-5f32))?;
    one(rms_norm(cx, x, scale, axis, epsilon)?)
}

/// FusedGemm: a Gemm with an activation.
pub(super) fn fused_gemm(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let product = super::matmul::gemm(cx)?[0];
    let alpha = cx.float_or("activation_alpha", f64::from(0.01f32))?;
    one(match cx.word_or("activation", "")?.as_str() {
        "" => product,
        "Relu" => cx.op(OpCode::Relu, &[product], &[])?,
        "Tanh" => cx.op(OpCode::Tanh, &[product], &[])?,
        "Sigmoid" => cx.op(OpCode::Sigmoid, &[product], &[])?,
        "LeakyRelu" => cx.op(OpCode::LeakyRelu, &[product], &[("alpha", Attr::float(alpha))])?,
        other => return unsupported(format!("activation = {other:?}")),
    })
}
