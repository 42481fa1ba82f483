//! Normalisation over the trailing axes: layer_norm, rms_norm.

use super::check;
use super::number::sum;
use crate::attr::AttrKind;
use crate::op::{AttrDef, EvalCx, InferCx, OpDef, OpError, PLAIN, Types, attr, operand, optional};
use crate::tensor::Tensor;

const ATTRS: &[AttrDef] = &[attr("axis", AttrKind::Int), attr("eps", AttrKind::Float)];

fn infer(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    let x = cx.operand(0);
    check::float(cx, 0)?;
    let axis = check::axis(cx)?;
    let trailing = x.with_shape(x.shape[axis..].iter().cloned());
    check::type_is(cx, 1, &trailing)?;
    check::type_is(cx, 2, &trailing)?;
    cx.like(0)
}

/// Applies `normalize` to each block of trailing axes, then `* gamma + beta`.
fn eval(cx: &EvalCx<'_>, normalize: fn(&[f64], f64) -> Vec<f64>) -> Result<Vec<Tensor>, OpError> {
    let (x, eps) = (cx.operand(0), cx.float("eps"));
    let mut out = Vec::with_capacity(x.len());
    if !x.is_empty() {
        let len = x.shape()[cx.int("axis") as usize..].iter().product();
        for row in x.to_f64().chunks(len) {
            for (i, value) in normalize(row, eps).into_iter().enumerate() {
                let scaled = cx.optional(1).map_or(value, |gamma| value * gamma.f64_at(i));
                out.push(cx.optional(2).map_or(scaled, |beta| scaled + beta.f64_at(i)));
            }
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &out)])
}

pub(super) const LAYER_NORM: OpDef = OpDef {
    name: "layer_norm",
    operands: &[operand("x"), optional("gamma"), optional("beta")],
    attrs: ATTRS,
    traits: PLAIN,
    infer,
    eval: |cx| {
        eval(cx, |row, eps| {
            let count = row.len() as f64;
            let mean = sum(row.iter().copied()) / count;
            let variance = sum(row.iter().map(|value| (value - mean) * (value - mean))) / count;
            row.iter().map(|value| (value - mean) / (variance + eps).sqrt()).collect()
        })
    },
    doc: "(x - mean) / sqrt(variance + eps) * gamma + beta over the axes from `axis` on; gamma and beta have exactly \
          their shape. ONNX: LayerNormalization; part of InstanceNormalization, GroupNormalization.",
};

pub(super) const RMS_NORM: OpDef = OpDef {
    name: "rms_norm",
    operands: &[operand("x"), optional("gamma")],
    attrs: ATTRS,
    traits: PLAIN,
    infer,
    eval: |cx| {
        eval(cx, |row, eps| {
            let mean_square = sum(row.iter().map(|value| value * value)) / row.len() as f64;
            row.iter().map(|value| value / (mean_square + eps).sqrt()).collect()
        })
    },
    doc: "x / sqrt(mean(x * x) + eps) * gamma over the axes from `axis` on. ONNX: RMSNormalization.",
};
