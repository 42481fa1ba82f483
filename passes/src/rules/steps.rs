//! Named steps of rules: conditions over facts, and values computed for right sides.
//!
//! A step is made once, when the library is loaded, and run for each match. Names of variables carry their question
//! mark, as in the patterns. A step that binds names what it binds first.

use super::{Match, Step};
use crate::egraph::pattern::var;
use egg::{Id, Var};
use lathe_ir::{Attr, DType, Dim, OpCode, TensorType};

fn fact(name: &str, test: impl Fn(&crate::egraph::analysis::Fact) -> bool + Send + Sync + 'static) -> Step {
    let name = var(name);
    Box::new(move |m| test(m.fact(name)?).then_some(()))
}

/// The tensor depends on constants only.
pub(super) fn is_const(x: &str) -> Step {
    fact(x, |fact| fact.is_const)
}

/// The tensor depends on parameters.
pub(super) fn is_variable(x: &str) -> Step {
    fact(x, |fact| !fact.is_const)
}

/// The tensor holds floats.
pub(super) fn is_float(x: &str) -> Step {
    fact(x, |fact| fact.ty.dtype.is_float())
}

/// The tensor has one element, whose value is known.
pub(super) fn is_scalar(x: &str) -> Step {
    fact(x, |fact| fact.splat.is_some() && fact.ty.shape.iter().all(|dim| dim.is(1)))
}

/// The tensor has that rank.
pub(super) fn rank_is(x: &str, rank: usize) -> Step {
    fact(x, move |fact| fact.ty.rank() == rank)
}

/// A cast of `x` to the element type `there` loses nothing.
pub(super) fn lossless_round_trip(x: &str, there: &str) -> Step {
    let (x, there) = (var(x), var(there));
    Box::new(move |m| {
        let from = m.ty(x)?.dtype;
        let Attr::DType(to) = *m.attr(there)? else { return None };
        let exact_bits = |dtype: DType| match dtype {
            DType::F64 => 53,
            DType::F32 => 24,
            DType::F16 => 11,
            DType::BF16 => 8,
            DType::Bool => 1,
            int => 8 * int.size() - usize::from(!int.is_unsigned()),
        };
        let fits = if from.is_float() {
            // Of the 16-bit floats neither holds the other.
            to.is_float() && (to == from || to.size() > from.size())
        } else {
            exact_bits(to) >= exact_bits(from) && (from == DType::Bool || from.is_unsigned() || !to.is_unsigned())
        };
        (fits && to != DType::Bool).then_some(())
    })
}

/// Binds `attr` to the one value of the tensor `x`, which is no NaN.
pub(super) fn attr_of_splat(attr: &str, x: &str) -> Step {
    let (attr, x) = (var(attr), var(x));
    Box::new(move |m| {
        let value = m.splat(x).filter(|value| !value.is_nan())?;
        m.set_attr(attr, Attr::float(value))
    })
}

/// Binds `lo` and `hi` to the bounds of clipping to `first` and then to `second`.
pub(super) fn compose_clips(lo: &str, hi: &str, first: (&str, &str), second: (&str, &str)) -> Step {
    let (lo, hi) = (var(lo), var(hi));
    let ends = [first.0, first.1, second.0, second.1].map(var);
    Box::new(move |m| {
        let mut values = [0.0; 4];
        for (value, end) in values.iter_mut().zip(ends) {
            let Attr::Float(bits) = &*m.attr(end)? else { return None };
            *value = bits.get();
        }
        let [l1, h1, l2, h2] = values;
        // Bounds that cross are left alone.
        if !(l1 <= h1 && l2 <= h2) {
            return None;
        }
        m.set_attr(lo, Attr::float(l1.max(l2).min(h2)))?;
        m.set_attr(hi, Attr::float(h1.max(l2).min(h2)))
    })
}

/// `p` permutes nothing.
pub(super) fn is_identity(p: &str) -> Step {
    let p = var(p);
    Box::new(move |m| {
        let perm = m.ints(p)?;
        perm.iter().copied().eq(0..perm.len() as i64).then_some(())
    })
}

/// Binds `r` to the permutation that transposing by `first` and then by `second` is.
pub(super) fn compose(r: &str, first: &str, second: &str) -> Step {
    let (r, first, second) = (var(r), var(first), var(second));
    Box::new(move |m| {
        let (first, second) = (m.ints(first)?, m.ints(second)?);
        let composed: Vec<i64> = second.iter().map(|&axis| first[axis as usize]).collect();
        m.set_attr(r, Attr::ints(&composed))
    })
}

