//! Sizes from data. ONNX's operators give what they find without the zeros behind it, which are added.

use lathe_ir::{DType, Dim};

use super::{Cx, one};
use crate::onnx::export::emit::{In, R, Val, int};

/// data_size: the value, from which types after it are computed.
pub(super) fn data_size(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let value = cx.operand(0)?;
    let symbol = cx.op.dims("size").first().and_then(Dim::as_symbol).ok_or("a size that is no symbol")?;
    let size = cx.emitter.reshape(&value, &[Dim::ONE])?;
    cx.emitter.data_sizes.insert(symbol.clone(), size.name);
    one(value)
}

/// `val` with zeros behind the elements of an axis, `size` of them in all; and how many there were before.
fn filled_up(cx: &mut Cx<'_, '_>, val: &Val, axis: usize, rank: usize, size: &Dim) -> R<[Val; 2]> {
    let found = cx.emitter.axis_size(val, axis as i64);
    let whole = cx.emitter.dims(std::slice::from_ref(size))?;
    let missing = cx.emitter.apply("Sub", &[&whole, &found])?;
    let none = cx.emitter.vector(&[0]);
    let missing = cx.emitter.apply("Max", &[&missing, &none])?;
    let (before, after) = (vec![0; rank + axis], vec![0; rank - axis - 1]);
    let mut parts = Vec::new();
    for zeros in [before, after] {
        let zeros = cx.emitter.vector(&zeros);
        parts.push(zeros);
    }
    let parts = [&parts[0], &missing, &parts[1]].map(|part| part.name.clone()).to_vec();
    let pads = cx.emitter.node1("Concat", parts, vec![int("axis", 0)]);
    let pads = Val { name: pads, dtype: DType::I64 };
    Ok([cx.emitter.kernel("Pad", &[In::T(val), In::Raw(&pads)], Vec::new())?, found])
}

/// non_zero
pub(super) fn non_zero(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let made = cx.emitter.kernels("NonZero", &[In::T(&x)], Vec::new(), &[Some(DType::I64)])?;
    let elements = cx.ty(0)?.elements();
    let places = made.first().ok_or("NonZero gives nothing")?;
    let [places, count] = filled_up(cx, places, 1, 2, &elements)?;
    Ok(vec![places, cx.emitter.reshape(&count, &[])?])
}

/// unique
pub(super) fn unique(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, axis) = (cx.operand(0)?, cx.op.int("axis"));
    let attributes = vec![int("axis", axis), int("sorted", cx.op.int("sorted"))];
    let index = Some(DType::I64);
    let made = cx.emitter.kernels("Unique", &[In::T(&x)], attributes, &[None, index, index, index])?;
    let [_, first, inverse, counts] = made.as_slice() else { return Err("Unique gives too little".to_owned()) };
    let length = cx.shape(0)?[axis as usize].clone();
    let [first, count] = filled_up(cx, first, 0, 1, &length)?;
    let [counts, _] = filled_up(cx, counts, 0, 1, &length)?;
    Ok(vec![first, inverse.clone(), counts, cx.emitter.reshape(&count, &[])?])
}

/// nms
pub(super) fn nms(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (boxes, scores) = (cx.operand(0)?, cx.operand(1)?);
    let most = cx.emitter.dim_scalar(&cx.op.dims("most")[0])?;
    let max_out = cx.operand(2)?;
    let max_out = cx.emitter.apply("Min", &[&max_out, &most])?;
    let (iou, least) = (cx.operand(3)?, cx.opt(4)?);
    let inputs = [In::T(&boxes), In::T(&scores), In::Raw(&max_out), In::T(&iou), In::opt(least.as_ref())];
    let attributes = vec![int("center_point_box", cx.op.int("center"))];
    let made = cx.emitter.kernels("NonMaxSuppression", &inputs, attributes, &[Some(DType::I64)])?;
    let selected = made.first().ok_or("NonMaxSuppression gives nothing")?;
    let rows = cx.result_ty(0).shape[0].clone();
    let [selected, count] = filled_up(cx, selected, 0, 2, &rows)?;
    Ok(vec![selected, cx.emitter.reshape(&count, &[])?])
}
