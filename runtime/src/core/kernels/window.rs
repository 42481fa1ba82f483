//! The loop nest of kernels that slide a window over each channel alone: depthwise convolution and pooling.
//!
//! Blocks of channels outside, then lines of neighbouring pixels whose windows have the same taps on the image: along the
//! rows in the interior, down the columns at the left and right border. Taps on padding are skipped; each output is one
//! chain over its valid taps, row by row, whatever the tile: no bit depends on how the caller cuts the rows.
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by pixel")]

use super::conv::Window;
use super::outline::{Body, Tier, opaque};
use core::marker::PhantomData;

/// What is done with the inputs under the window. Lanes are channels.
pub(crate) trait Slide: 'static {
    /// Whether there is a weight per tap and channel.
    const WEIGHTED: bool;
    /// Parameters beyond the window.
    type Params;
    /// What the end of each pixel of a line needs.
    type Line: Copy;

    /// The value before the first tap.
    ///
    /// # Safety
    /// The CPU has the tier.
    unsafe fn start<V: Tier>() -> V;

    /// One more tap.
    fn tap<V: Tier>(acc: V, x: V, weight: V) -> V;

    /// Prepares a line of pixels that begins at (`row`, `column`), from `channel` on.
    fn line(args: &WindowArgs<Self>, row: usize, column: usize, channel: usize) -> Self::Line;

    /// Stores the results of `MR` pixels, `n <= LANES` channels each, `pixel` elements apart.
    ///
    /// # Safety
    /// The CPU has the tier; the outputs are writable.
    unsafe fn finish<V: Tier, const MR: usize>(line: &Self::Line, acc: [V; MR], y: *mut f32, pixel: usize, n: usize);
}

/// Sizes and places. Images are NHWC; `x_pixel` and `y_pixel` are the distances between neighbouring pixels.
pub(crate) struct WindowArgs<S: Slide + ?Sized> {
    pub(crate) x: *const f32,
    pub(crate) x_pixel: usize,
    pub(crate) channels: usize,
    pub(crate) rows: Window,
    pub(crate) columns: Window,
    /// `[kh][kw][channels]`, if weighted.
    pub(crate) weights: *const f32,
    pub(crate) y: *mut f32,
    pub(crate) ow: usize,
    pub(crate) y_pixel: usize,
    pub(crate) begin: usize,
    pub(crate) end: usize,
    pub(crate) params: S::Params,
}

/// All channels of the output rows `begin..end`.
///
/// Safety: image, weights and outputs are as large as [`WindowArgs`] says.
pub(crate) struct Sliding<S>(PhantomData<S>);

impl<S: Slide> Body for Sliding<S> {
    type Args = WindowArgs<S>;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut WindowArgs<S>) {
        // the pixels whose windows are on the image altogether: `top..bottom` by `left..right`
        let (left, right) = args.columns.inside(0, args.ow);
        let (top, bottom) = args.rows.inside(args.begin, args.end);
        let mut channel = 0;
        while channel < args.channels {
            // SAFETY: the lines cover each pixel once; all windows of a line have the same taps.
            unsafe {
                for row in args.begin..args.end {
                    line::<V, S>(args, (row, left), false, right - left, channel);
                }
                for column in (0..left).chain(right..args.ow) {
                    for row in (args.begin..top).chain(bottom..args.end) {
                        line::<V, S>(args, (row, column), true, 1, channel);
                    }
                    line::<V, S>(args, (top, column), true, bottom - top, channel);
                }
            }
            channel += V::LANES;
        }
    }
}

/// Computes `count` pixels that begin at (row, column) and go to the right or down, one vector of channels.
///
/// # Safety
/// The CPU has the tier; the pixels exist and their windows have the same taps on the image.
#[inline(always)]
unsafe fn line<V: Tier, S: Slide>(
    args: &WindowArgs<S>,
    (row, column): (usize, usize),
    down: bool,
    count: usize,
    channel: usize,
) {
    if count == 0 {
        return;
    }
    let (rows, columns) = (args.rows.valid(row), args.columns.valid(column));
    let image_row = args.columns.size * args.x_pixel;
    let (row_step, column_step) = (args.rows.dilation * image_row, args.columns.dilation * args.x_pixel);
    let first = args.rows.first(row) * image_row as isize + args.columns.first(column) * args.x_pixel as isize;
    let n = V::LANES.min(args.channels - channel);
    let mut line = Line::<S> {
        x: args
            .x
            .wrapping_offset(first + channel as isize)
            .wrapping_add(rows.0 * row_step + columns.0 * column_step),
        pixel: if down { args.rows.stride * image_row } else { args.columns.stride * args.x_pixel },
        steps: (row_step, column_step),
        taps: (rows.1 - rows.0, columns.1 - columns.0),
        weights: args.weights.wrapping_add((rows.0 * args.columns.taps + columns.0) * args.channels + channel),
        weight_steps: (args.columns.taps * args.channels, args.channels),
        y: args.y.wrapping_add((row * args.ow + column) * args.y_pixel + channel),
        y_pixel: if down { args.ow * args.y_pixel } else { args.y_pixel },
        count,
        n,
        end: S::line(args, row, column, channel),
    };
    // SAFETY: by contract; a row of exactly so many taps has its own code.
    unsafe {
        match line.taps.1 {
            _ if n < V::LANES => V::run::<Tiles<S, 0, true>>(&mut line),
            3 => V::run::<Tiles<S, 3, false>>(&mut line),
            5 => V::run::<Tiles<S, 5, false>>(&mut line),
            _ => V::run::<Tiles<S, 0, false>>(&mut line),
        }
    }
}

