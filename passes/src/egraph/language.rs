//! E-nodes: one generic node for every op.
//!
//! The children of an op node are its attributes, each a leaf, in the order of the definition, then its operands;
//! [`Head::Missing`] stands for an optional operand that is left out (trailing ones too, so that an op has one arity;
//! only variadic ops differ). An op with several results is one node whose class has a tuple of types, and
//! [`Head::Result`] projects. A new op of the table is an e-node without a line of code here.

use egg::{Id, Language};
use lathe_ir::op::Arity;
use lathe_ir::{Attr, OpCode};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// Children of a node.
pub type Children = SmallVec<[Id; 6]>;

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Head {
    /// An attribute value. Shared, so that copying a node is cheap; compared by value, so that order never depends on
    /// what was compiled before.
    Attr(Arc<Attr>),
    /// An optional operand that is left out.
    Missing,
    /// A parameter of the graph, by position.
    Param(u32),
    /// An op; the number names its regions among those of the e-graph, 0 for none.
    Op(OpCode, u32),
    /// Result of an op with several, by position.
    Result(u32),
}

/// An e-node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// What it is.
    pub head: Head,
    /// Attributes, then operands.
    pub children: Children,
}

impl Node {
    /// A node without children.
    pub fn leaf(head: Head) -> Node {
        Node { head, children: Children::new() }
    }

    /// An attribute leaf.
    pub fn attr(attr: Attr) -> Node {
        Node::leaf(Head::Attr(Arc::new(attr)))
    }

    /// The op, if it is one.
    pub fn code(&self) -> Option<OpCode> {
        match self.head {
            Head::Op(code, _) => Some(code),
            _ => None,
        }
    }

    /// The children that are operands; for nodes other than ops, all of them.
    pub fn operands(&self) -> &[Id] {
        match self.head {
            Head::Op(code, _) => &self.children[code.def().attrs.len()..],
            _ => &self.children,
        }
    }

    /// The children that are attributes.
    pub fn attrs(&self) -> &[Id] {
        match self.head {
            Head::Op(code, _) => &self.children[..code.def().attrs.len()],
            _ => &[],
        }
    }
}

/// Number of operand children of a node of that op, or `None` if it is variadic.
pub fn operand_count(code: OpCode) -> Option<usize> {
    let operands = code.def().operands;
    operands.iter().all(|operand| operand.arity != Arity::Variadic).then_some(operands.len())
}

impl Language for Node {
    type Discriminant = Head;

    fn discriminant(&self) -> Head {
        self.head.clone()
    }

    fn matches(&self, other: &Node) -> bool {
        self.head == other.head && self.children.len() == other.children.len()
    }

    fn children(&self) -> &[Id] {
        &self.children
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.head {
            Head::Attr(attr) => write!(f, "{attr:?}"),
            Head::Missing => f.write_str("none"),
            Head::Param(index) => write!(f, "param{index}"),
            Head::Op(code, 0) => f.write_str(code.name()),
            Head::Op(code, regions) => write!(f, "{}#{regions}", code.name()),
            Head::Result(index) => write!(f, "result{index}"),
        }
    }
}
