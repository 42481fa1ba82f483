//! Types of values.

use crate::dim::{Dim, Symbol};
use crate::dtype::DType;
use smallvec::SmallVec;
use std::fmt;

/// The dimensions of a tensor, outermost first.
pub type Shape = SmallVec<[Dim; 4]>;

/// Element type and shape of a value. Rank 0 is a scalar.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Dimensions, outermost first.
    pub shape: Shape,
}

impl TensorType {
    /// A type of this element type and shape.
    pub fn new(dtype: DType, shape: impl IntoIterator<Item = Dim>) -> TensorType {
        TensorType { dtype, shape: shape.into_iter().collect() }
    }

    /// A type whose dimensions are all constants.
    pub fn fixed(dtype: DType, shape: &[i64]) -> TensorType {
        TensorType::new(dtype, shape.iter().map(|&size| Dim::from(size)))
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn elements(&self) -> Dim {
        Dim::product_of(&self.shape)
    }

    /// The shape as sizes, if every dimension is a constant.
    pub fn sizes(&self) -> Option<Vec<usize>> {
        self.shape.iter().map(Dim::as_size).collect()
    }

    /// The same shape with another element type.
    pub fn with_dtype(&self, dtype: DType) -> TensorType {
        TensorType { dtype, shape: self.shape.clone() }
    }

    /// The same element type with another shape.
    pub fn with_shape(&self, shape: impl IntoIterator<Item = Dim>) -> TensorType {
        TensorType::new(self.dtype, shape)
    }

    /// Replaces symbols in every dimension.
    pub fn substitute(&self, replacement: &dyn Fn(&Symbol) -> Option<Dim>) -> TensorType {
        self.with_shape(self.shape.iter().map(|dim| dim.substitute(replacement)))
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (index, dim) in self.shape.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}

/// The shape that numpy broadcasting of the two gives, or which axis (of the result) cannot be reconciled.
///
/// Two unequal symbolic dimensions that are not provably different are taken to be equal at run time: the result
/// keeps `a`'s, and the pair is returned through `unify` so that the program can check it at entry.
pub fn broadcast(a: &[Dim], b: &[Dim], unify: &mut dyn FnMut(&Dim, &Dim)) -> Result<Shape, usize> {
    let rank = a.len().max(b.len());
    let at = |shape: &[Dim], axis: usize| (axis + shape.len()).checked_sub(rank).map(|index| shape[index].clone());
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (Some(x), Some(y)) if x == y || y.is(1) => Ok(x),
            (Some(x), Some(y)) if x.is(1) => Ok(y),
            (Some(x), Some(y)) if x.known_ne(&y) => Err(axis),
            (Some(x), Some(y)) => {
                unify(&x, &y);
                Ok(if y.as_const().is_some() { y } else { x })
            }
            (Some(x), None) | (None, Some(x)) => Ok(x),
            (None, None) => Ok(Dim::ONE),
        })
        .collect()
}
