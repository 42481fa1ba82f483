//! Parts of images resampled: RoiAlign, DeformConv, AffineGrid.

use lathe_ir::{DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::constant::positions;
use super::matmul::transposed;
use super::sampling::{CUBIC_A, Method, Outside, Sampler, sample};
use super::shape::broadcast_to;
use super::slice::{join, take_axis};
use super::window::{channels_last, pads, per_axis, spatial};

/// RoiAlign: each region of an image, cut into a fixed number of bins; a bin is the average (or the largest part) of
/// samples in a regular grid. Inputs: images [N, C, H, W], regions [R, 4] as x0, y0, x1, y1, their images [R].
pub(super) fn roi_align(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, rois, image) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let (shape, regions) = (cx.shape(x)?, cx.shape(rois)?);
    if shape.len() != 4 || regions.len() != 2 {
        return invalid("an operand of four axes and regions of two are needed");
    }
    cx.require_equal(&regions[1], &Dim::from(4), "numbers of a region and 4")?;
    let samples = match cx.int_or("sampling_ratio", 0)? {
        count if (1..=64).contains(&count) => count,
        0 => return unsupported("sampling_ratio = 0, for which the number of samples depends on data; 1 to 64 work"),
        other => return unsupported(format!("sampling_ratio = {other}; 1 to 64 work")),
    };
    let old = if cx.version < 16 { "output_half_pixel" } else { "half_pixel" };
    let half_pixel = match cx.word_or("coordinate_transformation_mode", old)?.as_str() {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => return invalid(format!("coordinate_transformation_mode = {other:?}")),
    };
    let largest = match cx.word_or("mode", "avg")?.as_str() {
        "avg" => false,
        "max" => true,
        other => return invalid(format!("mode = {other:?}")),
    };
    let scale = cx.float_or("spatial_scale", 1.0)?;
    let bins = [cx.int_or("output_height", 1)?, cx.int_or("output_width", 1)?];
    if let Some(count) = bins.iter().find(|count| !(1..=1 << 16).contains(*count)) {
        return invalid(format!("an output size of {count}"));
    }
    let dtype = cx.dtype(x)?;
    let precise = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let rois = cx.cast(rois, precise)?;
    let scaled = cx.times(rois, scale)?;
    let scaled = if half_pixel { cx.plus(scaled, -0.5)? } else { scaled };
    // Places are [R, bins y, samples y, bins x, samples x], with 1 where they do not depend on an axis.
    let count = regions[0].clone();
    let (mut places, mut within) = (Vec::new(), None);
    for axis in 0..2 {
        let edge = |cx: &mut NodeCx<'_, '_>, at: i64| -> R<Val> {
            let edge = take_axis(cx, scaled, 1, &Dim::from(at), &Dim::ONE)?;
            cx.reshape(edge, [count.clone(), Dim::ONE, Dim::ONE, Dim::ONE, Dim::ONE])
        };
        let (start, end) = (edge(cx, 1 - axis)?, edge(cx, 3 - axis)?);
        let mut length = cx.sub(end, start)?;
        if !half_pixel {
            let least = cx.scalar(precise, 1.0);
            length = cx.op(OpCode::Max, &[length, least], &[])?;
        }
        let bin = cx.times(length, 1.0 / bins[axis as usize] as f64)?;
        let steps: Vec<f64> = (0..bins[axis as usize] * samples)
            .map(|at| (at / samples) as f64 + ((at % samples) as f64 + 0.5) / samples as f64)
            .collect();
        let mut sizes = [1, 1, 1, 1, 1];
        (sizes[1 + 2 * axis as usize], sizes[2 + 2 * axis as usize]) = (bins[axis as usize] as usize, samples as usize);
        let steps = cx.constant("", Tensor::from_f64(precise, &sizes, &steps));
        let offset = cx.mul(bin, steps)?;
        let place = cx.add(start, offset)?;
        // Up to one element outside the border counts; further away is 0.
        let size = cx.dim_scalar(&shape[2 + axis as usize], precise)?;
        let before = cx.scalar(precise, -1.0);
        let (above, below) = (cx.le(before, place)?, cx.le(place, size)?);
        let inside = cx.both(above, below)?;
        within = Some(match within {
            Some(within) => cx.both(within, inside)?,
            None => inside,
        });
        places.push(place);
    }
    let image = cx.cast(image, DType::I64)?;
    let image = cx.reshape(image, [count, Dim::ONE, Dim::ONE, Dim::ONE, Dim::ONE])?;
    let images = channels_last(cx, x)?;
    let images = if dtype.size() == 2 { cx.cast(images, DType::F32)? } else { images };
    let sampler = Sampler {
        method: Method::Linear,
        outside: Outside::Border,
        align_corners: true,
        cubic_a: CUBIC_A,
        batch_dims: 0,
    };
    let combine = if largest { OpCode::Max } else { OpCode::Add };
    let sampled = sample(cx, images, Some(image), &places, &sampler, combine)?;
    let Some(within) = within else { return invalid("no axes") };
    let within = cx.with_trailing(within, 1)?;
    let zero = cx.scalar(cx.dtype(sampled)?, 0.0);
    let sampled = cx.select(within, sampled, zero)?;
    let code = if largest { OpCode::ReduceMax } else { OpCode::ReduceMean };
    let pooled = cx.along(code, sampled, &[2, 4], false)?;
    let result = cx.transpose(pooled, &[0, 3, 1, 2])?;
    one(cx.cast(result, dtype)?)
}

