//! Softmax and the normalisations over trailing axes. f32 rows run in the runtime's kernels, all else by lines.

use super::super::lowering::{Lowered, Lowering, RowTiles};
use super::super::scalar::{compute_type, scalar_type};
use super::lines::for_lines;
use super::optional_buffer;
use super::window::lowest;
use crate::loopir::Expr;
use lathe_ir::{DType, Dim, Op, OpCode};

/// Lowers `softmax` and `log_softmax`.
pub(super) fn lower_softmax(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no operand")?;
    let axis = op.int("axis") as usize;
    let is_log = op.code == OpCode::LogSoftmax;
    if l.ty(x).dtype == DType::F32 && axis + 1 == l.ty(x).rank() {
        let source = l.contiguous(x)?;
        let from = l.buffer(source.root);
        let start = l.dims.expr(&source.offset);
        let (target, to) = l.result(op, 0);
        let node = l.node(op);
        let n = l.dims.expr(&target.shape[axis]);
        let rows = l.dims.expr(&Dim::product_of(&target.shape[..axis]));
        let rows_per_tile = Expr::i64(4096).floor_div(n.max(1)).max(1);
        l.kernel(op.code.name(), node, rows.ceil_div(rows_per_tile.clone()), |b| {
            let per_tile = b.let_(rows_per_tile);
            let first = b.let_(b.tile() * &per_tile);
            let count = b.let_((&rows - &first).min(per_tile));
            let (x, y) = (b.addr(from, start + &first * &n), b.addr(to, &first * &n));
            let callee = if is_log { "log_softmax_f32" } else { "softmax_f32" };
            b.call(callee, [count, n.clone(), x, n.clone(), y, n]);
        });
        return Ok(());
    }
    let source = l.view(x)?;
    let from = l.buffer(source.root);
    let (target, to) = l.result(op, 0);
    let elem = scalar_type(l.graph.ty(op.result()).dtype);
    let acc = compute_type(elem);
    for_lines(l, op, axis, &[(source, from), (target, to)], |b, lines, length| {
        let [x, y] = [&lines[0], &lines[1]];
        let most = b.var(lowest(acc));
        b.for_(0, length.clone(), 1, |b, i| {
            let value = b.load(x.buffer, x.at(&i)).cast(acc);
            b.assign(most, most.get().max(value));
        });
        let sum = b.var(Expr::constant(acc, 0.0));
        b.for_(0, length.clone(), 1, |b, i| {
            let value = b.load(x.buffer, x.at(&i)).cast(acc);
            b.assign(sum, sum.get() + (value - most.get()).math("exp"));
        });
        let log_sum = b.let_(sum.get().math("log"));
        b.for_(0, length.clone(), 1, |b, i| {
            let shifted = b.load(x.buffer, x.at(&i)).cast(acc) - most.get();
            let value = if is_log { shifted - &log_sum } else { shifted.math("exp") / sum.get() };
            b.store(y.buffer, y.at(&i), value.cast(elem));
        });
    });
    Ok(())
}

/// Lowers `layer_norm` and `rms_norm`.
pub(super) fn lower_norm(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no operand")?;
    let axis = op.int("axis") as usize;
    let is_layer = op.code == OpCode::LayerNorm;
    let source = l.contiguous(x)?;
    let from = l.buffer(source.root);
    let start = l.dims.expr(&source.offset);
    let gamma = optional_buffer(l, op, 1)?;
    let beta = if is_layer { optional_buffer(l, op, 2)? } else { None };
    let (target, to) = l.result(op, 0);
    let dtype = l.graph.ty(op.result()).dtype;
    let node = l.node(op);
    let n = l.dims.expr(&Dim::product_of(&target.shape[axis..]));
    let rows = l.dims.expr(&Dim::product_of(&target.shape[..axis]));
    let eps = op.float("eps");
    if dtype == DType::F32 {
        let rows_per_tile = Expr::i64(8192).floor_div(n.max(1)).max(1);
        l.kernel(op.code.name(), node, rows.ceil_div(rows_per_tile.clone()), |b| {
            let per_tile = b.let_(rows_per_tile);
            let first = b.let_(b.tile() * &per_tile);
            let count = b.let_((&rows - &first).min(per_tile));
            let (x, y) = (b.addr(from, start + &first * &n), b.addr(to, &first * &n));
            let pointer = |operand: &Option<(_, Expr)>| match operand {
                Some((buffer, at)) => b.addr(*buffer, at),
                None => Expr::null(),
            };
            let (gamma, beta) = (pointer(&gamma), pointer(&beta));
            let eps = Expr::f32(eps as f32);
            if is_layer {
                b.call("layer_norm_f32", [count, n.clone(), x, n.clone(), gamma, beta, eps, y, n]);
            } else {
                b.call("rms_norm_f32", [count, n.clone(), x, n.clone(), gamma, eps, y, n]);
            }
        });
        return Ok(());
    }
    let elem = scalar_type(dtype);
    let acc = compute_type(elem);
    let tiles = RowTiles::new(rows, Expr::i64(1), 4096);
    l.kernel(op.code.name(), node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, row, _, _| {
            let at = b.let_(&start + &row * &n);
            let count = b.let_(n.cast(acc));
            let mean = b.var(Expr::constant(acc, 0.0));
            if is_layer {
                b.for_(0, n.clone(), 1, |b, i| {
                    let value = b.load(from, &at + &i).cast(acc);
                    b.assign(mean, mean.get() + value);
                });
                b.assign(mean, mean.get() / &count);
            }
            let squares = b.var(Expr::constant(acc, 0.0));
            b.for_(0, n.clone(), 1, |b, i| {
                let centred = b.load(from, &at + &i).cast(acc) - mean.get();
                let centred = b.let_(centred);
                b.assign(squares, squares.get() + &centred * &centred);
            });
            let scale = b.let_(Expr::constant(acc, 1.0) / (squares.get() / &count + Expr::constant(acc, eps)).sqrt());
            b.for_(0, n.clone(), 1, |b, i| {
                let mut value = (b.load(from, &at + &i).cast(acc) - mean.get()) * &scale;
                if let Some((buffer, start)) = &gamma {
                    value = value * b.load(*buffer, start + &i).cast(acc);
                }
                if let Some((buffer, start)) = &beta {
                    value = value + b.load(*buffer, start + &i).cast(acc);
                }
                b.store(to, &row * &n + &i, value.cast(elem));
            });
        });
    });
    Ok(())
}
