//! Normalisation.

use lathe_ir::{Attr, DType, Dim, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

/// A list of one number for each channel, to be broadcast against [N, C, spatial..].
fn per_channel(cx: &mut NodeCx<'_, '_>, list: Val, rank: usize) -> R<Val> {
    let shape = cx.shape(list)?;
    let [channels] = shape.as_slice() else {
        return invalid(format!("an operand of {} axes where a list is needed", shape.len()));
    };
    cx.reshape(list, [channels.clone()].into_iter().chain((2..rank).map(|_| Dim::ONE)))
}

fn mean_of(cx: &mut NodeCx<'_, '_>, x: Val, axes: &[i64], keepdims: bool) -> R<Val> {
    cx.op(OpCode::ReduceMean, &[x], &[("axes", Attr::ints(axes)), ("keepdims", keepdims.into())])
}

/// x * scale + bias, for each channel.
fn affine(cx: &mut NodeCx<'_, '_>, x: Val, scale: Val, bias: Val) -> R<Val> {
    let rank = cx.rank(x)?;
    let (scale, bias) = (per_channel(cx, scale, rank)?, per_channel(cx, bias, rank)?);
    let scaled = cx.op(OpCode::Mul, &[x, scale], &[])?;
    cx.op(OpCode::Add, &[scaled, bias], &[])
}

/// BatchNormalization: (x - mean) * (scale / sqrt(var + epsilon)) + bias. In training form the statistics are the
/// batch's, and the running ones are updated.
pub(super) fn batch(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, scale, bias) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let (running_mean, running_var) = (cx.input(3)?, cx.input(4)?);
    let rank = cx.rank(x)?;
    if rank < 2 {
        return unsupported(format!("an operand of {rank} axes"));
    }
    let training = cx.flag_or("training_mode", false)?;
    let (mean, var) = if training {
        let axes: Vec<i64> = [0].into_iter().chain(2..rank as i64).collect();
        let kept = mean_of(cx, x, &axes, true)?;
        let centered = cx.op(OpCode::Sub, &[x, kept], &[])?;
        let squared = cx.op(OpCode::Square, &[centered], &[])?;
        (mean_of(cx, x, &axes, false)?, mean_of(cx, squared, &axes, false)?)
    } else {
        (running_mean, running_var)
    };
    let epsilon = cx.float_or("epsilon", f64::from(1e-5f32))?;
    let epsilon = cx.scalar(cx.dtype(var)?, epsilon);
    let sum = cx.op(OpCode::Add, &[var, epsilon], &[])?;
    let deviation = cx.op(OpCode::Sqrt, &[sum], &[])?;
    let dtype = cx.dtype(x)?;
    let (deviation, scale, bias) = (cx.cast(deviation, dtype)?, cx.cast(scale, dtype)?, cx.cast(bias, dtype)?);
    let factor = cx.op(OpCode::Div, &[scale, deviation], &[])?;
    let shift = cx.cast(mean, dtype)?;
    let shift = per_channel(cx, shift, rank)?;
    let centered = cx.op(OpCode::Sub, &[x, shift], &[])?;
    let y = affine(cx, centered, factor, bias)?;
    if !training {
        return one(y);
    }
    let momentum = cx.float_or("momentum", f64::from(0.9f32))?;
    let mut outputs = vec![y];
    for (running, current) in [(running_mean, mean), (running_var, var)] {
        let current = cx.cast(current, cx.dtype(running)?)?;
        let old = super::matmul::scaled(cx, running, momentum)?;
        let new = super::matmul::scaled(cx, current, 1.0 - momentum)?;
        outputs.push(cx.op(OpCode::Add, &[old, new], &[])?);
    }
    Ok(outputs)
}

/// Rows of a tensor normalised to mean 0 and variance 1 from an axis on.
fn normalized(cx: &mut NodeCx<'_, '_>, x: Val, axis: i64, epsilon: f64) -> R<Val> {
    cx.op(OpCode::LayerNorm, &[x], &[("axis", Attr::Int(axis)), ("eps", Attr::float(epsilon))])
}

/// InstanceNormalization: each channel of each image on its own.
pub(super) fn instance(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, scale, bias) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    if cx.rank(x)? < 3 {
        return invalid("the operand needs at least three axes");
    }
    let epsilon = cx.float_or("epsilon", f64::from(1e-5f32))?;
    let rows = normalized(cx, x, 2, epsilon)?;
    one(affine(cx, rows, scale, bias)?)
}

