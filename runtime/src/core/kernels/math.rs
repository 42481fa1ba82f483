//! Elementary functions on vectors, written once for all tiers.
//!
//! Each polynomial or rational function was fitted to the least largest relative error (Lawson's method, 40 digits). The
//! largest errors over all tested floats are in the test `math` of this crate. A lane's result depends on that lane alone.
//! NaN gives NaN everywhere. Kernels without that care use the `_core` forms on a known range.
#![allow(clippy::excessive_precision, reason = "nine digits name a float exactly, whichever they are")]

use super::scalar;
use super::simd::Simd;

const LOG2_E: f32 = core::f32::consts::LOG2_E;
/// ln 2 = `LN2_HI` + `LN2_LO`.
const LN2_HI: f32 = core::f32::consts::LN_2;
const LN2_LO: f32 = -1.904_654_2e-9;

/// c[0] + c[1] x + c[2] x^2 + .. by Horner's rule.
#[inline(always)]
pub(crate) fn poly<V: Simd, const N: usize>(x: V, c: [f32; N]) -> V {
    let mut sum = x.c(c[N - 1]);
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = sum.fma(x, x.c(c[i]));
    }
    sum
}

/// `min(max(x, lo), hi)`, NaN where `x` is NaN.
#[inline(always)]
pub(crate) fn clip<V: Simd>(x: V, lo: V, hi: V) -> V {
    hi.min_x86(lo.max_x86(x))
}

/// `(n, q)` with e^x = 2^n (1 + q) and |q| < 0.42, for |x| < 200.
#[inline(always)]
fn exp_parts<V: Simd>(x: V) -> (V, V) {
    let n = x.mul(x.c(LOG2_E)).round_even();
    let r = n.fnma(x.c(LN2_LO), n.fnma(x.c(LN2_HI), x));
    let p = poly(r, [4.999999404e-01, 1.666651964e-01, 4.166839644e-02, 8.368786424e-03, 1.381440205e-03]);
    (n, p.fma(r.mul(r), r))
}

/// e^x: infinity above 88.72, denormals below -87.3, 0 below -103.97.
#[inline(always)]
pub(crate) fn exp<V: Simd>(x: V) -> V {
    let (n, q) = exp_parts(clip(x, x.c(-110.0), x.c(90.0)));
    q.add(x.c(1.0)).scale(n)
}

/// e^x for x <= 0, for the weights of a softmax: relative error below 2e-7 - 5e-8 x, below -86.9 it may be 0. Fewer steps
/// than `exp`, whose two-part reduction matters for large results only.
#[inline(always)]
#[allow(clippy::approx_constant, reason = "the fit is near ln 2, not equal")]
pub(crate) fn exp_below<V: Simd>(x: V) -> V {
    // max_x86 gives its argument if that is NaN
    let y = x.c(-160.0).max_x86(x.mul(x.c(LOG2_E)));
    let n = y.round_even();
    // 2^f on [-1/2, 1/2], relative error 9.1e-8
    let c = [1.0, 6.931470037e-01, 2.402224243e-01, 5.550733581e-02, 9.671512991e-03, 1.326472731e-03];
    poly(y.sub(n), c).scale_down(n)
}

/// e^x - 1 for x <= 60, without cancellation near 0.
#[inline(always)]
fn exp_m1<V: Simd>(x: V) -> V {
    let (n, q) = exp_parts(clip(x, x.c(-110.0), x.c(60.0)));
    let power = x.c(1.0).scale(n);
    q.fma(power, power.sub(x.c(1.0)))
}

/// ln x for normal, finite x > 0; `k0` is added to the exponent.
#[inline(always)]
fn log_core<V: Simd>(x: V, k0: V) -> V {
    // x = 2^k m with m in [sqrt(1/2), sqrt(2))
    let root = x.cbits(0x3f35_04f3);
    let shifted = x.iadd(x.cbits(0x3f80_0000 - 0x3f35_04f3));
    let k = shifted.shr::<23>().int_value().add(k0);
    let f = shifted.and(x.cbits(0x007f_ffff)).iadd(root).sub(x.c(1.0));
    let p = poly(
        f,
        [
            3.333331347e-01,
            -2.500000894e-01,
            2.000211924e-01,
            -1.666799635e-01,
            1.421955079e-01,
            -1.240558326e-01,
            1.188816279e-01,
            -1.167568490e-01,
            6.746679544e-02,
        ],
    );
    let square = f.mul(f);
    let small = p.mul(f).fma(square, k.mul(x.c(LN2_LO)));
    let small = square.fnma(x.c(0.5), small);
    k.fma(x.c(LN2_HI), f.add(small))
}

