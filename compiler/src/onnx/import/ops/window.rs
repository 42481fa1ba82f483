//! Windows of convolutions and pools: strides, dilations and pads, explicit or automatic, and the way to channels last.

use lathe_ir::{Attr, Dim};

use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid, unsupported};

/// Largest size, stride, dilation or pad.
const MAX: i64 = 1 << 31;

/// How a window moves over the spatial axes.
pub(super) struct Window {
    pub(super) kernel: Vec<i64>,
    pub(super) strides: Vec<i64>,
    pub(super) dilations: Vec<i64>,
    /// Pads before each axis that are constants.
    pub(super) before: Vec<i64>,
    /// Pads after each axis that are constants.
    pub(super) after: Vec<i64>,
    /// Pads that depend on dimensions, before and after; they are then the only ones.
    pub(super) symbolic: Option<[Vec<Dim>; 2]>,
}

/// How pads are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AutoPad {
    Explicit,
    Valid,
    SameUpper,
    SameLower,
}

/// The `auto_pad` attribute.
pub(super) fn auto_pad(cx: &NodeCx<'_, '_>) -> R<AutoPad> {
    Ok(match cx.word_or("auto_pad", "NOTSET")?.as_str() {
        "NOTSET" | "" => AutoPad::Explicit,
        "VALID" => AutoPad::Valid,
        "SAME_UPPER" => AutoPad::SameUpper,
        "SAME_LOWER" => AutoPad::SameLower,
        other => return invalid(format!("auto_pad = {other:?}")),
    })
}

/// A list attribute of one number for each spatial axis, `default` where it is left out.
pub(super) fn per_axis(cx: &NodeCx<'_, '_>, name: &str, axes: usize, default: i64, least: i64) -> R<Vec<i64>> {
    let values = cx.attrs.ints(name)?.map_or_else(|| vec![default; axes], <[i64]>::to_vec);
    if values.len() != axes {
        return invalid(format!("{name} = {values:?} for {axes} spatial axes"));
    }
    match values.iter().find(|value| !(least..=MAX).contains(*value)) {
        Some(value) => invalid(format!("{name} holds {value}")),
        None => Ok(values),
    }
}

/// The explicit pads, before and after.
pub(super) fn pads(cx: &NodeCx<'_, '_>, axes: usize) -> R<(Vec<i64>, Vec<i64>)> {
    let pads = cx.attrs.ints("pads")?.map_or_else(|| vec![0; 2 * axes], <[i64]>::to_vec);
    if pads.len() != 2 * axes {
        return invalid(format!("pads = {pads:?} for {axes} spatial axes"));
    }
    match pads.iter().find(|pad| !(0..=MAX).contains(*pad)) {
        Some(pad) => unsupported(format!("pads holds {pad}")),
        None => Ok((pads[..axes].to_vec(), pads[axes..].to_vec())),
    }
}

impl Window {
    /// The window of a node over these spatial dimensions.
    pub(super) fn new(cx: &NodeCx<'_, '_>, spatial: &[Dim], kernel: Vec<i64>) -> R<Window> {
        let axes = spatial.len();
        if kernel.len() != axes || kernel.iter().any(|size| !(1..=MAX).contains(size)) {
            return invalid(format!("a kernel of {kernel:?} for {axes} spatial axes"));
        }
        let strides = per_axis(cx, "strides", axes, 1, 1)?;
        let dilations = per_axis(cx, "dilations", axes, 1, 1)?;
        let auto = auto_pad(cx)?;
        let mut window =
            Window { kernel, strides, dilations, before: vec![0; axes], after: vec![0; axes], symbolic: None };
        match auto {
            AutoPad::Explicit => (window.before, window.after) = pads(cx, axes)?,
            AutoPad::Valid => {}
            AutoPad::SameUpper | AutoPad::SameLower => window.same(cx, spatial, auto),
        }
        Ok(window)
    }

    /// Pads so that the result has ceil(size / stride) elements.
    fn same(&mut self, cx: &NodeCx<'_, '_>, spatial: &[Dim], auto: AutoPad) {
        let known = cx.known();
        let mut sides = [Vec::new(), Vec::new()];
        for (axis, size) in spatial.iter().enumerate() {
            let stride = Dim::constant(self.strides[axis]);
            let span = Dim::constant(self.dilations[axis].saturating_mul(self.kernel[axis] - 1).saturating_add(1));
            let steps = &size.ceil_div(&stride) - &Dim::ONE;
            let total = known.max(&(&(&(&steps * &stride) + &span) - size), &Dim::ZERO);
            let less = total.floor_div(&Dim::constant(2));
            let more = &total - &less;
            let (before, after) = if auto == AutoPad::SameUpper { (less, more) } else { (more, less) };
            sides[0].push(before);
            sides[1].push(after);
        }
        let constants = |side: &Vec<Dim>| side.iter().map(Dim::as_const).collect::<Option<Vec<i64>>>();
        match (constants(&sides[0]), constants(&sides[1])) {
            (Some(before), Some(after)) => (self.before, self.after) = (before, after),
            _ => self.symbolic = Some(sides),
        }
    }

    /// Attributes that all window ops share.
    pub(super) fn attrs(&self) -> Vec<(&'static str, Attr)> {
        vec![
            ("strides", Attr::ints(&self.strides)),
            ("dilations", Attr::ints(&self.dilations)),
            ("pads_before", Attr::ints(&self.before)),
            ("pads_after", Attr::ints(&self.after)),
        ]
    }
}

/// Spatial dimensions of a tensor [N, C, spatial..]; 1 to 3 of them.
pub(super) fn spatial(cx: &NodeCx<'_, '_>, x: Val) -> R<Vec<Dim>> {
    let shape = cx.shape(x)?;
    match shape.len() {
        3..=5 => Ok(shape[2..].to_vec()),
        rank => unsupported(format!("an operand of {rank} axes; 3 to 5 are supported")),
    }
}

/// [N, C, spatial..] to [N, spatial.., C].
pub(super) fn channels_last(cx: &mut NodeCx<'_, '_>, x: Val) -> R<Val> {
    let rank = cx.rank(x)?;
    let perm: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    cx.transpose(x, &perm)
}

/// [N, spatial.., C] to [N, C, spatial..].
pub(super) fn channels_first(cx: &mut NodeCx<'_, '_>, x: Val) -> R<Val> {
    let rank = cx.rank(x)?;
    let perm: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    cx.transpose(x, &perm)
}
