//! Arithmetic, comparisons, logic, selection, casts.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn rounding_and_sign() {
    Case::new(17)
        .input("x", Tensor::from_f64(DType::F32, &[7], &[-2.5, -1.25, -0.5, 0.0, 0.5, 1.5, 2.25]))
        .node("Abs", &["x"], &["abs"], &[])
        .node("Ceil", &["x"], &["ceil"], &[])
        .node("Floor", &["x"], &["floor"], &[])
        .node("Neg", &["x"], &["neg"], &[])
        .node("Round", &["x"], &["round"], &[])
        .node("Sign", &["x"], &["sign"], &[])
        .node("Relu", &["x"], &["relu"], &[])
        .outputs(&["abs", "ceil", "floor", "neg", "round", "sign", "relu"])
        .gives(&[
            (DType::F32, &[7], &[2.5, 1.25, 0.5, 0.0, 0.5, 1.5, 2.25]),
            (DType::F32, &[7], &[-2.0, -1.0, -0.0, 0.0, 1.0, 2.0, 3.0]),
            (DType::F32, &[7], &[-3.0, -2.0, -1.0, 0.0, 0.0, 1.0, 2.0]),
            (DType::F32, &[7], &[2.5, 1.25, 0.5, -0.0, -0.5, -1.5, -2.25]),
            (DType::F32, &[7], &[-2.0, -1.0, -0.0, 0.0, 0.0, 2.0, 2.0]),
            (DType::F32, &[7], &[-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0]),
            (DType::F32, &[7], &[0.0, 0.0, 0.0, 0.0, 0.5, 1.5, 2.25]),
        ]);
}

#[test]
fn exponentials() {
    Case::new(17)
        .input("x", f32s(&[4], 3))
        .node("Cosh", &["x"], &["cosh"], &[])
        .node("Erf", &["x"], &["erf"], &[])
        .node("Exp", &["x"], &["exp"], &[])
        .node("Sigmoid", &["x"], &["sigmoid"], &[])
        .node("Sinh", &["x"], &["sinh"], &[])
        .node("Softplus", &["x"], &["softplus"], &[])
        .node("Tanh", &["x"], &["tanh"], &[])
        .node("HardSwish", &["x"], &["hardswish"], &[])
        .node("Asinh", &["x"], &["asinh"], &[])
        .outputs(&["cosh", "erf", "exp", "sigmoid", "sinh", "softplus", "tanh", "hardswish", "asinh"])
        .gives(&[
            (DType::F32, &[4], &[1.7024347, 3.7621958, 1.1276259, 2.9641883]),
            (DType::F32, &[4], &[0.88838822, 0.99532229, 0.52049989, 0.98667169]),
            (DType::F32, &[4], &[3.0802169, 7.3890562, 1.6487212, 5.7546024]),
            (DType::F32, &[4], &[0.754915, 0.88079709, 0.62245929, 0.85195279]),
            (DType::F32, &[4], &[1.3777822, 3.6268604, 0.52109528, 2.7904143]),
            (DType::F32, &[4], &[1.4061501, 2.1269281, 0.97407699, 1.9102242]),
            (DType::F32, &[4], &[0.80930102, 0.96402758, 0.46211717, 0.94137555]),
            (DType::F32, &[4], &[0.7734375, 1.6666667, 0.29166666, 1.3854167]),
            (DType::F32, &[4], &[0.96705961, 1.4436355, 0.48121184, 1.3258978]),
        ]);
}

#[test]
fn angles() {
    Case::new(17)
        .input("x", f32s(&[4], 3))
        .node("Atan", &["x"], &["atan"], &[])
        .node("Cos", &["x"], &["cos"], &[])
        .node("Sin", &["x"], &["sin"], &[])
        .node("Tan", &["x"], &["tan"], &[])
        .outputs(&["atan", "cos", "sin", "tan"])
        .gives(&[
            (DType::F32, &[4], &[0.844154, 1.1071489, 0.46364754, 1.0516502]),
            (DType::F32, &[4], &[0.43117651, -0.41614681, 0.87758255, -0.17824605]),
            (DType::F32, &[4], &[0.90226758, 0.90929741, 0.47942555, 0.98398596]),
            (DType::F32, &[4], &[2.0925713, -2.1850398, 0.5463025, -5.52038]),
        ]);
}

