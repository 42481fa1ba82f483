//! The table of micro-kernels: the only thing generated code calls.
//!
//! One line per kernel: its documentation, name, argument kinds, and where its functions are (see `pick!`). From it come the
//! struct [`Kernels`] (slot i at byte 8 * i), [`SIGNATURES`], [`ABI`] and the three tables. New kernels go at the end: an
//! artifact records how many slots it knows and a hash over just those, so it stays valid when the table grows.
//!
//! Conventions: sizes and strides are `I64` and count elements unless the line says bytes; pointers need no alignment
//! beyond their element's; sizes of 0 are fine; in place (input = output) is fine in element-wise kernels; nothing
//! allocates, locks or panics. `max`, `min` and `relu` return NaN for a NaN.

use super::kernels as k;
use super::tier::Tier;

/// Kind of an argument or result: how it travels in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    /// 64-bit integer: a size, a stride, a code, or bits.
    I64,
    /// `float`.
    F32,
    /// `double`.
    F64,
    /// An address.
    Ptr,
}

/// Name and argument kinds of a micro-kernel, C calling convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its name, unique in the table.
    pub name: &'static str,
    /// Its arguments in order.
    pub args: &'static [Arg],
    /// Its result, if it has one.
    pub ret: Option<Arg>,
    /// What it computes, one line or a few.
    pub doc: &'static str,
}

macro_rules! rust_type {
    (I64) => { i64 };
    (F32) => { f32 };
    (F64) => { f64 };
    (Ptr) => { *mut u8 };
}

/// `tiers a::b` names the functions `a::b::{scalar, avx2, avx512}`, `same a::b` one function for all tiers.
macro_rules! pick {
    (tiers $tier:ident $($file:ident)::+) => { k::$($file)::+::$tier };
    (same $tier:ident $($file:ident)::+) => { k::$($file)::+ };
}

