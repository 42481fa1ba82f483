//! fold-constants: evaluates ops that depend on constants only.
//!
//! Before: anything; canonical form saves copies. After: such an op is left only where its result would have many more
//! elements than its operands (an iota or broadcast stays code, it is cheaper than the memory) or would take too long.
//! Chains are evaluated in one go and only what a non-constant op or a result uses becomes a new constant, so a recipe
//! over a large weight keeps no intermediate. Ops with regions stay, and so do transposes and reshapes of a large weight
//! that only products read as their right side: packing reads the weight through them, another copy would be for nothing.

use crate::const_eval::{ConstEvaluator, ConstOp, HostEvaluator};
use crate::edit::bug;
use crate::egraph::cost::work;
use crate::manager::{Changed, PassCx};
use lathe_ir::builder::MAX_INLINE;
use lathe_ir::tensor::element_count;
use lathe_ir::{Builder, Diagnostics, Env, Graph, Module, Op, OpCode, Tensor, TensorType, ValueId};

/// How many bytes more than its operands a folded result may have.
const GROWTH: usize = 1 << 20;

/// All that is folded may have this many times the bytes of the module's weights, and [`FREE`] more: a chain of ops that
/// each double their operand makes terabytes of a few bytes.
const BUDGET: usize = 8;
/// Bytes that may be folded whatever the weights are.
const FREE: usize = 256 << 20;
/// How many times as many bytes a result may have that has no more elements than an operand: from 8-bit weights to f32.
const WIDER: usize = 4;

/// Movement of weights of at most this size in bytes is evaluated whoever reads it.
const SMALL: usize = 64 << 10;

/// The pass.
pub fn run(module: &mut Module, _: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    fold(&mut module.main, &mut module.env, &HostEvaluator)
}

/// Folds one graph with a given evaluator.
///
/// # Errors
/// Only where Lathe broke an invariant: an op that is not defined on its constants stays and fails when it runs.
pub fn fold(graph: &mut Graph, env: &mut Env, evaluator: &dyn ConstEvaluator) -> Result<Changed, Diagnostics> {
    let mut changed = false;
    for id in graph.order().to_vec() {
        for region in &mut graph.op_mut(id).regions {
            changed |= fold(region, env, evaluator)?.any();
        }
    }
    let mut folded = evaluate(graph, env, evaluator);
    if !folded.done.contains(&true) {
        return Ok(Changed::from_bool(changed));
    }
    let mut new = Graph::default();
    let mut map: Vec<Option<ValueId>> = vec![None; graph.value_count()];
    for port in &graph.params {
        map[port.value.index()] = Some(new.add_param(&port.name, graph.ty(port.value).clone()));
    }
    for (_, op) in graph.iter() {
        if op.results.iter().all(|value| folded.done[value.index()]) {
            for &value in &op.results {
                let Some(tensor) = folded.values[value.index()].take() else { continue };
                let name = weight_name(env, op, &tensor);
                let mut builder = Builder::new(env, &mut new);
                builder.loc = op.loc.clone();
                map[value.index()] = Some(builder.constant(&name, tensor));
            }
            continue;
        }
        let mut op = op.clone();
        for operand in op.operands.iter_mut().flatten() {
            *operand =
                map[operand.index()].ok_or_else(|| bug(&op_name(graph, *operand), "an operand was folded away"))?;
        }
        let types: Vec<TensorType> = op.results.iter().map(|&value| graph.ty(value).clone()).collect();
        let id = new.push_op(op.code, op.operands, op.attrs, op.regions, types, op.loc);
        for (old, &result) in op.results.iter().zip(&new.op(id).results) {
            map[old.index()] = Some(result);
        }
    }
    for port in &graph.results {
        if let Some(value) = map[port.value.index()] {
            new.add_result(&port.name, value);
        }
    }
    *graph = new;
    Ok(Changed::Yes)
}

fn op_name(graph: &Graph, value: ValueId) -> Op {
    match graph.def(value) {
        Some((_, op)) => op.clone(),
        None => Op {
            code: OpCode::Const,
            operands: Default::default(),
            attrs: Default::default(),
            results: Default::default(),
            regions: Vec::new(),
            loc: Default::default(),
        },
    }
}

/// Name of the weight that a folded value becomes: unique among the weights.
fn weight_name(env: &Env, op: &Op, tensor: &Tensor) -> String {
    if tensor.len() <= MAX_INLINE {
        return String::new();
    }
    let from = if op.loc.first().is_empty() { op.code.name() } else { op.loc.first() };
    let is_free = |name: &String| env.weights.iter().all(|weight| *weight.name != **name);
    let numbered = (env.weights.len()..).map(|number| format!("folded.{number}:{from}"));
    let mut free = numbered.filter(is_free);
    free.next().unwrap_or_default()
}

struct Folded {
    /// Per value: its op was evaluated.
    done: Vec<bool>,
    /// Values of evaluated ops that something else than an evaluated op uses; the others are dropped on the way.
    values: Vec<Option<Tensor>>,
}

