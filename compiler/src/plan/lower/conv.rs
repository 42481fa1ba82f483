//! Convolutions, channels last.
//!
//! f32 with constant weights and one or two spatial axes: a 1x1 convolution is a matrix product over the pixels,
//! depthwise and other convolutions are tiles of the direct kernels. Everything else is the loop nest of `window.rs`.

use super::super::lowering::{Lowered, Lowering};
use super::super::scalar::activation_args;
use super::super::weights::can_pack;
use super::matmul::{blocks, round_up};
use super::{optional_buffer, window, winograd};
use crate::loopir::{BufferId, Expr, Type};
use lathe_ir::{DType, Dim, Op};

/// FLOPs that one tile should have at least.
const TILE_FLOPS: i64 = 16_000_000;
/// Images of up to this many pixels are one register-tiled block of rows; channels are split instead.
const SMALL_IMAGE: i64 = 256;

/// What every variant needs, two spatial axes always (a 1-D convolution has height 1).
pub(super) struct Conv {
    pub(super) node: i32,
    pub(super) x: BufferId,
    pub(super) x_start: Expr,
    pub(super) y: BufferId,
    pub(super) bias: Option<(BufferId, Expr)>,
    pub(super) res: Option<(BufferId, Expr)>,
    pub(super) images: Dim,
    /// Input height, width; output height, width.
    pub(super) h: Dim,
    pub(super) w: Dim,
    pub(super) oh: Dim,
    pub(super) ow: Dim,
    /// Input and output channels, in all.
    pub(super) c: i64,
    pub(super) m: i64,
    pub(super) kernel: [i64; 2],
    pub(super) strides: [i64; 2],
    pub(super) dilations: [i64; 2],
    pub(super) pads: [i64; 2],
    pub(super) groups: i64,
    /// Distance between images.
    pub(super) x_image: Dim,
    pub(super) x_pix: i64,
}

impl Conv {
    /// The arguments of the direct kernels from the result's size on: its pixel distance, the window's steps and the output
    /// rows to compute.
    fn result_args(&self, size: [Expr; 2], rows: [Expr; 2]) -> Vec<Expr> {
        let steps = [self.strides, self.dilations, self.pads];
        let window = std::iter::once(self.m).chain(steps.into_iter().flatten()).map(Expr::i64);
        size.into_iter().chain(window).chain(rows).collect()
    }
}

/// Lowers a `conv`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (x, w) = (op.operand(0).ok_or("no input")?, op.operand(1).ok_or("no weights")?);
    let weights = l.constant(w).filter(|tensor| can_pack(tensor));
    let spatial = l.ty(x).rank() - 2;
    let x_channels = l.ty(x).shape[spatial + 1].as_const();
    let (Some(tensor), Some(c), true) =
        (weights, x_channels, l.ty(x).dtype == DType::F32 && (1..=2).contains(&spatial))
    else {
        return window::lower_conv(l, op);
    };
    let x_view = l.dense_tail(x, spatial + 1)?;
    let bias = optional_buffer(l, op, 2)?;
    let res = optional_buffer(l, op, 3)?;
    let x_buffer = l.buffer(x_view.root);
    let (y_view, y) = l.result(op, 0);
    let two = |values: &[i64], missing: i64| match values {
        [h, w] => [*h, *w],
        [w] => [missing, *w],
        _ => [missing, missing],
    };
    let sizes = |shape: &[Dim]| -> [Dim; 2] {
        if spatial == 2 { [shape[1].clone(), shape[2].clone()] } else { [Dim::ONE, shape[1].clone()] }
    };
    let ([h, width], [oh, ow]) = (sizes(&x_view.shape), sizes(&y_view.shape));
    let taps: Vec<i64> = tensor.shape()[2..].iter().map(|&size| size as i64).collect();
    let conv = Conv {
        node: l.node(op),
        x: x_buffer,
        x_start: l.dims.expr(&x_view.offset),
        y,
        bias,
        res,
        images: x_view.shape[0].clone(),
        h,
        w: width,
        oh,
        ow,
        c,
        m: tensor.shape()[0] as i64,
        kernel: two(&taps, 1),
        strides: two(op.ints("strides"), 1),
        dilations: two(op.ints("dilations"), 1),
        pads: two(op.ints("pads_before"), 0),
        groups: op.int("groups"),
        x_image: x_view.strides[0].clone(),
        x_pix: c,
    };
    let is_pointwise = conv.kernel == [1, 1]
        && conv.strides == [1, 1]
        && conv.groups == 1
        && op.ints("pads_before").iter().chain(op.ints("pads_after")).all(|&pad| pad == 0);
    if is_pointwise {
        pointwise(l, op, &conv, tensor);
    } else if conv.groups == conv.c && conv.m == conv.c && conv.res.is_none() {
        depthwise(l, op, &conv, tensor);
    } else if winograd::pays(l, &conv, tensor) {
        winograd::lower(l, op, &conv, tensor);
    } else {
        direct(l, op, &conv, tensor);
    }
    Ok(())
}

