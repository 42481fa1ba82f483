//! Conv, ConvTranspose, and com.microsoft FusedConv. The IR computes channels last, so transposes go around.

use lathe_ir::{Attr, Dim, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::conv_open::{Moves, convolve_open, convolve_open_transposed, is_open, span};
use super::slice::pad_to;
use super::window::{AutoPad, Window, auto_pad, channels_first, channels_last, pads, per_axis, spatial};

/// Attributes of a convolution.
pub(super) const ATTRS: &[&str] = &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];

/// The constant kernel sizes of weights [.., .., k..], checked against `kernel_shape`.
fn kernel(cx: &NodeCx<'_, '_>, w: Val, axes: usize) -> R<Vec<i64>> {
    let shape = cx.shape(w)?;
    if shape.len() != axes + 2 {
        return invalid(format!("weights of {} axes for {axes} spatial axes", shape.len()));
    }
    let Some(kernel) = shape[2..].iter().map(Dim::as_const).collect::<Option<Vec<i64>>>() else {
        return unsupported("the kernel's size must be constant");
    };
    match cx.attrs.ints("kernel_shape")? {
        Some(said) if said != kernel => invalid(format!("kernel_shape = {said:?}, but the weights have {kernel:?}")),
        _ => Ok(kernel),
    }
}

/// The kernel's sizes if some are known only when the program is called. `kernel_shape` tells them for the next round of
/// the import.
fn open_kernel(cx: &mut NodeCx<'_, '_>, w: Val, axes: usize) -> R<Option<Vec<Dim>>> {
    let shape = cx.shape(w)?;
    if shape.len() != axes + 2 || !is_open(&shape[2..]) {
        return Ok(None);
    }
    if let Some(said) = cx.attrs.ints("kernel_shape")?.map(<[i64]>::to_vec) {
        for (size, said) in shape[2..].iter().zip(said) {
            cx.require_equal(size, &Dim::constant(said), "a size of the kernel and that of kernel_shape")?;
        }
    }
    Ok(Some(shape[2..].to_vec()))
}

/// The number of groups.
pub(super) fn groups(cx: &NodeCx<'_, '_>) -> R<i64> {
    match cx.int_or("group", 1)? {
        groups if groups >= 1 => Ok(groups),
        groups => invalid(format!("group = {groups}")),
    }
}

/// Conv.
pub(super) fn conv(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, w, bias) = (cx.input(0)?, cx.input(1)?, cx.opt(2));
    one(convolve(cx, x, w, bias)?)
}

/// The convolution of channels-first operands.
pub(super) fn convolve(cx: &mut NodeCx<'_, '_>, x: Val, w: Val, bias: Option<Val>) -> R<Val> {
    let axes = spatial(cx, x)?;
    if let Some(kernel) = open_kernel(cx, w, axes.len())? {
        let moves = Moves::new(cx, &axes, &kernel)?;
        let groups = Dim::constant(groups(cx)?);
        return convolve_open(cx, x, w, bias, &moves, &groups);
    }
    let window = Window::new(cx, &axes, kernel(cx, w, axes.len())?)?;
    let mut last = channels_last(cx, x)?;
    if let Some(sides) = &window.symbolic {
        last = pad_to(cx, last, &inner(sides), "constant", None)?;
    }
    let mut attrs = window.attrs();
    attrs.push(("groups", Attr::Int(groups(cx)?)));
    let result = cx.op_opt(OpCode::Conv, &[Some(last), Some(w), bias], &attrs)?;
    channels_first(cx, result)
}

/// Pads of the spatial axes as pads of a tensor [N, spatial.., C].
pub(super) fn inner(sides: &[Vec<Dim>; 2]) -> [Vec<Dim>; 2] {
    sides.each_ref().map(|side| [Dim::ZERO].into_iter().chain(side.iter().cloned()).chain([Dim::ZERO]).collect())
}

