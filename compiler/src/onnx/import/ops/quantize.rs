//! QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, and what of com.microsoft is float arithmetic between them.
//!
//! A quantised value is computed as whole numbers in f32 and cast to integers from there. Whatever reads it as floats
//! (the operators here, a Cast) goes on from the whole numbers, so the integers are made only where somebody needs them.

use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::elementwise::element_type;
use super::pool::average_of;
use super::shape::broadcast_to;
use super::slice::{join, take_axis};

/// Least and greatest value of a quantised type.
fn range(dtype: DType) -> R<(f64, f64)> {
    match dtype {
        DType::U8 => Ok((0.0, 255.0)),
        DType::I8 => Ok((-128.0, 127.0)),
        DType::U16 => Ok((0.0, 65535.0)),
        DType::I16 => Ok((-32768.0, 32767.0)),
        DType::U4 => Ok((0.0, 15.0)),
        DType::I4 => Ok((-8.0, 7.0)),
        DType::U2 => Ok((0.0, 3.0)),
        DType::I2 => Ok((-2.0, 1.0)),
        other => unsupported(format!("quantising to {other}")),
    }
}

/// A scale or zero point of `x` as floats that broadcast to it: one value, one along `axis`, or one for each `block`
/// elements along it.
fn parameter(cx: &mut NodeCx<'_, '_>, val: Val, like: Val, axis: usize, block: i64) -> R<Val> {
    let (shape, whole) = (cx.shape(val)?, cx.shape(like)?);
    if shape.is_empty() || (block == 0 && shape.len() == 1 && shape[0].is(1)) {
        return cx.reshape(val, []);
    }
    if block == 0 {
        if shape.len() != 1 || axis >= whole.len() {
            return invalid(format!("a scale or zero point of {} axes for an operand of {}", shape.len(), whole.len()));
        }
        cx.require_equal(&shape[0], &whole[axis], "scales or zero points and elements along the axis")?;
        let mut along = vec![Dim::ONE; whole.len()];
        along[axis] = shape[0].clone();
        return cx.reshape(val, along);
    }
    if shape.len() != whole.len() || axis >= whole.len() {
        return invalid(format!("blocks of {} axes for an operand of {}", shape.len(), whole.len()));
    }
    let blocks = whole[axis].ceil_div(&Dim::from(block));
    cx.require_equal(&shape[axis], &blocks, "blocks and scales or zero points")?;
    let mut split: Vec<Dim> = shape.to_vec();
    split.insert(axis + 1, Dim::ONE);
    let apart = cx.reshape(val, split.iter().cloned())?;
    split[axis + 1] = Dim::from(block);
    let repeated = broadcast_to(cx, apart, split.iter().cloned().collect())?;
    let mut merged = shape.to_vec();
    merged[axis] = &shape[axis] * &Dim::from(block);
    let merged = cx.reshape(repeated, merged)?;
    take_axis(cx, merged, axis, &Dim::ZERO, &whole[axis])
}

/// The node's axis (unless its operand has none) and block size.
fn axis_and_block(cx: &NodeCx<'_, '_>, x: Val) -> R<(usize, i64)> {
    let rank = cx.rank(x)?;
    let block = cx.int_or("block_size", 0)?;
    if !(0..=1 << 30).contains(&block) {
        return invalid(format!("block_size = {block}"));
    }
    // One scale for all ignores the axis, whose default a vector does not have.
    let axis = cx.int_or("axis", 1)?;
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    Ok((usize::try_from(from_front).unwrap_or(usize::MAX), block))
}

/// True for a value that is known to be zero everywhere.
pub(super) fn is_zero(cx: &NodeCx<'_, '_>, val: Val) -> R<bool> {
    let tensor = cx.tensor(val)?;
    Ok(tensor.is_some_and(|tensor| tensor.splat().is_some_and(|value| value.f64_at(0) == 0.0)))
}

/// Whole numbers as integers of that type; what reads them as floats takes the whole numbers.
pub(super) fn integers(cx: &mut NodeCx<'_, '_>, whole: Val, to: DType) -> R<Val> {
    let result = cx.op(OpCode::Cast, &[whole], &[("to", to.into())])?;
    cx.set_float(result, whole);
    Ok(result)
}

/// round(x / scale) + zero within the range of the type, all operands f32.
pub(super) fn quantized(cx: &mut NodeCx<'_, '_>, x: Val, scale: Val, zero: Option<Val>, to: DType) -> R<Val> {
    let (lo, hi) = range(to)?;
    let zero = match zero {
        Some(zero) => zero,
        None => cx.scalar(DType::F32, 0.0),
    };
    let whole = cx.op(OpCode::Quantize, &[x, scale, zero], &[("lo", Attr::float(lo)), ("hi", Attr::float(hi))])?;
    integers(cx, whole, to)
}

