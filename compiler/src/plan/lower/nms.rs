//! Non-maximum suppression: for each batch and class the boxes above the least score are sorted, and taken one after the
//! other unless they overlap one that was taken.

use super::super::lowering::{Lowered, Lowering};
use super::sort::merge_sort;
use crate::loopir::{BufferId, Builder, Expr, Type};
use lathe_ir::Op;

fn smaller(a: &Expr, b: &Expr) -> Expr {
    a.lt(b.clone()).select(a.clone(), b.clone())
}

fn larger(a: &Expr, b: &Expr) -> Expr {
    a.gt(b.clone()).select(a.clone(), b.clone())
}

/// Smallest and largest coordinates along both axes of the box that starts there.
fn corners(b: &mut Builder<'_>, boxes: BufferId, at: &Expr, center: bool) -> [Expr; 4] {
    let [p, q, r, s] = [0, 1, 2, 3].map(|place| b.load(boxes, at + place));
    let ends = if center {
        let (half_width, half_height) = (b.let_(r / Expr::f32(2.0)), b.let_(s / Expr::f32(2.0)));
        [&p - &half_width, &q - &half_height, &p + &half_width, &q + &half_height]
    } else {
        [smaller(&p, &r), smaller(&q, &s), larger(&p, &r), larger(&q, &s)]
    };
    ends.map(|end| b.let_(end))
}

/// Whether the boxes overlap by more than that part of their union.
fn overlap(b: &mut Builder<'_>, x: &[Expr; 4], y: &[Expr; 4], iou: &Expr) -> Expr {
    let zero = Expr::f32(0.0);
    let width = b.let_(smaller(&x[2], &y[2]) - larger(&x[0], &y[0]));
    let height = b.let_(smaller(&x[3], &y[3]) - larger(&x[1], &y[1]));
    let common = b.let_(larger(&width, &zero) * larger(&height, &zero));
    let [first, second] = [x, y].map(|a| b.let_((&a[2] - &a[0]) * (&a[3] - &a[1])));
    let union = b.let_(&first + &second - &common);
    let positive = [&common, &first, &second, &union].map(|area| area.gt(zero.clone()));
    let above = (&common / &union).gt(iou.clone());
    let all = positive.into_iter().fold(above, |all, condition| all.and(condition));
    b.let_(all)
}

/// Lowers `nms`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (boxes, scores) = (op.operand(0).ok_or("no boxes")?, op.operand(1).ok_or("no scores")?);
    let (box_view, score_view) = (l.contiguous(boxes)?, l.contiguous(scores)?);
    let (box_buffer, score_buffer) = (l.buffer(box_view.root), l.buffer(score_view.root));
    let (box_start, score_start) = (l.dims.expr(&box_view.offset), l.dims.expr(&score_view.offset));
    let max_out = super::optional_buffer(l, op, 2)?.ok_or("no max_out")?;
    let iou = super::optional_buffer(l, op, 3)?.ok_or("no iou")?;
    let least = super::optional_buffer(l, op, 4)?;
    let (selected_view, selected) = l.result(op, 0);
    let (_, number) = l.result(op, 1);
    let [batches, classes, count] = [0, 1, 2].map(|axis| l.dims.expr(&score_view.shape[axis]));
    let most = op.dims("most").first().map_or(Expr::i64(0), |most| l.dims.expr(most));
    let rows = l.dims.expr(&selected_view.shape[0]);
    let (order, spare, kept) = (
        l.temporary("order", Type::I64, count.clone()),
        l.temporary("spare", Type::I64, count.clone()),
        l.temporary("kept", Type::I64, most.clone()),
    );
    let center = op.flag("center");
    let node = l.node(op);
    l.kernel("nms", node, Expr::i64(1), |b| {
        let limit = b.load(max_out.0, max_out.1);
        let limit = b.let_(limit.max(0).min(most));
        let iou = b.load(iou.0, iou.1);
        let least = least.map(|(buffer, at)| b.load(buffer, at));
        let written = b.var(Expr::i64(0));
        b.for_(0, batches * classes.clone(), 1, |b, pair| {
            let batch = b.let_(pair.floor_div(classes.clone()));
            let class = b.let_(&pair - &batch * &classes);
            let score_row = b.let_(&pair * &count + &score_start);
            let box_row = b.let_(&batch * &count * 4 + &box_start);
            let candidates = b.var(Expr::i64(0));
            b.for_(0, count.clone(), 1, |b, at| {
                let score = b.load(score_buffer, &score_row + &at);
                let is_above = least.as_ref().map_or(Expr::bool(true), |least| score.gt(least.clone()));
                b.if_(is_above, |b| {
                    b.store(order, candidates.get(), at);
                    b.assign(candidates, candidates.get() + 1);
                });
            });
            let candidates = b.let_(candidates.get());
            merge_sort(b, order, spare, &candidates, &|b, x, y| {
                let [x, y] = [x, y].map(|at| b.load(score_buffer, &score_row + at));
                y.gt(x.clone()).or(x.ne_(x.clone()).and(y.eq_(y.clone())))
            });
            let taken = b.var(Expr::i64(0));
            let next = b.var(Expr::i64(0));
            b.while_(next.get().lt(candidates).and(taken.get().lt(limit.clone())), |b| {
                let at = b.load(order, next.get());
                b.assign(next, next.get() + 1);
                let this = corners(b, box_buffer, &(&at * 4 + &box_row), center);
                let (hit, other) = (b.var(Expr::bool(false)), b.var(Expr::i64(0)));
                b.while_(other.get().lt(taken.get()).and(hit.get().not()), |b| {
                    let earlier = b.load(kept, other.get());
                    let earlier = corners(b, box_buffer, &(earlier * 4 + &box_row), center);
                    let overlaps = overlap(b, &earlier, &this, &iou);
                    b.assign(hit, overlaps);
                    b.assign(other, other.get() + 1);
                });
                b.if_(hit.get().not(), |b| {
                    b.store(kept, taken.get(), at.clone());
                    b.assign(taken, taken.get() + 1);
                    for (place, value) in [batch.clone(), class.clone(), at].into_iter().enumerate() {
                        b.store(selected, written.get() * 3 + place as i64, value);
                    }
                    b.assign(written, written.get() + 1);
                });
            });
        });
        b.for_(written.get() * 3, rows * 3, 1, |b, at| b.store(selected, at, 0));
        b.store(number, 0, written.get());
    });
    Ok(())
}
