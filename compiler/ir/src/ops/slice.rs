//! `slice(x) {starts, sizes, steps}`: result\[i\] = x\[starts + i * steps\] on every axis. ONNX: Slice, Split.

use super::{check, index};
use crate::attr::AttrKind;
use crate::dim::{Dim, LIMIT};
use crate::op::{InferCx, MOVEMENT, OpDef, OpError, attr, one, operand};

pub(super) const SLICE: OpDef = OpDef {
    name: "slice",
    operands: &[operand("x")],
    attrs: &[attr("starts", AttrKind::Dims), attr("sizes", AttrKind::Dims), attr("steps", AttrKind::Ints)],
    traits: MOVEMENT,
    infer: |cx| {
        let x = cx.operand(0);
        let (starts, sizes, steps) = (cx.dims("starts"), cx.dims("sizes"), cx.ints("steps"));
        check::sizes(cx, "sizes", x.rank())?;
        check::ints(cx, "steps", x.rank(), -LIMIT)?;
        if starts.len() != x.rank() || steps.contains(&0) {
            return Err(OpError::invalid(format!(
                "starts is {starts:?} and steps {steps:?}, one start and one step other than 0 are needed for each \
                 axis of x, which is {x}"
            )));
        }
        for axis in 0..x.rank() {
            if check::known_gt(cx, &Dim::ONE, &sizes[axis]) {
                continue; // An empty slice can start anywhere.
            }
            let last = &starts[axis] + &(&(&sizes[axis] - &Dim::ONE) * &Dim::from(steps[axis]));
            if (sizes[axis].range(&cx.env.symbols).0.is_some_and(|least| least > 0))
                && (outside(cx, &starts[axis], &x.shape[axis]) || outside(cx, &last, &x.shape[axis]))
            {
                return Err(OpError::invalid(format!(
                    "{} elements from {} in steps of {} leave axis {axis} of x, which is {x}",
                    sizes[axis], starts[axis], steps[axis]
                )));
            }
        }
        Ok(one(x.with_shape(sizes.iter().cloned())))
    },
    eval: |cx| {
        let (x, shape) = (cx.operand(0), cx.result_shape(0)?);
        let strides = index::strides(x.shape());
        let known = |start: &Dim| start.as_const().ok_or_else(|| OpError::invalid(format!("{start} is not known")));
        let starts: Vec<i64> = cx.dims("starts").iter().map(known).collect::<Result<_, _>>()?;
        let steps = cx.ints("steps");
        index::pick(x, &shape, |at| {
            at.iter()
                .enumerate()
                .map(|(axis, &i)| (starts[axis] + i as i64 * steps[axis]) as usize * strides[axis])
                .sum()
        })
    },
    doc: "result[i] = x[starts + i * steps] on every axis; steps may be negative. ONNX: Slice, Split, SplitToSequence.",
};

/// True if `position` is outside of 0..size whatever the symbols are.
fn outside(cx: &InferCx<'_>, position: &Dim, size: &Dim) -> bool {
    position.is_overflow()
        || check::known_gt(cx, &Dim::ZERO, position)
        || check::known_gt(cx, position, &(size - &Dim::ONE))
}
