//! Softmax and log-softmax of rows.

use super::math;
use super::reduce::{Max, Row, Sum, Visit, reduce_visited};
use super::simd::Simd;

/// Yields e^(x - max) and, with `STORE`, writes it to `y`.
struct ExpOf<V, const STORE: bool> {
    x: *const f32,
    y: *mut f32,
    max: V,
}

impl<V: Simd, const STORE: bool> Visit<V> for ExpOf<V, STORE> {
    #[inline(always)]
    unsafe fn full(&mut self, at: usize) -> V {
        // SAFETY: within the rows by contract.
        unsafe {
            let e = math::exp_below(V::load(self.x.add(at)).sub(self.max));
            if STORE {
                e.store(self.y.add(at));
            }
            e
        }
    }
    #[inline(always)]
    unsafe fn part(&mut self, at: usize, n: usize, neutral: V) -> V {
        // SAFETY: within the rows by contract. Lanes beyond the end: e^-infinity is the neutral 0, unless max is NaN or
        // infinite, and then the row is NaN anyway.
        unsafe {
            let minus_infinity = neutral.c(f32::NEG_INFINITY);
            let e = math::exp_below(V::load_part(self.x.add(at), n, minus_infinity).sub(self.max));
            if STORE {
                e.store_part(self.y.add(at), n);
            }
            e
        }
    }
}

/// # Safety
/// `rows` rows of `n` floats are readable at `x` and writable at `y`, which is `x` or does not overlap it.
#[inline(always)]
unsafe fn softmax<V: Simd>(rows: i64, n: i64, x: *mut u8, ldx: i64, y: *mut u8, ldy: i64) {
    let len = n.max(0) as usize;
    for row in 0..rows.max(0) {
        // SAFETY: `row` is one of the caller's rows, and all indices are below n.
        unsafe {
            let x = x.cast::<f32>().offset((row * ldx) as isize);
            let y = y.cast::<f32>().offset((row * ldy) as isize);
            let max = V::splat(reduce_visited::<V, Max>(len, Row(x)));
            let sum = reduce_visited::<V, Sum>(len, ExpOf::<V, true> { x, y, max });
            let scale = V::splat(1.0 / sum);
            let mut i = 0;
            while i + V::LANES <= len {
                V::load(y.add(i)).mul(scale).store(y.add(i));
                i += V::LANES;
            }
            if i < len {
                V::load_part(y.add(i), len - i, scale).mul(scale).store_part(y.add(i), len - i);
            }
        }
    }
}

/// # Safety
/// As for [`softmax`].
#[inline(always)]
unsafe fn log_softmax<V: Simd>(rows: i64, n: i64, x: *mut u8, ldx: i64, y: *mut u8, ldy: i64) {
    let len = n.max(0) as usize;
    for row in 0..rows.max(0) {
        // SAFETY: `row` is one of the caller's rows, and all indices are below n.
        unsafe {
            let x = x.cast::<f32>().offset((row * ldx) as isize);
            let y = y.cast::<f32>().offset((row * ldy) as isize);
            let max = V::splat(reduce_visited::<V, Max>(len, Row(x)));
            let sum = reduce_visited::<V, Sum>(len, ExpOf::<V, false> { x, y, max });
            let log = math::log(V::splat(sum));
            let mut i = 0;
            while i + V::LANES <= len {
                V::load(x.add(i)).sub(max).sub(log).store(y.add(i));
                i += V::LANES;
            }
            if i < len {
                V::load_part(x.add(i), len - i, max).sub(max).sub(log).store_part(y.add(i), len - i);
            }
        }
    }
}

tiers! {
    fn softmax_f32(rows: i64, n: i64, x: *mut u8, ldx: i64, y: *mut u8, ldy: i64) = softmax;
    fn log_softmax_f32(rows: i64, n: i64, x: *mut u8, ldx: i64, y: *mut u8, ldy: i64) = log_softmax;
}
