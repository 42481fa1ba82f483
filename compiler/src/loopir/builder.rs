//! Builds programs from Rust.
//!
//! ```
//! use lathe_compiler::loopir::{Expr, PlanSlot, ProgramBuilder, Type};
//!
//! // y[n, 768] = softplus(x) * 2, eight rows to a tile.
//! let mut p = ProgramBuilder::new();
//! let (n_id, n) = p.symbol("N", 1, 512); // its id and its value
//! let x = p.input("x", Type::F32, &n * 768, 0, 2); // buffer of input 0, which has rank 2
//! let y = p.output("y", Type::F32, &n * 768, 0, 2);
//! let kernel = p.kernel("softplus_mul", Some(7), n.ceil_div(8), |b| {
//!     let row = b.local("row", Type::F32, 768);
//!     let first = b.let_(b.tile() * 8);
//!     let last = b.let_((&first + 8).min(&n));
//!     b.for_(first, last, 1, |b, i| {
//!         let start = b.let_(i * 768);
//!         b.call("v_softplus", [768.into(), b.addr(x, &start), b.addr(row, 0)]);
//!         b.for_(0, 768, 1, |b, j| {
//!             let v = b.load(row, &j);
//!             b.store(y, &start + j, v * 2.0);
//!         });
//!     });
//! });
//! p.bind(|b| {
//!     let rows = b.let_(Expr::input_dim(0, 0));
//!     b.check(rows.ge(1).and(rows.le(512)), 2, Some(0), &rows);
//!     b.set_symbol(n_id, rows, 0);
//! });
//! p.plan(|b| {
//!     b.set_plan(PlanSlot::ArenaBytes, 0);
//!     b.set_scratch_bytes(); // the maximum over all kernels made so far
//!     b.set_plan(PlanSlot::OutputDim { output: 0, axis: 0 }, &n);
//!     b.set_plan(PlanSlot::OutputDim { output: 0, axis: 1 }, 768);
//! });
//! p.run(|b| b.launch(kernel));
//! let program = p.finish();
//! ```
//!
//! `load`, `let_` and `call_value` emit a `let` and give the variable, so their results may be used any number of
//! times. An `Expr` combined from them is evaluated at each place it is put.

use super::expr::{Base, Expr, ExprKind, Place};
use super::program::{BufferDecl, BufferKind, Fn, Kernel, Program, SymbolDecl};
use super::stmt::{Body, LocalDecl, PlanSlot, Stmt, VarDecl};
use super::types::{BufferId, KernelId, LocalId, SymbolId, Type, VarId};

/// What `load`, `store` and `addr` accept: a buffer, a scratch array, or a pointer with an element type.
pub trait IntoBase {
    /// The base, and the element type if it does not follow from a declaration.
    fn into_base(self) -> (Base, Option<Type>);
}

impl IntoBase for BufferId {
    fn into_base(self) -> (Base, Option<Type>) {
        (Base::Buffer(self), None)
    }
}

impl IntoBase for LocalId {
    fn into_base(self) -> (Base, Option<Type>) {
        (Base::Local(self), None)
    }
}

impl IntoBase for (&Expr, Type) {
    fn into_base(self) -> (Base, Option<Type>) {
        (Base::Ptr(self.0.clone()), Some(self.1))
    }
}

impl IntoBase for (Expr, Type) {
    fn into_base(self) -> (Base, Option<Type>) {
        (Base::Ptr(self.0), Some(self.1))
    }
}

/// Builds a [`Program`].
#[derive(Default)]
pub struct ProgramBuilder {
    program: Program,
}

impl ProgramBuilder {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a symbol with its range (inclusive); its id and its value.
    pub fn symbol(&mut self, name: &str, lo: i64, hi: i64) -> (SymbolId, Expr) {
        let id = SymbolId(self.program.symbols.len() as u32);
        self.program.symbols.push(SymbolDecl { name: name.to_owned(), lo, hi });
        (id, Expr::symbol(id))
    }

    /// Declares a buffer of any kind.
    pub fn buffer(&mut self, name: &str, elem: Type, len: impl Into<Expr>, kind: BufferKind) -> BufferId {
        self.program.buffers.push(BufferDecl { name: name.to_owned(), elem, len: len.into(), kind });
        BufferId(self.program.buffers.len() as u32 - 1)
    }

