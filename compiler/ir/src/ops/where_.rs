//! `where(cond, a, b)`: a where cond is true, else b. ONNX: Where.

use super::check;
use super::index::broadcast_positions;
use crate::op::{ELEMENTWISE, OpDef, one, operand};
use crate::types::TensorType;

pub(super) const WHERE: OpDef = OpDef {
    name: "where",
    operands: &[operand("cond"), operand("a"), operand("b")],
    attrs: &[],
    traits: ELEMENTWISE,
    infer: |cx| {
        check::boolean(cx, 0)?;
        let dtype = cx.same_dtype(1, 2)?;
        let branches = cx.broadcast(&cx.operand(1).shape, &cx.operand(2).shape)?;
        let shape = cx.broadcast(&cx.operand(0).shape, &branches)?;
        Ok(one(TensorType { dtype, shape }))
    },
    eval: |cx| {
        let shape = cx.result_shape(0)?;
        let (cond, a, b) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let [c_at, a_at, b_at] = [cond, a, b].map(|x| broadcast_positions(x.shape(), &shape));
        let size = a.dtype().size();
        let mut out = Vec::with_capacity(c_at.len() * size);
        for ((c, i), j) in c_at.into_iter().zip(a_at).zip(b_at) {
            let (from, at) = if cond.i64_at(c) != 0 { (a, i) } else { (b, j) };
            out.extend_from_slice(&from.bytes()[at * size..(at + 1) * size]);
        }
        super::index::from_bytes(a, &shape, out)
    },
    doc: "a where cond is true, else b, broadcast. ONNX: Where.",
};
