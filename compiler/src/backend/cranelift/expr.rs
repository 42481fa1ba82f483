//! Expressions and addresses.

use super::func::{Gen, Slot, clif_type, constant_field, data};
use crate::loopir::{Base, BinaryOp, CompareOp, Expr, ExprKind, Place, Type, UnaryOp};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};

impl Gen<'_, '_> {
    /// Integer constant of a type.
    pub(super) fn int_const(&mut self, ty: Type, value: i64) -> Value {
        // Cranelift wants the bits of narrow constants zero-extended.
        let value = match ty.bits() {
            64 => value,
            bits => value & ((1 << bits) - 1),
        };
        self.b.ins().iconst(clif_type(ty), value)
    }

    /// Address of a place: a value and a constant offset.
    pub(super) fn address(&mut self, place: &Place) -> (Value, i32) {
        let base = match &place.base {
            Base::Buffer(id) => match self.buffers.get(id) {
                Some(base) => *base,
                None => self.missing("a buffer"),
            },
            Base::Local(id) => match self.locals.get(id.index()) {
                Some(base) => *base,
                None => self.missing("scratch"),
            },
            Base::Ptr(p) => self.expr(p),
        };
        let size = place.elem.size();
        // base + (i + constant) * size: the constant goes into the instruction.
        let (variable, constant) = match place.index.kind() {
            ExprKind::Int(v) => (None, *v),
            ExprKind::Binary(BinaryOp::Add, i, c) if c.as_int().is_some() => (Some(i), c.as_int().unwrap_or(0)),
            ExprKind::Binary(BinaryOp::Sub, i, c) if c.as_int().is_some() => {
                (Some(i), c.as_int().unwrap_or(0).wrapping_neg())
            }
            _ => (Some(&place.index), 0),
        };
        let bytes = constant.wrapping_mul(size);
        let (variable, offset) = match i32::try_from(bytes) {
            Ok(offset) => (variable, offset),
            Err(_) => (Some(&place.index), 0),
        };
        let address = match variable {
            None => base,
            Some(index) => {
                let index = self.expr(index);
                let bytes = match size {
                    1 => index,
                    _ => self.b.ins().ishl_imm_s(index, size.trailing_zeros() as i64),
                };
                self.b.ins().iadd(base, bytes)
            }
        };
        (address, offset)
    }

