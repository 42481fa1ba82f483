//! The vector type a kernel is generic over: 1, 8 or 16 floats, with a fused multiply-add in every tier.
//!
//! A value of [`F32x8`] or [`F32x16`] comes only from the unsafe constructors (`splat`, `load`, ..), whose caller promises
//! the CPU; all other methods take a value and are therefore safe: the value is the proof. `self.c(1.0)` makes a constant
//! from any vector at hand. Every method compiles to one or a few instructions once inlined into a function that has the
//! tier's instructions enabled, and each of them rounds the same way in all tiers.

use super::convert::{f32_to_half, half_to_f32};

/// A vector of `LANES` floats. Integer methods work on the lanes' bits.
pub(crate) trait Simd: Copy + 'static {
    /// Number of floats.
    const LANES: usize;
    /// One truth value per lane.
    type Mask: Copy;
    /// 64 floats, the width of all reductions.
    type Wide: Copy + AsMut<[Self]>;

    /// # Safety
    /// The CPU has this tier.
    unsafe fn splat(x: f32) -> Self;
    /// # Safety
    /// The CPU has this tier; `LANES` floats are readable at `p`.
    unsafe fn load(p: *const f32) -> Self;
    /// The first `n <= LANES` lanes from memory, the others from `fill`.
    /// # Safety
    /// The CPU has this tier; `n` floats are readable at `p`.
    unsafe fn load_part(p: *const f32, n: usize, fill: Self) -> Self;
    /// # Safety
    /// `LANES` floats are writable at `p`.
    unsafe fn store(self, p: *mut f32);
    /// Stores the first `n <= LANES` lanes.
    /// # Safety
    /// `n` floats are writable at `p`.
    unsafe fn store_part(self, p: *mut f32, n: usize);

    /// `LANES` halves (IEEE binary16) as floats.
    /// # Safety
    /// The CPU has this tier; `LANES` halves are readable at `p`.
    unsafe fn load_f16(p: *const u16) -> Self;
    /// Rounds to halves, to nearest even.
    /// # Safety
    /// `LANES` halves are writable at `p`.
    unsafe fn store_f16(self, p: *mut u16);

    /// `self` in all 64 lanes.
    fn wide(self) -> Self::Wide;
    /// `x` in every lane.
    fn c(self, x: f32) -> Self;
    /// The bits `x` in every lane.
    #[inline(always)]
    fn cbits(self, x: u32) -> Self {
        self.c(f32::from_bits(x))
    }

    fn add(self, o: Self) -> Self;
    fn sub(self, o: Self) -> Self;
    fn mul(self, o: Self) -> Self;
    fn div(self, o: Self) -> Self;
    /// `self * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
    /// `c - self * b`, rounded once.
    fn fnma(self, b: Self, c: Self) -> Self;
    fn sqrt(self) -> Self;
    /// `self > o ? self : o`: `o` where either is NaN.
    fn max_x86(self, o: Self) -> Self;
    /// `self < o ? self : o`: `o` where either is NaN.
    fn min_x86(self, o: Self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    /// To the nearest integer, halves to even.
    fn round_even(self) -> Self;
    /// `self * 2^n` for integral `n`, |n| <= 250, rounded once (denormals included) for |self| in [1/4, 4].
    fn scale(self, n: Self) -> Self;
    /// As `scale` for n <= 0, but may give 0 where n < -125: cheaper where there is no instruction for it.
    #[inline(always)]
    fn scale_down(self, n: Self) -> Self {
        let scaled = self.iadd(n.to_int().shl::<23>());
        self.c(0.0).select(n.lt(n.c(-125.0)), scaled)
    }

    fn and(self, o: Self) -> Self;
    fn or(self, o: Self) -> Self;
    fn xor(self, o: Self) -> Self;
    fn iadd(self, o: Self) -> Self;
    fn isub(self, o: Self) -> Self;
    fn shl<const N: u32>(self) -> Self;
    fn shr<const N: u32>(self) -> Self;
    /// The nearest 32-bit integer, as bits.
    fn to_int(self) -> Self;
    /// The float next to the 32-bit integer in the bits.
    fn int_value(self) -> Self;

    fn lt(self, o: Self) -> Self::Mask;
    fn le(self, o: Self) -> Self::Mask;
    fn eq(self, o: Self) -> Self::Mask;
    fn is_nan(self) -> Self::Mask;
    /// Bits equal to zero.
    fn is_zero_bits(self) -> Self::Mask;
    /// `self` where `m`, else `o`.
    fn select(self, m: Self::Mask, o: Self) -> Self;
    fn any(m: Self::Mask) -> bool;

    /// Sum of the lanes, halving: lane i + lane i + LANES/2, and so on.
    fn reduce_add(self) -> f32;
    /// Product of the lanes, halving.
    fn reduce_mul(self) -> f32;
    /// Largest lane by `max_nan`, halving.
    fn reduce_max(self) -> f32;
    /// Smallest lane by `min_nan`, halving.
    fn reduce_min(self) -> f32;

    #[inline(always)]
    fn abs(self) -> Self {
        self.and(self.cbits(0x7fff_ffff))
    }
    #[inline(always)]
    fn neg(self) -> Self {
        self.xor(self.cbits(0x8000_0000))
    }
    /// The sign bit of `self` and all else of `magnitude` (which must be positive or zero).
    #[inline(always)]
    fn sign_onto(self, magnitude: Self) -> Self {
        self.and(self.cbits(0x8000_0000)).or(magnitude)
    }
    /// The larger, NaN if either is NaN.
    #[inline(always)]
    fn max_nan(self, o: Self) -> Self {
        // `max_x86` gives `o` where either is NaN: right unless `self` is the NaN
        self.select(self.is_nan(), self.max_x86(o))
    }
    /// The smaller, NaN if either is NaN.
    #[inline(always)]
    fn min_nan(self, o: Self) -> Self {
        self.select(self.is_nan(), self.min_x86(o))
    }
}

