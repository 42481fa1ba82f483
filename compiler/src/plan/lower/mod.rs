//! Lowering of ops to kernels, one file per family. [`lower_op`] is the one dispatch.

mod attention;
mod attention_plain;
mod control;
mod conv;
mod data;
mod elementwise;
mod index;
mod lines;
mod matmul;
mod movement;
mod nms;
mod norm;
mod pool;
mod recurrent;
mod reduce;
mod resize;
mod scan;
mod sort;
mod window;
mod winograd;

use super::flat::Item;
use super::lowering::{Lowered, Lowering, is_view_op};
use super::scalar::scalar_op;
use crate::loopir::{BufferId, Builder, Expr};
use lathe_ir::{Diagnostic, Diagnostics, Op, OpCode, OpId};

/// The op of an item.
fn id_of(item: &Item) -> OpId {
    match item {
        Item::Op(id) => *id,
        Item::If(item) => item.op,
        Item::Loop(item) => item.op,
    }
}

/// Makes sure that memory can be planned for what control flow gives.
fn limit(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    if op.results.is_empty() { Ok(()) } else { l.check_sizes(op) }
}

/// Lowers what runs, in order; notes what is not done.
pub(crate) fn lower_items(l: &mut Lowering<'_>, items: &[Item], problems: &mut Diagnostics) {
    for item in items {
        let op = l.graph.op(id_of(item));
        let done = match item {
            Item::Op(_) => lower_op(l, op),
            Item::If(item) => limit(l, op).and_then(|()| control::lower_if(l, op, item, problems)),
            Item::Loop(item) => limit(l, op).and_then(|()| control::lower_loop(l, op, item, problems)),
        };
        if let Err(message) = done {
            problems.push(Diagnostic::unsupported(message).at(op.loc.first(), op.code.name(), None));
            // Later ops need not be reported for the lack of this one's result.
            for index in 0..op.results.len() {
                l.result(op, index);
            }
        }
        l.position += 1;
    }
}

/// Lowers one op; `Err` says what is not done.
pub(crate) fn lower_op(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    l.check_sizes(op)?;
    match op.code {
        OpCode::Const => {
            let view = super::view::View::contiguous(op.result(), &l.graph.ty(op.result()).shape.clone());
            l.set_view(op.result(), view);
            Ok(())
        }
        OpCode::DataSize => data::lower_data_size(l, op),
        code if is_view_op(code) => movement::lower_view(l, op),
        OpCode::Concat => movement::lower_concat(l, op),
        OpCode::Pad => movement::lower_pad(l, op),
        OpCode::DynSlice => movement::lower_dyn_slice(l, op),
        OpCode::NonZero => data::lower_non_zero(l, op),
        OpCode::Unique => data::lower_unique(l, op),
        OpCode::Nms => nms::lower(l, op),
        OpCode::Dims | OpCode::Iota => movement::lower_generated(l, op),
        OpCode::MatMul => matmul::lower(l, op),
        OpCode::Conv => conv::lower(l, op),
        OpCode::ConvTranspose => window::lower_conv_transpose(l, op),
        OpCode::MaxPool | OpCode::AvgPool => pool::lower(l, op),
        OpCode::Softmax | OpCode::LogSoftmax => norm::lower_softmax(l, op),
        OpCode::LayerNorm | OpCode::RmsNorm => norm::lower_norm(l, op),
        OpCode::Attention => attention::lower(l, op),
        OpCode::ReduceSum | OpCode::ReduceMean | OpCode::ReduceMax | OpCode::ReduceMin | OpCode::ReduceProd => {
            reduce::lower(l, op)
        }
        OpCode::ArgMax | OpCode::ArgMin | OpCode::CumSum | OpCode::TopK => scan::lower(l, op),
        OpCode::Lstm | OpCode::Gru | OpCode::Rnn => recurrent::lower(l, op),
        OpCode::Gather => index::lower_gather(l, op),
        OpCode::GatherElements | OpCode::GatherNd => index::lower_gather_each(l, op),
        OpCode::ScatterElements | OpCode::ScatterNd => index::lower_scatter(l, op),
        OpCode::Resize => resize::lower(l, op),
        OpCode::Trap => control::lower_trap(l, op),
        _ if elementwise::handles(op) => {
            if l.is_inlined(op.result()) {
                Ok(())
            } else {
                elementwise::lower(l, op)
            }
        }
        _ => Err(format!("there is no native code for {} yet", op.code.name())),
    }
}

/// Buffer and start of a row-major optional operand.
fn optional_buffer(l: &mut Lowering<'_>, op: &Op, index: usize) -> Result<Option<(BufferId, Expr)>, String> {
    let Some(value) = op.operand(index) else { return Ok(None) };
    let view = l.contiguous(value)?;
    Ok(Some((l.buffer(view.root), l.dims.expr(&view.offset))))
}

/// The op's `act` attribute applied to a scalar.
fn apply_activation(b: &mut Builder<'_>, op: &Op, x: &Expr) -> Expr {
    activation(b, op, op.word("act"), [op.float("p0"), op.float("p1")], x)
}

/// An activation by its word and parameters, applied to a scalar; `op` is the one it is a part of.
fn activation(b: &mut Builder<'_>, op: &Op, word: &str, params: [f64; 2], x: &Expr) -> Expr {
    let code = match word {
        "relu" => OpCode::Relu,
        "gelu" => OpCode::Gelu,
        "gelu_tanh" => OpCode::GeluTanh,
        "silu" => OpCode::Silu,
        "sigmoid" => OpCode::Sigmoid,
        "tanh" => OpCode::Tanh,
        "hardswish" => OpCode::HardSwish,
        "softplus" => OpCode::Softplus,
        "mish" => OpCode::Mish,
        "erf" => OpCode::Erf,
        "exp" => OpCode::Exp,
        "clip" => OpCode::Clip,
        "hardsigmoid" => OpCode::HardSigmoid,
        "leaky_relu" => OpCode::LeakyRelu,
        "elu" => OpCode::Elu,
        _ => return x.clone(),
    };
    // The standalone op of the same name, with the epilogue's parameters in its attributes' places.
    let attrs = code.def().attrs.iter().zip(params).map(|(_, value)| lathe_ir::Attr::float(value)).collect();
    let alone = Op { code, attrs, ..op.clone() };
    scalar_op(b, &alone, std::slice::from_ref(x), x.ty(), None).unwrap_or_else(|| x.clone())
}
