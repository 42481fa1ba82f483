//! LayerNorm and RMSNorm of rows.
//!
//! The mean is taken in two steps: m0 = sum(x)/n, then the mean of x - m0 corrects it, and the variance is that of x - m0
//! less the square of the correction. So a row with a large offset loses nothing beyond the rounding of its elements.

use super::reduce::{Row, Sum, SumSq, Visit, halve_wide, reduce_visited};
use super::simd::Simd;

/// Yields x + r and writes it to `sum`.
struct SumRows {
    x: *const f32,
    r: *const f32,
    sum: *mut f32,
}

impl<V: Simd> Visit<V> for SumRows {
    #[inline(always)]
    unsafe fn full(&mut self, at: usize) -> V {
        // SAFETY: within the rows by contract.
        unsafe {
            let sum = V::load(self.x.add(at)).add(V::load(self.r.add(at)));
            sum.store(self.sum.add(at));
            sum
        }
    }
    #[inline(always)]
    unsafe fn part(&mut self, at: usize, n: usize, neutral: V) -> V {
        // SAFETY: within the rows by contract; neutral + neutral is neutral, as it is 0.
        unsafe {
            let sum = V::load_part(self.x.add(at), n, neutral).add(V::load_part(self.r.add(at), n, neutral));
            sum.store_part(self.sum.add(at), n);
            sum
        }
    }
}

/// Mean and variance of d = x - m0: (mean of d, mean of d^2 less its square).
///
/// # Safety
/// `n` floats are readable at `x`; the CPU has the tier of `V`.
#[inline(always)]
unsafe fn moments<V: Simd>(n: usize, x: *const f32, m0: f32) -> (f32, f32) {
    // SAFETY: all indices are below n; the CPU has this tier.
    unsafe {
        let m0 = V::splat(m0);
        let (mut sums, mut squares) = (m0.c(0.0).wide(), m0.c(0.0).wide());
        let (sums_lanes, squares_lanes) = (sums.as_mut(), squares.as_mut());
        let mut i = 0;
        while i + 64 <= n {
            for j in 0..64 / V::LANES {
                let d = V::load(x.add(i + j * V::LANES)).sub(m0);
                sums_lanes[j] = sums_lanes[j].add(d);
                squares_lanes[j] = d.fma(d, squares_lanes[j]);
            }
            i += 64;
        }
        for j in 0..64 / V::LANES {
            let at = i + j * V::LANES;
            if at < n {
                let d = V::load_part(x.add(at), (n - at).min(V::LANES), m0).sub(m0);
                sums_lanes[j] = sums_lanes[j].add(d);
                squares_lanes[j] = d.fma(d, squares_lanes[j]);
            }
        }
        let mean = halve_wide::<V, Sum>(sums) / n as f32;
        let square = halve_wide::<V, Sum>(squares) / n as f32;
        (mean, square - mean * mean)
    }
}

/// # Safety
/// The CPU has the tier of `V`; `n <= LANES` floats are readable at `p`.
#[inline(always)]
unsafe fn load_upto<V: Simd>(p: *const f32, n: usize, fill: V) -> V {
    // SAFETY: the caller's contract.
    unsafe { if n == V::LANES { V::load(p) } else { V::load_part(p, n, fill) } }
}

/// y = (x - m0) * scale + shift, then * gamma + beta where given.
///
/// # Safety
/// `n` floats are readable at `x` (and at `gamma` and `beta` if `G` and `B`) and writable at `y`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn scale_row<V: Simd, const G: bool, const B: bool>(
    n: usize,
    x: *const f32,
    m0: f32,
    scale: f32,
    shift: f32,
    gamma: *const f32,
    beta: *const f32,
    y: *mut f32,
) {
    // SAFETY: all indices are below n; the CPU has this tier.
    unsafe {
        let (m0, scale, shift) = (V::splat(m0), V::splat(scale), V::splat(shift));
        let mut i = 0;
        while i < n {
            let part = (n - i).min(V::LANES);
            let full = part == V::LANES;
            let normal = load_upto(x.add(i), part, m0).sub(m0).fma(scale, shift);
            let result = match (G, B) {
                (false, false) => normal,
                (true, false) => normal.mul(load_upto(gamma.add(i), part, m0)),
                (false, true) => normal.add(load_upto(beta.add(i), part, m0)),
                (true, true) => normal.fma(load_upto(gamma.add(i), part, m0), load_upto(beta.add(i), part, m0)),
            };
            if full {
                result.store(y.add(i))
            } else {
                result.store_part(y.add(i), part)
            }
            i += V::LANES;
        }
    }
}

