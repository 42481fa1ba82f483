//! The text form. `Display` of [`Program`] gives text that [`super::parse`] reads back to an equal program.
//!
//! ```text
//! program {
//!   symbol %N : 1..512
//!   input 0 rank 2
//!   output 0 rank 2
//!   buffer %x : f32[%N * 768] input 0
//!   buffer %y : f32[%N * 768] output 0
//!   fn @twice(x: f32) -> f32 {
//!     return x + x
//!   }
//!   kernel @k0 (tiles = ceildiv(%N, 8)) node 7 {
//!     local $row : f32[768]
//!     let v0 = tile * 8
//!     for i1 = v0 .. min(v0 + 8, %N) {          // `step 4` before the brace when it is not 1
//!       @v_softplus(768, &%x[i1 * 768], &$row[0])
//!       %y[i1 * 768] = $row[0] * 2.0
//!     }
//!   }
//!   bind { check dim(0, 0) >= 1 else 2 node 0 value dim(0, 0)  set %N = dim(0, 0) node 0 }
//!   plan { arena_bytes = 0  offset %t = 64  output_dim 0 1 = %N }
//!   run { launch @k0 }
//! }
//! ```
//!
//! Constants: `5` is `i64`, `5u8` names its type; `2.0` is `f32`, `2.0f64` names its type, others by their bits as in
//! `bits_f32(0x7fc00000)`; `true`, `false`, `null`. `f32(x)` casts, `bitcast_i32(x)` keeps the bits. `load_f32(p, i)` and
//! `addr_f32(p, i)` go through a pointer; `store_f32(p, i) = x` writes through it.

use super::expr::{Base, BinaryOp, Expr, ExprKind, Place};
use super::program::{BufferKind, Fn, Kernel, Program};
use super::stmt::{Body, LocalDecl, PlanSlot, Stmt};
use super::types::Type;
use std::fmt::{self, Write};

/// Names an expression's text needs.
#[derive(Clone, Copy)]
struct Names<'a> {
    program: &'a Program,
    body: Option<&'a Body>,
    locals: &'a [LocalDecl],
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Names { program: self, body: None, locals: &[] };
        f.write_str("program {\n")?;
        for s in &self.symbols {
            writeln!(f, "  symbol %{} : {}..{}", s.name, s.lo, s.hi)?;
        }
        for (i, rank) in self.input_ranks.iter().enumerate() {
            writeln!(f, "  input {i} rank {rank}")?;
        }
        for (i, rank) in self.output_ranks.iter().enumerate() {
            writeln!(f, "  output {i} rank {rank}")?;
        }
        for b in &self.buffers {
            write!(f, "  buffer %{} : {}[{}] ", b.name, b.elem, names.show(&b.len))?;
            match &b.kind {
                BufferKind::Input(i) => write!(f, "input {i}")?,
                BufferKind::Output(i) => write!(f, "output {i}")?,
                BufferKind::Weight { index, offset: 0 } => write!(f, "weight {index}")?,
                BufferKind::Weight { index, offset } => write!(f, "weight {index} + {offset}")?,
                BufferKind::Arena => f.write_str("arena")?,
                BufferKind::Alias { of, offset } => {
                    write!(f, "alias %{}", self.buffer(*of).name)?;
                    if offset.as_int() != Some(0) {
                        write!(f, " + {}", names.show(offset))?;
                    }
                }
            }
            f.write_char('\n')?;
        }
        for func in &self.fns {
            print_fn(f, self, func)?;
        }
        for kernel in &self.kernels {
            print_kernel(f, self, kernel)?;
        }
        for (name, body) in [("bind", &self.bind), ("plan", &self.plan), ("run", &self.run)] {
            if body != &Body::default() {
                writeln!(f, "  {name} {{")?;
                Names { body: Some(body), ..names }.block(f, &body.stmts, 2)?;
                f.write_str("  }\n")?;
            }
        }
        f.write_str("}\n")
    }
}

fn print_fn(f: &mut fmt::Formatter<'_>, program: &Program, func: &Fn) -> fmt::Result {
    let names = Names { program, body: Some(&func.body), locals: &[] };
    write!(f, "  fn @{}(", func.name)?;
    for (i, v) in func.body.vars.iter().take(func.params as usize).enumerate() {
        write!(f, "{}{}: {}", if i > 0 { ", " } else { "" }, v.name, v.ty)?;
    }
    f.write_char(')')?;
    if let Some(ret) = func.ret {
        write!(f, " -> {ret}")?;
    }
    f.write_str(" {\n")?;
    names.block(f, &func.body.stmts, 2)?;
    if let Some(result) = &func.result {
        writeln!(f, "    return {}", names.show(result))?;
    }
    f.write_str("  }\n")
}

