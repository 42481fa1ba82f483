//! `resize`: nearest, linear and cubic interpolation as a scalar loop over the result.
//!
//! For each axis that changes size, the taps of an output index and their weights follow from the source coordinate
//! (ONNX Resize); axes that keep their size read one tap. The taps of all axes are multiplied out in a loop nest.

use super::super::lowering::{Lowered, Lowering, RowTiles};
use super::super::scalar::{compute_type, scalar_type};
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
    if op.flag("antialias") {
        return Err("resize with antialiasing".to_owned());
    }
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
    let is_int = !compute_type(elem).is_float();
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
                let sum = b.var(Expr::f64(0.0));
                product(b, &all, &strides, start.clone(), Expr::f64(1.0), &mut |b, position, weight| {
                    let value = b.load(from, position).cast(Type::F64);
                    b.assign(sum, sum.get() + value * weight);
                });
                let mut value = sum.get();
                if is_int {
                    value = value.trunc();
                }
                let to_at = &row * dims.expr(&inner) + &i;
                b.store(to, to_at, value.cast(elem));
            });
        });
    });
    l.dims = dims;
    Ok(())
}

/// Source index and weight of each tap.
type Taps = Vec<(Expr, Expr)>;

fn product(
    b: &mut Builder<'_>,
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
    for (index, factor) in first {
        let position = b.let_(&position + index * &strides[0]);
        let weight = b.let_(&weight * factor);
        product(b, rest, &strides[1..], position, weight, body);
    }
}

fn axis_taps(b: &mut Builder<'_>, op: &Op, axis: &Axis, index: &Expr) -> Taps {
    let one = Expr::f64(1.0);
    if !axis.changes {
        return vec![(index.clone(), one)];
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
            vec![(index, one)]
        }
        "linear" => {
            let base = b.let_(coordinate.floor());
            let fraction = b.let_(&coordinate - &base);
            let low = b.let_(base.cast(Type::I64));
            let (a, c) = (inside(b, low.clone()), inside(b, &low + 1));
            vec![(a, one - &fraction), (c, fraction)]
        }
        _ => {
            let base = b.let_(coordinate.floor());
            let fraction = b.let_(&coordinate - &base);
            let low = b.let_(base.cast(Type::I64));
            cubic_taps(b, op, &low, &fraction, &last)
        }
    }
}

/// Four taps with Keys' kernel; `exclude_outside` gives taps beyond the edge no weight and rescales the others.
fn cubic_taps(b: &mut Builder<'_>, op: &Op, low: &Expr, fraction: &Expr, last: &Expr) -> Taps {
    let a = op.float("cubic_a");
    let c = Expr::f64;
    let near = |t: Expr| ((c(a + 2.0) * &t - c(a + 3.0)) * &t * &t) + c(1.0);
    let far = |t: Expr| ((c(a) * &t - c(5.0 * a)) * &t + c(8.0 * a)) * &t - c(4.0 * a);
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
