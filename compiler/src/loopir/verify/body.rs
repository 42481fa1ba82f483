//! Checks of bodies: scopes, types, and what may stand where.

use super::{Context, Verifier};
use crate::loopir::expr::{Base, BinaryOp, CompareOp, Expr, ExprKind, Place, UnaryOp};
use crate::loopir::print::show_stmt;
use crate::loopir::program::{Fn, MAX_DEPTH, MAX_NODES, Program};
use crate::loopir::stmt::{Body, LocalDecl, Stmt};
use crate::loopir::types::{Type, VarId};
use lathe_runtime::core::table::Arg;
use std::collections::BTreeSet;

/// Number of nodes if depth and number are within the limits. `depth` is that of `e` itself.
pub(super) fn measure(e: &Expr, depth: usize) -> Option<usize> {
    fn go(e: &Expr, depth: usize, count: &mut usize) -> bool {
        *count += 1;
        if depth > MAX_DEPTH || *count > MAX_NODES {
            return false;
        }
        let mut fine = true;
        e.for_each_operand(|o| fine = fine && go(o, depth + 1, count));
        fine
    }
    let mut count = 0;
    go(e, depth, &mut count).then_some(count)
}

/// Types of expressions in one context.
pub(super) struct ExprTypes<'a> {
    pub(super) program: &'a Program,
    pub(super) context: Context,
    pub(super) locals: &'a [LocalDecl],
    /// Functions with a smaller index may be called.
    pub(super) callable_fns: usize,
}

fn require(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message()) }
}