#[test]
fn inverses_within_one() {
    Case::new(17)
        .input("x", Tensor::from_f64(DType::F32, &[4], &[-0.75, -0.5, 0.25, 0.5]))
        .node("Acos", &["x"], &["acos"], &[])
        .node("Asin", &["x"], &["asin"], &[])
        .node("Atanh", &["x"], &["atanh"], &[])
        .outputs(&["acos", "asin", "atanh"])
        .gives(&[
            (DType::F32, &[4], &[2.4188585, 2.0943952, 1.3181159, 1.0471976]),
            (DType::F32, &[4], &[-0.84806216, -0.52359873, 0.25268027, 0.52359873]),
            (DType::F32, &[4], &[-0.97295511, -0.54930615, 0.25541282, 0.54930615]),
        ]);
}

#[test]
fn functions_of_positive_numbers() {
    Case::new(17)
        .input("x", Tensor::from_f64(DType::F32, &[3], &[1.0, 1.5, 4.0]))
        .node("Acosh", &["x"], &["acosh"], &[])
        .node("Log", &["x"], &["log"], &[])
        .node("Sqrt", &["x"], &["sqrt"], &[])
        .node("Reciprocal", &["x"], &["reciprocal"], &[])
        .outputs(&["acosh", "log", "sqrt", "reciprocal"])
        .gives(&[
            (DType::F32, &[3], &[0.0, 0.96242368, 2.063437]),
            (DType::F32, &[3], &[0.0, 0.4054651, 1.3862944]),
            (DType::F32, &[3], &[1.0, 1.2247449, 2.0]),
            (DType::F32, &[3], &[1.0, 0.66666669, 0.25]),
        ]);
}

#[test]
fn mish() {
    Case::new(18).input("x", f32s(&[4], 3)).node("Mish", &["x"], &["mish"], &[]).outputs(&["mish"]).gives(&[(
        DType::F32,
        &[4],
        &[0.99750799, 1.943959, 0.37524524, 1.6749324],
    )]);
}

#[test]
fn integer_arithmetic_truncates() {
    Case::new(17)
        .input("a", ints(DType::I32, &[2, 3], 1, -9, 19))
        .input("b", Tensor::from_f64(DType::I32, &[3], &[2.0, -3.0, 4.0]))
        .node("Div", &["a", "b"], &["q"], &[])
        .node("Mod", &["a", "b"], &["r"], &[])
        .node("Mod", &["a", "b"], &["f"], &[("fmod", A::Int(1))])
        .outputs(&["q", "r", "f"])
        .gives(&[
            (DType::I32, &[2, 3], &[-3.0, 0.0, 2.0, -2.0, -1.0, -2.0]),
            (DType::I32, &[2, 3], &[0.0, -2.0, 0.0, 0.0, 0.0, 3.0]),
            (DType::I32, &[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, -1.0]),
        ]);
}

#[test]
fn float_remainder() {
    Case::new(17)
        .input("a", f32s(&[4], 0))
        .input("b", Tensor::from_f64(DType::F32, &[1], &[0.75]))
        .node("Mod", &["a", "b"], &["y"], &[("fmod", A::Int(1))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[4], &[-0.25, -0.125, 0.5, -0.375])]);
}

#[test]
fn broadcast_both_ways() {
    Case::new(17)
        .input("a", f32s(&[2, 1, 3], 0))
        .input("b", f32s(&[4, 1], 5))
        .node("Add", &["a", "b"], &["s"], &[])
        .node("Sub", &["a", "b"], &["d"], &[])
        .node("Mul", &["s", "d"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 4, 3],
            &[
                6.234375, 2.625, 3.984375, 5.25, 1.640625, 3.0, 6.0, 2.390625, 3.75, 5.6875, 2.078125, 3.4375, 3.5,
                4.5, 1.875, 2.515625, 3.515625, 0.890625, 3.265625, 4.265625, 1.640625, 2.953125, 3.953125, 1.328125,
            ],
        )]);
}

#[test]
fn sum_of_three() {
    Case::new(17)
        .input("a", f32s(&[3], 0))
        .input("b", f32s(&[3], 1))
        .input("c", f32s(&[2, 3], 2))
        .node("Sum", &["a", "b", "c"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 3], &[1.25, -1.25, 4.5, 1.875, -2.625, 1.125])]);
}

