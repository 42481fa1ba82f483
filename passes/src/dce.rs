//! dce: drops ops whose results nothing needs, and weights that no op reads.
//!
//! After: every op has a result that an op or the graph uses, or defines a symbol that a type mentions; symbols that
//! depend on data have a definition; weights are numbered without gaps in their old order. Parameters stay, they are the
//! program's interface.

use crate::liveness::{defined_by, live_ops};
use crate::manager::{Changed, PassCx};
use lathe_ir::{Attr, Diagnostics, Dim, Graph, Module, Symbol, Symbols, WeightId};
use std::collections::BTreeSet;

/// The pass.
pub fn run(module: &mut Module, _: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    let mut changed = drop_ops(&mut module.main, &module.env.symbols);
    changed |= drop_symbols(module);
    let mut used = BTreeSet::new();
    each_weight(&mut module.main, &mut |id| {
        used.insert(*id);
    });
    if used.len() < module.env.weights.len() {
        changed = true;
        let mut renumbered = vec![WeightId(0); module.env.weights.len()];
        let old = std::mem::take(&mut module.env.weights);
        for (index, weight) in old.into_iter().enumerate() {
            if used.contains(&WeightId(index as u32)) {
                renumbered[index] = WeightId(module.env.weights.len() as u32);
                module.env.weights.push(weight);
            }
        }
        each_weight(&mut module.main, &mut |id| *id = renumbered[id.index()]);
    }
    Ok(Changed::from_bool(changed))
}

/// Symbols that depend on data and that no op defines any more.
fn drop_symbols(module: &mut Module) -> bool {
    let mut defined = BTreeSet::new();
    each_definition(&module.main, &mut |symbol| {
        defined.insert(symbol.clone());
    });
    let count = module.env.symbols.len();
    module.env.symbols.retain(|symbol, info| !info.data_dependent || defined.contains(symbol));
    if module.env.symbols.len() == count {
        return false;
    }
    let symbols = &module.env.symbols;
    let is_known = |dim: &Dim| dim.symbols().iter().all(|symbol| symbols.contains_key(symbol));
    module.env.equalities.retain(|(a, b)| is_known(a) && is_known(b));
    module.env.conditional.retain(|(a, b)| is_known(a) && is_known(b));
    true
}

fn each_definition(graph: &Graph, visit: &mut dyn FnMut(&Symbol)) {
    for (_, op) in graph.iter() {
        defined_by(op).for_each(&mut *visit);
        // What a loop defines for its body.
        op.dims("counter").iter().chain(op.dims("changing")).filter_map(Dim::as_symbol).for_each(&mut *visit);
        op.regions.iter().for_each(|region| each_definition(region, visit));
    }
}

fn drop_ops(graph: &mut Graph, symbols: &Symbols) -> bool {
    let live = live_ops(graph, symbols, graph.results.iter().map(|port| port.value).collect::<Vec<_>>());
    let mut changed = live.len() < graph.len();
    graph.remove_ops(|id| !live.contains(&id));
    for id in graph.order().to_vec() {
        for region in &mut graph.op_mut(id).regions {
            changed |= drop_ops(region, symbols);
        }
    }
    changed
}

/// Visits every weight that a graph and its regions read.
pub(crate) fn each_weight(graph: &mut Graph, visit: &mut dyn FnMut(&mut WeightId)) {
    for id in graph.order().to_vec() {
        let op = graph.op_mut(id);
        for attr in &mut op.attrs {
            if let Attr::Weight(weight) = attr {
                visit(weight);
            }
        }
        for region in &mut op.regions {
            each_weight(region, visit);
        }
    }
}
