//! Constructors of expressions that fold what is constant, so that static shapes give plain code.
//!
//! Folding never changes a value: integers follow the total operations of `expr.rs`; floats are only folded where the
//! result is exact whatever the operands (nothing but constants of casts, and no `x + 0.0`). A literal given as an
//! operand (`x + 1`, `x * 0.5`) takes the type of the other operand.

use super::expr::{Base, BinaryOp, CompareOp, Expr, ExprKind, Place, UnaryOp};
use super::types::{BufferId, LocalId, SymbolId, Type, VarId};

impl Expr {
    /// Integer constant of type `I64`.
    pub fn i64(value: i64) -> Expr {
        Expr::int(Type::I64, value)
    }

    /// Integer or bool constant, wrapped into `ty`.
    pub fn int(ty: Type, value: i64) -> Expr {
        Expr::raw(ty, ExprKind::Int(ty.wrap(value)))
    }

    /// `F32` constant.
    pub fn f32(value: f32) -> Expr {
        Expr::raw(Type::F32, ExprKind::Float(value.to_bits() as u64))
    }

    /// `F64` constant.
    pub fn f64(value: f64) -> Expr {
        Expr::raw(Type::F64, ExprKind::Float(value.to_bits()))
    }

    /// Constant of any type that has constants: integers and bool from the integer part of `value`, floats rounded
    /// to nearest, halves as a cast `F32` constant.
    pub fn constant(ty: Type, value: f64) -> Expr {
        match ty {
            Type::F32 => Expr::f32(value as f32),
            Type::F64 => Expr::f64(value),
            Type::F16 | Type::BF16 => Expr::f32(value as f32).cast(ty),
            Type::U64 => Expr::int(ty, value as u64 as i64),
            Type::Ptr => Expr::null(),
            _ => Expr::int(ty, value as i64),
        }
    }

    /// Bool constant.
    pub fn bool(value: bool) -> Expr {
        Expr::raw(Type::Bool, ExprKind::Int(value as i64))
    }

    /// The null pointer.
    pub fn null() -> Expr {
        Expr::raw(Type::Ptr, ExprKind::Null)
    }

    /// Value of a variable of this type.
    pub fn var(var: VarId, ty: Type) -> Expr {
        Expr::raw(ty, ExprKind::Var(var))
    }

    /// Value of a symbol.
    pub fn symbol(symbol: SymbolId) -> Expr {
        Expr::raw(Type::I64, ExprKind::Symbol(symbol))
    }

    /// The tile being computed.
    pub fn tile() -> Expr {
        Expr::raw(Type::I64, ExprKind::Tile)
    }

    /// Run-time size of axis `axis` of input `input`; `@bind` only.
    pub fn input_dim(input: u32, axis: u32) -> Expr {
        Expr::raw(Type::I64, ExprKind::InputDim { input, axis })
    }

    /// Element of a buffer with this element type, read where the expression is evaluated.
    pub fn load(buffer: BufferId, elem: Type, index: impl Into<Expr>) -> Expr {
        Expr::load_place(Place { base: Base::Buffer(buffer), elem, index: index.into() })
    }

    /// Element at `pointer + index * size(elem)`.
    pub fn load_ptr(pointer: impl Into<Expr>, elem: Type, index: impl Into<Expr>) -> Expr {
        Expr::load_place(Place { base: Base::Ptr(pointer.into()), elem, index: index.into() })
    }

    /// Element at a place.
    pub fn load_place(place: Place) -> Expr {
        Expr::raw(place.elem, ExprKind::Load(place))
    }

    /// Address of an element of a buffer with this element type.
    pub fn addr(buffer: BufferId, elem: Type, index: impl Into<Expr>) -> Expr {
        Expr::addr_place(Place { base: Base::Buffer(buffer), elem, index: index.into() })
    }

    /// Address of an element of a scratch array with this element type.
    pub fn addr_local(local: LocalId, elem: Type, index: impl Into<Expr>) -> Expr {
        Expr::addr_place(Place { base: Base::Local(local), elem, index: index.into() })
    }

    /// `pointer + index * size(elem)`; `pointer` itself for a constant 0.
    pub fn addr_ptr(pointer: impl Into<Expr>, elem: Type, index: impl Into<Expr>) -> Expr {
        let (pointer, index) = (pointer.into(), index.into());
        if index.as_int() == Some(0) {
            return pointer;
        }
        Expr::addr_place(Place { base: Base::Ptr(pointer), elem, index })
    }

    /// Address of a place.
    pub fn addr_place(place: Place) -> Expr {
        Expr::raw(Type::Ptr, ExprKind::Addr(place))
    }

    /// Result (of type `ret`) of a micro-kernel or `fn`.
    pub fn call(callee: &str, ret: Type, args: Vec<Expr>) -> Expr {
        Expr::raw(ret, ExprKind::Call(callee.into(), args))
    }

    /// Scalar function `s_<name>_f32` or `s_<name>_f64` of the table, by the type of this operand; `F32` or `F64` only.
    pub fn math(&self, name: &str) -> Expr {
        Expr::call(&format!("s_{name}_{}", self.ty()), self.ty(), vec![self.clone()])
    }

