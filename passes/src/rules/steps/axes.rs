//! Steps over axes: permutations, and what an axis is called on the other side of a transpose.

use super::{dims, reshaped};
use crate::egraph::pattern::var;
use crate::rules::Step;
use lathe_ir::{Attr, Dim, OpCode};

/// `p` permutes nothing.
pub(in crate::rules) fn is_identity(p: &str) -> Step {
    let p = var(p);
    Box::new(move |m| {
        let perm = m.ints(p)?;
        perm.iter().copied().eq(0..perm.len() as i64).then_some(())
    })
}

/// Binds `r` to the permutation that transposing by `first` and then by `second` is.
pub(in crate::rules) fn compose(r: &str, first: &str, second: &str) -> Step {
    let (r, first, second) = (var(r), var(first), var(second));
    Box::new(move |m| {
        let (first, second) = (m.ints(first)?, m.ints(second)?);
        let composed: Vec<i64> = second.iter().map(|&axis| first[axis as usize]).collect();
        m.set_attr(r, Attr::ints(&composed))
    })
}

/// Transposing `x` by `p` keeps the order of all axes that are not of size 1; binds `s` to the resulting shape.
pub(in crate::rules) fn only_unit_axes_move(s: &str, p: &str, x: &str) -> Step {
    let (s, p, x) = (var(s), var(p), var(x));
    Box::new(move |m| {
        let (perm, ty) = (m.ints(p)?, m.ty(x)?);
        let moved = perm.iter().filter(|&&axis| !ty.shape[axis as usize].is(1));
        if !moved.is_sorted() {
            return None;
        }
        m.set_attr(s, Attr::dims(perm.iter().map(|&axis| ty.shape[axis as usize].clone())))
    })
}

/// For each dimension of `merged`, the axes of `shape` whose product it is, in order; `None` if it is no merge.
fn merged_axes(shape: &[Dim], merged: &[Dim]) -> Option<Vec<Vec<usize>>> {
    let mut next = 0;
    let mut groups = Vec::new();
    for dim in merged {
        let (mut product, mut group) = (Dim::ONE, Vec::new());
        while product != *dim {
            let factor = shape.get(next)?;
            product = &product * factor;
            group.push(next);
            next += 1;
        }
        // An axis of size 1 belongs to the dimension 1 it stands for.
        if group.is_empty() && shape.get(next).is_some_and(|dim| dim.is(1)) {
            group.push(next);
            next += 1;
        }
        groups.push(group);
    }
    while shape.get(next).is_some_and(|dim| dim.is(1)) {
        groups.last_mut()?.push(next);
        next += 1;
    }
    (next == shape.len()).then_some(groups)
}

/// `s` merges neighbouring axes of `x`, so transposing the merged tensor by `p` is transposing `x` by `r` and merging
/// to the shape `t`.
pub(in crate::rules) fn merged_transpose(r: &str, t: &str, p: &str, s: &str, x: &str) -> Step {
    let (r, t, p, s, x) = (var(r), var(t), var(p), var(s), var(x));
    Box::new(move |m| {
        let (perm, ty) = (m.ints(p)?, m.ty(x)?);
        let groups = match &*m.attr(s)? {
            Attr::Dims(merged) => merged_axes(&ty.shape, merged)?,
            _ => return None,
        };
        let axes: Vec<i64> =
            perm.iter().flat_map(|&axis| groups[axis as usize].iter().map(|&axis| axis as i64)).collect();
        let shape = m.root_ty()?.shape.clone();
        m.set_attr(r, Attr::ints(&axes))?;
        m.set_attr(t, Attr::Dims(shape))
    })
}

/// Binds `b` to the axis of `x` that is axis `a` of `x` transposed by `p`.
pub(in crate::rules) fn map_axis(b: &str, a: &str, p: &str) -> Step {
    let (b, a, p) = (var(b), var(a), var(p));
    Box::new(move |m| {
        let (axis, perm) = (m.int(a)?, m.ints(p)?);
        let mapped = *perm.get(usize::try_from(axis).ok()?)?;
        m.set_attr(b, Attr::Int(mapped))
    })
}

/// [`map_axis`] for a list of axes that keep their order.
pub(in crate::rules) fn map_axes(b: &str, a: &str, p: &str) -> Step {
    let (b, a, p) = (var(b), var(a), var(p));
    Box::new(move |m| {
        let (axes, perm) = (m.ints(a)?, m.ints(p)?);
        let mapped =
            axes.iter().map(|&axis| perm.get(usize::try_from(axis).ok()?).copied()).collect::<Option<Vec<i64>>>()?;
        // Another order of summation would round otherwise.
        if !mapped.is_sorted() {
            return None;
        }
        m.set_attr(b, Attr::ints(&mapped))
    })
}

/// Binds `d` to the list that says of each axis of `x` what `b` says of it in `x` transposed by `p`.
pub(in crate::rules) fn map_dims(d: &str, b: &str, p: &str) -> Step {
    let (d, b, p) = (var(d), var(b), var(p));
    Box::new(move |m| {
        let perm = m.ints(p)?;
        let mapped = match &*m.attr(b)? {
            Attr::Dims(dims) if dims.len() == perm.len() => {
                let mut mapped = dims.clone();
                for (&axis, dim) in perm.iter().zip(dims) {
                    mapped[axis as usize] = dim.clone();
                }
                mapped
            }
            _ => return None,
        };
        m.set_attr(d, Attr::Dims(mapped))
    })
}

