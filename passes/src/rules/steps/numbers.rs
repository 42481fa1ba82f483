//! Steps that compute numbers: counts of elements, epsilons.

use crate::egraph::pattern::var;
use crate::rules::{Match, Step};
use egg::Var;
use lathe_ir::{Attr, DType, Tensor};

/// How many elements the axes `a` of `x` have, if that is fixed and not 0.
fn count(m: &Match<'_>, a: Var, x: Var) -> Option<f64> {
    let (axes, ty) = (m.ints(a)?, m.ty(x)?);
    let sizes = axes.iter().map(|&axis| ty.shape.get(usize::try_from(axis).ok()?)?.as_size());
    let count: f64 = sizes.map(|size| size.map(|size| size as f64)).product::<Option<f64>>()?;
    (count > 0.0).then_some(count)
}

/// `have` is `want` up to the rounding of the element type.
fn is_rounded(dtype: DType, have: f64, want: f64) -> bool {
    let unit: f64 = match dtype {
        DType::F64 => 2f64.powi(-52),
        DType::F32 => 2f64.powi(-23),
        DType::F16 => 2f64.powi(-10),
        DType::BF16 => 2f64.powi(-7),
        _ => return false,
    };
    (have - want).abs() <= unit * want.abs()
}

/// The scalar `c` is one divided by the number of elements of the axes `a` of `x`.
pub(in crate::rules) fn is_inverse_count(c: &str, a: &str, x: &str) -> Step {
    let (c, a, x) = (var(c), var(a), var(x));
    Box::new(move |m| {
        let dtype = m.ty(x)?.dtype;
        is_rounded(dtype, m.splat(c)?, count(m, a, x)?.recip()).then_some(())
    })
}

/// The scalar `c` is the root of the number of elements of the axes `a` of `x`.
pub(in crate::rules) fn is_root_count(c: &str, a: &str, x: &str) -> Step {
    let (c, a, x) = (var(c), var(a), var(x));
    Box::new(move |m| {
        let dtype = m.ty(x)?.dtype;
        is_rounded(dtype, m.splat(c)?, count(m, a, x)?.sqrt()).then_some(())
    })
}

/// Binds `s` to one divided by the root of the number of elements of the axes `a` of `x`.
pub(in crate::rules) fn inverse_root_count(s: &str, a: &str, x: &str) -> Step {
    let (s, a, x) = (var(s), var(a), var(x));
    Box::new(move |m| {
        let scalar = Tensor::scalar(m.ty(x)?.dtype, count(m, a, x)?.sqrt().recip());
        let id = m.constant(scalar);
        m.set(s, id)
    })
}

/// Binds `f` to the epsilon `e` of a norm as it is for an operand that was not scaled by `c`, a scalar.
pub(in crate::rules) fn unscaled_eps(f: &str, e: &str, c: &str) -> Step {
    let (f, e, c) = (var(f), var(e), var(c));
    Box::new(move |m| {
        let Attr::Float(eps) = *m.attr(e)? else { return None };
        let scale = m.splat(c)?;
        let unscaled = eps.get() / (scale * scale);
        if !unscaled.is_finite() || (unscaled == 0.0) != (eps.get() == 0.0) {
            return None;
        }
        m.set_attr(f, Attr::float(unscaled))
    })
}

/// Binds `one` to a scalar 1 of the element type of `x`.
pub(in crate::rules) fn one_like(one: &str, x: &str) -> Step {
    let (one, x) = (var(one), var(x));
    Box::new(move |m| {
        let scalar = Tensor::scalar(m.ty(x)?.dtype, 1.0);
        let id = m.constant(scalar);
        m.set(one, id)
    })
}

/// Binds `s` to one divided by the scalar `c`, where that is a normal number.
pub(in crate::rules) fn reciprocal_of(s: &str, c: &str) -> Step {
    let (s, c) = (var(s), var(c));
    Box::new(move |m| {
        let reciprocal = m.splat(c)?.recip();
        let scalar = Tensor::scalar(m.ty(c)?.dtype, reciprocal);
        if !reciprocal.is_normal() || !scalar.f64_at(0).is_normal() {
            return None;
        }
        let id = m.constant(scalar);
        m.set(s, id)
    })
}
