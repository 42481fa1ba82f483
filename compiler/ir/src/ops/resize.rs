//! `resize(x) {sizes, mode, coordinates, nearest, cubic_a, exclude_outside, antialias, scale_bits}`: samples x at
//! other places. ONNX: Resize, Upsample.
//!
//! Every axis is resampled on its own: [`resize_taps`] tells which elements each result element is made of. Places are
//! computed in f64 from the exact fraction out / in, or in f32 from the scale that the model states.

use super::number::sum;
use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::op::{OpDef, OpError, PLAIN, attr, attr_or, one, operand};
use crate::tensor::Tensor;

const MODES: &[&str] = &["nearest", "linear", "cubic"];
const COORDINATES: &[&str] =
    &["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"];
const NEAREST: &[&str] = &["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];

pub(super) const RESIZE: OpDef = OpDef {
    name: "resize",
    operands: &[operand("x")],
    attrs: &[
        attr("sizes", AttrKind::Dims),
        attr_or("mode", AttrKind::Str(MODES), || Attr::str("nearest")),
        attr_or("coordinates", AttrKind::Str(COORDINATES), || Attr::str("half_pixel")),
        attr_or("nearest", AttrKind::Str(NEAREST), || Attr::str("round_prefer_floor")),
        attr_or("cubic_a", AttrKind::Float, || Attr::float(-0.75)),
        attr_or("exclude_outside", AttrKind::Bool, || Attr::Bool(false)),
        attr_or("antialias", AttrKind::Bool, || Attr::Bool(false)),
        attr_or("scale_bits", AttrKind::Ints, || Attr::ints(&[])),
    ],
    traits: PLAIN,
    infer: |cx| {
        let (x, sizes, scales) = (cx.operand(0), cx.dims("sizes"), cx.ints("scale_bits"));
        check::sizes(cx, "sizes", x.rank())?;
        check::computed(cx, 0)?;
        if cx.word("mode") != "nearest" {
            check::float(cx, 0)?;
        }
        if !scales.is_empty() && scales.len() != x.rank() {
            return Err(OpError::invalid(format!("scale_bits has {} entries, x is {x}", scales.len())));
        }
        for (axis, (from, to)) in x.shape.iter().zip(sizes).enumerate() {
            if from.is(0) && !to.is(0) {
                return Err(OpError::invalid(format!("axis {axis} of x, which is {x}, is empty: nothing to sample")));
            }
            let Some(&bits) = scales.get(axis) else { continue };
            let scale = f64::from_bits(bits as u64);
            if !(scale.is_finite() && scale > 0.0) {
                return Err(OpError::invalid(format!("the scale {scale} of axis {axis} is not a positive number")));
            }
            // A model's size is floor(from * scale), or round(..) where an aspect ratio was kept; scales are f32.
            if let (Some(from), Some(to)) = (from.as_const(), to.as_const())
                && let slack = 1e-6 * to as f64
                && !(-0.75 - slack..=1.0 + slack).contains(&(from as f64 * scale - to as f64))
            {
                return Err(OpError::invalid(format!(
                    "the scale {scale} does not take axis {axis} from {from} to {to}"
                )));
            }
        }
        Ok(one(x.with_shape(sizes.iter().cloned())))
    },
    eval: |cx| {
        let (x, shape) = (cx.operand(0), cx.result_shape(0)?);
        let sampling = Sampling::of(
            cx.word("mode"),
            cx.word("coordinates"),
            cx.word("nearest"),
            cx.float("cubic_a"),
            cx.flag("exclude_outside"),
            cx.flag("antialias"),
        );
        let scale = |axis: usize| cx.ints("scale_bits").get(axis).map(|&bits| f64::from_bits(bits as u64));
        let axes: Vec<Vec<Vec<(usize, f64)>>> = match shape.contains(&0) {
            true => Vec::new(),
            false => {
                (0..shape.len()).map(|axis| resize_taps(&sampling, x.shape()[axis], shape[axis], scale(axis))).collect()
            }
        };
        if sampling.mode == Mode::Nearest || x.is_empty() {
            let strides = index::strides(x.shape());
            return index::pick(x, &shape, |at| {
                at.iter()
                    .enumerate()
                    .map(|(axis, &i)| axes[axis][i].first().map_or(0, |tap| tap.0) * strides[axis])
                    .sum()
            });
        }
        if shape.contains(&0) {
            return index::from_bytes(x, &shape, Vec::new());
        }
        let (mut values, mut now) = (x.to_f64(), x.shape().to_vec());
        for (axis, taps) in axes.iter().enumerate() {
            let (strides, from) = (index::strides(&now), values);
            now[axis] = shape[axis];
            values = Vec::new();
            index::for_each(&now, |at| {
                let row = index::offset(at, &strides) - at[axis] * strides[axis];
                values.push(sum(taps[at[axis]].iter().map(|(i, weight)| from[row + i * strides[axis]] * weight)));
            });
        }
        Ok(vec![Tensor::from_f64(x.dtype(), &shape, &values)])
    },
    doc: "x sampled at other places of every axis, to exactly that size: the nearest element, or a weighted sum of \
          neighbours (floats only). scale_bits: bits of an f64 scale per axis where it is not the fraction of the \
          sizes. ONNX: Resize, Upsample.",
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

/// How `resize` samples an axis: its attributes but the sizes.
#[derive(Clone, Debug)]
pub struct Sampling {
    mode: Mode,
    coordinates: String,
    nearest: String,
    cubic_a: f64,
    exclude_outside: bool,
    antialias: bool,
}

impl Sampling {
    /// From the words and values of the attributes.
    pub fn of(
        mode: &str,
        coordinates: &str,
        nearest: &str,
        cubic_a: f64,
        exclude_outside: bool,
        antialias: bool,
    ) -> Sampling {
        let mode = match mode {
            "linear" => Mode::Linear,
            "cubic" => Mode::Cubic,
            _ => Mode::Nearest,
        };
        Sampling { mode, coordinates: coordinates.into(), nearest: nearest.into(), cubic_a, exclude_outside, antialias }
    }

    /// The place in an axis of `from` elements that element `at` of `to` shows.
    fn place(&self, at: usize, from: usize, to: usize, scale: Option<f64>) -> f64 {
        let (x, from, to) = (at as f64, from as f64, to as f64);
        match (self.coordinates.as_str(), scale) {
            ("align_corners" | "pytorch_half_pixel", _) if to <= 1.0 => 0.0,
            ("align_corners", _) => x * (from - 1.0) / (to - 1.0),
            (_, Some(scale)) => f64::from(self.stated_place(x as f32, from as f32, to as f32, scale as f32)),
            ("asymmetric", None) => x * from / to,
            (_, None) => (x + 0.5) * from / to - 0.5,
        }
    }

    /// The same for a scale that the model states: it was rounded to f32, and only rounding as others do brings places
    /// back to the whole and half numbers that were meant (4 / 0.8 is 5, which in f64 it is not).
    fn stated_place(&self, x: f32, from: f32, to: f32, scale: f32) -> f32 {
        match self.coordinates.as_str() {
            "asymmetric" => x / scale,
            "half_pixel_symmetric" => from / 2.0 * (1.0 - to / (scale * from)) + (x + 0.5) / scale - 0.5,
            _ => (x + 0.5) / scale - 0.5,
        }
    }

    /// Weight of an element at `distance` (in multiples of the filter's unit).
    fn weight(&self, distance: f64) -> f64 {
        let (x, a) = (distance.abs(), self.cubic_a);
        match self.mode {
            Mode::Cubic if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Mode::Cubic if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Mode::Linear if x < 1.0 => 1.0 - x,
            _ => 0.0,
        }
    }
}

/// For each of `to` result elements of an axis of `from` >= 1 elements: the elements that it is made of, with weights.
/// `scale` is that of the model where it is not `to / from`.
pub fn resize_taps(sampling: &Sampling, from: usize, to: usize, scale: Option<f64>) -> Vec<Vec<(usize, f64)>> {
    let last = from.saturating_sub(1) as i64;
    let clamp = |i: i64| i.clamp(0, last) as usize;
    let shrink = match scale.unwrap_or(to as f64 / from as f64) {
        scale if sampling.antialias && scale < 1.0 => scale,
        _ => 1.0,
    };
    let reach = if sampling.mode == Mode::Cubic { 2.0 } else { 1.0 } / shrink;
    (0..to)
        .map(|at| {
            let place = sampling.place(at, from, to, scale);
            if sampling.mode == Mode::Nearest {
                let nearest = match sampling.nearest.as_str() {
                    "floor" => place.floor(),
                    "ceil" => place.ceil(),
                    "round_prefer_ceil" => (place + 0.5).floor(),
                    _ => (place - 0.5).ceil(),
                };
                return vec![(clamp(nearest as i64), 1.0)];
            }
            let mut taps = Vec::new();
            for i in (place - reach).floor() as i64..=(place + reach).ceil() as i64 {
                let weight = sampling.weight((i as f64 - place) * shrink);
                let counts = !sampling.exclude_outside || (0..=last).contains(&i);
                if weight != 0.0 && counts {
                    taps.push((clamp(i), weight));
                }
            }
            if sampling.exclude_outside || shrink != 1.0 {
                let total = sum(taps.iter().map(|tap| tap.1));
                taps.iter_mut().for_each(|tap| tap.1 /= total);
            }
            taps
        })
        .collect()
}
