//! Recurrent cells with all their options.

use super::{Case, Rng};
use lathe_ir::activation::CELL_ACTIVATIONS;
use lathe_ir::{Attr, DType, OpCode, Tensor};

/// Operands and attributes of `lstm`, `gru` or `rnn`.
pub(super) fn cell(code: OpCode, rng: &mut Rng) -> Case {
    let dtype = rng.pick(&[DType::F32, DType::F64, DType::F64, DType::F16]);
    let (gates, names): (usize, &[&'static str]) = match code {
        OpCode::Lstm => (4, &["f", "g", "h"]),
        OpCode::Gru => (3, &["f", "g"]),
        _ => (1, &["f"]),
    };
    let direction = rng.pick(&["forward", "reverse", "bidirectional"]);
    let d = if direction == "bidirectional" { 2 } else { 1 };
    let [t, b, h] = [0; 3].map(|_| if rng.below(10) == 0 { 0 } else { rng.within(1, 3) });
    let mut attrs = vec![("direction", Attr::str(direction))];
    for &name in names {
        attrs.push((name, Attr::str(rng.pick(CELL_ACTIVATIONS))));
        let params = match name {
            "f" => ["f_alpha", "f_beta"],
            "g" => ["g_alpha", "g_beta"],
            _ => ["h_alpha", "h_beta"],
        };
        attrs.extend(params.map(|param| (param, Attr::float(0.25))));
    }
    if rng.flag() {
        attrs.push(("clip", Attr::float(0.75)));
    }
    let x = rng.tensor(dtype, &[t, b, d * gates * h]);
    let r = rng.tensor(dtype, &[d, h, gates * h]);
    let mut optional = |shape: &[usize]| rng.flag().then(|| rng.tensor(dtype, shape));
    let mut operands = vec![Some(x), Some(r)];
    match code {
        OpCode::Lstm => {
            operands.extend([optional(&[d, 3 * h]), optional(&[d, b, h]), optional(&[d, b, h])]);
            attrs.push(("input_forget", Attr::Bool(rng.flag())));
        }
        OpCode::Gru => {
            let linear = rng.flag();
            let bias = if linear && rng.flag() { Some(rng.tensor(dtype, &[d, h])) } else { None };
            let h0 = rng.flag().then(|| rng.tensor(dtype, &[d, b, h]));
            operands.extend([bias, h0]);
            attrs.push(("linear_before_reset", Attr::Bool(linear)));
        }
        _ => operands.push(optional(&[d, b, h])),
    }
    let lens: Vec<i64> = (0..b).map(|_| rng.below(t + 1) as i64).collect();
    operands.push(rng.flag().then(|| Tensor::from_i64(DType::I32, &[b], &lens)));
    Case { operands, attrs }
}
