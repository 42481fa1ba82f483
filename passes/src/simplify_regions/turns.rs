//! Loops.

use super::edge::captures;
use super::{Cx, Param, Results, kept_sizes, rewire};
use crate::liveness::mention;
use lathe_ir::{Attr, Attrs, Builder, Dim, Graph, Op, OpCode, Operands, Symbol, TensorType, ValueId};
use std::collections::BTreeSet;

/// Most turns of a loop that is unrolled.
const TURNS: i64 = 4;
/// Ops besides its body that a loop is worth: an unrolled one may have so many more.
const LOOP_OPS: usize = 4;

pub(super) fn simplify_loop(cx: &mut Cx<'_>, op: &Op) -> Option<Results> {
    let [body] = op.regions.as_slice() else { return None };
    let first = usize::from(op.flag("while"));
    let count = usize::try_from(op.int("carried")).ok()?;
    let values: Vec<ValueId> = op.operands.iter().skip(2).flatten().copied().collect();
    if body.results.len() < first + count || body.params.len() != values.len() || values.len() < count {
        return None;
    }
    if let Some(results) = unroll(cx, op, body, &values) {
        return Some(results);
    }
    // A carried value is live if it is a result that is used or something live is made of it.
    let invariant: Vec<bool> = (0..count)
        .map(|index| {
            let param = body.params[index].value;
            body.results[first + index].value == param && body.ty(param) == cx.graph.ty(values[index])
        })
        .collect();
    let live = live_values(cx, body, first, count, op.dims("changing"));
    let mut keep: Vec<bool> = cx.used.to_vec();
    for index in 0..count {
        keep[index] = live[index] && !invariant[index];
    }
    // What stays the same is a capture; the others go.
    let captured: Vec<usize> = (0..count).filter(|&index| invariant[index] && live[index]).collect();
    let own = captures(cx, &values[count..], &[(body, count)]);
    let mut params: Vec<Param<'_>> = Vec::new();
    for index in 0..count {
        params.push(match (keep[index], live[index]) {
            (true, _) => Param::Keep,
            (false, true) => cx.constant_op(values[index]).map_or(Param::Keep, Param::Constant),
            (false, false) => Param::Drop,
        });
    }
    params.extend(own.into_iter().map(|param| match param {
        Param::Same(other) => Param::Same(count + other),
        param => param,
    }));
    let same =
        captured.is_empty() && keep.iter().all(|keep| *keep) && params.iter().all(|param| matches!(param, Param::Keep));
    // A loop that may not end is needed for that alone.
    let ends = op.operand(0).is_some() || !op.dims("trips").is_empty();
    if same || !(ends || keep.contains(&true)) {
        return None;
    }
    let kept_values = |range: std::ops::Range<usize>| {
        let pairs = values[range.clone()].iter().zip(&params[range]);
        pairs.filter(|(_, param)| matches!(param, Param::Keep)).map(|(value, _)| *value).collect::<Vec<_>>()
    };
    // Captures that were carried stand among the carried values: they move behind.
    let region = rewire(body, &cx.env.symbols, &params, |index| index < first || keep[index - first]);
    let kept: Vec<usize> = (0..params.len()).filter(|&index| matches!(params[index], Param::Keep)).collect();
    let (behind, front): (Vec<usize>, Vec<usize>) =
        (0..kept.len()).partition(|&at| kept[at] < count && !keep[kept[at]]);
    let order: Vec<usize> = front.into_iter().chain(behind).collect();
    let region = reorder(&region, &order);
    let all = kept_values(0..values.len());
    let mut operands: Operands = Operands::from_iter([op.operand(0), op.operand(1)]);
    operands.extend(order.iter().map(|&at| Some(all[at])));
    while operands.last() == Some(&None) {
        operands.pop();
    }
    let carried = keep[..count].iter().filter(|keep| **keep).count();
    let attrs = attrs_of(op, cx.types, &keep, carried, &region);
    let types: Vec<TensorType> =
        cx.types.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(ty, _)| ty.clone()).collect();
    let inits: Vec<Option<ValueId>> = values[..count].iter().copied().map(Some).collect();
    let mut results: Results = vec![None; keep.len()];
    if keep.contains(&true) {
        let id = cx.graph.push_op(OpCode::Loop, operands, attrs, vec![region], types, op.loc.clone());
        let mut made = cx.graph.op(id).results.clone().into_iter();
        for (result, _) in results.iter_mut().zip(&keep).filter(|(_, keep)| **keep) {
            *result = made.next();
        }
    }
    for index in (0..count).filter(|&index| invariant[index]) {
        results[index] = inits[index];
        if let Some(value) = inits[index] {
            let (ty, is) = (cx.types[index].clone(), cx.graph.ty(value).clone());
            cx.learn(&ty, &is);
        }
    }
    Some(results)
}

