//! Element-wise kernels over rows.

use super::math;
use super::simd::Simd;

/// One operand, one result, element by element.
pub(crate) trait Unary {
    fn apply<V: Simd>(x: V) -> V;
}

/// # Safety
/// `n` floats are readable at `x` and writable at `y`, which is `x` or does not overlap it.
#[inline(always)]
unsafe fn unary<V: Simd, O: Unary>(n: i64, x: *mut u8, y: *mut u8) {
    let (n, x, y) = (n.max(0) as usize, x.cast::<f32>(), y.cast::<f32>());
    let mut i = 0;
    while i + V::LANES <= n {
        // SAFETY: i + LANES <= n.
        unsafe { O::apply(V::load(x.add(i))).store(y.add(i)) };
        i += V::LANES;
    }
    if i < n {
        // SAFETY: n - i elements from i on are within the row.
        unsafe { O::apply(V::load_part(x.add(i), n - i, V::splat(1.0))).store_part(y.add(i), n - i) };
    }
}

macro_rules! unary_ops {
    ($($(#[$doc:meta])* $name:ident($x:ident) = $body:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;
        impl Unary for $name {
            #[inline(always)]
            fn apply<V: Simd>($x: V) -> V {
                $body
            }
        }
    )*};
}

unary_ops! {
    Exp(x) = math::exp(x);
    Log(x) = math::log(x);
    Sqrt(x) = x.sqrt();
    Rsqrt(x) = x.c(1.0).div(x.sqrt());
    Recip(x) = x.c(1.0).div(x);
    Erf(x) = math::erf(x);
    Tanh(x) = math::tanh(x);
    Sigmoid(x) = math::sigmoid(x);
    Relu(x) = math::relu(x);
    GeluErf(x) = math::gelu_erf(x);
    GeluTanh(x) = math::gelu_tanh(x);
    Silu(x) = math::silu(x);
    Neg(x) = x.neg();
    Abs(x) = x.abs();
    Floor(x) = x.floor();
    Ceil(x) = x.ceil();
    Round(x) = x.round_even();
    Sin(x) = math::sin(x);
    Cos(x) = math::cos(x);
    Softplus(x) = math::softplus(x);
    Hardswish(x) = math::hardswish(x);
    Mish(x) = math::mish(x);
    Sign(x) = math::sign(x);
    Square(x) = x.mul(x);
}

tiers! {
    fn v_exp(n: i64, x: *mut u8, y: *mut u8) = unary::<Exp>;
    fn v_log(n: i64, x: *mut u8, y: *mut u8) = unary::<Log>;
    fn v_sqrt(n: i64, x: *mut u8, y: *mut u8) = unary::<Sqrt>;
    fn v_rsqrt(n: i64, x: *mut u8, y: *mut u8) = unary::<Rsqrt>;
    fn v_recip(n: i64, x: *mut u8, y: *mut u8) = unary::<Recip>;
    fn v_erf(n: i64, x: *mut u8, y: *mut u8) = unary::<Erf>;
    fn v_tanh(n: i64, x: *mut u8, y: *mut u8) = unary::<Tanh>;
    fn v_sigmoid(n: i64, x: *mut u8, y: *mut u8) = unary::<Sigmoid>;
    fn v_relu(n: i64, x: *mut u8, y: *mut u8) = unary::<Relu>;
    fn v_gelu_erf(n: i64, x: *mut u8, y: *mut u8) = unary::<GeluErf>;
    fn v_gelu_tanh(n: i64, x: *mut u8, y: *mut u8) = unary::<GeluTanh>;
    fn v_silu(n: i64, x: *mut u8, y: *mut u8) = unary::<Silu>;
    fn v_neg(n: i64, x: *mut u8, y: *mut u8) = unary::<Neg>;
    fn v_abs(n: i64, x: *mut u8, y: *mut u8) = unary::<Abs>;
    fn v_floor(n: i64, x: *mut u8, y: *mut u8) = unary::<Floor>;
    fn v_ceil(n: i64, x: *mut u8, y: *mut u8) = unary::<Ceil>;
    fn v_round(n: i64, x: *mut u8, y: *mut u8) = unary::<Round>;
    fn v_sin(n: i64, x: *mut u8, y: *mut u8) = unary::<Sin>;
    fn v_cos(n: i64, x: *mut u8, y: *mut u8) = unary::<Cos>;
    fn v_softplus(n: i64, x: *mut u8, y: *mut u8) = unary::<Softplus>;
    fn v_hardswish(n: i64, x: *mut u8, y: *mut u8) = unary::<Hardswish>;
    fn v_mish(n: i64, x: *mut u8, y: *mut u8) = unary::<Mish>;
    fn v_sign(n: i64, x: *mut u8, y: *mut u8) = unary::<Sign>;
    fn v_square(n: i64, x: *mut u8, y: *mut u8) = unary::<Square>;
}