/// x - zero in f32, x being integers.
pub(super) fn centred(cx: &mut NodeCx<'_, '_>, x: Val, zero: Option<Val>) -> R<Val> {
    let float = cx.cast(x, DType::F32)?;
    match zero {
        Some(zero) if !is_zero(cx, zero)? => {
            let zero = cx.cast(zero, DType::F32)?;
            cx.op(OpCode::Sub, &[float, zero], &[])
        }
        _ => Ok(float),
    }
}

/// QuantizeLinear.
pub(super) fn quantize_linear(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, scale, zero) = (cx.input(0)?, cx.input(1)?, cx.opt(2));
    let (axis, block) = axis_and_block(cx, x)?;
    let to = match (cx.int_or("output_dtype", 0)?, zero) {
        (0, Some(zero)) => cx.dtype(zero)?,
        (0, None) => DType::U8,
        (code, zero) => {
            let to = element_type(code)?;
            match zero {
                Some(zero) if cx.dtype(zero)? != to => return invalid("output_dtype is not the zero point's type"),
                _ => to,
            }
        }
    };
    let precision = match cx.int_or("precision", 0)? {
        // Powers of two are numbers of every float.
        0 if cx.dtype(scale)? == DType::F8E8M0 => cx.dtype(x)?,
        0 => cx.dtype(scale)?,
        code => element_type(code)?,
    };
    if !precision.is_float() {
        return invalid(format!("a division in {precision}"));
    }
    let scale = cx.cast(scale, precision)?;
    let mut scale = parameter(cx, scale, x, axis, block)?;
    let mut x = cx.cast(x, precision)?;
    let zero = match zero {
        Some(zero) if is_zero(cx, zero)? => None,
        Some(zero) => {
            let zero = cx.cast(zero, DType::F32)?;
            Some(parameter(cx, zero, x, axis, block)?)
        }
        None => None,
    };
    if to.is_storage_float() {
        return one(quantized_float(cx, x, scale, zero, to)?);
    }
    if precision != DType::F32 {
        // The quotient is rounded to that type, what follows needs the range of f32.
        x = cx.op(OpCode::Div, &[x, scale], &[])?;
        x = cx.cast(x, DType::F32)?;
        scale = cx.scalar(DType::F32, 1.0);
    }
    one(quantized(cx, x, scale, zero, to)?)
}

/// x / scale + zero as a narrow float; x and scale are of the type that is divided in, zero is f32.
fn quantized_float(cx: &mut NodeCx<'_, '_>, x: Val, scale: Val, zero: Option<Val>, to: DType) -> R<Val> {
    if to == DType::F8E8M0 {
        return unsupported(format!("quantising to {to}"));
    }
    let mut value = cx.op(OpCode::Div, &[x, scale], &[])?;
    if let Some(zero) = zero {
        value = cx.cast(value, DType::F32)?;
        value = cx.op(OpCode::Add, &[value, zero], &[])?;
    }
    let saturate = cx.flag_or("saturate", true)? || to.bits() < 8;
    cx.op(OpCode::Cast, &[value], &[("to", to.into()), ("saturate", saturate.into())])
}

/// DequantizeLinear.
pub(super) fn dequantize_linear(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, scale, zero) = (cx.input(0)?, cx.input(1)?, cx.opt(2));
    let (axis, block) = axis_and_block(cx, x)?;
    let to = match cx.int_or("output_dtype", 0)? {
        0 => cx.dtype(scale)?,
        code => element_type(code)?,
    };
    let from = cx.dtype(scale)?;
    if !to.is_float() || !(from.is_float() || from == DType::F8E8M0) {
        return invalid(format!("scales of {from} for a result of {to}"));
    }
    one(dequantized(cx, x, scale, zero, axis, block, to)?)
}