#[test]
fn mean_of_three() {
    Case::new(17)
        .input("a", f32s(&[3], 0))
        .input("b", f32s(&[3], 1))
        .input("c", f32s(&[3], 2))
        .node("Mean", &["a", "b", "c"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[3], &[0.41666669, -0.41666669, 1.5])]);
}

#[test]
fn mean_of_one() {
    Case::new(17).input("a", f32s(&[3], 0)).node("Mean", &["a"], &["y"], &[]).outputs(&["y"]).gives(&[(
        DType::F32,
        &[3],
        &[-2.5, -1.625, 2.0],
    )]);
}

#[test]
fn min_and_max() {
    Case::new(17)
        .input("a", f32s(&[4], 0))
        .input("b", f32s(&[4], 1))
        .input("c", f32s(&[1], 2))
        .node("Min", &["a", "b", "c"], &["lo"], &[])
        .node("Max", &["a", "b", "c"], &["hi"], &[])
        .outputs(&["lo", "hi"])
        .gives(&[(DType::F32, &[4], &[-2.5, -2.125, 1.5, -2.375]), (DType::F32, &[4], &[2.125, 1.625, 2.0, 1.625])]);
}

#[test]
fn max_of_nan() {
    Case::new(17)
        .input("a", Tensor::from_f64(DType::F32, &[3], &[f64::NAN, 1.0, 2.0]))
        .input("b", Tensor::from_f64(DType::F32, &[3], &[0.0, f64::NAN, 5.0]))
        .node("Max", &["a", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[3], &[f64::NAN, f64::NAN, 5.0])]);
}

#[test]
fn pow_casts_its_exponent() {
    Case::new(17)
        .input("x", positive(&[4], 0))
        .input("e", Tensor::from_f64(DType::I32, &[4], &[0.0, 1.0, 2.0, 3.0]))
        .node("Pow", &["x", "e"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[4], &[1.0, 1.0, 21.390625, 0.421875])]);
}

#[test]
fn pow_of_integers_by_floats() {
    Case::new(17)
        .input("x", Tensor::from_f64(DType::I32, &[3], &[1.0, 4.0, 9.0]))
        .input("e", Tensor::from_f64(DType::F32, &[1], &[1.5]))
        .node("Pow", &["x", "e"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::I32, &[3], &[1.0, 8.0, 27.0])]);
}

#[test]
fn comparisons() {
    Case::new(17)
        .input("a", f32s(&[4], 0))
        .input("b", f32s(&[4], 1))
        .node("Equal", &["a", "a"], &["e"], &[])
        .node("Less", &["a", "b"], &["l"], &[])
        .node("Greater", &["a", "b"], &["g"], &[])
        .node("LessOrEqual", &["a", "a"], &["le"], &[])
        .node("GreaterOrEqual", &["a", "b"], &["ge"], &[])
        .outputs(&["e", "l", "g", "le", "ge"])
        .gives(&[
            (DType::Bool, &[4], &[1.0, 1.0, 1.0, 1.0]),
            (DType::Bool, &[4], &[1.0, 0.0, 0.0, 0.0]),
            (DType::Bool, &[4], &[0.0, 1.0, 1.0, 1.0]),
            (DType::Bool, &[4], &[1.0, 1.0, 1.0, 1.0]),
            (DType::Bool, &[4], &[0.0, 1.0, 1.0, 1.0]),
        ]);
}

#[test]
fn comparisons_with_nan() {
    Case::new(17)
        .input("a", Tensor::from_f64(DType::F32, &[2], &[f64::NAN, 1.0]))
        .input("b", Tensor::from_f64(DType::F32, &[2], &[1.0, f64::NAN]))
        .node("Greater", &["a", "b"], &["g"], &[])
        .node("GreaterOrEqual", &["a", "b"], &["ge"], &[])
        .node("Equal", &["a", "a"], &["e"], &[])
        .outputs(&["g", "ge", "e"])
        .gives(&[(DType::Bool, &[2], &[0.0, 0.0]), (DType::Bool, &[2], &[0.0, 0.0]), (DType::Bool, &[2], &[0.0, 1.0])]);
}