fn evaluate(graph: &Graph, env: &Env, evaluator: &dyn ConstEvaluator) -> Folded {
    let count = graph.value_count();
    let mut folded = Folded { done: vec![false; count], values: vec![None; count] };
    let mut uses = graph.use_counts();
    let packed = packed_views(graph);
    let weights: usize = env.weights.iter().map(|weight| weight.value.bytes().len()).sum();
    let mut left = weights.saturating_mul(BUDGET).saturating_add(FREE);
    for (_, op) in graph.iter() {
        if packed[op.results[0].index()] {
            continue;
        }
        let Some(values) = evaluate_op(graph, env, evaluator, op, &folded.values, left) else { continue };
        left = left.saturating_sub(values.iter().map(|value| value.bytes().len()).sum());
        for (&id, tensor) in op.results.iter().zip(values) {
            folded.done[id.index()] = true;
            folded.values[id.index()] = (uses[id.index()] > 0).then_some(tensor);
        }
        // An operand dies with its last use, unless an op that stays used it: such a use is never counted down.
        for value in op.inputs() {
            uses[value.index()] -= 1;
            if uses[value.index()] == 0 {
                folded.values[value.index()] = None;
            }
        }
    }
    folded
}

/// For each value: it is a large weight moved, and read only as the right side of products of the run.
fn packed_views(graph: &Graph) -> Vec<bool> {
    let mut is_const = vec![false; graph.value_count()];
    for (_, op) in graph.iter() {
        let is_open = lathe_ir::open_dim(op.code, &op.attrs).is_some();
        let folds = op.regions.is_empty() && !is_open && op.inputs().all(|value| is_const[value.index()]);
        op.results.iter().for_each(|value| is_const[value.index()] = folds);
    }
    let mut only_packed = vec![true; graph.value_count()];
    for port in &graph.results {
        only_packed[port.value.index()] = false;
    }
    for (_, op) in graph.iter().rev() {
        let is_view = matches!(op.code, OpCode::Transpose | OpCode::Reshape) && only_packed[op.results[0].index()];
        for (index, value) in op.operands.iter().enumerate().filter_map(|(index, value)| Some((index, (*value)?))) {
            let is_packed = op.code == OpCode::MatMul && index == 1 && !is_const[op.result().index()];
            only_packed[value.index()] &= is_view || is_packed;
        }
    }
    let mut found = vec![false; graph.value_count()];
    for (_, op) in graph.iter().filter(|(_, op)| matches!(op.code, OpCode::Transpose | OpCode::Reshape)) {
        let (Some(source), result) = (op.operand(0), op.result()) else { continue };
        let is_weight = graph.def(source).is_some_and(|(_, op)| op.code == OpCode::Const) || found[source.index()];
        let bytes = graph.ty(result).sizes().map_or(0, |sizes| sizes.iter().product::<usize>());
        found[result.index()] =
            is_weight && only_packed[result.index()] && bytes * graph.ty(result).dtype.size() > SMALL;
    }
    found
}

fn evaluate_op(
    graph: &Graph,
    env: &Env,
    evaluator: &dyn ConstEvaluator,
    op: &Op,
    values: &[Option<Tensor>],
    left: usize,
) -> Option<Vec<Tensor>> {
    // A size that was data stays a definition, whatever is known of it: types mention its symbol.
    if op.code == OpCode::Const || op.code.def().traits.data_dependent || !op.regions.is_empty() {
        return None;
    }
    let value = |id: ValueId| values[id.index()].clone().or_else(|| graph.constant(env, id).cloned());
    let operands: Vec<Option<Tensor>> = op
        .operands
        .iter()
        .map(|operand| operand.map_or(Some(None), |id| value(id).map(Some)))
        .collect::<Option<_>>()?;
    let results: Vec<TensorType> = op.results.iter().map(|&value| graph.ty(value).clone()).collect();
    if !worth_it(&operands, &results, left) {
        return None;
    }
    let types: Vec<Option<TensorType>> = operands.iter().map(|operand| operand.as_ref().map(Tensor::ty)).collect();
    let types: Vec<Option<&TensorType>> = types.iter().map(Option::as_ref).collect();
    let result_types: Vec<&TensorType> = results.iter().collect();
    let work = work(&env.symbols, op.code, &op.attrs, &types, &result_types);
    let const_op = ConstOp { env, code: op.code, operands: &operands, attrs: &op.attrs, results: &results, work };
    evaluator.eval(&const_op).ok().flatten().filter(|values| values.len() == results.len())
}

/// Whether the results are not much larger than the operands and within what is left of the budget.
fn worth_it(operands: &[Option<Tensor>], results: &[TensorType], left: usize) -> bool {
    let before: usize = operands.iter().flatten().map(|tensor| tensor.bytes().len()).sum();
    let after = results.iter().try_fold(0usize, |sum, ty| {
        let count = ty.sizes()?.into_iter().try_fold(ty.dtype.size(), usize::checked_mul)?;
        sum.checked_add(count)
    });
    // Elements that only get wider, as quantised weights do, are no new ones.
    let most = operands.iter().flatten().map(Tensor::len).max().unwrap_or(0);
    let same = results
        .iter()
        .all(|ty| ty.sizes().is_some_and(|sizes| element_count(&sizes).is_some_and(|count| count <= most)));
    let before = if same { before.saturating_mul(WIDER) } else { before };
    after.is_some_and(|after| after <= before.saturating_add(GROWTH).min(left))
}
