//! Gathers and scatters. Every index is checked: one outside its axis ends the run with a status that names the node.

use super::super::lowering::{Lowered, Lowering, RowTiles, positions};
use super::super::scalar::{INDEX_OUT_OF_RANGE, scalar_type};
use super::super::view::View;
use crate::loopir::{BufferId, Builder, Expr, Type};
use lathe_ir::{Dim, Op, OpCode};

/// A checked index: negative ones count from the end.
fn checked(b: &mut Builder<'_>, index: Expr, size: &Expr) -> Expr {
    let index = b.let_(index.cast(Type::I64));
    b.check(index.ge(-size.clone()).and(index.lt(size.clone())), INDEX_OUT_OF_RANGE, None, &index);
    b.let_(index.lt(0).select(&index + size, index))
}

/// `gather`: whole slices along one axis.
pub(super) fn lower_gather(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (x, indices) = (op.operand(0).ok_or("no data")?, op.operand(1).ok_or("no indices")?);
    let axis = op.int("axis") as usize;
    let tail = l.ty(x).rank() - axis - 1;
    let source = l.dense_tail(x, tail)?;
    let from = l.buffer(source.root);
    let picked = l.view(indices)?;
    let index_buffer = l.buffer(picked.root);
    let (_, to) = l.result(op, 0);
    let elem = l.elem(op.result());
    let node = l.node(op);
    let inner = Dim::product_of(&source.shape[axis + 1..]);
    let outer = &source.shape[..axis];
    let count = Dim::product_of(&picked.shape);
    let rows = &Dim::product_of(outer) * &count;
    let tiles = RowTiles::new(l.dims.expr(&rows), l.dims.expr(&inner), 1);
    let dims = std::mem::take(&mut l.dims);
    let size = dims.expr(&source.shape[axis]);
    let by_bytes = inner.as_const().is_none_or(|n| n * elem.size() >= 16);
    l.kernel("gather", node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, row, begin, end| {
            let count = dims.expr(&count);
            let block = b.let_(row.floor_div(count.clone()));
            let which = b.let_(&row - &block * count);
            let at = positions(b, &dims, &which, &picked.shape, &[&picked.strides]);
            let index = b.load(index_buffer, &at[0] + dims.expr(&picked.offset));
            let index = checked(b, index, &size);
            let base = positions(b, &dims, &block, outer, &[&source.strides[..axis]]);
            let start = b.let_(&base[0] + dims.expr(&source.offset) + index * dims.expr(&source.strides[axis]));
            let target = b.let_(&row * dims.expr(&inner));
            if by_bytes {
                let bytes = (&end - &begin) * elem.size();
                let (x, y) = (b.addr(from, &start + &begin), b.addr(to, &target + &begin));
                b.call("copy_bytes", [bytes, x, y]);
            } else {
                b.for_(begin, end, 1, |b, i| {
                    let value = b.load(from, &start + &i);
                    b.store(to, &target + &i, value);
                });
            }
        });
    });
    l.dims = dims;
    Ok(())
}

/// Position in `data` of the index tuple that a `gather_nd`-like op reads: the batch axes, then checked indices.
struct Tuple {
    view: View,
    buffer: BufferId,
    batch: usize,
    length: usize,
}

impl Tuple {
    fn position(&self, b: &mut Builder<'_>, dims: &super::super::dims::DimMap, data: &View, row: &Expr) -> Expr {
        let rank = self.view.rank();
        let (outer, last) = (&self.view.shape[..rank - 1], &self.view.strides[rank - 1]);
        // The batch axes are the leading axes of both.
        let mut data_strides = data.strides[..self.batch].to_vec();
        data_strides.resize(outer.len(), Dim::ZERO);
        let at = positions(b, dims, row, outer, &[&self.view.strides[..rank - 1], &data_strides]);
        let first = b.let_(&at[0] + dims.expr(&self.view.offset));
        let mut position = &at[1] + dims.expr(&data.offset);
        for place in 0..self.length {
            let index = b.load(self.buffer, &first + dims.expr(last) * place as i64);
            let axis = self.batch + place;
            let index = checked(b, index, &dims.expr(&data.shape[axis]));
            position = position + index * dims.expr(&data.strides[axis]);
        }
        b.let_(position)
    }
}

fn tuple(l: &mut Lowering<'_>, op: &Op, operand: usize, batch: usize) -> Result<Tuple, String> {
    let indices = op.operand(operand).ok_or("no indices")?;
    let view = l.view(indices)?;
    let buffer = l.buffer(view.root);
    let length = view.shape.last().and_then(Dim::as_size).ok_or("the length of index tuples is not a constant")?;
    Ok(Tuple { view, buffer, batch, length })
}

