//! Attention and RotaryEmbedding of the standard domain.
//!
//! Attention becomes the IR's own op where it can. Masks of every kind are summed to one additive bias. A query that
//! may attend to nothing gives zeros in ONNX, where the op gives NaN, so such rows are replaced.

use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::constant::positions;
use super::elementwise::element_type;
use super::matmul::{scaled, transposed};
use super::shape::{broadcast_to, insert_axes};
use super::slice::{join, pad_to, take_axis};

/// [B, S, H * D] as [B, H, S, D]; operands of four axes have that form already.
pub(super) fn by_heads(cx: &mut NodeCx<'_, '_>, x: Val, heads: Option<i64>) -> R<Val> {
    let shape = cx.shape(x)?;
    match (shape.as_slice(), heads) {
        ([_, _, _, _], _) => Ok(x),
        ([batch, length, hidden], Some(heads)) if heads >= 1 => {
            let heads = Dim::constant(heads);
            let size = hidden.floor_div(&heads);
            cx.require_equal(&(&size * &heads), hidden, "hidden size and a multiple of the heads")?;
            let split = cx.reshape(x, [batch.clone(), length.clone(), heads, size])?;
            cx.transpose(split, &[0, 2, 1, 3])
        }
        ([_, _, _], Some(heads)) => invalid(format!("{heads} heads")),
        ([_, _, _], None) => invalid("operands of three axes need the numbers of heads"),
        (other, _) => invalid(format!("an operand of {} axes; three or four are needed", other.len())),
    }
}

/// [B, H, S, D] as [B, S, H * D].
pub(super) fn merge_heads(cx: &mut NodeCx<'_, '_>, x: Val) -> R<Val> {
    let moved = cx.transpose(x, &[0, 2, 1, 3])?;
    let shape = cx.shape(moved)?;
    let hidden = &shape[2] * &shape[3];
    cx.reshape(moved, [shape[0].clone(), shape[1].clone(), hidden])
}

/// Repeats each head so that there are as many as queries have.
pub(super) fn repeat_heads(cx: &mut NodeCx<'_, '_>, x: Val, heads: &Dim) -> R<Val> {
    let shape = cx.shape(x)?;
    if &shape[1] == heads {
        return Ok(x);
    }
    let count = heads.floor_div(&shape[1]);
    cx.require_equal(&(&count * &shape[1]), heads, "query heads and a multiple of the key heads")?;
    let split = insert_axes(cx, x, &[2])?;
    let mut wide = cx.shape(split)?;
    wide[2] = count;
    let wide = broadcast_to(cx, split, wide)?;
    cx.reshape(wide, [shape[0].clone(), heads.clone(), shape[2].clone(), shape[3].clone()])
}

/// The additive bias of a condition: 0 where it holds, -inf elsewhere.
pub(super) fn bias_where(cx: &mut NodeCx<'_, '_>, allowed: Val, dtype: DType) -> R<Val> {
    let (zero, never) = (cx.scalar(dtype, 0.0), cx.scalar(dtype, f64::NEG_INFINITY));
    cx.op(OpCode::Where, &[allowed, zero, never], &[])
}

/// What is summed to the bias, and whether a row of it may be all -inf.
struct Bias {
    sum: Option<Val>,
    may_close: bool,
}

impl Bias {
    fn add(&mut self, cx: &mut NodeCx<'_, '_>, part: Val) -> R<()> {
        self.sum = Some(match self.sum {
            Some(sum) => cx.op(OpCode::Add, &[sum, part], &[])?,
            None => part,
        });
        Ok(())
    }
}

