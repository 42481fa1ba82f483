//! The op table: every op is declared once, in a file under `ops/`, and listed in one line of `ops/mod.rs`.
//!
//! From an [`OpDef`] follow its name, the parser and printer of the text form, the builder's and verifier's checks,
//! the e-node (attributes, then operands, in the order of the definition) and the reference evaluation.

use crate::attr::{Attr, AttrKind};
use crate::dim::{Dim, Symbol};
use crate::dtype::DType;
use crate::graph::{Env, Graph};
use crate::tensor::Tensor;
use crate::types::{Shape, TensorType, broadcast};
use smallvec::SmallVec;

pub use crate::ops::OpCode;

/// How often an operand of the definition occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly once.
    One,
    /// Once or not at all.
    Optional,
    /// Any number of times; only as the last operand.
    Variadic,
}

/// An operand of a definition.
#[derive(Clone, Copy, Debug)]
pub struct OperandDef {
    /// Name in messages and docs.
    pub name: &'static str,
    /// How often it occurs.
    pub arity: Arity,
}

/// A required operand.
pub const fn operand(name: &'static str) -> OperandDef {
    OperandDef { name, arity: Arity::One }
}

/// An operand that may be left out.
pub const fn optional(name: &'static str) -> OperandDef {
    OperandDef { name, arity: Arity::Optional }
}

/// Any number of operands.
pub const fn variadic(name: &'static str) -> OperandDef {
    OperandDef { name, arity: Arity::Variadic }
}

/// An attribute of a definition.
#[derive(Clone, Copy, Debug)]
pub struct AttrDef {
    /// Name in the text form.
    pub name: &'static str,
    /// What it holds.
    pub kind: AttrKind,
    /// Value when it is left out in the text form; `None` if it must be written.
    pub default: Option<fn() -> Attr>,
}

/// An attribute that must be written.
pub const fn attr(name: &'static str, kind: AttrKind) -> AttrDef {
    AttrDef { name, kind, default: None }
}

/// An attribute with a default.
pub const fn attr_or(name: &'static str, kind: AttrKind, default: fn() -> Attr) -> AttrDef {
    AttrDef { name, kind, default: Some(default) }
}

/// What holds of an op whatever its operands are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Each result element depends only on the elements of the operands at the same place after broadcasting.
    pub elementwise: bool,
    /// `op(a, b) = op(b, a)`.
    pub commutative: bool,
    /// `op(op(a, b), c) = op(a, op(b, c))` in the reals.
    pub associative: bool,
    /// Moves elements and computes nothing.
    pub movement: bool,
    /// Has bodies, of which its inference checks number and signature. Other ops have none.
    pub regions: bool,
    /// Sizes depend on the values of its operands: it defines the data-dependent symbols that stand alone in its first
    /// attribute, a dimension list.
    pub data_dependent: bool,
}

/// No trait.
pub const PLAIN: Traits = Traits {
    elementwise: false,
    commutative: false,
    associative: false,
    movement: false,
    regions: false,
    data_dependent: false,
};
/// Element by element.
pub const ELEMENTWISE: Traits = Traits { elementwise: true, ..PLAIN };
/// Element by element, commutative and associative.
pub const AC: Traits = Traits { commutative: true, associative: true, ..ELEMENTWISE };
/// Defines data-dependent symbols.
pub const DATA_DEPENDENT: Traits = Traits { data_dependent: true, ..PLAIN };
/// Moves elements.
pub const MOVEMENT: Traits = Traits { movement: true, ..PLAIN };