/// `gather_elements` and `gather_nd`.
pub(super) fn lower_gather_each(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no data")?;
    let node = l.node(op);
    if op.code == OpCode::GatherElements {
        let axis = op.int("axis") as usize;
        let source = l.view(x)?;
        let picked = l.view(op.operand(1).ok_or("no indices")?)?;
        let (from, index_buffer) = (l.buffer(source.root), l.buffer(picked.root));
        let (target, to) = l.result(op, 0);
        let count = Dim::product_of(&target.shape);
        let tiles = RowTiles::new(Expr::i64(1), l.dims.expr(&count), 8);
        let mut other = source.strides.clone();
        other[axis] = Dim::ZERO;
        let dims = std::mem::take(&mut l.dims);
        l.kernel("gather_elements", node, tiles.tiles.clone(), |b| {
            tiles.for_rows(b, |b, _, begin, end| {
                b.for_(begin, end, 1, |b, i| {
                    let at = positions(b, &dims, &i, &target.shape, &[&picked.strides, &other]);
                    let index = b.load(index_buffer, &at[0] + dims.expr(&picked.offset));
                    let index = checked(b, index, &dims.expr(&source.shape[axis]));
                    let position = &at[1] + dims.expr(&source.offset) + index * dims.expr(&source.strides[axis]);
                    let value = b.load(from, position);
                    b.store(to, i, value);
                });
            });
        });
        l.dims = dims;
        return Ok(());
    }
    let batch = op.int("batch_dims") as usize;
    let tuple = tuple(l, op, 1, batch)?;
    let source = l.dense_tail(x, l.ty(x).rank() - batch - tuple.length)?;
    let from = l.buffer(source.root);
    let (_, to) = l.result(op, 0);
    let inner = Dim::product_of(&source.shape[batch + tuple.length..]);
    let rows = Dim::product_of(&tuple.view.shape[..tuple.view.rank() - 1]);
    let tiles = RowTiles::new(l.dims.expr(&rows), l.dims.expr(&inner), 4);
    let dims = std::mem::take(&mut l.dims);
    l.kernel("gather_nd", node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, row, begin, end| {
            let start = tuple.position(b, &dims, &source, &row);
            let target = b.let_(&row * dims.expr(&inner));
            b.for_(begin, end, 1, |b, i| {
                let value = b.load(from, &start + &i);
                b.store(to, &target + &i, value);
            });
        });
    });
    l.dims = dims;
    Ok(())
}

/// `scatter_elements` and `scatter_nd`: a copy of the data, then the updates one after the other in index order, so
/// that repeated indices have one meaning.
pub(super) fn lower_scatter(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (x, updates) = (op.operand(0).ok_or("no data")?, op.operand(2).ok_or("no updates")?);
    let source = l.view(x)?;
    let (target, to) = l.result(op, 0);
    let dtype = l.graph.ty(op.result()).dtype;
    let node = l.node(op);
    l.copy(&source, &target, dtype, "scatter_copy")?;
    let update_view = l.view(updates)?;
    let update_buffer = l.buffer(update_view.root);
    let reduction = op.word("reduction").to_owned();
    let elem = scalar_type(dtype);
    let wide = super::super::scalar::compute_type(elem);
    let combine = |b: &mut Builder<'_>, position: Expr, value: Expr| {
        let position = b.let_(position);
        let next = if reduction == "none" {
            value
        } else {
            let old = b.load(to, &position).cast(wide);
            let value = value.cast(wide);
            let next = match reduction.as_str() {
                "add" => old + value,
                "mul" => old * value,
                // false is less than true
                "max" if wide == Type::Bool => old.or(value),
                "min" if wide == Type::Bool => old.and(value),
                "max" => old.max(value),
                _ => old.min(value),
            };
            next.cast(elem)
        };
        b.store(to, position, next);
    };
    if op.code == OpCode::ScatterElements {
        let axis = op.int("axis") as usize;
        let picked = l.view(op.operand(1).ok_or("no indices")?)?;
        let index_buffer = l.buffer(picked.root);
        let mut other = target.strides.clone();
        other[axis] = Dim::ZERO;
        let dims = std::mem::take(&mut l.dims);
        l.kernel("scatter_elements", node, Expr::i64(1), |b| {
            b.for_(0, dims.expr(&Dim::product_of(&picked.shape)), 1, |b, i| {
                let strides = [&picked.strides[..], &other[..], &update_view.strides[..]];
                let at = positions(b, &dims, &i, &picked.shape, &strides);
                let index = b.load(index_buffer, &at[0] + dims.expr(&picked.offset));
                let index = checked(b, index, &dims.expr(&target.shape[axis]));
                let value = b.load(update_buffer, &at[2] + dims.expr(&update_view.offset));
                combine(b, &at[1] + index * dims.expr(&target.strides[axis]), value);
            });
        });
        l.dims = dims;
        return Ok(());
    }
    let tuple = tuple(l, op, 1, 0)?;
    let outer = tuple.view.rank() - 1;
    let inner = Dim::product_of(&target.shape[tuple.length..]);
    let dims = std::mem::take(&mut l.dims);
    l.kernel("scatter_nd", node, Expr::i64(1), |b| {
        b.for_(0, dims.expr(&Dim::product_of(&tuple.view.shape[..outer])), 1, |b, row| {
            let start = tuple.position(b, &dims, &target, &row);
            let from = positions(b, &dims, &row, &update_view.shape[..outer], &[&update_view.strides[..outer]]);
            b.for_(0, dims.expr(&inner), 1, |b, i| {
                let step = positions(b, &dims, &i, &update_view.shape[outer..], &[&update_view.strides[outer..]]);
                let value = b.load(update_buffer, &from[0] + &step[0] + dims.expr(&update_view.offset));
                combine(b, &start + &i, value);
            });
        });
    });
    l.dims = dims;
    Ok(())
}