/// com.microsoft FusedConv: a convolution, an optional summand, an activation.
pub(super) fn fused_conv(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, w, bias, summand) = (cx.input(0)?, cx.input(1)?, cx.opt(2), cx.opt(3));
    let mut result = convolve(cx, x, w, bias)?;
    if let Some(summand) = summand {
        result = cx.op(OpCode::Add, &[result, summand], &[])?;
    }
    let params = cx.attrs.floats("activation_params")?.map(<[f32]>::to_vec).unwrap_or_default();
    let param = |index: usize, default: f32| Attr::float(f64::from(params.get(index).copied().unwrap_or(default)));
    let (code, attrs) = match cx.word_or("activation", "")?.as_str() {
        "" => return one(result),
        "Relu" => (OpCode::Relu, vec![]),
        "Tanh" => (OpCode::Tanh, vec![]),
        "Sigmoid" => (OpCode::Sigmoid, vec![]),
        "LeakyRelu" => (OpCode::LeakyRelu, vec![("alpha", param(0, 0.01))]),
        "Clip" => (OpCode::Clip, vec![("lo", param(0, f32::NEG_INFINITY)), ("hi", param(1, f32::INFINITY))]),
        "HardSigmoid" => (OpCode::HardSigmoid, vec![("alpha", param(0, 0.2)), ("beta", param(1, 0.5))]),
        other => return unsupported(format!("activation = {other:?}")),
    };
    one(cx.op(code, &[result], &attrs)?)
}

/// ConvTranspose.
pub(super) fn conv_transpose(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, w, bias) = (cx.input(0)?, cx.input(1)?, cx.opt(2));
    let axes = spatial(cx, x)?;
    let kernel = match open_kernel(cx, w, axes.len())? {
        Some(kernel) => kernel,
        None => kernel(cx, w, axes.len())?.into_iter().map(Dim::constant).collect(),
    };
    let strides = per_axis(cx, "strides", axes.len(), 1, 1)?;
    let dilations = per_axis(cx, "dilations", axes.len(), 1, 1)?;
    let constants = |list: Vec<i64>| list.into_iter().map(Dim::constant).collect::<Vec<Dim>>();
    let mut output_padding = constants(per_axis(cx, "output_padding", axes.len(), 0, 0)?);
    let auto = auto_pad(cx)?;
    let wanted = match cx.attrs.ints("output_shape")? {
        Some(shape) if shape.len() == axes.len() => Some(shape.to_vec()),
        Some(shape) if shape.len() == axes.len() + 2 => Some(shape[2..].to_vec()),
        Some(shape) => return invalid(format!("output_shape = {shape:?} for {} spatial axes", axes.len())),
        None => None,
    };
    let mut sides = [vec![Dim::ZERO; axes.len()], vec![Dim::ZERO; axes.len()]];
    if wanted.is_none() && auto == AutoPad::Explicit {
        let (before, after) = pads(cx, axes.len())?;
        sides = [constants(before), constants(after)];
    } else if wanted.is_some() || auto != AutoPad::Valid {
        // What is too much is cut off on both sides, an odd element before or after.
        for axis in 0..axes.len() {
            let stride = Dim::constant(strides[axis]);
            let reach = &(&(&axes[axis] - &Dim::ONE) * &stride) + &span(&kernel[axis], dilations[axis]);
            let size = wanted.as_ref().map_or_else(|| &axes[axis] * &stride, |shape| Dim::constant(shape[axis]));
            let total = &(&reach + &output_padding[axis]) - &size;
            // What is too little is added after.
            let cut = cx.known().max(&total, &Dim::ZERO);
            output_padding[axis] = &output_padding[axis] + &(&cut - &total);
            let less = cut.floor_div(&Dim::from(2));
            let more = &cut - &less;
            (sides[0][axis], sides[1][axis]) = if auto == AutoPad::SameUpper { (less, more) } else { (more, less) };
        }
    }
    let known = |list: &[Dim]| list.iter().map(Dim::as_const).collect::<Option<Vec<i64>>>();
    let (Some(before), Some(after), Some(padding), false) =
        (known(&sides[0]), known(&sides[1]), known(&output_padding), is_open(&kernel))
    else {
        let moves = Moves { strides, dilations, sides };
        return one(convolve_open_transposed(cx, x, w, bias, &moves, &output_padding)?);
    };
    let last = channels_last(cx, x)?;
    let attrs = [
        ("strides", Attr::ints(&strides)),
        ("dilations", Attr::ints(&dilations)),
        ("pads_before", Attr::ints(&before)),
        ("pads_after", Attr::ints(&after)),
        ("output_padding", Attr::ints(&padding)),
        ("groups", Attr::Int(groups(cx)?)),
    ];
    let result = cx.op_opt(OpCode::ConvTranspose, &[Some(last), Some(w), bias], &attrs)?;
    one(channels_first(cx, result)?)
}