/// A matrix product of pixels by channels.
fn pointwise(l: &mut Lowering<'_>, op: &Op, conv: &Conv, tensor: &lathe_ir::Tensor) {
    let (k, n) = (conv.c, conv.m);
    let id = l.weights.panels(tensor, 0, (1, 0), (k as usize, n as usize), (1, k as usize));
    let packed = l.packed(id, Type::F32, Expr::i64(round_up(n, 16) * k));
    let image = &conv.h * &conv.w;
    // Images that follow each other without gaps are one matrix.
    let dense = conv.x_image == &image * &Dim::from(conv.x_pix) || conv.images.is(1);
    let (rows, matrices) = if dense { (&image * &conv.images, Dim::ONE) } else { (image.clone(), conv.images.clone()) };
    let size = blocks(l.typical(&rows), n, k, rows.as_const().is_some());
    let dims = std::mem::take(&mut l.dims);
    let m = dims.expr(&rows);
    let row_blocks = m.ceil_div(size.rows);
    let column_blocks = Expr::i64(n).ceil_div(size.columns);
    let x_image = dims.expr(&conv.x_image);
    let y_image = dims.expr(&image) * n;
    let [act, p0, p1] = activation_args(op);
    l.kernel("conv1x1", conv.node, dims.expr(&matrices) * row_blocks.clone() * column_blocks.clone(), |b| {
        let rest = b.let_(b.tile().floor_div(column_blocks.clone()));
        let column = b.let_((b.tile() - &rest * &column_blocks) * size.columns);
        let row_blocks = b.let_(row_blocks);
        let matrix = b.let_(rest.floor_div(row_blocks.clone()));
        let row = b.let_((&rest - &matrix * &row_blocks) * size.rows);
        let height = b.let_((&m - &row).min(size.rows));
        let width = b.let_((Expr::i64(n) - &column).min(size.columns));
        let x = b.addr(conv.x, &matrix * x_image + &conv.x_start + &row * conv.x_pix);
        let w = b.addr(packed, column.floor_div(16) * (k * 16));
        let to = b.let_(&matrix * y_image + &row * n + &column);
        let y = b.addr(conv.y, &to);
        let bias = conv.bias.as_ref().map_or_else(Expr::null, |(buffer, start)| b.addr(*buffer, start + &column));
        let res = conv.res.as_ref().map_or_else(Expr::null, |(buffer, start)| b.addr(*buffer, start + &to));
        let (k, n) = (Expr::i64(k), Expr::i64(n));
        let args = [
            height,
            width,
            k.clone(),
            x,
            Expr::i64(conv.x_pix),
            w,
            16.into(),
            k * 16,
            y,
            n.clone(),
            bias,
            res,
            n,
            act,
            p0,
            p1,
        ];
        b.call("gemm_f32", args);
    });
    l.dims = dims;
}

/// Rows of output that one tile computes.
fn rows_per_tile(l: &Lowering<'_>, conv: &Conv, flops_per_pixel: i64) -> i64 {
    let (oh, ow) = (l.typical(&conv.oh).max(1), l.typical(&conv.ow).max(1));
    if oh * ow <= SMALL_IMAGE {
        return oh;
    }
    (TILE_FLOPS / (ow * flops_per_pixel).max(1)).clamp(1, oh)
}

