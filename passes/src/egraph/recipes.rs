//! Equal constants are one class.
//!
//! Rules fold scales and shifts into weights one after the other and in every order, and each order is another recipe:
//! `w (a b)`, `(w a) b`, `b' a + c a`, .. If each were a class of its own, every op on them would have as many nodes as
//! there are orders, which grow like factorials. So each constant of a float type has a normal form, a sum of products
//! of constants that are no sums or products themselves, with a note of the axes along which each varies: reshapes of
//! unit axes, transposes and broadcasts are seen through. Recipes of one form are merged when they are made, and
//! extraction takes the cheapest. A product with 1 and a sum with 0 have the form of the other operand, so that folding
//! a neutral element makes nothing new.
//!
//! This reassociates, as the rules do that make such recipes; without them ([`crate::Options::strict`]) it is off.

use super::analysis::EGraph;
use super::language::Node;
use egg::Id;
use indexmap::IndexMap;
use lathe_ir::{Attr, DType, OpCode};
use smallvec::{SmallVec, smallvec};

/// Most products in a form, and most factors in a product: what has more stands for itself.
const MOST: usize = 8;

/// A constant, or its reciprocal, in a product.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Factor {
    leaf: Id,
    /// For each axis of the leaf that is longer than 1, the axis of the whole, counted among those longer than 1.
    axes: SmallVec<[u8; 4]>,
    inverse: bool,
}

/// Sorted factors and the bits of a coefficient.
type Product = (SmallVec<[Factor; 2]>, u64);

/// A sum of products with different factors, sorted; empty for 0.
type Form = SmallVec<[Product; 1]>;

/// Element type, shape and form.
type Key = (DType, SmallVec<[usize; 4]>, Form);

/// The constants that have a normal form.
#[derive(Debug, Default)]
pub struct Recipes {
    forms: IndexMap<Id, Form>,
    classes: IndexMap<Key, Id>,
}

/// Merges the class of a node that was just added with the one that has its form; gives the class.
pub fn unify(egraph: &mut EGraph, node: &Node, id: Id) -> Id {
    if egraph.analysis.recipes.is_none() {
        return id;
    }
    let Some((dtype, sizes)) = float_constant(egraph, id) else { return id };
    let Some(form) = form_of_node(egraph, node, dtype, &sizes) else { return id };
    let other = leaf_of_form(egraph, &form, dtype, &sizes);
    let Some(recipes) = egraph.analysis.recipes.as_mut() else { return id };
    let other = other.unwrap_or_else(|| *recipes.classes.entry((dtype, sizes, form.clone())).or_insert(id));
    recipes.forms.entry(id).or_insert(form);
    egraph.union(id, other);
    egraph.find(id)
}

/// Brings forms up to date after merges, which may have made more of them equal; true if classes were merged, so that
/// the e-graph must be rebuilt.
pub fn refresh(egraph: &mut EGraph) -> bool {
    let Some(old) = egraph.analysis.recipes.take() else { return false };
    let mut new = Recipes::default();
    let size = |form: &Form| (form.len(), form.iter().map(|product| product.0.len()).sum::<usize>());
    for (id, form) in old.forms {
        let id = egraph.find(id);
        let Some((dtype, _)) = float_constant(egraph, id) else { continue };
        let canonical = form.into_iter().map(|(mut factors, coefficient)| {
            factors.iter_mut().for_each(|factor| factor.leaf = egraph.find(factor.leaf));
            factors.sort_unstable();
            (factors, f64::from_bits(coefficient))
        });
        let Some(form) = sum(canonical, dtype) else { continue };
        if form.iter().any(|product| product.0.iter().any(|factor| factor.leaf == id)) {
            continue;
        }
        match new.forms.get_mut(&id) {
            Some(known) if (size(&form), &form) < (size(known), known) => *known = form,
            Some(_) => {}
            None => {
                new.forms.insert(id, form);
            }
        }
    }
    let mut merged = Vec::new();
    for (&id, form) in &new.forms {
        let Some((dtype, sizes)) = float_constant(egraph, id) else { continue };
        let first = match leaf_of_form(egraph, form, dtype, &sizes) {
            Some(leaf) => leaf,
            None => *new.classes.entry((dtype, sizes, form.clone())).or_insert(id),
        };
        if first != id {
            merged.push((first, id));
        }
    }
    egraph.analysis.recipes = Some(new);
    merged.into_iter().fold(false, |any, (a, b)| egraph.union(a, b) || any)
}

