//! Plain loop nests for windows: convolutions, transposed convolutions and pools of any element type and any number of
//! spatial axes. Slow; the fast forms are in `conv.rs` and `pool.rs`.

use super::super::lowering::{Lowered, Lowering, RowTiles};
use super::super::scalar::{compute_type, scalar_type};
use super::super::view::View;
use super::{apply_activation, optional_buffer};
use crate::loopir::{BufferId, Builder, Expr, Type};
use lathe_ir::{Dim, Op, OpCode};

/// A value as a loop nest reads it.
struct Source {
    buffer: BufferId,
    start: Expr,
    strides: Vec<Expr>,
    sizes: Vec<Expr>,
}

impl Source {
    fn new(l: &mut Lowering<'_>, view: &View) -> Source {
        Source {
            buffer: l.buffer(view.root),
            start: l.dims.expr(&view.offset),
            strides: l.dims.exprs(&view.strides),
            sizes: l.dims.exprs(&view.shape),
        }
    }
}

/// Splits a flat pixel number into [image, spatial..].
fn split(b: &mut Builder<'_>, pixel: &Expr, sizes: &[Expr]) -> Vec<Expr> {
    let mut rest = pixel.clone();
    let mut indices = vec![Expr::i64(0); sizes.len()];
    for axis in (1..sizes.len()).rev() {
        let quotient = b.let_(rest.floor_div(sizes[axis].clone()));
        indices[axis] = b.let_(&rest - &quotient * &sizes[axis]);
        rest = quotient;
    }
    indices[0] = rest;
    indices
}

/// What is done with the taps chosen so far: for each axis the tap and the source index.
type TapBody<'a> = &'a mut dyn FnMut(&mut Builder<'_>, &[(Expr, Expr)]);

/// One loop per kernel axis; `position(tap, axis)` gives the source index and whether it may lie outside.
fn taps(
    b: &mut Builder<'_>,
    kernel: &[i64],
    limits: &[Expr],
    source: &mut dyn FnMut(&mut Builder<'_>, usize, &Expr) -> (Expr, Expr),
    mut chosen: Vec<(Expr, Expr)>,
    body: TapBody<'_>,
) {
    let axis = chosen.len();
    if axis == kernel.len() {
        body(b, &chosen);
        return;
    }
    b.for_(0, kernel[axis], 1, |b, tap| {
        let (index, also) = source(b, axis, &tap);
        let index = b.let_(index);
        b.if_(also.and(index.ge(0)).and(index.lt(limits[axis].clone())), |b| {
            chosen.push((tap, index));
            taps(b, kernel, limits, source, chosen, body);
        });
    });
}

/// `conv` as a loop nest.
pub(super) fn lower_conv(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (x, w) = (op.operand(0).ok_or("no input")?, op.operand(1).ok_or("no weights")?);
    let w_view = l.view(w)?;
    let kernel: Option<Vec<i64>> = w_view.shape[2..].iter().map(Dim::as_const).collect();
    let kernel = kernel.ok_or("the kernel's size is not a constant")?;
    let x_view = l.view(x)?;
    let (input, weights) = (Source::new(l, &x_view), Source::new(l, &w_view));
    let bias = optional_buffer(l, op, 2)?;
    let res = optional_buffer(l, op, 3)?;
    let (y_view, y) = l.result(op, 0);
    let elem = scalar_type(l.graph.ty(op.result()).dtype);
    let acc = compute_type(elem);
    let spatial = kernel.len();
    let (strides, dilations, pads) = (op.ints("strides"), op.ints("dilations"), op.ints("pads_before"));
    let node = l.node(op);
    let out_sizes = l.dims.exprs(&y_view.shape);
    let group_in = weights.sizes[1].clone();
    let group_out = out_sizes[spatial + 1].floor_div(op.int("groups"));
    let pixels = l.dims.expr(&Dim::product_of(&y_view.shape[..spatial + 1]));
    let tiles = RowTiles::new(pixels, out_sizes[spatial + 1].clone(), 64);
    l.kernel("conv_plain", node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, pixel, begin, end| {
            let at = split(b, &pixel, &out_sizes[..spatial + 1]);
            b.for_(begin, end, 1, |b, m| {
                let group = b.let_(m.floor_div(group_out.clone()));
                let first = b.let_(&group * &group_in);
                let sum = b.var(Expr::constant(acc, 0.0));
                let base = b.let_(&input.start + &at[0] * &input.strides[0]);
                let w_base = b.let_(&weights.start + &m * &weights.strides[0]);
                let mut source = |_: &mut Builder<'_>, axis: usize, tap: &Expr| {
                    (&at[axis + 1] * strides[axis] + tap * dilations[axis] - pads[axis], Expr::bool(true))
                };
                let mut body = |b: &mut Builder<'_>, chosen: &[(Expr, Expr)]| {
                    let mut from = base.clone();
                    let mut w_from = w_base.clone();
                    for (axis, (tap, index)) in chosen.iter().enumerate() {
                        from = from + index * &input.strides[axis + 1];
                        w_from = w_from + tap * &weights.strides[axis + 2];
                    }
                    let (from, w_from) = (b.let_(from), b.let_(w_from));
                    b.for_(0, group_in.clone(), 1, |b, c| {
                        let value = b.load(input.buffer, &from + (&first + &c) * &input.strides[spatial + 1]).cast(acc);
                        let weight = b.load(weights.buffer, &w_from + &c * &weights.strides[1]).cast(acc);
                        b.assign(sum, sum.get() + value * weight);
                    });
                };
                taps(b, &kernel, &input.sizes[1..=spatial], &mut source, Vec::new(), &mut body);
                let to = b.let_(&pixel * &out_sizes[spatial + 1] + &m);
                let mut value = sum.get();
                if let Some((buffer, start)) = &bias {
                    value = value + b.load(*buffer, start + &m).cast(acc);
                }
                if let Some((buffer, start)) = &res {
                    value = value + b.load(*buffer, start + &to).cast(acc);
                }
                let value = b.let_(value);
                let value = apply_activation(b, op, &value);
                b.store(y, to, value.cast(elem));
            });
        });
    });
    Ok(())
}