/// Which carried values are needed.
fn live_values(cx: &Cx<'_>, body: &Graph, first: usize, count: usize, changing: &[Dim]) -> Vec<bool> {
    let mut live = vec![false; body.value_count()];
    let results: Vec<ValueId> = body.results.iter().map(|port| port.value).collect();
    for (index, &value) in results.iter().enumerate() {
        let used = index < first || cx.used.get(index - first).is_some_and(|used| *used);
        live[value.index()] |= used;
    }
    let mut sizes = BTreeSet::new();
    loop {
        for (_, op) in body.iter().rev() {
            if op.results.iter().any(|value| live[value.index()]) {
                op.inputs().for_each(|value| live[value.index()] = true);
                mention(body, op, &mut sizes);
            }
        }
        let mut grew = false;
        // A size that changes is that of a carried value.
        for param in body.params.iter().take(count).map(|port| port.value) {
            let is_mentioned = body.ty(param).shape.iter().filter_map(Dim::as_symbol).any(|size| sizes.contains(size));
            if is_mentioned && changing.iter().any(|size| body.ty(param).shape.contains(size)) {
                live[param.index()] = true;
            }
        }
        for (param, &next) in body.params.iter().take(count).zip(&results[first..]) {
            if live[param.value.index()] && !live[next.index()] {
                live[next.index()] = true;
                grew = true;
            }
        }
        if !grew {
            break;
        }
    }
    let param = |index: usize| body.params.get(index).is_some_and(|port| live[port.value.index()]);
    (0..count).map(|index| param(index) || cx.used.get(index).is_some_and(|used| *used)).collect()
}

/// The region with its parameters in another order.
fn reorder(region: &Graph, order: &[usize]) -> Graph {
    if order.is_sorted() {
        return region.clone();
    }
    let mut new = Graph::default();
    let mut map = std::collections::BTreeMap::new();
    for &at in order {
        let port = &region.params[at];
        map.insert(port.value, new.add_param(&port.name, region.ty(port.value).clone()));
    }
    for (_, op) in region.iter() {
        let operands = op.operands.iter().map(|operand| operand.and_then(|value| map.get(&value).copied())).collect();
        let types: Vec<TensorType> = op.results.iter().map(|&value| region.ty(value).clone()).collect();
        let id = new.push_op(op.code, operands, op.attrs.clone(), op.regions.clone(), types, op.loc.clone());
        map.extend(op.results.iter().copied().zip(new.op(id).results.iter().copied()));
    }
    for port in &region.results {
        if let Some(&value) = map.get(&port.value) {
            new.add_result(&port.name, value);
        }
    }
    new
}

/// Attributes for the results that stay.
fn attrs_of(op: &Op, types: &[TensorType], keep: &[bool], carried: usize, region: &Graph) -> Attrs {
    let sizes = op.dims("sizes");
    let still: Vec<&Dim> = region.params.iter().take(carried).flat_map(|port| &region.ty(port.value).shape).collect();
    let defs = op.code.def().attrs;
    op.attrs
        .iter()
        .zip(defs)
        .map(|(attr, def)| match def.name {
            "carried" => Attr::Int(carried as i64),
            "sizes" if !sizes.is_empty() => kept_sizes(sizes, types, keep),
            "changing" => Attr::dims(op.dims("changing").iter().filter(|dim| still.contains(dim)).cloned()),
            _ => attr.clone(),
        })
        .collect()
}

