//! Spectra: DFT, STFT, MelWeightMatrix.
//!
//! A transform is one matrix product with the table of its roots of unity; real and imaginary parts are neighbours in
//! both, so that complex arithmetic is part of the product.

use lathe_ir::op::normalize_axis;
use lathe_ir::{DType, Dim, OpCode, Tensor};

use crate::onnx::import::known::Elem;
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, needs_value, unsupported};

use super::constant::positions;
use super::elementwise::element_type;
use super::slice::take_axis;

/// Which transform.
#[derive(Clone, Copy)]
struct Transform {
    length: i64,
    inverse: bool,
    onesided: bool,
}

/// DFT. Inputs: signal [.., 1 or 2], length, axis.
pub(super) fn dft(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let shape = cx.shape(x)?;
    if shape.len() < 2 {
        return invalid("the signal needs at least two axes");
    }
    let axis = match cx.opt(2) {
        _ if cx.version < 20 => cx.int_or("axis", 1)?,
        Some(axis) => cx.const_int(axis, "axis")?,
        None => -2,
    };
    let axis = normalize_axis(axis, shape.len())?;
    if axis == shape.len() - 1 {
        return invalid("the axis of the transform is that of real and imaginary parts");
    }
    let (inverse, onesided) = (cx.flag_or("inverse", false)?, cx.flag_or("onesided", false)?);
    let length = match cx.opt(1) {
        Some(length) => cx.const_int(length, "dft_length")?,
        None => match shape[axis].as_const() {
            Some(size) if inverse && onesided => 2 * (size - 1),
            Some(size) => size,
            None => return unsupported("a transform along an axis whose size is not constant, without dft_length"),
        },
    };
    one(transform(cx, x, axis, Transform { length, inverse, onesided })?)
}

/// The table of a transform: `rows` elements of (1 or 2) parts by the result's elements of (1 or 2) parts.
fn table(spec: Transform, rows: i64, parts_in: i64, columns: i64, parts_out: i64) -> Vec<f64> {
    let length = spec.length;
    let mut values = Vec::new();
    for row in 0..rows {
        // A spectrum that is given by half stands for its mirror image too.
        let mirrored = spec.inverse && spec.onesided && row != 0 && 2 * row != length;
        let factor = if mirrored { 2.0 } else { 1.0 } / if spec.inverse { length as f64 } else { 1.0 };
        for part_in in 0..parts_in {
            for column in 0..columns {
                let turn = (row * column % length) as f64 / length as f64 * std::f64::consts::TAU;
                let (sin, cos) = if spec.inverse { turn.sin_cos() } else { (-turn).sin_cos() };
                for part_out in 0..parts_out {
                    // (a + b i) (cos + sin i)
                    values.push(
                        factor
                            * match (part_in, part_out) {
                                (0, 0) | (1, 1) => cos,
                                (0, _) => sin,
                                _ => -sin,
                            },
                    );
                }
            }
        }
    }
    values
}

