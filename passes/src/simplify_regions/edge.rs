//! Branches.

use super::{Cx, Param, Results, kept_sizes, rewire};
use lathe_ir::{Attrs, Graph, Op, OpCode, Operands, ValueId};

/// What becomes of captures: constants move inside, what no region uses goes, what is captured twice is captured once.
pub(super) fn captures<'a>(cx: &'a Cx<'_>, values: &[ValueId], regions: &[(&Graph, usize)]) -> Vec<Param<'a>> {
    let uses: Vec<Vec<u32>> = regions.iter().map(|(region, _)| region.use_counts()).collect();
    let mut params = Vec::new();
    for (index, &value) in values.iter().enumerate() {
        let used = regions.iter().zip(&uses).any(|((region, first), uses)| {
            region.params.get(first + index).is_some_and(|port| uses[port.value.index()] > 0)
        });
        params.push(match values[..index].iter().position(|other| *other == value) {
            _ if !used => Param::Drop,
            Some(other) if matches!(params[other], Param::Keep) => Param::Same(other),
            _ => cx.constant_op(value).map_or(Param::Keep, Param::Constant),
        });
    }
    params
}

pub(super) fn simplify_if(cx: &mut Cx<'_>, op: &Op) -> Option<Results> {
    let [then, otherwise] = op.regions.as_slice() else { return None };
    let condition = op.operand(0)?;
    let values: Vec<ValueId> = op.operands.iter().skip(1).flatten().copied().collect();
    if let Some(taken) = cx.graph.constant(cx.env, condition) {
        let region = if taken.i64_at(0) != 0 { then } else { otherwise };
        cx.need(region);
        let results = cx.splice(region, &values);
        for (index, result) in results.iter().enumerate() {
            if let (Some(ty), Some(value)) = (cx.types.get(index), result) {
                let is = cx.graph.ty(*value).clone();
                cx.learn(&ty.clone(), &is);
            }
        }
        return Some(results);
    }
    // What both branches pass on from the same capture.
    let passed: Vec<Option<ValueId>> = (0..op.results.len())
        .map(|index| {
            let from = |region: &Graph| {
                let value = region.results.get(index)?.value;
                region.params.iter().position(|port| port.value == value)
            };
            let position = from(then).filter(|position| from(otherwise) == Some(*position))?;
            values.get(position).copied()
        })
        .collect();
    let keep: Vec<bool> = cx.used.iter().zip(&passed).map(|(used, passed)| *used && passed.is_none()).collect();
    let params = captures(cx, &values, &[(then, 0), (otherwise, 0)]);
    let same = keep.iter().all(|keep| *keep) && params.iter().all(|param| matches!(param, Param::Keep));
    if same {
        return None;
    }
    let regions: Vec<Graph> =
        op.regions.iter().map(|region| rewire(region, &cx.env.symbols, &params, |index| keep[index])).collect();
    let mut operands: Operands = Operands::from_iter([Some(condition)]);
    operands
        .extend(values.iter().zip(&params).filter(|(_, p)| matches!(p, Param::Keep)).map(|(value, _)| Some(*value)));
    let sizes = op.dims("sizes");
    let attrs: Attrs = match sizes {
        [] => op.attrs.clone(),
        sizes => Attrs::from_iter([kept_sizes(sizes, cx.types, &keep)]),
    };
    let types: Vec<_> = cx.types.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(ty, _)| ty.clone()).collect();
    if !keep.contains(&true) {
        return Some(passed);
    }
    let id = cx.graph.push_op(OpCode::If, operands, attrs, regions, types, op.loc.clone());
    let mut made = cx.graph.op(id).results.clone().into_iter();
    Some(keep.iter().zip(passed).map(|(&keep, passed)| if keep { made.next() } else { passed }).collect())
}
