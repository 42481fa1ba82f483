//! Steps of optimisers, ai.onnx.preview.training: Momentum, Adagrad, Adam.
//!
//! Operands are the learning rate, the number of the step, and then, for all tensors in turn, the tensors, their
//! gradients and the state; results are the new tensors and the new state.

use lathe_ir::OpCode;

use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid};

/// What one tensor's step sees: rate, step number (both as scalars of its type), the tensor, its regularised gradient.
struct Step {
    rate: Val,
    number: Val,
    x: Val,
    gradient: Val,
}

/// Runs a step for each tensor; `states` tensors of state each. Gives the results in the order of the operator.
fn each(
    cx: &mut NodeCx<'_, '_>,
    states: usize,
    run: impl Fn(&mut NodeCx<'_, '_>, &Step, &[Val]) -> R<Vec<Val>>,
) -> R<Vec<Val>> {
    let inputs = cx.all_inputs()?;
    let Some((&[rate, number], rest)) = inputs.split_first_chunk::<2>() else {
        return invalid("learning rate and step number are needed");
    };
    let parts = 2 + states;
    if rest.is_empty() || rest.len() % parts != 0 {
        return invalid(format!("{} operands after the step number; a multiple of {parts} is needed", rest.len()));
    }
    let count = rest.len() / parts;
    let norm = cx.float_or("norm_coefficient", 0.0)?;
    let mut results = vec![Vec::new(); 1 + states];
    for at in 0..count {
        let (x, gradient) = (rest[at], rest[count + at]);
        let dtype = cx.dtype(x)?;
        let (rate, number) = (cx.cast(rate, dtype)?, cx.cast(number, dtype)?);
        let (rate, number) = (cx.reshape(rate, [])?, cx.reshape(number, [])?);
        let drag = cx.times(x, norm)?;
        let gradient = cx.add(drag, gradient)?;
        let state: Vec<Val> = (0..states).map(|state| rest[(2 + state) * count + at]).collect();
        for (list, value) in results.iter_mut().zip(run(cx, &Step { rate, number, x, gradient }, &state)?) {
            list.push(value);
        }
    }
    Ok(results.into_iter().flatten().collect())
}

/// `value` after the first step, `at_first` in it.
fn after_first(cx: &mut NodeCx<'_, '_>, step: &Step, value: Val, at_first: Val) -> R<Val> {
    let zero = cx.scalar(cx.dtype(step.number)?, 0.0);
    let is_later = cx.lt(zero, step.number)?;
    cx.select(is_later, value, at_first)
}

/// Momentum, standard or Nesterov's.
pub(super) fn momentum(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (alpha, beta) = (cx.float_or("alpha", 0.0)?, cx.float_or("beta", 0.0)?);
    let nesterov = match cx.word_or("mode", "standard")?.as_str() {
        "standard" => false,
        "nesterov" => true,
        other => return invalid(format!("mode = {other:?}")),
    };
    each(cx, 1, |cx, step, state| {
        let dtype = cx.dtype(step.x)?;
        let (later, first) = (cx.scalar(dtype, beta), cx.scalar(dtype, 1.0));
        let share = after_first(cx, step, later, first)?;
        let old = cx.times(state[0], alpha)?;
        let new = cx.mul(share, step.gradient)?;
        let velocity = cx.add(old, new)?;
        let direction = if nesterov {
            let ahead = cx.times(velocity, alpha)?;
            cx.add(step.gradient, ahead)?
        } else {
            velocity
        };
        let change = cx.mul(step.rate, direction)?;
        Ok(vec![cx.sub(step.x, change)?, velocity])
    })
}

/// Adagrad.
pub(super) fn adagrad(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (decay, epsilon) = (cx.float_or("decay_factor", 0.0)?, cx.float_or("epsilon", f64::from(1e-6f32))?);
    each(cx, 1, |cx, step, state| {
        let slowing = cx.times(step.number, decay)?;
        let slowing = cx.plus(slowing, 1.0)?;
        let rate = cx.div(step.rate, slowing)?;
        let square = cx.apply(OpCode::Square, step.gradient)?;
        let sum = cx.add(state[0], square)?;
        let root = cx.apply(OpCode::Sqrt, sum)?;
        let root = cx.plus(root, epsilon)?;
        let change = cx.mul(rate, step.gradient)?;
        let change = cx.div(change, root)?;
        Ok(vec![cx.sub(step.x, change)?, sum])
    })
}

/// Adam.
pub(super) fn adam(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (alpha, beta) = (cx.float_or("alpha", f64::from(0.9f32))?, cx.float_or("beta", f64::from(0.999f32))?);
    let epsilon = cx.float_or("epsilon", f64::from(1e-6f32))?;
    let post = cx.float_or("norm_coefficient_post", 0.0)?;
    each(cx, 2, |cx, step, state| {
        let average = |cx: &mut NodeCx<'_, '_>, old: Val, new: Val, share: f64| -> R<Val> {
            let (old, new) = (cx.times(old, share)?, cx.times(new, 1.0 - share)?);
            cx.add(old, new)
        };
        let square = cx.apply(OpCode::Square, step.gradient)?;
        let (first, second) = (average(cx, state[0], step.gradient, alpha)?, average(cx, state[1], square, beta)?);
        let root = cx.apply(OpCode::Sqrt, second)?;
        let root = cx.plus(root, epsilon)?;
        let rest = |cx: &mut NodeCx<'_, '_>, base: f64| -> R<Val> {
            let dtype = cx.dtype(step.x)?;
            let (base, unit) = (cx.scalar(dtype, base), cx.scalar(dtype, 1.0));
            let power = cx.op(OpCode::Pow, &[base, step.number], &[])?;
            cx.sub(unit, power)
        };
        let (beta_rest, alpha_rest) = (rest(cx, beta)?, rest(cx, alpha)?);
        let corrected = cx.apply(OpCode::Sqrt, beta_rest)?;
        let corrected = cx.mul(step.rate, corrected)?;
        let corrected = cx.div(corrected, alpha_rest)?;
        let rate = after_first(cx, step, corrected, step.rate)?;
        let change = cx.div(first, root)?;
        let change = cx.mul(rate, change)?;
        let moved = cx.sub(step.x, change)?;
        Ok(vec![cx.times(moved, 1.0 - post)?, first, second])
    })
}
