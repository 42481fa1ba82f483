//! `lstm`, `gru`, `rnn`: recurrent cells over a sequence, after the input projection. ONNX: LSTM, GRU, RNN.
//!
//! `x` is [T, B, D * G * H]: for every step, row and direction what the input adds to the G gates, biases included; a
//! `matmul` makes it. `r` is [D, H, G * H], the recurrence. Results are the state after every step, y [T, D, B, H], and
//! after the last one, h [D, B, H] (and c). D is 2 for `bidirectional`. With `lens` ([B], integers within 0..=T) row b has
//! that many steps; `reverse` goes over those from the last on, y is 0 beyond them, and a row of none ends in 0 whatever
//! `h0` is, as in onnxruntime.

use super::check;
use super::number::sum;
use crate::activation::{CELL_ACTIVATIONS, CellActivation};
use crate::attr::{Attr, AttrKind};
use crate::dtype::DType;
use crate::op::{AttrDef, EvalCx, InferCx, OpDef, OpError, PLAIN, Types, attr_or, operand, optional};
use crate::tensor::Tensor;
use crate::types::TensorType;

const DIRECTION: AttrDef =
    attr_or("direction", AttrKind::Str(&["forward", "reverse", "bidirectional"]), || Attr::str("forward"));
const F: AttrDef = attr_or("f", AttrKind::Str(CELL_ACTIVATIONS), || Attr::str("sigmoid"));
const F_ALPHA: AttrDef = attr_or("f_alpha", AttrKind::Float, || Attr::float(0.0));
const F_BETA: AttrDef = attr_or("f_beta", AttrKind::Float, || Attr::float(0.0));
const G: AttrDef = attr_or("g", AttrKind::Str(CELL_ACTIVATIONS), || Attr::str("tanh"));
const G_ALPHA: AttrDef = attr_or("g_alpha", AttrKind::Float, || Attr::float(0.0));
const G_BETA: AttrDef = attr_or("g_beta", AttrKind::Float, || Attr::float(0.0));
const CLIP: AttrDef = attr_or("clip", AttrKind::Float, || Attr::float(f64::INFINITY));

pub(super) const LSTM: OpDef = OpDef {
    name: "lstm",
    operands: &[operand("x"), operand("r"), optional("peephole"), optional("h0"), optional("c0"), optional("lens")],
    attrs: &[
        DIRECTION,
        F,
        F_ALPHA,
        F_BETA,
        G,
        G_ALPHA,
        G_BETA,
        attr_or("h", AttrKind::Str(CELL_ACTIVATIONS), || Attr::str("tanh")),
        attr_or("h_alpha", AttrKind::Float, || Attr::float(0.0)),
        attr_or("h_beta", AttrKind::Float, || Attr::float(0.0)),
        CLIP,
        attr_or("input_forget", AttrKind::Bool, || Attr::Bool(false)),
    ],
    traits: PLAIN,
    infer: |cx| {
        let state = infer_cell(cx, 4, Some(3), 5)?;
        let [directions, _, hidden] = &state[1].shape[..] else { return Ok(state) };
        let peephole = TensorType::new(state[1].dtype, [directions.clone(), hidden * &3.into()]);
        check::type_is(cx, 2, &peephole)?;
        check::type_is(cx, 4, &state[1])?;
        Ok(Types::from_iter([state[0].clone(), state[1].clone(), state[1].clone()]))
    },
    eval: |cx| {
        let [f, g, h] = [activation(cx, "f"), activation(cx, "g"), activation(cx, "h")];
        let (clip, coupled) = (cx.float("clip"), cx.flag("input_forget"));
        let peephole = cx.optional(2).map(Tensor::to_f64);
        run(cx, 4, 5, Some(3), Some(4), &|step, state, cell| {
            let size = state.len();
            let through = |unit: usize, gate: usize, cell: f64| match &peephole {
                Some(weights) => weights[step.direction * 3 * size + gate * size + unit] * cell,
                None => 0.0,
            };
            let before: Vec<f64> = (0..4 * size).map(|at| step.x[at] + step.product(state, at)).collect();
            for unit in 0..size {
                let gate = |gate: usize| before[gate * size + unit];
                let input = f.apply(held(gate(0) + through(unit, 0, cell[unit]), clip));
                let forget = match coupled {
                    true => 1.0 - input,
                    false => f.apply(held(gate(2) + through(unit, 2, cell[unit]), clip)),
                };
                cell[unit] = forget * cell[unit] + input * g.apply(held(gate(3), clip));
                let output = f.apply(held(gate(1) + through(unit, 1, cell[unit]), clip));
                state[unit] = output * h.apply(cell[unit]);
            }
        })
    },
    doc: "Long short-term memory over a sequence whose input projection is x [T, B, D * 4 * H], gates in the order input, \
          output, forget, cell: i = f(x + h r + p c), c = forget c + i g(..), h = o h(c). peephole is [D, 3 * H] (input, \
          output, forget). clip bounds what goes into f and g. Results y [T, D, B, H], h and c [D, B, H]. ONNX: LSTM.",
};

