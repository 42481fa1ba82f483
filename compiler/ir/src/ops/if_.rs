//! `if(cond, ..captures) {sizes}` region then, region else: one of two graphs. ONNX: If.

use super::region;
use crate::attr::{Attr, AttrKind};
use crate::dtype::DType;
use crate::op::{InferCx, OpDef, OpError, PLAIN, Traits, Types, attr_or, operand, variadic};
use crate::types::{Shape, TensorType};

pub(super) const IF: OpDef = OpDef {
    name: "if",
    operands: &[operand("cond"), variadic("captures")],
    attrs: &[attr_or("sizes", AttrKind::Dims, || Attr::dims([]))],
    traits: Traits { regions: true, data_dependent: true, ..PLAIN },
    infer: |cx| {
        region::scalar(cx.optional(0), DType::Bool, "cond")?;
        let [then, otherwise] = cx.regions else {
            return Err(OpError::invalid(format!("it has {} regions, 2 are needed", cx.regions.len())));
        };
        for region in [then, otherwise] {
            for (index, param) in region::params(region, cx.operands.len() - 1)?.into_iter().enumerate() {
                region::same_type(cx, cx.operand(index + 1), param, &[], &format!("capture {index}"))?;
            }
        }
        if then.results.len() != otherwise.results.len() {
            let counts = (then.results.len(), otherwise.results.len());
            return Err(OpError::invalid(format!("the branches have {} and {} results", counts.0, counts.1)));
        }
        let mut sizes = cx.dims("sizes");
        let is_free = sizes.is_empty();
        let mut types = Types::new();
        for index in 0..then.results.len() {
            let (a, b) = (region::result(then, index)?, region::result(otherwise, index)?);
            if a.dtype != b.dtype || a.rank() != b.rank() {
                return Err(OpError::invalid(format!("result {index} is {a} in one branch and {b} in the other")));
            }
            if is_free {
                if a.shape != b.shape {
                    let message = format!("result {index} is {a} in one branch and {b} in the other: sizes is needed");
                    return Err(OpError::invalid(message));
                }
                types.push(a.clone());
                continue;
            }
            let Some((own, rest)) = sizes.split_at_checked(a.rank()) else { return Err(wrong_count(cx)) };
            sizes = rest;
            types.push(a.with_shape(common(cx, own, a, b, index)?));
        }
        if sizes.is_empty() { Ok(types) } else { Err(wrong_count(cx)) }
    },
    eval: |cx| {
        let taken = usize::from(cx.operand(0).i64_at(0) == 0);
        let args = cx.operands[1..].iter().flatten().cloned().collect();
        (cx.eval_region)(&cx.regions[taken], args, &[])
    },
    doc: "The results of the first region on the captures if the condition holds, else of the second; sizes lists the \
          results' dimensions where they differ, a data-dependent symbol for each that does. ONNX: If.",
};

fn wrong_count(cx: &InferCx<'_>) -> OpError {
    OpError::invalid(format!("sizes has {} entries, not one for each axis of each result", cx.dims("sizes").len()))
}

/// The stated sizes of a result: each that of both branches, or a data-dependent symbol.
fn common(
    cx: &mut InferCx<'_>,
    stated: &[crate::dim::Dim],
    a: &TensorType,
    b: &TensorType,
    index: usize,
) -> Result<Shape, OpError> {
    for ((size, x), y) in stated.iter().zip(&a.shape).zip(&b.shape) {
        if region::data_symbol(cx, size).is_some() {
            continue;
        }
        for other in [x, y] {
            cx.same_dim(other, size, &format!("sizes of result {index}"))?;
        }
    }
    Ok(stated.iter().cloned().collect())
}
