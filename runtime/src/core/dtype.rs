//! Element types at the edge of a model, by ONNX's numbers.

/// Element types, by their number in ONNX's `TensorProto.DataType`. Each element takes whole bytes: of those of less than 8
/// bits the low ones are read.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision.
    F32 = 1,
    /// Unsigned 8-bit integer.
    U8 = 2,
    /// Signed 8-bit integer.
    I8 = 3,
    /// Unsigned 16-bit integer.
    U16 = 4,
    /// Signed 16-bit integer.
    I16 = 5,
    /// Signed 32-bit integer.
    I32 = 6,
    /// Signed 64-bit integer.
    I64 = 7,
    /// One byte, 0 or 1.
    Bool = 9,
    /// IEEE half precision.
    F16 = 10,
    /// IEEE double precision.
    F64 = 11,
    /// Unsigned 32-bit integer.
    U32 = 12,
    /// Unsigned 64-bit integer.
    U64 = 13,
    /// bfloat16.
    Bf16 = 16,
    /// 4 exponent and 3 mantissa bits, no infinity.
    F8E4M3Fn = 17,
    /// 4 exponent and 3 mantissa bits, no infinity, no negative zero.
    F8E4M3Fnuz = 18,
    /// 5 exponent and 2 mantissa bits.
    F8E5M2 = 19,
    /// 5 exponent and 2 mantissa bits, no infinity, no negative zero.
    F8E5M2Fnuz = 20,
    /// Unsigned 4-bit integer, one in a byte.
    U4 = 21,
    /// Signed 4-bit integer, one in a byte, with its sign.
    I4 = 22,
    /// 2 exponent bits and 1 mantissa bit, one in a byte.
    F4E2M1 = 23,
    /// 8 exponent bits alone.
    F8E8M0 = 24,
    /// Unsigned 2-bit integer, one in a byte.
    U2 = 25,
    /// Signed 2-bit integer, one in a byte, with its sign.
    I2 = 26,
    /// 2 exponent and 3 mantissa bits, one in a byte.
    F6E2M3 = 27,
    /// 3 exponent and 2 mantissa bits, one in a byte.
    F6E3M2 = 28,
}

impl DType {
    /// The type with ONNX's number `code`.
    pub const fn from_code(code: u32) -> Option<DType> {
        Some(match code {
            1 => DType::F32,
            2 => DType::U8,
            3 => DType::I8,
            4 => DType::U16,
            5 => DType::I16,
            6 => DType::I32,
            7 => DType::I64,
            9 => DType::Bool,
            10 => DType::F16,
            11 => DType::F64,
            12 => DType::U32,
            13 => DType::U64,
            16 => DType::Bf16,
            17 => DType::F8E4M3Fn,
            18 => DType::F8E4M3Fnuz,
            19 => DType::F8E5M2,
            20 => DType::F8E5M2Fnuz,
            21 => DType::U4,
            22 => DType::I4,
            23 => DType::F4E2M1,
            24 => DType::F8E8M0,
            25 => DType::U2,
            26 => DType::I2,
            27 => DType::F6E2M3,
            28 => DType::F6E3M2,
            _ => return None,
        })
    }

    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            DType::U16 | DType::I16 | DType::F16 | DType::Bf16 => 2,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F64 | DType::I64 | DType::U64 => 8,
            _ => 1,
        }
    }
}
