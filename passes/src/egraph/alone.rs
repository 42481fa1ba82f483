//! One rule by itself: applied for one round, and what it made of the result taken whatever that costs.
//!
//! For tests of rules and for finding the rule that is wrong: the pass itself takes only what is cheaper.

use super::analysis::{EGraph, Facts};
use super::language::Node;
use super::{convert, extract, run};
use crate::machine::Machine;
use crate::options::Report;
use crate::rules;
use egg::Language;
use indexmap::IndexSet;
use lathe_ir::Module;

/// The module whose only result is what the rule, given by its position in [`rules::all`], makes of the result of
/// `module`. `None` if the rule does not apply to that result.
///
/// # Errors
/// The e-graph broke an invariant, or what the rule made has no finite program: bugs of the rule or of Lathe.
pub fn apply_alone(module: &Module, rule: usize) -> Result<Option<Module>, String> {
    let Some(definition) = rules::all().get(rule) else { return Err(format!("there is no rule {rule}")) };
    let mut egraph = EGraph::new(Facts::new(module.env.clone()));
    let roots = convert::add_graph(&mut egraph, &module.main);
    egraph.rebuild();
    let [root] = roots[..] else { return Err("the graph must have one result".to_owned()) };
    let before: Vec<Node> = egraph[egraph.find(root)].nodes.clone();
    let limits = run::Limits { iterations: 1, nodes: usize::MAX };
    let mut report = Report::default();
    run::saturate(&mut egraph, &[(rule, definition)], limits, &mut report);
    if let Some(bug) = egraph.analysis.bug.take() {
        return Err(bug);
    }
    let canonical = |node: &Node| node.clone().map_children(|child| egraph.find(child));
    let banned: IndexSet<Node> = before.iter().map(canonical).collect();
    if egraph[egraph.find(root)].nodes.iter().all(|node| banned.contains(&canonical(node))) {
        return Ok(None);
    }
    let extraction = extract::extract_without(&egraph, &roots, &Machine::default(), &banned);
    let Ok(extraction) = extraction else { return Ok(None) };
    let (main, _) = convert::to_graph(&egraph, &extraction, &roots, &module.main)?;
    Ok(Some(Module { env: std::mem::take(&mut egraph.analysis.env), main }))
}
