//! [`Simd`] for AVX2 with FMA (8 floats) and AVX-512 (16 floats).

use super::simd::Simd;
use core::arch::x86_64::*;

/// Eight floats in a ymm register. See [`super::simd`] for who may make one.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct F32x8(pub(super) __m256);

/// Sixteen floats in a zmm register. See [`super::simd`] for who may make one.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct F32x16(pub(super) __m512);

/// Methods that take `self` and are one expression of intrinsics.
macro_rules! methods {
    ($($name:ident($self:ident $(, $arg:ident: $ty:ty)*) -> $ret:ty { $body:expr })*) => {$(
        #[inline(always)]
        fn $name($self $(, $arg: $ty)*) -> $ret {
            // SAFETY: `self` exists, so the CPU has this tier; these intrinsics touch registers only.
            unsafe { $body }
        }
    )*};
}

const ROUND_EVEN: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

/// Eight entries from `8 - n` on are the mask of the first `n` lanes.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The mask of the first `n` of 8 lanes.
///
/// # Safety
/// The CPU has AVX; `n <= 8`.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    // SAFETY: 8 - n .. 16 - n lies within the 16 entries.
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - n).cast()) }
}

#[inline(always)]
fn int(x: __m256) -> __m256i {
    // SAFETY: same size, every bit pattern is valid.
    unsafe { core::mem::transmute(x) }
}

#[inline(always)]
fn float(x: __m256i) -> F32x8 {
    // SAFETY: same size, every bit pattern is valid; the argument shows that the CPU has the registers.
    F32x8(unsafe { core::mem::transmute::<__m256i, __m256>(x) })
}

#[inline(always)]
fn int512(x: __m512) -> __m512i {
    // SAFETY: same size, every bit pattern is valid.
    unsafe { core::mem::transmute(x) }
}

#[inline(always)]
fn float512(x: __m512i) -> F32x16 {
    // SAFETY: same size, every bit pattern is valid; the argument shows that the CPU has the registers.
    F32x16(unsafe { core::mem::transmute::<__m512i, __m512>(x) })
}

impl F32x8 {
    /// Halves to one lane: lane i with lane i + 4, then + 2, then + 1.
    #[inline(always)]
    fn halve(self, op: impl Fn(Self, Self) -> Self) -> f32 {
        // SAFETY: `self` exists, so the CPU has this tier; registers only.
        unsafe {
            let x = op(self, F32x8(_mm256_permute2f128_ps::<1>(self.0, self.0)));
            let x = op(x, F32x8(_mm256_permute_ps::<0x4e>(x.0)));
            let x = op(x, F32x8(_mm256_permute_ps::<0xb1>(x.0)));
            _mm256_cvtss_f32(x.0)
        }
    }
}

impl F32x16 {
    #[inline(always)]
    fn halve(self, op: impl Fn(F32x8, F32x8) -> F32x8) -> f32 {
        // SAFETY: `self` exists, so the CPU has this tier, which includes AVX2; registers only.
        let (low, high) =
            unsafe { (F32x8(_mm512_castps512_ps256(self.0)), F32x8(_mm512_extractf32x8_ps::<1>(self.0))) };
        op(low, high).halve(op)
    }
}

