//! Ops on one operand, element by element, without attributes. Floats are computed in f64 and rounded once; NaN gives
//! NaN. The activations share their formulas with the epilogues (`activation.rs`).

use super::check;
use super::number::{from_ints, ints};
use crate::activation::{Activation, erf};
use crate::dtype::DType;
use crate::op::{ELEMENTWISE, EvalCx, InferCx, OpDef, OpError, Types, one, operand};
use crate::tensor::Tensor;

fn numbers(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::number(cx, 0)?;
    cx.like(0)
}

fn floats(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::float(cx, 0)?;
    cx.like(0)
}

fn integers(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::integer(cx, 0)?;
    cx.like(0)
}

fn bools(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::boolean(cx, 0)?;
    cx.like(0)
}

fn float_to_bool(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::float(cx, 0)?;
    Ok(one(cx.operand(0).with_dtype(DType::Bool)))
}

fn map(cx: &EvalCx<'_>, float: fn(f64) -> f64, int: fn(i128) -> i128) -> Result<Vec<Tensor>, OpError> {
    let (x, to) = (cx.operand(0), cx.result_dtype(0));
    Ok(vec![if x.dtype().is_float() {
        Tensor::from_f64(to, x.shape(), &x.to_f64().into_iter().map(float).collect::<Vec<_>>())
    } else {
        from_ints(to, x.shape(), ints(x).map(int))
    }])
}

/// The activation of that name, which has no parameters.
fn activate(name: &str, x: f64) -> f64 {
    Activation::of(name, 0.0, 0.0).apply(x)
}

macro_rules! unary {
    ($(#[doc = $doc:literal] $const:ident = $name:literal, $infer:ident, $float:expr, $int:expr;)+) => {$(
        pub(super) const $const: OpDef = OpDef {
            name: $name,
            operands: &[operand("x")],
            attrs: &[],
            traits: ELEMENTWISE,
            infer: $infer,
            eval: |cx| map(cx, $float, $int),
            doc: $doc,
        };
    )+};
}

/// For ops whose inference refuses integers, and for those that leave integers as they are.
fn same(x: i128) -> i128 {
    x
}

/// For ops whose inference refuses floats.
fn no_float(x: f64) -> f64 {
    x
}

unary! {
    #[doc = "-x; integers wrap. ONNX: Neg."]
    NEG = "neg", numbers, |x| -x, |x| -x;
    #[doc = "|x|; the smallest signed integer stays as it is. ONNX: Abs."]
    ABS = "abs", numbers, f64::abs, i128::abs;
    #[doc = "-1, 0 or 1; NaN stays NaN. ONNX: Sign."]
    SIGN = "sign", numbers, |x| if x == 0.0 { 0.0 } else { x.signum() }, i128::signum;
    #[doc = "The largest whole number <= x; integers stay. ONNX: Floor."]
    FLOOR = "floor", numbers, f64::floor, same;
    #[doc = "The smallest whole number >= x; integers stay. ONNX: Ceil."]
    CEIL = "ceil", numbers, f64::ceil, same;
    #[doc = "The nearest whole number, halves to even; integers stay. ONNX: Round."]
    ROUND = "round", numbers, f64::round_ties_even, same;
    #[doc = "max(x, 0); NaN stays NaN. ONNX: Relu."]
    RELU = "relu", numbers, |x| activate("relu", x), |x| x.max(0);
    #[doc = "x * x; integers wrap. ONNX: part of ReduceSumSquare, LpNormalization."]
    SQUARE = "square", numbers, |x| x * x, |x| x.wrapping_mul(x);
    #[doc = "e to the x. ONNX: Exp."]
    EXP = "exp", floats, f64::exp, same;
    #[doc = "Natural logarithm; of 0 -inf, of negative numbers NaN. ONNX: Log."]
    LOG = "log", floats, f64::ln, same;
    #[doc = "Square root; of negative numbers NaN. ONNX: Sqrt."]
    SQRT = "sqrt", floats, f64::sqrt, same;
    #[doc = "1 / x. ONNX: Reciprocal."]
    RECIP = "recip", floats, f64::recip, same;
    #[doc = "Sine. ONNX: Sin."]
    SIN = "sin", floats, f64::sin, same;
    #[doc = "Cosine. ONNX: Cos."]
    COS = "cos", floats, f64::cos, same;
    #[doc = "Tangent. ONNX: Tan."]
    TAN = "tan", floats, f64::tan, same;
    #[doc = "Inverse sine; NaN outside of -1..=1. ONNX: Asin."]
    ASIN = "asin", floats, f64::asin, same;
    #[doc = "Inverse cosine; NaN outside of -1..=1. ONNX: Acos."]
    ACOS = "acos", floats, f64::acos, same;
    #[doc = "Inverse tangent. ONNX: Atan."]
    ATAN = "atan", floats, f64::atan, same;
    #[doc = "Hyperbolic sine. ONNX: Sinh."]
    SINH = "sinh", floats, f64::sinh, same;
    #[doc = "Hyperbolic cosine. ONNX: Cosh."]
    COSH = "cosh", floats, f64::cosh, same;
    #[doc = "Hyperbolic tangent. ONNX: Tanh."]
    TANH = "tanh", floats, f64::tanh, same;
    #[doc = "Inverse hyperbolic sine. ONNX: Asinh."]
    ASINH = "asinh", floats, f64::asinh, same;
    #[doc = "Inverse hyperbolic cosine; NaN below 1. ONNX: Acosh."]
    ACOSH = "acosh", floats, f64::acosh, same;
    #[doc = "Inverse hyperbolic tangent; NaN outside of -1..=1. ONNX: Atanh."]
    ATANH = "atanh", floats, f64::atanh, same;
    #[doc = "Error function. ONNX: Erf."]
    ERF = "erf", floats, erf, same;
    #[doc = "1 / (1 + exp(-x)). ONNX: Sigmoid."]
    SIGMOID = "sigmoid", floats, |x| activate("sigmoid", x), same;
    #[doc = "ln(1 + exp(x)). ONNX: Softplus."]
    SOFTPLUS = "softplus", floats, |x| activate("softplus", x), same;
    #[doc = "x * sigmoid(x). ONNX: Swish with alpha 1, Mul(x, Sigmoid(x))."]
    SILU = "silu", floats, |x| activate("silu", x), same;
    #[doc = "x * tanh(softplus(x)). ONNX: Mish."]
    MISH = "mish", floats, |x| activate("mish", x), same;
    #[doc = "0.5 * x * (1 + erf(x / sqrt(2))). ONNX: Gelu with approximate = none."]
    GELU = "gelu", floats, |x| activate("gelu", x), same;
    #[doc = "0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))). ONNX: Gelu with approximate = tanh, FastGelu."]
    GELU_TANH = "gelu_tanh", floats, |x| activate("gelu_tanh", x), same;
    #[doc = "x * max(0, min(1, x / 6 + 0.5)). ONNX: HardSwish."]
    HARDSWISH = "hardswish", floats, |x| activate("hardswish", x), same;
    #[doc = "True where x is NaN. ONNX: IsNaN."]
    ISNAN = "isnan", float_to_bool, |x| f64::from(u8::from(x.is_nan())), same;
    #[doc = "Logical not. ONNX: Not."]
    NOT = "not", bools, no_float, |x| 1 - x;
    #[doc = "All bits inverted. ONNX: BitwiseNot."]
    BITNOT = "bitnot", integers, no_float, |x| !x;
}
