//! `resize`: nearest, linear and cubic interpolation as a scalar loop over the result.
//!
//! For each axis that changes size, the taps of an output index and their weights follow from the source coordinate
//! (ONNX Resize); axes that keep their size read one tap. The taps of all axes are multiplied out in a loop nest. An
//! axis that antialiasing stretches has as many taps as its scale asks for, in a loop; its weights are rescaled to sum
//! to one.

use super::super::lowering::{Lowered, Lowering, RowTiles};
use super::super::scalar::scalar_type;
use crate::loopir::{Builder, Expr, Type};
use lathe_ir::{Dim, Op};

/// How an output index of one axis reads its source.
struct Axis {
    in_size: Expr,
    out_size: Expr,
    /// out / in as the model states it, in f32; none if it is the fraction of the sizes.
    scale: Option<Expr>,
    changes: bool,
}

/// Lowers a `resize`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no operand")?;
    let source = l.view(x)?;
    let from = l.buffer(source.root);
    let (target, to) = l.result(op, 0);
    let elem = scalar_type(l.graph.ty(op.result()).dtype);
    let node = l.node(op);
    let rank = target.rank();
    let scales = op.ints("scale_bits");
    let axes: Vec<Axis> = (0..rank)
        .map(|axis| {
            let (in_size, out_size) = (l.dims.expr(&source.shape[axis]), l.dims.expr(&target.shape[axis]));
            let scale = scales.get(axis).map(|&bits| Expr::f32(f64::from_bits(bits as u64) as f32));
            let stated_one = scales.get(axis).is_none_or(|&bits| f64::from_bits(bits as u64) == 1.0);
            Axis { changes: source.shape[axis] != target.shape[axis] || !stated_one, in_size, out_size, scale }
        })
        .collect();
    let inner = target.shape.last().cloned().unwrap_or(Dim::ONE);
    let outer = Dim::product_of(&target.shape[..rank.saturating_sub(1)]);
    let tiles = RowTiles::new(l.dims.expr(&outer), l.dims.expr(&inner), 16);
    let dims = std::mem::take(&mut l.dims);
    let strides = dims.exprs(&source.strides);
    let start = dims.expr(&source.offset);
    let is_nearest = op.word("mode") == "nearest";
    l.kernel("resize", node, tiles.tiles.clone(), |b| {
        tiles.for_rows(b, |b, row, begin, end| {
            let mut indices = vec![Expr::i64(0); rank];
            let mut rest = row.clone();
            for axis in (0..rank.saturating_sub(1)).rev() {
                let quotient = b.let_(rest.floor_div(axes[axis].out_size.clone()));
                indices[axis] = b.let_(&rest - &quotient * &axes[axis].out_size);
                rest = quotient;
            }
            // Taps of the outer axes once a row.
            let outer_taps: Vec<_> =
                (0..rank.saturating_sub(1)).map(|axis| axis_taps(b, op, &axes[axis], &indices[axis])).collect();
            b.for_(begin, end, 1, |b, i| {
                let mut all = outer_taps.clone();
                if rank > 0 {
                    all.push(axis_taps(b, op, &axes[rank - 1], &i));
                }
                let to_at = b.let_(&row * dims.expr(&inner) + &i);
                if is_nearest {
                    // One element, as it is: not every i64 is an f64.
                    product(b, op, &all, &strides, start.clone(), Expr::f64(1.0), &mut |b, position, _| {
                        let value = b.load(from, position);
                        b.store(to, &to_at, value);
                    });
                    return;
                }
                let sum = b.var(Expr::f64(0.0));
                product(b, op, &all, &strides, start.clone(), Expr::f64(1.0), &mut |b, position, weight| {
                    let value = b.load(from, position).cast(Type::F64);
                    // A tap without weight does not count, whatever it is.
                    let part = weight.eq_(Expr::f64(0.0)).select(Expr::f64(0.0), value * weight);
                    b.assign(sum, sum.get() + part);
                });
                b.store(to, to_at, sum.get().cast(elem));
            });
        });
    });
    l.dims = dims;
    Ok(())
}