/// One op.
pub struct OpDef {
    /// Name in the text form, in rules and in messages.
    pub name: &'static str,
    /// Operands in order.
    pub operands: &'static [OperandDef],
    /// Attributes in order.
    pub attrs: &'static [AttrDef],
    /// What holds of it.
    pub traits: Traits,
    /// Result types from operand types and attributes; refuses what is not well typed.
    pub infer: fn(&mut InferCx<'_>) -> Result<Types, OpError>,
    /// Meaning: results from operand values. Plain and slow.
    pub eval: fn(&EvalCx<'_>) -> Result<Vec<Tensor>, OpError>,
    /// One sentence on what it computes, with its ONNX sources.
    pub doc: &'static str,
}

/// Result types.
pub type Types = SmallVec<[TensorType; 1]>;

/// Why an op was refused. Lower case, no full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// The operands break the op's rules.
    #[error("{0}")]
    Invalid(String),
    /// Not done yet.
    #[error("{0}")]
    Unsupported(String),
}

impl OpError {
    /// The operands break the op's rules.
    pub fn invalid(message: impl Into<String>) -> OpError {
        OpError::Invalid(message.into())
    }

    /// Not done yet.
    pub fn unsupported(message: impl Into<String>) -> OpError {
        OpError::Unsupported(message.into())
    }
}

macro_rules! attr_getters {
    ($lifetime:lifetime) => {
        /// The attribute of that name.
        ///
        /// # Panics
        /// If the definition has none of that name: a mistake in the op's own file.
        pub fn attr(&self, name: &str) -> &$lifetime Attr {
            let position = self.def.attrs.iter().position(|def| def.name == name).expect("attribute is in the definition");
            &self.attrs[position]
        }

        /// The integer attribute of that name.
        pub fn int(&self, name: &str) -> i64 {
            match self.attr(name) {
                Attr::Int(value) => *value,
                Attr::Bool(value) => i64::from(*value),
                _ => 0,
            }
        }

        /// The flag of that name.
        pub fn flag(&self, name: &str) -> bool {
            self.int(name) != 0
        }

        /// The float attribute of that name.
        pub fn float(&self, name: &str) -> f64 {
            match self.attr(name) {
                Attr::Float(value) => value.get(),
                _ => 0.0,
            }
        }

        /// The integer list of that name.
        pub fn ints(&self, name: &str) -> &$lifetime [i64] {
            match self.attr(name) {
                Attr::Ints(values) => values,
                _ => &[],
            }
        }

        /// The dimension list of that name.
        pub fn dims(&self, name: &str) -> &$lifetime [Dim] {
            match self.attr(name) {
                Attr::Dims(values) => values,
                _ => &[],
            }
        }

        /// The word of that name.
        pub fn word(&self, name: &str) -> &$lifetime str {
            match self.attr(name) {
                Attr::Str(word) => word,
                _ => "",
            }
        }

        /// The element type attribute of that name.
        pub fn dtype(&self, name: &str) -> DType {
            match self.attr(name) {
                Attr::DType(dtype) => *dtype,
                _ => DType::F32,
            }
        }
    };
}

/// What inference sees of an op.
pub struct InferCx<'a> {
    /// The definition.
    pub def: &'static OpDef,
    /// Operand types; `None` where an optional one is left out.
    pub operands: &'a [Option<&'a TensorType>],
    /// Attributes in order, defaults filled in, kinds checked.
    pub attrs: &'a [Attr],
    /// Bodies of control flow.
    pub regions: &'a [Graph],
    /// Symbols, weights, and the place to note dimensions that must be equal.
    pub env: &'a mut Env,
}

impl<'a> InferCx<'a> {
    attr_getters!('a);

    /// Type of operand `index`, which the definition requires (presence was checked).
    pub fn operand(&self, index: usize) -> &'a TensorType {
        self.operands[index].expect("presence of required operands was checked")
    }

