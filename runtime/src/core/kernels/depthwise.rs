//! `dwconv2d_f32`: depthwise convolution of one NHWC image.
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by pixel")]

use super::act::{ACT_CLIP, ACT_RELU};
use super::epilogue::{Act, ActArgs, Epilogue};
use super::math;
use super::outline::{Body, Tier};
use super::sliding::{Slide, Sliding, WindowArgs};

/// Sum of products, then bias and activation.
#[derive(Clone, Copy)]
struct Depthwise;

impl Slide for Depthwise {
    const WEIGHTED: bool = true;
    type Params = Epilogue;
    type Line = Epilogue;

    #[inline(always)]
    unsafe fn start<V: Tier>() -> V {
        // SAFETY: the caller has checked the CPU.
        unsafe { V::zero() }
    }

    #[inline(always)]
    fn tap<V: Tier>(acc: V, x: V, weight: V) -> V {
        acc.accumulate(x, weight)
    }

    #[inline(always)]
    fn line(args: &WindowArgs<Self>, _: usize, _: usize, channel: usize) -> Epilogue {
        args.params.at(0, channel)
    }

    #[inline(always)]
    unsafe fn finish<V: Tier, const MR: usize>(epilogue: &Epilogue, acc: [V; MR], y: *mut f32, pixel: usize, n: usize) {
        // SAFETY: `n` channels of `MR` pixels are writable, and so many of the bias readable if there is one.
        unsafe {
            let mut out = acc;
            if !epilogue.bias.is_null() {
                let bias = V::load_part(epilogue.bias, n, V::zero());
                for value in &mut out {
                    *value = value.add(bias);
                }
            }
            if epilogue.act == ACT_RELU {
                for value in &mut out {
                    *value = math::relu(*value);
                }
            }
            if epilogue.act == ACT_CLIP {
                let (p0, p1) = (V::splat(epilogue.p0), V::splat(epilogue.p1));
                for value in &mut out {
                    *value = math::clip(*value, p0, p1);
                }
            }
            if n == V::LANES {
                for r in 0..MR {
                    out[r].store(y.add(r * pixel));
                }
            } else {
                for r in 0..MR {
                    out[r].store_part(y.add(r * pixel), n);
                }
            }
            if epilogue.act > ACT_RELU && epilogue.act != ACT_CLIP {
                V::run::<Act>(&mut ActArgs { c: y, ldc: pixel, rows: MR, columns: n, epilogue: *epilogue });
            }
        }
    }
}

/// # Safety
/// The CPU has the tier; image, weights, bias (unless null) and outputs are as large as the arguments say.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel of the table")]
unsafe fn dwconv2d<V: Tier>(
    x: *mut u8,
    h: i64,
    w: i64,
    c: i64,
    x_pix: i64,
    wt: *mut u8,
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
    act: i64,
    p0: f32,
    p1: f32,
) {
    let params = Epilogue { bias: bias.cast(), res: core::ptr::null(), ldres: 0, act, p0, p1 };
    let (image, result, steps) = ([h, w, c, x_pix], [oh, ow, y_pix], [sh, sw, dh, dw, pt, pl]);
    let rows = [row_begin, row_end];
    if let Some(mut args) = WindowArgs::new(x, image, wt, [kh, kw], y, result, steps, rows, params) {
        // SAFETY: the caller's contract.
        unsafe { Sliding::<Depthwise>::body::<V>(&mut args) }
    }
}

tiers! {
    fn dwconv2d_f32(
        x: *mut u8, h: i64, w: i64, c: i64, x_pix: i64, wt: *mut u8, kh: i64, kw: i64, y: *mut u8, oh: i64, ow: i64,
        y_pix: i64, sh: i64, sw: i64, dh: i64, dw: i64, pt: i64, pl: i64, row_begin: i64, row_end: i64, bias: *mut u8,
        act: i64, p0: f32, p1: f32,
    ) = dwconv2d;
}
