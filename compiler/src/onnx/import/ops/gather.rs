//! Elements by index: Gather, Scatter and their kin.

use lathe_ir::{Attr, DType, Dim, OpCode, Shape, Tensor};

use crate::onnx::import::known::{Elem, MAX_KNOWN};
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::constant::positions;
use super::shape::broadcast_to;
use super::slice::take_axis;

/// Gather: a single constant index is a slice.
pub(super) fn gather(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let shape = cx.shape(x)?;
    let axis = cx.axis_or("axis", 0, shape.len())?;
    let index_sizes = cx.sizes(indices)?;
    let known: Option<Vec<i64>> =
        cx.all_elems(indices)?.and_then(|elems| elems.iter().map(Elem::as_int).collect::<Option<_>>());
    if let (Some(known), Some(index_sizes)) = (known, index_sizes) {
        if let Some(size) = shape[axis].as_const()
            && let Some(index) = known.iter().find(|index| !(-size..size).contains(*index))
        {
            return invalid(format!("index {index} is outside of a dimension of {size}"));
        }
        if let (Some([size]), Some(elems)) = (cx.sizes(x)?.as_deref(), cx.elems(x)?)
            && known.len() <= MAX_KNOWN
        {
            let at = |index: &i64| {
                let from_front = if *index < 0 { index + *size as i64 } else { *index };
                elems.get(usize::try_from(from_front).ok()?).cloned().flatten()
            };
            let picked: Vec<Option<Elem>> = known.iter().map(at).collect();
            if let Some(all) = picked.iter().cloned().collect::<Option<Vec<Elem>>>() {
                let dtype = cx.dtype(x)?;
                return one(cx.known_val(dtype, &index_sizes, all));
            }
        }
        if let [index] = known.as_slice()
            && let start = if *index < 0 { &shape[axis] + &Dim::constant(*index) } else { Dim::constant(*index) }
            && let room = &(&shape[axis] - &start) - &Dim::ONE
            && cx.known().is_non_negative(&start) == Some(true)
            && cx.known().is_non_negative(&room) == Some(true)
        {
            let part = take_axis(cx, x, axis, &start, &Dim::ONE)?;
            let inner = index_sizes.iter().map(|_| Dim::ONE);
            let result: Shape =
                shape[..axis].iter().cloned().chain(inner).chain(shape[axis + 1..].iter().cloned()).collect();
            return one(cx.reshape(part, result)?);
        }
    }
    one(cx.op(OpCode::Gather, &[x, indices], &[("axis", Attr::Int(axis as i64))])?)
}

/// GatherElements.
pub(super) fn gather_elements(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let axis = cx.axis_or("axis", 0, cx.rank(x)?)?;
    one(cx.op(OpCode::GatherElements, &[x, indices], &[("axis", Attr::Int(axis as i64))])?)
}

/// GatherND.
pub(super) fn gather_nd(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let batch_dims = cx.int_or("batch_dims", 0)?;
    tuple_length(cx, indices)?;
    let indices = cx.cast(indices, DType::I64)?;
    one(cx.op(OpCode::GatherNd, &[x, indices], &[("batch_dims", Attr::Int(batch_dims))])?)
}

/// Refuses index tuples whose length depends on a symbol.
fn tuple_length(cx: &NodeCx<'_, '_>, indices: Val) -> R<()> {
    match cx.shape(indices)?.last() {
        Some(length) if length.as_const().is_none() => {
            unsupported(format!("the last dimension of indices is {length}; it must be a constant"))
        }
        _ => Ok(()),
    }
}

fn reduction(cx: &NodeCx<'_, '_>) -> R<Attr> {
    match cx.word_or("reduction", "none")?.as_str() {
        word @ ("none" | "add" | "mul" | "max" | "min") => Ok(Attr::str(word)),
        other => invalid(format!("reduction = {other:?}")),
    }
}

/// ScatterElements and Scatter, its old name.
pub(super) fn scatter_elements(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices, updates) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let axis = cx.axis_or("axis", 0, cx.rank(x)?)?;
    let attrs = [("axis", Attr::Int(axis as i64)), ("reduction", reduction(cx)?)];
    one(cx.op(OpCode::ScatterElements, &[x, indices, updates], &attrs)?)
}

/// ScatterND.
pub(super) fn scatter_nd(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices, updates) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    // The updates have the axes that the tuples leave.
    let axes = cx.rank(indices)? + cx.rank(x)?;
    if let (Some(length), Some(left)) = (cx.shape(indices)?.last(), axes.checked_sub(cx.rank(updates)? + 1)) {
        cx.require_equal(length, &Dim::from(left as i64), "the last dimension of indices and the axes they name")?;
    }
    tuple_length(cx, indices)?;
    let attrs = [("reduction", reduction(cx)?)];
    one(cx.op(OpCode::ScatterNd, &[x, indices, updates], &attrs)?)
}

/// ReverseSequence: for each batch the first so many elements along the time axis in reverse order.
pub(super) fn reverse_sequence(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, lengths) = (cx.input(0)?, cx.input(1)?);
    let shape = cx.shape(x)?;
    let rank = shape.len();
    let (time, batch) = (cx.axis_or("time_axis", 0, rank)?, cx.axis_or("batch_axis", 1, rank)?);
    if time == batch {
        return invalid("time_axis and batch_axis are the same");
    }
    let only = |axis: usize| (0..rank).map(move |at| if at == axis { None } else { Some(Dim::ONE) });
    let sized =
        |axis: usize| -> Vec<Dim> { only(axis).map(|dim| dim.unwrap_or_else(|| shape[axis].clone())).collect() };
    let along = positions(cx, &sized(time), time as i64)?;
    let lengths = cx.cast(lengths, DType::I64)?;
    let lengths = cx.reshape(lengths, sized(batch))?;
    let unit = cx.constant("", Tensor::from_i64(DType::I64, &[], &[1]));
    let last = cx.op(OpCode::Sub, &[lengths, unit], &[])?;
    let reversed = cx.op(OpCode::Sub, &[last, along], &[])?;
    let is_within = cx.op(OpCode::Lt, &[along, lengths], &[])?;
    let source = cx.op(OpCode::Where, &[is_within, reversed, along], &[])?;
    let source = broadcast_to(cx, source, shape)?;
    one(cx.op(OpCode::GatherElements, &[x, source], &[("axis", Attr::Int(time as i64))])?)
}
