//! Sizes that the schedule sets: their values, what must be equal to them, and room for what grows.

use super::lowering::{Lowering, SHAPE_MISMATCH};
use super::schedule::Step;
use crate::loopir::Expr;
use lathe_ir::builder::infer_types;
use lathe_ir::{Dim, Env, OpId, Symbol, ValueId};

impl Lowering<'_> {
    /// Gives data-dependent symbols their values from here on, and checks the equalities that can be told from now on. The
    /// node is named when a value is out of range or an equality does not hold.
    pub(crate) fn set_sizes(&mut self, sizes: &[(Symbol, Expr)], node: i32) {
        let ids = sizes.iter().filter_map(|(symbol, value)| Some((self.dims.id(symbol)?, value.clone()))).collect();
        self.step(Step::Sizes(ids, node));
        self.set.extend(sizes.iter().map(|(symbol, _)| symbol.clone()));
        let pairs: Vec<(Dim, Dim)> = self.module.env.equalities.iter().chain(&self.pending).cloned().collect();
        for (x, y) in &pairs {
            let mentions = |symbol: &Symbol| x.symbols().contains(symbol) || y.symbols().contains(symbol);
            if sizes.iter().any(|(set, _)| mentions(set)) && self.are_set(x, y) {
                self.check_equal(x, y, node);
            }
        }
    }

    /// True if the schedule has set all sizes that the two mention.
    fn are_set(&self, x: &Dim, y: &Dim) -> bool {
        x.symbols().iter().chain(&y.symbols()).all(|symbol| self.is_set(symbol))
    }

    /// Whether a data-dependent symbol has its value by now; the others always have.
    pub(crate) fn is_set(&self, symbol: &Symbol) -> bool {
        !self.is_data(symbol) || self.set.contains(symbol)
    }

    fn check_equal(&mut self, x: &Dim, y: &Dim, node: i32) {
        let value = self.dims.expr(x);
        let cond = value.eq_(self.dims.expr(y));
        self.step(Step::Check { cond, code: SHAPE_MISMATCH, node, value });
    }

    /// Checks what the ops of a branch need to be equal, and nothing else does: now, or when the sizes are known. Gives
    /// what [`Lowering::leave_branch`] wants.
    pub(crate) fn enter_branch(&mut self, ops: &[OpId], node: i32) -> usize {
        let before = self.pending.len();
        let env = &self.module.env;
        if env.conditional.is_empty() {
            return before;
        }
        let mut scratch = Env { symbols: env.symbols.clone(), ..Env::default() };
        for op in ops.iter().map(|&id| self.graph.op(id)).filter(|op| !op.code.def().traits.regions) {
            // Constants of weights fail here, and need nothing.
            let _ = infer_types(&mut scratch, self.graph, op.code, &op.operands, &op.attrs, &[]);
        }
        for (x, y) in scratch.equalities {
            let same = |(a, b): &(Dim, Dim)| (a, b) == (&x, &y) || (b, a) == (&x, &y);
            if !env.conditional.iter().any(same) {
                continue;
            }
            if self.are_set(&x, &y) {
                self.check_equal(&x, &y, node);
            } else {
                self.pending.push((x, y));
            }
        }
        before
    }

    /// Forgets what the branch that was entered last waits for.
    pub(crate) fn leave_branch(&mut self, before: usize) {
        self.pending.truncate(before);
    }

    /// Elements that the memory of a carried value has at most, if it may grow.
    pub(crate) fn room(&self, root: ValueId) -> Option<Dim> {
        self.rooms.get(&root).cloned()
    }

    /// Says that the memory of a carried value may be used up to what the other is planned for.
    pub(crate) fn set_room(&mut self, root: ValueId, whole: ValueId) {
        if let Some(most) = self.ty(whole).elements().at_most(&self.module.env.symbols) {
            self.rooms.insert(root, most);
        }
    }
}
