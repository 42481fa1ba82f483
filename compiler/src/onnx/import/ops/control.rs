//! Loop and Scan.

use lathe_ir::{Attr, DType, Dim, OpCode};

use crate::onnx::import::known::Elem;
use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid, unsupported};
use crate::onnx::proto::{GraphProto, TypeValue, ValueInfoProto};

use super::sequence::{self, Carry};
use super::slice::take_axis;
use super::turns::{Trips, Turn, Turns, turns};

/// Counts beyond this mean that only the condition ends the loop.
const ENDLESS: i64 = 1 << 40;

/// Axes that a graph says an input has.
fn declared_rank(input: &ValueInfoProto) -> Option<usize> {
    match input.r#type.as_ref()?.value.as_ref()? {
        TypeValue::Tensor(tensor) => tensor.shape.as_ref().map(|shape| shape.dim.len()),
        _ => None,
    }
}

/// A known scalar, or a vector of one element where the graph wants that.
fn scalar_for(cx: &mut NodeCx<'_, '_>, input: &ValueInfoProto, dtype: DType, elem: Elem) -> Val {
    let shape: &[usize] = if declared_rank(input) == Some(1) { &[1] } else { &[] };
    cx.known_val(dtype, shape, vec![elem])
}

/// The only element, if it is known.
fn only(cx: &mut NodeCx<'_, '_>, val: Val, what: &str) -> R<Option<Elem>> {
    let elements = cx.ty(val)?.elements();
    if !elements.is(1) {
        return invalid(format!("{what} has {elements} elements, one is needed"));
    }
    Ok(cx.all_elems(val)?.and_then(|elems| elems.first().cloned()))
}

/// Loop.
pub(super) fn loop_<'a>(cx: &mut NodeCx<'_, 'a>) -> R<Vec<Val>> {
    let Some(body) = cx.attrs.graph("body")? else { return invalid("the body is missing") };
    let carried = cx.inputs.len().saturating_sub(2);
    if body.input.len() != carried + 2 || body.output.len() < carried + 1 {
        return invalid(format!(
            "the body has {} inputs and {} outputs for {carried} carried values",
            body.input.len(),
            body.output.len()
        ));
    }
    let mut trips = match cx.opt(0) {
        None => Trips::Unlimited,
        Some(count) => match only(cx, count, "the trip count")?.and_then(|elem| elem.to_dim()) {
            Some(dim) if dim.as_const().is_some_and(|count| count > ENDLESS) => Trips::Unlimited,
            Some(dim) => Trips::Known(cx.known().max(&dim, &Dim::ZERO)),
            None if cx.all_elems(count)?.is_some() => Trips::Unlimited,
            None => Trips::Computed(count),
        },
    };
    let mut cond = None;
    if let Some(condition) = cx.opt(1) {
        match only(cx, condition, "the condition")?.and_then(|elem| elem.as_int()) {
            Some(0) => trips = Trips::Known(Dim::ZERO),
            Some(_) => {}
            None => cond = Some(condition),
        }
    }
    let mut inits = Vec::new();
    let mut carries = Vec::new();
    for index in 0..carried {
        let val = cx.input(2 + index)?;
        let carry = sequence::carry(cx, val);
        if carry == Carry::Tensor {
            inits.push((val, body.input[2 + index].name.as_str()));
        }
        carries.push((val, carry));
    }
    let spec = Turns { trips, cond, inits };
    let mut grows = Vec::new();
    let made = turns(cx, &spec, &mut |cx, turn, params| one_turn(cx, body, turn, params, &carries, &mut grows))?;
    // Tensors that are carried, then a stack for each sequence that grows, then the others.
    let mut tensors = made[..spec.inits.len()].iter().copied();
    let mut stacks = made[spec.inits.len()..].iter().copied();
    let mut outputs = Vec::new();
    for (&(val, carry), &grows) in carries.iter().zip(&grows) {
        outputs.push(match (carry, grows) {
            (Carry::Tensor, _) => tensors.next(),
            (Carry::List, false) => Some(val),
            (Carry::List, true) => {
                let stack = stacks.next();
                stack.map(|stack| sequence::append_stack(cx, val, stack)).transpose()?
            }
        });
    }
    outputs.extend(stacks.map(Some));
    match outputs.into_iter().collect() {
        Some(outputs) => Ok(outputs),
        None => invalid("the body gives too few values"),
    }
}

