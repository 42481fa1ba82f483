//! `cast`: every pair of kinds, rounding, wrapping, saturation.

use super::{INF, NAN, b, check, f, i, n, refuse};
use lathe_ir::{DType, Tensor};

/// Casts `x` to the type of `expected`.
#[track_caller]
fn cast(x: Tensor, expected: Tensor) {
    check("cast", &[x], &format!("to = {}", expected.dtype()), &[expected]);
}

/// A vector of raw 16-bit floats.
fn raw(dtype: DType, bits: &[u16]) -> Tensor {
    let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    Tensor::from_bytes(dtype, &[bits.len()], bytes.into()).unwrap()
}

#[test]
fn cast_float_to_int_truncates_and_saturates() {
    let x = f(&[8], &[1.9, -1.9, NAN, INF, -INF, 300.0, -300.0, -0.5]);
    cast(x.clone(), n(DType::I8, &[1, -1, 0, 127, -128, 127, -128, 0]));
    cast(x.clone(), n(DType::U8, &[1, 0, 0, 255, 0, 255, 0, 0]));
    cast(x.clone(), n(DType::I32, &[1, -1, 0, i64::from(i32::MAX), i64::from(i32::MIN), 300, -300, 0]));
    cast(x.clone(), n(DType::I64, &[1, -1, 0, i64::MAX, i64::MIN, 300, -300, 0]));
    cast(x, n(DType::U64, &[1, 0, 0, -1, 0, 300, 0, 0]));
    // 2^63 + 2^40 and 2^64 - 2^40 are floats beyond i64.
    cast(f(&[2], &[9223373136366403584.0, 18446742974197923840.0]), n(DType::U64, &[i64::MIN + (1 << 40), -(1 << 40)]));
}

#[test]
fn cast_int_to_int_wraps() {
    cast(n(DType::I32, &[300, -1, 127, 128]), n(DType::I8, &[44, -1, 127, -128]));
    cast(n(DType::I8, &[-1, 5]), n(DType::U64, &[-1, 5]));
    cast(n(DType::U64, &[-1, 5]), n(DType::I64, &[-1, 5]));
    cast(n(DType::U32, &[-1]), n(DType::I64, &[0xffff_ffff]));
    cast(n(DType::U64, &[-1]), n(DType::U16, &[0xffff]));
}

#[test]
fn cast_to_and_from_bool() {
    cast(f(&[4], &[0.0, -0.0, 0.1, NAN]), b(&[4], &[0, 0, 1, 1]));
    cast(n(DType::I64, &[0, 256, -1]), b(&[3], &[0, 1, 1]));
    cast(n(DType::U64, &[0, -1]), b(&[2], &[0, 1]));
    cast(b(&[2], &[0, 1]), f(&[2], &[0.0, 1.0]));
    cast(b(&[2], &[0, 1]), n(DType::U64, &[0, 1]));
    cast(b(&[2], &[0, 1]), b(&[2], &[0, 1]));
}

/// One rounding to nearest even, not two: where a way through f32 or f64 would first land on a tie.
#[test]
fn cast_to_float_rounds_once() {
    // 2^24 + 1 is a tie between two f32; 2^62 + 2^38 + 1 is just above one, which f64 does not hold.
    cast(i(&[2], &[(1 << 24) + 1, (1 << 62) + (1 << 38) + 1]), f(&[2], &[16777216.0, 4611686568183201792.0]));
    cast(n(DType::U64, &[i64::MIN + (1 << 39) + 1]), f(&[1], &[9223373136366403584.0]));
    cast(n(DType::U64, &[-1]), Tensor::from_f64(DType::F64, &[1], &[18446744073709551616.0]));
    // 2^62 + 2^54 is a tie between two bf16.
    cast(i(&[2], &[(1 << 62) + (1 << 54), (1 << 62) + (1 << 54) + 1]), raw(DType::BF16, &[0x5e80, 0x5e81]));
    cast(n(DType::U64, &[i64::MIN + (1 << 55) + 1]), raw(DType::BF16, &[0x5f01]));
    let tie = 1.0 + 2f64.powi(-11);
    let f64s = |values: &[f64]| Tensor::from_f64(DType::F64, &[values.len()], values);
    cast(
        f64s(&[tie, tie + 1e-15, -tie - 1e-15, 65520.0, 65519.99]),
        raw(DType::F16, &[0x3c00, 0x3c01, 0xbc01, 0x7c00, 0x7bff]),
    );
    // Subnormal f16: 2^-25 is a tie between 0 and the smallest one.
    cast(f64s(&[2f64.powi(-25), 2f64.powi(-25) * 1.0000000001, -2f64.powi(-24)]), raw(DType::F16, &[0, 1, 0x8001]));
    let tie = 1.0 + 2f64.powi(-8);
    cast(
        f64s(&[tie, tie + 1e-12, f64::NAN, f64::INFINITY, 1e300]),
        raw(DType::BF16, &[0x3f80, 0x3f81, 0x7fc0, 0x7f80, 0x7f80]),
    );
    cast(raw(DType::F16, &[0x3c01, 0x7c00, 0x8001]), f(&[3], &[1.0009765625, INF, -5.9604645e-8]));
    cast(raw(DType::BF16, &[0x3f81, 0xff80]), f(&[2], &[1.0078125, -INF]));
}

#[test]
fn bitcast() {
    check("bitcast", &[f(&[2], &[1.0, -2.0])], "to = i32", &[n(DType::I32, &[0x3f80_0000, -0x4000_0000])]);
    check("bitcast", &[n(DType::I32, &[0x3f80_0000, 1])], "to = f32", &[f(&[2], &[1.0, 1e-45])]);
    check("bitcast", &[n(DType::I8, &[-1, 0, 2])], "to = u8", &[n(DType::U8, &[255, 0, 2])]);
    check("bitcast", &[n(DType::I8, &[-1, 0, 2])], "to = bool", &[b(&[3], &[1, 0, 1])]);
    check("bitcast", &[b(&[2], &[1, 0])], "to = u8", &[n(DType::U8, &[1, 0])]);
    check("bitcast", &[raw(DType::F16, &[0x3c00, 0x8000])], "to = bf16", &[raw(DType::BF16, &[0x3c00, 0x8000])]);
    check("bitcast", &[n(DType::U64, &[-1])], "to = i64", &[i(&[1], &[-1])]);
    check("bitcast", &[f(&[0, 3], &[])], "to = u32", &[Tensor::from_i64(DType::U32, &[0, 3], &[])]);
    refuse("bitcast", &[f(&[1], &[0.0])], "to = i64", &["i64[1]"], "have not the size of i64");
}