/// Attention.
pub(super) fn attention(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (q, k, v) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let is_flat = cx.rank(q)? == 3;
    let (q_heads, kv_heads) = (cx.attrs.int("q_num_heads")?, cx.attrs.int("kv_num_heads")?);
    let q = by_heads(cx, q, q_heads)?;
    let (mut k, mut v) = (by_heads(cx, k, kv_heads)?, by_heads(cx, v, kv_heads)?);
    let mut past = Dim::ZERO;
    match (cx.opt(4), cx.opt(5)) {
        (Some(past_key), Some(past_value)) => {
            past = match cx.shape(past_key)?.get(2) {
                Some(length) => length.clone(),
                None => return invalid("past_key needs four axes"),
            };
            k = join(cx, &[past_key, k], 2)?;
            v = join(cx, &[past_value, v], 2)?;
        }
        (None, None) => {}
        _ => return invalid("past_key and past_value must be given together"),
    }
    let (present_key, present_value) = (k, v);
    let q_shape = cx.shape(q)?;
    let (k, v) = (repeat_heads(cx, k, &q_shape[1])?, repeat_heads(cx, v, &q_shape[1])?);
    let (bias, causal) = bias(cx, q, k, &past)?;
    let (q, scale) = with_scale(cx, q, &q_shape[3])?;
    let softcap = cx.float_or("softcap", 0.0)?;
    let dtype = cx.dtype(q)?;
    let precision = match cx.attrs.int("softmax_precision")? {
        Some(code) => element_type(code)?,
        None => dtype,
    };
    let (y, scores) = if softcap == 0.0 && !cx.wants(3) && precision.size() <= 4 {
        let attrs = [("scale", Attr::float(scale)), ("causal", causal.into())];
        let y = cx.op_opt(OpCode::Attention, &[Some(q), Some(k), Some(v), bias.sum], &attrs)?;
        (open_rows(cx, y, &bias)?, None)
    } else {
        let causal_bias = if causal { Some(causal_bias(cx, q, k)?) } else { None };
        let mut bias = bias;
        if let Some(part) = causal_bias {
            bias.add(cx, part)?;
        }
        spelled_out(cx, [q, k, v], &bias, scale, softcap, precision)?
    };
    let y = if is_flat { merge_heads(cx, y)? } else { y };
    let mut outputs = vec![y, present_key, present_value];
    outputs.extend(scores);
    Ok(outputs)
}

/// What scores are multiplied by: the attribute, or one over the root of the head's size. A size that is a symbol goes
/// into the queries instead.
pub(super) fn with_scale(cx: &mut NodeCx<'_, '_>, q: Val, size: &Dim) -> R<(Val, f64)> {
    match (cx.attrs.float("scale")?, size.as_const()) {
        (Some(scale), _) if scale > 0.0 => Ok((q, scale)),
        (Some(scale), _) => unsupported(format!("scale = {scale}")),
        (None, Some(size)) if size > 0 => Ok((q, 1.0 / (size as f64).sqrt())),
        (None, Some(size)) => invalid(format!("a head of {size} elements")),
        (None, None) => {
            let dtype = cx.dtype(q)?;
            let precise = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
            let size = cx.dim_scalar(size, precise)?;
            let root = cx.apply(OpCode::Sqrt, size)?;
            let q = cx.cast(q, precise)?;
            let scaled = cx.div(q, root)?;
            Ok((cx.cast(scaled, dtype)?, 1.0))
        }
    }
}

/// The bias of all masks but the causal one that the op does itself; whether that one is on.
fn bias(cx: &mut NodeCx<'_, '_>, q: Val, k: Val, past: &Dim) -> R<(Bias, bool)> {
    let (q_shape, k_shape, dtype) = (cx.shape(q)?, cx.shape(k)?, cx.dtype(q)?);
    let (rows, columns) = (q_shape[2].clone(), k_shape[2].clone());
    let mut bias = Bias { sum: None, may_close: false };
    if let Some(mask) = cx.opt(3) {
        let additive = if cx.dtype(mask)? == DType::Bool { bias_where(cx, mask, dtype)? } else { mask };
        let mut scores = q_shape.to_vec();
        scores[3] = columns.clone();
        let additive = cx.spread_to(additive, &scores)?;
        let additive = padded(cx, additive, &columns)?;
        bias.add(cx, additive)?;
        bias.may_close = true;
    }
    let lengths = cx.opt(6);
    let (left, right) = (cx.int_or("left_window_size", -1)?, cx.int_or("right_window_size", -1)?);
    let mut causal = cx.flag_or("is_causal", false)?;
    // Query i stands at position i + offset of the keys.
    let offset = match lengths {
        Some(lengths) => {
            let lengths = cx.cast(lengths, DType::I64)?;
            let count = cx.shape(lengths)?;
            let per_batch = cx.reshape(lengths, [Dim::product_of(&count), Dim::ONE, Dim::ONE, Dim::ONE])?;
            let row_count = cx.dims_val(std::slice::from_ref(&rows))?;
            let row_count = cx.reshape(row_count, [])?;
            let column = positions(cx, &[Dim::ONE, columns.clone()], 1)?;
            let is_real = cx.op(OpCode::Lt, &[column, per_batch], &[])?;
            let part = bias_where(cx, is_real, dtype)?;
            bias.add(cx, part)?;
            bias.may_close = true;
            cx.op(OpCode::Sub, &[per_batch, row_count], &[])?
        }
        None => {
            let offset = cx.dims_val(std::slice::from_ref(past))?;
            cx.reshape(offset, [])?
        }
    };
    let op_offset = &columns - &rows;
    let explicit_causal = causal && (lengths.is_some() || op_offset != *past);
    if explicit_causal || left >= 0 || right >= 0 {
        let row = positions(cx, &[rows, Dim::ONE], 0)?;
        let row = cx.op(OpCode::Add, &[row, offset], &[])?;
        let column = positions(cx, &[Dim::ONE, columns], 1)?;
        let shifted = |cx: &mut NodeCx<'_, '_>, by: i64| -> R<Val> {
            let by = cx.constant("", Tensor::from_i64(DType::I64, &[], &[by]));
            cx.op(OpCode::Add, &[row, by], &[])
        };
        if explicit_causal {
            let allowed = cx.op(OpCode::Le, &[column, row], &[])?;
            let part = bias_where(cx, allowed, dtype)?;
            bias.add(cx, part)?;
            bias.may_close |= lengths.is_some();
            causal = false;
        }
        if left >= 0 {
            let first = shifted(cx, left.saturating_neg())?;
            let allowed = cx.op(OpCode::Le, &[first, column], &[])?;
            let part = bias_where(cx, allowed, dtype)?;
            bias.add(cx, part)?;
            bias.may_close = true;
        }
        if right >= 0 {
            let last = shifted(cx, right)?;
            let allowed = cx.op(OpCode::Le, &[column, last], &[])?;
            let part = bias_where(cx, allowed, dtype)?;
            bias.add(cx, part)?;
            bias.may_close = true;
        }
    }
    Ok((bias, causal))
}

