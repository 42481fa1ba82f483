//! Steps that bring what is folded into a weight into the weight's shape, and those that look at constants' values.

use super::{dims, reshaped};
use crate::egraph::pattern::var;
use crate::rules::{Match, Step};
use egg::Var;
use lathe_ir::{Attr, DType, Dim, OpCode, Tensor, TensorType};

/// Binds `v` to `c` as a vector over the last axis of `x`.
pub(in crate::rules) fn last_vector(v: &str, c: &str, x: &str) -> Step {
    let (v, c, x) = (var(v), var(c), var(x));
    Box::new(move |m| {
        let last = m.ty(x)?.shape.last()?.clone();
        super::vectors::trailing(m, v, c, &[last])
    })
}

/// Binds `s` to the vector `v` shaped to scale the rows of the matrix `w`.
pub(in crate::rules) fn row_scale(s: &str, v: &str, w: &str) -> Step {
    let (s, v, w) = (var(s), var(v), var(w));
    Box::new(move |m| {
        let (id, ty, weight) = (m.id(v)?, m.ty(v)?, m.ty(w)?);
        if weight.rank() != 2 {
            return None;
        }
        let scale = reshaped(m, id, &ty, &[weight.shape[0].clone(), Dim::ONE])?;
        m.set(s, scale)
    })
}

/// Binds `r` to the vector `v` as a matrix of one row.
pub(in crate::rules) fn as_row(r: &str, v: &str) -> Step {
    let (r, v) = (var(r), var(v));
    Box::new(move |m| {
        let (id, ty) = (m.id(v)?, m.ty(v)?);
        let [length] = ty.shape.as_slice() else { return None };
        let row = reshaped(m, id, &ty, &[Dim::ONE, length.clone()])?;
        m.set(r, row)
    })
}

/// Binds `s` to the shape of a vector over the columns of the matrix `w`.
pub(in crate::rules) fn columns_shape(s: &str, w: &str) -> Step {
    let (s, w) = (var(s), var(w));
    Box::new(move |m| {
        let weight = m.ty(w)?;
        if weight.rank() != 2 {
            return None;
        }
        m.set_attr(s, Attr::dims([weight.shape[1].clone()]))
    })
}

/// Binds `s` to the channel vector `v` shaped to scale the input channels of the convolution weight `w`: of one group, or
/// of as many groups as channels.
pub(in crate::rules) fn input_scale(s: &str, v: &str, w: &str, groups: &str) -> Step {
    let (s, v, w, groups) = (var(s), var(v), var(w), var(groups));
    Box::new(move |m| {
        let (id, ty, weight, groups) = (m.id(v)?, m.ty(v)?, m.ty(w)?, m.int(groups)?);
        let channels = ty.shape.first()?.clone();
        let mut shape = vec![Dim::ONE; weight.rank()];
        if groups == 1 && weight.shape.get(1)? == &channels {
            shape[1] = channels;
        } else if weight.shape.get(1)?.is(1) && channels.is(groups) && weight.shape[0] == channels {
            shape[0] = channels;
        } else {
            return None;
        }
        let scale = reshaped(m, id, &ty, &shape)?;
        m.set(s, scale)
    })
}

/// Binds `a` to all axes of the weight `w` but the first: those that an output channel sums over.
pub(in crate::rules) fn summed_axes(a: &str, w: &str) -> Step {
    let (a, w) = (var(a), var(w));
    Box::new(move |m| {
        let rank = m.ty(w)?.rank() as i64;
        m.set_attr(a, Attr::ints(&(1..rank).collect::<Vec<_>>()))
    })
}

/// No list has another number in it than `value`.
pub(in crate::rules) fn all_are(value: i64, lists: &[&str]) -> Step {
    let lists: Vec<Var> = lists.iter().map(|list| var(list)).collect();
    Box::new(move |m| {
        let holds = |list: &Var| m.ints(*list).is_some_and(|list| list.iter().all(|&item| item == value));
        lists.iter().all(holds).then_some(())
    })
}

