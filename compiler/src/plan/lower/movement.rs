//! Ops that move elements: views where strides can say it, copies where they cannot.

use super::super::lowering::{Lowered, Lowering, RowTiles, TILE_ELEMENTS, positions};
use super::super::scalar::scalar_type;
use super::super::view::{Nest, View};
use crate::loopir::{BufferId, Expr, Type};
use lathe_ir::{Attr, DType, Dim, Op, OpCode, ValueId};

/// Reshape, transpose, slice and broadcast: a view if possible, else a copy to row-major memory.
pub(super) fn lower_view(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no operand")?;
    let result = op.result();
    let shape = l.graph.ty(result).shape.to_vec();
    let view = l.view(x)?;
    let seen = match op.code {
        OpCode::Transpose => Some(view.transpose(op.ints("perm"))),
        OpCode::Slice => Some(view.slice(op.dims("starts"), op.dims("sizes"), op.ints("steps"))),
        OpCode::Broadcast => Some(view.broadcast(&shape, op.ints("either"))),
        _ => view.reshape(&shape),
    };
    if let Some(seen) = seen {
        l.set_view(result, seen);
        return Ok(());
    }
    // A reshape that strides cannot say: its row-major copy has the same elements in the same order.
    let (_, buffer) = l.result(op, 0);
    let source = view;
    let target = View::contiguous(result, &source.shape);
    let dtype = l.graph.ty(result).dtype;
    let node = l.node(op);
    copy_kernel(l, &source, &target, buffer, dtype, "reshape", node);
    Ok(())
}

/// Several tensors one after the other along an axis.
pub(super) fn lower_concat(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let node = l.node(op);
    let grown = grows_in_place(l, op, node)?;
    let (target, buffer) = l.result(op, 0);
    let axis = op.int("axis") as usize;
    let dtype = l.graph.ty(op.result()).dtype;
    let mut start = grown.clone().unwrap_or(Dim::ZERO);
    for value in op.inputs().skip(usize::from(grown.is_some())) {
        let source = l.view(value)?;
        let mut part = target.clone();
        part.offset = &start * &target.strides[axis];
        part.shape = source.shape.clone();
        start = &start + &source.shape[axis];
        copy_kernel(l, &source, &part, buffer, dtype, "concat", node);
    }
    Ok(())
}

/// A value that a loop carries and that grows behind its end stays where it is; gives the size that it has.
fn grows_in_place(l: &mut Lowering<'_>, op: &Op, node: i32) -> Result<Option<Dim>, String> {
    let (first, axis) = (op.operand(0).ok_or("no operand")?, op.int("axis") as usize);
    let view = l.view(first)?;
    let is_behind = Dim::product_of(&view.shape[..axis]).is(1) && view.offset.is(0) && view.is_contiguous();
    let (Some(room), Some(buffer)) = (l.room(view.root), l.known_buffer(view.root)) else { return Ok(None) };
    let again = op.inputs().skip(1).any(|value| l.view(value).is_ok_and(|other| other.root == view.root));
    if !is_behind || again || !l.dies_here(view.root) || l.is_output(op.result()) {
        return Ok(None);
    }
    let elements = l.dims.expr(&l.graph.ty(op.result()).elements());
    l.check_room(elements, &room, node);
    l.share_buffer(op.result(), buffer);
    Ok(Some(view.shape[axis].clone()))
}

impl Lowering<'_> {
    /// Adds a kernel that copies one view to another of the same shape.
    pub(crate) fn copy(&mut self, source: &View, target: &View, dtype: DType, name: &str) -> Lowered {
        let buffer = self.buffer(target.root);
        let node = self.nodes.len().saturating_sub(1) as i32;
        copy_kernel(self, source, target, buffer, dtype, name, node);
        Ok(())
    }
}

