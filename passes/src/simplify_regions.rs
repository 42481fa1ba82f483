//! simplify-regions: what crosses the edge of a region, and regions that are not needed.
//!
//! Before: anything. After, so far as a few rounds get:
//! - every result of an op with regions is used, and every capture by its region; constants are in the region itself;
//! - a value that a loop carries unchanged is a capture, one that only makes itself is gone;
//! - a result that both branches pass on from the same capture is that value;
//! - an `if` on a constant is the branch taken, a loop of no turn its first values, a loop of one turn its body; a loop
//!   of few turns is unrolled where that takes no more ops;
//! - symbols that nothing mentions are gone.
//!
//! Only what has no effect but its value is dropped, so every bit stays, and an error that a value needs.

mod edge;
mod turns;

use crate::edit::bug;
use crate::liveness::{finds, live_ops, mention};
use crate::manager::{Changed, PassCx};
use lathe_ir::builder::infer_types;
use lathe_ir::{Attr, Diagnostics, Dim, Env, Graph, Module, Op, OpCode, Symbol, Symbols, TensorType, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Most rounds: a change may make room for another.
const ROUNDS: usize = 8;

/// The pass.
pub fn run(module: &mut Module, _: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    let mut changed = Changed::No;
    for _ in 0..ROUNDS {
        let mut learned = BTreeMap::new();
        if !simplify(&mut module.main, &mut module.env, &mut learned, false)? {
            break;
        }
        replace_symbols(module, &learned);
        changed = Changed::Yes;
    }
    if drop_symbols(module) {
        changed = Changed::Yes;
    }
    Ok(changed)
}

/// What symbols turned out to be.
type Learned = BTreeMap<Symbol, Dim>;

/// The values that stand for the results of an op; `None` for those that nothing uses.
type Results = Vec<Option<ValueId>>;

/// An op of the graph being rebuilt.
struct Cx<'a> {
    graph: &'a mut Graph,
    env: &'a mut Env,
    learned: &'a mut Learned,
    /// Whether the graph is in a branch.
    in_branch: bool,
    /// Whether each result is used.
    used: &'a [bool],
    /// Types of the results.
    types: &'a [TensorType],
}

fn simplify(graph: &mut Graph, env: &mut Env, learned: &mut Learned, in_branch: bool) -> Result<bool, Diagnostics> {
    let mut changed = false;
    let mut found = false;
    for id in graph.order().to_vec() {
        let op = graph.op_mut(id);
        let in_branch = in_branch || op.code == OpCode::If;
        for region in &mut op.regions {
            found = true;
            changed |= simplify(region, env, learned, in_branch)?;
        }
    }
    if !found {
        return Ok(changed);
    }
    let uses = graph.use_counts();
    let mut new = Graph::default();
    let mut map: Vec<Option<ValueId>> = vec![None; graph.value_count()];
    for port in &graph.params {
        map[port.value.index()] = Some(new.add_param(&port.name, graph.ty(port.value).clone()));
    }
    for (_, old) in graph.iter() {
        let mut op = old.clone();
        for operand in op.operands.iter_mut().flatten() {
            *operand = map[operand.index()].ok_or_else(|| bug(old, "an operand is not defined before its use"))?;
        }
        let used = used_results(graph, env, old, &uses);
        let types: Vec<TensorType> = op.results.iter().map(|&value| graph.ty(value).clone()).collect();
        let mut cx = Cx { graph: &mut new, env, learned, in_branch, used: &used, types: &types };
        let replaced = match op.code {
            OpCode::If => edge::simplify_if(&mut cx, &op),
            OpCode::Loop => turns::simplify_loop(&mut cx, &op),
            _ => None,
        };
        let results = match replaced {
            Some(results) => {
                changed = true;
                results
            }
            None => {
                let id = new.push_op(op.code, op.operands, op.attrs, op.regions, types, op.loc);
                new.op(id).results.iter().copied().map(Some).collect()
            }
        };
        for (value, result) in old.results.iter().zip(results) {
            map[value.index()] = result;
        }
    }
    if !changed {
        return Ok(false);
    }
    for port in &graph.results {
        let value = map[port.value.index()]
            .ok_or_else(|| Diagnostics::from(lathe_ir::Diagnostic::bug("a result of a region was dropped")))?;
        new.add_result(&port.name, value);
    }
    *graph = new;
    Ok(true)
}

