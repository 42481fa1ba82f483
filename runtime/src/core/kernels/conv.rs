//! `conv2d_f32`: direct convolution of one NHWC image by weights packed in panels of 16 output channels.
//!
//! Panel groups outside, tiles of output pixels inside; the group's weights stay in L2. Taps on padding are skipped, not
//! multiplied by zero. Every output element is one fused sum in a fixed order of taps (a function of the shapes alone),
//! input channels innermost, over its valid taps: no bit depends on how the caller cuts the output rows.

use super::conv_tile::{Border, Direct, MAX_PIXELS, Partial, RunArgs, Taps, Walk};
use super::epilogue::{Epilogue, Finish, FinishArgs};
use super::outline::{Ahead, Body, PANEL, Tier};
use super::simd::{F32x1, Simd};
#[cfg(target_arch = "x86_64")]
use super::simd::{F32x8, F32x16};
use super::window::Window;

type RunFn = unsafe fn(&mut RunArgs);

/// The tiles of a tier.
pub(crate) trait ConvTiles: Sized {
    /// The most panels and pixels of a tile.
    const SIZE: (usize, usize);

    /// The direct tile (or else the run of a partial one) of so many pixels and panels.
    fn run_of(direct: bool, pixels: usize, panels: usize) -> RunFn;
}

macro_rules! tile_table {
    ($tier:ty, $max:expr, $(($panels:literal: $($pixels:literal)+))+) => {
        impl ConvTiles for $tier {
            const SIZE: (usize, usize) = $max;

            fn run_of(direct: bool, pixels: usize, panels: usize) -> RunFn {
                match (panels, pixels, direct) {
                    $($(
                        ($panels, $pixels, true) => {
                            <Self as Tier>::run::<Direct<$pixels, { $panels * PANEL / Self::LANES }>>
                        }
                        ($panels, $pixels, false) => {
                            <Self as Tier>::run::<Partial<$pixels, { $panels * PANEL / Self::LANES }>>
                        }
                    )+)+
                    _ => <Self as Tier>::run::<Partial<1, { PANEL / Self::LANES }>>,
                }
            }
        }
    };
}

tile_table! { F32x1, (1, 2), (1: 1 2) }
#[cfg(target_arch = "x86_64")]
tile_table! { F32x8, (1, 6), (1: 1 2 3 4 5 6) }
#[cfg(target_arch = "x86_64")]
tile_table! { F32x16, (2, 14), (1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14) (2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14) }

/// A convolution.
#[derive(Clone, Copy)]
struct Conv {
    x: *const f32,
    x_pixel: usize,
    rows: Window,
    columns: Window,
    weights: *const f32,
    ci: usize,
    co: usize,
    y: *mut f32,
    ow: usize,
    y_pixel: usize,
    epilogue: Epilogue,
}

impl Conv {
    /// Whether a row of taps is contiguous in the input and in the weights, and short enough in channels that it pays to
    /// go along it. Then rows of taps are the outer loop, else columns: most tiles at the left and right border then have
    /// two or three runs only.
    #[inline(always)]
    fn row_major(&self) -> bool {
        self.ci < PANEL && self.x_pixel == self.ci && self.columns.dilation == 1
    }

    /// The valid taps of an output pixel, in the order of the loops.
    #[inline(always)]
    fn taps(&self, row: usize, column: usize) -> Taps {
        let (down, right) = (self.rows.valid(row), self.columns.valid(column));
        if self.row_major() { Taps { outer: down, inner: right } } else { Taps { outer: right, inner: down } }
    }

    /// Elements from `x` to the input of tap (0, 0) of an output pixel; may be before the image.
    #[inline(always)]
    fn input(&self, row: usize, column: usize) -> isize {
        (self.rows.first(row) * self.columns.size as isize + self.columns.first(column)) * self.x_pixel as isize
    }
}

/// Output rows of a [`Conv`], all channels.
struct RowsArgs {
    conv: Conv,
    begin: usize,
    end: usize,
}

/// The whole loop nest.
///
/// Safety: image, weights, outputs and the epilogue's operands are as large as the convolution says.
struct Rows;

