//! Parts of tensors and tensors made of parts: Slice, Split, Concat, Pad.

use lathe_ir::op::normalize_axis;
use lathe_ir::{Attr, DType, Dim, OpCode, Shape};

use crate::onnx::import::known::{Elem, few, pick, strides};
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{MAX_RANK, R, Val, invalid, needs_value, unsupported};

/// A bound of a slice: beyond 2^60 it is as good as infinite.
enum Bound {
    Dim(Dim),
    Beyond {
        positive: bool,
    },
    /// An i64 scalar that is known when the program runs.
    Data(Val),
}

fn bounds(cx: &mut NodeCx<'_, '_>, val: Val) -> R<Vec<Bound>> {
    let Some(&[count]) = cx.sizes(val)?.as_deref() else {
        return needs_value(format!("how many bounds {} holds is known only when the program runs", cx.ty(val)?));
    };
    if count > MAX_RANK {
        return invalid(format!("bounds for {count} axes"));
    }
    let elems = cx.elems(val)?;
    let mut found = Vec::new();
    for index in 0..count {
        let elem = elems.as_ref().and_then(|elems| elems.get(index)?.clone());
        found.push(match (elem.as_ref().and_then(Elem::to_dim), elem) {
            (Some(dim), _) => Bound::Dim(dim),
            (None, Some(Elem::Int(value))) => Bound::Beyond { positive: value > 0 },
            _ => {
                let element = cx.element(val, index)?;
                Bound::Data(cx.cast(element, DType::I64)?)
            }
        });
    }
    Ok(found)
}

