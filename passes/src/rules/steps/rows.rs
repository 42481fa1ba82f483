//! Steps over slices that take few rows of what an op makes.

use super::dims;
use crate::egraph::analysis::Data;
use crate::egraph::language::Node;
use crate::egraph::pattern::var;
use crate::rules::{Match, Step};
use egg::{Id, Language, Var};
use indexmap::IndexSet;
use lathe_ir::{Attr, Dim, OpCode, TensorType};
use std::sync::Arc;

/// More slices of one tensor than this are parts of a whole, which is made at once.
const MOST_SLICES: usize = 2;

/// The variables that a slice's starts, sizes and steps are bound to.
pub(in crate::rules) const SLICE: [&str; 3] = ["?starts", "?sizes", "?steps"];

/// What the slice that is replaced takes.
struct Demand {
    starts: Vec<Dim>,
    sizes: Vec<Dim>,
    steps: Vec<i64>,
    /// Type of what it takes this of.
    ty: Arc<TensorType>,
    /// The class of that.
    of: Id,
}

impl Demand {
    fn of(m: &Match<'_>) -> Option<Demand> {
        let [starts, sizes, steps] = SLICE.map(var);
        let attrs = [m.id(starts)?, m.id(sizes)?, m.id(steps)?];
        let is_it = |node: &&Node| {
            node.code() == Some(OpCode::Slice) && node.attrs().iter().map(|&id| m.egraph().find(id)).eq(attrs)
        };
        let slice = m.egraph()[m.root()].nodes.iter().find(is_it)?;
        let of = m.egraph().find(*slice.operands().first()?);
        let ty = Arc::clone(&m.egraph()[of].data.fact()?.ty);
        Some(Demand { starts: dims(m, starts)?, sizes: dims(m, sizes)?, steps: m.ints(steps)?, ty, of })
    }

    fn is_cut(&self, axis: usize) -> bool {
        !self.starts[axis].is(0) || self.steps[axis] != 1 || self.sizes[axis] != self.ty.shape[axis]
    }
}

/// The slice takes at most half of its operand, leaves the last axis whole, is one of few slices of it, and the operand
/// is not computed whole for others anyway.
pub(in crate::rules) fn takes_few_rows() -> Step {
    Box::new(|m| {
        let demand = Demand::of(m)?;
        let last = demand.ty.rank().checked_sub(1)?;
        let symbols = &m.egraph().analysis.env.symbols;
        let count = |shape: &[Dim]| -> f64 {
            shape.iter().map(|dim| dim.as_const().unwrap_or_else(|| dim.typical(symbols)).max(0) as f64).product()
        };
        if demand.is_cut(last) || 2.0 * count(&demand.sizes) > count(&demand.ty.shape) {
            return None;
        }
        let egraph = m.egraph();
        if egraph.analysis.whole.contains(&demand.of) {
            return None;
        }
        (slices(m, demand.of, true) <= MOST_SLICES).then_some(())
    })
}

/// How many slices of a class there are, or how many of those that leave its last axis whole.
fn slices(m: &Match<'_>, of: Id, of_rows: bool) -> usize {
    let egraph = m.egraph();
    let last = egraph[of].data.fact().and_then(|fact| fact.ty.shape.last().cloned());
    let is_whole = |node: &Node| {
        let sizes = node.attrs().get(1).map(|&id| &egraph[id].data);
        matches!(sizes, Some(Data::Attr(attr)) if matches!(&**attr, Attr::Dims(sizes) if sizes.last() == last.as_ref()))
    };
    let slices: IndexSet<_> = egraph[of]
        .parents()
        .map(|id| &egraph.nodes()[usize::from(id)])
        .filter(|node| node.code() == Some(OpCode::Slice) && (!of_rows || is_whole(node)))
        .map(|node| node.clone().map_children(|child| egraph.find(child)))
        .collect();
    slices.len()
}

/// The slice takes some columns of all rows, and is the only thing that its operand is for.
pub(in crate::rules) fn takes_the_only_columns() -> Step {
    Box::new(|m| {
        let demand = Demand::of(m)?;
        let last = demand.ty.rank().checked_sub(1)?;
        let is_only = !m.egraph().analysis.entire.contains(&demand.of) && slices(m, demand.of, false) == 1;
        (is_only && demand.is_cut(last) && (0..last).all(|axis| !demand.is_cut(axis))).then_some(())
    })
}

/// Binds `d` to what of the operand `c` the slice needs: its trailing axes but `whole` line up with those of the result,
/// the `whole` last ones are needed whole. An operand that is left out stays so.
pub(in crate::rules) fn part_of(d: &str, c: &str, whole: usize) -> Step {
    let (d, c) = (var(d), var(c));
    Box::new(move |m| {
        let (id, demand) = (m.id(c)?, Demand::of(m)?);
        let Some(ty) = m.ty(c) else { return m.set(d, id) };
        let missing = demand.ty.rank().checked_sub(ty.rank())?;
        let mut axes = Vec::new();
        for axis in 0..ty.rank().checked_sub(whole)? {
            let (own, other) = (&ty.shape[axis], &demand.ty.shape[axis + missing]);
            if !demand.is_cut(axis + missing) || (own.is(1) && !other.is(1)) {
                continue;
            }
            if own != other {
                return None;
            }
            axes.push((axis, axis + missing));
        }
        let part = sliced(m, id, &ty, &demand, &axes)?;
        m.set(d, part)
    })
}

