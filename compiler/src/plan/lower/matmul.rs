//! Matrix products.
//!
//! f32: tiles of `gemm_f32`, each a block of rows by a block of column panels over the whole of K. A constant right
//! operand is packed at compile time; another one is read in place if its rows are dense, else packed at run time.
//! Other element types: a plain loop nest.

use super::super::lowering::{Lowered, Lowering, RowTiles, positions};
use super::super::scalar::{activation_args, compute_type, scalar_type};
use super::super::view::{Nest, View};
use super::super::weights::can_pack;
use super::{apply_activation, optional_buffer};
use crate::loopir::{BufferId, Expr, Type};
use lathe_ir::{DType, Dim, Op, ValueId};

/// Where `gemm_f32` finds its right operand.
pub(super) struct Right {
    pub(super) buffer: BufferId,
    pub(super) offset: Expr,
    pub(super) row: Expr,
    pub(super) panel: Expr,
    /// Strides of the batch axes.
    pub(super) batch: Vec<Dim>,
}

/// Rows and columns of one tile, chosen for the caches: a block of A's rows in L2 while column panels stream past.
pub(super) struct Blocks {
    pub(super) rows: i64,
    pub(super) columns: i64,
}

/// FLOPs that one tile should have at least: about 0.1 ms of one core.
const TILE_FLOPS: i64 = 8_000_000;

/// The least multiple of `step` that is not below `value`, neither negative; a step of 0, where there is nothing to do,
/// counts as 1.
pub(super) fn round_up(value: i64, step: i64) -> i64 {
    let step = step.max(1);
    (value + step - 1) / step * step
}

/// Tile sizes for an m x n x k product; `m` is the typical number of rows.
pub(super) fn blocks(m: i64, n: i64, k: i64, fixed_rows: bool) -> Blocks {
    let k = k.max(1);
    if m <= 16 {
        // Bound by reading B: about 256 KiB of it in a tile.
        let columns = (65_536 / k).max(64) / 64 * 64;
        return Blocks { rows: 64, columns };
    }
    // Widths that the register tiles divide; rows of 4 KiB multiples collide in L1 under the wide-row tile.
    let step = if k % 1024 == 0 { 64 } else { 48 };
    let mut rows = (131_072 / k).clamp(48, 1024) / 24 * 24;
    if fixed_rows && m <= rows * 3 / 2 {
        rows = m;
    }
    let flops = 2 * rows.min(m) * k;
    let columns = round_up((TILE_FLOPS / flops.max(1)).max(1), step);
    Blocks { rows, columns: columns.min(round_up(n, 16)).max(16) }
}

/// Lowers a `matmul`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (a, b) = (op.operand(0).ok_or("no left operand")?, op.operand(1).ok_or("no right operand")?);
    if l.ty(a).dtype != DType::F32 {
        return lower_plain(l, op, a, b);
    }
    let a_view = l.dense_rows(a)?;
    let k = a_view.shape[a_view.rank() - 1].clone();
    let n = l.ty(b).shape[l.ty(b).rank() - 1].clone();
    let residual = match op.operand(3) {
        Some(value) => Some(l.dense_rows(value)?),
        None => None,
    };
    let b_view = l.view(b)?;
    let right = right_operand(l, b_view, &k, &n)?;
    let bias = optional_buffer(l, op, 2)?;
    let left = l.buffer(a_view.root);
    let res_buffer = residual.as_ref().map(|view| l.buffer(view.root));
    let (c_view, c) = l.result(op, 0);

    // One row of each operand per index tuple over the batch axes and M.
    let rank = c_view.rank();
    let rows: Vec<Dim> = c_view.shape[..rank - 1].to_vec();
    let a_rows = a_view.broadcast(&[&rows[..], &[k.clone()][..]].concat(), &[]);
    let mut b_strides = vec![Dim::ZERO; rank - 1 - right.batch.len() - 1];
    b_strides.extend(right.batch.iter().cloned());
    b_strides.push(Dim::ZERO);
    let zeros = vec![Dim::ZERO; rank];
    let res_strides = residual.as_ref().map_or(&zeros[..], |view| &view.strides[..]);
    let order: Vec<usize> = (0..rank - 1).collect();
    let operands = [&a_rows.strides[..rank - 1], &c_view.strides[..rank - 1], &b_strides, &res_strides[..rank - 1]];
    let nest = Nest::new(&rows, &order, &operands);
    let whole = nest.clone();
    let (mut outer, mut m, mut steps) = nest.split_inner();
    if !steps[2].is(0) {
        // The innermost axis walks over matrices of B, so that each has one row of A.
        (outer, m, steps) = (whole, Dim::ONE, vec![Dim::ZERO; 4]);
    }

    let size = blocks(l.typical(&m), l.typical(&n), l.typical(&k), m.as_const().is_some());
    let (m, n, k) = (l.dims.expr(&m), l.dims.expr(&n), l.dims.expr(&k));
    let row_blocks = m.ceil_div(size.rows);
    let column_blocks = n.ceil_div(size.columns);
    let matrices = l.dims.expr(&outer.count());
    let [act, p0, p1] = activation_args(op);
    let node = l.node(op);
    let dims = std::mem::take(&mut l.dims);
    let (a_start, res_start) =
        (dims.expr(&a_view.offset), residual.as_ref().map_or(Expr::i64(0), |view| dims.expr(&view.offset)));
    let lda = dims.expr(&steps[0]);
    let ldc = dims.expr(&steps[1]);
    let ldres = dims.expr(&steps[3]);
    let strides: Vec<&[Dim]> = outer.strides.iter().map(Vec::as_slice).collect();
    let tiles = matrices * row_blocks.clone() * column_blocks.clone();
    l.kernel("matmul", node, tiles, |b| {
        // Column blocks are innermost, so that neighbours in time share the rows of A.
        let column_blocks = b.let_(column_blocks);
        let rest = b.let_(b.tile().floor_div(column_blocks.clone()));
        let column = b.let_((b.tile() - &rest * &column_blocks) * size.columns);
        let row_blocks = b.let_(row_blocks);
        let matrix = b.let_(rest.floor_div(row_blocks.clone()));
        let row = b.let_((&rest - &matrix * &row_blocks) * size.rows);
        let height = b.let_((&m - &row).min(size.rows));
        let width = b.let_((&n - &column).min(size.columns));
        let at = positions(b, &dims, &matrix, &outer.sizes, &strides);
        let x = b.addr(left, &at[0] + a_start + &row * &lda);
        let y = b.addr(right.buffer, &at[2] + &right.offset + column.floor_div(16) * &right.panel);
        let z = b.addr(c, &at[1] + &row * &ldc + &column);
        let bias = bias.map_or_else(Expr::null, |(buffer, start)| b.addr(buffer, start + &column));
        let res = match res_buffer {
            Some(buffer) => b.addr(buffer, &at[3] + res_start + &row * &ldres + &column),
            None => Expr::null(),
        };
        let args = [height, width, k, x, lda, y, right.row, right.panel, z, ldc, bias, res, ldres, act, p0, p1];
        b.call("gemm_f32", args);
    });
    l.dims = dims;
    Ok(())
}

