//! `reshape(x) {shape}`: the same elements in the same row-major order under another shape.
//! ONNX: Reshape, Flatten, Squeeze, Unsqueeze.

use super::check;
use crate::attr::AttrKind;
use crate::op::{MOVEMENT, OpDef, OpError, attr, one, operand};

pub(super) const RESHAPE: OpDef = OpDef {
    name: "reshape",
    operands: &[operand("x")],
    attrs: &[attr("shape", AttrKind::Dims)],
    traits: MOVEMENT,
    infer: |cx| {
        check::sizes(cx, "shape", cx.dims("shape").len())?;
        let ty = cx.operand(0).with_shape(cx.dims("shape").iter().cloned());
        cx.same_dim(&cx.operand(0).elements(), &ty.elements(), "element counts of operand and result")?;
        Ok(one(ty))
    },
    eval: |cx| {
        let shape = cx.sizes("shape")?;
        let reshaped = cx.operand(0).reshaped(&shape);
        Ok(vec![reshaped.ok_or_else(|| OpError::invalid(format!("element count does not fit {shape:?}")))?])
    },
    doc: "The same elements in row-major order under another shape. ONNX: Reshape, Flatten, Squeeze, Unsqueeze.",
};
