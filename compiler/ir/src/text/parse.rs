//! Parsing.

use super::draw::draw;
use super::lexer::{Spanned, Token, tokens};
use crate::attr::{Attr, AttrKind};
use crate::builder::{complete_attrs, infer_types};
use crate::diag::Diagnostic;
use crate::dim::{Dim, Symbol, SymbolInfo};
use crate::dtype::DType;
use crate::graph::{Env, Graph, Loc, Module, Operands, ValueId, WeightId};
use crate::op::OpCode;
use crate::tensor::Tensor;
use crate::types::TensorType;
use std::collections::BTreeMap;

/// Gives the bytes of a weight of that name, type and hash.
pub type WeightResolver<'a> = &'a dyn Fn(&str, &TensorType, u64) -> Option<Tensor>;

/// A resolver for texts whose weights are all written out or drawn.
pub fn no_weights(_: &str, _: &TensorType, _: u64) -> Option<Tensor> {
    None
}

/// Deepest nesting of regions and of dimension expressions.
const MAX_DEPTH: usize = 32;

/// Most elements of all constants that a text writes out or draws: a few words can ask for any number.
const MAX_ELEMENTS: usize = 1 << 26;

/// Reads a module. Types are those written; the verifier tells whether they are right.
pub fn parse_module(text: &str, resolve: WeightResolver<'_>) -> Result<Module, Diagnostic> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, elements: 0 };
    let mut env = Env::default();
    loop {
        match parser.word()?.as_str() {
            "symbol" => parser.symbol(&mut env)?,
            "weight" => parser.weight(&mut env, resolve)?,
            "equal" => {
                let pair = (parser.dim()?, parser.mark("==").and_then(|()| parser.dim())?);
                if parser.take_word("branch") { &mut env.conditional } else { &mut env.equalities }.push(pair)
            }
            "graph" => break,
            other => return Err(parser.error(format!("expected symbol, weight, equal or graph, found {other}"))),
        }
    }
    let main = parser.graph(&mut env)?;
    parser.expect(Token::End)?;
    env.keep_conditional();
    Ok(Module { env, main })
}

/// Reads a dimension expression, for example `2*N + 1`.
pub fn parse_dim(text: &str) -> Result<Dim, Diagnostic> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, elements: 0 };
    let dim = parser.dim()?;
    parser.expect(Token::End)?;
    Ok(dim)
}

