//! Sequences and optionals. They live in the import only: lists of values, of which a part may be a stack that a loop
//! has made, one row for each turn.

use lathe_ir::{Attr, DType, Dim, OpCode, Shape};

use crate::onnx::import::known::Elem;
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{Part, R, Sequence, Val, invalid, needs_value, unsupported};

use super::slice::{join, take_axis};

/// Most tensors of one sequence that are told apart.
const MAX_ITEMS: i64 = 1 << 12;

/// How a loop carries a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carry {
    /// As a tensor.
    Tensor,
    /// As a sequence to which turns append.
    List,
}

/// How a loop carries that value.
pub(super) fn carry(cx: &NodeCx<'_, '_>, val: Val) -> Carry {
    if cx.importer.values.sequence(val).is_some() { Carry::List } else { Carry::Tensor }
}

/// What stands for a carried sequence in the body: it can be appended to.
pub(super) fn in_turn(cx: &mut NodeCx<'_, '_>) -> Val {
    cx.importer.values.carried_sequence()
}

/// What a turn appended to the carried sequence, as one tensor of so many rows.
pub(super) fn appended(cx: &mut NodeCx<'_, '_>, begin: Val, end: Val) -> R<Option<Val>> {
    let values = &cx.importer.values;
    let (Some(begin), Some(end)) = (values.sequence(begin), values.sequence(end)) else {
        return invalid("a carried sequence is no sequence after a turn");
    };
    if end.carried != begin.carried {
        return unsupported("a sequence that a loop carries can only be appended to");
    }
    let parts = end.parts.clone();
    if parts.is_empty() { Ok(None) } else { stacked(cx, &parts).map(Some) }
}

/// The sequence with what the turns appended behind it: `[turns, rows, ..]`.
pub(super) fn append_stack(cx: &mut NodeCx<'_, '_>, val: Val, stack: Val) -> R<Val> {
    let mut sequence = list_of(cx, val)?;
    let shape = cx.shape(stack)?;
    let rows: Shape = std::iter::once(&shape[0] * &shape[1]).chain(shape[2..].iter().cloned()).collect();
    let stack = cx.reshape(stack, rows)?;
    sequence.parts.push(Part::Stack(stack));
    Ok(cx.importer.values.list(sequence))
}

fn list_of(cx: &NodeCx<'_, '_>, val: Val) -> R<Sequence> {
    match cx.importer.values.sequence(val) {
        Some(sequence) => Ok(sequence.clone()),
        None => {
            cx.ty(val)?;
            invalid("an input is a tensor where a sequence is needed")
        }
    }
}

/// The first input, a sequence of which all is known that its operators ask for.
fn list(cx: &NodeCx<'_, '_>) -> R<Sequence> {
    let sequence = list_of(cx, cx.input(0)?)?;
    if sequence.carried.is_some() {
        return unsupported("a sequence that a loop carries can only be appended to");
    }
    Ok(sequence)
}

/// The tensors of a sequence as one, rows in order. They must have one type.
fn stacked(cx: &mut NodeCx<'_, '_>, parts: &[Part]) -> R<Val> {
    let mut rows = Vec::new();
    for &part in parts {
        rows.push(match part {
            Part::Stack(stack) => stack,
            Part::Item(item) => {
                let shape: Shape = std::iter::once(Dim::ONE).chain(cx.shape(item)?).collect();
                cx.reshape(item, shape)?
            }
        });
    }
    let inner = |cx: &NodeCx<'_, '_>, val: Val| -> R<(DType, Shape)> {
        let ty = cx.ty(val)?;
        Ok((ty.dtype, ty.shape[1..].iter().cloned().collect()))
    };
    let Some(&first) = rows.first() else { return unsupported("an empty sequence where a tensor is needed") };
    let want = inner(cx, first)?;
    for &row in &rows[1..] {
        if inner(cx, row)? != want {
            return unsupported(
                "the tensors of a sequence have different types where one of them is chosen at run time",
            );
        }
    }
    join(cx, &rows, 0)
}

/// SequenceEmpty.
pub(super) fn empty(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    one(cx.importer.values.list(Sequence::default()))
}

/// SequenceConstruct.
pub(super) fn construct(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let parts = cx.all_inputs()?.into_iter().map(Part::Item).collect();
    one(cx.importer.values.list(Sequence { carried: None, parts }))
}