/// Number of ops of a graph, regions included; `None` if something in it defines symbols, which may be done once only.
fn size_of(graph: &Graph) -> Option<usize> {
    let mut size = 0;
    for (_, op) in graph.iter() {
        let defines = op.code.def().traits.data_dependent;
        if defines {
            return None;
        }
        size += usize::from(op.code != OpCode::Const);
    }
    Some(size)
}

/// A loop of few turns as its turns, one after the other.
fn unroll(cx: &mut Cx<'_>, op: &Op, body: &Graph, values: &[ValueId]) -> Option<Results> {
    let counter = op.dims("counter").first().and_then(Dim::as_symbol)?.clone();
    let turns = match (op.operand(0), op.dims("trips")) {
        (Some(count), _) => cx.graph.constant(cx.env, count)?.i64_at(0).max(0),
        (None, [trips]) => trips.as_const()?.max(0),
        _ => return None,
    };
    if op.operand(1).is_some() || op.flag("while") || turns > TURNS {
        return None;
    }
    let count = op.int("carried") as usize;
    // Turns that define symbols can be made once at most.
    if turns > 1 && (!op.dims("changing").is_empty() || size_of(body)? * turns as usize > size_of(body)? + LOOP_OPS) {
        return None;
    }
    if turns == 0 && op.results.len() > count {
        return None;
    }
    let mut carried = values[..count].to_vec();
    let mut stacks: Vec<Vec<ValueId>> = vec![Vec::new(); op.results.len() - count];
    for turn in 0..turns {
        let region = turn_of(cx, body, &counter, turn, &carried);
        let args: Vec<ValueId> = carried.iter().chain(&values[count..]).copied().collect();
        let results: Vec<ValueId> = cx.splice(&region, &args).into_iter().collect::<Option<_>>()?;
        carried = results[..count].to_vec();
        for (stack, &row) in stacks.iter_mut().zip(&results[count..]) {
            stack.push(row);
        }
    }
    let mut results: Results = carried.into_iter().map(Some).collect();
    for rows in stacks {
        results.push(Some(stack(cx, op, &rows)?));
    }
    for (index, result) in results.iter().enumerate() {
        if let Some(value) = result {
            let (ty, is) = (cx.types[index].clone(), cx.graph.ty(*value).clone());
            cx.learn(&ty, &is);
        }
    }
    Some(results)
}

/// The body with the number of the turn and the sizes of the carried values put in.
fn turn_of(cx: &Cx<'_>, body: &Graph, counter: &Symbol, turn: i64, carried: &[ValueId]) -> Graph {
    let mut sizes: Vec<(Symbol, Dim)> = vec![(counter.clone(), Dim::from(turn))];
    for (port, &value) in body.params.iter().zip(carried) {
        for (size, is) in body.ty(port.value).shape.iter().zip(&cx.graph.ty(value).shape) {
            if let Some(symbol) = size.as_symbol().filter(|_| size != is) {
                sizes.push((symbol.clone(), is.clone()));
            }
        }
    }
    let mut region = body.clone();
    region.substitute(&|symbol| sizes.iter().find(|(own, _)| own == symbol).map(|(_, is)| is.clone()));
    region
}

/// Rows as one tensor.
fn stack(cx: &mut Cx<'_>, op: &Op, rows: &[ValueId]) -> Option<ValueId> {
    let mut builder = Builder::new(cx.env, cx.graph);
    builder.loc = op.loc.clone();
    let mut parts = Vec::new();
    for &row in rows {
        let shape: Vec<Dim> = std::iter::once(Dim::ONE).chain(builder.ty(row).shape.iter().cloned()).collect();
        parts.push(builder.reshape(row, shape).ok()?);
    }
    match parts.as_slice() {
        [only] => Some(*only),
        parts => builder.op1(OpCode::Concat, parts, &[("axis", Attr::Int(0))]).ok(),
    }
}