impl Simd for F32x8 {
    const LANES: usize = 8;
    type Mask = F32x8;
    type Wide = [Self; 8];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller has checked the CPU.
        F32x8(unsafe { _mm256_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: readable by contract.
        F32x8(unsafe { _mm256_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize, fill: Self) -> Self {
        // SAFETY: masked-off lanes are not accessed; the others are readable by contract.
        unsafe {
            let mask = first(n);
            F32x8(_mm256_blendv_ps(fill.0, _mm256_maskload_ps(p, mask), float(mask).0))
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: writable by contract.
        unsafe { _mm256_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize) {
        // SAFETY: masked-off lanes are not accessed; the others are writable by contract.
        unsafe { _mm256_maskstore_ps(p, first(n), self.0) }
    }
    #[inline(always)]
    unsafe fn load_f16(p: *const u16) -> Self {
        // SAFETY: readable by contract.
        F32x8(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) })
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16) {
        // SAFETY: writable by contract.
        unsafe { _mm_storeu_si128(p.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0)) }
    }
    #[inline(always)]
    fn wide(self) -> [Self; 8] {
        [self; 8]
    }
    methods! {
        c(self, x: f32) -> Self { F32x8(_mm256_set1_ps(x)) }
        add(self, o: Self) -> Self { F32x8(_mm256_add_ps(self.0, o.0)) }
        sub(self, o: Self) -> Self { F32x8(_mm256_sub_ps(self.0, o.0)) }
        mul(self, o: Self) -> Self { F32x8(_mm256_mul_ps(self.0, o.0)) }
        div(self, o: Self) -> Self { F32x8(_mm256_div_ps(self.0, o.0)) }
        fma(self, b: Self, c: Self) -> Self { F32x8(_mm256_fmadd_ps(self.0, b.0, c.0)) }
        fnma(self, b: Self, c: Self) -> Self { F32x8(_mm256_fnmadd_ps(self.0, b.0, c.0)) }
        sqrt(self) -> Self { F32x8(_mm256_sqrt_ps(self.0)) }
        max_x86(self, o: Self) -> Self { F32x8(_mm256_max_ps(self.0, o.0)) }
        min_x86(self, o: Self) -> Self { F32x8(_mm256_min_ps(self.0, o.0)) }
        floor(self) -> Self { F32x8(_mm256_floor_ps(self.0)) }
        ceil(self) -> Self { F32x8(_mm256_ceil_ps(self.0)) }
        round_even(self) -> Self { F32x8(_mm256_round_ps::<ROUND_EVEN>(self.0)) }
        scale(self, n: Self) -> Self {{
            // in two steps, of which only the second can round
            let n = _mm256_cvtps_epi32(n.0);
            let half = _mm256_srai_epi32::<1>(n);
            let bias = _mm256_set1_epi32(127);
            let power = |e| _mm256_slli_epi32::<23>(_mm256_add_epi32(e, bias));
            self.mul(float(power(half))).mul(float(power(_mm256_sub_epi32(n, half))))
        }}
        and(self, o: Self) -> Self { F32x8(_mm256_and_ps(self.0, o.0)) }
        or(self, o: Self) -> Self { F32x8(_mm256_or_ps(self.0, o.0)) }
        xor(self, o: Self) -> Self { F32x8(_mm256_xor_ps(self.0, o.0)) }
        iadd(self, o: Self) -> Self { float(_mm256_add_epi32(int(self.0), int(o.0))) }
        isub(self, o: Self) -> Self { float(_mm256_sub_epi32(int(self.0), int(o.0))) }
        to_int(self) -> Self { float(_mm256_cvtps_epi32(self.0)) }
        int_value(self) -> Self { F32x8(_mm256_cvtepi32_ps(int(self.0))) }
        lt(self, o: Self) -> Self { F32x8(_mm256_cmp_ps::<_CMP_LT_OQ>(self.0, o.0)) }
        le(self, o: Self) -> Self { F32x8(_mm256_cmp_ps::<_CMP_LE_OQ>(self.0, o.0)) }
        eq(self, o: Self) -> Self { F32x8(_mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, o.0)) }
        is_nan(self) -> Self { F32x8(_mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0)) }
        is_zero_bits(self) -> Self { float(_mm256_cmpeq_epi32(int(self.0), _mm256_setzero_si256())) }
        select(self, m: Self, o: Self) -> Self { F32x8(_mm256_blendv_ps(o.0, self.0, m.0)) }
    }
    #[inline(always)]
    fn shl<const N: u32>(self) -> Self {
        // SAFETY: `self` exists, so the CPU has this tier; registers only.
        float(unsafe { _mm256_sll_epi32(int(self.0), _mm_cvtsi32_si128(N as i32)) })
    }
    #[inline(always)]
    fn shr<const N: u32>(self) -> Self {
        // SAFETY: `self` exists, so the CPU has this tier; registers only.
        float(unsafe { _mm256_srl_epi32(int(self.0), _mm_cvtsi32_si128(N as i32)) })
    }
    #[inline(always)]
    fn any(m: Self) -> bool {
        // SAFETY: `m` exists, so the CPU has this tier; registers only.
        unsafe { _mm256_movemask_ps(m.0) != 0 }
    }
    #[inline(always)]
    fn reduce_add(self) -> f32 {
        self.halve(Self::add)
    }
    #[inline(always)]
    fn reduce_mul(self) -> f32 {
        self.halve(Self::mul)
    }
    #[inline(always)]
    fn reduce_max(self) -> f32 {
        self.halve(Self::max_nan)
    }
    #[inline(always)]
    fn reduce_min(self) -> f32 {
        self.halve(Self::min_nan)
    }
}