/// A known position in 0..=count (or below count), counted from the front.
fn position(cx: &mut NodeCx<'_, '_>, val: Val, count: usize, inclusive: bool) -> R<usize> {
    let at = cx.const_int(val, "the position in a sequence")?;
    let from_front = if at < 0 { at.saturating_add(count as i64) } else { at };
    let end = count + usize::from(inclusive);
    match usize::try_from(from_front).ok().filter(|at| *at < end) {
        Some(at) => Ok(at),
        None => invalid(format!("position {at} in a sequence of {count}")),
    }
}

/// The number of tensors, if there is no stack among the parts.
fn known_count(sequence: &Sequence) -> Option<usize> {
    sequence.parts.iter().all(|part| matches!(part, Part::Item(_))).then_some(sequence.parts.len())
}

/// SequenceInsert.
pub(super) fn insert(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let mut sequence = list_of(cx, cx.input(0)?)?;
    let item = cx.input(1)?;
    cx.ty(item)?;
    let at = match (cx.opt(2), known_count(&sequence)) {
        (None, _) => sequence.parts.len(),
        (Some(at), Some(count)) if sequence.carried.is_none() => position(cx, at, count, true)?,
        _ => return unsupported("an insertion in a sequence whose length is known only when the program runs"),
    };
    if sequence.parts.len() as i64 >= MAX_ITEMS {
        return unsupported(format!("a sequence of more than {MAX_ITEMS} tensors"));
    }
    sequence.parts.insert(at, Part::Item(item));
    one(cx.importer.values.list(sequence))
}

/// SequenceErase.
pub(super) fn erase(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let mut sequence = list(cx)?;
    let Some(count) = known_count(&sequence) else {
        return unsupported("a removal from a sequence whose length is known only when the program runs");
    };
    let at = match cx.opt(1) {
        Some(at) => position(cx, at, count, false)?,
        None if count > 0 => count - 1,
        None => return invalid("a removal from an empty sequence"),
    };
    sequence.parts.remove(at);
    one(cx.importer.values.list(sequence))
}

/// SequenceAt.
pub(super) fn at(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let sequence = list(cx)?;
    let at = cx.input(1)?;
    let is_known = cx.all_elems(at)?.is_some_and(|elems| elems.iter().all(|elem| elem.as_int().is_some()));
    if let (Some(count), true) = (known_count(&sequence), is_known) {
        let at = position(cx, at, count, false)?;
        return match sequence.parts[at] {
            Part::Item(item) => one(item),
            Part::Stack(_) => invalid("a stack among items"),
        };
    }
    let rows = stacked(cx, &sequence.parts)?;
    let at = cx.reshape(at, [])?;
    let at = cx.cast(at, DType::I64)?;
    one(cx.op(OpCode::Gather, &[rows, at], &[("axis", Attr::Int(0))])?)
}

/// SequenceLength.
pub(super) fn length(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let sequence = list(cx)?;
    let mut count = Dim::ZERO;
    for part in &sequence.parts {
        count = match part {
            Part::Item(_) => &count + &Dim::ONE,
            Part::Stack(stack) => &count + &cx.shape(*stack)?[0],
        };
    }
    match Elem::from_dim(count) {
        Some(count) => one(cx.known_val(DType::I64, &[], vec![count])),
        None => unsupported("a sequence of more than 2^60 tensors"),
    }
}

/// ConcatFromSequence.
pub(super) fn concat(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let sequence = list(cx)?;
    let axis = cx.int("axis")?;
    let is_new = cx.flag_or("new_axis", false)?;
    let mut parts = Vec::new();
    for &part in &sequence.parts {
        parts.push(match part {
            Part::Item(item) => {
                let mut shape = cx.shape(item)?;
                let axis = lathe_ir::op::normalize_axis(axis, shape.len() + usize::from(is_new))?;
                if is_new {
                    shape.insert(axis, Dim::ONE);
                }
                (cx.reshape(item, shape)?, axis)
            }
            Part::Stack(stack) => {
                // The rows go before the axis, and into it unless it is new.
                let rank = cx.rank(stack)?;
                let axis = lathe_ir::op::normalize_axis(axis, rank - usize::from(!is_new))?;
                let perm: Vec<usize> = (1..=axis).chain([0]).chain(axis + 1..rank).collect();
                let moved = cx.transpose(stack, &perm)?;
                let mut shape = cx.shape(moved)?;
                if !is_new {
                    let rows = shape.remove(axis);
                    shape[axis] = &rows * &shape[axis];
                }
                (cx.reshape(moved, shape)?, axis)
            }
        });
    }
    let Some(&(_, axis)) = parts.first() else { return unsupported("an empty sequence") };
    let parts: Vec<Val> = parts.into_iter().map(|(part, _)| part).collect();
    one(join(cx, &parts, axis)?)
}

