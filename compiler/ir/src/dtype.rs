//! Element types: those that are computed with, and storage types, which are moved and converted only.

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
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0,
    F6E2M3,
    F6E3M2,
    F4E2M1,
    I4,
    U4,
    I2,
    U2,
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
    (DType::F8E4M3FN, "f8e4m3fn", 17, 1),
    (DType::F8E4M3FNUZ, "f8e4m3fnuz", 18, 1),
    (DType::F8E5M2, "f8e5m2", 19, 1),
    (DType::F8E5M2FNUZ, "f8e5m2fnuz", 20, 1),
    (DType::F8E8M0, "f8e8m0", 24, 1),
    (DType::F6E2M3, "f6e2m3", 27, 1),
    (DType::F6E3M2, "f6e3m2", 28, 1),
    (DType::F4E2M1, "f4e2m1", 23, 1),
    (DType::I4, "i4", 22, 1),
    (DType::U4, "u4", 21, 1),
    (DType::I2, "i2", 26, 1),
    (DType::U2, "u2", 25, 1),
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

    /// Size of one element in memory in bytes; bools and all storage types take one.
    pub fn size(self) -> usize {
        self.row().3
    }

    /// Bits that tell values apart: 8, 6, 4 or 2 for storage types, of the whole element for the others.
    pub fn bits(self) -> u32 {
        match self {
            DType::F6E2M3 | DType::F6E3M2 => 6,
            DType::F4E2M1 | DType::I4 | DType::U4 => 4,
            DType::I2 | DType::U2 => 2,
            other => 8 * other.size() as u32,
        }
    }

    /// True for f16, bf16, f32 and f64: the floats that ops compute with.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
    }

    /// True for the signed and unsigned integers that ops compute with, not for bool.
    pub fn is_int(self) -> bool {
        !self.is_float() && !self.is_storage() && self != DType::Bool
    }

    /// True for u8, u16, u32 and u64.
    pub fn is_unsigned(self) -> bool {
        matches!(self, DType::U8 | DType::U16 | DType::U32 | DType::U64)
    }

    /// True for types that are moved and cast, and that nothing computes with.
    pub fn is_storage(self) -> bool {
        self >= DType::F8E4M3FN
    }

    /// True for the floats among the storage types.
    pub fn is_storage_float(self) -> bool {
        self.is_storage() && !self.is_storage_int()
    }

    /// True for i4, u4, i2 and u2.
    pub fn is_storage_int(self) -> bool {
        matches!(self, DType::I4 | DType::U4 | DType::I2 | DType::U2)
    }

    /// True if elements are written as numbers with a point: the floats, computed with or not.
    pub fn holds_floats(self) -> bool {
        self.is_float() || self.is_storage_float()
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
            let kinds = [dtype.is_float(), dtype.is_int(), dtype.is_storage(), dtype == DType::Bool];
            assert_eq!(kinds.iter().filter(|kind| **kind).count(), 1, "{dtype}");
        }
    }
}