/// Finds or makes a form of the right operand that `gemm_f32` reads.
pub(super) fn right_operand(l: &mut Lowering<'_>, view: View, k: &Dim, n: &Dim) -> Result<Right, String> {
    let rank = view.rank();
    let batch_shape = view.shape[..rank - 2].to_vec();
    // Axes of size 1 may broadcast: every matrix of the result reads the one that is there.
    let batch_strides: Vec<Dim> = (0..rank - 2)
        .map(|axis| if batch_shape[axis].is(1) { Dim::ZERO } else { view.strides[axis].clone() })
        .collect();
    let is_graph_value = view.root.index() < l.graph.value_count();
    let constant = if is_graph_value { l.constant(view.root).filter(|tensor| can_pack(tensor)) } else { None };
    if let (Some(tensor), Some(k), Some(n), Some(start)) = (constant, k.as_size(), n.as_size(), view.offset.as_size()) {
        let batch_nest = Nest::new(&batch_shape, &(0..rank - 2).collect::<Vec<_>>(), &[&batch_strides]);
        let strides = [&view.strides[rank - 2], &view.strides[rank - 1]].map(Dim::as_size);
        let batch = match (batch_nest.sizes.as_slice(), batch_nest.strides[0].as_slice()) {
            ([], _) => Some((1, 0)),
            ([size], [stride]) => size.as_size().zip(stride.as_size()).filter(|(_, stride)| *stride > 0),
            _ => None,
        };
        if let ([Some(k_stride), Some(n_stride)], Some(batch)) = (strides, batch) {
            let id = l.weights.panels(tensor, start, batch, (k, n), (k_stride, n_stride));
            let matrix = (n.div_ceil(16) * 16 * k) as i64;
            let buffer = l.packed(id, Type::F32, Expr::i64(batch.0 as i64 * matrix));
            let packed = packed_strides(&batch_shape, &Dim::from(matrix));
            let panel = Expr::i64(k as i64 * 16);
            return Ok(Right { buffer, offset: Expr::i64(0), row: Expr::i64(16), panel, batch: packed });
        }
    }
    let buffer = l.buffer(view.root);
    let offset = l.dims.expr(&view.offset);
    if view.has_dense_rows() {
        let row = l.dims.expr(&view.strides[rank - 2]);
        return Ok(Right { buffer, offset, row, panel: Expr::i64(16), batch: batch_strides });
    }
    // Columns are not dense: pack each matrix first.
    let matrix = &(&n.ceil_div(&Dim::from(16)) * &Dim::from(16)) * k;
    let count = Dim::product_of(&batch_shape);
    let packed_len = l.dims.expr(&(&count * &matrix));
    let packed = l.temporary("packed", Type::F32, packed_len);
    let node = l.nodes.len().saturating_sub(1) as i32;
    let dims = std::mem::take(&mut l.dims);
    let panels = b_panels(&dims.expr(n));
    let (rows, columns) = (dims.expr(k), dims.expr(n));
    let (rs, cs) = (dims.expr(&view.strides[rank - 2]), dims.expr(&view.strides[rank - 1]));
    let matrix_len = dims.expr(&matrix);
    // Eight panels a tile.
    let parts = panels.ceil_div(8);
    l.kernel("pack_b", node, dims.expr(&count) * parts.clone(), |b| {
        let parts = b.let_(parts);
        let index = b.let_(b.tile().floor_div(parts.clone()));
        let column = b.let_((b.tile() - &index * &parts) * 128);
        let width = b.let_((&columns - &column).min(128));
        let at = positions(b, &dims, &index, &batch_shape, &[&batch_strides]);
        let x = b.addr(buffer, &at[0] + &offset + &column * &cs);
        let y = b.addr(packed, &index * matrix_len + &column * &rows);
        b.call("pack_b_f32", [rows.clone(), width, x, rs, cs, y]);
    });
    l.dims = dims;
    let panel = l.dims.expr(k) * 16;
    Ok(Right {
        buffer: packed,
        offset: Expr::i64(0),
        row: Expr::i64(16),
        panel,
        batch: packed_strides(&batch_shape, &matrix),
    })
}

