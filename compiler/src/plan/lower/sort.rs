//! Stable sorting of positions, for kernels that order slices or scores.

use crate::loopir::{BufferId, Builder, Expr};

/// Whether the second position must come before the first, as a bool.
pub(super) type Before<'f> = dyn Fn(&mut Builder<'_>, &Expr, &Expr) -> Expr + 'f;

/// Sorts the first `length` positions in `order`, equal ones in the order they have: a merge sort from below. `spare` is
/// as long as `order`.
pub(super) fn merge_sort(
    b: &mut Builder<'_>,
    order: BufferId,
    spare: BufferId,
    length: &Expr,
    second_first: &Before<'_>,
) {
    let width = b.var(Expr::i64(1));
    b.while_(width.get().lt(length.clone()), |b| {
        let begin = b.var(Expr::i64(0));
        b.while_(begin.get().lt(length.clone()), |b| {
            let middle = b.let_((begin.get() + width.get()).min(length.clone()));
            let end = b.let_((&middle + width.get()).min(length.clone()));
            let (left, right) = (b.var(begin.get()), b.var(middle.clone()));
            b.for_(begin.get(), end.clone(), 1, |b, to| {
                let from_right = b.var(left.get().ge(middle.clone()));
                b.if_(left.get().lt(middle.clone()).and(right.get().lt(end.clone())), |b| {
                    let (x, y) = (b.load(order, left.get()), b.load(order, right.get()));
                    let wins = second_first(b, &x, &y);
                    b.assign(from_right, wins);
                });
                b.if_else(
                    from_right.get(),
                    |b| {
                        let value = b.load(order, right.get());
                        b.store(spare, &to, value);
                        b.assign(right, right.get() + 1);
                    },
                    |b| {
                        let value = b.load(order, left.get());
                        b.store(spare, &to, value);
                        b.assign(left, left.get() + 1);
                    },
                );
            });
            b.assign(begin, end);
        });
        b.for_(0, length.clone(), 1, |b, at| {
            let value = b.load(spare, &at);
            b.store(order, &at, value);
        });
        b.assign(width, width.get() * 2);
    });
}
