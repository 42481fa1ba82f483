//! Ops on one operand, element by element, with attributes: leaky_relu, elu, hardsigmoid, clip, isinf.

use super::check;
use super::number::{from_ints, int_range, ints};
use crate::activation::Activation;
use crate::attr::{Attr, AttrKind};
use crate::dtype::DType;
use crate::op::{ELEMENTWISE, EvalCx, InferCx, OpDef, OpError, Types, attr_or, one, operand};
use crate::tensor::Tensor;

fn floats(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::float(cx, 0)?;
    cx.like(0)
}

fn activate(cx: &EvalCx<'_>, p0: f64, p1: f64) -> Result<Vec<Tensor>, OpError> {
    let (x, activation) = (cx.operand(0), Activation::of(cx.def.name, p0, p1));
    let values: Vec<f64> = x.to_f64().into_iter().map(|value| activation.apply(value)).collect();
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &values)])
}

pub(super) const LEAKY_RELU: OpDef = OpDef {
    name: "leaky_relu",
    operands: &[operand("x")],
    attrs: &[attr_or("alpha", AttrKind::Float, || Attr::float(0.01))],
    traits: ELEMENTWISE,
    infer: floats,
    eval: |cx| activate(cx, cx.float("alpha"), 0.0),
    doc: "x, or alpha * x where x < 0. ONNX: LeakyRelu.",
};

pub(super) const ELU: OpDef = OpDef {
    name: "elu",
    operands: &[operand("x")],
    attrs: &[attr_or("alpha", AttrKind::Float, || Attr::float(1.0))],
    traits: ELEMENTWISE,
    infer: floats,
    eval: |cx| activate(cx, cx.float("alpha"), 0.0),
    doc: "x, or alpha * (exp(x) - 1) where x < 0. ONNX: Elu; part of Selu, Celu.",
};

pub(super) const HARDSIGMOID: OpDef = OpDef {
    name: "hardsigmoid",
    operands: &[operand("x")],
    attrs: &[
        attr_or("alpha", AttrKind::Float, || Attr::float(0.2)),
        attr_or("beta", AttrKind::Float, || Attr::float(0.5)),
    ],
    traits: ELEMENTWISE,
    infer: floats,
    eval: |cx| activate(cx, cx.float("alpha"), cx.float("beta")),
    doc: "max(0, min(1, alpha * x + beta)). ONNX: HardSigmoid.",
};

pub(super) const CLIP: OpDef = OpDef {
    name: "clip",
    operands: &[operand("x")],
    attrs: &[
        attr_or("lo", AttrKind::Float, || Attr::float(f64::NEG_INFINITY)),
        attr_or("hi", AttrKind::Float, || Attr::float(f64::INFINITY)),
    ],
    traits: ELEMENTWISE,
    infer: |cx| {
        check::number(cx, 0)?;
        let (lo, hi) = (cx.float("lo"), cx.float("hi"));
        if lo.is_nan() || hi.is_nan() {
            return Err(OpError::invalid(format!("the bounds {lo} and {hi} must not be NaN")));
        }
        cx.like(0)
    },
    eval: |cx| {
        let (x, lo, hi) = (cx.operand(0), cx.float("lo"), cx.float("hi"));
        if x.dtype().is_float() {
            return activate(cx, lo, hi);
        }
        let (least, most) = int_range(x.dtype());
        let lo = (lo.ceil() as i128).clamp(least, most);
        let hi = (hi.floor() as i128).clamp(least, most);
        Ok(vec![from_ints(x.dtype(), x.shape(), ints(x).map(|value| value.max(lo).min(hi)))])
    },
    doc: "min(max(x, lo), hi); NaN stays NaN. Integers are held between ceil(lo) and floor(hi) within their type's \
          range; bounds beyond 2^53 that f64 does not hold need `min` and `max`. ONNX: Clip with constant bounds.",
};

pub(super) const ISINF: OpDef = OpDef {
    name: "isinf",
    operands: &[operand("x")],
    attrs: &[attr_or("pos", AttrKind::Bool, || Attr::Bool(true)), attr_or("neg", AttrKind::Bool, || Attr::Bool(true))],
    traits: ELEMENTWISE,
    infer: |cx| {
        check::float(cx, 0)?;
        Ok(one(cx.operand(0).with_dtype(DType::Bool)))
    },
    eval: |cx| {
        let (x, pos, neg) = (cx.operand(0), cx.flag("pos"), cx.flag("neg"));
        let wanted = |value: f64| (pos && value == f64::INFINITY) || (neg && value == f64::NEG_INFINITY);
        let values: Vec<i64> = x.to_f64().into_iter().map(|value| i64::from(wanted(value))).collect();
        Ok(vec![Tensor::from_i64(DType::Bool, x.shape(), &values)])
    },
    doc: "True where x is +inf (if pos) or -inf (if neg). ONNX: IsInf.",
};
