//! Checks everything the interpreter and the backends rely on. What [`verify`] accepts:
//!
//! Declarations
//! - names are `[A-Za-z_][A-Za-z0-9_.]*`; symbols and buffers share one name space, kernels, functions and micro-kernels
//!   another; variables are unique in their body, scratch arrays in their kernel;
//! - symbols have 0 <= lo <= hi <= 2^48; counts stay below `MAX_ITEMS`;
//! - buffer lengths, alias offsets, scratch lengths are `I64` over symbols and constants; tiles may also load buffers;
//!   no element type is `Ptr`; inputs and outputs exist in the rank tables; an alias follows the buffer it refers to,
//!   and its offset uses no symbol that the schedule sets (addresses are computed once).
//!
//! Bodies
//! - a variable is declared once, before its uses, in the block of the use or around it; `Assign` only to `Var`;
//! - every operand has the type its operation asks for (see `type_of_ops` below); `F16` and `BF16` are only loaded,
//!   stored, bound, selected, cast and bitcast;
//! - buffer and scratch accesses use the declared element type and an `I64` index; stores go only to outputs, the
//!   arena, aliases of those, scratch, and through pointers;
//! - callees exist and get the argument types of their signature; a function calls only functions declared before it
//!   (so there is no recursion); steps are positive; check codes are not 0;
//! - statement nesting and expression depth stay within `MAX_DEPTH`, expression nodes of a statement within `MAX_NODES`.
//!
//! Where things may stand
//! | | fn | kernel | bind | plan | run |
//! |---|---|---|---|---|---|
//! | tile, scratch | | x | | | |
//! | buffers | | x | | | x |
//! | symbols | | x | x | x | x |
//! | dim(i, a) | | | x | | |
//! | calls, casts of halves | x | x | | | x |
//! | check | | x | x | | x |
//! | set symbol | | | x | | x |
//! | set plan | | | | x | |
//! | launch | | | | | x |
//!
//! Not checked here: bounds of accesses, divisors, and that `@bind` sets each symbol before it is read. The planner
//! proves or checks those, and the interpreter catches it when it did not.

mod body;

pub(super) use body::arg_type;

use super::expr::{Base, Expr, ExprKind};
use super::program::*;
use super::stmt::{Stmt, walk_stmts};
use super::types::Type;
use std::collections::BTreeSet;
use std::fmt;

/// One violated invariant; always a bug of whoever made the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyError {
    /// The declaration or body, e.g. `kernel @k0`.
    pub place: String,
    /// Text of the statement or declaration, if there is one.
    pub text: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if !self.text.is_empty() {
            write!(f, "\n  in: {}", self.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for VerifyError {}

/// All violated invariants (at most a few per body).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyErrors(pub Vec<VerifyError>);

impl fmt::Display for VerifyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, e) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            e.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for VerifyErrors {}

/// Where a body stands; decides what it may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Fn,
    Kernel,
    Bind,
    Plan,
    Run,
}

impl Context {
    fn buffers(self) -> bool {
        matches!(self, Context::Kernel | Context::Run)
    }
    fn symbols(self) -> bool {
        self != Context::Fn
    }
    fn calls(self) -> bool {
        matches!(self, Context::Fn | Context::Kernel | Context::Run)
    }
    fn check(self) -> bool {
        matches!(self, Context::Kernel | Context::Bind | Context::Run)
    }
    fn set_symbol(self) -> bool {
        matches!(self, Context::Bind | Context::Run)
    }
}

struct Verifier<'a> {
    program: &'a Program,
    errors: Vec<VerifyError>,
}

/// Checks a program; the invariants are listed at the head of this file.
pub fn verify(program: &Program) -> Result<(), VerifyErrors> {
    verify_with(program, false)
}

/// Checks a program whose functions may have the names of micro-kernels: the prelude.
pub(super) fn verify_prelude(program: &Program) -> Result<(), VerifyErrors> {
    verify_with(program, true)
}

