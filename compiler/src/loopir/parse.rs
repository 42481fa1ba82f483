//! Reads the text form (see `print.rs` for an example). Nothing is folded: `parse(print(p)) == p`.
//!
//! Names are resolved while reading, so everything is declared before it is used; operand types are left to `verify`.

mod expr;
mod stmt;

use super::expr::{BinaryOp, Expr, UnaryOp};
pub use super::lex::ParseError;
use super::lex::{Position, Token, lex};
use super::program::*;
use super::stmt::{Body, LocalDecl, VarDecl};
use super::types::{BufferId, SymbolId, Type, VarId};
use std::collections::BTreeMap;

/// Deepest nesting of parentheses and blocks a text may have.
const MAX_NESTING: usize = 2 * MAX_DEPTH + 8;

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
}
