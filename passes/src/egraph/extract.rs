//! Extraction: the cheapest program in the e-graph, found greedily over classes, with shared parts charged once.
//!
//! 1. Bottom-up, in sweeps over the classes in depth-first order: each class takes the node whose own price plus the
//!    price of the union of its operands' parts is least. The parts of a class are a bit set over classes, so a value
//!    used twice counts once, and a node that would need its own class is seen and skipped. Sweeps repeat until nothing
//!    changes; the best program so far is kept, so the result never has a cycle.
//! 2. Locally: with the whole program known, a class may take another node if what that newly needs costs less than
//!    what is no longer needed. This undoes copies: an epilogue fused into a product that others also read.
//!
//! Ties go to the node that comes first in the order of nodes, which depends on the module only. Time is near linear:
//! each sweep does a few hundred machine words per node.

use super::analysis::{Data, EGraph};
use super::cost::{price, recipe_price};
use super::language::Node;
use crate::machine::Machine;
use egg::Id;
use indexmap::IndexMap;
use lathe_ir::{Attr, OpCode, TensorType};
use smallvec::SmallVec;

/// Most sweeps of the first step.
const SWEEPS: usize = 8;
/// Most rounds of the second step.
const ROUNDS: usize = 4;
/// Most classes that one local change may newly need or give up.
const REACH: usize = 64;
/// A change must gain more than this part of the price it replaces.
const GAIN: f64 = 1e-9;

/// Which node each needed class takes.
pub struct Extraction {
    /// Chosen node of each class that the roots need, operands before users.
    pub nodes: IndexMap<Id, Node>,
    /// Price of the program in nanoseconds.
    pub cost: f64,
}

/// A node as the extractor sees it.
struct Choice {
    node: Node,
    price: f64,
    /// Operand classes, dense, each once; attributes are left out.
    operands: SmallVec<[u32; 4]>,
}

struct Problem {
    classes: Vec<Id>,
    choices: Vec<Vec<Choice>>,
    roots: Vec<u32>,
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
    let problem = Problem::new(egraph, roots, machine);
    let mut best = sweep(&problem).ok_or("a result of the e-graph has no finite program")?;
    improve(&problem, &mut best);
    let order = topological(&problem, &best).ok_or("the extracted program has a cycle")?;
    if let Some(log) = log {
        write_log(egraph, &problem, &best, &order, log);
    }
    let mut nodes = IndexMap::with_capacity(order.len());
    let mut cost = 0.0;
    for class in order {
        let choice = problem.chosen(&best, class);
        cost += choice.price;
        nodes.insert(problem.classes[class as usize], choice.node.clone());
    }
    Ok(Extraction { nodes, cost })
}

const NONE: u32 = u32::MAX;

