//! What the ops with regions share: checks of a region's signature.

use crate::dim::{Dim, Symbol};
use crate::graph::Graph;
use crate::op::{InferCx, OpError};
use crate::types::TensorType;

/// Type of a region's result.
pub(super) fn result(region: &Graph, index: usize) -> Result<&TensorType, OpError> {
    let missing = || OpError::invalid(format!("result {index} of a region does not exist"));
    let port = region.results.get(index).ok_or_else(missing)?;
    region.get_value(port.value).map(|value| &value.ty).ok_or_else(missing)
}

/// Types of a region's parameters, of which there must be `count`.
pub(super) fn params(region: &Graph, count: usize) -> Result<Vec<&TensorType>, OpError> {
    let types: Option<Vec<&TensorType>> =
        region.params.iter().map(|port| region.get_value(port.value).map(|value| &value.ty)).collect();
    match types {
        Some(types) if types.len() == count => Ok(types),
        _ => Err(OpError::invalid(format!("a region has {} parameters for {count} values", region.params.len()))),
    }
}

/// Refuses a type that cannot be the wanted one, except for the sizes in `free`; notes sizes that must be equal.
pub(super) fn same_type(
    cx: &mut InferCx<'_>,
    have: &TensorType,
    want: &TensorType,
    free: &[Dim],
    what: &str,
) -> Result<(), OpError> {
    let fixed = || have.shape.iter().zip(&want.shape).filter(|(_, want)| !free.contains(want));
    if have.dtype != want.dtype || have.rank() != want.rank() || fixed().any(|(have, want)| have.known_ne(want)) {
        return Err(OpError::invalid(format!("{what} is {have}, {want} is needed")));
    }
    for (have, want) in fixed() {
        cx.env.require_equal(have, want);
    }
    Ok(())
}

/// Refuses operand `index`, if it is there, unless it is a scalar of that type.
pub(super) fn scalar(ty: Option<&TensorType>, dtype: crate::dtype::DType, what: &str) -> Result<(), OpError> {
    match ty {
        Some(ty) if ty.dtype != dtype || ty.rank() != 0 => {
            Err(OpError::invalid(format!("{what} is {ty}, {dtype}[] is needed")))
        }
        _ => Ok(()),
    }
}

/// The data-dependent symbol that the dimension is, if it is one.
pub(super) fn data_symbol<'d>(cx: &InferCx<'_>, dim: &'d Dim) -> Option<&'d Symbol> {
    dim.as_symbol().filter(|symbol| cx.env.symbols.get(symbol).is_some_and(|info| info.data_dependent))
}
