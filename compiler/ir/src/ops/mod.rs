//! All ops, one file per op or small family. To add one: its file here and one line in the table below
//! (docs/add-an-op.md names the other places).

mod arg;
mod attention;
mod binary;
mod bitcast;
mod broadcast;
mod cast;
mod concat;
mod constant;
mod conv;
mod conv_transpose;
mod cumsum;
mod data_size;
mod dyn_slice;
mod gather;
mod if_;
mod iota;
mod loop_;
mod matmul;
mod nms;
mod non_zero;
mod norm;
mod pad;
mod pool;
mod quantize;
mod recurrent;
mod reduce;
mod region;
mod reshape;
pub(crate) mod resize;
mod scatter;
mod slice;
mod softmax;
mod topk;
mod transpose;
mod trap;
mod unary;
mod unary_attr;
mod unique;
mod where_;
mod window;

mod check;
pub(crate) mod index;
pub(crate) mod number;

pub use broadcast::repeats;
pub use loop_::LOOP_LIMIT;

use crate::op::OpDef;

macro_rules! op_table {
    ($($variant:ident = $def:path),+ $(,)?) => {
        /// Which op. The variants follow the table; see the definition for its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum OpCode { $($variant),+ }

        static TABLE: &[(OpCode, &OpDef)] = &[$((OpCode::$variant, &$def)),+];
    };
}

op_table! {
    Const = constant::CONST,
    // element by element, one operand
    Neg = unary::NEG,
    Abs = unary::ABS,
    Sign = unary::SIGN,
    Floor = unary::FLOOR,
    Ceil = unary::CEIL,
    Round = unary::ROUND,
    Relu = unary::RELU,
    Square = unary::SQUARE,
    Exp = unary::EXP,
    Log = unary::LOG,
    Sqrt = unary::SQRT,
    Recip = unary::RECIP,
    Sin = unary::SIN,
    Cos = unary::COS,
    Tan = unary::TAN,
    Asin = unary::ASIN,
    Acos = unary::ACOS,
    Atan = unary::ATAN,
    Sinh = unary::SINH,
    Cosh = unary::COSH,
    Tanh = unary::TANH,
    Asinh = unary::ASINH,
    Acosh = unary::ACOSH,
    Atanh = unary::ATANH,
    Erf = unary::ERF,
    Sigmoid = unary::SIGMOID,
    Softplus = unary::SOFTPLUS,
    Silu = unary::SILU,
    Mish = unary::MISH,
    Gelu = unary::GELU,
    GeluTanh = unary::GELU_TANH,
    HardSwish = unary::HARDSWISH,
    IsNan = unary::ISNAN,
    Not = unary::NOT,
    BitNot = unary::BITNOT,
    LeakyRelu = unary_attr::LEAKY_RELU,
    Elu = unary_attr::ELU,
    HardSigmoid = unary_attr::HARDSIGMOID,
    Clip = unary_attr::CLIP,
    IsInf = unary_attr::ISINF,
    Cast = cast::CAST,
    BitCast = bitcast::BITCAST,
    // element by element, more operands
    Add = binary::ADD,
    Sub = binary::SUB,
    Mul = binary::MUL,
    Div = binary::DIV,
    Pow = binary::POW,
    Min = binary::MIN,
    Max = binary::MAX,
    Rem = binary::REM,
    Fmod = binary::FMOD,
    And = binary::AND,
    Or = binary::OR,
    Xor = binary::XOR,
    BitAnd = binary::BITAND,
    BitOr = binary::BITOR,
    BitXor = binary::BITXOR,
    Shl = binary::SHL,
    Shr = binary::SHR,
    Eq = binary::EQ,
    Lt = binary::LT,
    Le = binary::LE,
    Where = where_::WHERE,
    Quantize = quantize::QUANTIZE,
    // movement
    Reshape = reshape::RESHAPE,
    Transpose = transpose::TRANSPOSE,
    Broadcast = broadcast::BROADCAST,
    Slice = slice::SLICE,
    Concat = concat::CONCAT,
    Pad = pad::PAD,
    // movement by run-time indices
    Gather = gather::GATHER,
    GatherElements = gather::GATHER_ELEMENTS,
    GatherNd = gather::GATHER_ND,
    ScatterElements = scatter::SCATTER_ELEMENTS,
    ScatterNd = scatter::SCATTER_ND,
    DynSlice = dyn_slice::DYN_SLICE,
    // sizes from data
    DataSize = data_size::DATA_SIZE,
    NonZero = non_zero::NON_ZERO,
    Unique = unique::UNIQUE,
    Nms = nms::NMS,
    // from dimensions
    Iota = iota::IOTA,
    Dims = iota::DIMS,
    // along axes
    ReduceSum = reduce::REDUCE_SUM,
    ReduceMean = reduce::REDUCE_MEAN,
    ReduceMax = reduce::REDUCE_MAX,
    ReduceMin = reduce::REDUCE_MIN,
    ReduceProd = reduce::REDUCE_PROD,
    ArgMax = arg::ARG_MAX,
    ArgMin = arg::ARG_MIN,
    CumSum = cumsum::CUMSUM,
    TopK = topk::TOPK,
    Softmax = softmax::SOFTMAX,
    LogSoftmax = softmax::LOG_SOFTMAX,
    LayerNorm = norm::LAYER_NORM,
    RmsNorm = norm::RMS_NORM,
    // contractions
    MatMul = matmul::MATMUL,
    Attention = attention::ATTENTION,
    // recurrences
    Lstm = recurrent::LSTM,
    Gru = recurrent::GRU,
    Rnn = recurrent::RNN,
    // windows, channels last
    Conv = conv::CONV,
    ConvTranspose = conv_transpose::CONV_TRANSPOSE,
    MaxPool = pool::MAX_POOL,
    AvgPool = pool::AVG_POOL,
    Resize = resize::RESIZE,
    // control flow
    If = if_::IF,
    Loop = loop_::LOOP,
    Trap = trap::TRAP,
}

impl OpCode {
    /// Every op in table order.
    pub fn all() -> impl Iterator<Item = OpCode> {
        TABLE.iter().map(|row| row.0)
    }

    /// The definition.
    pub fn def(self) -> &'static OpDef {
        TABLE[self as usize].1
    }

    /// Name in the text form.
    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// The op of that name.
    pub fn from_name(name: &str) -> Option<OpCode> {
        TABLE.iter().find(|row| row.1.name == name).map(|row| row.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Arity;
    use std::collections::BTreeSet;

    #[test]
    fn table_is_consistent() {
        let mut names = BTreeSet::new();
        for code in OpCode::all() {
            let def = code.def();
            assert!(names.insert(def.name), "{} is listed twice", def.name);
            assert_eq!(OpCode::from_name(def.name), Some(code));
            assert!(!def.doc.is_empty(), "{} has no documentation", def.name);
            let mut optional_seen = false;
            for (index, operand) in def.operands.iter().enumerate() {
                optional_seen |= operand.arity != Arity::One;
                assert!(!optional_seen || operand.arity != Arity::One, "{}: required after optional", def.name);
                assert!(
                    operand.arity != Arity::Variadic || index + 1 == def.operands.len(),
                    "{}: variadic not last",
                    def.name
                );
            }
            for attr in def.attrs {
                if let Some(default) = attr.default {
                    assert!(default().is_kind(attr.kind), "{}: default of {} is of another kind", def.name, attr.name);
                }
            }
        }
    }
}
