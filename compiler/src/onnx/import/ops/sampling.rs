//! Sampling of images at places that are data: GridSample, and the bilinear reads of RoiAlign and DeformConv.
//!
//! Every element that a sample is made of (a tap) is one lookup with indices clamped into the image, so that no place,
//! not even NaN, reads outside of it.

use lathe_ir::{Attr, DType, Dim, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::slice::{join, take_axis};
use super::window::{channels_first, channels_last, spatial};

/// What lies outside of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    /// Zeros.
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The image, reflected at the border.
    Reflection,
}

/// How values are made of their neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// The nearest one, in doubt the even one.
    Nearest,
    /// Two along each axis.
    Linear,
    /// Four along each axis, with Keys' kernel.
    Cubic,
}

/// How to sample.
pub(super) struct Sampler {
    pub(super) method: Method,
    pub(super) outside: Outside,
    /// Whether -1 and 1 are the centres of the outermost elements, or their outer edges. Decides where to reflect.
    pub(super) align_corners: bool,
    /// Parameter of Keys' kernel.
    pub(super) cubic_a: f64,
    /// Leading axes that image and places have in common: 1 if places are for each image, 0 if they begin with its
    /// number (which then is the first of the places).
    pub(super) batch_dims: i64,
}

/// An element along one axis that a sample is made of.
pub(super) struct Tap {
    /// Index, an integer in floating point that lies within the axis.
    pub(super) index: Val,
    pub(super) weight: Option<Val>,
    /// Whether the element exists; if not it counts as 0.
    exists: Option<Val>,
}

/// An axis of the image.
pub(super) struct Axis {
    size: Val,
    pub(super) last: Val,
    pub(super) zero: Val,
    dtype: DType,
}

impl Axis {
    pub(super) fn new(cx: &mut NodeCx<'_, '_>, size: &Dim, dtype: DType) -> R<Axis> {
        let last = cx.dim_scalar(&(size - &Dim::ONE), dtype)?;
        Ok(Axis { size: cx.dim_scalar(size, dtype)?, last, zero: cx.scalar(dtype, 0.0), dtype })
    }

    /// Reflects places at the borders until they lie within.
    fn reflect(&self, cx: &mut NodeCx<'_, '_>, place: Val, align_corners: bool) -> R<Val> {
        // A walk along the axis and back again has twice the length.
        let low = if align_corners { 0.0 } else { -0.5 };
        let length = if align_corners { self.last } else { self.size };
        let from_low = cx.plus(place, -low)?;
        let both_ways = cx.times(length, 2.0)?;
        let walked = cx.op(OpCode::Rem, &[from_low, both_ways], &[])?;
        let back = cx.sub(both_ways, walked)?;
        let nearer = cx.op(OpCode::Min, &[walked, back], &[])?;
        cx.plus(nearer, low)
    }

    fn tap(&self, cx: &mut NodeCx<'_, '_>, at: Val, weight: Option<Val>, sampler: &Sampler) -> R<Tap> {
        let mut at = at;
        let mut exists = None;
        match sampler.outside {
            Outside::Border => {}
            Outside::Zeros => {
                let (first, last) = (cx.le(self.zero, at)?, cx.le(at, self.last)?);
                exists = Some(cx.both(first, last)?);
            }
            Outside::Reflection => at = self.reflect(cx, at, sampler.align_corners)?,
        }
        Ok(Tap { index: cx.clamp(at, self.zero, self.last)?, weight, exists })
    }

    /// The taps of samples at places along this axis, counted in elements from the first one's centre.
    pub(super) fn taps(&self, cx: &mut NodeCx<'_, '_>, place: Val, sampler: &Sampler) -> R<Vec<Tap>> {
        let mut place = if sampler.method == Method::Nearest { cx.apply(OpCode::Round, place)? } else { place };
        match sampler.outside {
            // PyTorch and onnxruntime move the four elements of a cubic sample, and only those.
            _ if sampler.method == Method::Cubic => {}
            Outside::Zeros => {}
            Outside::Border => place = cx.clamp(place, self.zero, self.last)?,
            Outside::Reflection => place = self.reflect(cx, place, sampler.align_corners)?,
        }
        if sampler.method == Method::Nearest {
            return Ok(vec![self.tap(cx, place, None, sampler)?]);
        }
        let base = cx.apply(OpCode::Floor, place)?;
        let part = cx.sub(place, base)?;
        let unit = cx.scalar(self.dtype, 1.0);
        let rest = cx.sub(unit, part)?;
        let weights = match sampler.method {
            Method::Cubic => {
                let (before, after) = (cx.plus(part, 1.0)?, cx.plus(rest, 1.0)?);
                let a = sampler.cubic_a;
                vec![
                    (-1.0, far(cx, before, a)?),
                    (0.0, near(cx, part, a)?),
                    (1.0, near(cx, rest, a)?),
                    (2.0, far(cx, after, a)?),
                ]
            }
            _ => vec![(0.0, rest), (1.0, part)],
        };
        let mut taps = Vec::new();
        for (step, weight) in weights {
            let at = cx.plus(base, step)?;
            taps.push(self.tap(cx, at, Some(weight), sampler)?);
        }
        Ok(taps)
    }
}

