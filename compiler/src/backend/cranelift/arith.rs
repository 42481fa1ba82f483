//! Operations that take more than one instruction: total division, defined shifts, saturating conversions.

use super::func::{Gen, clif_type};
use crate::loopir::{BinaryOp, Type};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};

impl Gen<'_, '_> {
    /// Integer division and remainder; never traps (see `loopir/expr.rs`). `constant` is the divisor if it is known.
    pub(super) fn divide(&mut self, op: BinaryOp, ty: Type, x: Value, y: Value, constant: Option<i64>) -> Value {
        if ty.bits() < 32 {
            // In 32 bits nothing overflows, and the result wraps when it is narrowed.
            let wide = if ty.is_signed() { Type::I32 } else { Type::U32 };
            let (x, y) = (self.cast(x, ty, wide), self.cast(y, ty, wide));
            let result = self.divide(op, wide, x, y, constant);
            return self.cast(result, wide, ty);
        }
        match constant {
            Some(0) => return self.divide_by_one(op, ty, x),
            Some(d) if d > 0 && (d as u64).is_power_of_two() && ty.is_signed() => {
                let shift = d.trailing_zeros() as i64;
                let low = |g: &mut Self| g.b.ins().band_imm_s(x, d - 1);
                match op {
                    BinaryOp::FloorDiv => return self.b.ins().sshr_imm_s(x, shift),
                    BinaryOp::FloorMod => return low(self),
                    BinaryOp::CeilDiv => {
                        let low = low(self);
                        let some = self.b.ins().icmp_imm_s(IntCC::NotEqual, low, 0);
                        let some = self.b.ins().uextend(clif_type(ty), some);
                        let floor = self.b.ins().sshr_imm_s(x, shift);
                        return self.b.ins().iadd(floor, some);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        if ty.is_unsigned() {
            self.divide_unsigned(op, ty, x, y, constant)
        } else {
            self.divide_signed(op, ty, x, y, constant)
        }
    }

    fn divide_by_one(&mut self, op: BinaryOp, ty: Type, x: Value) -> Value {
        match op {
            BinaryOp::Rem | BinaryOp::FloorMod => self.int_const(ty, 0),
            _ => x,
        }
    }

    fn nonzero_divisor(&mut self, ty: Type, y: Value) -> Value {
        let zero = self.b.ins().icmp_imm_s(IntCC::Equal, y, 0);
        let one = self.int_const(ty, 1);
        self.b.ins().select(zero, one, y)
    }

    fn divide_unsigned(&mut self, op: BinaryOp, ty: Type, x: Value, y: Value, constant: Option<i64>) -> Value {
        let y = if constant.is_some() { y } else { self.nonzero_divisor(ty, y) };
        match op {
            BinaryOp::Rem | BinaryOp::FloorMod => self.b.ins().urem(x, y),
            BinaryOp::CeilDiv => {
                let q = self.b.ins().udiv(x, y);
                let r = self.b.ins().urem(x, y);
                let some = self.b.ins().icmp_imm_s(IntCC::NotEqual, r, 0);
                let some = self.b.ins().uextend(clif_type(ty), some);
                self.b.ins().iadd(q, some)
            }
            _ => self.b.ins().udiv(x, y),
        }
    }

    fn divide_signed(&mut self, op: BinaryOp, ty: Type, x: Value, y: Value, constant: Option<i64>) -> Value {
        let clif = clif_type(ty);
        // MIN / -1 would trap: -1 is computed as a negation.
        let (divisor, minus_one) = match constant {
            Some(-1) => {
                let one = self.int_const(ty, 1);
                let yes = self.b.ins().iconst(types::I8, 1);
                (one, Some(yes))
            }
            Some(_) => (y, None),
            None => {
                let y = self.nonzero_divisor(ty, y);
                let minus_one = self.b.ins().icmp_imm_s(IntCC::Equal, y, -1);
                let one = self.int_const(ty, 1);
                (self.b.ins().select(minus_one, one, y), Some(minus_one))
            }
        };
        let q = self.b.ins().sdiv(x, divisor);
        // With divisor 1 in place of -1 the remainder is 0, as it should be.
        let product = self.b.ins().imul(q, divisor);
        let r = self.b.ins().isub(x, product);
        let quotient = |g: &mut Self, q: Value| match minus_one {
            Some(minus_one) => {
                let negated = g.b.ins().ineg(x);
                g.b.ins().select(minus_one, negated, q)
            }
            None => q,
        };
        if op == BinaryOp::Div {
            return quotient(self, q);
        }
        if op == BinaryOp::Rem {
            return r;
        }
        // Whether the exact quotient lies off q, below it (signs differ) or above it.
        let some = self.b.ins().icmp_imm_s(IntCC::NotEqual, r, 0);
        let signs = self.b.ins().bxor(r, divisor);
        let side = if op == BinaryOp::CeilDiv { IntCC::SignedGreaterThanOrEqual } else { IntCC::SignedLessThan };
        let side = self.b.ins().icmp_imm_s(side, signs, 0);
        let adjust = self.b.ins().band(some, side);
        match op {
            BinaryOp::FloorMod => {
                let moved = self.b.ins().iadd(r, divisor);
                self.b.ins().select(adjust, moved, r)
            }
            _ => {
                let adjust = self.b.ins().uextend(clif, adjust);
                let moved = match op {
                    BinaryOp::CeilDiv => self.b.ins().iadd(q, adjust),
                    _ => self.b.ins().isub(q, adjust),
                };
                quotient(self, moved)
            }
        }
    }

    /// Shifts by any amount: amounts of the width or more give 0, or the sign.
    pub(super) fn shift(&mut self, op: BinaryOp, ty: Type, x: Value, y: Value, constant: Option<i64>) -> Value {
        let width = ty.bits() as i64;
        let arithmetic = op == BinaryOp::Shr && ty.is_signed();
        if let Some(amount) = constant {
            return match (op, (0..width).contains(&amount)) {
                (BinaryOp::Shl, true) => self.b.ins().ishl_imm_s(x, amount),
                (_, true) if arithmetic => self.b.ins().sshr_imm_s(x, amount),
                (_, true) => self.b.ins().ushr_imm_s(x, amount),
                (_, false) if arithmetic => self.b.ins().sshr_imm_s(x, width - 1),
                (_, false) => self.int_const(ty, 0),
            };
        }
        let fits = self.b.ins().icmp_imm_s(IntCC::UnsignedLessThan, y, width);
        if arithmetic {
            let most = self.int_const(ty, width - 1);
            let amount = self.b.ins().select(fits, y, most);
            return self.b.ins().sshr(x, amount);
        }
        let shifted = if op == BinaryOp::Shl { self.b.ins().ishl(x, y) } else { self.b.ins().ushr(x, y) };
        let zero = self.int_const(ty, 0);
        self.b.ins().select(fits, shifted, zero)
    }

    /// Converts a value.
    pub(super) fn cast(&mut self, value: Value, from: Type, to: Type) -> Value {
        if from == to {
            return value;
        }
        if from.is_half() {
            let single = self.half_to_single(value, from);
            return self.cast(single, Type::F32, to);
        }
        if to.is_half() {
            let single = self.cast(value, from, Type::F32);
            return self.single_to_half(single, to);
        }
        match (from.is_float(), to.is_float()) {
            (true, true) if to == Type::F64 => self.b.ins().fpromote(types::F64, value),
            (true, true) => self.b.ins().fdemote(types::F32, value),
            (true, false) => self.float_to_int(value, from, to),
            (false, true) => self.int_to_float(value, from, to),
            (false, false) => self.int_to_int(value, from, to),
        }
    }

    fn int_to_int(&mut self, value: Value, from: Type, to: Type) -> Value {
        if to == Type::Bool {
            return self.b.ins().icmp_imm_s(IntCC::NotEqual, value, 0);
        }
        let clif = clif_type(to);
        if to.bits() < from.bits() {
            self.b.ins().ireduce(clif, value)
        } else if to.bits() == from.bits() {
            value
        } else if from.is_signed() {
            self.b.ins().sextend(clif, value)
        } else {
            self.b.ins().uextend(clif, value)
        }
    }

    fn int_to_float(&mut self, value: Value, from: Type, to: Type) -> Value {
        let clif = clif_type(to);
        match from {
            Type::U64 => self.b.ins().fcvt_from_uint(clif, value),
            Type::I32 | Type::I64 => self.b.ins().fcvt_from_sint(clif, value),
            // What fits in an I64 converts as one.
            _ => {
                let wide = self.int_to_int(value, from, Type::I64);
                self.b.ins().fcvt_from_sint(clif, wide)
            }
        }
    }

    fn float_to_int(&mut self, value: Value, from: Type, to: Type) -> Value {
        let clif = clif_type(to);
        let clamped = |g: &mut Self, lo: i64, hi: i64| {
            let wide = g.b.ins().fcvt_to_sint_sat(types::I32, value);
            let (lo, hi) = (g.int_const(Type::I32, lo), g.int_const(Type::I32, hi));
            let above = g.b.ins().smax(wide, lo);
            let within = g.b.ins().smin(above, hi);
            g.b.ins().ireduce(clif, within)
        };
        match to {
            Type::Bool => {
                let zero = if from == Type::F32 { self.b.ins().f32const(0.0) } else { self.b.ins().f64const(0.0) };
                self.b.ins().fcmp(FloatCC::NotEqual, value, zero)
            }
            Type::I8 => clamped(self, i8::MIN as i64, i8::MAX as i64),
            Type::I16 => clamped(self, i16::MIN as i64, i16::MAX as i64),
            Type::U8 => clamped(self, 0, u8::MAX as i64),
            Type::U16 => clamped(self, 0, u16::MAX as i64),
            Type::U32 | Type::U64 => self.b.ins().fcvt_to_uint_sat(clif, value),
            _ => self.b.ins().fcvt_to_sint_sat(clif, value),
        }
    }

    fn half_to_single(&mut self, value: Value, from: Type) -> Value {
        if from == Type::BF16 {
            let wide = self.b.ins().uextend(types::I32, value);
            let bits = self.b.ins().ishl_imm_s(wide, 16);
            return self.b.ins().bitcast(types::F32, MemFlagsData::new(), bits);
        }
        let wide = self.b.ins().uextend(types::I64, value);
        match self.call_kernel("s_cvt_f16_f32", &[wide]) {
            Some(value) => value,
            None => self.missing("a conversion"),
        }
    }

    fn single_to_half(&mut self, value: Value, to: Type) -> Value {
        let name = if to == Type::F16 { "s_cvt_f32_f16" } else { "s_cvt_f32_bf16" };
        match self.call_kernel(name, &[value]) {
            Some(bits) => self.b.ins().ireduce(types::I16, bits),
            None => self.missing("a conversion"),
        }
    }
}
