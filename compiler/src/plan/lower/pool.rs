//! Max and average pools, channels last. f32 with one or two spatial axes runs by rows in the runtime's kernels.

use super::super::lowering::{Lowered, Lowering};
use super::window;
use crate::loopir::Expr;
use lathe_ir::{DType, Dim, Op, OpCode};

/// Output elements that one tile should have.
const TILE_ELEMENTS: i64 = 16 * 1024;

/// Lowers `max_pool` and `avg_pool`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no input")?;
    let spatial = l.ty(x).rank() - 2;
    if l.ty(x).dtype != DType::F32 || !(1..=2).contains(&spatial) {
        return window::lower_pool(l, op);
    }
    let x_view = l.dense_tail(x, spatial + 1)?;
    let input = l.buffer(x_view.root);
    let (y_view, y) = l.result(op, 0);
    let two = |values: &[i64], missing: i64| match values {
        [h, w] => [*h, *w],
        [w] => [missing, *w],
        _ => [missing, missing],
    };
    let sizes = |shape: &[Dim]| -> [Dim; 2] {
        if spatial == 2 { [shape[1].clone(), shape[2].clone()] } else { [Dim::ONE, shape[1].clone()] }
    };
    let ([h, w], [oh, ow]) = (sizes(&x_view.shape), sizes(&y_view.shape));
    let channels = x_view.shape[spatial + 1].clone();
    let [kernel, strides, dilations] =
        [two(op.ints("kernel"), 1), two(op.ints("strides"), 1), two(op.ints("dilations"), 1)];
    let (pads, pads_after) = (two(op.ints("pads_before"), 0), two(op.ints("pads_after"), 0));
    let row_work = (l.typical(&ow) * l.typical(&channels)).max(1);
    let rows = (TILE_ELEMENTS / row_work).clamp(1, l.typical(&oh).max(1));
    let is_max = op.code == OpCode::MaxPool;
    let counts_padding = i64::from(op.flag("count_include_pad"));
    let node = l.node(op);
    let dims = std::mem::take(&mut l.dims);
    let [h, w, oh, ow, c] = [&h, &w, &oh, &ow, &channels].map(|dim| dims.expr(dim));
    let blocks = oh.ceil_div(rows);
    let (x_image, x_start) = (dims.expr(&x_view.strides[0]), dims.expr(&x_view.offset));
    let y_image = dims.expr(&y_view.strides[0]);
    l.kernel(op.code.name(), node, dims.expr(&x_view.shape[0]) * blocks.clone(), |b| {
        let blocks = b.let_(blocks);
        let image = b.let_(b.tile().floor_div(blocks.clone()));
        let first = b.let_((b.tile() - &image * &blocks) * rows);
        let last = b.let_((&first + rows).min(oh.clone()));
        let from = b.addr(input, &image * x_image + x_start);
        let to = b.addr(y, &image * y_image);
        let int = Expr::i64;
        let mut args = vec![
            from,
            h,
            w,
            c.clone(),
            c.clone(),
            int(kernel[0]),
            int(kernel[1]),
            to,
            oh,
            ow,
            c,
            int(strides[0]),
            int(strides[1]),
            int(dilations[0]),
            int(dilations[1]),
            int(pads[0]),
            int(pads[1]),
            first,
            last,
        ];
        if !is_max {
            args.extend([int(counts_padding), int(pads_after[0]), int(pads_after[1])]);
        }
        b.call(if is_max { "maxpool2d_f32" } else { "avgpool2d_f32" }, args);
    });
    l.dims = dims;
    Ok(())
}