/// Keys' kernel between 0 and 1: ((a + 2) x - (a + 3)) x x + 1.
fn near(cx: &mut NodeCx<'_, '_>, x: Val, a: f64) -> R<Val> {
    let inner = cx.times(x, a + 2.0)?;
    let inner = cx.plus(inner, -(a + 3.0))?;
    let inner = cx.mul(inner, x)?;
    let inner = cx.mul(inner, x)?;
    cx.plus(inner, 1.0)
}

/// Keys' kernel between 1 and 2: ((a x - 5 a) x + 8 a) x - 4 a.
fn far(cx: &mut NodeCx<'_, '_>, x: Val, a: f64) -> R<Val> {
    let inner = cx.times(x, a)?;
    let inner = cx.plus(inner, -5.0 * a)?;
    let inner = cx.mul(inner, x)?;
    let inner = cx.plus(inner, 8.0 * a)?;
    let inner = cx.mul(inner, x)?;
    cx.plus(inner, -4.0 * a)
}

/// The parameter of Keys' kernel where the operator has none.
pub(super) const CUBIC_A: f64 = -0.75;

/// Samples of images [N, spatial.., C] at places [.., ] for each spatial axis, counted in elements; gives [places.., C]: the
/// weighed elements around each place brought together by `combine`, `Add` for their sum or `Max` for the largest.
/// `image` is which image each place is for, where that is no axis of the places.
pub(super) fn sample(
    cx: &mut NodeCx<'_, '_>,
    images: Val,
    image: Option<Val>,
    places: &[Val],
    sampler: &Sampler,
    combine: OpCode,
) -> R<Val> {
    let taps = all_taps(cx, images, places, sampler)?;
    let mut all = None;
    for chosen in combinations(&taps) {
        let part = weighed(cx, images, image, &chosen, sampler)?;
        all = Some(match all {
            Some(all) => cx.op(combine, &[all, part], &[])?,
            None => part,
        });
    }
    match all {
        Some(all) => Ok(all),
        None => invalid("no axes to sample along"),
    }
}

fn all_taps(cx: &mut NodeCx<'_, '_>, images: Val, places: &[Val], sampler: &Sampler) -> R<Vec<Vec<Tap>>> {
    let shape = cx.shape(images)?;
    let mut taps = Vec::new();
    for (&place, size) in places.iter().zip(&shape[1..]) {
        let axis = Axis::new(cx, size, cx.dtype(place)?)?;
        taps.push(axis.taps(cx, place, sampler)?);
    }
    Ok(taps)
}

/// Every choice of one tap for each axis.
fn combinations(taps: &[Vec<Tap>]) -> Vec<Vec<&Tap>> {
    taps.iter().fold(vec![Vec::new()], |chosen, axis| {
        chosen
            .iter()
            .flat_map(|front| axis.iter().map(move |tap| front.iter().copied().chain([tap]).collect()))
            .collect()
    })
}

/// The elements that a choice of taps names, times its weights, 0 where there is none.
fn weighed(cx: &mut NodeCx<'_, '_>, images: Val, image: Option<Val>, chosen: &[&Tap], sampler: &Sampler) -> R<Val> {
    let mut indices = Vec::new();
    indices.extend(image);
    for tap in chosen {
        indices.push(cx.cast(tap.index, DType::I64)?);
    }
    let mut value = lookup(cx, images, &indices, sampler.batch_dims)?;
    let mut weight: Option<Val> = None;
    let mut exists: Option<Val> = None;
    for tap in chosen {
        weight = match (weight, tap.weight) {
            (Some(product), Some(next)) => Some(cx.mul(product, next)?),
            (product, next) => product.or(next),
        };
        exists = match (exists, tap.exists) {
            (Some(all), Some(next)) => Some(cx.both(all, next)?),
            (all, next) => all.or(next),
        };
    }
    if let Some(weight) = weight {
        let weight = cx.cast(weight, cx.dtype(value)?)?;
        let weight = cx.with_trailing(weight, 1)?;
        value = cx.mul(value, weight)?;
    }
    if let Some(exists) = exists {
        let exists = cx.with_trailing(exists, 1)?;
        let zero = cx.scalar(cx.dtype(value)?, 0.0);
        value = cx.select(exists, value, zero)?;
    }
    Ok(value)
}

