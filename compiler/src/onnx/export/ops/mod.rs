//! How each IR op is written, one file per family.

mod activation;
mod attention;
mod control;
mod data;
mod elementwise;
mod indices;
mod matmul;
mod movement;
mod norm;
mod recurrent;
mod reduce;
mod resize;
mod window;

use lathe_ir::{DType, Dim, Op, OpCode, TensorType};

use super::emit::{Emitter, R, Val};

/// An op being written.
pub(super) struct Cx<'e, 'a> {
    pub(super) emitter: &'e mut Emitter<'a>,
    pub(super) op: &'a Op,
}

/// How an op is written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// The operator of that name on the same operands, whose type the result has.
    Same(&'static str),
    /// The operator of that name on the same operands, a condition.
    Test(&'static str),
    /// Something else.
    With(fn(&mut Cx<'_, '_>) -> R<Vec<Val>>),
}

use Form::{Same, Test, With};

const ROWS: &[(OpCode, Form)] = &[
    (OpCode::Const, With(movement::constant)),
    // element by element, one operand
    (OpCode::Neg, Same("Neg")),
    (OpCode::Abs, Same("Abs")),
    (OpCode::Sign, Same("Sign")),
    (OpCode::Floor, With(elementwise::round)),
    (OpCode::Ceil, With(elementwise::round)),
    (OpCode::Round, With(elementwise::round)),
    (OpCode::Relu, With(elementwise::relu)),
    (OpCode::Square, With(elementwise::square)),
    (OpCode::Exp, Same("Exp")),
    (OpCode::Log, Same("Log")),
    (OpCode::Sqrt, Same("Sqrt")),
    (OpCode::Recip, Same("Reciprocal")),
    (OpCode::Sin, Same("Sin")),
    (OpCode::Cos, Same("Cos")),
    (OpCode::Tan, Same("Tan")),
    (OpCode::Asin, Same("Asin")),
    (OpCode::Acos, Same("Acos")),
    (OpCode::Atan, Same("Atan")),
    (OpCode::Sinh, Same("Sinh")),
    (OpCode::Cosh, Same("Cosh")),
    (OpCode::Tanh, Same("Tanh")),
    (OpCode::Asinh, Same("Asinh")),
    (OpCode::Acosh, Same("Acosh")),
    (OpCode::Atanh, Same("Atanh")),
    (OpCode::Erf, Same("Erf")),
    (OpCode::Sigmoid, Same("Sigmoid")),
    (OpCode::Softplus, With(activation::plain)),
    (OpCode::Silu, With(activation::plain)),
    (OpCode::Mish, With(activation::plain)),
    (OpCode::Gelu, With(activation::plain)),
    (OpCode::GeluTanh, With(activation::plain)),
    (OpCode::HardSwish, With(activation::plain)),
    (OpCode::IsNan, Test("IsNaN")),
    (OpCode::Not, Same("Not")),
    (OpCode::BitNot, Same("BitwiseNot")),
    (OpCode::LeakyRelu, With(activation::parametrised)),
    (OpCode::Elu, With(activation::parametrised)),
    (OpCode::HardSigmoid, With(activation::parametrised)),
    (OpCode::Clip, With(elementwise::clip)),
    (OpCode::IsInf, With(elementwise::is_inf)),
    (OpCode::Cast, With(elementwise::cast)),
    (OpCode::BitCast, With(elementwise::bitcast)),
    // element by element, more operands
    (OpCode::Add, Same("Add")),
    (OpCode::Sub, Same("Sub")),
    (OpCode::Mul, Same("Mul")),
    (OpCode::Div, Same("Div")),
    (OpCode::Pow, Same("Pow")),
    (OpCode::Min, Same("Min")),
    (OpCode::Max, Same("Max")),
    (OpCode::Rem, With(elementwise::rem)),
    (OpCode::Fmod, With(elementwise::fmod)),
    (OpCode::And, Same("And")),
    (OpCode::Or, Same("Or")),
    (OpCode::Xor, Same("Xor")),
    (OpCode::BitAnd, Same("BitwiseAnd")),
    (OpCode::BitOr, Same("BitwiseOr")),
    (OpCode::BitXor, Same("BitwiseXor")),
    (OpCode::Shl, With(elementwise::shift)),
    (OpCode::Shr, With(elementwise::shift)),
    (OpCode::Eq, Test("Equal")),
    (OpCode::Lt, Test("Less")),
    (OpCode::Le, Test("LessOrEqual")),
    (OpCode::Where, With(elementwise::select)),
    (OpCode::Quantize, With(elementwise::quantize)),
    // movement
    (OpCode::Reshape, With(movement::reshape)),
    (OpCode::Transpose, With(movement::transpose)),
    (OpCode::Broadcast, With(movement::broadcast)),
    (OpCode::Slice, With(movement::slice)),
    (OpCode::Concat, With(movement::concat)),
    (OpCode::Pad, With(movement::pad)),
    // movement by run-time indices
    (OpCode::Gather, With(indices::gather)),
    (OpCode::GatherElements, With(indices::gather_elements)),
    (OpCode::GatherNd, With(indices::gather_nd)),
    (OpCode::ScatterElements, With(indices::scatter_elements)),
    (OpCode::ScatterNd, With(indices::scatter_nd)),
    (OpCode::DynSlice, With(indices::dyn_slice)),
    // sizes from data
    (OpCode::DataSize, With(data::data_size)),
    (OpCode::NonZero, With(data::non_zero)),
    (OpCode::Unique, With(data::unique)),
    (OpCode::Nms, With(data::nms)),
    // from dimensions
    (OpCode::Iota, With(movement::iota)),
    (OpCode::Dims, With(movement::dims)),
    // along axes
    (OpCode::ReduceSum, With(reduce::reduce)),
    (OpCode::ReduceMean, With(reduce::reduce)),
    (OpCode::ReduceMax, With(reduce::reduce)),
    (OpCode::ReduceMin, With(reduce::reduce)),
    (OpCode::ReduceProd, With(reduce::reduce)),
    (OpCode::ArgMax, With(reduce::arg)),
    (OpCode::ArgMin, With(reduce::arg)),
    (OpCode::CumSum, With(reduce::cumsum)),
    (OpCode::TopK, With(reduce::topk)),
    (OpCode::Softmax, With(reduce::softmax)),
    (OpCode::LogSoftmax, With(reduce::softmax)),
    (OpCode::LayerNorm, With(norm::layer)),
    (OpCode::RmsNorm, With(norm::rms)),
    // contractions
    (OpCode::MatMul, With(matmul::matmul)),
    (OpCode::Attention, With(attention::attention)),
    // recurrences
    (OpCode::Lstm, With(recurrent::recurrent)),
    (OpCode::Gru, With(recurrent::recurrent)),
    (OpCode::Rnn, With(recurrent::recurrent)),
    // windows, channels last
    (OpCode::Conv, With(window::conv)),
    (OpCode::ConvTranspose, With(window::conv_transpose)),
    (OpCode::MaxPool, With(window::max_pool)),
    (OpCode::AvgPool, With(window::avg_pool)),
    (OpCode::Resize, With(resize::resize)),
    // control flow
    (OpCode::If, With(control::if_)),
    (OpCode::Loop, With(control::loop_)),
];

/// How an op is written; `None` if it cannot be.
pub(super) fn form(code: OpCode) -> Option<Form> {
    ROWS.iter().find(|row| row.0 == code).map(|row| row.1)
}

/// Writes an op; gives its results.
pub(super) fn emit<'a>(emitter: &mut Emitter<'a>, op: &'a Op) -> R<Vec<Val>> {
    let mut cx = Cx { emitter, op };
    match form(op.code) {
        None => Err(format!("ONNX has no form for {} yet", op.code.name())),
        Some(Same(operator)) => {
            let operands = cx.all()?;
            one(cx.emitter.apply(operator, &operands.iter().collect::<Vec<_>>())?)
        }
        Some(Test(operator)) => {
            let operands = cx.all()?;
            one(cx.emitter.test(operator, &operands.iter().collect::<Vec<_>>())?)
        }
        Some(With(write)) => write(&mut cx),
    }
}