    /// Value of an expression. `Bool` is 0 or 1 in an `I8`.
    pub(super) fn expr(&mut self, e: &Expr) -> Value {
        let ty = e.ty();
        match e.kind() {
            ExprKind::Int(v) => self.int_const(ty, *v),
            ExprKind::Float(bits) if ty == Type::F32 => self.b.ins().f32const(f32::from_bits(*bits as u32)),
            ExprKind::Float(bits) => self.b.ins().f64const(f64::from_bits(*bits)),
            ExprKind::Null => self.iconst(0),
            ExprKind::Var(id) => match self.vars[id.index()] {
                Slot::Value(value) => value,
                Slot::Mutable(variable) => self.b.use_var(variable),
                Slot::Unset => self.missing("a variable"),
            },
            ExprKind::Symbol(id) => match (self.symbols.get(id), self.symbols_base) {
                (Some(value), _) => *value,
                // Where symbols change they are read at each use.
                (None, Some(base)) => self.b.ins().load(types::I64, data(), base, id.0 as i32 * 8),
                (None, None) => self.missing("a symbol"),
            },
            ExprKind::Tile => match self.tile {
                Some(tile) => tile,
                None => self.missing("the tile"),
            },
            ExprKind::InputDim { input, axis } => match self.aux {
                Some(dims) => {
                    let of_input = self.b.ins().load(types::I64, constant_field(), dims, *input as i32 * 8);
                    self.b.ins().load(types::I64, constant_field(), of_input, *axis as i32 * 8)
                }
                None => self.missing("an input's dims"),
            },
            ExprKind::Load(place) => {
                let (address, offset) = self.address(place);
                let value = self.b.ins().load(clif_type(ty), data(), address, offset);
                // Any byte but 0 is true.
                if ty == Type::Bool { self.b.ins().icmp_imm_s(IntCC::NotEqual, value, 0) } else { value }
            }
            ExprKind::Addr(place) => {
                let (address, offset) = self.address(place);
                if offset == 0 { address } else { self.b.ins().iadd_imm_s(address, offset as i64) }
            }
            ExprKind::Unary(op, a) => self.unary(*op, a),
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b),
            ExprKind::Compare(op, a, b) => self.compare(*op, a, b),
            ExprKind::Fma(a, b, c) => {
                let (a, b, c) = (self.expr(a), self.expr(b), self.expr(c));
                self.b.ins().fma(a, b, c)
            }
            ExprKind::Select(c, a, b) => {
                let (c, a, b) = (self.expr(c), self.expr(a), self.expr(b));
                self.b.ins().select(c, a, b)
            }
            ExprKind::Cast(a) => {
                let value = self.expr(a);
                self.cast(value, a.ty(), ty)
            }
            ExprKind::Bitcast(a) => {
                let value = self.expr(a);
                let (from, to) = (clif_type(a.ty()), clif_type(ty));
                if from == to { value } else { self.b.ins().bitcast(to, MemFlagsData::new(), value) }
            }
            ExprKind::Call(callee, args) => match self.call(callee, args) {
                Some(value) => value,
                None => self.missing("a result"),
            },
        }
    }

    fn unary(&mut self, op: UnaryOp, a: &Expr) -> Value {
        let ty = a.ty();
        let value = self.expr(a);
        let ins = self.b.ins();
        match op {
            UnaryOp::Neg if ty.is_float() => ins.fneg(value),
            UnaryOp::Neg => ins.ineg(value),
            UnaryOp::Abs if ty.is_float() => ins.fabs(value),
            UnaryOp::Abs => ins.iabs(value),
            UnaryOp::Not if ty == Type::Bool => ins.bxor_imm_s(value, 1),
            UnaryOp::Not => ins.bnot(value),
            UnaryOp::Sqrt => ins.sqrt(value),
            UnaryOp::Floor => ins.floor(value),
            UnaryOp::Ceil => ins.ceil(value),
            UnaryOp::Trunc => ins.trunc(value),
            UnaryOp::Round => ins.nearest(value),
        }
    }

    fn binary(&mut self, op: BinaryOp, a: &Expr, b: &Expr) -> Value {
        use BinaryOp::*;
        let ty = a.ty();
        let constant = b.as_int();
        let (x, y) = (self.expr(a), self.expr(b));
        let float = ty.is_float();
        match op {
            Div | Rem | FloorDiv | FloorMod | CeilDiv if !float => return self.divide(op, ty, x, y, constant),
            Shl | Shr => return self.shift(op, ty, x, y, constant),
            _ => {}
        }
        let signed = ty.is_signed();
        let ins = self.b.ins();
        match op {
            Add if float => ins.fadd(x, y),
            Sub if float => ins.fsub(x, y),
            Mul if float => ins.fmul(x, y),
            Min if float => ins.fmin(x, y),
            Max if float => ins.fmax(x, y),
            Add => ins.iadd(x, y),
            Sub => ins.isub(x, y),
            Mul => ins.imul(x, y),
            Min if signed => ins.smin(x, y),
            Max if signed => ins.smax(x, y),
            Min => ins.umin(x, y),
            Max => ins.umax(x, y),
            And => ins.band(x, y),
            Or => ins.bor(x, y),
            Xor => ins.bxor(x, y),
            // The other integer operations are above.
            _ => ins.fdiv(x, y),
        }
    }

    fn compare(&mut self, op: CompareOp, a: &Expr, b: &Expr) -> Value {
        let ty = a.ty();
        let (x, y) = (self.expr(a), self.expr(b));
        if ty.is_float() {
            let cc = match op {
                CompareOp::Eq => FloatCC::Equal,
                CompareOp::Ne => FloatCC::NotEqual,
                CompareOp::Lt => FloatCC::LessThan,
                CompareOp::Le => FloatCC::LessThanOrEqual,
                CompareOp::Gt => FloatCC::GreaterThan,
                CompareOp::Ge => FloatCC::GreaterThanOrEqual,
            };
            return self.b.ins().fcmp(cc, x, y);
        }
        let signed = ty.is_signed();
        let cc = match op {
            CompareOp::Eq => IntCC::Equal,
            CompareOp::Ne => IntCC::NotEqual,
            CompareOp::Lt if signed => IntCC::SignedLessThan,
            CompareOp::Le if signed => IntCC::SignedLessThanOrEqual,
            CompareOp::Gt if signed => IntCC::SignedGreaterThan,
            CompareOp::Ge if signed => IntCC::SignedGreaterThanOrEqual,
            CompareOp::Lt => IntCC::UnsignedLessThan,
            CompareOp::Le => IntCC::UnsignedLessThanOrEqual,
            CompareOp::Gt => IntCC::UnsignedGreaterThan,
            CompareOp::Ge => IntCC::UnsignedGreaterThanOrEqual,
        };
        self.b.ins().icmp(cc, x, y)
    }
}
