//! The loop nest of kernels that slide a window over each channel alone: depthwise convolution and pooling.
//!
//! Vectors of channels outside, then blocks of pixels whose windows have the same taps on the image: the interior row by
//! row, single lines along the border. Taps on padding are skipped; each output is one
//! chain over its valid taps, row by row, whatever the tile: no bit depends on how the caller cuts the rows.
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by pixel")]

use super::outline::{Body, Tier, opaque};
use super::window::Window;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

/// What is done with the inputs under the window. Lanes are channels.
pub(crate) trait Slide: Copy + 'static {
    /// Whether there is a weight per tap and channel.
    const WEIGHTED: bool;
    /// Parameters beyond the window.
    type Params: Copy;
    /// What the end of each pixel of a block needs.
    type Line: Copy;

    /// The value before the first tap.
    ///
    /// # Safety
    /// The CPU has the tier.
    unsafe fn start<V: Tier>() -> V;

    /// One more tap.
    fn tap<V: Tier>(acc: V, x: V, weight: V) -> V;

    /// Prepares a block of pixels that begins at (`row`, `column`), from `channel` on.
    fn line(args: &WindowArgs<Self>, row: usize, column: usize, channel: usize) -> Self::Line;

    /// Stores the results of `MR` pixels, `n <= LANES` channels each, `pixel` elements apart.
    ///
    /// # Safety
    /// The CPU has the tier; the outputs are writable.
    unsafe fn finish<V: Tier, const MR: usize>(line: &Self::Line, acc: [V; MR], y: *mut f32, pixel: usize, n: usize);
}

/// Sizes and places. Images are NHWC; `x_pixel` and `y_pixel` are the distances between neighbouring pixels.
#[derive(Clone, Copy)]
pub(crate) struct WindowArgs<S: Slide> {
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
        let rows_at_once = args.compact_rows::<V>();
        let mut channel = 0;
        while channel < args.channels {
            // SAFETY: by contract; the buffer holds the input rows of so many output rows.
            unsafe {
                if rows_at_once == 0 {
                    all::<V, S>(args, channel);
                } else {
                    let mut buffer = MaybeUninit::<Compact>::uninit();
                    for begin in (args.begin..args.end).step_by(rows_at_once) {
                        let end = args.end.min(begin + rows_at_once);
                        all::<V, S>(&args.compacted::<V>(begin, end, channel, buffer.as_mut_ptr().cast()), channel);
                    }
                }
            }
            channel += V::LANES;
        }
    }
}

