//! Reads and writes by run-time indices.

use lathe_ir::{DType, Dim};

use super::{Cx, one, work_type};
use crate::onnx::export::emit::{In, R, Val, int, word};

/// Indices as ONNX takes them: i32 or i64.
fn positions(cx: &mut Cx<'_, '_>) -> R<Val> {
    if cx.ty(1)?.dtype == DType::I32 { cx.operand(1) } else { cx.index(1) }
}

/// gather
pub(super) fn gather(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices) = (cx.operand(0)?, positions(cx)?);
    one(cx.emitter.kernel("Gather", &[In::T(&x), In::Raw(&indices)], vec![int("axis", cx.op.int("axis"))])?)
}

/// gather_elements
pub(super) fn gather_elements(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices) = (cx.operand(0)?, positions(cx)?);
    one(cx.emitter.kernel("GatherElements", &[In::T(&x), In::Raw(&indices)], vec![int("axis", cx.op.int("axis"))])?)
}

/// gather_nd
pub(super) fn gather_nd(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices) = (cx.operand(0)?, cx.index(1)?);
    let attributes = vec![int("batch_dims", cx.op.int("batch_dims"))];
    one(cx.emitter.kernel("GatherND", &[In::T(&x), In::Raw(&indices)], attributes)?)
}

/// x and the updates in a type that the reduction has a kernel for.
fn scattered(cx: &mut Cx<'_, '_>, reduction: &str) -> R<[Val; 2]> {
    let own = cx.ty(0)?.dtype;
    let work = match own {
        _ if reduction == "none" => own,
        DType::Bool => DType::U8,
        _ => work_type(own),
    };
    Ok([cx.operand(0)?, cx.operand(2)?].map(|val| cx.emitter.cast(&val, work)))
}

/// scatter_elements
pub(super) fn scatter_elements(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (reduction, indices) = (cx.op.word("reduction"), positions(cx)?);
    let [x, updates] = scattered(cx, reduction)?;
    let attributes = vec![int("axis", cx.op.int("axis")), word("reduction", reduction)];
    let result = cx.emitter.kernel("ScatterElements", &[In::T(&x), In::Raw(&indices), In::T(&updates)], attributes)?;
    one(cx.emitter.cast(&result, cx.result_ty(0).dtype))
}

/// scatter_nd
pub(super) fn scatter_nd(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (reduction, indices) = (cx.op.word("reduction"), cx.index(1)?);
    let [x, updates] = scattered(cx, reduction)?;
    let inputs = [In::T(&x), In::Raw(&indices), In::T(&updates)];
    let result = cx.emitter.kernel("ScatterND", &inputs, vec![word("reduction", reduction)])?;
    one(cx.emitter.cast(&result, cx.result_ty(0).dtype))
}

/// dyn_slice: the starts are held within 0..=(dimension - size), then sliced from.
pub(super) fn dyn_slice(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, starts) = (cx.operand(0)?, cx.operand(1)?);
    let (shape, sizes) = (cx.shape(0)?, cx.op.dims("sizes"));
    if shape.is_empty() {
        return one(x);
    }
    let room: Vec<Dim> = shape.iter().zip(sizes).map(|(whole, part)| whole - part).collect();
    let (zero, most) = (cx.emitter.vector(&[0]), cx.emitter.dims(&room)?);
    let starts = cx.emitter.apply("Max", &[&starts, &zero])?;
    let starts = cx.emitter.apply("Min", &[&starts, &most])?;
    let sizes = cx.emitter.dims(sizes)?;
    let ends = cx.emitter.apply("Add", &[&starts, &sizes])?;
    one(cx.emitter.kernel("Slice", &[In::T(&x), In::Raw(&starts), In::Raw(&ends)], Vec::new())?)
}
