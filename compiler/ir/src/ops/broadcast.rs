//! `broadcast(x) {shape}`: repeats x along axes of size 1 and new leading axes. ONNX: Expand, ConstantOfShape.

use super::{check, index};
use crate::attr::AttrKind;
use crate::op::{MOVEMENT, OpDef, OpError, attr, one, operand};

pub(super) const BROADCAST: OpDef = OpDef {
    name: "broadcast",
    operands: &[operand("x")],
    attrs: &[attr("shape", AttrKind::Dims)],
    traits: MOVEMENT,
    infer: |cx| {
        let (x, shape) = (cx.operand(0), cx.dims("shape"));
        check::sizes(cx, "shape", shape.len())?;
        let refused = || OpError::invalid(format!("x is {x}, which does not broadcast to {shape:?}"));
        let missing = shape.len().checked_sub(x.rank()).ok_or_else(refused)?;
        for (from, to) in x.shape.iter().zip(&shape[missing..]) {
            if from.is(1) {
                continue;
            }
            if from.known_ne(to) {
                return Err(refused());
            }
            cx.env.require_equal(from, to);
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
