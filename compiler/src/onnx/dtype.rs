//! ONNX element types: codes, names and sizes (`TensorProto.DataType` of onnx 1.23.2).

/// Not said.
pub const UNDEFINED: i32 = 0;
/// IEEE 754 binary32.
pub const FLOAT: i32 = 1;
/// Unsigned 8 bits.
pub const UINT8: i32 = 2;
/// Signed 8 bits.
pub const INT8: i32 = 3;
/// Unsigned 16 bits.
pub const UINT16: i32 = 4;
/// Signed 16 bits.
pub const INT16: i32 = 5;
/// Signed 32 bits.
pub const INT32: i32 = 6;
/// Signed 64 bits.
pub const INT64: i32 = 7;
/// Byte strings.
pub const STRING: i32 = 8;
/// One byte, 0 or 1.
pub const BOOL: i32 = 9;
/// IEEE 754 binary16.
pub const FLOAT16: i32 = 10;
/// IEEE 754 binary64.
pub const DOUBLE: i32 = 11;
/// Unsigned 32 bits.
pub const UINT32: i32 = 12;
/// Unsigned 64 bits.
pub const UINT64: i32 = 13;
/// Two binary32, real part first.
pub const COMPLEX64: i32 = 14;
/// Two binary64, real part first.
pub const COMPLEX128: i32 = 15;
/// The upper half of a binary32.
pub const BFLOAT16: i32 = 16;
/// 4 exponent, 3 mantissa bits, no infinity.
pub const FLOAT8E4M3FN: i32 = 17;
/// 4 exponent, 3 mantissa bits, no infinity, no negative zero.
pub const FLOAT8E4M3FNUZ: i32 = 18;
/// 5 exponent, 2 mantissa bits.
pub const FLOAT8E5M2: i32 = 19;
/// 5 exponent, 2 mantissa bits, no infinity, no negative zero.
pub const FLOAT8E5M2FNUZ: i32 = 20;
/// Unsigned 4 bits, two in a byte, first in the low half.
pub const UINT4: i32 = 21;
/// Signed 4 bits, two in a byte, first in the low half.
pub const INT4: i32 = 22;
/// 2 exponent, 1 mantissa bit, two in a byte.
pub const FLOAT4E2M1: i32 = 23;
/// 8 exponent bits only.
pub const FLOAT8E8M0: i32 = 24;
/// Unsigned 2 bits, four in a byte, first in the low bits.
pub const UINT2: i32 = 25;
/// Signed 2 bits, four in a byte, first in the low bits.
pub const INT2: i32 = 26;
/// 2 exponent, 3 mantissa bits, four in three bytes, low bits first.
pub const FLOAT6E2M3: i32 = 27;
/// 3 exponent, 2 mantissa bits, four in three bytes, low bits first.
pub const FLOAT6E3M2: i32 = 28;

/// Bits of one element as stored; `None` for strings and codes not known here.
pub fn bits(code: i32) -> Option<u32> {
    Some(match code {
        UINT2 | INT2 => 2,
        UINT4 | INT4 | FLOAT4E2M1 => 4,
        FLOAT6E2M3 | FLOAT6E3M2 => 6,
        UINT8 | INT8 | BOOL | FLOAT8E4M3FN | FLOAT8E4M3FNUZ | FLOAT8E5M2 | FLOAT8E5M2FNUZ | FLOAT8E8M0 => 8,
        UINT16 | INT16 | FLOAT16 | BFLOAT16 => 16,
        FLOAT | INT32 | UINT32 => 32,
        DOUBLE | INT64 | UINT64 | COMPLEX64 => 64,
        COMPLEX128 => 128,
        _ => return None,
    })
}

/// Bytes of `elements` elements stored densely, rounded up; `None` for strings, unknown codes and overflow.
pub fn dense_bytes(code: i32, elements: u64) -> Option<u64> {
    let total = u128::from(elements) * u128::from(bits(code)?);
    u64::try_from(total.div_ceil(8)).ok()
}

/// Name of an element type in ONNX's own spelling, in lower case; `None` for codes not known here.
pub fn name(code: i32) -> Option<&'static str> {
    Some(match code {
        FLOAT => "float",
        UINT8 => "uint8",
        INT8 => "int8",
        UINT16 => "uint16",
        INT16 => "int16",
        INT32 => "int32",
        INT64 => "int64",
        STRING => "string",
        BOOL => "bool",
        FLOAT16 => "float16",
        DOUBLE => "double",
        UINT32 => "uint32",
        UINT64 => "uint64",
        COMPLEX64 => "complex64",
        COMPLEX128 => "complex128",
        BFLOAT16 => "bfloat16",
        FLOAT8E4M3FN => "float8e4m3fn",
        FLOAT8E4M3FNUZ => "float8e4m3fnuz",
        FLOAT8E5M2 => "float8e5m2",
        FLOAT8E5M2FNUZ => "float8e5m2fnuz",
        UINT4 => "uint4",
        INT4 => "int4",
        FLOAT4E2M1 => "float4e2m1",
        FLOAT8E8M0 => "float8e8m0",
        UINT2 => "uint2",
        INT2 => "int2",
        FLOAT6E2M3 => "float6e2m3",
        FLOAT6E3M2 => "float6e3m2",
        _ => return None,
    })
}
