//! What must hold of sizes so that every kernel stays inside of its memory, where types alone cannot tell: parts lie
//! inside of their wholes, windows fit, no size is negative, no element count overflows.
//!
//! Ranges of the symbols prove most of it; the rest is checked when the program is called, or, where data decide a size,
//! right before the op. A check that fails names the op's node.

use super::dims::DimMap;
use super::lowering::{Lowered, Lowering, SHAPE_MISMATCH};
use super::scalar::SIZE_OVER_BOUND;
use super::schedule::Step;
use crate::loopir::{Expr, Type};
use lathe_ir::dim::DimVisitor;
use lathe_ir::{Dim, Op, OpCode, Symbol, Symbols};

/// Most elements of a value: with it no sum of sizes in bytes overflows, however many buffers there are.
const MAX_ELEMENTS: i64 = 1 << 36;

/// `low <= high`, unless `empty` is 0.
struct Need {
    low: Dim,
    high: Dim,
    /// The size that is reported.
    value: Dim,
    empty: Option<Dim>,
}

/// A check made when the program is called.
pub(crate) struct EntryCheck {
    /// Bool, over symbols of the inputs.
    pub(crate) cond: Expr,
    /// Status code.
    pub(crate) code: i32,
    /// The node named.
    pub(crate) node: i32,
    /// I64, reported.
    pub(crate) value: Expr,
}

impl Lowering<'_> {
    /// Adds the checks that the op's sizes need. To be called before the op is lowered. `Err` if a size from data has no
    /// bound that memory could be planned for.
    pub(crate) fn check_sizes(&mut self, op: &Op) -> Lowered {
        let is_fixed = |dim: &Dim| dim.as_const().is_some();
        let shapes = op.inputs().chain(op.results.iter().copied()).all(|v| self.ty(v).shape.iter().all(is_fixed));
        let dims = op.attrs.iter().all(|attr| match attr {
            lathe_ir::Attr::Dims(dims) => dims.iter().all(is_fixed),
            _ => true,
        });
        if shapes && dims {
            return Ok(());
        }
        let symbols = &self.module.env.symbols;
        let needs: Vec<Need> = needs(self, op).into_iter().filter(|need| !is_known(need, symbols)).collect();
        for need in needs {
            self.need(op, &need);
        }
        for &value in &op.results {
            self.limit_elements(op, &self.ty(value).elements())?;
        }
        Ok(())
    }

    fn need(&mut self, op: &Op, need: &Need) {
        let mut cond = self.dims.expr(&need.low).le(self.dims.expr(&need.high));
        if let Some(empty) = &need.empty {
            cond = cond.or(self.dims.expr(empty).eq_(0));
        }
        let value = self.dims.expr(&need.value);
        let of_data = [&need.low, &need.high].into_iter().chain(&need.empty).any(|dim| self.depends_on_data(dim));
        if !of_data && self.entry_checks.iter().any(|check| check.cond == cond) {
            return;
        }
        let node = self.node(op);
        if of_data || self.is_inside() {
            self.step(Step::Check { cond, code: SHAPE_MISMATCH, node, value });
        } else {
            self.entry_checks.push(EntryCheck { cond, code: SHAPE_MISMATCH, node, value });
        }
    }

    /// Memory is planned when the program is called, so what could overflow is checked there.
    fn limit_elements(&mut self, op: &Op, elements: &Dim) -> Lowered {
        let symbols = &self.module.env.symbols;
        let most = self.by_products(elements).at_most(symbols);
        let named = most.as_ref().and_then(|most| most.visit(&mut Magnitude(&self.dims)));
        let (Some(most), Some(magnitude)) = (most, named) else {
            return Err(format!(
                "{elements} elements from data have no bound that fits in memory; bound them with --dim"
            ));
        };
        if most.as_const().is_some() || most.range(symbols).1.is_some_and(|most| most <= MAX_ELEMENTS) {
            return Ok(());
        }
        let cond = magnitude.le(Expr::f64(MAX_ELEMENTS as f64));
        if self.entry_checks.iter().any(|check| check.cond == cond) {
            return Ok(());
        }
        let node = self.node(op);
        self.entry_checks.push(EntryCheck { cond, code: SIZE_OVER_BOUND, node, value: magnitude.cast(Type::I64) });
        Ok(())
    }

    fn depends_on_data(&self, dim: &Dim) -> bool {
        let symbols = &self.module.env.symbols;
        dim.symbols().iter().any(|symbol| symbols.get(symbol).is_some_and(|info| info.data_dependent))
    }
}

/// Whether the ranges of the symbols prove it.
fn is_known(need: &Need, symbols: &Symbols) -> bool {
    let room = &need.high - &need.low;
    room.range(symbols).0.is_some_and(|least| least >= 0)
        || (&Dim::ZERO - &room).at_most(symbols).and_then(|most| most.range(symbols).1).is_some_and(|most| most <= 0)
        || need.empty.as_ref().is_some_and(|empty| empty.is(0))
}

