//! Which values of a graph are needed whole, for rules that compute few rows of an op.
//!
//! Backwards: a result of the graph is needed whole, and so is what an op reads that is itself needed whole or that does
//! not treat rows apart. Only what ends in slices and in row-wise ops before them is not. Without this a slice would
//! move on to the parameters, through everything that is computed whole for others anyway.

use lathe_ir::{Graph, Op, OpCode, TensorType};

/// For each value, whether it is needed whole.
pub(super) fn whole(graph: &Graph) -> Vec<bool> {
    let mut whole = vec![false; graph.value_count()];
    for port in &graph.results {
        whole[port.value.index()] = true;
    }
    for (_, op) in graph.iter().rev() {
        let result = op.results.iter().any(|value| whole[value.index()]);
        for (index, operand) in op.operands.iter().enumerate() {
            if let Some(value) = operand
                && !takes_rows(op, graph.ty(*value))
                && (result || !is_row_wise(op, index, graph.ty(*value).rank()))
            {
                whole[value.index()] = true;
            }
        }
    }
    whole
}

/// For each value, whether something else than slices takes it.
pub(super) fn entire(graph: &Graph) -> Vec<bool> {
    let mut entire = vec![false; graph.value_count()];
    for port in &graph.results {
        entire[port.value.index()] = true;
    }
    for (_, op) in graph.iter().filter(|(_, op)| op.code != OpCode::Slice) {
        op.inputs().for_each(|value| entire[value.index()] = true);
    }
    entire
}

/// Whether the op is a slice that leaves rows of its operand, whose type is given, out.
fn takes_rows(op: &Op, of: &TensorType) -> bool {
    op.code == OpCode::Slice
        && op.dims("sizes").iter().zip(&of.shape).rev().skip(1).any(|(taken, whole)| taken != whole)
}

/// Whether few rows of the result need few rows of the operand only, whose rank is given.
fn is_row_wise(op: &Op, operand: usize, rank: usize) -> bool {
    match op.code {
        OpCode::MatMul | OpCode::Attention => operand == 0 || operand == 3,
        OpCode::LayerNorm | OpCode::RmsNorm | OpCode::Softmax | OpCode::LogSoftmax => operand == 0,
        OpCode::Reshape | OpCode::Transpose | OpCode::Slice => true,
        // The moments of a norm in small ops.
        OpCode::ReduceMean | OpCode::ReduceSum | OpCode::ReduceMax => {
            op.flag("keepdims") && op.ints("axes").iter().all(|&axis| axis + 1 == rank as i64)
        }
        code => code.def().traits.elementwise,
    }
}
