//! Copies, transposes, fills, conversions, scalar mathematics, and the floating-point mode.

mod common;

use common::{Random, bits, mixed, ptr, tiers, unary, unary_names};
use lathe_runtime::core::status::Status;
use std::sync::atomic::Ordering::Relaxed;

type Transpose = unsafe extern "C" fn(i64, i64, *mut u8, i64, *mut u8, i64);

fn check_transpose<T: Copy + PartialEq + std::fmt::Debug + From<u8>>(f: Transpose, value: impl Fn(usize) -> T) {
    for (rows, cols) in [(0, 3), (3, 0), (1, 1), (1, 40), (40, 1), (8, 8), (7, 9), (16, 24), (33, 47), (65, 130)] {
        let (lds, ldd) = (cols + 3, rows + 2);
        let src: Vec<T> = (0..rows * lds + 1).map(&value).collect();
        let mut dst = vec![T::from(9); cols * ldd + 1];
        // SAFETY: both matrices have the given shape and row strides.
        unsafe {
            f(rows as i64, cols as i64, ptr(&src), lds as i64, dst.as_mut_ptr().cast(), ldd as i64);
        }
        for c in 0..cols {
            for r in 0..ldd {
                let want = if r < rows { src[r * lds + c] } else { T::from(9) };
                assert_eq!(dst[c * ldd + r], want, "{rows} x {cols} at {r} {c}");
            }
        }
    }
}

#[test]
fn transposes() {
    for (_, table) in tiers() {
        check_transpose::<u8>(table.transpose2d_b1, |i| (i * 7) as u8);
        check_transpose::<u16>(table.transpose2d_b2, |i| (i * 77) as u16);
        check_transpose::<u32>(table.transpose2d_b4, |i| (i * 77_777) as u32);
        check_transpose::<u64>(table.transpose2d_b8, |i| i as u64 * 77_777_777_777);
    }
}

#[test]
fn copies_and_fills() {
    let src: Vec<u8> = (0..200).map(|i| i as u8).collect();
    for (_, table) in tiers() {
        let mut dst = vec![0u8; 200];
        // SAFETY: the ranges are within both rows.
        unsafe {
            (table.copy_bytes)(150, ptr(&src), dst.as_mut_ptr().cast());
            (table.copy_bytes)(-1, ptr(&src), dst.as_mut_ptr().cast());
        }
        assert!(dst[..150] == src[..150] && dst[150..].iter().all(|&b| b == 0));
        dst.fill(0);
        // SAFETY: 10 rows of 7 bytes at distances 20 and 9 are within both.
        unsafe { (table.copy2d_bytes)(10, 7, ptr(&src), 20, dst.as_mut_ptr().cast(), 9) };
        for row in 0..10 {
            assert_eq!(dst[row * 9..][..7], src[row * 20..][..7]);
            assert_eq!(dst[row * 9 + 7..][..2], [0, 0]);
        }
        for n in [0, 1, 5, 31, 64] {
            let value = 0x1122_3344_5566_7788i64;
            let mut dst = vec![0u64; 66];
            let p = dst.as_mut_ptr().cast();
            // SAFETY: n elements of up to 8 bytes fit.
            unsafe {
                (table.fill_b8)(n, value, p);
                assert!(dst[..n as usize].iter().all(|&x| x == value as u64) && dst[n as usize] == 0);
                (table.fill_b4)(n, value, p);
                assert_eq!(dst[..n as usize / 2], vec![0x5566_7788_5566_7788; n as usize / 2]);
                (table.fill_b2)(n, value, p);
                assert_eq!(dst[..n as usize / 4], vec![0x7788_7788_7788_7788; n as usize / 4]);
                (table.fill_b1)(n, -1, p);
                assert_eq!(dst[..n as usize / 8], vec![u64::MAX; n as usize / 8]);
            }
        }
    }
}

/// The half nearest to x, ties to even, by searching all of them.
fn nearest_half(x: f32, halves: &[(f64, u16)]) -> u16 {
    let magnitude = x.abs() as f64;
    let at = halves.partition_point(|&(value, _)| value <= magnitude);
    let (below, bits) = halves[at - 1];
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    if at == halves.len() {
        return sign | bits;
    }
    let (above, next) = halves[at];
    let (down, up) = (magnitude - below, above - magnitude);
    sign | if up < down || (up == down && next & 1 == 0) { next } else { bits }
}

