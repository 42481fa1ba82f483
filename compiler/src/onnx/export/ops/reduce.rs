//! Ops along axes: reductions, positions of extremes, running sums, softmax.

use lathe_ir::{DType, Dim, OpCode, Tensor};

use super::{Cx, one};
use crate::onnx::export::emit::{In, R, Val, int};
use crate::onnx::export::kernels::compute_type;

fn reduction(cx: &mut Cx<'_, '_>, operator: &str, x: &Val, axes: &[i64], keepdims: bool) -> R<Val> {
    let axes = cx.emitter.vector(axes);
    cx.emitter.kernel(operator, &[In::T(x), In::Raw(&axes)], vec![int("keepdims", i64::from(keepdims))])
}

/// The mean over axes, which stay as axes of size 1.
pub(super) fn mean(cx: &mut Cx<'_, '_>, x: &Val, axes: &[i64]) -> R<Val> {
    reduction(cx, "ReduceMean", x, axes, true)
}

/// reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_prod
pub(super) fn reduce(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let (axes, keepdims) = (cx.op.ints("axes"), cx.op.flag("keepdims"));
    if axes.is_empty() {
        return one(x);
    }
    let operator = match cx.op.code {
        OpCode::ReduceSum => "ReduceSum",
        OpCode::ReduceMax => "ReduceMax",
        OpCode::ReduceMin => "ReduceMin",
        OpCode::ReduceProd => "ReduceProd",
        _ if x.dtype.is_int() && x.dtype != DType::U64 => {
            // The exact sum, divided with truncation.
            let wide = cx.emitter.cast(&x, DType::I64);
            let sum = reduction(cx, "ReduceSum", &wide, axes, keepdims)?;
            let shape = cx.shape(0)?;
            let count = Dim::product_of(axes.iter().map(|&axis| &shape[axis as usize]));
            let count = cx.emitter.dim_scalar(&count)?;
            let mean = cx.emitter.apply("Div", &[&sum, &count])?;
            return one(cx.emitter.cast(&mean, x.dtype));
        }
        _ => "ReduceMean",
    };
    one(if cx.op.code == OpCode::ReduceMax || cx.op.code == OpCode::ReduceMin {
        extreme(cx, operator, &x, axes, keepdims)?
    } else {
        reduction(cx, operator, &x, axes, keepdims)?
    })
}

/// ReduceMax, ReduceMin. The extreme of no integers is the bound of their type, not of a wider one they are cast to.
fn extreme(cx: &mut Cx<'_, '_>, operator: &str, x: &Val, axes: &[i64], keepdims: bool) -> R<Val> {
    let (own, shape, symbols) = (x.dtype, cx.shape(0)?, &cx.emitter.module.env.symbols);
    let has_elements = |axis: &i64| shape[*axis as usize].range(symbols).0.is_some_and(|least| least > 0);
    let compute = compute_type(operator, own).unwrap_or(own);
    if !own.is_int() || compute == own || axes.iter().all(has_elements) {
        return reduction(cx, operator, x, axes, keepdims);
    }
    let wide = cx.emitter.cast(x, compute);
    let result = reduction(cx, operator, &wide, axes, keepdims)?;
    let (bounding, end) = if operator == "ReduceMax" { ("Max", f64::NEG_INFINITY) } else { ("Min", f64::INFINITY) };
    let bound = Tensor::scalar(own, end).i64_at(0);
    let bound = cx.emitter.constant(&Tensor::from_i64(compute, &[], &[bound]));
    let result = cx.emitter.apply(bounding, &[&result, &bound])?;
    Ok(cx.emitter.cast(&result, own))
}

/// arg_max, arg_min
pub(super) fn arg(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let operator = if cx.op.code == OpCode::ArgMax { "ArgMax" } else { "ArgMin" };
    let attributes = vec![
        int("axis", cx.op.int("axis")),
        int("keepdims", cx.op.int("keepdims")),
        int("select_last_index", cx.op.int("last")),
    ];
    cx.emitter.kernels(operator, &[In::T(&x)], attributes, &[Some(DType::I64)])
}

/// cumsum
pub(super) fn cumsum(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let axis = cx.emitter.constant(&Tensor::from_i64(DType::I64, &[], &[cx.op.int("axis")]));
    let attributes = vec![int("exclusive", cx.op.int("exclusive")), int("reverse", cx.op.int("reverse"))];
    one(cx.emitter.kernel("CumSum", &[In::T(&x), In::Raw(&axis)], attributes)?)
}

/// topk
pub(super) fn topk(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let count = cx.emitter.dims(cx.op.dims("k"))?;
    let attributes = vec![int("axis", cx.op.int("axis")), int("largest", cx.op.int("largest")), int("sorted", 1)];
    cx.emitter.kernels("TopK", &[In::T(&x), In::Raw(&count)], attributes, &[None, Some(DType::I64)])
}

/// softmax, log_softmax
pub(super) fn softmax(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let operator = if cx.op.code == OpCode::Softmax { "Softmax" } else { "LogSoftmax" };
    one(cx.emitter.kernel(operator, &[In::T(&x)], vec![int("axis", cx.op.int("axis"))])?)
}
