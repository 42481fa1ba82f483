//! Checks that the inference of several ops shares. Messages name the operand and its type.

use crate::dim::{Dim, LIMIT};
use crate::dtype::DType;
use crate::op::{InferCx, OpError};
use crate::types::TensorType;

/// Name of operand `index` in the definition; that of the variadic one where there are more.
fn name(cx: &InferCx<'_>, index: usize) -> &'static str {
    let last = cx.def.operands.len().saturating_sub(1);
    cx.def.operands.get(index.min(last)).map_or("operand", |operand| operand.name)
}

fn dtype_where(cx: &InferCx<'_>, index: usize, ok: fn(DType) -> bool, wanted: &str) -> Result<DType, OpError> {
    let ty = cx.operand(index);
    if ok(ty.dtype) {
        Ok(ty.dtype)
    } else {
        Err(OpError::invalid(format!("{} is {ty}, {wanted} needed", name(cx, index))))
    }
}

/// Refuses operands that are no floats.
pub(super) fn float(cx: &InferCx<'_>, index: usize) -> Result<DType, OpError> {
    dtype_where(cx, index, DType::is_float, "floats are")
}

/// Refuses bool operands and storage types.
pub(super) fn number(cx: &InferCx<'_>, index: usize) -> Result<DType, OpError> {
    dtype_where(cx, index, |dtype| dtype.is_float() || dtype.is_int(), "numbers are")
}

/// Refuses storage types: floats of 8 bits and fewer, integers of 4 bits and fewer.
pub(super) fn computed(cx: &InferCx<'_>, index: usize) -> Result<DType, OpError> {
    dtype_where(cx, index, |dtype| !dtype.is_storage(), "a type to compute with is")
}

/// Refuses operands that are no integers.
pub(super) fn integer(cx: &InferCx<'_>, index: usize) -> Result<DType, OpError> {
    dtype_where(cx, index, DType::is_int, "integers are")
}

/// Refuses operands that are no unsigned integers.
pub(super) fn unsigned(cx: &InferCx<'_>, index: usize) -> Result<DType, OpError> {
    dtype_where(cx, index, DType::is_unsigned, "unsigned integers are")
}

/// Refuses operands that are not bool.
pub(super) fn boolean(cx: &InferCx<'_>, index: usize) -> Result<DType, OpError> {
    dtype_where(cx, index, |dtype| dtype == DType::Bool, "bool is")
}

/// Refuses operand `index`, if it is there, unless it is of that element type.
pub(super) fn dtype_is(cx: &InferCx<'_>, index: usize, dtype: DType) -> Result<(), OpError> {
    match cx.optional(index) {
        Some(ty) if ty.dtype != dtype => {
            Err(OpError::invalid(format!("{} is {ty}, {dtype} is needed", name(cx, index))))
        }
        _ => Ok(()),
    }
}

/// Refuses operand `index`, if it is there, unless it has exactly that type. Dimensions that may be equal are noted.
pub(super) fn type_is(cx: &mut InferCx<'_>, index: usize, wanted: &TensorType) -> Result<(), OpError> {
    let Some(ty) = cx.optional(index) else { return Ok(()) };
    let differs = ty.shape.iter().zip(&wanted.shape).any(|(have, want)| have.known_ne(want));
    if ty.dtype != wanted.dtype || ty.rank() != wanted.rank() || differs {
        return Err(OpError::invalid(format!("{} is {ty}, it must be {wanted}", name(cx, index))));
    }
    for (have, want) in ty.shape.iter().zip(&wanted.shape) {
        cx.env.require_equal(have, want);
    }
    Ok(())
}

/// Refuses operands of fewer axes.
pub(super) fn rank_at_least(cx: &InferCx<'_>, index: usize, rank: usize) -> Result<(), OpError> {
    let ty = cx.operand(index);
    if ty.rank() >= rank {
        Ok(())
    } else {
        Err(OpError::invalid(format!("{} is {ty}, at least {rank} axes are needed", name(cx, index))))
    }
}

/// Refuses operand `index` unless it has as many axes as operand 0.
pub(super) fn rank_as_first(cx: &InferCx<'_>, index: usize) -> Result<(), OpError> {
    let (first, ty) = (cx.operand(0), cx.operand(index));
    if ty.rank() == first.rank() {
        Ok(())
    } else {
        let (a, b) = (name(cx, index), name(cx, 0));
        Err(OpError::invalid(format!("{a} is {ty}, it must have as many axes as {b}, which is {first}")))
    }
}

/// The attribute `axis` of an op on operand 0: counted from the front and inside of it.
pub(super) fn axis(cx: &InferCx<'_>) -> Result<usize, OpError> {
    let ty = cx.operand(0);
    axis_below(cx.int("axis"), ty.rank()).ok_or_else(|| {
        OpError::invalid(format!("axis {} is not one of {}, which is {ty}", cx.int("axis"), name(cx, 0)))
    })
}

/// `axis` if it is in 0..rank.
pub(super) fn axis_below(axis: i64, rank: usize) -> Option<usize> {
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}

/// The attribute `axes` of an op on operand 0: counted from the front, sorted, each once, inside of it.
pub(super) fn axes(cx: &InferCx<'_>) -> Result<Vec<usize>, OpError> {
    let (ty, axes) = (cx.operand(0), cx.ints("axes"));
    let inside: Option<Vec<usize>> = axes.iter().map(|&axis| axis_below(axis, ty.rank())).collect();
    match inside {
        Some(inside) if inside.is_sorted_by(|a, b| a < b) => Ok(inside),
        _ => Err(OpError::invalid(format!("axes {axes:?} are not sorted axes of {}, which is {ty}", name(cx, 0)))),
    }
}

/// True if `a` is greater than `b` whatever the symbols are.
pub(super) fn known_gt(cx: &InferCx<'_>, a: &Dim, b: &Dim) -> bool {
    match (a.as_const(), b.as_const()) {
        (Some(a), Some(b)) => a > b,
        _ => (b - a).range(&cx.env.symbols).1.is_some_and(|most| most < 0),
    }
}

/// Refuses a dimension list of another length, overflows, and entries that are negative whatever the symbols are.
pub(super) fn sizes(cx: &InferCx<'_>, attr: &str, len: usize) -> Result<(), OpError> {
    let dims = cx.dims(attr);
    let bad = |dim: &Dim| dim.is_overflow() || known_gt(cx, &Dim::ZERO, dim);
    if dims.len() != len || dims.iter().any(bad) {
        return Err(OpError::invalid(format!("{attr} is {dims:?}, {len} entries are needed, none negative")));
    }
    Ok(())
}

/// Refuses an integer list of another length or with an entry outside of least..=2^60.
pub(super) fn ints(cx: &InferCx<'_>, attr: &str, len: usize, least: i64) -> Result<(), OpError> {
    let values = cx.ints(attr);
    if values.len() != len || values.iter().any(|value| !(least..=LIMIT).contains(value)) {
        return Err(OpError::invalid(format!("{attr} is {values:?}, {len} entries of at least {least} are needed")));
    }
    Ok(())
}
