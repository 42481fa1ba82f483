//! Whether a rule kept what it must keep.
//!
//! A rule of class Bits keeps every bit (any NaN equals any NaN). For one that is exact in the reals the bound is the
//! forward error that rounding alone may cause: both programs are evaluated in f64, exactly and with each op's result
//! disturbed by up to one unit of the element type; the largest difference over several disturbances, of both programs
//! together and times [`MARGIN`], is what the results in the element type may differ by. Where the left side is not
//! finite, nothing is asked of the right side; the rule's note says what happens there.

use crate::choices::Rng;
use lathe_ir::eval::{bind, eval_op};
use lathe_ir::{Attr, DType, Module, Tensor, TensorType, eval_module};

/// Disturbed evaluations of each side.
const DISTURBANCES: u64 = 6;
/// Largest ratio of the difference found to the largest one of [`DISTURBANCES`] random ones.
const MARGIN: f64 = 32.0;
/// Relative size of a disturbance; small enough that the effect is linear, large against rounding in f64.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// The difference that breaks the rule, if there is one. `None` where the left side does not evaluate.
pub(crate) fn compare(left: &Module, right: &Module, inputs: &[Tensor], bits: bool) -> Option<Result<(), String>> {
    let want = eval_module(left, inputs.to_vec()).ok()?;
    let have = match eval_module(right, inputs.to_vec()) {
        Ok(have) => have,
        Err(error) => return Some(Err(format!("the right side does not evaluate: {error}"))),
    };
    let (want, have) = (want.first()?, have.first()?);
    if want.ty() != have.ty() {
        return Some(Err(format!("types {} and {}", want.ty(), have.ty())));
    }
    if !want.dtype().is_float() || bits {
        return Some(same_bits(want, have));
    }
    Some(within_bound(left, right, inputs, want, have))
}

fn same_bits(want: &Tensor, have: &Tensor) -> Result<(), String> {
    if want == have {
        return Ok(());
    }
    if !want.dtype().is_float() {
        return Err("integers differ".to_owned());
    }
    let pairs = want.to_f64().into_iter().zip(have.to_f64());
    for (at, (x, y)) in pairs.enumerate() {
        if x.to_bits() != y.to_bits() && !(x.is_nan() && y.is_nan()) {
            return Err(format!("element {at} is {x:?} on the left and {y:?} on the right"));
        }
    }
    Ok(())
}

fn within_bound(left: &Module, right: &Module, inputs: &[Tensor], want: &Tensor, have: &Tensor) -> Result<(), String> {
    let wide = |module: &Module, noise: Option<Noise>| wide(module, inputs, noise);
    let (exact, other) = (wide(left, None)?, wide(right, None)?);
    let (unit, least) = coarsest(left);
    let mut spread = vec![0.0f64; exact.len()];
    for seed in 0..DISTURBANCES {
        let noise = || Some(Noise { rng: Rng::new(seed), least: least * UNIT / unit });
        let disturbed = [wide(left, noise())?, wide(right, noise())?];
        for (undisturbed, disturbed) in [&exact, &other].into_iter().zip(&disturbed) {
            for ((most, x), y) in spread.iter_mut().zip(undisturbed).zip(disturbed) {
                *most = most.max((x - y).abs());
            }
        }
    }
    for (at, (x, y)) in want.to_f64().into_iter().zip(have.to_f64()).enumerate() {
        if !x.is_finite() || !exact[at].is_finite() || !spread[at].is_finite() {
            continue;
        }
        let bound = MARGIN * (spread[at] / UNIT * unit + unit * x.abs() + least);
        let difference = (x - y).abs();
        if difference.is_nan() || difference > bound {
            return Err(format!("element {at} is {x:?} on the left, {y:?} on the right, bound {bound:?}"));
        }
    }
    Ok(())
}

/// Half a unit in the last place of 1 and half the smallest number of the coarsest float type of a module. The evaluator
/// computes in f64 whatever the type is: in f64 itself the rounding inside of an op shows, which cancellation enlarges.
fn coarsest(module: &Module) -> (f64, f64) {
    let value = |dtype| match dtype {
        DType::F64 => (2f64.powi(-42), 0.0),
        DType::F32 => (2f64.powi(-24), 2f64.powi(-150)),
        DType::F16 => (2f64.powi(-11), 2f64.powi(-25)),
        _ => (2f64.powi(-8), 2f64.powi(-134)),
    };
    let graph = &module.main;
    let values = graph.iter().flat_map(|(_, op)| op.results.iter().copied());
    let values = values.chain(graph.params.iter().map(|port| port.value));
    let types = values.map(|value| graph.ty(value).dtype).filter(|dtype| dtype.is_float());
    types.map(value).fold((0.0, 0.0), |(unit, least), (u, l)| (f64::max(unit, u), f64::max(least, l)))
}

struct Noise {
    rng: Rng,
    least: f64,
}

/// Evaluates in f64, with each op's result disturbed.
fn wide(module: &Module, inputs: &[Tensor], mut noise: Option<Noise>) -> Result<Vec<f64>, String> {
    let graph = &module.main;
    let types: Vec<&TensorType> = graph.params.iter().map(|port| graph.ty(port.value)).collect();
    let bindings = bind(&types, inputs).map_err(|error| error.to_string())?;
    let mut values: Vec<Option<Tensor>> = vec![None; graph.value_count()];
    for (port, input) in graph.params.iter().zip(inputs) {
        values[port.value.index()] = Some(widened(input));
    }
    for (_, op) in graph.iter() {
        let operands: Vec<Option<Tensor>> =
            op.operands.iter().map(|operand| operand.and_then(|value| values[value.index()].clone())).collect();
        let widen = |attr: &Attr| match attr {
            Attr::DType(dtype) if dtype.is_float() => Attr::DType(DType::F64),
            other => other.clone(),
        };
        let attrs: Vec<Attr> = op.attrs.iter().map(widen).collect();
        let results = eval_op(&module.env, &bindings, op.code, &operands, &attrs, &op.regions)
            .map_err(|error| format!("in f64: {error}"))?;
        for (&value, tensor) in op.results.iter().zip(results) {
            values[value.index()] = Some(disturbed(&widened(&tensor), &mut noise));
        }
    }
    let result = graph.results.first().and_then(|port| values[port.value.index()].as_ref());
    Ok(result.map(Tensor::to_f64).unwrap_or_default())
}

fn widened(tensor: &Tensor) -> Tensor {
    if !tensor.dtype().is_float() {
        return tensor.clone();
    }
    Tensor::from_f64(DType::F64, tensor.shape(), &tensor.to_f64())
}

fn disturbed(tensor: &Tensor, noise: &mut Option<Noise>) -> Tensor {
    let Some(noise) = noise.as_mut().filter(|_| tensor.dtype().is_float()) else { return tensor.clone() };
    let mut next = || 2.0 * noise.rng.unit() - 1.0;
    let values = tensor.to_f64().into_iter().map(|x| x + x * UNIT * next() + noise.least * next());
    Tensor::from_f64(DType::F64, tensor.shape(), &values.collect::<Vec<_>>())
}
