//! `cumsum(x) {axis, exclusive, reverse}`: running sums along an axis. ONNX: CumSum.

use super::number::{from_ints, int_at};
use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::op::{OpDef, PLAIN, attr, attr_or, operand};
use crate::tensor::Tensor;

pub(super) const CUMSUM: OpDef = OpDef {
    name: "cumsum",
    operands: &[operand("x")],
    attrs: &[
        attr("axis", AttrKind::Int),
        attr_or("exclusive", AttrKind::Bool, || Attr::Bool(false)),
        attr_or("reverse", AttrKind::Bool, || Attr::Bool(false)),
    ],
    traits: PLAIN,
    infer: |cx| {
        check::number(cx, 0)?;
        check::axis(cx)?;
        cx.like(0)
    },
    eval: |cx| {
        let (x, exclusive, reverse) = (cx.operand(0), cx.flag("exclusive"), cx.flag("reverse"));
        let rows = index::rows(x.shape(), cx.int("axis") as usize);
        let is_float = x.dtype().is_float();
        let mut floats = vec![0.0; if is_float { x.len() } else { 0 }];
        let mut ints = vec![0i128; if is_float { 0 } else { x.len() }];
        for start in &rows.starts {
            let (mut sum, mut int_sum) = (0.0, 0i128);
            for step in 0..rows.len {
                let step = if reverse { rows.len - 1 - step } else { step };
                let at = start + step * rows.step;
                if is_float {
                    let next = sum + x.f64_at(at);
                    floats[at] = if exclusive { sum } else { next };
                    sum = next;
                } else {
                    let next = int_sum + int_at(x, at);
                    ints[at] = if exclusive { int_sum } else { next };
                    int_sum = next;
                }
            }
        }
        Ok(vec![if is_float {
            Tensor::from_f64(x.dtype(), x.shape(), &floats)
        } else {
            from_ints(x.dtype(), x.shape(), ints)
        }])
    },
    doc: "Sum of the elements up to here along an axis (exclusive: without this one; reverse: from the end). Floats are \
          accumulated in f64, integers wrap. ONNX: CumSum.",
};
