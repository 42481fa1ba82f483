//! Scalar operations of the interpreter: the meaning that backends must reproduce bit for bit (NaN payloads apart).

use super::memory::{Pointer, Value};
use crate::loopir::expr::{BinaryOp, CompareOp, UnaryOp};
use crate::loopir::fold::{compare_int, eval_int};
use crate::loopir::types::Type;

fn mismatch<T>(what: &str) -> Result<T, String> {
    Err(format!("operands of {what} have the wrong type"))
}

/// Operation with one operand.
pub(crate) fn unary(op: UnaryOp, ty: Type, a: Value) -> Result<Value, String> {
    macro_rules! float {
        ($v:expr, $wrap:path) => {
            Ok($wrap(match op {
                UnaryOp::Neg => -$v,
                UnaryOp::Abs => $v.abs(),
                UnaryOp::Sqrt => $v.sqrt(),
                UnaryOp::Floor => $v.floor(),
                UnaryOp::Ceil => $v.ceil(),
                UnaryOp::Trunc => $v.trunc(),
                UnaryOp::Round => $v.round_ties_even(),
                UnaryOp::Not => return mismatch("not"),
            }))
        };
    }
    match a {
        Value::F32(v) => float!(v, Value::F32),
        Value::F64(v) => float!(v, Value::F64),
        Value::Int(v) => Ok(Value::Int(match op {
            UnaryOp::Neg => ty.wrap(v.wrapping_neg()),
            UnaryOp::Abs => ty.wrap(v.wrapping_abs()),
            UnaryOp::Not if ty == Type::Bool => (v == 0) as i64,
            UnaryOp::Not => ty.wrap(!v),
            _ => return mismatch(op.text()),
        })),
        _ => mismatch(op.text()),
    }
}

macro_rules! float_min_max {
    ($min:ident, $max:ident, $ty:ty) => {
        fn $min(a: $ty, b: $ty) -> $ty {
            if a.is_nan() || b.is_nan() {
                <$ty>::NAN
            } else if a == b {
                if a.is_sign_negative() { a } else { b }
            } else if a < b {
                a
            } else {
                b
            }
        }
        fn $max(a: $ty, b: $ty) -> $ty {
            if a.is_nan() || b.is_nan() {
                <$ty>::NAN
            } else if a == b {
                if a.is_sign_negative() { b } else { a }
            } else if a > b {
                a
            } else {
                b
            }
        }
    };
}
float_min_max!(min_f32, max_f32, f32);
float_min_max!(min_f64, max_f64, f64);

/// Operation with two operands.
pub(crate) fn binary(op: BinaryOp, ty: Type, a: Value, b: Value) -> Result<Value, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(Value::Int(eval_int(op, ty, a, b))),
        (Value::F32(a), Value::F32(b)) => Ok(Value::F32(match op {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
            BinaryOp::Min => min_f32(a, b),
            BinaryOp::Max => max_f32(a, b),
            _ => return mismatch(op.text()),
        })),
        (Value::F64(a), Value::F64(b)) => Ok(Value::F64(match op {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
            BinaryOp::Min => min_f64(a, b),
            BinaryOp::Max => max_f64(a, b),
            _ => return mismatch(op.text()),
        })),
        _ => mismatch(op.text()),
    }
}

/// Comparison; `ty` is the operands' type.
pub(crate) fn compare(op: CompareOp, ty: Type, a: Value, b: Value) -> Result<bool, String> {
    fn partial<T: PartialOrd>(op: CompareOp, a: T, b: T) -> bool {
        match op {
            CompareOp::Eq => a == b,
            CompareOp::Ne => a != b,
            CompareOp::Lt => a < b,
            CompareOp::Le => a <= b,
            CompareOp::Gt => a > b,
            CompareOp::Ge => a >= b,
        }
    }
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(compare_int(op, ty, a, b)),
        (Value::F32(a), Value::F32(b)) => Ok(partial(op, a, b)),
        (Value::F64(a), Value::F64(b)) => Ok(partial(op, a, b)),
        (Value::Ptr(a), Value::Ptr(b)) => {
            if a.region != b.region && a != Pointer::NULL && b != Pointer::NULL {
                return Err("comparison of pointers to different regions".to_owned());
            }
            Ok((a == b) == (op == CompareOp::Eq))
        }
        _ => mismatch(op.text()),
    }
}

/// Conversion.
pub(crate) fn cast(value: Value, from: Type, to: Type) -> Result<Value, String> {
    if from == to {
        return Ok(value);
    }
    let value = match value {
        Value::Half(bits) if from == Type::F16 => Value::F32(half::f16::from_bits(bits).to_f32()),
        Value::Half(bits) => Value::F32(half::bf16::from_bits(bits).to_f32()),
        other => other,
    };
    if to.is_half() {
        let Value::F32(v) = cast(value, if from.is_half() { Type::F32 } else { from }, Type::F32)? else {
            return mismatch("a cast");
        };
        let bits = if to == Type::F16 { half::f16::from_f32(v).to_bits() } else { half::bf16::from_f32(v).to_bits() };
        return Ok(Value::Half(bits));
    }
    Ok(match (value, to) {
        (Value::Int(v), Type::F32) if from == Type::U64 => Value::F32(v as u64 as f32),
        (Value::Int(v), Type::F64) if from == Type::U64 => Value::F64(v as u64 as f64),
        (Value::Int(v), Type::F32) => Value::F32(v as f32),
        (Value::Int(v), Type::F64) => Value::F64(v as f64),
        (Value::Int(v), _) => Value::Int(to.wrap(v)),
        (Value::F32(v), Type::F32) => Value::F32(v),
        (Value::F32(v), Type::F64) => Value::F64(v as f64),
        (Value::F64(v), Type::F32) => Value::F32(v as f32),
        (Value::F64(v), Type::F64) => Value::F64(v),
        (Value::F32(v), _) => Value::Int(float_to_int(v as f64, to)),
        (Value::F64(v), _) => Value::Int(float_to_int(v, to)),
        _ => return mismatch("a cast"),
    })
}

fn float_to_int(v: f64, to: Type) -> i64 {
    match to {
        Type::Bool => (v != 0.0) as i64,
        Type::I8 => v as i8 as i64,
        Type::I16 => v as i16 as i64,
        Type::I32 => v as i32 as i64,
        Type::U8 => v as u8 as i64,
        Type::U16 => v as u16 as i64,
        Type::U32 => v as u32 as i64,
        Type::U64 => v as u64 as i64,
        _ => v as i64,
    }
}
