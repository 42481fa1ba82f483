//! Register tiles of the direct convolution: some output pixels by some panels of output channels.
//!
//! A tile is computed in runs: a run is a rectangle of kernel taps that is valid (not on padding) for all of its pixels.
//! Tiles in the interior are one run and never leave the registers ([`Direct`]); a tile at a border is several runs over
//! changing subsets of its pixels, with the sums in memory between ([`Partial`]). The order of taps is the same in both.
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by pixel and vector")]

use super::epilogue::{Epilogue, store_tile};
use super::gemm_tile::{layout, step};
use super::outline::{Ahead, Body, PANEL, Tier, prefetch_l1, prefetch_l2};

/// The most pixels of a tile in any tier.
pub(crate) const MAX_PIXELS: usize = 14;

/// How to walk from tap to tap: two nested loops, `len` contiguous inputs in each tap.
#[derive(Clone, Copy, Default)]
pub(crate) struct Walk {
    /// Elements from one step of the outer loop to the next, in the input and in a panel of weights.
    pub(crate) outer: (isize, usize),
    /// The same for the inner loop.
    pub(crate) inner: (isize, usize),
    /// Products per tap.
    pub(crate) len: usize,
}

/// A rectangle of taps: begin and end of the outer and the inner loop.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Taps {
    pub(crate) outer: (usize, usize),
    pub(crate) inner: (usize, usize),
}

/// One run.
pub(crate) struct RunArgs {
    pub(crate) walk: Walk,
    pub(crate) taps: Taps,
    /// Input of tap (0, 0) of pixel 0 (never read if that tap is on padding).
    pub(crate) x: *const f32,
    /// Elements between the inputs of two pixels, in a direct tile.
    pub(crate) pixel_stride: usize,
    /// Elements from `x` to the input of each pixel, in a partial tile.
    pub(crate) pixels: [isize; MAX_PIXELS],
    /// Where the sums of each pixel are, in a partial tile: elements from `sums`.
    pub(crate) slots: [usize; MAX_PIXELS],
    pub(crate) sums: *mut f32,
    /// First panel of weights, and the distance to the next.
    pub(crate) weights: *const f32,
    pub(crate) panel: usize,
    /// The first pixel's output channels, and the distance to the next pixel's, in a direct tile.
    pub(crate) y: *mut f32,
    pub(crate) y_pixel: usize,
    /// Output channels that exist.
    pub(crate) columns: usize,
    pub(crate) epilogue: Epilogue,
    /// The next group's weights.
    pub(crate) ahead: Ahead,
}

/// Products that weights are fetched ahead into L1.
const AHEAD: usize = 16;

impl RunArgs {
    /// The number of products of a pixel and channel.
    #[inline(always)]
    fn steps(&self) -> usize {
        let Taps { outer, inner } = self.taps;
        (outer.1 - outer.0) * (inner.1 - inner.0) * self.walk.len
    }
}

/// All of a tile whose pixels are `pixel_stride` apart.
///
/// Safety: each tap in `taps` of each of the `MR` pixels is readable, so are the weights, and `columns` output channels of
/// `MR` pixels are writable, the epilogue's operands readable.
pub(crate) struct Direct<const MR: usize, const NV: usize>;

impl<const MR: usize, const NV: usize> Body for Direct<MR, NV> {
    type Args = RunArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut RunArgs) {
        let Walk { outer, inner, len } = args.walk;
        let (mut next, next_step) = args.ahead.begin(args.weights);
        // SAFETY: by contract; prefetches access nothing.
        unsafe {
            let mut acc = [[V::zero(); NV]; MR];
            for o in args.taps.outer.0..args.taps.outer.1 {
                for i in args.taps.inner.0..args.taps.inner.1 {
                    let mut x = args.x.offset(o as isize * outer.0 + i as isize * inner.0);
                    let mut w = args.weights.add(o * outer.1 + i * inner.1);
                    for _ in 0..len {
                        prefetch_l2(next);
                        next = next.wrapping_add(next_step);
                        for p in 0..NV * V::LANES / PANEL {
                            prefetch_l1(w.wrapping_add(p * args.panel + AHEAD * PANEL));
                        }
                        step::<V, MR, NV, { layout::PACKED }>(&mut acc, x, args.pixel_stride, w, args.panel, 0);
                        x = x.add(1);
                        w = w.add(PANEL);
                    }
                }
            }
            store_tile(&acc, args.y, args.y_pixel, args.columns, &args.epilogue);
        }
        args.ahead.end(args.steps());
    }
}

