//! Extraction: the cheapest program in the e-graph, found greedily over classes, with shared parts charged once.
//!
//! 1. Bottom-up: each class takes the node whose own price plus the price of the union of its operands' parts is least.
//!    The parts of a class are a bit set over classes, so a value used twice counts once, and a node that would need its
//!    own class is seen and skipped. Classes that reach each other (a tensor and its transpose, say) are a component and
//!    are looked at in turn until none changes; components are done one after the other, operands first.
//! 2. Locally: with the whole program known, a class may take another node if what that newly needs costs less than
//!    what is no longer needed. This undoes copies: an epilogue fused into a product that others also read.
//!
//! Ties go to the node that comes first in the order of nodes, which depends on the module only. Time is near linear:
//! each look at a node takes a few hundred machine words.

use super::analysis::{Data, EGraph};
use super::components::components;
use super::cost::{price, recipe_price};
use super::improve::improve;
use super::language::Node;
use crate::machine::Machine;
use egg::{Id, Language};
use indexmap::{IndexMap, IndexSet};
use lathe_ir::{Attr, OpCode, TensorType};
use smallvec::SmallVec;

/// Most sweeps over one component.
const SWEEPS: usize = 16;
/// A change must gain more than this part of the price it replaces.
pub(super) const GAIN: f64 = 1e-9;

/// Which node each needed class takes.
pub struct Extraction {
    /// Chosen node of each class that the roots need, operands before users.
    pub nodes: IndexMap<Id, Node>,
    /// Price of the program in nanoseconds.
    pub cost: f64,
}

/// A node as the extractor sees it.
pub(super) struct Choice {
    node: Node,
    pub(super) price: f64,
    /// Operand classes, dense, each once; attributes are left out.
    pub(super) operands: SmallVec<[u32; 4]>,
}

pub(super) struct Problem {
    pub(super) classes: Vec<Id>,
    pub(super) choices: Vec<Vec<Choice>>,
    pub(super) roots: Vec<u32>,
}

/// Chooses a node for every class that the roots need. `log` gets a line for each class that had a choice.
///
/// # Errors
/// A root has no finite program: a bug.
pub fn extract(
    egraph: &EGraph,
    roots: &[Id],
    machine: &Machine,
    log: Option<&mut Vec<String>>,
) -> Result<Extraction, String> {
    let problem = Problem::new(egraph, roots, machine, &IndexSet::new());
    let (best, order) = solve(&problem)?;
    if let Some(log) = log {
        write_log(egraph, &problem, &best, &order, log);
    }
    Ok(collect(&problem, &best, order))
}

/// Chooses as if the nodes `banned`, given with canonical operands, were not there.
///
/// # Errors
/// A root has no finite program without them.
pub fn extract_without(
    egraph: &EGraph,
    roots: &[Id],
    machine: &Machine,
    banned: &IndexSet<Node>,
) -> Result<Extraction, String> {
    let problem = Problem::new(egraph, roots, machine, banned);
    let (best, order) = solve(&problem)?;
    Ok(collect(&problem, &best, order))
}

fn solve(problem: &Problem) -> Result<(Vec<u32>, Vec<u32>), String> {
    let mut best = bottom_up(problem).ok_or("a result of the e-graph has no finite program")?;
    improve(problem, &mut best);
    let order = topological(problem, &best).ok_or("the extracted program has a cycle")?;
    Ok((best, order))
}

fn collect(problem: &Problem, best: &[u32], order: Vec<u32>) -> Extraction {
    let mut nodes = IndexMap::with_capacity(order.len());
    let mut cost = 0.0;
    for class in order {
        let choice = problem.chosen(best, class);
        cost += choice.price;
        nodes.insert(problem.classes[class as usize], choice.node.clone());
    }
    Extraction { nodes, cost }
}

pub(super) const NONE: u32 = u32::MAX;