/// Which results of an op are used, or have a size that another op mentions.
fn used_results(graph: &Graph, env: &Env, op: &Op, uses: &[u32]) -> Vec<bool> {
    let is_used = |value: &ValueId| uses[value.index()] > 0;
    if op.regions.is_empty() || op.results.iter().all(is_used) {
        return op.results.iter().map(is_used).collect();
    }
    let mut sizes: BTreeSet<Symbol> =
        graph.results.iter().flat_map(|port| &graph.ty(port.value).shape).flat_map(Dim::symbols).collect();
    for (_, other) in graph.iter().filter(|(_, other)| other.results != op.results) {
        mention(graph, other, &mut sizes);
    }
    op.results.iter().map(|value| is_used(value) || finds(graph, op, &env.symbols, *value, &sizes)).collect()
}

impl Cx<'_> {
    /// The constant that a value of the new graph is, if it is one.
    fn constant_op(&self, value: ValueId) -> Option<&Op> {
        self.graph.def(value).map(|(_, op)| op).filter(|op| op.code == OpCode::Const)
    }

    /// Puts the ops of a region here, for these values in place of its parameters; gives its results.
    fn splice(&mut self, region: &Graph, args: &[ValueId]) -> Vec<Option<ValueId>> {
        let mut map: BTreeMap<ValueId, ValueId> =
            region.params.iter().map(|port| port.value).zip(args.iter().copied()).collect();
        for (_, op) in region.iter() {
            let operands =
                op.operands.iter().map(|operand| operand.and_then(|value| map.get(&value).copied())).collect();
            let types: Vec<TensorType> = op.results.iter().map(|&value| region.ty(value).clone()).collect();
            let (attrs, regions, loc) = (op.attrs.clone(), op.regions.clone(), op.loc.clone());
            let id = self.graph.push_op(op.code, operands, attrs, regions, types, loc);
            map.extend(op.results.iter().copied().zip(self.graph.op(id).results.iter().copied()));
        }
        region.results.iter().map(|port| map.get(&port.value).copied()).collect()
    }

    /// Makes what a branch needs to be equal what the program needs, where the branch is no branch any more.
    fn need(&mut self, region: &Graph) {
        if self.in_branch || self.env.conditional.is_empty() {
            return;
        }
        let mut scratch = Env { symbols: self.env.symbols.clone(), ..Env::default() };
        for (_, op) in region.iter() {
            // Constants have no operands, and what else fails here needs nothing.
            let _ = infer_types(&mut scratch, region, op.code, &op.operands, &op.attrs, &op.regions);
        }
        for pair in scratch.equalities {
            let is_pair = |(a, b): &(Dim, Dim)| (a, b) == (&pair.0, &pair.1) || (b, a) == (&pair.0, &pair.1);
            if self.env.conditional.iter().any(is_pair) {
                self.env.conditional.retain(|other| !is_pair(other));
                self.env.equalities.push(pair);
            }
        }
    }

    /// Notes that symbols among a result's sizes are the sizes of what stands for it now.
    fn learn(&mut self, result: &TensorType, value: &TensorType) {
        for (size, is) in result.shape.iter().zip(&value.shape) {
            if let Some(symbol) = size.as_symbol().filter(|_| size != is)
                && self.env.symbols.get(symbol).is_some_and(|info| info.data_dependent)
            {
                self.learned.insert(symbol.clone(), is.clone());
            }
        }
    }
}

/// What becomes of a region's parameter.
enum Param<'a> {
    Keep,
    /// Nothing uses it.
    Drop,
    /// It is this constant.
    Constant(&'a Op),
    /// It is the same as another.
    Same(usize),
}