/// A run of `MR` pixels at arbitrary places, added to their sums in memory.
///
/// Safety: each tap in `taps` of each of the `MR` pixels is readable, so are the weights; the slots are writable.
pub(crate) struct Partial<const MR: usize, const NV: usize>;

impl<const MR: usize, const NV: usize> Body for Partial<MR, NV> {
    type Args = RunArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut RunArgs) {
        let Walk { outer, inner, len } = args.walk;
        let (mut next, next_step) = args.ahead.begin(args.weights);
        // SAFETY: by contract; prefetches access nothing.
        unsafe {
            let mut acc = [[V::zero(); NV]; MR];
            for r in 0..MR {
                for j in 0..NV {
                    acc[r][j] = V::load(args.sums.add(args.slots[r] + j * V::LANES));
                }
            }
            for o in args.taps.outer.0..args.taps.outer.1 {
                for i in args.taps.inner.0..args.taps.inner.1 {
                    let x = args.x.wrapping_offset(o as isize * outer.0 + i as isize * inner.0);
                    let mut w = args.weights.add(o * outer.1 + i * inner.1);
                    for c in 0..len {
                        prefetch_l2(next);
                        next = next.wrapping_add(next_step);
                        let mut wv = [V::zero(); NV];
                        for j in 0..NV {
                            let first = j * V::LANES;
                            let p = w.add(first / PANEL * args.panel + first % PANEL);
                            if first % PANEL == 0 {
                                prefetch_l1(p.wrapping_add(AHEAD * PANEL));
                            }
                            wv[j] = V::load(p);
                        }
                        for r in 0..MR {
                            let value = V::splat(*x.wrapping_offset(args.pixels[r]).add(c));
                            for j in 0..NV {
                                acc[r][j] = acc[r][j].accumulate(value, wv[j]);
                            }
                        }
                        w = w.add(PANEL);
                    }
                }
            }
            for r in 0..MR {
                for j in 0..NV {
                    acc[r][j].store(args.sums.add(args.slots[r] + j * V::LANES));
                }
            }
        }
        args.ahead.end(args.steps());
    }
}

/// The pixels of a tile on a border.
pub(crate) struct Border {
    /// Valid taps.
    pub(crate) ranges: [Taps; MAX_PIXELS],
    /// Input of tap (0, 0), as elements from the image.
    pub(crate) inputs: [isize; MAX_PIXELS],
    pub(crate) count: usize,
}

impl Border {
    /// The set of pixels with taps at `outer`.
    #[inline(always)]
    pub(crate) fn with_outer(&self, outer: usize) -> u32 {
        let has = |p: usize| (self.ranges[p].outer.0 <= outer && outer < self.ranges[p].outer.1) as u32;
        (0..self.count).fold(0, |set, p| set | has(p) << p)
    }

    /// The set of pixels with taps at `inner`.
    #[inline(always)]
    fn with_inner(&self, inner: usize) -> u32 {
        let has = |p: usize| (self.ranges[p].inner.0 <= inner && inner < self.ranges[p].inner.1) as u32;
        (0..self.count).fold(0, |set, p| set | has(p) << p)
    }

    /// How far the pixels of `set` with taps at `inner` stay the same, and those pixels.
    #[inline(always)]
    pub(crate) fn inner_run(&self, inner: usize, end: usize, set: u32) -> (usize, u32) {
        let part = self.with_inner(inner) & set;
        let mut next = inner + 1;
        while next < end && self.with_inner(next) & set == part {
            next += 1;
        }
        (next, part)
    }
}
