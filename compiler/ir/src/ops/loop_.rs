//! `loop(trip_count?, cond?, ..values) {..}` region body: turns that hand values on. ONNX: Loop, Scan.

use super::region;
use crate::attr::{Attr, AttrKind};
use crate::dim::Dim;
use crate::dtype::DType;
use crate::op::{EvalCx, InferCx, OpDef, OpError, PLAIN, Traits, Types, attr, attr_or, optional, variadic};
use crate::tensor::Tensor;
use crate::types::{Shape, TensorType};

/// Turns after which a loop that only data end is given up, unless it says otherwise: far beyond what decoders and
/// solvers take, and an end within minutes for a small body.
pub const LOOP_LIMIT: i64 = 1 << 24;

pub(super) const LOOP: OpDef = OpDef {
    name: "loop",
    operands: &[optional("trip_count"), optional("cond"), variadic("values")],
    attrs: &[
        attr("counter", AttrKind::Dims),
        attr("carried", AttrKind::Int),
        attr_or("trips", AttrKind::Dims, || Attr::dims([])),
        attr_or("while", AttrKind::Bool, || Attr::Bool(false)),
        attr_or("limit", AttrKind::Int, || Attr::Int(LOOP_LIMIT)),
        attr_or("changing", AttrKind::Dims, || Attr::dims([])),
        attr_or("sizes", AttrKind::Dims, || Attr::dims([])),
    ],
    traits: Traits { regions: true, data_dependent: true, ..PLAIN },
    infer,
    eval,
    doc: "Turns of a body on carried values, then captures. Carried values go from turn to turn, what else a turn gives \
          is stacked along a new first axis. The loop ends after trip_count (or trips) turns, or when cond, in `while` \
          the body's first result after each turn, is false; it fails after `limit` turns without a count. `counter` is \
          the number of the turn in the body, `changing` lists the symbols of carried sizes there that change from turn \
          to turn, sizes the results' dimensions where they do not follow. ONNX: Loop, Scan.",
};

/// The parts of a loop's operands and results.
struct Parts {
    carried: usize,
    values: usize,
    /// Position of the first carried result of the body.
    first: usize,
}

fn parts(cx: &InferCx<'_>) -> Result<Parts, OpError> {
    let values = cx.operands.len().saturating_sub(2);
    let carried = usize::try_from(cx.int("carried")).ok().filter(|&carried| carried <= values);
    let carried = carried
        .ok_or_else(|| OpError::invalid(format!("{} carried values, {values} values are there", cx.int("carried"))))?;
    Ok(Parts { carried, values, first: usize::from(cx.flag("while")) })
}

fn infer(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    region::scalar(cx.optional(0), DType::I64, "trip_count")?;
    region::scalar(cx.optional(1), DType::Bool, "cond")?;
    let [body] = cx.regions else {
        return Err(OpError::invalid(format!("it has {} regions, 1 is needed", cx.regions.len())));
    };
    let Parts { carried, values, first } = parts(cx)?;
    let (trips, changing) = (cx.dims("trips"), cx.dims("changing"));
    let is_symbol = |dim: &Dim| region::data_symbol(cx, dim).is_some();
    if cx.dims("counter").len() != 1 || !cx.dims("counter").iter().chain(changing).all(is_symbol) {
        let message = "counter must be one data-dependent symbol, and changing such symbols";
        return Err(OpError::invalid(message));
    }
    if trips.len() + usize::from(cx.optional(0).is_some()) > 1 {
        return Err(OpError::invalid("trips and trip_count are given, or several trips"));
    }
    if cx.int("limit") < 1 {
        return Err(OpError::invalid(format!("limit is {}, at least 1 is needed", cx.int("limit"))));
    }
    if body.results.len() < first + carried {
        let counts = (body.results.len(), first + carried);
        return Err(OpError::invalid(format!("the body has {} results, at least {} are needed", counts.0, counts.1)));
    }
    if first == 1 {
        region::scalar(Some(region::result(body, 0)?), DType::Bool, "the condition of the body")?;
    }
    let params = region::params(body, values)?;
    for (index, param) in params.iter().enumerate() {
        let given = cx.optional(index + 2).ok_or_else(|| OpError::invalid("a value is left out"))?;
        let what = format!("value {index}");
        region::same_type(cx, given, param, if index < carried { changing } else { &[] }, &what)?;
        if index < carried {
            let next = region::result(body, first + index)?;
            region::same_type(cx, next, param, changing, &format!("carried value {index} after a turn"))?;
        }
    }
    results(cx, body, &params, first)
}

