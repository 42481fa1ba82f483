//! Saturation: applies every rule in rounds until nothing is new or a limit is reached.
//!
//! Limits are rounds and e-nodes, never time, so that the result does not depend on the machine. An application is tried
//! once; a rule's right side is added node by node, and dropped if a node is not well typed or if the result's type is
//! not the type of what it would replace. That is why rules need no condition against broadcasting. What depends on
//! constants only is a recipe, which is evaluated as it stands: rules leave it alone, except that movement may cancel.
//!
//! Three things keep the work down to what is new: a round looks only where something changed ([`super::news`]), equal
//! constants are one class ([`super::recipes`]), and a node that has its own class as an operand, as `x` once `x * 1` is
//! merged with it, is dropped: no program has it, and what it led to would be its own consequence again.

use super::analysis::{Data, EGraph, Origin, add_constant, refresh_origins, try_add};
use super::language::Node;
use super::news::{Distances, News, depth};
use super::pattern::{Left, Right, matched_nodes};
use super::recipes;
use crate::options::{Report, Stop};
use crate::rules::{Match, Rule};
use egg::{ENodeOrVar, Id, Language, SearchMatches, Searcher, Subst};
use indexmap::IndexSet;
use lathe_ir::{DType, Tensor};
use smallvec::SmallVec;

/// Limits of one saturation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rounds.
    pub iterations: usize,
    /// Most e-nodes.
    pub nodes: usize,
}

/// More left sides than any rule has.
pub const MOST_SIDES: usize = 1024;

/// A match that waits to be applied.
struct Found<'a> {
    rule: usize,
    right: &'a Right,
    root: Id,
    subst: Subst,
    origin: Origin,
}

/// Applies the rules, given with their positions in the whole table, until there is nothing new or a limit is reached.
pub fn saturate(egraph: &mut EGraph, rules: &[(usize, &Rule)], limits: Limits, report: &mut Report) -> Stop {
    let mut tried: IndexSet<(usize, Id, SmallVec<[Id; 6]>)> = IndexSet::new();
    let depths: Vec<Vec<usize>> =
        rules.iter().map(|(_, rule)| rule.sides.iter().map(|(left, _)| depth(&left.pattern.ast)).collect()).collect();
    let deepest = depths.iter().flatten().copied().max().unwrap_or(0);
    let mut news = News::default();
    clean(egraph);
    for _ in 0..limits.iterations {
        if egraph.analysis.bug.is_some() {
            return Stop::Saturated;
        }
        let near = news.take(egraph, deepest);
        let found = search(egraph, rules, &depths, &near, &mut tried, limits.nodes);
        let mut added = false;
        for (index, item) in found.iter().enumerate() {
            let rule = rules[item.rule].1;
            match apply(egraph, rule, rules[item.rule].0, item) {
                Outcome::Added => {
                    added = true;
                    *report.fired.entry(rule.name).or_default() += 1;
                }
                Outcome::Refused => *report.refused.entry(rule.name).or_default() += 1,
                Outcome::Nothing => {}
            }
            if index % 64 == 63 && egraph.total_size() > limits.nodes {
                break;
            }
        }
        clean(egraph);
        if egraph.total_size() > limits.nodes {
            return Stop::Nodes;
        }
        if !added {
            return Stop::Saturated;
        }
    }
    Stop::Iterations
}

/// Brings everything up to date after a round.
fn clean(egraph: &mut EGraph) {
    egraph.rebuild();
    while recipes::refresh(egraph) {
        egraph.rebuild();
    }
    for class in egraph.classes_mut() {
        let own = class.id;
        class.nodes.retain(|node| !node.operands().contains(&own));
    }
    refresh_origins(egraph);
}

/// The matches of a left side at classes that are no farther above what changed than it is deep.
fn matches_near<'a>(
    egraph: &EGraph,
    left: &'a Left,
    depth: usize,
    near: &Distances,
    limit: usize,
) -> Vec<SearchMatches<'a, Node>> {
    let Some(ENodeOrVar::ENode(root)) = left.pattern.ast.last() else {
        return left.pattern.search_with_limit(egraph, limit);
    };
    let Some(classes) = egraph.classes_for_op(&root.discriminant()) else { return Vec::new() };
    let mut all = Vec::new();
    let mut left_over = limit;
    for class in classes.filter(|class| near.get(class).is_some_and(|&distance| distance <= depth)) {
        if left_over == 0 {
            break;
        }
        if let Some(found) = left.pattern.search_eclass_with_limit(egraph, class, left_over) {
            left_over = left_over.saturating_sub(found.substs.len());
            all.push(found);
        }
    }
    all
}

