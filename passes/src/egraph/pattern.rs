//! The text of rule patterns.
//!
//! ```text
//! term     := ?name | number | none | (op attrs? term*) | (result N term)
//! op       := name of the op table, with a trailing * for "both orders of the two operands" (left side only)
//! attrs    := { item, .. }     item := name = ?var | name = value | ..
//! value    := integer, number, [integers], word, true, false or element type, as the attribute's kind has it
//! ```
//!
//! - Attributes that are not written have their default value; on the left that means "matches only the default". `..`
//!   stands for all that are not written, bound to variables of their names: `{..}` on both sides copies them.
//! - Trailing operands that are not written are `none`, that is, left out.
//! - A number on the left matches a tensor whose elements all have exactly that value (after rounding to its element
//!   type, if that is a float type), of any shape. A number on the right is a scalar of the element type of what is
//!   replaced.

use super::analysis::EGraph;
use super::language::{Children, Head, Node, operand_count};
use egg::{ENodeOrVar, Id, Pattern, PatternAst, RecExpr, Var};
use lathe_ir::{Attr, AttrKind, DType, OpCode};

/// A left side: what to search, and the numbers that bound classes must be.
#[derive(Debug)]
pub struct Left {
    /// The pattern.
    pub pattern: Pattern<Node>,
    /// Variables that must be uniform tensors of that value.
    pub numbers: Vec<(Var, f64)>,
}

/// A right side: what to build, and the numbers in it.
#[derive(Debug)]
pub struct Right {
    /// The term.
    pub ast: PatternAst<Node>,
    /// Variables to be bound to scalars of that value.
    pub numbers: Vec<(Var, f64)>,
}

/// A pattern variable by its name with the question mark.
///
/// # Panics
/// If the name has none: a mistake in a rule's text, found when the library is first loaded.
pub fn var(name: &str) -> Var {
    name.parse().unwrap_or_else(|error| panic!("{name} is no pattern variable: {error}"))
}

/// All left sides that a text stands for: several if it has ops with a star.
///
/// # Errors
/// The text breaks the grammar.
pub fn parse_left(text: &str) -> Result<Vec<Left>, String> {
    let term = parse(text)?;
    let lower = |term: &Term| {
        let mut lowering = Lowering::default();
        lowering.term(term)?;
        Ok(Left { pattern: Pattern::new(lowering.ast), numbers: lowering.numbers })
    };
    orders(&term).iter().map(lower).collect()
}

/// A right side.
///
/// # Errors
/// The text breaks the grammar, or has an op with a star.
pub fn parse_right(text: &str) -> Result<Right, String> {
    let mut lowering = Lowering::default();
    let term = parse(text)?;
    if orders(&term).len() > 1 {
        return Err("a right side has one order".to_owned());
    }
    lowering.term(&term)?;
    Ok(Right { ast: lowering.ast, numbers: lowering.numbers })
}

#[derive(Clone, Debug)]
enum Term {
    Var(String),
    Number(f64),
    Missing,
    Op { code: OpCode, both_orders: bool, attrs: Vec<(usize, AttrTerm)>, rest: bool, operands: Vec<Term> },
    Result(u32, Box<Term>),
}

#[derive(Clone, Debug)]
enum AttrTerm {
    Var(String),
    Value(Attr),
}

/// The terms that come from choosing an order at each star.
fn orders(term: &Term) -> Vec<Term> {
    match term {
        Term::Op { code, both_orders, attrs, rest, operands } => {
            let mut lists: Vec<Vec<Term>> = vec![Vec::new()];
            for operand in operands {
                let choices = orders(operand);
                lists = lists
                    .into_iter()
                    .flat_map(|list| choices.iter().map(move |choice| [list.clone(), vec![choice.clone()]].concat()))
                    .collect();
            }
            let mut all = Vec::new();
            for operands in lists {
                let mut swapped = operands.clone();
                swapped.swap(0, 1.min(operands.len().saturating_sub(1)));
                for operands in if *both_orders { vec![operands, swapped] } else { vec![operands] } {
                    all.push(Term::Op { code: *code, both_orders: false, attrs: attrs.clone(), rest: *rest, operands });
                }
            }
            all
        }
        Term::Result(index, inner) => {
            orders(inner).into_iter().map(|inner| Term::Result(*index, Box::new(inner))).collect()
        }
        leaf => vec![leaf.clone()],
    }
}