/// A mask may be shorter than the keys; the rest is closed.
fn padded(cx: &mut NodeCx<'_, '_>, mask: Val, columns: &Dim) -> R<Val> {
    let shape = cx.shape(mask)?;
    let Some(last) = shape.last() else { return Ok(mask) };
    let missing = columns - last;
    if last.is(1) || missing.as_const().is_none_or(|missing| missing <= 0) {
        return Ok(mask);
    }
    let mut after = vec![Dim::ZERO; shape.len()];
    after[shape.len() - 1] = missing;
    let never = cx.scalar(cx.dtype(mask)?, f64::NEG_INFINITY);
    pad_to(cx, mask, &[vec![Dim::ZERO; shape.len()], after], "constant", Some(never))
}

/// Zeros in rows whose bias is -inf everywhere.
fn open_rows(cx: &mut NodeCx<'_, '_>, x: Val, bias: &Bias) -> R<Val> {
    let (Some(sum), true) = (bias.sum, bias.may_close) else { return Ok(x) };
    let rank = cx.rank(sum)?;
    if rank == 0 {
        return Ok(x);
    }
    let attrs = [("axes", Attr::ints(&[rank as i64 - 1])), ("keepdims", true.into())];
    let largest = cx.op(OpCode::ReduceMax, &[sum], &attrs)?;
    let dtype = cx.dtype(sum)?;
    let (never, zero) = (cx.scalar(dtype, f64::NEG_INFINITY), cx.scalar(cx.dtype(x)?, 0.0));
    let is_closed = cx.op(OpCode::Eq, &[largest, never], &[])?;
    cx.op(OpCode::Where, &[is_closed, zero, x], &[])
}

fn causal_bias(cx: &mut NodeCx<'_, '_>, q: Val, k: Val) -> R<Val> {
    let (rows, columns) = (cx.shape(q)?[2].clone(), cx.shape(k)?[2].clone());
    let offset = cx.dims_val(&[&columns - &rows])?;
    let offset = cx.reshape(offset, [])?;
    let row = positions(cx, &[rows, Dim::ONE], 0)?;
    let row = cx.op(OpCode::Add, &[row, offset], &[])?;
    let column = positions(cx, &[Dim::ONE, columns], 1)?;
    let allowed = cx.op(OpCode::Le, &[column, row], &[])?;
    let dtype = cx.dtype(q)?;
    bias_where(cx, allowed, dtype)
}