impl Body for Rows {
    type Args = RowsArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut RowsArgs) {
        let RowsArgs { conv, begin, end } = *args;
        let (max_panels, mut max_pixels) = V::SIZE;
        // pixels a multiple of 4 KiB apart compete for the eight ways of one L1 set
        if (conv.columns.stride * conv.x_pixel).is_multiple_of(1024) {
            max_pixels = max_pixels.min(6);
        }
        let panel_size = conv.rows.taps * conv.columns.taps * conv.ci * PANEL;
        let panels = conv.co.div_ceil(PANEL);
        let mut panel = 0;
        while panel < panels {
            let width = max_panels.min(panels - panel);
            let channel = panel * PANEL;
            let weights = conv.weights.wrapping_add(panel * panel_size);
            let mut group = Group {
                conv,
                width,
                weights,
                y: conv.y.wrapping_add(channel),
                epilogue: conv.epilogue.at(0, channel),
                run: RunArgs {
                    walk: Walk::default(),
                    taps: Taps::default(),
                    x: conv.x,
                    pixel_stride: conv.columns.stride * conv.x_pixel,
                    pixels: [0; MAX_PIXELS],
                    slots: [0; MAX_PIXELS],
                    sums: core::ptr::null_mut(),
                    weights,
                    panel: panel_size,
                    y: conv.y,
                    y_pixel: conv.y_pixel,
                    columns: (conv.co - channel).min(width * PANEL),
                    epilogue: conv.epilogue,
                    ahead: Ahead::new(
                        weights.wrapping_add(width * panel_size),
                        width.min(panels - panel - width) * panel_size,
                        ((end - begin) * conv.ow).div_ceil(max_pixels),
                        panel_size / PANEL,
                    ),
                },
            };
            // SAFETY: every output pixel of the rows is in exactly one tile.
            unsafe { group.pixels::<V>(begin, end, max_pixels) }
            panel += width;
        }
    }
}

/// A group of panels and what is the same for all of its tiles.
struct Group {
    conv: Conv,
    width: usize,
    /// Its first panel of weights.
    weights: *const f32,
    /// Its first output channel, and the epilogue there, of the first pixel.
    y: *mut f32,
    epilogue: Epilogue,
    run: RunArgs,
}

impl Group {
    /// # Safety
    /// As [`Rows`].
    #[inline(always)]
    unsafe fn pixels<V: Tier>(&mut self, begin: usize, end: usize, max_pixels: usize) {
        let ow = self.conv.ow;
        // SAFETY: the tiles lie within the rows; each way covers them.
        unsafe {
            if 2 * ow <= max_pixels {
                // narrow images: tiles over several rows
                self.cut::<V>(begin * ow, end * ow, max_pixels);
                return;
            }
            // the pixels whose windows are on the image altogether: `top..bottom` by `left..right`
            let (left, right) = self.conv.columns.inside(0, ow);
            let (top, bottom) = self.conv.rows.inside(begin, end);
            if bottom - top < 4 {
                for row in begin..end {
                    self.row::<V>(row, (left, right), max_pixels);
                }
                return;
            }
            for row in (begin..top).chain(bottom..end) {
                self.row::<V>(row, (left, right), max_pixels);
            }
            for row in top..bottom {
                self.line::<V>(row, left, right - left, false, max_pixels);
            }
            for column in (0..left).chain(right..ow) {
                self.line::<V>(top, column, bottom - top, true, max_pixels);
            }
        }
    }

    /// One row in tiles that may have pixels on the border.
    ///
    /// # Safety
    /// As [`Rows`], for this row.
    #[inline(always)]
    unsafe fn row<V: Tier>(&mut self, row: usize, (left, right): (usize, usize), max_pixels: usize) {
        let first = row * self.conv.ow;
        let end = first + self.conv.ow;
        // along rows of taps, the border's pixels by themselves: everything is one run then, or few pixels
        let (left, right) = if self.conv.row_major() { (first + left, first + right) } else { (first, end) };
        // SAFETY: the three pieces are the row.
        unsafe {
            self.cut::<V>(first, left, max_pixels);
            self.cut::<V>(left, right, max_pixels);
            self.cut::<V>(right, end, max_pixels);
        }
    }