#[test]
fn sixteen_bit_formats() {
    let every: Vec<u16> = (0..=u16::MAX).collect();
    let mut random = Random(21);
    let mut floats: Vec<f32> = mixed(1000);
    floats.extend((0..200_000).map(|_| f32::from_bits(random.bits() as u32)));
    floats.extend(
        (0..200_000).map(|_| random.float(-70_000.0, 70_000.0) * if random.bits() & 1 == 0 { 1e-6 } else { 1.0 }),
    );
    let decode = |h: u16| -> f64 {
        let (e, f) = ((h >> 10 & 31) as i32, (h & 1023) as f64);
        let magnitude = match e {
            0 => f * 2f64.powi(-24),
            31 => {
                if f == 0.0 {
                    f64::INFINITY
                } else {
                    f64::NAN
                }
            }
            _ => (1.0 + f / 1024.0) * 2f64.powi(e - 15),
        };
        if h & 0x8000 != 0 { -magnitude } else { magnitude }
    };
    // the value after the largest half stands where infinity begins: ties go up to it
    let halves: Vec<(f64, u16)> = (0..0x7c00u16).map(|h| (decode(h), h)).chain([(65536.0, 0x7c00)]).collect();
    for (tier, table) in tiers() {
        let mut wide = vec![0f32; every.len()];
        // SAFETY: both rows have that length.
        unsafe { (table.cvt_f16_f32)(every.len() as i64, ptr(&every), wide.as_mut_ptr().cast()) };
        for (&h, &x) in every.iter().zip(&wide) {
            assert!(x as f64 == decode(h) || (x.is_nan() && decode(h).is_nan()), "{tier:?} {h:x}");
            // SAFETY: by value.
            assert_eq!(unsafe { (table.s_cvt_f16_f32)(h as i64) }.to_bits(), x.to_bits(), "{tier:?} {h:x}");
        }
        let mut back = vec![0u16; every.len()];
        // SAFETY: both rows have that length.
        unsafe { (table.cvt_f32_f16)(every.len() as i64, ptr(&wide), back.as_mut_ptr().cast()) };
        assert!(every.iter().zip(&back).all(|(&h, &b)| h == b || (h & 0x7fff > 0x7c00 && b == h | 0x200)), "{tier:?}");

        let mut narrow = vec![0u16; floats.len()];
        // SAFETY: both rows have that length.
        unsafe { (table.cvt_f32_f16)(floats.len() as i64, ptr(&floats), narrow.as_mut_ptr().cast()) };
        for (&x, &h) in floats.iter().zip(&narrow) {
            if x.is_nan() {
                assert!(h & 0x7fff > 0x7c00);
            } else {
                assert_eq!(h, nearest_half(x, &halves), "{tier:?} {x:e}");
            }
            // SAFETY: by value.
            assert_eq!(unsafe { (table.s_cvt_f32_f16)(x) }, h as i64, "{tier:?} {x:e}");
        }
        // SAFETY: both rows have that length.
        unsafe { (table.cvt_f32_bf16)(floats.len() as i64, ptr(&floats), narrow.as_mut_ptr().cast()) };
        for (&x, &b) in floats.iter().zip(&narrow) {
            let back = f32::from_bits((b as u32) << 16);
            let (down, up) = (x.to_bits() & 0xffff_0000, (x.to_bits() & 0xffff_0000).wrapping_add(0x1_0000));
            let rest = x.to_bits() & 0xffff;
            let want = if rest > 0x8000 || (rest == 0x8000 && down & 0x1_0000 != 0) { up } else { down };
            assert!(if x.is_nan() { back.is_nan() } else { back.to_bits() == want }, "{tier:?} {x:e}");
            // SAFETY: by value.
            assert_eq!(unsafe { (table.s_cvt_f32_bf16)(x) }, b as i64);
        }
        // SAFETY: both rows have that length.
        unsafe { (table.cvt_bf16_f32)(every.len() as i64, ptr(&every), wide.as_mut_ptr().cast()) };
        assert!(every.iter().zip(&wide).all(|(&b, x)| x.to_bits() == (b as u32) << 16));
    }
}

