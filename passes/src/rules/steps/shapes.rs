//! Steps over shapes: what crosses a reshape, and in which shape.

use super::{dims, reshaped};
use crate::egraph::pattern::var;
use crate::rules::Step;
use lathe_ir::{Attr, Dim};

/// The two tensors have the same shape.
pub(in crate::rules) fn outer_shape(x: &str, y: &str) -> Step {
    let (x, y) = (var(x), var(y));
    Box::new(move |m| (m.ty(x)?.shape == m.ty(y)?.shape).then_some(()))
}

/// Binds `d` to what `c` must be for `op(reshape(x, s), c) = reshape(op(x, d), s)`.
pub(in crate::rules) fn unreshape_constant(d: &str, c: &str, x: &str, s: &str) -> Step {
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
pub(in crate::rules) fn map_reshape_axis(b: &str, a: &str, s: &str, x: &str) -> Step {
    let (b, a, s, x) = (var(b), var(a), var(s), var(x));
    Box::new(move |m| {
        let (axis, outer, inner) = (m.int(a)?, dims(m, s)?, m.ty(x)?);
        if axis + 1 != outer.len() as i64 || outer.last()? != inner.shape.last()? {
            return None;
        }
        m.set_attr(b, Attr::Int(inner.rank() as i64 - 1))
    })
}

/// `r` has the shape `s`; binds `d` to it in the shape of the product of `a` and the matrix `b`.
pub(in crate::rules) fn reshape_like_product(d: &str, r: &str, s: &str, a: &str, b: &str) -> Step {
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

/// The constant `i` names each position along axis `a` of `x` the same number of times in a row, and all of them; binds
/// the shapes with an axis of size 1 behind that axis, with the repeats in it, and of the result.
pub(in crate::rules) fn repeats(shapes: (&str, &str, &str), a: &str, x: &str, i: &str) -> Step {
    let (s, t, u) = (var(shapes.0), var(shapes.1), var(shapes.2));
    let (a, x, i) = (var(a), var(x), var(i));
    Box::new(move |m| {
        let (axis, ty) = (usize::try_from(m.int(a)?).ok()?, m.ty(x)?);
        let size = ty.shape.get(axis)?.as_size().filter(|&size| size > 0)?;
        let index = m.fact(i)?.value.as_deref().or_else(|| m.weight(i))?;
        let times = index.len() / size;
        let is_repeat = (0..index.len()).all(|at| times > 0 && index.i64_at(at) == (at / times) as i64);
        if index.shape().len() != 1 || times < 2 || index.len() != times * size || !is_repeat {
            return None;
        }
        let mut shape = ty.shape.to_vec();
        shape.insert(axis + 1, Dim::ONE);
        let mut wide = shape.clone();
        wide[axis + 1] = Dim::from(times as i64);
        let result = m.root_ty()?.shape.clone();
        m.set_attr(s, Attr::dims(shape))?;
        m.set_attr(t, Attr::dims(wide))?;
        m.set_attr(u, Attr::Dims(result))
    })
}

/// Binds `s` to the shape of what is replaced.
pub(in crate::rules) fn shape_of_root(s: &str) -> Step {
    let s = var(s);
    Box::new(move |m| {
        let shape = m.root_ty()?.shape.clone();
        m.set_attr(s, Attr::Dims(shape))
    })
}

/// `x` and its reshape to `s` have the same last axis and are no vectors; binds `t` to the shape of what is replaced.
pub(in crate::rules) fn same_last_dim(t: &str, x: &str, s: &str) -> Step {
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
