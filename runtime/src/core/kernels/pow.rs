//! x^y: in double precision, sixteen lanes at a time, in plain arithmetic that the compiler vectorizes.

use super::scalar;
use super::simd::Simd;

/// 1.5 * 2^52: adding it rounds to an integer, which then stands in the low bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// log2 x for normal x > 0, to 1e-12 of its size.
#[inline(always)]
fn log2(x: f64) -> f64 {
    // x = 2^k m with m in [sqrt(1/2), sqrt(2)); log2 m = 2/ln2 atanh(s), s = (m - 1) / (m + 1)
    const ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
    let shifted = x.to_bits().wrapping_sub(ROOT);
    let k = (shifted as i64 >> 52) as i32 as f64;
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + ROOT);
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let mut sum = 1.0 / 15.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * t + 1.0 / odd;
    }
    k + sum * s * (2.0 * core::f64::consts::LOG2_E)
}

/// 2^t for |t| <= 300, to 1e-12 of its size.
#[inline(always)]
fn exp2(t: f64) -> f64 {
    let rounded = t + MAGIC;
    let u = (t - (rounded - MAGIC)) * core::f64::consts::LN_2;
    let mut sum = 1.0;
    for divisor in [10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        sum = sum * u * (1.0 / divisor) + 1.0; // Taylor's series, nested
    }
    sum * f64::from_bits((rounded.to_bits() << 52).wrapping_add(1f64.to_bits()))
}

/// Whether lane (x, y) needs the rules of C's `pow` for zeros, infinities, NaN and negative bases.
#[inline(always)]
fn is_special(x: f32, y: f32) -> bool {
    // false for every comparison with NaN
    !(x > 0.0 && x < f32::INFINITY && y.abs() < f32::INFINITY)
}

/// x^y, within 0.51 units of the last place; special cases as in C.
#[inline(always)]
pub(super) fn pow_block<V: Simd>(x: V, y: V) -> V {
    let (mut a, mut b) = ([1f32; 16], [1f32; 16]);
    // SAFETY: LANES <= 16 floats are stored into the arrays; `x` shows that the CPU has this tier.
    unsafe {
        x.store(a.as_mut_ptr());
        y.store(b.as_mut_ptr());
    }
    let mut special = 0u32;
    let mut out = [0f32; 16];
    for i in 0..V::LANES {
        special |= is_special(a[i], b[i]) as u32;
        // far beyond the range of single precision nothing changes
        let t = (b[i] as f64 * log2(a[i] as f64)).clamp(-300.0, 300.0);
        out[i] = exp2(t) as f32;
    }
    if special != 0 {
        special_lanes(&a[..V::LANES], &b[..V::LANES], &mut out[..V::LANES]);
    }
    // SAFETY: LANES <= 16 floats are loaded; `x` shows that the CPU has this tier.
    unsafe { V::load(out.as_ptr()) }
}

/// Negative bases with an integral exponent are common (x^3): by the same way on |x|. The rest goes to libm.
#[inline(never)]
fn special_lanes(a: &[f32], b: &[f32], out: &mut [f32]) {
    for ((&x, &y), out) in a.iter().zip(b).zip(out) {
        if !is_special(x, y) {
            continue;
        }
        let small_integer = y.abs() < 16_777_216.0 && y as i32 as f32 == y;
        *out = if small_integer && x < 0.0 && x > f32::NEG_INFINITY {
            let magnitude = exp2((y as f64 * log2(-x as f64)).clamp(-300.0, 300.0)) as f32;
            if y as i32 & 1 == 1 { -magnitude } else { magnitude }
        } else {
            scalar::pow(x as f64, y as f64) as f32
        };
    }
}
