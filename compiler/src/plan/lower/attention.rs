//! Attention: one micro-kernel call per head and block of queries.
//!
//! Queries, keys and values are read where they lie, whatever the order of their leading axes; the result is stored
//! with the heads next to the features, so that the transpose and reshape that merge heads are views. Half floats are
//! converted before and after.

use super::super::lowering::{Lowered, Lowering, positions};
use super::super::view::View;
use super::attention_plain;
use crate::loopir::{Expr, Type};
use lathe_ir::{DType, Dim, Op, ValueId};

/// Queries that one tile handles. Each tile packs its head's keys anew, so fewer would waste time.
const QUERIES: i64 = 384;
/// What `attention_f32` takes for no limit on the keys before a query.
const NO_LIMIT: i64 = -1 << 40;

/// Keys that a query sees before and behind its own place; `None` is no limit.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    pub(super) left: Option<i64>,
    pub(super) right: Option<i64>,
}

impl Reach {
    pub(super) fn of(op: &Op) -> Reach {
        let limit = |reach: i64| (reach >= 0).then_some(reach);
        let right = if op.flag("causal") { 0 } else { op.int("right") };
        Reach { left: limit(op.int("left")), right: limit(right) }
    }

    /// Queries that one tile handles: under a window about as many as a query sees keys, since a tile computes the
    /// scores of all keys that one of its queries sees.
    fn queries(self) -> i64 {
        match (self.left, self.right) {
            (Some(left), Some(right)) => (left + right + 1).clamp(96, QUERIES) / 24 * 24,
            _ => QUERIES,
        }
    }

    /// Most keys that one tile's queries see, if that is limited.
    fn keys(self) -> Option<i64> {
        Some(self.left? + self.right? + self.queries())
    }
}

