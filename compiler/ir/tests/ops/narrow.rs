//! Storage types: every code and every boundary between two, against tables of the formats' numbers.

use super::{INF, NAN, b, check, f, i, n, refuse};
use lathe_ir::narrow::{Conversion, Minifloat, Rounding, decode, encode};
use lathe_ir::{DType, Tensor};

/// Formats with sign, exponent and mantissa: bits of exponent and mantissa, the largest number, whether codes for
/// infinity, NaN and -0 exist, and the code of NaN.
struct Format {
    dtype: DType,
    exponent: u32,
    mantissa: u32,
    /// Value of the least subnormal number, as a power of two.
    least: i32,
    largest: f64,
    infinity: Option<u8>,
    nan: Option<u8>,
    minus_zero: bool,
}

const FORMATS: &[Format] = &[
    format(DType::F8E4M3FN, 4, 3, -9, 448.0, None, Some(0x7f), true),
    format(DType::F8E4M3FNUZ, 4, 3, -10, 240.0, None, Some(0x80), false),
    format(DType::F8E5M2, 5, 2, -16, 57344.0, Some(0x7c), Some(0x7e), true),
    format(DType::F8E5M2FNUZ, 5, 2, -17, 57344.0, None, Some(0x80), false),
    format(DType::F6E2M3, 2, 3, -3, 7.5, None, None, true),
    format(DType::F6E3M2, 3, 2, -4, 28.0, None, None, true),
    format(DType::F4E2M1, 2, 1, -1, 6.0, None, None, true),
];

#[allow(clippy::too_many_arguments)]
const fn format(
    dtype: DType,
    exponent: u32,
    mantissa: u32,
    least: i32,
    largest: f64,
    infinity: Option<u8>,
    nan: Option<u8>,
    minus_zero: bool,
) -> Format {
    Format { dtype, exponent, mantissa, least, largest, infinity, nan, minus_zero }
}

impl Format {
    /// The numbers from 0 on in the order of their codes, made by counting: each binade but the first doubles the step.
    fn numbers(&self) -> Vec<f64> {
        let (mut numbers, mut step, binade) = (vec![0.0], 2f64.powi(self.least), 1 << self.mantissa);
        while numbers.last().unwrap() < &self.largest {
            let code = numbers.len() - 1;
            if code >= 2 * binade && code % binade == 0 {
                step *= 2.0;
            }
            numbers.push(numbers[code] + step);
        }
        numbers
    }

    fn sign(&self) -> u8 {
        1 << (self.exponent + self.mantissa)
    }
}

#[test]
fn codes_stand_for_these_numbers() {
    for format in FORMATS {
        let numbers = format.numbers();
        assert_eq!(numbers.last(), Some(&format.largest), "{}", format.dtype);
        for code in 0..=255u8 {
            let value = decode(format.dtype, code).unwrap();
            let code = code & (2 * u16::from(format.sign()) - 1) as u8;
            let (magnitude, is_negative) = (code & (format.sign() - 1), code >= format.sign());
            let expected = match numbers.get(usize::from(magnitude)) {
                Some(0.0) if is_negative && !format.minus_zero => f64::NAN,
                Some(&number) => number,
                None if format.infinity == Some(magnitude) => f64::INFINITY,
                None => f64::NAN,
            };
            let expected = if is_negative { -expected } else { expected };
            let same = value.to_bits() == expected.to_bits() || (value.is_nan() && expected.is_nan());
            assert!(same, "{} {code:#x}: {value}, not {expected}", format.dtype);
        }
    }
    for code in 0..255u8 {
        assert_eq!(decode(DType::F8E8M0, code), Some(2f64.powi(i32::from(code) - 127)));
    }
    assert!(decode(DType::F8E8M0, 255).unwrap().is_nan());
    assert_eq!(decode(DType::I4, 7), None);
}