    /// `count` pixels with the same valid taps, beginning at (row, column) and going to the right or down.
    ///
    /// # Safety
    /// As [`Rows`], for these pixels.
    #[inline(always)]
    unsafe fn line<V: Tier>(&mut self, row: usize, column: usize, count: usize, down: bool, max_pixels: usize) {
        if count == 0 {
            return;
        }
        let conv = self.conv;
        let (x_step, y_step) = if down {
            (conv.rows.stride * conv.columns.size * conv.x_pixel, conv.ow * conv.y_pixel)
        } else {
            (conv.columns.stride * conv.x_pixel, conv.y_pixel)
        };
        self.run(conv.taps(row, column), conv.input(row, column));
        self.run.pixel_stride = x_step;
        self.run.y_pixel = y_step;
        self.run.y = self.y.wrapping_add((row * conv.ow + column) * conv.y_pixel);
        self.run.epilogue = self.epilogue.at(row * conv.ow + column, 0);
        self.run.epilogue.ldres = y_step;
        let tiles = count.div_ceil(max_pixels);
        let (base, larger) = (count / tiles, count % tiles);
        for (tiles, pixels) in [(larger, base + 1), (tiles - larger, base)] {
            for _ in 0..tiles {
                // SAFETY: the taps are on the image for all pixels of the line.
                unsafe { V::run_of(true, pixels, self.width)(&mut self.run) }
                self.run.x = self.run.x.wrapping_add(pixels * x_step);
                self.run.y = self.run.y.wrapping_add(pixels * y_step);
                self.run.epilogue = self.run.epilogue.at(pixels, 0);
            }
        }
    }

    /// Cuts pixels (numbered through the rows) into tiles that differ by one pixel at most.
    ///
    /// # Safety
    /// As [`Rows`], for these pixels.
    #[inline(always)]
    unsafe fn cut<V: Tier>(&mut self, begin: usize, end: usize, max_pixels: usize) {
        let count = end - begin;
        let tiles = count.div_ceil(max_pixels);
        let mut pixel = begin;
        for t in 0..tiles {
            let pixels = count / tiles + (t < count % tiles) as usize;
            // SAFETY: by contract.
            unsafe { self.tile::<V>(pixel, pixels) }
            pixel += pixels;
        }
    }

    /// # Safety
    /// As [`Rows`], for these pixels; at most [`MAX_PIXELS`].
    #[inline(always)]
    unsafe fn tile<V: Tier>(&mut self, first: usize, count: usize) {
        let conv = self.conv;
        // the valid taps of each pixel, and where its input begins
        let mut tile = Border { ranges: [Taps::default(); MAX_PIXELS], inputs: [0; MAX_PIXELS], count };
        let (mut row, mut column) = (first / conv.ow, first % conv.ow);
        let mut direct = column + count <= conv.ow;
        for p in 0..count {
            tile.ranges[p] = conv.taps(row, column);
            tile.inputs[p] = conv.input(row, column);
            direct &= tile.ranges[p] == tile.ranges[0];
            column += 1;
            if column == conv.ow {
                (row, column) = (row + 1, 0);
            }
        }
        let y = self.y.wrapping_add(first * conv.y_pixel);
        let epilogue = self.epilogue.at(first, 0);
        // SAFETY: the taps in the ranges are on the image; the outputs exist.
        unsafe {
            if direct {
                self.run.y = y;
                self.run.y_pixel = conv.y_pixel;
                self.run.pixel_stride = conv.columns.stride * conv.x_pixel;
                self.run.epilogue = epilogue;
                self.run(tile.ranges[0], tile.inputs[0]);
                V::run_of(true, count, self.width)(&mut self.run);
            } else {
                let mut sums = Sums([0.0; MAX_PIXELS * 2 * PANEL]);
                self.run.sums = sums.0.as_mut_ptr();
                self.border::<V>(&tile);
                V::run::<Finish>(&mut FinishArgs {
                    tile: sums.0.as_ptr(),
                    ldt: self.width * PANEL,
                    c: y,
                    ldc: conv.y_pixel,
                    rows: count,
                    columns: self.run.columns,
                    epilogue,
                });
            }
        }
    }

    /// Cuts the taps of a border tile into runs, in the order in which they are summed.
    ///
    /// # Safety
    /// As [`Rows`]; the sums are set.
    #[inline(always)]
    unsafe fn border<V: Tier>(&mut self, tile: &Border) {
        let (down, right) = (self.conv.rows.taps, self.conv.columns.taps);
        let (outer_end, inner_end) = if self.conv.row_major() { (down, right) } else { (right, down) };
        let mut outer = 0;
        while outer < outer_end {
            let set = tile.with_outer(outer);
            let begin = outer;
            outer += 1;
            while outer < outer_end && tile.with_outer(outer) == set {
                outer += 1;
            }
            // the same pixels for all of `begin..outer`; are there several runs within?
            let mut inner_runs = 0;
            let mut inner = 0;
            while inner < inner_end {
                let (next, part) = tile.inner_run(inner, inner_end, set);
                inner_runs += (part != 0) as usize;
                inner = next;
            }
            let step = if inner_runs > 1 { 1 } else { outer - begin };
            for from in (begin..outer).step_by(step) {
                let mut inner = 0;
                while inner < inner_end {
                    let (next, part) = tile.inner_run(inner, inner_end, set);
                    if part != 0 {
                        // SAFETY: all pixels in `part` have these taps.
                        unsafe {
                            self.partial::<V>(tile, part, Taps { outer: (from, from + step), inner: (inner, next) })
                        }
                    }
                    inner = next;
                }
            }
        }
    }

