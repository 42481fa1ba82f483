//! `trap() {dtype, shape, why}`: ends the run. Stands for a branch that cannot be typed.

use super::check;
use crate::attr::AttrKind;
use crate::op::{OpDef, OpError, PLAIN, attr, one};
use crate::types::TensorType;

pub(super) const TRAP: OpDef = OpDef {
    name: "trap",
    operands: &[],
    attrs: &[attr("dtype", AttrKind::DType), attr("shape", AttrKind::Dims), attr("why", AttrKind::Text)],
    traits: PLAIN,
    infer: |cx| {
        check::sizes(cx, "shape", cx.dims("shape").len())?;
        Ok(one(TensorType::new(cx.dtype("dtype"), cx.dims("shape").iter().cloned())))
    },
    eval: |cx| Err(OpError::invalid(cx.word("why"))),
    doc: "No value: a run that gets here ends with an error that says why. ONNX: a node in a branch of If whose inputs do \
          not fit it under the sizes given.",
};