/// Slice: bounds are counted from the end where negative, then clamped.
pub(super) fn slice(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, starts, ends) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let shape = cx.shape(x)?;
    let rank = shape.len();
    let [starts, ends] = [bounds(cx, starts)?, bounds(cx, ends)?];
    let axes = match cx.opt(3) {
        Some(axes) => cx.const_ints(axes, "axes")?,
        None => (0..starts.len() as i64).collect(),
    };
    let steps = match cx.opt(4) {
        Some(steps) => cx.const_ints(steps, "steps")?,
        None => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return invalid("starts, ends, axes and steps differ in length");
    }
    let mut first = vec![Dim::ZERO; rank];
    let mut sizes = shape.clone();
    let mut stride = vec![1i64; rank];
    let mut from_data = Vec::new();
    for (((start, end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let axis = normalize_axis(axis, rank)?;
        if step == 0 {
            return invalid("a step is 0");
        }
        // A step beyond 2^60 takes one element, as any step beyond the size does.
        let step = step.clamp(-(1 << 59), 1 << 59);
        // A bound of unknown sign is clamped when the program runs, as those from data are.
        let undecided = |bound: &Bound| match bound {
            Bound::Data(_) => true,
            Bound::Dim(dim) => cx.known().is_non_negative(dim).is_none(),
            Bound::Beyond { .. } => false,
        };
        if undecided(start) || undecided(end) {
            from_data.push((axis, start, end, step));
            continue;
        }
        (first[axis], sizes[axis]) = range(cx, start, end, step, &shape[axis])?;
        stride[axis] = step;
    }
    let mut result = take(cx, x, &first, &sizes, &stride)?;
    for (axis, start, end, step) in from_data {
        result = slice_by_values(cx, result, axis, (start, end), step)?;
    }
    one(result)
}

/// A slice along one axis between bounds that data decide.
fn slice_by_values(cx: &mut NodeCx<'_, '_>, x: Val, axis: usize, (start, end): (&Bound, &Bound), step: i64) -> R<Val> {
    let shape = cx.shape(x)?;
    let size = cx.dim_scalar(&shape[axis], DType::I64)?;
    let unit = cx.whole(1);
    let (low, high) = match step > 0 {
        true => (cx.whole(0), size),
        false => (cx.whole(-1), cx.op(OpCode::Sub, &[size, unit], &[])?),
    };
    let mut ends = Vec::new();
    for bound in [start, end] {
        let given = match bound {
            Bound::Data(val) => *val,
            Bound::Dim(dim) => cx.dim_scalar(dim, DType::I64)?,
            Bound::Beyond { positive: true } => high,
            Bound::Beyond { positive: false } => low,
        };
        let zero = cx.whole(0);
        let is_from_end = cx.op(OpCode::Lt, &[given, zero], &[])?;
        let counted = cx.op(OpCode::Add, &[given, size], &[])?;
        let place = match bound {
            Bound::Beyond { .. } => given,
            _ => cx.op(OpCode::Where, &[is_from_end, counted, given], &[])?,
        };
        let place = cx.op(OpCode::Max, &[place, low], &[])?;
        ends.push(cx.op(OpCode::Min, &[place, high], &[])?);
    }
    // ceil(d / s) is -floor(-d / s).
    let backwards = if step > 0 { [ends[0], ends[1]] } else { [ends[1], ends[0]] };
    let backwards = cx.op(OpCode::Sub, &backwards, &[])?;
    let by = cx.whole(step.abs());
    let floor = cx.floor_div_values(backwards, by)?;
    let count = cx.op(OpCode::Neg, &[floor], &[])?;
    let zero = cx.whole(0);
    let count = cx.op(OpCode::Max, &[count, zero], &[])?;
    let most = shape[axis].ceil_div(&Dim::constant(step.abs()));
    let count = cx.data_size(count, Some(&most), "the length of the slice")?;
    if step == 1 {
        let mut starts = vec![zero; shape.len()];
        starts[axis] = ends[0];
        let starts: Vec<Val> = starts.into_iter().map(|start| cx.reshape(start, [Dim::ONE])).collect::<R<_>>()?;
        let starts = join(cx, &starts, 0)?;
        let mut sizes = shape;
        sizes[axis] = count;
        return cx.op(OpCode::DynSlice, &[x, starts], &[("sizes", Attr::Dims(sizes))]);
    }
    let places = super::constant::positions(cx, &[count], 0)?;
    let by = cx.whole(step);
    let places = cx.op(OpCode::Mul, &[places, by], &[])?;
    let places = cx.op(OpCode::Add, &[places, ends[0]], &[])?;
    cx.op(OpCode::Gather, &[x, places], &[("axis", Attr::Int(axis as i64))])
}

/// First index and number of elements of one axis.
fn range(cx: &NodeCx<'_, '_>, start: &Bound, end: &Bound, step: i64, size: &Dim) -> R<(Dim, Dim)> {
    let known = cx.known();
    // Backwards, the first index is at most the last element and the end may be before the first one.
    let (low, high) = if step > 0 { (Dim::ZERO, size.clone()) } else { (Dim::from(-1), size - &Dim::ONE) };
    let clamp = |bound: &Bound| match bound {
        Bound::Beyond { positive: true } => Ok(high.clone()),
        Bound::Beyond { positive: false } => Ok(low.clone()),
        Bound::Dim(dim) => {
            let from_front = match known.is_non_negative(dim) {
                Some(true) => dim.clone(),
                Some(false) => dim + size,
                None => return unsupported(format!("whether the bound {dim} is negative depends on a dimension")),
            };
            Ok(known.min(&known.max(&from_front, &low), &high))
        }
        Bound::Data(_) => unsupported("a bound that data decide"),
    };
    let (start, end) = (clamp(start)?, clamp(end)?);
    let distance = if step > 0 { &end - &start } else { &start - &end };
    let count = known.max(&distance.ceil_div(&Dim::constant(step.abs())), &Dim::ZERO);
    Ok((start, count))
}

/// A regular part of a tensor; the tensor itself if that is all of it.
pub(super) fn take(cx: &mut NodeCx<'_, '_>, x: Val, starts: &[Dim], sizes: &[Dim], steps: &[i64]) -> R<Val> {
    let shape = cx.shape(x)?;
    if shape.as_slice() == sizes && starts.iter().all(|dim| dim.is(0)) && steps.iter().all(|step| *step == 1) {
        return Ok(x);
    }
    let dims = starts;
    let constants = |dims: &[Dim]| dims.iter().map(Dim::as_const).collect::<Option<Vec<i64>>>();
    if let (Some(starts), Some(counts)) =
        (constants(starts), sizes.iter().map(Dim::as_size).collect::<Option<Vec<_>>>())
        && let (Some(elems), Some(whole)) = (cx.elems(x)?, cx.sizes(x)?)
        && few(&counts).is_some()
    {
        let strides = strides(&whole);
        let start = starts.iter().zip(&strides).map(|(start, stride)| start.saturating_mul(*stride)).sum();
        let strides: Vec<i64> = steps.iter().zip(&strides).map(|(step, stride)| step.saturating_mul(*stride)).collect();
        let part = pick(&elems, &counts, start, &strides);
        let dtype = cx.dtype(x)?;
        return cx.known_or(dtype, &counts, part, |cx| emit_slice(cx, x, dims, sizes, steps));
    }
    emit_slice(cx, x, starts, sizes, steps)
}

fn emit_slice(cx: &mut NodeCx<'_, '_>, x: Val, starts: &[Dim], sizes: &[Dim], steps: &[i64]) -> R<Val> {
    let attrs = [
        ("starts", Attr::dims(starts.iter().cloned())),
        ("sizes", Attr::dims(sizes.iter().cloned())),
        ("steps", Attr::ints(steps)),
    ];
    cx.op(OpCode::Slice, &[x], &attrs)
}

/// `size` elements along one axis from `start` on.
pub(in crate::onnx::import) fn take_axis(
    cx: &mut NodeCx<'_, '_>,
    x: Val,
    axis: usize,
    start: &Dim,
    size: &Dim,
) -> R<Val> {
    let mut sizes = cx.shape(x)?;
    let mut starts = vec![Dim::ZERO; sizes.len()];
    starts[axis] = start.clone();
    sizes[axis] = size.clone();
    let steps = vec![1; sizes.len()];
    take(cx, x, &starts, &sizes, &steps)
}

/// Split: by sizes, or into equal parts of which the last may be smaller.
pub(super) fn split(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let shape = cx.shape(x)?;
    let axis = cx.axis_or("axis", 0, shape.len())?;
    let whole = &shape[axis];
    let sizes: Vec<Dim> = match (cx.opt(1), cx.attrs.int("num_outputs")?) {
        (Some(sizes), _) => {
            cx.has_length(sizes, cx.wanted.len(), "the length of split and the number of outputs")?;
            cx.sizes_of(sizes, "split", &|_| Some(whole.clone()))?
        }
        (None, Some(count)) if count >= 1 && count <= cx.wanted.len().max(1) as i64 => {
            let parts = Dim::constant(count);
            let part = whole.ceil_div(&parts);
            if cx.attrs.get("exact").is_some() {
                let part = whole.floor_div(&parts);
                vec![part; count as usize]
            } else {
                let mut sizes = vec![part.clone(); count as usize];
                sizes[count as usize - 1] = whole - &(&part * &Dim::constant(count - 1));
                sizes
            }
        }
        (None, Some(count)) => return invalid(format!("num_outputs = {count} for {} outputs", cx.wanted.len())),
        (None, None) => return invalid("neither split nor num_outputs is given"),
    };
    let total = sizes.iter().fold(Dim::ZERO, |sum, size| &sum + size);
    cx.require_equal(&total, whole, "the sum of the sizes and the dimension")?;
    let mut start = Dim::ZERO;
    let mut parts = Vec::new();
    for size in &sizes {
        if size.as_const().is_some_and(|size| size < 0) {
            return invalid(format!("a part has the size {size}"));
        }
        parts.push(take_axis(cx, x, axis, &start, size)?);
        start = &start + size;
    }
    Ok(parts)
}

/// Concat.
pub(super) fn concat(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let inputs = cx.all_inputs()?;
    let rank = cx.rank(inputs[0])?;
    let axis = normalize_axis(cx.int("axis")?, rank)?;
    one(join(cx, &inputs, axis)?)
}

/// One after the other along an axis; known elements stay known.
pub(super) fn join(cx: &mut NodeCx<'_, '_>, inputs: &[Val], axis: usize) -> R<Val> {
    if let [only] = inputs {
        return Ok(*only);
    }
    let dtype = cx.dtype(inputs[0])?;
    for &input in inputs {
        if cx.dtype(input)? != dtype {
            return invalid("element types differ");
        }
    }
    let emit = |cx: &mut NodeCx<'_, '_>| cx.op(OpCode::Concat, inputs, &[("axis", Attr::Int(axis as i64))]);
    match joined(cx, inputs, axis)? {
        Some((sizes, elems)) => cx.known_or(dtype, &sizes, elems, emit),
        None => emit(cx),
    }
}

/// Sizes of a tensor, and its elements so far as they are known.
type Joined = (Vec<usize>, Vec<Option<Elem>>);

/// Sizes and elements of a concatenation; `None` if nothing of it is known.
fn joined(cx: &mut NodeCx<'_, '_>, inputs: &[Val], axis: usize) -> R<Option<Joined>> {
    let mut parts = Vec::new();
    for &input in inputs {
        let Some(sizes) = cx.sizes(input)? else { return Ok(None) };
        let Some(count) = few(&sizes) else { return Ok(None) };
        let elems = match cx.elems(input)? {
            Some(elems) => elems.to_vec(),
            None => vec![None; count],
        };
        parts.push((sizes, elems));
    }
    let Some(mut sizes) = parts.first().map(|(sizes, _)| sizes.clone()) else { return Ok(None) };
    let same = |a: &[usize], b: &[usize]| {
        a.len() == b.len() && a.iter().zip(b).enumerate().all(|(at, (x, y))| at == axis || x == y)
    };
    if !parts.iter().all(|(other, _)| same(other, &sizes)) {
        return Ok(None);
    }
    let Some(along) = parts.iter().try_fold(0usize, |sum, (sizes, _)| sum.checked_add(sizes[axis])) else {
        return Ok(None);
    };
    sizes[axis] = along;
    let mut all = Vec::new();
    let outer = match few(&sizes) {
        None => return Ok(None),
        Some(0) => return Ok(Some((sizes, all))),
        Some(_) => sizes[..axis].iter().product::<usize>(),
    };
    for row in 0..outer {
        for (_, elems) in &parts {
            let block = elems.len() / outer;
            all.extend_from_slice(&elems[row * block..(row + 1) * block]);
        }
    }
    let is_known = all.iter().any(Option::is_some);
    Ok(is_known.then_some((sizes, all)))
}

/// Pad: negative amounts cut off.
pub(super) fn pad(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, pads) = (cx.input(0)?, cx.input(1)?);
    let shape = cx.shape(x)?;
    let rank = shape.len();
    let axes: Vec<usize> = match cx.opt(3) {
        Some(axes) => {
            let axes = cx.const_ints(axes, "axes")?;
            axes.iter().map(|&axis| normalize_axis(axis, rank)).collect::<Result<_, _>>()?
        }
        None => (0..rank).collect(),
    };
    cx.has_length(pads, 2 * axes.len(), "the length of pads and twice the number of axes")?;
    let pads = cx.sizes_of(pads, "pads", &|_| None)?;
    if pads.len() != 2 * axes.len() {
        return invalid(format!("{} pads for {} axes", pads.len(), axes.len()));
    }
    let mode = cx.word_or("mode", "constant")?;
    if !matches!(mode.as_str(), "constant" | "reflect" | "edge" | "wrap") {
        return invalid(format!("mode = {mode:?}"));
    }
    let mut amounts = [vec![Dim::ZERO; rank], vec![Dim::ZERO; rank]];
    let mut cut = [vec![Dim::ZERO; rank], vec![Dim::ZERO; rank]];
    for (index, amount) in pads.iter().enumerate() {
        let (side, axis) = (index / axes.len(), axes[index % axes.len()]);
        match cx.known().is_non_negative(amount) {
            Some(true) => amounts[side][axis] = amount.clone(),
            Some(false) => cut[side][axis] = &Dim::ZERO - amount,
            None if mode == "constant" => {
                amounts[side][axis] = amount.maximum(&Dim::ZERO);
                cut[side][axis] = &amounts[side][axis] - amount;
            }
            None => {
                return unsupported(format!(
                    "whether the amount {amount} is negative depends on a dimension; mode = \"constant\" works"
                ));
            }
        }
    }
    let sizes: Shape = (0..rank).map(|axis| &(&shape[axis] - &cut[0][axis]) - &cut[1][axis]).collect();
    if let Some(size) = sizes.iter().find(|size| size.as_const().is_some_and(|size| size < 0)) {
        return invalid(format!("negative pads leave a dimension of {size}"));
    }
    let value = match cx.opt(2) {
        Some(value) if mode == "constant" => Some(cx.reshape(value, [])?),
        _ => None,
    };
    let x = take(cx, x, &cut[0], &sizes, &vec![1; rank])?;
    one(pad_to(cx, x, &amounts, &mode, value)?)
}

