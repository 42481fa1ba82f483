//! dce: drops ops whose results nothing needs, and weights that no op reads.
//!
//! After: every op has a result that an op or the graph uses, or defines a symbol that a type mentions; symbols that
//! depend on data have a definition; weights are numbered without gaps in their old order. Parameters stay, they are the
//! program's interface.

use crate::manager::{Changed, PassCx};
use lathe_ir::{Attr, Diagnostics, Dim, Graph, Module, Op, OpId, Symbol, WeightId};
use std::collections::BTreeSet;

/// The pass.
pub fn run(module: &mut Module, _: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    let mut changed = drop_ops(&mut module.main, &mut BTreeSet::new());
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
    true
}

fn each_definition(graph: &Graph, visit: &mut dyn FnMut(&Symbol)) {
    for (_, op) in graph.iter() {
        defined_by(op).for_each(&mut *visit);
        op.regions.iter().for_each(|region| each_definition(region, visit));
    }
}

/// The data-dependent symbols that an op defines.
fn defined_by(op: &Op) -> impl Iterator<Item = &Symbol> {
    let dims = match op.attrs.first() {
        Some(Attr::Dims(dims)) if op.code.def().traits.data_dependent => dims.as_slice(),
        _ => &[],
    };
    dims.iter().filter_map(Dim::as_symbol)
}

/// Collects the symbols that an op's attributes and types mention, except those it defines; regions included.
fn mention(graph: &Graph, op: &Op, mentioned: &mut BTreeSet<Symbol>) {
    let own: Vec<&Symbol> = defined_by(op).collect();
    let mut add = |dim: &Dim| {
        if dim.as_const().is_none() {
            mentioned.extend(dim.symbols().into_iter().filter(|symbol| !own.contains(&symbol)));
        }
    };
    for attr in &op.attrs {
        if let Attr::Dims(dims) = attr {
            dims.iter().for_each(&mut add);
        }
    }
    op.results.iter().for_each(|&value| graph.ty(value).shape.iter().for_each(&mut add));
    for region in &op.regions {
        region.params.iter().for_each(|port| region.ty(port.value).shape.iter().for_each(&mut add));
    }
    for region in &op.regions {
        region.iter().for_each(|(_, op)| mention(region, op, mentioned));
    }
}

/// Drops ops; `mentioned` holds the symbols that something after the graph mentions, and gets its own.
fn drop_ops(graph: &mut Graph, mentioned: &mut BTreeSet<Symbol>) -> bool {
    let has_definitions = {
        let mut found = false;
        each_definition(graph, &mut |_| found = true);
        found
    };
    let mut live = vec![false; graph.value_count()];
    for port in &graph.results {
        live[port.value.index()] = true;
    }
    let mut dead: BTreeSet<OpId> = BTreeSet::new();
    for (id, op) in graph.iter().rev() {
        let defines = defined_by(op).any(|symbol| mentioned.contains(symbol));
        if defines || op.results.iter().any(|value| live[value.index()]) {
            for value in op.inputs() {
                live[value.index()] = true;
            }
            if has_definitions {
                mention(graph, op, mentioned);
            }
        } else {
            dead.insert(id);
        }
    }
    graph.remove_ops(|id| dead.contains(&id));
    let mut changed = !dead.is_empty();
    for id in graph.order().to_vec() {
        for region in &mut graph.op_mut(id).regions {
            changed |= drop_ops(region, &mut BTreeSet::new());
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
