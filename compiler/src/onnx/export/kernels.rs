//! Element types of ONNX operators: which ones onnxruntime computes, which ones ONNX 21 allows beyond those, and what
//! a value is cast to where neither takes its own type.

use lathe_ir::DType::{
    self, BF16, Bool, F4E2M1, F6E2M3, F6E3M2, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0, F16, F32, F64, I2, I4,
    I8, I16, I32, I64, U2, U4, U8, U16, U32, U64,
};

/// Which casts leave the result of an operator as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exact {
    /// Those to a type that holds every value.
    Value,
    /// Also those between signed and unsigned: the operator moves elements or computes modulo a power of 2.
    Wrap,
}

use Exact::{Value, Wrap};

/// One operator: name, types with a kernel in onnxruntime 1.32's CPU provider, further types of ONNX opset 21, casts.
struct Row(&'static [&'static str], &'static [DType], &'static [DType], Exact);

const ALL: &[DType] = &[F32, F64, F16, BF16, I8, I16, I32, I64, U8, U16, U32, U64, Bool];
const NUMBERS: &[DType] = &[F32, F64, F16, BF16, I8, I16, I32, I64, U8, U16, U32, U64];
const PLAIN: &[DType] = &[F32, F64, I8, I16, I32, I64, U8, U16, U32, U64];
const INTS: &[DType] = &[I8, I16, I32, I64, U8, U16, U32, U64];

/// Operators whose result's every element depends only on the elements at its place.
const ELEMENTWISE: &[Row] = &[
    Row(&["Neg"], &[F32, F64, I8, I16, I32, I64], &[], Wrap),
    Row(&["Add", "Sub", "Mul"], PLAIN, &[], Wrap),
    Row(&["Abs", "Div", "Less", "LessOrEqual"], PLAIN, &[], Value),
    Row(&["Sign"], NUMBERS, &[], Value),
    Row(&["Relu"], &[F32, F64, I8, I32], &[I64], Value),
    Row(
        &["Floor", "Ceil", "Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Tanh", "Sigmoid"],
        &[F32, F64],
        &[],
        Value,
    ),
    Row(&["Round"], &[F32, F64, F16], &[], Value),
    Row(
        &["Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Erf", "Gelu"],
        &[F32],
        &[F64],
        Value,
    ),
    Row(&["Softplus", "Mish", "HardSwish", "LeakyRelu", "Elu", "HardSigmoid"], &[F32], &[F64], Value),
    Row(&["IsNaN", "IsInf"], &[F32, F64, F16, BF16], &[], Value),
    Row(&["Not", "And", "Or", "Xor"], &[Bool], &[], Value),
    Row(&["BitwiseNot", "BitwiseAnd", "BitwiseOr", "BitwiseXor"], INTS, &[], Value),
    Row(&["BitShift"], &[U8, U16, U32, U64], &[], Value),
    Row(&["Clip"], &[F32, F64, F16, I8, I32, I64, U8, U32, U64], &[], Value),
    Row(&["Pow"], &[I32, I64, F32, F64], &[], Value),
    Row(&["Min", "Max"], &[F32, F64, F16, I8, I32, I64, U8, U32, U64], &[], Value),
    Row(&["Mod"], &[F32, F64, F16, I8, I16, I32, I64, U8, U16, U32, U64], &[], Value),
    Row(&["Equal"], &[F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool], &[], Value),
    Row(&["Where"], &[F32, F64, I8, I32, I64, U8, U32], &[], Wrap),
];

