//! What is new in an e-graph since it was last looked at, so that a round searches only where it may find something.
//!
//! A match that was not there before involves a class that is new, was merged, or of which more is known. It stands at
//! such a class or above one, no farther than its pattern is deep.

use super::analysis::EGraph;
use egg::{ENodeOrVar, Id, Language, RecExpr};
use indexmap::IndexMap;

/// What a class was like.
#[derive(PartialEq, Eq)]
struct State {
    nodes: usize,
    facts: [bool; 4],
}

/// The classes as they were.
#[derive(Default)]
pub struct News {
    known: IndexMap<Id, State>,
}

/// How far each class is above the nearest one that changed; those that are not listed are above none.
pub type Distances = IndexMap<Id, usize>;

impl News {
    /// The distances, up to `depth`, to what changed since the last call. The e-graph must be clean.
    pub fn take(&mut self, egraph: &EGraph, depth: usize) -> Distances {
        let mut known = IndexMap::with_capacity(self.known.len());
        let mut distances = Distances::new();
        for &old in self.known.keys() {
            let now = egraph.find(old);
            if now != old {
                distances.insert(now, 0);
            }
        }
        for class in egraph.classes() {
            let facts = class.data.fact().map_or([false; 4], |fact| {
                [fact.is_const, fact.splat.is_some(), fact.value.is_some(), fact.index.is_some()]
            });
            let state = State { nodes: class.nodes.len(), facts };
            if self.known.get(&class.id) != Some(&state) {
                distances.insert(class.id, 0);
            }
            known.insert(class.id, state);
        }
        self.known = known;
        let mut start = 0;
        for distance in 1..=depth {
            let end = distances.len();
            for at in start..end {
                let Some((&below, _)) = distances.get_index(at) else { break };
                for parent in egraph[below].parents() {
                    distances.entry(egraph.find(parent)).or_insert(distance);
                }
            }
            start = end;
        }
        distances
    }
}

/// How many levels of operands and attributes a term has below its root.
pub fn depth<L: Language>(term: &RecExpr<ENodeOrVar<L>>) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(term.len());
    for item in term {
        depths.push(match item {
            ENodeOrVar::Var(_) => 0,
            ENodeOrVar::ENode(node) => {
                node.children().iter().map(|&child| depths[usize::from(child)] + 1).max().unwrap_or(0)
            }
        });
    }
    depths.last().copied().unwrap_or(0)
}
