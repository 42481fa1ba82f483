//! What an op costs: a roofline of arithmetic and memory traffic plus the start of a kernel, at the symbols' typical
//! values, on the machine model. Prices rank alternatives; they are no forecast.

use crate::machine::Machine;
use lathe_ir::view::View;
use lathe_ir::{Attr, Dim, OpCode, Symbols, TensorType, ValueId};

/// Price of a thing that takes no time but should not be there, in nanoseconds: fewer ops win where all else is equal.
const EPSILON: f64 = 1.0;
/// A byte of a constant made at compile time, and an operation on the way to it, cost as much as this part of one at run
/// time.
const RECIPE: f64 = 0.02;

fn elements(symbols: &Symbols, ty: &TensorType) -> f64 {
    ty.shape.iter().map(|dim| size(symbols, dim)).product()
}

fn size(symbols: &Symbols, dim: &Dim) -> f64 {
    dim.as_const().unwrap_or_else(|| dim.typical(symbols)).max(0) as f64
}

/// Bytes of a tensor at typical sizes.
pub fn bytes(symbols: &Symbols, ty: &TensorType) -> f64 {
    elements(symbols, ty) * ty.dtype.size() as f64
}

/// Operations per element of an elementwise op.
fn weight(name: &str) -> f64 {
    match name {
        "exp" | "log" | "sigmoid" | "tanh" | "erf" | "sin" | "cos" | "silu" | "gelu" | "gelu_tanh" | "softplus"
        | "mish" | "elu" => 16.0,
        "pow" | "tan" | "asin" | "acos" | "atan" | "sinh" | "cosh" | "asinh" | "acosh" | "atanh" => 32.0,
        "div" | "quantize" | "sqrt" | "recip" | "hardswish" | "hardsigmoid" | "rem" | "fmod" => 4.0,
        "none" => 0.0,
        _ => 1.0,
    }
}

/// Operations that an op takes, at typical sizes.
pub fn work(
    symbols: &Symbols,
    code: OpCode,
    attrs: &[Attr],
    operands: &[Option<&TensorType>],
    results: &[&TensorType],
) -> f64 {
    let name = code.name();
    let out: f64 = results.iter().map(|ty| elements(symbols, ty)).sum();
    let operand = |index: usize| operands.get(index).copied().flatten();
    let input = operand(0).map_or(0.0, |ty| elements(symbols, ty));
    let dim = |index: usize, from_end: usize| {
        operand(index).and_then(|ty| ty.shape.iter().rev().nth(from_end)).map_or(1.0, |dim| size(symbols, dim))
    };
    let act =
        attrs.iter().zip(code.def().attrs).find(|(_, def)| def.name == "act").map_or(0.0, |(attr, _)| match attr {
            Attr::Str(word) => weight(word),
            _ => 0.0,
        });
    match name {
        "matmul" => out * (2.0 * dim(0, 0) + act),
        "conv" => {
            // Per output element one multiplication and addition per weight of its output channel.
            let taps = operand(1).map_or(1.0, |w| w.shape.iter().skip(1).map(|dim| size(symbols, dim)).product());
            out * (2.0 * taps + act)
        }
        "conv_transpose" => {
            let taps = operand(1).map_or(1.0, |w| w.shape.iter().skip(1).map(|dim| size(symbols, dim)).product());
            input * 2.0 * taps
        }
        "attention" => {
            let rows = operand(0).map_or(1.0, |q| elements(symbols, q)) / dim(0, 0).max(1.0);
            let reach = |name: &str| {
                let found = attrs.iter().zip(code.def().attrs).find(|(_, def)| def.name == name);
                match found {
                    Some((Attr::Int(reach), _)) if *reach >= 0 => *reach as f64,
                    _ => f64::INFINITY,
                }
            };
            let keys = dim(1, 1).min(reach("left") + reach("right") + 1.0);
            rows * keys * (2.0 * dim(0, 0) + 2.0 * dim(2, 0) + 16.0)
        }
        // Per step, row and gate one product with the state; the activations are small beside it.
        "lstm" | "gru" | "rnn" => input * (2.0 * dim(1, 1) + 16.0),
        "max_pool" | "avg_pool" => {
            let kernel = attrs.iter().zip(code.def().attrs).find(|(_, def)| def.name == "kernel");
            let taps = match kernel {
                Some((Attr::Ints(sizes), _)) => sizes.iter().product::<i64>() as f64,
                _ => 1.0,
            };
            out * taps
        }
        "softmax" | "log_softmax" => input * 20.0,
        "layer_norm" | "rms_norm" => input * 8.0,
        "topk" => input * 16.0,
        _ if name.starts_with("reduce_") || name.starts_with("arg_") || name == "cumsum" => input,
        _ => out * weight(name),
    }
}

