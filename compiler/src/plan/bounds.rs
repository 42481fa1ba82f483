//! Bounds of the sizes of buffers: what memory is planned for, before the schedule knows the sizes that data decide.

use crate::loopir::{BinaryOp, Expr, ExprKind, SymbolId};
use std::collections::BTreeMap;

/// Least and greatest value of each symbol that the schedule sets, over the others.
pub(crate) type Ranges = BTreeMap<SymbolId, (Expr, Expr)>;

/// A size that `expr` never exceeds, over symbols that the schedule does not set; `None` if there is none to be seen.
pub(crate) fn upper(expr: &Expr, ranges: &Ranges) -> Option<Expr> {
    Some(ends(expr, ranges)?.1)
}

fn ends(expr: &Expr, ranges: &Ranges) -> Option<(Expr, Expr)> {
    let mut mentions = false;
    expr.walk(&mut |part| {
        if let ExprKind::Symbol(id) = part.kind() {
            mentions |= ranges.contains_key(id);
        }
    });
    if !mentions {
        return Some((expr.clone(), expr.clone()));
    }
    match expr.kind() {
        ExprKind::Symbol(id) => ranges.get(id).cloned(),
        ExprKind::Binary(op, a, b) => {
            let ((a0, a1), (b0, b1)) = (ends(a, ranges)?, ends(b, ranges)?);
            Some(match op {
                BinaryOp::Add => (a0 + b0, a1 + b1),
                BinaryOp::Sub => (a0 - b1, a1 - b0),
                // A factor that is no constant is a size.
                BinaryOp::Mul => match (a.as_int(), b.as_int()) {
                    (Some(c), _) if c < 0 => (a0 * b1, a1 * b0),
                    (_, Some(c)) if c < 0 => (a1 * b0, a0 * b1),
                    _ => (a0 * b0, a1 * b1),
                },
                BinaryOp::Div => (a0 / b1, a1 / b0),
                BinaryOp::FloorDiv => (a0.floor_div(b1), a1.floor_div(b0)),
                BinaryOp::CeilDiv => (a0.ceil_div(b1), a1.ceil_div(b0)),
                BinaryOp::FloorMod => (Expr::i64(0), b1),
                BinaryOp::Min => (a0.min(b0), a1.min(b1)),
                BinaryOp::Max => (a0.max(b0), a1.max(b1)),
                _ => return None,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shrinks_is_taken_at_its_least() {
        let (n, d) = (SymbolId(0), SymbolId(1));
        let ranges = Ranges::from([(d, (Expr::i64(0), Expr::symbol(n) * 4))]);
        let most = |expr: Expr| upper(&expr, &ranges);
        let (n, d) = (Expr::symbol(n), Expr::symbol(d));
        assert_eq!(most(&n * 3), Some(&n * 3));
        assert_eq!(most(&n - &d), Some(n.clone()));
        assert_eq!(most(d.ceil_div(8)), Some((&n * 4).ceil_div(8)));
        assert_eq!(most(&n + &d * -1), Some(&n + Expr::i64(0)));
        assert_eq!(most(d.shl(1)), None);
    }
}
