//! Functions: signatures, what is loaded on entry, statements.

use crate::loopir::{
    Base, Body, BufferId, Expr, ExprKind, Kernel, LocalDecl, Place, PlanSlot, Program, Stmt, SymbolId, Type, walk_stmts,
};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, BlockArg, FuncRef, Function, InstBuilder, MemFlagsData, SigRef, Signature, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use std::collections::{BTreeMap, BTreeSet};

/// Offsets in `RunCtx`; the runtime asserts them.
pub(super) mod ctx {
    pub(in super::super) const KERNELS: i32 = 0;
    pub(in super::super) const BUFFERS: i32 = 8;
    pub(in super::super) const SYMBOLS: i32 = 16;
    pub(in super::super) const PARALLEL_FOR: i32 = 24;
    pub(in super::super) const STATUS: i32 = 32;
}

/// Offsets in `Status`; the runtime asserts them.
pub(super) mod status {
    pub(in super::super) const CODE: i32 = 0;
    pub(in super::super) const NODE: i32 = 4;
    pub(in super::super) const VALUE: i32 = 8;
}

/// A function to generate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Fn(usize),
    Kernel(usize),
    Bind,
    Plan,
    Run,
}

impl Unit {
    /// All functions of a program in the order of the blob.
    pub(super) fn all(program: &Program) -> impl Iterator<Item = Unit> {
        (0..program.fns.len()).map(Unit::Fn).chain((0..program.kernels.len()).map(Unit::Kernel)).chain([
            Unit::Bind,
            Unit::Plan,
            Unit::Run,
        ])
    }

    /// Position in the order of the blob.
    pub(super) fn index(self, program: &Program) -> u32 {
        let (fns, kernels) = (program.fns.len(), program.kernels.len());
        let index = match self {
            Unit::Fn(i) => i,
            Unit::Kernel(i) => fns + i,
            Unit::Bind => fns + kernels,
            Unit::Plan => fns + kernels + 1,
            Unit::Run => fns + kernels + 2,
        };
        index as u32
    }

    /// Name in the blob.
    pub(super) fn name(self, program: &Program) -> String {
        match self {
            Unit::Fn(i) => format!("@{}", program.fns[i].name),
            Unit::Kernel(i) => format!("@{}", program.kernels[i].name),
            Unit::Bind => "bind".to_owned(),
            Unit::Plan => "plan".to_owned(),
            Unit::Run => "run".to_owned(),
        }
    }

    fn body(self, program: &Program) -> &Body {
        match self {
            Unit::Fn(i) => &program.fns[i].body,
            Unit::Kernel(i) => &program.kernels[i].body,
            Unit::Bind => &program.bind,
            Unit::Plan => &program.plan,
            Unit::Run => &program.run,
        }
    }

    /// The C signature. Functions of the program get the context before their own parameters.
    pub(super) fn signature(self, program: &Program, call_conv: CallConv) -> Signature {
        let mut signature = Signature::new(call_conv);
        let mut params = |count: usize| signature.params.extend(vec![AbiParam::new(types::I64); count]);
        match self {
            Unit::Fn(i) => {
                params(1);
                let f = &program.fns[i];
                signature.params.extend(f.param_types().map(|t| AbiParam::new(clif_type(t))));
                signature.returns.extend(f.ret.map(|t| AbiParam::new(clif_type(t))));
            }
            Unit::Kernel(_) => params(4),
            Unit::Bind => {
                params(3);
                signature.returns.push(AbiParam::new(types::I32));
            }
            Unit::Plan => params(2),
            Unit::Run => {
                params(1);
                signature.returns.push(AbiParam::new(types::I32));
            }
        }
        signature
    }
}

/// Register type of a scalar.
pub(super) fn clif_type(ty: Type) -> types::Type {
    match ty {
        Type::Bool | Type::I8 | Type::U8 => types::I8,
        Type::I16 | Type::U16 | Type::F16 | Type::BF16 => types::I16,
        Type::I32 | Type::U32 => types::I32,
        Type::I64 | Type::U64 | Type::Ptr => types::I64,
        Type::F32 => types::F32,
        Type::F64 => types::F64,
    }
}

/// Memory of the model: never traps, any alignment.
pub(super) fn data() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// Fields that do not change while a function runs.
pub(super) fn constant_field() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

/// A variable's value: fixed, or in a slot that Cranelift turns into SSA form.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    Unset,
    Value(Value),
    Mutable(Variable),
}

