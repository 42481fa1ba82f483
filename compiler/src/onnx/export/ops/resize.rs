//! resize as Resize, by sizes where the scale is their fraction, else by scales.

use lathe_ir::{DType, Dim, Tensor};

use super::{Cx, one};
use crate::onnx::export::emit::{In, R, Val, float, int, word};

/// resize
pub(super) fn resize(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let (shape, sizes, bits) = (cx.shape(0)?, cx.op.dims("sizes"), cx.op.ints("scale_bits"));
    if shape.is_empty() {
        return one(x);
    }
    // Only what counts: engines refuse the rest.
    let mode = cx.op.word("mode");
    let mut attributes = vec![word("mode", mode), word("coordinate_transformation_mode", cx.op.word("coordinates"))];
    if mode == "nearest" {
        attributes.push(word("nearest_mode", cx.op.word("nearest")));
    }
    if mode == "cubic" {
        attributes.push(float("cubic_coeff_a", cx.op.float("cubic_a")));
    }
    let antialias = mode != "nearest" && cx.op.flag("antialias");
    if antialias {
        attributes.push(int("antialias", 1));
    }
    // Between two elements, one outside of x is the border's repeated: leaving it out changes nothing.
    if cx.op.flag("exclude_outside") && (mode == "cubic" || antialias) {
        attributes.push(int("exclude_outside", 1));
    }
    if bits.is_empty() {
        let sizes = cx.emitter.dims(sizes)?;
        let inputs = [In::T(&x), In::Absent, In::Absent, In::Raw(&sizes)];
        return one(cx.emitter.kernel("Resize", &inputs, attributes)?);
    }
    let scales: Vec<f64> = bits.iter().map(|&bits| f64::from_bits(bits as u64)).collect();
    for (axis, &scale) in scales.iter().enumerate() {
        if !leads_to(&shape[axis], scale, &sizes[axis]) {
            return Err(format!(
                "axis {axis} goes from {} to {} by a scale of {scale}: ONNX's Resize takes a size or a scale, and the \
                 size of that scale is another",
                shape[axis], sizes[axis]
            ));
        }
    }
    let scales = cx.emitter.constant(&Tensor::from_f64(DType::F32, &[scales.len()], &scales));
    one(cx.emitter.kernel("Resize", &[In::T(&x), In::Absent, In::Raw(&scales)], attributes)?)
}

/// Whether the scale, in f32, takes `from` to `to`: to = floor(from * scale).
fn leads_to(from: &Dim, scale: f64, to: &Dim) -> bool {
    let scale = scale as f32;
    if let (Some(from), Some(to)) = (from.as_const(), to.as_const()) {
        return (from as f32 * scale).floor() == to as f32;
    }
    // A scale with few bits behind the point is an exact fraction.
    let denominator = 1i64 << 12;
    let numerator = f64::from(scale) * denominator as f64;
    numerator.fract() == 0.0
        && numerator < 1e12
        && (from * &Dim::from(numerator as i64)).floor_div(&Dim::from(denominator)) == *to
}
