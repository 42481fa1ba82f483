//! cse: ops with equal code, attributes and operands become one; weights of at most 64 KiB with equal type and bytes
//! become one.
//!
//! Before: canonical form, so that equal sums have equal operand order. After: no two region-free ops of one graph are
//! equal. The op that stays carries the locations of both. Regions are isolated, each is treated by itself; ops with
//! regions stay.

use crate::dce::each_weight;
use crate::manager::{Changed, PassCx};
use indexmap::IndexMap;
use lathe_ir::{Attrs, Diagnostics, Graph, Module, OpCode, OpId, Operands, Tensor, ValueId, WeightId};
use std::collections::BTreeMap;

/// Weights above this size in bytes are not compared.
const WEIGHT_LIMIT: usize = 64 << 10;

/// The pass.
pub fn run(module: &mut Module, _: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    let weights = merge_weights(module);
    Ok(Changed::from_bool(merge_ops(&mut module.main) || weights))
}

fn merge_weights(module: &mut Module) -> bool {
    let mut first: IndexMap<&Tensor, WeightId> = IndexMap::new();
    let mut same = BTreeMap::new();
    for (index, weight) in module.env.weights.iter().enumerate() {
        if weight.value.bytes().len() <= WEIGHT_LIMIT {
            let id = WeightId(index as u32);
            let kept = *first.entry(&weight.value).or_insert(id);
            if kept != id {
                same.insert(id, kept);
            }
        }
    }
    let mut changed = false;
    each_weight(&mut module.main, &mut |id| {
        if let Some(&kept) = same.get(id) {
            *id = kept;
            changed = true;
        }
    });
    changed
}

fn merge_ops(graph: &mut Graph) -> bool {
    let mut seen: IndexMap<(OpCode, Attrs, Operands), OpId> = IndexMap::new();
    let mut replaced: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let mut changed = false;
    for id in graph.order().to_vec() {
        let op = graph.op_mut(id);
        for operand in op.operands.iter_mut().flatten() {
            if let Some(&kept) = replaced.get(operand) {
                *operand = kept;
            }
        }
        if !op.regions.is_empty() {
            for region in &mut op.regions {
                changed |= merge_ops(region);
            }
            continue;
        }
        let (key, loc, results) =
            ((op.code, op.attrs.clone(), op.operands.clone()), op.loc.clone(), op.results.clone());
        match seen.get(&key) {
            Some(&kept) => {
                let kept = graph.op_mut(kept);
                kept.loc = kept.loc.merge(&loc);
                replaced.extend(results.iter().copied().zip(kept.results.iter().copied()));
            }
            None => {
                seen.insert(key, id);
            }
        }
    }
    if replaced.is_empty() {
        return changed;
    }
    graph.replace_all_uses(&replaced);
    let dead: std::collections::BTreeSet<OpId> =
        replaced.keys().filter_map(|&value| graph.def(value).map(|(id, _)| id)).collect();
    graph.remove_ops(|id| dead.contains(&id));
    true
}