    /// Type of operand `index` if it is there.
    pub fn optional(&self, index: usize) -> Option<&'a TensorType> {
        self.operands.get(index).copied().flatten()
    }

    /// `axis` counted from the front, for a tensor of that rank.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, OpError> {
        normalize_axis(axis, rank)
    }

    /// Broadcast of two shapes, noting dimensions that must be equal.
    pub fn broadcast(&mut self, a: &[Dim], b: &[Dim]) -> Result<Shape, OpError> {
        let env = &mut *self.env;
        broadcast(a, b, &mut |x, y| env.require_equal(x, y)).map_err(|axis| {
            OpError::invalid(format!("shapes {a:?} and {b:?} do not broadcast: axis {axis} of the result differs"))
        })
    }

    /// Refuses provably different dimensions and notes the others as equal.
    pub fn same_dim(&mut self, a: &Dim, b: &Dim, what: &str) -> Result<(), OpError> {
        if a.known_ne(b) {
            return Err(OpError::invalid(format!("{what} differ: {a} and {b}")));
        }
        self.env.require_equal(a, b);
        Ok(())
    }

    /// Refuses operands of different element types.
    pub fn same_dtype(&self, a: usize, b: usize) -> Result<DType, OpError> {
        let (x, y) = (self.operand(a).dtype, self.operand(b).dtype);
        if x == y { Ok(x) } else { Err(OpError::invalid(format!("element types differ: {x} and {y}"))) }
    }

    /// The operand's type as the only result.
    pub fn like(&self, index: usize) -> Result<Types, OpError> {
        Ok(one(self.operand(index).clone()))
    }
}

/// One result type.
pub fn one(ty: TensorType) -> Types {
    SmallVec::from_iter([ty])
}

/// `axis` in -rank..rank counted from the front.
pub fn normalize_axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    let rank_i = rank as i64;
    let from_front = if axis < 0 { axis + rank_i } else { axis };
    if (0..rank_i).contains(&from_front) {
        Ok(from_front as usize)
    } else {
        Err(OpError::invalid(format!("axis {axis} is outside of a tensor of rank {rank}")))
    }
}

/// Evaluates a body on arguments, with values of symbols that it alone knows.
pub type EvalRegion<'a> = &'a dyn Fn(&Graph, Vec<Tensor>, &[(Symbol, i64)]) -> Result<Vec<Tensor>, OpError>;

/// What evaluation sees of an op.
pub struct EvalCx<'a> {
    /// The definition.
    pub def: &'static OpDef,
    /// Operand values; `None` where an optional one is left out.
    pub operands: &'a [Option<Tensor>],
    /// Attributes in order; dimension lists hold constants only.
    pub attrs: &'a [Attr],
    /// Bodies of control flow.
    pub regions: &'a [Graph],
    /// Result types with every dimension a constant, so far as it can be told before the values are known.
    pub result_types: &'a [TensorType],
    /// Evaluates a body on arguments.
    pub eval_region: EvalRegion<'a>,
}

impl<'a> EvalCx<'a> {
    attr_getters!('a);

    /// Value of operand `index`, which the definition requires.
    pub fn operand(&self, index: usize) -> &'a Tensor {
        self.operands[index].as_ref().expect("presence of required operands was checked")
    }

    /// Value of operand `index` if it is there.
    pub fn optional(&self, index: usize) -> Option<&'a Tensor> {
        self.operands.get(index).and_then(Option::as_ref)
    }

    /// A dimension list as sizes.
    pub fn sizes(&self, name: &str) -> Result<Vec<usize>, OpError> {
        self.dims(name)
            .iter()
            .map(|dim| dim.as_size().ok_or_else(|| OpError::invalid(format!("{name} holds {dim}, which is no size"))))
            .collect()
    }

    /// Sizes of result `index`, refused beyond [`crate::tensor::MAX_ELEMENTS`].
    pub fn result_shape(&self, index: usize) -> Result<Vec<usize>, OpError> {
        let shape = self.result_types[index]
            .sizes()
            .ok_or_else(|| OpError::invalid("the size of a result is not known".to_owned()))?;
        crate::tensor::element_count(&shape)
            .ok_or_else(|| OpError::unsupported(format!("a tensor of {shape:?} is too large to evaluate")))?;
        Ok(shape)
    }

    /// Element type of result `index`.
    pub fn result_dtype(&self, index: usize) -> DType {
        self.result_types[index].dtype
    }
}