fn transform(cx: &mut NodeCx<'_, '_>, x: Val, axis: usize, spec: Transform) -> R<Val> {
    let ty = cx.ty(x)?;
    let rank = ty.rank();
    let parts_in = match ty.shape[rank - 1].as_const() {
        Some(parts @ (1 | 2)) => parts,
        _ => return invalid(format!("the signal is {ty}; its last dimension must be 1 or 2")),
    };
    if !ty.dtype.is_float() {
        return invalid(format!("the signal is {ty}; floats are needed"));
    }
    let length = spec.length;
    if length < 1 {
        return invalid(format!("a transform of length {length}"));
    }
    let half = length / 2 + 1;
    let to_real = spec.inverse && spec.onesided;
    let most = if to_real { half } else { length };
    let columns = if spec.onesided && !spec.inverse { half } else { length };
    let parts_out = if to_real { 1 } else { 2 };
    // Elements beyond the length are left out, missing ones are 0.
    let most = Dim::from(most);
    let known = cx.known();
    let rows = known.min(&ty.shape[axis], &most);
    let Some(row_count) = rows.as_const() else {
        return unsupported(format!("a transform of length {length} along an axis of size {}", ty.shape[axis]));
    };
    let entries = [row_count, parts_in, columns, parts_out].iter().try_fold(1i64, |all, &n| all.checked_mul(n));
    cx.importer.values.generate(entries.and_then(|entries| usize::try_from(entries).ok()).unwrap_or(usize::MAX))?;
    let x = take_axis(cx, x, axis, &Dim::ZERO, &rows)?;
    let precise = if ty.dtype.size() == 2 { DType::F32 } else { ty.dtype };
    let x = cx.cast(x, precise)?;
    let perm: Vec<usize> = (0..rank - 1).filter(|&at| at != axis).chain([axis, rank - 1]).collect();
    let moved = cx.transpose(x, &perm)?;
    let outer: Vec<Dim> = cx.shape(moved)?[..rank - 2].to_vec();
    let flat = outer.iter().cloned().chain([Dim::from(row_count * parts_in)]);
    let flat = cx.reshape(moved, flat)?;
    let values = table(spec, row_count, parts_in, columns, parts_out);
    let sizes = [(row_count * parts_in) as usize, (columns * parts_out) as usize];
    let name = format!("{}.roots", cx.constant_name());
    let table = cx.constant(&name, Tensor::from_f64(precise, &sizes, &values));
    let result = super::matmul::product(cx, flat, table)?;
    let result = cx.reshape(result, outer.into_iter().chain([Dim::from(columns), Dim::from(parts_out)]))?;
    let mut back: Vec<usize> = (0..rank - 2).collect();
    back.insert(axis, rank - 2);
    back.push(rank - 1);
    let result = cx.transpose(result, &back)?;
    cx.cast(result, ty.dtype)
}

/// STFT: the spectra of windows of a signal [N, length, 1 or 2] that begin every so many elements.
pub(super) fn stft(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, step, window) = (cx.input(0)?, cx.input(1)?, cx.opt(2));
    let step = cx.const_int(step, "frame_step")?;
    let mut shape = cx.shape(x)?.to_vec();
    let mut x = x;
    if shape.len() == 2 {
        shape.push(Dim::ONE);
        x = cx.reshape(x, shape.iter().cloned())?;
    }
    if shape.len() != 3 {
        return invalid(format!("the signal has {} axes; two or three are needed", shape.len()));
    }
    let length = match (cx.opt(3), window) {
        (Some(length), _) => cx.const_int(length, "frame_length")?,
        (None, Some(window)) => match cx.shape(window)?.first().and_then(Dim::as_const) {
            Some(length) => length,
            None => return unsupported("a window whose length is not constant"),
        },
        (None, None) => match shape[1].as_const() {
            Some(length) => length,
            None => return unsupported("frames as long as a signal whose length is not constant"),
        },
    };
    if step < 1 || length < 1 || step > 1 << 31 || length > 1 << 31 {
        return invalid(format!("frames of {length} elements every {step}"));
    }
    let room = &shape[1] - &Dim::from(length);
    if cx.known().is_non_negative(&room) == Some(false) {
        return invalid(format!("frames of {length} elements of a signal of {}", shape[1]));
    }
    let frames = &room.floor_div(&Dim::from(step)) + &Dim::ONE;
    let first = positions(cx, &[frames, Dim::ONE], 0)?;
    let by = cx.whole(step);
    let first = cx.mul(first, by)?;
    let within = positions(cx, &[Dim::ONE, Dim::from(length)], 1)?;
    let indices = cx.add(first, within)?;
    let mut framed = cx.gather(x, indices, 1)?;
    if let Some(window) = window {
        let size = cx.shape(window)?;
        cx.require_equal(&Dim::product_of(&size), &Dim::from(length), "lengths of the window and of a frame")?;
        let window = cx.cast(window, cx.dtype(framed)?)?;
        let window = cx.laid_along(window, 0, 2)?;
        framed = cx.mul(framed, window)?;
    }
    let onesided = cx.flag_or("onesided", true)?;
    one(transform(cx, framed, 2, Transform { length, inverse: false, onesided })?)
}

