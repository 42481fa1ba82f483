//! `maxpool2d_f32` and `avgpool2d_f32` on one NHWC image.

use super::outline::{Body, Tier};
use super::sliding::{Slide, Sliding, WindowArgs};
use super::window::Window;

/// The largest value, NaN if there is one.
#[derive(Clone, Copy)]
struct Max;

impl Slide for Max {
    const WEIGHTED: bool = false;
    type Params = ();
    type Line = ();

    #[inline(always)]
    unsafe fn start<V: Tier>() -> V {
        // SAFETY: the caller has checked the CPU.
        unsafe { V::splat(f32::NEG_INFINITY) }
    }

    #[inline(always)]
    fn tap<V: Tier>(acc: V, x: V, _: V) -> V {
        acc.max_nan(x)
    }

    #[inline(always)]
    fn line(_: &WindowArgs<Self>, _: usize, _: usize, _: usize) {}

    #[inline(always)]
    unsafe fn finish<V: Tier, const MR: usize>(_: &(), acc: [V; MR], y: *mut f32, pixel: usize, n: usize) {
        for (r, &value) in acc.iter().enumerate() {
            // SAFETY: `n` channels of `MR` pixels are writable.
            unsafe { value.store_part(y.add(r * pixel), n) }
        }
    }
}

/// What divides the sum of an average.
#[derive(Clone, Copy)]
struct Average {
    /// Whether padding counts.
    include_pad: bool,
    /// Padding below and to the right.
    after: (usize, usize),
}

/// The sum, divided by the number of taps.
#[derive(Clone, Copy)]
struct Mean;

impl Slide for Mean {
    const WEIGHTED: bool = false;
    type Params = Average;
    type Line = f32;

    #[inline(always)]
    unsafe fn start<V: Tier>() -> V {
        // SAFETY: the caller has checked the CPU.
        unsafe { V::zero() }
    }

    #[inline(always)]
    fn tap<V: Tier>(acc: V, x: V, _: V) -> V {
        acc.add(x)
    }

    /// The divisor: the same for all pixels whose windows have the same taps on the image, except that windows may reach
    /// beyond the padding; those are in blocks of their own.
    #[inline(always)]
    fn line(args: &WindowArgs<Self>, row: usize, column: usize, _: usize) -> f32 {
        let count = |window: &Window, at: usize, after: usize| -> usize {
            if args.params.include_pad {
                window.padded(at, after)
            } else {
                let (begin, end) = window.valid(at);
                end - begin
            }
        };
        let taps = count(&args.rows, row, args.params.after.0) * count(&args.columns, column, args.params.after.1);
        taps.max(1) as f32
    }

    #[inline(always)]
    unsafe fn finish<V: Tier, const MR: usize>(divisor: &f32, acc: [V; MR], y: *mut f32, pixel: usize, n: usize) {
        for (r, &sum) in acc.iter().enumerate() {
            // SAFETY: `n` channels of `MR` pixels are writable; the CPU has the tier.
            unsafe { sum.div(V::splat(*divisor)).store_part(y.add(r * pixel), n) }
        }
    }
}

/// # Safety
/// The CPU has the tier; image and outputs are as large as the arguments say.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel of the table")]
unsafe fn maxpool2d<V: Tier>(
    x: *mut u8,
    h: i64,
    w: i64,
    c: i64,
    x_pix: i64,
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
) {
    let (image, result, steps) = ([h, w, c, x_pix], [oh, ow, y_pix], [sh, sw, dh, dw, pt, pl]);
    let rows = [row_begin, row_end];
    if let Some(mut args) = WindowArgs::new(x, image, core::ptr::null(), [kh, kw], y, result, steps, rows, ()) {
        // SAFETY: the caller's contract.
        unsafe { Sliding::<Max>::body::<V>(&mut args) }
    }
}

/// # Safety
/// The CPU has the tier; image and outputs are as large as the arguments say.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel of the table")]
unsafe fn avgpool2d<V: Tier>(
    x: *mut u8,
    h: i64,
    w: i64,
    c: i64,
    x_pix: i64,
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
    count_include_pad: i64,
    pb: i64,
    pr: i64,
) {
    let params = Average { include_pad: count_include_pad != 0, after: (pb.max(0) as usize, pr.max(0) as usize) };
    let (image, result, steps) = ([h, w, c, x_pix], [oh, ow, y_pix], [sh, sw, dh, dw, pt, pl]);
    let rows = [row_begin, row_end];
    if let Some(mut args) = WindowArgs::new(x, image, core::ptr::null(), [kh, kw], y, result, steps, rows, params) {
        // SAFETY: the caller's contract.
        unsafe { Sliding::<Mean>::body::<V>(&mut args) }
    }
}

tiers! {
    fn maxpool2d_f32(
        x: *mut u8, h: i64, w: i64, c: i64, x_pix: i64, kh: i64, kw: i64, y: *mut u8, oh: i64, ow: i64, y_pix: i64,
        sh: i64, sw: i64, dh: i64, dw: i64, pt: i64, pl: i64, row_begin: i64, row_end: i64,
    ) = maxpool2d;
    fn avgpool2d_f32(
        x: *mut u8, h: i64, w: i64, c: i64, x_pix: i64, kh: i64, kw: i64, y: *mut u8, oh: i64, ow: i64, y_pix: i64,
        sh: i64, sw: i64, dh: i64, dw: i64, pt: i64, pl: i64, row_begin: i64, row_end: i64, count_include_pad: i64,
        pb: i64, pr: i64,
    ) = avgpool2d;
}