fn b_panels(n: &Expr) -> Expr {
    n.ceil_div(16)
}

/// Strides of batch axes over matrices stored one after the other; 0 along axes of size 1, which may broadcast.
fn packed_strides(shape: &[Dim], matrix: &Dim) -> Vec<Dim> {
    let mut strides = vec![Dim::ZERO; shape.len()];
    let mut stride = matrix.clone();
    for axis in (0..shape.len()).rev() {
        if !shape[axis].is(1) {
            strides[axis] = stride.clone();
        }
        stride = &stride * &shape[axis];
    }
    strides
}

/// Any element type: sums in the type itself (f16 and bf16 in f32), one element of the result at a time.
fn lower_plain(l: &mut Lowering<'_>, op: &Op, a: ValueId, b: ValueId) -> Lowered {
    let (a_view, b_view) = (l.view(a)?, l.view(b)?);
    let (left, right) = (l.buffer(a_view.root), l.buffer(b_view.root));
    let bias = optional_buffer(l, op, 2)?;
    let residual = match op.operand(3) {
        Some(value) => {
            let view = l.contiguous(value)?;
            Some((l.buffer(view.root), l.dims.expr(&view.offset)))
        }
        None => None,
    };
    let (c_view, c) = l.result(op, 0);
    let rank = c_view.rank();
    let k = a_view.shape[a_view.rank() - 1].clone();
    let wide = |view: &View, keep: usize| {
        let mut shape = c_view.shape[..rank - 2].to_vec();
        shape.extend(view.shape[view.rank() - keep..].iter().cloned());
        view.broadcast(&shape, &[])
    };
    let (a_wide, b_wide) = (wide(&a_view, 2), wide(&b_view, 2));
    let elem = scalar_type(l.graph.ty(op.result()).dtype);
    let acc_type = compute_type(elem);
    let node = l.node(op);
    let tiles = RowTiles::new(
        l.dims.expr(&Dim::product_of(&c_view.shape[..rank - 1])),
        l.dims.expr(&c_view.shape[rank - 1]),
        64,
    );
    let dims = std::mem::take(&mut l.dims);
    let (a_start, b_start) = (dims.expr(&a_view.offset), dims.expr(&b_view.offset));
    let (ak, bk, bn) = (
        dims.expr(&a_wide.strides[rank - 1]),
        dims.expr(&b_wide.strides[rank - 2]),
        dims.expr(&b_wide.strides[rank - 1]),
    );
    let n = dims.expr(&c_view.shape[rank - 1]);
    let k = dims.expr(&k);
    let mut b_rows = b_wide.strides[..rank - 2].to_vec();
    b_rows.push(Dim::ZERO);
    l.kernel("matmul_plain", node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, row, begin, end| {
            let at = positions(b, &dims, &row, &c_view.shape[..rank - 1], &[&a_wide.strides[..rank - 1], &b_rows]);
            let a_row = b.let_(&at[0] + a_start);
            let b_matrix = b.let_(&at[1] + b_start);
            b.for_(begin, end, 1, |b, j| {
                let sum = b.var(Expr::constant(acc_type, 0.0));
                b.for_(0, k.clone(), 1, |b, i| {
                    let x = b.load(left, &a_row + &i * &ak).cast(acc_type);
                    let y = b.load(right, &b_matrix + &i * &bk + &j * &bn).cast(acc_type);
                    b.assign(sum, sum.get() + x * y);
                });
                let mut value = sum.get();
                if let Some((buffer, start)) = &bias {
                    value = value + b.load(*buffer, start + &j).cast(acc_type);
                }
                let to = b.let_(&row * &n + &j);
                if let Some((buffer, start)) = &residual {
                    value = value + b.load(*buffer, start + &to).cast(acc_type);
                }
                let value = b.let_(value);
                let value = apply_activation(b, op, &value);
                b.store(c, to, value.cast(elem));
            });
        });
    });
    l.dims = dims;
    Ok(())
}
