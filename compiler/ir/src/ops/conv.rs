//! `conv(x, w, bias?, residual?) {strides, dilations, pads_before, pads_after, groups, act, p0, p1}`: convolution,
//! channels last, with an epilogue.
//!
//! ONNX: Conv (the importer transposes). `x` is [N, spatial.., C], `w` [M, C/groups, k..] as in ONNX, `bias` [M],
//! `residual` like the result [N, out.., M]. 1 to 3 spatial axes. Result = act(conv + bias + residual).

use super::number::sum;
use super::window::{Window, infer_window, spatial};
use super::{check, index};
use crate::activation::{ACTIVATIONS, Activation};
use crate::attr::{Attr, AttrKind};
use crate::dim::{Dim, LIMIT};
use crate::op::{EvalCx, InferCx, OpDef, OpError, PLAIN, attr, attr_or, one, operand, optional};
use crate::tensor::Tensor;
use crate::types::TensorType;

pub(super) const CONV: OpDef = OpDef {
    name: "conv",
    operands: &[operand("x"), operand("w"), optional("bias"), optional("residual")],
    attrs: &[
        attr("strides", AttrKind::Ints),
        attr("dilations", AttrKind::Ints),
        attr("pads_before", AttrKind::Ints),
        attr("pads_after", AttrKind::Ints),
        attr_or("groups", AttrKind::Int, || Attr::Int(1)),
        attr_or("act", AttrKind::Str(ACTIVATIONS), || Attr::str("none")),
        attr_or("p0", AttrKind::Float, || Attr::float(0.0)),
        attr_or("p1", AttrKind::Float, || Attr::float(0.0)),
    ],
    traits: PLAIN,
    infer: |cx| {
        let dtype = check::float(cx, 0)?;
        let window = infer_window(cx)?;
        check::dtype_is(cx, 1, dtype)?;
        check::rank_as_first(cx, 1)?;
        let (x, w) = (cx.operand(0), cx.operand(1));
        let groups = infer_groups(cx, &w.shape[0])?;
        cx.same_dim(&x.shape[x.rank() - 1], &(&w.shape[1] * &groups), "channels of x and of w times groups")?;
        let mut shape = x.shape.clone();
        for axis in 0..x.rank() - 2 {
            let (size, kernel) = (&x.shape[axis + 1], &w.shape[axis + 2]);
            shape[axis + 1] = window.count(axis, size, kernel, false);
            if shape[axis + 1].as_const().is_some_and(|count| count < 0) {
                return Err(OpError::invalid(format!(
                    "the window of w, {w}, is longer than spatial axis {axis} of {x}"
                )));
            }
        }
        shape[x.rank() - 1] = w.shape[0].clone();
        check::type_is(cx, 2, &TensorType::new(dtype, [w.shape[0].clone()]))?;
        let result = TensorType { dtype, shape };
        check::type_is(cx, 3, &result)?;
        Ok(one(result))
    },
    eval: |cx| {
        let (x, w, shape) = (cx.operand(0), cx.operand(1), cx.result_shape(0)?);
        let window = window_of(cx);
        let kernel = &w.shape()[2..];
        let [features, depth] = [w.shape()[0], w.shape()[1]];
        let weights = taps_outermost(w);
        let values = x.to_f64();
        let (groups, channels) = (cx.int("groups") as usize, x.shape()[x.shape().len() - 1]);
        let activation = Activation::of(cx.word("act"), cx.float("p0"), cx.float("p1"));
        let (kernel_strides, x_strides) = (index::strides(kernel), index::strides(spatial(x.shape())));
        let pixels: usize = if x.is_empty() { 0 } else { spatial(x.shape()).iter().product() };
        let mut out = Vec::new();
        if shape.contains(&0) {
            return Ok(vec![Tensor::from_f64(x.dtype(), &shape, &out)]);
        }
        index::for_each(&shape[..shape.len() - 1], |at| {
            // Pairs of a tap and the pixel that it meets.
            let mut pairs = Vec::new();
            if !values.is_empty() && !weights.is_empty() {
                let axes: Vec<_> = (0..kernel.len())
                    .map(|axis| window.taps(axis, at[axis + 1], kernel[axis], x.shape()[axis + 1]))
                    .collect();
                let counts: Vec<usize> = axes.iter().map(|(taps, _)| taps.len()).collect();
                index::for_each(&counts, |tap| {
                    let (mut weight, mut pixel) = (0, at[0] * pixels);
                    for (axis, (taps, first)) in axes.iter().enumerate() {
                        let tap = taps.start + tap[axis];
                        weight += tap * kernel_strides[axis];
                        pixel += (first + tap as i64 * window.dilations[axis]) as usize * x_strides[axis];
                    }
                    pairs.push((weight, pixel));
                });
            }
            let taps = weights.len() / (features * depth).max(1);
            for feature in 0..features {
                let group = feature / (features / groups);
                let mut total = 0.0;
                for (tap, pixel) in &pairs {
                    let x_row = &values[pixel * channels + group * depth..][..depth];
                    let w_row = &weights[(feature * taps + tap) * depth..][..depth];
                    total += sum(x_row.iter().zip(w_row).map(|(a, b)| a * b));
                }
                if let Some(bias) = cx.optional(2) {
                    total += bias.f64_at(feature);
                }
                if let Some(residual) = cx.optional(3) {
                    total += residual.f64_at(out.len());
                }
                out.push(activation.apply(total));
            }
        });
        Ok(vec![Tensor::from_f64(x.dtype(), &shape, &out)])
    },
    doc: "act(convolution + bias + residual), channels last: x [N, spatial.., C], w [M, C/groups, k..], result \
          [N, out.., M]. ONNX: Conv.",
};

/// The attribute `groups`, which must divide `channels`.
pub(super) fn infer_groups(cx: &InferCx<'_>, channels: &Dim) -> Result<Dim, OpError> {
    let groups = cx.int("groups");
    let divides = (1..=LIMIT).contains(&groups) && !channels.modulo(&Dim::from(groups)).known_ne(&Dim::ZERO);
    if divides {
        Ok(Dim::from(groups))
    } else {
        Err(OpError::invalid(format!("groups is {groups}, which does not divide the {channels} channels of w")))
    }
}

/// The window of an op that was inferred before.
pub(super) fn window_of<'a>(cx: &EvalCx<'a>) -> Window<'a> {
    Window {
        strides: cx.ints("strides"),
        dilations: cx.ints("dilations"),
        before: cx.ints("pads_before"),
        after: cx.ints("pads_after"),
    }
}

/// Weights [A, B, k..] as [A, k.., B], so that the channels of a tap are neighbours.
fn taps_outermost(w: &Tensor) -> Vec<f64> {
    let [features, depth] = [w.shape()[0], w.shape()[1]];
    let values = w.to_f64();
    let taps = values.len() / (features * depth).max(1);
    let mut out = Vec::with_capacity(values.len());
    if !values.is_empty() {
        for feature in 0..features {
            for tap in 0..taps {
                out.extend((0..depth).map(|channel| values[(feature * depth + channel) * taps + tap]));
            }
        }
    }
    out
}
