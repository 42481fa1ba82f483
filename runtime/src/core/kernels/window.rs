//! The loop nest of kernels that slide a window over each channel alone: depthwise convolution and pooling.
//!
//! Blocks of channels outside, then rows, then tiles of neighbouring pixels. Taps on padding are skipped; each output is
//! one chain over its valid taps, row by row, whatever the tile: no bit depends on how the caller cuts the rows.

use super::conv::Window;
use super::outline::{Body, Tier};

/// What is done with the inputs under the window. Lanes are channels.
pub(crate) trait Slide {
    /// Whether there is a weight per tap and channel.
    const WEIGHTED: bool;
    /// Parameters beyond the window.
    type Params;

    /// The value before the first tap.
    ///
    /// # Safety
    /// The CPU has the tier.
    unsafe fn start<V: Tier>() -> V;

    /// One more tap.
    fn tap<V: Tier>(acc: V, x: V, weight: V) -> V;

    /// Stores the results of `MR` neighbouring pixels of output row `row` from column `column` on: `n` channels at `y`
    /// for the first, and `args.y_pixel` further on for each further one.
    ///
    /// # Safety
    /// The CPU has the tier; the outputs are writable.
    unsafe fn finish<V: Tier, const MR: usize>(
        args: &WindowArgs<Self>,
        acc: &[V; MR],
        place: Place,
        channel: usize,
        n: usize,
    );
}

/// Where a tile is: output row and first column.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) row: usize,
    pub(crate) column: usize,
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

impl<S: Slide> WindowArgs<S> {
    /// The output of a pixel and channel.
    #[inline(always)]
    pub(crate) fn output(&self, place: Place, channel: usize) -> *mut f32 {
        self.y.wrapping_add((place.row * self.ow + place.column) * self.y_pixel + channel)
    }
}

/// The most pixels of a tile.
const PIXELS: usize = 8;

/// All channels of the output rows `begin..end`.
///
/// Safety: image, weights and outputs are as large as [`WindowArgs`] says.
pub(crate) struct Sliding<S>(core::marker::PhantomData<S>);

impl<S: Slide> Body for Sliding<S> {
    type Args = WindowArgs<S>;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut WindowArgs<S>) {
        let whole = (0, args.columns.taps);
        // columns whose window is on the image altogether: `left..right`
        let (mut left, mut right) = (0, args.ow);
        while left < right && args.columns.valid(left) != whole {
            left += 1;
        }
        while right > left && args.columns.valid(right - 1) != whole {
            right -= 1;
        }
        let mut channel = 0;
        while channel < args.channels {
            let n = V::LANES.min(args.channels - channel);
            for row in args.begin..args.end {
                let down = args.rows.valid(row);
                // SAFETY: the taps are valid ones of each pixel; the tiles cover each pixel once.
                unsafe {
                    for column in (0..left).chain(right..args.ow) {
                        let taps = (down, args.columns.valid(column));
                        tile::<V, S, 1>(args, Place { row, column }, taps, channel, n);
                    }
                    let tiles = (right - left).div_ceil(PIXELS);
                    let mut column = left;
                    for t in 0..tiles {
                        let pixels = (right - left) / tiles + (t < (right - left) % tiles) as usize;
                        let (place, taps) = (Place { row, column }, (down, whole));
                        match pixels {
                            1 => tile::<V, S, 1>(args, place, taps, channel, n),
                            2 => tile::<V, S, 2>(args, place, taps, channel, n),
                            3 => tile::<V, S, 3>(args, place, taps, channel, n),
                            4 => tile::<V, S, 4>(args, place, taps, channel, n),
                            5 => tile::<V, S, 5>(args, place, taps, channel, n),
                            6 => tile::<V, S, 6>(args, place, taps, channel, n),
                            7 => tile::<V, S, 7>(args, place, taps, channel, n),
                            _ => tile::<V, S, 8>(args, place, taps, channel, n),
                        }
                        column += pixels;
                    }
                }
            }
            channel += n;
        }
    }
}

/// Rows and columns of taps.
type Taps = ((usize, usize), (usize, usize));

/// `MR` neighbouring pixels with the same taps, `n <= LANES` channels.
///
/// # Safety
/// The CPU has the tier; the taps of all pixels are on the image.
#[inline(always)]
unsafe fn tile<V: Tier, S: Slide, const MR: usize>(
    args: &WindowArgs<S>,
    place: Place,
    taps: Taps,
    channel: usize,
    n: usize,
) {
    // SAFETY: by contract.
    unsafe {
        let acc = if n == V::LANES {
            chain::<V, S, MR, false>(args, place, taps, channel, n)
        } else {
            chain::<V, S, MR, true>(args, place, taps, channel, n)
        };
        S::finish(args, &acc, place, channel, n);
    }
}

/// The chains of a tile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn chain<V: Tier, S: Slide, const MR: usize, const PART: bool>(
    args: &WindowArgs<S>,
    place: Place,
    (down, right): Taps,
    channel: usize,
    n: usize,
) -> [V; MR] {
    let image_row = args.columns.size as isize * args.x_pixel as isize;
    let (row_step, column_step) =
        (args.rows.dilation as isize * image_row, args.columns.dilation as isize * args.x_pixel as isize);
    let first = args.rows.first(place.row) * image_row
        + args.columns.first(place.column) * args.x_pixel as isize
        + channel as isize;
    let pixel = args.columns.stride * args.x_pixel;
    // SAFETY: by contract; pointers are formed within the image only for valid taps.
    unsafe {
        let mut acc = [S::start::<V>(); MR];
        for i in down.0..down.1 {
            let mut x = args.x.wrapping_offset(first + i as isize * row_step + right.0 as isize * column_step);
            let mut w = args.weights.wrapping_add((i * args.columns.taps + right.0) * args.channels + channel);
            for _ in right.0..right.1 {
                let weight = match S::WEIGHTED {
                    false => V::zero(),
                    true if PART => V::load_part(w, n, V::zero()),
                    true => V::load(w),
                };
                for r in 0..MR {
                    let from = x.wrapping_add(r * pixel);
                    let value = if PART { V::load_part(from, n, V::zero()) } else { V::load(from) };
                    acc[r] = S::tap(acc[r], value, weight);
                }
                x = x.wrapping_offset(column_step);
                w = w.wrapping_add(args.channels);
            }
        }
        acc
    }
}
