//! `conv_transpose(x, w, bias?) {strides, dilations, pads_before, pads_after, output_padding, groups}`: transposed
//! convolution, channels last.
//!
//! ONNX: ConvTranspose (the importer transposes x). `x` is [N, spatial.., C], `w` [C, M/groups, k..] as in ONNX, `bias`
//! [M]. Each element of x adds its taps to the result, of which the pads are cut off.

use super::conv::{infer_groups, window_of};
use super::window::infer_window;
use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::dim::Dim;
use crate::op::{OpDef, OpError, PLAIN, attr, attr_or, one, operand, optional};
use crate::tensor::Tensor;
use crate::types::TensorType;

pub(super) const CONV_TRANSPOSE: OpDef = OpDef {
    name: "conv_transpose",
    operands: &[operand("x"), operand("w"), optional("bias")],
    attrs: &[
        attr("strides", AttrKind::Ints),
        attr("dilations", AttrKind::Ints),
        attr("pads_before", AttrKind::Ints),
        attr("pads_after", AttrKind::Ints),
        attr("output_padding", AttrKind::Ints),
        attr_or("groups", AttrKind::Int, || Attr::Int(1)),
    ],
    traits: PLAIN,
    infer: |cx| {
        let dtype = check::float(cx, 0)?;
        let window = infer_window(cx)?;
        check::dtype_is(cx, 1, dtype)?;
        check::rank_as_first(cx, 1)?;
        let (x, w) = (cx.operand(0), cx.operand(1));
        let spatial = x.rank() - 2;
        check::ints(cx, "output_padding", spatial, 0)?;
        let groups = infer_groups(cx, &w.shape[0])?;
        cx.same_dim(&x.shape[x.rank() - 1], &w.shape[0], "channels of x and w")?;
        let mut shape = x.shape.clone();
        for axis in 0..spatial {
            let (size, span) = (&x.shape[axis + 1], window.span(axis, &w.shape[axis + 2]));
            let spread = &(&Dim::from(window.strides[axis]) * &(size - &Dim::ONE)) + &span;
            let whole = &spread + &Dim::from(cx.ints("output_padding")[axis]);
            shape[axis + 1] = &(&whole - &Dim::from(window.before[axis])) - &Dim::from(window.after[axis]);
            if shape[axis + 1].as_const().is_some_and(|count| count < 0) {
                return Err(OpError::invalid(format!(
                    "the pads cut off more than spatial axis {axis} of {x} spreads to"
                )));
            }
        }
        let features = &w.shape[1] * &groups;
        check::type_is(cx, 2, &TensorType::new(dtype, [features.clone()]))?;
        shape[x.rank() - 1] = features;
        Ok(one(TensorType { dtype, shape }))
    },
    eval: |cx| {
        let (x, w, shape) = (cx.operand(0), cx.operand(1), cx.result_shape(0)?);
        let (window, kernel) = (window_of(cx), &w.shape()[2..]);
        let (groups, channels, features) = (cx.int("groups") as usize, w.shape()[0], w.shape()[1]);
        let (xv, wv) = (x.to_f64(), w.to_f64());
        let (kernel_strides, x_strides) = (index::strides(kernel), index::strides(x.shape()));
        let taps = wv.len() / (channels * features).max(1);
        let mut out = Vec::new();
        if shape.contains(&0) {
            return Ok(vec![Tensor::from_f64(x.dtype(), &shape, &out)]);
        }
        index::for_each(&shape[..shape.len() - 1], |at| {
            // Along each axis the pairs of a tap and the element whose tap meets this place of the result.
            let mut axes: Vec<Vec<(usize, usize)>> = Vec::new();
            for axis in 0..if xv.is_empty() || wv.is_empty() { 0 } else { kernel.len() } {
                let place = at[axis + 1] as i64 + window.before[axis];
                let meets = |tap: usize| {
                    let from = place - tap as i64 * window.dilations[axis];
                    let element = (from % window.strides[axis] == 0).then_some(from / window.strides[axis])?;
                    (0..x.shape()[axis + 1] as i64).contains(&element).then_some((tap, element as usize))
                };
                axes.push((0..kernel[axis]).filter_map(meets).collect());
            }
            let counts: Vec<usize> = axes.iter().map(Vec::len).collect();
            for feature in 0..shape[shape.len() - 1] {
                let (group, column) = (feature / features, feature % features);
                let mut sum = 0.0;
                if !axes.is_empty() {
                    index::for_each(&counts, |pair| {
                        let (mut tap, mut pixel) = (0, at[0] * x_strides[0]);
                        for (axis, pairs) in axes.iter().enumerate() {
                            tap += pairs[pair[axis]].0 * kernel_strides[axis];
                            pixel += pairs[pair[axis]].1 * x_strides[axis + 1];
                        }
                        for channel in group * (channels / groups)..(group + 1) * (channels / groups) {
                            sum += xv[pixel + channel] * wv[(channel * features + column) * taps + tap];
                        }
                    });
                }
                out.push(sum + cx.optional(2).map_or(0.0, |bias| bias.f64_at(feature)));
            }
        });
        Ok(vec![Tensor::from_f64(x.dtype(), &shape, &out)])
    },
    doc: "Transposed convolution, channels last: x [N, spatial.., C], w [C, M/groups, k..], result [N, out.., M] with \
          out = strides * (in - 1) + output_padding + span of the kernel - pads. ONNX: ConvTranspose.",
};
