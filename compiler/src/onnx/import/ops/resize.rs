//! Resize, and Upsample, its old name.

use lathe_ir::op::normalize_axis;
use lathe_ir::{Attr, DType, Dim, OpCode};

use crate::onnx::import::known::Elem;
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, needs_value, unsupported};

use super::crop_resize::crop_and_resize;

/// Resize. Inputs: data, region of interest, scales, sizes.
pub(super) fn resize(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let shape = cx.shape(x)?;
    let rank = shape.len();
    let coordinates = cx.word_or("coordinate_transformation_mode", "half_pixel")?;
    if !matches!(
        coordinates.as_str(),
        "half_pixel"
            | "asymmetric"
            | "align_corners"
            | "pytorch_half_pixel"
            | "half_pixel_symmetric"
            | "tf_crop_and_resize"
    ) {
        return invalid(format!("coordinate_transformation_mode = {coordinates:?}"));
    }
    let mode = match cx.word_or("mode", "nearest")?.as_str() {
        "nearest" => "nearest",
        "linear" | "bilinear" => "linear",
        "cubic" => "cubic",
        other => return unsupported(format!("mode = {other:?}")),
    };
    let axes: Vec<usize> = match cx.attrs.ints("axes")? {
        Some(axes) => axes.iter().map(|&axis| normalize_axis(axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let (mut sizes, mut scales) = (shape.to_vec(), vec![None; rank]);
    // An operand without elements counts as left out.
    let given = |cx: &NodeCx<'_, '_>, index: usize| -> R<Option<Val>> {
        Ok(match cx.opt(index) {
            Some(val) if !cx.ty(val)?.elements().is(0) => Some(val),
            _ => None,
        })
    };
    let (scales_given, sizes_given) = (given(cx, 2)?, given(cx, 3)?);
    for list in scales_given.iter().chain(&sizes_given) {
        cx.has_length(*list, axes.len(), "the length of the list and the number of axes")?;
    }
    match (scales_given, sizes_given) {
        (Some(_), Some(_)) => return invalid("both scales and sizes are given"),
        (None, None) => return invalid("neither scales nor sizes are given"),
        (Some(_), None) if coordinates == "tf_crop_and_resize" => {
            return unsupported("coordinate_transformation_mode = \"tf_crop_and_resize\" with scales; sizes work");
        }
        (Some(given), None) => by_scales(cx, given, &axes, &mut sizes, &mut scales)?,
        (None, Some(given)) => {
            let wanted = cx.dims_of(given, "sizes")?;
            if wanted.len() != axes.len() {
                return invalid(format!("{} sizes for {} axes", wanted.len(), axes.len()));
            }
            match cx.word_or("keep_aspect_ratio_policy", "stretch")?.as_str() {
                "stretch" => {
                    for (&axis, size) in axes.iter().zip(wanted) {
                        sizes[axis] = size;
                    }
                }
                policy => keep_ratio(policy, &wanted, &axes, &mut sizes, &mut scales)?,
            }
        }
    }
    if coordinates == "tf_crop_and_resize" {
        let Some(roi) = given(cx, 1)? else { return invalid("tf_crop_and_resize needs roi") };
        return one(crop_and_resize(cx, x, roi, &axes, &sizes, mode)?);
    }
    if sizes.as_slice() == shape.as_slice() && scales.iter().all(|scale| scale.is_none_or(|scale| scale == 1.0)) {
        return one(x);
    }
    let mut attrs = vec![
        ("sizes", Attr::dims(sizes)),
        ("mode", Attr::str(mode)),
        ("coordinates", Attr::str(&coordinates)),
        ("nearest", Attr::str(nearest(cx)?)),
        ("cubic_a", Attr::float(cx.float_or("cubic_coeff_a", -0.75)?)),
        ("exclude_outside", cx.flag_or("exclude_outside", false)?.into()),
        ("antialias", cx.flag_or("antialias", false)?.into()),
    ];
    if scales.iter().any(Option::is_some) {
        let bits: Vec<i64> = scales.iter().map(|scale| scale.unwrap_or(1.0).to_bits() as i64).collect();
        attrs.push(("scale_bits", Attr::ints(&bits)));
    }
    let dtype = cx.dtype(x)?;
    if mode != "nearest" && !dtype.is_float() {
        return unsupported(format!("mode = {mode:?} on {dtype}"));
    }
    one(cx.op(OpCode::Resize, &[x], &attrs)?)
}

fn nearest(cx: &NodeCx<'_, '_>) -> R<&'static str> {
    Ok(match cx.word_or("nearest_mode", "round_prefer_floor")?.as_str() {
        "round_prefer_floor" => "round_prefer_floor",
        "round_prefer_ceil" => "round_prefer_ceil",
        "floor" => "floor",
        "ceil" => "ceil",
        other => return invalid(format!("nearest_mode = {other:?}")),
    })
}

/// Sizes are floor(size * scale). The scales are noted unless sizes tell them exactly.
fn by_scales(
    cx: &mut NodeCx<'_, '_>,
    given: Val,
    axes: &[usize],
    sizes: &mut [Dim],
    scales: &mut [Option<f64>],
) -> R<()> {
    let Some(elems) = cx.all_elems(given)? else {
        return needs_value("scales are computed from data, so the shape is not known");
    };
    if elems.len() != axes.len() {
        return invalid(format!("{} scales for {} axes", elems.len(), axes.len()));
    }
    let mut exact = true;
    for (&axis, elem) in axes.iter().zip(&elems) {
        let Elem::Float(scale) = elem else {
            return unsupported("a scale that depends on a dimension");
        };
        let scale = *scale;
        if !(scale.is_finite() && scale > 0.0) {
            return invalid(format!("a scale is {scale}"));
        }
        scales[axis] = Some(scale);
        let size = &sizes[axis];
        if let Some(size) = size.as_const() {
            // As executors do it: in f32.
            let scaled = f64::from(size as f32 * scale as f32);
            if scaled > 1e15 {
                return invalid(format!("a dimension of {size} times {scale}"));
            }
            exact &= scaled.fract() == 0.0 && scaled == size as f64 * scale;
            sizes[axis] = Dim::constant(scaled.floor() as i64);
        } else {
            let known = cx.known();
            let as_float = known.cast(DType::F32, &Elem::Dim(size.clone()));
            let scaled = as_float.and_then(|size| {
                let product = known.arith(crate::onnx::import::known::Arith::Mul, DType::F32, &size, elem)?;
                known.cast(DType::I64, &product)?.to_dim()
            });
            let Some(scaled) = scaled else {
                return unsupported(format!("a scale of {scale} for a dimension that is not constant"));
            };
            exact &= scale.fract() == 0.0;
            sizes[axis] = scaled;
        }
    }
    if exact {
        scales.fill(None);
    } else {
        for scale in scales.iter_mut() {
            scale.get_or_insert(1.0);
        }
    }
    Ok(())
}

/// One scale for all axes: the largest that stays within the sizes, or the smallest that reaches them.
fn keep_ratio(policy: &str, wanted: &[Dim], axes: &[usize], sizes: &mut [Dim], scales: &mut [Option<f64>]) -> R<()> {
    let mut ratios = Vec::new();
    for (&axis, want) in axes.iter().zip(wanted) {
        match (sizes[axis].as_const(), want.as_const()) {
            (Some(have), Some(want)) if have > 0 => ratios.push(want as f64 / have as f64),
            _ => return unsupported("keep_aspect_ratio_policy with a dimension that is not constant"),
        }
    }
    let pick = match policy {
        "not_larger" => f64::min,
        "not_smaller" => f64::max,
        other => return invalid(format!("keep_aspect_ratio_policy = {other:?}")),
    };
    let Some(scale) = ratios.into_iter().reduce(pick) else { return Ok(()) };
    for scale in scales.iter_mut() {
        *scale = Some(1.0);
    }
    for &axis in axes {
        let have = sizes[axis].as_const().unwrap_or(0);
        sizes[axis] = Dim::constant((scale * have as f64 + 0.5).floor() as i64);
        scales[axis] = Some(scale);
    }
    Ok(())
}