    /// The same with two operands (`pow`, `fmod`).
    pub fn math2(&self, name: &str, other: impl Into<Expr>) -> Expr {
        let other = other.into().literal_as(self.ty());
        Expr::call(&format!("s_{name}_{}", self.ty()), self.ty(), vec![self.clone(), other])
    }

    /// A literal constant in another type; anything else unchanged.
    fn literal_as(self, ty: Type) -> Expr {
        if self.ty() == ty {
            return self;
        }
        match (self.as_int(), self.as_float()) {
            (Some(v), _) if ty.is_int() => Expr::int(ty, v),
            (Some(v), _) if ty.is_float() => Expr::constant(ty, v as f64),
            (_, Some(v)) if ty.is_float() => Expr::constant(ty, v),
            _ => self,
        }
    }

    /// Operation with one operand.
    pub fn unary(op: UnaryOp, a: Expr) -> Expr {
        if let (Some(v), true) = (a.as_int(), a.ty() != Type::Bool || op == UnaryOp::Not) {
            match op {
                UnaryOp::Neg => return Expr::int(a.ty(), v.wrapping_neg()),
                UnaryOp::Abs => return Expr::int(a.ty(), v.wrapping_abs()),
                UnaryOp::Not if a.ty() == Type::Bool => return Expr::bool(v == 0),
                UnaryOp::Not => return Expr::int(a.ty(), !v),
                _ => {}
            }
        }
        Expr::raw(a.ty(), ExprKind::Unary(op, a))
    }

    /// Operation with two operands; a literal takes the type of the other operand.
    pub fn binary(op: BinaryOp, a: impl Into<Expr>, b: impl Into<Expr>) -> Expr {
        let (a, b) = same_type(a.into(), b.into());
        let ty = a.ty();
        if (ty.is_int() || ty == Type::Bool)
            && let Some(e) = fold_int(op, &a, &b)
        {
            return e;
        }
        Expr::raw(ty, ExprKind::Binary(op, a, b))
    }

    /// Comparison; a literal takes the type of the other operand.
    pub fn compare(op: CompareOp, a: impl Into<Expr>, b: impl Into<Expr>) -> Expr {
        let (a, b) = same_type(a.into(), b.into());
        if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
            return Expr::bool(compare_int(op, a.ty(), x, y));
        }
        Expr::raw(Type::Bool, ExprKind::Compare(op, a, b))
    }

    /// `if self then a else b`.
    pub fn select(&self, a: impl Into<Expr>, b: impl Into<Expr>) -> Expr {
        let (a, b) = same_type(a.into(), b.into());
        let ty = a.ty();
        match self.as_int() {
            Some(0) => b,
            Some(_) => a,
            None if a == b => a,
            None => Expr::raw(ty, ExprKind::Select(self.clone(), a, b)),
        }
    }

    /// Conversion to `ty`.
    pub fn cast(&self, ty: Type) -> Expr {
        if self.ty() == ty {
            return self.clone();
        }
        match self.as_int() {
            Some(v) if ty.is_int() || ty == Type::Bool => return Expr::int(ty, v),
            Some(v) if ty == Type::F32 && self.ty() != Type::U64 => return Expr::f32(v as f32),
            Some(v) if ty == Type::F64 && self.ty() != Type::U64 => return Expr::f64(v as f64),
            _ => {}
        }
        match self.as_float() {
            Some(v) if ty == Type::F64 => Expr::f64(v),
            Some(v) if ty == Type::F32 => Expr::f32(v as f32),
            _ => Expr::raw(ty, ExprKind::Cast(self.clone())),
        }
    }

    /// Same bits as `ty`.
    pub fn bitcast(&self, ty: Type) -> Expr {
        if self.ty() == ty { self.clone() } else { Expr::raw(ty, ExprKind::Bitcast(self.clone())) }
    }

    /// `self * b + c` with one rounding.
    pub fn fma(&self, b: impl Into<Expr>, c: impl Into<Expr>) -> Expr {
        let (b, c) = (b.into().literal_as(self.ty()), c.into().literal_as(self.ty()));
        Expr::raw(self.ty(), ExprKind::Fma(self.clone(), b, c))
    }
}

/// Operands of one type: a literal (`I64` or `F32` constant) takes the type of the other operand.
fn same_type(a: Expr, b: Expr) -> (Expr, Expr) {
    let literal =
        |e: &Expr| matches!((e.kind(), e.ty()), (ExprKind::Int(_), Type::I64) | (ExprKind::Float(_), Type::F32));
    let b = if literal(&b) { b.literal_as(a.ty()) } else { b };
    let a = if literal(&a) { a.literal_as(b.ty()) } else { a };
    (a, b)
}

