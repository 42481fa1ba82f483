//! Scalar types and the small index types of the loop IR.

use std::fmt;

/// Type of a value or of a buffer's elements.
///
/// `F16` and `BF16` values can only be loaded, stored, moved (let, select) and cast; arithmetic is done in `F32`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Type {
    /// One byte in memory; zero is false, anything else loads as true, and true is stored as 1.
    Bool,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer; the type of indices, sizes and symbols.
    I64,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer.
    U64,
    /// IEEE half precision, storage only.
    F16,
    /// bfloat16, storage only.
    BF16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// Address of memory; 8 bytes.
    Ptr,
}

impl Type {
    /// All types, in declaration order.
    pub const ALL: [Type; 14] = [
        Type::Bool,
        Type::I8,
        Type::I16,
        Type::I32,
        Type::I64,
        Type::U8,
        Type::U16,
        Type::U32,
        Type::U64,
        Type::F16,
        Type::BF16,
        Type::F32,
        Type::F64,
        Type::Ptr,
    ];

    /// Size in memory, in bytes.
    pub fn size(self) -> i64 {
        match self {
            Type::Bool | Type::I8 | Type::U8 => 1,
            Type::I16 | Type::U16 | Type::F16 | Type::BF16 => 2,
            Type::I32 | Type::U32 | Type::F32 => 4,
            Type::I64 | Type::U64 | Type::F64 | Type::Ptr => 8,
        }
    }

    /// Width in bits.
    pub fn bits(self) -> u32 {
        self.size() as u32 * 8
    }

    /// Integers, signed and unsigned; not `Bool`, not `Ptr`.
    pub fn is_int(self) -> bool {
        self.is_signed() || self.is_unsigned()
    }

    /// Signed integers.
    pub fn is_signed(self) -> bool {
        matches!(self, Type::I8 | Type::I16 | Type::I32 | Type::I64)
    }

    /// Unsigned integers.
    pub fn is_unsigned(self) -> bool {
        matches!(self, Type::U8 | Type::U16 | Type::U32 | Type::U64)
    }

    /// Floats with arithmetic: `F32` and `F64`.
    pub fn is_float(self) -> bool {
        matches!(self, Type::F32 | Type::F64)
    }

    /// Storage-only 16-bit floats.
    pub fn is_half(self) -> bool {
        matches!(self, Type::F16 | Type::BF16)
    }

    /// Integers and floats with arithmetic.
    pub fn is_arith(self) -> bool {
        self.is_int() || self.is_float()
    }

    /// Name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::I8 => "i8",
            Type::I16 => "i16",
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::F16 => "f16",
            Type::BF16 => "bf16",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Ptr => "ptr",
        }
    }

    /// The type with this name in the text form.
    pub fn from_name(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Wraps a mathematical integer (given modulo 2^64) into this integer type: sign- or zero-extended to 64 bits.
    pub fn wrap(self, value: i64) -> i64 {
        match self {
            Type::I8 => value as i8 as i64,
            Type::I16 => value as i16 as i64,
            Type::I32 => value as i32 as i64,
            Type::U8 => value as u8 as i64,
            Type::U16 => value as u16 as i64,
            Type::U32 => value as u32 as i64,
            Type::Bool => (value != 0) as i64,
            _ => value,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u32);
        impl $name {
            /// Position in the table it indexes.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// A variable of one body (index into `Body::vars`).
    VarId
);
index!(
    /// A symbol of the program (index into `Program::symbols` and into `RunCtx::symbols`).
    SymbolId
);
index!(
    /// A buffer of the program (index into `Program::buffers` and into `RunCtx::buffers`).
    BufferId
);
index!(
    /// A scratch array of one kernel (index into `Kernel::locals`).
    LocalId
);
index!(
    /// A kernel of the program (index into `Program::kernels`).
    KernelId
);
