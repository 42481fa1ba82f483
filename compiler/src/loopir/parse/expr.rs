//! Expressions. Infix operators bind, tightest first: `* /`, `+ -`, `<< >>`, `&`, `^`, `|`, comparisons; all to the left.

use super::{Global, Parsed, Parser, typed_word};
use crate::loopir::expr::{Base, BinaryOp, CompareOp, Expr, ExprKind, Place, UnaryOp};
use crate::loopir::lex::Token;
use crate::loopir::types::Type;
use crate::loopir::verify::arg_type;

/// Most operators in a row without parentheses; with `MAX_NESTING` it bounds the depth of what is built.
const MAX_CHAIN: usize = 32;

/// Infix operators, loosest first.
const LEVELS: [&[&str]; 7] =
    [&["==", "!=", "<", "<=", ">", ">="], &["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/"]];

impl Parser {
    pub(super) fn args(&mut self) -> Parsed<Vec<Expr>> {
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

    pub(super) fn fixed_args<const N: usize>(&mut self) -> Parsed<[Expr; N]> {
        let args = self.args()?;
        match args.try_into() {
            Ok(args) => Ok(args),
            Err(args) => self.fail(format!("expected {N} operands before this, found {}", args.len())),
        }
    }

    pub(super) fn pointer_and_index(&mut self) -> Parsed<(Expr, Expr)> {
        let [pointer, index] = self.fixed_args()?;
        Ok((pointer, index))
    }

    pub(super) fn expr(&mut self) -> Parsed<Expr> {
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

    pub(super) fn load(&mut self) -> Parsed<Expr> {
        let place = self.place()?;
        Ok(Expr::raw(place.elem, ExprKind::Load(place)))
    }

    pub(super) fn number(&mut self, negative: bool) -> Parsed<Expr> {
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
