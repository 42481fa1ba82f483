//! Products and convolutions of small integers: MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv, and com.microsoft's.
//!
//! They are exact, and run on the f32 kernels: a sum of whole numbers is exact in f32 as long as no partial sum is beyond
//! 2^24. The sum is cut along the inner dimension (for a convolution: the input channels) where the weights, or 255 for
//! each of them if they are not known, could go beyond; the parts are added as integers.

use lathe_ir::{DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid};

use super::conv::{convolve, groups};
use super::matmul::{product, transposed};
use super::quantize::{centred, dynamic, integers, is_zero, quantized, unit};
use super::slice::take_axis;

/// Whole numbers up to here are exact in f32.
const EXACT: f64 = 16_777_216.0;
/// More parts than this cost more than a plain integer product.
const MAX_PARTS: usize = 64;

/// The greatest magnitude of x - zero.
fn magnitude(cx: &NodeCx<'_, '_>, x: Val, zero: Option<Val>) -> R<f64> {
    let is_centred = match zero {
        Some(zero) => is_zero(cx, zero)?,
        None => true,
    };
    match cx.dtype(x)? {
        DType::U8 => Ok(255.0),
        DType::I8 if is_centred => Ok(128.0),
        DType::I8 => Ok(255.0),
        other => invalid(format!("an operand of {other}, i8 or u8 is needed")),
    }
}

/// Where to cut a sum over `inner` so that no part can go beyond [`EXACT`]: the ends of the parts. `most` bounds one
/// operand; `weight(i, column)` gives what the other one adds at most for each of `columns` independent sums.
fn cuts(inner: usize, columns: usize, most: f64, weight: impl Fn(usize, usize) -> f64) -> Option<Vec<usize>> {
    let mut sums = vec![0.0; columns];
    let mut ends = Vec::new();
    let mut first = 0;
    let mut at = 0;
    while at < inner {
        let mut fits = true;
        for (column, sum) in sums.iter_mut().enumerate() {
            *sum += weight(at, column) * most;
            fits &= *sum <= EXACT;
        }
        if fits {
            at += 1;
        } else if at == first {
            return None;
        } else {
            ends.push(at);
            sums.fill(0.0);
            first = at;
        }
    }
    ends.push(inner);
    (ends.len() <= MAX_PARTS).then_some(ends)
}

/// A constant and its zero point (one, or one for each index along `axis`), if both are known.
fn known_weights(cx: &NodeCx<'_, '_>, w: Val, zero: Option<Val>) -> R<Option<(Tensor, Vec<f64>)>> {
    let Some(w) = cx.tensor(w)? else { return Ok(None) };
    let zero = match zero {
        None => vec![0.0],
        Some(zero) => match cx.tensor(zero)? {
            Some(zero) if zero.shape().len() <= 1 && !zero.is_empty() => zero.to_f64(),
            _ => return Ok(None),
        },
    };
    Ok(Some((w.clone(), zero)))
}

/// Sum of exact parts: as i32, which what reads floats may take as they are if there is one part.
fn total(cx: &mut NodeCx<'_, '_>, parts: &[Val]) -> R<Val> {
    if let [only] = parts {
        return integers(cx, *only, DType::I32);
    }
    let mut sum = None;
    for &part in parts {
        let part = cx.op(OpCode::Cast, &[part], &[("to", DType::I32.into())])?;
        sum = Some(match sum {
            Some(sum) => cx.op(OpCode::Add, &[sum, part], &[])?,
            None => part,
        });
    }
    match sum {
        Some(sum) => Ok(sum),
        None => invalid("an empty sum"),
    }
}

/// A zero point or scale of the left operand: one for each row stands before the columns.
fn by_row(cx: &mut NodeCx<'_, '_>, val: Val, rank: usize) -> R<Val> {
    match cx.shape(val)?.as_slice() {
        [size] if size.is(1) => cx.reshape(val, []),
        [rows] if rank > 1 => {
            let rows = rows.clone();
            cx.reshape(val, [rows, Dim::ONE])
        }
        _ => Ok(val),
    }
}

/// A zero point or scale of the right operand: one for each column.
fn by_column(cx: &mut NodeCx<'_, '_>, val: Val) -> R<Val> {
    match cx.shape(val)?.as_slice() {
        [size] if size.is(1) => cx.reshape(val, []),
        _ => Ok(val),
    }
}

