//! Steps over padding and over constants with zeros in them.

use super::dims;
use crate::egraph::pattern::var;
use crate::rules::{Match, Step};
use egg::Var;
use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

/// Binds `d` to the list that says of each axis of `x` transposed by `p` what `b` says of it in `x`.
pub(in crate::rules) fn permuted_dims(d: &str, b: &str, p: &str) -> Step {
    let (d, b, p) = (var(d), var(b), var(p));
    Box::new(move |m| {
        let (perm, from) = (m.ints(p)?, dims(m, b)?);
        let moved: Option<Vec<Dim>> = perm.iter().map(|&axis| from.get(usize::try_from(axis).ok()?).cloned()).collect();
        m.set_attr(d, Attr::dims(moved?))
    })
}

/// The padding that `b` and `a` name, if it is along the axis `from_end` axes before the last one only.
fn padding_of(m: &Match<'_>, b: Var, a: Var, from_end: usize) -> Option<(Dim, Dim)> {
    let (before, after) = (dims(m, b)?, dims(m, a)?);
    let at = before.len().checked_sub(from_end + 1)?;
    let elsewhere = |list: &[Dim]| list.iter().enumerate().all(|(axis, dim)| axis == at || dim.is(0));
    (elsewhere(&before) && elsewhere(&after)).then(|| (before[at].clone(), after[at].clone()))
}

/// `b` and `a` pad the last axis only; binds `d` and `c` to the same padding of what is replaced.
pub(in crate::rules) fn pads_last(d: &str, c: &str, b: &str, a: &str) -> Step {
    let (d, c, b, a) = (var(d), var(c), var(b), var(a));
    Box::new(move |m| {
        let (before, after) = padding_of(m, b, a, 0)?;
        let rank = m.root_ty()?.rank();
        for (var, amount) in [(d, before), (c, after)] {
            let mut list = vec![Dim::ZERO; rank];
            *list.last_mut()? = amount;
            m.set_attr(var, Attr::dims(list))?;
        }
        Some(())
    })
}

/// The two paddings are of the inner axes of a product only, and equal.
pub(in crate::rules) fn pads_inner(left: (&str, &str), right: (&str, &str)) -> Step {
    let (left, right) = ((var(left.0), var(left.1)), (var(right.0), var(right.1)));
    Box::new(move |m| (padding_of(m, left.0, left.1, 0)? == padding_of(m, right.0, right.1, 1)?).then_some(()))
}

/// The vector `v` has zeros among other values; binds `live` to the positions of the others, and `last` to the number of
/// the last axis of `x`.
pub(in crate::rules) fn live_entries(live: &str, v: &str, last: &str, x: &str) -> Step {
    let (live, v, last, x) = (var(live), var(v), var(last), var(x));
    Box::new(move |m| {
        let fact = m.fact(v)?;
        let value = fact.value.as_deref().or_else(|| m.weight(v))?;
        let count = value.len();
        let positions: Vec<i64> = (0..count).filter(|&at| value.f64_at(at) != 0.0).map(|at| at as i64).collect();
        if positions.is_empty() || positions.len() == count {
            return None;
        }
        let axis = m.ty(x)?.rank().checked_sub(1)?;
        let id = m.constant(Tensor::from_i64(DType::I64, &[positions.len()], &positions));
        m.set(live, id)?;
        m.set_attr(last, Attr::Int(axis as i64))
    })
}

/// `p` counts the rows of the matrix `w` along the last axis of the comparison of `p` and `i`, and `i` has one column:
/// their equality is one-hot in each row, or zero where `i` is no row. Binds `ok` to the latter as a condition of one
/// column, and `at` to the rows to take, which is some row where there is none.
pub(in crate::rules) fn table_rows(found: (&str, &str), i: &str, p: &str, w: &str) -> Step {
    let (ok, at, i, p, w) = (var(found.0), var(found.1), var(i), var(p), var(w));
    Box::new(move |m| {
        let (index, ty, places, w) = (m.id(i)?, m.ty(i)?, m.fact(p)?, m.ty(w)?);
        let counts = places.index.as_ref().is_some_and(|f| {
            let (last, others) = f.steps.split_last().unwrap_or((&0, &[]));
            f.base == 0 && *last == 1 && others.iter().all(|&step| step == 0)
        });
        let rows = w.shape.first()?.as_const().filter(|&rows| rows > 1)?;
        let fits = places.ty.rank() <= ty.rank()
            && places
                .ty
                .shape
                .split_last()
                .is_some_and(|(last, lead)| last.is(rows) && lead.iter().all(|dim| dim.is(1)))
            && ty.rank() >= 2
            && ty.shape.last()?.is(1);
        if !counts || !fits || !matches!(ty.dtype, DType::I64 | DType::I32) {
            return None;
        }
        let mut number = |value: i64| m.constant(Tensor::from_i64(ty.dtype, &[], &[value]));
        let (first, last) = (number(0), number(rows - 1));
        let above = m.op(OpCode::Le, &[], &[first, index])?;
        let below = m.op(OpCode::Le, &[], &[index, last])?;
        let inside = m.op(OpCode::And, &[], &[above, below])?;
        let low = m.op(OpCode::Max, &[], &[index, first])?;
        let row = m.op(OpCode::Min, &[], &[low, last])?;
        let shape = Attr::dims(ty.shape[..ty.rank() - 1].iter().cloned());
        let row = m.op(OpCode::Reshape, &[("shape", shape)], &[row])?;
        m.set(ok, inside)?;
        m.set(at, row)
    })
}

/// `c` does not vary along axis `a` of `x` and adds no axes to it.
pub(in crate::rules) fn arg_axis(a: &str, c: &str, x: &str) -> Step {
    let (a, c, x) = (var(a), var(c), var(x));
    Box::new(move |m| {
        let (axis, c, x) = (usize::try_from(m.int(a)?).ok()?, m.ty(c)?, m.ty(x)?);
        let missing = x.rank().checked_sub(c.rank())?;
        let fits = |(at, dim): (usize, &Dim)| dim.is(1) || (at + missing != axis && *dim == x.shape[at + missing]);
        c.shape.iter().enumerate().all(fits).then_some(())
    })
}
