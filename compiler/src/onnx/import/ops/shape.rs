//! Shapes: what they are, and the same elements under another one.

use lathe_ir::op::normalize_axis;
use lathe_ir::types::broadcast;
use lathe_ir::{Attr, DType, Dim, OpCode, Shape};

use crate::onnx::import::known::{Elem, few, pick, strides};
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{MAX_RANK, R, Val, invalid, needs_value, unsupported};

/// Shape, from `start` to `end` (opset 15).
pub(super) fn shape(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let dims = cx.shape(x)?;
    let rank = dims.len() as i64;
    let clamp = |value: i64| if value < 0 { value.saturating_add(rank).max(0) } else { value.min(rank) } as usize;
    let (start, end) = (clamp(cx.int_or("start", 0)?), clamp(cx.int_or("end", rank)?));
    one(cx.dims_val(dims.get(start..end).unwrap_or(&[]))?)
}

/// Size.
pub(super) fn size(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    match Elem::from_dim(cx.ty(x)?.elements()) {
        Some(count) => one(cx.known_val(DType::I64, &[], vec![count])),
        None => invalid("the element count is beyond 2^60"),
    }
}

/// Reshape: 0 keeps a dimension (unless `allowzero`), -1 is what is left over.
pub(super) fn reshape(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, target) = (cx.input(0)?, cx.input(1)?);
    let have = cx.ty(x)?;
    let allow_zero = cx.flag_or("allowzero", false)?;
    if cx.all_elems(target)?.is_none() {
        return reshape_to_values(cx, x, target, allow_zero);
    }
    let wanted = cx.sizes_of(target, "the new shape", &|_| None)?;
    let mut shape: Vec<Dim> = Vec::new();
    let mut inferred = None;
    for (axis, dim) in wanted.iter().enumerate() {
        shape.push(match dim.as_const() {
            Some(0) if !allow_zero => match have.shape.get(axis) {
                Some(kept) => kept.clone(),
                None => return invalid(format!("axis {axis} is 0, but the operand, {have}, has no such axis")),
            },
            Some(-1) if inferred.is_none() => {
                inferred = Some(axis);
                Dim::ONE
            }
            Some(-1) => return invalid(format!("two axes of {wanted:?} are -1")),
            Some(size) if size < 0 => return invalid(format!("axis {axis} is {size}")),
            _ => dim.clone(),
        });
    }
    if let Some(axis) = inferred {
        let others = Dim::product_of(&shape);
        if others.is(0) {
            return invalid(format!("axis {axis} is -1 and cannot be told, since another is 0"));
        }
        shape[axis] = have.elements().floor_div(&others);
    }
    one(cx.reshape(x, shape)?)
}

/// Reshape to a shape from data. Its meaning is computed as data too: what a 0 keeps, what a -1 leaves over. No size is
/// more than there are elements, and together they have to be as many, which is checked.
fn reshape_to_values(cx: &mut NodeCx<'_, '_>, x: Val, target: Val, allow_zero: bool) -> R<Vec<Val>> {
    let have = cx.ty(x)?;
    let (Some(&[rank]), elements) = (cx.sizes(target)?.as_deref(), have.elements()) else {
        return needs_value("how many axes the new shape has is known only when the program runs");
    };
    if rank > MAX_RANK {
        return unsupported(format!("a result of {rank} axes; at most {MAX_RANK} are supported"));
    }
    let known = cx.elems(target)?;
    let mut wanted = cx.cast(target, DType::I64)?;
    if !allow_zero {
        let mut kept: Vec<Dim> = have.shape.to_vec();
        kept.resize(rank, Dim::ZERO);
        let (kept, zero) = (cx.dims_val(&kept)?, cx.whole(0));
        let is_kept = cx.op(OpCode::Eq, &[wanted, zero], &[])?;
        wanted = cx.op(OpCode::Where, &[is_kept, kept, wanted], &[])?;
    }
    let (minus_one, unit) = (cx.whole(-1), cx.whole(1));
    let is_left_over = cx.op(OpCode::Eq, &[wanted, minus_one], &[])?;
    let others = cx.op(OpCode::Where, &[is_left_over, unit, wanted], &[])?;
    let attrs = [("axes", Attr::ints(&[0])), ("keepdims", false.into())];
    let product = cx.op(OpCode::ReduceProd, &[others], &attrs)?;
    let product = cx.op(OpCode::Max, &[product, unit], &[])?;
    let count = cx.dim_scalar(&elements, DType::I64)?;
    let left_over = cx.op(OpCode::Div, &[count, product], &[])?;
    let sizes = cx.op(OpCode::Where, &[is_left_over, left_over, wanted], &[])?;
    // An empty operand can be of any other empty shape made of its sizes.
    let sized: Vec<Dim> = have.shape.iter().map(|dim| cx.known().max(dim, &Dim::ONE)).collect();
    let most = Dim::product_of(&sized);
    let mut shape = Vec::new();
    for index in 0..rank {
        let elem = known.as_ref().and_then(|elems| elems.get(index)?.as_ref()?.to_dim());
        let is_size = |dim: &Dim| cx.known().is_non_negative(&(dim - &Dim::ONE)) == Some(true);
        shape.push(match elem.filter(is_size) {
            Some(size) => size,
            None => {
                let size = cx.element(sizes, index)?;
                cx.data_size(size, Some(&most), "the new shape")?
            }
        });
    }
    one(cx.reshape(x, shape)?)
}

