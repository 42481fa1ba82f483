//! Convolutions and pools. The IR has channels last, ONNX first: transposes stand around them, of which those that
//! meet cancel.

use lathe_ir::DType;

use super::matmul::epilogue;
use super::{Cx, one, work_type};
use crate::onnx::export::emit::{In, R, Val, int, ints};
use crate::onnx::proto::AttributeProto;

/// [N, spatial.., C] to [N, C, spatial..].
fn channels_first(cx: &mut Cx<'_, '_>, x: &Val) -> R<Val> {
    let rank = cx.ty(0)?.rank() as i64;
    let perm: Vec<i64> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    Ok(cx.emitter.transpose(x, &perm))
}

/// [N, C, spatial..] to [N, spatial.., C].
fn channels_last(cx: &mut Cx<'_, '_>, x: &Val) -> R<Val> {
    let rank = cx.ty(0)?.rank() as i64;
    let perm: Vec<i64> = [0].into_iter().chain(2..rank).chain([1]).collect();
    Ok(cx.emitter.transpose(x, &perm))
}

/// Attributes that all window operators share.
fn window(cx: &Cx<'_, '_>, kernel: Option<&[i64]>) -> Vec<AttributeProto> {
    let pads: Vec<i64> = cx.op.ints("pads_before").iter().chain(cx.op.ints("pads_after")).copied().collect();
    let mut attributes =
        vec![ints("strides", cx.op.ints("strides")), ints("dilations", cx.op.ints("dilations")), ints("pads", &pads)];
    attributes.extend(kernel.map(|kernel| ints("kernel_shape", kernel)));
    attributes
}

/// Sizes of the kernel of a convolution, so far as they are constants.
fn kernel_of(cx: &Cx<'_, '_>) -> R<Option<Vec<i64>>> {
    Ok(cx.shape(1)?.get(2..).unwrap_or_default().iter().map(|dim| dim.as_const()).collect())
}

/// The operator on x, w and bias in the type that its epilogue is computed in, channels last.
fn convolve(cx: &mut Cx<'_, '_>, operator: &str, attributes: Vec<AttributeProto>) -> R<Val> {
    let work = work_type(cx.ty(0)?.dtype);
    let x = cx.operand(0)?;
    let x = channels_first(cx, &x)?;
    let [x, w] = [x, cx.operand(1)?].map(|val| cx.emitter.cast(&val, work));
    let bias = cx.opt(2)?.map(|bias| cx.emitter.cast(&bias, work));
    let result = cx.emitter.kernel(operator, &[In::T(&x), In::T(&w), In::opt(bias.as_ref())], attributes)?;
    channels_last(cx, &result)
}

/// conv
pub(super) fn conv(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let kernel = kernel_of(cx)?;
    let mut attributes = window(cx, kernel.as_deref());
    attributes.push(int("group", cx.op.int("groups")));
    let result = convolve(cx, "Conv", attributes)?;
    let result = epilogue(cx, result)?;
    one(cx.emitter.cast(&result, cx.result_ty(0).dtype))
}

/// conv_transpose
pub(super) fn conv_transpose(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let kernel = kernel_of(cx)?;
    let mut attributes = window(cx, kernel.as_deref());
    attributes.push(int("group", cx.op.int("groups")));
    attributes.push(ints("output_padding", cx.op.ints("output_padding")));
    let result = convolve(cx, "ConvTranspose", attributes)?;
    one(cx.emitter.cast(&result, cx.result_ty(0).dtype))
}

fn pool(cx: &mut Cx<'_, '_>, operator: &str, more: Vec<AttributeProto>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let x = channels_first(cx, &x)?;
    let mut attributes = window(cx, Some(cx.op.ints("kernel")));
    attributes.push(int("ceil_mode", cx.op.int("ceil")));
    attributes.extend(more);
    let result = cx.emitter.kernel(operator, &[In::T(&x)], attributes)?;
    one(channels_last(cx, &result)?)
}

/// max_pool
pub(super) fn max_pool(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    if cx.ty(0)?.dtype == DType::I64 || cx.ty(0)?.dtype == DType::U64 {
        return Err(format!("ONNX's MaxPool does not take {}", cx.ty(0)?.dtype));
    }
    pool(cx, "MaxPool", Vec::new())
}

/// avg_pool
pub(super) fn avg_pool(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    pool(cx, "AveragePool", vec![int("count_include_pad", cx.op.int("count_include_pad"))])
}
