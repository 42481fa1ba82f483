//! Ops on two operands, element by element, with numpy broadcasting: arithmetic, bits, logic, comparisons.
//!
//! Both operands have the same element type. Floats are computed in f64 and rounded once, integers exactly and then
//! wrapped to the width.

use super::check;
use super::index::broadcast_positions;
use super::number::{from_ints, int_at, int_range, max_f64, min_f64};
use crate::dtype::DType;
use crate::op::{AC, ELEMENTWISE, EvalCx, InferCx, OpDef, OpError, Traits, Types, one, operand};
use crate::tensor::Tensor;
use crate::types::TensorType;

const EW: Traits = ELEMENTWISE;
const COMMUTATIVE: Traits = Traits { commutative: true, ..ELEMENTWISE };

fn broadcast_to(cx: &mut InferCx<'_>, dtype: DType) -> Result<Types, OpError> {
    let shape = cx.broadcast(&cx.operand(0).shape, &cx.operand(1).shape)?;
    Ok(one(TensorType { dtype, shape }))
}

fn numbers(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::number(cx, 0)?;
    let dtype = cx.same_dtype(0, 1)?;
    broadcast_to(cx, dtype)
}

fn integers(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::integer(cx, 0)?;
    let dtype = cx.same_dtype(0, 1)?;
    broadcast_to(cx, dtype)
}

fn unsigned(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::unsigned(cx, 0)?;
    let dtype = cx.same_dtype(0, 1)?;
    broadcast_to(cx, dtype)
}

fn bools(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::boolean(cx, 0)?;
    let dtype = cx.same_dtype(0, 1)?;
    broadcast_to(cx, dtype)
}

fn compare_any(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::computed(cx, 0)?;
    cx.same_dtype(0, 1)?;
    broadcast_to(cx, DType::Bool)
}

fn compare_numbers(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::number(cx, 0)?;
    compare_any(cx)
}

fn map(
    cx: &EvalCx<'_>,
    float: fn(f64, f64) -> f64,
    int: fn(i128, i128) -> Result<i128, OpError>,
) -> Result<Vec<Tensor>, OpError> {
    let (a, b, to) = (cx.operand(0), cx.operand(1), cx.result_dtype(0));
    let shape = cx.result_shape(0)?;
    let positions = broadcast_positions(a.shape(), &shape).into_iter().zip(broadcast_positions(b.shape(), &shape));
    Ok(vec![if a.dtype().is_float() {
        let values: Vec<f64> = positions.map(|(i, j)| float(a.f64_at(i), b.f64_at(j))).collect();
        Tensor::from_f64(to, &shape, &values)
    } else {
        let values = positions.map(|(i, j)| int(int_at(a, i), int_at(b, j))).collect::<Result<Vec<_>, _>>()?;
        from_ints(to, &shape, values)
    }])
}

macro_rules! binary {
    ($(#[doc = $doc:literal] $const:ident = $name:literal, $traits:ident, $infer:ident, $float:expr, $int:expr;)+) => {$(
        pub(super) const $const: OpDef = OpDef {
            name: $name,
            operands: &[operand("a"), operand("b")],
            attrs: &[],
            traits: $traits,
            infer: $infer,
            eval: |cx| map(cx, $float, $int),
            doc: $doc,
        };
    )+};
}

fn non_zero(divisor: i128) -> Result<i128, OpError> {
    if divisor == 0 { Err(OpError::invalid("integer division by 0")) } else { Ok(divisor) }
}

pub(super) const DIV: OpDef = OpDef {
    name: "div",
    operands: &[operand("a"), operand("b")],
    attrs: &[],
    traits: EW,
    infer: numbers,
    eval: |cx| {
        let dtype = cx.result_dtype(0);
        if dtype.is_int() && !dtype.is_unsigned() {
            let (a, b, shape) = (cx.operand(0), cx.operand(1), cx.result_shape(0)?);
            let least = int_range(dtype).0;
            let positions = broadcast_positions(a.shape(), &shape).into_iter();
            let mut pairs = positions.zip(broadcast_positions(b.shape(), &shape));
            if pairs.any(|(i, j)| int_at(a, i) == least && int_at(b, j) == -1) {
                return Err(OpError::invalid(format!("{least} by -1 is no {dtype}")));
            }
        }
        map(cx, |a, b| a / b, |a, b| Ok(a / non_zero(b)?))
    },
    doc: "a / b; integers truncate, division by 0 and of the least integer by -1 are errors. ONNX: Div.",
};

