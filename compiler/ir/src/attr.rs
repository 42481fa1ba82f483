//! Attributes of ops: compile-time values.

use crate::dim::Dim;
use crate::dtype::DType;
use crate::graph::WeightId;
use crate::tensor::Tensor;
use crate::types::Shape;
use smallvec::SmallVec;
use std::sync::Arc;

/// A compile-time value of an op. Equality and hashing of floats are those of their bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attr {
    /// An integer, for example an axis.
    Int(i64),
    /// A list of integers, for example axes or strides.
    Ints(SmallVec<[i64; 4]>),
    /// A float, held by its bits.
    Float(FloatBits),
    /// A flag.
    Bool(bool),
    /// A word, for example a rounding mode.
    Str(Arc<str>),
    /// A list of dimensions, for example the target of a reshape.
    Dims(Shape),
    /// An element type.
    DType(DType),
    /// A small tensor held in the op itself.
    Tensor(Arc<Tensor>),
    /// A tensor among the module's weights.
    Weight(WeightId),
}

/// A float that compares and hashes by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FloatBits(u64);

impl FloatBits {
    /// Wraps a value.
    pub fn new(value: f64) -> FloatBits {
        FloatBits(value.to_bits())
    }

    /// The value.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// Which [`Attr`] an op wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrKind {
    /// [`Attr::Int`]
    Int,
    /// [`Attr::Ints`]
    Ints,
    /// [`Attr::Float`]
    Float,
    /// [`Attr::Bool`]
    Bool,
    /// [`Attr::Str`], one of the words listed
    Str(&'static [&'static str]),
    /// [`Attr::Str`], any text
    Text,
    /// [`Attr::Dims`]
    Dims,
    /// [`Attr::DType`]
    DType,
    /// [`Attr::Tensor`] or [`Attr::Weight`]
    Constant,
}

impl Attr {
    /// A float attribute.
    pub fn float(value: f64) -> Attr {
        Attr::Float(FloatBits::new(value))
    }

    /// A word attribute.
    pub fn str(value: &str) -> Attr {
        Attr::Str(value.into())
    }

    /// A list of integers.
    pub fn ints(values: &[i64]) -> Attr {
        Attr::Ints(SmallVec::from_slice(values))
    }

    /// A list of dimensions.
    pub fn dims(values: impl IntoIterator<Item = Dim>) -> Attr {
        Attr::Dims(values.into_iter().collect())
    }

    /// True if the attribute is of the wanted kind.
    pub fn is_kind(&self, kind: AttrKind) -> bool {
        match (self, kind) {
            (Attr::Int(_), AttrKind::Int)
            | (Attr::Ints(_), AttrKind::Ints)
            | (Attr::Float(_), AttrKind::Float)
            | (Attr::Bool(_), AttrKind::Bool)
            | (Attr::Str(_), AttrKind::Text)
            | (Attr::Dims(_), AttrKind::Dims)
            | (Attr::DType(_), AttrKind::DType)
            | (Attr::Tensor(_) | Attr::Weight(_), AttrKind::Constant) => true,
            (Attr::Str(word), AttrKind::Str(words)) => words.contains(&&**word),
            _ => false,
        }
    }
}

impl From<i64> for Attr {
    fn from(value: i64) -> Attr {
        Attr::Int(value)
    }
}

impl From<bool> for Attr {
    fn from(value: bool) -> Attr {
        Attr::Bool(value)
    }
}

impl From<DType> for Attr {
    fn from(value: DType) -> Attr {
        Attr::DType(value)
    }
}

impl From<Tensor> for Attr {
    fn from(value: Tensor) -> Attr {
        Attr::Tensor(Arc::new(value))
    }
}
