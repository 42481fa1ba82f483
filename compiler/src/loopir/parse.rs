//! Reads the text form (see `print.rs` for an example). Nothing is folded: `parse(print(p)) == p`.
//!
//! Names are resolved while reading, so everything is declared before it is used; operand types are left to `verify`.
//! Infix operators bind, tightest first: `* /`, `+ -`, `<< >>`, `&`, `^`, `|`, comparisons; all to the left.

use super::expr::{Base, BinaryOp, CompareOp, Expr, ExprKind, Place, UnaryOp};
pub use super::lex::ParseError;
use super::lex::{Position, Token, lex};
use super::program::*;
use super::stmt::{Body, LocalDecl, PlanSlot, Stmt, VarDecl};
use super::types::{BufferId, KernelId, LocalId, SymbolId, Type, VarId};
use super::verify::arg_type;
use std::collections::BTreeMap;

/// Deepest nesting of parentheses and blocks a text may have.
const MAX_NESTING: usize = 2 * MAX_DEPTH + 8;

/// Most operators in a row without parentheses; with `MAX_NESTING` it bounds the depth of what is built.
const MAX_CHAIN: usize = 32;

/// Infix operators, loosest first.
const LEVELS: [&[&str]; 7] =
    [&["==", "!=", "<", "<=", ">", ">="], &["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/"]];

/// Words that cannot name a variable.
pub(super) fn is_reserved(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "let",
        "var",
        "for",
        "while",
        "if",
        "else",
        "check",
        "launch",
        "set",
        "return",
        "local",
        "arena_bytes",
        "scratch_bytes",
        "offset",
        "output_dim",
        "tile",
        "null",
        "true",
        "false",
        "dim",
        "fma",
        "select",
        "step",
        "node",
        "value",
        "program",
        "kernel",
        "fn",
    ];
    let typed = ["load_", "addr_", "store_", "bitcast_", "bits_"].iter().any(|p| typed_word(word, p).is_some());
    let op = UnaryOp::ALL.iter().any(|o| o.text() == word) || BinaryOp::ALL.iter().any(|o| o.text() == word);
    WORDS.contains(&word) || Type::from_name(word).is_some() || typed || op
}

fn typed_word(word: &str, prefix: &str) -> Option<Type> {
    word.strip_prefix(prefix).and_then(Type::from_name)
}

/// Reads a program.
pub fn parse(text: &str) -> Result<Program, ParseError> {
    let mut parser = Parser::new(text)?;
    parser.word("program")?;
    parser.punct("{")?;
    while !parser.accept("}") {
        parser.item()?;
    }
    parser.end()?;
    Ok(parser.program)
}

/// Reads functions and appends them to those of `program`.
pub(super) fn parse_fns(program: Program, text: &str) -> Result<Program, ParseError> {
    let mut parser = Parser::new(text)?;
    parser.program = program;
    while *parser.peek() != Token::End {
        parser.word("fn")?;
        parser.function()?;
    }
    Ok(parser.program)
}

#[derive(Clone, Copy)]
enum Global {
    Symbol(SymbolId),
    Buffer(BufferId),
}

struct Parser {
    tokens: Vec<(Token, Position)>,
    next: usize,
    nesting: usize,
    program: Program,
    globals: BTreeMap<String, Global>,
    body: Body,
    scope: Vec<(String, VarId)>,
    locals: Vec<LocalDecl>,
}

type Parsed<T> = Result<T, ParseError>;

