//! `cast(x) {to}`: changes the element type. ONNX: Cast, CastLike.

use super::number::int_at;
use crate::attr::AttrKind;
use crate::dtype::DType;
use crate::op::{ELEMENTWISE, OpDef, attr, one, operand};
use crate::tensor::{Tensor, int_to_odd};

pub(super) const CAST: OpDef = OpDef {
    name: "cast",
    operands: &[operand("x")],
    attrs: &[attr("to", AttrKind::DType)],
    traits: ELEMENTWISE,
    infer: |cx| Ok(one(cx.operand(0).with_dtype(cx.dtype("to")))),
    eval: |cx| {
        let (x, to) = (cx.operand(0), cx.dtype("to"));
        Ok(vec![match (x.dtype(), to) {
            (from, to) if from == to => x.clone(),
            // No f64 lies between an integer and its nearest f64, so f64 itself is rounded directly.
            (DType::U64, DType::F64) => Tensor::from_f64(to, x.shape(), &x.to_f64()),
            (DType::U64, to) if to.is_float() => {
                let values: Vec<f64> = (0..x.len()).map(|index| int_to_odd(int_at(x, index))).collect();
                Tensor::from_f64(to, x.shape(), &values)
            }
            (from, _) if from.is_float() => Tensor::from_f64(to, x.shape(), &x.to_f64()),
            _ => Tensor::from_i64(to, x.shape(), &x.to_i64()),
        }])
    },
    doc: "Changes the element type: float to integer truncates and saturates (NaN gives 0), integer to narrower integer \
          wraps, to float rounds to nearest even, to bool is `x != 0`.",
};