/// GroupNormalization: each group of channels of each image on its own.
pub(super) fn group(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, scale, bias) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let shape = cx.shape(x)?;
    if shape.len() < 2 {
        return invalid("the operand needs at least two axes");
    }
    let groups = cx.int("num_groups")?;
    if groups < 1 {
        return invalid(format!("num_groups = {groups}"));
    }
    let count = Dim::constant(groups);
    let in_group = shape[1].floor_div(&count);
    cx.require_equal(&(&in_group * &count), &shape[1], "channels and a multiple of the groups")?;
    let epsilon = cx.float_or("epsilon", f64::from(1e-5f32))?;
    let rest = &in_group * &Dim::product_of(&shape[2..]);
    let rows = cx.reshape(x, [shape[0].clone(), count.clone(), rest])?;
    let rows = normalized(cx, rows, 2, epsilon)?;
    if cx.attrs.get("per_group").is_some() {
        let scaled = affine(cx, rows, scale, bias)?;
        return one(cx.reshape(scaled, shape)?);
    }
    let back = cx.reshape(rows, shape)?;
    one(affine(cx, back, scale, bias)?)
}

/// An operand that has exactly the shape that is normalised can go into the op itself.
fn exact(cx: &NodeCx<'_, '_>, x: Val, axis: usize, operand: Option<Val>) -> R<bool> {
    let Some(operand) = operand else { return Ok(true) };
    Ok(cx.shape(operand)?.as_slice() == &cx.shape(x)?[axis..] && cx.dtype(operand)? == cx.dtype(x)?)
}

/// LayerNormalization over the axes from `axis` on.
pub(super) fn layer(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let (scale, bias) = (cx.opt(1), cx.opt(2));
    let axis = cx.axis_or("axis", -1, cx.rank(x)?)?;
    let epsilon = cx.float_or("epsilon", f64::from(1e-5f32))?;
    let mut outputs = vec![layer_norm(cx, x, scale, bias, axis, epsilon)?];
    outputs.extend(statistics(cx, x, axis, epsilon)?);
    Ok(outputs)
}

/// The normalised rows times scale plus bias.
pub(super) fn layer_norm(
    cx: &mut NodeCx<'_, '_>,
    x: Val,
    scale: Option<Val>,
    bias: Option<Val>,
    axis: usize,
    epsilon: f64,
) -> R<Val> {
    let attrs = [("axis", Attr::Int(axis as i64)), ("eps", Attr::float(epsilon))];
    if exact(cx, x, axis, scale)? && exact(cx, x, axis, bias)? {
        return cx.op_opt(OpCode::LayerNorm, &[Some(x), scale, bias], &attrs);
    }
    let mut result = cx.op(OpCode::LayerNorm, &[x], &attrs)?;
    for (code, operand) in [(OpCode::Mul, scale), (OpCode::Add, bias)] {
        if let Some(operand) = operand {
            let operand = cx.cast(operand, cx.dtype(result)?)?;
            result = cx.op(code, &[result, operand], &[])?;
        }
    }
    Ok(result)
}

/// Mean and inverse deviation, if somebody uses them.
fn statistics(cx: &mut NodeCx<'_, '_>, x: Val, axis: usize, epsilon: f64) -> R<Vec<Val>> {
    if !cx.wants(1) && !cx.wants(2) {
        return Ok(Vec::new());
    }
    let stash = super::elementwise::element_type(cx.int_or("stash_type", 1)?)?;
    let x = cx.cast(x, stash)?;
    let axes: Vec<i64> = (axis as i64..cx.rank(x)? as i64).collect();
    let mean = mean_of(cx, x, &axes, true)?;
    let centered = cx.op(OpCode::Sub, &[x, mean], &[])?;
    let squared = cx.op(OpCode::Square, &[centered], &[])?;
    let var = mean_of(cx, squared, &axes, true)?;
    let epsilon = cx.scalar(stash, epsilon);
    let sum = cx.op(OpCode::Add, &[var, epsilon], &[])?;
    let deviation = cx.op(OpCode::Sqrt, &[sum], &[])?;
    let inverse = cx.op(OpCode::Recip, &[deviation], &[])?;
    Ok(vec![mean, inverse])
}

/// RMSNormalization over the axes from `axis` on.
pub(super) fn rms(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, scale) = (cx.input(0)?, cx.opt(1));
    let axis = cx.axis_or("axis", -1, cx.rank(x)?)?;
    let epsilon = cx.float_or("epsilon", f64::from(1e-5f32))?;
    one(rms_norm(cx, x, scale, axis, epsilon)?)
}

