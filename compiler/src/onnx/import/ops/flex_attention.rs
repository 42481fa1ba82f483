//! FlexAttention of ai.onnx.preview: attention whose scores and weights go through graphs of the model.

use lathe_ir::{Attr, DType, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid};
use crate::onnx::proto::GraphProto;

use super::attention::{repeat_heads, with_scale};
use super::elementwise::element_type;
use super::matmul::transposed;

/// FlexAttention. Operands are [B, H, S, D]; the softmax is computed in f32 at least.
pub(super) fn flex_attention(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (q, k, v) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    for val in [q, k, v] {
        if cx.rank(val)? != 4 {
            return invalid(format!("an operand of {} axes; four are needed", cx.rank(val)?));
        }
    }
    let shape = cx.shape(q)?;
    let (k, v) = (repeat_heads(cx, k, &shape[1])?, repeat_heads(cx, v, &shape[1])?);
    let dtype = cx.dtype(q)?;
    let precision = match cx.attrs.int("softmax_precision")? {
        Some(code) => element_type(code)?,
        None if dtype.size() < 4 => DType::F32,
        None => dtype,
    };
    let (q, scale) = with_scale(cx, q, &shape[3])?;
    let (score_mod, prob_mod) = (cx.attrs.graph("score_mod")?, cx.attrs.graph("prob_mod")?);
    if score_mod.is_none() && prob_mod.is_none() && precision.size() <= 4 {
        return one(cx.op(OpCode::Attention, &[q, k, v], &[("scale", Attr::float(scale))])?);
    }
    let k = transposed(cx, k)?;
    let (q, k) = (cx.times(q, scale.sqrt())?, cx.times(k, scale.sqrt())?);
    let scores = cx.op(OpCode::MatMul, &[q, k], &[])?;
    let mut scores = cx.cast(scores, precision)?;
    scores = modified(cx, score_mod, "score_mod", scores)?;
    let weights = cx.op(OpCode::Softmax, &[scores], &[("axis", Attr::Int(3))])?;
    let weights = modified(cx, prob_mod, "prob_mod", weights)?;
    let v_type = cx.dtype(v)?;
    let v = cx.cast(v, precision)?;
    let y = cx.op(OpCode::MatMul, &[weights, v], &[])?;
    one(cx.cast(y, v_type)?)
}

/// What a graph of the node makes of a value, in the same type; the value itself if there is none.
fn modified<'a>(cx: &mut NodeCx<'_, 'a>, graph: Option<&'a GraphProto>, part: &str, val: Val) -> R<Val> {
    let Some(graph) = graph else { return Ok(val) };
    let ty = cx.ty(val)?;
    match cx.inline_with(graph, part, &[val])?.as_slice() {
        [result] if cx.shape(*result)? == ty.shape => cx.cast(*result, ty.dtype),
        [_] => invalid(format!("{part} changes the shape")),
        outputs => invalid(format!("{part} has {} outputs; one is needed", outputs.len())),
    }
}
