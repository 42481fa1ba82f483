//! canonicalize: one spelling for what can be written in several ways, so that a rule needs one left side.
//!
//! Before: anything. After, everywhere:
//! - nothing that does nothing: reshape, transpose, cast, slice, broadcast, pad, concat; no reshape of a reshape, no
//!   transpose of a transpose, no broadcast of a broadcast, no slice of a slice;
//! - a transpose that only moves axes of size 1 is a reshape; a gather by one constant index or by consecutive ones is a
//!   slice;
//! - the constant is the right operand of a commutative op, else the operand of higher rank, then the older value, is
//!   the left one;
//! - an operand of an elementwise op is not broadcast, given leading axes of size 1 (unless it then has the result's
//!   shape), or uniform but no scalar, where the op's own broadcasting gives the same type;
//! - `x * x` is square, `1 / x` is recip, `x - c` is `x + -c`, division by a power of two is a product;
//! - reductions keep their axes (a reshape drops them).
//!
//! Every change here keeps every bit. What may round otherwise is a rule.

use crate::edit::{Replacement, rebuild, replace};
use crate::manager::{Changed, PassCx};
use lathe_ir::builder::infer_types;
use lathe_ir::{Attr, Builder, DType, Diagnostics, Dim, Module, Op, OpCode, OpError, Operands, Tensor, ValueId};

/// Most rounds: a change may make room for another upstream of it.
const ROUNDS: usize = 4;

/// The pass.
pub fn run(module: &mut Module, _: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    let mut changed = Changed::No;
    for _ in 0..ROUNDS {
        if !rebuild(&mut module.main, &mut module.env, &mut visit)?.any() {
            break;
        }
        changed = Changed::Yes;
    }
    Ok(changed)
}

type Seen = Result<Option<Replacement>, OpError>;

fn visit(b: &mut Builder<'_>, op: &Op) -> Seen {
    let found = match op.code {
        OpCode::Reshape => reshape(b, op)?,
        OpCode::Transpose => transpose(b, op)?,
        OpCode::Broadcast => broadcast(b, op)?,
        OpCode::Slice => slice(b, op)?,
        OpCode::Gather => gather(b, op)?,
        OpCode::Cast => same_type(b, op, op.operands[0]),
        OpCode::Concat if op.operands.len() == 1 => op.operands[0].and_then(replace),
        OpCode::Pad => {
            let is_zero = |name: &str| op.dims(name).iter().all(|dim| dim.is(0));
            op.operands[0].filter(|_| is_zero("before") && is_zero("after")).and_then(replace)
        }
        code if code.name().starts_with("reduce_") => reduce(b, op)?,
        code if code.def().traits.elementwise => elementwise(b, op)?,
        _ => None,
    };
    Ok(found)
}

/// The op that makes operand `index`, with its own operands.
fn producer<'g>(b: &'g Builder<'_>, op: &Op, index: usize) -> Option<&'g Op> {
    op.operand(index).and_then(|value| b.graph.def(value)).map(|(_, op)| op)
}

fn constant<'g>(b: &'g Builder<'_>, value: ValueId) -> Option<&'g Tensor> {
    b.graph.constant(b.env, value)
}

/// `value` if it has the type that the op's result would have.
fn same_type(b: &mut Builder<'_>, op: &Op, value: Option<ValueId>) -> Option<Replacement> {
    let value = value?;
    let types = infer_types(b.env, b.graph, op.code, &op.operands, &op.attrs, &op.regions).ok()?;
    if types.len() == 1 && types[0] == *b.ty(value) { replace(value) } else { None }
}

fn reshape(b: &mut Builder<'_>, op: &Op) -> Seen {
    let Some(x) = op.operand(0) else { return Ok(None) };
    let shape = op.dims("shape");
    if b.ty(x).shape.as_slice() == shape {
        return Ok(replace(x));
    }
    match producer(b, op, 0) {
        Some(inner) if inner.code == OpCode::Reshape => {
            let Some(source) = inner.operand(0) else { return Ok(None) };
            // Kept apart where the element counts are not equal by their normal form: the check in between matters.
            if b.ty(source).elements() != Dim::product_of(shape) {
                return Ok(None);
            }
            Ok(replace(b.reshape(source, shape.to_vec())?))
        }
        _ => Ok(None),
    }
}