fn search<'a>(
    egraph: &EGraph,
    rules: &[(usize, &'a Rule)],
    depths: &[Vec<usize>],
    near: &Distances,
    tried: &mut IndexSet<(usize, Id, SmallVec<[Id; 6]>)>,
    limit: usize,
) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for (position, (_, rule)) in rules.iter().enumerate() {
        for (side, (left, right)) in rule.sides.iter().enumerate() {
            let vars = left.pattern.vars();
            for matches in matches_near(egraph, left, depths[position][side], near, limit) {
                let root = egraph.find(matches.eclass);
                if !rule.on_constants && egraph[root].data.fact().is_some_and(|fact| fact.is_const) {
                    continue;
                }
                for subst in matches.substs {
                    let bound: SmallVec<[Id; 6]> = vars.iter().map(|&var| egraph.find(subst[var])).collect();
                    let is_number = |(var, value): &(egg::Var, f64)| is_uniform(egraph, subst[*var], *value);
                    if !left.numbers.iter().all(is_number) || !tried.insert((position * MOST_SIDES + side, root, bound))
                    {
                        continue;
                    }
                    let mut origin = Origin::default();
                    for node in matched_nodes(egraph, &left.pattern.ast, &subst) {
                        if let Some(other) = egraph.analysis.origins.get(&node) {
                            origin.merge(other);
                        }
                    }
                    found.push(Found { rule: position, right, root, subst, origin });
                }
            }
        }
    }
    found
}

/// True if every element of the class is that number, rounded to its element type if that is a float type.
pub fn is_uniform(egraph: &EGraph, id: Id, value: f64) -> bool {
    let Data::Value(fact) = &egraph[id].data else { return false };
    fact.splat.as_ref().is_some_and(|splat| number(splat.dtype(), value).as_ref() == Some(splat))
}

/// A number as a scalar; `None` if the type is an integer type that does not have it.
fn number(dtype: DType, value: f64) -> Option<Tensor> {
    let scalar = Tensor::scalar(dtype, value);
    (dtype.is_float() || scalar.f64_at(0) == value).then_some(scalar)
}

enum Outcome {
    Added,
    Refused,
    Nothing,
}

fn apply(egraph: &mut EGraph, rule: &Rule, position: usize, found: &Found<'_>) -> Outcome {
    let root = egraph.find(found.root);
    let Some(fact) = egraph[root].data.fact() else { return Outcome::Nothing };
    let (ty, dtype) = (fact.ty.clone(), fact.ty.dtype);
    let mut origin = found.origin.clone();
    origin.add_rules(&[position as u16]);
    let mut matched = Match::new(egraph, root, found.subst.clone(), origin);
    for step in &rule.steps {
        if step(&mut matched).is_none() {
            return Outcome::Nothing;
        }
    }
    let (mut subst, origin) = matched.finish();
    for (var, value) in &found.right.numbers {
        let Some(scalar) = number(dtype, *value) else { return Outcome::Refused };
        let id = add_constant(egraph, scalar);
        subst.insert(*var, id);
    }
    let Some(id) = build(egraph, found.right, &subst, &origin) else { return Outcome::Refused };
    match egraph[id].data.fact() {
        Some(fact) if *fact.ty == *ty => {}
        _ => return Outcome::Refused,
    }
    if egraph.union(root, id) { Outcome::Added } else { Outcome::Nothing }
}

fn build(egraph: &mut EGraph, right: &Right, subst: &Subst, origin: &Origin) -> Option<Id> {
    let mut ids: Vec<Id> = Vec::with_capacity(right.ast.len());
    for item in &right.ast {
        ids.push(match item {
            ENodeOrVar::Var(var) => *subst.get(*var)?,
            ENodeOrVar::ENode(node) => {
                let node = node.clone().map_children(|child| ids[usize::from(child)]);
                add_with_origin(egraph, node, origin)?
            }
        });
    }
    ids.last().copied()
}

/// Adds a node if it is well typed, and notes where it comes from.
pub fn add_with_origin(egraph: &mut EGraph, node: Node, origin: &Origin) -> Option<Id> {
    let node = node.map_children(|child| egraph.find(child));
    if let Some(id) = egraph.lookup(node.clone()) {
        return Some(id);
    }
    let mut id = try_add(egraph, node.clone()).ok()?;
    if node.code().is_some() {
        id = recipes::unify(egraph, &node, id);
        egraph.analysis.origins.entry(node).or_insert_with(|| origin.clone());
    }
    Some(id)
}