fn one_turn<'a>(
    cx: &mut NodeCx<'_, 'a>,
    body: &'a GraphProto,
    turn: &Dim,
    params: &[Val],
    carries: &[(Val, Carry)],
    grows: &mut Vec<bool>,
) -> R<Turn> {
    let number = Elem::Dim(turn.clone());
    let mut inputs = vec![scalar_for(cx, &body.input[0], DType::I64, number)];
    // A turn that begins was let begin.
    inputs.push(scalar_for(cx, &body.input[1], DType::Bool, Elem::Int(1)));
    let mut tensors = params.iter().copied();
    for &(_, carry) in carries {
        inputs.push(match carry {
            Carry::Tensor => match tensors.next() {
                Some(param) => param,
                None => return invalid("the body gets too few values"),
            },
            Carry::List => sequence::in_turn(cx),
        });
    }
    let outputs = cx.importer.inline_graph(body, "body", &inputs)?;
    let more = match only(cx, outputs[0], "the condition that the body gives")?.and_then(|elem| elem.as_int()) {
        Some(value) if value != 0 => None,
        _ => Some(outputs[0]),
    };
    let (mut carried, mut stacked) = (Vec::new(), Vec::new());
    grows.clear();
    for (index, &(_, carry)) in carries.iter().enumerate() {
        let output = outputs[1 + index];
        let rows = match carry {
            Carry::Tensor => {
                carried.push(output);
                None
            }
            Carry::List => sequence::appended(cx, inputs[2 + index], output)?,
        };
        grows.push(rows.is_some());
        stacked.extend(rows);
    }
    stacked.extend(&outputs[1 + carries.len()..]);
    Ok(Turn { more, carried, stacked })
}

/// Scan of opset 9 and later.
pub(super) fn scan<'a>(cx: &mut NodeCx<'_, 'a>) -> R<Vec<Val>> {
    let Some(body) = cx.attrs.graph("body")? else { return invalid("the body is missing") };
    let count = usize::try_from(cx.int("num_scan_inputs")?).unwrap_or(0);
    if cx.version < 9 {
        return batched_scan(cx, body, count);
    }
    let inputs = cx.all_inputs()?;
    let Some(states) = inputs.len().checked_sub(count).filter(|_| count > 0) else {
        return invalid(format!("{count} scan inputs of {} inputs", inputs.len()));
    };
    let reverse_in = directions(cx, "scan_input_directions", count)?;
    let axes = list(cx, "scan_input_axes", count)?;
    let mut scanned = Vec::new();
    for (index, &val) in inputs[states..].iter().enumerate() {
        let axis = lathe_ir::op::normalize_axis(axes[index], cx.rank(val)?)?;
        scanned.push(Scanned { val, axis, reverse: reverse_in[index] });
    }
    let outputs = body.output.len().saturating_sub(states);
    let reverse_out = directions(cx, "scan_output_directions", outputs)?;
    let axes_out = list(cx, "scan_output_axes", outputs)?;
    let made = scan_along(cx, body, &inputs[..states], &scanned)?;
    let mut results = made[..states].to_vec();
    for (index, &val) in made[states..].iter().enumerate() {
        let rank = cx.rank(val)?;
        let axis = lathe_ir::op::normalize_axis(axes_out[index], rank)?;
        let val = if reverse_out[index] { reversed(cx, val)? } else { val };
        // The stack comes along axis 0.
        let perm: Vec<usize> = (1..=axis).chain([0]).chain(axis + 1..rank).collect();
        results.push(cx.transpose(val, &perm)?);
    }
    Ok(results)
}

/// A value that is gone along.
#[derive(Clone, Copy)]
struct Scanned {
    val: Val,
    axis: usize,
    reverse: bool,
}

