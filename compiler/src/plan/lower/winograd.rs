//! 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): tiles of 4x4 outputs go through 36 matrix products with a quarter
//! of the direct convolution's multiplications.
//!
//! A tile of the grid transforms a block of image tiles into scratch, multiplies and transforms back, so that what lies
//! between stays in the cache. The weights are four times as large as the direct convolution's; whether that pays is told
//! from the sizes.

use super::super::lowering::Lowering;
use super::super::scalar::activation_args;
use super::conv::Conv;
use super::matmul::round_up;
use crate::loopir::{Expr, Type};
use lathe_ir::{Dim, Op, Tensor};

/// Outputs of a tile along one dimension.
const TILE: i64 = 4;
/// Matrices.
const PLANES: i64 = 36;
/// Bytes of scratch that stay in the second-level cache beside the weights that stream past.
const BLOCK_BYTES: i64 = 640 * 1024;
/// Blocks that there should be at least, for several threads.
const BLOCKS: i64 = 4;
/// Fewest channels, in and out, for which the matrix products are efficient.
const CHANNELS: i64 = 16;
/// Distance between planes beyond their size, in elements: the same element of all planes must not fall into one set of the
/// first-level cache.
const PLANE_GAP: i64 = 16;

/// FLOPs that one core does while it reads one byte of weights from memory.
const FLOPS_PER_BYTE: i64 = 5;

/// True if all weights are whole numbers: of a convolution of integers, perhaps, whose sums are exact and stay so.
fn are_whole(tensor: &Tensor) -> bool {
    tensor.bytes().chunks_exact(4).all(|bytes| {
        let value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        value == value.trunc()
    })
}

/// Number of tiles of an image at typical sizes.
fn tiles(l: &Lowering<'_>, conv: &Conv) -> i64 {
    let along = |dim: &Dim| (l.typical(dim).max(1) + TILE - 1) / TILE;
    along(&conv.oh).saturating_mul(along(&conv.ow))
}

/// Whether the convolution is of this kind and faster this way at typical sizes. The time of each way is that of its
/// arithmetic, or of reading its weights if that takes longer; the small products of this way and its transforms take
/// about 1.5 times their FLOPs.
pub(super) fn pays(l: &Lowering<'_>, conv: &Conv, tensor: &Tensor) -> bool {
    let fits = conv.kernel == [3, 3] && conv.strides == [1, 1] && conv.dilations == [1, 1] && conv.groups == 1;
    if !fits || !l.options.inexact_algorithms || conv.c < CHANNELS || conv.m < CHANNELS || are_whole(tensor) {
        return false;
    }
    let channels = conv.c.saturating_mul(conv.m);
    let images = l.typical(&conv.images).max(1);
    let pixels = images.saturating_mul(l.typical(&conv.oh).max(1)).saturating_mul(l.typical(&conv.ow).max(1));
    let time = |products: i64, factor: i64, weights: i64| {
        let arithmetic = products.saturating_mul(channels) / 2 * factor;
        arithmetic.max(weights.saturating_mul(channels).saturating_mul(4 * FLOPS_PER_BYTE))
    };
    let direct = time(pixels.saturating_mul(2 * 9), 2, 9);
    let this = time(images.saturating_mul(tiles(l, conv)).saturating_mul(2 * PLANES), 3, PLANES);
    this < direct / 10 * 9
}

/// Adds the kernel.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op, conv: &Conv, tensor: &Tensor) {
    let (c, m) = (conv.c, conv.m);
    let id = l.weights.winograd(tensor, m as usize, c as usize);
    let matrix = round_up(m, 16) * c;
    let packed = l.packed(id, Type::F32, Expr::i64(PLANES * matrix));
    // Blocks of tiles of about one size; few of them are cut by output channels too.
    let all = tiles(l, conv);
    let most = (BLOCK_BYTES / (PLANES * 4 * (c + m))).clamp(4, 64);
    let blocks = (all + most - 1) / most;
    let block = (all + blocks - 1) / blocks;
    let cuts = (BLOCKS + blocks - 1) / blocks;
    let width = round_up((m + cuts - 1) / cuts, 32);
    let column_blocks = (m + width - 1) / width;
    let (v_plane, m_plane) = (block * c + PLANE_GAP, block * width.min(m) + PLANE_GAP);

    let dims = std::mem::take(&mut l.dims);
    let [h, w, oh, ow] = [&conv.h, &conv.w, &conv.oh, &conv.ow].map(|dim| dims.expr(dim));
    let across = ow.ceil_div(TILE);
    let count = oh.ceil_div(TILE) * across.clone();
    let row_blocks = count.ceil_div(block);
    let x_image = dims.expr(&conv.x_image);
    let y_image = dims.expr(&(&conv.oh * &conv.ow)) * m;
    let [act, p0, p1] = activation_args(op);
    let grid = dims.expr(&conv.images) * row_blocks.clone() * column_blocks;
    l.kernel("winograd", conv.node, grid, |b| {
        let v = b.local("v", Type::F32, PLANES * v_plane);
        let product = b.local("m", Type::F32, PLANES * m_plane);
        let rest = b.let_(b.tile().floor_div(column_blocks));
        let column = b.let_((b.tile() - &rest * column_blocks) * width);
        let row_blocks = b.let_(row_blocks);
        let image = b.let_(rest.floor_div(row_blocks.clone()));
        let first = b.let_((&rest - &image * &row_blocks) * block);
        let across = b.let_(across);
        let here = b.let_((count - &first).min(block));
        let columns = b.let_((Expr::i64(m) - &column).min(width));
        let int = Expr::i64;
        let [pt, pl] = conv.pads.map(int);
        let x = b.addr(conv.x, &image * x_image + &conv.x_start);
        let (v_all, m_all) = (b.addr(v, 0), b.addr(product, 0));
        let position = [across, first, here.clone()];
        let mut args = vec![x, h, w, int(c), int(conv.x_pix), pt, pl];
        args.extend(position.iter().cloned().chain([v_all, int(v_plane)]));
        b.call("wino_in_f32", args);
        b.for_(0, PLANES, 1, |b, plane| {
            let left = b.addr(v, &plane * v_plane);
            let right = b.addr(packed, &plane * matrix + column.floor_div(16) * (c * 16));
            let to = b.addr(product, &plane * m_plane);
            let mut args = vec![here, columns.clone(), int(c), left, int(c), right, int(16), int(c * 16), to];
            args.extend([columns.clone(), Expr::null(), Expr::null(), int(0), int(0), Expr::f32(0.0), Expr::f32(0.0)]);
            b.call("gemm_f32", args);
        });
        let to = b.let_(&image * y_image + &column);
        let y = b.addr(conv.y, &to);
        let bias = conv.bias.as_ref().map_or_else(Expr::null, |(buffer, start)| b.addr(*buffer, start + &column));
        let res = conv.res.as_ref().map_or_else(Expr::null, |(buffer, start)| b.addr(*buffer, start + &to));
        let mut args = vec![m_all, int(m_plane), columns, y, oh, ow, int(m)];
        args.extend(position.into_iter().chain([bias, res, act, p0, p1]));
        b.call("wino_out_f32", args);
    });
    l.dims = dims;
}