impl Parser {
    fn new(text: &str) -> Parsed<Parser> {
        Ok(Parser {
            tokens: lex(text)?,
            next: 0,
            nesting: 0,
            program: Program::default(),
            globals: BTreeMap::new(),
            body: Body::default(),
            scope: Vec::new(),
            locals: Vec::new(),
        })
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)].0
    }

    fn peek_after(&self) -> &Token {
        &self.tokens[(self.next + 1).min(self.tokens.len() - 1)].0
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    /// An error at the next token.
    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let Position { line, column } = self.tokens[self.next.min(self.tokens.len() - 1)].1;
        Err(ParseError { line, column, message: message.into() })
    }

    /// An error at the token just taken.
    fn fail_before<T>(&mut self, message: impl Into<String>) -> Parsed<T> {
        self.next = self.next.saturating_sub(1);
        self.fail(message)
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        self.fail(format!("expected {what}, found {}", self.peek().describe()))
    }

    fn accept(&mut self, p: &str) -> bool {
        let found = matches!(self.peek(), Token::Punct(q) if *q == p);
        self.next += found as usize;
        found
    }

    fn accept_word(&mut self, w: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(q) if q == w);
        self.next += found as usize;
        found
    }

    fn punct(&mut self, p: &str) -> Parsed<()> {
        if self.accept(p) { Ok(()) } else { self.expected(&format!("`{p}`")) }
    }

    fn word(&mut self, w: &str) -> Parsed<()> {
        if self.accept_word(w) { Ok(()) } else { self.expected(&format!("`{w}`")) }
    }

    fn any_word(&mut self, what: &str) -> Parsed<String> {
        match self.peek() {
            Token::Word(w) => {
                let w = w.clone();
                self.next += 1;
                Ok(w)
            }
            _ => self.expected(what),
        }
    }

    fn sigil(&mut self, sigil: char, what: &str) -> Parsed<String> {
        match self.peek() {
            Token::Sigil(c, name) if *c == sigil => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => self.expected(what),
        }
    }

    fn end(&mut self) -> Parsed<()> {
        if *self.peek() == Token::End { Ok(()) } else { self.expected("the end of the text") }
    }

    /// A plain integer, maybe negative.
    fn integer(&mut self) -> Parsed<i64> {
        let negative = self.accept("-");
        match self.peek() {
            Token::Int(v, suffix) if suffix.is_empty() && *v <= i64::MAX as u64 + negative as u64 => {
                let v = *v as i64;
                self.next += 1;
                Ok(if negative { v.wrapping_neg() } else { v })
            }
            _ => self.expected("an integer"),
        }
    }

    fn small<T: TryFrom<i64>>(&mut self) -> Parsed<T> {
        let v = self.integer()?;
        match T::try_from(v) {
            Ok(v) => Ok(v),
            Err(_) => self.fail_before(format!("{v} is out of range here")),
        }
    }

    fn item(&mut self) -> Parsed<()> {
        let word = self.any_word("a declaration")?;
        match word.as_str() {
            "symbol" => {
                let name = self.sigil('%', "a symbol's name")?;
                self.punct(":")?;
                let lo = self.integer()?;
                self.punct("..")?;
                let hi = self.integer()?;
                let id = SymbolId(self.program.symbols.len() as u32);
                self.global(&name, Global::Symbol(id))?;
                self.program.symbols.push(SymbolDecl { name, lo, hi });
            }
            "input" | "output" => {
                let ranks = if word == "input" { &self.program.input_ranks } else { &self.program.output_ranks };
                let count = ranks.len();
                let index: usize = self.small()?;
                if index != count {
                    return self.fail_before(format!("expected {word} {count}"));
                }
                self.word("rank")?;
                let rank = self.small()?;
                let program = &mut self.program;
                let ranks = if word == "input" { &mut program.input_ranks } else { &mut program.output_ranks };
                ranks.push(rank);
            }
            "buffer" => self.buffer()?,
            "fn" => self.function()?,
            "kernel" => self.kernel()?,
            "bind" | "plan" | "run" => {
                let body = self.braced_body()?;
                match word.as_str() {
                    "bind" => self.program.bind = body,
                    "plan" => self.program.plan = body,
                    _ => self.program.run = body,
                }
            }
            _ => {
                self.next -= 1;
                return self.expected("a declaration");
            }
        }
        Ok(())
    }

    fn global(&mut self, name: &str, global: Global) -> Parsed<()> {
        if self.globals.insert(name.to_owned(), global).is_some() {
            return self.fail_before(format!("%{name} is declared twice"));
        }
        Ok(())
    }

    fn type_(&mut self) -> Parsed<Type> {
        match self.peek() {
            Token::Word(w) => match Type::from_name(w) {
                Some(ty) => {
                    self.next += 1;
                    Ok(ty)
                }
                None => self.expected("a type"),
            },
            _ => self.expected("a type"),
        }
    }

    fn array(&mut self) -> Parsed<(Type, Expr)> {
        self.punct(":")?;
        let elem = self.type_()?;
        self.punct("[")?;
        let len = self.expr()?;
        self.punct("]")?;
        Ok((elem, len))
    }

    fn buffer(&mut self) -> Parsed<()> {
        let name = self.sigil('%', "a buffer's name")?;
        let (elem, len) = self.array()?;
        let kind = match self.any_word("the kind of the buffer")?.as_str() {
            "input" => BufferKind::Input(self.small()?),
            "output" => BufferKind::Output(self.small()?),
            "weight" => {
                let index = self.small()?;
                let offset = if self.accept("+") { self.integer()? } else { 0 };
                BufferKind::Weight { index, offset }
            }
            "arena" => BufferKind::Arena,
            "alias" => {
                let of = self.sigil('%', "a buffer's name")?;
                let Some(Global::Buffer(of)) = self.globals.get(&of).copied() else {
                    return self.fail_before(format!("%{of} is not a buffer declared before"));
                };
                let offset = if self.accept("+") { self.expr()? } else { Expr::i64(0) };
                BufferKind::Alias { of, offset }
            }
            _ => {
                self.next -= 1;
                return self.expected("input, output, weight, arena or alias");
            }
        };
        let id = BufferId(self.program.buffers.len() as u32);
        self.global(&name, Global::Buffer(id))?;
        self.program.buffers.push(BufferDecl { name, elem, len, kind });
        Ok(())
    }

    fn function(&mut self) -> Parsed<()> {
        let name = self.sigil('@', "a function's name")?;
        self.body = Body::default();
        self.scope.clear();
        self.punct("(")?;
        while !self.accept(")") {
            if !self.body.vars.is_empty() {
                self.punct(",")?;
            }
            let param = self.any_word("a parameter")?;
            self.punct(":")?;
            let ty = self.type_()?;
            self.declare(param, ty);
        }
        let params = self.body.vars.len() as u32;
        let ret = if self.accept("->") { Some(self.type_()?) } else { None };
        self.punct("{")?;
        let mut stmts = Vec::new();
        let mut result = None;
        while !self.accept("}") {
            if self.accept_word("return") {
                result = Some(self.expr()?);
                self.punct("}")?;
                break;
            }
            stmts.push(self.stmt()?);
        }
        let mut body = std::mem::take(&mut self.body);
        body.stmts = stmts;
        self.scope.clear();
        self.program.fns.push(Fn { name, params, ret, body, result });
        Ok(())
    }

    fn kernel(&mut self) -> Parsed<()> {
        let name = self.sigil('@', "a kernel's name")?;
        self.punct("(")?;
        self.word("tiles")?;
        self.punct("=")?;
        let tiles = self.expr()?;
        self.punct(")")?;
        let node = if self.accept_word("node") { Some(self.small()?) } else { None };
        let body = self.braced_body()?;
        let locals = std::mem::take(&mut self.locals);
        self.program.kernels.push(Kernel { name, tiles, node, locals, body });
        Ok(())
    }

    fn braced_body(&mut self) -> Parsed<Body> {
        self.body = Body::default();
        self.scope.clear();
        self.locals.clear();
        self.punct("{")?;
        while self.accept_word("local") {
            let name = self.sigil('$', "a scratch array's name")?;
            let (elem, len) = self.array()?;
            self.locals.push(LocalDecl { name, elem, len });
        }
        let stmts = self.block_rest()?;
        let mut body = std::mem::take(&mut self.body);
        body.stmts = stmts;
        Ok(body)
    }

    fn declare(&mut self, name: String, ty: Type) -> VarId {
        let id = VarId(self.body.vars.len() as u32);
        self.body.vars.push(VarDecl { name: name.clone(), ty });
        self.scope.push((name, id));
        id
    }

    fn find_var(&self, name: &str) -> Option<VarId> {
        self.scope.iter().rev().find(|(n, _)| n == name).map(|(_, id)| *id)
    }

    /// Statements up to and with the closing brace.
    fn block_rest(&mut self) -> Parsed<Vec<Stmt>> {
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

    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return self.fail("nested too deeply");
        }
        let result = f(self);
        self.nesting -= 1;
        result
    }

    fn stmt(&mut self) -> Parsed<Stmt> {
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

    fn store(&mut self, place: Place) -> Parsed<Stmt> {
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
    fn place(&mut self) -> Parsed<Place> {
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

    fn args(&mut self) -> Parsed<Vec<Expr>> {
        self.punct("(")?;
        let mut args = Vec::new();
        while !self.accept(")") {
            if !args.is_empty() {
                self.punct(",")?;
            }
            args.push(self.expr()?);
        }
        Ok(args)
    }

    fn fixed_args<const N: usize>(&mut self) -> Parsed<[Expr; N]> {
        let args = self.args()?;
        match args.try_into() {
            Ok(args) => Ok(args),
            Err(args) => self.fail(format!("expected {N} operands before this, found {}", args.len())),
        }
    }

    fn pointer_and_index(&mut self) -> Parsed<(Expr, Expr)> {
        let [pointer, index] = self.fixed_args()?;
        Ok((pointer, index))
    }

    fn expr(&mut self) -> Parsed<Expr> {
        self.nested(|p| p.infix(0))
    }

    /// A chain of operators that bind at least as tightly as `level`.
    fn infix(&mut self, level: usize) -> Parsed<Expr> {
        let mut left = self.primary()?;
        for _ in 0..MAX_CHAIN {
            let Token::Punct(op) = *self.peek() else {
                return Ok(left);
            };
            let Some(found) = LEVELS.iter().position(|l| l.contains(&op)).filter(|found| *found >= level) else {
                return Ok(left);
            };
            self.next += 1;
            let right = self.infix(found + 1)?;
            left = match CompareOp::ALL.iter().find(|o| o.text() == op) {
                Some(op) => Expr::raw(Type::Bool, ExprKind::Compare(*op, left, right)),
                None => match BinaryOp::ALL.iter().find(|o| o.text() == op) {
                    Some(op) => Expr::raw(left.ty(), ExprKind::Binary(*op, left, right)),
                    None => return self.fail(format!("`{op}` is not an operator")),
                },
            };
        }
        self.fail("too many operators in a row; use parentheses or `let`")
    }

    fn primary(&mut self) -> Parsed<Expr> {
        match self.peek().clone() {
            Token::Punct("(") => {
                self.next += 1;
                let e = self.expr()?;
                self.punct(")")?;
                Ok(e)
            }
            Token::Punct("-") => {
                self.next += 1;
                self.number(true)
            }
            Token::Int(..) | Token::Float(..) => self.number(false),
            Token::Punct("&") => {
                self.next += 1;
                let place = self.place()?;
                Ok(Expr::raw(Type::Ptr, ExprKind::Addr(place)))
            }
            Token::Sigil('%', name) => match self.globals.get(&name) {
                Some(Global::Symbol(id)) => {
                    let id = *id;
                    self.next += 1;
                    Ok(Expr::symbol(id))
                }
                _ => self.load(),
            },
            Token::Sigil('@', callee) => {
                let ret = match self.program.find_fn(&callee) {
                    Some(f) => f.ret,
                    None => match lathe_runtime::core::table::kernel_index(&callee) {
                        Some(i) => lathe_runtime::core::table::SIGNATURES[i].ret.map(arg_type),
                        None => return self.fail(format!("there is no function or micro-kernel @{callee}")),
                    },
                };
                let Some(ret) = ret else {
                    return self.fail(format!("@{callee} has no result"));
                };
                self.next += 1;
                let args = self.args()?;
                Ok(Expr::raw(ret, ExprKind::Call(callee.into(), args)))
            }
            Token::Sigil(..) => self.load(),
            Token::Word(w) => self.word_expr(&w),
            _ => self.expected("an expression"),
        }
    }

    fn load(&mut self) -> Parsed<Expr> {
        let place = self.place()?;
        Ok(Expr::raw(place.elem, ExprKind::Load(place)))
    }

    fn number(&mut self, negative: bool) -> Parsed<Expr> {
        let token = self.take();
        let back = |p: &mut Parser, message: String| {
            p.next -= 1;
            p.fail(message)
        };
        match token {
            Token::Int(v, suffix) => {
                let ty = if suffix.is_empty() { Some(Type::I64) } else { Type::from_name(&suffix) };
                let Some(ty) = ty.filter(|t| t.is_int()) else {
                    return back(self, format!("`{suffix}` is not an integer type"));
                };
                let wide = if negative { -(v as i128) } else { v as i128 };
                let value = if ty == Type::U64 { v as i64 } else { wide as i64 };
                if ty.wrap(value) as i128 != wide && (negative || ty != Type::U64) {
                    return back(self, format!("{wide} does not fit {ty}"));
                }
                Ok(Expr::raw(ty, ExprKind::Int(value)))
            }
            Token::Float(digits, suffix) => {
                let text = if negative { format!("-{digits}") } else { digits };
                let bits = match suffix.as_str() {
                    "" | "f32" => text.parse::<f32>().map(|v| (Type::F32, v.to_bits() as u64)),
                    "f64" => text.parse::<f64>().map(|v| (Type::F64, v.to_bits())),
                    _ => return back(self, format!("`{suffix}` is not a float type")),
                };
                match bits {
                    Ok((ty, bits)) => Ok(Expr::raw(ty, ExprKind::Float(bits))),
                    Err(_) => back(self, format!("`{text}` is not a number")),
                }
            }
            _ => {
                self.next -= 1;
                self.expected("a number")
            }
        }
    }

    fn word_expr(&mut self, w: &str) -> Parsed<Expr> {
        if *self.peek_after() != Token::Punct("(") {
            let e = match w {
                "true" | "false" => Expr::bool(w == "true"),
                "null" => Expr::null(),
                "tile" => Expr::tile(),
                _ => match self.find_var(w) {
                    Some(var) => Expr::var(var, self.body.vars[var.index()].ty),
                    None => return self.fail(format!("there is no variable `{w}` in scope")),
                },
            };
            self.next += 1;
            return Ok(e);
        }
        self.next += 1;
        if let Some(elem) = typed_word(w, "load_") {
            let (pointer, index) = self.pointer_and_index()?;
            return Ok(Expr::raw(elem, ExprKind::Load(Place { base: Base::Ptr(pointer), elem, index })));
        }
        if let Some(elem) = typed_word(w, "addr_") {
            let (pointer, index) = self.pointer_and_index()?;
            return Ok(Expr::raw(Type::Ptr, ExprKind::Addr(Place { base: Base::Ptr(pointer), elem, index })));
        }
        if let Some(ty) = typed_word(w, "bitcast_") {
            let [a] = self.fixed_args()?;
            return Ok(Expr::raw(ty, ExprKind::Bitcast(a)));
        }
        if let Some(ty) = typed_word(w, "bits_") {
            self.punct("(")?;
            let Token::Int(bits, _) = self.take() else {
                self.next -= 1;
                return self.expected("the bits of a float");
            };
            self.punct(")")?;
            return Ok(Expr::raw(ty, ExprKind::Float(bits)));
        }
        if let Some(ty) = Type::from_name(w) {
            let [a] = self.fixed_args()?;
            return Ok(Expr::raw(ty, ExprKind::Cast(a)));
        }
        if let Some(op) = UnaryOp::ALL.iter().find(|o| o.text() == w) {
            let [a] = self.fixed_args()?;
            return Ok(Expr::raw(a.ty(), ExprKind::Unary(*op, a)));
        }
        if let Some(op) = BinaryOp::ALL.iter().find(|o| o.text() == w) {
            let [a, b] = self.fixed_args()?;
            return Ok(Expr::raw(a.ty(), ExprKind::Binary(*op, a, b)));
        }
        match w {
            "dim" => {
                self.punct("(")?;
                let input = self.small()?;
                self.punct(",")?;
                let axis = self.small()?;
                self.punct(")")?;
                Ok(Expr::input_dim(input, axis))
            }
            "fma" => {
                let [a, b, c] = self.fixed_args()?;
                Ok(Expr::raw(a.ty(), ExprKind::Fma(a, b, c)))
            }
            "select" => {
                let [c, a, b] = self.fixed_args()?;
                Ok(Expr::raw(a.ty(), ExprKind::Select(c, a, b)))
            }
            _ => {
                self.next -= 1;
                self.fail(format!("`{w}` is not an operation"))
            }
        }
    }
}