/// Adds the slice of a class that cuts its axes as the demand cuts its own, given as pairs.
fn sliced(m: &mut Match<'_>, id: Id, ty: &TensorType, demand: &Demand, axes: &[(usize, usize)]) -> Option<Id> {
    if axes.is_empty() {
        return Some(id);
    }
    let (mut starts, mut sizes) = (vec![Dim::ZERO; ty.rank()], ty.shape.to_vec());
    let mut steps = vec![1; ty.rank()];
    for &(own, other) in axes {
        starts[own] = demand.starts[other].clone();
        sizes[own] = demand.sizes[other].clone();
        steps[own] = demand.steps[other];
    }
    let attrs = [("starts", Attr::dims(starts)), ("sizes", Attr::dims(sizes)), ("steps", Attr::ints(&steps))];
    m.op(OpCode::Slice, &attrs, &[id])
}

/// The slice leaves the axes from `axis` on whole.
pub(in crate::rules) fn whole_from(axis: &str) -> Step {
    let axis = var(axis);
    Box::new(move |m| {
        let (axis, demand) = (usize::try_from(m.int(axis)?).ok()?, Demand::of(m)?);
        (axis..demand.ty.rank()).all(|axis| !demand.is_cut(axis)).then_some(())
    })
}

/// The slice leaves the axis `axis` whole.
pub(in crate::rules) fn whole_at(axis: &str) -> Step {
    let axis = var(axis);
    Box::new(move |m| {
        let (axis, demand) = (usize::try_from(m.int(axis)?).ok()?, Demand::of(m)?);
        (axis < demand.ty.rank() && !demand.is_cut(axis)).then_some(())
    })
}

/// Of the last axis but one the slice takes what reaches to the end.
pub(in crate::rules) fn takes_last_rows() -> Step {
    Box::new(|m| {
        let demand = Demand::of(m)?;
        let at = demand.ty.rank().checked_sub(2)?;
        (demand.steps[at] == 1 && &demand.starts[at] + &demand.sizes[at] == demand.ty.shape[at]).then_some(())
    })
}

/// The slice cuts one axis, which is an axis of `x` before its reshape too; binds `d` to `x` cut there.
pub(in crate::rules) fn part_before_reshape(d: &str, x: &str) -> Step {
    let (d, x) = (var(d), var(x));
    Box::new(move |m| {
        let (id, ty, demand) = (m.id(x)?, m.ty(x)?, Demand::of(m)?);
        let mut cut = (0..demand.ty.rank()).filter(|&axis| demand.is_cut(axis));
        let (Some(axis), None) = (cut.next(), cut.next()) else { return None };
        let ahead = Dim::product_of(&demand.ty.shape[..axis]);
        let own = (0..ty.rank())
            .find(|&own| ty.shape[own] == demand.ty.shape[axis] && Dim::product_of(&ty.shape[..own]) == ahead)?;
        let part = sliced(m, id, &ty, &demand, &[(own, axis)])?;
        m.set(d, part)
    })
}

/// `inner` names the slice of `x` of which the slice that is replaced takes rows. Binds `d` to the same rows of `x`, and
/// `of` to the slice that takes of them what the inner one took: rows first, columns then.
pub(in crate::rules) fn rows_first(of: [&'static str; 3], d: &str, inner: [&'static str; 3], x: &str) -> Step {
    let (of, inner, d, x) = (of.map(var), inner.map(var), var(d), var(x));
    Box::new(move |m| {
        let (id, ty, demand) = (m.id(x)?, m.ty(x)?, Demand::of(m)?);
        let (starts, mut sizes, steps) = (dims(m, inner[0])?, dims(m, inner[1])?, m.ints(inner[2])?);
        let axes: Vec<(usize, usize)> =
            (0..ty.rank()).filter(|&axis| demand.is_cut(axis)).map(|axis| (axis, axis)).collect();
        let is_whole = |axis: usize| starts[axis].is(0) && steps[axis] == 1 && sizes[axis] == ty.shape[axis];
        if !axes.iter().all(|&(axis, _)| is_whole(axis)) {
            return None;
        }
        let part = sliced(m, id, &ty, &demand, &axes)?;
        for (axis, _) in axes {
            sizes[axis] = demand.sizes[axis].clone();
        }
        m.set(d, part)?;
        m.set_attr(of[0], Attr::dims(starts))?;
        m.set_attr(of[1], Attr::dims(sizes))?;
        m.set_attr(of[2], Attr::ints(&steps))
    })
}

/// Binds the attributes `SLICE` of the right side, named `of`, to those of a slice of a slice.
pub(in crate::rules) fn slice_twice(of: [&'static str; 3], outer: [&'static str; 3], inner: [&'static str; 3]) -> Step {
    let names = |names: [&str; 3]| -> [Var; 3] { names.map(var) };
    let (of, outer, inner) = (names(of), names(outer), names(inner));
    Box::new(move |m| {
        let (first, then) = (dims(m, inner[0])?, dims(m, outer[0])?);
        let (by, more) = (m.ints(inner[2])?, m.ints(outer[2])?);
        let starts = first.iter().zip(&then).zip(&by).map(|((a, b), &step)| a + &(b * &Dim::from(step)));
        let starts: Vec<Dim> = starts.collect();
        let steps: Option<Vec<i64>> = by.iter().zip(&more).map(|(a, b)| a.checked_mul(*b)).collect();
        let sizes = m.id(outer[1])?;
        m.set_attr(of[0], Attr::dims(starts))?;
        m.set(of[1], sizes)?;
        m.set_attr(of[2], Attr::ints(&steps?))
    })
}
