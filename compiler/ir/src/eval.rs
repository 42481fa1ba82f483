//! The reference evaluator: gives every op its meaning. Plain and slow; it is not linked into any artifact.

use crate::attr::Attr;
use crate::builder::infer_types;
use crate::dim::{Dim, Symbol};
use crate::graph::{Env, Graph, Module, Op};
use crate::op::{EvalCx, OpCode, OpError};
use crate::tensor::Tensor;
use crate::types::TensorType;
use std::collections::BTreeMap;

/// Values of symbols.
pub type Bindings = BTreeMap<Symbol, i64>;

/// Evaluates the main graph on inputs in order; symbols take the values that the inputs' shapes give.
pub fn eval_module(module: &Module, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, OpError> {
    let types: Vec<&TensorType> = module.main.params.iter().map(|port| module.main.ty(port.value)).collect();
    let bindings = bind(&types, &inputs)?;
    eval_graph(&module.env, &bindings, &module.main, inputs)
}

/// Solves symbols from the shapes of the inputs and checks all dimensions and element types.
pub fn bind(types: &[&TensorType], inputs: &[Tensor]) -> Result<Bindings, OpError> {
    if types.len() != inputs.len() {
        return Err(OpError::invalid(format!("{} inputs are given, {} are needed", inputs.len(), types.len())));
    }
    let mut bindings = Bindings::new();
    let pairs = || {
        types.iter().zip(inputs).enumerate().flat_map(|(index, (ty, tensor))| {
            ty.shape.iter().zip(tensor.shape()).map(move |(dim, &size)| (index, dim, size as i64))
        })
    };
    for (index, (ty, tensor)) in types.iter().zip(inputs).enumerate() {
        if ty.rank() != tensor.shape().len() || ty.dtype != tensor.dtype() {
            return Err(OpError::invalid(format!("input {index} is {}, it must be {ty}", tensor.ty())));
        }
    }
    for (_, dim, size) in pairs() {
        if let Some(symbol) = dim.as_symbol() {
            bindings.entry(symbol.clone()).or_insert(size);
        }
    }
    for (index, dim, size) in pairs() {
        if dim.eval(&|symbol| bindings.get(symbol).copied()) != Some(size) {
            return Err(OpError::invalid(format!("input {index} has the size {size} where {dim} is needed")));
        }
    }
    Ok(bindings)
}

/// Evaluates a graph on arguments. Data-dependent symbols get their values from the values of whose types they are a size.
pub fn eval_graph(env: &Env, bindings: &Bindings, graph: &Graph, args: Vec<Tensor>) -> Result<Vec<Tensor>, OpError> {
    let mut bindings = bindings.clone();
    let mut values: Vec<Option<Tensor>> = vec![None; graph.value_count()];
    if args.len() != graph.params.len() {
        return Err(OpError::invalid(format!("{} arguments for {} parameters", args.len(), graph.params.len())));
    }
    for (port, arg) in graph.params.iter().zip(args) {
        learn_sizes(env, &mut bindings, graph.ty(port.value), &arg);
        values[port.value.index()] = Some(arg);
    }
    // Values die with their last user, so that a large model fits.
    let mut uses = graph.use_counts();
    for (_, op) in graph.iter() {
        let operands: Vec<Option<Tensor>> =
            op.operands.iter().map(|operand| operand.and_then(|value| values[value.index()].clone())).collect();
        let fail = |error: OpError| OpError::invalid(format!("{} ({}): {error}", op.code.name(), op.loc.first()));
        let results = eval_op(env, &bindings, op.code, &operands, &op.attrs, &op.regions).map_err(fail)?;
        if op.code.def().traits.data_dependent {
            define(env, &mut bindings, op, &results).map_err(fail)?;
        }
        for (&value, tensor) in op.results.iter().zip(results) {
            learn_sizes(env, &mut bindings, graph.ty(value), &tensor);
            values[value.index()] = Some(tensor);
        }
        for value in op.inputs() {
            uses[value.index()] -= 1;
            if uses[value.index()] == 0 {
                values[value.index()] = None;
            }
        }
    }
    graph
        .results
        .iter()
        .map(|port| values[port.value.index()].clone().ok_or_else(|| OpError::invalid("a result was not computed")))
        .collect()
}

/// Gives the symbols that a data-dependent op defines the values it found.
fn define(env: &Env, bindings: &mut Bindings, op: &Op, results: &[Tensor]) -> Result<(), OpError> {
    for (symbol, value) in op.dims("size").iter().filter_map(Dim::as_symbol).zip(results) {
        let size = value.i64_at(0);
        let info = env.symbols.get(symbol).cloned().unwrap_or_default();
        let most = info.most.map(|most| {
            let bound = most.eval(&|symbol| bindings.get(symbol).copied());
            bound.ok_or_else(|| OpError::invalid(format!("the value of {most} is not known")))
        });
        let most = most.transpose()?.unwrap_or(i64::MAX).min(info.hi.unwrap_or(i64::MAX));
        if size < info.lo || size > most {
            return Err(OpError::invalid(format!("the size {symbol} is {size}, outside of {}..{most}", info.lo)));
        }
        bindings.insert(symbol.clone(), size);
    }
    Ok(())
}

fn learn_sizes(env: &Env, bindings: &mut Bindings, ty: &TensorType, tensor: &Tensor) {
    for (dim, &size) in ty.shape.iter().zip(tensor.shape()) {
        if let Some(symbol) = dim.as_symbol()
            && env.symbols.get(symbol).is_some_and(|info| info.data_dependent)
        {
            bindings.entry(symbol.clone()).or_insert(size as i64);
        }
    }
}

/// A dimension among the attributes that is not known as a number, where the op's results depend on it: what defines
/// symbols names them.
pub fn open_dim(code: OpCode, attrs: &[Attr]) -> Option<&Dim> {
    if code.def().traits.data_dependent {
        return None;
    }
    let dims = attrs.iter().filter_map(|attr| if let Attr::Dims(dims) = attr { Some(dims) } else { None });
    dims.flatten().find(|dim| dim.as_const().is_none())
}

/// Evaluates one op. Its result types are inferred anew from the operands' actual sizes.
pub fn eval_op(
    env: &Env,
    bindings: &Bindings,
    code: OpCode,
    operands: &[Option<Tensor>],
    attrs: &[Attr],
    regions: &[Graph],
) -> Result<Vec<Tensor>, OpError> {
    let value_of = |symbol: &Symbol| bindings.get(symbol).copied().map(Dim::from);
    let attrs: Vec<Attr> = attrs
        .iter()
        .map(|attr| match attr {
            Attr::Dims(dims) => Attr::dims(dims.iter().map(|dim| dim.substitute(&value_of))),
            Attr::Weight(id) if code == OpCode::Const => match env.weight(*id) {
                Some(weight) => Attr::from(weight.value.clone()),
                None => attr.clone(),
            },
            other => other.clone(),
        })
        .collect();
    if let Some(open) = open_dim(code, &attrs) {
        return Err(OpError::unsupported(format!("the size {open} is not known")));
    }
    let mut scratch = Env { symbols: env.symbols.clone(), ..Env::default() };
    let mut actual = Graph::default();
    let ids: Vec<_> = operands.iter().map(|t| t.as_ref().map(|t| actual.add_param("", t.ty()))).collect();
    let mut result_types = infer_types(&mut scratch, &actual, code, &ids, &attrs, regions)?;
    for ty in &mut result_types {
        *ty = ty.substitute(&value_of);
    }
    if let Some((a, b)) =
        scratch.equalities.iter().find(|(a, b)| a != b && a.as_const().is_some() && b.as_const().is_some())
    {
        return Err(OpError::invalid(format!("dimensions differ: {a} and {b}")));
    }
    let cx = EvalCx {
        def: code.def(),
        operands,
        attrs: &attrs,
        regions,
        result_types: &result_types,
        eval_region: &|region, args, own| {
            let mut bindings = bindings.clone();
            bindings.extend(own.iter().cloned());
            eval_graph(env, &bindings, region, args)
        },
    };
    (code.def().eval)(&cx)
}
