//! Layers that carry a state from call to call: CausalConvWithState, LinearAttention, TensorScatter.

use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::attention::{by_heads, merge_heads, repeat_heads};
use super::constant::{filled, positions};
use super::conv_open::{Moves, convolve_open};
use super::matmul::transposed;
use super::shape::broadcast_to;
use super::slice::{join, pad_to, take_axis};
use super::window::{channels_first, channels_last};

/// Steps that a recurrence is written out for.
const MAX_STEPS: i64 = 256;

/// CausalConvWithState: a depthwise convolution along time that sees the past only. Inputs: x [N, C, L],
/// weights [C, 1, K], bias, the last K - 1 elements before x; results: y and the last K - 1 elements.
pub(super) fn causal_conv(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, w, bias, past) = (cx.input(0)?, cx.input(1)?, cx.opt(2), cx.opt(3));
    let (x_shape, w_shape) = (cx.shape(x)?, cx.shape(w)?);
    if x_shape.len() != 3 || w_shape.len() != 3 {
        return invalid(format!(
            "an operand of {} axes, weights of {}; three are needed",
            x_shape.len(),
            w_shape.len()
        ));
    }
    let (channels, kernel) = (x_shape[1].clone(), w_shape[2].clone());
    if [&channels, &kernel].into_iter().any(|size| size.as_const().is_some_and(|size| size < 1)) {
        return invalid(format!("{channels} channels, a kernel of {kernel}"));
    }
    let kept = &kernel - &Dim::ONE;
    let whole = match past {
        Some(past) => join(cx, &[past, x], 2)?,
        None => {
            let before = vec![Dim::ZERO, Dim::ZERO, kept.clone()];
            pad_to(cx, x, &[before, vec![Dim::ZERO; 3]], "constant", None)?
        }
    };
    let y = match (channels.as_const(), kernel.as_const()) {
        (Some(channels), Some(_)) => {
            let attrs = [
                ("strides", Attr::ints(&[1])),
                ("dilations", Attr::ints(&[1])),
                ("pads_before", Attr::ints(&[0])),
                ("pads_after", Attr::ints(&[0])),
                ("groups", Attr::Int(channels)),
            ];
            let last = channels_last(cx, whole)?;
            let y = cx.op_opt(OpCode::Conv, &[Some(last), Some(w), bias], &attrs)?;
            channels_first(cx, y)?
        }
        _ => {
            cx.require_equal(&w_shape[0], &channels, "channels of the weights and the operand")?;
            let sides = [vec![Dim::ZERO], vec![Dim::ZERO]];
            let moves = Moves { strides: vec![1], dilations: vec![1], sides };
            convolve_open(cx, whole, w, bias, &moves, &channels)?
        }
    };
    let y = match cx.word_or("activation", "none")?.as_str() {
        "none" => y,
        "silu" | "swish" => cx.apply(OpCode::Silu, y)?,
        other => return invalid(format!("activation = {other:?}")),
    };
    let length = cx.shape(whole)?[2].clone();
    let present = take_axis(cx, whole, 2, &(&length - &kept), &kept)?;
    Ok(vec![y, present])
}

