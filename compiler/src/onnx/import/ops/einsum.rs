//! Einsum, as transposes, reshapes, sums and matrix products.
//!
//! Operands are brought in one by one: labels that nobody needs any more are summed, labels of both sides that stay
//! are batch axes, labels of both sides that go are the inner dimension of a product.

use std::collections::BTreeMap;

use lathe_ir::{Attr, Dim, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::slice::take;

/// A letter, or an axis that an ellipsis stands for, counted from the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// A value with one label for each axis.
#[derive(Clone)]
struct Term {
    val: Val,
    labels: Vec<Label>,
}

/// Einsum.
pub(super) fn einsum(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let inputs = cx.all_inputs()?;
    let Some(equation) = cx.attrs.word("equation")?.map(str::to_owned) else {
        return invalid("attribute equation is missing");
    };
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let parts: Vec<&str> = left.split(',').collect();
    if parts.len() != inputs.len() {
        return invalid(format!("equation {equation:?} has {} terms for {} inputs", parts.len(), inputs.len()));
    }
    let mut terms = Vec::new();
    let mut sizes: BTreeMap<Label, Dim> = BTreeMap::new();
    for (part, &val) in parts.iter().zip(&inputs) {
        let shape = cx.shape(val)?;
        let labels = labels(part, shape.len())?;
        for (&label, size) in labels.iter().zip(&shape) {
            match sizes.get(&label) {
                Some(have) if have.is(1) => {
                    sizes.insert(label, size.clone());
                }
                Some(have) if !size.is(1) => cx.require_equal(&have.clone(), size, "dimensions of one label")?,
                Some(_) => {}
                None => {
                    sizes.insert(label, size.clone());
                }
            }
        }
        terms.push(diagonal(cx, Term { val, labels })?);
    }
    let result = match right {
        Some(right) => {
            let ellipsis = sizes.keys().filter(|label| matches!(label, Label::Ellipsis(_))).count();
            let shown = right.chars().filter(|c| *c != '.').count();
            labels(right, shown + if right.contains("...") { ellipsis } else { 0 })?
        }
        None => implicit(&terms, &sizes),
    };
    if let Some(label) = result.iter().find(|label| !sizes.contains_key(label)) {
        return invalid(format!("{label:?} of the result is in no operand"));
    }
    let mut rest = terms.into_iter();
    let Some(mut total) = rest.next() else { return invalid("no operands") };
    let mut waiting: Vec<Term> = rest.collect();
    while !waiting.is_empty() {
        let next = waiting.remove(0);
        let needed = |label: &Label| result.contains(label) || waiting.iter().any(|term| term.labels.contains(label));
        total = contract(cx, total, next, &needed)?;
    }
    let total = sum_out(cx, total, &|label| result.contains(label))?;
    let perm: Option<Vec<usize>> =
        result.iter().map(|label| total.labels.iter().position(|other| other == label)).collect();
    match perm {
        Some(perm) if perm.len() == total.labels.len() => one(cx.transpose(total.val, &perm)?),
        _ => invalid(format!("a label is twice in the result of {equation:?}")),
    }
}

/// One label for each axis of a term.
fn labels(term: &str, rank: usize) -> R<Vec<Label>> {
    let (before, after) = match term.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (term, None),
    };
    let letters = |part: &str| -> R<Vec<Label>> {
        match part.chars().find(|c| !c.is_ascii_alphabetic()) {
            Some(c) => invalid(format!("{c:?} in a term of the equation")),
            None => Ok(part.chars().map(Label::Letter).collect()),
        }
    };
    let mut labels = letters(before)?;
    let tail = letters(after.unwrap_or(""))?;
    match (after, rank.checked_sub(labels.len() + tail.len())) {
        (Some(_), Some(hidden)) => labels.extend((0..hidden).rev().map(Label::Ellipsis)),
        (None, Some(0)) => {}
        _ => return invalid(format!("term {term:?} for {rank} axes")),
    }
    labels.extend(tail);
    Ok(labels)
}

/// Without a right side: the ellipsis, then every letter that occurs once, in order.
fn implicit(terms: &[Term], sizes: &BTreeMap<Label, Dim>) -> Vec<Label> {
    let mut result: Vec<Label> =
        sizes.keys().filter(|label| matches!(label, Label::Ellipsis(_))).rev().copied().collect();
    let count = |label: &Label| terms.iter().flat_map(|term| &term.labels).filter(|other| *other == label).count();
    result.extend(sizes.keys().filter(|label| matches!(label, Label::Letter(_)) && count(label) == 1));
    result
}

/// Replaces axes of one label by their diagonal.
fn diagonal(cx: &mut NodeCx<'_, '_>, mut term: Term) -> R<Term> {
    while let Some((first, second)) = repeated(&term.labels) {
        let rank = term.labels.len();
        let shape = cx.shape(term.val)?;
        let size = shape[first].clone();
        cx.require_equal(&size, &shape[second], "dimensions of one label")?;
        let others: Vec<usize> = (0..rank).filter(|axis| *axis != first && *axis != second).collect();
        let perm: Vec<usize> = others.iter().copied().chain([first, second]).collect();
        let moved = cx.transpose(term.val, &perm)?;
        let leading: Vec<Dim> = others.iter().map(|&axis| shape[axis].clone()).collect();
        let Some(step) = size.as_const().and_then(|size| size.checked_add(1)) else {
            return unsupported("a label twice in one operand, of a size that is not constant");
        };
        let flat = cx.reshape(moved, leading.iter().cloned().chain([&size * &size]))?;
        let starts = vec![Dim::ZERO; leading.len() + 1];
        let sizes: Vec<Dim> = leading.into_iter().chain([size]).collect();
        let steps: Vec<i64> = (0..sizes.len()).map(|axis| if axis + 1 == sizes.len() { step } else { 1 }).collect();
        let val = take(cx, flat, &starts, &sizes, &steps)?;
        let label = term.labels[first];
        let labels = others.iter().map(|&axis| term.labels[axis]).chain([label]).collect();
        term = Term { val, labels };
    }
    Ok(term)
}

fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|first| {
        let second = labels[first + 1..].iter().position(|other| *other == labels[first])?;
        Some((first, first + 1 + second))
    })
}

/// Sums over the labels that are not needed.
fn sum_out(cx: &mut NodeCx<'_, '_>, term: Term, needed: &dyn Fn(&Label) -> bool) -> R<Term> {
    let axes: Vec<i64> = (0..term.labels.len() as i64).filter(|axis| !needed(&term.labels[*axis as usize])).collect();
    if axes.is_empty() {
        return Ok(term);
    }
    let attrs = [("axes", Attr::ints(&axes)), ("keepdims", false.into())];
    let val = cx.op(OpCode::ReduceSum, &[term.val], &attrs)?;
    Ok(Term { val, labels: term.labels.into_iter().filter(needed).collect() })
}

/// The product of two terms, with labels that are needed later.
fn contract(cx: &mut NodeCx<'_, '_>, a: Term, b: Term, needed: &dyn Fn(&Label) -> bool) -> R<Term> {
    let a = sum_out(cx, a, &|label| needed(label) || b.labels.contains(label))?;
    let b = sum_out(cx, b, &|label| needed(label) || a.labels.contains(label))?;
    let (a_shape, b_shape) = (cx.shape(a.val)?, cx.shape(b.val)?);
    let size = |term: &Term, shape: &[Dim], label: &Label| {
        term.labels.iter().position(|other| other == label).map(|axis| shape[axis].clone())
    };
    // A dimension of 1 against a larger one is broadcast, which a product's inner dimension cannot be.
    let is_same = |label: &Label| match (size(&a, &a_shape, label), size(&b, &b_shape, label)) {
        (Some(x), Some(y)) => x.is(1) == y.is(1),
        _ => false,
    };
    let inner: Vec<Label> =
        a.labels.iter().filter(|label| !needed(label) && b.labels.contains(label) && is_same(label)).copied().collect();
    let shared: Vec<Label> =
        a.labels.iter().filter(|label| b.labels.contains(label) && !inner.contains(label)).copied().collect();
    let only = |of: &Term, other: &Term| -> Vec<Label> {
        of.labels.iter().filter(|label| !other.labels.contains(label)).copied().collect()
    };
    let (rows, columns) = (only(&a, &b), only(&b, &a));
    let order = |term: &Term, parts: [&[Label]; 3]| -> Vec<usize> {
        let labels = parts.into_iter().flatten();
        labels.filter_map(|label| term.labels.iter().position(|other| other == label)).collect()
    };
    let left = cx.transpose(a.val, &order(&a, [&shared, &rows, &inner]))?;
    let dims = |term: &Term, shape: &[Dim], labels: &[Label]| -> Vec<Dim> {
        labels.iter().filter_map(|label| size(term, shape, label)).collect()
    };
    let (a_shared, b_shared) = (dims(&a, &a_shape, &shared), dims(&b, &b_shape, &shared));
    let (row_dims, column_dims) = (dims(&a, &a_shape, &rows), dims(&b, &b_shape, &columns));
    let ones = |count: usize| (0..count).map(|_| Dim::ONE);
    let val = if inner.is_empty() {
        // No sum: the product element by element.
        let left = cx.reshape(left, a_shared.iter().chain(&row_dims).cloned().chain(ones(columns.len())))?;
        let right = cx.transpose(b.val, &order(&b, [&shared, &columns, &[]]))?;
        let right = cx.reshape(right, b_shared.iter().cloned().chain(ones(rows.len())).chain(column_dims))?;
        cx.op(OpCode::Mul, &[left, right], &[])?
    } else {
        let (a_inner, b_inner) = (dims(&a, &a_shape, &inner), dims(&b, &b_shape, &inner));
        for (x, y) in a_inner.iter().zip(&b_inner) {
            cx.require_equal(x, y, "dimensions of one label")?;
        }
        let (m, n) = (Dim::product_of(&row_dims), Dim::product_of(&column_dims));
        let left = cx.reshape(left, a_shared.iter().cloned().chain([m, Dim::product_of(&a_inner)]))?;
        let right = cx.transpose(b.val, &order(&b, [&shared, &inner, &columns]))?;
        let right = cx.reshape(right, b_shared.iter().cloned().chain([Dim::product_of(&b_inner), n]))?;
        let product = cx.op(OpCode::MatMul, &[left, right], &[])?;
        let batch: Vec<Dim> = cx.shape(product)?[..shared.len()].to_vec();
        cx.reshape(product, batch.into_iter().chain(row_dims).chain(column_dims))?
    };
    let labels = shared.into_iter().chain(rows).chain(columns).collect();
    sum_out(cx, Term { val, labels }, needed)
}
