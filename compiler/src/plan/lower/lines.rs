//! Walks over the lines of a tensor along one axis: what softmax, cumulative sums and selections share.

use super::super::lowering::{Lowering, RowTiles, positions};
use super::super::view::View;
use crate::loopir::{BufferId, Builder, Expr};
use lathe_ir::{Dim, Op};

/// One operand of a line walk: start of the line and step along it, in elements of its buffer.
pub(super) struct Line {
    pub(super) buffer: BufferId,
    pub(super) start: Expr,
    pub(super) step: Expr,
}

/// Adds a kernel that calls `body` once for every line along `axis` of the views (equal in all other axes), with one
/// [`Line`] for each view and the length of the first view's line.
pub(super) fn for_lines(
    l: &mut Lowering<'_>,
    op: &Op,
    axis: usize,
    views: &[(View, BufferId)],
    body: impl FnOnce(&mut Builder<'_>, &[Line], &Expr),
) {
    let node = l.node(op);
    let without_axis = |from: &[Dim]| -> Vec<Dim> {
        from.iter().enumerate().filter(|(at, _)| *at != axis).map(|(_, dim)| dim.clone()).collect()
    };
    let sizes = without_axis(&views[0].0.shape);
    let strides: Vec<Vec<Dim>> = views.iter().map(|(view, _)| without_axis(&view.strides)).collect();
    let length = l.dims.expr(&views[0].0.shape[axis]);
    // One line is one row of work.
    let tiles = RowTiles::new(
        l.dims.expr(&Dim::product_of(&sizes)),
        Expr::i64(1),
        l.typical(&views[0].0.shape[axis]).max(1) * 4,
    );
    let dims = std::mem::take(&mut l.dims);
    let parts: Vec<&[Dim]> = strides.iter().map(Vec::as_slice).collect();
    l.kernel(op.code.name(), node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, row, _, _| {
            let at = positions(b, &dims, &row, &sizes, &parts);
            let lines: Vec<Line> = views
                .iter()
                .zip(at)
                .map(|((view, buffer), at)| Line {
                    buffer: *buffer,
                    start: b.let_(at + dims.expr(&view.offset)),
                    step: dims.expr(&view.strides[axis]),
                })
                .collect();
            body(b, &lines, &length);
        });
    });
    l.dims = dims;
}

impl Line {
    /// Position of element `index`.
    pub(super) fn at(&self, index: &Expr) -> Expr {
        &self.start + index * &self.step
    }
}
