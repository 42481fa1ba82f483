//! What the evaluator gives, and how far another correct computation may be from it.
//!
//! Rounding differs where a program fuses, reorders or widens; through an op like 1/x or a comparison a small difference
//! becomes a large one. So each output gets its own tolerance: the graph is evaluated again, several times, with the
//! operands and results of every inexact op moved by a few units of their precision at random. What does not stay put
//! under that (an integer, a NaN, an element of a sort) is not compared.

use lathe_ir::{Bindings, DType, Module, Op, OpCode, Tensor, ValueId, eval_op};

/// Values of every value of a module, by id.
pub(crate) type Values = Vec<Option<Tensor>>;

/// An output as it should be.
pub(crate) struct Expected {
    pub(crate) value: Tensor,
    /// Largest difference for each element; NaN where anything goes.
    pub(crate) tolerance: Vec<f64>,
}

/// How often a graph is evaluated anew.
const SAMPLES: u64 = 7;
/// How much further than the samples a result may be: they are few.
const SLACK: f64 = 8.0;

/// A unit of precision, relative to 1.
fn unit(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 2.0f64.powi(-52),
        DType::F16 => 2.0f64.powi(-10),
        DType::BF16 => 2.0f64.powi(-7),
        _ => 2.0f64.powi(-23),
    }
}

/// Ops whose results on the same operands are equal however they are computed.
fn is_exact(code: OpCode) -> bool {
    use OpCode as O;
    matches!(
        code,
        O::Const
            | O::Neg
            | O::Abs
            | O::Sign
            | O::Floor
            | O::Ceil
            | O::Round
            | O::Relu
            | O::IsNan
            | O::IsInf
            | O::Not
            | O::BitNot
            | O::Clip
            | O::Min
            | O::Max
            | O::And
            | O::Or
            | O::Xor
            | O::Eq
            | O::Lt
            | O::Le
            | O::Where
            | O::Reshape
            | O::Transpose
            | O::Broadcast
            | O::Slice
            | O::Concat
            | O::Pad
            | O::Gather
            | O::GatherElements
            | O::GatherNd
            | O::DynSlice
            | O::Iota
            | O::Dims
            | O::ReduceMax
            | O::ReduceMin
            | O::ArgMax
            | O::ArgMin
            | O::TopK
            | O::MaxPool
    )
}

/// Ops that end in a function which takes the difference of numbers about 1, whatever the size of its result.
fn ends_in_cancellation(op: &Op) -> bool {
    use OpCode as O;
    let activated = op.attr("act").is_some() && op.word("act") != "none";
    activated || matches!(op.code, O::Gelu | O::GeluTanh | O::Silu | O::Mish | O::Softplus | O::Elu | O::Sigmoid)
}

/// Whether an op does many steps at once, of which one may overflow though its result does not: the evaluator, which
/// computes them in f64, says nothing then.
fn may_overflow_inside(op: &Op, operands: &[Option<Tensor>]) -> bool {
    let is_recurrent = matches!(op.code, OpCode::Gru | OpCode::Lstm | OpCode::Rnn);
    let is_large = |tensor: &Tensor| tensor.dtype().is_float() && !tensor.to_f64().iter().all(|v| v.abs() < 1e3);
    is_recurrent && operands.iter().flatten().any(is_large)
}

/// Ops that give the same for infinities and NaN in every engine.
fn is_plain(code: OpCode) -> bool {
    use OpCode as O;
    matches!(
        code,
        O::Add
            | O::Sub
            | O::Mul
            | O::Div
            | O::Neg
            | O::Abs
            | O::Sqrt
            | O::Recip
            | O::IsNan
            | O::IsInf
            | O::Where
            | O::Reshape
            | O::Transpose
            | O::Broadcast
            | O::Slice
            | O::Concat
            | O::Gather
            | O::GatherElements
            | O::GatherNd
            | O::DynSlice
    )
}