macro_rules! kernels {
    ($(
        $(#[doc = $doc:literal])+
        fn $name:ident($($arg:ident: $kind:ident),* $(,)?) $(-> $ret:ident)? = $how:ident $($file:ident)::+;
    )*) => {
        /// One function pointer per micro-kernel, in table order.
        #[repr(C)]
        pub struct Kernels {
            $(
                $(#[doc = $doc])+
                pub $name: unsafe extern "C" fn($($arg: rust_type!($kind)),*) $(-> rust_type!($ret))?,
            )*
        }

        /// The signatures of all micro-kernels, in table order.
        pub const SIGNATURES: &[Signature] = &[
            $(Signature {
                name: stringify!($name),
                args: &[$(Arg::$kind),*],
                ret: kernels!(@ret $($ret)?),
                doc: concat!($($doc),+),
            },)*
        ];

        /// Kernels for any CPU.
        pub static SCALAR: Kernels = Kernels { $($name: pick!($how scalar $($file)::+)),* };
        /// Kernels for x86-64-v3.
        #[cfg(target_arch = "x86_64")]
        pub static AVX2: Kernels = Kernels { $($name: pick!($how avx2 $($file)::+)),* };
        /// Kernels for x86-64-v4.
        #[cfg(target_arch = "x86_64")]
        pub static AVX512: Kernels = Kernels { $($name: pick!($how avx512 $($file)::+)),* };
    };
    (@ret) => { None };
    (@ret $ret:ident) => { Some(Arg::$ret) };
}

kernels! {
    // -- errors

    /// Records an error in a `Status` unless it holds one already.
    fn set_status(status: Ptr, code: I64, node: I64, value: I64) = same movement::set_status;

    // -- GEMM, convolution, pooling, attention

    /// C[m, n] = act(A[m, k] * B[k, n] + bias[n] + res[m, n]); bias and res may be null. Element (kk, j) of B is
    /// b[(j / 16) * b_panel + kk * b_row + j % 16]: packed by `pack_b_f32`, b_row = 16 and b_panel = 16 * k; row-major with
    /// row stride ldb, b_row = ldb and b_panel = 16 (nothing beyond column n is read). act and its parameters as in `v_act`.
    /// Every sum runs over k in ascending order, fused: no bit depends on how the caller cuts rows or columns (at 16).
    fn gemm_f32(
        m: I64, n: I64, k: I64, a: Ptr, lda: I64, b: Ptr, b_row: I64, b_panel: I64, c: Ptr, ldc: I64,
        bias: Ptr, res: Ptr, ldres: I64, act: I64, p0: F32, p1: F32,
    ) = tiers gemm::gemm_f32;
    /// Packs B for `gemm_f32`: element (kk, j) = b[kk * rs + j * cs] goes to out[(j / 16) * 16 * k + kk * 16 + j % 16]; the
    /// last panel is filled up with zeros.
    fn pack_b_f32(k: I64, n: I64, b: Ptr, rs: I64, cs: I64, out: Ptr) = tiers gemm::pack_b_f32;
    /// Convolution of one NHWC image: x element (r, c, i) at x[(r * w + c) * x_pix + i], y (and res, or null) element
    /// (r, c, o) at y[(r * ow + c) * y_pix + o]; output rows row_begin..row_end, all co channels, then bias (or null), res and
    /// act as in `gemm_f32`. Weights [ceil(co / 16)][kh][kw][ci][16], padded with zeros. sh, sw strides, dh, dw dilations,
    /// pt, pl padding above and left; taps on padding are skipped. No bit depends on how the caller cuts the rows.
    fn conv2d_f32(
        x: Ptr, h: I64, w: I64, ci: I64, x_pix: I64, wt: Ptr, co: I64, kh: I64, kw: I64, y: Ptr, oh: I64, ow: I64,
        y_pix: I64, sh: I64, sw: I64, dh: I64, dw: I64, pt: I64, pl: I64, row_begin: I64, row_end: I64, bias: Ptr,
        res: Ptr, act: I64, p0: F32, p1: F32,
    ) = tiers conv::conv2d_f32;
    /// Depthwise convolution, images and window as in `conv2d_f32`; weights [kh][kw][c]; then bias (or null) and act.
    fn dwconv2d_f32(
        x: Ptr, h: I64, w: I64, c: I64, x_pix: I64, wt: Ptr, kh: I64, kw: I64, y: Ptr, oh: I64, ow: I64, y_pix: I64,
        sh: I64, sw: I64, dh: I64, dw: I64, pt: I64, pl: I64, row_begin: I64, row_end: I64, bias: Ptr, act: I64,
        p0: F32, p1: F32,
    ) = tiers depthwise::dwconv2d_f32;
    /// Largest value under the window, NaN if there is one; images and window as in `conv2d_f32`.
    fn maxpool2d_f32(
        x: Ptr, h: I64, w: I64, c: I64, x_pix: I64, kh: I64, kw: I64, y: Ptr, oh: I64, ow: I64, y_pix: I64,
        sh: I64, sw: I64, dh: I64, dw: I64, pt: I64, pl: I64, row_begin: I64, row_end: I64,
    ) = tiers pool2d::maxpool2d_f32;
    /// Mean of the values under the window; images and window as in `conv2d_f32`. With count_include_pad the divisor
    /// counts taps on the padding too, of which pb rows are below and pr columns to the right of the image.
    fn avgpool2d_f32(
        x: Ptr, h: I64, w: I64, c: I64, x_pix: I64, kh: I64, kw: I64, y: Ptr, oh: I64, ow: I64, y_pix: I64,
        sh: I64, sw: I64, dh: I64, dw: I64, pt: I64, pl: I64, row_begin: I64, row_end: I64, count_include_pad: I64,
        pb: I64, pr: I64,
    ) = tiers pool2d::avgpool2d_f32;
    /// One head: O[sq, dv] = softmax(scale * Q[sq, d] * K[sk, d]^T + mask) * V[sk, dv]. The mask is null or additive,
    /// element (i, j) at mask[i * mask_row + j * mask_col], strides of 0 allowed. causal: -1, or query i sees the keys
    /// j <= i + causal only (K, V and mask beyond are never used), and of those j >= i + low only (which may be far
    /// negative; the others count with a weight of 0). A row masked by -inf altogether is NaN, or
    /// 0 with nan_to_zero (weights that are NaN count as 0 then); without keys it is 0. Scratch: `attention_scratch` bytes. No bit depends on how the caller cuts the query rows.
    fn attention_f32(
        sq: I64, sk: I64, d: I64, dv: I64, q: Ptr, ldq: I64, k: Ptr, ldk: I64, v: Ptr, ldv: I64, o: Ptr, ldo: I64,
        scale: F32, mask: Ptr, mask_row: I64, mask_col: I64, causal: I64, low: I64,
        nan_to_zero: I64, scratch: Ptr,
    ) = tiers attention::attention_f32;

    // -- element-wise, one operand: y[i] = f(x[i])

    /// e^x: infinity above 88.72, denormals below -87.3.
    fn v_exp(n: I64, x: Ptr, y: Ptr) = tiers vector::v_exp;
    /// ln x: -infinity at 0, NaN below.
    fn v_log(n: I64, x: Ptr, y: Ptr) = tiers vector::v_log;
    /// Square root, NaN below 0.
    fn v_sqrt(n: I64, x: Ptr, y: Ptr) = tiers vector::v_sqrt;
    /// 1 / sqrt(x), both steps correctly rounded.
    fn v_rsqrt(n: I64, x: Ptr, y: Ptr) = tiers vector::v_rsqrt;
    /// 1 / x.
    fn v_recip(n: I64, x: Ptr, y: Ptr) = tiers vector::v_recip;
    /// Error function.
    fn v_erf(n: I64, x: Ptr, y: Ptr) = tiers vector::v_erf;
    /// Hyperbolic tangent.
    fn v_tanh(n: I64, x: Ptr, y: Ptr) = tiers vector::v_tanh;
    /// 1 / (1 + e^-x).
    fn v_sigmoid(n: I64, x: Ptr, y: Ptr) = tiers vector::v_sigmoid;
    /// max(x, 0).
    fn v_relu(n: I64, x: Ptr, y: Ptr) = tiers vector::v_relu;
    /// x/2 (1 + erf(x / sqrt 2)).
    fn v_gelu_erf(n: I64, x: Ptr, y: Ptr) = tiers vector::v_gelu_erf;
    /// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    fn v_gelu_tanh(n: I64, x: Ptr, y: Ptr) = tiers vector::v_gelu_tanh;
    /// x / (1 + e^-x).
    fn v_silu(n: I64, x: Ptr, y: Ptr) = tiers vector::v_silu;
    /// -x.
    fn v_neg(n: I64, x: Ptr, y: Ptr) = tiers vector::v_neg;
    /// |x|.
    fn v_abs(n: I64, x: Ptr, y: Ptr) = tiers vector::v_abs;
    /// Largest integer not above x.
    fn v_floor(n: I64, x: Ptr, y: Ptr) = tiers vector::v_floor;
    /// Smallest integer not below x.
    fn v_ceil(n: I64, x: Ptr, y: Ptr) = tiers vector::v_ceil;
    /// Nearest integer, halves to even.
    fn v_round(n: I64, x: Ptr, y: Ptr) = tiers vector::v_round;
    /// Sine of an angle in radians.
    fn v_sin(n: I64, x: Ptr, y: Ptr) = tiers vector::v_sin;
    /// Cosine of an angle in radians.
    fn v_cos(n: I64, x: Ptr, y: Ptr) = tiers vector::v_cos;
    /// ln(1 + e^x).
    fn v_softplus(n: I64, x: Ptr, y: Ptr) = tiers vector::v_softplus;
    /// x clip(x/6 + 1/2, 0, 1).
    fn v_hardswish(n: I64, x: Ptr, y: Ptr) = tiers vector::v_hardswish;
    /// x tanh(softplus(x)).
    fn v_mish(n: I64, x: Ptr, y: Ptr) = tiers vector::v_mish;
    /// -1, 0 or 1.
    fn v_sign(n: I64, x: Ptr, y: Ptr) = tiers vector::v_sign;
    /// x x.
    fn v_square(n: I64, x: Ptr, y: Ptr) = tiers vector::v_square;

    // -- element-wise, several operands: strides 1 (a row) or 0 (one value)

    /// a + b.
    fn v_add(n: I64, a: Ptr, sa: I64, b: Ptr, sb: I64, y: Ptr) = tiers binary::v_add;
    /// a - b.
    fn v_sub(n: I64, a: Ptr, sa: I64, b: Ptr, sb: I64, y: Ptr) = tiers binary::v_sub;
    /// a b.
    fn v_mul(n: I64, a: Ptr, sa: I64, b: Ptr, sb: I64, y: Ptr) = tiers binary::v_mul;
    /// a / b.
    fn v_div(n: I64, a: Ptr, sa: I64, b: Ptr, sb: I64, y: Ptr) = tiers binary::v_div;
    /// The smaller of a and b.
    fn v_min(n: I64, a: Ptr, sa: I64, b: Ptr, sb: I64, y: Ptr) = tiers binary::v_min;
    /// The larger of a and b.
    fn v_max(n: I64, a: Ptr, sa: I64, b: Ptr, sb: I64, y: Ptr) = tiers binary::v_max;
    /// a^b, special cases as C's pow.
    fn v_pow(n: I64, a: Ptr, sa: I64, b: Ptr, sb: I64, y: Ptr) = tiers binary::v_pow;
    /// a b + c, rounded once.
    fn v_fma(n: I64, a: Ptr, sa: I64, b: Ptr, sb: I64, c: Ptr, sc: I64, y: Ptr) = tiers binary::v_fma;
    /// Activation by code: 0 none, 1 relu, 2 gelu_erf, 3 gelu_tanh, 4 silu, 5 clip(p0, p1), 6 sigmoid, 7 tanh, 8 hardswish,
    /// 9 hardsigmoid(alpha p0, beta p1), 10 leaky_relu(p0), 11 elu(p0), 12 softplus, 13 mish, 14 erf, 15 exp.
    fn v_act(n: I64, x: Ptr, y: Ptr, act: I64, p0: F32, p1: F32) = tiers binary::v_act;
    /// min(max(x, lo), hi).
    fn v_clip(n: I64, x: Ptr, lo: F32, hi: F32, y: Ptr) = tiers binary::v_clip;

    // -- rows to one value; the order of the sums is in kernels/reduce.rs, the same in all tiers

    /// Sum.
    fn r_sum(n: I64, x: Ptr) -> F32 = tiers reduce::r_sum;
    /// Sum of squares.
    fn r_sum_sq(n: I64, x: Ptr) -> F32 = tiers reduce::r_sum_sq;
    /// Sum of absolute values.
    fn r_sum_abs(n: I64, x: Ptr) -> F32 = tiers reduce::r_sum_abs;
    /// Sum of e^x.
    fn r_sum_exp(n: I64, x: Ptr) -> F32 = tiers reduce::r_sum_exp;
    /// Product.
    fn r_prod(n: I64, x: Ptr) -> F32 = tiers reduce::r_prod;
    /// Largest element; -infinity of none.
    fn r_max(n: I64, x: Ptr) -> F32 = tiers reduce::r_max;
    /// Smallest element; infinity of none.
    fn r_min(n: I64, x: Ptr) -> F32 = tiers reduce::r_min;

    // -- rows to rows

    /// e^(x - max) / sum of it; a row of -infinity alone gives NaN.
    fn softmax_f32(rows: I64, n: I64, x: Ptr, ldx: I64, y: Ptr, ldy: I64) = tiers softmax::softmax_f32;
    /// x - max - ln(sum of e^(x - max)).
    fn log_softmax_f32(rows: I64, n: I64, x: Ptr, ldx: I64, y: Ptr, ldy: I64) = tiers softmax::log_softmax_f32;
    /// (x - mean) / sqrt(variance + eps) * gamma + beta; gamma and beta may be null.
    fn layer_norm_f32(rows: I64, n: I64, x: Ptr, ldx: I64, gamma: Ptr, beta: Ptr, eps: F32, y: Ptr, ldy: I64) = tiers norm::layer_norm_f32;
    /// x / sqrt(mean of squares + eps) * gamma; gamma may be null.
    fn rms_norm_f32(rows: I64, n: I64, x: Ptr, ldx: I64, gamma: Ptr, eps: F32, y: Ptr, ldy: I64) = tiers norm::rms_norm_f32;
    /// layer_norm_f32 of x + r, which goes to `sum` if that is not null (it may be x or r, but not y).
    fn add_layer_norm_f32(rows: I64, n: I64, x: Ptr, ldx: I64, r: Ptr, ldr: I64, gamma: Ptr, beta: Ptr, eps: F32, sum: Ptr, lds: I64, y: Ptr, ldy: I64) = tiers norm::add_layer_norm_f32;

    // -- movement

    /// Copies `n` bytes; the ranges must not overlap.
    fn copy_bytes(n: I64, src: Ptr, dst: Ptr) = same movement::copy_bytes;
    /// Copies `rows` rows of `row_bytes`; strides in bytes; no overlap.
    fn copy2d_bytes(rows: I64, row_bytes: I64, src: Ptr, src_stride: I64, dst: Ptr, dst_stride: I64) = same movement::copy2d_bytes;
    /// dst[c*ldd + r] = src[r*lds + c], 1-byte elements; no overlap.
    fn transpose2d_b1(rows: I64, cols: I64, src: Ptr, lds: I64, dst: Ptr, ldd: I64) = tiers transpose::transpose2d_b1;
    /// dst[c*ldd + r] = src[r*lds + c], 2-byte elements; no overlap.
    fn transpose2d_b2(rows: I64, cols: I64, src: Ptr, lds: I64, dst: Ptr, ldd: I64) = tiers transpose::transpose2d_b2;
    /// dst[c*ldd + r] = src[r*lds + c], 4-byte elements; no overlap.
    fn transpose2d_b4(rows: I64, cols: I64, src: Ptr, lds: I64, dst: Ptr, ldd: I64) = tiers transpose::transpose2d_b4;
    /// dst[c*ldd + r] = src[r*lds + c], 8-byte elements; no overlap.
    fn transpose2d_b8(rows: I64, cols: I64, src: Ptr, lds: I64, dst: Ptr, ldd: I64) = tiers transpose::transpose2d_b8;
    /// dst[i] = the low 1 bytes of `value`.
    fn fill_b1(n: I64, value: I64, dst: Ptr) = tiers movement::fill_b1;
    /// dst[i] = the low 2 bytes of `value`.
    fn fill_b2(n: I64, value: I64, dst: Ptr) = tiers movement::fill_b2;
    /// dst[i] = the low 4 bytes of `value`.
    fn fill_b4(n: I64, value: I64, dst: Ptr) = tiers movement::fill_b4;
    /// dst[i] = the low 8 bytes of `value`.
    fn fill_b8(n: I64, value: I64, dst: Ptr) = tiers movement::fill_b8;

    // -- 16-bit formats, rounding to nearest even

    /// IEEE half to single.
    fn cvt_f16_f32(n: I64, src: Ptr, dst: Ptr) = tiers convert::cvt_f16_f32;
    /// Single to IEEE half.
    fn cvt_f32_f16(n: I64, src: Ptr, dst: Ptr) = tiers convert::cvt_f32_f16;
    /// bfloat16 to single.
    fn cvt_bf16_f32(n: I64, src: Ptr, dst: Ptr) = tiers convert::cvt_bf16_f32;
    /// Single to bfloat16.
    fn cvt_f32_bf16(n: I64, src: Ptr, dst: Ptr) = tiers convert::cvt_f32_bf16;
    /// IEEE half to single, one value as bits.
    fn s_cvt_f16_f32(bits: I64) -> F32 = same convert::s_cvt_f16_f32;
    /// Single to IEEE half, one value as bits.
    fn s_cvt_f32_f16(x: F32) -> I64 = same convert::s_cvt_f32_f16;
    /// bfloat16 to single, one value as bits.
    fn s_cvt_bf16_f32(bits: I64) -> F32 = same convert::s_cvt_bf16_f32;
    /// Single to bfloat16, one value as bits.
    fn s_cvt_f32_bf16(x: F32) -> I64 = same convert::s_cvt_f32_bf16;

    // -- scalar mathematics by value, C's meaning

    /// e^x.
    fn s_exp_f32(x: F32) -> F32 = same scalar::s_exp::f32;
    /// 2^x.
    fn s_exp2_f32(x: F32) -> F32 = same scalar::s_exp2::f32;
    /// e^x - 1.
    fn s_expm1_f32(x: F32) -> F32 = same scalar::s_expm1::f32;
    /// ln x.
    fn s_log_f32(x: F32) -> F32 = same scalar::s_log::f32;
    /// ln(1 + x).
    fn s_log1p_f32(x: F32) -> F32 = same scalar::s_log1p::f32;
    /// C function sin.
    fn s_sin_f32(x: F32) -> F32 = same scalar::s_sin::f32;
    /// C function cos.
    fn s_cos_f32(x: F32) -> F32 = same scalar::s_cos::f32;
    /// C function tan.
    fn s_tan_f32(x: F32) -> F32 = same scalar::s_tan::f32;
    /// C function asin.
    fn s_asin_f32(x: F32) -> F32 = same scalar::s_asin::f32;
    /// C function acos.
    fn s_acos_f32(x: F32) -> F32 = same scalar::s_acos::f32;
    /// C function atan.
    fn s_atan_f32(x: F32) -> F32 = same scalar::s_atan::f32;
    /// C function sinh.
    fn s_sinh_f32(x: F32) -> F32 = same scalar::s_sinh::f32;
    /// C function cosh.
    fn s_cosh_f32(x: F32) -> F32 = same scalar::s_cosh::f32;
    /// C function tanh.
    fn s_tanh_f32(x: F32) -> F32 = same scalar::s_tanh::f32;
    /// C function asinh.
    fn s_asinh_f32(x: F32) -> F32 = same scalar::s_asinh::f32;
    /// C function acosh.
    fn s_acosh_f32(x: F32) -> F32 = same scalar::s_acosh::f32;
    /// C function atanh.
    fn s_atanh_f32(x: F32) -> F32 = same scalar::s_atanh::f32;
    /// Error function.
    fn s_erf_f32(x: F32) -> F32 = same scalar::s_erf::f32;
    /// Nearest integer, halves to even.
    fn s_round_f32(x: F32) -> F32 = same scalar::s_round::f32;
    /// x^y.
    fn s_pow_f32(x: F32, y: F32) -> F32 = same scalar::s_pow::f32;
    /// Remainder of x / y with the sign of x.
    fn s_fmod_f32(x: F32, y: F32) -> F32 = same scalar::s_fmod::f32;
    /// e^x.
    fn s_exp_f64(x: F64) -> F64 = same scalar::s_exp::f64;
    /// 2^x.
    fn s_exp2_f64(x: F64) -> F64 = same scalar::s_exp2::f64;
    /// e^x - 1.
    fn s_expm1_f64(x: F64) -> F64 = same scalar::s_expm1::f64;
    /// ln x.
    fn s_log_f64(x: F64) -> F64 = same scalar::s_log::f64;
    /// ln(1 + x).
    fn s_log1p_f64(x: F64) -> F64 = same scalar::s_log1p::f64;
    /// C function sin.
    fn s_sin_f64(x: F64) -> F64 = same scalar::s_sin::f64;
    /// C function cos.
    fn s_cos_f64(x: F64) -> F64 = same scalar::s_cos::f64;
    /// C function tan.
    fn s_tan_f64(x: F64) -> F64 = same scalar::s_tan::f64;
    /// C function asin.
    fn s_asin_f64(x: F64) -> F64 = same scalar::s_asin::f64;
    /// C function acos.
    fn s_acos_f64(x: F64) -> F64 = same scalar::s_acos::f64;
    /// C function atan.
    fn s_atan_f64(x: F64) -> F64 = same scalar::s_atan::f64;
    /// C function sinh.
    fn s_sinh_f64(x: F64) -> F64 = same scalar::s_sinh::f64;
    /// C function cosh.
    fn s_cosh_f64(x: F64) -> F64 = same scalar::s_cosh::f64;
    /// C function tanh.
    fn s_tanh_f64(x: F64) -> F64 = same scalar::s_tanh::f64;
    /// C function asinh.
    fn s_asinh_f64(x: F64) -> F64 = same scalar::s_asinh::f64;
    /// C function acosh.
    fn s_acosh_f64(x: F64) -> F64 = same scalar::s_acosh::f64;
    /// C function atanh.
    fn s_atanh_f64(x: F64) -> F64 = same scalar::s_atanh::f64;
    /// Error function.
    fn s_erf_f64(x: F64) -> F64 = same scalar::s_erf::f64;
    /// Nearest integer, halves to even.
    fn s_round_f64(x: F64) -> F64 = same scalar::s_round::f64;
    /// x^y.
    fn s_pow_f64(x: F64, y: F64) -> F64 = same scalar::s_pow::f64;
    /// Remainder of x / y with the sign of x.
    fn s_fmod_f64(x: F64, y: F64) -> F64 = same scalar::s_fmod::f64;

    // -- quantisation

    /// min(max(round(x / scale) + zero, lo), hi), halves to even; strides as in `v_add`.
    fn v_quantize(
        n: I64, x: Ptr, sx: I64, scale: Ptr, ss: I64, zero: Ptr, sz: I64, lo: F32, hi: F32, y: Ptr,
    ) = tiers binary::v_quantize;

    // -- Winograd F(4x4, 3x3), see kernels/winograd.rs

    /// Transforms `count` tiles of 6x6 inputs, from tile `first` on. The outputs are cut into tiles of 4x4, `across` to a row;
    /// tile (r, c) begins at input row 4r - pt, column 4c - pl; what lies outside of the image is 0. Images as in
    /// `conv2d_f32`. Element (p, t, i), p in 0..36, goes to v[p * plane + t * c + i].
    fn wino_in_f32(
        x: Ptr, h: I64, w: I64, c: I64, x_pix: I64, pt: I64, pl: I64, across: I64, first: I64, count: I64, v: Ptr,
        plane: I64,
    ) = tiers winograd::wino_in_f32;
    /// The way back: tiles of 4x4 outputs from m[p * plane + t * co + o], then bias (or null), res (or null) and act as in
    /// `conv2d_f32`; outputs beyond oh and ow are left out.
    fn wino_out_f32(
        m: Ptr, plane: I64, co: I64, y: Ptr, oh: I64, ow: I64, y_pix: I64, across: I64, first: I64, count: I64, bias: Ptr,
        res: Ptr, act: I64, p0: F32, p1: F32,
    ) = tiers winograd::wino_out_f32;
}

/// Raised when the layout of `RunCtx`, `Status` or `ModelCode`, or the meaning of a kernel's argument changes.
const REVISION: u64 = 1;

/// Number of kernels in the table.
pub const COUNT: usize = SIGNATURES.len();

/// The table's identity, recorded in every artifact: the number of slots in the upper 16 bits, a hash of their names and
/// argument kinds and of the layout revision in the lower 48.
pub const ABI: u64 = abi_of_first(COUNT);

/// Whether code compiled against the table `abi` can run with this one: it is the same, or the beginning of it.
pub const fn abi_fits(abi: u64) -> bool {
    let count = (abi >> 48) as usize;
    count <= COUNT && abi_of_first(count) == abi
}

const fn abi_of_first(count: usize) -> u64 {
    const fn step(hash: u64, byte: u8) -> u64 {
        (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
    }
    let mut hash = step(0xcbf2_9ce4_8422_2325, REVISION as u8);
    let mut i = 0;
    while i < count {
        let signature = &SIGNATURES[i];
        let name = signature.name.as_bytes();
        let mut j = 0;
        while j < name.len() {
            hash = step(hash, name[j]);
            j += 1;
        }
        hash = step(hash, b'(');
        j = 0;
        while j < signature.args.len() {
            hash = step(hash, signature.args[j] as u8);
            j += 1;
        }
        hash = step(hash, if let Some(ret) = signature.ret { b'A' + ret as u8 } else { b')' });
        i += 1;
    }
    (count as u64) << 48 | (hash ^ hash >> 48) & 0xffff_ffff_ffff
}

/// The slot of the kernel called `name`; its function pointer is at byte 8 * slot of [`Kernels`].
pub fn kernel_index(name: &str) -> Option<usize> {
    SIGNATURES.iter().position(|signature| signature.name == name)
}

/// The table of a tier.
///
/// # Safety
/// Calling the kernels in it needs a CPU of that tier.
pub fn table_of(tier: Tier) -> &'static Kernels {
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => &AVX512,
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => &AVX2,
        _ => &SCALAR,
    }
}

/// The best table for this machine, by CPUID (see [`Tier::detect`]).
pub fn select() -> (&'static Kernels, Tier) {
    let tier = Tier::detect();
    (table_of(tier), tier)
}

const _: () = assert!(size_of::<Kernels>() == 8 * COUNT && COUNT < 1 << 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_indexed() {
        for (i, signature) in SIGNATURES.iter().enumerate() {
            assert_eq!(kernel_index(signature.name), Some(i));
        }
        assert_eq!(kernel_index("no_such_kernel"), None);
    }

    #[test]
    fn abi_accepts_every_beginning_of_the_table_and_nothing_else() {
        assert!((0..=COUNT).all(|count| abi_fits(abi_of_first(count))));
        assert!(!abi_fits(ABI ^ 1) && !abi_fits(ABI + (1 << 48)) && !abi_fits(u64::MAX));
    }
}