/// The rows of [N, spatial.., C] at index tuples; indices broadcast against each other.
fn lookup(cx: &mut NodeCx<'_, '_>, images: Val, indices: &[Val], batch_dims: i64) -> R<Val> {
    let mut sum = indices[0];
    for &index in &indices[1..] {
        // Only the shape of the sum is used.
        sum = cx.add(sum, index)?;
    }
    let shape = cx.shape(sum)?;
    let mut tuples = Vec::new();
    for &index in indices {
        let wide = super::shape::broadcast_to(cx, index, shape.clone())?;
        tuples.push(cx.with_trailing(wide, 1)?);
    }
    let tuples = join(cx, &tuples, shape.len())?;
    cx.op(OpCode::GatherNd, &[images, tuples], &[("batch_dims", Attr::Int(batch_dims))])
}

/// GridSample: images [N, C, spatial..] at places [N, out.., axes] between -1 and 1, the last spatial axis first.
pub(super) fn grid_sample(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, grid) = (cx.input(0)?, cx.input(1)?);
    let method = match cx.word_or("mode", "linear")?.as_str() {
        "nearest" => Method::Nearest,
        "linear" | "bilinear" => Method::Linear,
        "cubic" | "bicubic" => Method::Cubic,
        other => return invalid(format!("mode = {other:?}")),
    };
    let outside = match cx.word_or("padding_mode", "zeros")?.as_str() {
        "zeros" => Outside::Zeros,
        "border" => Outside::Border,
        "reflection" => Outside::Reflection,
        other => return invalid(format!("padding_mode = {other:?}")),
    };
    let align_corners = cx.flag_or("align_corners", false)?;
    let axes = spatial(cx, x)?;
    let shape = cx.shape(grid)?;
    if shape.len() != axes.len() + 2 {
        return invalid(format!("a grid of {} axes for an operand of {}", shape.len(), axes.len() + 2));
    }
    cx.require_equal(&shape[axes.len() + 1], &Dim::from(axes.len() as i64), "the grid's last dimension and the axes")?;
    cx.require_equal(&shape[0], &cx.shape(x)?[0], "numbers of images and of grids")?;
    let dtype = cx.dtype(x)?;
    if !dtype.is_float() && method != Method::Nearest {
        return unsupported(format!("interpolation of {dtype}; mode = \"nearest\" works"));
    }
    // Places need more digits than half floats have.
    let precise = if cx.dtype(grid)? == DType::F64 { DType::F64 } else { DType::F32 };
    let grid = cx.cast(grid, precise)?;
    let mut places = Vec::new();
    for (axis, size) in axes.iter().enumerate() {
        let from = Dim::from((axes.len() - 1 - axis) as i64);
        let part = take_axis(cx, grid, axes.len() + 1, &from, &Dim::ONE)?;
        let part = cx.reshape(part, shape[..axes.len() + 1].iter().cloned())?;
        let shifted = cx.plus(part, 1.0)?;
        places.push(if align_corners {
            let halved = cx.times(shifted, 0.5)?;
            let last = cx.dim_scalar(&(size - &Dim::ONE), precise)?;
            cx.mul(halved, last)?
        } else {
            let size = cx.dim_scalar(size, precise)?;
            let scaled = cx.mul(shifted, size)?;
            let scaled = cx.plus(scaled, -1.0)?;
            cx.times(scaled, 0.5)?
        });
    }
    let images = channels_last(cx, x)?;
    let wide = if dtype.is_float() && dtype.size() == 2 { cx.cast(images, DType::F32)? } else { images };
    let sampler = Sampler { method, outside, align_corners, cubic_a: CUBIC_A, batch_dims: 1 };
    let result = sample(cx, wide, None, &places, &sampler, OpCode::Add)?;
    let result = channels_first(cx, result)?;
    one(cx.cast(result, dtype)?)
}
