//! Reductions over any set of axes.
//!
//! The reduced axes and the kept axes are two nests. f32 sums, means, maxima, minima and products over a dense inner
//! run use the row reductions; reductions over outer axes with a dense kept inner run accumulate whole rows; all else
//! is a scalar loop nest. The order of summation depends on the shape alone.

use super::super::lowering::{Lowered, Lowering, RowTiles, positions};
use super::super::scalar::{DIVISION_BY_ZERO, compute_type, scalar_type};
use super::super::view::Nest;
use super::window::{highest, lowest};
use crate::loopir::{Builder, Expr, Mutable, Type};
use lathe_ir::{DType, Dim, Op, OpCode};

/// Kept elements that one row-accumulating tile handles.
const COLUMNS: i64 = 1024;

/// Lowers `reduce_*`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no operand")?;
    let source = l.view(x)?;
    let from = l.buffer(source.root);
    let (_, to) = l.result(op, 0);
    let dtype = l.graph.ty(op.result()).dtype;
    let node = l.node(op);
    let reduced_axes: Vec<usize> = op.ints("axes").iter().map(|&axis| axis as usize).collect();
    let kept_axes: Vec<usize> = (0..source.rank()).filter(|axis| !reduced_axes.contains(axis)).collect();
    let kept_shape: Vec<Dim> = kept_axes.iter().map(|&axis| source.shape[axis].clone()).collect();
    let kept_strides: Vec<Dim> = kept_axes.iter().map(|&axis| source.strides[axis].clone()).collect();
    let reduced_shape: Vec<Dim> = reduced_axes.iter().map(|&axis| source.shape[axis].clone()).collect();
    let count = Dim::product_of(&reduced_shape);
    let kept_count = Dim::product_of(&kept_shape);
    let reduced = Nest::new(&source.shape, &reduced_axes, &[&source.strides]);
    let kept_target = super::super::view::row_major(&kept_shape);
    let kept = Nest::new(&kept_shape, &(0..kept_shape.len()).collect::<Vec<_>>(), &[&kept_strides, &kept_target]);
    let start = l.dims.expr(&source.offset);
    let code = op.code;

    let (reduced_outer, reduced_inner, reduced_steps) = reduced.clone().split_inner();
    let (kept_outer, kept_inner, kept_steps) = kept.clone().split_inner();
    let is_f32 = dtype == DType::F32;
    let work = l.typical(&count).max(1);
    let name = code.name();

    if is_f32 && reduced_steps[0].is(1) && reduced_inner.as_const().is_none_or(|n| n >= 8) {
        let callee = match code {
            OpCode::ReduceMax => "r_max",
            OpCode::ReduceMin => "r_min",
            OpCode::ReduceProd => "r_prod",
            _ => "r_sum",
        };
        let tiles = RowTiles::new(l.dims.expr(&kept_count), Expr::i64(1), work);
        let dims = std::mem::take(&mut l.dims);
        l.kernel(name, node, tiles.tiles.clone(), |b| {
            tiles.for_rows(b, |b, row, _, _| {
                let at = positions(b, &dims, &row, &kept.sizes, &[&kept.strides[0]]);
                let base = b.let_(&at[0] + start);
                let acc = b.var(identity(code, Type::F32));
                b.for_(0, dims.expr(&reduced_outer.count()), 1, |b, i| {
                    let step = positions(b, &dims, &i, &reduced_outer.sizes, &[&reduced_outer.strides[0]]);
                    let pointer = b.addr(from, &base + &step[0]);
                    let part = b.call_value(callee, Type::F32, [dims.expr(&reduced_inner), pointer]);
                    combine(b, code, acc, part);
                });
                let value = finish(code, acc.get(), &dims.expr(&count));
                b.store(to, row, value);
            });
        });
        l.dims = dims;
        return Ok(());
    }
    if is_f32 && kept_steps[0].is(1) && kept_inner.as_const().is_none_or(|n| n >= 8) {
        let callee = match code {
            OpCode::ReduceMax => "v_max",
            OpCode::ReduceMin => "v_min",
            OpCode::ReduceProd => "v_mul",
            _ => "v_add",
        };
        let dims = std::mem::take(&mut l.dims);
        let (outer, inner) = (dims.expr(&kept_outer.count()), dims.expr(&kept_inner));
        let parts = inner.ceil_div(COLUMNS);
        l.kernel(name, node, outer * parts.clone(), |b| {
            let parts = b.let_(parts);
            let row = b.let_(b.tile().floor_div(parts.clone()));
            let first = b.let_((b.tile() - &row * &parts) * COLUMNS);
            let n = b.let_((&inner - &first).min(COLUMNS));
            let at = positions(b, &dims, &row, &kept_outer.sizes, &[&kept_outer.strides[0]]);
            let base = b.let_(&at[0] + &start + &first);
            let target = b.let_(b.addr(to, &row * &inner + &first));
            let bits = (identity(code, Type::F32).as_float().unwrap_or(0.0) as f32).to_bits();
            b.call("fill_b4", [n.clone(), Expr::i64(i64::from(bits)), target.clone()]);
            b.for_(0, dims.expr(&reduced.count()), 1, |b, i| {
                let step = positions(b, &dims, &i, &reduced.sizes, &[&reduced.strides[0]]);
                let pointer = b.addr(from, &base + &step[0]);
                b.call(callee, [n.clone(), target.clone(), 1.into(), pointer, 1.into(), target.clone()]);
            });
            if code == OpCode::ReduceMean {
                let divisor = b.local("count", Type::F32, 1);
                b.store(divisor, 0, dims.expr(&count).cast(Type::F32));
                let divisor = b.addr(divisor, 0);
                b.call("v_div", [n.clone(), target.clone(), 1.into(), divisor, 0.into(), target]);
            }
        });
        l.dims = dims;
        return Ok(());
    }
    let elem = scalar_type(dtype);
    let acc_type = match (code, elem) {
        // The sum may not fit where the mean does.
        (OpCode::ReduceMean, elem) if elem.is_int() && elem != Type::U64 => Type::I64,
        (_, elem) => compute_type(elem),
    };
    let tiles = RowTiles::new(l.dims.expr(&kept_count), Expr::i64(1), work * 4);
    let dims = std::mem::take(&mut l.dims);
    l.kernel(name, node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, row, _, _| {
            let at = positions(b, &dims, &row, &kept.sizes, &[&kept.strides[0]]);
            let base = b.let_(&at[0] + start);
            let acc = b.var(identity(code, acc_type));
            b.for_(0, dims.expr(&reduced_outer.count()), 1, |b, i| {
                let step = positions(b, &dims, &i, &reduced_outer.sizes, &[&reduced_outer.strides[0]]);
                let line = b.let_(&base + &step[0]);
                b.for_(0, dims.expr(&reduced_inner), 1, |b, j| {
                    let value = b.load(from, &line + j * dims.expr(&reduced_steps[0])).cast(acc_type);
                    combine(b, code, acc, value);
                });
            });
            let count = dims.expr(&count);
            if code == OpCode::ReduceMean && acc_type.is_int() {
                b.check(count.ne_(0), DIVISION_BY_ZERO, None, 0);
            }
            let value = finish(code, acc.get(), &count);
            b.store(to, row, value.cast(elem));
        });
    });
    l.dims = dims;
    Ok(())
}

/// The value of a reduction over nothing.
fn identity(code: OpCode, ty: Type) -> Expr {
    match code {
        OpCode::ReduceMax => lowest(ty),
        OpCode::ReduceMin => highest(ty),
        OpCode::ReduceProd => Expr::constant(ty, 1.0),
        _ => Expr::constant(ty, 0.0),
    }
}

fn combine(b: &mut Builder<'_>, code: OpCode, acc: Mutable, value: Expr) {
    let next = match code {
        // false is less than true
        OpCode::ReduceMax if value.ty() == Type::Bool => acc.get().or(value),
        OpCode::ReduceMin if value.ty() == Type::Bool => acc.get().and(value),
        OpCode::ReduceMax => acc.get().max(value),
        OpCode::ReduceMin => acc.get().min(value),
        OpCode::ReduceProd => acc.get() * value,
        _ => acc.get() + value,
    };
    b.assign(acc, next);
}

fn finish(code: OpCode, acc: Expr, count: &Expr) -> Expr {
    if code == OpCode::ReduceMean {
        let divisor = count.cast(acc.ty());
        acc / divisor
    } else {
        acc
    }
}
