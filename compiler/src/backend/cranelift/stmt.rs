//! Statements: control flow, failure, launches.

use super::func::{Gen, Slot, Unit, clif_type, ctx, data, status};
use crate::loopir::{Expr, PlanSlot, SYMBOL_RANGE, Stmt, Type, VarId};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, MemFlagsData, Value, types};

impl Gen<'_, '_> {
    fn set_var(&mut self, var: VarId, value: Value) {
        self.vars[var.index()] = Slot::Value(value);
    }

    pub(super) fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let { var, value } => {
                let value = self.expr(value);
                self.set_var(*var, value);
            }
            Stmt::Var { var, value } => {
                let ty = clif_type(value.ty());
                let value = self.expr(value);
                let variable = self.b.declare_var(ty);
                self.b.def_var(variable, value);
                self.vars[var.index()] = Slot::Mutable(variable);
            }
            Stmt::Assign { var, value } => {
                let value = self.expr(value);
                if let Slot::Mutable(variable) = self.vars[var.index()] {
                    self.b.def_var(variable, value);
                }
            }
            Stmt::For { var, lo, hi, step, body } => self.for_loop(*var, lo, hi, *step, body),
            Stmt::While { cond, body } => {
                let (head, inside, exit) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
                self.b.ins().jump(head, &[]);
                self.b.switch_to_block(head);
                let cond = self.expr(cond);
                self.b.ins().brif(cond, inside, &[], exit, &[]);
                self.b.seal_block(inside);
                self.b.seal_block(exit);
                self.b.switch_to_block(inside);
                self.block(body);
                self.b.ins().jump(head, &[]);
                self.b.seal_block(head);
                self.b.switch_to_block(exit);
            }
            Stmt::If { cond, then_body, else_body } => {
                let cond = self.expr(cond);
                let (yes, no, join) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
                self.b.ins().brif(cond, yes, &[], no, &[]);
                for (block, body) in [(yes, then_body), (no, else_body)] {
                    self.b.seal_block(block);
                    self.b.switch_to_block(block);
                    self.block(body);
                    self.b.ins().jump(join, &[]);
                }
                self.b.seal_block(join);
                self.b.switch_to_block(join);
            }
            Stmt::Store { place, value } => {
                let (address, offset) = self.address(place);
                let value = self.expr(value);
                self.b.ins().store(data(), value, address, offset);
            }
            Stmt::Call { callee, args } => {
                self.call(callee, args);
            }
            Stmt::Check { cond, code, node, value } => {
                let own = match self.unit {
                    Unit::Kernel(i) => self.program.kernels[i].node.unwrap_or(-1),
                    _ => -1,
                };
                let cond = self.expr(cond);
                self.unless(cond, |g| {
                    let value = g.expr(value);
                    g.fail(*code, node.unwrap_or(own), value);
                });
            }
            Stmt::Launch(kernel) => self.launch(kernel.index()),
            Stmt::SetSymbol { symbol, value, node } => {
                let decl = &self.program.symbols[symbol.index()];
                let value = self.expr(value);
                // lo <= value <= hi as one unsigned comparison.
                let above = self.b.ins().iadd_imm_s(value, decl.lo.wrapping_neg());
                let width = decl.hi.wrapping_sub(decl.lo);
                let fits = self.b.ins().icmp_imm_s(IntCC::UnsignedLessThanOrEqual, above, width);
                self.unless(fits, |g| g.fail(SYMBOL_RANGE, *node, value));
                match self.symbols_base {
                    Some(base) => {
                        self.b.ins().store(data(), value, base, symbol.0 as i32 * 8);
                    }
                    None => {
                        self.missing("the symbol table");
                    }
                }
            }
            Stmt::SetPlan { slot, value } => self.set_plan(*slot, value),
        }
    }

    pub(super) fn set_plan(&mut self, slot: PlanSlot, value: &Expr) {
        let value = self.expr(value);
        let index = self.program.plan_index(slot) as i32;
        match self.aux {
            Some(out) => {
                self.b.ins().store(data(), value, out, index * 8);
            }
            None => {
                self.missing("the plan");
            }
        }
    }

    fn for_loop(&mut self, var: VarId, lo: &Expr, hi: &Expr, step: i64, body: &[Stmt]) {
        let known = lo.as_int().zip(hi.as_int());
        if let Some((lo, hi)) = known {
            if lo >= hi {
                return;
            }
            if hi.saturating_sub(lo) <= step {
                let only = self.iconst(lo);
                self.set_var(var, only);
                self.block(body);
                return;
            }
        }
        let (lo, hi) = (self.expr(lo), self.expr(hi));
        let (inside, exit) = (self.b.create_block(), self.b.create_block());
        let i = self.b.append_block_param(inside, types::I64);
        // The test is at the end; without known bounds there is one before as well.
        if known.is_some() {
            self.b.ins().jump(inside, &[BlockArg::Value(lo)]);
        } else {
            let any = self.b.ins().icmp(IntCC::SignedLessThan, lo, hi);
            self.b.ins().brif(any, inside, &[BlockArg::Value(lo)], exit, &[]);
        }
        self.b.switch_to_block(inside);
        self.set_var(var, i);
        self.block(body);
        let next = self.b.ins().iadd_imm_s(i, step);
        let more = self.b.ins().icmp(IntCC::SignedLessThan, next, hi);
        self.b.ins().brif(more, inside, &[BlockArg::Value(next)], exit, &[]);
        self.b.seal_block(inside);
        self.b.seal_block(exit);
        self.b.switch_to_block(exit);
    }

    /// Code that runs, out of line, when the condition does not hold; it must end in a return.
    fn unless(&mut self, cond: Value, build: impl FnOnce(&mut Self)) {
        let (fine, bad) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(bad);
        self.b.ins().brif(cond, fine, &[], bad, &[]);
        self.b.seal_block(fine);
        self.b.seal_block(bad);
        self.b.switch_to_block(bad);
        build(self);
        self.b.switch_to_block(fine);
    }

    /// Sets the status unless it is set, and returns from the function.
    fn fail(&mut self, code: i32, node: i32, value: Value) {
        let Some(status) = self.status else {
            self.missing("the status");
            self.return_code(None);
            return;
        };
        let (first, done) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(first);
        self.b.set_cold_block(done);
        let code = self.b.ins().iconst(types::I32, code as u32 as i64);
        let zero = self.b.ins().iconst(types::I32, 0);
        let at = self.b.ins().iadd_imm_s(status, status::CODE as i64);
        let before = self.b.ins().atomic_cas(MemFlagsData::trusted(), at, zero, code);
        self.b.ins().brif(before, done, &[], first, &[]);
        self.b.seal_block(first);
        self.b.switch_to_block(first);
        let node = self.b.ins().iconst(types::I32, node as u32 as i64);
        self.b.ins().store(data(), node, status, status::NODE);
        self.b.ins().store(data(), value, status, status::VALUE);
        self.b.ins().jump(done, &[]);
        self.b.seal_block(done);
        self.b.switch_to_block(done);
        self.return_code(Some(status));
    }

    /// Returns from the function, with the status code where there is a result.
    fn return_code(&mut self, status: Option<Value>) {
        let has_result = matches!(self.unit, Unit::Bind | Unit::Run);
        let code = match status {
            Some(status) if has_result => Some(self.b.ins().load(types::I32, data(), status, status::CODE)),
            _ if has_result => Some(self.b.ins().iconst(types::I32, -1i32 as u32 as i64)),
            _ => None,
        };
        self.b.ins().return_(code.as_slice());
    }

    fn launch(&mut self, index: usize) {
        let kernel = &self.program.kernels[index];
        let tiles = self.expr(&kernel.tiles);
        let Some(ctx) = self.ctx else {
            self.missing("the run context");
            return;
        };
        let function = self.function(Unit::Kernel(index));
        let address = self.b.ins().func_addr(types::I64, function);
        let parallel_for = self.field(ctx::PARALLEL_FOR);
        let signature = self.signature(&[Type::Ptr, Type::Ptr, Type::I64], None);
        self.b.ins().call_indirect(signature, parallel_for, &[ctx, address, tiles]);
        if kernel.can_fail()
            && let Some(status) = self.status
        {
            let code = self.b.ins().load(types::I32, data(), status, status::CODE);
            let fine = self.b.ins().icmp_imm_s(IntCC::Equal, code, 0);
            self.unless(fine, |g| g.return_code(Some(status)));
        }
    }
}