/// `conv_transpose` as a loop nest over the result: each element gathers the inputs that reach it.
pub(super) fn lower_conv_transpose(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (x, w) = (op.operand(0).ok_or("no input")?, op.operand(1).ok_or("no weights")?);
    let w_view = l.view(w)?;
    let kernel: Option<Vec<i64>> = w_view.shape[2..].iter().map(Dim::as_const).collect();
    let kernel = kernel.ok_or("the kernel's size is not a constant")?;
    let x_view = l.view(x)?;
    let (input, weights) = (Source::new(l, &x_view), Source::new(l, &w_view));
    let bias = optional_buffer(l, op, 2)?;
    let (y_view, y) = l.result(op, 0);
    let elem = scalar_type(l.graph.ty(op.result()).dtype);
    let acc = compute_type(elem);
    let spatial = kernel.len();
    let (strides, dilations, pads) = (op.ints("strides"), op.ints("dilations"), op.ints("pads_before"));
    let node = l.node(op);
    let out_sizes = l.dims.exprs(&y_view.shape);
    let groups = op.int("groups");
    let group_out = weights.sizes[1].clone();
    let group_in = weights.sizes[0].floor_div(groups);
    let pixels = l.dims.expr(&Dim::product_of(&y_view.shape[..spatial + 1]));
    let tiles = RowTiles::new(pixels, out_sizes[spatial + 1].clone(), 64);
    l.kernel("conv_transpose", node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, pixel, begin, end| {
            let at = split(b, &pixel, &out_sizes[..spatial + 1]);
            b.for_(begin, end, 1, |b, m| {
                let group = b.let_(m.floor_div(group_out.clone()));
                let column = b.let_(&m - &group * &group_out);
                let first = b.let_(&group * &group_in);
                let sum = b.var(Expr::constant(acc, 0.0));
                let base = b.let_(&input.start + &at[0] * &input.strides[0]);
                let mut source = |b: &mut Builder<'_>, axis: usize, tap: &Expr| {
                    // out + pad - tap * dilation = in * stride
                    let reach = b.let_(&at[axis + 1] + pads[axis] - tap * dilations[axis]);
                    let index = b.let_(reach.floor_div(strides[axis]));
                    (index.clone(), (&index * strides[axis]).eq_(reach))
                };
                let mut body = |b: &mut Builder<'_>, chosen: &[(Expr, Expr)]| {
                    let mut from = base.clone();
                    let mut w_from = &weights.start + &column * &weights.strides[1];
                    for (axis, (tap, index)) in chosen.iter().enumerate() {
                        from = from + index * &input.strides[axis + 1];
                        w_from = w_from + tap * &weights.strides[axis + 2];
                    }
                    let (from, w_from) = (b.let_(from), b.let_(w_from));
                    b.for_(0, group_in.clone(), 1, |b, c| {
                        let channel = b.let_(&first + &c);
                        let value = b.load(input.buffer, &from + &channel * &input.strides[spatial + 1]).cast(acc);
                        let weight = b.load(weights.buffer, &w_from + &channel * &weights.strides[0]).cast(acc);
                        b.assign(sum, sum.get() + value * weight);
                    });
                };
                taps(b, &kernel, &input.sizes[1..=spatial], &mut source, Vec::new(), &mut body);
                let mut value = sum.get();
                if let Some((buffer, start)) = &bias {
                    value = value + b.load(*buffer, start + &m).cast(acc);
                }
                b.store(y, &pixel * &out_sizes[spatial + 1] + &m, value.cast(elem));
            });
        });
    });
    Ok(())
}

