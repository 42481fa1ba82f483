//! Activations by code, as GEMM and convolution epilogues and in `v_act`.

use super::math;
use super::simd::Simd;

/// x itself.
pub const ACT_NONE: i64 = 0;
/// max(x, 0).
pub const ACT_RELU: i64 = 1;
/// x/2 (1 + erf(x / sqrt 2)).
pub const ACT_GELU_ERF: i64 = 2;
/// GELU by tanh.
pub const ACT_GELU_TANH: i64 = 3;
/// x sigmoid(x).
pub const ACT_SILU: i64 = 4;
/// min(max(x, p0), p1).
pub const ACT_CLIP: i64 = 5;
/// 1 / (1 + e^-x).
pub const ACT_SIGMOID: i64 = 6;
/// tanh.
pub const ACT_TANH: i64 = 7;
/// x clip(x/6 + 1/2, 0, 1).
pub const ACT_HARDSWISH: i64 = 8;
/// clip(p0 x + p1, 0, 1).
pub const ACT_HARDSIGMOID: i64 = 9;
/// x, or p0 x below 0.
pub const ACT_LEAKY_RELU: i64 = 10;
/// x, or p0 (e^x - 1) below 0.
pub const ACT_ELU: i64 = 11;
/// ln(1 + e^x).
pub const ACT_SOFTPLUS: i64 = 12;
/// x tanh(softplus(x)).
pub const ACT_MISH: i64 = 13;
/// The error function.
pub const ACT_ERF: i64 = 14;
/// e^x.
pub const ACT_EXP: i64 = 15;

/// Activation `code` of `x` with the parameters `p0` and `p1` in every lane. An unknown code is `ACT_NONE`.
#[inline(always)]
pub(crate) fn act<V: Simd>(code: i64, x: V, p0: V, p1: V) -> V {
    match code {
        ACT_RELU => math::relu(x),
        ACT_GELU_ERF => math::gelu_erf(x),
        ACT_GELU_TANH => math::gelu_tanh(x),
        ACT_SILU => math::silu(x),
        ACT_CLIP => math::clip(x, p0, p1),
        ACT_SIGMOID => math::sigmoid(x),
        ACT_TANH => math::tanh(x),
        ACT_HARDSWISH => math::hardswish(x),
        ACT_HARDSIGMOID => math::hardsigmoid(x, p0, p1),
        ACT_LEAKY_RELU => math::leaky_relu(x, p0),
        ACT_ELU => math::elu(x, p0),
        ACT_SOFTPLUS => math::softplus(x),
        ACT_MISH => math::mish(x),
        ACT_ERF => math::erf(x),
        ACT_EXP => math::exp(x),
        _ => x,
    }
}