/// DeformConv: a convolution whose taps are moved by offsets that are data, read bilinearly, zeros outside.
/// Inputs: images [N, C, spatial..], weights [M, C / group, kernel..], offsets [N, groups * taps * axes, out..], bias,
/// mask [N, groups * taps, out..].
pub(super) fn deform_conv(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, w, offsets, bias, mask) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.opt(3), cx.opt(4));
    let axes = spatial(cx, x)?.len();
    let (x_shape, w_shape, out) = (cx.shape(x)?, cx.shape(w)?, cx.shape(offsets)?);
    if w_shape.len() != axes + 2 || out.len() != axes + 2 {
        return invalid(format!("weights of {} axes, offsets of {}, images of {}", w_shape.len(), out.len(), axes + 2));
    }
    let Some(kernel) = w_shape[2..].iter().map(Dim::as_size).collect::<Option<Vec<usize>>>() else {
        return unsupported("the kernel's size must be constant");
    };
    if let Some(said) = cx.attrs.ints("kernel_shape")?
        && !said.iter().map(|&size| size as usize).eq(kernel.iter().copied())
    {
        return invalid(format!("kernel_shape = {said:?}, but the weights have {kernel:?}"));
    }
    let taps = kernel.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let Some(taps) = taps.filter(|taps| (1..=4096).contains(taps)) else {
        return unsupported(format!("a kernel of {kernel:?}; up to 4096 elements are supported"));
    };
    let (group, offset_group) = (cx.int_or("group", 1)?, cx.int_or("offset_group", 1)?);
    if group < 1 || !(1..=1024).contains(&offset_group) {
        return invalid(format!("group = {group}, offset_group = {offset_group}"));
    }
    let strides = per_axis(cx, "strides", axes, 1, 1)?;
    let dilations = per_axis(cx, "dilations", axes, 1, 1)?;
    let (before, _) = pads(cx, axes)?;
    let (batch, channels, outputs) = (x_shape[0].clone(), x_shape[1].clone(), w_shape[0].clone());
    let (groups, shares) = (Dim::from(group), Dim::from(offset_group));
    let (in_group, out_group) = (w_shape[1].clone(), outputs.floor_div(&groups));
    cx.require_equal(&(&in_group * &groups), &channels, "channels and those of the weights")?;
    cx.require_equal(&(&out_group * &groups), &outputs, "output channels and a multiple of the groups")?;
    let share = channels.floor_div(&shares);
    cx.require_equal(&(&share * &shares), &channels, "channels and a multiple of offset_group")?;

    let dtype = cx.dtype(x)?;
    let precise = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let images = channels_last(cx, x)?;
    let images = cx.cast(images, precise)?;
    let offsets = cx.cast(offsets, precise)?;
    let split = [batch.clone(), shares.clone(), Dim::from(taps as i64), Dim::from(axes as i64)];
    let offsets = cx.reshape(offsets, split.into_iter().chain(out[2..].iter().cloned()))?;
    let sampler = Sampler {
        method: Method::Linear,
        outside: Outside::Zeros,
        align_corners: true,
        cubic_a: CUBIC_A,
        batch_dims: 1,
    };
    let one_group = |cx: &mut NodeCx<'_, '_>, value: Val, axis: usize, at: i64, size: &Dim| {
        take_axis(cx, value, axis, &(&Dim::from(at) * size), size)
    };
    let mut sampled = Vec::new();
    for at in 0..offset_group {
        let part = one_group(cx, images, axes + 1, at, &share)?;
        let moves = one_group(cx, offsets, 1, at, &Dim::ONE)?;
        let mut places = Vec::new();
        for axis in 0..axes {
            // [N, taps, out..]: where the tap would be, plus its offset.
            let along = take_axis(cx, moves, 3, &Dim::from(axis as i64), &Dim::ONE)?;
            let shape = [batch.clone(), Dim::from(taps as i64)].into_iter().chain(out[2..].iter().cloned());
            let along = cx.reshape(along, shape)?;
            let mut line = vec![Dim::ONE; axes + 2];
            line[axis + 2] = out[axis + 2].clone();
            let step = positions(cx, &line, axis as i64 + 2)?;
            let step = cx.cast(step, precise)?;
            let step = cx.times(step, strides[axis] as f64)?;
            let inner: usize = kernel[axis + 1..].iter().product();
            let tap: Vec<f64> = (0..taps)
                .map(|tap| ((tap / inner % kernel[axis]) as i64 * dilations[axis] - before[axis]) as f64)
                .collect();
            let mut sizes = vec![1; axes + 2];
            sizes[1] = taps;
            let tap = cx.constant("", Tensor::from_f64(precise, &sizes, &tap));
            let place = cx.add(along, step)?;
            places.push(cx.add(place, tap)?);
        }
        let mut values = sample(cx, part, None, &places, &sampler, OpCode::Add)?;
        if let Some(mask) = mask {
            let mask = cx.cast(mask, precise)?;
            let mask = one_group(cx, mask, 1, at, &Dim::from(taps as i64))?;
            let mask = cx.with_trailing(mask, 1)?;
            values = cx.mul(values, mask)?;
        }
        sampled.push(values);
    }
    // [N, taps, out.., C] to one matrix for each group: pixels by taps and channels.
    let sampled = join(cx, &sampled, axes + 2)?;
    let mut split: Vec<Dim> = cx.shape(sampled)?[..axes + 2].to_vec();
    split.extend([groups.clone(), in_group.clone()]);
    let sampled = cx.reshape(sampled, split)?;
    let perm: Vec<usize> = [axes + 2, 0].into_iter().chain(2..axes + 2).chain([axes + 3, 1]).collect();
    let sampled = cx.transpose(sampled, &perm)?;
    let pixels = &batch * &Dim::product_of(&out[2..]);
    let depth = &in_group * &Dim::from(taps as i64);
    let rows = cx.reshape(sampled, [groups.clone(), pixels, depth.clone()])?;
    let w = cx.cast(w, precise)?;
    let w = cx.reshape(w, [groups.clone(), out_group.clone(), depth])?;
    let w = transposed(cx, w)?;
    let product = cx.op(OpCode::MatMul, &[rows, w], &[])?;
    let split = [groups, batch.clone()].into_iter().chain(out[2..].iter().cloned()).chain([out_group]);
    let product = cx.reshape(product, split)?;
    let perm: Vec<usize> = [1, 0, axes + 2].into_iter().chain(2..axes + 2).collect();
    let result = cx.transpose(product, &perm)?;
    let mut result = cx.reshape(result, [batch, outputs].into_iter().chain(out[2..].iter().cloned()))?;
    if let Some(bias) = bias {
        let bias = cx.cast(bias, precise)?;
        let bias = cx.with_trailing(bias, axes)?;
        result = cx.add(result, bias)?;
    }
    one(cx.cast(result, dtype)?)
}