impl Problem {
    /// Numbers the classes reachable from the roots in depth-first postorder, so that operands mostly come first.
    fn new(egraph: &EGraph, roots: &[Id], machine: &Machine) -> Problem {
        let mut number: IndexMap<Id, u32> = IndexMap::new();
        let mut classes = Vec::new();
        let mut stack: Vec<(Id, bool)> = Vec::new();
        for &root in roots.iter().rev() {
            stack.push((egraph.find(root), false));
        }
        let mut seen: indexmap::IndexSet<Id> = indexmap::IndexSet::new();
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
            for node in egraph[id].nodes.iter().rev() {
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

    fn chosen(&self, best: &[u32], class: u32) -> &Choice {
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
    if is_const && operands_const {
        return recipe_price(machine, symbols, code, &results);
    }
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

/// Step 1. `None` if a root has no finite program.
fn sweep(problem: &Problem) -> Option<Vec<u32>> {
    let count = problem.classes.len();
    let mut best = vec![NONE; count];
    let mut prices = vec![0.0; count];
    let mut totals = vec![f64::INFINITY; count];
    let mut parts: Vec<Bits> = vec![Bits::new(); count];
    let mut kept: Option<(f64, Vec<u32>)> = None;
    // When a class was last looked at, and when it last changed: one is looked at again only after an operand changed.
    let (mut seen, mut changed_at) = (vec![0u64; count], vec![1u64; count]);
    let mut clock = 1;
    for _ in 0..SWEEPS {
        let mut changed = false;
        for class in 0..count {
            let mut operands = problem.choices[class].iter().flat_map(|choice| &choice.operands);
            let is_new = seen[class] == 0;
            if !is_new && !operands.any(|&operand| changed_at[operand as usize] > seen[class]) {
                continue;
            }
            clock += 1;
            seen[class] = clock;
            let mut winner: Option<(f64, u32, Bits)> = None;
            for (index, choice) in problem.choices[class].iter().enumerate() {
                let found = union_of(choice, class as u32, &best, &parts, &totals, &prices);
                let Some((cost, bits)) = found else { continue };
                if winner.as_ref().is_none_or(|(least, ..)| cost < *least * (1.0 - GAIN)) {
                    winner = Some((cost, index as u32, bits));
                }
            }
            let Some((cost, index, mut bits)) = winner else { continue };
            bits.resize(bits.len().max(class / 64 + 1), 0);
            bits[class / 64] |= 1 << (class % 64);
            if best[class] == index && cost == totals[class] && bits == parts[class] {
                continue;
            }
            changed = true;
            clock += 1;
            changed_at[class] = clock;
            best[class] = index;
            totals[class] = cost;
            prices[class] = problem.choices[class][index as usize].price;
            parts[class] = bits;
        }
        if problem.roots.iter().all(|&root| best[root as usize] != NONE)
            && let Some(order) = topological(problem, &best)
        {
            let cost = order.iter().map(|&class| problem.chosen(&best, class).price).sum();
            if kept.as_ref().is_none_or(|(least, _)| cost < *least) {
                kept = Some((cost, best.clone()));
            }
        }
        if !changed {
            break;
        }
    }
    kept.map(|(_, best)| best)
}

/// Price and parts of a choice given what its operands take now; `None` if an operand has no program yet or needs
/// `class` itself.
fn union_of(
    choice: &Choice,
    class: u32,
    best: &[u32],
    parts: &[Bits],
    totals: &[f64],
    prices: &[f64],
) -> Option<(f64, Bits)> {
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
fn topological(problem: &Problem, best: &[u32]) -> Option<Vec<u32>> {
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

/// Step 2.
fn improve(problem: &Problem, best: &mut [u32]) {
    for _ in 0..ROUNDS {
        let Some(order) = topological(problem, best) else { return };
        let mut position = vec![NONE; problem.classes.len()];
        for (index, &class) in order.iter().enumerate() {
            position[class as usize] = index as u32;
        }
        let mut uses = vec![0u32; problem.classes.len()];
        for &root in &problem.roots {
            uses[root as usize] += 1;
        }
        for &class in &order {
            for &operand in &problem.chosen(best, class).operands {
                uses[operand as usize] += 1;
            }
        }
        let mut changed = false;
        for &class in order.iter().rev() {
            if uses[class as usize] > 0 {
                changed |= improve_class(problem, best, &mut uses, &mut position, class);
            }
        }
        if !changed {
            return;
        }
    }
}

fn improve_class(problem: &Problem, best: &mut [u32], uses: &mut [u32], position: &mut [u32], class: u32) -> bool {
    let here = class as usize;
    let current = best[here];
    if problem.choices[here].len() < 2 {
        return false;
    }
    let own = problem.choices[here][current as usize].price;
    let mut winner: Option<(f64, u32)> = None;
    for (index, choice) in problem.choices[here].iter().enumerate() {
        if index as u32 == current {
            continue;
        }
        let Some(taken) = acquire(problem, best, uses, position, class, choice) else { continue };
        let freed = release(problem, best, uses, &problem.choices[here][current as usize]);
        let gain = own + price_of(problem, best, &freed) - choice.price - price_of(problem, best, &taken);
        undo_release(problem, best, uses, &problem.choices[here][current as usize], &freed);
        undo_acquire(problem, best, uses, choice, &taken);
        if gain > own * GAIN && winner.is_none_or(|(most, _)| gain > most) {
            winner = Some((gain, index as u32));
        }
    }
    let Some((_, index)) = winner else { return false };
    let choice = &problem.choices[here][index as usize];
    if let Some(taken) = acquire(problem, best, uses, position, class, choice) {
        // What is new stands right before its user.
        for &new in &taken {
            position[new as usize] = position[here];
        }
        release(problem, best, uses, &problem.choices[here][current as usize]);
        best[here] = index;
        return true;
    }
    false
}

fn price_of(problem: &Problem, best: &[u32], classes: &[u32]) -> f64 {
    classes.iter().map(|&class| problem.chosen(best, class).price).sum()
}

/// Counts the uses of a choice's operands and of all they newly need; gives the new classes. `None`, with nothing
/// changed, if that reaches too far or could need `class` itself.
fn acquire(
    problem: &Problem,
    best: &[u32],
    uses: &mut [u32],
    position: &[u32],
    class: u32,
    choice: &Choice,
) -> Option<Vec<u32>> {
    let mut taken = Vec::new();
    let mut fits = true;
    let mut next = 0;
    let mut pending: &Choice = choice;
    loop {
        for &operand in &pending.operands {
            let at = operand as usize;
            if uses[at] == 0 {
                taken.push(operand);
            } else if !taken.contains(&operand) && position[at] >= position[class as usize] {
                fits = false;
            }
            uses[at] += 1;
            fits &= best[at] != NONE && operand != class;
        }
        fits &= taken.len() <= REACH;
        if !fits || next == taken.len() {
            break;
        }
        pending = problem.chosen(best, taken[next]);
        next += 1;
    }
    if fits {
        return Some(taken);
    }
    // Everything up to `next` has been counted.
    for &operand in &choice.operands {
        uses[operand as usize] -= 1;
    }
    for &new in &taken[..next] {
        for &operand in &problem.chosen(best, new).operands {
            uses[operand as usize] -= 1;
        }
    }
    None
}

fn undo_acquire(problem: &Problem, best: &[u32], uses: &mut [u32], choice: &Choice, taken: &[u32]) {
    for &operand in &choice.operands {
        uses[operand as usize] -= 1;
    }
    for &new in taken {
        for &operand in &problem.chosen(best, new).operands {
            uses[operand as usize] -= 1;
        }
    }
}

/// Takes back the uses of a choice's operands; gives the classes that nothing needs any more, at most [`REACH`] of
/// them: what lies beyond keeps its uses, as if it were still needed.
fn release(problem: &Problem, best: &[u32], uses: &mut [u32], choice: &Choice) -> Vec<u32> {
    let mut freed = Vec::new();
    let mut next = 0;
    let mut pending: &Choice = choice;
    loop {
        for &operand in &pending.operands {
            uses[operand as usize] -= 1;
            if uses[operand as usize] == 0 {
                freed.push(operand);
            }
        }
        if next == freed.len() || next >= REACH {
            return freed;
        }
        pending = problem.chosen(best, freed[next]);
        next += 1;
    }
}

fn undo_release(problem: &Problem, best: &[u32], uses: &mut [u32], choice: &Choice, freed: &[u32]) {
    for &operand in &choice.operands {
        uses[operand as usize] += 1;
    }
    for &class in freed.iter().take(REACH) {
        for &operand in &problem.chosen(best, class).operands {
            uses[operand as usize] += 1;
        }
    }
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