/// Whether ONNX leaves open what an op gives for these operands: infinities and NaN in most ops, integers out of range.
fn is_left_open(op: &Op, operands: &[Option<Tensor>], result: &Tensor) -> bool {
    let is_float = |dtype: DType| dtype.is_float() || dtype.is_storage_float();
    let floats = || operands.iter().flatten().filter(|tensor| is_float(tensor.dtype())).flat_map(Tensor::to_f64);
    let to_integer = !result.dtype().is_float() && result.dtype() != DType::Bool;
    match op.code {
        OpCode::Cast => to_integer && floats().any(|v| v.is_nan() || v <= -1.0 || v >= 128.0),
        // Engines compute powers of integers in floats, and some do not have all shifts.
        OpCode::Pow | OpCode::Shl | OpCode::Shr if to_integer => true,
        OpCode::ReduceProd if to_integer => {
            let factors = operands.iter().flatten().flat_map(Tensor::to_f64);
            // Of all groups together, and a zero in one says nothing of the others.
            factors.map(|factor| factor.abs().max(1.0)).product::<f64>() >= 2.0f64.powi(31)
        }
        OpCode::Lstm | OpCode::Gru | OpCode::Rnn if operands.iter().flatten().any(Tensor::is_empty) => true,
        code => !is_plain(code) && floats().any(|v| !v.is_finite()),
    }
}

/// How a graph is evaluated inexactly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    /// As Lathe may: every value has the meaning that the op's definition gives it.
    Own,
    /// As any engine may: what ONNX leaves open is open.
    Foreign,
}

/// The numbers by which one inexact evaluation differs.
struct Noise {
    state: u64,
    /// Which evaluation.
    round: u64,
    judge: Judge,
}

impl Noise {
    /// -1, 0 or 1; in two evaluations all the same, so that what stands just beside a step is pushed over it for sure.
    fn next(&mut self) -> f64 {
        match self.round {
            1 => return 1.0,
            2 => return -1.0,
            _ => {}
        }
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as f64 % 3.0 - 1.0
    }

    /// Other elements in every evaluation, so that none is compared.
    fn open(&mut self, tensor: &Tensor) -> Tensor {
        if !tensor.dtype().is_float() && self.round > 4 {
            let values: Vec<i64> =
                (0..tensor.len()).map(|_| ((self.next() + 1.0) * 40.0 + self.next() + 1.0) as i64).collect();
            return Tensor::from_i64(tensor.dtype(), tensor.shape(), &values);
        }
        let value = match (tensor.dtype().is_float(), self.round % 4) {
            (true, 0 | 2) => f64::NAN,
            (true, _) => f64::INFINITY,
            // What is made of integers has to differ, too: all bits, none, and both ends.
            (false, 0) => 0.0,
            (false, 1) => return Tensor::from_i64(tensor.dtype(), tensor.shape(), &vec![-1; tensor.len()]),
            (false, 2) => f64::INFINITY,
            (false, _) => f64::NEG_INFINITY,
        };
        Tensor::from_f64(tensor.dtype(), tensor.shape(), &vec![value; tensor.len()])
    }

    /// A tensor moved a little; elements below `least` in size are moved as if they had it.
    fn shake(&mut self, tensor: &Tensor, least: f64) -> Tensor {
        if !tensor.dtype().is_float() {
            return tensor.clone();
        }
        let unit = 2.0 * unit(tensor.dtype());
        let mut values = tensor.to_f64();
        for value in &mut values {
            let noise = self.next();
            if *value == 0.0 {
                // The sign of a zero depends on the order of things, too.
                *value = if noise < 0.0 { -*value } else { *value };
            } else {
                *value += noise * unit * value.abs().max(least);
            }
        }
        Tensor::from_f64(tensor.dtype(), tensor.shape(), &values)
    }
}