/// Transposing `x` by `p` keeps the order of all axes that are not of size 1; binds `s` to the resulting shape.
pub(super) fn only_unit_axes_move(s: &str, p: &str, x: &str) -> Step {
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
pub(super) fn merged_transpose(r: &str, t: &str, p: &str, s: &str, x: &str) -> Step {
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
pub(super) fn map_axis(b: &str, a: &str, p: &str) -> Step {
    let (b, a, p) = (var(b), var(a), var(p));
    Box::new(move |m| {
        let (axis, perm) = (m.int(a)?, m.ints(p)?);
        let mapped = *perm.get(usize::try_from(axis).ok()?)?;
        m.set_attr(b, Attr::Int(mapped))
    })
}

/// [`map_axis`] for a list of axes that keep their order.
pub(super) fn map_axes(b: &str, a: &str, p: &str) -> Step {
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
pub(super) fn map_dims(d: &str, b: &str, p: &str) -> Step {
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
pub(super) fn map_ints(d: &str, b: &str, p: &str) -> Step {
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

/// Adds a reshape of a class unless it has that shape.
fn reshaped(m: &mut Match<'_>, id: Id, ty: &TensorType, shape: &[Dim]) -> Option<Id> {
    if ty.shape.as_slice() == shape {
        return Some(id);
    }
    m.op(OpCode::Reshape, &[("shape", Attr::dims(shape.iter().cloned()))], &[id])
}

/// Binds `d` to what `c` must be for `op(transpose(x), c) = transpose(op(x, d))`.
pub(super) fn unmap_constant(d: &str, c: &str, p: &str) -> Step {
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
pub(super) fn unmap_by_reshape(d: &str, c: &str, p: &str) -> Step {
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

/// The two tensors have the same shape.
pub(super) fn outer_shape(x: &str, y: &str) -> Step {
    let (x, y) = (var(x), var(y));
    Box::new(move |m| (m.ty(x)?.shape == m.ty(y)?.shape).then_some(()))
}

/// Binds `d` to what `c` must be for `op(reshape(x, s), c) = reshape(op(x, d), s)`.
pub(super) fn unreshape_constant(d: &str, c: &str, x: &str, s: &str) -> Step {
    let (d, c, x, s) = (var(d), var(c), var(x), var(s));
    Box::new(move |m| {
        let (id, ty, inner) = (m.id(c)?, m.ty(c)?, m.ty(x)?);
        let outer = dims(m, s)?;
        if ty.rank() == 0 {
            return m.set(d, id);
        }
        if ty.shape.as_slice() == outer {
            let moved = reshaped(m, id, &ty, &inner.shape)?;
            return m.set(d, moved);
        }
        let (last, leading) = ty.shape.split_last()?;
        if leading.iter().all(|dim| dim.is(1)) && inner.shape.last()? == last && outer.last()? == last {
            let moved = reshaped(m, id, &ty, std::slice::from_ref(last))?;
            return m.set(d, moved);
        }
        let shape = moved_units(&ty.shape, &outer, &inner.shape)?;
        let moved = reshaped(m, id, &ty, &shape)?;
        m.set(d, moved)
    })
}

/// `inner` and `outer` differ only in where they have axes of size 1; gives the shape that stands to `inner` as `shape`,
/// which broadcasts to `outer`, stands to `outer`.
fn moved_units(shape: &[Dim], outer: &[Dim], inner: &[Dim]) -> Option<Vec<Dim>> {
    let missing = outer.len().checked_sub(shape.len())?;
    let mut of_long_axes = Vec::new();
    for (axis, long) in outer.iter().enumerate() {
        let dim = axis.checked_sub(missing).map_or(&Dim::ONE, |axis| &shape[axis]);
        if !long.is(1) {
            of_long_axes.push((long, dim));
        } else if !dim.is(1) {
            return None;
        }
    }
    let mut rest = of_long_axes.into_iter();
    let mut moved = Vec::new();
    for long in inner {
        moved.push(match long.is(1) {
            true => Dim::ONE,
            false => rest.next().filter(|(outer, _)| *outer == long)?.1.clone(),
        });
    }
    rest.next().is_none().then_some(moved)
}

/// Axis `a` of `x` reshaped to `s` is the last axis of both; binds `b` to its number in `x`.
pub(super) fn map_reshape_axis(b: &str, a: &str, s: &str, x: &str) -> Step {
    let (b, a, s, x) = (var(b), var(a), var(s), var(x));
    Box::new(move |m| {
        let (axis, outer, inner) = (m.int(a)?, dims(m, s)?, m.ty(x)?);
        if axis + 1 != outer.len() as i64 || outer.last()? != inner.shape.last()? {
            return None;
        }
        m.set_attr(b, Attr::Int(inner.rank() as i64 - 1))
    })
}

fn dims(m: &Match<'_>, s: Var) -> Option<Vec<Dim>> {
    match &*m.attr(s)? {
        Attr::Dims(dims) => Some(dims.to_vec()),
        _ => None,
    }
}

/// Binds `v` to `c` as a tensor of shape `want`, if `c` broadcasts along leading axes only; a constant scalar is
/// broadcast.
fn trailing(m: &mut Match<'_>, v: Var, c: Var, want: &[Dim]) -> Option<()> {
    let (id, ty) = (m.id(c)?, m.ty(c)?);
    let is_const = m.fact(c)?.is_const;
    if let Some(extra) = ty.rank().checked_sub(want.len())
        && ty.shape[extra..] == *want
        && ty.shape[..extra].iter().all(|dim| dim.is(1))
    {
        let vector = reshaped(m, id, &ty, want)?;
        return m.set(v, vector);
    }
    if !is_const || !ty.shape.iter().all(|dim| dim.is(1)) || want.iter().any(|dim| dim.as_const().is_none()) {
        return None;
    }
    let scalar = reshaped(m, id, &ty, &[])?;
    let full = m.op(OpCode::Broadcast, &[("shape", Attr::dims(want.iter().cloned()))], &[scalar])?;
    m.set(v, full)
}

/// Binds `v` to `c` as a vector over the columns of the product with `b`.
pub(super) fn column_vector(v: &str, c: &str, b: &str) -> Step {
    let (v, c, b) = (var(v), var(c), var(b));
    Box::new(move |m| {
        let columns = m.ty(b)?.shape.last()?.clone();
        trailing(m, v, c, &[columns])
    })
}

/// Binds `v` to `c` as a vector over the output channels of a convolution with `w`.
pub(super) fn channel_vector(v: &str, c: &str, w: &str) -> Step {
    let (v, c, w) = (var(v), var(c), var(w));
    Box::new(move |m| {
        let channels = m.ty(w)?.shape.first()?.clone();
        trailing(m, v, c, &[channels])
    })
}

/// Binds `v` to `g` as a tensor over the axes of `x` from `axis` on.
pub(super) fn trailing_vector(v: &str, g: &str, axis: &str, x: &str) -> Step {
    let (v, g, axis, x) = (var(v), var(g), var(axis), var(x));
    Box::new(move |m| {
        let (axis, ty) = (usize::try_from(m.int(axis)?).ok()?, m.ty(x)?);
        let want = ty.shape.get(axis..)?.to_vec();
        trailing(m, v, g, &want)
    })
}

/// Binds `s` to the channel vector `v` shaped to scale the output channels of the weight `w`.
pub(super) fn weight_scale(s: &str, v: &str, w: &str) -> Step {
    let (s, v, w) = (var(s), var(v), var(w));
    Box::new(move |m| {
        let (id, ty, weight) = (m.id(v)?, m.ty(v)?, m.ty(w)?);
        let mut shape = vec![Dim::ONE; weight.rank()];
        shape[0] = weight.shape.first()?.clone();
        let scale = reshaped(m, id, &ty, &shape)?;
        m.set(s, scale)
    })
}

/// `r` has the shape `s`; binds `d` to it in the shape of the product of `a` and the matrix `b`.
pub(super) fn reshape_like_product(d: &str, r: &str, s: &str, a: &str, b: &str) -> Step {
    let (d, r, s, a, b) = (var(d), var(r), var(s), var(a), var(b));
    Box::new(move |m| {
        let (id, ty, left, right) = (m.id(r)?, m.ty(r)?, m.ty(a)?, m.ty(b)?);
        if ty.shape.as_slice() != dims(m, s)? || right.rank() != 2 {
            return None;
        }
        let mut shape = left.shape.to_vec();
        *shape.last_mut()? = right.shape.last()?.clone();
        let moved = reshaped(m, id, &ty, &shape)?;
        m.set(d, moved)
    })
}

/// Binds `q` to the spatial pads `p` of a channels-last op plus the fixed padding `b` of its operand, which pads neither
/// images nor channels.
pub(super) fn add_spatial(q: &str, p: &str, b: &str) -> Step {
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

/// Binds `s` to the shape of what is replaced.
pub(super) fn shape_of_root(s: &str) -> Step {
    let s = var(s);
    Box::new(move |m| {
        let shape = m.root_ty()?.shape.clone();
        m.set_attr(s, Attr::Dims(shape))
    })
}

/// `x` and its reshape to `s` have the same last axis and are no vectors; binds `t` to the shape of what is replaced.
pub(super) fn same_last_dim(t: &str, x: &str, s: &str) -> Step {
    let (t, x, s) = (var(t), var(x), var(s));
    Box::new(move |m| {
        let (ty, outer) = (m.ty(x)?, dims(m, s)?);
        if ty.rank() < 2 || ty.shape.last()? != outer.last()? {
            return None;
        }
        let shape = m.root_ty()?.shape.clone();
        m.set_attr(t, Attr::Dims(shape))
    })
}

/// The axes `a` are the last ones of `x`; binds `axis` to the first of them.
pub(super) fn trailing_axes(axis: &str, a: &str, x: &str) -> Step {
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
pub(super) fn one_axis(axis: &str, a: &str) -> Step {
    let (axis, a) = (var(axis), var(a));
    Box::new(move |m| match m.ints(a)?.as_slice() {
        [only] => m.set_attr(axis, Attr::Int(*only)),
        _ => None,
    })
}

/// `a` is the last axis of `x`.
pub(super) fn last_axis(a: &str, x: &str) -> Step {
    let (a, x) = (var(a), var(x));
    Box::new(move |m| (m.int(a)? + 1 == m.ty(x)?.rank() as i64).then_some(()))
}

/// Binds `k` to `kt` with its last two axes swapped.
pub(super) fn swap_last(k: &str, kt: &str) -> Step {
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