/// Flatten: a matrix whose columns begin at the axis.
pub(super) fn flatten(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let shape = cx.shape(x)?;
    let axis = cx.int_or("axis", 1)?;
    let rank = shape.len();
    let axis = if axis == rank as i64 { rank } else { normalize_axis(axis, rank)? };
    let matrix = [Dim::product_of(&shape[..axis]), Dim::product_of(&shape[axis..])];
    one(cx.reshape(x, matrix)?)
}

/// Squeeze: without axes every dimension that is the constant 1.
pub(super) fn squeeze(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let shape = cx.shape(x)?;
    let axes: Vec<usize> = match cx.opt(1) {
        Some(axes) => {
            let axes = cx.const_ints(axes, "axes")?;
            axes.iter().map(|&axis| normalize_axis(axis, shape.len())).collect::<Result<_, _>>()?
        }
        None if shape.iter().any(|dim| dim.as_const().is_none()) => {
            return unsupported("without axes every dimension must be a constant");
        }
        None => (0..shape.len()).filter(|&axis| shape[axis].is(1)).collect(),
    };
    for &axis in &axes {
        cx.require_equal(&shape[axis], &Dim::ONE, "a dimension to be dropped and 1")?;
    }
    let kept = shape.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, dim)| dim.clone());
    one(cx.reshape(x, kept)?)
}

/// Unsqueeze: axes are those of the result.
pub(super) fn unsqueeze(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, axes) = (cx.input(0)?, cx.input(1)?);
    let axes = cx.const_ints(axes, "axes")?;
    one(insert_axes(cx, x, &axes)?)
}

/// Inserts axes of size 1; they are counted in the result.
pub(super) fn insert_axes(cx: &mut NodeCx<'_, '_>, x: Val, axes: &[i64]) -> R<Val> {
    let shape = cx.shape(x)?;
    let rank = shape.len() + axes.len();
    let mut is_new = vec![false; rank];
    for &axis in axes {
        if std::mem::replace(&mut is_new[normalize_axis(axis, rank)?], true) {
            return invalid(format!("axis {axis} is listed twice in {axes:?}"));
        }
    }
    let mut kept = shape.into_iter();
    let result: Vec<Dim> =
        is_new.iter().map(|new| if *new { Dim::ONE } else { kept.next().unwrap_or(Dim::ONE) }).collect();
    cx.reshape(x, result)
}

/// Transpose; without `perm` the axes are reversed.
pub(super) fn transpose(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let rank = cx.rank(x)?;
    let perm: Vec<usize> = match cx.attrs.ints("perm")? {
        Some(perm) => perm.iter().map(|&axis| normalize_axis(axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return invalid(format!("perm = {perm:?} is no permutation of {rank} axes"));
    }
    one(cx.transpose(x, &perm)?)
}

/// Expand: to the broadcast of the operand's shape and the given one.
pub(super) fn expand(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, target) = (cx.input(0)?, cx.input(1)?);
    let target = cx.sizes_of(target, "the new shape", &|_| None)?;
    if let Some(dim) = target.iter().find(|dim| dim.as_const().is_some_and(|size| size < 0)) {
        return invalid(format!("the new shape has the dimension {dim}"));
    }
    let shape = cx.shape(x)?;
    let env = &mut cx.importer.values.module.env;
    let result = broadcast(&shape, &target, &mut |a, b| env.require_equal(a, b));
    let Ok(result) = result else {
        return invalid(format!("shape {shape:?} does not broadcast to {target:?}"));
    };
    one(broadcast_to(cx, x, result)?)
}

/// Broadcasts to exactly that shape; known elements stay known.
pub(super) fn broadcast_to(cx: &mut NodeCx<'_, '_>, x: Val, shape: Shape) -> R<Val> {
    if cx.shape(x)? == shape {
        return Ok(x);
    }
    let emit = |cx: &mut NodeCx<'_, '_>| cx.op(OpCode::Broadcast, &[x], &[("shape", Attr::Dims(shape.clone()))]);
    let sizes: Option<Vec<usize>> = shape.iter().map(Dim::as_size).collect();
    if let (Some(sizes), Some(own)) = (sizes, cx.sizes(x)?)
        && few(&sizes).is_some()
        && own.len() <= sizes.len()
        && let Some(elems) = cx.elems(x)?
    {
        let missing = sizes.len() - own.len();
        let steps: Vec<i64> =
            strides(&own).into_iter().zip(&own).map(|(by, &size)| by * i64::from(size != 1)).collect();
        let steps: Vec<i64> = std::iter::repeat_n(0, missing).chain(steps).collect();
        let repeated = pick(&elems, &sizes, 0, &steps);
        let dtype = cx.dtype(x)?;
        return cx.known_or(dtype, &sizes, repeated, emit);
    }
    emit(cx)
}

/// Tile: every repeated axis gets an axis of its own in front, which is broadcast and merged.
pub(super) fn tile(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, repeats) = (cx.input(0)?, cx.input(1)?);
    cx.has_length(repeats, cx.rank(x)?, "the length of repeats and the number of axes")?;
    let repeats = cx.sizes_of(repeats, "how often an axis is repeated", &|_| None)?;
    one(repeat(cx, x, &repeats)?)
}

