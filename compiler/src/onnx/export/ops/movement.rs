//! Constants, dimensions as data, and ops that move elements.

use lathe_ir::dim::LIMIT;
use lathe_ir::{Attr, DType, Dim};

use super::{Cx, one};
use crate::onnx::export::emit::{In, R, Val, int, word};

/// const
pub(super) fn constant(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    match cx.op.attrs.first() {
        Some(Attr::Tensor(tensor)) => one(cx.emitter.constant(tensor)),
        Some(Attr::Weight(id)) => one(cx.emitter.weight(*id)?),
        _ => Err("a constant without a value".to_owned()),
    }
}

/// reshape
pub(super) fn reshape(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    one(cx.emitter.reshape(&x, cx.op.dims("shape"))?)
}

/// transpose
pub(super) fn transpose(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    one(cx.emitter.transpose(&x, cx.op.ints("perm")))
}

/// broadcast
pub(super) fn broadcast(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    one(cx.emitter.expand(&x, cx.op.dims("shape"))?)
}

/// concat
pub(super) fn concat(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let operands = cx.all()?;
    if let [only] = operands.as_slice() {
        return one(only.clone());
    }
    let (inputs, axis): (Vec<In<'_>>, i64) = (operands.iter().map(In::T).collect(), cx.op.int("axis"));
    if let Some((sources, perm)) = cx.emitter.untransposed(&inputs) {
        let inputs: Vec<In<'_>> = sources.iter().map(In::T).collect();
        let result = cx.emitter.kernel("Concat", &inputs, vec![int("axis", perm[axis as usize])])?;
        return one(cx.emitter.transpose(&result, &perm));
    }
    one(cx.emitter.kernel("Concat", &inputs, vec![int("axis", axis)])?)
}

/// slice: only the axes that it shortens or reorders are named.
pub(super) fn slice(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.operand(0)?;
    let shape = cx.shape(0)?;
    let (starts, sizes, steps) = (cx.op.dims("starts"), cx.op.dims("sizes"), cx.op.ints("steps"));
    let whole = |axis: usize| starts[axis].is(0) && sizes[axis] == shape[axis] && steps[axis] == 1;
    let axes: Vec<usize> = (0..shape.len()).filter(|&axis| !whole(axis)).collect();
    if axes.is_empty() {
        return one(x);
    }
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for &axis in &axes {
        if sizes[axis].is(0) {
            from.push(Dim::ZERO);
            to.push(Dim::ZERO);
            continue;
        }
        let end = &starts[axis] + &(&sizes[axis] * &Dim::from(steps[axis]));
        from.push(counted(&starts[axis], &shape[axis]));
        // Counted from the front, an end before the first element would mean one near the last.
        to.push(match end.as_const() {
            _ if steps[axis] > 0 => counted(&end, &shape[axis]),
            Some(end) if end < 0 => Dim::from(-LIMIT),
            Some(_) => end,
            None => &end - &shape[axis],
        });
    }
    let (from, to) = (cx.emitter.dims(&from)?, cx.emitter.dims(&to)?);
    let steps: Vec<i64> = axes.iter().map(|&axis| steps[axis]).collect();
    let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let (axes, steps) = (cx.emitter.vector(&axes), cx.emitter.vector(&steps));
    let inputs = [In::T(&x), In::Raw(&from), In::Raw(&to), In::Raw(&axes), In::Raw(&steps)];
    one(cx.emitter.kernel("Slice", &inputs, Vec::new())?)
}

/// A place of an axis, from the front or, where only that is a constant, from the back.
fn counted(place: &Dim, size: &Dim) -> Dim {
    let from_back = place - size;
    match (place.as_const(), from_back.as_const()) {
        (None, Some(distance)) if distance < 0 => from_back,
        _ => place.clone(),
    }
}

/// pad
pub(super) fn pad(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (x, value) = (cx.operand(0)?, cx.opt(1)?);
    let amounts: Vec<Dim> = cx.op.dims("before").iter().chain(cx.op.dims("after")).cloned().collect();
    if amounts.iter().all(|amount| amount.is(0)) {
        return one(x);
    }
    let amounts = cx.emitter.dims(&amounts)?;
    let inputs = [In::T(&x), In::Raw(&amounts), In::opt(value.as_ref())];
    one(cx.emitter.kernel("Pad", &inputs, vec![word("mode", cx.op.word("mode"))])?)
}

/// iota: a range, repeated along the other axes.
pub(super) fn iota(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (shape, axis, dtype) = (cx.op.dims("shape"), cx.op.int("axis") as usize, cx.result_ty(0).dtype);
    let range = positions(cx, &shape[axis])?;
    let range = cx.emitter.cast(&range, dtype);
    if shape.len() == 1 {
        return one(range);
    }
    let mut column = vec![Dim::ONE; shape.len()];
    column[axis] = shape[axis].clone();
    let column = cx.emitter.reshape(&range, &column)?;
    one(cx.emitter.expand(&column, shape)?)
}

/// 0, 1, .. up to a dimension, as an i64 vector.
pub(super) fn positions(cx: &mut Cx<'_, '_>, count: &Dim) -> R<Val> {
    let [first, last, step] =
        [cx.emitter.scalar(DType::I64, 0.0), cx.emitter.dim_scalar(count)?, { cx.emitter.scalar(DType::I64, 1.0) }];
    let name = cx.emitter.node1("Range", vec![first.name, last.name, step.name], Vec::new());
    Ok(Val { name, dtype: DType::I64 })
}

/// dims
pub(super) fn dims(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    one(cx.emitter.dims(cx.op.dims("values"))?)
}