#[test]
fn scalar_mathematics() {
    for (_, table) in tiers() {
        // SAFETY: by value.
        unsafe {
            for x in [-2.5f64, -1.0, -0.5, 0.0, 0.3, 0.99, 1.0, 1.5, 2.5, 7.0, 1e5] {
                let pairs = [
                    ((table.s_exp_f64)(x), x.exp()),
                    ((table.s_exp2_f64)(x), x.exp2()),
                    ((table.s_expm1_f64)(x), x.exp_m1()),
                    ((table.s_log_f64)(x), x.ln()),
                    ((table.s_log1p_f64)(x), x.ln_1p()),
                    ((table.s_sin_f64)(x), x.sin()),
                    ((table.s_cos_f64)(x), x.cos()),
                    ((table.s_tan_f64)(x), x.tan()),
                    ((table.s_asin_f64)(x), x.asin()),
                    ((table.s_acos_f64)(x), x.acos()),
                    ((table.s_atan_f64)(x), x.atan()),
                    ((table.s_sinh_f64)(x), x.sinh()),
                    ((table.s_cosh_f64)(x), x.cosh()),
                    ((table.s_tanh_f64)(x), x.tanh()),
                    ((table.s_asinh_f64)(x), x.asinh()),
                    ((table.s_acosh_f64)(x), x.acosh()),
                    ((table.s_atanh_f64)(x), x.atanh()),
                    ((table.s_round_f64)(x), x.round_ties_even()),
                    ((table.s_pow_f64)(x, 3.0), x.powf(3.0)),
                    ((table.s_fmod_f64)(x, 0.7), x % 0.7),
                    ((table.s_sin_f32)(x as f32) as f64, (x as f32 as f64).sin() as f32 as f64),
                    ((table.s_pow_f32)(x as f32, 2.5) as f64, (x as f32 as f64).powf(2.5) as f32 as f64),
                    ((table.s_round_f32)(x as f32) as f64, (x as f32).round_ties_even() as f64),
                ];
                for (i, (found, want)) in pairs.into_iter().enumerate() {
                    let same = found == want || (found.is_nan() && want.is_nan());
                    assert!(same || (found - want).abs() < 1e-14 * want.abs(), "{i}: {found} not {want} at {x}");
                }
            }
            assert!(((table.s_erf_f64)(0.5) - 0.5204998778130465).abs() < 1e-15);
            assert_eq!((table.s_erf_f32)(-0.5), -0.520_499_9);
        }
    }
}

#[test]
fn first_error_wins() {
    let status = Status::new();
    for (_, table) in tiers() {
        status.clear();
        // SAFETY: a live status.
        unsafe {
            (table.set_status)((&raw const status).cast_mut().cast(), 4, 17, -3);
            (table.set_status)((&raw const status).cast_mut().cast(), 5, 18, 0);
        }
        let read = (status.code.load(Relaxed), status.node.load(Relaxed), status.value.load(Relaxed));
        assert_eq!(read, (4, 17, -3));
    }
}

/// The control bits of the floating-point unit: rounding mode, denormals, exception masks.
#[cfg(target_arch = "x86_64")]
fn float_mode() -> u32 {
    let mut mxcsr = 0u32;
    // SAFETY: stores four bytes to a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr) };
    mxcsr & !0x3f
}

#[cfg(target_arch = "x86_64")]
#[test]
fn kernels_leave_the_floating_point_mode_alone() {
    let (x, mut y) = (mixed(100), vec![0f32; 100]);
    let before = float_mode();
    for (tier, table) in tiers() {
        for name in unary_names() {
            // SAFETY: both rows have 100 elements.
            unsafe { unary(table, name)(100, ptr(&x), y.as_mut_ptr().cast()) };
            assert_eq!(float_mode(), before, "{name} {tier:?}");
        }
    }
    assert_eq!(bits(&y).len(), 100);
}