/// (x - zero) * scale, computed in f32.
pub(super) fn dequantized(
    cx: &mut NodeCx<'_, '_>,
    x: Val,
    scale: Val,
    zero: Option<Val>,
    axis: usize,
    block: i64,
    to: DType,
) -> R<Val> {
    let zero = match zero {
        Some(zero) if is_zero(cx, zero)? => None,
        other => other,
    };
    let whole = cx.shape(x)?;
    let is_whole = |size: &Dim| block > 0 && size.as_const().is_some_and(|size| size % block == 0);
    if whole.get(axis).is_some_and(is_whole) && cx.rank(scale)? == whole.len() {
        // One parameter stands before the elements of a block; repeated ones would be computed with anew in each run.
        let blocks = whole[axis].floor_div(&Dim::from(block));
        let mut by_block = whole.to_vec();
        by_block.splice(axis..=axis, [blocks.clone(), Dim::from(block)]);
        let x = cx.reshape(x, by_block)?;
        let scale = of_blocks(cx, scale, axis, &blocks, whole.len())?;
        let zero = zero.map(|zero| of_blocks(cx, zero, axis, &blocks, whole.len())).transpose()?;
        let result = scaled_difference(cx, x, scale, zero, to)?;
        return cx.reshape(result, whole);
    }
    let zero = zero.map(|zero| parameter(cx, zero, x, axis, block)).transpose()?;
    let scale = cx.cast(scale, DType::F32)?;
    let scale = parameter(cx, scale, x, axis, block)?;
    scaled_difference(cx, x, scale, zero, to)
}

/// A scale or zero point for each of the blocks along the axis, before the elements of its block.
fn of_blocks(cx: &mut NodeCx<'_, '_>, val: Val, axis: usize, blocks: &Dim, rank: usize) -> R<Val> {
    let mut shape = cx.shape(val)?;
    if shape.is_empty() {
        return Ok(val);
    }
    if shape.len() != rank {
        return invalid(format!("blocks of {} axes for an operand of {rank}", shape.len()));
    }
    cx.require_equal(&shape[axis], blocks, "blocks and scales or zero points")?;
    shape.insert(axis + 1, Dim::ONE);
    cx.reshape(val, shape)
}

/// (x - zero) * scale for parameters that broadcast.
fn scaled_difference(cx: &mut NodeCx<'_, '_>, x: Val, scale: Val, zero: Option<Val>, to: DType) -> R<Val> {
    let whole = match (cx.dtype(x)?, zero) {
        // f32 does not hold every i32: the difference is one of integers.
        (DType::I32, Some(zero)) => {
            let difference = cx.op(OpCode::Sub, &[x, zero], &[])?;
            cx.cast(difference, DType::F32)?
        }
        _ => centred(cx, x, zero)?,
    };
    let scale = cx.cast(scale, DType::F32)?;
    let result = cx.op(OpCode::Mul, &[whole, scale], &[])?;
    cx.cast(result, to)
}

/// One value dequantised with one scale and zero point, or those along the last axis.
pub(super) fn dequantized_last(cx: &mut NodeCx<'_, '_>, x: Val, scale: Val, zero: Option<Val>) -> R<Val> {
    let axis = cx.rank(x)?.saturating_sub(1);
    dequantized(cx, x, scale, zero, axis, 0, DType::F32)
}

/// DynamicQuantizeLinear: u8, scale and zero point from the range of the values, which includes 0.
pub(super) fn dynamic_quantize_linear(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let (y, scale, zero) = dynamic(cx, x)?;
    Ok(vec![y, scale, zero])
}

/// Quantises by the range of the values; values, scale and zero point.
pub(super) fn dynamic(cx: &mut NodeCx<'_, '_>, x: Val) -> R<(Val, Val, Val)> {
    if cx.dtype(x)? != DType::F32 {
        return invalid(format!("x is {}, f32 is needed", cx.ty(x)?));
    }
    let axes: Vec<i64> = (0..cx.rank(x)? as i64).collect();
    let attrs = [("axes", Attr::ints(&axes)), ("keepdims", Attr::Bool(false))];
    let zero = cx.scalar(DType::F32, 0.0);
    let least = cx.op(OpCode::ReduceMin, &[x], &attrs)?;
    let least = cx.op(OpCode::Min, &[least, zero], &[])?;
    let most = cx.op(OpCode::ReduceMax, &[x], &attrs)?;
    let most = cx.op(OpCode::Max, &[most, zero], &[])?;
    let width = cx.op(OpCode::Sub, &[most, least], &[])?;
    // In f64, so that the scale is rounded once however a division by a constant is computed.
    let wide = cx.cast(width, DType::F64)?;
    let steps = cx.scalar(DType::F64, 255.0);
    let scale = cx.op(OpCode::Div, &[wide, steps], &[])?;
    let scale = cx.cast(scale, DType::F32)?;
    // Zeros alone have the scale 1, as in onnxruntime.
    let (none, unit) = (cx.op(OpCode::Eq, &[width, zero], &[])?, cx.scalar(DType::F32, 1.0));
    let scale = cx.op(OpCode::Where, &[none, unit, scale], &[])?;
    let below = cx.op(OpCode::Neg, &[least], &[])?;
    let zero_point = quantized(cx, below, scale, None, DType::U8)?;
    let place = cx.cast(zero_point, DType::F32)?;
    let y = quantized(cx, x, scale, Some(place), DType::U8)?;
    Ok((y, scale, zero_point))
}