impl Problem {
    /// Numbers the classes reachable from the roots in depth-first postorder, so that operands mostly come first.
    fn new(egraph: &EGraph, roots: &[Id], machine: &Machine, banned: &IndexSet<Node>) -> Problem {
        let is_allowed = |node: &&Node| {
            banned.is_empty() || !banned.contains(&(*node).clone().map_children(|child| egraph.find(child)))
        };
        let mut number: IndexMap<Id, u32> = IndexMap::new();
        let mut classes = Vec::new();
        let mut stack: Vec<(Id, bool)> = Vec::new();
        for &root in roots.iter().rev() {
            stack.push((egraph.find(root), false));
        }
        let mut seen: IndexSet<Id> = IndexSet::new();
        while let Some((id, done)) = stack.pop() {
            if done {
                number.insert(id, classes.len() as u32);
                classes.push(id);
                continue;
            }
            if !seen.insert(id) {
                continue;
            }
            stack.push((id, true));
            for node in egraph[id].nodes.iter().rev().filter(is_allowed) {
                for &child in node.operands().iter().rev() {
                    let child = egraph.find(child);
                    if is_needed(egraph, child) && !seen.contains(&child) {
                        stack.push((child, false));
                    }
                }
            }
        }
        let choices = classes
            .iter()
            .map(|&id| {
                let class = &egraph[id];
                class
                    .nodes
                    .iter()
                    .filter(is_allowed)
                    .map(|node| {
                        let mut operands: SmallVec<[u32; 4]> = node
                            .operands()
                            .iter()
                            .filter_map(|&child| number.get(&egraph.find(child)).copied())
                            .collect();
                        operands.sort_unstable();
                        operands.dedup();
                        Choice { node: node.clone(), price: node_price(egraph, machine, &class.data, node), operands }
                    })
                    .collect()
            })
            .collect();
        let roots = roots.iter().filter_map(|&root| number.get(&egraph.find(root)).copied()).collect();
        Problem { classes, choices, roots }
    }

    pub(super) fn chosen(&self, best: &[u32], class: u32) -> &Choice {
        &self.choices[class as usize][best[class as usize] as usize]
    }
}

fn is_needed(egraph: &EGraph, id: Id) -> bool {
    matches!(egraph[id].data, Data::Value(_) | Data::Tuple(..))
}

fn node_price(egraph: &EGraph, machine: &Machine, data: &Data, node: &Node) -> f64 {
    let Some(code) = node.code() else { return 0.0 };
    let symbols = &egraph.analysis.env.symbols;
    let (results, is_const): (SmallVec<[&TensorType; 2]>, bool) = match data {
        Data::Value(fact) => (SmallVec::from_iter([fact.ty.as_ref()]), fact.is_const),
        Data::Tuple(types, is_const) => (types.iter().collect(), *is_const),
        _ => return 0.0,
    };
    if code == OpCode::Const {
        return 0.0;
    }
    // A class may be known to be constant while this node of it is computed from parameters.
    let operands_const = node.operands().iter().all(|&child| match &egraph[child].data {
        Data::Value(fact) => fact.is_const,
        Data::Tuple(_, is_const) => *is_const,
        _ => true,
    });
    let attrs: SmallVec<[Attr; 4]> = node
        .attrs()
        .iter()
        .filter_map(|&child| match &egraph[child].data {
            Data::Attr(attr) => Some((**attr).clone()),
            _ => None,
        })
        .collect();
    let operands: SmallVec<[Option<&TensorType>; 4]> =
        node.operands().iter().map(|&child| egraph[child].data.fact().map(|fact| fact.ty.as_ref())).collect();
    if is_const && operands_const {
        return recipe_price(machine, symbols, code, &attrs, &operands, &results);
    }
    price(machine, symbols, code, &attrs, &operands, &results)
}

/// A set of classes.
type Bits = Vec<u64>;

