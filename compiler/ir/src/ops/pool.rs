//! Windows reduced to one element, channels last: max_pool, avg_pool. x is [N, spatial.., C], 1 to 3 spatial axes.

use super::conv::window_of;
use super::number::{from_ints, int_at, int_range, max_f64, sum};
use super::window::{infer_window, taps_within};
use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::dim::Dim;
use crate::op::{AttrDef, EvalCx, InferCx, OpDef, OpError, PLAIN, Types, attr, attr_or, one, operand};
use crate::tensor::Tensor;

const KERNEL: AttrDef = attr("kernel", AttrKind::Ints);
const STRIDES: AttrDef = attr("strides", AttrKind::Ints);
const DILATIONS: AttrDef = attr("dilations", AttrKind::Ints);
const BEFORE: AttrDef = attr("pads_before", AttrKind::Ints);
const AFTER: AttrDef = attr("pads_after", AttrKind::Ints);
const CEIL: AttrDef = attr_or("ceil", AttrKind::Bool, || Attr::Bool(false));

fn infer(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    let (x, window) = (cx.operand(0), infer_window(cx)?);
    check::ints(cx, "kernel", x.rank() - 2, 1)?;
    let mut shape = x.shape.clone();
    for (axis, &kernel) in cx.ints("kernel").iter().enumerate() {
        let span = window.span(axis, &Dim::from(kernel));
        let fits = |pad: i64| span.as_const().is_some_and(|span| pad < span);
        if !fits(window.before[axis]) || !fits(window.after[axis]) {
            return Err(OpError::invalid(format!(
                "pads {} and {} of spatial axis {axis} must be shorter than the window, which spans {span}",
                window.before[axis], window.after[axis]
            )));
        }
        let count = window.count(axis, &x.shape[axis + 1], &Dim::from(kernel), cx.flag("ceil"));
        if count.as_const().is_some_and(|count| count < 0) {
            return Err(OpError::invalid(format!("a window of {kernel} is longer than spatial axis {axis} of x, {x}")));
        }
        shape[axis + 1] = count;
    }
    Ok(one(x.with_shape(shape)))
}

/// One window: positions of the elements it meets, and its taps on elements or padding.
struct Met<'a> {
    x: &'a Tensor,
    positions: Vec<usize>,
    padded_taps: usize,
}

/// Calls `visit` with every window in row-major order of the result.
fn for_each_window(cx: &EvalCx<'_>, mut visit: impl FnMut(&Met<'_>)) -> Result<(), OpError> {
    let (x, shape, window, kernel) = (cx.operand(0), cx.result_shape(0)?, window_of(cx), cx.ints("kernel"));
    let strides = index::strides(x.shape());
    index::for_each(&shape, |at| {
        let mut met = Met { x, positions: Vec::new(), padded_taps: 1 };
        let mut axes = Vec::new();
        for (axis, &kernel) in kernel.iter().enumerate() {
            let size = x.shape()[axis + 1];
            let (taps, first) = window.taps(axis, at[axis + 1], kernel as usize, size);
            let (before, after) = (window.before[axis], window.after[axis]);
            let padded =
                taps_within(first + before, window.dilations[axis], kernel as usize, size as i64 + before + after);
            met.padded_taps = met.padded_taps.saturating_mul(padded.len());
            axes.push((taps, first));
        }
        let counts: Vec<usize> = axes.iter().map(|(taps, _)| taps.len()).collect();
        index::for_each(&counts, |tap| {
            let mut position = at[0] * strides[0] + at[at.len() - 1];
            for (axis, (taps, first)) in axes.iter().enumerate() {
                let element = first + (taps.start + tap[axis]) as i64 * window.dilations[axis];
                position += element as usize * strides[axis + 1];
            }
            met.positions.push(position);
        });
        visit(&met);
    });
    Ok(())
}

pub(super) const MAX_POOL: OpDef = OpDef {
    name: "max_pool",
    operands: &[operand("x")],
    attrs: &[KERNEL, STRIDES, DILATIONS, BEFORE, AFTER, CEIL],
    traits: PLAIN,
    infer: |cx| {
        check::number(cx, 0)?;
        infer(cx)
    },
    eval: |cx| {
        let (x, shape) = (cx.operand(0), cx.result_shape(0)?);
        let (mut floats, mut ints) = (Vec::new(), Vec::new());
        let least = if x.dtype().is_float() { 0 } else { int_range(x.dtype()).0 };
        for_each_window(cx, |met| {
            let positions = met.positions.iter();
            if x.dtype().is_float() {
                floats.push(positions.map(|&at| met.x.f64_at(at)).fold(f64::NEG_INFINITY, max_f64));
            } else {
                ints.push(positions.map(|&at| int_at(met.x, at)).fold(least, i128::max));
            }
        })?;
        Ok(vec![match x.dtype().is_float() {
            true => Tensor::from_f64(x.dtype(), &shape, &floats),
            false => from_ints(x.dtype(), &shape, ints),
        }])
    },
    doc: "Largest element of each window, NaN if one is NaN, -inf (the least integer) if it meets none. ONNX: MaxPool.",
};

pub(super) const AVG_POOL: OpDef = OpDef {
    name: "avg_pool",
    operands: &[operand("x")],
    attrs: &[
        KERNEL,
        STRIDES,
        DILATIONS,
        BEFORE,
        AFTER,
        CEIL,
        attr_or("count_include_pad", AttrKind::Bool, || Attr::Bool(false)),
    ],
    traits: PLAIN,
    infer: |cx| {
        check::float(cx, 0)?;
        infer(cx)
    },
    eval: |cx| {
        let (x, shape, include_pad) = (cx.operand(0), cx.result_shape(0)?, cx.flag("count_include_pad"));
        let mut out = Vec::new();
        for_each_window(cx, |met| {
            let total = sum(met.positions.iter().map(|&at| met.x.f64_at(at)));
            let count = if include_pad { met.padded_taps } else { met.positions.len() };
            out.push(if count == 0 { 0.0 } else { total / count as f64 });
        })?;
        Ok(vec![Tensor::from_f64(x.dtype(), &shape, &out)])
    },
    doc: "Mean of each window: its sum by the number of elements it meets, with count_include_pad by that of its taps on \
          elements and padding (what leaves the padding at the end does not count); 0 if that is 0. \
          ONNX: AveragePool.",
};
