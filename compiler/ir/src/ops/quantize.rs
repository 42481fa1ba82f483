//! `quantize(x, scale, zero) {lo, hi}`: to the whole numbers of a quantised type, still as floats. ONNX: QuantizeLinear.
//!
//! A `cast` makes integers of the result. What follows in floats, as a dequantisation does, goes on from here and needs
//! no integers. One op, so that no rule divides by the scale in another way: at a half the last bit decides.

use super::check;
use super::index::broadcast_positions;
use crate::attr::{Attr, AttrKind};
use crate::op::{ELEMENTWISE, OpDef, OpError, attr_or, one, operand};
use crate::tensor::Tensor;
use crate::types::TensorType;

pub(super) const QUANTIZE: OpDef = OpDef {
    name: "quantize",
    operands: &[operand("x"), operand("scale"), operand("zero")],
    attrs: &[
        attr_or("lo", AttrKind::Float, || Attr::float(0.0)),
        attr_or("hi", AttrKind::Float, || Attr::float(255.0)),
    ],
    traits: ELEMENTWISE,
    infer: |cx| {
        let dtype = check::float(cx, 0)?;
        check::dtype_is(cx, 1, dtype)?;
        check::dtype_is(cx, 2, dtype)?;
        let (lo, hi) = (cx.float("lo"), cx.float("hi"));
        if lo.is_nan() || hi.is_nan() || lo > hi {
            return Err(OpError::invalid(format!("the range is {lo} to {hi}")));
        }
        let parameters = cx.broadcast(&cx.operand(1).shape, &cx.operand(2).shape)?;
        let shape = cx.broadcast(&cx.operand(0).shape, &parameters)?;
        Ok(one(TensorType { dtype, shape }))
    },
    eval: |cx| {
        let shape = cx.result_shape(0)?;
        let (x, scale, zero) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let (lo, hi) = (cx.float("lo"), cx.float("hi"));
        let [x_at, scale_at, zero_at] = [x, scale, zero].map(|tensor| broadcast_positions(tensor.shape(), &shape));
        // The quotient is rounded to the element type first, as a division in it is.
        let quotients: Vec<f64> =
            x_at.iter().zip(&scale_at).map(|(&x_at, &scale_at)| x.f64_at(x_at) / scale.f64_at(scale_at)).collect();
        let quotients = Tensor::from_f64(x.dtype(), &shape, &quotients);
        let value = |at: usize, zero: f64| {
            let whole = quotients.f64_at(at).round_ties_even() + zero;
            if whole.is_nan() { whole } else { whole.max(lo).min(hi) }
        };
        let values: Vec<f64> =
            zero_at.iter().enumerate().map(|(at, &zero_at)| value(at, zero.f64_at(zero_at))).collect();
        Ok(vec![Tensor::from_f64(x.dtype(), &shape, &values)])
    },
    doc: "min(max(round(x / scale) + zero, lo), hi), halves to even, broadcast; the quotient is rounded to the element \
          type, NaN stays NaN. ONNX: QuantizeLinear and all that quantises, before the cast to integers.",
};