const OTHERS: &[Row] = &[
    Row(&["Conv", "ConvTranspose", "AveragePool", "LSTM", "GRU", "RNN"], &[F32], &[F64], Value),
    Row(&["NonZero"], &[F32, I32, I64, U8, Bool], &[F64, F16, BF16, I8, I16, U16, U32, U64], Value),
    Row(&["Unique"], &[F32, F64, I8, I64], &[F16, I16, I32, U8, U16, U32, U64, Bool], Value),
    Row(&["NonMaxSuppression"], &[F32], &[], Value),
    Row(&["Expand"], &[F32, F64, F16, I8, I16, I32, I64, U8, U16, U32, U64, Bool], &[], Wrap),
    Row(&["Pad"], &[F32, F64, BF16, I8, I32, I64, U8, U32, U64, Bool], &[], Wrap),
    Row(
        &[
            "Reshape",
            "Transpose",
            "Slice",
            "Concat",
            "Gather",
            "GatherElements",
            "GatherND",
            "ScatterElements",
            "ScatterND",
            "Identity",
        ],
        ALL,
        &[],
        Wrap,
    ),
    Row(&["ReduceSum", "ReduceProd", "CumSum"], &[F32, F64, I32, I64], &[], Wrap),
    Row(&["ReduceMean"], &[F32, F64], &[U64], Value),
    Row(&["ReduceMax", "ReduceMin"], &[F32, F64, I8, I32, I64, U8, Bool], &[U64], Value),
    Row(&["ArgMax", "ArgMin"], &[F32, F64, I8, I32, I64, U8], &[U64], Value),
    Row(&["TopK"], &[F32, F64, I8, I16, I32, I64, U8], &[U64], Value),
    Row(&["Softmax", "LogSoftmax"], &[F32, F64], &[], Value),
    Row(&["LayerNormalization"], &[F32, F64, F16, BF16], &[], Value),
    // onnxruntime's kernels for unsigned types fail where a row is empty.
    Row(&["MatMul"], &[F32, F64, I32, I64], &[], Wrap),
    Row(&["MaxPool"], &[F32, F64, I8, U8], &[], Value),
    Row(&["Resize"], &[F32, I8, I32, U8], &[F64, I64, U64], Wrap),
];

/// The type in which `operator` computes on elements of type `dtype`: that type, or one to which casting and back
/// changes no result. A type without a kernel stays where no such cast exists and ONNX allows it; `None` if it does not.
pub(super) fn compute_type(operator: &str, dtype: DType) -> Option<DType> {
    let Row(_, kernels, allowed, exact) = ELEMENTWISE.iter().chain(OTHERS).find(|row| row.0.contains(&operator))?;
    if kernels.contains(&dtype) {
        return Some(dtype);
    }
    let wrapped = if *exact == Wrap { other_sign(dtype) } else { None };
    let wider = holders(dtype).iter().copied().chain(wrapped).find(|other| kernels.contains(other));
    wider.or_else(|| allowed.contains(&dtype).then_some(dtype))
}

/// Whether every element of the operator's result depends only on the elements at its place.
pub(super) fn is_elementwise(operator: &str) -> bool {
    ELEMENTWISE.iter().any(|row| row.0.contains(&operator))
}

/// Types that hold every value of a type, the nearest first.
fn holders(dtype: DType) -> &'static [DType] {
    match dtype {
        F16 | BF16 => &[F32, F64],
        F32 => &[F64],
        Bool => &[U8, I8, I32, I64],
        I8 => &[I16, I32, I64, F32, F64],
        U8 => &[U16, U32, I16, I32, I64, F32, F64],
        I16 => &[I32, I64, F32, F64],
        U16 => &[U32, I32, I64, F32, F64],
        I32 => &[I64, F64],
        U32 => &[I64, F64],
        F64 | I64 | U64 => &[],
        F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F6E2M3 | F6E3M2 | F4E2M1 => &[F16, F32],
        F8E8M0 => &[F32, F64],
        I4 | I2 => &[I8, I32],
        U4 | U2 => &[U8, I32],
    }
}

/// The integer type of the same width and other sign.
fn other_sign(dtype: DType) -> Option<DType> {
    Some(match dtype {
        I8 => U8,
        U8 => I8,
        I16 => U16,
        U16 => I16,
        I32 => U32,
        U32 => I32,
        I64 => U64,
        U64 => I64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_are_exact() {
        assert_eq!(compute_type("Add", F32), Some(F32));
        assert_eq!(compute_type("Add", BF16), Some(F32));
        assert_eq!(compute_type("ReduceSum", U64), Some(I64));
        assert_eq!(compute_type("ReduceMax", U64), Some(U64), "an order does not survive wrapping");
        assert_eq!(compute_type("Conv", F64), Some(F64), "f64 is never narrowed");
        assert_eq!(compute_type("MaxPool", I32), Some(F64));
        assert_eq!(compute_type("MaxPool", I64), None);
    }

    #[test]
    fn elementwise_rows_come_first() {
        assert!(is_elementwise("Neg") && is_elementwise("Where"));
        assert!(!is_elementwise("Conv") && !is_elementwise("Expand") && !is_elementwise("Transpose"));
    }

    #[test]
    fn operators_are_listed_once() {
        let mut names: Vec<&str> = ELEMENTWISE.iter().chain(OTHERS).flat_map(|row| row.0.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
