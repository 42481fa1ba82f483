//! Windows taken apart and put together again: the positions of MaxPool's maxima, MaxUnpool, Col2Im.

use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::constant::{filled, positions};
use super::slice::{pad_to, take};
use super::window::{Window, channels_first, channels_last, pads, per_axis, spatial};

/// Windows for which positions are told apart tap by tap.
const MAX_TAPS: i64 = 1024;

/// MaxPool with the positions of the maxima in the flattened operand; among equal elements the first one.
pub(super) fn max_pool_indices(cx: &mut NodeCx<'_, '_>, x: Val, window: &Window, result: &[Dim]) -> R<Vec<Val>> {
    let ty = cx.ty(x)?;
    let axes = window.kernel.len();
    let taps = window.kernel.iter().try_fold(1i64, |all, &size| all.checked_mul(size));
    let Some(taps) = taps.filter(|&taps| taps <= MAX_TAPS) else {
        return unsupported(format!(
            "the output Indices for a window of {:?}; up to {MAX_TAPS} elements",
            window.kernel
        ));
    };
    if window.symbolic.is_some() {
        return unsupported("the output Indices with auto_pad of a size that is not constant");
    }
    let column_major = cx.flag_or("storage_order", false)?;
    let least = if ty.dtype.is_float() {
        f64::NEG_INFINITY
    } else if ty.dtype.is_unsigned() {
        0.0
    } else {
        -(2f64.powi(8 * ty.dtype.size() as i32 - 1))
    };
    let least = cx.scalar(ty.dtype, least);
    // Padding as far as the last window reaches.
    let (mut before, mut after) = (vec![Dim::ZERO; axes + 2], vec![Dim::ZERO; axes + 2]);
    for axis in 0..axes {
        let span = Dim::from((window.kernel[axis] - 1) * window.dilations[axis] + 1);
        let reach = &(&(&result[axis + 2] - &Dim::ONE) * &Dim::from(window.strides[axis])) + &span;
        before[axis + 2] = Dim::from(window.before[axis]);
        let missing = &(&reach - &before[axis + 2]) - &ty.shape[axis + 2];
        after[axis + 2] = cx.known().max(&missing, &Dim::ZERO);
    }
    let padded = pad_to(cx, x, &[before, after], "constant", Some(least))?;

    // Position of the first element inside of each window, and steps along the axes.
    let mut step = vec![Dim::ONE; axes];
    if column_major {
        for axis in 1..axes {
            step[axis] = &step[axis - 1] * &ty.shape[axis + 1];
        }
    } else {
        for axis in (1..axes).rev() {
            step[axis - 1] = &step[axis] * &ty.shape[axis + 2];
        }
    }
    let line = |axis: usize| (0..axes + 2).map(move |at| if at == axis { Some(()) } else { None });
    let along = |cx: &mut NodeCx<'_, '_>, axis: usize| -> R<Val> {
        let shape: Vec<Dim> =
            line(axis).enumerate().map(|(at, own)| own.map_or(Dim::ONE, |()| result[at].clone())).collect();
        positions(cx, &shape, axis as i64)
    };
    let image = Dim::product_of(&ty.shape[2..]);
    let (batch, channel) = (along(cx, 0)?, along(cx, 1)?);
    let channels = cx.dim_scalar(&ty.shape[1], DType::I64)?;
    let number = cx.mul(batch, channels)?;
    let number = cx.add(number, channel)?;
    let size = cx.dim_scalar(&image, DType::I64)?;
    let mut origin = cx.mul(number, size)?;
    let mut inside = None;
    for axis in 0..axes {
        let at = along(cx, axis + 2)?;
        let stride = cx.whole(window.strides[axis]);
        let at = cx.mul(at, stride)?;
        let pad = cx.whole(window.before[axis]);
        let at = cx.sub(at, pad)?;
        // Taps before the border are skipped by whole dilations.
        let dilation = cx.whole(window.dilations[axis]);
        let (zero, less_one) = (cx.whole(0), cx.whole(window.dilations[axis] - 1));
        let gap = cx.sub(less_one, at)?;
        let gap = cx.op(OpCode::Max, &[gap, zero], &[])?;
        let skipped = cx.div(gap, dilation)?;
        let skipped = cx.mul(skipped, dilation)?;
        let step = cx.dim_scalar(&step[axis], DType::I64)?;
        let here = cx.mul(at, step)?;
        origin = cx.add(origin, here)?;
        let skipped = cx.mul(skipped, step)?;
        inside = Some(match inside {
            Some(sum) => cx.add(sum, skipped)?,
            None => skipped,
        });
    }
    let Some(inside) = inside else { return invalid("no spatial axes") };
    let wide = result.iter().cloned().collect::<lathe_ir::Shape>();
    let mut best = super::shape::broadcast_to(cx, least, wide.clone())?;
    let mut place = super::shape::broadcast_to(cx, inside, wide)?;
    for tap in 0..taps {
        let (mut rest, mut offset) = (tap, Dim::ZERO);
        let (mut starts, mut steps) = (vec![Dim::ZERO; axes + 2], vec![1; axes + 2]);
        for axis in (0..axes).rev() {
            let at = rest % window.kernel[axis] * window.dilations[axis];
            rest /= window.kernel[axis];
            starts[axis + 2] = Dim::from(at);
            steps[axis + 2] = window.strides[axis];
            offset = &offset + &(&step[axis] * &Dim::from(at));
        }
        let value = take(cx, padded, &starts, result, &steps)?;
        let offset = cx.dim_scalar(&offset, DType::I64)?;
        let is_larger = cx.lt(best, value)?;
        best = cx.select(is_larger, value, best)?;
        place = cx.select(is_larger, offset, place)?;
    }
    Ok(vec![best, cx.add(origin, place)?])
}

