//! Tiles of kernels that walk rows of elements, and positions of rows in memory.

use super::dims::DimMap;
use crate::loopir::{Builder, Expr};
use lathe_ir::Dim;

/// Elements that one tile of a memory-bound kernel should handle: small enough to share out, large enough to pay.
pub(crate) const TILE_ELEMENTS: i64 = 16 * 1024;

/// Splits work over `rows` rows of `inner` elements into tiles of about [`TILE_ELEMENTS`] elements: whole rows if they
/// are short, parts of one row if they are long.
pub(crate) struct RowTiles {
    /// Number of tiles.
    pub(crate) tiles: Expr,
    rows: Expr,
    inner: Expr,
    rows_per_tile: Expr,
    parts: Expr,
    part: i64,
}

impl RowTiles {
    /// The split; `part` elements at the most of one row go in one tile.
    pub(crate) fn new(rows: Expr, inner: Expr, work_per_element: i64) -> RowTiles {
        let part = (TILE_ELEMENTS / work_per_element.max(1)).max(256);
        let rows_per_tile = Expr::i64(part).floor_div(inner.max(1)).max(1);
        let parts = inner.ceil_div(part).max(1);
        RowTiles {
            tiles: rows.ceil_div(rows_per_tile.clone()) * parts.clone(),
            rows,
            inner,
            rows_per_tile,
            parts,
            part,
        }
    }

    /// Calls `body(row, begin, end)` for each row of the tile with the elements of it that belong to the tile.
    pub(crate) fn for_rows(&self, b: &mut Builder<'_>, body: impl FnOnce(&mut Builder<'_>, Expr, Expr, Expr)) {
        let per_tile = b.let_(self.rows_per_tile.clone());
        let parts = b.let_(self.parts.clone());
        let group = b.let_(b.tile().floor_div(parts.clone()));
        let first = b.let_(&group * &per_tile);
        let last = b.let_((&first + &per_tile).min(self.rows.clone()));
        let begin = b.let_((b.tile() - &group * &parts) * self.part);
        let end = b.let_((&begin + self.part).min(self.inner.clone()));
        b.for_(first, last, 1, |b, row| body(b, row, begin, end));
    }
}

/// Splits a row number into indices along `sizes` and gives the position under each set of strides.
pub(crate) fn positions(
    b: &mut Builder<'_>,
    dims: &DimMap,
    row: &Expr,
    sizes: &[Dim],
    strides: &[&[Dim]],
) -> Vec<Expr> {
    let mut rest = row.clone();
    let mut sums: Vec<Option<Expr>> = vec![None; strides.len()];
    for axis in (0..sizes.len()).rev() {
        let index = if axis == 0 {
            rest.clone()
        } else {
            let size = dims.expr(&sizes[axis]);
            let quotient = b.let_(rest.floor_div(size.clone()));
            let index = b.let_(&rest - &quotient * &size);
            rest = quotient;
            index
        };
        for (sum, strides) in sums.iter_mut().zip(strides) {
            if !strides[axis].is(0) {
                let step = &index * dims.expr(&strides[axis]);
                *sum = Some(match sum.take() {
                    Some(sum) => sum + step,
                    None => step,
                });
            }
        }
    }
    sums.into_iter().map(|sum| b.let_(sum.unwrap_or_else(|| Expr::i64(0)))).collect()
}