/// `max_pool` and `avg_pool` as loop nests.
pub(super) fn lower_pool(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no input")?;
    let x_view = l.view(x)?;
    let input = Source::new(l, &x_view);
    let (y_view, y) = l.result(op, 0);
    let elem = scalar_type(l.graph.ty(op.result()).dtype);
    let acc = compute_type(elem);
    let kernel = op.ints("kernel");
    let spatial = kernel.len();
    let (strides, dilations) = (op.ints("strides"), op.ints("dilations"));
    let (pads, pads_after) = (op.ints("pads_before"), op.ints("pads_after"));
    let is_max = op.code == OpCode::MaxPool;
    let counts_padding = op.flag("count_include_pad");
    let node = l.node(op);
    let out_sizes = l.dims.exprs(&y_view.shape);
    let pixels = l.dims.expr(&Dim::product_of(&y_view.shape[..spatial + 1]));
    let tiles = RowTiles::new(pixels, out_sizes[spatial + 1].clone(), 32);
    l.kernel(op.code.name(), node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, pixel, begin, end| {
            let at = split(b, &pixel, &out_sizes[..spatial + 1]);
            b.for_(begin, end, 1, |b, c| {
                let start = if is_max { lowest(acc) } else { Expr::constant(acc, 0.0) };
                let value = b.var(start);
                let count = b.var(Expr::i64(0));
                let base = b.let_(&input.start + &at[0] * &input.strides[0] + &c * &input.strides[spatial + 1]);
                let mut source = |_: &mut Builder<'_>, axis: usize, tap: &Expr| {
                    (&at[axis + 1] * strides[axis] + tap * dilations[axis] - pads[axis], Expr::bool(true))
                };
                let mut body = |b: &mut Builder<'_>, chosen: &[(Expr, Expr)]| {
                    let mut from = base.clone();
                    for (axis, (_, index)) in chosen.iter().enumerate() {
                        from = from + index * &input.strides[axis + 1];
                    }
                    let x = b.load(input.buffer, from).cast(acc);
                    b.assign(value, if is_max { value.get().max(x) } else { value.get() + x });
                    b.assign(count, count.get() + 1);
                };
                taps(b, kernel, &input.sizes[1..=spatial], &mut source, Vec::new(), &mut body);
                if !is_max && counts_padding {
                    // Taps over the stated padding count, those beyond it (ceil mode) do not.
                    let mut total = Expr::i64(1);
                    for axis in 0..spatial {
                        let first = &at[axis + 1] * strides[axis] - pads[axis];
                        let room = &input.sizes[axis + 1] + pads_after[axis] - first;
                        let inside = b.let_((room + (dilations[axis] - 1)).floor_div(dilations[axis]));
                        total = total * inside.min(kernel[axis]).max(0);
                    }
                    b.assign(count, total);
                }
                let mut result = value.get();
                if !is_max {
                    result = result / count.get().max(1).cast(acc);
                }
                b.store(y, &pixel * &out_sizes[spatial + 1] + &c, result.cast(elem));
            });
        });
    });
    Ok(())
}

/// Smallest value of a type.
pub(super) fn lowest(ty: Type) -> Expr {
    match ty {
        Type::F32 | Type::F64 => Expr::constant(ty, f64::NEG_INFINITY),
        _ if ty.is_unsigned() || ty == Type::Bool => Expr::int(ty, 0),
        _ => Expr::int(ty, ty.wrap(1i64 << (ty.bits() - 1))),
    }
}

/// Largest value of a type.
pub(super) fn highest(ty: Type) -> Expr {
    match ty {
        Type::F32 | Type::F64 => Expr::constant(ty, f64::INFINITY),
        Type::Bool => Expr::bool(true),
        _ if ty.is_unsigned() => Expr::int(ty, ty.wrap(-1)),
        _ => Expr::int(ty, !ty.wrap(1i64 << (ty.bits() - 1))),
    }
}