fn transpose(b: &mut Builder<'_>, op: &Op) -> Seen {
    let Some(x) = op.operand(0) else { return Ok(None) };
    let perm = op.ints("perm");
    if perm.iter().copied().eq(0..perm.len() as i64) {
        return Ok(replace(x));
    }
    let shape = &b.ty(x).shape;
    if perm.iter().filter(|&&axis| !shape[axis as usize].is(1)).is_sorted() {
        let shape: Vec<Dim> = perm.iter().map(|&axis| shape[axis as usize].clone()).collect();
        return Ok(replace(b.reshape(x, shape)?));
    }
    match producer(b, op, 0) {
        Some(inner) if inner.code == OpCode::Transpose => {
            let composed: Vec<i64> = perm.iter().map(|&axis| inner.ints("perm")[axis as usize]).collect();
            let Some(source) = inner.operand(0) else { return Ok(None) };
            Ok(replace(b.transpose(source, &composed)?))
        }
        _ => Ok(None),
    }
}

fn broadcast(b: &mut Builder<'_>, op: &Op) -> Seen {
    let Some(x) = op.operand(0) else { return Ok(None) };
    let either = op.ints("either");
    if b.ty(x).shape.as_slice() == op.dims("shape") {
        return Ok(replace(x));
    }
    match producer(b, op, 0) {
        // Whether a size is 1 is asked of the right operand.
        Some(inner) if inner.code == OpCode::Broadcast && inner.ints("either").is_empty() && either.is_empty() => {
            let Some(source) = inner.operand(0) else { return Ok(None) };
            Ok(replace(b.op1(OpCode::Broadcast, &[source], &[("shape", op.attrs[0].clone())])?))
        }
        _ => Ok(None),
    }
}

fn slice(b: &mut Builder<'_>, op: &Op) -> Seen {
    let Some(x) = op.operand(0) else { return Ok(None) };
    let (starts, sizes, steps) = (op.dims("starts"), op.dims("sizes"), op.ints("steps"));
    let is_forward = steps.iter().all(|&step| step == 1);
    if is_forward && starts.iter().all(|dim| dim.is(0)) && b.ty(x).shape.as_slice() == sizes {
        return Ok(replace(x));
    }
    match producer(b, op, 0) {
        Some(inner) if inner.code == OpCode::Slice => {
            // Element i is inner element s2 + i * k2, which is element s1 + (s2 + i * k2) * k1 of the source.
            let outer = starts.iter().zip(inner.dims("starts")).zip(inner.ints("steps"));
            let starts: Vec<Dim> = outer.map(|((outer, start), &step)| start + &(outer * &Dim::from(step))).collect();
            let product = |(outer, inner): (&i64, &i64)| (&Dim::from(*outer) * &Dim::from(*inner)).as_const();
            let composed: Option<Vec<i64>> = steps.iter().zip(inner.ints("steps")).map(product).collect();
            let (Some(source), Some(steps)) = (inner.operand(0), composed) else { return Ok(None) };
            if starts.iter().any(Dim::is_overflow) {
                return Ok(None);
            }
            Ok(replace(slice_of(b, source, starts, sizes.to_vec(), &steps)?))
        }
        _ => Ok(None),
    }
}

fn slice_of(
    b: &mut Builder<'_>,
    x: ValueId,
    starts: Vec<Dim>,
    sizes: Vec<Dim>,
    steps: &[i64],
) -> Result<ValueId, OpError> {
    let attrs = [("starts", Attr::dims(starts)), ("sizes", Attr::dims(sizes)), ("steps", Attr::ints(steps))];
    b.op1(OpCode::Slice, &[x], &attrs)
}

