//! Steps that bring an operand into the shape of a bias or scale that an op takes.

use super::reshaped;
use crate::egraph::pattern::var;
use crate::rules::{Match, Step};
use egg::Var;
use lathe_ir::{Attr, Dim, OpCode};

/// Binds `v` to `c` as a tensor of shape `want`, if `c` broadcasts along leading axes only; a constant scalar is
/// broadcast.
pub(super) fn trailing(m: &mut Match<'_>, v: Var, c: Var, want: &[Dim]) -> Option<()> {
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
pub(in crate::rules) fn column_vector(v: &str, c: &str, b: &str) -> Step {
    let (v, c, b) = (var(v), var(c), var(b));
    Box::new(move |m| {
        let columns = m.ty(b)?.shape.last()?.clone();
        trailing(m, v, c, &[columns])
    })
}

/// Binds `v` to `c` as a vector over the output channels of a convolution with `w`.
pub(in crate::rules) fn channel_vector(v: &str, c: &str, w: &str) -> Step {
    let (v, c, w) = (var(v), var(c), var(w));
    Box::new(move |m| {
        let channels = m.ty(w)?.shape.first()?.clone();
        trailing(m, v, c, &[channels])
    })
}

/// Binds `v` to `g` as a tensor over the axes of `x` from `axis` on.
pub(in crate::rules) fn trailing_vector(v: &str, g: &str, axis: &str, x: &str) -> Step {
    let (v, g, axis, x) = (var(v), var(g), var(axis), var(x));
    Box::new(move |m| {
        let (axis, ty) = (usize::try_from(m.int(axis)?).ok()?, m.ty(x)?);
        let want = ty.shape.get(axis..)?.to_vec();
        trailing(m, v, g, &want)
    })
}

/// Binds `s` to the channel vector `v` shaped to scale the output channels of the weight `w`.
pub(in crate::rules) fn weight_scale(s: &str, v: &str, w: &str) -> Step {
    let (s, v, w) = (var(s), var(v), var(w));
    Box::new(move |m| {
        let (id, ty, weight) = (m.id(v)?, m.ty(v)?, m.ty(w)?);
        let mut shape = vec![Dim::ONE; weight.rank()];
        shape[0] = weight.shape.first()?.clone();
        let scale = reshaped(m, id, &ty, &shape)?;
        m.set(s, scale)
    })
}
