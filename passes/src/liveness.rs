//! Which ops are needed: those whose values are used, and those that define a data-dependent symbol that somebody
//! mentions.

use lathe_ir::{Attr, Dim, Graph, Op, OpId, Symbol, Symbols, ValueId};
use std::collections::BTreeSet;

/// The data-dependent symbols that an op defines for what comes after it. (Sizes of control flow that were known before
/// are among them.)
pub(crate) fn defined_by(op: &Op) -> impl Iterator<Item = &Symbol> {
    let traits = op.code.def().traits;
    let dims = match op.attrs.first() {
        _ if traits.regions => op.dims("sizes"),
        Some(Attr::Dims(dims)) if traits.data_dependent => dims.as_slice(),
        _ => &[],
    };
    dims.iter().filter_map(Dim::as_symbol)
}

/// Ops of a graph that its given values need.
pub(crate) fn live_ops(graph: &Graph, symbols: &Symbols, roots: impl IntoIterator<Item = ValueId>) -> BTreeSet<OpId> {
    let mut values = vec![false; graph.value_count()];
    let has_data = symbols.values().any(|info| info.data_dependent);
    let is_data = |symbol: &&Symbol| symbols.get(*symbol).is_some_and(|info| info.data_dependent);
    let mut mentioned = BTreeSet::new();
    for value in roots {
        values[value.index()] = true;
        mentioned.extend(graph.ty(value).shape.iter().flat_map(Dim::symbols));
    }
    let mut live = BTreeSet::new();
    for (id, op) in graph.iter().rev() {
        let is_used = op.results.iter().any(|value| values[value.index()]);
        if !is_used && !defined_by(op).filter(is_data).any(|symbol| mentioned.contains(symbol)) {
            continue;
        }
        live.insert(id);
        op.inputs().for_each(|value| values[value.index()] = true);
        if has_data {
            mention(graph, op, &mut mentioned);
        }
    }
    live
}

/// True if that result has one of these sizes, which its op, one of control flow, finds.
pub(crate) fn finds(graph: &Graph, op: &Op, symbols: &Symbols, result: ValueId, sizes: &BTreeSet<Symbol>) -> bool {
    let is_data = |symbol: &Symbol| symbols.get(symbol).is_some_and(|info| info.data_dependent);
    op.code.def().traits.regions
        && graph.ty(result).shape.iter().filter_map(Dim::as_symbol).any(|size| is_data(size) && sizes.contains(size))
}

/// Adds the symbols that an op and its regions mention.
pub(crate) fn mention(graph: &Graph, op: &Op, sizes: &mut BTreeSet<Symbol>) {
    let mut add = |dim: &Dim| {
        if dim.as_const().is_none() {
            sizes.extend(dim.symbols());
        }
    };
    for attr in &op.attrs {
        if let Attr::Dims(dims) = attr {
            dims.iter().for_each(&mut add);
        }
    }
    op.results.iter().flat_map(|&value| &graph.ty(value).shape).for_each(&mut add);
    for region in &op.regions {
        region.params.iter().flat_map(|port| &region.ty(port.value).shape).for_each(&mut add);
    }
    for region in &op.regions {
        region.iter().for_each(|(_, op)| mention(region, op, sizes));
    }
}