/// Room for the inputs of one vector of channels, most of the L1 cache.
#[repr(align(64))]
struct Compact(#[allow(dead_code, reason = "only its size and alignment matter")] [f32; 6144]);

impl<S: Slide> WindowArgs<S> {
    /// From a kernel's arguments, in the order of the table: `image` is h, w, channels, pixel distance; `result` height,
    /// width, pixel distance; `steps` strides, dilations, padding above and to the left; `rows` the output rows begin..end.
    /// `None` if there is nothing to compute.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "a kernel of the table has so many")]
    pub(crate) fn new(
        x: *mut u8,
        image: [i64; 4],
        weights: *const u8,
        taps: [i64; 2],
        y: *mut u8,
        result: [i64; 3],
        steps: [i64; 6],
        rows: [i64; 2],
        params: S::Params,
    ) -> Option<WindowArgs<S>> {
        let [h, w, channels, x_pixel] = image;
        let [oh, ow, y_pixel] = result;
        let [sh, sw, dh, dw, top, left] = steps;
        let (begin, end) = (rows[0].max(0), rows[1].min(oh));
        (begin < end && ow > 0 && channels > 0).then(|| WindowArgs {
            x: x.cast(),
            x_pixel: x_pixel as usize,
            channels: channels as usize,
            rows: Window::new(h, taps[0], sh, dh, top),
            columns: Window::new(w, taps[1], sw, dw, left),
            weights: weights.cast(),
            y: y.cast(),
            ow: ow as usize,
            y_pixel: y_pixel as usize,
            begin: begin as usize,
            end: end as usize,
            params,
        })
    }

    /// For how many output rows at a time it pays to bring the inputs together first: pixels whose distance is a multiple
    /// of a large power of two share few L1 sets, and each input would come from L2 once for every row of the window. 0
    /// if it does not pay.
    #[inline(always)]
    fn compact_rows<V: Tier>(&self) -> usize {
        let (ways, sets, line) = (8, 64, 16);
        if !self.x_pixel.is_multiple_of(line) || self.rows.taps <= self.rows.stride || self.end < self.begin + 2 {
            return 0;
        }
        let lines = self.x_pixel / line;
        // distinct sets of one vector of channels: 64 / gcd(lines, 64)
        let resident = (ways * sets) >> lines.trailing_zeros().min(6);
        let span = (self.rows.taps - 1) * self.rows.dilation + 1;
        let room = size_of::<Compact>() / (4 * V::LANES) / self.columns.size.max(1);
        if resident > span * self.columns.size || room < span + 2 * self.rows.stride {
            return 0;
        }
        (room - span) / self.rows.stride + 1
    }

    /// Copies the inputs of the output rows `begin..end`, one vector of channels, to `buffer`: returns the sliding over them.
    ///
    /// # Safety
    /// As [`Sliding`]; the buffer is large enough.
    #[inline(always)]
    unsafe fn compacted<V: Tier>(&self, begin: usize, end: usize, channel: usize, buffer: *mut f32) -> WindowArgs<S> {
        let span = (self.rows.taps - 1) * self.rows.dilation + 1;
        let size = self.rows.size;
        let first = self.rows.first(begin).max(0) as usize;
        let last = ((self.rows.first(end - 1) + span as isize).max(0) as usize).min(size);
        let n = V::LANES.min(self.channels - channel);
        for pixel in first * self.columns.size..last * self.columns.size {
            let to = (pixel - first * self.columns.size) * V::LANES;
            // SAFETY: `n` channels of the pixel are readable; its place is in the buffer.
            unsafe { V::load_part(self.x.add(pixel * self.x_pixel + channel), n, V::zero()).store(buffer.add(to)) }
        }
        let mut args = *self;
        args.x = buffer.cast_const().wrapping_sub(channel);
        args.x_pixel = V::LANES;
        args.rows.size = last.saturating_sub(first);
        args.rows.pad += first as isize;
        (args.begin, args.end) = (begin, end);
        args
    }
}

/// All output pixels of the rows, one vector of channels.
///
/// # Safety
/// As [`Sliding`]; there is such a channel.
#[inline(always)]
unsafe fn all<V: Tier, S: Slide>(args: &WindowArgs<S>, channel: usize) {
    // the pixels whose windows are on the image altogether: `top..bottom` by `left..right`
    let (left, right) = args.columns.inside(0, args.ow);
    let (top, bottom) = args.rows.inside(args.begin, args.end);
    // SAFETY: the blocks cover each pixel once; all windows of a block have the same taps.
    unsafe {
        for row in (args.begin..top).chain(bottom..args.end) {
            block::<V, S>(args, (row, left), (1, right - left), false, channel);
        }
        block::<V, S>(args, (top, left), (bottom - top, right - left), false, channel);
        for column in (0..left).chain(right..args.ow) {
            for row in (args.begin..top).chain(bottom..args.end) {
                block::<V, S>(args, (row, column), (1, 1), true, channel);
            }
            block::<V, S>(args, (top, column), (1, bottom - top), true, channel);
        }
    }
}

/// Computes a block of `lines` times `count` pixels that begins at (row, column), one vector of channels; lines go to the
/// right, or down if there is one only.
///
/// # Safety
/// The CPU has the tier; the pixels exist and their windows have the same taps on the image.
#[inline(always)]
unsafe fn block<V: Tier, S: Slide>(
    args: &WindowArgs<S>,
    (row, column): (usize, usize),
    (lines, count): (usize, usize),
    down: bool,
    channel: usize,
) {
    if lines == 0 || count == 0 {
        return;
    }
    let (rows, columns) = (args.rows.valid(row), args.columns.valid(column));
    let image_row = args.columns.size * args.x_pixel;
    let (row_step, column_step) = (args.rows.dilation * image_row, args.columns.dilation * args.x_pixel);
    let first = args.rows.first(row) * image_row as isize + args.columns.first(column) * args.x_pixel as isize;
    let n = V::LANES.min(args.channels - channel);
    let mut block = Block::<S> {
        x: args.x.wrapping_offset(first + channel as isize).wrapping_add(rows.0 * row_step + columns.0 * column_step),
        pixel: if down { args.rows.stride * image_row } else { args.columns.stride * args.x_pixel },
        steps: (row_step, column_step),
        taps: (rows.1 - rows.0, columns.1 - columns.0),
        weights: args.weights.wrapping_add((rows.0 * args.columns.taps + columns.0) * args.channels + channel),
        weight_steps: (args.columns.taps * args.channels, args.channels),
        y: args.y.wrapping_add((row * args.ow + column) * args.y_pixel + channel),
        y_pixel: if down { args.ow * args.y_pixel } else { args.y_pixel },
        lines,
        next_line: (args.rows.stride * image_row, args.ow * args.y_pixel),
        count,
        n,
        end: S::line(args, row, column, channel),
    };
    // SAFETY: by contract; common windows have code of their own.
    unsafe {
        match block.taps.1 {
            _ if n < V::LANES => V::run::<Tiles<S, 0, true>>(&mut block),
            3 if block.taps.0 == 3 => V::run::<Tiles<S, 9, false>>(&mut block),
            3 => V::run::<Tiles<S, 3, false>>(&mut block),
            5 => V::run::<Tiles<S, 5, false>>(&mut block),
            _ => V::run::<Tiles<S, 0, false>>(&mut block),
        }
    }
}

/// Lines of pixels with the same taps.
pub(crate) struct Block<S: Slide> {
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
    lines: usize,
    /// Distance to the next line in x and y.
    next_line: (usize, usize),
    /// Pixels of a line.
    count: usize,
    n: usize,
    end: S::Line,
}

/// The most pixels of a tile.
const PIXELS: usize = 8;

/// The tiles of a block. `TAPS`: 9 for a window of 3 x 3 taps, 3 or 5 for that many in a row, or 0 for any; `PART`: fewer
/// than `LANES` channels.
///
/// Safety: the taps of all pixels are on the image.
struct Tiles<S, const TAPS: usize, const PART: bool>(PhantomData<S>);

impl<S: Slide, const TAPS: usize, const PART: bool> Body for Tiles<S, TAPS, PART> {
    type Args = Block<S>;

    #[inline(always)]
    unsafe fn body<V: Tier>(block: &mut Block<S>) {
        // SAFETY: by contract; the tiles cover the block.
        unsafe {
            // the weights of a small window stay in registers
            let mut held = [V::zero(); 9];
            if TAPS == 9 && S::WEIGHTED {
                for t in 0..9 {
                    held[t] = V::load(block.weights.add(t / 3 * block.weight_steps.0 + t % 3 * block.weight_steps.1));
                }
            }
            let (mut x, mut y) = (block.x, block.y);
            for _ in 0..block.lines {
                let mut line = (x, y);
                let mut left = block.count;
                while left >= PIXELS {
                    line = tile::<V, S, TAPS, PART, 8>(block, line, &held);
                    left -= PIXELS;
                }
                match left {
                    0 => line,
                    1 => tile::<V, S, TAPS, PART, 1>(block, line, &held),
                    2 => tile::<V, S, TAPS, PART, 2>(block, line, &held),
                    3 => tile::<V, S, TAPS, PART, 3>(block, line, &held),
                    4 => tile::<V, S, TAPS, PART, 4>(block, line, &held),
                    5 => tile::<V, S, TAPS, PART, 5>(block, line, &held),
                    6 => tile::<V, S, TAPS, PART, 6>(block, line, &held),
                    _ => tile::<V, S, TAPS, PART, 7>(block, line, &held),
                };
                (x, y) = (x.wrapping_add(block.next_line.0), y.wrapping_add(block.next_line.1));
            }
        }
    }
}

/// `MR` pixels of a line, whose inputs and outputs begin at `x` and `y`; returns where the next ones begin.
///
/// # Safety
/// As [`Tiles`].
#[inline(always)]
unsafe fn tile<V: Tier, S: Slide, const TAPS: usize, const PART: bool, const MR: usize>(
    block: &Block<S>,
    (x, y): (*const f32, *mut f32),
    held: &[V; 9],
) -> (*const f32, *mut f32) {
    let n = if PART { block.n } else { V::LANES };
    // SAFETY: by contract.
    unsafe {
        let mut acc = [S::start::<V>(); MR];
        if TAPS == 9 {
            for t in 0..9 {
                let tap = x.wrapping_add(t / 3 * block.steps.0 + t % 3 * block.steps.1);
                inputs::<V, S, PART, MR>(&mut acc, tap, 4 * block.pixel, n, held[t]);
            }
        } else {
            let (mut x_row, mut w_row) = (x, block.weights);
            for _ in 0..block.taps.0 {
                let (mut tap, mut w) = (x_row, w_row);
                for _ in 0..if TAPS > 0 { TAPS } else { block.taps.1 } {
                    let weight = match S::WEIGHTED {
                        false => V::zero(),
                        true if PART => V::load_part(w, n, V::zero()),
                        true => V::load(w),
                    };
                    inputs::<V, S, PART, MR>(&mut acc, tap, 4 * block.pixel, n, weight);
                    tap = tap.wrapping_add(block.steps.1);
                    w = w.wrapping_add(block.weight_steps.1);
                }
                x_row = x_row.wrapping_add(block.steps.0);
                w_row = w_row.wrapping_add(block.weight_steps.0);
            }
        }
        S::finish::<V, MR>(&block.end, acc, y, block.y_pixel, n);
    }
    (x.wrapping_add(MR * block.pixel), y.wrapping_add(MR * block.y_pixel))
}

/// One tap of `MR` pixels, `pixel` bytes apart.
///
/// # Safety
/// The CPU has the tier; `n` channels (all lanes unless `PART`) of each are readable.
#[inline(always)]
unsafe fn inputs<V: Tier, S: Slide, const PART: bool, const MR: usize>(
    acc: &mut [V; MR],
    x: *const f32,
    pixel: usize,
    n: usize,
    weight: V,
) {
    let x = opaque(x);
    for r in 0..MR {
        let from = x.wrapping_byte_add(r * pixel);
        // SAFETY: by contract.
        let value = unsafe { if PART { V::load_part(from, n, V::zero()) } else { V::load(from) } };
        acc[r] = S::tap(acc[r], value, weight);
    }
}