/// The region with another signature, and only the ops that it needs.
fn rewire(region: &Graph, symbols: &Symbols, params: &[Param<'_>], keep: impl Fn(usize) -> bool) -> Graph {
    let mut new = Graph::default();
    let mut map: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for (port, param) in region.params.iter().zip(params) {
        if let Param::Keep = param {
            map.insert(port.value, new.add_param(&port.name, region.ty(port.value).clone()));
        }
    }
    for (port, param) in region.params.iter().zip(params) {
        match param {
            Param::Constant(op) => {
                let types = [region.ty(port.value).clone()];
                let id = new.push_op(op.code, op.operands.clone(), op.attrs.clone(), Vec::new(), types, op.loc.clone());
                map.insert(port.value, new.op(id).result());
            }
            Param::Same(other) => {
                if let Some(&value) = region.params.get(*other).and_then(|port| map.get(&port.value)) {
                    map.insert(port.value, value);
                }
            }
            Param::Keep | Param::Drop => {}
        }
    }
    let results = region.results.iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, port)| port);
    let live = live_ops(region, symbols, results.clone().map(|port| port.value));
    for (_, op) in region.iter().filter(|(id, _)| live.contains(id)) {
        let operands = op.operands.iter().map(|operand| operand.and_then(|value| map.get(&value).copied())).collect();
        let types: Vec<TensorType> = op.results.iter().map(|&value| region.ty(value).clone()).collect();
        let id = new.push_op(op.code, operands, op.attrs.clone(), op.regions.clone(), types, op.loc.clone());
        map.extend(op.results.iter().copied().zip(new.op(id).results.iter().copied()));
    }
    for port in results {
        if let Some(&value) = map.get(&port.value) {
            new.add_result(&port.name, value);
        }
    }
    new
}

/// The entries of a list of all results' sizes that are those of the kept results.
fn kept_sizes(sizes: &[Dim], types: &[TensorType], keep: &[bool]) -> Attr {
    let mut rest = sizes;
    let mut kept = Vec::new();
    for (ty, &keep) in types.iter().zip(keep) {
        let (own, after) = rest.split_at(ty.rank().min(rest.len()));
        rest = after;
        if keep {
            kept.extend(own.iter().cloned());
        }
    }
    Attr::dims(kept)
}

fn replace_symbols(module: &mut Module, learned: &Learned) {
    if learned.is_empty() {
        return;
    }
    let mut closed: Learned = learned.clone();
    for _ in 0..learned.len() {
        let before = closed.clone();
        for dim in closed.values_mut() {
            *dim = dim.substitute(&|symbol| before.get(symbol).cloned());
        }
        if closed == before {
            break;
        }
    }
    let replace = |symbol: &Symbol| closed.get(symbol).cloned();
    module.main.substitute(&replace);
    for list in [&mut module.env.equalities, &mut module.env.conditional] {
        for (a, b) in list.iter_mut() {
            (*a, *b) = (a.substitute(&replace), b.substitute(&replace));
        }
        list.retain(|(a, b)| a != b);
    }
    module.env.symbols.retain(|symbol, _| !closed.contains_key(symbol));
}

/// Drops data-dependent symbols that nothing mentions, and equalities of such.
fn drop_symbols(module: &mut Module) -> bool {
    let is_data = |env: &Env, symbol: &Symbol| env.symbols.get(symbol).is_some_and(|info| info.data_dependent);
    if !module.env.symbols.values().any(|info| info.data_dependent) {
        return false;
    }
    let mut mentioned = BTreeSet::new();
    module.main.iter().for_each(|(_, op)| mention(&module.main, op, &mut mentioned));
    let gone: BTreeSet<Symbol> = module
        .env
        .symbols
        .keys()
        .filter(|symbol| is_data(&module.env, symbol) && !mentioned.contains(*symbol))
        .cloned()
        .collect();
    let stays = |dim: &Dim| !dim.symbols().iter().any(|symbol| gone.contains(symbol));
    module.env.equalities.retain(|(a, b)| stays(a) && stays(b));
    module.env.conditional.retain(|(a, b)| stays(a) && stays(b));
    module.env.symbols.retain(|symbol, _| !gone.contains(symbol));
    !gone.is_empty()
}