/// ln x: -infinity at 0, NaN below.
#[inline(always)]
pub(crate) fn log<V: Simd>(x: V) -> V {
    let tiny = x.lt(x.c(f32::MIN_POSITIVE));
    let scaled = x.mul(x.c(8_388_608.0)).select(tiny, x);
    let y = log_core(scaled, x.c(-127.0 - 23.0).select(tiny, x.c(-127.0)));
    let y = y.select(x.lt(x.c(f32::INFINITY)), x);
    let y = y.select(x.c(0.0).le(x), x.c(f32::NAN));
    x.c(f32::NEG_INFINITY).select(x.eq(x.c(0.0)), y)
}

/// The error function.
#[inline(always)]
pub(crate) fn erf<V: Simd>(x: V) -> V {
    // erf rounds to 1 from 3.92 on, and the quotient at 3.93 is not below 1: exact saturation, which gelu(-large) needs
    let x = clip(x, x.c(-3.93), x.c(3.93));
    let t = x.mul(x);
    let p =
        poly(t, [1.128379226e+00, 1.924257427e-01, 5.556857586e-02, 4.191933665e-03, 4.052747390e-04, 6.571390713e-06]);
    let q = poly(
        t,
        [1.0, 5.038663149e-01, 1.172012314e-01, 1.620643213e-02, 1.406401978e-03, 7.098807691e-05, 2.480210526e-07],
    );
    clip(x.mul(p).div(q), x.c(-1.0), x.c(1.0))
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<V: Simd>(x: V) -> V {
    // tanh rounds to 1 from 9.02 on, and the quotient at 9.07 is not below 1: exact saturation
    let x = clip(x, x.c(-9.07), x.c(9.07));
    let t = x.mul(x);
    let p = poly(t, [1.0, 1.367988884e-01, 3.868295578e-03, 2.800681250e-05, 3.058348952e-08, -1.220235891e-11]);
    let q = poly(t, [1.0, 4.701322019e-01, 2.724572085e-02, 3.938574519e-04, 1.287321652e-06]);
    clip(x.mul(p).div(q), x.c(-1.0), x.c(1.0))
}

/// 1 / (1 + e^-x), without overflow.
#[inline(always)]
pub(crate) fn sigmoid<V: Simd>(x: V) -> V {
    let one = x.c(1.0);
    let e = exp(x.or(x.cbits(0x8000_0000))); // e^-|x|
    e.select(x.lt(x.c(0.0)), one).div(one.add(e))
}

/// x / (1 + e^-x).
#[inline(always)]
pub(crate) fn silu<V: Simd>(x: V) -> V {
    x.mul(sigmoid(x))
}

/// x/2 (1 + erf(x / sqrt 2)).
#[inline(always)]
pub(crate) fn gelu_erf<V: Simd>(x: V) -> V {
    let half = x.mul(x.c(0.5));
    half.fma(erf(x.mul(x.c(core::f32::consts::FRAC_1_SQRT_2))), half)
}

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), computed as x sigmoid(2 ..).
#[inline(always)]
pub(crate) fn gelu_tanh<V: Simd>(x: V) -> V {
    let t = x.mul(x);
    let inner = t.fma(x.c(2.0 * 0.797_884_6 * 0.044_715), x.c(2.0 * 0.797_884_6)).mul(x);
    x.mul(sigmoid(inner))
}

/// ln(1 + e^x), without overflow.
#[inline(always)]
pub(crate) fn softplus<V: Simd>(x: V) -> V {
    let one = x.c(1.0);
    let e = exp(x.or(x.cbits(0x8000_0000)));
    let u = one.add(e);
    // ln(1 + e) with what the sum lost, to first order
    let log1p = log_core(u, x.c(-127.0)).add(e.sub(u.sub(one)).div(u));
    x.c(0.0).max_x86(x).add(log1p)
}

/// x tanh(softplus(x)): with n = e^x (e^x + 2) that is x n / (n + 2).
#[inline(always)]
pub(crate) fn mish<V: Simd>(x: V) -> V {
    let two = x.c(2.0);
    let e = exp(x.c(20.0).min_x86(x)); // from 20 on n + 2 = n
    let n = e.mul(e.add(two));
    x.mul(n.div(n.add(two)))
}