/// The convolution weight `w` has one tap.
pub(in crate::rules) fn one_tap(w: &str) -> Step {
    let w = var(w);
    Box::new(move |m| m.ty(w)?.shape.get(2..)?.iter().all(|dim| dim.is(1)).then_some(()))
}

/// The convolution of `x`, a single pixel, by `w` gives a single pixel, to which one tap contributes; binds the slice
/// that takes this tap, and lists of `ones` and `zeros` for the spatial axes.
pub(in crate::rules) fn live_tap(
    slice: (&str, &str, &str),
    ones: &str,
    zeros: &str,
    x: &str,
    w: &str,
    window: (&str, &str),
) -> Step {
    let slice = [slice.0, slice.1, slice.2].map(var);
    let (ones, zeros, x, w, before, dilations) = (var(ones), var(zeros), var(x), var(w), var(window.0), var(window.1));
    Box::new(move |m| {
        let (weight, x, result) = (m.ty(w)?, m.ty(x)?, m.root_ty()?);
        let spatial = weight.rank().checked_sub(2)?;
        let is_pixel = |ty: &TensorType| ty.shape.get(1..=spatial).is_some_and(|dims| dims.iter().all(|dim| dim.is(1)));
        if !is_pixel(&x) || !is_pixel(&result) || weight.shape[2..].iter().all(|dim| dim.is(1)) {
            return None;
        }
        let (before, dilations) = (m.ints(before)?, m.ints(dilations)?);
        let mut starts = vec![Dim::ZERO; 2];
        for axis in 0..spatial {
            let (pad, dilation) = (*before.get(axis)?, *dilations.get(axis)?);
            let tap = pad.checked_div(dilation)?;
            if pad % dilation != 0 || tap >= weight.shape[axis + 2].as_const()? {
                return None;
            }
            starts.push(tap.into());
        }
        let mut sizes = weight.shape[..2].to_vec();
        sizes.extend(vec![Dim::ONE; spatial]);
        m.set_attr(slice[0], Attr::dims(starts))?;
        m.set_attr(slice[1], Attr::dims(sizes))?;
        m.set_attr(slice[2], Attr::ints(&vec![1; spatial + 2]))?;
        m.set_attr(ones, Attr::ints(&vec![1; spatial]))?;
        m.set_attr(zeros, Attr::ints(&vec![0; spatial]))
    })
}

/// Binds `i` to an identity matrix like the square matrix `w`, as code: it is evaluated where a recipe needs it.
pub(in crate::rules) fn identity_like(i: &str, w: &str) -> Step {
    let (i, w) = (var(i), var(w));
    Box::new(move |m| {
        let ty = m.ty(w)?;
        if ty.rank() != 2 || ty.shape[0] != ty.shape[1] || ty.sizes().is_none() {
            return None;
        }
        let mut along = |axis: i64| {
            let attrs = [
                ("shape", Attr::Dims(ty.shape.clone())),
                ("axis", Attr::Int(axis)),
                ("dtype", Attr::DType(DType::I64)),
            ];
            m.op(OpCode::Iota, &attrs, &[])
        };
        let (rows, columns) = (along(0)?, along(1)?);
        let equal = m.op(OpCode::Eq, &[], &[rows, columns])?;
        let identity = m.op(OpCode::Cast, &[("to", Attr::DType(ty.dtype))], &[equal])?;
        m.set(i, identity)
    })
}

/// `c` has size 1, or no axis at all, where `a` names an axis of `x`, and no more axes than `x`.
pub(in crate::rules) fn steady_over(c: &str, a: &str, x: &str) -> Step {
    let (c, a, x) = (var(c), var(a), var(x));
    Box::new(move |m| {
        let (axes, c, rank) = (m.ints(a)?, m.ty(c)?, m.ty(x)?.rank());
        let missing = rank.checked_sub(c.rank())?;
        let is_steady = |&axis: &i64| {
            let axis = axis as usize;
            axis < missing || c.shape[axis - missing].is(1)
        };
        axes.iter().all(is_steady).then_some(())
    })
}