/// Lowers an `attention`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let operand = |index: usize| op.operand(index).ok_or("an operand is missing");
    let (q, k, v) = (operand(0)?, operand(1)?, operand(2)?);
    let dtype = l.ty(q).dtype;
    let ahead = &l.ty(k).shape[l.ty(k).rank() - 2] - &l.ty(q).shape[l.ty(q).rank() - 2];
    let reach = Reach::of(op);
    let is_limited = reach.left.is_some() || reach.right.is_some();
    let some_see_nothing = is_limited && ahead.range(&l.module.env.symbols).0.is_none_or(|least| least < 0);
    if dtype == DType::F64 || some_see_nothing {
        return attention_plain::lower(l, op);
    }
    let is_half = dtype != DType::F32;
    let operand = |l: &mut Lowering<'_>, value: ValueId| {
        if is_half { l.converted(value, DType::F32) } else { l.dense_rows(value) }
    };
    let (q_view, k_view, v_view) = (operand(l, q)?, operand(l, k)?, operand(l, v)?);
    let (q_buffer, k_buffer, v_buffer) = (l.buffer(q_view.root), l.buffer(k_view.root), l.buffer(v_view.root));
    let rank = q_view.rank();
    let result = op.result();
    let shape = l.graph.ty(result).shape.to_vec();
    let mask = match op.operand(3) {
        Some(value) => {
            let view = if is_half { l.converted(value, DType::F32)? } else { l.view(value)? };
            let view = view.broadcast(&[&shape[..rank - 1], &k_view.shape[rank - 2..rank - 1]].concat(), &[]);
            Some((l.buffer(view.root), view))
        }
        None => None,
    };
    let mut order: Vec<usize> = (0..rank).collect();
    if rank >= 3 && !l.is_output(result) {
        order.swap(rank - 3, rank - 2);
    }
    let (target, out) = if is_half {
        let ty = l.graph.ty(result).with_dtype(DType::F32);
        let len = l.dims.expr(&ty.elements());
        let buffer = l.temporary("attended", Type::F32, len);
        (l.new_root(&ty, buffer), buffer)
    } else {
        let target = View::ordered(result, &shape, &order);
        l.set_view(result, target.clone());
        let out = l.buffer(result);
        (target, out)
    };
    let node = l.node(op);

    let heads: Vec<Dim> = shape[..rank - 2].to_vec();
    let zeros = vec![Dim::ZERO; rank];
    let mask_strides = mask.as_ref().map_or(&zeros[..], |(_, view)| &view.strides[..]);
    let scratch = scratch_bytes(l, &q_view, &k_view, &v_view, reach)?;
    let queries = reach.queries();
    let dims = std::mem::take(&mut l.dims);
    let row = |view: &View| dims.expr(&view.strides[rank - 2]);
    let (sq, sk) = (dims.expr(&shape[rank - 2]), dims.expr(&k_view.shape[rank - 2]));
    let (d, dv) = (dims.expr(&q_view.shape[rank - 1]), dims.expr(&shape[rank - 1]));
    let blocks = sq.ceil_div(queries);
    let tiles = dims.expr(&Dim::product_of(&heads)) * blocks.clone();
    let scale = Expr::f32(op.float("scale") as f32);
    let nan_to_zero = Expr::i64(i64::from(op.flag("nan_to_zero")));
    l.kernel("attention", node, tiles, |b| {
        let local = b.local("scores", Type::U8, scratch);
        let blocks = b.let_(blocks);
        let head = b.let_(b.tile().floor_div(blocks.clone()));
        let first = b.let_((b.tile() - &head * &blocks) * queries);
        let count = b.let_((&sq - &first).min(queries));
        // The place of the first query among the keys, and the keys from `from` on that the tile sees.
        let place = b.let_(&sk - &sq + &first);
        let from = match reach.left {
            Some(left) => b.let_((&place - left).max(0)),
            None => Expr::i64(0),
        };
        let keys = match reach.right {
            // A causal tile alone leaves the limit to the kernel.
            Some(right) if right > 0 || reach.left.is_some() => {
                b.let_((&place + &count + right).min(sk.clone()) - &from)
            }
            _ => b.let_(&sk - &from),
        };
        let strides = [
            &q_view.strides[..rank - 2],
            &k_view.strides[..rank - 2],
            &v_view.strides[..rank - 2],
            &target.strides[..rank - 2],
            &mask_strides[..rank - 2],
        ];
        let at = positions(b, &dims, &head, &heads, &strides);
        let q = b.addr(q_buffer, &at[0] + dims.expr(&q_view.offset) + &first * row(&q_view));
        let k = b.addr(k_buffer, &at[1] + dims.expr(&k_view.offset) + &from * row(&k_view));
        let v = b.addr(v_buffer, &at[2] + dims.expr(&v_view.offset) + &from * row(&v_view));
        let o = b.addr(out, &at[3] + &first * row(&target));
        let (mask_row, mask_column) = (dims.expr(&mask_strides[rank - 2]), dims.expr(&mask_strides[rank - 1]));
        let mask = match &mask {
            Some((buffer, view)) => {
                b.addr(*buffer, &at[4] + dims.expr(&view.offset) + &first * &mask_row + &from * &mask_column)
            }
            None => Expr::null(),
        };
        let causal = reach.right.map_or_else(|| Expr::i64(-1), |right| &place - &from + right);
        let low = reach.left.map_or_else(|| Expr::i64(NO_LIMIT), |left| &place - &from - left);
        let scores = b.addr(local, 0);
        let args = [
            count,
            keys,
            d,
            dv,
            q,
            row(&q_view),
            k,
            row(&k_view),
            v,
            row(&v_view),
            o,
            row(&target),
            scale,
            mask,
            mask_row,
            mask_column,
            causal,
            low,
            nan_to_zero,
            scores,
        ];
        b.call("attention_f32", args);
    });
    l.dims = dims;
    if is_half {
        let (narrow, buffer) = l.result(op, 0);
        l.convert((&target, out), (&narrow, buffer));
    }
    Ok(())
}

/// Bytes of scratch that the micro-kernel may use, as an expression over the symbols: at least
/// `lathe_runtime`'s `attention_scratch` for the same sizes.
fn scratch_bytes(l: &Lowering<'_>, q: &View, k: &View, v: &View, reach: Reach) -> Result<Expr, String> {
    let rank = q.rank();
    let mut keys = l.dims.expr(&k.shape[rank - 2]);
    if let Some(most) = reach.keys() {
        keys = keys.min(most);
    }
    let keys = keys.ceil_div(64) * 64;
    let d = l.dims.expr(&q.shape[rank - 1]);
    let dv = l.dims.expr(&v.shape[rank - 1]).ceil_div(16) * 16;
    // Keys and values packed for the products, a block of 32 score rows, slack.
    Ok((keys.clone() * (d + dv) + keys * 32 + 1024) * 4)
}