/// (a - a_zero) * (b - b_zero) as i32.
fn integer_product(cx: &mut NodeCx<'_, '_>, a: Val, a_zero: Option<Val>, b: Val, b_zero: Option<Val>) -> R<Val> {
    let (a_rank, b_rank) = (cx.rank(a)?, cx.rank(b)?);
    if a_rank == 0 || b_rank == 0 {
        return invalid("an operand is a scalar");
    }
    let most = [magnitude(cx, a, a_zero)?, magnitude(cx, b, b_zero)?];
    let b_axis = b_rank.saturating_sub(2);
    let inner = cx.shape(b)?[b_axis].clone();
    let other = cx.shape(a)?[a_rank - 1].clone();
    cx.require_equal(&other, &inner, "inner dimensions")?;
    let known = known_weights(cx, b, b_zero)?;
    let ends = match (inner.as_size(), known) {
        (Some(inner), Some((tensor, zero))) if tensor.shape().len() <= 2 => {
            let columns = if b_rank == 1 { 1 } else { tensor.shape()[1] };
            let zero_at = |column: usize| if zero.len() == columns { zero[column] } else { zero[0] };
            cuts(inner, columns, most[0], |at, column| {
                (tensor.i64_at(at * columns + column) as f64 - zero_at(column)).abs()
            })
        }
        (Some(inner), _) => cuts(inner, 1, most[0], |_, _| most[1]),
        _ => None,
    };
    let a_zero = a_zero.map(|zero| by_row(cx, zero, a_rank)).transpose()?;
    let b_zero = b_zero.map(|zero| by_column(cx, zero)).transpose()?;
    let Some(ends) = ends else {
        let [a, b] = [(a, a_zero), (b, b_zero)].map(|(x, zero)| -> R<Val> {
            let x = cx.cast(x, DType::I32)?;
            match zero {
                Some(zero) => {
                    let zero = cx.cast(zero, DType::I32)?;
                    cx.op(OpCode::Sub, &[x, zero], &[])
                }
                None => Ok(x),
            }
        });
        return product(cx, a?, b?);
    };
    let (a, b) = (centred(cx, a, a_zero)?, centred(cx, b, b_zero)?);
    let mut parts = Vec::new();
    let mut first = 0;
    for end in ends {
        let (start, size) = (Dim::from(first as i64), Dim::from((end - first) as i64));
        let left = take_axis(cx, a, a_rank - 1, &start, &size)?;
        let right = take_axis(cx, b, b_axis, &start, &size)?;
        parts.push(product(cx, left, right)?);
        first = end;
    }
    total(cx, &parts)
}

/// MatMulInteger.
pub(super) fn matmul_integer(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    one(integer_product(cx, a, cx.opt(2), b, cx.opt(3))?)
}

/// An exact i32 as f32, from the integers themselves: no rule may move a factor into the sum.
fn rounded(cx: &mut NodeCx<'_, '_>, sum: Val) -> R<Val> {
    cx.op(OpCode::Cast, &[sum], &[("to", DType::F32.into())])
}

/// round(sum * factor) + zero.
fn requantized(cx: &mut NodeCx<'_, '_>, sum: Val, factor: Val, zero: Option<Val>, to: DType) -> R<Val> {
    let sum = rounded(cx, sum)?;
    let scaled = cx.op(OpCode::Mul, &[sum, factor], &[])?;
    let zero = match zero {
        Some(zero) => Some(cx.cast(zero, DType::F32)?),
        None => None,
    };
    let one = unit(cx);
    quantized(cx, scaled, one, zero, to)
}

/// a * b / c in f32.
fn factor(cx: &mut NodeCx<'_, '_>, a: Val, b: Val, c: Val) -> R<Val> {
    let [a, b, c] = [cx.cast(a, DType::F32)?, cx.cast(b, DType::F32)?, cx.cast(c, DType::F32)?];
    let both = cx.op(OpCode::Mul, &[a, b], &[])?;
    cx.op(OpCode::Div, &[both, c], &[])
}

