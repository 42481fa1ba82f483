//! LSTM, GRU, RNN: the input projection of all steps, gates and directions is one product; the cell does the rest.

use lathe_ir::{Attr, DType, Dim, OpCode};

use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::constant::filled;
use super::quantize::centred;
use super::slice::{join, take_axis};

/// Attributes that each of the operators has, and those of one of them.
macro_rules! attrs {
    ($($own:literal),*) => {
        &[
            "activation_alpha",
            "activation_beta",
            "activations",
            "clip",
            "direction",
            "hidden_size",
            "layout",
            "output_sequence",
            $($own),*
        ]
    };
}

/// Attributes of LSTM.
pub(super) const LSTM_ATTRS: &[&str] = attrs!["input_forget"];
/// Attributes of GRU.
pub(super) const GRU_ATTRS: &[&str] = attrs!["linear_before_reset"];
/// Attributes of RNN.
pub(super) const RNN_ATTRS: &[&str] = attrs![];

/// What the three operators differ in.
struct Kind {
    code: OpCode,
    gates: i64,
    /// Names of the activations, with their defaults.
    activations: &'static [(&'static str, &'static str)],
    results: usize,
}

const LSTM: Kind =
    Kind { code: OpCode::Lstm, gates: 4, activations: &[("f", "sigmoid"), ("g", "tanh"), ("h", "tanh")], results: 3 };
const GRU: Kind = Kind { code: OpCode::Gru, gates: 3, activations: &[("f", "sigmoid"), ("g", "tanh")], results: 2 };
const RNN: Kind = Kind { code: OpCode::Rnn, gates: 1, activations: &[("f", "tanh")], results: 2 };

/// ONNX's activations: name, word in the IR, default alpha and beta where they take one. ScaledTanh has no defaults.
const ACTIVATIONS: &[(&str, &str, Option<f64>, Option<f64>)] = &[
    ("Relu", "relu", None, None),
    ("Tanh", "tanh", None, None),
    ("Sigmoid", "sigmoid", None, None),
    ("Softsign", "softsign", None, None),
    ("Softplus", "softplus", None, None),
    ("LeakyRelu", "leaky_relu", Some(0.01), None),
    ("ThresholdedRelu", "thresholded_relu", Some(1.0), None),
    ("Elu", "elu", Some(1.0), None),
    ("HardSigmoid", "hardsigmoid", Some(0.2), Some(0.5)),
    ("Affine", "affine", Some(1.0), Some(0.0)),
    ("ScaledTanh", "scaled_tanh", Some(f64::NAN), Some(f64::NAN)),
];