fn has(bits: &Bits, index: u32) -> bool {
    bits.get(index as usize / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
}

/// Adds `other` to `bits`; gives the price of what is new.
fn add_all(bits: &mut Bits, other: &Bits, prices: &[f64]) -> f64 {
    let mut added = 0.0;
    if bits.len() < other.len() {
        bits.resize(other.len(), 0);
    }
    for (index, (word, &more)) in bits.iter_mut().zip(other).enumerate() {
        let mut new = more & !*word;
        *word |= more;
        while new != 0 {
            added += prices[index * 64 + new.trailing_zeros() as usize];
            new &= new - 1;
        }
    }
    added
}

/// What each class takes, and what follows from it.
struct Chosen {
    best: Vec<u32>,
    /// Price of the chosen node.
    prices: Vec<f64>,
    /// Price of the parts together.
    totals: Vec<f64>,
    /// The classes that the program of a class consists of, itself included.
    parts: Vec<Bits>,
}

/// Step 1. `None` if a root has no finite program.
fn bottom_up(problem: &Problem) -> Option<Vec<u32>> {
    let count = problem.classes.len();
    let mut chosen = Chosen {
        best: vec![NONE; count],
        prices: vec![0.0; count],
        totals: vec![f64::INFINITY; count],
        parts: vec![Bits::new(); count],
    };
    let edges = |class: u32| problem.choices[class as usize].iter().flat_map(|choice| &choice.operands);
    for component in components(count, edges) {
        let mut settled = false;
        for _ in 0..SWEEPS {
            settled = true;
            for &class in &component {
                settled &= !choose(problem, &mut chosen, class);
            }
            if settled || component.len() == 1 {
                settled = true;
                break;
            }
        }
        if !settled {
            // Parts may be out of date, so there may be a cycle: take the first program that each member can have.
            for &class in &component {
                chosen.best[class as usize] = NONE;
            }
            let mut progress = true;
            while progress {
                progress = false;
                for &class in component.iter() {
                    if chosen.best[class as usize] == NONE {
                        progress |= choose(problem, &mut chosen, class);
                    }
                }
            }
        }
    }
    problem.roots.iter().all(|&root| chosen.best[root as usize] != NONE).then_some(chosen.best)
}

/// Lets a class take its cheapest node; true if anything about it changed.
fn choose(problem: &Problem, chosen: &mut Chosen, class: u32) -> bool {
    let here = class as usize;
    let mut winner: Option<(f64, u32, Bits)> = None;
    for (index, choice) in problem.choices[here].iter().enumerate() {
        let Some((cost, bits)) = union_of(choice, class, chosen) else { continue };
        if winner.as_ref().is_none_or(|(least, ..)| cost < *least * (1.0 - GAIN)) {
            winner = Some((cost, index as u32, bits));
        }
    }
    let Some((cost, index, mut bits)) = winner else { return false };
    bits.resize(bits.len().max(here / 64 + 1), 0);
    bits[here / 64] |= 1 << (here % 64);
    if chosen.best[here] == index && cost == chosen.totals[here] && bits == chosen.parts[here] {
        return false;
    }
    chosen.best[here] = index;
    chosen.totals[here] = cost;
    chosen.prices[here] = problem.choices[here][index as usize].price;
    chosen.parts[here] = bits;
    true
}

/// Price and parts of a choice given what its operands take now; `None` if an operand has no program yet or needs
/// `class` itself.
fn union_of(choice: &Choice, class: u32, chosen: &Chosen) -> Option<(f64, Bits)> {
    let Chosen { best, prices, totals, parts } = chosen;
    if choice.operands.iter().any(|&operand| best[operand as usize] == NONE || has(&parts[operand as usize], class)) {
        return None;
    }
    let largest = choice
        .operands
        .iter()
        .copied()
        .max_by(|&a, &b| totals[a as usize].total_cmp(&totals[b as usize]).then(b.cmp(&a)));
    let Some(largest) = largest else { return Some((choice.price, Bits::new())) };
    let mut bits = parts[largest as usize].clone();
    let mut cost = choice.price + totals[largest as usize];
    for &operand in &choice.operands {
        if operand != largest {
            cost += add_all(&mut bits, &parts[operand as usize], prices);
        }
    }
    Some((cost, bits))
}

/// The classes that the roots need, operands before users; `None` if the choices have a cycle.
pub(super) fn topological(problem: &Problem, best: &[u32]) -> Option<Vec<u32>> {
    let mut state = vec![0u8; problem.classes.len()];
    let mut order = Vec::new();
    for &root in &problem.roots {
        let mut stack = vec![(root, false)];
        while let Some((class, done)) = stack.pop() {
            if done {
                state[class as usize] = 2;
                order.push(class);
                continue;
            }
            match state[class as usize] {
                2 => continue,
                1 => return None,
                _ => {}
            }
            state[class as usize] = 1;
            stack.push((class, true));
            if best[class as usize] == NONE {
                return None;
            }
            // In the order in which the classes were first reached, so that the program reads as it was written.
            for &operand in problem.chosen(best, class).operands.iter().rev() {
                match state[operand as usize] {
                    0 => stack.push((operand, false)),
                    1 => return None,
                    _ => {}
                }
            }
        }
    }
    Some(order)
}

fn write_log(egraph: &EGraph, problem: &Problem, best: &[u32], order: &[u32], log: &mut Vec<String>) {
    for &class in order {
        let choices = &problem.choices[class as usize];
        if choices.len() < 2 {
            continue;
        }
        let show = |choice: &Choice| {
            let attrs: Vec<String> = choice
                .node
                .attrs()
                .iter()
                .zip(choice.node.code().map_or(&[][..], |code| code.def().attrs))
                .filter_map(|(&child, def)| match &egraph[child].data {
                    Data::Attr(attr) if def.default.is_none_or(|default| default() != **attr) => {
                        Some(format!("{}={attr:?}", def.name))
                    }
                    _ => None,
                })
                .collect();
            let attrs = if attrs.is_empty() { String::new() } else { format!("{{{}}}", attrs.join(", ")) };
            let operands: Vec<String> = choice.node.operands().iter().map(|id| format!("c{id}")).collect();
            format!("{}{attrs}({}) {:.0} ns", choice.node, operands.join(", "), choice.price)
        };
        let taken = problem.chosen(best, class);
        let others: Vec<String> = choices.iter().filter(|choice| !std::ptr::eq(*choice, taken)).map(show).collect();
        let id = problem.classes[class as usize];
        log.push(format!("c{id} takes {} over {}", show(taken), others.join("; ")));
    }
}