/// Element type and shape of a constant of floats none of which is known to be infinite or NaN: arithmetic with those
/// does not follow the equations.
fn float_constant(egraph: &EGraph, id: Id) -> Option<(DType, SmallVec<[usize; 4]>)> {
    let fact = egraph[id].data.fact().filter(|fact| fact.is_const && fact.ty.dtype.is_float())?;
    let known = fact.value.as_deref().or(fact.splat.as_ref());
    if known.is_some_and(|value| (0..value.len()).any(|at| !value.f64_at(at).is_finite())) {
        return None;
    }
    Some((fact.ty.dtype, SmallVec::from_vec(fact.ty.sizes()?)))
}

/// The form of a class: as it is known, or else the class itself or its one value.
fn form_of(egraph: &EGraph, id: Id) -> Option<Form> {
    let id = egraph.find(id);
    if let Some(form) = egraph.analysis.recipes.as_ref()?.forms.get(&id) {
        return Some(form.clone());
    }
    let (dtype, sizes) = float_constant(egraph, id)?;
    if let Some(splat) = egraph[id].data.fact()?.splat.as_ref() {
        return sum([(SmallVec::new(), splat.f64_at(0))], dtype);
    }
    let count = sizes.iter().filter(|&&size| size != 1).count();
    let axes = (0..u8::try_from(count).ok()?).collect();
    Some(smallvec![(smallvec![Factor { leaf: id, axes, inverse: false }], 1f64.to_bits())])
}

/// The class that a form of one factor consists of, if it has that type.
fn leaf_of_form(egraph: &EGraph, form: &Form, dtype: DType, sizes: &[usize]) -> Option<Id> {
    let [(factors, coefficient)] = form.as_slice() else { return None };
    let [factor] = factors.as_slice() else { return None };
    let in_order = factor.axes.iter().enumerate().all(|(at, &axis)| at == usize::from(axis));
    let (leaf_dtype, leaf_sizes) = float_constant(egraph, factor.leaf)?;
    (!factor.inverse
        && *coefficient == 1f64.to_bits()
        && in_order
        && leaf_dtype == dtype
        && leaf_sizes.as_slice() == sizes)
        .then_some(factor.leaf)
}

fn form_of_node(egraph: &EGraph, node: &Node, dtype: DType, sizes: &[usize]) -> Option<Form> {
    let operand = |index: usize| -> Option<Form> {
        let id = egraph.find(*node.operands().get(index)?);
        let (of, from) = float_constant(egraph, id)?;
        let form = form_of(egraph, id).filter(|_| of == dtype)?;
        let missing = sizes.len().checked_sub(from.len());
        match node.code()? {
            OpCode::Reshape => {
                let long =
                    |sizes: &[usize]| -> Vec<usize> { sizes.iter().copied().filter(|&size| size != 1).collect() };
                let is_steady = form.iter().all(|product| product.0.iter().all(|factor| factor.axes.is_empty()));
                (is_steady || long(&from) == long(sizes)).then_some(form)
            }
            OpCode::Transpose => {
                let attrs = super::analysis::attrs_of(egraph, node).ok()?;
                let Some(Attr::Ints(perm)) = attrs.first() else { return None };
                let place = |axis: usize| perm.iter().position(|&from| usize::try_from(from) == Ok(axis));
                moved(form, &from, sizes, place)
            }
            _ => moved(form, &from, sizes, |axis| Some(axis + missing?)),
        }
    };
    let minus = |form: Form| form.into_iter().map(|(factors, bits)| (factors, -f64::from_bits(bits)));
    let plus = |form: Form| form.into_iter().map(|(factors, bits)| (factors, f64::from_bits(bits)));
    match node.code()? {
        OpCode::Reshape | OpCode::Transpose | OpCode::Broadcast => operand(0),
        OpCode::Neg => sum(minus(operand(0)?), dtype),
        OpCode::Add => sum(plus(operand(0)?).chain(plus(operand(1)?)), dtype),
        OpCode::Sub => sum(plus(operand(0)?).chain(minus(operand(1)?)), dtype),
        OpCode::Mul => product(&operand(0)?, &operand(1)?, dtype),
        OpCode::Square => product(&operand(0)?, &operand(0)?, dtype),
        OpCode::Recip => inverse(operand(0)?, dtype),
        OpCode::Div => product(&operand(0)?, &inverse(operand(1)?, dtype)?, dtype),
        _ => None,
    }
}