/// MelWeightMatrix: triangles over the bins of a spectrum, evenly spaced in mel; all operands must be known.
pub(super) fn mel_weights(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let mut numbers = Vec::new();
    for index in 0..5 {
        let val = cx.input(index)?;
        match cx.all_elems(val)?.as_deref() {
            Some([Elem::Int(value)]) => numbers.push(*value as f64),
            Some([Elem::Float(value)]) => numbers.push(*value),
            _ => return needs_value(format!("input {index} must be a constant")),
        }
    }
    let [bands, length, rate, low, high] = numbers[..] else { return invalid("five operands are needed") };
    let dtype = element_type(cx.int_or("output_datatype", 1)?)?;
    let bins = (length / 2.0).floor() + 1.0;
    if !(bands >= 1.0 && length >= 1.0 && rate > 0.0 && bands * bins < 1e15) {
        return invalid(format!("{bands} bands over a spectrum of {length} at {rate} Hz"));
    }
    cx.importer.values.generate((bands * bins) as usize)?;
    let mel = |hertz: f64| 2595.0 * (hertz / 700.0).ln_1p() / std::f64::consts::LN_10;
    let (first, last) = (mel(low), mel(high));
    let step = (last - first) / (bands + 2.0);
    let (bands, bins) = (bands as usize, bins as usize);
    let mut edges = Vec::new();
    for at in 0..bands + 2 {
        let hertz = 700.0 * ((at as f64 * step + first) / 2595.0 * std::f64::consts::LN_10).exp_m1();
        let bin = ((length + 1.0) * hertz / rate).floor();
        if !(0.0..bins as f64).contains(&bin) {
            return invalid(format!("{hertz} Hz is no frequency of a spectrum of {length} at {rate} Hz"));
        }
        edges.push(bin as usize);
    }
    let mut weights = vec![0.0; bins * bands];
    for (band, edge) in edges.windows(3).enumerate() {
        let (left, centre, right) = (edge[0], edge[1], edge[2]);
        if right < centre || centre < left {
            return invalid(format!("the upper edge of {high} Hz is below the lower one of {low} Hz"));
        }
        if left == centre {
            weights[centre * bands + band] = 1.0;
        }
        for bin in left..centre {
            weights[bin * bands + band] = (bin - left) as f64 / (centre - left) as f64;
        }
        if left < centre {
            weights[centre * bands + band] = 1.0;
        }
        for bin in centre..right {
            weights[bin * bands + band] = (right - bin) as f64 / (right - centre) as f64;
        }
    }
    let name = cx.constant_name();
    one(cx.constant(&name, Tensor::from_f64(dtype, &[bins, bands], &weights)))
}

/// Det: the determinant of matrices up to 4 x 4, by the first row's minors.
pub(super) fn det(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let shape = cx.shape(x)?;
    let [outer @ .., rows, columns] = shape.as_slice() else {
        return invalid("the operand has less than two axes");
    };
    let size = match (rows.as_size(), columns.as_size()) {
        (Some(rows), Some(columns)) if rows != columns => {
            return invalid(format!("matrices of {rows} rows and {columns} columns"));
        }
        (Some(size @ 1..=4), _) => size,
        _ => return unsupported(format!("the determinant of matrices of {rows} rows; 1 to 4 are supported")),
    };
    let mut elements = Vec::new();
    for at in 0..size * size {
        let row = take_axis(cx, x, outer.len(), &Dim::from((at / size) as i64), &Dim::ONE)?;
        let element = take_axis(cx, row, outer.len() + 1, &Dim::from((at % size) as i64), &Dim::ONE)?;
        elements.push(cx.reshape(element, outer.iter().cloned())?);
    }
    let columns: Vec<usize> = (0..size).collect();
    one(minor(cx, &elements, size, 0, &columns)?)
}

/// The determinant of the rows from `row` on and some columns.
fn minor(cx: &mut NodeCx<'_, '_>, elements: &[Val], size: usize, row: usize, columns: &[usize]) -> R<Val> {
    if let [column] = columns {
        return Ok(elements[row * size + column]);
    }
    let mut sum: Option<Val> = None;
    for (at, &column) in columns.iter().enumerate() {
        let rest: Vec<usize> = columns.iter().copied().filter(|&other| other != column).collect();
        let inner = minor(cx, elements, size, row + 1, &rest)?;
        let product = cx.mul(elements[row * size + column], inner)?;
        sum = Some(match sum {
            None => product,
            Some(sum) if at % 2 == 0 => cx.add(sum, product)?,
            Some(sum) => cx.op(OpCode::Sub, &[sum, product], &[])?,
        });
    }
    match sum {
        Some(sum) => Ok(sum),
        None => invalid("a matrix without elements"),
    }
}
