//! Activations, as one op of the IR where it has them, else as small formulas.

use lathe_ir::{Attr, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

/// LeakyRelu, Elu, HardSigmoid.
pub(super) fn parametrised(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let (code, alpha, beta) = match cx.op {
        "LeakyRelu" => (OpCode::LeakyRelu, 0.01, None),
        "Elu" => (OpCode::Elu, 1.0, None),
        "HardSigmoid" => (OpCode::HardSigmoid, 0.2, Some(0.5)),
        _ => return unsupported("no such op"),
    };
    let mut attrs = vec![("alpha", Attr::float(cx.float_or("alpha", f64::from(alpha as f32))?))];
    if let Some(beta) = beta {
        attrs.push(("beta", Attr::float(cx.float_or("beta", beta)?)));
    }
    one(cx.op(code, &[x], &attrs)?)
}

/// Gelu, exact or with tanh.
pub(super) fn gelu(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let code = match cx.word_or("approximate", "none")?.as_str() {
        "none" => OpCode::Gelu,
        "tanh" => OpCode::GeluTanh,
        other => return invalid(format!("approximate = {other:?}")),
    };
    one(cx.op(code, &[x], &[])?)
}

/// PRelu: slope * x below 0.
pub(super) fn prelu(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, slope) = (cx.input(0)?, cx.input(1)?);
    let zero = cx.scalar(cx.dtype(x)?, 0.0);
    let below = cx.op(OpCode::Lt, &[x, zero], &[])?;
    let scaled = cx.op(OpCode::Mul, &[x, slope], &[])?;
    one(cx.op(OpCode::Where, &[below, scaled, x], &[])?)
}

/// Selu: gamma * elu(x, alpha).
pub(super) fn selu(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let alpha = cx.float_or("alpha", 1.673_263_192_176_818_8)?;
    let gamma = cx.float_or("gamma", 1.050_701_022_148_132_3)?;
    let elu = cx.op(OpCode::Elu, &[x], &[("alpha", Attr::float(alpha))])?;
    one(super::matmul::scaled(cx, elu, gamma)?)
}

/// Celu: alpha * elu(x / alpha, 1).
pub(super) fn celu(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let alpha = cx.float_or("alpha", 1.0)?;
    if alpha <= 0.0 {
        return unsupported(format!("alpha = {alpha}"));
    }
    let divisor = cx.scalar(cx.dtype(x)?, alpha);
    let inner = if alpha == 1.0 { x } else { cx.op(OpCode::Div, &[x, divisor], &[])? };
    let elu = cx.op(OpCode::Elu, &[inner], &[("alpha", Attr::float(1.0))])?;
    one(super::matmul::scaled(cx, elu, alpha)?)
}

/// ThresholdedRelu: x above alpha, else 0.
pub(super) fn thresholded_relu(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let dtype = cx.dtype(x)?;
    let alpha = cx.scalar(dtype, cx.float_or("alpha", 1.0)?);
    let zero = cx.scalar(dtype, 0.0);
    let above = cx.op(OpCode::Lt, &[alpha, x], &[])?;
    one(cx.op(OpCode::Where, &[above, x, zero], &[])?)
}

/// Shrink: moved towards 0 by the bias outside of -lambd..lambd, 0 inside.
pub(super) fn shrink(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let dtype = cx.dtype(x)?;
    let (lambda, bias) = (cx.float_or("lambd", 0.5)?, cx.float_or("bias", 0.0)?);
    let (low, high, bias) = (cx.scalar(dtype, -lambda), cx.scalar(dtype, lambda), cx.scalar(dtype, bias));
    let zero = cx.scalar(dtype, 0.0);
    let is_low = cx.op(OpCode::Lt, &[x, low], &[])?;
    let is_high = cx.op(OpCode::Lt, &[high, x], &[])?;
    let up = cx.op(OpCode::Add, &[x, bias], &[])?;
    let down = cx.op(OpCode::Sub, &[x, bias], &[])?;
    let rest = cx.op(OpCode::Where, &[is_high, down, zero], &[])?;
    one(cx.op(OpCode::Where, &[is_low, up, rest], &[])?)
}

/// Softsign: x / (1 + |x|).
pub(super) fn softsign(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let magnitude = cx.op(OpCode::Abs, &[x], &[])?;
    let unit = cx.scalar(cx.dtype(x)?, 1.0);
    let divisor = cx.op(OpCode::Add, &[magnitude, unit], &[])?;
    one(cx.op(OpCode::Div, &[x, divisor], &[])?)
}

/// Swish (and QuickGelu of com.microsoft): x * sigmoid(alpha * x).
pub(super) fn swish(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let default = if cx.op == "QuickGelu" { f64::from(1.702f32) } else { 1.0 };
    let alpha = cx.float_or("alpha", default)?;
    one(gated(cx, x, alpha)?)
}

/// SwiGLU: the swish of the first operand times the second.
pub(super) fn swiglu(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (gate, x) = (cx.input(0)?, cx.input(1)?);
    let alpha = cx.float_or("alpha", 1.0)?;
    let gate = gated(cx, gate, alpha)?;
    one(cx.op(OpCode::Mul, &[gate, x], &[])?)
}

/// x * sigmoid(alpha * x)
fn gated(cx: &mut NodeCx<'_, '_>, x: Val, alpha: f64) -> R<Val> {
    if alpha == 1.0 {
        return cx.op(OpCode::Silu, &[x], &[]);
    }
    let scaled = super::matmul::scaled(cx, x, alpha)?;
    let gate = cx.op(OpCode::Sigmoid, &[scaled], &[])?;
    cx.op(OpCode::Mul, &[x, gate], &[])
}