    /// Declares the buffer of an input and that input's rank.
    pub fn input(&mut self, name: &str, elem: Type, len: impl Into<Expr>, index: u32, rank: u32) -> BufferId {
        set_rank(&mut self.program.input_ranks, index, rank);
        self.buffer(name, elem, len, BufferKind::Input(index))
    }

    /// Declares the buffer of an output and that output's rank.
    pub fn output(&mut self, name: &str, elem: Type, len: impl Into<Expr>, index: u32, rank: u32) -> BufferId {
        set_rank(&mut self.program.output_ranks, index, rank);
        self.buffer(name, elem, len, BufferKind::Output(index))
    }

    /// Declares weights: entry `index` of the weight table from byte `offset` on.
    pub fn weight(&mut self, name: &str, elem: Type, len: impl Into<Expr>, index: u32, offset: i64) -> BufferId {
        self.buffer(name, elem, len, BufferKind::Weight { index, offset })
    }

    /// Declares a buffer in the arena.
    pub fn arena(&mut self, name: &str, elem: Type, len: impl Into<Expr>) -> BufferId {
        self.buffer(name, elem, len, BufferKind::Arena)
    }

    /// Declares a part of another buffer, starting `offset` elements (of `elem`) in.
    pub fn alias(
        &mut self,
        name: &str,
        elem: Type,
        len: impl Into<Expr>,
        of: BufferId,
        offset: impl Into<Expr>,
    ) -> BufferId {
        self.buffer(name, elem, len, BufferKind::Alias { of, offset: offset.into() })
    }

    /// Changes the length of a buffer.
    pub fn set_len(&mut self, buffer: BufferId, len: impl Into<Expr>) {
        self.program.buffers[buffer.index()].len = len.into();
    }