/// QLinearMatMul.
pub(super) fn qlinear_matmul(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.input(0)?, cx.input(3)?);
    let sum = integer_product(cx, a, cx.opt(2), b, cx.opt(5))?;
    let a_scale = cx.input(1)?;
    let a_scale = by_row(cx, a_scale, cx.rank(a)?)?;
    let b_scale = cx.input(4)?;
    let b_scale = by_column(cx, b_scale)?;
    let y_scale = cx.input(6)?;
    let y_scale = by_row(cx, y_scale, cx.rank(a)?)?;
    let factor = factor(cx, a_scale, b_scale, y_scale)?;
    let zero = cx.input(7)?;
    let to = cx.dtype(zero)?;
    let zero = by_row(cx, zero, cx.rank(a)?)?;
    one(requantized(cx, sum, factor, Some(zero), to)?)
}

/// The convolution of (x - x_zero) with (w - w_zero) as i32.
fn integer_conv(cx: &mut NodeCx<'_, '_>, x: Val, x_zero: Option<Val>, w: Val, w_zero: Option<Val>) -> R<Val> {
    let (shape, w_shape) = (cx.shape(x)?, cx.shape(w)?);
    let (rank, groups) = (shape.len(), Dim::from(groups(cx)?));
    if w_shape.len() != rank || rank < 3 {
        return invalid(format!("weights of {} axes for an operand of {rank}", w_shape.len()));
    }
    let most = [magnitude(cx, x, x_zero)?, magnitude(cx, w, w_zero)?];
    let known = known_weights(cx, w, w_zero)?;
    let sizes = cx.sizes(w)?;
    let ends = match (&sizes, known) {
        (Some(sizes), Some((tensor, zero))) => {
            let [features, depth] = [sizes[0], sizes[1]];
            let taps: usize = sizes[2..].iter().product();
            let zero_at = |feature: usize| if zero.len() == features { zero[feature] } else { zero[0] };
            cuts(depth, features, most[0], |channel, feature| {
                let first = (feature * depth + channel) * taps;
                (first..first + taps).map(|at| (tensor.i64_at(at) as f64 - zero_at(feature)).abs()).sum()
            })
        }
        (Some(sizes), None) => {
            let taps: usize = sizes[2..].iter().product();
            cuts(sizes[1], 1, most[0], |_, _| most[1] * taps as f64)
        }
        _ => None,
    };
    let x_zero = x_zero.map(|zero| cx.reshape(zero, [])).transpose()?;
    let w_zero = match w_zero {
        Some(zero) => match cx.shape(zero)?.as_slice() {
            [features] if !features.is(1) => {
                let along: Vec<Dim> = [features.clone()].into_iter().chain(vec![Dim::ONE; rank - 1]).collect();
                Some(cx.reshape(zero, along)?)
            }
            _ => Some(cx.reshape(zero, [])?),
        },
        None => None,
    };
    let (x, w) = (centred(cx, x, x_zero)?, centred(cx, w, w_zero)?);
    let Some(ends) = ends else {
        // Exact as well, if slower.
        let (x, w) = (cx.cast(x, DType::F64)?, cx.cast(w, DType::F64)?);
        let result = convolve(cx, x, w, None)?;
        return cx.op(OpCode::Cast, &[result], &[("to", DType::I32.into())]);
    };
    if let [_] = ends[..] {
        let result = convolve(cx, x, w, None)?;
        return total(cx, &[result]);
    }
    // Channels of a group are neighbours: [N, groups, C / groups, ..].
    cx.require_equal(&shape[1], &(&groups * &w_shape[1]), "channels, and groups times channels of the weights")?;
    let mut apart = shape.to_vec();
    apart[1] = groups.clone();
    apart.insert(2, w_shape[1].clone());
    let by_group = cx.reshape(x, apart)?;
    let mut parts = Vec::new();
    let mut first = 0;
    for end in ends {
        let (start, size) = (Dim::from(first as i64), Dim::from((end - first) as i64));
        let some = take_axis(cx, by_group, 2, &start, &size)?;
        let mut together = shape.to_vec();
        together[1] = &groups * &size;
        let some = cx.reshape(some, together)?;
        let weights = take_axis(cx, w, 1, &start, &size)?;
        parts.push(convolve(cx, some, weights, None)?);
        first = end;
    }
    total(cx, &parts)
}

/// ConvInteger.
pub(super) fn conv_integer(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, w) = (cx.input(0)?, cx.input(1)?);
    one(integer_conv(cx, x, cx.opt(2), w, cx.opt(3))?)
}