fn depthwise(l: &mut Lowering<'_>, op: &Op, conv: &Conv, tensor: &lathe_ir::Tensor) {
    let taps = conv.kernel[0] * conv.kernel[1];
    let id = l.weights.depthwise(tensor, conv.c as usize, taps as usize);
    let packed = l.packed(id, Type::F32, Expr::i64(conv.c * taps));
    // Memory bound: several times the FLOPs of a tile that is bound by arithmetic.
    let rows = rows_per_tile(l, conv, conv.c * taps * 2 * 16);
    let dims = std::mem::take(&mut l.dims);
    let [h, w, oh, ow] = [&conv.h, &conv.w, &conv.oh, &conv.ow].map(|dim| dims.expr(dim));
    let blocks = oh.ceil_div(rows);
    let x_image = dims.expr(&conv.x_image);
    let y_image = dims.expr(&(&conv.oh * &conv.ow)) * conv.m;
    let [act, p0, p1] = activation_args(op);
    l.kernel("depthwise", conv.node, dims.expr(&conv.images) * blocks.clone(), |b| {
        let blocks = b.let_(blocks);
        let image = b.let_(b.tile().floor_div(blocks.clone()));
        let first = b.let_((b.tile() - &image * &blocks) * rows);
        let last = b.let_((&first + rows).min(oh.clone()));
        let x = b.addr(conv.x, &image * x_image + &conv.x_start);
        let y = b.addr(conv.y, &image * y_image);
        let weights = b.addr(packed, 0);
        let bias = conv.bias.as_ref().map_or_else(Expr::null, |(buffer, start)| b.addr(*buffer, start));
        let int = Expr::i64;
        let [kh, kw] = conv.kernel.map(int);
        let mut args = vec![x, h, w, int(conv.c), int(conv.x_pix), weights, kh, kw, y];
        args.extend(conv.result_args([oh, ow], [first, last]));
        args.extend([bias, act, p0, p1]);
        b.call("dwconv2d_f32", args);
    });
    l.dims = dims;
}

fn direct(l: &mut Lowering<'_>, op: &Op, conv: &Conv, tensor: &lathe_ir::Tensor) {
    let taps = conv.kernel[0] * conv.kernel[1];
    let (group_in, group_out) = (conv.c / conv.groups, conv.m / conv.groups);
    let id = l.weights.conv(tensor, conv.groups as usize, group_out as usize, group_in as usize, taps as usize);
    let panel = taps * group_in * 16;
    let panels = round_up(group_out, 16) / 16;
    let packed = l.packed(id, Type::F32, Expr::i64(conv.groups * panels * panel));
    let flops_per_channel = 2 * group_in * taps;
    let rows = rows_per_tile(l, conv, flops_per_channel * group_out);
    // Small images are split by output channels, 32 of them being one register tile.
    let pixels = rows * l.typical(&conv.ow).max(1);
    let channels = if l.typical(&conv.oh) <= rows {
        round_up((TILE_FLOPS / 2 / (pixels * flops_per_channel).max(1)).max(1), 32)
    } else {
        group_out
    }
    .min(panels * 16)
    .max(1); // of no channels there are no blocks
    let dims = std::mem::take(&mut l.dims);
    let [h, w, oh, ow] = [&conv.h, &conv.w, &conv.oh, &conv.ow].map(|dim| dims.expr(dim));
    let row_blocks = oh.ceil_div(rows);
    let channel_blocks = round_up(group_out, channels) / channels;
    let x_image = dims.expr(&conv.x_image);
    let y_image = dims.expr(&(&conv.oh * &conv.ow)) * conv.m;
    let [act, p0, p1] = activation_args(op);
    let tiles = dims.expr(&conv.images) * conv.groups * row_blocks.clone() * channel_blocks;
    l.kernel("conv", conv.node, tiles, |b| {
        let rest = b.let_(b.tile().floor_div(channel_blocks));
        let channel = b.let_((b.tile() - &rest * channel_blocks) * channels);
        let row_blocks = b.let_(row_blocks);
        let image_group = b.let_(rest.floor_div(row_blocks.clone()));
        let first = b.let_((&rest - &image_group * &row_blocks) * rows);
        let last = b.let_((&first + rows).min(oh.clone()));
        let image = b.let_(image_group.floor_div(conv.groups));
        let group = b.let_(&image_group - &image * conv.groups);
        let width = b.let_((Expr::i64(group_out) - &channel).min(channels));
        let out_channel = b.let_(&group * group_out + &channel);
        let x = b.addr(conv.x, &image * x_image + &conv.x_start + &group * group_in);
        let weights = b.addr(packed, (&group * panels + channel.floor_div(16)) * panel);
        let to = b.let_(&image * y_image + &out_channel);
        let y = b.addr(conv.y, &to);
        let bias = conv.bias.as_ref().map_or_else(Expr::null, |(buffer, start)| b.addr(*buffer, start + &out_channel));
        let res = conv.res.as_ref().map_or_else(Expr::null, |(buffer, start)| b.addr(*buffer, start + &to));
        let int = Expr::i64;
        let [kh, kw] = conv.kernel.map(int);
        let mut args = vec![x, h, w, int(group_in), int(conv.x_pix), weights, width, kh, kw, y];
        args.extend(conv.result_args([oh, ow], [first, last]));
        args.extend([bias, res, act, p0, p1]);
        b.call("conv2d_f32", args);
    });
    l.dims = dims;
}