/// Repeats a tensor along each axis.
pub(super) fn repeat(cx: &mut NodeCx<'_, '_>, x: Val, repeats: &[Dim]) -> R<Val> {
    let shape = cx.shape(x)?;
    if repeats.len() != shape.len() {
        return invalid(format!("{} repeats for {} axes", repeats.len(), shape.len()));
    }
    if let Some(dim) = repeats.iter().find(|dim| dim.as_const().is_some_and(|count| count < 0)) {
        return invalid(format!("an axis is repeated {dim} times"));
    }
    let (mut split, mut wide, mut merged) = (Shape::new(), Shape::new(), Shape::new());
    for (dim, count) in shape.iter().zip(repeats) {
        merged.push(dim * count);
        if !count.is(1) && !dim.is(1) {
            split.push(Dim::ONE);
            wide.push(count.clone());
        }
        split.push(dim.clone());
        wide.push(if dim.is(1) { count.clone() } else { dim.clone() });
    }
    let x = cx.reshape(x, split)?;
    let x = broadcast_to(cx, x, wide)?;
    cx.reshape(x, merged)
}

/// DepthToSpace: blocks of channels become blocks of pixels.
pub(super) fn depth_to_space(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let (batch, channels, height, width) = image(cx, x)?;
    let block = block_size(cx)?;
    let squared = &block * &block;
    let depth = channels.floor_div(&squared);
    cx.require_equal(&(&depth * &squared), &channels, "channels and a multiple of the block")?;
    let (split, perm) = match cx.word_or("mode", "DCR")?.as_str() {
        "DCR" => ([&batch, &block, &block, &depth, &height, &width], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([&batch, &depth, &block, &block, &height, &width], [0, 1, 4, 2, 5, 3]),
        other => return invalid(format!("mode = {other:?}")),
    };
    let x = cx.reshape(x, split.map(Dim::clone))?;
    let x = cx.transpose(x, &perm)?;
    one(cx.reshape(x, [batch, depth, &height * &block, &width * &block])?)
}

/// SpaceToDepth: blocks of pixels become blocks of channels.
pub(super) fn space_to_depth(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let (batch, channels, height, width) = image(cx, x)?;
    let block = block_size(cx)?;
    let (rows, columns) = (height.floor_div(&block), width.floor_div(&block));
    cx.require_equal(&(&rows * &block), &height, "height and a multiple of the block")?;
    cx.require_equal(&(&columns * &block), &width, "width and a multiple of the block")?;
    let split = [&batch, &channels, &rows, &block, &columns, &block].map(Dim::clone);
    let perm = match cx.word_or("mode", "DCR")?.as_str() {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return invalid(format!("mode = {other:?}")),
    };
    let x = cx.reshape(x, split)?;
    let x = cx.transpose(x, &perm)?;
    one(cx.reshape(x, [batch, &(&channels * &block) * &block, rows, columns])?)
}

fn image(cx: &NodeCx<'_, '_>, x: Val) -> R<(Dim, Dim, Dim, Dim)> {
    match cx.shape(x)?.as_slice() {
        [batch, channels, height, width] => Ok((batch.clone(), channels.clone(), height.clone(), width.clone())),
        other => invalid(format!("the operand has {} axes, four are needed", other.len())),
    }
}

fn block_size(cx: &NodeCx<'_, '_>) -> R<Dim> {
    match cx.int("blocksize")? {
        size if size > 0 => Ok(Dim::constant(size)),
        size => invalid(format!("blocksize = {size}")),
    }
}
