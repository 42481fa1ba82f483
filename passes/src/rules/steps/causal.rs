//! Steps that see a causal mask: query i sees the keys j <= i + (keys - queries).

use crate::egraph::analysis::EGraph;
use crate::egraph::index::{IndexFn, difference};
use crate::egraph::pattern::var;
use crate::rules::{Match, Step};
use egg::Id;
use lathe_ir::{DType, Dim, OpCode, Tensor, TensorType};

/// A mask over the last two axes whose border runs along a diagonal.
#[derive(Clone, Copy)]
pub(super) enum Border {
    /// True where j <= i + n.
    UpTo(i64),
    /// True where j > i + n.
    Beyond(i64),
}

/// The border of the condition that a class holds, if it is a comparison of positions.
pub(super) fn border(egraph: &EGraph, condition: Id) -> Option<Border> {
    let class = &egraph[condition];
    let ty = &class.data.fact()?.ty;
    let (columns, rows) = (ty.rank().checked_sub(1)?, ty.rank().checked_sub(2)?);
    class.nodes.iter().find_map(|node| {
        let code = node.code().filter(|code| matches!(code, OpCode::Le | OpCode::Lt))?;
        let [left, right] = node.operands() else { return None };
        let IndexFn { base, steps } = difference(egraph[*left].data.fact()?, egraph[*right].data.fact()?, ty)?;
        // The difference is at most 0, or less.
        let strict = i64::from(code == OpCode::Lt);
        let others = steps[..rows].iter().all(|&step| step == 0);
        match (steps[rows], steps[columns]) {
            (-1, 1) if others => Some(Border::UpTo(-base - strict)),
            (1, -1) if others => Some(Border::Beyond(base - 1 + strict)),
            _ => None,
        }
    })
}

/// By how much the keys are more than the queries, if that is fixed and not negative.
pub(super) fn ahead(queries: &Dim, keys: &Dim) -> Option<i64> {
    (keys - queries).as_const().filter(|&ahead| ahead >= 0)
}

/// The number hides a key: no score that a model computes brings its weight back above the smallest float.
pub(super) fn hides(dtype: DType, number: f64) -> bool {
    number <= if dtype == DType::F16 { -65504.0 } else { -1e9 }
}

pub(super) fn splat(egraph: &EGraph, id: Id) -> Option<f64> {
    Some(egraph[id].data.fact()?.splat.as_ref()?.f64_at(0))
}

/// The mask, added to the scores of `q` and `k`, hides what lies after a query and nothing else.
pub(in crate::rules) fn is_causal_mask(mask: &str, q: &str, k: &str) -> Step {
    let (mask, q, k) = (var(mask), var(q), var(k));
    Box::new(move |m| {
        let (ty, q, k) = (m.ty(mask)?, m.ty(q)?, m.ty(k)?);
        let row_axis = |ty: &TensorType| ty.shape.iter().rev().nth(1).cloned();
        let (queries, keys) = (row_axis(&q)?, row_axis(&k)?);
        let ahead = ahead(&queries, &keys)?;
        if row_axis(&ty)? != queries || *ty.shape.last()? != keys {
            return None;
        }
        let id = m.id(mask)?;
        let value = m.fact(mask)?.value.as_deref().or_else(|| m.weight(mask));
        let is_causal = match value {
            Some(value) => is_triangle(value, ahead),
            None => is_choice(m, id, ty.dtype, ahead),
        };
        is_causal.then_some(())
    })
}

/// The condition `c` is true where a query of `q` may see a key of `k`, and nowhere else.
pub(in crate::rules) fn is_causal_condition(c: &str, q: &str, k: &str) -> Step {
    let (c, q, k) = (var(c), var(q), var(k));
    Box::new(move |m| {
        let (condition, q, k) = (m.ty(c)?, m.ty(q)?, m.ty(k)?);
        let (queries, keys) = (q.shape.iter().rev().nth(1)?, k.shape.iter().rev().nth(1)?);
        let [.., rows, columns] = condition.shape.as_slice() else { return None };
        let Border::UpTo(n) = border(m.egraph(), m.id(c)?)? else { return None };
        (rows == queries && columns == keys && n == ahead(queries, keys)?).then_some(())
    })
}

fn is_triangle(mask: &Tensor, ahead: i64) -> bool {
    let [.., rows, columns] = *mask.shape() else { return false };
    let is_right = |at: usize| {
        let (row, column) = ((at / columns % rows) as i64, (at % columns) as i64);
        let value = mask.f64_at(at);
        if column <= row + ahead { value == 0.0 } else { hides(mask.dtype(), value) }
    };
    (0..mask.len()).all(is_right)
}

fn is_choice(m: &Match<'_>, mask: Id, dtype: DType, ahead: i64) -> bool {
    let egraph = m.egraph();
    egraph[mask].nodes.iter().filter(|node| node.code() == Some(OpCode::Where)).any(|node| {
        let [condition, yes, no] = node.operands() else { return false };
        let (Some(yes), Some(no)) = (splat(egraph, *yes), splat(egraph, *no)) else { return false };
        match border(egraph, *condition) {
            Some(Border::UpTo(n)) => n == ahead && yes == 0.0 && hides(dtype, no),
            Some(Border::Beyond(n)) => n == ahead && no == 0.0 && hides(dtype, yes),
            None => false,
        }
    })
}

/// The condition `c` is true for a key of each query, as a causal one is, and `low` hides a key: choosing `low` over a
/// score of `s` is then adding it.
pub(in crate::rules) fn hides_the_future(c: &str, low: &str, s: &str) -> Step {
    let (c, low, s) = (var(c), var(low), var(s));
    Box::new(move |m| {
        let (scores, condition) = (m.ty(s)?, m.ty(c)?);
        let [.., queries, keys] = scores.shape.as_slice() else { return None };
        let ahead = ahead(queries, keys)?;
        let [.., rows, columns] = condition.shape.as_slice() else { return None };
        let Border::UpTo(n) = border(m.egraph(), m.id(c)?)? else { return None };
        (rows == queries && columns == keys && n == ahead && hides(scores.dtype, m.splat(low)?)).then_some(())
    })
}