/// QLinearConv.
pub(super) fn qlinear_conv(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, w) = (cx.input(0)?, cx.input(3)?);
    let mut sum = integer_conv(cx, x, cx.opt(2), w, cx.opt(5))?;
    let rank = cx.rank(x)?;
    let by_feature = |cx: &mut NodeCx<'_, '_>, val: Val| match cx.shape(val)?.as_slice() {
        [features] if !features.is(1) => {
            let mut along = vec![Dim::ONE; rank];
            along[1] = features.clone();
            cx.reshape(val, along)
        }
        _ => cx.reshape(val, []),
    };
    if let Some(bias) = cx.opt(8) {
        let bias = by_feature(cx, bias)?;
        sum = cx.op(OpCode::Add, &[sum, bias], &[])?;
    }
    let [x_scale, w_scale, y_scale] = [cx.input(1)?, cx.input(4)?, cx.input(6)?];
    let (x_scale, y_scale) = (cx.reshape(x_scale, [])?, cx.reshape(y_scale, [])?);
    let w_scale = by_feature(cx, w_scale)?;
    let factor = factor(cx, x_scale, w_scale, y_scale)?;
    let zero = cx.input(7)?;
    let to = cx.dtype(zero)?;
    let zero = cx.reshape(zero, [])?;
    one(requantized(cx, sum, factor, Some(zero), to)?)
}

/// sum * a_scale * b_scale + bias in f32.
fn to_float(cx: &mut NodeCx<'_, '_>, sum: Val, scales: [Val; 2], bias: Option<Val>) -> R<Val> {
    let scale = cx.op(OpCode::Mul, &scales, &[])?;
    let sum = cx.cast(sum, DType::F32)?;
    let result = cx.op(OpCode::Mul, &[sum, scale], &[])?;
    match bias {
        Some(bias) => cx.op(OpCode::Add, &[result, bias], &[]),
        None => Ok(result),
    }
}

/// com.microsoft MatMulIntegerToFloat and DynamicQuantizeMatMul.
pub(super) fn matmul_to_float(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let is_dynamic = cx.op == "DynamicQuantizeMatMul";
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    let rank = cx.rank(a)?;
    let (a, a_scale, a_zero, rest) = match is_dynamic {
        true => {
            let (a, scale, zero) = dynamic(cx, a)?;
            (a, scale, Some(zero), [2, 3, 4])
        }
        false => (a, cx.input(2)?, cx.opt(4), [3, 5, 6]),
    };
    let [b_scale, b_zero, bias] = rest;
    let sum = integer_product(cx, a, a_zero, b, cx.opt(b_zero))?;
    let a_scale = by_row(cx, a_scale, rank)?;
    let b_scale = cx.input(b_scale)?;
    let b_scale = by_column(cx, b_scale)?;
    one(to_float(cx, sum, [a_scale, b_scale], cx.opt(bias))?)
}

/// com.microsoft QGemm.
pub(super) fn qgemm(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (mut a, mut b) = (cx.input(0)?, cx.input(3)?);
    if cx.flag_or("transA", false)? {
        a = transposed(cx, a)?;
    }
    if cx.flag_or("transB", false)? {
        b = transposed(cx, b)?;
    }
    let mut sum = integer_product(cx, a, cx.opt(2), b, cx.opt(5))?;
    if let Some(c) = cx.opt(6) {
        sum = cx.op(OpCode::Add, &[sum, c], &[])?;
    }
    let alpha = cx.float_or("alpha", 1.0)?;
    let (a_scale, b_scale) = (cx.input(1)?, cx.input(4)?);
    let alpha = cx.scalar(DType::F32, alpha);
    let a_scale = cx.op(OpCode::Mul, &[a_scale, alpha], &[])?;
    let b_scale = by_column(cx, b_scale)?;
    let Some(y_scale) = cx.opt(7) else { return one(to_float(cx, sum, [a_scale, b_scale], None)?) };
    let factor = factor(cx, a_scale, b_scale, y_scale)?;
    let zero = cx.opt(8);
    let to = match zero {
        Some(zero) => cx.dtype(zero)?,
        None => DType::U8,
    };
    one(requantized(cx, sum, factor, zero, to)?)
}
