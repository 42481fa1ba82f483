//! Along axes: reductions, positions of extremes, running sums, the largest ones, softmax.

use lathe_ir::op::normalize_axis;
use lathe_ir::{Attr, DType, Dim, OpCode};

use crate::onnx::import::known::{Arith, Elem};
use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{Fail, R, Val, invalid, needs_value, unsupported};

use super::constant::positions;
use super::reduce_by_values::Chosen;
use super::shape::insert_axes;
use super::slice::{join, pad_to, take_axis};

/// The axes of a reduction: input 1, by default all (or none, with `noop_with_empty_axes`).
fn axes(cx: &mut NodeCx<'_, '_>, rank: usize) -> R<Vec<i64>> {
    let given = match cx.opt(1) {
        Some(axes) => cx.const_ints(axes, "axes")?,
        None => Vec::new(),
    };
    if given.is_empty() {
        let none = cx.flag_or("noop_with_empty_axes", false)?;
        return Ok(if none { Vec::new() } else { (0..rank as i64).collect() });
    }
    let mut axes: Vec<i64> =
        given.iter().map(|&axis| normalize_axis(axis, rank).map(|axis| axis as i64)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

fn along(cx: &mut NodeCx<'_, '_>, code: OpCode, x: Val, axes: &[i64], keepdims: bool) -> R<Val> {
    cx.op(code, &[x], &[("axes", Attr::ints(axes)), ("keepdims", keepdims.into())])
}

/// Every Reduce operator.
pub(super) fn reduce(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let keepdims = cx.flag_or("keepdims", true)?;
    if let Some(list) = cx.opt(1)
        && cx.all_elems(list)?.is_none()
    {
        let chosen = Chosen::new(cx, list, cx.rank(x)?)?;
        let result = reduction(cx, x, &|cx, step, x| chosen.reduce(cx, step, x))?;
        return one(if keepdims { result } else { chosen.without(cx, result)? });
    }
    let axes = axes(cx, cx.rank(x)?)?;
    if let Some(folded) = fold(cx, x, &axes, keepdims)? {
        return one(folded);
    }
    one(reduction(cx, x, &|cx, step, x| if axes.is_empty() { Ok(x) } else { step.run(cx, x, &axes, keepdims) })?)
}

/// What is done along the axes of a reduction.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// One of the IR's reductions.
    Op(OpCode),
    /// log(sum(exp(x - max))) + max, where an infinite maximum counts as 0.
    LogSumExp,
}

impl Step {
    /// Runs it along at least one axis.
    pub(super) fn run(self, cx: &mut NodeCx<'_, '_>, x: Val, axes: &[i64], keepdims: bool) -> R<Val> {
        match self {
            Step::Op(code) => along(cx, code, x, axes, keepdims),
            Step::LogSumExp => log_sum_exp(cx, x, axes, keepdims),
        }
    }
}

type Along<'f> = &'f dyn Fn(&mut NodeCx<'_, '_>, Step, Val) -> R<Val>;

/// The reduction; what happens to elements before and after it also happens where no axis is reduced.
fn reduction(cx: &mut NodeCx<'_, '_>, x: Val, run: Along<'_>) -> R<Val> {
    let dtype = cx.dtype(x)?;
    let as_float = |cx: &mut NodeCx<'_, '_>| if dtype.is_float() { Ok(x) } else { cx.cast(x, DType::F64) };
    let sum = Step::Op(OpCode::ReduceSum);
    match cx.op {
        "ReduceSum" => run(cx, sum, x),
        "ReduceMean" => run(cx, Step::Op(OpCode::ReduceMean), x),
        "ReduceMax" => run(cx, Step::Op(OpCode::ReduceMax), x),
        "ReduceMin" => run(cx, Step::Op(OpCode::ReduceMin), x),
        "ReduceProd" => run(cx, Step::Op(OpCode::ReduceProd), x),
        "ReduceL1" => {
            let x = cx.apply(OpCode::Abs, x)?;
            run(cx, sum, x)
        }
        "ReduceSumSquare" => {
            let x = cx.apply(OpCode::Square, x)?;
            run(cx, sum, x)
        }
        "ReduceL2" => {
            let x = as_float(cx)?;
            let x = cx.apply(OpCode::Square, x)?;
            let sum = run(cx, sum, x)?;
            let root = cx.apply(OpCode::Sqrt, sum)?;
            cx.cast(root, dtype)
        }
        "ReduceLogSum" => {
            let x = as_float(cx)?;
            let sum = run(cx, sum, x)?;
            let log = cx.apply(OpCode::Log, sum)?;
            cx.cast(log, dtype)
        }
        "ReduceLogSumExp" => {
            let x = as_float(cx)?;
            let result = run(cx, Step::LogSumExp, x)?;
            cx.cast(result, dtype)
        }
        _ => unsupported("no such reduction"),
    }
}

fn log_sum_exp(cx: &mut NodeCx<'_, '_>, x: Val, axes: &[i64], keepdims: bool) -> R<Val> {
    let largest = along(cx, OpCode::ReduceMax, x, axes, true)?;
    let is_infinite = cx.apply(OpCode::IsInf, largest)?;
    let zero = cx.scalar(cx.dtype(x)?, 0.0);
    let largest = cx.select(is_infinite, zero, largest)?;
    let shifted = cx.sub(x, largest)?;
    let powers = cx.apply(OpCode::Exp, shifted)?;
    let sum = along(cx, OpCode::ReduceSum, powers, axes, true)?;
    let log = cx.apply(OpCode::Log, sum)?;
    let result = cx.add(log, largest)?;
    if keepdims {
        return Ok(result);
    }
    let shape = cx.shape(result)?;
    let kept = shape.iter().enumerate().filter(|(axis, _)| !axes.contains(&(*axis as i64)));
    cx.reshape(result, kept.map(|(_, dim)| dim.clone()).collect::<Vec<Dim>>())
}

/// The reduction of a whole list of known integers.
fn fold(cx: &mut NodeCx<'_, '_>, x: Val, axes: &[i64], keepdims: bool) -> R<Option<Val>> {
    let arith = match cx.op {
        "ReduceSum" => Arith::Add,
        "ReduceProd" => Arith::Mul,
        "ReduceMax" => Arith::Max,
        "ReduceMin" => Arith::Min,
        _ => return Ok(None),
    };
    let ty = cx.ty(x)?;
    let Some(elems) = cx.all_elems(x)? else { return Ok(None) };
    if ty.rank() != 1 || axes != [0] || !ty.dtype.is_int() {
        return Ok(None);
    }
    let known = cx.known();
    let unit = i64::from(arith == Arith::Mul);
    let mut elems = elems.into_iter();
    let result = match (elems.next(), arith) {
        (Some(first), _) => elems.try_fold(first, |sum, elem| known.arith(arith, ty.dtype, &sum, &elem)),
        (None, Arith::Add | Arith::Mul) => Some(Elem::Int(unit)),
        (None, _) => None,
    };
    let shape: &[usize] = if keepdims { &[1] } else { &[] };
    Ok(result.map(|elem| cx.known_val(ty.dtype, shape, vec![elem])))
}

/// ArgMax and ArgMin.
pub(super) fn arg(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let axis = cx.axis_or("axis", 0, cx.rank(x)?)?;
    let code = if cx.op == "ArgMax" { OpCode::ArgMax } else { OpCode::ArgMin };
    let attrs = [
        ("axis", Attr::Int(axis as i64)),
        ("keepdims", cx.flag_or("keepdims", true)?.into()),
        ("last", cx.flag_or("select_last_index", false)?.into()),
    ];
    one(cx.op(code, &[x], &attrs)?)
}

/// What `along` gives for the axis that input 1 names. An axis that only the run knows costs one result for each, of
/// which it looks up one.
fn along_axis(cx: &mut NodeCx<'_, '_>, along: impl Fn(&mut NodeCx<'_, '_>, Val, usize) -> R<Val>) -> R<Vec<Val>> {
    let (x, axis) = (cx.input(0)?, cx.input(1)?);
    let rank = cx.rank(x)?;
    if cx.all_elems(axis)?.is_some() {
        let axis = normalize_axis(cx.const_int(axis, "axis")?, rank)?;
        return one(along(cx, x, axis)?);
    }
    if !(1..=MAX_AXES).contains(&rank) {
        return needs_value(format!("axis must be a constant for an operand of {rank} axes"));
    }
    let mut all = Vec::new();
    for at in 0..rank {
        let result = along(cx, x, at)?;
        all.push(insert_axes(cx, result, &[0])?);
    }
    let all = join(cx, &all, 0)?;
    let axis = cx.reshape(axis, [])?;
    one(cx.gather(all, axis, 0)?)
}

/// Axes of an operand for which a result along each is computed where the axis is not known.
const MAX_AXES: usize = 4;

/// CumSum.
pub(super) fn cumsum(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (exclusive, reverse) = (cx.flag_or("exclusive", false)?, cx.flag_or("reverse", false)?);
    along_axis(cx, |cx, x, axis| {
        let attrs = [("axis", Attr::Int(axis as i64)), ("exclusive", exclusive.into()), ("reverse", reverse.into())];
        cx.op(OpCode::CumSum, &[x], &attrs)
    })
}

/// CumProd: products with the element 1, 2, 4, .. places before, until all before are in.
pub(super) fn cumprod(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (exclusive, reverse) = (cx.flag_or("exclusive", false)?, cx.flag_or("reverse", false)?);
    along_axis(cx, |cx, x, axis| {
        let shape = cx.shape(x)?;
        let size = shape[axis].clone();
        let Some(most) = size.range(cx.symbols()).1 else {
            return unsupported(format!("a product along {size} elements; the dimension needs an upper bound"));
        };
        let unit = cx.scalar(cx.dtype(x)?, 1.0);
        let shifted = |cx: &mut NodeCx<'_, '_>, x: Val, by: i64| -> R<Val> {
            let (mut near, none) = (vec![Dim::ZERO; shape.len()], vec![Dim::ZERO; shape.len()]);
            near[axis] = Dim::from(by);
            let (sides, start) = if reverse { ([none, near], Dim::from(by)) } else { ([near, none], Dim::ZERO) };
            let longer = pad_to(cx, x, &sides, "constant", Some(unit))?;
            take_axis(cx, longer, axis, &start, &size)
        };
        let mut result = x;
        let mut reach = 1;
        while reach < most {
            let before = shifted(cx, result, reach)?;
            result = cx.mul(result, before)?;
            reach *= 2;
        }
        if exclusive { shifted(cx, result, 1) } else { Ok(result) }
    })
}

/// TopK; the result is sorted whether asked for or not.
pub(super) fn topk(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (x, k) = (cx.input(0)?, cx.input(1)?);
    let axis = cx.axis_or("axis", -1, cx.rank(x)?)?;
    let most = cx.shape(x)?[axis].clone();
    cx.has_length(k, 1, "the length of k and 1")?;
    let k = cx.sizes_of(k, "k", &|_| Some(most.clone()))?;
    if k.len() != 1 {
        return invalid("k is no scalar");
    }
    let attrs =
        [("axis", Attr::Int(axis as i64)), ("k", Attr::dims(k)), ("largest", cx.flag_or("largest", true)?.into())];
    cx.op_all(OpCode::TopK, &[Some(x)], &attrs)
}

/// Softmax, LogSoftmax, Hardmax; before opset 13 on the operand as a matrix.
pub(super) fn softmax(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let shape = cx.shape(x)?;
    let axis = cx.int_or("axis", -1)?;
    let as_matrix = cx.attrs.get("as_matrix").is_some();
    if as_matrix && axis == shape.len() as i64 {
        // Columns begin after the last axis: every row has one element.
        let matrix = cx.reshape(x, [Dim::product_of(&shape), Dim::ONE])?;
        let result = rows(cx, matrix, 1)?;
        return one(cx.reshape(result, shape)?);
    }
    if shape.is_empty() {
        let row = cx.reshape(x, [Dim::ONE])?;
        let result = rows(cx, row, 0)?;
        return one(cx.reshape(result, [])?);
    }
    let axis = normalize_axis(axis, shape.len())?;
    if !as_matrix || shape[axis + 1..].iter().all(|dim| dim.is(1)) {
        return one(rows(cx, x, axis)?);
    }
    let matrix = [Dim::product_of(&shape[..axis]), Dim::product_of(&shape[axis..])];
    let matrix = cx.reshape(x, matrix)?;
    let result = rows(cx, matrix, 1)?;
    one(cx.reshape(result, shape)?)
}

fn rows(cx: &mut NodeCx<'_, '_>, x: Val, axis: usize) -> R<Val> {
    let attr = ("axis", Attr::Int(axis as i64));
    match cx.op {
        "Softmax" => cx.op(OpCode::Softmax, &[x], &[attr]),
        "LogSoftmax" => cx.op(OpCode::LogSoftmax, &[x], &[attr]),
        "Hardmax" => {
            let ty = cx.ty(x)?;
            let place = cx.op(OpCode::ArgMax, &[x], &[attr])?;
            let mut shape = vec![Dim::ONE; ty.rank()];
            shape[axis] = ty.shape[axis].clone();
            let along = positions(cx, &shape, axis as i64)?;
            let is_place = cx.op(OpCode::Eq, &[along, place], &[])?;
            cx.cast(is_place, ty.dtype)
        }
        _ => Err(Fail::Op(lathe_ir::OpError::unsupported("no such op"))),
    }
}