pub(super) const GRU: OpDef = OpDef {
    name: "gru",
    operands: &[operand("x"), operand("r"), optional("r_bias"), optional("h0"), optional("lens")],
    attrs: &[
        DIRECTION,
        F,
        F_ALPHA,
        F_BETA,
        G,
        G_ALPHA,
        G_BETA,
        CLIP,
        attr_or("linear_before_reset", AttrKind::Bool, || Attr::Bool(false)),
    ],
    traits: PLAIN,
    infer: |cx| {
        let state = infer_cell(cx, 3, Some(3), 4)?;
        if cx.optional(2).is_some() && !cx.flag("linear_before_reset") {
            return Err(OpError::invalid("r_bias needs linear_before_reset; without it the bias belongs to x"));
        }
        let [directions, _, hidden] = &state[1].shape[..] else { return Ok(state) };
        let bias = TensorType::new(state[1].dtype, [directions.clone(), hidden.clone()]);
        check::type_is(cx, 2, &bias)?;
        Ok(state)
    },
    eval: |cx| {
        let [f, g] = [activation(cx, "f"), activation(cx, "g")];
        let (clip, linear) = (cx.float("clip"), cx.flag("linear_before_reset"));
        let bias = cx.optional(2).map(Tensor::to_f64);
        run(cx, 3, 4, Some(3), None, &|step, state, _| {
            let size = state.len();
            let gate = |at: usize| f.apply(held(step.x[at] + step.product(state, at), clip));
            let update: Vec<f64> = (0..size).map(gate).collect();
            let reset: Vec<f64> = (size..2 * size).map(gate).collect();
            let left: Vec<f64> = state.iter().zip(&reset).map(|(h, r)| h * r).collect();
            let next: Vec<f64> = (0..size)
                .map(|unit| {
                    let at = 2 * size + unit;
                    let product = match linear {
                        true => {
                            let bias = bias.as_ref().map_or(0.0, |bias| bias[step.direction * size + unit]);
                            reset[unit] * (step.product(state, at) + bias)
                        }
                        false => step.product(&left, at),
                    };
                    let new = g.apply(held(step.x[at] + product, clip));
                    (1.0 - update[unit]) * new + update[unit] * state[unit]
                })
                .collect();
            state.copy_from_slice(&next);
        })
    },
    doc: "Gated recurrent unit over a sequence whose input projection is x [T, B, D * 3 * H], gates in the order update, \
          reset, new: h = (1 - z) g(x + (reset h) r) + z h; linear_before_reset: g(x + reset (h r + r_bias)), r_bias \
          [D, H]. clip bounds what goes into f and g. Results y [T, D, B, H] and h [D, B, H]. ONNX: GRU.",
};

pub(super) const RNN: OpDef = OpDef {
    name: "rnn",
    operands: &[operand("x"), operand("r"), optional("h0"), optional("lens")],
    attrs: &[DIRECTION, attr_or("f", AttrKind::Str(CELL_ACTIVATIONS), || Attr::str("tanh")), F_ALPHA, F_BETA, CLIP],
    traits: PLAIN,
    infer: |cx| infer_cell(cx, 1, Some(2), 3),
    eval: |cx| {
        let (f, clip) = (activation(cx, "f"), cx.float("clip"));
        run(cx, 1, 3, Some(2), None, &|step, state, _| {
            let next: Vec<f64> =
                (0..state.len()).map(|at| f.apply(held(step.x[at] + step.product(state, at), clip))).collect();
            state.copy_from_slice(&next);
        })
    },
    doc: "Plain recurrence over a sequence whose input projection is x [T, B, D * H]: h = f(x + h r). clip bounds what \
          goes into f. Results y [T, D, B, H] and h [D, B, H]. ONNX: RNN.",
};

