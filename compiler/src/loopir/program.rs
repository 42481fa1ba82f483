//! The program: everything one compiled model needs, as plain data.

use super::expr::Expr;
use super::stmt::{Body, LocalDecl, PlanSlot, Stmt, walk_stmts};
use super::types::{BufferId, KernelId, Type, VarId};

/// Most symbols, buffers, kernels and functions a program may have.
pub const MAX_ITEMS: usize = 1 << 20;
/// Deepest nesting of statements and of expressions.
pub const MAX_DEPTH: usize = 128;
/// Most expression nodes in one statement, shared subtrees counted each time.
pub const MAX_NODES: usize = 1 << 12;
/// Alignment of scratch arrays and of the scratch itself, in bytes.
pub const SCRATCH_ALIGN: i64 = 64;

/// A compiled model before code generation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Program {
    /// Sizes known only at run time, by `SymbolId`. `@bind` sets those that follow from the inputs' dims; the others
    /// have their upper bound until the schedule sets them.
    pub symbols: Vec<SymbolDecl>,
    /// Memory, by `BufferId`.
    pub buffers: Vec<BufferDecl>,
    /// Rank of each program input, by input index.
    pub input_ranks: Vec<u32>,
    /// Rank of each program output, by output index.
    pub output_ranks: Vec<u32>,
    /// Functions that kernels, `run` and each other may call; not recursive.
    pub fns: Vec<Fn>,
    /// Kernels, by `KernelId`.
    pub kernels: Vec<Kernel>,
    /// `@bind`: input dims to symbols, with checks. Native form: `bind(dims: *const *const i64, symbols: *mut i64,
    /// status: *mut Status) -> i32`.
    pub bind: Body,
    /// `@plan`: symbols to sizes. Native form: `plan(symbols: *const i64, out: *mut i64)`, `out` as in `plan_index`.
    pub plan: Body,
    /// The schedule. Native form: `run(ctx: *const RunCtx) -> i32`, the status code.
    pub run: Body,
}

/// A size known only at run time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolDecl {
    /// Name in the text form.
    pub name: String,
    /// Least value, at least 0.
    pub lo: i64,
    /// Greatest value, inclusive.
    pub hi: i64,
}

/// A piece of memory that generated code addresses by index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BufferDecl {
    /// Name in the text form.
    pub name: String,
    /// Type of the elements.
    pub elem: Type,
    /// Number of elements, over symbols and constants (`I64`).
    pub len: Expr,
    /// Where it lives.
    pub kind: BufferKind,
}

/// Where a buffer lives and who may write it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BufferKind {
    /// The caller's input with this index; read only.
    Input(u32),
    /// The caller's output with this index.
    Output(u32),
    /// Weights: section and byte offset in it; read only. Artifacts have one section, with index 0.
    Weight {
        /// Section.
        index: u32,
        /// Bytes from its start.
        offset: i64,
    },
    /// In the arena, at the byte offset `@plan` gives. Arena buffers may overlap when their lives do not.
    Arena,
    /// Part of another buffer, possibly as another type. The code generator resolves it; its slot in
    /// `RunCtx::buffers` is never read.
    Alias {
        /// The other buffer, declared before this one.
        of: BufferId,
        /// Start in it, in elements of the alias, over symbols and constants (`I64`).
        offset: Expr,
    },
}

/// Code of one launch, split in tiles that any thread may compute in any order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kernel {
    /// Name in the text form and in artifacts.
    pub name: String,
    /// Number of tiles, over symbols, constants and loads of buffers (evaluated in `run`).
    pub tiles: Expr,
    /// Graph node named by failed checks.
    pub node: Option<i32>,
    /// Scratch arrays, laid out in this order.
    pub locals: Vec<LocalDecl>,
    /// Code of one tile.
    pub body: Body,
}

/// A function: a micro-kernel's body in the prelude, or a shared part of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fn {
    /// Its name.
    pub name: String,
    /// Number of parameters: the first variables of the body (`I64`, `F32`, `F64` or `Ptr`).
    pub params: u32,
    /// Type of the result.
    pub ret: Option<Type>,
    /// The code.
    pub body: Body,
    /// The value returned after the body; present when `ret` is.
    pub result: Option<Expr>,
}