/// Types of the results: carried values as the parameters, the others with the number of turns in front.
fn results(
    cx: &mut InferCx<'_>,
    body: &crate::graph::Graph,
    params: &[&TensorType],
    first: usize,
) -> Result<Types, OpError> {
    let (counter, changing) = (cx.dims("counter"), cx.dims("changing"));
    let carried = cx.int("carried") as usize;
    let moves = |dim: &Dim| {
        let inner = changing.iter().chain(counter).filter_map(Dim::as_symbol);
        let symbols = dim.symbols();
        inner.into_iter().any(|symbol| symbols.contains(symbol))
    };
    let counted = match cx.dims("trips") {
        [trips] if !cx.flag("while") && cx.optional(1).is_none() => Some(trips.clone()),
        _ => None,
    };
    let mut stated = cx.dims("sizes");
    let is_free = stated.is_empty();
    let wrong = "sizes has not one entry for each axis of each result";
    let mut types = Types::new();
    for index in 0..body.results.len() - first {
        // What inference knows of each axis.
        let (ty, known): (&TensorType, Vec<Option<Dim>>) = if let Some(ty) = params[..carried].get(index) {
            (ty, ty.shape.iter().map(|dim| (!moves(dim)).then(|| dim.clone())).collect())
        } else {
            let ty = region::result(body, first + index)?;
            if ty.shape.iter().any(moves) {
                let message = format!("result {} of the body is stacked, but {ty} changes", first + index);
                return Err(OpError::invalid(message));
            }
            let inner = ty.shape.iter().cloned().map(Some);
            (ty, std::iter::once(counted.clone()).chain(inner).collect())
        };
        if is_free {
            let shape: Option<Shape> = known.into_iter().collect();
            let shape = shape.ok_or_else(|| OpError::invalid(format!("result {index} needs sizes")))?;
            types.push(ty.with_shape(shape));
            continue;
        }
        let (own, rest) = stated.split_at_checked(known.len()).ok_or_else(|| OpError::invalid(wrong))?;
        stated = rest;
        for (size, known) in own.iter().zip(known) {
            match known {
                _ if region::data_symbol(cx, size).is_some() => {}
                Some(known) => cx.same_dim(size, &known, &format!("sizes of result {index}"))?,
                // A number is there when the loop is evaluated.
                None if size.as_const().is_some() => {}
                None => return Err(OpError::invalid(format!("sizes of result {index} needs a symbol of its own"))),
            }
        }
        types.push(ty.with_shape(own.iter().cloned()));
    }
    if stated.is_empty() { Ok(types) } else { Err(OpError::invalid(wrong)) }
}

fn eval(cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
    let (carried, first) = (cx.int("carried") as usize, usize::from(cx.flag("while")));
    let counter = cx.dims("counter")[0].as_symbol().ok_or_else(|| OpError::invalid("the loop counts by no symbol"))?;
    let most = match cx.optional(0) {
        Some(count) => Some(count.i64_at(0)),
        None => cx.dims("trips").first().map(|trips| trips.as_const().unwrap_or(0)),
    };
    let counted = cx.optional(0).is_none() && most.is_some();
    let mut values: Vec<Tensor> = cx.operands.iter().skip(2).flatten().cloned().collect();
    let mut more = cx.optional(1).is_none_or(|cond| cond.i64_at(0) != 0);
    let mut stacks: Vec<Vec<Tensor>> = vec![Vec::new(); cx.result_types.len() - carried];
    let mut turn = 0;
    while more && most.is_none_or(|most| turn < most) {
        if !counted && turn >= cx.int("limit") {
            return Err(OpError::invalid(format!("the loop does not end within {turn} turns")));
        }
        let mut results = (cx.eval_region)(&cx.regions[0], values.clone(), &[(counter.clone(), turn)])?;
        if first == 1 {
            more = results[0].i64_at(0) != 0;
        }
        for (stack, result) in stacks.iter_mut().zip(results.drain(first + carried..)) {
            stack.push(result);
        }
        for (value, result) in values.iter_mut().zip(results.drain(first..)) {
            *value = result;
        }
        turn += 1;
    }
    values.truncate(carried);
    for (index, stack) in stacks.into_iter().enumerate() {
        values.push(stacked(cx, carried + index, stack)?);
    }
    Ok(values)
}

fn stacked(cx: &EvalCx<'_>, index: usize, parts: Vec<Tensor>) -> Result<Tensor, OpError> {
    let ty = &cx.result_types[index];
    let inner: Vec<usize> = match parts.first() {
        Some(part) => part.shape().to_vec(),
        // Sizes that no turn has told are 0.
        None => ty.shape[1..].iter().map(|dim| dim.as_size().unwrap_or(0)).collect(),
    };
    if parts.iter().any(|part| *part.shape() != *inner) {
        return Err(OpError::invalid(format!("result {index} is stacked, but its size changes")));
    }
    let shape: Vec<usize> = std::iter::once(parts.len()).chain(inner).collect();
    let mut bytes = Vec::new();
    parts.iter().for_each(|part| bytes.extend_from_slice(part.bytes()));
    let whole = crate::tensor::element_count(&shape).and_then(|_| Tensor::from_bytes(ty.dtype, &shape, bytes.into()));
    whole.ok_or_else(|| OpError::unsupported(format!("a tensor of {shape:?} is too large to evaluate")))
}
