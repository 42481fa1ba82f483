//! Expressions: typed, immutable, shared trees.
//!
//! An [`Expr`] is a reference-counted node, so cloning is cheap. Evaluation has no side effects but may read memory
//! (`Load`, `Call`), so *when* an expression is evaluated matters: it is evaluated where its statement stands. Bind a
//! value with `let` before reusing it; a shared subtree is evaluated once per mention.
//!
//! Every operation is total:
//! - integers wrap; dividing by 0 divides by 1 instead (`x / 0 = x`, `rem(x, 0) = 0`), `MIN / -1 = MIN`;
//! - shift amounts are unsigned; amounts of the width or more give 0 (`>>` on signed types: the sign);
//! - float `min`/`max` propagate NaN and order -0 before +0; `round` is half to even;
//! - casts from float to integer saturate and send NaN to 0; float to bool is `x != 0` (NaN is true); integer to
//!   integer wraps; anything to or from `F16`/`BF16` goes through `F32` (so `F64` and wide integers may round twice).
//!
//! The constructors that fold constants are in `fold.rs`.

use super::types::{BufferId, LocalId, SymbolId, Type, VarId};
use std::sync::Arc;

/// A typed expression.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Expr(Arc<Node>);

#[derive(PartialEq, Eq, Hash)]
struct Node {
    ty: Type,
    kind: ExprKind,
}

/// What an expression computes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ExprKind {
    /// Integer or bool constant, sign- or zero-extended from its type.
    Int(i64),
    /// `F32` constant (its bits in the low half) or `F64` constant.
    Float(u64),
    /// The null pointer.
    Null,
    /// Value of a variable.
    Var(VarId),
    /// Value of a symbol (`I64`).
    Symbol(SymbolId),
    /// The tile a kernel is computing (`I64`); kernels only.
    Tile,
    /// Run-time size of an axis of a program input (`I64`); `@bind` only.
    InputDim {
        /// Input index.
        input: u32,
        /// Axis of it.
        axis: u32,
    },
    /// Element in memory.
    Load(Place),
    /// Address of an element (`Ptr`); one past the end is allowed.
    Addr(Place),
    /// One operand, same type.
    Unary(UnaryOp, Expr),
    /// Two operands of one type, result of the same type.
    Binary(BinaryOp, Expr, Expr),
    /// Two operands of one type, result `Bool`. Also on `Bool` (== and !=) and `Ptr` (== and != with null).
    Compare(CompareOp, Expr, Expr),
    /// `a * b + c` with one rounding; floats.
    Fma(Expr, Expr, Expr),
    /// `if c then a else b`; both are evaluated.
    Select(Expr, Expr, Expr),
    /// Conversion to the type of the expression.
    Cast(Expr),
    /// Same bits in another type of the same size (integers and floats of 32 and 64 bits, `U16`/`I16` and halves).
    Bitcast(Expr),
    /// Result of a micro-kernel or of an `fn` of the program. The callee must not write memory that other parts of
    /// the same statement read.
    Call(Arc<str>, Vec<Expr>),
}

/// An element in memory: base and index, counted in elements of `elem`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// Where the elements start.
    pub base: Base,
    /// Type of the elements.
    pub elem: Type,
    /// Element index (`I64`).
    pub index: Expr,
}

/// Start of an array in memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Base {
    /// A buffer of the program.
    Buffer(BufferId),
    /// A scratch array of this kernel.
    Local(LocalId),
    /// A computed address.
    Ptr(Expr),
}