#[derive(Default)]
struct Lowering {
    ast: PatternAst<Node>,
    numbers: Vec<(Var, f64)>,
}

impl Lowering {
    fn node(&mut self, head: Head, children: Children) -> Id {
        self.ast.add(ENodeOrVar::ENode(Node { head, children }))
    }

    fn var(&mut self, name: &str) -> Id {
        self.ast.add(ENodeOrVar::Var(var(name)))
    }

    fn term(&mut self, term: &Term) -> Result<Id, String> {
        Ok(match term {
            Term::Var(name) => self.var(name),
            Term::Missing => self.node(Head::Missing, Children::new()),
            Term::Number(value) => {
                let name = format!("?number{}", self.numbers.len());
                self.numbers.push((var(&name), *value));
                self.var(&name)
            }
            Term::Result(index, inner) => {
                let inner = self.term(inner)?;
                self.node(Head::Result(*index), Children::from_slice(&[inner]))
            }
            Term::Op { code, attrs, rest, operands, .. } => {
                let def = code.def();
                let mut children = Children::new();
                for (index, attr) in def.attrs.iter().enumerate() {
                    let given = attrs.iter().find(|(at, _)| *at == index).map(|(_, term)| term);
                    children.push(match (given, attr.default) {
                        (Some(AttrTerm::Var(name)), _) => self.var(name),
                        (Some(AttrTerm::Value(value)), _) => self.ast.add(ENodeOrVar::ENode(Node::attr(value.clone()))),
                        (None, _) if *rest => self.var(&format!("?{}", attr.name)),
                        (None, Some(default)) => self.ast.add(ENodeOrVar::ENode(Node::attr(default()))),
                        (None, None) => return Err(format!("{} needs its attribute {}", def.name, attr.name)),
                    });
                }
                for operand in operands {
                    let id = self.term(operand)?;
                    children.push(id);
                }
                match operand_count(*code) {
                    Some(count) if operands.len() > count => {
                        return Err(format!("{} takes at most {count} operands", def.name));
                    }
                    Some(count) => {
                        for _ in operands.len()..count {
                            let missing = self.node(Head::Missing, Children::new());
                            children.push(missing);
                        }
                    }
                    None => {}
                }
                self.node(Head::Op(*code, 0), children)
            }
        })
    }
}

