//! Convolutions with weights whose sizes are known only when the program is called: the patches under the kernel, picked
//! by index, times the weights. Slower than the op, which has to know its kernel.

use lathe_ir::{Dim, OpCode};

use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid};

use super::constant::positions;
use super::conv::groups;
use super::matmul::transposed;
use super::slice::{pad_to, take, take_axis};
use super::window::{AutoPad, auto_pad, pads, per_axis};

/// How the kernel moves.
pub(super) struct Moves {
    /// For each spatial axis.
    pub(super) strides: Vec<i64>,
    /// For each spatial axis.
    pub(super) dilations: Vec<i64>,
    /// Zeros before and after each spatial axis.
    pub(super) sides: [Vec<Dim>; 2],
}

impl Moves {
    /// As the attributes say, over these spatial sizes with a kernel of those.
    pub(super) fn new(cx: &NodeCx<'_, '_>, spatial: &[Dim], kernel: &[Dim]) -> R<Moves> {
        let axes = spatial.len();
        let strides = per_axis(cx, "strides", axes, 1, 1)?;
        let dilations = per_axis(cx, "dilations", axes, 1, 1)?;
        let auto = auto_pad(cx)?;
        let mut sides = [vec![Dim::ZERO; axes], vec![Dim::ZERO; axes]];
        match auto {
            AutoPad::Valid => {}
            AutoPad::Explicit => {
                let (before, after) = pads(cx, axes)?;
                sides = [before, after].map(|side| side.into_iter().map(Dim::constant).collect());
            }
            // The result has ceil(size / stride) elements.
            AutoPad::SameUpper | AutoPad::SameLower => {
                for axis in 0..axes {
                    let stride = Dim::constant(strides[axis]);
                    let steps = &spatial[axis].ceil_div(&stride) - &Dim::ONE;
                    let reach = &(&steps * &stride) + &span(&kernel[axis], dilations[axis]);
                    let total = cx.known().max(&(&reach - &spatial[axis]), &Dim::ZERO);
                    let less = total.floor_div(&Dim::from(2));
                    let more = &total - &less;
                    (sides[0][axis], sides[1][axis]) =
                        if auto == AutoPad::SameUpper { (less, more) } else { (more, less) };
                }
            }
        }
        Ok(Moves { strides, dilations, sides })
    }
}

/// Elements from the first to the last that a kernel sees.
pub(super) fn span(kernel: &Dim, dilation: i64) -> Dim {
    &(&(kernel - &Dim::ONE) * &Dim::constant(dilation)) + &Dim::ONE
}

/// x [N, C, spatial..] with weights [M, C / groups, kernel..], bias [M]: [N, M, spatial..].
pub(super) fn convolve_open(
    cx: &mut NodeCx<'_, '_>,
    x: Val,
    w: Val,
    bias: Option<Val>,
    moves: &Moves,
    groups: &Dim,
) -> R<Val> {
    let (shape, w_shape) = (cx.shape(x)?, cx.shape(w)?);
    if w_shape.len() != shape.len() || shape.len() < 3 {
        return invalid(format!("weights of {} axes for an operand of {}", w_shape.len(), shape.len()));
    }
    let axes = shape.len() - 2;
    let (depth, features) = (w_shape[1].clone(), w_shape[0].floor_div(groups));
    cx.require_equal(&shape[1], &(groups * &depth), "channels, and groups times channels of the weights")?;
    cx.require_equal(&w_shape[0], &(groups * &features), "features and a multiple of the groups")?;
    let around = |side: &Vec<Dim>| [Dim::ZERO, Dim::ZERO].into_iter().chain(side.iter().cloned()).collect();
    let mut patches = pad_to(cx, x, &moves.sides.each_ref().map(around), "constant", None)?;
    let padded = cx.shape(patches)?;
    // Each spatial axis becomes two: the place of the kernel and the place in it.
    let mut places = Vec::new();
    for axis in 0..axes {
        let kernel = &w_shape[2 + axis];
        let room = &padded[2 + axis] - &span(kernel, moves.dilations[axis]);
        let count = &room.floor_div(&Dim::constant(moves.strides[axis])) + &Dim::ONE;
        let along = |cx: &mut NodeCx<'_, '_>, sizes: [Dim; 2], axis: i64, by: i64| {
            let place = positions(cx, &sizes, axis)?;
            let by = cx.whole(by);
            cx.mul(place, by)
        };
        let start = along(cx, [count.clone(), Dim::ONE], 0, moves.strides[axis])?;
        let inside = along(cx, [Dim::ONE, kernel.clone()], 1, moves.dilations[axis])?;
        let index = cx.add(start, inside)?;
        patches = cx.gather(patches, index, 2 + 2 * axis as i64)?;
        places.push(count);
    }
    // [N, groups, depth, o1, k1, ..] to [N, groups, o.., depth, k..].
    let mut apart = cx.shape(patches)?.to_vec();
    apart[1] = groups.clone();
    apart.insert(2, depth.clone());
    let patches = cx.reshape(patches, apart)?;
    let perm: Vec<usize> = [0, 1]
        .into_iter()
        .chain((0..axes).map(|axis| 3 + 2 * axis))
        .chain([2])
        .chain((0..axes).map(|axis| 4 + 2 * axis))
        .collect();
    let patches = cx.transpose(patches, &perm)?;
    let taps = &depth * &Dim::product_of(&w_shape[2..]);
    let rows = [shape[0].clone(), groups.clone(), Dim::product_of(&places), taps.clone()];
    let patches = cx.reshape(patches, rows)?;
    let weights = cx.reshape(w, [groups.clone(), features, taps])?;
    let weights = transposed(cx, weights)?;
    let sums = cx.op(OpCode::MatMul, &[patches, weights], &[])?;
    let sums = transposed(cx, sums)?;
    let result: Vec<Dim> = [shape[0].clone(), w_shape[0].clone()].into_iter().chain(places).collect();
    let sums = cx.reshape(sums, result)?;
    match bias {
        Some(bias) => {
            let bias = cx.with_trailing(bias, axes)?;
            cx.add(sums, bias)
        }
        None => Ok(sums),
    }
}

