//! `data_size(value) {size}`: a value becomes a dimension. What finds elements (non_zero, unique, nms) gives arrays of
//! bounded size and a count, and what takes a shape from data computes it first; this op turns the number into a symbol
//! that the types after it mention.

use super::check;
use crate::attr::AttrKind;
use crate::dtype::DType;
use crate::op::{DATA_DEPENDENT, OpDef, OpError, attr, operand};
use crate::types::TensorType;

pub(super) const DATA_SIZE: OpDef = OpDef {
    name: "data_size",
    operands: &[operand("value")],
    attrs: &[attr("size", AttrKind::Dims)],
    traits: DATA_DEPENDENT,
    infer: |cx| {
        check::type_is(cx, 0, &TensorType::new(DType::I64, []))?;
        match cx.dims("size") {
            [size] if size.as_symbol().is_some() => cx.like(0),
            size => Err(OpError::invalid(format!("size is {size:?}, one symbol is needed"))),
        }
    },
    // The evaluator gives the symbol its value and holds it to the symbol's bounds.
    eval: |cx| Ok(vec![cx.operand(0).clone()]),
    doc: "The value itself, which the data-dependent symbol `size` has from then on; a value outside of the bounds of the \
          symbol is an error. ONNX: sizes that depend on data, of NonZero, Unique, NonMaxSuppression and of Slice, \
          Reshape, Expand and others with shapes from data.",
};