/// Rows divided by the root of their mean square, times scale.
pub(super) fn rms_norm(cx: &mut NodeCx<'_, '_>, x: Val, scale: Option<Val>, axis: usize, epsilon: f64) -> R<Val> {
    let attrs = [("axis", Attr::Int(axis as i64)), ("eps", Attr::float(epsilon))];
    if exact(cx, x, axis, scale)? {
        return cx.op_opt(OpCode::RmsNorm, &[Some(x), scale], &attrs);
    }
    let result = cx.op(OpCode::RmsNorm, &[x], &attrs)?;
    match scale {
        Some(scale) => {
            let scale = cx.cast(scale, cx.dtype(result)?)?;
            cx.op(OpCode::Mul, &[result, scale], &[])
        }
        None => Ok(result),
    }
}

/// LpNormalization: divided by the norm along an axis; rows of norm 0 stay 0.
pub(super) fn lp(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let axis = cx.axis_or("axis", -1, cx.rank(x)?)?;
    let attrs = [("axes", Attr::ints(&[axis as i64])), ("keepdims", true.into())];
    let norm = match cx.int_or("p", 2)? {
        1 => {
            let magnitude = cx.op(OpCode::Abs, &[x], &[])?;
            cx.op(OpCode::ReduceSum, &[magnitude], &attrs)?
        }
        2 => {
            let square = cx.op(OpCode::Square, &[x], &[])?;
            let sum = cx.op(OpCode::ReduceSum, &[square], &attrs)?;
            cx.op(OpCode::Sqrt, &[sum], &[])?
        }
        p => return invalid(format!("p = {p}")),
    };
    let dtype = cx.dtype(x)?;
    let (zero, unit) = (cx.scalar(dtype, 0.0), cx.scalar(dtype, 1.0));
    let is_zero = cx.op(OpCode::Eq, &[norm, zero], &[])?;
    let norm = cx.op(OpCode::Where, &[is_zero, unit, norm], &[])?;
    one(cx.op(OpCode::Div, &[x, norm], &[])?)
}

/// MeanVarianceNormalization: (x - mean) / (deviation + 1e-9).
pub(super) fn mean_variance(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let rank = cx.rank(x)?;
    let axes = cx.attrs.ints("axes")?.map_or_else(|| vec![0, 2, 3], <[i64]>::to_vec);
    let mut from_front = Vec::new();
    for axis in axes {
        from_front.push(lathe_ir::op::normalize_axis(axis, rank)? as i64);
    }
    from_front.sort_unstable();
    from_front.dedup();
    let mean = mean_of(cx, x, &from_front, true)?;
    let centered = cx.op(OpCode::Sub, &[x, mean], &[])?;
    let squared = cx.op(OpCode::Square, &[centered], &[])?;
    let var = mean_of(cx, squared, &from_front, true)?;
    let deviation = cx.op(OpCode::Sqrt, &[var], &[])?;
    let tiny = cx.scalar(cx.dtype(x)?, 1e-9);
    let divisor = cx.op(OpCode::Add, &[deviation, tiny], &[])?;
    one(cx.op(OpCode::Div, &[centered, divisor], &[])?)
}

/// LRN: x / (bias + alpha * mean of squares of the channels around)^beta. The mean counts missing channels as 0: an
/// average pool along the channels.
pub(super) fn local_response(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let shape = cx.shape(x)?;
    if shape.len() < 2 {
        return invalid("the operand needs at least two axes");
    }
    let size = cx.int("size")?;
    if !(1..=1 << 31).contains(&size) {
        return invalid(format!("size = {size}"));
    }
    let (alpha, beta) = (cx.float_or("alpha", f64::from(1e-4f32))?, cx.float_or("beta", 0.75)?);
    let bias = cx.float_or("bias", 1.0)?;
    let squared = cx.op(OpCode::Square, &[x], &[])?;
    let flat = cx.reshape(squared, [shape[0].clone(), shape[1].clone(), Dim::product_of(&shape[2..])])?;
    let before = (size - 1) / 2;
    let attrs = [
        ("kernel", Attr::ints(&[size])),
        ("strides", Attr::ints(&[1])),
        ("dilations", Attr::ints(&[1])),
        ("pads_before", Attr::ints(&[before])),
        ("pads_after", Attr::ints(&[size - 1 - before])),
        ("count_include_pad", true.into()),
    ];
    let mean = cx.op(OpCode::AvgPool, &[flat], &attrs)?;
    let mean = cx.reshape(mean, shape)?;
    let scaled = super::matmul::scaled(cx, mean, alpha)?;
    let dtype: DType = cx.dtype(x)?;
    let (bias, beta) = (cx.scalar(dtype, bias), cx.scalar(dtype, beta));
    let sum = cx.op(OpCode::Add, &[scaled, bias], &[])?;
    let divisor = cx.op(OpCode::Pow, &[sum, beta], &[])?;
    one(cx.op(OpCode::Div, &[x, divisor], &[])?)
}