/// `c` broadcasts to `x`, a channels-last image, and does not vary over its pixels.
pub(in crate::rules) fn steady_over_pixels(c: &str, x: &str) -> Step {
    let (c, x) = (var(c), var(x));
    Box::new(move |m| {
        let (c, x) = (m.ty(c)?, m.ty(x)?);
        let missing = x.rank().checked_sub(c.rank())?;
        let is_steady = |(axis, dim): (usize, &Dim)| {
            let axis = axis + missing;
            dim.is(1) || (x.shape[axis] == *dim && (axis == 0 || axis + 1 == x.rank()))
        };
        c.shape.iter().enumerate().all(is_steady).then_some(())
    })
}

/// No window of a pool over the image `x` lies in the padding as a whole.
pub(in crate::rules) fn every_window_sees_pixels(
    x: &str,
    kernel: &str,
    dilations: &str,
    before: &str,
    after: &str,
) -> Step {
    let (x, kernel, dilations, before, after) = (var(x), var(kernel), var(dilations), var(before), var(after));
    Box::new(move |m| {
        let (x, kernel) = (m.ty(x)?, m.ints(kernel)?);
        let symbols = &m.egraph().analysis.env.symbols;
        let has_pixels = x.shape.get(1..=kernel.len())?.iter().all(|dim| dim.range(symbols).0.is_some_and(|lo| lo > 0));
        let fits = |pads: &[i64]| pads.iter().zip(&kernel).all(|(pad, size)| pad < size);
        let is_dense = m.ints(dilations)?.iter().all(|&dilation| dilation == 1);
        (has_pixels && is_dense && fits(&m.ints(before)?) && fits(&m.ints(after)?)).then_some(())
    })
}

/// `a` does not name the last axis of `x`.
pub(in crate::rules) fn not_last(a: &str, x: &str) -> Step {
    let (a, x) = (var(a), var(x));
    Box::new(move |m| {
        let last = m.ty(x)?.rank() as i64 - 1;
        (!m.ints(a)?.contains(&last)).then_some(())
    })
}

/// The value of the constant `c`, if it is known before recipes are evaluated.
fn value<'m>(m: &'m Match<'_>, c: Var) -> Option<&'m Tensor> {
    let fact = m.fact(c)?;
    fact.value.as_deref().or(fact.splat.as_ref()).or_else(|| m.weight(c))
}

fn all_values(c: &str, test: impl Fn(f64) -> bool + Send + Sync + 'static) -> Step {
    let c = var(c);
    Box::new(move |m| {
        let value = value(m, c)?;
        (0..value.len()).all(|at| test(value.f64_at(at))).then_some(())
    })
}

/// Every element of the constant is finite and more than 0.
pub(in crate::rules) fn is_positive(c: &str) -> Step {
    all_values(c, |value| value > 0.0 && value.is_finite())
}

/// Every element of the constant lies between the bounds, which are excluded.
pub(in crate::rules) fn is_between(c: &str, lo: f64, hi: f64) -> Step {
    all_values(c, move |value| lo < value && value < hi)
}

/// Binds `s` to the sizes `t` of a resize as they are for another number of channels, those of `w`, where neither the
/// resize nor its scales, if they are stated, touch the channels of `x`.
pub(in crate::rules) fn resize_channels(s: &str, t: &str, x: &str, w: &str, scales: &str) -> Step {
    let (s, t, x, w, scales) = (var(s), var(t), var(x), var(w), var(scales));
    Box::new(move |m| {
        let (mut sizes, x, w) = (dims(m, t)?, m.ty(x)?, m.ty(w)?);
        let is_one = |bits: &i64| f64::from_bits(bits.cast_unsigned()) == 1.0;
        if sizes.last()? != x.shape.last()? || !m.ints(scales)?.last().is_none_or(is_one) {
            return None;
        }
        *sizes.last_mut()? = w.shape.first()?.clone();
        m.set_attr(s, Attr::dims(sizes))
    })
}