#[test]
fn logic() {
    Case::new(17)
        .input("a", Tensor::from_f64(DType::Bool, &[4], &[0.0, 0.0, 1.0, 1.0]))
        .input("b", Tensor::from_f64(DType::Bool, &[4], &[0.0, 1.0, 0.0, 1.0]))
        .node("And", &["a", "b"], &["and"], &[])
        .node("Or", &["a", "b"], &["or"], &[])
        .node("Xor", &["a", "b"], &["xor"], &[])
        .node("Not", &["a"], &["not"], &[])
        .outputs(&["and", "or", "xor", "not"])
        .gives(&[
            (DType::Bool, &[4], &[0.0, 0.0, 0.0, 1.0]),
            (DType::Bool, &[4], &[0.0, 1.0, 1.0, 1.0]),
            (DType::Bool, &[4], &[0.0, 1.0, 1.0, 0.0]),
            (DType::Bool, &[4], &[1.0, 1.0, 0.0, 0.0]),
        ]);
}

#[test]
fn bits() {
    Case::new(18)
        .input("a", Tensor::from_f64(DType::U8, &[3], &[12.0, 200.0, 7.0]))
        .input("b", Tensor::from_f64(DType::U8, &[3], &[10.0, 15.0, 1.0]))
        .node("BitwiseAnd", &["a", "b"], &["and"], &[])
        .node("BitwiseOr", &["a", "b"], &["or"], &[])
        .node("BitwiseXor", &["a", "b"], &["xor"], &[])
        .node("BitwiseNot", &["a"], &["not"], &[])
        .outputs(&["and", "or", "xor", "not"])
        .gives(&[
            (DType::U8, &[3], &[8.0, 8.0, 1.0]),
            (DType::U8, &[3], &[14.0, 207.0, 7.0]),
            (DType::U8, &[3], &[6.0, 199.0, 6.0]),
            (DType::U8, &[3], &[243.0, 55.0, 248.0]),
        ]);
}

#[test]
fn bit_shifts() {
    Case::new(17)
        .input("a", Tensor::from_f64(DType::U8, &[3], &[12.0, 200.0, 7.0]))
        .input("b", Tensor::from_f64(DType::U8, &[3], &[1.0, 2.0, 3.0]))
        .node("BitShift", &["a", "b"], &["l"], &[("direction", A::Str("LEFT"))])
        .node("BitShift", &["a", "b"], &["r"], &[("direction", A::Str("RIGHT"))])
        .outputs(&["l", "r"])
        .gives(&[(DType::U8, &[3], &[24.0, 32.0, 56.0]), (DType::U8, &[3], &[6.0, 50.0, 0.0])]);
}

/// Shifts to the right keep the sign; too long ones leave nothing but it.
#[test]
fn bit_shifts_of_signed_integers() {
    Case::new(28)
        .input("a", Tensor::from_f64(DType::I8, &[5], &[-8.0, -1.0, 100.0, -128.0, 3.0]))
        .input("b", Tensor::from_f64(DType::I8, &[5], &[1.0, 9.0, 1.0, -1.0, 7.0]))
        .node("BitShift", &["a", "b"], &["l"], &[("direction", A::Str("LEFT"))])
        .node("BitShift", &["a", "b"], &["r"], &[("direction", A::Str("RIGHT"))])
        .outputs(&["l", "r"])
        .gives(&[
            (DType::I8, &[5], &[-16.0, 0.0, -56.0, 0.0, -128.0]),
            (DType::I8, &[5], &[-4.0, -1.0, 50.0, -1.0, 0.0]),
        ]);
}

#[test]
fn nan_and_infinity() {
    Case::new(20)
        .input("x", Tensor::from_f64(DType::F32, &[4], &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0]))
        .node("IsNaN", &["x"], &["n"], &[])
        .node("IsInf", &["x"], &["i"], &[])
        .node("IsInf", &["x"], &["p"], &[("detect_negative", A::Int(0))])
        .node("IsInf", &["x"], &["m"], &[("detect_positive", A::Int(0))])
        .outputs(&["n", "i", "p", "m"])
        .gives(&[
            (DType::Bool, &[4], &[1.0, 0.0, 0.0, 0.0]),
            (DType::Bool, &[4], &[0.0, 1.0, 1.0, 0.0]),
            (DType::Bool, &[4], &[0.0, 1.0, 0.0, 0.0]),
            (DType::Bool, &[4], &[0.0, 0.0, 1.0, 0.0]),
        ]);
}

