//! Statements and places.

use super::{Global, MAX_NESTING, Parsed, Parser, typed_word};
use crate::loopir::expr::{Base, Place};
use crate::loopir::lex::Token;
use crate::loopir::stmt::{PlanSlot, Stmt};
use crate::loopir::types::{KernelId, LocalId, Type};

impl Parser {
    /// Statements up to and with the closing brace.
    pub(super) fn block_rest(&mut self) -> Parsed<Vec<Stmt>> {
        self.nested(|p| {
            let scope = p.scope.len();
            let mut stmts = Vec::new();
            while !p.accept("}") {
                stmts.push(p.stmt()?);
            }
            p.scope.truncate(scope);
            Ok(stmts)
        })
    }

    pub(super) fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return self.fail("nested too deeply");
        }
        let result = f(self);
        self.nesting -= 1;
        result
    }

    pub(super) fn stmt(&mut self) -> Parsed<Stmt> {
        match self.peek().clone() {
            Token::Word(w) => self.word_stmt(&w),
            Token::Sigil('@', callee) => {
                self.next += 1;
                let args = self.args()?;
                Ok(Stmt::Call { callee: callee.into(), args })
            }
            Token::Sigil(..) => {
                let place = self.place()?;
                self.store(place)
            }
            _ => self.expected("a statement"),
        }
    }

    pub(super) fn store(&mut self, place: Place) -> Parsed<Stmt> {
        self.punct("=")?;
        Ok(Stmt::Store { place, value: self.expr()? })
    }

    fn word_stmt(&mut self, w: &str) -> Parsed<Stmt> {
        self.next += 1;
        if let Some(elem) = typed_word(w, "store_") {
            let (pointer, index) = self.pointer_and_index()?;
            return self.store(Place { base: Base::Ptr(pointer), elem, index });
        }
        Ok(match w {
            "let" | "var" => {
                let name = self.any_word("a variable")?;
                self.punct("=")?;
                let value = self.expr()?;
                let var = self.declare(name, value.ty());
                if w == "let" { Stmt::Let { var, value } } else { Stmt::Var { var, value } }
            }
            "for" => {
                let name = self.any_word("a variable")?;
                self.punct("=")?;
                let lo = self.expr()?;
                self.punct("..")?;
                let hi = self.expr()?;
                let step = if self.accept_word("step") { self.integer()? } else { 1 };
                self.punct("{")?;
                let scope = self.scope.len();
                let var = self.declare(name, Type::I64);
                let body = self.block_rest()?;
                self.scope.truncate(scope);
                Stmt::For { var, lo, hi, step, body }
            }
            "while" => {
                let cond = self.expr()?;
                self.punct("{")?;
                Stmt::While { cond, body: self.block_rest()? }
            }
            "if" => {
                let cond = self.expr()?;
                self.punct("{")?;
                let then_body = self.block_rest()?;
                let else_body = if self.accept_word("else") {
                    self.punct("{")?;
                    self.block_rest()?
                } else {
                    Vec::new()
                };
                Stmt::If { cond, then_body, else_body }
            }
            "check" => {
                let cond = self.expr()?;
                self.word("else")?;
                let code = self.small()?;
                let node = if self.accept_word("node") { Some(self.small()?) } else { None };
                self.word("value")?;
                Stmt::Check { cond, code, node, value: self.expr()? }
            }
            "launch" => {
                let name = self.sigil('@', "a kernel's name")?;
                match self.program.kernels.iter().position(|k| k.name == name) {
                    Some(i) => Stmt::Launch(KernelId(i as u32)),
                    None => return self.fail_before(format!("there is no kernel @{name}")),
                }
            }
            "set" => {
                let name = self.sigil('%', "a symbol's name")?;
                let Some(Global::Symbol(symbol)) = self.globals.get(&name).copied() else {
                    return self.fail_before(format!("there is no symbol %{name}"));
                };
                self.punct("=")?;
                let value = self.expr()?;
                let node = if self.accept_word("node") { self.small()? } else { -1 };
                Stmt::SetSymbol { symbol, value, node }
            }
            "arena_bytes" => self.plan_result(PlanSlot::ArenaBytes)?,
            "scratch_bytes" => self.plan_result(PlanSlot::ScratchBytes)?,
            "offset" => {
                let name = self.sigil('%', "a buffer's name")?;
                let Some(Global::Buffer(buffer)) = self.globals.get(&name).copied() else {
                    return self.fail_before(format!("there is no buffer %{name}"));
                };
                self.plan_result(PlanSlot::Offset(buffer))?
            }
            "output_dim" => {
                let (output, axis) = (self.small()?, self.small()?);
                self.plan_result(PlanSlot::OutputDim { output, axis })?
            }
            _ => match self.find_var(w) {
                Some(var) => {
                    self.punct("=")?;
                    Stmt::Assign { var, value: self.expr()? }
                }
                None => {
                    self.next -= 1;
                    return self.fail(format!("`{w}` is neither a statement nor a variable in scope"));
                }
            },
        })
    }

    fn plan_result(&mut self, slot: PlanSlot) -> Parsed<Stmt> {
        self.punct("=")?;
        Ok(Stmt::SetPlan { slot, value: self.expr()? })
    }

    /// `%buffer[index]` or `$local[index]`.
    pub(super) fn place(&mut self) -> Parsed<Place> {
        let (base, elem) = match self.peek().clone() {
            Token::Sigil('%', name) => match self.globals.get(&name) {
                Some(Global::Buffer(id)) => (Base::Buffer(*id), self.program.buffer(*id).elem),
                _ => return self.fail(format!("there is no buffer %{name}")),
            },
            Token::Sigil('$', name) => match self.locals.iter().position(|l| l.name == name) {
                Some(i) => (Base::Local(LocalId(i as u32)), self.locals[i].elem),
                None => return self.fail(format!("there is no scratch array ${name}")),
            },
            _ => return self.expected("a buffer or scratch array"),
        };
        self.next += 1;
        self.punct("[")?;
        let index = self.expr()?;
        self.punct("]")?;
        Ok(Place { base, elem, index })
    }
}