/// A function under construction.
pub(super) struct Gen<'a, 'f> {
    pub(super) program: &'a Program,
    pub(super) unit: Unit,
    pub(super) b: FunctionBuilder<'f>,
    pub(super) call_conv: CallConv,
    pub(super) vars: Vec<Slot>,
    /// `RunCtx`, where there is one.
    pub(super) ctx: Option<Value>,
    pub(super) tile: Option<Value>,
    /// Base addresses, loaded on entry.
    pub(super) buffers: BTreeMap<BufferId, Value>,
    pub(super) locals: Vec<Value>,
    /// Symbols, loaded on entry where they cannot change.
    pub(super) symbols: BTreeMap<SymbolId, Value>,
    pub(super) symbols_base: Option<Value>,
    pub(super) status: Option<Value>,
    /// `dims` of `bind`, `out` of `plan`.
    pub(super) aux: Option<Value>,
    pub(super) kernel_table: Option<Value>,
    pub(super) signatures: BTreeMap<(Vec<Type>, Option<Type>), SigRef>,
    pub(super) functions: BTreeMap<u32, FuncRef>,
    /// First thing found that cannot be generated.
    pub(super) error: Option<String>,
}

/// What a body mentions.
#[derive(Default)]
struct Mentions {
    symbols: BTreeSet<SymbolId>,
    buffers: BTreeSet<BufferId>,
    calls: bool,
    checks: bool,
}

impl Mentions {
    fn expr(&mut self, e: &Expr) {
        e.walk(&mut |e| match e.kind() {
            ExprKind::Symbol(id) => {
                self.symbols.insert(*id);
            }
            ExprKind::Load(place) | ExprKind::Addr(place) => self.place(place),
            ExprKind::Call(..) => self.calls = true,
            ExprKind::Cast(a) => self.calls |= a.ty().is_half() || e.ty().is_half(),
            _ => {}
        });
    }

    fn place(&mut self, place: &Place) {
        if let Base::Buffer(id) = &place.base {
            self.buffers.insert(*id);
        }
    }

    fn of(program: &Program, unit: Unit) -> Mentions {
        let mut m = Mentions::default();
        walk_stmts(&unit.body(program).stmts, &mut |s| {
            s.for_each_expr(|e| m.expr(e));
            match s {
                Stmt::Store { place, .. } => m.place(place),
                Stmt::Call { .. } => m.calls = true,
                Stmt::Check { .. } | Stmt::SetSymbol { .. } => m.checks = true,
                Stmt::Launch(k) => m.expr(&program.kernel(*k).tiles),
                _ => {}
            }
        });
        match unit {
            Unit::Kernel(i) => program.kernels[i].locals.iter().for_each(|l| m.expr(&l.len)),
            Unit::Fn(i) => program.fns[i].result.iter().for_each(|e| m.expr(e)),
            Unit::Plan => program.implied_offsets().iter().for_each(|(_, e)| m.expr(e)),
            _ => {}
        }
        for id in m.buffers.clone() {
            m.expr(&program.resolve_alias(id).1);
        }
        m
    }
}