#[test]
fn select() {
    Case::new(17)
        .input("c", Tensor::from_f64(DType::Bool, &[2, 1], &[1.0, 0.0]))
        .input("a", f32s(&[1, 3], 0))
        .input("b", f32s(&[2, 3], 1))
        .node("Where", &["c", "a", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 3], &[-2.5, -1.625, 2.0, -2.375, 1.625, -1.875])]);
}

#[test]
fn casts() {
    Case::new(17)
        .input("x", Tensor::from_f64(DType::F32, &[5], &[-1.5, 0.0, 0.5, 2.75, 100.0]))
        .node("Cast", &["x"], &["i"], &[("to", A::Int(7))])
        .node("Cast", &["x"], &["b"], &[("to", A::Int(9))])
        .node("Cast", &["x"], &["h"], &[("to", A::Int(10))])
        .node("Cast", &["i"], &["d"], &[("to", A::Int(11))])
        .node("CastLike", &["x", "i"], &["l"], &[])
        .outputs(&["i", "b", "h", "d", "l"])
        .gives(&[
            (DType::I64, &[5], &[-1.0, 0.0, 0.0, 2.0, 100.0]),
            (DType::Bool, &[5], &[1.0, 0.0, 1.0, 1.0, 1.0]),
            (DType::F16, &[5], &[-1.5, 0.0, 0.5, 2.75, 100.0]),
            (DType::F64, &[5], &[-1.0, 0.0, 0.0, 2.0, 100.0]),
            (DType::I64, &[5], &[-1.0, 0.0, 0.0, 2.0, 100.0]),
        ]);
}

#[test]
fn clip_by_constants() {
    Case::new(17)
        .input("x", f32s(&[6], 0))
        .weight("lo", Tensor::scalar(DType::F32, -1.0))
        .weight("hi", Tensor::scalar(DType::F32, 1.5))
        .node("Clip", &["x", "lo", "hi"], &["y"], &[])
        .node("Clip", &["x", "lo"], &["z"], &[])
        .node("Clip", &["x", "", "hi"], &["w"], &[])
        .outputs(&["y", "z", "w"])
        .gives(&[
            (DType::F32, &[6], &[-1.0, -1.0, 1.5, -1.0, 1.5, -1.0]),
            (DType::F32, &[6], &[-1.0, -1.0, 2.0, -1.0, 2.125, -1.0]),
            (DType::F32, &[6], &[-2.5, -1.625, 1.5, -1.875, 1.5, -1.375]),
        ]);
}

#[test]
fn clip_by_inputs() {
    Case::new(17)
        .input("x", f32s(&[6], 0))
        .input("lo", Tensor::scalar(DType::F32, -1.0))
        .input("hi", Tensor::scalar(DType::F32, 1.5))
        .node("Clip", &["x", "lo", "hi"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[6], &[-1.0, -1.0, 1.5, -1.0, 1.5, -1.0])]);
}

#[test]
fn clip_of_integers() {
    Case::new(17)
        .input("x", ints(DType::I32, &[6], 0, -5, 11))
        .weight("lo", Tensor::scalar(DType::I32, -2.0))
        .node("Clip", &["x", "lo"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::I32, &[6], &[-2.0, 2.0, -2.0, 5.0, 1.0, -2.0])]);
}
#[test]
fn bit_cast() {
    Case::new(26)
        .input("x0", f32s(&[3], 0))
        .node("BitCast", &["x0"], &["y"], &[("to", A::Int(6))])
        .outputs(&["y"])
        .gives(&[(DType::I32, &[3], &[-1.0716447e+09, -1.0768876e+09, 1.0737418e+09])]);
    Case::new(26)
        .input("x0", Tensor::from_i64(DType::I8, &[3], &[-1, 0, 2]))
        .node("BitCast", &["x0"], &["y"], &[("to", A::Int(2))])
        .outputs(&["y"])
        .gives(&[(DType::U8, &[3], &[255.0, 0.0, 2.0])]);
}

#[test]
fn dropout_with_nothing_to_drop() {
    Case::new(13)
        .input("x0", f32s(&[3], 0))
        .weight("w1", Tensor::scalar(DType::F32, 0.0))
        .weight("w2", Tensor::from_i64(DType::Bool, &[], &[1]))
        .node("Dropout", &["x0", "w1", "w2"], &["y", "z"], &[])
        .outputs(&["y", "z"])
        .gives(&[(DType::F32, &[3], &[-2.5, -1.625, 2.0]), (DType::Bool, &[3], &[1.0, 1.0, 1.0])]);
}