impl Fn {
    /// The parameters' variables.
    pub fn param_ids(&self) -> impl Iterator<Item = VarId> {
        (0..self.params).map(VarId)
    }

    /// The parameters' types.
    pub fn param_types(&self) -> impl Iterator<Item = Type> + '_ {
        self.body.vars.iter().take(self.params as usize).map(|v| v.ty)
    }
}

impl Kernel {
    /// Byte offset of a scratch array in the worker's scratch.
    pub fn local_offset(&self, local: super::types::LocalId) -> Expr {
        self.locals[..local.index()].iter().fold(Expr::i64(0), |sum, l| sum + local_bytes(l))
    }

    /// Bytes of scratch one worker needs, over symbols and constants.
    pub fn scratch_bytes(&self) -> Expr {
        self.locals.iter().fold(Expr::i64(0), |sum, l| sum + local_bytes(l))
    }

    /// Whether running it can set the status.
    pub fn can_fail(&self) -> bool {
        let mut found = false;
        walk_stmts(&self.body.stmts, &mut |s| found |= matches!(s, Stmt::Check { .. }));
        found
    }
}

fn local_bytes(local: &LocalDecl) -> Expr {
    (&local.len * local.elem.size()).ceil_div(SCRATCH_ALIGN) * SCRATCH_ALIGN
}

impl Program {
    /// The declaration of a buffer.
    pub fn buffer(&self, id: BufferId) -> &BufferDecl {
        &self.buffers[id.index()]
    }

    /// The declaration of a kernel.
    pub fn kernel(&self, id: KernelId) -> &Kernel {
        &self.kernels[id.index()]
    }

    /// Follows aliases: the buffer that owns the memory, and the byte offset in it.
    pub fn resolve_alias(&self, id: BufferId) -> (BufferId, Expr) {
        let (mut id, mut offset) = (id, Expr::i64(0));
        while let BufferKind::Alias { of, offset: start } = &self.buffer(id).kind {
            offset = offset + start * self.buffer(id).elem.size();
            id = *of;
        }
        (id, offset)
    }

    /// Whether kernels may write the buffer: outputs, the arena and aliases of those.
    pub fn is_writable(&self, id: BufferId) -> bool {
        matches!(self.buffer(self.resolve_alias(id).0).kind, BufferKind::Output(_) | BufferKind::Arena)
    }

    /// The function with this name.
    pub fn find_fn(&self, name: &str) -> Option<&Fn> {
        self.fns.iter().find(|f| f.name == name)
    }

    /// Byte offsets that follow from the declarations: of weights in their section, of aliases in the buffer that owns
    /// the memory. Compiled `plan` functions write them after what `@plan` says.
    pub fn implied_offsets(&self) -> Vec<(BufferId, Expr)> {
        let ids = (0..self.buffers.len() as u32).map(BufferId);
        ids.filter_map(|id| match &self.buffer(id).kind {
            BufferKind::Weight { offset, .. } => Some((id, Expr::i64(*offset))),
            BufferKind::Alias { .. } => Some((id, self.resolve_alias(id).1)),
            _ => None,
        })
        .collect()
    }

    /// Place of a result in the array `@plan` fills: arena bytes, scratch bytes, the byte offset of each buffer in the
    /// arena, its weight section or the buffer it is a part of (0 for inputs and outputs), then the dims of all outputs
    /// in order.
    pub fn plan_index(&self, slot: PlanSlot) -> usize {
        match slot {
            PlanSlot::ArenaBytes => 0,
            PlanSlot::ScratchBytes => 1,
            PlanSlot::Offset(buffer) => 2 + buffer.index(),
            PlanSlot::OutputDim { output, axis } => {
                let before: u32 = self.output_ranks[..output as usize].iter().sum();
                2 + self.buffers.len() + (before + axis) as usize
            }
        }
    }

    /// Length of the array `@plan` fills. It is zeroed before.
    pub fn plan_len(&self) -> usize {
        2 + self.buffers.len() + self.output_ranks.iter().map(|&r| r as usize).sum::<usize>()
    }
}
