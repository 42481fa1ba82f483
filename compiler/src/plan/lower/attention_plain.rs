//! Attention as a plain loop nest, one query at a time: for f64, and where some queries see no key.

use super::super::lowering::{Lowered, Lowering, RowTiles, positions};
use super::super::scalar::{compute_type, scalar_type};
use super::attention::Reach;
use super::window::lowest;
use crate::loopir::Expr;
use lathe_ir::{Dim, Op};

/// Lowers an `attention` of any element type.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let operand = |index: usize| op.operand(index).ok_or("an operand is missing");
    let (q, k, v) = (l.view(operand(0)?)?, l.view(operand(1)?)?, l.view(operand(2)?)?);
    let buffers = [l.buffer(q.root), l.buffer(k.root), l.buffer(v.root)];
    let (target, out) = l.result(op, 0);
    let rank = target.rank();
    let mask = match op.operand(3) {
        Some(value) => {
            let shape = [&target.shape[..rank - 1], &k.shape[rank - 2..rank - 1]].concat();
            let view = l.view(value)?.broadcast(&shape, &[]);
            Some((l.buffer(view.root), view))
        }
        None => None,
    };
    let elem = scalar_type(l.graph.ty(op.result()).dtype);
    let acc = compute_type(elem);
    let node = l.node(op);
    let rows = &target.shape[..rank - 1];
    let work = l.typical(&k.shape[rank - 2]) * (l.typical(&q.shape[rank - 1]) + l.typical(&target.shape[rank - 1]));
    let tiles = RowTiles::new(l.dims.expr(&Dim::product_of(rows)), Expr::i64(1), work.max(1));
    let (reach, guarded) = (Reach::of(op), op.flag("nan_to_zero"));
    let dims = std::mem::take(&mut l.dims);
    let (sq, sk) = (dims.expr(&q.shape[rank - 2]), dims.expr(&k.shape[rank - 2]));
    let (d, dv) = (dims.expr(&q.shape[rank - 1]), dims.expr(&target.shape[rank - 1]));
    let step = |strides: &[Dim], axis: usize| dims.expr(&strides[axis]);
    // Keys and values are those of the head, whatever the query.
    let of_head = |strides: &[Dim]| -> Vec<Dim> { strides[..rank - 2].iter().cloned().chain([Dim::ZERO]).collect() };
    let zeros = vec![Dim::ZERO; rank];
    let mask_strides = mask.as_ref().map_or(&zeros[..], |(_, view)| &view.strides[..]);
    l.kernel("attention_plain", node, tiles.tiles.clone(), |b| {
        let scores = b.local("scores", acc, sk.max(1));
        tiles.for_rows(b, |b, row, _, _| {
            let (k_head, v_head) = (of_head(&k.strides), of_head(&v.strides));
            let strides =
                [&q.strides[..rank - 1], &k_head, &v_head, &target.strides[..rank - 1], &mask_strides[..rank - 1]];
            let at = positions(b, &dims, &row, rows, &strides);
            let q_at = b.let_(&at[0] + dims.expr(&q.offset));
            let k_at = b.let_(&at[1] + dims.expr(&k.offset));
            let v_at = b.let_(&at[2] + dims.expr(&v.offset));
            let place = b.let_(row.floor_mod(sq.clone()) + &sk - &sq);
            let visible = match reach.right {
                Some(right) => b.let_((&place + (right + 1)).max(0).min(sk.clone())),
                None => sk.clone(),
            };
            let unseen = match reach.left {
                Some(left) => b.let_((&place - left).max(0).min(visible.clone())),
                None => Expr::i64(0),
            };
            let most = b.var(lowest(acc));
            b.for_(unseen.clone(), visible.clone(), 1, |b, j| {
                let dot = b.var(Expr::constant(acc, 0.0));
                let key = b.let_(&k_at + &j * step(&k.strides, rank - 2));
                b.for_(0, d.clone(), 1, |b, e| {
                    let x = b.load(buffers[0], &q_at + &e * step(&q.strides, rank - 1)).cast(acc);
                    let y = b.load(buffers[1], &key + &e * step(&k.strides, rank - 1)).cast(acc);
                    b.assign(dot, dot.get() + x * y);
                });
                let mut score = dot.get() * Expr::constant(acc, op.float("scale"));
                if let Some((buffer, view)) = &mask {
                    let place = &at[4] + dims.expr(&view.offset) + &j * step(mask_strides, rank - 1);
                    score = score + b.load(*buffer, place).cast(acc);
                }
                let score = b.let_(score);
                b.assign(most, most.get().max(score.clone()));
                b.store(scores, j, score);
            });
            let sum = b.var(Expr::constant(acc, 0.0));
            b.for_(unseen.clone(), visible.clone(), 1, |b, j| {
                let score = b.load(scores, &j);
                let power = b.let_((score - most.get()).math("exp"));
                b.assign(sum, sum.get() + &power);
                b.store(scores, j, power);
            });
            b.for_(unseen.clone(), visible.clone(), 1, |b, j| {
                let power = b.load(scores, &j);
                let mut weight = b.let_(power / sum.get());
                if guarded {
                    let is_nan = weight.ne_(weight.clone());
                    weight = is_nan.select(Expr::constant(acc, 0.0), weight);
                }
                b.store(scores, j, weight);
            });
            // No key at all is NaN, unless there are none for any query.
            let mut nothing = Expr::constant(acc, 0.0);
            if !guarded {
                let is_blind = visible.eq_(unseen.clone()).and(sk.gt(0));
                nothing = b.let_(is_blind.select(Expr::constant(acc, f64::NAN), nothing));
            }
            b.for_(0, dv.clone(), 1, |b, c| {
                let total = b.var(nothing.clone());
                let column = b.let_(&v_at + &c * step(&v.strides, rank - 1));
                b.for_(unseen.clone(), visible.clone(), 1, |b, j| {
                    let value = b.load(buffers[2], &column + &j * step(&v.strides, rank - 2)).cast(acc);
                    let weight = b.load(scores, &j);
                    b.assign(total, total.get() + weight * value);
                });
                b.store(out, &at[3] + &c, total.get().cast(elem));
            });
        });
    });
    l.dims = dims;
    Ok(())
}