/// Adds elements before and after every axis; the tensor itself if there are none to add.
pub(super) fn pad_to(
    cx: &mut NodeCx<'_, '_>,
    x: Val,
    [before, after]: &[Vec<Dim>; 2],
    mode: &str,
    value: Option<Val>,
) -> R<Val> {
    if before.iter().chain(after).all(|dim| dim.is(0)) {
        return Ok(x);
    }
    let attrs = [
        ("before", Attr::dims(before.iter().cloned())),
        ("after", Attr::dims(after.iter().cloned())),
        ("mode", Attr::str(mode)),
    ];
    cx.op_opt(OpCode::Pad, &[Some(x), value], &attrs)
}

/// CenterCropPad: cut or padded around the middle to the given sizes.
pub(super) fn center_crop_pad(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, target) = (cx.input(0)?, cx.input(1)?);
    let shape = cx.shape(x)?;
    let rank = shape.len();
    let axes: Vec<usize> = match cx.attrs.ints("axes")? {
        Some(axes) => axes.iter().map(|&axis| normalize_axis(axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    cx.has_length(target, axes.len(), "the length of the new shape and the number of axes")?;
    let target = cx.dims_of(target, "the new shape")?;
    if axes.len() != target.len() {
        return invalid(format!("{} sizes for {} axes", target.len(), axes.len()));
    }
    let (mut starts, mut sizes) = (vec![Dim::ZERO; rank], shape.to_vec());
    let mut amounts = [vec![Dim::ZERO; rank], vec![Dim::ZERO; rank]];
    for (&axis, size) in axes.iter().zip(&target) {
        let missing = size - &shape[axis];
        match cx.known().is_non_negative(&missing) {
            Some(true) => {
                amounts[0][axis] = missing.floor_div(&Dim::from(2));
                amounts[1][axis] = &missing - &amounts[0][axis];
            }
            Some(false) => {
                starts[axis] = (&shape[axis] - size).floor_div(&Dim::from(2));
                sizes[axis] = size.clone();
            }
            None => {
                let (more, less) = (missing.maximum(&Dim::ZERO), (&Dim::ZERO - &missing).maximum(&Dim::ZERO));
                amounts[0][axis] = more.floor_div(&Dim::from(2));
                amounts[1][axis] = &more - &amounts[0][axis];
                starts[axis] = less.floor_div(&Dim::from(2));
                sizes[axis] = &shape[axis] - &less;
            }
        }
    }
    let cut = take(cx, x, &starts, &sizes, &vec![1; rank])?;
    one(pad_to(cx, cut, &amounts, "constant", None)?)
}