/// LinearAttention: a matrix for each head that every step decays, corrects and adds an outer product to, then reads
/// with its query. Written out step by step, so the length must be a small constant.
pub(super) fn linear_attention(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (q, k, v) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let (past, decay, beta) = (cx.opt(3), cx.opt(4), cx.opt(5));
    let (q_heads, kv_heads) = (cx.int("q_num_heads")?, cx.int("kv_num_heads")?);
    let rule = cx.word_or("update_rule", "gated_delta")?;
    let (gated, delta) = match rule.as_str() {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return invalid(format!("update_rule = {other:?}")),
    };
    if gated != decay.is_some() || delta != beta.is_some() {
        return invalid(format!("update_rule = {rule:?} with decay or beta left out, or given without need"));
    }
    let (dtype, shape) = (cx.dtype(q)?, cx.shape(q)?);
    if shape.len() != 3 || kv_heads < 1 || q_heads % kv_heads != 0 {
        return invalid(format!("a query of {} axes, {q_heads} heads over {kv_heads}", shape.len()));
    }
    let steps = match shape[1].as_const() {
        Some(steps) if (1..=MAX_STEPS).contains(&steps) => steps,
        _ => return unsupported(format!("a sequence of {} steps; constant lengths up to {MAX_STEPS} work", shape[1])),
    };
    // As the operator defines it, all state is f32.
    let wide = |cx: &mut NodeCx<'_, '_>, x: Val, heads: i64| -> R<Val> {
        let x = cx.cast(x, DType::F32)?;
        by_heads(cx, x, Some(heads))
    };
    let (q, k, v) = (wide(cx, q, q_heads)?, wide(cx, k, kv_heads)?, wide(cx, v, kv_heads)?);
    let (k_size, v_size) = (cx.shape(k)?[3].clone(), cx.shape(v)?[3].clone());
    // [N, heads, steps, 1 or size]
    let decay = match decay {
        Some(decay) => Some(wide(cx, decay, kv_heads)?),
        None => None,
    };
    let beta = match beta {
        Some(beta) => {
            let count = cx.shape(beta)?[cx.rank(beta)? - 1].as_const().unwrap_or(0);
            Some(wide(cx, beta, count)?)
        }
        None => None,
    };
    let scale = match cx.float_or("scale", 0.0)? {
        0.0 => match k_size.as_const() {
            Some(size) if size > 0 => 1.0 / (size as f64).sqrt(),
            _ => return unsupported("a head size that is not constant"),
        },
        scale => scale,
    };
    let heads = Dim::from(q_heads);
    let state_type = match past {
        Some(past) => cx.dtype(past)?,
        None => dtype,
    };
    let mut state = match past {
        Some(past) => cx.cast(past, DType::F32)?,
        None => {
            let dims = [shape[0].clone(), Dim::from(kv_heads), k_size, v_size];
            filled(cx, Tensor::scalar(DType::F32, 0.0), &dims)?
        }
    };
    let mut outputs = Vec::new();
    for step in 0..steps {
        let at = |cx: &mut NodeCx<'_, '_>, x: Val| take_axis(cx, x, 2, &Dim::from(step), &Dim::ONE);
        let (q, k, mut v) = (at(cx, q)?, at(cx, k)?, at(cx, v)?);
        if let Some(decay) = decay {
            let decay = at(cx, decay)?;
            let kept = cx.apply(OpCode::Exp, decay)?;
            let kept = transposed(cx, kept)?;
            state = cx.mul(state, kept)?;
        }
        if let Some(beta) = beta {
            let recalled = cx.op(OpCode::MatMul, &[k, state], &[])?;
            let error = cx.sub(v, recalled)?;
            let beta = at(cx, beta)?;
            v = cx.mul(beta, error)?;
        }
        let k = transposed(cx, k)?;
        let outer = cx.mul(k, v)?;
        state = cx.add(state, outer)?;
        let read = repeat_heads(cx, state, &heads)?;
        let q = cx.times(q, scale)?;
        outputs.push(cx.op(OpCode::MatMul, &[q, read], &[])?);
    }
    let y = join(cx, &outputs, 2)?;
    let y = merge_heads(cx, y)?;
    Ok(vec![cx.cast(y, dtype)?, cx.cast(state, state_type)?])
}

/// TensorScatter: a cache with an update written into it, for each batch from a position of its own on.
pub(super) fn tensor_scatter(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (cache, update, first) = (cx.input(0)?, cx.input(1)?, cx.opt(2));
    let (shape, part) = (cx.shape(cache)?, cx.shape(update)?);
    let rank = shape.len();
    if part.len() != rank || rank < 2 {
        return invalid(format!("a cache of {rank} axes and an update of {}", part.len()));
    }
    let axis = cx.axis_or("axis", -2, rank)?;
    if axis == 0 {
        return invalid("axis 0 is that of the batch");
    }
    for (at, (have, new)) in shape.iter().zip(&part).enumerate().filter(|(at, _)| *at != axis) {
        cx.require_equal(have, new, &format!("sizes of cache and update along axis {at}"))?;
    }
    let circular = match cx.word_or("mode", "linear")?.as_str() {
        "linear" => false,
        "circular" => true,
        other => return invalid(format!("mode = {other:?}")),
    };
    let mut line = vec![Dim::ONE; rank];
    line[axis] = part[axis].clone();
    let mut places = positions(cx, &line, axis as i64)?;
    if let Some(first) = first {
        let first = cx.cast(first, DType::I64)?;
        let first = cx.laid_along(first, 0, rank)?;
        places = cx.add(places, first)?;
    }
    if circular {
        let length = cx.dim_scalar(&shape[axis], DType::I64)?;
        places = cx.op(OpCode::Rem, &[places, length], &[])?;
    }
    let places = broadcast_to(cx, places, part)?;
    one(cx.op(OpCode::ScatterElements, &[cache, places, update], &[("axis", Attr::Int(axis as i64))])?)
}
