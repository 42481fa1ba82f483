//! Integer tensors that are linear in their own positions: `base + sum of step * index`. Positions, masks and gathers
//! that exporters write in arithmetic over Range are of this kind, whatever the sizes are, so that comparisons of them
//! are decided here, and a causal mask is seen for what it is.
//!
//! Sizes of a tensor that is in memory are below 2^31, so that no sum here wraps in i64, nor in i32.

use super::analysis::{EGraph, Fact, attrs_of};
use super::language::Node;
use lathe_ir::{Attr, DType, Dim, OpCode, Tensor, TensorType};
use smallvec::SmallVec;

/// A tensor as a function of its positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFn {
    /// The first element.
    pub base: i64,
    /// What one step along each axis adds; 0 for axes of size 1.
    pub steps: SmallVec<[i64; 4]>,
}

/// Longer vectors are not looked through.
const LONGEST_VECTOR: usize = 1 << 20;
/// Larger numbers are no positions.
const MOST: i64 = 1 << 31;

impl IndexFn {
    fn new(base: i64, steps: SmallVec<[i64; 4]>, ty: &TensorType) -> Option<IndexFn> {
        let mut steps = steps;
        for (step, dim) in steps.iter_mut().zip(&ty.shape) {
            if dim.is(1) {
                *step = 0;
            }
        }
        let fits = |number: &i64| (-MOST..=MOST).contains(number);
        (steps.len() == ty.rank() && fits(&base) && steps.iter().all(fits)).then_some(IndexFn { base, steps })
    }

    fn constant(value: i64, ty: &TensorType) -> Option<IndexFn> {
        IndexFn::new(value, SmallVec::from_elem(0, ty.rank()), ty)
    }

    /// The value, if it is the same everywhere.
    pub fn uniform(&self) -> Option<i64> {
        self.steps.iter().all(|&step| step == 0).then_some(self.base)
    }

    /// `self + factor * other`, both broadcast to `ty`.
    fn plus(&self, factor: i64, other: &IndexFn, ty: &TensorType) -> Option<IndexFn> {
        let wide = |f: &IndexFn, axis: usize| (axis + f.steps.len()).checked_sub(ty.rank()).map_or(0, |at| f.steps[at]);
        let steps = (0..ty.rank()).map(|axis| wide(self, axis) + factor * wide(other, axis)).collect();
        IndexFn::new(self.base + factor * other.base, steps, ty)
    }

    fn times(&self, factor: i64, ty: &TensorType) -> Option<IndexFn> {
        let wide = |number: i64| number.checked_mul(factor);
        IndexFn::new(wide(self.base)?, self.steps.iter().map(|&step| wide(step)).collect::<Option<_>>()?, ty)
    }

    /// Its smallest and largest value over a tensor that is not empty.
    fn ends(&self, ty: &TensorType) -> (Dim, Dim) {
        let (mut least, mut most) = (Dim::from(self.base), Dim::from(self.base));
        for (&step, dim) in self.steps.iter().zip(&ty.shape) {
            let reach = &Dim::from(step) * &(dim - &Dim::ONE);
            let end = if step < 0 { &mut least } else { &mut most };
            *end = &*end + &reach;
        }
        (least, most)
    }
}

/// The difference of the operands of a comparison, as a function of the positions of the result.
pub fn difference(left: &Fact, right: &Fact, ty: &TensorType) -> Option<IndexFn> {
    left.index.as_ref()?.plus(-1, right.index.as_ref()?, ty)
}

/// Whether a comparison of such tensors is decided, and how.
pub fn compare(code: OpCode, operands: &[&Fact], ty: &TensorType) -> Option<bool> {
    let [left, right] = operands else { return None };
    let difference = difference(left, right, ty)?.uniform()?;
    match code {
        OpCode::Eq => Some(difference == 0),
        OpCode::Lt => Some(difference < 0),
        OpCode::Le => Some(difference <= 0),
        _ => None,
    }
}