/// com.microsoft operators that compute on dequantised values and quantise the result.
pub(super) fn qlinear(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let operand = |cx: &mut NodeCx<'_, '_>, first: usize| {
        let (x, scale, zero) = (cx.input(first)?, cx.input(first + 1)?, cx.opt(first + 2));
        Ok((dequantized_scalar(cx, x, scale, zero)?, cx.dtype(x)?))
    };
    let (value, to, scale, zero) = match cx.op {
        "QLinearAdd" | "QLinearMul" => {
            let ((a, to), (b, _)) = (operand(cx, 0)?, operand(cx, 3)?);
            let code = if cx.op == "QLinearAdd" { OpCode::Add } else { OpCode::Mul };
            (cx.op(code, &[a, b], &[])?, to, cx.input(6)?, cx.opt(7))
        }
        "QLinearConcat" => {
            let count = cx.inputs.len().saturating_sub(2) / 3;
            let parts = (0..count).map(|part| operand(cx, 2 + 3 * part)).collect::<R<Vec<_>>>()?;
            let Some(&(first, to)) = parts.first() else { return invalid("nothing to concatenate") };
            let axis = cx.axis_or("axis", 0, cx.rank(first)?)?;
            let values: Vec<Val> = parts.iter().map(|(part, _)| *part).collect();
            (join(cx, &values, axis)?, to, cx.input(0)?, cx.opt(1))
        }
        "QLinearWhere" => {
            let condition = cx.input(0)?;
            let ((a, to), (b, _)) = (operand(cx, 1)?, operand(cx, 4)?);
            (cx.op(OpCode::Where, &[condition, a, b], &[])?, to, cx.input(7)?, cx.opt(8))
        }
        name => {
            let (x, to) = operand(cx, 0)?;
            let value = match name {
                "QLinearSigmoid" => cx.op(OpCode::Sigmoid, &[x], &[])?,
                "QLinearSoftmax" => {
                    let rank = cx.rank(x)?;
                    let axis = cx.axis_or("axis", -1, rank)?;
                    // Before opset 13 all axes from this one on were one.
                    if cx.int("opset")? < 13 && axis + 1 != rank {
                        return unsupported("opset below 13 with an axis that is not the last");
                    }
                    cx.op(OpCode::Softmax, &[x], &[("axis", (axis as i64).into())])?
                }
                "QLinearAveragePool" => {
                    let rank = cx.rank(x)?;
                    let is_last = cx.flag_or("channels_last", false)?;
                    if !is_last || rank < 3 {
                        average_of(cx, x)?
                    } else {
                        let first: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
                        let back: Vec<usize> = std::iter::once(0).chain(2..rank).chain([1]).collect();
                        let x = cx.transpose(x, &first)?;
                        let pooled = average_of(cx, x)?;
                        cx.transpose(pooled, &back)?
                    }
                }
                "QLinearLeakyRelu" => {
                    let alpha = cx.float_or("alpha", f64::from(0.01f32))?;
                    cx.op(OpCode::LeakyRelu, &[x], &[("alpha", Attr::float(alpha))])?
                }
                _ => {
                    let rank = cx.rank(x)? as i64;
                    let axes: Vec<i64> =
                        if cx.flag_or("channels_last", false)? { (1..rank - 1).collect() } else { (2..rank).collect() };
                    cx.op(OpCode::ReduceMean, &[x], &[("axes", Attr::ints(&axes)), ("keepdims", Attr::Bool(true))])?
                }
            };
            (value, to, cx.input(3)?, cx.opt(4))
        }
    };
    let scale = cx.reshape(scale, [])?;
    let zero = match zero {
        Some(zero) => {
            let zero = cx.reshape(zero, [])?;
            Some(cx.cast(zero, DType::F32)?)
        }
        None => None,
    };
    one(quantized(cx, value, scale, zero, to)?)
}

fn dequantized_scalar(cx: &mut NodeCx<'_, '_>, x: Val, scale: Val, zero: Option<Val>) -> R<Val> {
    let scale = cx.reshape(scale, [])?;
    let zero = zero.map(|zero| cx.reshape(zero, [])).transpose()?;
    dequantized_last(cx, x, scale, zero)
}

/// A one in f32.
pub(super) fn unit(cx: &mut NodeCx<'_, '_>) -> Val {
    cx.constant("", Tensor::scalar(DType::F32, 1.0))
}
