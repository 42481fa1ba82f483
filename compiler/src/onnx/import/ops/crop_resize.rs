//! Resize with tf_crop_and_resize: samples of a region that may be data, a fixed value outside of the image.

use lathe_ir::{Attr, DType, Dim, OpCode};

use crate::onnx::import::known::Elem;
use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::constant::positions;
use super::sampling::{Axis, Method, Outside, Sampler};
use super::slice::take_axis;

/// `x` with each of `axes` resampled to `sizes`; `roi` are the starts and then the ends of a region along these axes,
/// as fractions of the way from the first element to the last.
pub(super) fn crop_and_resize(
    cx: &mut NodeCx<'_, '_>,
    x: Val,
    roi: Val,
    axes: &[usize],
    sizes: &[Dim],
    mode: &str,
) -> R<Val> {
    let ty = cx.ty(x)?;
    let count = cx.shape(roi)?;
    cx.require_equal(&Dim::product_of(&count), &Dim::from(2 * axes.len() as i64), "numbers of roi and of two an axis")?;
    if cx.flag_or("exclude_outside", false)? || cx.flag_or("antialias", false)? {
        return unsupported(
            "exclude_outside or antialias with coordinate_transformation_mode = \"tf_crop_and_resize\"",
        );
    }
    let method = match mode {
        "nearest" => Method::Nearest,
        "linear" => Method::Linear,
        _ => Method::Cubic,
    };
    let cubic_a = cx.float_or("cubic_coeff_a", -0.75)?;
    let sampler = Sampler { method, outside: Outside::Border, align_corners: true, cubic_a, batch_dims: 0 };
    let precise = if ty.dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let interpolates = method != Method::Nearest;
    let mut result = if interpolates { cx.cast(x, precise)? } else { x };
    let known = cx.all_elems(roi)?;
    let roi = cx.cast(roi, precise)?;
    let mut outside: Option<Val> = None;
    for (number, &axis) in axes.iter().enumerate() {
        let is = |at: usize, value: f64| {
            known.as_ref().is_some_and(|elems| matches!(elems.get(at), Some(Elem::Float(have)) if *have == value))
        };
        let (from, to) = (&ty.shape[axis], &sizes[axis]);
        if from == to && is(number, 0.0) && is(number + axes.len(), 1.0) {
            continue;
        }
        let end = |cx: &mut NodeCx<'_, '_>, at: usize| -> R<Val> {
            let end = take_axis(cx, roi, 0, &Dim::from(at as i64), &Dim::ONE)?;
            cx.reshape(end, [])
        };
        let (start, end) = (end(cx, number)?, end(cx, number + axes.len())?);
        let line = Axis::new(cx, from, precise)?;
        let place = match to.as_const() {
            None => return unsupported(format!("axis {axis} becomes {to}, which must be constant")),
            Some(1) => {
                let middle = cx.add(start, end)?;
                let middle = cx.times(middle, 0.5)?;
                let place = cx.mul(middle, line.last)?;
                cx.reshape(place, [Dim::ONE])?
            }
            Some(count) => {
                let step = positions(cx, std::slice::from_ref(to), 0)?;
                let step = cx.cast(step, precise)?;
                let length = cx.sub(end, start)?;
                let place = cx.mul(step, length)?;
                let place = cx.mul(place, line.last)?;
                let steps = cx.scalar(precise, (count - 1) as f64);
                let place = cx.div(place, steps)?;
                let first = cx.mul(start, line.last)?;
                cx.add(place, first)?
            }
        };
        let (before, after) = (cx.lt(place, line.zero)?, cx.lt(line.last, place)?);
        let beyond = cx.op(OpCode::Or, &[before, after], &[])?;
        let beyond = cx.laid_along(beyond, axis, ty.rank())?;
        outside = Some(match outside {
            Some(outside) => cx.op(OpCode::Or, &[outside, beyond], &[])?,
            None => beyond,
        });
        let place = if interpolates { place } else { rounded(cx, place)? };
        let mut sum: Option<Val> = None;
        for tap in line.taps(cx, place, &sampler)? {
            let index = cx.cast(tap.index, DType::I64)?;
            let mut part = cx.op(OpCode::Gather, &[result, index], &[("axis", Attr::Int(axis as i64))])?;
            if let Some(weight) = tap.weight {
                let weight = cx.laid_along(weight, axis, ty.rank())?;
                part = cx.mul(part, weight)?;
            }
            sum = Some(match sum {
                Some(sum) => cx.add(sum, part)?,
                None => part,
            });
        }
        match sum {
            Some(sum) => result = sum,
            None => return invalid("an axis without elements"),
        }
    }
    let result = cx.cast(result, ty.dtype)?;
    let Some(outside) = outside else { return Ok(result) };
    let fill = cx.float_or("extrapolation_value", 0.0)?;
    let fill = cx.scalar(ty.dtype, fill);
    cx.select(outside, fill, result)
}

/// Places rounded as `nearest_mode` says.
fn rounded(cx: &mut NodeCx<'_, '_>, place: Val) -> R<Val> {
    let (shift, code) = match cx.word_or("nearest_mode", "round_prefer_floor")?.as_str() {
        "round_prefer_floor" => (-0.5, OpCode::Ceil),
        "round_prefer_ceil" => (0.5, OpCode::Floor),
        "floor" => (0.0, OpCode::Floor),
        "ceil" => (0.0, OpCode::Ceil),
        other => return invalid(format!("nearest_mode = {other:?}")),
    };
    let shifted = if shift == 0.0 { place } else { cx.plus(place, shift)? };
    cx.apply(code, shifted)
}