/// The function that an op's result is, if it is one.
pub fn learn(egraph: &EGraph, code: OpCode, node: &Node, operands: &[&Fact], fact: &Fact) -> Option<IndexFn> {
    let ty = &fact.ty;
    if !matches!(ty.dtype, DType::I64 | DType::I32) {
        return None;
    }
    if let Some(splat) = &fact.splat {
        return IndexFn::constant(splat.i64_at(0), ty);
    }
    let attrs = || attrs_of(egraph, node).ok();
    if code == OpCode::Const {
        return match attrs()?.first()? {
            Attr::Tensor(tensor) => progression(tensor, ty),
            Attr::Weight(id) => progression(&egraph.analysis.env.weight(*id)?.value, ty),
            _ => None,
        };
    }
    let index = |at: usize| operands.get(at)?.index.as_ref();
    match code {
        OpCode::Iota => {
            let Attr::Int(axis) = attrs()?[1] else { return None };
            let mut steps = SmallVec::from_elem(0, ty.rank());
            *steps.get_mut(usize::try_from(axis).ok()?)? = 1;
            IndexFn::new(0, steps, ty)
        }
        OpCode::Add => index(0)?.plus(1, index(1)?, ty),
        OpCode::Sub => index(0)?.plus(-1, index(1)?, ty),
        OpCode::Neg => index(0)?.times(-1, ty),
        OpCode::Mul => match (index(0)?, index(1)?) {
            (f, g) if g.uniform().is_some() => IndexFn::constant(0, ty)?.plus(1, f, ty)?.times(g.base, ty),
            (f, g) if f.uniform().is_some() => IndexFn::constant(0, ty)?.plus(1, g, ty)?.times(f.base, ty),
            _ => None,
        },
        OpCode::Broadcast => {
            let Attr::Ints(either) = attrs()?.get(1)?.clone() else { return None };
            let f = index(0)?;
            // Positions along an axis count only if it is not repeated, which is not known.
            (either.is_empty() || f.uniform().is_some()).then_some(())?;
            IndexFn::constant(0, ty)?.plus(1, f, ty)
        }
        OpCode::Cast => IndexFn::new(index(0)?.base, index(0)?.steps.clone(), ty),
        OpCode::Reshape => reshaped(index(0)?, &operands[0].ty, ty),
        OpCode::Transpose => {
            let Attr::Ints(perm) = &attrs()?[0] else { return None };
            let f = index(0)?;
            let steps = perm.iter().map(|&axis| f.steps.get(usize::try_from(axis).ok()?).copied());
            IndexFn::new(f.base, steps.collect::<Option<_>>()?, ty)
        }
        OpCode::Slice => {
            let attrs = attrs()?;
            let (Attr::Dims(starts), Attr::Ints(strides)) = (&attrs[0], &attrs[2]) else { return None };
            let f = index(0)?;
            let mut base = f.base;
            for (&step, start) in f.steps.iter().zip(starts).filter(|(step, _)| **step != 0) {
                base = base.checked_add(step.checked_mul(start.as_const()?)?)?;
            }
            let steps = f.steps.iter().zip(strides).map(|(step, stride)| step.checked_mul(*stride));
            IndexFn::new(base, steps.collect::<Option<_>>()?, ty)
        }
        OpCode::Concat => {
            let Attr::Int(axis) = attrs()?[0] else { return None };
            joined(operands, usize::try_from(axis).ok()?, ty)
        }
        OpCode::CumSum => (index(0)?.uniform()? == 0).then(|| IndexFn::constant(0, ty))?,
        OpCode::Gather => {
            let Attr::Int(axis) = attrs()?[0] else { return None };
            let (f, at, axis) = (index(0)?, index(1)?, usize::try_from(axis).ok()?);
            is_within(at, &operands[1].ty, operands[0].ty.shape.get(axis)?)?;
            let step = f.steps[axis];
            let mut steps: SmallVec<[i64; 4]> = f.steps[..axis].into();
            steps.extend(at.steps.iter().map(|along| along * step));
            steps.extend_from_slice(&f.steps[axis + 1..]);
            IndexFn::new(f.base + step * at.base, steps, ty)
        }
        OpCode::GatherNd => gathered(egraph, node, operands, ty),
        _ => None,
    }
}

/// The function of a vector of evenly spaced numbers, such as a range that was folded.
fn progression(tensor: &Tensor, ty: &TensorType) -> Option<IndexFn> {
    let mut long = (0..ty.rank()).filter(|&axis| !ty.shape[axis].is(1));
    let (Some(axis), None) = (long.next(), long.next()) else { return None };
    if !(2..=LONGEST_VECTOR).contains(&tensor.len()) {
        return None;
    }
    let base = tensor.i64_at(0);
    let step = tensor.i64_at(1).checked_sub(base)?;
    let is_even = |at: usize| tensor.i64_at(at).checked_sub(tensor.i64_at(at - 1)) == Some(step);
    let mut steps = SmallVec::from_elem(0, ty.rank());
    steps[axis] = step;
    (1..tensor.len()).all(is_even).then(|| IndexFn::new(base, steps, ty))?
}

