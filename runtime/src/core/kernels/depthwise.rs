//! `dwconv2d_f32`: depthwise convolution of one NHWC image.

use super::act::{ACT_CLIP, ACT_RELU};
use super::conv::Window;
use super::epilogue::{Act, ActArgs, Epilogue};
use super::math;
use super::outline::{Body, Tier};
use super::window::{Place, Slide, Sliding, WindowArgs};

/// Sum of products, then bias and activation.
struct Depthwise;

impl Slide for Depthwise {
    const WEIGHTED: bool = true;
    type Params = Epilogue;

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
    unsafe fn finish<V: Tier, const MR: usize>(
        args: &WindowArgs<Self>,
        acc: &[V; MR],
        place: Place,
        channel: usize,
        n: usize,
    ) {
        let epilogue = args.params.at(0, channel);
        let y = args.output(place, channel);
        // SAFETY: `n` channels of `MR` pixels are writable, and so many of the bias readable if there is one.
        unsafe {
            let whole = n == V::LANES;
            let bias = match epilogue.bias.is_null() {
                true => V::zero(),
                false if whole => V::load(epilogue.bias),
                false => V::load_part(epilogue.bias, n, V::zero()),
            };
            let (p0, p1) = (V::splat(epilogue.p0), V::splat(epilogue.p1));
            for (r, &sum) in acc.iter().enumerate() {
                let mut value = sum.add(bias);
                if epilogue.act == ACT_RELU {
                    value = math::relu(value);
                }
                if epilogue.act == ACT_CLIP {
                    value = math::clip(value, p0, p1);
                }
                if whole {
                    value.store(y.add(r * args.y_pixel));
                } else {
                    value.store_part(y.add(r * args.y_pixel), n);
                }
            }
            if epilogue.act > ACT_RELU && epilogue.act != ACT_CLIP {
                V::run::<Act>(&mut ActArgs { c: y, ldc: args.y_pixel, rows: MR, columns: n, epilogue });
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
    let (begin, end) = (row_begin.max(0), row_end.min(oh));
    if begin >= end || ow <= 0 || c <= 0 {
        return;
    }
    let mut args = WindowArgs::<Depthwise> {
        x: x.cast(),
        x_pixel: x_pix as usize,
        channels: c as usize,
        rows: Window::new(h, kh, sh, dh, pt),
        columns: Window::new(w, kw, sw, dw, pl),
        weights: wt.cast(),
        y: y.cast(),
        ow: ow as usize,
        y_pixel: y_pix as usize,
        begin: begin as usize,
        end: end as usize,
        params: Epilogue { bias: bias.cast(), res: core::ptr::null(), ldres: 0, act, p0, p1 },
    };
    // SAFETY: the caller's contract.
    unsafe { Sliding::<Depthwise>::body::<V>(&mut args) }
}

tiers! {
    fn dwconv2d_f32(
        x: *mut u8, h: i64, w: i64, c: i64, x_pix: i64, wt: *mut u8, kh: i64, kw: i64, y: *mut u8, oh: i64, ow: i64,
        y_pix: i64, sh: i64, sw: i64, dh: i64, dw: i64, pt: i64, pl: i64, row_begin: i64, row_end: i64, bias: *mut u8,
        act: i64, p0: f32, p1: f32,
    ) = dwconv2d;
}