/// x clip(x/6 + 1/2, 0, 1).
#[inline(always)]
pub(crate) fn hardswish<V: Simd>(x: V) -> V {
    x.mul(hardsigmoid(x, x.c(1.0 / 6.0), x.c(0.5)))
}

/// clip(alpha x + beta, 0, 1).
#[inline(always)]
pub(crate) fn hardsigmoid<V: Simd>(x: V, alpha: V, beta: V) -> V {
    clip(alpha.mul(x).add(beta), x.c(0.0), x.c(1.0))
}

/// max(x, 0), NaN where x is NaN.
#[inline(always)]
pub(crate) fn relu<V: Simd>(x: V) -> V {
    x.c(0.0).max_x86(x)
}

/// x for x >= 0, else alpha x.
#[inline(always)]
pub(crate) fn leaky_relu<V: Simd>(x: V, alpha: V) -> V {
    alpha.mul(x).select(x.lt(x.c(0.0)), x)
}

/// x for x >= 0, else alpha (e^x - 1).
#[inline(always)]
pub(crate) fn elu<V: Simd>(x: V, alpha: V) -> V {
    alpha.mul(exp_m1(x)).select(x.lt(x.c(0.0)), x)
}

/// -1, 0 or 1; NaN where x is NaN.
#[inline(always)]
pub(crate) fn sign<V: Simd>(x: V) -> V {
    let zero = x.c(0.0);
    let y = x.c(1.0).select(zero.lt(x), x);
    x.c(-1.0).select(x.lt(zero), y)
}

/// Beyond this the three-part reduction by pi/2 loses accuracy, and lanes are computed one by one.
const TRIG_LIMIT: f32 = 1.0e5;

/// sin (`QUADRANT` 0) or cos (`QUADRANT` 1): sin(x + QUADRANT pi/2).
#[inline(always)]
fn trig<V: Simd, const QUADRANT: u32>(x: V) -> V {
    let n = x.mul(x.c(core::f32::consts::FRAC_2_PI)).round_even();
    // pi/2 in three floats
    let r = n.fnma(x.c(1.570_796_4), x);
    let r = n.fnma(x.c(-4.371_138_8e-8), r);
    let r = n.fnma(x.c(-1.715_12e-15), r);
    let t = r.mul(r);
    let p = poly(t, [-1.666666716e-01, 8.333329111e-03, -1.983923285e-04, 2.717366669e-06]);
    let sin = p.mul(t).fma(r, r);
    let p = poly(t, [4.166664556e-02, -1.388725126e-03, 2.442564801e-05]);
    let cos = p.mul(t).fma(t, t.fnma(x.c(0.5), x.c(1.0)));
    let quadrant = n.to_int().iadd(x.cbits(QUADRANT));
    let y = sin.select(quadrant.and(x.cbits(1)).is_zero_bits(), cos);
    let y = y.xor(quadrant.and(x.cbits(2)).shl::<30>());
    let large = x.c(TRIG_LIMIT).lt(x.abs());
    if V::any(large) { trig_slow::<V, QUADRANT>(x).select(large, y) } else { y }
}

#[inline(always)]
fn trig_slow<V: Simd, const QUADRANT: u32>(x: V) -> V {
    let mut lanes = [0f32; 16];
    // SAFETY: LANES <= 16 floats are stored into and loaded from the array; `x` shows that the CPU has this tier.
    unsafe {
        x.store(lanes.as_mut_ptr());
        trig_lanes(&mut lanes[..V::LANES], QUADRANT == 0);
        V::load(lanes.as_ptr())
    }
}

#[cold]
#[inline(never)]
fn trig_lanes(lanes: &mut [f32], sine: bool) {
    for lane in lanes {
        let x = *lane as f64;
        *lane = if sine { scalar::sin(x) } else { scalar::cos(x) } as f32;
    }
}

/// The sine of an angle in radians.
#[inline(always)]
pub(crate) fn sin<V: Simd>(x: V) -> V {
    // the reduction turns -0 into 0
    x.select(x.eq(x.c(0.0)), trig::<V, 0>(x))
}

/// The cosine of an angle in radians.
#[inline(always)]
pub(crate) fn cos<V: Simd>(x: V) -> V {
    trig::<V, 1>(x)
}