/// Every value of `at` is a position of an axis of that size, counted from its start.
fn is_within(at: &IndexFn, ty: &TensorType, size: &Dim) -> Option<()> {
    let (least, most) = at.ends(ty);
    let room = size - &most;
    (least.as_const()? >= 0 && room.as_const()? > 0).then_some(())
}

/// Axes of size 1 come and go; the others stay in order.
fn reshaped(f: &IndexFn, from: &TensorType, to: &TensorType) -> Option<IndexFn> {
    let mut long = from.shape.iter().zip(&f.steps).filter(|(dim, _)| !dim.is(1));
    let mut steps = SmallVec::new();
    for dim in &to.shape {
        steps.push(match dim.is(1) {
            true => 0,
            false => *long.next().filter(|(from, _)| *from == dim)?.1,
        });
    }
    if long.next().is_some() {
        return None;
    }
    IndexFn::new(f.base, steps, to)
}

/// Pieces that continue each other along an axis.
fn joined(pieces: &[&Fact], axis: usize, ty: &TensorType) -> Option<IndexFn> {
    let functions: Vec<&IndexFn> = pieces.iter().map(|piece| piece.index.as_ref()).collect::<Option<_>>()?;
    let is_short = |piece: &Fact| piece.ty.shape[axis].is(1);
    // A piece of one element fits any step along the axis; two of them make one.
    let stated = pieces.iter().zip(&functions).find(|(piece, _)| !is_short(piece)).map(|(_, f)| f.steps[axis]);
    let step = match (stated, functions.as_slice()) {
        (Some(step), _) => step,
        (None, [first, second, ..]) => second.base - first.base,
        (None, _) => return None,
    };
    let first = functions.first()?;
    let mut steps = first.steps.clone();
    steps[axis] = step;
    let mut base = first.base;
    for (at, (piece, f)) in pieces.iter().zip(&functions).enumerate() {
        let along = (0..steps.len()).all(|other| other == axis || f.steps[other] == steps[other]);
        if f.base != base || !along || !(is_short(piece) || f.steps[axis] == step) {
            return None;
        }
        if at + 1 < pieces.len() && step != 0 {
            base = base.checked_add(step.checked_mul(piece.ty.shape[axis].as_const()?)?)?;
        }
    }
    IndexFn::new(first.base, steps, ty)
}

/// A gather by tuples: a concat, along the last axis, of the positions along each of the first axes.
fn gathered(egraph: &EGraph, node: &Node, operands: &[&Fact], ty: &TensorType) -> Option<IndexFn> {
    let (x, tuples) = (*operands.first()?, *operands.get(1)?);
    let (f, count) = (x.index.as_ref()?, tuples.ty.shape.last()?.as_size()?);
    if !matches!(attrs_of(egraph, node).ok()?[0], Attr::Int(0)) || count > x.ty.rank() {
        return None;
    }
    let last = tuples.ty.rank() as i64 - 1;
    let parts: Vec<&Fact> = if count == 1 {
        vec![tuples]
    } else {
        let is_tuple = |node: &&Node| {
            node.code() == Some(OpCode::Concat)
                && node.operands().len() == count
                && attrs_of(egraph, node).is_ok_and(|attrs| attrs[0] == Attr::Int(last))
        };
        let concat = egraph[node.operands()[1]].nodes.iter().find(is_tuple)?;
        concat.operands().iter().map(|&part| egraph[part].data.fact()).collect::<Option<_>>()?
    };
    let mut base = f.base;
    let mut steps: SmallVec<[i64; 4]> = SmallVec::from_elem(0, ty.rank());
    for (axis, part) in parts.iter().enumerate() {
        let at = part.index.as_ref()?;
        if !part.ty.shape.last()?.is(1) {
            return None;
        }
        is_within(at, &part.ty, &x.ty.shape[axis])?;
        base += f.steps[axis] * at.base;
        for (step, along) in steps.iter_mut().zip(&at.steps[..at.steps.len() - 1]) {
            *step += f.steps[axis] * along;
        }
    }
    let (of_tuples, of_rest) = (tuples.ty.rank() - 1, f.steps.len() - count);
    for (step, &along) in steps[of_tuples..].iter_mut().zip(&f.steps[f.steps.len() - of_rest..]) {
        *step = along;
    }
    IndexFn::new(base, steps, ty)
}