/// SplitToSequence.
pub(super) fn split(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let axis = cx.axis_or("axis", 0, cx.rank(x)?)?;
    let whole = cx.shape(x)?[axis].clone();
    let mut parts = Vec::new();
    let mut add = |cx: &mut NodeCx<'_, '_>, start: &Dim, size: &Dim, squeeze: bool| -> R<()> {
        let part = take_axis(cx, x, axis, start, size)?;
        let mut shape = cx.shape(part)?;
        if squeeze {
            shape.remove(axis);
        }
        let part = cx.reshape(part, shape)?;
        parts.push(Part::Item(part));
        Ok(())
    };
    let too_many = || unsupported(format!("a sequence of more than {MAX_ITEMS} tensors"));
    match cx.opt(1) {
        Some(sizes) if cx.rank(sizes)? == 1 => {
            let mut start = Dim::ZERO;
            let sizes = cx.dims_of(sizes, "split")?;
            if sizes.len() as i64 > MAX_ITEMS {
                return too_many();
            }
            for size in sizes {
                add(cx, &start, &size, false)?;
                start = &start + &size;
            }
            cx.require_equal(&start, &whole, "the sizes of the parts and of the whole")?;
        }
        given => {
            let (size, squeeze) = match given {
                Some(size) => (cx.const_int(size, "split")?, false),
                None => (1, !cx.flag_or("keepdims", true)?),
            };
            let Some(length) = whole.as_const() else {
                return needs_value(format!("the number of parts of a dimension {whole} is known only at run time"));
            };
            if size < 1 {
                return invalid(format!("parts of {size}"));
            }
            if length / size >= MAX_ITEMS {
                return too_many();
            }
            let mut start = 0;
            while start < length {
                let part = size.min(length - start);
                add(cx, &Dim::from(start), &Dim::from(part), squeeze)?;
                start += part;
            }
        }
    }
    one(cx.importer.values.list(Sequence { carried: None, parts }))
}

/// SequenceMap on sequences of known length: the body once for each tensor.
pub(super) fn map<'a>(cx: &mut NodeCx<'_, 'a>) -> R<Vec<Val>> {
    let Some(body) = cx.attrs.graph("body")? else { return invalid("the body is missing") };
    let count = known_count(&list(cx)?);
    let Some(count) = count else {
        return unsupported("a sequence whose length is known only when the program runs");
    };
    let mut outputs = vec![Sequence::default(); body.output.len()];
    for index in 0..count {
        let mut inputs = Vec::new();
        for val in cx.all_inputs()? {
            inputs.push(match cx.importer.values.sequence(val) {
                None => val,
                Some(sequence) => match sequence.parts.get(index) {
                    Some(Part::Item(item)) if known_count(sequence) == Some(count) => *item,
                    _ => return invalid("the sequences have different lengths"),
                },
            });
        }
        let made = cx.importer.inline_graph(body, &format!("body{index}"), &inputs)?;
        for (sequence, item) in outputs.iter_mut().zip(made) {
            sequence.parts.push(Part::Item(item));
        }
    }
    Ok(outputs.into_iter().map(|sequence| cx.importer.values.list(sequence)).collect())
}

/// Optional: the value itself, or nothing.
pub(super) fn optional(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    one(match cx.opt(0) {
        Some(val) => val,
        None => cx.importer.values.absent(),
    })
}

/// OptionalHasElement.
pub(super) fn has_element(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let there = i64::from(cx.opt(0).is_some());
    one(cx.known_val(DType::Bool, &[], vec![Elem::Int(there)]))
}

/// OptionalGetElement.
pub(super) fn get_element(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    match cx.opt(0) {
        Some(val) => one(val),
        None => invalid("the optional is empty"),
    }
}
