//! `attention(q, k, v, mask?) {scale, causal, nan_to_zero, left, right}`: softmax(scale * q k^T + mask) v. ONNX: Attention.

use super::number::sum;
use super::softmax::shifted_exp;
use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::op::{OpDef, OpError, PLAIN, attr, attr_or, one, operand, optional};
use crate::tensor::Tensor;

/// Longest reach of a window, so that arithmetic on positions never overflows.
const LONGEST: i64 = 1 << 31;

pub(super) const ATTENTION: OpDef = OpDef {
    name: "attention",
    operands: &[operand("q"), operand("k"), operand("v"), optional("mask")],
    attrs: &[
        attr("scale", AttrKind::Float),
        attr_or("causal", AttrKind::Bool, || Attr::Bool(false)),
        attr_or("nan_to_zero", AttrKind::Bool, || Attr::Bool(false)),
        attr_or("left", AttrKind::Int, || Attr::Int(-1)),
        attr_or("right", AttrKind::Int, || Attr::Int(-1)),
    ],
    traits: PLAIN,
    infer: |cx| {
        let (q, k, v) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let dtype = check::float(cx, 0)?;
        if let Some(bad) = ["left", "right"].into_iter().find(|name| !(-1..=LONGEST).contains(&cx.int(name))) {
            return Err(OpError::invalid(format!("{bad} is {}, it must be -1 or in 0..=2^31", cx.int(bad))));
        }
        check::rank_at_least(cx, 0, 3)?;
        for operand in 1..=2 {
            check::rank_as_first(cx, operand)?;
        }
        for operand in 1..=3 {
            check::dtype_is(cx, operand, dtype)?;
        }
        let lead = q.rank() - 2;
        for axis in 0..lead {
            cx.same_dim(&q.shape[axis], &k.shape[axis], "leading dimensions of q and k")?;
            cx.same_dim(&q.shape[axis], &v.shape[axis], "leading dimensions of q and v")?;
        }
        cx.same_dim(&q.shape[lead + 1], &k.shape[lead + 1], "row lengths of q and k")?;
        cx.same_dim(&k.shape[lead], &v.shape[lead], "rows of k and v")?;
        if let Some(mask) = cx.optional(3) {
            let mut scores = q.shape.clone();
            scores[lead + 1] = k.shape[lead].clone();
            let refused = || OpError::invalid(format!("mask is {mask}, it must broadcast to {scores:?}"));
            let missing = scores.len().checked_sub(mask.rank()).ok_or_else(refused)?;
            for (have, want) in mask.shape.iter().zip(&scores[missing..]).filter(|(have, _)| !have.is(1)) {
                if have.known_ne(want) {
                    return Err(refused());
                }
                cx.env.require_equal(have, want);
            }
        }
        let mut shape = q.shape.clone();
        shape[lead + 1] = v.shape[lead + 1].clone();
        Ok(one(q.with_shape(shape)))
    },
    eval: |cx| {
        let (q, k, v) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let (scale, causal, shape) = (cx.float("scale"), cx.flag("causal"), cx.result_shape(0)?);
        let lead = shape.len() - 2;
        let (rows, depth, keys, width) = (shape[lead], q.shape()[lead + 1], k.shape()[lead], shape[lead + 1]);
        let (left, right) = (cx.int("left"), if causal { 0 } else { cx.int("right") });
        let [left, right] = [left, right].map(|reach| (reach >= 0).then_some(reach));
        let mut out = Vec::new();
        if shape.contains(&0) {
            return Ok(vec![Tensor::from_f64(q.dtype(), &shape, &out)]);
        }
        let mut scores_shape = shape.clone();
        scores_shape[lead + 1] = keys;
        let mask_strides = cx.optional(3).map(|mask| index::broadcast_strides(mask.shape(), &scores_shape));
        let (qv, kv, vv) = (q.to_f64(), k.to_f64(), v.to_f64());
        let mut row_index = 0;
        index::for_each(&shape[..=lead], |at| {
            let (head, row) = (row_index / rows, at[lead]);
            let place = row as i128 + keys as i128 - rows as i128;
            let limit = |reach: Option<i64>, none: usize| {
                reach.map_or(none, |reach| (place + i128::from(reach)).clamp(0, keys as i128) as usize)
            };
            let visible = limit(right.map(|right| right + 1), keys);
            let first = limit(left.map(|left| -left), 0).min(visible);
            let score = |key: usize| {
                let row_of = |x: &[f64], at: usize| x[at * depth..(at + 1) * depth].to_vec();
                let (q_row, k_row) = (row_of(&qv, row_index), row_of(&kv, head * keys + key));
                let dot = sum(q_row.iter().zip(&k_row).map(|(a, b)| a * b));
                let added = cx.optional(3).zip(mask_strides.as_ref()).map_or(0.0, |(mask, strides)| {
                    mask.f64_at(index::offset(at, &strides[..=lead]) + key * strides[lead + 1])
                });
                scale * dot + added
            };
            let (_, weights, total) = shifted_exp(&(first..visible).map(score).collect::<Vec<_>>());
            let guarded = cx.flag("nan_to_zero");
            let weight = |key: usize| match weights[key - first] / total {
                weight if weight.is_nan() && guarded => 0.0,
                weight => weight,
            };
            let nothing = if visible == first && keys > 0 && !guarded { f64::NAN } else { 0.0 };
            for column in 0..width {
                let products = (first..visible).map(|key| weight(key) * vv[(head * keys + key) * width + column]);
                out.push(products.fold(nothing, |sum, product| sum + product));
            }
            row_index += 1;
        });
        Ok(vec![Tensor::from_f64(q.dtype(), &shape, &out)])
    },
    doc: "softmax(scale * q k^T + mask) v for each leading index: q [.., S, D], k [.., T, D], v [.., T, E], mask \
          broadcasts to [.., S, T]; causal: query i sees keys j <= i + T - S. left, \
          right: it sees none more than so many before or behind that place; -1 is no limit. A row that sees no key gives NaN, or 0 \
          with nan_to_zero: weights that are NaN then count as 0, as torch exports it. ONNX: Attention, MultiHeadAttention.",
};