/// Checks x, r, the initial state and the lengths of a cell with that many gates; types of y and h.
fn infer_cell(cx: &mut InferCx<'_>, gates: i64, h0: Option<usize>, lens: usize) -> Result<Types, OpError> {
    let (x, r) = (cx.operand(0), cx.operand(1));
    if !matches!(x.dtype, DType::F32 | DType::F64) {
        return Err(OpError::invalid(format!("x is {x}, f32 or f64 is needed")));
    }
    cx.same_dtype(0, 1)?;
    let ([steps, rows, width], [r_directions, hidden, r_width]) = (&x.shape[..], &r.shape[..]) else {
        return Err(OpError::invalid(format!("x is {x} and r is {r}, both need three axes")));
    };
    let directions = if cx.word("direction") == "bidirectional" { 2 } else { 1 };
    let clip = cx.float("clip");
    if clip.is_nan() || clip <= 0.0 {
        return Err(OpError::invalid(format!("clip is {clip}, a number above 0 is needed")));
    }
    cx.same_dim(r_directions, &directions.into(), "the directions of r and of the op")?;
    cx.same_dim(r_width, &(hidden * &gates.into()), "columns of r and gates times its rows")?;
    cx.same_dim(width, &(hidden * &(gates * directions).into()), "columns of x and gates times hidden units")?;
    let directions = crate::dim::Dim::from(directions);
    let state = x.with_shape([directions.clone(), rows.clone(), hidden.clone()]);
    if let Some(h0) = h0 {
        check::type_is(cx, h0, &state)?;
    }
    if let Some(ty) = cx.optional(lens) {
        if !ty.dtype.is_int() {
            return Err(OpError::invalid(format!("lens is {ty}, integers are needed")));
        }
        check::type_is(cx, lens, &TensorType::new(ty.dtype, [rows.clone()]))?;
    }
    let y = x.with_shape([steps.clone(), directions, rows.clone(), hidden.clone()]);
    Ok(Types::from_iter([y, state]))
}

fn activation<'a>(cx: &EvalCx<'a>, gate: &str) -> CellActivation<'a> {
    let param = |name: &str| cx.float(&format!("{gate}_{name}"));
    CellActivation::of(cx.word(gate), param("alpha"), param("beta"))
}

fn held(x: f64, clip: f64) -> f64 {
    if x.is_nan() { x } else { x.clamp(-clip, clip) }
}

/// One step of one row.
struct Step<'a> {
    direction: usize,
    /// What the input adds to the gates.
    x: &'a [f64],
    /// The recurrence of this direction, [H, G * H].
    r: &'a [f64],
}

impl Step<'_> {
    /// Element `at` of state * r.
    fn product(&self, state: &[f64], at: usize) -> f64 {
        let columns = self.r.len() / state.len().max(1);
        sum(state.iter().enumerate().map(|(unit, value)| value * self.r[unit * columns + at]))
    }
}

/// Changes the state (and the cell's memory) by one step.
type Advance<'a> = dyn Fn(&Step<'_>, &mut [f64], &mut [f64]) + 'a;

/// Runs a cell over all directions, rows and steps.
fn run(
    cx: &EvalCx<'_>,
    gates: usize,
    lens: usize,
    h0: Option<usize>,
    c0: Option<usize>,
    advance: &Advance<'_>,
) -> Result<Vec<Tensor>, OpError> {
    let (x, r, y_shape, shape) = (cx.operand(0), cx.operand(1), cx.result_shape(0)?, cx.result_shape(1)?);
    let [directions, rows, hidden] = [shape[0], shape[1], shape[2]];
    let steps = y_shape[0];
    let given = cx.optional(lens);
    let lens = match given {
        Some(lens) => lens.to_i64(),
        None => vec![steps as i64; if shape.contains(&0) { 0 } else { rows }],
    };
    if let Some(len) = lens.iter().find(|&&len| usize::try_from(len).is_err() || len as usize > steps) {
        return Err(OpError::invalid(format!("a length of {len} for {steps} steps")));
    }
    let count = directions * rows * hidden;
    let initial = |index: Option<usize>| match index.and_then(|index| cx.optional(index)) {
        Some(tensor) => tensor.to_f64(),
        None => vec![0.0; count],
    };
    let (mut h, mut c) = (initial(h0), initial(c0));
    let mut y = vec![0.0; if y_shape.contains(&0) { 0 } else { steps * count }];
    if count > 0 {
        let (xv, rv) = (x.to_f64(), r.to_f64());
        let width = gates * hidden;
        for direction in 0..directions {
            let backwards = direction == 1 || cx.word("direction") == "reverse";
            for (row, &len) in lens.iter().enumerate() {
                let at = (direction * rows + row) * hidden;
                let (state, cell) = (&mut h[at..at + hidden], &mut c[at..at + hidden]);
                let len = len as usize;
                if len == 0 && given.is_some() {
                    state.fill(0.0);
                    cell.fill(0.0);
                }
                for step in 0..len {
                    let time = if backwards { len - 1 - step } else { step };
                    let from = ((time * rows + row) * directions + direction) * width;
                    let step = Step {
                        direction,
                        x: &xv[from..from + width],
                        r: &rv[direction * hidden * width..][..hidden * width],
                    };
                    advance(&step, state, cell);
                    let to = ((time * directions + direction) * rows + row) * hidden;
                    y[to..to + hidden].copy_from_slice(state);
                }
            }
        }
    }
    let tensor = |shape: &[usize], values: &[f64]| Tensor::from_f64(x.dtype(), shape, values);
    let mut results = vec![tensor(&y_shape, &y), tensor(&shape, &h)];
    if cx.result_types.len() > 2 {
        results.push(tensor(&shape, &c));
    }
    Ok(results)
}
