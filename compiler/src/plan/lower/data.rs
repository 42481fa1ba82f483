//! Sizes from data: what is found is written to memory of the largest size it can have, the number of things found
//! becomes a symbol of the schedule.

use super::super::lowering::{Lowered, Lowering};
use super::super::scalar::{SIZE_OVER_BOUND, compute_type};
use super::super::schedule::Step;
use super::super::view::row_major;
use super::sort::merge_sort;
use crate::loopir::{Base, BufferId, Builder, Expr, Place, Type};
use lathe_ir::{Dim, Op};

/// `data_size`: the symbol has the value from here on, and the result is the operand.
pub(super) fn lower_data_size(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let view = l.view(op.operand(0).ok_or("no value")?)?;
    let symbol = op.dims("size").first().and_then(Dim::as_symbol).ok_or("no symbol")?.clone();
    let info = l.module.env.symbols.get(&symbol).ok_or("a size that is no symbol of the module")?;
    let place = Place { base: Base::Buffer(l.buffer(view.root)), elem: Type::I64, index: l.dims.expr(&view.offset) };
    let value = Expr::load_place(place);
    let node = l.node(op);
    if let Some(most) = &info.most {
        let cond = value.le(l.dims.expr(most));
        l.step(Step::Check { cond, code: SIZE_OVER_BOUND, node, value: value.clone() });
    }
    l.set_sizes(&[(symbol, value)], node);
    l.set_view(op.result(), view);
    Ok(())
}

/// `non_zero`: one walk in row-major order.
pub(super) fn lower_non_zero(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let source = l.contiguous(op.operand(0).ok_or("no operand")?)?;
    let from = l.buffer(source.root);
    let ((places, to), (_, count)) = (l.result(op, 0), l.result(op, 1));
    let node = l.node(op);
    let dims = std::mem::take(&mut l.dims);
    let (elements, start) = (dims.expr(&Dim::product_of(&source.shape)), dims.expr(&source.offset));
    let strides = row_major(&source.shape);
    l.kernel("non_zero", node, Expr::i64(1), |b| {
        let found = b.var(Expr::i64(0));
        b.for_(0, elements.clone(), 1, |b, at| {
            let value = b.load(from, &start + &at);
            let wide = b.let_(value.cast(compute_type(value.ty())));
            b.if_(is_not_zero(&wide), |b| {
                for (axis, stride) in strides.iter().enumerate() {
                    let index = b.let_(at.floor_div(dims.expr(stride)));
                    let index = if axis == 0 { index } else { index.floor_mod(dims.expr(&source.shape[axis])) };
                    b.store(to, dims.expr(&places.strides[0]) * axis as i64 + found.get(), index);
                }
                b.assign(found, found.get() + 1);
            });
        });
        for axis in 0..source.rank() {
            let row = b.let_(dims.expr(&places.strides[0]) * axis as i64);
            b.for_(found.get(), elements.clone(), 1, |b, at| b.store(to, &row + at, 0));
        }
        b.store(count, 0, found.get());
    });
    l.dims = dims;
    Ok(())
}

fn is_not_zero(value: &Expr) -> Expr {
    if value.ty() == Type::Bool { value.clone() } else { value.ne_(Expr::constant(value.ty(), 0.0)) }
}

/// Where the slices of a tensor along an axis are.
struct Slices {
    from: BufferId,
    start: Expr,
    /// Elements of a slice, and how many of them are neighbours.
    elements: Expr,
    inner: Expr,
    length: Expr,
}

impl Slices {
    /// -1, 0 or 1 as slice `x` is before, equal to or behind slice `y`.
    fn compare(&self, b: &mut Builder<'_>, x: &Expr, y: &Expr) -> Expr {
        let (order, at) = (b.var(Expr::i64(0)), b.var(Expr::i64(0)));
        b.while_(at.get().lt(self.elements.clone()).and(order.get().eq_(0)), |b| {
            let outer = b.let_(at.get().floor_div(self.inner.clone()));
            let rest = b.let_(at.get() - &outer * &self.inner + &self.start);
            let row = b.let_(outer * &self.length);
            let [first, second] = [x, y].map(|slice| {
                let value = b.load(self.from, (&row + slice) * &self.inner + &rest);
                b.let_(value.cast(compute_type(value.ty())))
            });
            let before = |p: &Expr, q: &Expr| match p.ty() {
                Type::Bool => p.not().and(q.clone()),
                ty if ty.is_float() => p.lt(q.clone()).or(q.ne_(q.clone()).and(p.eq_(p.clone()))),
                _ => p.lt(q.clone()),
            };
            let after = b.let_(before(&second, &first).select(Expr::i64(1), Expr::i64(0)));
            b.assign(order, before(&first, &second).select(Expr::i64(-1), after));
            b.assign(at, at.get() + 1);
        });
        b.let_(order.get())
    }
}

