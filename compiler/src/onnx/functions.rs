//! A model's own functions: unique, not recursive, and of bounded size when all calls are expanded.

use indexmap::IndexMap;

use super::error::{Problem, Problems, quote};
use super::model::normalize_domain;
use super::proto::{FunctionProto, ModelProto, NodeProto};
use super::topo;

/// Nodes a model may have once every call of a function is replaced by its body.
pub const MAX_EXPANDED_NODES: u64 = 1 << 22;

/// Calls and graphs inside graphs may nest this deep once calls are expanded.
pub const MAX_EXPANDED_DEPTH: u64 = 64;

type Key<'a> = (&'a str, &'a str, &'a str);

/// Functions by domain, name and overload.
pub(crate) struct Functions<'a> {
    by_key: IndexMap<Key<'a>, usize>,
}

impl<'a> Functions<'a> {
    /// Collects the functions of a model; the first of several equal ones counts.
    pub(crate) fn of(model: &'a ModelProto) -> Functions<'a> {
        let mut by_key = IndexMap::new();
        for (index, function) in model.functions.iter().enumerate() {
            by_key.entry(key(function)).or_insert(index);
        }
        Functions { by_key }
    }

    /// The function a node calls.
    pub(crate) fn called(&self, node: &NodeProto) -> Option<usize> {
        self.by_key.get(&(normalize_domain(&node.domain), &*node.op_type, &*node.overload)).copied()
    }

    /// Reports functions without a name, equal ones, recursion, and calls that expand to too much.
    pub(crate) fn check(&self, model: &ModelProto, problems: &mut Problems) {
        for (index, function) in model.functions.iter().enumerate() {
            if function.name.is_empty() {
                problems.push(|| Problem::invalid(format!("function {index}"), "no name"));
            }
            if self.by_key.get(&key(function)) != Some(&index) {
                problems.push(|| Problem::invalid(place(function), "defined twice"));
            }
        }
        let mut edges = Vec::new();
        let mut bodies = Vec::new();
        for (index, function) in model.functions.iter().enumerate() {
            let body = Body::of(&function.node, self);
            edges.extend(body.calls.iter().map(|(callee, _)| (index, *callee)));
            bodies.push(body);
        }
        let order = match topo::order(model.functions.len(), &edges) {
            Ok(order) => order,
            Err(cycle) => {
                problems.push(|| {
                    let names: Vec<_> = cycle.iter().take(8).map(|i| quote(&model.functions[*i].name)).collect();
                    let names = names.join(", ");
                    Problem::invalid(place(&model.functions[cycle[0]]), format!("calls itself: {names}"))
                });
                return;
            }
        };
        let mut expanded = vec![(0, 0); bodies.len()];
        for index in order {
            expanded[index] = bodies[index].expand(&expanded);
        }
        let Some(graph) = &model.graph else { return };
        let (nodes, depth) = Body::of(&graph.node, self).expand(&expanded);
        if nodes > MAX_EXPANDED_NODES {
            let message = format!("its functions expand to {nodes} nodes, more than {MAX_EXPANDED_NODES}");
            problems.push(|| Problem::invalid("model", message));
        }
        if depth > MAX_EXPANDED_DEPTH {
            let message = format!("its functions and graphs nest {depth} deep, more than {MAX_EXPANDED_DEPTH}");
            problems.push(|| Problem::invalid("model", message));
        }
    }
}

fn key(function: &FunctionProto) -> Key<'_> {
    (normalize_domain(&function.domain), &function.name, &function.overload)
}

/// How errors name a function.
pub(crate) fn place(function: &FunctionProto) -> String {
    format!("function {}", quote(&function.name))
}

/// What a list of nodes holds, graphs inside nodes included.
struct Body {
    nodes: u64,
    depth: u64,
    /// Functions called, with the depth of the call.
    calls: Vec<(usize, u64)>,
}

impl Body {
    fn of(nodes: &[NodeProto], functions: &Functions) -> Body {
        let mut body = Body { nodes: 0, depth: 0, calls: Vec::new() };
        body.add(nodes, functions, 1);
        body
    }

    fn add(&mut self, nodes: &[NodeProto], functions: &Functions, depth: u64) {
        self.nodes += nodes.len() as u64;
        self.depth = self.depth.max(depth);
        for node in nodes {
            self.calls.extend(functions.called(node).map(|callee| (callee, depth)));
            for graph in node.attribute.iter().flat_map(topo::graphs_of) {
                self.add(&graph.node, functions, depth + 1);
            }
        }
    }

    /// Nodes and depth after expansion, given those of all functions called.
    fn expand(&self, functions: &[(u64, u64)]) -> (u64, u64) {
        self.calls.iter().fold((self.nodes, self.depth), |(nodes, depth), (callee, at)| {
            let (more, deeper) = functions[*callee];
            (nodes.saturating_add(more), depth.max(at.saturating_add(deeper)))
        })
    }
}