struct Parser {
    tokens: Vec<Spanned>,
    at: usize,
    depth: usize,
    /// Elements of constants so far.
    elements: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].token
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].token.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn error(&self, message: impl Into<String>) -> Diagnostic {
        let place = &self.tokens[self.at.saturating_sub(1)];
        Diagnostic::invalid(format!("line {}, column {}: {}", place.line, place.column, message.into()))
    }

    fn expect(&mut self, token: Token) -> Result<(), Diagnostic> {
        let found = self.next();
        if found == token { Ok(()) } else { Err(self.error(format!("expected {token:?}, found {found:?}"))) }
    }

    fn mark(&mut self, mark: &'static str) -> Result<(), Diagnostic> {
        self.expect(Token::Mark(mark))
    }

    fn take(&mut self, mark: &'static str) -> bool {
        let found = *self.peek() == Token::Mark(mark);
        if found {
            self.next();
        }
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(found) if found == word);
        if found {
            self.next();
        }
        found
    }

    fn word(&mut self) -> Result<String, Diagnostic> {
        match self.next() {
            Token::Word(word) => Ok(word),
            other => Err(self.error(format!("expected a word, found {other:?}"))),
        }
    }

    fn quoted(&mut self) -> Result<String, Diagnostic> {
        match self.next() {
            Token::Text(text) => Ok(text),
            other => Err(self.error(format!("expected a quoted name, found {other:?}"))),
        }
    }

    fn int(&mut self) -> Result<i64, Diagnostic> {
        let sign = if self.take("-") { "-" } else { "" };
        match self.next() {
            Token::Number(digits) => {
                format!("{sign}{digits}").parse().map_err(|_| self.error(format!("{digits} is no integer")))
            }
            other => Err(self.error(format!("expected an integer, found {other:?}"))),
        }
    }

    fn float(&mut self) -> Result<f64, Diagnostic> {
        let sign = if self.take("-") { -1.0 } else { 1.0 };
        match self.next() {
            Token::Number(text) => {
                text.parse::<f64>().map(|v| sign * v).map_err(|_| self.error(format!("{text} is no number")))
            }
            Token::Word(word) if word == "inf" => Ok(sign * f64::INFINITY),
            Token::Word(word) if word == "nan" => Ok(f64::NAN),
            other => Err(self.error(format!("expected a number, found {other:?}"))),
        }
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Parser) -> Result<T, Diagnostic>) -> Result<Vec<T>, Diagnostic> {
        self.mark("[")?;
        let mut items = Vec::new();
        while !self.take("]") {
            if !items.is_empty() {
                self.mark(",")?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Parser) -> Result<T, Diagnostic>) -> Result<T, Diagnostic> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// sum := ['-'] product {('+' | '-') product}
    fn dim(&mut self) -> Result<Dim, Diagnostic> {
        self.nested(|parser| {
            let mut sum = if parser.take("-") { &Dim::ZERO - &parser.dim_product()? } else { parser.dim_product()? };
            loop {
                if parser.take("+") {
                    sum = &sum + &parser.dim_product()?;
                } else if parser.take("-") {
                    sum = &sum - &parser.dim_product()?;
                } else {
                    return Ok(sum);
                }
            }
        })
    }

    fn dim_product(&mut self) -> Result<Dim, Diagnostic> {
        let mut product = self.dim_atom()?;
        while self.take("*") {
            product = &product * &self.dim_atom()?;
        }
        Ok(product)
    }

    fn dim_atom(&mut self) -> Result<Dim, Diagnostic> {
        match self.next() {
            Token::Number(digits) => {
                digits.parse().map(Dim::constant).map_err(|_| self.error(format!("{digits} is no dimension")))
            }
            Token::Text(name) => Ok(Dim::symbol(&Symbol::new(&name))),
            Token::Word(word) if matches!(word.as_str(), "floordiv" | "min" | "max") => {
                self.mark("(")?;
                let a = self.dim()?;
                self.mark(",")?;
                let b = self.dim()?;
                self.mark(")")?;
                Ok(match word.as_str() {
                    "floordiv" => a.floor_div(&b),
                    "min" => a.minimum(&b),
                    _ => a.maximum(&b),
                })
            }
            Token::Word(word) if word == "overflow" => Ok(Dim::OVERFLOW),
            Token::Word(word) => Ok(Dim::symbol(&Symbol::new(&word))),
            Token::Mark("(") => {
                let dim = self.dim()?;
                self.mark(")")?;
                Ok(dim)
            }
            other => Err(self.error(format!("expected a dimension, found {other:?}"))),
        }
    }

    fn dtype(&mut self) -> Result<DType, Diagnostic> {
        let word = self.word()?;
        DType::from_name(&word).ok_or_else(|| self.error(format!("{word} is no element type")))
    }

    fn ty(&mut self) -> Result<TensorType, Diagnostic> {
        let dtype = self.dtype()?;
        Ok(TensorType::new(dtype, self.list(Parser::dim)?))
    }

    fn symbol(&mut self, env: &mut Env) -> Result<(), Diagnostic> {
        let data_dependent = self.take_word("data");
        let name = match self.next() {
            Token::Word(name) | Token::Text(name) => name,
            other => return Err(self.error(format!("expected a symbol, found {other:?}"))),
        };
        self.mark(":")?;
        let lo = self.int()?;
        self.mark("..")?;
        let hi = if matches!(self.peek(), Token::Number(_)) { Some(self.int()?) } else { None };
        let typical = if self.take("~") { Some(self.int()?) } else { None };
        let most = if self.take("<=") { Some(self.dim()?) } else { None };
        env.symbols.insert(Symbol::new(&name), SymbolInfo { lo, hi, typical, data_dependent, most });
        Ok(())
    }

    /// The sizes of a constant whose elements are about to be made.
    fn sizes(&mut self, ty: &TensorType) -> Result<Vec<usize>, Diagnostic> {
        let sizes = ty.sizes().ok_or_else(|| self.error(format!("{ty} is no type of a constant")))?;
        let count = sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let sum = count.and_then(|count| self.elements.checked_add(count)).filter(|sum| *sum <= MAX_ELEMENTS);
        self.elements = sum.ok_or_else(|| {
            self.error(format!("the constants up to here have more than the {MAX_ELEMENTS} elements a text may have"))
        })?;
        Ok(sizes)
    }

    fn weight(&mut self, env: &mut Env, resolve: WeightResolver<'_>) -> Result<(), Diagnostic> {
        match self.next() {
            Token::Weight(id) if id as usize == env.weights.len() => {}
            other => return Err(self.error(format!("expected @{}, found {other:?}", env.weights.len()))),
        }
        let name = self.quoted()?;
        self.mark(":")?;
        let ty = self.ty()?;
        self.mark("=")?;
        let value = if self.take_word("hash") {
            let digits = match self.next() {
                Token::Number(digits) | Token::Word(digits) => digits,
                other => return Err(self.error(format!("expected a hash, found {other:?}"))),
            };
            let hash = u64::from_str_radix(&digits, 16).map_err(|_| self.error(format!("{digits} is no hash")))?;
            let found = resolve(&name, &ty, hash).filter(|tensor| tensor.ty() == ty);
            found.ok_or_else(|| self.error(format!("no bytes are known for weight {name:?} with hash {digits}")))?
        } else if self.take_word("seed") {
            let seed = self.int()?;
            draw(ty.dtype, &self.sizes(&ty)?, seed as u64)
        } else {
            self.elements(&ty)?
        };
        env.add_weight(&name, value);
        Ok(())
    }

    /// The elements of a literal of that type: a scalar, `splat x` or `[x, y, ..]`.
    fn elements(&mut self, ty: &TensorType) -> Result<Tensor, Diagnostic> {
        let sizes = self.sizes(ty)?;
        let count: usize = sizes.iter().product();
        let dtype = ty.dtype;
        if dtype.holds_floats() {
            let values = self.element_list(count, sizes.is_empty(), Parser::float)?;
            return Ok(Tensor::from_f64(dtype, &sizes, &values));
        }
        let values = self.element_list(count, sizes.is_empty(), |parser| {
            if parser.take_word("true") {
                return Ok(1);
            }
            if parser.take_word("false") {
                return Ok(0);
            }
            if let (DType::U64, Token::Number(digits)) = (dtype, parser.peek().clone()) {
                parser.next();
                let value: u64 = digits.parse().map_err(|_| parser.error(format!("{digits} is no integer")))?;
                return Ok(value as i64);
            }
            parser.int()
        })?;
        Ok(Tensor::from_i64(dtype, &sizes, &values))
    }

    fn element_list<T: Copy>(
        &mut self,
        count: usize,
        is_scalar: bool,
        mut item: impl FnMut(&mut Parser) -> Result<T, Diagnostic>,
    ) -> Result<Vec<T>, Diagnostic> {
        let values = if is_scalar {
            vec![item(self)?]
        } else if self.take_word("splat") {
            vec![item(self)?; count]
        } else {
            self.list(item)?
        };
        if values.len() != count {
            return Err(self.error(format!("{} elements are written, the type has {count}", values.len())));
        }
        Ok(values)
    }

    fn attr(&mut self, kind: AttrKind) -> Result<Attr, Diagnostic> {
        Ok(match kind {
            AttrKind::Int => Attr::Int(self.int()?),
            AttrKind::Ints => Attr::ints(&self.list(Parser::int)?),
            AttrKind::Float => Attr::float(self.float()?),
            AttrKind::Bool => match self.word()?.as_str() {
                "true" => Attr::Bool(true),
                "false" => Attr::Bool(false),
                other => return Err(self.error(format!("expected true or false, found {other}"))),
            },
            AttrKind::Str(_) | AttrKind::Text => Attr::str(&self.quoted()?),
            AttrKind::Dims => Attr::dims(self.list(Parser::dim)?),
            AttrKind::DType => Attr::DType(self.dtype()?),
            AttrKind::Constant => match *self.peek() {
                Token::Weight(id) => {
                    self.next();
                    Attr::Weight(WeightId(id))
                }
                _ => {
                    let ty = self.ty()?;
                    Attr::from(self.elements(&ty)?)
                }
            },
        })
    }

    fn graph(&mut self, env: &mut Env) -> Result<Graph, Diagnostic> {
        self.nested(|parser| parser.graph_inner(env))
    }

    fn graph_inner(&mut self, env: &mut Env) -> Result<Graph, Diagnostic> {
        let mut graph = Graph::default();
        let mut values: BTreeMap<u32, ValueId> = BTreeMap::new();
        self.mark("(")?;
        while !self.take(")") {
            if !graph.params.is_empty() {
                self.mark(",")?;
            }
            let number = self.value_number()?;
            let name = self.quoted()?;
            self.mark(":")?;
            let ty = self.ty()?;
            values.insert(number, graph.add_param(&name, ty));
        }
        self.mark("{")?;
        while !self.take_word("return") {
            self.op(env, &mut graph, &mut values)?;
        }
        while !self.take("}") {
            if !graph.results.is_empty() {
                self.mark(",")?;
            }
            let value = self.operand(&values)?;
            let name = self.quoted()?;
            graph.add_result(&name, value);
        }
        Ok(graph)
    }

    fn value_number(&mut self) -> Result<u32, Diagnostic> {
        match self.next() {
            Token::Value(number) => Ok(number),
            other => Err(self.error(format!("expected a value, found {other:?}"))),
        }
    }

    fn operand(&mut self, values: &BTreeMap<u32, ValueId>) -> Result<ValueId, Diagnostic> {
        let number = self.value_number()?;
        values.get(&number).copied().ok_or_else(|| self.error(format!("%{number} is not defined before its use")))
    }

    fn op(&mut self, env: &mut Env, graph: &mut Graph, values: &mut BTreeMap<u32, ValueId>) -> Result<(), Diagnostic> {
        let mut numbers = Vec::new();
        // A branch may be taken for nothing.
        if !matches!(self.peek(), Token::Word(_)) {
            numbers.push(self.value_number()?);
            while self.take(",") {
                numbers.push(self.value_number()?);
            }
            self.mark("=")?;
        }
        let name = self.word()?;
        let code = OpCode::from_name(&name).ok_or_else(|| self.error(format!("there is no op {name}")))?;
        let def = code.def();
        let mut operands = Operands::new();
        let mut given: Vec<(&str, Attr)> = Vec::new();
        if code == OpCode::Const {
            given.push(("value", self.attr(AttrKind::Constant)?));
        } else {
            self.mark("(")?;
            while !self.take(")") {
                if !operands.is_empty() {
                    self.mark(",")?;
                }
                operands.push(if self.take_word("none") { None } else { Some(self.operand(values)?) });
            }
            if self.take("{") {
                while !self.take("}") {
                    if !given.is_empty() {
                        self.mark(",")?;
                    }
                    let name = self.word()?;
                    let attr = def.attrs.iter().find(|attr| attr.name == name);
                    let attr = attr.ok_or_else(|| self.error(format!("{} has no attribute {name}", def.name)))?;
                    self.mark("=")?;
                    given.push((attr.name, self.attr(attr.kind)?));
                }
            }
        }
        let mut regions = Vec::new();
        while self.take_word("region") {
            regions.push(self.graph(env)?);
        }
        let attrs = complete_attrs(def, &given).map_err(|error| self.error(error.to_string()))?;
        let types = if self.take(":") {
            if self.take("(") {
                let mut types = Vec::new();
                while !self.take(")") {
                    if !types.is_empty() {
                        self.mark(",")?;
                    }
                    types.push(self.ty()?);
                }
                types
            } else {
                vec![self.ty()?]
            }
        } else {
            let types = infer_types(env, graph, code, &operands, &attrs, &regions);
            types.map_err(|error| self.error(error.to_string()))?.into_vec()
        };
        let mut loc = Loc::default();
        if self.take_word("loc") {
            loc = Loc::new(&self.quoted()?);
            while self.take(",") {
                loc = loc.merge(&Loc::new(&self.quoted()?));
            }
        }
        if types.len() != numbers.len() {
            return Err(self.error(format!("{} results are named, {} types are given", numbers.len(), types.len())));
        }
        let id = graph.push_op(code, operands, attrs, regions, types, loc);
        for (number, &value) in numbers.iter().zip(&graph.op(id).results) {
            if values.insert(*number, value).is_some() {
                return Err(self.error(format!("%{number} is defined twice")));
            }
        }
        Ok(())
    }
}
