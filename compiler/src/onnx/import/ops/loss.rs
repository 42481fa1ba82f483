//! Losses of classifiers: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss.

use lathe_ir::{Attr, DType, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid};

use super::shape::insert_axes;

/// NegativeLogLikelihoodLoss. Inputs: logarithms of probabilities [N, C, ..], classes [N, ..], weights [C].
pub(super) fn negative_log_likelihood(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (log_prob, classes, weights) = (cx.input(0)?, cx.input(1)?, cx.opt(2));
    one(loss(cx, log_prob, classes, weights)?)
}

/// SoftmaxCrossEntropyLoss: that loss of the logarithms of a softmax over the classes, which are output 1.
pub(super) fn softmax_cross_entropy(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (scores, classes, weights) = (cx.input(0)?, cx.input(1)?, cx.opt(2));
    if cx.rank(scores)? < 2 {
        return invalid("scores need at least two axes");
    }
    let log_prob = cx.op(OpCode::LogSoftmax, &[scores], &[("axis", Attr::Int(1))])?;
    Ok(vec![loss(cx, log_prob, classes, weights)?, log_prob])
}

fn loss(cx: &mut NodeCx<'_, '_>, log_prob: Val, classes: Val, weights: Option<Val>) -> R<Val> {
    let (ty, shape) = (cx.ty(log_prob)?, cx.shape(classes)?);
    if ty.rank() < 2 || shape.len() + 1 != ty.rank() {
        return invalid(format!("scores of {} axes and classes of {}", ty.rank(), shape.len()));
    }
    for (axis, size) in shape.iter().enumerate() {
        cx.require_equal(size, &ty.shape[if axis == 0 { 0 } else { axis + 1 }], "dimensions of classes and scores")?;
    }
    let reduction = cx.word_or("reduction", "mean")?;
    let (zero, unit) = (cx.scalar(ty.dtype, 0.0), cx.scalar(ty.dtype, 1.0));
    let mut classes = cx.cast(classes, DType::I64)?;
    let mut ignored = None;
    if let Some(index) = cx.attrs.int("ignore_index")? {
        let (index, first) = (cx.whole(index), cx.whole(0));
        let is_ignored = cx.op(OpCode::Eq, &[classes, index], &[])?;
        // What is ignored need not be a class; any class will do, its loss is dropped.
        classes = cx.select(is_ignored, first, classes)?;
        ignored = Some(is_ignored);
    }
    let places = insert_axes(cx, classes, &[1])?;
    let picked = cx.op(OpCode::GatherElements, &[log_prob, places], &[("axis", Attr::Int(1))])?;
    let picked = cx.reshape(picked, shape.clone())?;
    let mut losses = cx.apply(OpCode::Neg, picked)?;
    let mut shares = match weights {
        Some(weights) => Some(cx.gather(weights, classes, 0)?),
        None => None,
    };
    if let Some(shares) = shares {
        losses = cx.mul(losses, shares)?;
    }
    if let Some(ignored) = ignored {
        losses = cx.select(ignored, zero, losses)?;
        shares = Some(cx.select(ignored, zero, shares.unwrap_or(unit))?);
    }
    let axes: Vec<i64> = (0..shape.len() as i64).collect();
    match (reduction.as_str(), shares) {
        ("none", _) => Ok(losses),
        ("sum", _) => cx.along(OpCode::ReduceSum, losses, &axes, false),
        ("mean", None) => cx.along(OpCode::ReduceMean, losses, &axes, false),
        ("mean", Some(shares)) => {
            let sum = cx.along(OpCode::ReduceSum, losses, &axes, false)?;
            let total = cx.along(OpCode::ReduceSum, shares, &axes, false)?;
            cx.div(sum, total)
        }
        (other, _) => invalid(format!("reduction = {other:?} is neither \"none\", \"sum\" nor \"mean\"")),
    }
}
