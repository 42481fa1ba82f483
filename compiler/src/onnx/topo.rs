//! Topological order of nodes and of functions, always the same for the same input.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use indexmap::IndexMap;

use super::proto::{AttributeProto, GraphProto, NodeProto};

/// Orders `0..count` so that each item comes after what it depends on; of several that could come next the lowest
/// comes first, so an order that is already right is kept. `edges` are pairs (user, dependency); repeats do no harm.
/// If there is a cycle, the items of one are the error.
pub(crate) fn order(count: usize, edges: &[(usize, usize)]) -> Result<Vec<usize>, Vec<usize>> {
    // Users of each item, as one list cut into ranges.
    let mut starts = vec![0; count + 1];
    let mut waiting = vec![0usize; count];
    for &(user, dependency) in edges {
        starts[dependency + 1] += 1;
        waiting[user] += 1;
    }
    for item in 0..count {
        starts[item + 1] += starts[item];
    }
    let mut next = starts.clone();
    let mut users = vec![0; edges.len()];
    for &(user, dependency) in edges {
        users[next[dependency]] = user;
        next[dependency] += 1;
    }

    let mut ready: BinaryHeap<Reverse<usize>> = (0..count).filter(|i| waiting[*i] == 0).map(Reverse).collect();
    let mut ordered = Vec::with_capacity(count);
    while let Some(Reverse(item)) = ready.pop() {
        ordered.push(item);
        for &user in &users[starts[item]..starts[item + 1]] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    if ordered.len() == count { Ok(ordered) } else { Err(cycle(&waiting, edges)) }
}

/// One cycle among the items still waiting: each of them waits for another, so following those comes round.
fn cycle(waiting: &[usize], edges: &[(usize, usize)]) -> Vec<usize> {
    let mut waits_for = vec![usize::MAX; waiting.len()];
    for &(user, dependency) in edges {
        if waiting[dependency] > 0 && waits_for[user] == usize::MAX {
            waits_for[user] = dependency;
        }
    }
    let Some(mut item) = (0..waiting.len()).find(|i| waiting[*i] > 0) else { return Vec::new() };
    let mut place = vec![usize::MAX; waiting.len()];
    let mut path = Vec::new();
    while item != usize::MAX && place[item] == usize::MAX {
        place[item] = path.len();
        path.push(item);
        item = waits_for[item];
    }
    let begin = if item == usize::MAX { 0 } else { place[item] };
    path.split_off(begin)
}

/// Puts the nodes of one graph or function body in topological order, the graphs inside them first.
/// Calls `on_cycle` with the nodes of a cycle, once for each graph that has one; such a graph stays as it is.
pub(crate) fn sort_nodes(nodes: &mut Vec<NodeProto>, on_cycle: &mut dyn FnMut(&[&NodeProto])) {
    for attribute in nodes.iter_mut().flat_map(|n| &mut n.attribute) {
        for graph in attribute.g.as_deref_mut().into_iter().chain(&mut attribute.graphs) {
            sort_nodes(&mut graph.node, on_cycle);
        }
    }
    match node_order(nodes) {
        Ok(order) if order.is_sorted() => {}
        Ok(order) => {
            let mut taken: Vec<Option<NodeProto>> = std::mem::take(nodes).into_iter().map(Some).collect();
            nodes.extend(order.into_iter().filter_map(|i| taken[i].take()));
        }
        Err(cycle) => on_cycle(&cycle.into_iter().map(|i| &nodes[i]).collect::<Vec<_>>()),
    }
}

fn node_order(nodes: &[NodeProto]) -> Result<Vec<usize>, Vec<usize>> {
    let mut producers: IndexMap<&str, usize> = IndexMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for name in &node.output {
            producers.entry(name).or_insert(index);
        }
    }
    producers.swap_remove("");
    let mut edges = Vec::new();
    let mut free = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        free.clear();
        free_names_of_node(node, &mut free);
        edges.extend(free.iter().filter_map(|name| producers.get(name)).map(|producer| (index, *producer)));
    }
    order(nodes.len(), &edges)
}

/// Graphs held by an attribute.
pub(crate) fn graphs_of(attribute: &AttributeProto) -> impl Iterator<Item = &GraphProto> {
    attribute.g.as_deref().into_iter().chain(&attribute.graphs)
}

/// Names a node reads: its inputs, and what the graphs inside it take from outside.
fn free_names_of_node<'a>(node: &'a NodeProto, free: &mut Vec<&'a str>) {
    free.extend(node.input.iter().map(String::as_str));
    for graph in node.attribute.iter().flat_map(graphs_of) {
        free_names_of_graph(graph, free);
    }
}

fn free_names_of_graph<'a>(graph: &'a GraphProto, free: &mut Vec<&'a str>) {
    let start = free.len();
    for node in &graph.node {
        free_names_of_node(node, free);
    }
    free.extend(graph.output.iter().map(|o| o.name.as_str()));
    let mut own: IndexMap<&str, ()> = IndexMap::new();
    own.extend(graph.input.iter().map(|i| (i.name.as_str(), ())));
    own.extend(graph.initializer.iter().map(|i| (i.name.as_str(), ())));
    own.extend(graph.sparse_initializer.iter().filter_map(|i| i.values.as_ref()).map(|v| (v.name.as_str(), ())));
    own.extend(graph.node.iter().flat_map(|n| &n.output).map(|name| (name.as_str(), ())));
    let mut kept = start;
    for at in start..free.len() {
        if !own.contains_key(free[at]) {
            free[kept] = free[at];
            kept += 1;
        }
    }
    free.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn keeps_a_right_order_and_repairs_a_wrong_one() {
        assert_eq!(order(4, &[(1, 0), (3, 1)]), Ok(vec![0, 1, 2, 3]));
        assert_eq!(order(4, &[(0, 3), (1, 0), (1, 0), (2, 0)]), Ok(vec![3, 0, 1, 2]));
        assert_eq!(order(0, &[]), Ok(vec![]));
    }

    #[test]
    fn names_the_items_of_a_cycle_only() {
        // 0 and 4 hang on the cycle 1 -> 2 -> 3 -> 1 without being part of it.
        let found = order(5, &[(0, 1), (1, 2), (2, 3), (3, 1), (1, 4)]).unwrap_err();
        assert_eq!(found, [1, 2, 3]);
        assert_eq!(order(1, &[(0, 0)]), Err(vec![0]));
    }
}
