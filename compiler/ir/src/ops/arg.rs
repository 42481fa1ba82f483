//! Positions of extremes: arg_max, arg_min. NaN counts as the extreme, as in numpy.

use super::{index, number, reduce};
use crate::attr::{Attr, AttrKind};
use crate::dtype::DType;
use crate::op::{AttrDef, EvalCx, OpDef, OpError, PLAIN, attr, attr_or, operand};
use crate::tensor::Tensor;
use std::cmp::Ordering;

const ATTRS: &[AttrDef] = &[
    attr("axis", AttrKind::Int),
    attr_or("keepdims", AttrKind::Bool, || Attr::Bool(true)),
    attr_or("last", AttrKind::Bool, || Attr::Bool(false)),
];

/// Order of two elements; NaN is above everything and equal to itself, -0 equals +0.
pub(super) fn compare(x: &Tensor, i: usize, j: usize) -> Ordering {
    if x.dtype().is_float() {
        let (a, b) = (x.f64_at(i), x.f64_at(j));
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    } else {
        number::int_at(x, i).cmp(&number::int_at(x, j))
    }
}

fn eval(cx: &EvalCx<'_>, largest: bool) -> Result<Vec<Tensor>, OpError> {
    let (x, shape, last) = (cx.operand(0), cx.result_shape(0)?, cx.flag("last"));
    let rows = index::rows(x.shape(), cx.int("axis") as usize);
    let is_nan = |at: usize| x.dtype().is_float() && x.f64_at(at).is_nan();
    let mut found = Vec::new();
    for start in rows.starts {
        let mut best = 0;
        for candidate in 1..rows.len {
            let (a, b) = (start + candidate * rows.step, start + best * rows.step);
            let order = match (is_nan(a), is_nan(b)) {
                (false, false) if !largest => compare(x, b, a),
                _ => compare(x, a, b),
            };
            if order == Ordering::Greater || (last && order == Ordering::Equal) {
                best = candidate;
            }
        }
        found.push(best as i64);
    }
    Ok(vec![Tensor::from_i64(DType::I64, &shape, &found)])
}

pub(super) const ARG_MAX: OpDef = OpDef {
    name: "arg_max",
    operands: &[operand("x")],
    attrs: ATTRS,
    traits: PLAIN,
    infer: reduce::positions,
    eval: |cx| eval(cx, true),
    doc: "Position of the largest element (the first NaN if there is one) along an axis; of equal ones the first, with \
          `last` the last. ONNX: ArgMax.",
};

pub(super) const ARG_MIN: OpDef = OpDef {
    name: "arg_min",
    operands: &[operand("x")],
    attrs: ATTRS,
    traits: PLAIN,
    infer: reduce::positions,
    eval: |cx| eval(cx, false),
    doc: "Position of the smallest element (the first NaN if there is one) along an axis; of equal ones the first, with \
          `last` the last. ONNX: ArgMin.",
};