/// What one axis reads.
#[derive(Clone)]
enum Taps {
    /// Source index and weight of each tap.
    Listed(Vec<(Expr, Expr)>),
    /// Every index around a place, weighted by a stretched filter.
    Around(Around),
}

/// The taps of an antialiased axis: indices `first..=end`, of which those outside are the border's or do not count.
#[derive(Clone)]
struct Around {
    place: Expr,
    shrink: Expr,
    first: Expr,
    end: Expr,
    last: Expr,
    /// Sum of the weights.
    total: Expr,
}

fn product(
    b: &mut Builder<'_>,
    op: &Op,
    taps: &[Taps],
    strides: &[Expr],
    position: Expr,
    weight: Expr,
    body: &mut dyn FnMut(&mut Builder<'_>, Expr, Expr),
) {
    let Some((first, rest)) = taps.split_first() else {
        body(b, position, weight);
        return;
    };
    match first {
        Taps::Listed(listed) => {
            for (index, factor) in listed {
                let position = b.let_(&position + index * &strides[0]);
                let weight = b.let_(&weight * factor);
                product(b, op, rest, &strides[1..], position, weight, body);
            }
        }
        Taps::Around(around) => {
            b.for_(around.first.clone(), around.end.clone(), 1, |b, index| {
                let factor = around.weight(b, op, &index) / &around.total;
                let inside = index.max(0).min(around.last.clone());
                let position = b.let_(&position + inside * &strides[0]);
                let weight = b.let_(&weight * factor);
                product(b, op, rest, &strides[1..], position, weight, body);
            });
        }
    }
}

impl Around {
    fn new(b: &mut Builder<'_>, op: &Op, place: Expr, shrink: Expr, last: Expr) -> Around {
        let reach = Expr::f64(if op.word("mode") == "cubic" { 2.0 } else { 1.0 });
        let reach = b.let_(reach / &shrink);
        let first = b.let_((&place - &reach).floor().cast(Type::I64));
        let end = b.let_((&place + &reach).ceil().cast(Type::I64) + 1);
        let mut around = Around { place, shrink, first, end, last, total: Expr::f64(1.0) };
        let total = b.var(Expr::f64(0.0));
        b.for_(around.first.clone(), around.end.clone(), 1, |b, index| {
            let weight = around.weight(b, op, &index);
            b.assign(total, total.get() + weight);
        });
        around.total = b.let_(total.get());
        around
    }

    /// Weight of an index before it is rescaled.
    fn weight(&self, b: &mut Builder<'_>, op: &Op, index: &Expr) -> Expr {
        let distance = b.let_(((index.cast(Type::F64) - &self.place) * &self.shrink).abs());
        let zero = Expr::f64(0.0);
        let mut weight = if op.word("mode") == "cubic" {
            let (near, far) = keys(op);
            let (near, far) = (near(distance.clone()), far(distance.clone()));
            let beyond = distance.lt(Expr::f64(2.0)).select(far, zero.clone());
            distance.le(Expr::f64(1.0)).select(near, beyond)
        } else {
            (Expr::f64(1.0) - distance).max(zero.clone())
        };
        if op.flag("exclude_outside") {
            let exists = index.ge(0).and(index.le(self.last.clone()));
            weight = exists.select(weight, zero);
        }
        b.let_(weight)
    }
}

/// Keys' kernel between 0 and 1 and between 1 and 2.
fn keys(op: &Op) -> (impl Fn(Expr) -> Expr, impl Fn(Expr) -> Expr) {
    let a = op.float("cubic_a");
    let c = Expr::f64;
    let near = move |t: Expr| ((c(a + 2.0) * &t - c(a + 3.0)) * &t * &t) + c(1.0);
    let far = move |t: Expr| ((c(a) * &t - c(5.0 * a)) * &t + c(8.0 * a)) * &t - c(4.0 * a);
    (near, far)
}

fn axis_taps(b: &mut Builder<'_>, op: &Op, axis: &Axis, index: &Expr) -> Taps {
    let one = Expr::f64(1.0);
    if !axis.changes {
        return Taps::Listed(vec![(index.clone(), one)]);
    }
    let x = index.cast(Type::F64);
    let (in_size, out_size) = (axis.in_size.cast(Type::F64), axis.out_size.cast(Type::F64));
    let half = Expr::f64(0.5);
    let word = op.word("coordinates");
    // As the evaluator has it: exact from the sizes, in f32 from a stated scale.
    let coordinate = match (word, &axis.scale) {
        ("align_corners", _) => {
            x * (in_size.clone() - Expr::f64(1.0)) / (out_size.clone() - Expr::f64(1.0)).max(Expr::f64(1.0))
        }
        ("asymmetric", None) => x * &in_size / &out_size,
        (_, None) => (x + &half) * &in_size / &out_size - &half,
        (_, Some(scale)) => {
            let (x, half, one) = (x.cast(Type::F32), Expr::f32(0.5), Expr::f32(1.0));
            let (in_size, out_size) = (in_size.cast(Type::F32), out_size.cast(Type::F32));
            let place = match word {
                "asymmetric" => x / scale,
                "half_pixel_symmetric" => {
                    let offset = &in_size / Expr::f32(2.0) * (one - out_size / (scale * &in_size));
                    offset + (x + &half) / scale - &half
                }
                _ => (x + &half) / scale - &half,
            };
            place.cast(Type::F64)
        }
    };
    let coordinate = match word {
        "align_corners" | "pytorch_half_pixel" => out_size.gt(Expr::f64(1.0)).select(coordinate, Expr::f64(0.0)),
        _ => coordinate,
    };
    let coordinate = b.let_(coordinate);
    let last = b.let_(&axis.in_size - 1);
    if op.flag("antialias") && op.word("mode") != "nearest" {
        let scale = match &axis.scale {
            Some(scale) => scale.cast(Type::F64),
            None => out_size / in_size,
        };
        let shrink = b.let_(scale.min(one));
        return Taps::Around(Around::new(b, op, coordinate, shrink, last));
    }
    let inside = |b: &mut Builder<'_>, index: Expr| b.let_(index.max(0).min(last.clone()));
    match op.word("mode") {
        "nearest" => {
            let rounded = match op.word("nearest") {
                "floor" => coordinate.floor(),
                "ceil" => coordinate.ceil(),
                "round_prefer_ceil" => (&coordinate + &half).floor(),
                _ => (&coordinate - &half).ceil(),
            };
            let index = inside(b, rounded.cast(Type::I64));
            Taps::Listed(vec![(index, one)])
        }
        "linear" => {
            let base = b.let_(coordinate.floor());
            let fraction = b.let_(&coordinate - &base);
            let low = b.let_(base.cast(Type::I64));
            let (a, c) = (inside(b, low.clone()), inside(b, &low + 1));
            Taps::Listed(vec![(a, one - &fraction), (c, fraction)])
        }
        _ => {
            let base = b.let_(coordinate.floor());
            let fraction = b.let_(&coordinate - &base);
            let low = b.let_(base.cast(Type::I64));
            Taps::Listed(cubic_taps(b, op, &low, &fraction, &last))
        }
    }
}

/// Four taps with Keys' kernel; `exclude_outside` gives taps beyond the edge no weight and rescales the others.
fn cubic_taps(b: &mut Builder<'_>, op: &Op, low: &Expr, fraction: &Expr, last: &Expr) -> Vec<(Expr, Expr)> {
    let (near, far) = keys(op);
    let f = fraction;
    let mut weights = vec![
        b.let_(far(f + Expr::f64(1.0))),
        b.let_(near(f.clone())),
        b.let_(near(Expr::f64(1.0) - f)),
        b.let_(far(Expr::f64(2.0) - f)),
    ];
    let indices: Vec<Expr> = (-1..3).map(|step| b.let_(low + step)).collect();
    if op.flag("exclude_outside") {
        let mut total = Expr::f64(0.0);
        for (weight, index) in weights.iter_mut().zip(&indices) {
            let ok = index.ge(0).and(index.le(last.clone()));
            *weight = b.let_(ok.select(weight.clone(), Expr::f64(0.0)));
            total = total + weight.clone();
        }
        let total = b.let_(total);
        for weight in &mut weights {
            *weight = b.let_(weight.clone() / &total);
        }
    }
    indices.into_iter().map(|index| b.let_(index.max(0).min(last.clone()))).zip(weights).collect()
}
