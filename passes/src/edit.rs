//! Rebuilding a graph op by op: how the structural passes edit.
//!
//! A new graph grows in the old order. A pass sees each op with operands of the new graph and either lets it be copied
//! or gives the values that stand for its results, adding ops through the checked builder as it likes. So order and
//! types hold by construction.

use crate::manager::Changed;
use lathe_ir::{Builder, Diagnostic, Diagnostics, Env, Graph, Op, OpError, ValueId};
use smallvec::SmallVec;

/// Values that stand for the results of an op.
pub(crate) type Replacement = SmallVec<[ValueId; 1]>;

/// Looks at an op whose operands are values of the new graph; `None` copies it.
pub(crate) type Visit<'a> = dyn FnMut(&mut Builder<'_>, &Op) -> Result<Option<Replacement>, OpError> + 'a;

/// One value as a replacement.
pub(crate) fn replace(value: ValueId) -> Option<Replacement> {
    Some(SmallVec::from_iter([value]))
}

/// Rebuilds the graph and, before an op is seen, its regions. The graph stays untouched if nothing was replaced.
pub(crate) fn rebuild(graph: &mut Graph, env: &mut Env, visit: &mut Visit<'_>) -> Result<Changed, Diagnostics> {
    let mut new = Graph::default();
    let mut map: Vec<Option<ValueId>> = vec![None; graph.value_count()];
    for port in &graph.params {
        map[port.value.index()] = Some(new.add_param(&port.name, graph.ty(port.value).clone()));
    }
    let undefined = |op: &Op| bug(op, "an operand is not defined before its use");
    let mut changed = false;
    for (_, old) in graph.iter() {
        let mut op = old.clone();
        for region in &mut op.regions {
            changed |= rebuild(region, env, visit)?.any();
        }
        let mut same_types = true;
        for operand in op.operands.iter_mut().flatten() {
            let mapped = map[operand.index()].ok_or_else(|| undefined(old))?;
            same_types &= new.ty(mapped) == graph.ty(*operand);
            *operand = mapped;
        }
        let mut builder = Builder::new(env, &mut new);
        builder.loc = op.loc.clone();
        let replaced = visit(&mut builder, &op).map_err(|error| bug(old, error))?;
        let results = match replaced {
            Some(values) => {
                changed = true;
                values
            }
            None => {
                let id = if same_types {
                    let types: Vec<_> = old.results.iter().map(|&value| graph.ty(value).clone()).collect();
                    new.push_op(op.code, op.operands, op.attrs, op.regions, types, op.loc)
                } else {
                    builder.op_with(op.code, op.operands, op.attrs, op.regions).map_err(|error| bug(old, error))?
                };
                new.op(id).results.clone()
            }
        };
        if results.len() != old.results.len() {
            return Err(bug(old, "a pass replaced an op by the wrong number of values"));
        }
        for (&value, result) in old.results.iter().zip(results) {
            map[value.index()] = Some(result);
        }
    }
    if !changed {
        return Ok(Changed::No);
    }
    for port in &graph.results {
        let value = map[port.value.index()]
            .ok_or_else(|| Diagnostic::bug(format!("the result {:?} is not defined", &*port.name)))?;
        new.add_result(&port.name, value);
    }
    *graph = new;
    Ok(Changed::Yes)
}

/// A bug of the pass that is at work on that op.
pub(crate) fn bug(op: &Op, message: impl std::fmt::Display) -> Diagnostics {
    Diagnostic::bug(message.to_string()).at(op.loc.first(), op.code.name(), None).into()
}
