//! `concat(..xs) {axis}`: one after the other along an axis. ONNX: Concat.

use super::{check, index};
use crate::attr::AttrKind;
use crate::dim::Dim;
use crate::op::{MOVEMENT, OpDef, OpError, attr, one, variadic};

pub(super) const CONCAT: OpDef = OpDef {
    name: "concat",
    operands: &[variadic("xs")],
    attrs: &[attr("axis", AttrKind::Int)],
    traits: MOVEMENT,
    infer: |cx| {
        if cx.operands.is_empty() {
            return Err(OpError::invalid("at least one operand is needed"));
        }
        let axis = check::axis(cx)?;
        let first = cx.operand(0);
        let mut shape = first.shape.clone();
        let mut sum = Dim::ZERO;
        for position in 0..cx.operands.len() {
            let x = cx.operand(position);
            let fits = x.dtype == first.dtype
                && x.rank() == first.rank()
                && (0..x.rank()).all(|other| other == axis || !x.shape[other].known_ne(&first.shape[other]));
            if !fits {
                return Err(OpError::invalid(format!(
                    "operand {position} is {x}, operand 0 is {first}: they may differ only along axis {axis}"
                )));
            }
            for other in (0..x.rank()).filter(|&other| other != axis) {
                cx.env.require_equal(&x.shape[other], &first.shape[other]);
                if x.shape[other].as_const().is_some() {
                    shape[other] = x.shape[other].clone();
                }
            }
            sum = &sum + &x.shape[axis];
        }
        shape[axis] = sum;
        Ok(one(first.with_shape(shape)))
    },
    eval: |cx| {
        let (axis, shape) = (cx.int("axis") as usize, cx.result_shape(0)?);
        let first = cx.operand(0);
        let outer: usize = shape[..axis].iter().product();
        let mut out = Vec::new();
        if !shape.contains(&0) {
            for row in 0..outer {
                for x in cx.operands.iter().flatten() {
                    let bytes = x.bytes().len() / outer;
                    out.extend_from_slice(&x.bytes()[row * bytes..(row + 1) * bytes]);
                }
            }
        }
        index::from_bytes(first, &shape, out)
    },
    doc: "The operands one after the other along an axis. ONNX: Concat, Tile by a constant.",
};