/// Turns along the scanned values; gives the states, then the stacks.
fn scan_along<'a>(cx: &mut NodeCx<'_, 'a>, body: &'a GraphProto, states: &[Val], scanned: &[Scanned]) -> R<Vec<Val>> {
    if body.input.len() != states.len() + scanned.len() || body.output.len() < states.len() {
        return invalid(format!("the body has {} inputs and {} outputs", body.input.len(), body.output.len()));
    }
    let mut length: Option<Dim> = None;
    for one in scanned {
        let own = cx.shape(one.val)?[one.axis].clone();
        match &length {
            Some(length) => cx.require_equal(length, &own, "lengths of scan inputs")?,
            None => length = Some(own),
        }
    }
    let length = length.unwrap_or(Dim::ZERO);
    let names = body.input.iter().map(|input| input.name.as_str());
    let inits = states.iter().copied().zip(names).collect();
    let spec = Turns { trips: Trips::Known(length.clone()), cond: None, inits };
    turns(cx, &spec, &mut |cx, turn, params| {
        let mut inputs = params.to_vec();
        for one in scanned {
            let at = if one.reverse { &(&length - &Dim::ONE) - turn } else { turn.clone() };
            let part = take_axis(cx, one.val, one.axis, &at, &Dim::ONE)?;
            let mut shape = cx.shape(part)?;
            shape.remove(one.axis);
            inputs.push(cx.reshape(part, shape)?);
        }
        let mut carried = cx.importer.inline_graph(body, "body", &inputs)?;
        let stacked = carried.split_off(params.len());
        Ok(Turn { more: None, carried, stacked })
    })
}

/// The Scan of opset 8: every value has a batch axis in front, which the body does not see.
fn batched_scan<'a>(cx: &mut NodeCx<'_, 'a>, body: &'a GraphProto, count: usize) -> R<Vec<Val>> {
    if cx.opt(0).is_some() {
        return unsupported("sequence_lens of the Scan of opset 8");
    }
    let inputs: Option<Vec<Val>> = cx.inputs.iter().skip(1).copied().collect();
    let inputs = match inputs {
        Some(inputs) if count > 0 && inputs.len() >= count => inputs,
        _ => return invalid(format!("{count} scan inputs of {} inputs", cx.inputs.len().saturating_sub(1))),
    };
    let states = inputs.len() - count;
    let reverse = directions(cx, "directions", count)?;
    for (index, &val) in inputs.iter().enumerate() {
        if cx.rank(val)? < 1 + usize::from(index >= states) {
            return invalid(format!("input {} has no batch axis", index + 1));
        }
    }
    let batch = cx.shape(inputs[0])?[0].clone();
    for &val in &inputs {
        let own = cx.shape(val)?[0].clone();
        cx.require_equal(&batch, &own, "batch sizes")?;
    }
    let spec = Turns { trips: Trips::Known(batch), cond: None, inits: Vec::new() };
    turns(cx, &spec, &mut |cx, row, _| {
        let mut own = Vec::new();
        for &val in &inputs {
            let part = take_axis(cx, val, 0, row, &Dim::ONE)?;
            let shape: Vec<Dim> = cx.shape(part)?[1..].to_vec();
            own.push(cx.reshape(part, shape)?);
        }
        let scanned: Vec<Scanned> =
            own[states..].iter().zip(&reverse).map(|(&val, &reverse)| Scanned { val, axis: 0, reverse }).collect();
        let stacked = scan_along(cx, body, &own[..states], &scanned)?;
        Ok(Turn { more: None, carried: Vec::new(), stacked })
    })
}

/// A list attribute of that many integers, all 0 where it is left out.
fn list(cx: &NodeCx<'_, '_>, name: &str, count: usize) -> R<Vec<i64>> {
    match cx.attrs.ints(name)? {
        None | Some([]) => Ok(vec![0; count]),
        Some(values) if values.len() == count => Ok(values.to_vec()),
        Some(values) => invalid(format!("{name} has {} entries, {count} are needed", values.len())),
    }
}

fn directions(cx: &NodeCx<'_, '_>, name: &str, count: usize) -> R<Vec<bool>> {
    let values = list(cx, name, count)?;
    match values.iter().find(|value| !(0..=1).contains(*value)) {
        Some(value) => invalid(format!("{name} holds {value}, which is neither 0 nor 1")),
        None => Ok(values.into_iter().map(|value| value == 1).collect()),
    }
}

/// The rows in the opposite order.
fn reversed(cx: &mut NodeCx<'_, '_>, val: Val) -> R<Val> {
    let shape = cx.shape(val)?;
    let mut starts = vec![Dim::ZERO; shape.len()];
    starts[0] = &shape[0] - &Dim::ONE;
    let mut steps = vec![1; shape.len()];
    steps[0] = -1;
    let attrs = [("starts", Attr::dims(starts)), ("sizes", Attr::Dims(shape)), ("steps", Attr::ints(&steps))];
    cx.op(OpCode::Slice, &[val], &attrs)
}
