//! Element types.

use std::fmt;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum DType {
    F32,
    F64,
    F16,
    BF16,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

/// Every element type with its name in the text form and its `TensorProto.DataType` code.
const TABLE: &[(DType, &str, i32, usize)] = &[
    (DType::F32, "f32", 1, 4),
    (DType::F64, "f64", 11, 8),
    (DType::F16, "f16", 10, 2),
    (DType::BF16, "bf16", 16, 2),
    (DType::I8, "i8", 3, 1),
    (DType::I16, "i16", 5, 2),
    (DType::I32, "i32", 6, 4),
    (DType::I64, "i64", 7, 8),
    (DType::U8, "u8", 2, 1),
    (DType::U16, "u16", 4, 2),
    (DType::U32, "u32", 12, 4),
    (DType::U64, "u64", 13, 8),
    (DType::Bool, "bool", 9, 1),
];

impl DType {
    /// Every element type, in a fixed order.
    pub fn all() -> impl Iterator<Item = DType> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (DType, &'static str, i32, usize) {
        &TABLE[self as usize]
    }

    /// Name in the text form, for example `f32`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The type with this text name.
    pub fn from_name(name: &str) -> Option<DType> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Code in ONNX's `TensorProto.DataType`.
    pub fn onnx_code(self) -> i32 {
        self.row().2
    }

    /// The type with this `TensorProto.DataType` code.
    pub fn from_onnx_code(code: i32) -> Option<DType> {
        TABLE.iter().find(|row| row.2 == code).map(|row| row.0)
    }

    /// Size of one element in bytes (a bool takes one byte).
    pub fn size(self) -> usize {
        self.row().3
    }

    /// True for f16, bf16, f32 and f64.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
    }

    /// True for the signed and unsigned integers, not for bool.
    pub fn is_int(self) -> bool {
        !self.is_float() && self != DType::Bool
    }

    /// True for u8, u16, u32 and u64.
    pub fn is_unsigned(self) -> bool {
        matches!(self, DType::U8 | DType::U16 | DType::U32 | DType::U64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_enum_order() {
        for (index, dtype) in DType::all().enumerate() {
            assert_eq!(dtype as usize, index);
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
            assert_eq!(DType::from_onnx_code(dtype.onnx_code()), Some(dtype));
        }
    }
}