/// Value of an integer or bool operation on constants of type `ty`.
pub fn eval_int(op: BinaryOp, ty: Type, a: i64, b: i64) -> i64 {
    use BinaryOp::*;
    let unsigned = ty.is_unsigned();
    let divisor = if b == 0 { 1 } else { b };
    let width = ty.bits() as u64;
    let amount = if unsigned { b as u64 } else { ty_unsigned(ty).wrap(b) as u64 };
    let value = match op {
        Add => a.wrapping_add(b),
        Sub => a.wrapping_sub(b),
        Mul => a.wrapping_mul(b),
        Div if unsigned => (a as u64 / divisor as u64) as i64,
        Rem | FloorMod if unsigned => (a as u64 % divisor as u64) as i64,
        FloorDiv if unsigned => (a as u64 / divisor as u64) as i64,
        CeilDiv if unsigned => (a as u64).div_ceil(divisor as u64) as i64,
        Div => a.wrapping_div(divisor),
        Rem => a.wrapping_rem(divisor),
        FloorDiv => {
            let (q, r) = (a.wrapping_div(divisor), a.wrapping_rem(divisor));
            if r != 0 && (r < 0) != (divisor < 0) { q - 1 } else { q }
        }
        FloorMod => {
            let r = a.wrapping_rem(divisor);
            if r != 0 && (r < 0) != (divisor < 0) { r + divisor } else { r }
        }
        CeilDiv => {
            let (q, r) = (a.wrapping_div(divisor), a.wrapping_rem(divisor));
            if r != 0 && (r < 0) == (divisor < 0) { q + 1 } else { q }
        }
        Min if unsigned => (a as u64).min(b as u64) as i64,
        Max if unsigned => (a as u64).max(b as u64) as i64,
        Min => a.min(b),
        Max => a.max(b),
        And => a & b,
        Or => a | b,
        Xor => a ^ b,
        Shl if amount >= width => 0,
        Shl => a << amount,
        Shr if amount >= width && unsigned => 0,
        Shr if unsigned => (a as u64 >> amount) as i64,
        Shr => a >> amount.min(63),
    };
    ty.wrap(value)
}

fn ty_unsigned(ty: Type) -> Type {
    match ty {
        Type::I8 => Type::U8,
        Type::I16 => Type::U16,
        Type::I32 => Type::U32,
        _ => Type::U64,
    }
}

/// Value of a comparison of integer or bool constants of type `ty`.
pub fn compare_int(op: CompareOp, ty: Type, a: i64, b: i64) -> bool {
    let order = if ty.is_unsigned() { (a as u64).cmp(&(b as u64)) } else { a.cmp(&b) };
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
    }
}

/// The folded form of an integer or bool operation, if there is one.
fn fold_int(op: BinaryOp, a: &Expr, b: &Expr) -> Option<Expr> {
    use BinaryOp::*;
    let ty = a.ty();
    let same = |e: &Expr| Some(e.clone());
    match (a.as_int(), b.as_int()) {
        (Some(x), Some(y)) => return Some(Expr::int(ty, eval_int(op, ty, x, y))),
        // Constants to the right.
        (Some(_), None) if matches!(op, Add | Mul | Min | Max | And | Or | Xor) => {
            return Some(Expr::binary(op, b.clone(), a.clone()));
        }
        (Some(0), None) if matches!(op, Div | Rem | FloorDiv | FloorMod | CeilDiv | Shl | Shr) => return same(a),
        (None, Some(y)) => {
            match (op, y) {
                (Add | Sub | Or | Xor | Shl | Shr, 0) => return same(a),
                (Mul | Div | FloorDiv | CeilDiv, 1) => return same(a),
                (Mul | And, 0) | (Rem | FloorMod, 1) => return Some(Expr::int(ty, 0)),
                _ => {}
            }
            // (x op c) op y, both wrapping.
            if let ExprKind::Binary(inner, x, c) = a.kind()
                && let Some(c) = c.as_int()
            {
                let merged = match (*inner, op) {
                    (Add, Add) => Some((Add, c.wrapping_add(y))),
                    (Sub, Sub) => Some((Sub, c.wrapping_add(y))),
                    (Add, Sub) => Some((Add, c.wrapping_sub(y))),
                    (Sub, Add) => Some((Add, y.wrapping_sub(c))),
                    (Mul, Mul) => Some((Mul, c.wrapping_mul(y))),
                    _ => None,
                };
                if let Some((op, value)) = merged {
                    return Some(Expr::binary(op, x.clone(), Expr::int(ty, value)));
                }
                // (x * c) / y and (x * c) mod y for indices, which do not overflow (sizes are below 2^60).
                if ty == Type::I64 && *inner == Mul && y > 0 && c % y == 0 {
                    match op {
                        Div | FloorDiv | CeilDiv => return Some(Expr::binary(Mul, x.clone(), Expr::int(ty, c / y))),
                        Rem | FloorMod => return Some(Expr::int(ty, 0)),
                        _ => {}
                    }
                }
            }
        }
        _ => {}
    }
    if a == b {
        match op {
            Sub | Xor => return Some(Expr::int(ty, 0)),
            Min | Max | And | Or => return same(a),
            _ => {}
        }
    }
    None
}
