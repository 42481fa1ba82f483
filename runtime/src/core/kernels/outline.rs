//! Pieces of a kernel that are functions of their own in every tier, called through a pointer.
//!
//! A kernel that `tiers!` instantiates is one inlined function. The blocked kernels (GEMM, convolution, attention) choose
//! among dozens of register tiles at run time; each tile is a [`Body`], and `V::run::<B>` is the function that holds it.

use super::conv::ConvTiles;
use super::gemm::Tiles;
use super::simd::{F32x1, Simd};
#[cfg(target_arch = "x86_64")]
use super::simd::{F32x8, F32x16};

/// Width of a column panel of a packed right-hand side, the same in all tiers.
pub(crate) const PANEL: usize = 16;

/// A piece of a kernel over the arguments `Args`.
pub(crate) trait Body {
    /// What it works on.
    type Args;
    /// Does the work. Must be `#[inline(always)]`.
    ///
    /// # Safety
    /// The CPU has the tier of `V`; the body states the rest.
    unsafe fn body<V: Tier>(args: &mut Self::Args);
}

/// What the blocked kernels need of a vector beyond [`Simd`].
pub(crate) trait Tier: Simd + Tiles + ConvTiles {
    /// Vectors in a panel.
    const PER_PANEL: usize = PANEL / Self::LANES;

    /// `a * b + self`, one step of a sum of products. Rounded once where the CPU can; the tier for any CPU rounds the
    /// product too, since an emulated fused operation is ten times slower.
    fn accumulate(self, a: Self, b: Self) -> Self;

    /// Runs `B` with the instructions of the tier enabled.
    ///
    /// # Safety
    /// The CPU has this tier, and what `B` asks.
    unsafe fn run<B: Body>(args: &mut B::Args);

    /// Transposes a block of 8 by 8: `dst[i * ldd + j] = src[j * lds + i]`.
    ///
    /// # Safety
    /// The CPU has this tier; eight rows of eight floats are readable at `src` and writable at `dst`.
    #[inline(always)]
    unsafe fn transpose8(src: *const f32, lds: isize, dst: *mut f32, ldd: usize) {
        for i in 0..8 {
            for j in 0..8 {
                // SAFETY: i and j are below 8.
                unsafe { *dst.add(i * ldd + j) = *src.offset(j as isize * lds + i as isize) }
            }
        }
    }

    /// Zero in every lane.
    ///
    /// # Safety
    /// The CPU has this tier.
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { Self::splat(0.0) }
    }
}

