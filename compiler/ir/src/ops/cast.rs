//! `cast(x) {to}`: changes the element type. ONNX: Cast, CastLike.

use crate::attr::AttrKind;
use crate::dtype::DType;
use crate::op::{ELEMENTWISE, OpDef, attr, one, operand};
use crate::tensor::Tensor;

pub(super) const CAST: OpDef = OpDef {
    name: "cast",
    operands: &[operand("x")],
    attrs: &[attr("to", AttrKind::DType)],
    traits: ELEMENTWISE,
    infer: |cx| Ok(one(cx.operand(0).with_dtype(cx.dtype("to")))),
    eval: |cx| {
        let x = cx.operand(0);
        let to = cx.dtype("to");
        Ok(vec![if x.dtype().is_float() || (x.dtype() == DType::U64 && to.is_float()) {
            Tensor::from_f64(to, x.shape(), &x.to_f64())
        } else {
            Tensor::from_i64(to, x.shape(), &x.to_i64())
        }])
    },
    doc: "Changes the element type: float to integer truncates and saturates (NaN gives 0), integer to narrower integer \
          wraps, to float rounds to nearest even, to bool is `x != 0`.",
};
