//! Reductions of a row to one value.
//!
//! The order is fixed and the same in all tiers: the row is cut into blocks of 4096; in a block element i goes to lane
//! i mod 64, in order; the blocks' lanes are joined in order; then lane i with lane i + 32, i + 16, .. i + 1.

use super::math;
use super::simd::Simd;

const BLOCK: usize = 4096;

/// One way to reduce.
pub(crate) trait Reduction {
    /// What the lanes start with.
    const START: f32;
    /// An element that changes nothing, for lanes beyond the end.
    const NEUTRAL: f32;
    /// Takes in one element a lane.
    fn step<V: Simd>(sum: V, x: V) -> V;
    /// Joins two partial results.
    fn join<V: Simd>(a: V, b: V) -> V;
    /// Joins the lanes, halving.
    fn halve<V: Simd>(x: V) -> f32;
}

macro_rules! reductions {
    ($($name:ident: $start:expr, $neutral:expr, |$sum:ident, $x:ident| $step:expr, $join:ident, $halve:ident;)*) => {$(
        pub(crate) struct $name;
        impl Reduction for $name {
            const START: f32 = $start;
            const NEUTRAL: f32 = $neutral;
            #[inline(always)]
            fn step<V: Simd>($sum: V, $x: V) -> V {
                $step
            }
            #[inline(always)]
            fn join<V: Simd>(a: V, b: V) -> V {
                a.$join(b)
            }
            #[inline(always)]
            fn halve<V: Simd>(x: V) -> f32 {
                x.$halve()
            }
        }
    )*};
}

reductions! {
    Sum: 0.0, 0.0, |sum, x| sum.add(x), add, reduce_add;
    SumSq: 0.0, 0.0, |sum, x| x.fma(x, sum), add, reduce_add;
    SumAbs: 0.0, 0.0, |sum, x| sum.add(x.abs()), add, reduce_add;
    SumExp: 0.0, f32::NEG_INFINITY, |sum, x| sum.add(math::exp(x)), add, reduce_add;
    Prod: 1.0, 1.0, |product, x| product.mul(x), mul, reduce_mul;
    Max: f32::NEG_INFINITY, f32::NEG_INFINITY, |max, x| max.max_nan(x), max_nan, reduce_max;
    Min: f32::INFINITY, f32::INFINITY, |min, x| min.min_nan(x), min_nan, reduce_min;
}

/// Lanes to one value.
#[inline(always)]
pub(super) fn halve_wide<V: Simd, R: Reduction>(mut lanes: V::Wide) -> f32 {
    let lanes = lanes.as_mut();
    let mut half = 32 / V::LANES;
    while half > 0 {
        for j in 0..half {
            lanes[j] = R::join(lanes[j], lanes[j + half]);
        }
        half /= 2;
    }
    R::halve(lanes[0])
}

/// A row that is read, and may be changed on the way, 64 floats at a time: `visit(offset, vector)` returns the vector to
/// take in.
pub(super) trait Visit<V: Simd> {
    /// `at..at + LANES` are within the row.
    ///
    /// # Safety
    /// The visitor's rows have at least `at + LANES` elements.
    unsafe fn full(&mut self, at: usize) -> V;
    /// Only `at..at + n` are within the row; the other lanes must be `neutral`.
    ///
    /// # Safety
    /// The visitor's rows have at least `at + n` elements.
    unsafe fn part(&mut self, at: usize, n: usize, neutral: V) -> V;
}

/// Reads a row as it is.
pub(super) struct Row(pub(super) *const f32);

impl<V: Simd> Visit<V> for Row {
    #[inline(always)]
    unsafe fn full(&mut self, at: usize) -> V {
        // SAFETY: within the row by contract.
        unsafe { V::load(self.0.add(at)) }
    }
    #[inline(always)]
    unsafe fn part(&mut self, at: usize, n: usize, neutral: V) -> V {
        // SAFETY: within the row by contract.
        unsafe { V::load_part(self.0.add(at), n, neutral) }
    }
}

/// Reduces what `visit` yields for elements 0..n, in the order stated at the head of this file.
///
/// # Safety
/// The CPU has the tier of `V`; the visitor's rows have `n` elements.
#[inline(always)]
pub(super) unsafe fn reduce_visited<V: Simd, R: Reduction>(n: usize, mut visit: impl Visit<V>) -> f32 {
    // SAFETY: the CPU has this tier.
    let (start, neutral) = unsafe { (V::splat(R::START), V::splat(R::NEUTRAL)) };
    let mut total = start.wide();
    let mut begin = 0;
    while begin < n {
        let end = n.min(begin + BLOCK);
        let mut block = start.wide();
        let lanes = block.as_mut();
        let mut i = begin;
        while i + 64 <= end {
            for (j, lane) in lanes.iter_mut().enumerate() {
                // SAFETY: i + 64 <= n.
                *lane = R::step(*lane, unsafe { visit.full(i + j * V::LANES) });
            }
            i += 64;
        }
        for (j, lane) in lanes.iter_mut().enumerate() {
            let at = i + j * V::LANES;
            if at + V::LANES <= end {
                // SAFETY: at + LANES <= n.
                *lane = R::step(*lane, unsafe { visit.full(at) });
            } else if at < end {
                // SAFETY: at + (end - at) <= n.
                *lane = R::step(*lane, unsafe { visit.part(at, end - at, neutral) });
            }
        }
        for (total, lane) in total.as_mut().iter_mut().zip(lanes) {
            *total = R::join(*total, *lane);
        }
        begin = end;
    }
    halve_wide::<V, R>(total)
}

/// # Safety
/// `n` floats are readable at `x`; the CPU has the tier of `V`.
#[inline(always)]
unsafe fn reduce<V: Simd, R: Reduction>(n: i64, x: *mut u8) -> f32 {
    // SAFETY: the caller's contract.
    unsafe { reduce_visited::<V, R>(n.max(0) as usize, Row(x.cast())) }
}

tiers! {
    fn r_sum(n: i64, x: *mut u8) -> f32 = reduce::<Sum>;
    fn r_sum_sq(n: i64, x: *mut u8) -> f32 = reduce::<SumSq>;
    fn r_sum_abs(n: i64, x: *mut u8) -> f32 = reduce::<SumAbs>;
    fn r_sum_exp(n: i64, x: *mut u8) -> f32 = reduce::<SumExp>;
    fn r_prod(n: i64, x: *mut u8) -> f32 = reduce::<Prod>;
    fn r_max(n: i64, x: *mut u8) -> f32 = reduce::<Max>;
    fn r_min(n: i64, x: *mut u8) -> f32 = reduce::<Min>;
}
