//! lstm, gru, rnn. ONNX's operators do the input projection themselves, so the projected input goes through one that
//! hands each direction its part.

use lathe_ir::{DType, Dim, OpCode, Tensor};

use super::Cx;
use crate::onnx::export::emit::{In, R, Val, float, floats, int, word, words};

/// Words of the IR and ONNX's names, and whether there is an alpha and a beta.
const ACTIVATIONS: &[(&str, &str, bool, bool)] = &[
    ("relu", "Relu", false, false),
    ("tanh", "Tanh", false, false),
    ("sigmoid", "Sigmoid", false, false),
    ("softsign", "Softsign", false, false),
    ("softplus", "Softplus", false, false),
    ("leaky_relu", "LeakyRelu", true, false),
    ("thresholded_relu", "ThresholdedRelu", true, false),
    ("elu", "Elu", true, false),
    ("hardsigmoid", "HardSigmoid", true, true),
    ("affine", "Affine", true, true),
    ("scaled_tanh", "ScaledTanh", true, true),
];

/// lstm, gru, rnn
pub(super) fn recurrent(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let (operator, gates, results): (_, &[&str], _) = match cx.op.code {
        OpCode::Lstm => ("LSTM", &["f", "g", "h"], 3),
        OpCode::Gru => ("GRU", &["f", "g"], 2),
        _ => ("RNN", &["f"], 2),
    };
    let dtype = cx.ty(0)?.dtype;
    let direction = cx.op.word("direction");
    let directions = if direction == "bidirectional" { 2 } else { 1 };
    let [_, hidden, width] = cx.shape(1)? else { return Err(format!("{operator} with other axes")) };
    let (Some(hidden), Some(width)) = (hidden.as_size(), width.as_size()) else {
        return Err(format!("{operator} takes a constant number of hidden units, not {hidden}"));
    };
    let pick = selection(cx, directions, width)?;
    let (x, r) = (cx.operand(0)?, cx.operand(1)?);
    let r = cx.emitter.transpose(&r, &[0, 2, 1]);
    let bias = match (cx.op.code, cx.opt(2)?) {
        (OpCode::Gru, Some(bias)) => {
            let shape = [directions, 5 * hidden].map(|size| Dim::from(size as i64));
            let zeros = cx.emitter.filled(&Tensor::scalar(dtype, 0.0), &shape)?;
            Some(cx.emitter.kernel("Concat", &[In::T(&zeros), In::T(&bias)], vec![int("axis", 1)])?)
        }
        _ => None,
    };
    let (state, lens) = match cx.op.code {
        OpCode::Lstm => ([cx.opt(3)?, cx.opt(4)?, cx.opt(2)?], cx.opt(5)?),
        OpCode::Gru => ([cx.opt(3)?, None, None], cx.opt(4)?),
        _ => ([cx.opt(2)?, None, None], cx.opt(3)?),
    };
    let lens = lens.map(|lens| cx.emitter.cast(&lens, DType::I32));
    let [h0, c0, peephole] = &state;
    let inputs = [
        In::T(&x),
        In::T(&pick),
        In::T(&r),
        In::opt(bias.as_ref()),
        lens.as_ref().map_or(In::Absent, In::Raw),
        In::opt(h0.as_ref()),
        In::opt(c0.as_ref()),
        In::opt(peephole.as_ref()),
    ];
    let mut attributes = vec![int("hidden_size", hidden as i64), word("direction", direction)];
    attributes.extend(activations(cx, gates, directions)?);
    if cx.op.float("clip").is_finite() {
        attributes.push(float("clip", cx.op.float("clip")));
    }
    for flag in ["input_forget", "linear_before_reset"] {
        if cx.op.flag(flag) {
            attributes.push(int(flag, 1));
        }
    }
    cx.emitter.kernels(operator, &inputs, attributes, &vec![None; results])
}

/// Weights [D, width, D * width] that give each direction its own part of the input.
fn selection(cx: &mut Cx<'_, '_>, directions: usize, width: usize) -> R<Val> {
    let dtype = cx.ty(0)?.dtype;
    let columns = directions * width;
    if columns * columns > 1 << 26 {
        return Err(format!("a cell with gates of {columns} numbers is too large to be written"));
    }
    let mut values = vec![0.0; columns * columns];
    for at in 0..columns {
        values[at * columns + at] = 1.0;
    }
    Ok(cx.emitter.constant(&Tensor::from_f64(dtype, &[directions, width, columns], &values)))
}

fn activations(cx: &Cx<'_, '_>, gates: &[&str], directions: usize) -> R<Vec<crate::onnx::proto::AttributeProto>> {
    let (mut names, mut alphas, mut betas) = (Vec::new(), Vec::new(), Vec::new());
    for gate in gates.iter().cycle().take(gates.len() * directions) {
        let have = cx.op.word(gate);
        let row = ACTIVATIONS.iter().find(|row| row.0 == have);
        let &(_, name, has_alpha, has_beta) = row.ok_or_else(|| format!("ONNX has no activation {have}"))?;
        names.push(name);
        alphas.extend(has_alpha.then(|| cx.op.float(&format!("{gate}_alpha"))));
        betas.extend(has_beta.then(|| cx.op.float(&format!("{gate}_beta"))));
    }
    let mut attributes = vec![words("activations", &names)];
    if !alphas.is_empty() {
        attributes.push(floats("activation_alpha", &alphas));
    }
    if !betas.is_empty() {
        attributes.push(floats("activation_beta", &betas));
    }
    Ok(attributes)
}