/// Generates the function of `unit` into `func`.
pub(super) fn build(
    program: &Program,
    unit: Unit,
    isa: &dyn TargetIsa,
    func: &mut Function,
    builder_context: &mut FunctionBuilderContext,
) -> Result<(), String> {
    let call_conv = isa.default_call_conv();
    func.name = UserFuncName::user(0, unit.index(program));
    func.signature = unit.signature(program, call_conv);
    let mut b = FunctionBuilder::new(func, builder_context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let params: Vec<Value> = b.block_params(entry).to_vec();
    let body = unit.body(program);
    let mut g = Gen {
        program,
        unit,
        b,
        call_conv,
        vars: vec![Slot::Unset; body.vars.len()],
        ctx: None,
        tile: None,
        buffers: BTreeMap::new(),
        locals: Vec::new(),
        symbols: BTreeMap::new(),
        symbols_base: None,
        status: None,
        aux: None,
        kernel_table: None,
        signatures: BTreeMap::new(),
        functions: BTreeMap::new(),
        error: None,
    };
    let mentions = Mentions::of(program, unit);
    match unit {
        Unit::Fn(i) => {
            g.ctx = Some(params[0]);
            for (slot, value) in g.vars.iter_mut().zip(&params[1..]) {
                *slot = Slot::Value(*value);
            }
            g.load_context(&mentions);
            g.block(&body.stmts);
            let results: Vec<Value> = program.fns[i].result.iter().map(|e| g.expr(e)).collect();
            g.b.ins().return_(&results);
        }
        Unit::Kernel(i) => {
            g.ctx = Some(params[0]);
            g.load_context(&mentions);
            g.kernel(&program.kernels[i], &params);
        }
        Unit::Bind => {
            (g.aux, g.symbols_base, g.status) = (Some(params[0]), Some(params[1]), Some(params[2]));
            g.block(&body.stmts);
            let zero = g.b.ins().iconst(types::I32, 0);
            g.b.ins().return_(&[zero]);
        }
        Unit::Plan => {
            (g.symbols_base, g.aux) = (Some(params[0]), Some(params[1]));
            g.load_symbols(&mentions);
            g.block(&body.stmts);
            for (buffer, offset) in program.implied_offsets() {
                g.set_plan(PlanSlot::Offset(buffer), &offset);
            }
            g.b.ins().return_(&[]);
        }
        Unit::Run => {
            g.ctx = Some(params[0]);
            g.load_context(&mentions);
            g.block(&body.stmts);
            let zero = g.b.ins().iconst(types::I32, 0);
            g.b.ins().return_(&[zero]);
        }
    }
    let error = g.error.take();
    g.b.finalize(isa.frontend_config());
    error.map_or(Ok(()), Err)
}

impl Gen<'_, '_> {
    pub(super) fn iconst(&mut self, value: i64) -> Value {
        self.b.ins().iconst(types::I64, value)
    }

    pub(super) fn field(&mut self, offset: i32) -> Value {
        match self.ctx {
            Some(ctx) => self.b.ins().load(types::I64, constant_field(), ctx, offset),
            None => self.missing("the run context"),
        }
    }

    /// Records that something is not available here; `verify` excludes it.
    pub(super) fn missing(&mut self, what: &str) -> Value {
        self.error.get_or_insert_with(|| format!("{what} is not available here"));
        self.iconst(0)
    }

    /// Loads on entry what the body mentions.
    fn load_context(&mut self, mentions: &Mentions) {
        if mentions.calls {
            self.kernel_table = Some(self.field(ctx::KERNELS));
        }
        if mentions.checks || self.unit == Unit::Run {
            self.status = Some(self.field(ctx::STATUS));
        }
        if !mentions.symbols.is_empty() || self.unit == Unit::Run {
            self.symbols_base = Some(self.field(ctx::SYMBOLS));
        }
        if self.unit != Unit::Run {
            self.load_symbols(mentions);
        }
        if !mentions.buffers.is_empty() {
            let table = self.field(ctx::BUFFERS);
            for &id in &mentions.buffers {
                let (owner, offset) = self.program.resolve_alias(id);
                let mut base = self.b.ins().load(types::I64, constant_field(), table, owner.0 as i32 * 8);
                if offset.as_int() != Some(0) {
                    let offset = self.expr(&offset);
                    base = self.b.ins().iadd(base, offset);
                }
                self.buffers.insert(id, base);
            }
        }
    }

    fn load_symbols(&mut self, mentions: &Mentions) {
        if let Some(base) = self.symbols_base {
            for &id in &mentions.symbols {
                let value = self.b.ins().load(types::I64, constant_field(), base, id.0 as i32 * 8);
                self.symbols.insert(id, value);
            }
        }
    }

    /// The tile loop around a kernel's body.
    fn kernel(&mut self, kernel: &Kernel, params: &[Value]) {
        let (begin, end, scratch) = (params[1], params[2], params[3]);
        self.locals = self.local_bases(&kernel.locals, kernel, scratch);
        let body = self.b.create_block();
        let exit = self.b.create_block();
        let tile = self.b.append_block_param(body, types::I64);
        let any = self.b.ins().icmp(IntCC::SignedLessThan, begin, end);
        self.b.ins().brif(any, body, &[BlockArg::Value(begin)], exit, &[]);
        self.b.switch_to_block(body);
        self.tile = Some(tile);
        self.block(&kernel.body.stmts);
        let next = self.b.ins().iadd_imm_s(tile, 1);
        let more = self.b.ins().icmp(IntCC::SignedLessThan, next, end);
        self.b.ins().brif(more, body, &[BlockArg::Value(next)], exit, &[]);
        self.b.seal_block(body);
        self.b.seal_block(exit);
        self.b.switch_to_block(exit);
        self.b.ins().return_(&[]);
    }

    fn local_bases(&mut self, locals: &[LocalDecl], kernel: &Kernel, scratch: Value) -> Vec<Value> {
        (0..locals.len() as u32)
            .map(|i| {
                let offset = kernel.local_offset(crate::loopir::LocalId(i));
                match offset.as_int() {
                    Some(0) => scratch,
                    Some(bytes) => self.b.ins().iadd_imm_s(scratch, bytes),
                    None => {
                        let offset = self.expr(&offset);
                        self.b.ins().iadd(scratch, offset)
                    }
                }
            })
            .collect()
    }

    pub(super) fn block(&mut self, stmts: &[Stmt]) {
        stmts.iter().for_each(|s| self.stmt(s));
    }
}
