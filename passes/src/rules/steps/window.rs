//! Steps that see a window: query i sees the keys near its own place i + (keys - queries).

use super::causal::{Border, ahead, border, hides, splat};
use crate::egraph::analysis::EGraph;
use crate::egraph::pattern::var;
use crate::rules::{Match, Step};
use egg::Id;
use lathe_ir::{Attr, Dim, OpCode, Tensor, TensorType};

/// What is visible of `j - i`, both ends included; `None` is no limit.
#[derive(Clone, Copy, Default)]
struct Band {
    from: Option<i64>,
    to: Option<i64>,
}

impl Band {
    fn within(self, other: Band) -> Band {
        let both = |a: Option<i64>, b: Option<i64>, pick: fn(i64, i64) -> i64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        Band { from: both(self.from, other.from, i64::max), to: both(self.to, other.to, i64::min) }
    }
}

/// The band in which a condition is true, or false if `is_hidden`.
fn band(egraph: &EGraph, condition: Id, is_hidden: bool) -> Option<Band> {
    match border(egraph, condition) {
        Some(Border::UpTo(n)) if is_hidden => return Some(Band { from: Some(n + 1), to: None }),
        Some(Border::UpTo(n)) => return Some(Band { from: None, to: Some(n) }),
        Some(Border::Beyond(n)) if is_hidden => return Some(Band { from: None, to: Some(n) }),
        Some(Border::Beyond(n)) => return Some(Band { from: Some(n + 1), to: None }),
        None => {}
    }
    let both = if is_hidden { OpCode::Or } else { OpCode::And };
    let rank = egraph[condition].data.fact()?.ty.rank();
    egraph[condition].nodes.iter().find_map(|node| {
        let code = node.code()?;
        let &[left, right] = node.operands() else { return None };
        if code == both {
            return Some(band(egraph, left, is_hidden)?.within(band(egraph, right, is_hidden)?));
        }
        // A distance of at most that, or not of more than that.
        let (distance, most, strict) = match (code, is_hidden) {
            (OpCode::Le, false) => (left, right, 0),
            (OpCode::Lt, false) => (left, right, 1),
            (OpCode::Lt, true) => (right, left, 0),
            (OpCode::Le, true) => (right, left, 1),
            _ => return None,
        };
        let most = splat(egraph, most).filter(|most| most.fract() == 0.0 && most.abs() < 1e9)? as i64 - strict;
        egraph[distance].nodes.iter().filter(|node| node.code() == Some(OpCode::Abs)).find_map(|node| {
            let fact = egraph[*node.operands().first()?].data.fact()?;
            let index = fact.index.as_ref()?;
            let (lead, own) = index.steps.split_at(index.steps.len().checked_sub(2)?);
            if fact.ty.rank() != rank || lead.iter().any(|&step| step != 0) || index.base.abs() > 1 << 31 {
                return None;
            }
            match *own {
                [-1, 1] => Some(Band { from: Some(-most - index.base), to: Some(most - index.base) }),
                [1, -1] => Some(Band { from: Some(index.base - most), to: Some(index.base + most) }),
                _ => None,
            }
        })
    })
}

/// The band of zeros in a mask that hides all else.
fn band_of_values(mask: &Tensor) -> Option<Band> {
    let [.., rows, columns] = *mask.shape() else { return None };
    let place = |at: usize| (at % columns) as i64 - (at / columns % rows) as i64;
    let visible = |at: usize| mask.f64_at(at) == 0.0;
    let seen: Vec<i64> = (0..mask.len()).filter(|&at| visible(at)).map(place).collect();
    let (from, to) = (*seen.iter().min()?, *seen.iter().max()?);
    let is_right = |at: usize| match (from..=to).contains(&place(at)) {
        true => visible(at),
        false => hides(mask.dtype(), mask.f64_at(at)),
    };
    (0..mask.len()).all(is_right).then_some(Band { from: Some(from), to: Some(to) })
}

fn band_of_mask(m: &Match<'_>, mask: Id, ty: &TensorType) -> Option<Band> {
    let egraph = m.egraph();
    egraph[mask].nodes.iter().filter(|node| node.code() == Some(OpCode::Where)).find_map(|node| {
        let &[condition, yes, no] = node.operands() else { return None };
        match (splat(egraph, yes)?, splat(egraph, no)?) {
            (0.0, low) if hides(ty.dtype, low) => band(egraph, condition, false),
            (low, 0.0) if hides(ty.dtype, low) => band(egraph, condition, true),
            _ => None,
        }
    })
}

/// The mask, added to the scores of `q` and `k`, hides what is farther from a query's place than a number of keys before
/// it and another behind it, which are bound as `left` and `right`, and nothing else. One of them may be -1: no limit.
pub(in crate::rules) fn is_window_mask(reach: (&str, &str), mask: &str, q: &str, k: &str) -> Step {
    let (left, right, mask, q, k) = (var(reach.0), var(reach.1), var(mask), var(q), var(k));
    Box::new(move |m| {
        let (ty, q, k) = (m.ty(mask)?, m.ty(q)?, m.ty(k)?);
        let row_axis = |ty: &TensorType| -> Option<Dim> { ty.shape.iter().rev().nth(1).cloned() };
        let (queries, keys) = (row_axis(&q)?, row_axis(&k)?);
        let ahead = ahead(&queries, &keys)?;
        if row_axis(&ty)? != queries || *ty.shape.last()? != keys {
            return None;
        }
        let found = match m.fact(mask)?.value.as_deref().or_else(|| m.weight(mask)) {
            Some(value) => band_of_values(value),
            None => band_of_mask(m, m.id(mask)?, &ty),
        }?;
        // A limit that no key is beyond is none.
        let (rows, columns) = (queries.as_const().unwrap_or(i64::MAX), keys.as_const().unwrap_or(i64::MAX));
        let from = found.from.filter(|&from| from > -rows.saturating_sub(1));
        let to = found.to.filter(|&to| to < columns.saturating_sub(1));
        let (before, behind) = (from.map_or(-1, |from| ahead - from), to.map_or(-1, |to| to - ahead));
        let is_reach = |limit: Option<i64>, reach: i64| limit.is_none() || (0..=1 << 31).contains(&reach);
        // What hides the future and nothing else is causal.
        if (from.is_none() && (to.is_none() || behind == 0)) || !is_reach(from, before) || !is_reach(to, behind) {
            return None;
        }
        m.set_attr(left, Attr::Int(before))?;
        m.set_attr(right, Attr::Int(behind))
    })
}