/// Attributes that say what an activation is.
type Gates = Vec<(&'static str, Attr)>;

/// The operands of the IR op, all with the directions on an axis of their own.
struct Operands {
    x: Val,
    r: Val,
    /// Peepholes of an LSTM, the bias inside the reset of a GRU.
    extra: Option<Val>,
    h0: Option<Val>,
    c0: Option<Val>,
    lens: Option<Val>,
}

/// LSTM, GRU, RNN.
pub(super) fn recurrent(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let kind = match cx.op {
        "LSTM" | "DynamicQuantizeLSTM" => LSTM,
        "GRU" => GRU,
        _ => RNN,
    };
    let own = cx.dtype(cx.input(0)?)?;
    let batch_first = match cx.int_or("layout", 0)? {
        0 => false,
        1 => true,
        other => return invalid(format!("layout = {other}")),
    };
    let direction = cx.word_or("direction", "forward")?.to_ascii_lowercase();
    let directions = match direction.as_str() {
        "forward" | "reverse" => 1,
        "bidirectional" => 2,
        _ => return invalid(format!("direction = {direction:?}")),
    };
    let hidden = hidden_size(cx, kind.gates)?;
    let gates = activations(cx, kind.activations, directions)?;
    let operands = operands(cx, &kind, directions, &hidden, batch_first)?;
    let mut attrs: Gates = Vec::new();
    if let Some(clip) = cx.attrs.float("clip")? {
        if clip.is_nan() || clip <= 0.0 {
            return invalid(format!("clip = {clip}"));
        }
        attrs.push(("clip", Attr::float(clip)));
    }
    for name in ["input_forget", "linear_before_reset"] {
        if cx.flag_or(name, false)? {
            attrs.push((name, Attr::Bool(true)));
        }
    }
    let alike = gates.iter().all(|of| *of == gates[0]);
    let results = if alike {
        emit(cx, &kind, &operands, &direction, &attrs, &gates[0])?
    } else {
        // Each direction has activations of its own: two cells.
        let mut both = Vec::new();
        for (index, word) in ["forward", "reverse"].into_iter().enumerate() {
            let part = operands.direction(cx, index as i64, &(&hidden * &Dim::from(kind.gates)))?;
            both.push(emit(cx, &kind, &part, word, &attrs, &gates[index])?);
        }
        (0..kind.results)
            .map(|at| join(cx, &[both[0][at], both[1][at]], usize::from(at == 0)))
            .collect::<R<Vec<_>>>()?
    };
    let mut out = Vec::new();
    for (index, result) in results.into_iter().enumerate() {
        let result = match (batch_first, index) {
            (false, _) => result,
            (true, 0) => cx.transpose(result, &[2, 0, 1, 3])?,
            (true, _) => cx.transpose(result, &[1, 0, 2])?,
        };
        out.push(cx.cast(result, own)?);
    }
    Ok(out)
}

/// com.microsoft DynamicQuantizeLSTM: an LSTM whose weights are integers, [D, I, 4 * H] and [D, H, 4 * H]. onnxruntime
/// quantises the input and the state too, which saves time and costs accuracy; here they stay floats.
pub(super) fn quantized_lstm(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    for (index, first) in [(1, 8), (2, 10)] {
        let (weights, scale, zero) = (cx.input(index)?, cx.input(first)?, cx.opt(first + 1));
        if cx.rank(weights)? != 3 {
            return invalid(format!("input {index} has {} axes, not 3", cx.rank(weights)?));
        }
        // One for each direction, or one for each direction and column.
        let spread = |cx: &mut NodeCx<'_, '_>, val: Val| match cx.shape(val)?.as_slice() {
            [directions] => {
                let shape = [directions.clone(), Dim::ONE, Dim::ONE];
                cx.reshape(val, shape)
            }
            [directions, columns] => {
                let shape = [directions.clone(), Dim::ONE, columns.clone()];
                cx.reshape(val, shape)
            }
            shape => invalid(format!("a scale or zero point of {} axes", shape.len())),
        };
        let scale = spread(cx, scale)?;
        let zero = zero.map(|zero| spread(cx, zero)).transpose()?;
        let centred = centred(cx, weights, zero)?;
        let floats = cx.op(OpCode::Mul, &[centred, scale], &[])?;
        cx.inputs[index] = Some(cx.transpose(floats, &[0, 2, 1])?);
    }
    cx.inputs.truncate(8);
    recurrent(cx)
}

/// The number of hidden units, from the attribute or from R.
fn hidden_size(cx: &NodeCx<'_, '_>, gates: i64) -> R<Dim> {
    let r = cx.shape(cx.input(2)?)?;
    let [_, rows, columns] = r.as_slice() else { return invalid(format!("R has {} axes, not 3", r.len())) };
    let hidden = match cx.attrs.int("hidden_size")? {
        Some(size) if (0..=1 << 30).contains(&size) => size,
        Some(size) => return invalid(format!("hidden_size = {size}")),
        None => match columns.as_const() {
            Some(size) if (0..=1 << 30).contains(&size) => size,
            _ => return unsupported("hidden_size is not given and R's size is not constant"),
        },
    };
    let hidden = Dim::from(hidden);
    for (have, want, what) in
        [(columns, hidden.clone(), "columns of R"), (rows, &hidden * &Dim::from(gates), "rows of R")]
    {
        if have.known_ne(&want) {
            return invalid(format!("{what}: {have}, it must be {want}"));
        }
    }
    Ok(hidden)
}

/// For each direction what its activations are.
fn activations(cx: &NodeCx<'_, '_>, names: &[(&'static str, &'static str)], directions: usize) -> R<Vec<Gates>> {
    let words = cx.attrs.words("activations")?.unwrap_or_default();
    let wanted = names.len() * directions;
    if !words.is_empty() && words.len() != wanted {
        return invalid(format!("{} activations, {wanted} are needed", words.len()));
    }
    let mut alphas = cx.attrs.floats("activation_alpha")?.unwrap_or_default().iter();
    let mut betas = cx.attrs.floats("activation_beta")?.unwrap_or_default().iter();
    let mut all = Vec::new();
    for direction in 0..directions {
        let mut gates = Gates::new();
        for (at, &(gate, default)) in names.iter().enumerate() {
            let row = match words.get(direction * names.len() + at) {
                Some(word) => ACTIVATIONS.iter().find(|row| row.0.eq_ignore_ascii_case(word)),
                None => ACTIVATIONS.iter().find(|row| row.1 == default),
            };
            let Some(&(name, word, alpha, beta)) = row else {
                return invalid(format!("activations has {:?}", words[direction * names.len() + at]));
            };
            gates.push((gate, Attr::str(word)));
            // Only activations that have a parameter take one from the list.
            let [alpha_name, beta_name] = match gate {
                "f" => ["f_alpha", "f_beta"],
                "g" => ["g_alpha", "g_beta"],
                _ => ["h_alpha", "h_beta"],
            };
            for (attr, default, given) in [(alpha_name, alpha, &mut alphas), (beta_name, beta, &mut betas)] {
                let Some(default) = default else { continue };
                let value = given.next().map_or(default, |value| f64::from(*value));
                if value.is_nan() {
                    return invalid(format!("{name} needs activation_alpha and activation_beta"));
                }
                gates.push((attr, Attr::float(value)));
            }
        }
        all.push(gates);
    }
    Ok(all)
}

/// Projects the input and brings everything into the form of the IR ops: f32 or f64, time first.
fn operands(cx: &mut NodeCx<'_, '_>, kind: &Kind, directions: usize, hidden: &Dim, batch_first: bool) -> R<Operands> {
    let own = cx.dtype(cx.input(0)?)?;
    let work = match own {
        DType::F32 | DType::F64 => own,
        DType::F16 | DType::BF16 => DType::F32,
        other => return invalid(format!("X is {other}, a float is needed")),
    };
    let float = |cx: &mut NodeCx<'_, '_>, index: usize| match cx.opt(index) {
        Some(val) if cx.dtype(val)? != own => invalid(format!("input {index} has another element type than X")),
        Some(val) => Ok(Some(cx.cast(val, work)?)),
        None => Ok(None),
    };
    let (Some(x), Some(w), Some(r)) = (float(cx, 0)?, float(cx, 1)?, float(cx, 2)?) else {
        return invalid("X, W or R is missing");
    };
    let [d, width] = [Dim::from(directions as i64), hidden * &Dim::from(kind.gates)];
    let x_shape = cx.shape(x)?;
    if x_shape.len() != 3 {
        return invalid(format!("X has {} axes, not 3", x_shape.len()));
    }
    expect(cx, w, &[d.clone(), width.clone(), x_shape[2].clone()], "W")?;
    expect(cx, r, &[d.clone(), width.clone(), hidden.clone()], "R")?;

    let (mut bias, mut inner) = (None, None);
    if let Some(b) = float(cx, 3)? {
        expect(cx, b, &[d.clone(), &width * &Dim::from(2)], "B")?;
        let of_x = take_axis(cx, b, 1, &Dim::ZERO, &width)?;
        let mut of_r = take_axis(cx, b, 1, &width, &width)?;
        if kind.code == OpCode::Gru && cx.flag_or("linear_before_reset", false)? {
            // The reset gate scales the new gate's bias, which therefore stays out of the projection.
            let before = hidden * &Dim::from(2);
            inner = Some(take_axis(cx, of_r, 1, &before, hidden)?);
            let rest = take_axis(cx, of_r, 1, &Dim::ZERO, &before)?;
            let zeros = filled(cx, lathe_ir::Tensor::scalar(work, 0.0), &[d.clone(), hidden.clone()])?;
            of_r = join(cx, &[rest, zeros], 1)?;
        }
        let sum = cx.op(OpCode::Add, &[of_x, of_r], &[])?;
        bias = Some(cx.reshape(sum, [&d * &width])?);
    }
    let w = cx.reshape(w, [&d * &width, x_shape[2].clone()])?;
    let w = cx.transpose(w, &[1, 0])?;
    let mut projected = cx.op_opt(OpCode::MatMul, &[Some(x), Some(w), bias], &[])?;
    if batch_first {
        projected = cx.transpose(projected, &[1, 0, 2])?;
    }
    let r = cx.transpose(r, &[0, 2, 1])?;
    let state = |cx: &mut NodeCx<'_, '_>, index: usize| match float(cx, index)? {
        Some(val) if cx.rank(val)? != 3 => invalid(format!("input {index} has {} axes, not 3", cx.rank(val)?)),
        Some(val) if batch_first => Ok(Some(cx.transpose(val, &[1, 0, 2])?)),
        other => Ok(other),
    };
    let h0 = state(cx, 5)?;
    let c0 = if kind.code == OpCode::Lstm { state(cx, 6)? } else { None };
    let extra = if kind.code == OpCode::Lstm { float(cx, 7)? } else { inner };
    let rows = &x_shape[usize::from(!batch_first)];
    let lens = match cx.opt(4) {
        Some(lens) => {
            expect(cx, lens, std::slice::from_ref(rows), "sequence_lens")?;
            Some(lens).filter(|_| !all_steps(cx, lens, &x_shape[usize::from(batch_first)]).unwrap_or(false))
        }
        None => None,
    };
    Ok(Operands { x: projected, r, extra, h0, c0, lens })
}

/// Whether the lengths are known to be the whole sequence.
fn all_steps(cx: &mut NodeCx<'_, '_>, lens: Val, steps: &Dim) -> R<bool> {
    let elems = cx.all_elems(lens)?;
    Ok(elems.is_some_and(|elems| elems.iter().all(|elem| elem.to_dim().as_ref() == Some(steps))))
}

fn expect(cx: &mut NodeCx<'_, '_>, val: Val, want: &[Dim], what: &str) -> R<()> {
    let have = cx.shape(val)?;
    if have.len() != want.len() {
        return invalid(format!("{what} has {} axes, not {}", have.len(), want.len()));
    }
    for (have, want) in have.iter().zip(want) {
        cx.require_equal(have, want, &format!("a dimension of {what} and what it must be"))?;
    }
    Ok(())
}

impl Operands {
    /// The part of one direction of two; `width` is the length of its gates.
    fn direction(&self, cx: &mut NodeCx<'_, '_>, index: i64, width: &Dim) -> R<Operands> {
        let at = Dim::from(index);
        let part = |cx: &mut NodeCx<'_, '_>, val: Option<Val>| {
            val.map(|val| take_axis(cx, val, 0, &at, &Dim::ONE)).transpose()
        };
        Ok(Operands {
            x: take_axis(cx, self.x, 2, &(width * &at), width)?,
            r: take_axis(cx, self.r, 0, &at, &Dim::ONE)?,
            extra: part(cx, self.extra)?,
            h0: part(cx, self.h0)?,
            c0: part(cx, self.c0)?,
            lens: self.lens,
        })
    }
}

fn emit(
    cx: &mut NodeCx<'_, '_>,
    kind: &Kind,
    operands: &Operands,
    direction: &str,
    attrs: &Gates,
    gates: &Gates,
) -> R<Vec<Val>> {
    let Operands { x, r, extra, h0, c0, lens } = *operands;
    let list = match kind.code {
        OpCode::Lstm => vec![Some(x), Some(r), extra, h0, c0, lens],
        OpCode::Gru => vec![Some(x), Some(r), extra, h0, lens],
        _ => vec![Some(x), Some(r), h0, lens],
    };
    let mut all = vec![("direction", Attr::str(direction))];
    all.extend(attrs.iter().chain(gates).cloned());
    cx.op_all(kind.code, &list, &all)
}
