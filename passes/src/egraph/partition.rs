//! Large graphs are rewritten piece by piece: an e-graph per run of ops, cut where few values cross.
//!
//! What crosses a cut is a parameter of the later piece, so no rule looks through it; cuts are placed where the fewest
//! values are live, which in a network of blocks is between blocks. Time and memory grow with the number of pieces.

use lathe_ir::{Graph, Op, OpCode, TensorType, ValueId};
use std::ops::Range;

/// A run of ops as a graph of its own.
pub struct Piece {
    /// The run; parameters are what it reads from outside, results what is read outside of it.
    pub graph: Graph,
    /// The values of the whole graph that its parameters stand for.
    pub inputs: Vec<ValueId>,
    /// The values of the whole graph that its results stand for.
    pub outputs: Vec<ValueId>,
}

/// The runs, in order, each of at most `most` ops (constants aside, which are copied to where they are used). An op that
/// defines symbols is a run by itself, so that what mentions them stays behind it.
pub fn runs(graph: &Graph, most: usize) -> Vec<Range<usize>> {
    let count = graph.len();
    let mut fences: Vec<usize> =
        graph.iter().enumerate().filter(|(_, (_, op))| is_fence(op)).map(|(at, _)| at).collect();
    fences.push(count);
    // live[i]: values made before op i that op i or a later one reads; results are read at the end.
    let mut last_use = vec![0usize; graph.value_count()];
    for (at, (_, op)) in graph.iter().enumerate() {
        op.inputs().for_each(|value| last_use[value.index()] = at);
    }
    graph.results.iter().for_each(|port| last_use[port.value.index()] = count);
    let mut change = vec![0isize; count + 2];
    for (at, (_, op)) in graph.iter().enumerate().filter(|(_, (_, op))| op.code != OpCode::Const) {
        for value in op.results.iter().filter(|value| last_use[value.index()] > at) {
            change[at + 1] += 1;
            change[last_use[value.index()] + 1] -= 1;
        }
    }
    let mut live = Vec::with_capacity(count + 1);
    let mut now = 0;
    for delta in &change[..=count] {
        now += delta;
        live.push(now);
    }
    let mut runs = Vec::new();
    let mut start = 0;
    for fence in fences {
        while fence - start > most {
            let cut = (start + most / 2..=start + most).rev().min_by_key(|&at| live[at]).unwrap_or(start + most);
            runs.push(start..cut);
            start = cut;
        }
        runs.push(start..fence);
        start = fence;
        if fence < count {
            runs.push(fence..fence + 1);
            start = fence + 1;
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Whether the op defines symbols that later ops mention without having it as an operand.
pub fn is_fence(op: &Op) -> bool {
    op.code.def().traits.data_dependent
}

/// The ops of a run as a graph.
pub fn piece(graph: &Graph, run: Range<usize>) -> Piece {
    let mut piece = Piece { graph: Graph::default(), inputs: Vec::new(), outputs: Vec::new() };
    let mut map: Vec<Option<ValueId>> = vec![None; graph.value_count()];
    let order = graph.order();
    for &id in &order[run.clone()] {
        let mut op = graph.op(id).clone();
        for operand in op.operands.iter_mut().flatten() {
            let old = *operand;
            *operand = match map[old.index()] {
                Some(value) => value,
                None => outside(graph, &mut piece, old),
            };
            map[old.index()] = Some(*operand);
        }
        push(&mut piece.graph, graph, graph.op(id), op, &mut map);
    }
    let mut used_after = vec![false; graph.value_count()];
    for &id in &order[run.end..] {
        graph.op(id).inputs().for_each(|value| used_after[value.index()] = true);
    }
    graph.results.iter().for_each(|port| used_after[port.value.index()] = true);
    for &id in &order[run] {
        for &value in graph.op(id).results.iter().filter(|value| used_after[value.index()]) {
            if let Some(inside) = map[value.index()] {
                piece.graph.add_result("", inside);
                piece.outputs.push(value);
            }
        }
    }
    piece
}

/// A value from outside of a piece: a copy of a constant, else a parameter.
fn outside(graph: &Graph, piece: &mut Piece, value: ValueId) -> ValueId {
    match graph.def(value) {
        Some((_, op)) if op.code == OpCode::Const => {
            let types = [graph.ty(value).clone()];
            let op = op.clone();
            let id = piece.graph.push_op(op.code, op.operands, op.attrs, op.regions, types, op.loc);
            piece.graph.op(id).result()
        }
        _ => {
            piece.inputs.push(value);
            piece.graph.add_param("", graph.ty(value).clone())
        }
    }
}

/// Appends an op whose operands are mapped already, and maps its results.
fn push(to: &mut Graph, from: &Graph, old: &Op, op: Op, map: &mut [Option<ValueId>]) {
    let types: Vec<TensorType> = old.results.iter().map(|&value| from.ty(value).clone()).collect();
    let id = to.push_op(op.code, op.operands, op.attrs, op.regions, types, op.loc);
    for (old, &new) in old.results.iter().zip(&to.op(id).results) {
        map[old.index()] = Some(new);
    }
}

/// Puts rewritten pieces together again, with the interface of `graph`.
///
/// # Errors
/// A piece does not give what a later one reads: a bug.
pub fn join(graph: &Graph, pieces: &[Piece]) -> Result<Graph, String> {
    let mut new = Graph::default();
    let mut whole: Vec<Option<ValueId>> = vec![None; graph.value_count()];
    for port in &graph.params {
        whole[port.value.index()] = Some(new.add_param(&port.name, graph.ty(port.value).clone()));
    }
    let missing = || "a value between two pieces is missing".to_owned();
    for piece in pieces {
        let mut map: Vec<Option<ValueId>> = vec![None; piece.graph.value_count()];
        for (port, outer) in piece.graph.params.iter().zip(&piece.inputs) {
            map[port.value.index()] = Some(whole[outer.index()].ok_or_else(missing)?);
        }
        for (_, old) in piece.graph.iter() {
            let mut op = old.clone();
            for operand in op.operands.iter_mut().flatten() {
                *operand = map[operand.index()].ok_or_else(missing)?;
            }
            push(&mut new, &piece.graph, old, op, &mut map);
        }
        for (port, outer) in piece.graph.results.iter().zip(&piece.outputs) {
            whole[outer.index()] = map[port.value.index()];
        }
    }
    for port in &graph.results {
        let value = whole[port.value.index()].or_else(|| copy_constant(graph, port.value, &mut new));
        new.add_result(&port.name, value.ok_or_else(missing)?);
    }
    Ok(new)
}

fn copy_constant(graph: &Graph, value: ValueId, to: &mut Graph) -> Option<ValueId> {
    let (_, op) = graph.def(value)?;
    let types = [graph.ty(value).clone()];
    let id = to.push_op(op.code, op.operands.clone(), op.attrs.clone(), Vec::new(), types, op.loc.clone());
    (op.code == OpCode::Const).then(|| to.op(id).result())
}
