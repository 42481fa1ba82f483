//! `broadcast(x) {shape, either}`: repeats x along axes of size 1 and new leading axes. ONNX: Expand, ConstantOfShape.
//!
//! Whether an axis of x has the size 1 is known when the program is compiled, except along the axes of the result that
//! `either` lists: there x may have the size 1 or the result's, which is told when the program is called.

use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::dim::Dim;
use crate::op::{MOVEMENT, OpDef, OpError, attr, attr_or, one, operand};

pub(super) const BROADCAST: OpDef = OpDef {
    name: "broadcast",
    operands: &[operand("x")],
    attrs: &[attr("shape", AttrKind::Dims), attr_or("either", AttrKind::Ints, || Attr::ints(&[]))],
    traits: MOVEMENT,
    infer: |cx| {
        let (x, shape, either) = (cx.operand(0), cx.dims("shape"), cx.ints("either"));
        check::sizes(cx, "shape", shape.len())?;
        let refused = || OpError::invalid(format!("x is {x}, which does not broadcast to {shape:?}"));
        let missing = shape.len().checked_sub(x.rank()).ok_or_else(refused)?;
        if !either.iter().all(|axis| (missing as i64..shape.len() as i64).contains(axis)) {
            return Err(OpError::invalid(format!("either is {either:?}, axes of x in the result are needed")));
        }
        for (axis, (from, to)) in (missing..).zip(x.shape.iter().zip(&shape[missing..])) {
            if from.is(1) {
                continue;
            }
            if from.known_ne(to) && (from.as_const().is_some() || !either.contains(&(axis as i64))) {
                return Err(refused());
            }
            if either.contains(&(axis as i64)) {
                // 0 where x has the size 1, so that both sides are equal then.
                let moves = repeats(from);
                cx.env.require_equal(&(&moves * to), &(&moves * from));
            } else {
                cx.env.require_equal(from, to);
            }
        }
        Ok(one(x.with_shape(shape.iter().cloned())))
    },
    eval: |cx| {
        let (x, shape) = (cx.operand(0), cx.result_shape(0)?);
        let strides = index::broadcast_strides(x.shape(), &shape);
        index::pick(x, &shape, |at| index::offset(at, &strides))
    },
    doc: "Repeats x along axes of size 1 and along new leading axes, to exactly that shape. ONNX: Expand.",
};

/// 0 for a size of 1, else 1 (-1 for 0, where nothing is read): what strides along an axis of `either` are multiplied by.
pub fn repeats(size: &Dim) -> Dim {
    (size - &Dim::ONE).minimum(&Dim::ONE)
}