/// Next to every number, in the middle between two, and next to the middle, whatever the way to it is.
#[test]
fn numbers_are_rounded_to_the_nearest_even_code() {
    for format in FORMATS {
        let numbers = format.numbers();
        let step = numbers[numbers.len() - 1] - numbers[numbers.len() - 2];
        let mut cases: Vec<(f64, Option<usize>)> = vec![(5e-324, Some(0)), (1e-40, Some(0))];
        for (code, pair) in numbers.windows(2).enumerate() {
            let middle = (pair[0] + pair[1]) / 2.0;
            let even = code + code % 2;
            cases.extend([
                (pair[0], Some(code)),
                (pair[0].next_up(), Some(code)),
                (pair[1].next_down(), Some(code + 1)),
            ]);
            cases.extend([(middle.next_down(), Some(code)), (middle, Some(even)), (middle.next_up(), Some(code + 1))]);
        }
        // Halfway to the number that would be next: up to there the largest one is the nearest.
        let (last, beyond) = (numbers.len() - 1, format.largest + step / 2.0);
        cases.extend([(format.largest, Some(last)), (beyond.next_down(), Some(last)), (beyond.next_up(), None)]);
        cases.push((beyond, (last % 2 == 0).then_some(last)));
        cases.extend([(1e30, None), (1e300, None), (f64::INFINITY, None)]);
        for (value, code) in cases {
            for saturate in [true, false] {
                for sign in [1.0, -1.0] {
                    let beyond = match (format.infinity, format.nan) {
                        _ if saturate => last as u8,
                        (Some(infinity), _) => infinity,
                        (None, Some(nan)) => nan,
                        (None, None) => last as u8,
                    };
                    let code = code.map_or(beyond, |code| code as u8);
                    let is_unsigned = !format.minus_zero && (code == 0 || Some(code) == format.nan);
                    let expected = if sign < 0.0 && !is_unsigned { code | format.sign() } else { code };
                    let found = encode(format.dtype, sign * value, Conversion { saturate, ..Conversion::default() });
                    assert_eq!(found, expected, "{} {:e}, saturate {saturate}", format.dtype, sign * value);
                }
            }
        }
        for nan in [f64::NAN, -f64::NAN] {
            assert_eq!(encode(format.dtype, nan, Conversion::default()), format.nan.unwrap_or(0));
        }
        let parameters = Minifloat::of(format.dtype).unwrap();
        assert_eq!(parameters.bits, format.dtype.bits());
        assert_eq!(parameters.largest() as usize, last);
    }
}

#[test]
fn every_code_survives_the_way_to_f32_and_back() {
    for format in FORMATS.iter().map(|format| format.dtype).chain([DType::F8E8M0]) {
        for code in 0..1u16 << format.bits() {
            let value = decode(format, code as u8).unwrap();
            let back = encode(format, f64::from(value as f32), Conversion::default());
            let infinite = if value.is_infinite() { encode(format, value, Conversion::default()) } else { code as u8 };
            assert!(value.is_nan() || back == infinite, "{format} {code:#x}: {value}, back {back:#x}");
        }
    }
}

#[test]
fn f8e8m0_rounds_as_it_is_told() {
    let code = |value: f64, rounding, saturate| encode(DType::F8E8M0, value, Conversion { saturate, rounding });
    for exponent in -127..=126 {
        let (value, at) = (2f64.powi(exponent), (exponent + 127) as u8);
        for (factor, up, down, nearest) in [(1.0, 0, 0, 0), (1.0 + 1e-15, 1, 0, 0), (1.49, 1, 0, 0), (1.5, 1, 0, 1)] {
            for saturate in [true, false] {
                assert_eq!(code(factor * value, Rounding::Up, saturate), at + up, "{factor} {exponent}");
                assert_eq!(code(factor * value, Rounding::Down, saturate), at + down, "{factor} {exponent}");
                assert_eq!(code(factor * value, Rounding::Nearest, saturate), at + nearest, "{factor} {exponent}");
            }
        }
    }
    let most = 2f64.powi(127);
    for (value, up, down) in
        [(1.2 * most, 255, 254), (2.0 * most, 255, 255), (f64::INFINITY, 255, 255), (0.0, 255, 255)]
    {
        assert_eq!(code(value, Rounding::Up, false), up);
        assert_eq!(code(value, Rounding::Down, false), down);
        assert_eq!(code(value, Rounding::Up, true), if value == 0.0 { 0 } else { 254 });
    }
    assert_eq!(code(-0.0, Rounding::Up, true), 0);
    assert_eq!(code(2f64.powi(-149), Rounding::Up, true), 0);
    for value in [-1.0, f64::NEG_INFINITY, f64::NAN] {
        assert_eq!(code(value, Rounding::Up, true), 255, "{value}");
    }
}