/// Evaluates all values; with `noise`, inexactly.
fn evaluate(module: &Module, inputs: &[Tensor], mut noise: Option<Noise>) -> Result<Values, String> {
    let graph = &module.main;
    let mut values: Values = vec![None; graph.value_count()];
    for (port, input) in graph.params.iter().zip(inputs) {
        values[port.value.index()] = Some(input.clone());
    }
    for (_, op) in graph.iter() {
        let mut operands: Vec<Option<Tensor>> =
            op.operands.iter().map(|operand| operand.and_then(|value| values[value.index()].clone())).collect();
        let overflows = may_overflow_inside(op, &operands);
        let shaken = noise.as_mut().filter(|_| !is_exact(op.code));
        if let Some(noise) = shaken {
            operands.iter_mut().flatten().for_each(|operand| *operand = noise.shake(operand, 0.0));
        }
        let results = eval_op(&module.env, &Bindings::new(), op.code, &operands, &op.attrs, &op.regions)
            .map_err(|error| format!("{}: {error}", op.code.name()))?;
        for (&value, tensor) in op.results.iter().zip(results) {
            if let Some(noise) = noise.as_mut().filter(|noise| noise.judge == Judge::Foreign)
                && is_left_open(op, &operands, &tensor)
            {
                values[value.index()] = Some(noise.open(&tensor));
                continue;
            }
            let shaken = noise.as_mut().filter(|_| !is_exact(op.code));
            values[value.index()] = Some(match shaken {
                Some(noise) => {
                    let mut moved = noise.shake(&tensor, if ends_in_cancellation(op) { 1.0 } else { 0.0 });
                    if overflows {
                        moved = noise.open(&moved);
                    }
                    moved
                }
                None => tensor,
            });
        }
    }
    Ok(values)
}

/// The values of a module without symbols.
pub(crate) fn exactly(module: &Module, inputs: &[Tensor]) -> Result<Values, String> {
    evaluate(module, inputs, None)
}

/// What the outputs should be.
pub(crate) fn expected(module: &Module, inputs: &[Tensor], judge: Judge) -> Result<Vec<Expected>, String> {
    let exact = evaluate(module, inputs, None)?;
    let results: Vec<ValueId> = module.main.results.iter().map(|port| port.value).collect();
    let take =
        |values: &Values| -> Vec<Tensor> { results.iter().filter_map(|id| values[id.index()].clone()).collect() };
    let mut outputs: Vec<Expected> = take(&exact)
        .into_iter()
        .map(|value| {
            let unit = unit(value.dtype());
            let tolerance = value.to_f64().iter().map(|v| if v.is_finite() { v.abs() * unit } else { 0.0 }).collect();
            Expected { value, tolerance }
        })
        .collect();
    for round in 1..=SAMPLES {
        let noise = Noise { state: round.wrapping_mul(0x9e37_79b9_7f4a_7c15), round, judge };
        // An op that fails when it is shaken, an index that moved, says nothing about any element.
        let Ok(shaken) = evaluate(module, inputs, Some(noise)) else {
            outputs.iter_mut().for_each(|output| output.tolerance.fill(f64::NAN));
            return Ok(outputs);
        };
        for (output, shaken) in outputs.iter_mut().zip(take(&shaken)) {
            let is_float = shaken.dtype().is_float();
            for (at, tolerance) in output.tolerance.iter_mut().enumerate() {
                let (a, b) = (output.value.f64_at(at), shaken.f64_at(at));
                if a == b || a.is_nan() && b.is_nan() {
                    continue;
                }
                let near = is_float && a.is_finite() && b.is_finite();
                *tolerance = if near { tolerance.max((a - b).abs() * SLACK) } else { f64::NAN };
            }
        }
    }
    Ok(outputs)
}

/// The first element that is further off than it may be, in words; `None` if there is none.
pub(crate) fn difference(expected: &Expected, found: &Tensor) -> Option<String> {
    let want = &expected.value;
    if (want.dtype(), want.shape()) != (found.dtype(), found.shape()) {
        return Some(format!("{} where {} is expected", found.ty(), want.ty()));
    }
    let is_float = want.dtype().is_float();
    (0..want.len()).find_map(|at| {
        let tolerance = expected.tolerance[at];
        let (a, b) = (want.f64_at(at), found.f64_at(at));
        let same = match is_float {
            true => a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance,
            false => want.i64_at(at) == found.i64_at(at),
        };
        (!tolerance.is_nan() && !same)
            .then(|| format!("element {at} of {}: {b:e}, expected {a:e} within {tolerance:e}", want.ty()))
    })
}