/// MaxUnpool: elements put back where MaxPool found them, zeros elsewhere. Positions count in the shape that the
/// windows alone give; a given shape adds zeros behind it.
pub(super) fn max_unpool(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, indices) = (cx.input(0)?, cx.input(1)?);
    let ty = cx.ty(x)?;
    let axes = spatial(cx, x)?.len();
    let Some(kernel) = cx.attrs.ints("kernel_shape")?.map(<[i64]>::to_vec) else {
        return invalid("attribute kernel_shape is missing");
    };
    if kernel.len() != axes || kernel.iter().any(|size| !(1..=1 << 31).contains(size)) {
        return invalid(format!("kernel_shape = {kernel:?} for {axes} spatial axes"));
    }
    let strides = per_axis(cx, "strides", axes, 1, 1)?;
    let (before, after) = pads(cx, axes)?;
    let mut shape = ty.shape.to_vec();
    for axis in 0..axes {
        let spread = &(&ty.shape[axis + 2] - &Dim::ONE) * &Dim::from(strides[axis]);
        shape[axis + 2] = &spread + &Dim::from(kernel[axis] - before[axis] - after[axis]);
    }
    let count = Dim::product_of(&shape);
    let zeros = filled(cx, Tensor::scalar(ty.dtype, 0.0), std::slice::from_ref(&count))?;
    let elements = ty.elements();
    let values = cx.reshape(x, [elements.clone()])?;
    let places = cx.reshape(indices, [elements])?;
    let places = cx.cast(places, DType::I64)?;
    let flat = cx.op(OpCode::ScatterElements, &[zeros, places, values], &[("axis", Attr::Int(0))])?;
    let result = cx.reshape(flat, shape.iter().cloned())?;
    let Some(wanted) = cx.opt(2) else { return one(result) };
    let wanted = cx.dims_of(wanted, "output_shape")?;
    if wanted.len() != shape.len() {
        return invalid(format!("output_shape has {} elements for {} axes", wanted.len(), shape.len()));
    }
    let mut missing = Vec::new();
    for (want, have) in wanted.iter().zip(&shape) {
        let more = want - have;
        if cx.known().is_non_negative(&more) != Some(true) {
            return unsupported(format!("output_shape has a dimension {want} below the {have} that windows give"));
        }
        missing.push(more);
    }
    one(pad_to(cx, result, &[vec![Dim::ZERO; shape.len()], missing], "constant", None)?)
}