/// A vector of elements as they are kept.
fn raw(dtype: DType, bytes: &[u8]) -> Tensor {
    Tensor::from_bytes(dtype, &[bytes.len()], bytes.to_vec().into()).unwrap()
}

/// Casts `x` and compares bytes.
#[track_caller]
fn cast(x: &Tensor, attrs: &str, expected: &Tensor) {
    use lathe_ir::text::{no_weights, parse_module};
    let text = format!(
        "graph(%0 \"x\": {}) {{\n  %1 = cast(%0) {{to = {}{attrs}}} : {}\n  return %1 \"y\"\n}}\n",
        x.ty(),
        expected.dtype(),
        expected.ty()
    );
    let module = parse_module(&text, &no_weights).unwrap();
    let results = lathe_ir::eval_module(&module, vec![x.clone()]).unwrap();
    assert_eq!(results[0].bytes(), expected.bytes(), "{text}{:?}", results[0]);
}

/// The values of ONNX's table, and those of its cases.
#[test]
fn cast_to_floats_of_8_bits() {
    let x = f(&[7], &[0.0, -0.0, NAN, INF, -INF, 1e6, -1e6]);
    cast(&x, "", &raw(DType::F8E4M3FN, &[0, 0x80, 0x7f, 0x7e, 0xfe, 0x7e, 0xfe]));
    cast(&x, "", &raw(DType::F8E4M3FNUZ, &[0, 0, 0x80, 0x7f, 0xff, 0x7f, 0xff]));
    cast(&x, "", &raw(DType::F8E5M2, &[0, 0x80, 0x7e, 0x7b, 0xfb, 0x7b, 0xfb]));
    cast(&x, "", &raw(DType::F8E5M2FNUZ, &[0, 0, 0x80, 0x7f, 0xff, 0x7f, 0xff]));
    let attrs = ", saturate = false";
    cast(&x, attrs, &raw(DType::F8E4M3FN, &[0, 0x80, 0x7f, 0x7f, 0xff, 0x7f, 0xff]));
    cast(&x, attrs, &raw(DType::F8E4M3FNUZ, &[0, 0, 0x80, 0x80, 0x80, 0x80, 0x80]));
    cast(&x, attrs, &raw(DType::F8E5M2, &[0, 0x80, 0x7e, 0x7c, 0xfc, 0x7c, 0xfc]));
    cast(&x, attrs, &raw(DType::F8E5M2FNUZ, &[0, 0, 0x80, 0x80, 0x80, 0x80, 0x80]));
    let x = f(&[6], &[0.0, 0.124, 0.25, 1.1, 2.0, INF]);
    cast(&x, "", &raw(DType::F8E8M0, &[0, 124, 125, 128, 128, 254]));
    cast(&x, ", round = \"down\"", &raw(DType::F8E8M0, &[0, 123, 125, 127, 128, 254]));
    cast(&x, ", saturate = false, round = \"nearest\"", &raw(DType::F8E8M0, &[255, 124, 125, 127, 128, 255]));
    cast(&f(&[5], &[0.3, -2.5, 100.0, NAN, -0.2]), "", &raw(DType::F4E2M1, &[1, 0xc, 7, 0, 8]));
    cast(&f(&[4], &[0.3, -2.5, 100.0, -100.0]), "", &raw(DType::F6E2M3, &[2, 0x32, 31, 63]));
    // Integers are rounded once: 2^62 + 2^58 is a tie, beyond f8e5m2; 17 is one, 2^24 + 1 too large for an f32.
    cast(&i(&[4], &[17, 19, -300, (1 << 24) + 1]), "", &raw(DType::F8E5M2, &[0x4c, 0x4d, 0xdd, 0x7b]));
    cast(&b(&[2], &[0, 1]), "", &raw(DType::F8E4M3FN, &[0, 0x38]));
    cast(&raw(DType::F8E5M2, &[0x7c, 0x3c, 0xfd]), "", &raw(DType::F8E4M3FN, &[0x7e, 0x38, 0x7f]));
    cast(&raw(DType::F8E4M3FN, &[0x38, 0, 0x7f, 0xfe]), "", &n(DType::I32, &[1, 0, 0, -448]));
    cast(&raw(DType::F8E4M3FN, &[0x38, 0x80, 0x7f, 1]), "", &b(&[4], &[1, 0, 1, 1]));
    cast(&raw(DType::F8E8M0, &[127, 0, 255]), ", saturate = false", &raw(DType::F8E5M2, &[0x3c, 0, 0x7e]));
}