/// [`map_dims`] for a list of integers, which may also be empty.
pub(in crate::rules) fn map_ints(d: &str, b: &str, p: &str) -> Step {
    let (d, b, p) = (var(d), var(b), var(p));
    Box::new(move |m| {
        let (perm, values) = (m.ints(p)?, m.ints(b)?);
        let mut mapped = values.clone();
        if values.len() == perm.len() {
            for (&axis, &value) in perm.iter().zip(&values) {
                mapped[axis as usize] = value;
            }
        } else if !values.is_empty() {
            return None;
        }
        m.set_attr(d, Attr::ints(&mapped))
    })
}

/// Binds `d` to what `c` must be for `op(transpose(x), c) = transpose(op(x, d))`.
pub(in crate::rules) fn unmap_constant(d: &str, c: &str, p: &str) -> Step {
    let (d, c, p) = (var(d), var(c), var(p));
    Box::new(move |m| {
        let (id, ty, perm) = (m.id(c)?, m.ty(c)?, m.ints(p)?);
        if ty.rank() == 0 {
            return m.set(d, id);
        }
        let missing = perm.len().checked_sub(ty.rank())?;
        let mut shape = vec![Dim::ONE; missing];
        shape.extend(ty.shape.iter().cloned());
        let full = reshaped(m, id, &ty, &shape)?;
        let mut inverse = vec![0; perm.len()];
        for (axis, &from) in (0i64..).zip(&perm) {
            inverse[from as usize] = axis;
        }
        let moved = m.op(OpCode::Transpose, &[("perm", Attr::ints(&inverse))], &[full])?;
        m.set(d, moved)
    })
}

/// [`unmap_constant`] for a tensor whose axes longer than 1 keep their order, so that a reshape does it.
pub(in crate::rules) fn unmap_by_reshape(d: &str, c: &str, p: &str) -> Step {
    let (d, c, p) = (var(d), var(c), var(p));
    Box::new(move |m| {
        let (id, ty, perm) = (m.id(c)?, m.ty(c)?, m.ints(p)?);
        if ty.rank() == 0 {
            return m.set(d, id);
        }
        if ty.rank() != perm.len() {
            return None;
        }
        let mut shape = ty.shape.to_vec();
        let mut places: Vec<(i64, usize)> = Vec::new();
        for (axis, (&from, dim)) in perm.iter().zip(&ty.shape).enumerate() {
            shape[from as usize] = dim.clone();
            if !dim.is(1) {
                places.push((from, axis));
            }
        }
        if !places.is_sorted() {
            return None;
        }
        let moved = reshaped(m, id, &ty, &shape)?;
        m.set(d, moved)
    })
}

/// Binds `q` to the spatial pads `p` of a channels-last op plus the fixed padding `b` of its operand, which pads neither
/// images nor channels.
pub(in crate::rules) fn add_spatial(q: &str, p: &str, b: &str) -> Step {
    let (q, p, b) = (var(q), var(p), var(b));
    Box::new(move |m| {
        let (pads, more) = (m.ints(p)?, dims(m, b)?);
        let more: Vec<i64> = more.iter().map(Dim::as_const).collect::<Option<_>>()?;
        let (Some(0), Some(0)) = (more.first(), more.last()) else { return None };
        let spatial = more.get(1..more.len() - 1).filter(|spatial| spatial.len() == pads.len())?;
        let sum: Vec<i64> = pads.iter().zip(spatial).map(|(pad, more)| pad + more).collect();
        m.set_attr(q, Attr::ints(&sum))
    })
}

/// The axes `a` are the last ones of `x`; binds `axis` to the first of them.
pub(in crate::rules) fn trailing_axes(axis: &str, a: &str, x: &str) -> Step {
    let (axis, a, x) = (var(axis), var(a), var(x));
    Box::new(move |m| {
        let (axes, rank) = (m.ints(a)?, m.ty(x)?.rank() as i64);
        let first = *axes.first()?;
        if !axes.iter().copied().eq(first..rank) {
            return None;
        }
        m.set_attr(axis, Attr::Int(first))
    })
}

/// `a` is one axis; binds `axis` to it.
pub(in crate::rules) fn one_axis(axis: &str, a: &str) -> Step {
    let (axis, a) = (var(axis), var(a));
    Box::new(move |m| match m.ints(a)?.as_slice() {
        [only] => m.set_attr(axis, Attr::Int(*only)),
        _ => None,
    })
}

/// `a` is the last axis of `x`.
pub(in crate::rules) fn last_axis(a: &str, x: &str) -> Step {
    let (a, x) = (var(a), var(x));
    Box::new(move |m| (m.int(a)? + 1 == m.ty(x)?.rank() as i64).then_some(()))
}

/// Binds `b` to the number of the last axis of `x`.
pub(in crate::rules) fn last_axis_of(b: &str, x: &str) -> Step {
    let (b, x) = (var(b), var(x));
    Box::new(move |m| {
        let last = m.ty(x)?.rank().checked_sub(1)?;
        m.set_attr(b, Attr::Int(last as i64))
    })
}

/// Binds `k` to `kt` with its last two axes swapped.
pub(in crate::rules) fn swap_last(k: &str, kt: &str) -> Step {
    let (k, kt) = (var(k), var(kt));
    Box::new(move |m| {
        let (id, rank) = (m.id(kt)?, m.ty(kt)?.rank());
        let mut perm: Vec<i64> = (0..rank as i64).collect();
        if rank < 3 {
            return None;
        }
        perm.swap(rank - 1, rank - 2);
        let swapped = m.op(OpCode::Transpose, &[("perm", Attr::ints(&perm))], &[id])?;
        m.set(k, swapped)
    })
}