impl ExprTypes<'_> {
    /// Checks an expression; `var` gives the type of a variable in scope.
    pub(super) fn check(&self, e: &Expr, var: &mut dyn FnMut(VarId) -> Option<Type>) -> Result<(), String> {
        let mut operands = Ok(());
        e.for_each_operand(|o| {
            if operands.is_ok() {
                operands = self.check(o, var);
            }
        });
        operands?;
        let ty = e.ty();
        match e.kind() {
            ExprKind::Int(v) => {
                require(ty.is_int() || ty == Type::Bool, || format!("integer constant of type {ty}"))?;
                require(ty.wrap(*v) == *v, || format!("constant {v} does not fit {ty}"))
            }
            ExprKind::Float(bits) => {
                require(ty.is_float(), || format!("float constant of type {ty}"))?;
                require(ty == Type::F64 || *bits <= u32::MAX as u64, || "f32 constant with more than 32 bits".into())
            }
            ExprKind::Null => require(ty == Type::Ptr, || "null must be a pointer".into()),
            ExprKind::Var(id) => match var(*id) {
                None => Err("use of a variable outside of its scope".into()),
                Some(declared) => require(declared == ty, || format!("variable of type {declared} used as {ty}")),
            },
            ExprKind::Symbol(id) => {
                require(self.context.symbols(), || "symbols are not known here".into())?;
                require(id.index() < self.program.symbols.len(), || format!("no symbol {}", id.0))?;
                require(ty == Type::I64, || "symbols are i64".into())
            }
            ExprKind::Tile => {
                require(self.context == Context::Kernel, || "tile outside of a kernel".into())?;
                require(ty == Type::I64, || "tile is i64".into())
            }
            ExprKind::InputDim { input, axis } => {
                require(self.context == Context::Bind, || "input dims are only known in bind".into())?;
                let rank = self.program.input_ranks.get(*input as usize);
                require(rank.is_some_and(|r| axis < r), || format!("no axis {axis} of input {input}"))?;
                require(ty == Type::I64, || "dims are i64".into())
            }
            ExprKind::Load(place) => {
                require(ty == place.elem, || format!("load of {} as {ty}", place.elem))?;
                self.place(place)
            }
            ExprKind::Addr(place) => {
                require(ty == Type::Ptr, || "an address is a pointer".into())?;
                self.place(place)
            }
            ExprKind::Unary(op, a) => {
                require(a.ty() == ty, || format!("{} of {} as {ty}", op.text(), a.ty()))?;
                require(unary_allows(*op, ty), || format!("{} is not defined on {ty}", op.text()))
            }
            ExprKind::Binary(op, a, b) => {
                require(a.ty() == ty && b.ty() == ty, || {
                    format!("{} of {} and {} as {ty}", op.text(), a.ty(), b.ty())
                })?;
                require(binary_allows(*op, ty), || format!("{} is not defined on {ty}", op.text()))
            }
            ExprKind::Compare(op, a, b) => {
                require(ty == Type::Bool, || "a comparison is bool".into())?;
                require(a.ty() == b.ty(), || format!("{} of {} and {}", op.text(), a.ty(), b.ty()))?;
                let equality = matches!(op, CompareOp::Eq | CompareOp::Ne);
                let fine = a.ty().is_arith() || equality && matches!(a.ty(), Type::Bool | Type::Ptr);
                require(fine, || format!("{} is not defined on {}", op.text(), a.ty()))
            }
            ExprKind::Fma(a, b, c) => require(ty.is_float() && [a, b, c].iter().all(|x| x.ty() == ty), || {
                format!("fma of {}, {}, {} as {ty}", a.ty(), b.ty(), c.ty())
            }),
            ExprKind::Select(c, a, b) => {
                require(c.ty() == Type::Bool, || format!("select on {}", c.ty()))?;
                require(a.ty() == ty && b.ty() == ty, || format!("select of {} and {} as {ty}", a.ty(), b.ty()))
            }
            ExprKind::Cast(a) => {
                let pointer = ty == Type::Ptr || a.ty() == Type::Ptr;
                require(!pointer, || "pointers are not cast".into())?;
                let half = ty.is_half() || a.ty().is_half();
                require(!half || self.context.calls(), || "halves cannot be cast here".into())
            }
            ExprKind::Bitcast(a) => {
                let fine = |t: Type| t.is_arith() || t.is_half();
                require(fine(ty) && fine(a.ty()) && ty.size() == a.ty().size(), || {
                    format!("bitcast of {} to {ty}", a.ty())
                })
            }
            ExprKind::Call(callee, args) => {
                let ret = self.call(callee, args)?;
                require(ret == Some(ty), || match ret {
                    Some(ret) => format!("@{callee} gives {ret}, not {ty}"),
                    None => format!("@{callee} has no result"),
                })
            }
        }
    }

    fn place(&self, place: &Place) -> Result<(), String> {
        require(place.index.ty() == Type::I64, || format!("index of type {}", place.index.ty()))?;
        let declared = match &place.base {
            Base::Buffer(id) => {
                require(self.context.buffers(), || "buffers are not known here".into())?;
                let buffer = self.program.buffers.get(id.index()).ok_or_else(|| format!("no buffer {}", id.0))?;
                buffer.elem
            }
            Base::Local(id) => self.locals.get(id.index()).ok_or_else(|| format!("no scratch array {}", id.0))?.elem,
            Base::Ptr(p) => {
                require(p.ty() == Type::Ptr, || format!("access through a {}", p.ty()))?;
                require(place.elem != Type::Ptr, || "pointers are not kept in memory".into())?;
                place.elem
            }
        };
        require(declared == place.elem, || format!("elements are {declared}, not {}", place.elem))
    }

    /// Checks arguments; gives the type of the result.
    fn call(&self, callee: &str, args: &[Expr]) -> Result<Option<Type>, String> {
        require(self.context.calls(), || "no calls here".into())?;
        let (params, ret) = match self.program.fns.iter().position(|f| f.name == callee) {
            Some(i) => {
                require(i < self.callable_fns, || format!("@{callee} is not declared before this function"))?;
                let f = &self.program.fns[i];
                (f.param_types().collect::<Vec<_>>(), f.ret)
            }
            None => {
                let i = lathe_runtime::core::table::kernel_index(callee)
                    .ok_or_else(|| format!("there is no function or micro-kernel @{callee}"))?;
                let s = &lathe_runtime::core::table::SIGNATURES[i];
                (s.args.iter().copied().map(arg_type).collect(), s.ret.map(arg_type))
            }
        };
        require(params.len() == args.len(), || {
            format!("@{callee} takes {} arguments, not {}", params.len(), args.len())
        })?;
        for (i, (param, arg)) in params.iter().zip(args).enumerate() {
            require(*param == arg.ty(), || format!("argument {i} of @{callee} is {param}, not {}", arg.ty()))?;
        }
        Ok(ret)
    }
}

/// Type of a micro-kernel's argument.
pub(crate) fn arg_type(arg: Arg) -> Type {
    match arg {
        Arg::I64 => Type::I64,
        Arg::F32 => Type::F32,
        Arg::F64 => Type::F64,
        Arg::Ptr => Type::Ptr,
    }
}

