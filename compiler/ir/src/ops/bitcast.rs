//! `bitcast(x) {to}`: the same bits as another element type. ONNX: BitCast.

use crate::attr::AttrKind;
use crate::dtype::DType;
use crate::narrow::low_bits;
use crate::op::{ELEMENTWISE, OpDef, OpError, attr, one, operand};
use crate::tensor::Tensor;

pub(super) const BITCAST: OpDef = OpDef {
    name: "bitcast",
    operands: &[operand("x")],
    attrs: &[attr("to", AttrKind::DType)],
    traits: ELEMENTWISE,
    infer: |cx| {
        let (x, to) = (cx.operand(0), cx.dtype("to"));
        if x.dtype.bits() != to.bits() {
            return Err(OpError::invalid(format!("x is {x}, whose elements have not the size of {to}")));
        }
        Ok(one(x.with_dtype(to)))
    },
    eval: |cx| {
        let (x, to) = (cx.operand(0), cx.dtype("to"));
        if to == DType::Bool {
            return Ok(vec![Tensor::from_i64(to, x.shape(), &x.to_i64())]);
        }
        let bytes = match to.is_storage() {
            true => x.bytes().iter().map(|&element| low_bits(to, element)).collect(),
            false => x.bytes().clone(),
        };
        match Tensor::from_bytes(to, x.shape(), bytes) {
            Some(result) => Ok(vec![result]),
            None => Err(OpError::invalid(format!("the bytes of x are not those of {to}"))),
        }
    },
    doc: "The same bits as a type of the same size; as bool, all but 0 are true. ONNX: BitCast.",
};
