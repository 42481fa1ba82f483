//! dce: drops ops whose results nothing needs, and weights that no op reads.
//!
//! After: every op has a result that an op or the graph uses, weights are numbered without gaps in their old order.
//! Parameters stay, they are the program's interface.

use crate::manager::{Changed, PassCx};
use lathe_ir::{Attr, Diagnostics, Graph, Module, OpId, WeightId};
use std::collections::BTreeSet;

/// The pass.
pub fn run(module: &mut Module, _: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    let mut changed = drop_ops(&mut module.main);
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

fn drop_ops(graph: &mut Graph) -> bool {
    let mut live = vec![false; graph.value_count()];
    for port in &graph.results {
        live[port.value.index()] = true;
    }
    let mut dead: BTreeSet<OpId> = BTreeSet::new();
    for (id, op) in graph.iter().rev() {
        if op.results.iter().any(|value| live[value.index()]) {
            for value in op.inputs() {
                live[value.index()] = true;
            }
        } else {
            dead.insert(id);
        }
    }
    graph.remove_ops(|id| dead.contains(&id));
    let mut changed = !dead.is_empty();
    for id in graph.order().to_vec() {
        for region in &mut graph.op_mut(id).regions {
            changed |= drop_ops(region);
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