impl Tier for F32x1 {
    #[inline(always)]
    fn accumulate(self, a: Self, b: Self) -> Self {
        a.mul(b).add(self)
    }
    #[inline(never)]
    unsafe fn run<B: Body>(args: &mut B::Args) {
        // SAFETY: the caller keeps what `B` asks; this tier needs no CPU feature.
        unsafe { B::body::<Self>(args) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Tier for F32x8 {
    #[inline(always)]
    fn accumulate(self, a: Self, b: Self) -> Self {
        a.fma(b, self)
    }
    #[inline(always)]
    unsafe fn transpose8(src: *const f32, lds: isize, dst: *mut f32, ldd: usize) {
        // SAFETY: by contract; AVX is part of the tier.
        unsafe { transpose8_avx(src, lds, dst, ldd) }
    }
    #[inline(never)]
    #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,movbe,popcnt")]
    unsafe fn run<B: Body>(args: &mut B::Args) {
        // SAFETY: the caller keeps what `B` asks and has checked the CPU.
        unsafe { B::body::<Self>(args) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Tier for F32x16 {
    #[inline(always)]
    fn accumulate(self, a: Self, b: Self) -> Self {
        a.fma(b, self)
    }
    #[inline(always)]
    unsafe fn transpose8(src: *const f32, lds: isize, dst: *mut f32, ldd: usize) {
        // SAFETY: by contract; AVX is part of the tier.
        unsafe { transpose8_avx(src, lds, dst, ldd) }
    }
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,lzcnt,movbe,popcnt")]
    unsafe fn run<B: Body>(args: &mut B::Args) {
        // SAFETY: the caller keeps what `B` asks and has checked the CPU.
        unsafe { B::body::<Self>(args) }
    }
}

/// Asks for the cache line at `p` to be brought into L1. Never faults.
#[inline(always)]
pub(crate) fn prefetch_l1(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch accesses nothing and never faults; SSE is part of x86-64.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(p.cast())
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Asks for the cache line at `p` to be brought into L2. Never faults.
#[inline(always)]
pub(crate) fn prefetch_l2(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch accesses nothing and never faults; SSE is part of x86-64.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T1 }>(p.cast())
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// See [`Tier::transpose8`].
///
/// # Safety
/// The CPU has AVX; eight rows of eight floats are readable at `src` and writable at `dst`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn transpose8_avx(src: *const f32, lds: isize, dst: *mut f32, ldd: usize) {
    use core::arch::x86_64::*;
    // SAFETY: rows 0..8 on both sides, by contract.
    unsafe {
        let mut rows = [_mm256_setzero_ps(); 8];
        for j in 0..4 {
            // row j beside row j + 4 of the left half, then of the right half
            let (upper, lower) = (src.offset(j as isize * lds), src.offset((j as isize + 4) * lds));
            for half in 0..2 {
                let low = _mm256_castps128_ps256(_mm_loadu_ps(upper.add(4 * half)));
                rows[j + 4 * half] = _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(lower.add(4 * half)));
            }
        }
        for half in 0..2 {
            let [a, b, c, d] = [rows[4 * half], rows[4 * half + 1], rows[4 * half + 2], rows[4 * half + 3]];
            let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let to = dst.add(4 * half * ldd);
            _mm256_storeu_ps(to, _mm256_shuffle_ps::<0x44>(ab_low, cd_low));
            _mm256_storeu_ps(to.add(ldd), _mm256_shuffle_ps::<0xee>(ab_low, cd_low));
            _mm256_storeu_ps(to.add(2 * ldd), _mm256_shuffle_ps::<0x44>(ab_high, cd_high));
            _mm256_storeu_ps(to.add(3 * ldd), _mm256_shuffle_ps::<0xee>(ab_high, cd_high));
        }
    }
}

/// What later tiles will read, fetched into L2 by the way: a little with each step of the current ones.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    at: *const f32,
    /// Elements per step, at most a line.
    step: usize,
    /// Elements left.
    left: usize,
}

impl Ahead {
    /// `elements` from `at` on, spread evenly over `tiles` tiles that take `steps` steps each.
    #[inline(always)]
    pub(crate) fn new(at: *const f32, elements: usize, tiles: usize, steps: usize) -> Ahead {
        let step = elements.div_ceil((tiles * steps).max(1)).min(PANEL);
        Ahead { at, step, left: elements }
    }

    /// Begins a tile: where to fetch, and how far to go on after each step. `idle` is fetched over and over when nothing
    /// is left; it should be in the cache.
    #[inline(always)]
    pub(crate) fn begin(&self, idle: *const f32) -> (*const f32, usize) {
        if self.left > 0 { (self.at, self.step) } else { (idle, 0) }
    }

    /// Ends a tile of so many steps.
    #[inline(always)]
    pub(crate) fn end(&mut self, steps: usize) {
        let done = (steps * self.step).min(self.left);
        self.at = self.at.wrapping_add(done);
        self.left -= done;
    }
}

/// `p`, of which the compiler knows nothing any more: it will not keep sums of it and each of many offsets in memory.
#[inline(always)]
#[allow(clippy::pointers_in_nomem_asm_block, reason = "there is no instruction that could use the pointer")]
pub(crate) fn opaque(mut p: *const f32) -> *const f32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: no instruction at all.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) p, options(nomem, nostack, preserves_flags))
    }
    p
}