impl Lowering<'_> {
    /// A row-major copy of the value with elements of another type.
    pub(crate) fn converted(&mut self, value: ValueId, to: DType) -> Result<View, String> {
        let source = self.view(value)?;
        let from = self.buffer(source.root);
        let ty = self.ty(value).with_dtype(to);
        let len = self.dims.expr(&ty.elements());
        let buffer = self.temporary("converted", scalar_type(to), len);
        let target = self.new_root(&ty, buffer);
        self.convert((&source, from), (&target, buffer));
        Ok(target)
    }

    /// Adds a kernel that copies one view to another of the same shape, converting the elements.
    pub(crate) fn convert(&mut self, (source, from): (&View, BufferId), (target, to): (&View, BufferId)) {
        let elem = scalar_type(self.ty(target.root).dtype);
        let node = self.nodes.len().saturating_sub(1) as i32;
        let order: Vec<usize> = (0..source.rank()).collect();
        let nest = Nest::new(&source.shape, &order, &[&target.strides, &source.strides]);
        let (outer, inner, steps) = nest.split_inner();
        let tiles = RowTiles::new(self.dims.expr(&outer.count()), self.dims.expr(&inner), 4);
        let dims = std::mem::take(&mut self.dims);
        self.kernel("convert", node, tiles.tiles.clone(), |b| {
            tiles.for_rows(b, |b, row, begin, end| {
                let at = positions(b, &dims, &row, &outer.sizes, &[&outer.strides[0], &outer.strides[1]]);
                let to_row = b.let_(&at[0] + dims.expr(&target.offset));
                let from_row = b.let_(&at[1] + dims.expr(&source.offset));
                let (to_step, from_step) = (dims.expr(&steps[0]), dims.expr(&steps[1]));
                b.for_(begin, end, 1, |b, i| {
                    let value = b.load(from, &from_row + &i * &from_step);
                    b.store(to, &to_row + &i * &to_step, value.cast(elem));
                });
            });
        });
        self.dims = dims;
    }
}

fn copy_kernel(l: &mut Lowering<'_>, source: &View, target: &View, to: BufferId, dtype: DType, name: &str, node: i32) {
    let from = l.buffer(source.root);
    let elem = scalar_type(dtype);
    let order: Vec<usize> = (0..source.rank()).collect();
    let nest = Nest::new(&source.shape, &order, &[&target.strides, &source.strides]);
    let (to_start, from_start) = (l.dims.expr(&target.offset), l.dims.expr(&source.offset));
    if let Some(kernel) = transpose_shape(&nest, elem) {
        return transposing_copy(l, &nest, kernel, elem, (from, from_start), (to, to_start), name, node);
    }
    let (outer, inner, steps) = nest.split_inner();
    let is_dense = (steps[0].is(1) && steps[1].is(1)) || inner.is(1);
    let (rows, length) = (l.dims.expr(&outer.count()), l.dims.expr(&inner));
    let tiles = RowTiles::new(rows, length, if is_dense { 1 } else { 4 });
    let dims = std::mem::take(&mut l.dims);
    l.kernel(name, node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, row, begin, end| {
            let at = positions(b, &dims, &row, &outer.sizes, &[&outer.strides[0], &outer.strides[1]]);
            let to_row = b.let_(&at[0] + to_start);
            let from_row = b.let_(&at[1] + from_start);
            if is_dense {
                let bytes = (&end - &begin) * elem.size();
                let (x, y) = (b.addr(from, from_row + &begin), b.addr(to, to_row + &begin));
                b.call("copy_bytes", [bytes, x, y]);
            } else {
                let (to_step, from_step) = (dims.expr(&steps[0]), dims.expr(&steps[1]));
                b.for_(begin, end, 1, |b, i| {
                    let value = b.load(from, &from_row + &i * &from_step);
                    b.store(to, &to_row + &i * &to_step, value);
                });
            }
        });
    });
    l.dims = dims;
}

/// Axis of the source that is dense in memory, when it is not the innermost one and the target is dense along the
/// innermost: a two-dimensional transpose inside an outer nest.
fn transpose_shape(nest: &Nest, elem: Type) -> Option<usize> {
    let rank = nest.sizes.len();
    let last = rank.checked_sub(1)?;
    let fits = matches!(elem.size(), 1 | 2 | 4 | 8);
    if !fits || !nest.strides[0][last].is(1) || nest.strides[1][last].is(1) || nest.strides[1][last].is(0) {
        return None;
    }
    let axis = (0..last).rev().find(|&axis| nest.strides[1][axis].is(1))?;
    let long = |size: &Dim| size.as_const().is_none_or(|size| size >= 4);
    (long(&nest.sizes[axis]) && long(&nest.sizes[last])).then_some(axis)
}

