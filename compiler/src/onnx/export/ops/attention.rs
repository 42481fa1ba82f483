//! attention, spelled out: opset 21 does not have it.

use lathe_ir::{DType, Dim, Tensor};

use super::activation::scaled;
use super::{Cx, one, work_type};
use crate::onnx::export::emit::{In, R, Val, int};

/// softmax(scale * q k^T + mask) v; f16 and bf16 are computed in f32.
pub(super) fn attention(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let own = cx.ty(0)?.dtype;
    let [q, k, v] = [cx.operand(0)?, cx.operand(1)?, cx.operand(2)?].map(|val| cx.emitter.cast(&val, work_type(own)));
    let rank = cx.ty(0)?.rank() as i64;
    let perm: Vec<i64> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    let k = cx.emitter.transpose(&k, &perm);
    let mut scores = cx.emitter.apply("MatMul", &[&q, &k])?;
    let scale = cx.op.float("scale");
    if scale != 1.0 {
        scores = scaled(cx, &scores, scale)?;
    }
    if let Some(mask) = cx.opt(3)? {
        let mask = cx.emitter.cast(&mask, scores.dtype);
        scores = cx.emitter.apply("Add", &[&scores, &mask])?;
    }
    if let Some(visible) = visible(cx)? {
        let never = cx.emitter.scalar(scores.dtype, f64::NEG_INFINITY);
        scores = cx.emitter.select(&visible, &scores, &never)?;
    }
    let mut weights = cx.emitter.kernel("Softmax", &[In::T(&scores)], vec![int("axis", -1)])?;
    if cx.op.flag("nan_to_zero") {
        let none = cx.emitter.test("IsNaN", &[&weights])?;
        let zero = cx.emitter.scalar(weights.dtype, 0.0);
        weights = cx.emitter.select(&none, &zero, &weights)?;
    }
    let result = cx.emitter.apply("MatMul", &[&weights, &v])?;
    one(cx.emitter.cast(&result, own))
}

/// True where query i sees key j: from diagonal T - S - left to T - S + right of [S, T]; `None` if without limits.
fn visible(cx: &mut Cx<'_, '_>) -> R<Option<Val>> {
    let (left, right) = (cx.op.int("left"), if cx.op.flag("causal") { 0 } else { cx.op.int("right") });
    if left < 0 && right < 0 {
        return Ok(None);
    }
    let (q, k) = (cx.shape(0)?, cx.shape(1)?);
    let rows = &q[q.len() - 2];
    let keys = &k[k.len() - 2];
    let mut seen = cx.emitter.filled(&Tensor::scalar(DType::Bool, 1.0), &[rows.clone(), keys.clone()])?;
    let ahead = keys - rows;
    for (reach, upper, diagonal) in [(right, 0, &ahead + &Dim::from(right)), (left, 1, &ahead - &Dim::from(left))] {
        if reach >= 0 {
            let diagonal = cx.emitter.dim_scalar(&diagonal)?;
            let name = cx.emitter.node1("Trilu", vec![seen.name, diagonal.name], vec![int("upper", upper)]);
            seen = Val { name, dtype: DType::Bool };
        }
    }
    Ok(Some(seen))
}