/// One float: the tier for any CPU, and the meaning of the other two.
#[derive(Clone, Copy)]
pub(crate) struct F32x1(f32);

/// `a * b + c` rounded once, without a fused instruction: the sum in double, rounded to odd, then to single.
#[inline(always)]
pub(crate) fn fma_f32(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (a as f64 * b as f64, c as f64); // 48 bits: exact
    let sum = product + c;
    let part = sum - product;
    let error = (product - (sum - part)) + (c - part);
    if error == 0.0 || sum.is_nan() || sum.is_infinite() || sum.to_bits() & 1 == 1 {
        return sum as f32;
    }
    let bits = sum.to_bits();
    f64::from_bits(if (error > 0.0) == (sum > 0.0) { bits + 1 } else { bits - 1 }) as f32
}

#[inline(always)]
fn map_bits(a: f32, b: f32, f: impl Fn(u32, u32) -> u32) -> F32x1 {
    F32x1(f32::from_bits(f(a.to_bits(), b.to_bits())))
}

#[inline(always)]
fn pow2(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

impl Simd for F32x1 {
    const LANES: usize = 1;
    type Mask = bool;
    type Wide = [Self; 64];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        F32x1(x)
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: readable by contract.
        F32x1(unsafe { p.read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize, fill: Self) -> Self {
        // SAFETY: readable by contract when n is 1.
        if n == 0 { fill } else { unsafe { Self::load(p) } }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: writable by contract.
        unsafe { p.write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize) {
        if n != 0 {
            // SAFETY: writable by contract.
            unsafe { self.store(p) }
        }
    }
    #[inline(always)]
    unsafe fn load_f16(p: *const u16) -> Self {
        // SAFETY: readable by contract.
        F32x1(half_to_f32(unsafe { p.read_unaligned() }))
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16) {
        // SAFETY: writable by contract.
        unsafe { p.write_unaligned(f32_to_half(self.0)) }
    }
    #[inline(always)]
    fn wide(self) -> [Self; 64] {
        [self; 64]
    }
    #[inline(always)]
    fn c(self, x: f32) -> Self {
        F32x1(x)
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        F32x1(self.0 + o.0)
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        F32x1(self.0 - o.0)
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        F32x1(self.0 * o.0)
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        F32x1(self.0 / o.0)
    }
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        F32x1(fma_f32(self.0, b.0, c.0))
    }
    #[inline(always)]
    fn fnma(self, b: Self, c: Self) -> Self {
        F32x1(fma_f32(-self.0, b.0, c.0))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        F32x1(crate::core::kernels::scalar::sqrt_f64(self.0 as f64) as f32) // double, then single: still correctly rounded
    }
    #[inline(always)]
    fn max_x86(self, o: Self) -> Self {
        if self.0 > o.0 { self } else { o }
    }
    #[inline(always)]
    fn min_x86(self, o: Self) -> Self {
        if self.0 < o.0 { self } else { o }
    }
    #[inline(always)]
    fn floor(self) -> Self {
        let whole = self.round_even();
        if whole.0 > self.0 { F32x1((whole.0 - 1.0).copysign(self.0)) } else { whole }
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        self.neg().floor().neg()
    }
    #[inline(always)]
    fn round_even(self) -> Self {
        if self.0.abs() < 8_388_608.0 {
            F32x1(((self.0.abs() + 8_388_608.0) - 8_388_608.0).copysign(self.0))
        } else {
            self
        }
    }
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        let n = n.0 as i32;
        let half = n >> 1;
        F32x1(self.0 * pow2(half) * pow2(n - half))
    }
    #[inline(always)]
    fn and(self, o: Self) -> Self {
        map_bits(self.0, o.0, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, o: Self) -> Self {
        map_bits(self.0, o.0, |a, b| a | b)
    }
    #[inline(always)]
    fn xor(self, o: Self) -> Self {
        map_bits(self.0, o.0, |a, b| a ^ b)
    }
    #[inline(always)]
    fn iadd(self, o: Self) -> Self {
        map_bits(self.0, o.0, u32::wrapping_add)
    }
    #[inline(always)]
    fn isub(self, o: Self) -> Self {
        map_bits(self.0, o.0, u32::wrapping_sub)
    }
    #[inline(always)]
    fn shl<const N: u32>(self) -> Self {
        map_bits(self.0, 0.0, |a, _| a << N)
    }
    #[inline(always)]
    fn shr<const N: u32>(self) -> Self {
        map_bits(self.0, 0.0, |a, _| a >> N)
    }
    #[inline(always)]
    fn to_int(self) -> Self {
        F32x1(f32::from_bits(self.round_even().0 as i32 as u32))
    }
    #[inline(always)]
    fn int_value(self) -> Self {
        F32x1(self.0.to_bits() as i32 as f32)
    }
    #[inline(always)]
    fn lt(self, o: Self) -> bool {
        self.0 < o.0
    }
    #[inline(always)]
    fn le(self, o: Self) -> bool {
        self.0 <= o.0
    }
    #[inline(always)]
    fn eq(self, o: Self) -> bool {
        self.0 == o.0
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.0.is_nan()
    }
    #[inline(always)]
    fn is_zero_bits(self) -> bool {
        self.0.to_bits() == 0
    }
    #[inline(always)]
    fn select(self, m: bool, o: Self) -> Self {
        if m { self } else { o }
    }
    #[inline(always)]
    fn any(m: bool) -> bool {
        m
    }
    #[inline(always)]
    fn reduce_add(self) -> f32 {
        self.0
    }
    #[inline(always)]
    fn reduce_mul(self) -> f32 {
        self.0
    }
    #[inline(always)]
    fn reduce_max(self) -> f32 {
        self.0
    }
    #[inline(always)]
    fn reduce_min(self) -> f32 {
        self.0
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use super::simd_x86::{F32x8, F32x16};