fn unary_allows(op: UnaryOp, ty: Type) -> bool {
    match op {
        UnaryOp::Neg => ty.is_arith(),
        UnaryOp::Abs => ty.is_signed() || ty.is_float(),
        UnaryOp::Not => ty.is_int() || ty == Type::Bool,
        UnaryOp::Sqrt | UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Trunc | UnaryOp::Round => ty.is_float(),
    }
}

fn binary_allows(op: BinaryOp, ty: Type) -> bool {
    use BinaryOp::*;
    match op {
        Add | Sub | Mul | Div | Min | Max => ty.is_arith(),
        Rem | FloorDiv | FloorMod | CeilDiv | Shl | Shr => ty.is_int(),
        And | Or | Xor => ty.is_int() || ty == Type::Bool,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Undeclared,
    Let,
    Mutable,
    OutOfScope,
}

struct BodyCheck<'v, 'a> {
    verifier: &'v mut Verifier<'a>,
    types: ExprTypes<'a>,
    place: &'v str,
    body: &'a Body,
    states: Vec<State>,
}

impl<'a> Verifier<'a> {
    pub(super) fn body(
        &mut self,
        context: Context,
        place: &str,
        body: &'a Body,
        locals: &'a [LocalDecl],
        params: usize,
        callable_fns: usize,
    ) {
        self.checked_body(context, place, body, locals, params, callable_fns, None);
    }

    pub(super) fn function_body(&mut self, place: &str, f: &'a Fn, index: usize) {
        self.checked_body(Context::Fn, place, &f.body, &[], f.params as usize, index, f.result.as_ref());
    }

    #[allow(clippy::too_many_arguments)]
    fn checked_body(
        &mut self,
        context: Context,
        place: &str,
        body: &'a Body,
        locals: &'a [LocalDecl],
        params: usize,
        callable_fns: usize,
        result: Option<&'a Expr>,
    ) {
        let mut names = BTreeSet::new();
        for v in &body.vars {
            self.name(place, &v.name, &mut names);
            if super::super::parse::is_reserved(&v.name) {
                self.error(place, String::new(), format!("{:?} is a word of the language", v.name));
            }
        }
        let types = ExprTypes { program: self.program, context, locals, callable_fns };
        let states = (0..body.vars.len()).map(|i| if i < params { State::Let } else { State::Undeclared }).collect();
        let mut check = BodyCheck { verifier: self, types, place, body, states };
        check.block(&body.stmts, 1, result);
    }
}

impl<'a> BodyCheck<'_, 'a> {
    /// Checks statements and, in the scope they leave, the value a function returns.
    fn block(&mut self, stmts: &'a [Stmt], depth: usize, result: Option<&'a Expr>) {
        if depth > MAX_DEPTH {
            self.verifier.error(self.place, String::new(), "statements are nested too deeply");
            return;
        }
        let mut declared = Vec::new();
        for stmt in stmts {
            let before = self.verifier.errors.len();
            if let Err(message) = self.stmt(stmt, depth, &mut declared) {
                let text = show_stmt(self.types.program, self.body, self.types.locals, stmt);
                self.verifier.error(self.place, text, message);
            }
            if self.verifier.errors.len() > before + 20 {
                return;
            }
        }
        if let Some(Err(message)) = result.map(|e| self.expr(e)) {
            self.verifier.error(self.place, "return".to_owned(), message);
        }
        for var in declared {
            self.states[var.index()] = State::OutOfScope;
        }
    }

    fn declare(&mut self, var: VarId, state: State, ty: Type, declared: &mut Vec<VarId>) -> Result<(), String> {
        let decl = self.body.vars.get(var.index()).ok_or_else(|| format!("no variable {}", var.0))?;
        require(self.states[var.index()] == State::Undeclared, || format!("{} is declared twice", decl.name))?;
        self.states[var.index()] = state;
        declared.push(var);
        require(decl.ty == ty, || format!("{} is {}, its value {ty}", decl.name, decl.ty))
    }

    fn expr(&self, e: &'a Expr) -> Result<(), String> {
        require(measure(e, 1).is_some(), || "expression is too deep or too large".into())?;
        self.types.check(e, &mut |var| match self.states.get(var.index()) {
            Some(State::Let | State::Mutable) => Some(self.body.vars[var.index()].ty),
            _ => None,
        })
    }

    fn typed(&self, e: &'a Expr, ty: Type, what: &str) -> Result<(), String> {
        self.expr(e)?;
        require(e.ty() == ty, || format!("{what} is {}, not {ty}", e.ty()))
    }

    fn stmt(&mut self, stmt: &'a Stmt, depth: usize, declared: &mut Vec<VarId>) -> Result<(), String> {
        let context = self.types.context;
        match stmt {
            Stmt::Let { var, value } => {
                self.expr(value)?;
                self.declare(*var, State::Let, value.ty(), declared)
            }
            Stmt::Var { var, value } => {
                self.expr(value)?;
                self.declare(*var, State::Mutable, value.ty(), declared)
            }
            Stmt::Assign { var, value } => {
                self.expr(value)?;
                match self.states.get(var.index()) {
                    Some(State::Mutable) => {}
                    Some(State::Let) => return Err("assignment to an immutable variable".into()),
                    _ => return Err("assignment to a variable outside of its scope".into()),
                }
                let ty = self.body.vars[var.index()].ty;
                require(ty == value.ty(), || format!("a {ty} variable is given a {}", value.ty()))
            }
            Stmt::For { var, lo, hi, step, body } => {
                self.typed(lo, Type::I64, "the lower bound")?;
                self.typed(hi, Type::I64, "the upper bound")?;
                require(*step > 0, || format!("step {step} is not positive"))?;
                let mut own = Vec::new();
                self.declare(*var, State::Let, Type::I64, &mut own)?;
                self.block(body, depth + 1, None);
                self.states[var.index()] = State::OutOfScope;
                Ok(())
            }
            Stmt::While { cond, body } => {
                self.typed(cond, Type::Bool, "the condition")?;
                self.block(body, depth + 1, None);
                Ok(())
            }
            Stmt::If { cond, then_body, else_body } => {
                self.typed(cond, Type::Bool, "the condition")?;
                self.block(then_body, depth + 1, None);
                self.block(else_body, depth + 1, None);
                Ok(())
            }
            Stmt::Store { place, value } => {
                if let Base::Ptr(p) = &place.base {
                    self.expr(p)?;
                }
                self.expr(&place.index)?;
                self.types.place(place)?;
                self.typed(value, place.elem, "the stored value")?;
                match &place.base {
                    Base::Buffer(id) => {
                        require(self.types.program.is_writable(*id), || "store to a read-only buffer".into())
                    }
                    _ => Ok(()),
                }
            }
            Stmt::Call { callee, args } => {
                for arg in args {
                    self.expr(arg)?;
                }
                self.types.call(callee, args).map(|_| ())
            }
            Stmt::Check { cond, code, value, .. } => {
                require(context.check(), || "no checks here".into())?;
                self.typed(cond, Type::Bool, "the condition")?;
                self.typed(value, Type::I64, "the reported value")?;
                require(*code != 0, || "code 0 means no error".into())
            }
            Stmt::Launch(kernel) => {
                require(context == Context::Run, || "kernels are launched in run only".into())?;
                require(kernel.index() < self.types.program.kernels.len(), || format!("no kernel {}", kernel.0))
            }
            Stmt::SetSymbol { symbol, value, .. } => {
                require(context.set_symbol(), || "symbols are set in bind and run only".into())?;
                require(symbol.index() < self.types.program.symbols.len(), || format!("no symbol {}", symbol.0))?;
                self.typed(value, Type::I64, "the value")
            }
            Stmt::SetPlan { slot, value } => {
                require(context == Context::Plan, || "plan results are given in plan only".into())?;
                self.typed(value, Type::I64, "the value")?;
                use crate::loopir::program::BufferKind;
                use crate::loopir::stmt::PlanSlot;
                let program = self.types.program;
                match slot {
                    PlanSlot::Offset(b) => {
                        let arena = program.buffers.get(b.index()).is_some_and(|b| b.kind == BufferKind::Arena);
                        require(arena, || "only arena buffers have an offset".into())
                    }
                    PlanSlot::OutputDim { output, axis } => {
                        let rank = program.output_ranks.get(*output as usize);
                        require(rank.is_some_and(|r| axis < r), || format!("no axis {axis} of output {output}"))
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}
