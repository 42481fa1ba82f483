//! Pools over windows and over whole images.

use lathe_ir::{Attr, Dim, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::conv::inner;
use super::slice::pad_to;
use super::unpool::max_pool_indices;
use super::window::{Window, channels_first, channels_last, spatial};

fn window(cx: &NodeCx<'_, '_>, x: Val) -> R<Window> {
    let axes = spatial(cx, x)?;
    let Some(kernel) = cx.attrs.ints("kernel_shape")?.map(<[i64]>::to_vec) else {
        return invalid("attribute kernel_shape is missing");
    };
    Window::new(cx, &axes, kernel)
}

fn attrs(cx: &NodeCx<'_, '_>, window: &Window) -> R<Vec<(&'static str, Attr)>> {
    let mut attrs = window.attrs();
    attrs.push(("kernel", Attr::ints(&window.kernel)));
    attrs.push(("ceil", cx.flag_or("ceil_mode", false)?.into()));
    Ok(attrs)
}

/// MaxPool; output 1 are the positions of the maxima.
pub(super) fn max_pool(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let window = window(cx, x)?;
    if cx.wants(1) {
        let shape = pooled(cx, x, &window)?;
        return max_pool_indices(cx, x, &window, &shape);
    }
    let mut last = channels_last(cx, x)?;
    if let Some(sides) = &window.symbolic {
        let dtype = cx.dtype(x)?;
        let least = if dtype.is_float() {
            f64::NEG_INFINITY
        } else if dtype.is_unsigned() {
            0.0
        } else {
            -(2f64.powi(8 * dtype.size() as i32 - 1))
        };
        let least = cx.scalar(dtype, least);
        last = pad_to(cx, last, &inner(sides), "constant", Some(least))?;
    }
    let result = cx.op(OpCode::MaxPool, &[last], &attrs(cx, &window)?)?;
    one(channels_first(cx, result)?)
}

/// The result's shape, channels first.
fn pooled(cx: &NodeCx<'_, '_>, x: Val, window: &Window) -> R<Vec<Dim>> {
    let ceil = cx.flag_or("ceil_mode", false)?;
    let mut shape = cx.shape(x)?.to_vec();
    for axis in 0..window.kernel.len() {
        let (stride, before) = (Dim::from(window.strides[axis]), Dim::from(window.before[axis]));
        let span = Dim::from((window.kernel[axis] - 1).saturating_mul(window.dilations[axis]).saturating_add(1));
        let size = &shape[axis + 2];
        let room = &(&(size + &before) + &Dim::from(window.after[axis])) - &span;
        let mut steps = if ceil { room.ceil_div(&stride) } else { room.floor_div(&stride) };
        if ceil {
            // A window that begins behind the element after the last is none.
            let begun = (&(size + &before) - &Dim::ONE).floor_div(&stride);
            steps = cx.known().min(&steps, &begun);
        }
        shape[axis + 2] = &steps + &Dim::ONE;
    }
    Ok(shape)
}

/// AveragePool.
pub(super) fn average_pool(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    one(average_of(cx, x)?)
}

/// The average of `x` over the windows that the node's attributes say.
pub(super) fn average_of(cx: &mut NodeCx<'_, '_>, x: Val) -> R<Val> {
    let with_pads = cx.flag_or("count_include_pad", false)?;
    let window = window(cx, x)?;
    average(cx, x, &window, with_pads)
}

fn average(cx: &mut NodeCx<'_, '_>, x: Val, window: &Window, with_pads: bool) -> R<Val> {
    let mut last = channels_last(cx, x)?;
    if let Some(sides) = &window.symbolic {
        if !with_pads {
            return unsupported("auto_pad of a size that is not constant, not counting the pads");
        }
        last = pad_to(cx, last, &inner(sides), "constant", None)?;
    }
    let mut attrs = attrs(cx, window)?;
    attrs.push(("count_include_pad", with_pads.into()));
    let result = cx.op(OpCode::AvgPool, &[last], &attrs)?;
    channels_first(cx, result)
}

/// LpPool: the p-th root of the sum of p-th powers, as the average times the count.
pub(super) fn lp_pool(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let p = cx.int_or("p", 2)?;
    if p < 1 {
        return invalid(format!("p = {p}"));
    }
    if cx.flag_or("ceil_mode", false)? {
        return unsupported("ceil_mode = 1");
    }
    let window = window(cx, x)?;
    let powers = power(cx, x, p)?;
    let average = average(cx, powers, &window, true)?;
    let count = window.kernel.iter().map(|&size| size as f64).product();
    let sum = super::matmul::scaled(cx, average, count)?;
    one(root(cx, sum, p)?)
}

/// |x|^p
fn power(cx: &mut NodeCx<'_, '_>, x: Val, p: i64) -> R<Val> {
    match p {
        1 => cx.op(OpCode::Abs, &[x], &[]),
        2 => cx.op(OpCode::Square, &[x], &[]),
        _ => {
            let magnitude = cx.op(OpCode::Abs, &[x], &[])?;
            let p = cx.scalar(cx.dtype(x)?, p as f64);
            cx.op(OpCode::Pow, &[magnitude, p], &[])
        }
    }
}

/// x^(1/p)
fn root(cx: &mut NodeCx<'_, '_>, x: Val, p: i64) -> R<Val> {
    match p {
        1 => Ok(x),
        2 => cx.op(OpCode::Sqrt, &[x], &[]),
        _ => {
            let p = cx.scalar(cx.dtype(x)?, 1.0 / p as f64);
            cx.op(OpCode::Pow, &[x, p], &[])
        }
    }
}

/// GlobalAveragePool, GlobalMaxPool, GlobalLpPool: reductions over all spatial axes.
pub(super) fn global(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let rank = cx.rank(x)?;
    if rank < 2 {
        return invalid(format!("an operand of {rank} axes"));
    }
    let axes: Vec<i64> = (2..rank as i64).collect();
    let attrs = [("axes", Attr::ints(&axes)), ("keepdims", true.into())];
    one(match cx.op {
        "GlobalAveragePool" => cx.op(OpCode::ReduceMean, &[x], &attrs)?,
        "GlobalMaxPool" => cx.op(OpCode::ReduceMax, &[x], &attrs)?,
        _ => {
            let p = cx.int_or("p", 2)?;
            if p < 1 {
                return invalid(format!("p = {p}"));
            }
            let powers = power(cx, x, p)?;
            let sum = cx.op(OpCode::ReduceSum, &[powers], &attrs)?;
            root(cx, sum, p)?
        }
    })
}
