//! `pad(x, value?) {before, after, mode}`: adds elements before and after on every axis. ONNX: Pad.

use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::op::{MOVEMENT, OpDef, OpError, attr, attr_or, one, operand, optional};
use crate::tensor::Tensor;
use crate::types::TensorType;

pub(super) const PAD: OpDef = OpDef {
    name: "pad",
    operands: &[operand("x"), optional("value")],
    attrs: &[
        attr("before", AttrKind::Dims),
        attr("after", AttrKind::Dims),
        attr_or("mode", AttrKind::Str(&["constant", "reflect", "edge", "wrap"]), || Attr::str("constant")),
    ],
    traits: MOVEMENT,
    infer: |cx| {
        let x = cx.operand(0);
        let (before, after) = (cx.dims("before"), cx.dims("after"));
        check::sizes(cx, "before", x.rank())?;
        check::sizes(cx, "after", x.rank())?;
        check::type_is(cx, 1, &TensorType::new(x.dtype, []))?;
        let constant = cx.word("mode") == "constant";
        if !constant && cx.optional(1).is_some() {
            return Err(OpError::invalid(format!("mode {} takes no value", cx.word("mode"))));
        }
        let shape = x.shape.iter().zip(before).zip(after).map(|((size, before), after)| &(size + before) + after);
        let ty = x.with_shape(shape);
        for (axis, (from, to)) in x.shape.iter().zip(&ty.shape).enumerate() {
            if !constant && from.is(0) && !to.is(0) {
                return Err(OpError::invalid(format!("axis {axis} of x, which is {x}, is empty: nothing to repeat")));
            }
        }
        Ok(one(ty))
    },
    eval: |cx| {
        let (x, shape) = (cx.operand(0), cx.result_shape(0)?);
        let (before, strides, size) = (cx.sizes("before")?, index::strides(x.shape()), x.dtype().size());
        let zero = Tensor::scalar(x.dtype(), 0.0);
        let value = cx.optional(1).unwrap_or(&zero);
        let mode = cx.word("mode");
        let mut out = Vec::new();
        index::for_each(&shape, |at| {
            let source = (0..shape.len()).try_fold(0, |sum, axis| {
                Some(sum + source(mode, at[axis], before[axis], x.shape()[axis])? * strides[axis])
            });
            out.extend_from_slice(match source {
                Some(position) => &x.bytes()[position * size..(position + 1) * size],
                None => value.bytes(),
            });
        });
        index::from_bytes(x, &shape, out)
    },
    doc: "Adds `before` and `after` elements on every axis. constant: value (0 if left out); edge: the nearest element; \
          wrap: x repeated; reflect: x mirrored without its border, repeatedly if need be (an axis of one element \
          repeats it). ONNX: Pad.",
};

/// Index in an axis of `size` elements that index `at` of the padded axis shows; `None` for the padding value.
fn source(mode: &str, at: usize, before: usize, size: usize) -> Option<usize> {
    let (position, size) = (at as i64 - before as i64, size as i64);
    let found = match mode {
        "edge" => position.clamp(0, size - 1),
        "wrap" => position.rem_euclid(size),
        "reflect" if size == 1 => 0,
        "reflect" => {
            let period = 2 * (size - 1);
            let position = position.rem_euclid(period);
            position.min(period - position)
        }
        _ if (0..size).contains(&position) => position,
        _ => return None,
    };
    Some(found as usize)
}