/// A line of pixels with the same taps.
pub(crate) struct Line<S: Slide> {
    /// Input of the first valid tap of the first pixel, and the distance to the next pixel's.
    x: *const f32,
    pixel: usize,
    /// Rows and columns of taps: distance and number.
    steps: (usize, usize),
    taps: (usize, usize),
    /// The same for weights.
    weights: *const f32,
    weight_steps: (usize, usize),
    y: *mut f32,
    y_pixel: usize,
    count: usize,
    n: usize,
    end: S::Line,
}

/// The most pixels of a tile.
const PIXELS: usize = 8;

/// The tiles of a line. `TAPS`: the number of taps in a row, or 0 for any; `PART`: fewer than `LANES` channels.
///
/// Safety: the taps of all pixels are on the image.
struct Tiles<S, const TAPS: usize, const PART: bool>(PhantomData<S>);

impl<S: Slide, const TAPS: usize, const PART: bool> Body for Tiles<S, TAPS, PART> {
    type Args = Line<S>;

    #[inline(always)]
    unsafe fn body<V: Tier>(line: &mut Line<S>) {
        // SAFETY: by contract; the tiles cover the line.
        unsafe {
            while line.count >= PIXELS {
                tile::<V, S, TAPS, PART, 8>(line);
            }
            match line.count {
                0 => {}
                1 => tile::<V, S, TAPS, PART, 1>(line),
                2 => tile::<V, S, TAPS, PART, 2>(line),
                3 => tile::<V, S, TAPS, PART, 3>(line),
                4 => tile::<V, S, TAPS, PART, 4>(line),
                5 => tile::<V, S, TAPS, PART, 5>(line),
                6 => tile::<V, S, TAPS, PART, 6>(line),
                _ => tile::<V, S, TAPS, PART, 7>(line),
            }
        }
    }
}

/// The next `MR` pixels of a line.
///
/// # Safety
/// As [`Tiles`]; so many pixels are left.
#[inline(always)]
unsafe fn tile<V: Tier, S: Slide, const TAPS: usize, const PART: bool, const MR: usize>(line: &mut Line<S>) {
    let n = if PART { line.n } else { V::LANES };
    let pixel = 4 * line.pixel; // bytes
    // SAFETY: by contract.
    unsafe {
        let mut acc = [S::start::<V>(); MR];
        let (mut x_row, mut w_row) = (line.x, line.weights);
        for _ in 0..line.taps.0 {
            let (mut x, mut w) = (x_row, w_row);
            for _ in 0..if TAPS > 0 { TAPS } else { line.taps.1 } {
                let weight = match S::WEIGHTED {
                    false => V::zero(),
                    true if PART => V::load_part(w, n, V::zero()),
                    true => V::load(w),
                };
                let tap = opaque(x);
                for r in 0..MR {
                    let from = tap.wrapping_byte_add(r * pixel);
                    let value = if PART { V::load_part(from, n, V::zero()) } else { V::load(from) };
                    acc[r] = S::tap(acc[r], value, weight);
                }
                x = x.wrapping_add(line.steps.1);
                w = w.wrapping_add(line.weight_steps.1);
            }
            x_row = x_row.wrapping_add(line.steps.0);
            w_row = w_row.wrapping_add(line.weight_steps.0);
        }
        S::finish::<V, MR>(&line.end, acc, line.y, line.y_pixel, n);
    }
    line.x = line.x.wrapping_add(MR * line.pixel);
    line.y = line.y.wrapping_add(MR * line.y_pixel);
    line.count -= MR;
}