/// The transposed convolution of x [N, C, spatial..] with weights [C, M / groups, kernel..]: `strides - 1` zeros between
/// the elements, then a convolution with the weights turned around. `moves.sides` is what is cut off the result, whose
/// last elements `longer` adds.
pub(super) fn convolve_open_transposed(
    cx: &mut NodeCx<'_, '_>,
    x: Val,
    w: Val,
    bias: Option<Val>,
    moves: &Moves,
    longer: &[Dim],
) -> R<Val> {
    let (shape, w_shape) = (cx.shape(x)?, cx.shape(w)?);
    let groups = Dim::constant(groups(cx)?);
    let axes = shape.len() - 2;
    // [N, C, s, 1] to [N, C, s, stride] to [N, C, s * stride], of which the last zeros are left away.
    let mut spread = x;
    for axis in 0..axes {
        let stride = moves.strides[axis];
        if stride == 1 {
            continue;
        }
        let mut sizes = cx.shape(spread)?.to_vec();
        let size = sizes[2 + axis].clone();
        sizes.insert(3 + axis, Dim::ONE);
        let apart = cx.reshape(spread, sizes.clone())?;
        let mut after = vec![Dim::ZERO; sizes.len()];
        after[3 + axis] = Dim::constant(stride - 1);
        let apart = pad_to(cx, apart, &[vec![Dim::ZERO; sizes.len()], after], "constant", None)?;
        sizes.remove(3 + axis);
        sizes[2 + axis] = &size * &Dim::constant(stride);
        let whole = cx.reshape(apart, sizes)?;
        let kept = &(&(&size - &Dim::ONE) * &Dim::constant(stride)) + &Dim::ONE;
        spread = take_axis(cx, whole, 2 + axis, &Dim::ZERO, &kept)?;
    }
    // What the kernel sees beyond the ends; where that is less than nothing, elements are cut off.
    let (mut starts, mut sizes) = (vec![Dim::ZERO; axes + 2], cx.shape(spread)?.to_vec());
    let mut sides = [Vec::new(), Vec::new()];
    for axis in 0..axes {
        let reach = &span(&w_shape[2 + axis], moves.dilations[axis]) - &Dim::ONE;
        let before = &reach - &moves.sides[0][axis];
        let after = &(&reach - &moves.sides[1][axis]) + &longer[axis];
        let known = cx.known();
        let [more_before, more_after] = [&before, &after].map(|side| known.max(side, &Dim::ZERO));
        let (cut_before, cut_after) = (&more_before - &before, &more_after - &after);
        sizes[2 + axis] = &(&sizes[2 + axis] - &cut_before) - &cut_after;
        starts[2 + axis] = cut_before;
        sides[0].push(more_before);
        sides[1].push(more_after);
    }
    let kept = take(cx, spread, &starts, &sizes, &vec![1; axes + 2])?;
    // [C, M / groups, k..] to [M, C / groups, k..], the last element of the kernel first.
    let last: Vec<Dim> =
        (0..axes + 2).map(|axis| if axis < 2 { Dim::ZERO } else { &w_shape[axis] - &Dim::ONE }).collect();
    let steps: Vec<i64> = (0..axes + 2).map(|axis| if axis < 2 { 1 } else { -1 }).collect();
    let turned = take(cx, w, &last, &w_shape, &steps)?;
    let depth = w_shape[0].floor_div(&groups);
    cx.require_equal(&w_shape[0], &(&groups * &depth), "channels and a multiple of the groups")?;
    let mut grouped = vec![groups.clone(), depth.clone()];
    grouped.extend(w_shape[1..].iter().cloned());
    let turned = cx.reshape(turned, grouped)?;
    let perm: Vec<usize> = [0, 2, 1].into_iter().chain(3..axes + 3).collect();
    let turned = cx.transpose(turned, &perm)?;
    let mut weights = vec![&groups * &w_shape[1], depth];
    weights.extend(w_shape[2..].iter().cloned());
    let turned = cx.reshape(turned, weights)?;
    let once = Moves { strides: vec![1; axes], dilations: moves.dilations.clone(), sides };
    convolve_open(cx, kept, turned, bias, &once, &groups)
}

/// Whether a size of the kernel is known only when the program is called.
pub(super) fn is_open(kernel: &[Dim]) -> bool {
    kernel.iter().any(|size| size.as_const().is_none())
}