/// Sign of the divisor, as numpy's `mod`.
fn rem_f64(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        rest.copysign(b)
    } else if (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

/// a to the power of b, wrapped to 64 bits. A negative power is 1 / a^|b| truncated, 0 for a = 0.
fn pow_int(a: i128, b: i128) -> i128 {
    if b < 0 {
        return match a {
            1 => 1,
            -1 => 1 - 2 * (b & 1),
            _ => 0,
        };
    }
    let (mut power, mut base, mut left) = (1u64, a as u64, b);
    while left > 0 {
        if left & 1 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        left >>= 1;
    }
    i128::from(power)
}

/// For ops whose inference refuses floats.
fn no_float(_: f64, _: f64) -> f64 {
    0.0
}

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

binary! {
    #[doc = "a + b; integers wrap. ONNX: Add, Sum."]
    ADD = "add", AC, numbers, |a, b| a + b, |a, b| Ok(a + b);
    #[doc = "a - b; integers wrap. ONNX: Sub."]
    SUB = "sub", EW, numbers, |a, b| a - b, |a, b| Ok(a - b);
    #[doc = "a * b; integers wrap. ONNX: Mul."]
    MUL = "mul", AC, numbers, |a, b| a * b, |a, b| Ok(a.wrapping_mul(b));
    #[doc = "a to the power of b; integers wrap, their negative powers truncate and are 0 for a = 0. ONNX: Pow."]
    POW = "pow", EW, numbers, f64::powf, |a, b| Ok(pow_int(a, b));
    #[doc = "The smaller one; NaN if one is NaN, -0 before +0. ONNX: Min."]
    MIN = "min", AC, numbers, min_f64, |a, b| Ok(a.min(b));
    #[doc = "The larger one; NaN if one is NaN, +0 before -0. ONNX: Max."]
    MAX = "max", AC, numbers, max_f64, |a, b| Ok(a.max(b));
    #[doc = "Remainder with the sign of b; integers by 0 are an error. ONNX: Mod with fmod = 0."]
    REM = "rem", EW, numbers, rem_f64, |a, b| {
        let rest = a % non_zero(b)?;
        Ok(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
    };
    #[doc = "Remainder with the sign of a; integers by 0 are an error. ONNX: Mod with fmod = 1."]
    FMOD = "fmod", EW, numbers, |a, b| a % b, |a, b| Ok(a % non_zero(b)?);
    #[doc = "Logical and. ONNX: And."]
    AND = "and", AC, bools, no_float, |a, b| Ok(a & b);
    #[doc = "Logical or. ONNX: Or."]
    OR = "or", AC, bools, no_float, |a, b| Ok(a | b);
    #[doc = "Logical exclusive or. ONNX: Xor."]
    XOR = "xor", AC, bools, no_float, |a, b| Ok(a ^ b);
    #[doc = "Bitwise and. ONNX: BitwiseAnd."]
    BITAND = "bitand", AC, integers, no_float, |a, b| Ok(a & b);
    #[doc = "Bitwise or. ONNX: BitwiseOr."]
    BITOR = "bitor", AC, integers, no_float, |a, b| Ok(a | b);
    #[doc = "Bitwise exclusive or. ONNX: BitwiseXor."]
    BITXOR = "bitxor", AC, integers, no_float, |a, b| Ok(a ^ b);
    #[doc = "Unsigned a shifted left by b bits; 0 from the width on. ONNX: BitShift with direction = LEFT."]
    SHL = "shl", EW, unsigned, no_float, |a, b| Ok(if b < 64 { a << b } else { 0 });
    #[doc = "Unsigned a shifted right by b bits; 0 from the width on. ONNX: BitShift with direction = RIGHT."]
    SHR = "shr", EW, unsigned, no_float, |a, b| Ok(if b < 64 { a >> b } else { 0 });
    #[doc = "True where a = b; NaN equals nothing. ONNX: Equal."]
    EQ = "eq", COMMUTATIVE, compare_any, |a, b| truth(a == b), |a, b| Ok(i128::from(a == b));
    #[doc = "True where a < b. ONNX: Less; Greater with operands swapped."]
    LT = "lt", EW, compare_numbers, |a, b| truth(a < b), |a, b| Ok(i128::from(a < b));
    #[doc = "True where a <= b. ONNX: LessOrEqual; GreaterOrEqual with operands swapped."]
    LE = "le", EW, compare_numbers, |a, b| truth(a <= b), |a, b| Ok(i128::from(a <= b));
}
