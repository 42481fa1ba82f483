//! Graph to e-graph and back.

use super::analysis::{Data, EGraph, Fact, Origin, add_attr, add_known, op_data};
use super::demand;
use super::extract::Extraction;
use super::language::{Children, Head, Node, operand_count};
use super::recipes;
use egg::Id;
use indexmap::IndexMap;
use lathe_ir::{Attrs, Graph, Op, OpId, Operands, TensorType, ValueId};

/// Adds a graph's parameters and ops; gives the classes of its results. Types are the graph's own.
pub fn add_graph(egraph: &mut EGraph, graph: &Graph) -> Vec<Id> {
    let mut classes: Vec<Option<Id>> = vec![None; graph.value_count()];
    for (index, port) in graph.params.iter().enumerate() {
        let fact = Fact::of_type(graph.ty(port.value).clone(), false);
        let id = add_known(egraph, Node::leaf(Head::Param(index as u32)), Data::Value(fact));
        classes[port.value.index()] = Some(id);
    }
    for (_, op) in graph.iter() {
        add_op(egraph, graph, op, &mut classes);
    }
    let classes_of = |values: Vec<bool>| {
        classes.iter().zip(values).filter(|(_, is_it)| *is_it).filter_map(|(class, _)| *class).collect()
    };
    egraph.analysis.whole = classes_of(demand::whole(graph));
    egraph.analysis.entire = classes_of(demand::entire(graph));
    graph.results.iter().filter_map(|port| classes[port.value.index()]).collect()
}

fn add_op(egraph: &mut EGraph, graph: &Graph, op: &Op, classes: &mut [Option<Id>]) {
    let regions = if op.regions.is_empty() {
        0
    } else {
        if egraph.analysis.regions.is_empty() {
            egraph.analysis.regions.push(Vec::new());
        }
        egraph.analysis.regions.push(op.regions.clone());
        egraph.analysis.regions.len() as u32 - 1
    };
    let mut children: Children = op.attrs.iter().map(|attr| add_attr(egraph, attr.clone())).collect();
    let missing = |egraph: &mut EGraph| add_known(egraph, Node::leaf(Head::Missing), Data::Missing);
    for operand in &op.operands {
        let id = operand.and_then(|value| classes[value.index()]);
        children.push(id.unwrap_or_else(|| missing(egraph)));
    }
    for _ in op.operands.len()..operand_count(op.code).unwrap_or(0) {
        children.push(missing(egraph));
    }
    let node = Node { head: Head::Op(op.code, regions), children };
    let types: Vec<TensorType> = op.results.iter().map(|&value| graph.ty(value).clone()).collect();
    let is_tuple = types.len() != 1;
    let data = op_data(egraph, op.code, &node, types.clone());
    let id = add_known(egraph, node.clone(), data);
    let origin = Origin { loc: op.loc.clone(), ..Origin::default() };
    egraph.analysis.origins.entry(node.clone()).or_default().merge(&origin);
    if !is_tuple {
        classes[op.results[0].index()] = Some(recipes::unify(egraph, &node, id));
        return;
    }
    for (index, (&value, ty)) in op.results.iter().zip(types).enumerate() {
        let node = Node { head: Head::Result(index as u32), children: Children::from_slice(&[id]) };
        let is_const = matches!(&egraph[id].data, Data::Tuple(_, true));
        let fact = Fact::of_type(ty, is_const);
        classes[value.index()] = Some(add_known(egraph, node, Data::Value(fact)));
    }
}

/// Writes the chosen program as a graph with the interface of `old`; gives the origin of each op that a rule led to.
///
/// # Errors
/// A chosen node's operand was not chosen: a bug.
pub fn to_graph(
    egraph: &EGraph,
    extraction: &Extraction,
    roots: &[Id],
    old: &Graph,
) -> Result<(Graph, Vec<(OpId, Origin)>), String> {
    let mut graph = Graph::default();
    let mut values: IndexMap<Id, ValueId> = IndexMap::new();
    let mut tuples: IndexMap<Id, OpId> = IndexMap::new();
    let mut origins = Vec::new();
    let params: Vec<ValueId> =
        old.params.iter().map(|port| graph.add_param(&port.name, old.ty(port.value).clone())).collect();
    for (&class, node) in &extraction.nodes {
        match &node.head {
            Head::Attr(_) | Head::Missing => {}
            Head::Param(index) => {
                values.insert(class, params[*index as usize]);
            }
            Head::Result(index) => {
                let tuple = egraph.find(node.children[0]);
                let op = tuples.get(&tuple).ok_or("a projection without its op")?;
                values.insert(class, graph.op(*op).results[*index as usize]);
            }
            Head::Op(code, regions) => {
                let attrs: Attrs = node
                    .attrs()
                    .iter()
                    .filter_map(|&child| match &egraph[child].data {
                        Data::Attr(attr) => Some((**attr).clone()),
                        _ => None,
                    })
                    .collect();
                let mut operands = Operands::new();
                for &child in node.operands() {
                    operands.push(match &egraph[child].data {
                        Data::Missing => None,
                        _ => Some(*values.get(&egraph.find(child)).ok_or("an operand was not chosen")?),
                    });
                }
                while operands.last() == Some(&None) {
                    operands.pop();
                }
                let regions = egraph.analysis.regions.get(*regions as usize).cloned().unwrap_or_default();
                let types: Vec<TensorType> = match &egraph[class].data {
                    Data::Value(fact) => vec![(*fact.ty).clone()],
                    Data::Tuple(types, _) => types.to_vec(),
                    _ => return Err("a chosen class holds no tensor".to_owned()),
                };
                let origin = egraph.analysis.origins.get(node).cloned().unwrap_or_default();
                let id = graph.push_op(*code, operands, attrs, regions, types, origin.loc.clone());
                if !origin.rules.is_empty() {
                    origins.push((id, origin));
                }
                match &egraph[class].data {
                    Data::Tuple(..) => {
                        tuples.insert(class, id);
                    }
                    _ => {
                        values.insert(class, graph.op(id).results[0]);
                    }
                }
            }
        }
    }
    for (port, root) in old.results.iter().zip(roots) {
        let value = values.get(&egraph.find(*root)).ok_or("a result was not chosen")?;
        graph.add_result(&port.name, *value);
    }
    Ok((graph, origins))
}