/// A gather by consecutive constant indices that are known to be in range is a slice.
fn gather(b: &mut Builder<'_>, op: &Op) -> Seen {
    let (Some(x), Some(indices)) = (op.operand(0), op.operand(1)) else { return Ok(None) };
    let axis = op.int("axis") as usize;
    let Some(tensor) = constant(b, indices).filter(|tensor| tensor.shape().len() <= 1 && !tensor.is_empty()) else {
        return Ok(None);
    };
    let (first, count, is_scalar) = (tensor.i64_at(0), tensor.len() as i64, tensor.shape().is_empty());
    let consecutive = (0..tensor.len()).all(|at| tensor.i64_at(at) == first.wrapping_add(at as i64));
    let shape = b.ty(x).shape.clone();
    let least = shape[axis].range(&b.env.symbols).0.unwrap_or(0);
    let in_range = if first < 0 { first >= -least && first + count <= 0 } else { first + count <= least };
    if !consecutive || !in_range {
        return Ok(None);
    }
    let mut starts = vec![Dim::ZERO; shape.len()];
    starts[axis] = if first < 0 { &shape[axis] + &Dim::from(first) } else { Dim::from(first) };
    let mut sizes = shape.to_vec();
    sizes[axis] = Dim::from(count);
    let mut result = sizes.clone();
    if is_scalar {
        result.remove(axis);
    }
    let steps = vec![1; starts.len()];
    let sliced = slice_of(b, x, starts, sizes, &steps)?;
    Ok(replace(b.reshape(sliced, result)?))
}

fn reduce(b: &mut Builder<'_>, op: &Op) -> Seen {
    let Some(x) = op.operand(0) else { return Ok(None) };
    if op.flag("keepdims") {
        return Ok(None);
    }
    let axes = op.ints("axes");
    let kept = b.op1(op.code, &[x], &[("axes", Attr::ints(axes)), ("keepdims", Attr::Bool(true))])?;
    let shape: Vec<Dim> =
        (0i64..).zip(&b.ty(kept).shape).filter(|(axis, _)| !axes.contains(axis)).map(|(_, dim)| dim.clone()).collect();
    Ok(replace(b.reshape(kept, shape)?))
}