/// The row's normalization, given its first mean.
///
/// # Safety
/// As for [`scale_row`], where null stands for no gamma or no beta.
#[inline(always)]
unsafe fn normalize<V: Simd>(
    n: usize,
    x: *const f32,
    m0: f32,
    gamma: *const f32,
    beta: *const f32,
    eps: f32,
    y: *mut f32,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let (mean, variance) = moments::<V>(n, x, m0);
        let scale = inverse_root::<V>(if variance < 0.0 { 0.0 } else { variance } + eps);
        let shift = -mean * scale;
        match (gamma.is_null(), beta.is_null()) {
            (false, false) => scale_row::<V, true, true>(n, x, m0, scale, shift, gamma, beta, y),
            (false, true) => scale_row::<V, true, false>(n, x, m0, scale, shift, gamma, beta, y),
            (true, false) => scale_row::<V, false, true>(n, x, m0, scale, shift, gamma, beta, y),
            (true, true) => scale_row::<V, false, false>(n, x, m0, scale, shift, gamma, beta, y),
        }
    }
}

/// # Safety
/// The CPU has the tier of `V`.
#[inline(always)]
unsafe fn inverse_root<V: Simd>(x: f32) -> f32 {
    // SAFETY: the CPU has this tier.
    let root = unsafe { V::splat(x) }.sqrt().reduce_max();
    1.0 / root
}

/// # Safety
/// `rows` rows of `n` floats are readable at `x` and writable at `y`, which is `x` or does not overlap it; `gamma` and
/// `beta` are null or have `n` floats.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn layer_norm<V: Simd>(
    rows: i64,
    n: i64,
    x: *mut u8,
    ldx: i64,
    gamma: *mut u8,
    beta: *mut u8,
    eps: f32,
    y: *mut u8,
    ldy: i64,
) {
    let len = n.max(0) as usize;
    for row in 0..rows.max(0) {
        // SAFETY: `row` is one of the caller's rows.
        unsafe {
            let x = x.cast::<f32>().offset((row * ldx) as isize);
            let y = y.cast::<f32>().offset((row * ldy) as isize);
            let m0 = reduce_visited::<V, Sum>(len, Row(x)) / len as f32;
            normalize::<V>(len, x, m0, gamma.cast(), beta.cast(), eps, y);
        }
    }
}

/// # Safety
/// As for [`layer_norm`], and `r` is like `x`; `sum` is null or like `y`, does not overlap `y`, and may be `x` or `r`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn add_layer_norm<V: Simd>(
    rows: i64,
    n: i64,
    x: *mut u8,
    ldx: i64,
    r: *mut u8,
    ldr: i64,
    gamma: *mut u8,
    beta: *mut u8,
    eps: f32,
    sum: *mut u8,
    lds: i64,
    y: *mut u8,
    ldy: i64,
) {
    let len = n.max(0) as usize;
    for row in 0..rows.max(0) {
        // SAFETY: `row` is one of the caller's rows. Without a place for the sum it waits in `y`.
        unsafe {
            let x = x.cast::<f32>().offset((row * ldx) as isize);
            let r = r.cast::<f32>().offset((row * ldr) as isize);
            let y = y.cast::<f32>().offset((row * ldy) as isize);
            let sum = if sum.is_null() { y } else { sum.cast::<f32>().offset((row * lds) as isize) };
            let m0 = reduce_visited::<V, Sum>(len, SumRows { x, r, sum }) / len as f32;
            normalize::<V>(len, sum, m0, gamma.cast(), beta.cast(), eps, y);
        }
    }
}

/// # Safety
/// As for [`layer_norm`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn rms_norm<V: Simd>(rows: i64, n: i64, x: *mut u8, ldx: i64, gamma: *mut u8, eps: f32, y: *mut u8, ldy: i64) {
    let len = n.max(0) as usize;
    for row in 0..rows.max(0) {
        // SAFETY: `row` is one of the caller's rows.
        unsafe {
            let x = x.cast::<f32>().offset((row * ldx) as isize);
            let y = y.cast::<f32>().offset((row * ldy) as isize);
            let gamma = gamma.cast::<f32>().cast_const();
            let scale = inverse_root::<V>(reduce_visited::<V, SumSq>(len, Row(x)) / len as f32 + eps);
            if gamma.is_null() {
                scale_row::<V, false, false>(len, x, 0.0, scale, 0.0, gamma, gamma, y);
            } else {
                scale_row::<V, true, false>(len, x, 0.0, scale, 0.0, gamma, gamma, y);
            }
        }
    }
}

tiers! {
    #[allow(clippy::too_many_arguments)]
    fn layer_norm_f32(rows: i64, n: i64, x: *mut u8, ldx: i64, gamma: *mut u8, beta: *mut u8, eps: f32, y: *mut u8, ldy: i64) = layer_norm;
    #[allow(clippy::too_many_arguments)]
    fn rms_norm_f32(rows: i64, n: i64, x: *mut u8, ldx: i64, gamma: *mut u8, eps: f32, y: *mut u8, ldy: i64) = rms_norm;
    #[allow(clippy::too_many_arguments)]
    fn add_layer_norm_f32(rows: i64, n: i64, x: *mut u8, ldx: i64, r: *mut u8, ldr: i64, gamma: *mut u8, beta: *mut u8, eps: f32, sum: *mut u8, lds: i64, y: *mut u8, ldy: i64) = add_layer_norm;
}
