//! Methods, operators and conversions that make expressions pleasant to write; all fold (see `fold.rs`).

use super::expr::{BinaryOp, CompareOp, Expr, UnaryOp};
use super::types::SymbolId;

macro_rules! named_binary {
    ($($(#[$doc:meta])* $name:ident = $op:ident;)*) => {
        impl Expr {
            $($(#[$doc])* pub fn $name(&self, other: impl Into<Expr>) -> Expr {
                Expr::binary(BinaryOp::$op, self.clone(), other)
            })*
        }
    };
}

named_binary! {
    /// Integer remainder with the sign of the dividend.
    rem = Rem;
    /// Integer quotient rounded down.
    floor_div = FloorDiv;
    /// Integer remainder with the sign of the divisor.
    floor_mod = FloorMod;
    /// Integer quotient rounded up.
    ceil_div = CeilDiv;
    /// Smaller of the two.
    min = Min;
    /// Larger of the two.
    max = Max;
    /// Bitwise or logical and; both sides are evaluated.
    and = And;
    /// Bitwise or logical or; both sides are evaluated.
    or = Or;
    /// Bitwise or logical exclusive or.
    xor = Xor;
    /// Shift left.
    shl = Shl;
    /// Shift right.
    shr = Shr;
}

macro_rules! named_unary {
    ($($(#[$doc:meta])* $name:ident = $op:ident;)*) => {
        impl Expr {
            $($(#[$doc])* pub fn $name(&self) -> Expr {
                Expr::unary(UnaryOp::$op, self.clone())
            })*
        }
    };
}

named_unary! {
    /// Negation.
    neg = Neg;
    /// Absolute value.
    abs = Abs;
    /// Bitwise or logical complement.
    not = Not;
    /// Square root.
    sqrt = Sqrt;
    /// Rounded down.
    floor = Floor;
    /// Rounded up.
    ceil = Ceil;
    /// Rounded towards zero.
    trunc = Trunc;
    /// Rounded to nearest, half to even.
    round = Round;
}

macro_rules! named_compare {
    ($($(#[$doc:meta])* $name:ident = $op:ident;)*) => {
        impl Expr {
            $($(#[$doc])* pub fn $name(&self, other: impl Into<Expr>) -> Expr {
                Expr::compare(CompareOp::$op, self.clone(), other)
            })*
        }
    };
}

named_compare! {
    /// Whether equal, as a `Bool` expression.
    eq_ = Eq;
    /// Whether different.
    ne_ = Ne;
    /// Whether less.
    lt = Lt;
    /// Whether less or equal.
    le = Le;
    /// Whether greater.
    gt = Gt;
    /// Whether greater or equal.
    ge = Ge;
}

macro_rules! operator {
    ($($trait:ident, $method:ident, $op:ident;)*) => {$(
        impl<R: Into<Expr>> std::ops::$trait<R> for Expr {
            type Output = Expr;
            fn $method(self, other: R) -> Expr {
                Expr::binary(BinaryOp::$op, self, other)
            }
        }
        impl<R: Into<Expr>> std::ops::$trait<R> for &Expr {
            type Output = Expr;
            fn $method(self, other: R) -> Expr {
                Expr::binary(BinaryOp::$op, self.clone(), other)
            }
        }
    )*};
}

operator! {
    Add, add, Add;
    Sub, sub, Sub;
    Mul, mul, Mul;
    Div, div, Div;
}

impl std::ops::Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        Expr::unary(UnaryOp::Neg, self)
    }
}

impl From<&Expr> for Expr {
    fn from(e: &Expr) -> Expr {
        e.clone()
    }
}

impl From<i32> for Expr {
    fn from(value: i32) -> Expr {
        Expr::i64(value as i64)
    }
}

impl From<i64> for Expr {
    fn from(value: i64) -> Expr {
        Expr::i64(value)
    }
}

impl From<u32> for Expr {
    fn from(value: u32) -> Expr {
        Expr::i64(value as i64)
    }
}

impl From<usize> for Expr {
    fn from(value: usize) -> Expr {
        Expr::i64(value as i64)
    }
}

impl From<f32> for Expr {
    fn from(value: f32) -> Expr {
        Expr::f32(value)
    }
}

impl From<bool> for Expr {
    fn from(value: bool) -> Expr {
        Expr::bool(value)
    }
}

impl From<SymbolId> for Expr {
    fn from(symbol: SymbolId) -> Expr {
        Expr::symbol(symbol)
    }
}
