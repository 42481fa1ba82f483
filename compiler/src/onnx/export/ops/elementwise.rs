//! Ops element by element that are more than one operator, or need attributes.

use lathe_ir::{DType, OpCode, Tensor};

use super::{Cx, one};
use crate::onnx::export::emit::{In, R, Val, int, word};
use crate::onnx::export::kernels::compute_type;

/// floor, ceil, round: integers stay.
pub(super) fn round(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    if !x.dtype.is_float() {
        return one(x);
    }
    let operator = match cx.op.code {
        OpCode::Floor => "Floor",
        OpCode::Ceil => "Ceil",
        _ => "Round",
    };
    one(cx.emitter.apply(operator, &[&x])?)
}

/// relu: unsigned integers stay; of signed ones, not every type has a kernel for Relu.
pub(super) fn relu(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    if x.dtype.is_unsigned() {
        return one(x);
    }
    if x.dtype.is_float() {
        return one(cx.emitter.apply("Relu", &[&x])?);
    }
    let zero = cx.emitter.scalar(x.dtype, 0.0);
    one(cx.emitter.apply("Max", &[&x, &zero])?)
}

/// square
pub(super) fn square(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    one(cx.emitter.apply("Mul", &[&x, &x])?)
}

/// clip; the bounds of integers are held within their type.
pub(super) fn clip(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let (lo, hi) = (cx.op.float("lo"), cx.op.float("hi"));
    let (lo, hi) = if x.dtype.is_int() { (lo.ceil(), hi.floor()) } else { (lo, hi) };
    // Saturates to the type.
    let (lo, hi) = (Tensor::scalar(x.dtype, lo), Tensor::scalar(x.dtype, hi));
    one(clipped(cx, &x, &lo, &hi)?)
}

/// min(max(x, lo), hi), for constants of x's type.
pub(super) fn clipped(cx: &mut Cx<'_, '_>, x: &Val, lo: &Tensor, hi: &Tensor) -> R<Val> {
    // Constants in the type computed in need no cast.
    let compute = compute_type("Clip", x.dtype).ok_or_else(|| format!("ONNX's Clip does not take {}", x.dtype))?;
    let convert = |bound: &Tensor| match bound.dtype().is_float() {
        true => Tensor::scalar(compute, bound.f64_at(0)),
        false => Tensor::from_i64(compute, &[], &[bound.i64_at(0)]),
    };
    let (lo, hi) = (cx.emitter.constant(&convert(lo)), cx.emitter.constant(&convert(hi)));
    cx.emitter.kernel("Clip", &[In::T(x), In::Raw(&lo), In::Raw(&hi)], Vec::new())
}

/// isinf
pub(super) fn is_inf(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let flags = vec![int("detect_positive", cx.op.int("pos")), int("detect_negative", cx.op.int("neg"))];
    cx.emitter.kernels("IsInf", &[In::T(&x)], flags, &[Some(DType::Bool)])
}

/// cast
pub(super) fn cast(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let to = cx.result_ty(0).dtype;
    let mut attributes = Vec::new();
    if to.is_storage_float() && to.bits() == 8 && !cx.op.flag("saturate") {
        attributes.push(int("saturate", 0));
    }
    if to == DType::F8E8M0 && cx.op.word("round") != "up" {
        attributes.push(word("round_mode", cx.op.word("round")));
    }
    one(cx.emitter.cast_with(&x, to, attributes))
}

/// bitcast: an operator of opset 26, later than what is written.
pub(super) fn bitcast(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, to) = (cx.operand(0)?, cx.result_ty(0).dtype);
    if x.dtype == to {
        return one(x);
    }
    Err(format!("ONNX {} has no operator that reads the bits of {} as {to}", super::super::OPSET, x.dtype))
}

/// where
pub(super) fn select(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (condition, a, b) = (cx.operand(0)?, cx.operand(1)?, cx.operand(2)?);
    one(cx.emitter.select(&condition, &a, &b)?)
}

fn modulo(cx: &mut Cx<'_, '_>, a: &Val, b: &Val, truncated: bool) -> R<Val> {
    cx.emitter.kernel("Mod", &[In::T(a), In::T(b)], vec![int("fmod", i64::from(truncated))])
}

/// fmod
pub(super) fn fmod(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.operand(0)?, cx.operand(1)?);
    one(modulo(cx, &a, &b, true)?)
}

/// rem: ONNX has it for integers only; of floats, a rest of the other sign than the divisor's has the divisor added.
pub(super) fn rem(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.operand(0)?, cx.operand(1)?);
    if a.dtype.is_int() {
        return one(modulo(cx, &a, &b, false)?);
    }
    let own = a.dtype;
    let (a, b) = (cx.emitter.cast(&a, super::work_type(own)), cx.emitter.cast(&b, super::work_type(own)));
    let rest = modulo(cx, &a, &b, true)?;
    let zero = cx.emitter.scalar(rest.dtype, 0.0);
    let signs = [cx.emitter.test("Less", &[&rest, &zero])?, cx.emitter.test("Less", &[&b, &zero])?];
    let is_zero = cx.emitter.test("Equal", &[&rest, &zero])?;
    let keeps = cx.emitter.apply("Not", &[&is_zero])?;
    let differs = cx.emitter.apply("Xor", &[&signs[0], &signs[1]])?;
    let other_sign = cx.emitter.apply("And", &[&differs, &keeps])?;
    let moved = cx.emitter.apply("Add", &[&rest, &b])?;
    let result = cx.emitter.select(&other_sign, &moved, &rest)?;
    one(cx.emitter.cast(&result, own))
}

/// shl, shr: 0 from the width on, which ONNX leaves open.
pub(super) fn shift(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.operand(0)?, cx.operand(1)?);
    let direction = if cx.op.code == OpCode::Shl { "LEFT" } else { "RIGHT" };
    let shifted = cx.emitter.kernel("BitShift", &[In::T(&a), In::T(&b)], vec![word("direction", direction)])?;
    let width = 8 * a.dtype.size() as i64;
    let amount = cx.op.operand(1).and_then(|id| cx.emitter.ir.constant(&cx.emitter.module.env, id));
    if amount.is_some_and(|amount| amount.to_i64().iter().all(|bits| (0..width).contains(bits))) {
        return one(shifted);
    }
    let limit = cx.emitter.constant(&Tensor::from_i64(a.dtype, &[], &[width]));
    let zero = cx.emitter.scalar(a.dtype, 0.0);
    let within = cx.emitter.test("Less", &[&b, &limit])?;
    one(cx.emitter.select(&within, &shifted, &zero)?)
}

/// quantize, spelled out: ONNX's operator gives integers.
pub(super) fn quantize(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, scale, zero) = (cx.operand(0)?, cx.operand(1)?, cx.operand(2)?);
    let quotient = cx.emitter.apply("Div", &[&x, &scale])?;
    let whole = cx.emitter.apply("Round", &[&quotient])?;
    let moved = cx.emitter.apply("Add", &[&whole, &zero])?;
    let bound = |value: f64| Tensor::scalar(x.dtype, value);
    one(clipped(cx, &moved, &bound(cx.op.float("lo")), &bound(cx.op.float("hi")))?)
}
