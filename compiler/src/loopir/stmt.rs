//! Statements and bodies.

use super::expr::{Expr, Place};
use super::types::{BufferId, KernelId, LocalId, SymbolId, Type, VarId};
use std::sync::Arc;

/// One statement. Which ones may stand where is listed in `verify.rs`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stmt {
    /// Declares an immutable variable.
    Let {
        /// The variable.
        var: VarId,
        /// Its value.
        value: Expr,
    },
    /// Declares a mutable variable.
    Var {
        /// The variable.
        var: VarId,
        /// Its first value.
        value: Expr,
    },
    /// Gives a mutable variable another value.
    Assign {
        /// The variable.
        var: VarId,
        /// Its new value.
        value: Expr,
    },
    /// `for var in lo, lo+step, .. while var < hi`. `lo` and `hi` are evaluated once. `hi + step` must not overflow.
    For {
        /// The loop variable (`I64`).
        var: VarId,
        /// First value.
        lo: Expr,
        /// Bound, exclusive.
        hi: Expr,
        /// Positive constant.
        step: i64,
        /// The body.
        body: Vec<Stmt>,
    },
    /// Repeats while the condition, evaluated before each turn, holds.
    While {
        /// `Bool`.
        cond: Expr,
        /// The body.
        body: Vec<Stmt>,
    },
    /// Two branches.
    If {
        /// `Bool`.
        cond: Expr,
        /// Taken when true.
        then_body: Vec<Stmt>,
        /// Taken when false.
        else_body: Vec<Stmt>,
    },
    /// Writes an element.
    Store {
        /// Where.
        place: Place,
        /// What; of the place's element type.
        value: Expr,
    },
    /// Calls a micro-kernel or an `fn` of the program; a result is dropped.
    Call {
        /// Its name.
        callee: Arc<str>,
        /// Arguments, of the types of its signature.
        args: Vec<Expr>,
    },
    /// Unless the condition holds: sets the status (the first error wins) and returns from the body.
    Check {
        /// `Bool`.
        cond: Expr,
        /// Status code, not 0.
        code: i32,
        /// What the status names; `None` is the kernel's node (-1 outside kernels). In `@bind` it is the index of an input,
        /// or [`ENTRY_NODE`] less the node.
        node: Option<i32>,
        /// Value reported with it (`I64`).
        value: Expr,
    },
    /// Runs all tiles of a kernel and waits; returns from the body when the status is then set. `run` only.
    Launch(KernelId),
    /// Gives a symbol its value. `@bind` and `run` only. A value outside its range is an error like a failed check, with
    /// code [`SYMBOL_RANGE`].
    SetSymbol {
        /// The symbol.
        symbol: SymbolId,
        /// `I64`.
        value: Expr,
        /// What the status names on failure, as for [`Stmt::Check`]; -1 is nothing.
        node: i32,
    },
    /// Gives one result of `@plan`.
    SetPlan {
        /// Which.
        slot: PlanSlot,
        /// `I64`.
        value: Expr,
    },
}

/// Status code of a symbol set outside its declared range: the runtime's `Code::SizeOverBound`.
pub const SYMBOL_RANGE: i32 = 6;

/// In `@bind` a status names inputs from 0 up; a node is this number less its id.
pub const ENTRY_NODE: i32 = -2;

/// One result of `@plan`. `Program::plan_index` gives its place in the result array.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PlanSlot {
    /// Bytes of the arena.
    ArenaBytes,
    /// Bytes of scratch each worker needs.
    ScratchBytes,
    /// Byte offset of a buffer of kind `Arena`.
    Offset(BufferId),
    /// Size of an axis of a program output.
    OutputDim {
        /// Output index.
        output: u32,
        /// Axis of it.
        axis: u32,
    },
}

/// A variable of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VarDecl {
    /// Name in the text form, unique in its body.
    pub name: String,
    /// Type of its values.
    pub ty: Type,
}

/// Statements with their variables. The parser numbers variables in the order of their declarations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Body {
    /// Variables, by [`VarId`]; the parameters of an `fn` come first.
    pub vars: Vec<VarDecl>,
    /// The statements.
    pub stmts: Vec<Stmt>,
}

/// A scratch array, one for each worker, 64-byte aligned. Its contents are undefined at the start of a tile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalDecl {
    /// Name in the text form, unique in its kernel.
    pub name: String,
    /// Type of the elements.
    pub elem: Type,
    /// Number of elements, over symbols and constants (`I64`).
    pub len: Expr,
}

impl Stmt {
    /// Calls `f` on each expression of this statement itself, not on nested statements.
    pub fn for_each_expr<'a>(&'a self, mut f: impl FnMut(&'a Expr)) {
        match self {
            Stmt::Let { value, .. }
            | Stmt::Var { value, .. }
            | Stmt::Assign { value, .. }
            | Stmt::SetSymbol { value, .. }
            | Stmt::SetPlan { value, .. } => f(value),
            Stmt::For { lo, hi, .. } => {
                f(lo);
                f(hi);
            }
            Stmt::While { cond, .. } | Stmt::If { cond, .. } => f(cond),
            Stmt::Store { place, value } => {
                if let super::expr::Base::Ptr(p) = &place.base {
                    f(p);
                }
                f(&place.index);
                f(value);
            }
            Stmt::Call { args, .. } => args.iter().for_each(f),
            Stmt::Check { cond, value, .. } => {
                f(cond);
                f(value);
            }
            Stmt::Launch(_) => {}
        }
    }

    /// The nested blocks, in order.
    pub fn blocks(&self) -> [&[Stmt]; 2] {
        match self {
            Stmt::For { body, .. } | Stmt::While { body, .. } => [body, &[]],
            Stmt::If { then_body, else_body, .. } => [then_body, else_body],
            _ => [&[], &[]],
        }
    }
}

/// Calls `f` on every statement below, parents first.
pub fn walk_stmts<'a>(stmts: &'a [Stmt], f: &mut dyn FnMut(&'a Stmt)) {
    for stmt in stmts {
        f(stmt);
        for block in stmt.blocks() {
            walk_stmts(block, f);
        }
    }
}

/// The scratch array's identity as a base, for readers of `Base::Local`.
impl From<LocalId> for super::expr::Base {
    fn from(local: LocalId) -> Self {
        super::expr::Base::Local(local)
    }
}

impl From<BufferId> for super::expr::Base {
    fn from(buffer: BufferId) -> Self {
        super::expr::Base::Buffer(buffer)
    }
}