/// Attention step by step, for what the op does not do; gives the result and the scores that are asked for.
fn spelled_out(
    cx: &mut NodeCx<'_, '_>,
    [q, k, v]: [Val; 3],
    bias: &Bias,
    scale: f64,
    softcap: f64,
    precision: DType,
) -> R<(Val, Option<Val>)> {
    let dtype = cx.dtype(q)?;
    let k = transposed(cx, k)?;
    let (q, k) = (scaled(cx, q, scale.sqrt())?, scaled(cx, k, scale.sqrt())?);
    let raw = cx.op(OpCode::MatMul, &[q, k], &[])?;
    let mut capped = raw;
    if softcap > 0.0 {
        let cap = cx.scalar(dtype, softcap);
        let inner = cx.op(OpCode::Div, &[raw, cap], &[])?;
        let inner = cx.op(OpCode::Tanh, &[inner], &[])?;
        capped = cx.op(OpCode::Mul, &[inner, cap], &[])?;
    }
    let with_bias = match bias.sum {
        Some(sum) => cx.op(OpCode::Add, &[capped, sum], &[])?,
        None => capped,
    };
    let wide = cx.cast(with_bias, precision)?;
    let rank = cx.rank(wide)? as i64;
    let weights = cx.op(OpCode::Softmax, &[wide], &[("axis", Attr::Int(rank - 1))])?;
    let weights = cx.cast(weights, dtype)?;
    let weights = open_rows(cx, weights, bias)?;
    let y = cx.op(OpCode::MatMul, &[weights, v], &[])?;
    let scores = match cx.int_or("qk_matmul_output_mode", 0)? {
        0 => raw,
        1 => capped,
        2 => with_bias,
        3 => weights,
        mode => return invalid(format!("qk_matmul_output_mode = {mode}")),
    };
    Ok((y, Some(scores)))
}

/// RotaryEmbedding: pairs of elements turned by angles that depend on the position.
pub(super) fn rotary(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, cos, sin, ids) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.opt(3));
    let heads = cx.int_or("num_heads", 0)?;
    let interleaved = cx.flag_or("interleaved", false)?;
    let rotated = cx.int_or("rotary_embedding_dim", 0)?;
    let is_flat = cx.rank(x)? == 3;
    let x = by_heads(cx, x, Some(heads))?;
    let (mut cos, mut sin) = (cos, sin);
    if let Some(ids) = ids {
        cos = cx.op(OpCode::Gather, &[cos, ids], &[("axis", Attr::Int(0))])?;
        sin = cx.op(OpCode::Gather, &[sin, ids], &[("axis", Attr::Int(0))])?;
    }
    if cx.rank(cos)? != 3 || cx.rank(sin)? != 3 {
        return invalid("the tables of cosines and sines need three axes after the positions have been looked up");
    }
    let (cos, sin) = (insert_axes(cx, cos, &[1])?, insert_axes(cx, sin, &[1])?);
    let y = rotate(cx, x, cos, sin, rotated, interleaved)?;
    one(if is_flat { merge_heads(cx, y)? } else { y })
}

/// Turns pairs of the first `rotated` elements (0: of all) of each row of [B, H, S, D].
pub(super) fn rotate(cx: &mut NodeCx<'_, '_>, x: Val, cos: Val, sin: Val, rotated: i64, interleaved: bool) -> R<Val> {
    let shape = cx.shape(x)?;
    let whole = shape[3].clone();
    let size = if rotated > 0 { Dim::constant(rotated) } else { whole.clone() };
    let half = size.floor_div(&Dim::constant(2));
    let turning = take_axis(cx, x, 3, &Dim::ZERO, &size)?;
    let (first, second) = if interleaved {
        let mut pairs = shape.to_vec();
        pairs[3] = half.clone();
        pairs.push(Dim::constant(2));
        let pairs = cx.reshape(turning, pairs)?;
        let mut parts = Vec::new();
        for at in [0, 1] {
            let part = take_axis(cx, pairs, 4, &Dim::from(at), &Dim::ONE)?;
            let mut flat = shape.to_vec();
            flat[3] = half.clone();
            parts.push(cx.reshape(part, flat)?);
        }
        (parts[0], parts[1])
    } else {
        (take_axis(cx, turning, 3, &Dim::ZERO, &half)?, take_axis(cx, turning, 3, &half, &half)?)
    };
    let product = |cx: &mut NodeCx<'_, '_>, a, b| cx.op(OpCode::Mul, &[a, b], &[]);
    let (first_cos, second_sin) = (product(cx, first, cos)?, product(cx, second, sin)?);
    let (first_sin, second_cos) = (product(cx, first, sin)?, product(cx, second, cos)?);
    let real = cx.op(OpCode::Sub, &[first_cos, second_sin], &[])?;
    let imaginary = cx.op(OpCode::Add, &[first_sin, second_cos], &[])?;
    let turned = if interleaved {
        let (real, imaginary) = (insert_axes(cx, real, &[4])?, insert_axes(cx, imaginary, &[4])?);
        let pairs = join(cx, &[real, imaginary], 4)?;
        let mut flat = shape.to_vec();
        flat[3] = size.clone();
        cx.reshape(pairs, flat)?
    } else {
        join(cx, &[real, imaginary], 3)?
    };
    if size == whole {
        return Ok(turned);
    }
    let rest = take_axis(cx, x, 3, &size, &(&whole - &size))?;
    join(cx, &[turned, rest], 3)
}
