//! Loop IR: what a planned model is before code generation. Structured loops over flat buffers, typed scalars, calls of
//! micro-kernels, and a schedule of kernel launches.
//!
//! - `types`, `expr`, `stmt`, `program`: the data; `fold`: constructors of expressions; `builder`: how to make a program
//!   (the example is there);
//! - `print`, `parse`: the text form, `parse(print(p)) == p`;
//! - `verify`: everything the interpreter and the backends rely on;
//! - `interp`: runs a program on plain bytes, checking every access; `prelude`: bodies of the micro-kernels in this
//!   language, so that it needs no runtime.
//!
//! Nothing here knows tensors, ONNX or machine code.

mod builder;
mod expr;
mod fold;
pub mod interp;
mod lex;
mod operators;
mod parse;
mod prelude;
mod print;
mod program;
mod stmt;
mod types;
mod verify;

#[cfg(test)]
pub(crate) mod tests;

pub use builder::{Builder, IntoBase, Mutable, ProgramBuilder};
pub use expr::{Base, BinaryOp, CompareOp, Expr, ExprKind, Place, UnaryOp};
pub use fold::{compare_int, eval_int};
pub use parse::{ParseError, parse};
pub use prelude::prelude;
pub use program::*;
pub use stmt::{Body, ENTRY_NODE, LocalDecl, PlanSlot, SYMBOL_RANGE, Stmt, VarDecl, walk_stmts};
pub use types::{BufferId, KernelId, LocalId, SymbolId, Type, VarId};
pub use verify::{VerifyError, VerifyErrors, verify};