fn print_kernel(f: &mut fmt::Formatter<'_>, program: &Program, kernel: &Kernel) -> fmt::Result {
    let names = Names { program, body: Some(&kernel.body), locals: &kernel.locals };
    write!(f, "  kernel @{} (tiles = {})", kernel.name, names.show(&kernel.tiles))?;
    if let Some(node) = kernel.node {
        write!(f, " node {node}")?;
    }
    f.write_str(" {\n")?;
    for l in &kernel.locals {
        writeln!(f, "    local ${} : {}[{}]", l.name, l.elem, names.show(&l.len))?;
    }
    names.block(f, &kernel.body.stmts, 2)?;
    f.write_str("  }\n")
}

/// Text of a statement of `body`, first line only, for messages.
pub(super) fn show_stmt(program: &Program, body: &Body, locals: &[LocalDecl], s: &Stmt) -> String {
    let mut text = String::new();
    let _ = Names { program, body: Some(body), locals }.stmt(&mut text, s, 0);
    text.lines().next().unwrap_or_default().to_owned()
}

impl Names<'_> {
    fn var(&self, id: super::types::VarId) -> String {
        match self.body.and_then(|b| b.vars.get(id.index())) {
            Some(v) => v.name.clone(),
            None => format!("<var {}>", id.0),
        }
    }

    fn buffer(&self, id: super::types::BufferId) -> String {
        match self.program.buffers.get(id.index()) {
            Some(b) => format!("%{}", b.name),
            None => format!("<buffer {}>", id.0),
        }
    }

    fn block(&self, f: &mut dyn Write, stmts: &[Stmt], depth: usize) -> fmt::Result {
        stmts.iter().try_for_each(|s| self.stmt(f, s, depth))
    }

    fn stmt(&self, f: &mut dyn Write, s: &Stmt, depth: usize) -> fmt::Result {
        let pad = "  ".repeat(depth);
        f.write_str(&pad)?;
        match s {
            Stmt::Let { var, value } => writeln!(f, "let {} = {}", self.var(*var), self.show(value)),
            Stmt::Var { var, value } => writeln!(f, "var {} = {}", self.var(*var), self.show(value)),
            Stmt::Assign { var, value } => writeln!(f, "{} = {}", self.var(*var), self.show(value)),
            Stmt::For { var, lo, hi, step, body } => {
                write!(f, "for {} = {} .. {}", self.var(*var), self.show(lo), self.show(hi))?;
                if *step != 1 {
                    write!(f, " step {step}")?;
                }
                f.write_str(" {\n")?;
                self.block(f, body, depth + 1)?;
                writeln!(f, "{pad}}}")
            }
            Stmt::While { cond, body } => {
                writeln!(f, "while {} {{", self.show(cond))?;
                self.block(f, body, depth + 1)?;
                writeln!(f, "{pad}}}")
            }
            Stmt::If { cond, then_body, else_body } => {
                writeln!(f, "if {} {{", self.show(cond))?;
                self.block(f, then_body, depth + 1)?;
                if !else_body.is_empty() {
                    writeln!(f, "{pad}}} else {{")?;
                    self.block(f, else_body, depth + 1)?;
                }
                writeln!(f, "{pad}}}")
            }
            Stmt::Store { place, value } => match &place.base {
                Base::Ptr(p) => {
                    let (p, i) = (self.show(p), self.show(&place.index));
                    writeln!(f, "store_{}({p}, {i}) = {}", place.elem, self.show(value))
                }
                _ => writeln!(f, "{} = {}", self.place(place), self.show(value)),
            },
            Stmt::Call { callee, args } => writeln!(f, "@{callee}({})", self.list(args)),
            Stmt::Check { cond, code, node, value } => {
                write!(f, "check {} else {code}", self.show(cond))?;
                if let Some(node) = node {
                    write!(f, " node {node}")?;
                }
                writeln!(f, " value {}", self.show(value))
            }
            Stmt::Launch(k) => match self.program.kernels.get(k.index()) {
                Some(kernel) => writeln!(f, "launch @{}", kernel.name),
                None => writeln!(f, "launch <kernel {}>", k.0),
            },
            Stmt::SetSymbol { symbol, value, node } => {
                write!(f, "set {} = {}", self.symbol(*symbol), self.show(value))?;
                if *node != -1 {
                    write!(f, " node {node}")?;
                }
                f.write_char('\n')
            }
            Stmt::SetPlan { slot, value } => {
                match slot {
                    PlanSlot::ArenaBytes => f.write_str("arena_bytes")?,
                    PlanSlot::ScratchBytes => f.write_str("scratch_bytes")?,
                    PlanSlot::Offset(b) => write!(f, "offset {}", self.buffer(*b))?,
                    PlanSlot::OutputDim { output, axis } => write!(f, "output_dim {output} {axis}")?,
                }
                writeln!(f, " = {}", self.show(value))
            }
        }
    }

    fn symbol(&self, id: super::types::SymbolId) -> String {
        match self.program.symbols.get(id.index()) {
            Some(s) => format!("%{}", s.name),
            None => format!("<symbol {}>", id.0),
        }
    }

    fn list(&self, args: &[Expr]) -> String {
        args.iter().map(|a| self.show(a)).collect::<Vec<_>>().join(", ")
    }

    fn place(&self, place: &Place) -> String {
        let base = match &place.base {
            Base::Buffer(id) => self.buffer(*id),
            Base::Local(id) => match self.locals.get(id.index()) {
                Some(l) => format!("${}", l.name),
                None => format!("<local {}>", id.0),
            },
            Base::Ptr(p) => return format!("<ptr {}>", self.show(p)),
        };
        format!("{base}[{}]", self.show(&place.index))
    }

    /// Text of an expression.
    fn show(&self, e: &Expr) -> String {
        let ty = e.ty();
        match e.kind() {
            ExprKind::Int(v) => match ty {
                Type::Bool => (*v != 0).to_string(),
                Type::I64 => v.to_string(),
                Type::U64 => format!("{}u64", *v as u64),
                _ => format!("{v}{ty}"),
            },
            ExprKind::Float(bits) => show_float(ty, *bits),
            ExprKind::Null => "null".to_owned(),
            ExprKind::Var(id) => self.var(*id),
            ExprKind::Symbol(id) => self.symbol(*id),
            ExprKind::Tile => "tile".to_owned(),
            ExprKind::InputDim { input, axis } => format!("dim({input}, {axis})"),
            ExprKind::Load(place) => match &place.base {
                Base::Ptr(p) => format!("load_{}({}, {})", place.elem, self.show(p), self.show(&place.index)),
                _ => self.place(place),
            },
            ExprKind::Addr(place) => match &place.base {
                Base::Ptr(p) => format!("addr_{}({}, {})", place.elem, self.show(p), self.show(&place.index)),
                _ => format!("&{}", self.place(place)),
            },
            ExprKind::Unary(op, a) => format!("{}({})", op.text(), self.show(a)),
            ExprKind::Binary(op, a, b) => match op {
                BinaryOp::Rem
                | BinaryOp::FloorDiv
                | BinaryOp::FloorMod
                | BinaryOp::CeilDiv
                | BinaryOp::Min
                | BinaryOp::Max => format!("{}({}, {})", op.text(), self.show(a), self.show(b)),
                _ => format!("{} {} {}", self.nested(a), op.text(), self.nested(b)),
            },
            ExprKind::Compare(op, a, b) => format!("{} {} {}", self.nested(a), op.text(), self.nested(b)),
            ExprKind::Fma(a, b, c) => format!("fma({}, {}, {})", self.show(a), self.show(b), self.show(c)),
            ExprKind::Select(c, a, b) => format!("select({}, {}, {})", self.show(c), self.show(a), self.show(b)),
            ExprKind::Cast(a) => format!("{ty}({})", self.show(a)),
            ExprKind::Bitcast(a) => format!("bitcast_{ty}({})", self.show(a)),
            ExprKind::Call(callee, args) => format!("@{callee}({})", self.list(args)),
        }
    }

    /// Text of an operand of an infix operator.
    fn nested(&self, e: &Expr) -> String {
        let infix = match e.kind() {
            ExprKind::Binary(op, ..) => !op.text().starts_with(char::is_alphabetic),
            ExprKind::Compare(..) => true,
            _ => false,
        };
        if infix { format!("({})", self.show(e)) } else { self.show(e) }
    }
}

fn show_float(ty: Type, bits: u64) -> String {
    match ty {
        Type::F32 => {
            let v = f32::from_bits(bits as u32);
            if v.is_finite() { format!("{v:?}") } else { format!("bits_f32({bits:#x})") }
        }
        _ => {
            let v = f64::from_bits(bits);
            if v.is_finite() { format!("{v:?}f64") } else { format!("bits_f64({bits:#x})") }
        }
    }
}