fn needs(l: &Lowering<'_>, op: &Op) -> Vec<Need> {
    let mut found = Vec::new();
    let mut at_most = |low: &Dim, high: &Dim, value: &Dim, empty: Option<&Dim>| {
        let (low, high, value) = (low.clone(), high.clone(), value.clone());
        found.push(Need { low, high, value, empty: empty.cloned() });
    };
    for &value in &op.results {
        for dim in &l.ty(value).shape {
            for divisor in divisors(dim) {
                at_most(&Dim::ONE, &divisor, &divisor, None);
            }
            at_most(&Dim::ZERO, dim, dim, None);
        }
    }
    let shape = |index: usize| op.operand(index).map_or(&[][..], |value| &l.ty(value).shape);
    let x = shape(0);
    let elements = Dim::product_of(&l.ty(op.result()).shape);
    match op.code {
        OpCode::Slice => {
            let (starts, sizes, steps) = (op.dims("starts"), op.dims("sizes"), op.ints("steps"));
            for (axis, size) in x.iter().enumerate() {
                let last = &starts[axis] + &(&(&sizes[axis] - &Dim::ONE) * &Dim::from(steps[axis]));
                let end = size - &Dim::ONE;
                for place in [&starts[axis], &last] {
                    at_most(&Dim::ZERO, place, place, Some(&sizes[axis]));
                    at_most(place, &end, place, Some(&sizes[axis]));
                }
            }
        }
        OpCode::DynSlice => {
            for (size, whole) in op.dims("sizes").iter().zip(x) {
                at_most(size, whole, size, None);
            }
        }
        OpCode::TopK => {
            let k = &op.dims("k")[0];
            at_most(k, &x[op.int("axis") as usize], k, None);
        }
        OpCode::ArgMax | OpCode::ArgMin => {
            let size = &x[op.int("axis") as usize];
            at_most(&Dim::ONE, size, size, Some(&elements));
        }
        OpCode::Pad => {
            for amount in op.dims("before").iter().chain(op.dims("after")) {
                at_most(&Dim::ZERO, amount, amount, None);
            }
            for size in x.iter().filter(|_| op.word("mode") != "constant") {
                at_most(&Dim::ONE, size, size, Some(&elements));
            }
        }
        OpCode::Resize => {
            for size in x {
                at_most(&Dim::ONE, size, size, Some(&elements));
            }
        }
        OpCode::GatherElements | OpCode::ScatterElements => {
            let axis = op.int("axis") as usize;
            for (at, (part, whole)) in shape(1).iter().zip(x).enumerate() {
                if at != axis {
                    at_most(part, whole, part, None);
                }
            }
        }
        _ => {}
    }
    found
}

/// Divisors in a dimension that are no constants; they must be positive.
fn divisors(dim: &Dim) -> Vec<Dim> {
    struct Divisors(Vec<Dim>);
    impl DimVisitor for Divisors {
        type Out = Dim;
        fn constant(&mut self, value: i64) -> Dim {
            Dim::constant(value)
        }
        fn symbol(&mut self, symbol: &Symbol) -> Dim {
            Dim::symbol(symbol)
        }
        fn add(&mut self, a: Dim, b: Dim) -> Dim {
            &a + &b
        }
        fn mul(&mut self, a: Dim, b: Dim) -> Dim {
            &a * &b
        }
        fn floor_div(&mut self, a: Dim, b: Dim) -> Dim {
            if b.as_const().is_none() {
                self.0.push(b.clone());
            }
            a.floor_div(&b)
        }
        fn min(&mut self, a: Dim, b: Dim) -> Dim {
            a.minimum(&b)
        }
        fn max(&mut self, a: Dim, b: Dim) -> Dim {
            a.maximum(&b)
        }
    }
    let mut divisors = Divisors(Vec::new());
    dim.visit(&mut divisors);
    divisors.0
}

/// No less than any integer that computing the dimension goes through, as an `F64` expression.
struct Magnitude<'a>(&'a DimMap);

impl DimVisitor for Magnitude<'_> {
    type Out = Expr;

    fn constant(&mut self, value: i64) -> Expr {
        Expr::f64(value.unsigned_abs() as f64)
    }

    fn symbol(&mut self, symbol: &Symbol) -> Expr {
        self.0.id(symbol).map_or_else(|| Expr::f64(0.0), |id| Expr::symbol(id).cast(Type::F64))
    }

    fn add(&mut self, a: Expr, b: Expr) -> Expr {
        a + b
    }

    fn mul(&mut self, a: Expr, b: Expr) -> Expr {
        a * b
    }

    fn floor_div(&mut self, a: Expr, _: Expr) -> Expr {
        a
    }

    fn min(&mut self, a: Expr, b: Expr) -> Expr {
        a.max(b)
    }

    fn max(&mut self, a: Expr, b: Expr) -> Expr {
        a.max(b)
    }
}