/// The form with axes counted in another shape; `place` tells where an axis of `from` is in `to`.
fn moved(mut form: Form, from: &[usize], to: &[usize], place: impl Fn(usize) -> Option<usize>) -> Option<Form> {
    let long = |sizes: &[usize], axis: usize| sizes[..axis].iter().filter(|&&size| size != 1).count();
    let mut places: SmallVec<[u8; 4]> = SmallVec::new();
    for axis in (0..from.len()).filter(|&axis| from[axis] != 1) {
        let axis = place(axis).filter(|&axis| axis < to.len())?;
        places.push(u8::try_from(long(to, axis)).ok()?);
    }
    for (factors, _) in &mut form {
        for axis in factors.iter_mut().flat_map(|factor| &mut factor.axes) {
            *axis = *places.get(usize::from(*axis))?;
        }
        factors.sort_unstable();
    }
    form.sort_unstable();
    Some(form)
}

/// The normal form of a sum; `None` if it is too long or not finite.
fn sum(products: impl IntoIterator<Item = (SmallVec<[Factor; 2]>, f64)>, dtype: DType) -> Option<Form> {
    let mut terms: SmallVec<[(SmallVec<[Factor; 2]>, f64); 4]> = SmallVec::new();
    for (factors, coefficient) in products {
        match terms.iter_mut().find(|term| term.0 == factors) {
            Some(term) => term.1 += coefficient,
            None => terms.push((factors, coefficient)),
        }
        if terms.len() > MOST {
            return None;
        }
    }
    let mut form = Form::new();
    for (factors, coefficient) in terms {
        let coefficient = rounded(coefficient, dtype);
        if !coefficient.is_finite() {
            return None;
        }
        if coefficient != 0.0 {
            form.push((factors, coefficient.to_bits()));
        }
    }
    form.sort_unstable();
    Some(form)
}

/// Without the last bits, which depend on the order of operations; no float of 32 bits has them.
fn rounded(coefficient: f64, dtype: DType) -> f64 {
    if dtype == DType::F64 {
        return coefficient;
    }
    f64::from_bits(coefficient.to_bits().saturating_add(1 << 11) & !((1 << 12) - 1))
}

fn product(a: &Form, b: &Form, dtype: DType) -> Option<Form> {
    if a.len() * b.len() > MOST {
        return None;
    }
    let mut terms = Vec::with_capacity(a.len() * b.len());
    for (left, x) in a {
        for (right, y) in b {
            let mut factors: SmallVec<[Factor; 2]> = left.iter().chain(right).cloned().collect();
            if factors.len() > MOST {
                return None;
            }
            factors.sort_unstable();
            terms.push((factors, f64::from_bits(*x) * f64::from_bits(*y)));
        }
    }
    sum(terms, dtype)
}

fn inverse(form: Form, dtype: DType) -> Option<Form> {
    let [(factors, coefficient)] = form.as_slice() else { return None };
    let mut factors = factors.clone();
    factors.iter_mut().for_each(|factor| factor.inverse = !factor.inverse);
    factors.sort_unstable();
    sum([(factors, f64::from_bits(*coefficient).recip())], dtype)
}