/// AffineGrid: the places, between -1 and 1, that each element of a result of the given size comes from.
pub(super) fn affine_grid(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (theta, size) = (cx.input(0)?, cx.input(1)?);
    let size = cx.dims_of(size, "size")?;
    let axes = size.len().saturating_sub(2);
    if !(2..=3).contains(&axes) {
        return invalid(format!("size has {} elements; 4 or 5 are needed", size.len()));
    }
    let ty = cx.ty(theta)?;
    if ty.rank() != 3 {
        return invalid(format!("theta has {} axes; three are needed", ty.rank()));
    }
    cx.require_equal(&ty.shape[0], &size[0], "numbers of transformations and of images")?;
    cx.require_equal(&ty.shape[1], &Dim::from(axes as i64), "rows of theta and the axes")?;
    cx.require_equal(&ty.shape[2], &Dim::from(axes as i64 + 1), "columns of theta and the axes plus 1")?;
    let align_corners = cx.flag_or("align_corners", false)?;
    let grid: Vec<Dim> = size[2..].iter().cloned().chain([Dim::ONE]).collect();
    // Columns x, y (, z), 1.
    let mut columns = Vec::new();
    for axis in (0..axes).rev() {
        let mut line = vec![Dim::ONE; axes + 1];
        line[axis] = size[axis + 2].clone();
        let place = positions(cx, &line, axis as i64)?;
        let place = cx.cast(place, ty.dtype)?;
        let whole = &size[axis + 2];
        let place = if align_corners {
            // One element is both corners; it is taken for the first.
            let steps = cx.known().max(&(whole - &Dim::ONE), &Dim::ONE);
            let steps = cx.dim_scalar(&steps, ty.dtype)?;
            let doubled = cx.times(place, 2.0)?;
            cx.div(doubled, steps)?
        } else {
            let steps = cx.dim_scalar(whole, ty.dtype)?;
            let doubled = cx.times(place, 2.0)?;
            let centred = cx.plus(doubled, 1.0)?;
            cx.div(centred, steps)?
        };
        let place = cx.plus(place, -1.0)?;
        columns.push(broadcast_to(cx, place, grid.iter().cloned().collect())?);
    }
    let unit = cx.scalar(ty.dtype, 1.0);
    columns.push(broadcast_to(cx, unit, grid.iter().cloned().collect())?);
    let points = join(cx, &columns, axes)?;
    let points = cx.reshape(points, [Dim::product_of(&size[2..]), Dim::from(axes as i64 + 1)])?;
    let theta = transposed(cx, theta)?;
    let result = super::matmul::product(cx, points, theta)?;
    let shape = [size[0].clone()].into_iter().chain(size[2..].iter().cloned()).chain([Dim::from(axes as i64)]);
    one(cx.reshape(result, shape)?)
}