fn verify_with(program: &Program, prelude: bool) -> Result<(), VerifyErrors> {
    let mut v = Verifier { program, errors: Vec::new() };
    v.declarations(prelude);
    // Bodies index the tables; look at them only when those are sound.
    if v.errors.is_empty() {
        for (i, f) in program.fns.iter().enumerate() {
            v.function(i, f);
        }
        for k in &program.kernels {
            let place = format!("kernel @{}", k.name);
            v.body(Context::Kernel, &place, &k.body, &k.locals, 0, program.fns.len());
        }
        for (context, place, body) in [
            (Context::Bind, "bind", &program.bind),
            (Context::Plan, "plan", &program.plan),
            (Context::Run, "run", &program.run),
        ] {
            v.body(context, place, body, &[], 0, program.fns.len());
        }
    }
    if v.errors.is_empty() { Ok(()) } else { Err(VerifyErrors(v.errors)) }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

impl<'a> Verifier<'a> {
    fn error(&mut self, place: &str, text: String, message: impl Into<String>) {
        self.errors.push(VerifyError { place: place.to_owned(), text, message: message.into() });
    }

    fn declarations(&mut self, prelude: bool) {
        let p = self.program;
        let most = [p.symbols.len(), p.buffers.len(), p.kernels.len(), p.fns.len()].into_iter().max().unwrap_or(0);
        if most > MAX_ITEMS {
            self.error("program", String::new(), format!("more than {MAX_ITEMS} declarations of a kind"));
            return;
        }
        let mut names = BTreeSet::new();
        for s in &p.symbols {
            let place = format!("symbol %{}", s.name);
            self.name(&place, &s.name, &mut names);
            if s.lo < 0 || s.lo > s.hi || s.hi > 1 << 48 {
                self.error(&place, String::new(), format!("range {}..{} is not within 0..2^48", s.lo, s.hi));
            }
        }
        let mut set_in_run = BTreeSet::new();
        walk_stmts(&p.run.stmts, &mut |s| {
            if let Stmt::SetSymbol { symbol, .. } = s {
                set_in_run.insert(*symbol);
            }
        });
        for (i, b) in p.buffers.iter().enumerate() {
            let place = format!("buffer %{}", b.name);
            self.name(&place, &b.name, &mut names);
            self.size(&place, &b.len, false);
            if b.elem == Type::Ptr {
                self.error(&place, String::new(), "pointers are not kept in memory");
            }
            match &b.kind {
                BufferKind::Input(n) if *n as usize >= p.input_ranks.len() => {
                    self.error(&place, String::new(), format!("input {n} has no rank"));
                }
                BufferKind::Output(n) if *n as usize >= p.output_ranks.len() => {
                    self.error(&place, String::new(), format!("output {n} has no rank"));
                }
                BufferKind::Weight { offset, .. } if *offset < 0 => {
                    self.error(&place, String::new(), "negative offset");
                }
                BufferKind::Alias { of, offset } => {
                    if of.index() >= i {
                        self.error(&place, String::new(), "alias of a buffer that is not declared before it");
                    }
                    self.size(&place, offset, false);
                    offset.walk(&mut |e| {
                        if let ExprKind::Symbol(id) = e.kind()
                            && set_in_run.contains(id)
                        {
                            self.error(&place, String::new(), "the offset uses a symbol that the schedule sets");
                        }
                    });
                }
                _ => {}
            }
        }
        let mut names = BTreeSet::new();
        for f in &p.fns {
            self.name(&format!("fn @{}", f.name), &f.name, &mut names);
        }
        for k in &p.kernels {
            let place = format!("kernel @{}", k.name);
            self.name(&place, &k.name, &mut names);
            self.size(&place, &k.tiles, true);
            let mut locals = BTreeSet::new();
            for l in &k.locals {
                self.name(&place, &l.name, &mut locals);
                self.size(&place, &l.len, false);
                if l.elem == Type::Ptr {
                    self.error(&place, String::new(), format!("${}: pointers are not kept in memory", l.name));
                }
            }
        }
        if !prelude {
            for name in names {
                if lathe_runtime::core::table::kernel_index(name).is_some() {
                    self.error("program", String::new(), format!("@{name} is the name of a micro-kernel"));
                }
            }
        }
    }

    fn name(&mut self, place: &str, name: &'a str, seen: &mut BTreeSet<&'a str>) {
        if !is_name(name) {
            self.error(place, String::new(), format!("{name:?} is not a name"));
        }
        if !seen.insert(name) {
            self.error(place, String::new(), format!("name {name:?} is declared twice"));
        }
    }

    /// A size: `I64` over symbols and constants (and loads of buffers).
    fn size(&mut self, place: &str, e: &'a Expr, loads: bool) {
        let program = self.program;
        let mut bad = None;
        if body::measure(e, 1).is_none() {
            self.error(place, String::new(), "size expression is too deep or too large");
            return;
        }
        e.walk(&mut |e| {
            let fine = match e.kind() {
                ExprKind::Int(_) | ExprKind::Binary(..) | ExprKind::Compare(..) | ExprKind::Select(..) => true,
                ExprKind::Unary(..) => true,
                ExprKind::Symbol(s) => s.index() < program.symbols.len(),
                ExprKind::Cast(_) => !e.ty().is_half() && e.ty() != Type::Ptr,
                ExprKind::Load(l) => match &l.base {
                    Base::Buffer(b) => loads && program.buffers.get(b.index()).is_some_and(|b| b.elem == l.elem),
                    _ => false,
                },
                _ => false,
            };
            if !fine {
                bad.get_or_insert("a size uses more than symbols, constants and integer operations");
            }
        });
        if e.ty() != Type::I64 {
            bad.get_or_insert("a size must be i64");
        }
        if let Some(message) = bad {
            self.error(place, String::new(), message);
            return;
        }
        let checker = body::ExprTypes { program, context: Context::Run, locals: &[], callable_fns: 0 };
        if let Err(message) = checker.check(e, &mut |_| None) {
            self.error(place, String::new(), message);
        }
    }

    fn function(&mut self, index: usize, f: &'a Fn) {
        let place = format!("fn @{}", f.name);
        if f.params as usize > f.body.vars.len() {
            self.error(&place, String::new(), "more parameters than variables");
            return;
        }
        for ty in f.param_types().chain(f.ret) {
            if !matches!(ty, Type::I64 | Type::F32 | Type::F64 | Type::Ptr) {
                self.error(&place, String::new(), format!("{ty} cannot be a parameter or result"));
            }
        }
        if f.ret != f.result.as_ref().map(Expr::ty) {
            self.error(&place, String::new(), "the returned value does not have the declared type");
        }
        self.function_body(&place, f, index);
    }
}