macro_rules! named_ops {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }
        impl $name {
            /// Every variant, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// Spelling in the text form.
            pub fn text(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

named_ops!(
    /// Operations with one operand.
    UnaryOp {
        /// Wrapping or float negation.
        Neg = "neg",
        /// Absolute value (`abs(MIN) = MIN`; not on unsigned types).
        Abs = "abs",
        /// Bitwise complement; logical on `Bool`.
        Not = "not",
        /// Float square root.
        Sqrt = "sqrt",
        /// Float rounding down.
        Floor = "floor",
        /// Float rounding up.
        Ceil = "ceil",
        /// Float rounding towards zero.
        Trunc = "trunc",
        /// Float rounding to nearest, half to even.
        Round = "round",
    }
);

named_ops!(
    /// Operations with two operands of one type.
    BinaryOp {
        /// Sum.
        Add = "+",
        /// Difference.
        Sub = "-",
        /// Product.
        Mul = "*",
        /// Quotient: float, or integer rounded towards zero.
        Div = "/",
        /// Integer remainder of `Div` (sign of the dividend).
        Rem = "rem",
        /// Integer quotient rounded down.
        FloorDiv = "floordiv",
        /// Integer remainder of `FloorDiv` (sign of the divisor).
        FloorMod = "floormod",
        /// Integer quotient rounded up.
        CeilDiv = "ceildiv",
        /// Smaller.
        Min = "min",
        /// Larger.
        Max = "max",
        /// Bitwise and; logical on `Bool`.
        And = "&",
        /// Bitwise or; logical on `Bool`.
        Or = "|",
        /// Bitwise exclusive or; logical on `Bool`.
        Xor = "^",
        /// Shift left.
        Shl = "<<",
        /// Shift right: arithmetic on signed, logical on unsigned types.
        Shr = ">>",
    }
);

named_ops!(
    /// Comparisons; on floats all but `Ne` are false when an operand is NaN.
    CompareOp {
        /// Equal.
        Eq = "==",
        /// Not equal.
        Ne = "!=",
        /// Less.
        Lt = "<",
        /// Less or equal.
        Le = "<=",
        /// Greater.
        Gt = ">",
        /// Greater or equal.
        Ge = ">=",
    }
);

impl Expr {
    /// The node as written, without folding. Types are not checked here but by `verify`.
    pub fn raw(ty: Type, kind: ExprKind) -> Expr {
        Expr(Arc::new(Node { ty, kind }))
    }

    /// Type of the value.
    pub fn ty(&self) -> Type {
        self.0.ty
    }

    /// What it computes.
    pub fn kind(&self) -> &ExprKind {
        &self.0.kind
    }

    /// The constant, if this is an integer or bool constant.
    pub fn as_int(&self) -> Option<i64> {
        match self.kind() {
            ExprKind::Int(v) => Some(*v),
            _ => None,
        }
    }

    /// The constant, if this is a float constant.
    pub fn as_float(&self) -> Option<f64> {
        match (self.ty(), self.kind()) {
            (Type::F32, ExprKind::Float(bits)) => Some(f32::from_bits(*bits as u32) as f64),
            (_, ExprKind::Float(bits)) => Some(f64::from_bits(*bits)),
            _ => None,
        }
    }

    /// Calls `f` on every direct operand, in evaluation order.
    pub fn for_each_operand<'a>(&'a self, mut f: impl FnMut(&'a Expr)) {
        match self.kind() {
            ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Null
            | ExprKind::Var(_)
            | ExprKind::Symbol(_)
            | ExprKind::Tile
            | ExprKind::InputDim { .. } => {}
            ExprKind::Load(place) | ExprKind::Addr(place) => {
                if let Base::Ptr(p) = &place.base {
                    f(p);
                }
                f(&place.index);
            }
            ExprKind::Unary(_, a) | ExprKind::Cast(a) | ExprKind::Bitcast(a) => f(a),
            ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => {
                f(a);
                f(b);
            }
            ExprKind::Fma(a, b, c) | ExprKind::Select(a, b, c) => {
                f(a);
                f(b);
                f(c);
            }
            ExprKind::Call(_, args) => args.iter().for_each(f),
        }
    }

    /// Calls `f` on this expression and everything below it, parents first.
    pub fn walk<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        f(self);
        self.for_each_operand(|e| e.walk(f));
    }
}

impl std::fmt::Debug for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}:{}", self.kind(), self.ty())
    }
}
