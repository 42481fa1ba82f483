//! Ops that go along lines in order: cumulative sums, positions of extremes, the k largest.

use super::super::lowering::{Lowered, Lowering};
use super::super::scalar::compute_type;
use super::lines::{Line, for_lines};
use crate::loopir::{Builder, Expr};
use lathe_ir::{Dim, Op, OpCode};

/// Lowers `cumsum`, `arg_max`, `arg_min` and `topk`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let x = op.operand(0).ok_or("no operand")?;
    let source = l.view(x)?;
    let from = l.buffer(source.root);
    let elem = l.elem(x);
    let acc = compute_type(elem);
    let axis = op.int("axis") as usize;
    let (mut target, to) = l.result(op, 0);
    match op.code {
        OpCode::CumSum => {
            let (exclusive, reverse) = (op.flag("exclusive"), op.flag("reverse"));
            for_lines(l, op, axis, &[(source, from), (target, to)], |b, lines, length| {
                let sum = b.var(Expr::constant(acc, 0.0));
                b.for_(0, length.clone(), 1, |b, i| {
                    let i = if reverse { b.let_(length - 1 - &i) } else { i };
                    let value = b.load(lines[0].buffer, lines[0].at(&i)).cast(acc);
                    let next = b.let_(sum.get() + value);
                    let written = if exclusive { sum.get() } else { next.clone() };
                    b.store(lines[1].buffer, lines[1].at(&i), written.cast(elem));
                    b.assign(sum, next);
                });
            });
        }
        OpCode::ArgMax | OpCode::ArgMin => {
            if !op.flag("keepdims") {
                // The walk wants equal ranks; the missing axis has size 1.
                target.shape.insert(axis, Dim::ONE);
                target.strides.insert(axis, Dim::ZERO);
            }
            let (is_max, last) = (op.code == OpCode::ArgMax, op.flag("last"));
            for_lines(l, op, axis, &[(source, from), (target, to)], |b, lines, length| {
                let first = b.load(lines[0].buffer, lines[0].at(&Expr::i64(0))).cast(acc);
                let best = b.var(first);
                let place = b.var(Expr::i64(0));
                b.for_(1, length.clone(), 1, |b, i| {
                    let value = b.load(lines[0].buffer, lines[0].at(&i)).cast(acc);
                    let value = b.let_(value);
                    let better = wins(&value, &best.get(), is_max, last);
                    b.if_(better, |b| {
                        b.assign(best, value);
                        b.assign(place, i);
                    });
                });
                b.store(lines[1].buffer, lines[1].at(&Expr::i64(0)), place.get());
            });
        }
        _ => {
            let largest = op.flag("largest");
            let (places, place_buffer) = l.result(op, 1);
            let k = l.dims.expr(&target.shape[axis]);
            let views = [(source, from), (target, to), (places, place_buffer)];
            for_lines(l, op, axis, &views, |b, lines, length| {
                top_k(b, lines, length, &k, largest);
            });
        }
    }
    Ok(())
}

/// Whether `value` takes the place of `best`; NaN beats everything, as in numpy.
fn wins(value: &Expr, best: &Expr, is_max: bool, on_tie: bool) -> Expr {
    let better = match (is_max, on_tie) {
        (true, false) => value.gt(best.clone()),
        (true, true) => value.ge(best.clone()),
        (false, false) => value.lt(best.clone()),
        (false, true) => value.le(best.clone()),
    };
    if !value.ty().is_float() {
        return better;
    }
    let (value_nan, best_nan) = (value.ne_(value.clone()), best.ne_(best.clone()));
    let nan_wins = if on_tie { value_nan } else { value_nan.and(best_nan.not()) };
    better.and(best_nan.not()).or(nan_wins)
}

/// Whether `value` comes before `old` among the k largest or smallest: NaN counts as larger than everything.
fn goes_before(value: &Expr, old: &Expr, largest: bool) -> Expr {
    if largest || !value.ty().is_float() {
        return wins(value, old, largest, false);
    }
    let (value_nan, old_nan) = (value.ne_(value.clone()), old.ne_(old.clone()));
    value.lt(old.clone()).or(old_nan.and(value_nan.not()))
}

/// Insertion into the sorted list of the best so far, kept in the result itself; ties keep the lower index first.
fn top_k(b: &mut Builder<'_>, lines: &[Line], length: &Expr, k: &Expr, largest: bool) {
    let [x, values, places] = [&lines[0], &lines[1], &lines[2]];
    let have = b.var(Expr::i64(0));
    b.for_(0, length.clone(), 1, |b, i| {
        let value = b.load(x.buffer, x.at(&i));
        let at = b.var(have.get());
        let moving = b.var(Expr::bool(true));
        b.while_(moving.get(), |b| {
            b.if_else(
                at.get().eq_(0),
                |b| b.assign(moving, Expr::bool(false)),
                |b| {
                    let before = b.let_(at.get() - 1);
                    let old = b.load(values.buffer, values.at(&before));
                    let wide = compute_type(old.ty());
                    let (new_wide, old_wide) = (b.let_(value.cast(wide)), b.let_(old.cast(wide)));
                    let better = goes_before(&new_wide, &old_wide, largest);
                    b.if_else(
                        better,
                        |b| {
                            b.if_(at.get().lt(k.clone()), |b| {
                                let to = b.let_(at.get());
                                b.store(values.buffer, values.at(&to), old.clone());
                                let place = b.load(places.buffer, places.at(&before));
                                b.store(places.buffer, places.at(&to), place);
                            });
                            b.assign(at, before);
                        },
                        |b| b.assign(moving, Expr::bool(false)),
                    );
                },
            );
        });
        b.if_(at.get().lt(k.clone()), |b| {
            let to = b.let_(at.get());
            b.store(values.buffer, values.at(&to), value);
            b.store(places.buffer, places.at(&to), i);
        });
        b.assign(have, (have.get() + 1).min(k.clone()));
    });
}