/// The mask of the first `n` of 16 lanes.
#[inline(always)]
fn first16(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

impl Simd for F32x16 {
    const LANES: usize = 16;
    type Mask = __mmask16;
    type Wide = [Self; 4];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller has checked the CPU.
        F32x16(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: readable by contract.
        F32x16(unsafe { _mm512_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize, fill: Self) -> Self {
        // SAFETY: masked-off lanes are not accessed; the others are readable by contract.
        F32x16(unsafe { _mm512_mask_loadu_ps(fill.0, first16(n), p) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: writable by contract.
        unsafe { _mm512_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize) {
        // SAFETY: masked-off lanes are not accessed; the others are writable by contract.
        unsafe { _mm512_mask_storeu_ps(p, first16(n), self.0) }
    }
    #[inline(always)]
    unsafe fn load_f16(p: *const u16) -> Self {
        // SAFETY: readable by contract.
        F32x16(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) })
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16) {
        // SAFETY: writable by contract.
        unsafe { _mm256_storeu_si256(p.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0)) }
    }
    #[inline(always)]
    fn wide(self) -> [Self; 4] {
        [self; 4]
    }
    methods! {
        c(self, x: f32) -> Self { F32x16(_mm512_set1_ps(x)) }
        add(self, o: Self) -> Self { F32x16(_mm512_add_ps(self.0, o.0)) }
        sub(self, o: Self) -> Self { F32x16(_mm512_sub_ps(self.0, o.0)) }
        mul(self, o: Self) -> Self { F32x16(_mm512_mul_ps(self.0, o.0)) }
        div(self, o: Self) -> Self { F32x16(_mm512_div_ps(self.0, o.0)) }
        fma(self, b: Self, c: Self) -> Self { F32x16(_mm512_fmadd_ps(self.0, b.0, c.0)) }
        fnma(self, b: Self, c: Self) -> Self { F32x16(_mm512_fnmadd_ps(self.0, b.0, c.0)) }
        sqrt(self) -> Self { F32x16(_mm512_sqrt_ps(self.0)) }
        max_x86(self, o: Self) -> Self { F32x16(_mm512_max_ps(self.0, o.0)) }
        min_x86(self, o: Self) -> Self { F32x16(_mm512_min_ps(self.0, o.0)) }
        floor(self) -> Self { F32x16(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0)) }
        ceil(self) -> Self { F32x16(_mm512_roundscale_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(self.0)) }
        round_even(self) -> Self { F32x16(_mm512_roundscale_ps::<ROUND_EVEN>(self.0)) }
        scale(self, n: Self) -> Self { F32x16(_mm512_scalef_ps(self.0, n.0)) }
        scale_down(self, n: Self) -> Self { F32x16(_mm512_scalef_ps(self.0, n.0)) }
        and(self, o: Self) -> Self { F32x16(_mm512_and_ps(self.0, o.0)) }
        or(self, o: Self) -> Self { F32x16(_mm512_or_ps(self.0, o.0)) }
        xor(self, o: Self) -> Self { F32x16(_mm512_xor_ps(self.0, o.0)) }
        iadd(self, o: Self) -> Self { float512(_mm512_add_epi32(int512(self.0), int512(o.0))) }
        isub(self, o: Self) -> Self { float512(_mm512_sub_epi32(int512(self.0), int512(o.0))) }
        to_int(self) -> Self { float512(_mm512_cvtps_epi32(self.0)) }
        int_value(self) -> Self { F32x16(_mm512_cvtepi32_ps(int512(self.0))) }
        lt(self, o: Self) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, o.0) }
        le(self, o: Self) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, o.0) }
        eq(self, o: Self) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, o.0) }
        is_nan(self) -> __mmask16 { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) }
        is_zero_bits(self) -> __mmask16 { _mm512_testn_epi32_mask(int512(self.0), int512(self.0)) }
        select(self, m: __mmask16, o: Self) -> Self { F32x16(_mm512_mask_blend_ps(m, o.0, self.0)) }
    }
    #[inline(always)]
    fn shl<const N: u32>(self) -> Self {
        // SAFETY: `self` exists, so the CPU has this tier; registers only.
        float512(unsafe { _mm512_slli_epi32::<N>(int512(self.0)) })
    }
    #[inline(always)]
    fn shr<const N: u32>(self) -> Self {
        // SAFETY: `self` exists, so the CPU has this tier; registers only.
        float512(unsafe { _mm512_srli_epi32::<N>(int512(self.0)) })
    }
    #[inline(always)]
    fn any(m: __mmask16) -> bool {
        m != 0
    }
    #[inline(always)]
    fn reduce_add(self) -> f32 {
        self.halve(F32x8::add)
    }
    #[inline(always)]
    fn reduce_mul(self) -> f32 {
        self.halve(F32x8::mul)
    }
    #[inline(always)]
    fn reduce_max(self) -> f32 {
        self.halve(F32x8::max_nan)
    }
    #[inline(always)]
    fn reduce_min(self) -> f32 {
        self.halve(F32x8::min_nan)
    }
}

/// Transposes 8 x 8 elements of four bytes.
///
/// # Safety
/// The CPU has AVX2; eight rows of eight elements are readable at `src` and writable at `dst`, `lds` and `ldd` apart.
#[inline(always)]
pub(super) unsafe fn transpose_8x8(src: *const f32, lds: isize, dst: *mut f32, ldd: isize) {
    // SAFETY: the caller's contract.
    unsafe {
        let half = |r: isize, at: usize| _mm_loadu_ps(src.offset(r * lds).add(at));
        // row pairs (r, r + 4): low half from row r, high half from row r + 4, at columns 0..4 and 4..8
        let pair =
            |r: isize, at: usize| _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(half(r, at)), half(r + 4, at));
        let mut at = 0;
        while at < 8 {
            let (a, b, c, d) = (pair(0, at), pair(1, at), pair(2, at), pair(3, at));
            let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let out = dst.offset(at as isize * ldd);
            _mm256_storeu_ps(out, _mm256_shuffle_ps::<0x44>(ab0, cd0));
            _mm256_storeu_ps(out.offset(ldd), _mm256_shuffle_ps::<0xee>(ab0, cd0));
            _mm256_storeu_ps(out.offset(2 * ldd), _mm256_shuffle_ps::<0x44>(ab1, cd1));
            _mm256_storeu_ps(out.offset(3 * ldd), _mm256_shuffle_ps::<0xee>(ab1, cd1));
            at += 4;
        }
    }
}