    /// One run over the pixels whose bits are set in `part`.
    ///
    /// # Safety
    /// As [`Rows`]; those pixels have the taps, and the sums are set.
    #[inline(always)]
    unsafe fn partial<V: Tier>(&mut self, tile: &Border, part: u32, taps: Taps) {
        let mut pixels = 0;
        for p in 0..tile.count {
            if part >> p & 1 == 1 {
                self.run.pixels[pixels] = tile.inputs[p];
                self.run.slots[pixels] = p * self.width * PANEL;
                pixels += 1;
            }
        }
        self.run(taps, 0);
        // SAFETY: by contract.
        unsafe { V::run_of(false, pixels, self.width)(&mut self.run) }
    }

    /// Sets up the walk over `taps`, for inputs that begin `input` elements from the image.
    #[inline(always)]
    fn run(&mut self, taps: Taps, input: isize) {
        let conv = &self.conv;
        let down = (conv.rows.dilation * conv.columns.size * conv.x_pixel) as isize;
        let right = (conv.columns.dilation * conv.x_pixel) as isize;
        let (row, tap) = (conv.columns.taps * conv.ci * PANEL, conv.ci * PANEL);
        let run = &mut self.run;
        run.x = conv.x.wrapping_offset(input);
        run.weights = self.weights;
        if conv.row_major() {
            // the inner taps are one contiguous piece
            let (begin, end) = taps.inner;
            run.x = run.x.wrapping_offset(begin as isize * right);
            run.weights = run.weights.wrapping_add(begin * tap);
            run.walk = Walk { outer: (down, row), inner: (0, 0), len: (end - begin) * conv.ci };
            run.taps = Taps { outer: taps.outer, inner: (0, 1) };
        } else {
            run.walk = Walk { outer: (right, tap), inner: (down, row), len: conv.ci };
            run.taps = taps;
        }
    }
}

/// The sums of a border tile between runs.
#[repr(align(64))]
struct Sums([f32; MAX_PIXELS * 2 * PANEL]);

/// # Safety
/// The CPU has the tier; image, weights, outputs and the epilogue's operands are as large as the arguments say.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel of the table")]
unsafe fn conv2d<V: Tier>(
    x: *mut u8,
    h: i64,
    w: i64,
    ci: i64,
    x_pix: i64,
    wt: *mut u8,
    co: i64,
    kh: i64,
    kw: i64,
    y: *mut u8,
    oh: i64,
    ow: i64,
    y_pix: i64,
    sh: i64,
    sw: i64,
    dh: i64,
    dw: i64,
    pt: i64,
    pl: i64,
    row_begin: i64,
    row_end: i64,
    bias: *mut u8,
    res: *mut u8,
    act: i64,
    p0: f32,
    p1: f32,
) {
    let (begin, end) = (row_begin.max(0), row_end.min(oh));
    if begin >= end || ow <= 0 || co <= 0 {
        return;
    }
    let conv = Conv {
        x: x.cast(),
        x_pixel: x_pix as usize,
        rows: Window::new(h, kh, sh, dh, pt),
        columns: Window::new(w, kw, sw, dw, pl),
        weights: wt.cast(),
        ci: ci.max(0) as usize,
        co: co as usize,
        y: y.cast(),
        ow: ow as usize,
        y_pixel: y_pix as usize,
        epilogue: Epilogue { bias: bias.cast(), res: res.cast(), ldres: y_pix as usize, act, p0, p1 },
    };
    // SAFETY: the caller's contract.
    unsafe { Rows::body::<V>(&mut RowsArgs { conv, begin: begin as usize, end: end as usize }) }
}

tiers! {
    fn conv2d_f32(
        x: *mut u8, h: i64, w: i64, ci: i64, x_pix: i64, wt: *mut u8, co: i64, kh: i64, kw: i64, y: *mut u8, oh: i64,
        ow: i64, y_pix: i64, sh: i64, sw: i64, dh: i64, dw: i64, pt: i64, pl: i64, row_begin: i64, row_end: i64,
        bias: *mut u8, res: *mut u8, act: i64, p0: f32, p1: f32,
    ) = conv2d;
}