fn parse(text: &str) -> Result<Term, String> {
    let mut parser = Parser { rest: text };
    let term = parser.term()?;
    match parser.rest.trim() {
        "" => Ok(term),
        rest => Err(format!("left over: {rest}")),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, mark: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        if self.take(mark) { Ok(()) } else { Err(format!("expected {mark} before {:?}", self.rest)) }
    }

    fn word(&mut self) -> Result<&'a str, String> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "_?.-+".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() { Err(format!("expected a word before {rest:?}")) } else { Ok(word) }
    }

    fn term(&mut self) -> Result<Term, String> {
        if !self.take("(") {
            let word = self.word()?;
            return if word.starts_with('?') {
                Ok(Term::Var(word.to_owned()))
            } else if word == "none" {
                Ok(Term::Missing)
            } else {
                word.parse().map(Term::Number).map_err(|_| format!("{word} is no variable and no number"))
            };
        }
        let name = self.word()?;
        if name == "result" {
            let index = self.word()?.parse().map_err(|_| "result needs a position".to_owned())?;
            let inner = self.term()?;
            self.expect(")")?;
            return Ok(Term::Result(index, Box::new(inner)));
        }
        let both_orders = self.take("*");
        let code = OpCode::from_name(name).ok_or_else(|| format!("there is no op {name}"))?;
        let (mut attrs, mut rest) = (Vec::new(), false);
        if self.take("{") {
            while !self.take("}") {
                if self.take("..") {
                    rest = true;
                } else {
                    attrs.push(self.attr(code)?);
                }
                self.take(",");
            }
        }
        let mut operands = Vec::new();
        while !self.take(")") {
            operands.push(self.term()?);
        }
        if both_orders && operands.len() != 2 {
            return Err(format!("{name}* needs two operands"));
        }
        Ok(Term::Op { code, both_orders, attrs, rest, operands })
    }

    fn attr(&mut self, code: OpCode) -> Result<(usize, AttrTerm), String> {
        let name = self.word()?;
        let def = code.def();
        let index = def.attrs.iter().position(|attr| attr.name == name);
        let index = index.ok_or_else(|| format!("{} has no attribute {name}", def.name))?;
        self.expect("=")?;
        let kind = def.attrs[index].kind;
        if self.rest.trim_start().starts_with('?') {
            return Ok((index, AttrTerm::Var(self.word()?.to_owned())));
        }
        if self.take("[") {
            let mut items = Vec::new();
            while !self.take("]") {
                let word = self.word()?;
                items.push(word.parse::<i64>().map_err(|_| format!("{word} is no integer"))?);
                self.take(",");
            }
            let attr = match kind {
                AttrKind::Dims => Attr::dims(items.iter().map(|&item| item.into())),
                _ => Attr::ints(&items),
            };
            return Ok((index, AttrTerm::Value(attr)));
        }
        let word = self.word()?;
        let attr = match kind {
            AttrKind::Int => word.parse().ok().map(Attr::Int),
            AttrKind::Float => word.parse().ok().map(Attr::float),
            AttrKind::Bool => word.parse().ok().map(Attr::Bool),
            AttrKind::Str(_) => Some(Attr::str(word)),
            AttrKind::DType => DType::from_name(word).map(Attr::DType),
            _ => None,
        };
        let attr = attr.filter(|attr| attr.is_kind(kind));
        Ok((index, AttrTerm::Value(attr.ok_or_else(|| format!("{word} is no value of {name}"))?)))
    }
}

/// The classes of the op nodes that a left side matched under these bindings, root first where it is an op.
pub fn matched_nodes(egraph: &EGraph, ast: &RecExpr<ENodeOrVar<Node>>, subst: &egg::Subst) -> Vec<Node> {
    let mut ids: Vec<Option<Id>> = Vec::with_capacity(ast.len());
    let mut nodes = Vec::new();
    for item in ast {
        let id = match item {
            ENodeOrVar::Var(var) => subst.get(*var).map(|&id| egraph.find(id)),
            ENodeOrVar::ENode(node) => {
                let children: Option<Children> = node.children.iter().map(|&child| ids[usize::from(child)]).collect();
                children.and_then(|children| {
                    let node = Node { head: node.head.clone(), children };
                    let id = egraph.lookup(node.clone());
                    if matches!(node.head, Head::Op(..)) && id.is_some() {
                        nodes.push(node);
                    }
                    id
                })
            }
        };
        ids.push(id);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_patterns() {
        let left = parse_left("(add* (mul* ?x 2) (matmul {act=relu, ..} ?a ?b))").expect("reads");
        assert_eq!(left.len(), 4);
        assert_eq!(left[0].numbers.len(), 1);
        let right = parse_right("(transpose {perm=[1, 0]} ?x)").expect("reads");
        assert_eq!(right.ast.len(), 3);
    }

    #[test]
    fn refuses_what_the_table_does_not_have() {
        for text in ["(frob ?x)", "(neg {p=1} ?x)", "(transpose ?x)", "(add* ?x)", "(neg ?x ?y)", "(neg ?x", "x"] {
            assert!(parse_left(text).is_err(), "{text}");
        }
    }
}
