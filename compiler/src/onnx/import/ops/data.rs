//! What data decide the size of: NonZero, Compress, Unique, NonMaxSuppression.

use lathe_ir::op::normalize_axis;
use lathe_ir::{Attr, DType, Dim, OpCode};

use crate::onnx::import::known::{Elem, few, strides};
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid};

use super::constant::positions;
use super::slice::{take, take_axis};

/// NonZero. Of a value that is known, or that is one number other than 0 everywhere (the way some exporters write a
/// range), the places are known.
pub(super) fn non_zero(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let known: Option<Vec<bool>> = cx.all_elems(x)?.and_then(|elems| {
        let decide = |elem: &Elem| match elem {
            Elem::Int(value) => Some(*value != 0),
            Elem::Float(value) => Some(*value != 0.0),
            _ => None,
        };
        elems.iter().map(decide).collect()
    });
    let shape = cx.shape(x)?;
    if let (Some(known), Some(sizes)) = (known, cx.sizes(x)?) {
        let strides = strides(&sizes);
        let places: Vec<usize> = (0..known.len()).filter(|&at| known[at]).collect();
        let mut indices = Vec::new();
        for (axis, &stride) in strides.iter().enumerate() {
            indices.extend(places.iter().map(|&at| Elem::Int((at / stride as usize % sizes[axis]) as i64)));
        }
        if few(&[sizes.len(), places.len()]).is_some() {
            return one(cx.known_val(DType::I64, &[sizes.len(), places.len()], indices));
        }
    }
    if let ([size], Some(value)) = (shape.as_slice(), cx.importer.values.repeated(x)?)
        && value != 0.0
    {
        let along = positions(cx, std::slice::from_ref(size), 0)?;
        return one(cx.reshape(along, [Dim::ONE, size.clone()])?);
    }
    let rank = shape.len();
    let flat = if rank == 0 { cx.reshape(x, [Dim::ONE])? } else { x };
    let (places, count) = found_places(cx, flat)?;
    // A scalar has no axes, so no indices either.
    one(first_columns(cx, places, rank as i64, &count)?)
}

/// The indices of the elements that are not 0, one row for each axis, and how many columns of them are used.
fn found_places(cx: &mut NodeCx<'_, '_>, x: Val) -> R<(Val, Dim)> {
    let most = cx.ty(x)?.elements();
    let [places, count] = results(cx.op_all(OpCode::NonZero, &[Some(x)], &[])?)?;
    let count = cx.data_size(count, Some(&most), "how many elements are not zero")?;
    Ok((places, count))
}

/// The results of an op that has so many.
fn results<const N: usize>(vals: Vec<Val>) -> R<[Val; N]> {
    <[Val; N]>::try_from(vals).or_else(|_| invalid("an op with another number of results"))
}

fn first_columns(cx: &mut NodeCx<'_, '_>, x: Val, rows: i64, columns: &Dim) -> R<Val> {
    take(cx, x, &[Dim::ZERO, Dim::ZERO], &[Dim::from(rows), columns.clone()], &[1, 1])
}

/// Compress: the slices along the axis (or the elements) where the condition is true.
pub(super) fn compress(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, condition) = (cx.input(0)?, cx.input(1)?);
    let rank = cx.rank(x)?;
    let (x, axis) = match cx.attrs.int("axis")? {
        Some(axis) => (x, normalize_axis(axis, rank)?),
        None => (cx.reshape(x, [cx.ty(x)?.elements()])?, 0),
    };
    if cx.rank(condition)? != 1 {
        return invalid(format!("the condition is {}, one axis is needed", cx.ty(condition)?));
    }
    let (places, count) = found_places(cx, condition)?;
    let places = first_columns(cx, places, 1, &count)?;
    let places = cx.reshape(places, [count])?;
    one(cx.op(OpCode::Gather, &[x, places], &[("axis", Attr::Int(axis as i64))])?)
}

/// Unique: of the slices along the axis, or of the elements.
pub(super) fn unique(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let rank = cx.rank(x)?;
    let (x, axis) = match cx.attrs.int("axis")? {
        Some(axis) => (x, normalize_axis(axis, rank)?),
        None => (cx.reshape(x, [cx.ty(x)?.elements()])?, 0),
    };
    let most = cx.shape(x)?[axis].clone();
    let attrs = [("axis", Attr::Int(axis as i64)), ("sorted", cx.flag_or("sorted", true)?.into())];
    let [first, inverse, counts, count] = results(cx.op_all(OpCode::Unique, &[Some(x)], &attrs)?)?;
    let count = cx.data_size(count, Some(&most), "how many different slices there are")?;
    let first = take_axis(cx, first, 0, &Dim::ZERO, &count)?;
    let counts = take_axis(cx, counts, 0, &Dim::ZERO, &count)?;
    let slices = cx.op(OpCode::Gather, &[x, first], &[("axis", Attr::Int(axis as i64))])?;
    Ok(vec![slices, first, inverse, counts])
}

/// NonMaxSuppression.
pub(super) fn nms(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (boxes, scores) = (cx.input(0)?, cx.input(1)?);
    let shape = cx.shape(scores)?;
    let [_, _, count] = shape.as_slice() else {
        return invalid(format!("scores is {}, three axes are needed", cx.ty(scores)?));
    };
    let mut most = count.clone();
    let max_out = match cx.opt(2) {
        Some(max_out) => {
            if let Some([Elem::Int(limit)]) = cx.all_elems(max_out)?.as_deref() {
                most = cx.known().min(&most, &Dim::constant((*limit).max(0)));
            }
            let max_out = cx.cast(max_out, DType::I64)?;
            cx.reshape(max_out, [])?
        }
        None => {
            most = Dim::ZERO;
            cx.whole(0)
        }
    };
    let iou = match cx.opt(3) {
        Some(iou) => cx.reshape(iou, [])?,
        None => cx.scalar(DType::F32, 0.0),
    };
    let least = cx.opt(4).map(|least| cx.reshape(least, [])).transpose()?;
    let operands = [Some(boxes), Some(scores), Some(max_out), Some(iou), least];
    let attrs = [("center", cx.flag_or("center_point_box", false)?.into()), ("most", Attr::dims([most]))];
    let [selected, number] = results(cx.op_all(OpCode::Nms, &operands, &attrs)?)?;
    let most = cx.shape(selected)?[0].clone();
    let number = cx.data_size(number, Some(&most), "how many boxes are selected")?;
    one(take_axis(cx, selected, 0, &Dim::ZERO, &number)?)
}