#[allow(clippy::too_many_arguments)]
fn transposing_copy(
    l: &mut Lowering<'_>,
    nest: &Nest,
    axis: usize,
    elem: Type,
    (from, from_start): (BufferId, Expr),
    (to, to_start): (BufferId, Expr),
    name: &str,
    node: i32,
) {
    let last = nest.sizes.len() - 1;
    let rest: Vec<usize> = (0..last).filter(|&other| other != axis).collect();
    let pick = |from: &[Dim]| -> Vec<Dim> { rest.iter().map(|&axis| from[axis].clone()).collect() };
    let sizes = pick(&nest.sizes);
    let (to_outer, from_outer) = (pick(&nest.strides[0]), pick(&nest.strides[1]));
    // dst[c * ldd + r] = src[r * lds + c]: r runs along the target's dense axis, c along the source's.
    let rows = l.dims.expr(&nest.sizes[last]);
    let columns = l.dims.expr(&nest.sizes[axis]);
    let lds = l.dims.expr(&nest.strides[1][last]);
    let ldd = l.dims.expr(&nest.strides[0][axis]);
    let count = l.dims.expr(&Dim::product_of(&sizes));
    // Columns are cut so that one tile moves about TILE_ELEMENTS elements.
    let per_tile = Expr::i64(TILE_ELEMENTS).floor_div(rows.max(1)).max(16);
    let parts = columns.ceil_div(per_tile.clone());
    let callee = format!("transpose2d_b{}", elem.size());
    let dims = std::mem::take(&mut l.dims);
    l.kernel(name, node, count * parts.clone(), |b| {
        let parts = b.let_(parts);
        let per_tile = b.let_(per_tile);
        let outer = b.let_(b.tile().floor_div(parts.clone()));
        let first = b.let_((b.tile() - &outer * &parts) * &per_tile);
        let width = b.let_((&columns - &first).min(per_tile));
        let at = positions(b, &dims, &outer, &sizes, &[&to_outer, &from_outer]);
        let x = b.addr(from, &at[1] + from_start + &first);
        let y = b.addr(to, &at[0] + to_start + &first * &ldd);
        b.call(&callee, [rows, width, x, lds, y, ldd]);
    });
    l.dims = dims;
}

/// Padding. Constant mode fills and copies; the others read from a computed position.
pub(super) fn lower_pad(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no operand")?;
    let source = l.view(x)?;
    let from = l.buffer(source.root);
    let value = match op.operand(1) {
        Some(value) => {
            let view = l.view(value)?;
            Some((l.buffer(view.root), l.dims.expr(&view.offset)))
        }
        None => None,
    };
    let (target, to) = l.result(op, 0);
    let elem = l.elem(op.result());
    let mode = op.word("mode").to_owned();
    let rank = source.rank();
    let (sizes, in_sizes) = (target.shape.clone(), source.shape.clone());
    let before: Vec<Expr> = l.dims.exprs(op.dims("before"));
    let node = l.node(op);
    let inner_size = sizes.last().map_or(Expr::i64(1), |size| l.dims.expr(size));
    let outer: Vec<Dim> = sizes[..rank.saturating_sub(1)].to_vec();
    let tiles = RowTiles::new(l.dims.expr(&Dim::product_of(&outer)), inner_size, 4);
    let dims = std::mem::take(&mut l.dims);
    let start = dims.expr(&source.offset);
    l.kernel("pad", node, tiles.tiles.clone(), |b| {
        let fill = match value {
            Some((buffer, at)) => b.load(buffer, at),
            None => Expr::constant(elem, 0.0),
        };
        tiles.for_rows(b, |b, row, begin, end| {
            // Indices of the outer axes in the source; `inside` tells whether all of them exist.
            let mut rest = row.clone();
            let mut at = start.clone();
            let mut inside = Expr::bool(true);
            for axis in (0..rank.saturating_sub(1)).rev() {
                let size = dims.expr(&sizes[axis]);
                let quotient = b.let_(rest.floor_div(size.clone()));
                let index = b.let_(&rest - &quotient * &size - &before[axis]);
                rest = quotient;
                let limit = dims.expr(&in_sizes[axis]);
                let index = source_index(b, index, &limit, &mode, &mut inside);
                at = at + index * dims.expr(&source.strides[axis]);
            }
            let at = b.let_(at);
            let row_inside = b.let_(inside);
            let to_row = b.let_(match sizes.last() {
                Some(size) => &row * dims.expr(size),
                None => Expr::i64(0),
            });
            b.for_(begin, end, 1, |b, i| {
                let mut inside = row_inside.clone();
                let mut from_at = at.clone();
                if rank > 0 {
                    let limit = dims.expr(&in_sizes[rank - 1]);
                    let index = b.let_(&i - &before[rank - 1]);
                    let index = source_index(b, index, &limit, &mode, &mut inside);
                    from_at = from_at + index * dims.expr(&source.strides[rank - 1]);
                }
                let to_at = b.let_(&to_row + &i);
                b.if_else(
                    inside,
                    |b| {
                        let value = b.load(from, from_at);
                        b.store(to, &to_at, value);
                    },
                    |b| b.store(to, &to_at, fill.clone()),
                );
            });
        });
    });
    l.dims = dims;
    Ok(())
}

