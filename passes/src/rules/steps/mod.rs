//! Named steps of rules: conditions over facts, and values computed for right sides.
//!
//! A step is made once, when the library is loaded, and run for each match. Names of variables carry their question
//! mark, as in the patterns. A step that binds names what it binds first.
//!
//! Here: facts and values; `axes`, `shapes`, `vectors`, `weights`: what a right side needs in another layout; `masks`:
//! padding and zeros; `numbers`: numbers that are computed; `causal`, `window`: masks of positions; `rows`: slices of rows;
//! `distances`: products inside of sums.

mod axes;
mod causal;
mod distances;
mod masks;
mod numbers;
mod rows;
mod shapes;
mod vectors;
mod weights;
mod window;

pub(super) use axes::*;
pub(super) use causal::*;
pub(super) use distances::*;
pub(super) use masks::*;
pub(super) use numbers::*;
pub(super) use rows::*;
pub(super) use shapes::*;
pub(super) use vectors::*;
pub(super) use weights::*;
pub(super) use window::*;

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

/// The tensor is not the one that the whole term is equal to; else the term would be unrolled for ever.
pub(super) fn is_apart(x: &str) -> Step {
    let x = var(x);
    Box::new(move |m| (!m.is_root(x)).then_some(()))
}

/// The tensor holds integers.
pub(super) fn is_int(x: &str) -> Step {
    fact(x, |fact| fact.ty.dtype.is_int())
}

/// The tensor holds floats.
pub(super) fn is_float(x: &str) -> Step {
    fact(x, |fact| fact.ty.dtype.is_float())
}

/// The tensor holds f32 or smaller floats, so that a number that was rounded to f32 is as good as the number itself.
pub(super) fn at_most_f32(x: &str) -> Step {
    fact(x, |fact| fact.ty.dtype.is_float() && fact.ty.dtype != DType::F64)
}

/// The tensor holds f32 or larger floats.
pub(super) fn at_least_f32(x: &str) -> Step {
    fact(x, |fact| matches!(fact.ty.dtype, DType::F32 | DType::F64))
}

/// The tensor has one element, whose value is known.
pub(super) fn is_scalar(x: &str) -> Step {
    fact(x, |fact| fact.splat.is_some() && fact.ty.shape.iter().all(|dim| dim.is(1)))
}

/// The tensor has that rank.
pub(super) fn rank_is(x: &str, rank: usize) -> Step {
    fact(x, move |fact| fact.ty.rank() == rank)
}

/// The float constant's reciprocals are normal numbers of its type. Of a tensor whose value is not known yet (a recipe)
/// that is taken for granted, except in f16, whose range is small.
pub(super) fn has_reciprocal(c: &str) -> Step {
    let c = var(c);
    Box::new(move |m| {
        let fact = m.fact(c)?;
        let dtype = fact.ty.dtype;
        let (least, most) = match dtype {
            DType::F16 => (2f64.powi(-14), 65504.0),
            DType::F64 => (f64::MIN_POSITIVE, f64::MAX),
            dtype if dtype.is_float() => (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)),
            _ => return None,
        };
        let fits = |value: f64| (least..=most).contains(&value.recip().abs());
        match fact.value.as_deref().or(fact.splat.as_ref()).or_else(|| m.weight(c)) {
            Some(tensor) => (0..tensor.len()).all(|at| fits(tensor.f64_at(at))).then_some(()),
            None => (dtype != DType::F16).then_some(()),
        }
    })
}

/// The tensor has at least that rank.
pub(super) fn rank_at_least(x: &str, rank: usize) -> Step {
    fact(x, move |fact| fact.ty.rank() >= rank)
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
        if from.is_storage() || to.is_storage() {
            return None;
        }
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

/// No bound of a clip is a zero, whose sign a clip may keep or not.
pub(super) fn no_bound_is_zero(bounds: &[&str]) -> Step {
    let bounds: Vec<Var> = bounds.iter().map(|bound| var(bound)).collect();
    Box::new(move |m| {
        let is_other = |bound: &Var| matches!(m.attr(*bound).as_deref(), Some(Attr::Float(bits)) if bits.get() != 0.0);
        bounds.iter().all(is_other).then_some(())
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

/// Adds a reshape of a class unless it has that shape.
fn reshaped(m: &mut Match<'_>, id: Id, ty: &TensorType, shape: &[Dim]) -> Option<Id> {
    if ty.shape.as_slice() == shape {
        return Some(id);
    }
    m.op(OpCode::Reshape, &[("shape", Attr::dims(shape.iter().cloned()))], &[id])
}

fn dims(m: &Match<'_>, s: Var) -> Option<Vec<Dim>> {
    match &*m.attr(s)? {
        Attr::Dims(dims) => Some(dims.to_vec()),
        _ => None,
    }
}