/// `unique`: positions are sorted by the slices they name, then equal neighbours are grouped.
pub(super) fn lower_unique(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let source = l.contiguous(op.operand(0).ok_or("no operand")?)?;
    let axis = op.int("axis") as usize;
    let from = l.buffer(source.root);
    let [first, inverse, counts, count] = [0, 1, 2, 3].map(|index| l.result(op, index).1);
    let (outer, inner) = (Dim::product_of(&source.shape[..axis]), Dim::product_of(&source.shape[axis + 1..]));
    let slices = Slices {
        from,
        start: l.dims.expr(&source.offset),
        elements: l.dims.expr(&(&outer * &inner)),
        inner: l.dims.expr(&inner),
        length: l.dims.expr(&source.shape[axis]),
    };
    let length = slices.length.clone();
    let (order, spare) =
        (l.temporary("order", Type::I64, length.clone()), l.temporary("spare", Type::I64, length.clone()));
    let is_sorted = op.flag("sorted");
    let node = l.node(op);
    l.kernel("unique", node, Expr::i64(1), |b| {
        b.for_(0, length.clone(), 1, |b, at| b.store(order, &at, at.clone()));
        merge_sort(b, order, spare, &length, &|b, x, y| slices.compare(b, x, y).gt(0));
        let group = b.var(Expr::i64(-1));
        b.for_(0, length.clone(), 1, |b, at| {
            let slice = b.load(order, &at);
            let differs = b.var(Expr::bool(true));
            b.if_(at.gt(0), |b| {
                let before = b.load(order, &at - 1);
                let compared = slices.compare(b, &before, &slice);
                b.assign(differs, compared.ne_(0));
            });
            b.if_(differs.get(), |b| {
                b.assign(group, group.get() + 1);
                b.store(first, group.get(), slice.clone());
                b.store(counts, group.get(), 0);
            });
            let so_far = b.load(counts, group.get());
            b.store(counts, group.get(), so_far + 1);
            b.store(inverse, slice, group.get());
        });
        let total = b.let_(group.get() + 1);
        if !is_sorted {
            by_appearance(b, [first, inverse, counts], [order, spare], &total, &length);
        }
        for results in [first, counts] {
            b.for_(total.clone(), length.clone(), 1, |b, at| b.store(results, at, 0));
        }
        b.store(count, 0, total);
    });
    Ok(())
}

/// Numbers groups anew, in order of their first slice.
fn by_appearance(
    b: &mut Builder<'_>,
    [first, inverse, counts]: [BufferId; 3],
    [moved, numbers]: [BufferId; 2],
    total: &Expr,
    length: &Expr,
) {
    let next = b.var(Expr::i64(0));
    b.for_(0, length.clone(), 1, |b, at| {
        let group = b.load(inverse, &at);
        let start = b.load(first, &group);
        b.if_(start.eq_(at), |b| {
            b.store(numbers, group, next.get());
            b.assign(next, next.get() + 1);
        });
    });
    for results in [first, counts] {
        b.for_(0, total.clone(), 1, |b, group| {
            let (to, value) = (b.load(numbers, &group), b.load(results, &group));
            b.store(moved, to, value);
        });
        b.for_(0, total.clone(), 1, |b, group| {
            let value = b.load(moved, &group);
            b.store(results, group, value);
        });
    }
    b.for_(0, length.clone(), 1, |b, at| {
        let group = b.load(inverse, &at);
        let number = b.load(numbers, group);
        b.store(inverse, at, number);
    });
}