/// Index in the source for an index that may lie outside; constant mode notes whether it does.
fn source_index(b: &mut crate::loopir::Builder<'_>, index: Expr, limit: &Expr, mode: &str, inside: &mut Expr) -> Expr {
    match mode {
        "edge" => b.let_(index.max(0).min(limit - 1)),
        "wrap" => b.let_(index.floor_mod(limit.clone())),
        "reflect" => {
            // Period 2 * (n - 1); one element reflects to itself.
            let period = b.let_(((limit - 1) * 2).max(1));
            let folded = b.let_(index.floor_mod(period.clone()));
            b.let_(folded.min(&period - &folded).min(limit - 1))
        }
        _ => {
            let ok = b.let_(index.ge(0).and(index.lt(limit.clone())));
            *inside = inside.and(ok);
            index
        }
    }
}

/// `dyn_slice`: run-time starts, clamped so that the part lies inside.
pub(super) fn lower_dyn_slice(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (x, starts) = (op.operand(0).ok_or("no operand")?, op.operand(1).ok_or("no starts")?);
    let source = l.view(x)?;
    let from = l.buffer(source.root);
    let starts_view = l.contiguous(starts)?;
    let starts_at = l.dims.expr(&starts_view.offset);
    let starts_buffer = l.buffer(starts_view.root);
    let (target, to) = l.result(op, 0);
    let node = l.node(op);
    let (outer, inner) = target.shape.split_at(target.rank().saturating_sub(1));
    let inner = inner.first().cloned().unwrap_or(Dim::ONE);
    let tiles = RowTiles::new(l.dims.expr(&Dim::product_of(outer)), l.dims.expr(&inner), 2);
    let dims = std::mem::take(&mut l.dims);
    l.kernel("dyn_slice", node, tiles.tiles.clone(), |b| {
        let mut base = dims.expr(&source.offset);
        for axis in 0..source.rank() {
            let start = b.load(starts_buffer, &starts_at + axis as i64);
            let room = dims.expr(&(&source.shape[axis] - &target.shape[axis]));
            base = base + start.max(0).min(room) * dims.expr(&source.strides[axis]);
        }
        let base = b.let_(base);
        tiles.for_rows(b, |b, row, begin, end| {
            let outer_strides = &source.strides[..outer.len()];
            let at = positions(b, &dims, &row, outer, &[outer_strides]);
            let step = source.strides.last().map_or(Expr::i64(0), |stride| dims.expr(stride));
            let to_row = b.let_(&row * dims.expr(&inner));
            let from_row = b.let_(&base + &at[0]);
            b.for_(begin, end, 1, |b, i| {
                let value = b.load(from, &from_row + &i * &step);
                b.store(to, &to_row + &i, value);
            });
        });
    });
    l.dims = dims;
    Ok(())
}

/// `dims` and `iota`: tensors of sizes and of indices.
pub(super) fn lower_generated(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (target, to) = l.result(op, 0);
    let node = l.node(op);
    if op.code == OpCode::Dims {
        let values = l.dims.exprs(op.dims("values"));
        l.kernel("dims", node, Expr::i64(1), |b| {
            for (index, value) in values.into_iter().enumerate() {
                b.store(to, index as i64, value);
            }
        });
        return Ok(());
    }
    let Some(Attr::DType(dtype)) = op.attr("dtype").cloned() else { return Err("iota has no dtype".to_owned()) };
    let axis = op.int("axis") as usize;
    let tiles = RowTiles::new(Expr::i64(1), l.dims.expr(&Dim::product_of(&target.shape)), 2);
    let stride = l.dims.expr(&target.strides[axis]);
    let size = l.dims.expr(&target.shape[axis]);
    l.kernel("iota", node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, _, begin, end| {
            b.for_(begin, end, 1, |b, i| {
                let index = b.let_(i.floor_div(stride.clone()).floor_mod(size.clone()));
                b.store(to, i, index.cast(scalar_type(dtype)));
            });
        });
    });
    Ok(())
}