/// One result.
fn one(val: Val) -> R<Vec<Val>> {
    Ok(vec![val])
}

impl<'a> Cx<'_, 'a> {
    /// A required operand.
    fn operand(&self, index: usize) -> R<Val> {
        self.opt(index)?.ok_or_else(|| format!("operand {index} is missing"))
    }

    /// An optional operand.
    fn opt(&self, index: usize) -> R<Option<Val>> {
        self.op.operand(index).map(|id| self.emitter.value(id)).transpose()
    }

    /// Every operand.
    fn all(&self) -> R<Vec<Val>> {
        self.op.inputs().map(|id| self.emitter.value(id)).collect()
    }

    /// Type of a required operand.
    fn ty(&self, index: usize) -> R<&'a TensorType> {
        let id = self.op.operand(index).ok_or_else(|| format!("operand {index} is missing"))?;
        Ok(self.emitter.ir.ty(id))
    }

    /// Dimensions of a required operand.
    fn shape(&self, index: usize) -> R<&'a [Dim]> {
        Ok(&self.ty(index)?.shape)
    }

    /// Type of a result.
    fn result_ty(&self, index: usize) -> &'a TensorType {
        self.emitter.ir.ty(self.op.results[index])
    }

    /// An operand as i64, for index inputs that take no other type.
    fn index(&mut self, index: usize) -> R<Val> {
        let val = self.operand(index)?;
        Ok(self.emitter.cast(&val, DType::I64))
    }
}

/// The type in which several operators on floats are computed one after the other, so that their result is rounded to
/// f16 and bf16 once.
fn work_type(dtype: DType) -> DType {
    if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype }
}