/// The low bits stay, as ONNX's cases have it.
#[test]
fn cast_to_integers_of_4_and_2_bits() {
    let x = f(&[8], &[-9.0, -8.0, -1.5, 7.9, 8.0, 15.0, NAN, 1e10]);
    cast(&x, "", &n(DType::I4, &[7, -8, -1, 7, -8, -1, 0, -1]));
    cast(&x, "", &n(DType::U4, &[7, 8, 15, 7, 8, 15, 0, 15]));
    cast(&x, "", &n(DType::I2, &[-1, 0, -1, -1, 0, -1, 0, -1]));
    cast(&x, "", &n(DType::U2, &[3, 0, 3, 3, 0, 3, 0, 3]));
    cast(&i(&[3], &[-1, 200, 1 << 40]), "", &n(DType::I4, &[-1, -8, 0]));
    cast(&n(DType::I4, &[-8, 7]), "", &n(DType::I8, &[-8, 7]));
    cast(&n(DType::I4, &[-8, 7]), "", &n(DType::U2, &[0, 3]));
    cast(&n(DType::I4, &[-8, 7]), "", &f(&[2], &[-8.0, 7.0]));
    cast(&n(DType::U4, &[15, 0]), "", &b(&[2], &[1, 0]));
    cast(&b(&[2], &[0, 1]), "", &n(DType::U2, &[0, 1]));
    cast(&n(DType::I2, &[-2, 1]), "", &raw(DType::F4E2M1, &[0xc, 2]));
}

#[test]
fn bits_of_storage_types() {
    check("bitcast", &[n(DType::I4, &[-1, 3])], "to = u4", &[n(DType::U4, &[15, 3])]);
    check("bitcast", &[n(DType::U4, &[15, 3])], "to = i4", &[n(DType::I4, &[-1, 3])]);
    check("bitcast", &[n(DType::U2, &[3, 1])], "to = i2", &[n(DType::I2, &[-1, 1])]);
    check("bitcast", &[n(DType::I8, &[0x38, -128])], "to = f8e4m3fn", &[raw(DType::F8E4M3FN, &[0x38, 0x80])]);
    check("bitcast", &[n(DType::I4, &[2, -2])], "to = f4e2m1", &[raw(DType::F4E2M1, &[2, 14])]);
    refuse("bitcast", &[n(DType::I4, &[0])], "to = i8", &["i8[1]"], "have not the size of i8");
}

/// They are moved; nothing computes with them.
#[test]
fn storage_types_are_moved_only() {
    for dtype in DType::all().filter(|dtype| dtype.is_storage()) {
        let x = Tensor::from_f64(dtype, &[2, 2], &[0.0, 1.0, 2.0, 3.0]);
        let column = Tensor::from_f64(dtype, &[2], &[0.0, 2.0]);
        let turned = Tensor::from_f64(dtype, &[2, 2], &[0.0, 2.0, 1.0, 3.0]);
        check("transpose", std::slice::from_ref(&x), "perm = [1, 0]", &[turned]);
        check("gather", &[x.clone(), i(&[], &[0])], "axis = 1", std::slice::from_ref(&column));
        check("where", &[b(&[2], &[1, 0]), column.clone(), column.clone()], "", std::slice::from_ref(&column));
        for op in ["neg", "relu", "exp", "bitnot"] {
            refuse(op, std::slice::from_ref(&x), "", &["f32[2,2]"], "needed");
        }
        for op in ["add", "eq", "lt", "min", "bitand", "matmul"] {
            refuse(op, &[x.clone(), x.clone()], "", &["f32[2,2]"], "needed");
        }
        refuse("reduce_sum", std::slice::from_ref(&x), "axes = [0]", &["f32[1,2]"], "needed");
        refuse("reduce_max", std::slice::from_ref(&x), "axes = [0]", &["f32[1,2]"], "is needed");
        refuse("unique", std::slice::from_ref(&column), "axis = 0", &["i64[2]"], "is needed");
        let operands = [column.clone(), i(&[1], &[0]), Tensor::from_f64(dtype, &[1], &[1.0])];
        refuse("scatter_elements", &operands, "axis = 0, reduction = \"max\"", &["f32[2]"], "needs numbers");
    }
}