/// Whether a slice or transpose of a tensor that lies row major is another set of strides that every reader of rows
/// takes: neighbours along the last axis stay neighbours. Else somebody copies it.
fn is_view(name: &str, attrs: &[Attr], operands: &[Option<&TensorType>]) -> bool {
    let Some(Some(ty)) = operands.first() else { return false };
    let whole = View::contiguous(ValueId(0), &ty.shape);
    let view = match (name, attrs) {
        ("slice", [Attr::Dims(starts), Attr::Dims(sizes), Attr::Ints(steps)]) => whole.slice(starts, sizes, steps),
        ("transpose", [Attr::Ints(perm)]) => whole.transpose(perm),
        _ => return false,
    };
    view.has_dense_rows()
}

/// Runs at the speed of matrix kernels.
fn is_matrix(name: &str) -> bool {
    matches!(name, "matmul" | "conv" | "conv_transpose" | "attention" | "lstm" | "gru" | "rnn")
}

/// Price of one op at run time, in nanoseconds.
pub fn price(
    machine: &Machine,
    symbols: &Symbols,
    code: OpCode,
    attrs: &[Attr],
    operands: &[Option<&TensorType>],
    results: &[&TensorType],
) -> f64 {
    let name = code.name();
    match name {
        "const" => return 0.0,
        "reshape" => return EPSILON,
        "slice" | "transpose" if is_view(name, attrs, operands) => return EPSILON,
        _ => {}
    }
    let read: f64 = operands.iter().flatten().map(|ty| bytes(symbols, ty)).sum();
    let written: f64 = results.iter().map(|ty| bytes(symbols, ty)).sum();
    let moved = match name {
        // Reads in one order and writes in another.
        "transpose" => 2.0 * (read + written),
        // Reads only what it takes.
        "gather" => 2.0 * written + operands.get(1).copied().flatten().map_or(0.0, |ty| bytes(symbols, ty)),
        "slice" | "dyn_slice" | "broadcast" | "iota" => 2.0 * written,
        _ => read + written,
    };
    let speed = if is_matrix(name) { machine.matrix_flops } else { machine.vector_flops };
    let arithmetic = work(symbols, code, attrs, operands, results) / speed;
    arithmetic.max(moved / machine.bytes) + machine.call
}

/// Price of an op that is evaluated at compile time: the bytes of its result, the work of a product.
pub fn recipe_price(
    machine: &Machine,
    symbols: &Symbols,
    code: OpCode,
    attrs: &[Attr],
    operands: &[Option<&TensorType>],
    results: &[&TensorType],
) -> f64 {
    if code == OpCode::Const {
        return 0.0;
    }
    let written: f64 = results.iter().map(|ty| bytes(symbols, ty)).sum();
    let arithmetic = match is_matrix(code.name()) {
        true => work(symbols, code, attrs, operands, results) / machine.matrix_flops,
        false => 0.0,
    };
    (written / machine.bytes).max(arithmetic) * RECIPE + EPSILON
}

/// Price of a whole graph as it stands, regions included once.
pub fn graph_price(machine: &Machine, symbols: &Symbols, graph: &lathe_ir::Graph) -> f64 {
    let mut is_const = vec![false; graph.value_count()];
    let mut sum = 0.0;
    for (_, op) in graph.iter() {
        let operands: Vec<Option<&TensorType>> =
            op.operands.iter().map(|operand| operand.map(|value| graph.ty(value))).collect();
        let results: Vec<&TensorType> = op.results.iter().map(|&value| graph.ty(value)).collect();
        let folds = op.regions.is_empty()
            && lathe_ir::open_dim(op.code, &op.attrs).is_none()
            && results.iter().all(|ty| ty.sizes().is_some())
            && op.inputs().all(|value| is_const[value.index()]);
        for value in &op.results {
            is_const[value.index()] = folds;
        }
        sum += if folds {
            recipe_price(machine, symbols, op.code, &op.attrs, &operands, &results)
        } else {
            price(machine, symbols, op.code, &op.attrs, &operands, &results)
        };
        sum += op.regions.iter().map(|region| graph_price(machine, symbols, region)).sum::<f64>();
    }
    sum
}
