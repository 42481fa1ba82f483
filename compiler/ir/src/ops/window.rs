//! Geometry of sliding windows, shared by conv, conv_transpose and the pools.

use super::check;
use crate::dim::Dim;
use crate::op::{InferCx, OpError};
use std::ops::Range;

/// Strides, dilations and pads of a window, one entry per spatial axis.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    /// Distance between two windows.
    pub(super) strides: &'a [i64],
    /// Distance between two taps of a window.
    pub(super) dilations: &'a [i64],
    /// Padding before the first element.
    pub(super) before: &'a [i64],
    /// Padding after the last element.
    pub(super) after: &'a [i64],
}

/// Checks the operand's rank ([N, 1 to 3 spatial axes, C]) and the attributes of a window.
pub(super) fn infer_window<'a>(cx: &InferCx<'a>) -> Result<Window<'a>, OpError> {
    let x = cx.operand(0);
    if !(3..=5).contains(&x.rank()) {
        return Err(OpError::invalid(format!("x is {x}, it must be [N, 1 to 3 spatial axes, C]")));
    }
    let spatial = x.rank() - 2;
    for (name, least) in [("strides", 1), ("dilations", 1), ("pads_before", 0), ("pads_after", 0)] {
        check::ints(cx, name, spatial, least)?;
    }
    Ok(Window {
        strides: cx.ints("strides"),
        dilations: cx.ints("dilations"),
        before: cx.ints("pads_before"),
        after: cx.ints("pads_after"),
    })
}

impl Window<'_> {
    /// Elements that a window of `kernel` taps spans along spatial axis `axis`.
    pub(super) fn span(&self, axis: usize, kernel: &Dim) -> Dim {
        &(&Dim::from(self.dilations[axis]) * &(kernel - &Dim::ONE)) + &Dim::ONE
    }

    /// Number of windows along spatial axis `axis` of `size` elements: those that fit the padded axis. With `ceil` also
    /// one that leaves it at the end, if it starts before the padding after the last element.
    pub(super) fn count(&self, axis: usize, size: &Dim, kernel: &Dim, ceil: bool) -> Dim {
        let (stride, span) = (Dim::from(self.strides[axis]), self.span(axis, kernel));
        let (before, after) = (Dim::from(self.before[axis]), Dim::from(self.after[axis]));
        let started = size + &before;
        let room = &(&started + &after) - &span;
        if !ceil {
            return &room.floor_div(&stride) + &Dim::ONE;
        }
        let count = &room.ceil_div(&stride) + &Dim::ONE;
        // A window starts past the last element only where padding and stride together are longer than its span.
        match (&(&after + &stride) - &span).as_const() {
            Some(excess) if excess <= 0 => count,
            _ => count.minimum(&started.ceil_div(&stride)),
        }
    }

    /// The taps of window `at` along spatial axis `axis` that meet an element, and the element that tap 0 would meet.
    pub(super) fn taps(&self, axis: usize, at: usize, kernel: usize, size: usize) -> (Range<usize>, i64) {
        let first = at as i64 * self.strides[axis] - self.before[axis];
        (taps_within(first, self.dilations[axis], kernel, size as i64), first)
    }
}

/// The taps t of 0..kernel with 0 <= first + t * dilation < size.
pub(super) fn taps_within(first: i64, dilation: i64, kernel: usize, size: i64) -> Range<usize> {
    let kernel = kernel as i64;
    // The t from which first + t * dilation >= bound.
    let from = |bound: i64| ((bound - first + dilation - 1).div_euclid(dilation)).clamp(0, kernel);
    let (low, high) = (from(0), from(size));
    low as usize..high.max(low) as usize
}

/// Sizes of the spatial axes of a channels-last shape.
pub(super) fn spatial<T>(shape: &[T]) -> &[T] {
    &shape[1..shape.len() - 1]
}
