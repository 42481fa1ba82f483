//! Conversions between single precision and the 16-bit formats, rounding to nearest even.

use super::simd::Simd;

/// IEEE binary16 to single: exact. A NaN keeps its payload and becomes quiet, as the hardware does.
pub(crate) const fn half_to_f32(half: u16) -> f32 {
    let sign = (half as u32 & 0x8000) << 16;
    let (exponent, fraction) = (half as u32 >> 10 & 0x1f, half as u32 & 0x3ff);
    let magnitude = match (exponent, fraction) {
        (0x1f, 0) => 0x7f80_0000,
        (0x1f, _) => 0x7fc0_0000 | fraction << 13,
        (0, _) => (fraction as f32 * 5.960_464_5e-8).to_bits(), // 2^-24, exact
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// Single to IEEE binary16. Overflow gives infinity; a NaN keeps the upper part of its payload and becomes quiet.
pub(crate) const fn f32_to_half(x: f32) -> u16 {
    let (sign, magnitude) = ((x.to_bits() >> 16 & 0x8000) as u16, x.to_bits() & 0x7fff_ffff);
    let half = if magnitude > 0x7f80_0000 {
        0x7e00 | (magnitude >> 13 & 0x1ff)
    } else if magnitude >= 0x4780_0000 {
        0x7c00 // 65536 and above
    } else if magnitude >= 0x3880_0000 {
        // normal: round at bit 13; a carry runs into the exponent and on to infinity
        (magnitude - 0x3800_0000 + 0xfff + (magnitude >> 13 & 1)) >> 13
    } else {
        // denormal: adding 1/2 aligns the last place of the half with that of the float, and rounds
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0x3f00_0000
    };
    sign | half as u16
}

/// bfloat16 to single: exact.
pub(crate) const fn bf16_to_f32(x: u16) -> f32 {
    f32::from_bits((x as u32) << 16)
}

/// Single to bfloat16. A NaN becomes quiet.
pub(crate) const fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// # Safety
/// `n` halves are readable at `src` and `n` floats writable at `dst`; no overlap.
#[inline(always)]
unsafe fn f16_f32<V: Simd>(n: i64, src: *mut u8, dst: *mut u8) {
    let (n, src, dst) = (n.max(0) as usize, src.cast::<u16>(), dst.cast::<f32>());
    let mut i = 0;
    while i + V::LANES <= n {
        // SAFETY: i + LANES <= n.
        unsafe { V::load_f16(src.add(i)).store(dst.add(i)) };
        i += V::LANES;
    }
    while i < n {
        // SAFETY: i < n.
        unsafe { dst.add(i).write(half_to_f32(src.add(i).read())) };
        i += 1;
    }
}

/// # Safety
/// `n` floats are readable at `src` and `n` halves writable at `dst`; no overlap.
#[inline(always)]
unsafe fn f32_f16<V: Simd>(n: i64, src: *mut u8, dst: *mut u8) {
    let (n, src, dst) = (n.max(0) as usize, src.cast::<f32>(), dst.cast::<u16>());
    let mut i = 0;
    while i + V::LANES <= n {
        // SAFETY: i + LANES <= n.
        unsafe { V::load(src.add(i)).store_f16(dst.add(i)) };
        i += V::LANES;
    }
    while i < n {
        // SAFETY: i < n.
        unsafe { dst.add(i).write(f32_to_half(src.add(i).read())) };
        i += 1;
    }
}

/// # Safety
/// `n` 16-bit values are readable at `src` and `n` floats writable at `dst`; no overlap.
#[inline(always)]
unsafe fn bf16_f32<V: Simd>(n: i64, src: *mut u8, dst: *mut u8) {
    let (src, dst) = (src.cast::<u16>(), dst.cast::<f32>());
    for i in 0..n.max(0) as usize {
        // SAFETY: i < n.
        unsafe { dst.add(i).write(bf16_to_f32(src.add(i).read())) };
    }
}

/// # Safety
/// `n` floats are readable at `src` and `n` 16-bit values writable at `dst`; no overlap.
#[inline(always)]
unsafe fn f32_bf16<V: Simd>(n: i64, src: *mut u8, dst: *mut u8) {
    let (src, dst) = (src.cast::<f32>(), dst.cast::<u16>());
    for i in 0..n.max(0) as usize {
        // SAFETY: i < n.
        unsafe { dst.add(i).write(f32_to_bf16(src.add(i).read())) };
    }
}

tiers! {
    fn cvt_f16_f32(n: i64, src: *mut u8, dst: *mut u8) = f16_f32;
    fn cvt_f32_f16(n: i64, src: *mut u8, dst: *mut u8) = f32_f16;
    fn cvt_bf16_f32(n: i64, src: *mut u8, dst: *mut u8) = bf16_f32;
    fn cvt_f32_bf16(n: i64, src: *mut u8, dst: *mut u8) = f32_bf16;
}

pub(crate) extern "C" fn s_cvt_f16_f32(bits: i64) -> f32 {
    half_to_f32(bits as u16)
}

pub(crate) extern "C" fn s_cvt_f32_f16(x: f32) -> i64 {
    f32_to_half(x) as i64
}

pub(crate) extern "C" fn s_cvt_bf16_f32(bits: i64) -> f32 {
    bf16_to_f32(bits as u16)
}

pub(crate) extern "C" fn s_cvt_f32_bf16(x: f32) -> i64 {
    f32_to_bf16(x) as i64
}
