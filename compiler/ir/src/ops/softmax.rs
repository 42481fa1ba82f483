//! `softmax(x) {axis}` and `log_softmax(x) {axis}`. ONNX: Softmax 13, LogSoftmax 13.

use super::{check, index, number};
use crate::attr::AttrKind;
use crate::op::{EvalCx, InferCx, OpDef, OpError, PLAIN, Types, attr, operand};
use crate::tensor::Tensor;

fn infer(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::float(cx, 0)?;
    check::axis(cx)?;
    cx.like(0)
}

/// exp(x - max) of a row and their sum. NaN anywhere, or a row of only -inf, makes every value NaN.
pub(super) fn shifted_exp(row: &[f64]) -> (f64, Vec<f64>, f64) {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, number::max_f64);
    let values: Vec<f64> = row.iter().map(|value| (value - max).exp()).collect();
    let sum = number::sum(values.iter().copied());
    (max, values, sum)
}

fn eval(cx: &EvalCx<'_>, row_result: fn(&[f64]) -> Vec<f64>) -> Result<Vec<Tensor>, OpError> {
    let x = cx.operand(0);
    let rows = index::rows(x.shape(), cx.int("axis") as usize);
    let mut out = vec![0.0; x.len()];
    for start in rows.starts {
        let row: Vec<f64> = (0..rows.len).map(|i| x.f64_at(start + i * rows.step)).collect();
        for (i, value) in row_result(&row).into_iter().enumerate() {
            out[start + i * rows.step] = value;
        }
    }
    Ok(vec![Tensor::from_f64(x.dtype(), x.shape(), &out)])
}

pub(super) const SOFTMAX: OpDef = OpDef {
    name: "softmax",
    operands: &[operand("x")],
    attrs: &[attr("axis", AttrKind::Int)],
    traits: PLAIN,
    infer,
    eval: |cx| {
        eval(cx, |row| {
            let (_, values, sum) = shifted_exp(row);
            values.into_iter().map(|value| value / sum).collect()
        })
    },
    doc: "exp(x - max) / sum(exp(x - max)) along an axis; a row of only -inf gives NaN. ONNX: Softmax 13.",
};

pub(super) const LOG_SOFTMAX: OpDef = OpDef {
    name: "log_softmax",
    operands: &[operand("x")],
    attrs: &[attr("axis", AttrKind::Int)],
    traits: PLAIN,
    infer,
    eval: |cx| {
        eval(cx, |row| {
            let (max, _, sum) = shifted_exp(row);
            row.iter().map(|value| value - max - sum.ln()).collect()
        })
    },
    doc: "x - max - ln(sum(exp(x - max))) along an axis. ONNX: LogSoftmax 13.",
};