    /// Adds a kernel; the closure builds the code of one tile.
    pub fn kernel(
        &mut self,
        name: &str,
        node: Option<i32>,
        tiles: impl Into<Expr>,
        build: impl FnOnce(&mut Builder<'_>),
    ) -> KernelId {
        let mut builder = Builder::new(&self.program);
        build(&mut builder);
        let (body, locals) = builder.take();
        self.program.kernels.push(Kernel { name: name.to_owned(), tiles: tiles.into(), node, locals, body });
        KernelId(self.program.kernels.len() as u32 - 1)
    }

    /// Adds a function; the closure gets the parameters' values and gives the result (`None` without `ret`).
    pub fn func(
        &mut self,
        name: &str,
        params: &[(&str, Type)],
        ret: Option<Type>,
        build: impl FnOnce(&mut Builder<'_>, &[Expr]) -> Option<Expr>,
    ) {
        let mut builder = Builder::new(&self.program);
        let values: Vec<Expr> = params
            .iter()
            .map(|(name, ty)| {
                builder.body.vars.push(VarDecl { name: (*name).to_owned(), ty: *ty });
                Expr::var(VarId(builder.body.vars.len() as u32 - 1), *ty)
            })
            .collect();
        let result = build(&mut builder, &values);
        let (body, _) = builder.take();
        self.program.fns.push(Fn { name: name.to_owned(), params: params.len() as u32, ret, body, result });
    }

    /// Builds `@bind`.
    pub fn bind(&mut self, build: impl FnOnce(&mut Builder<'_>)) {
        let mut builder = Builder::new(&self.program);
        build(&mut builder);
        self.program.bind = builder.take().0;
    }

    /// Builds `@plan`.
    pub fn plan(&mut self, build: impl FnOnce(&mut Builder<'_>)) {
        let mut builder = Builder::new(&self.program);
        build(&mut builder);
        self.program.plan = builder.take().0;
    }

    /// Builds the schedule.
    pub fn run(&mut self, build: impl FnOnce(&mut Builder<'_>)) {
        let mut builder = Builder::new(&self.program);
        build(&mut builder);
        self.program.run = builder.take().0;
    }

    /// The program so far.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The program.
    pub fn finish(self) -> Program {
        self.program
    }
}

fn set_rank(ranks: &mut Vec<u32>, index: u32, rank: u32) {
    let index = index as usize;
    if ranks.len() <= index {
        ranks.resize(index + 1, 0);
    }
    ranks[index] = rank;
}

/// A mutable variable made by [`Builder::var`].
#[derive(Clone, Copy, Debug)]
pub struct Mutable {
    id: VarId,
    ty: Type,
}

impl Mutable {
    /// Its value where the expression is evaluated.
    pub fn get(self) -> Expr {
        Expr::var(self.id, self.ty)
    }
}

impl From<Mutable> for Expr {
    fn from(var: Mutable) -> Expr {
        var.get()
    }
}

/// Builds one body. Statements go to the innermost open block.
pub struct Builder<'p> {
    program: &'p Program,
    body: Body,
    locals: Vec<LocalDecl>,
}

impl<'p> Builder<'p> {
    fn new(program: &'p Program) -> Self {
        Builder { program, body: Body::default(), locals: Vec::new() }
    }

    fn take(self) -> (Body, Vec<LocalDecl>) {
        (self.body, self.locals)
    }

    fn new_var(&mut self, prefix: &str, ty: Type) -> VarId {
        let id = self.body.vars.len() as u32;
        self.body.vars.push(VarDecl { name: format!("{prefix}{id}"), ty });
        VarId(id)
    }

    /// Appends a statement.
    pub fn push(&mut self, stmt: Stmt) {
        self.body.stmts.push(stmt);
    }

    /// Statements that the closure appends, kept apart.
    fn block(&mut self, build: impl FnOnce(&mut Self)) -> Vec<Stmt> {
        let outer = std::mem::take(&mut self.body.stmts);
        build(self);
        std::mem::replace(&mut self.body.stmts, outer)
    }

    /// The tile being computed; kernels only.
    pub fn tile(&self) -> Expr {
        Expr::tile()
    }

    /// Declares a scratch array of this kernel; `len` over symbols and constants.
    pub fn local(&mut self, name: &str, elem: Type, len: impl Into<Expr>) -> LocalId {
        let mut name = name.to_owned();
        if self.locals.iter().any(|l| l.name == name) {
            name = format!("{name}_{}", self.locals.len());
        }
        self.locals.push(LocalDecl { name, elem, len: len.into() });
        LocalId(self.locals.len() as u32 - 1)
    }

    /// Binds a value to a new variable; constants, variables, symbols and the tile are given back as they are.
    /// (In `run`, where symbols change, use `let_now` for a symbol.)
    pub fn let_(&mut self, value: impl Into<Expr>) -> Expr {
        let value = value.into();
        match value.kind() {
            ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Null | ExprKind::Symbol(_) | ExprKind::Tile => value,
            _ => self.let_now(value),
        }
    }

    /// Binds a value to a new variable, whatever it is.
    pub fn let_now(&mut self, value: impl Into<Expr>) -> Expr {
        let value = value.into();
        let ty = value.ty();
        let var = self.new_var("v", ty);
        self.push(Stmt::Let { var, value });
        Expr::var(var, ty)
    }

    /// Declares a mutable variable.
    pub fn var(&mut self, value: impl Into<Expr>) -> Mutable {
        let value = value.into();
        let ty = value.ty();
        let id = self.new_var("m", ty);
        self.push(Stmt::Var { var: id, value });
        Mutable { id, ty }
    }

    /// Changes a mutable variable.
    pub fn assign(&mut self, var: Mutable, value: impl Into<Expr>) {
        self.push(Stmt::Assign { var: var.id, value: value.into() });
    }

    /// A loop over `lo, lo + step, ..` below `hi`; the closure gets the loop variable.
    pub fn for_(&mut self, lo: impl Into<Expr>, hi: impl Into<Expr>, step: i64, build: impl FnOnce(&mut Self, Expr)) {
        let (lo, hi) = (lo.into(), hi.into());
        let var = self.new_var("i_", Type::I64);
        let body = self.block(|b| build(b, Expr::var(var, Type::I64)));
        self.push(Stmt::For { var, lo, hi, step, body });
    }

    /// Repeats the block while the condition holds; make it over mutable variables or loads.
    pub fn while_(&mut self, cond: impl Into<Expr>, build: impl FnOnce(&mut Self)) {
        let cond = cond.into();
        let body = self.block(build);
        self.push(Stmt::While { cond, body });
    }

    /// A branch; constant conditions leave one side only.
    pub fn if_(&mut self, cond: impl Into<Expr>, build: impl FnOnce(&mut Self)) {
        self.if_else(cond, build, |_| {});
    }

    /// Two branches; constant conditions leave one side only.
    pub fn if_else(
        &mut self,
        cond: impl Into<Expr>,
        then_build: impl FnOnce(&mut Self),
        else_build: impl FnOnce(&mut Self),
    ) {
        let cond = cond.into();
        match cond.as_int() {
            Some(0) => else_build(self),
            Some(_) => then_build(self),
            None => {
                let then_body = self.block(then_build);
                let else_body = self.block(else_build);
                self.push(Stmt::If { cond, then_body, else_body });
            }
        }
    }

    fn place(&self, base: impl IntoBase, index: impl Into<Expr>) -> Place {
        let (base, elem) = base.into_base();
        let elem = elem.unwrap_or_else(|| match &base {
            Base::Buffer(id) => self.program.buffer(*id).elem,
            Base::Local(id) => self.locals[id.index()].elem,
            Base::Ptr(_) => Type::U8,
        });
        Place { base, elem, index: index.into() }
    }

    /// Reads an element now, into a new variable.
    pub fn load(&mut self, base: impl IntoBase, index: impl Into<Expr>) -> Expr {
        let place = self.place(base, index);
        self.let_(Expr::load_place(place))
    }

    /// Address of an element (or one past the end).
    pub fn addr(&self, base: impl IntoBase, index: impl Into<Expr>) -> Expr {
        let place = self.place(base, index);
        match place.base {
            Base::Ptr(pointer) => Expr::addr_ptr(pointer, place.elem, place.index),
            _ => Expr::addr_place(place),
        }
    }

    /// Writes an element.
    pub fn store(&mut self, base: impl IntoBase, index: impl Into<Expr>, value: impl Into<Expr>) {
        let place = self.place(base, index);
        self.push(Stmt::Store { place, value: value.into() });
    }

    /// Calls a micro-kernel or `fn`, dropping its result.
    pub fn call(&mut self, callee: &str, args: impl IntoIterator<Item = Expr>) {
        self.push(Stmt::Call { callee: callee.into(), args: args.into_iter().collect() });
    }

    /// Calls a micro-kernel or `fn` with a result of type `ret` now, into a new variable.
    pub fn call_value(&mut self, callee: &str, ret: Type, args: impl IntoIterator<Item = Expr>) -> Expr {
        self.let_(Expr::call(callee, ret, args.into_iter().collect()))
    }

    /// Unless `cond` holds: sets the status to `code` and `value`, naming `node` (`None`: the kernel's node; in
    /// `@bind` see [`Stmt::Check`]), and returns. A constant true condition emits nothing.
    pub fn check(&mut self, cond: impl Into<Expr>, code: i32, node: Option<i32>, value: impl Into<Expr>) {
        let cond = cond.into();
        if cond.as_int().is_none_or(|v| v == 0) {
            self.push(Stmt::Check { cond, code, node, value: value.into() });
        }
    }

    /// Runs a kernel; `run` only.
    pub fn launch(&mut self, kernel: KernelId) {
        self.push(Stmt::Launch(kernel));
    }

    /// Gives a symbol its value; `node` is named when the value is outside of the symbol's range. `@bind` and `run`.
    pub fn set_symbol(&mut self, symbol: SymbolId, value: impl Into<Expr>, node: i32) {
        self.push(Stmt::SetSymbol { symbol, value: value.into(), node });
    }

    /// Gives a result of `@plan`.
    pub fn set_plan(&mut self, slot: PlanSlot, value: impl Into<Expr>) {
        self.push(Stmt::SetPlan { slot, value: value.into() });
    }

    /// Gives `PlanSlot::ScratchBytes` the maximum over the kernels made so far.
    pub fn set_scratch_bytes(&mut self) {
        let mut most = Expr::i64(0);
        for kernel in &self.program.kernels {
            let bytes = kernel.scratch_bytes();
            if bytes != most {
                most = self.let_(most.max(bytes));
            }
        }
        self.set_plan(PlanSlot::ScratchBytes, most);
    }
}