/// Col2Im: columns of windows summed into an image, as the transposed convolution by windows of one element each.
pub(super) fn col2im(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, image, block) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let (image, kernel) = (cx.dims_of(image, "image_shape")?, cx.const_ints(block, "block_shape")?);
    let axes = image.len();
    if !(1..=3).contains(&axes) || kernel.len() != axes || kernel.iter().any(|size| !(1..=1 << 20).contains(size)) {
        return unsupported(format!("block_shape = {kernel:?} for {axes} axes; one to three axes are supported"));
    }
    let ty = cx.ty(x)?;
    let [batch, rows, _] = ty.shape.as_slice() else {
        return invalid(format!("the operand has {} axes; three are needed", ty.rank()));
    };
    let taps = kernel.iter().try_fold(1i64, |all, &size| all.checked_mul(size)).filter(|&taps| taps <= 4096);
    let Some(taps) = taps else {
        return unsupported(format!("blocks of {kernel:?}; up to 4096 elements are supported"));
    };
    let channels = rows.floor_div(&Dim::from(taps));
    cx.require_equal(&(&channels * &Dim::from(taps)), rows, "rows and a multiple of the block's elements")?;
    let strides = per_axis(cx, "strides", axes, 1, 1)?;
    let dilations = per_axis(cx, "dilations", axes, 1, 1)?;
    let (before, after) = pads(cx, axes)?;
    let (mut blocks, mut extra) = (Vec::new(), Vec::new());
    for axis in 0..axes {
        let span = Dim::from((kernel[axis] - 1).saturating_mul(dilations[axis]).saturating_add(1));
        let (stride, pad) = (Dim::from(strides[axis]), Dim::from(before[axis] + after[axis]));
        let room = &(&image[axis] + &pad) - &span;
        if cx.known().is_non_negative(&room) == Some(false) {
            return invalid(format!("blocks of {kernel:?} do not fit into an image of {}", image[axis]));
        }
        let steps = room.floor_div(&stride);
        let left = &room - &(&steps * &stride);
        match left.as_const() {
            Some(left) => extra.push(left),
            None => return unsupported("image_shape of a size that is not constant with strides above 1"),
        }
        blocks.push(&steps + &Dim::ONE);
    }
    let images = batch * &channels;
    let columns = [images, Dim::from(taps)].into_iter().chain(blocks);
    let columns = cx.reshape(x, columns)?;
    let precise = if ty.dtype.is_float() && ty.dtype.size() == 2 { DType::F32 } else { ty.dtype };
    let columns = cx.cast(columns, precise)?;
    // Weights [taps, 1, kernel..]: each tap goes to its own place.
    let count = taps as usize;
    cx.importer.values.generate(count * count)?;
    let unit: Vec<f64> = (0..count * count).map(|at| f64::from(u8::from(at / count == at % count))).collect();
    let sizes: Vec<usize> = [count, 1].into_iter().chain(kernel.iter().map(|&size| size as usize)).collect();
    let name = format!("{}.taps", cx.constant_name());
    let weights = cx.constant(&name, Tensor::from_f64(precise, &sizes, &unit));
    let last = channels_last(cx, columns)?;
    let attrs = [
        ("strides", Attr::ints(&strides)),
        ("dilations", Attr::ints(&dilations)),
        ("pads_before", Attr::ints(&before)),
        ("pads_after", Attr::ints(&after)),
        ("output_padding", Attr::ints(&extra)),
    ];
    let result = cx.op(OpCode::ConvTranspose, &[last, weights], &attrs)?;
    let result = channels_first(cx, result)?;
    let result = cx.cast(result, ty.dtype)?;
    one(cx.reshape(result, [batch.clone(), channels].into_iter().chain(image))?)
}