fn elementwise(b: &mut Builder<'_>, op: &Op) -> Seen {
    if let Some(found) = simpler_operands(b, op)? {
        return Ok(Some(found));
    }
    let (Some(x), Some(y)) = (op.operand(0), op.operand(1)) else { return Ok(None) };
    if op.operands.len() > 2 {
        return Ok(None);
    }
    if op.code.def().traits.commutative && order(b, y) < order(b, x) {
        return Ok(replace(b.op1(op.code, &[y, x], &[])?));
    }
    let is_float = b.ty(x).dtype.is_float();
    match op.code {
        OpCode::Mul if x == y => Ok(replace(b.op1(OpCode::Square, &[x], &[])?)),
        OpCode::Div if is_float && is_splat(b, x, 1.0) => {
            let recip = b.op1(OpCode::Recip, &[y], &[])?;
            Ok(same_type(b, op, Some(recip)))
        }
        OpCode::Div if is_float => match constant(b, y).and_then(reciprocals) {
            Some(factor) => {
                let factor = b.constant("", factor);
                Ok(replace(b.op1(OpCode::Mul, &[x, factor], &[])?))
            }
            None => Ok(None),
        },
        OpCode::Sub => match constant(b, y).and_then(negatives) {
            Some(negative) => {
                let negative = b.constant("", negative);
                Ok(replace(b.op1(OpCode::Add, &[x, negative], &[])?))
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The order of the operands of a commutative op: constants last, then lower ranks, then younger values.
fn order(b: &Builder<'_>, value: ValueId) -> (bool, std::cmp::Reverse<usize>, ValueId) {
    (constant(b, value).is_some(), std::cmp::Reverse(b.ty(value).rank()), value)
}

fn is_splat(b: &Builder<'_>, value: ValueId, number: f64) -> bool {
    let splat = constant(b, value).and_then(Tensor::splat);
    splat.is_some_and(|splat| splat == Tensor::scalar(splat.dtype(), number))
}

/// Elementwise reciprocals, if the tensor is a small one of powers of two whose reciprocals are normal numbers.
fn reciprocals(tensor: &Tensor) -> Option<Tensor> {
    if tensor.len() > lathe_ir::builder::MAX_INLINE {
        return None;
    }
    let limit = if tensor.dtype() == DType::F16 { 2f64.powi(14) } else { 2f64.powi(126) };
    let values = tensor.to_f64();
    let is_power = |value: &f64| {
        value.is_normal() && value.to_bits() << 12 == 0 && value.abs() <= limit && value.abs() >= limit.recip()
    };
    values.iter().all(is_power).then(|| {
        let values: Vec<f64> = values.iter().map(|value| value.recip()).collect();
        Tensor::from_f64(tensor.dtype(), tensor.shape(), &values)
    })
}

/// Elementwise negatives of a small tensor.
fn negatives(tensor: &Tensor) -> Option<Tensor> {
    if tensor.len() > lathe_ir::builder::MAX_INLINE || tensor.dtype() == DType::Bool {
        return None;
    }
    Some(if tensor.dtype().is_float() {
        let values: Vec<f64> = tensor.to_f64().iter().map(|value| -value).collect();
        Tensor::from_f64(tensor.dtype(), tensor.shape(), &values)
    } else {
        let values: Vec<i64> = tensor.to_i64().iter().map(|value| value.wrapping_neg()).collect();
        Tensor::from_i64(tensor.dtype(), tensor.shape(), &values)
    })
}

/// Lets the op's own broadcasting do what an operand does beforehand.
fn simpler_operands(b: &mut Builder<'_>, op: &Op) -> Seen {
    if op.operands.len() < 2 {
        return Ok(None);
    }
    let want = infer_types(b.env, b.graph, op.code, &op.operands, &op.attrs, &op.regions)?;
    let known = b.env.equalities.len();
    for index in 0..op.operands.len() {
        let Some((simpler, splat)) = simpler_operand(b, op, index, &want[0].shape) else { continue };
        let mut operands: Operands = op.operands.clone();
        let scalar;
        operands[index] = match (simpler, splat) {
            (Some(value), _) => Some(value),
            (None, Some(tensor)) => {
                scalar = b.constant("", tensor);
                Some(scalar)
            }
            _ => continue,
        };
        let have = infer_types(b.env, b.graph, op.code, &operands, &op.attrs, &op.regions);
        let undecided = b.env.equalities.len() > known;
        b.env.equalities.truncate(known);
        if !undecided && have.is_ok_and(|have| have == want) {
            let id = b.op_with(op.code, operands, op.attrs.clone(), Vec::new())?;
            return Ok(replace(b.graph.op(id).result()));
        }
    }
    Ok(None)
}

/// What could stand for operand `index`: another value, or a scalar.
fn simpler_operand(
    b: &Builder<'_>,
    op: &Op,
    index: usize,
    result: &[Dim],
) -> Option<(Option<ValueId>, Option<Tensor>)> {
    let value = op.operand(index)?;
    if let Some(tensor) = constant(b, value) {
        let splat = if tensor.shape().is_empty() { None } else { tensor.splat() };
        return splat.map(|splat| (None, Some(splat)));
    }
    let inner = producer(b, op, index)?;
    let source = inner.operand(0)?;
    let (from, to) = (&b.ty(source).shape, &b.ty(value).shape);
    let adds_ones = || {
        let added = to.len().checked_sub(from.len());
        added.is_some_and(|added| to[added..] == from[..] && to[..added].iter().all(|dim| dim.is(1)))
    };
    match inner.code {
        OpCode::Broadcast if inner.ints("either").is_empty() => Some((Some(source), None)),
        OpCode::Reshape if to.as_slice() != result && adds_ones() => Some((Some(source), None)),
        _ => None,
    }
}
