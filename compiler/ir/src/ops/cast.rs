//! `cast(x) {to}`: changes the element type. ONNX: Cast, CastLike.

use super::number::int_at;
use crate::attr::{Attr, AttrKind};
use crate::dtype::DType;
use crate::narrow::{Conversion, Rounding, encode};
use crate::op::{ELEMENTWISE, OpDef, OpError, attr, attr_or, one, operand};
use crate::tensor::{Tensor, int_to_odd};

pub(super) const CAST: OpDef = OpDef {
    name: "cast",
    operands: &[operand("x")],
    attrs: &[
        attr("to", AttrKind::DType),
        attr_or("saturate", AttrKind::Bool, || Attr::Bool(true)),
        attr_or("round", AttrKind::Str(Rounding::WORDS), || Attr::str("up")),
    ],
    traits: ELEMENTWISE,
    infer: |cx| Ok(one(cx.operand(0).with_dtype(cx.dtype("to")))),
    eval: |cx| {
        let (x, to) = (cx.operand(0), cx.dtype("to"));
        // What a second rounding makes of these is what one rounding of the integer would.
        let integer_as_float = |index| int_to_odd(int_at(x, index));
        Ok(vec![match (x.dtype(), to) {
            (from, to) if from == to => x.clone(),
            (from, to) if to.is_storage_float() => {
                let conversion = Conversion { saturate: cx.flag("saturate"), rounding: Rounding::of(cx.word("round")) };
                let value = |index| if from.holds_floats() { x.f64_at(index) } else { integer_as_float(index) };
                let elements: Vec<u8> = (0..x.len()).map(|index| encode(to, value(index), conversion)).collect();
                let result = Tensor::from_bytes(to, x.shape(), elements.into());
                result.ok_or_else(|| OpError::invalid(format!("{to} has no element of one byte")))?
            }
            // No f64 lies between an integer and its nearest f64, so f64 itself is rounded directly.
            (DType::U64, DType::F64) => Tensor::from_f64(to, x.shape(), &x.to_f64()),
            (DType::U64, to) if to.is_float() => {
                let values: Vec<f64> = (0..x.len()).map(integer_as_float).collect();
                Tensor::from_f64(to, x.shape(), &values)
            }
            (from, _) if from.holds_floats() => Tensor::from_f64(to, x.shape(), &x.to_f64()),
            _ => Tensor::from_i64(to, x.shape(), &x.to_i64()),
        }])
    },
    doc: "Changes the element type: float to integer truncates and saturates (NaN gives 0), integer to narrower integer \
          wraps, to float rounds to nearest even, to bool is `x != 0`. To i4, u4, i2 and u2: to an i32, of which the low \
          bits stay. Floats of 8 bits: `saturate` makes what is beyond the largest number that number, infinity too; \
          without it infinity, or NaN if there is none. f8e8m0 is rounded as `round` says; below 0 it is NaN. f4 and f6 \
          saturate always, their NaN is 0. ONNX: Cast, CastLike.",
};
