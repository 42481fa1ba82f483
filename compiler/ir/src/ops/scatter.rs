//! Writes by run-time indices: scatter_elements, scatter_nd. Negative indices count from the end; an index outside of
//! its axis is an error. Where several updates meet one element, they are applied in row-major order of the updates
//! (without reduction the last one stays).

use super::gather::{elements_indices, resolve, tuple_len, tuples};
use super::number::{from_ints, int_at, max_f64, min_f64};
use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::dtype::DType;
use crate::op::{InferCx, OpDef, OpError, PLAIN, attr, attr_or, operand};
use crate::tensor::Tensor;

const REDUCTIONS: AttrKind = AttrKind::Str(&["none", "add", "mul", "max", "min"]);

pub(super) const SCATTER_ELEMENTS: OpDef = OpDef {
    name: "scatter_elements",
    operands: &[operand("x"), operand("indices"), operand("updates")],
    attrs: &[attr("axis", AttrKind::Int), attr_or("reduction", REDUCTIONS, || Attr::str("none"))],
    traits: PLAIN,
    infer: |cx| {
        let axis = check::axis(cx)?;
        elements_indices(cx, axis)?;
        reduction(cx)?;
        let updates = cx.operand(1).with_dtype(cx.operand(0).dtype);
        check::type_is(cx, 2, &updates)?;
        cx.like(0)
    },
    eval: |cx| {
        let (x, indices, axis) = (cx.operand(0), cx.operand(1), cx.int("axis") as usize);
        let strides = index::strides(x.shape());
        let size = x.shape()[axis];
        let found = (0..indices.len()).map(|at| resolve(indices, at, size)).collect::<Result<Vec<_>, _>>()?;
        let mut found = found.into_iter();
        let mut targets = Vec::new();
        index::for_each(indices.shape(), |at| {
            let row = index::offset(at, &strides) - at[axis] * strides[axis];
            targets.push(row + found.next().unwrap_or(0) * strides[axis]);
        });
        scatter(x, cx.operand(2), &targets, cx.word("reduction"))
    },
    doc: "x with x[.., indices[.., i, ..], ..] replaced by (or reduced with) updates[.., i, ..]. ONNX: ScatterElements.",
};

pub(super) const SCATTER_ND: OpDef = OpDef {
    name: "scatter_nd",
    operands: &[operand("x"), operand("indices"), operand("updates")],
    attrs: &[attr_or("reduction", REDUCTIONS, || Attr::str("none"))],
    traits: PLAIN,
    infer: |cx| {
        let tuple = tuple_len(cx)?;
        reduction(cx)?;
        let (x, indices) = (cx.operand(0), cx.operand(1));
        let shape = indices.shape[..indices.rank() - 1].iter().chain(&x.shape[tuple..]);
        let updates = x.with_shape(shape.cloned());
        check::type_is(cx, 2, &updates)?;
        cx.like(0)
    },
    eval: |cx| {
        let (x, indices, updates) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let starts = tuples(x, indices, 0)?;
        let tuple = indices.shape()[indices.shape().len() - 1];
        let mut targets = Vec::new();
        if !updates.is_empty() {
            let block: usize = x.shape()[tuple..].iter().product();
            targets.extend(starts.iter().flat_map(|&start| start..start + block));
        }
        scatter(x, updates, &targets, cx.word("reduction"))
    },
    doc: "x with the slices named by index tuples replaced by (or reduced with) updates. ONNX: ScatterND.",
};

fn reduction(cx: &InferCx<'_>) -> Result<(), OpError> {
    let (x, word) = (cx.operand(0), cx.word("reduction"));
    let computes = word != "none";
    if (x.dtype.is_storage() && computes) || (x.dtype == DType::Bool && matches!(word, "add" | "mul")) {
        return Err(OpError::invalid(format!("x is {x}: reduction {word} needs numbers")));
    }
    Ok(())
}

/// Applies `updates` in order to the elements of `x` at `targets`.
fn scatter(x: &Tensor, updates: &Tensor, targets: &[usize], reduction: &str) -> Result<Vec<Tensor>, OpError> {
    if reduction == "none" {
        let size = x.dtype().size();
        let mut out = x.bytes().to_vec();
        for (&target, update) in targets.iter().zip(updates.bytes().chunks_exact(size)) {
            out[target * size..(target + 1) * size].copy_from_slice(update);
        }
        return index::from_bytes(x, x.shape(), out);
    }
    if x.dtype().is_float() {
        let mut out = x.to_f64();
        for (at, &target) in targets.iter().enumerate() {
            let (old, update) = (out[target], updates.f64_at(at));
            out[target] = match reduction {
                "add" => old + update,
                "mul" => old * update,
                "max" => max_f64(old, update),
                _ => min_f64(old, update),
            };
        }
        return Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &out)]);
    }
    let mut out: Vec<i128> = super::number::ints(x).collect();
    for (at, &target) in targets.iter().enumerate() {
        let (old, update) = (out[target], int_at(updates, at));
        out[target] = match reduction {
            "add" => old.wrapping_add(update),
            "mul" => old.wrapping_mul(update),
            "max" => old.max(update),
            _ => old.min(update),
        };
    }
    Ok(vec![from_ints(x.dtype(), x.shape(), out)])
}
