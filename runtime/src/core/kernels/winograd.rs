//! The transforms of Winograd's F(4x4, 3x3): a 3x3 convolution of stride 1 as 36 matrix products over tiles of 4x4 outputs,
//! with a quarter of the multiplications (Lavin and Gray, arXiv 1509.09308; points 0, 1, -1, 2, -2 and infinity).
//!
//! Lanes are channels. The weights are transformed when they are packed; `gemm_f32` does the products.
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by row and column")]

use super::act::{ACT_CLIP, ACT_RELU};
use super::epilogue::{Act, ActArgs, Epilogue};
use super::math;
use super::outline::{Body, Tier};

/// Outputs of a tile along one dimension.
const OUT: usize = 4;
/// Inputs of a tile along one dimension.
const IN: usize = 6;

/// The input's transform along one dimension.
#[inline(always)]
fn input<V: Tier>(d: [V; IN]) -> [V; IN] {
    let [d0, d1, d2, d3, d4, d5] = d;
    let c = |x: f32| d0.c(x);
    let even = d4.accumulate(d2, c(-4.0));
    let odd = d3.accumulate(d1, c(-4.0));
    let (even2, odd2) = (d4.sub(d2), d3.sub(d1));
    [
        d4.accumulate(d2, c(-5.0)).accumulate(d0, c(4.0)),
        even.add(odd),
        even.sub(odd),
        even2.accumulate(odd2, c(2.0)),
        even2.accumulate(odd2, c(-2.0)),
        d5.accumulate(d3, c(-5.0)).accumulate(d1, c(4.0)),
    ]
}

/// The output's transform along one dimension.
#[inline(always)]
fn output<V: Tier>(m: [V; IN]) -> [V; OUT] {
    let [m0, m1, m2, m3, m4, m5] = m;
    let c = |x: f32| m0.c(x);
    let (sum1, difference1) = (m1.add(m2), m1.sub(m2));
    let (sum2, difference2) = (m3.add(m4), m3.sub(m4));
    [
        m0.add(sum1).add(sum2),
        difference1.accumulate(difference2, c(2.0)),
        sum1.accumulate(sum2, c(4.0)),
        difference1.accumulate(difference2, c(8.0)).add(m5),
    ]
}

struct InputArgs {
    x: *const f32,
    h: isize,
    w: isize,
    channels: usize,
    x_pixel: usize,
    /// Padding above and to the left.
    pad: (isize, isize),
    /// Tiles of a row of tiles.
    across: usize,
    first: usize,
    count: usize,
    v: *mut f32,
    plane: usize,
}

/// Safety: image and result are as large as the arguments say.
struct Input;

impl Body for Input {
    type Args = InputArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut InputArgs) {
        for t in 0..args.count {
            let tile = args.first + t;
            let top = (tile / args.across * OUT) as isize - args.pad.0;
            let left = (tile % args.across * OUT) as isize - args.pad.1;
            // Where each of the 36 pixels is; null on padding.
            let mut pixels = [[core::ptr::null::<f32>(); IN]; IN];
            for (r, row) in pixels.iter_mut().enumerate() {
                for (s, pixel) in row.iter_mut().enumerate() {
                    let (y, x) = (top + r as isize, left + s as isize);
                    if y >= 0 && y < args.h && x >= 0 && x < args.w {
                        *pixel = args.x.wrapping_add((y * args.w + x) as usize * args.x_pixel);
                    }
                }
            }
            let mut channel = 0;
            while channel < args.channels {
                let n = V::LANES.min(args.channels - channel);
                // SAFETY: `n` channels of each pixel are readable, and of each plane's tile writable.
                unsafe {
                    let zero = V::zero();
                    let mut part = [[zero; IN]; IN];
                    for r in 0..IN {
                        let mut d = [zero; IN];
                        for s in 0..IN {
                            let pixel = pixels[r][s];
                            if !pixel.is_null() {
                                let from = pixel.add(channel);
                                d[s] = if n == V::LANES { V::load(from) } else { V::load_part(from, n, zero) };
                            }
                        }
                        part[r] = input(d);
                    }
                    for s in 0..IN {
                        let column = [part[0][s], part[1][s], part[2][s], part[3][s], part[4][s], part[5][s]];
                        let result = input(column);
                        for r in 0..IN {
                            let to = args.v.add((r * IN + s) * args.plane + t * args.channels + channel);
                            if n == V::LANES { result[r].store(to) } else { result[r].store_part(to, n) }
                        }
                    }
                }
                channel += V::LANES;
            }
        }
    }
}

struct OutputArgs {
    m: *const f32,
    plane: usize,
    channels: usize,
    y: *mut f32,
    oh: usize,
    ow: usize,
    y_pixel: usize,
    across: usize,
    first: usize,
    count: usize,
    epilogue: Epilogue,
}

/// Safety: operands and result are as large as the arguments say.
struct Output;

impl Body for Output {
    type Args = OutputArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut OutputArgs) {
        for t in 0..args.count {
            let tile = args.first + t;
            let (top, left) = (tile / args.across * OUT, tile % args.across * OUT);
            if top >= args.oh || left >= args.ow {
                continue;
            }
            let (rows, columns) = (OUT.min(args.oh - top), OUT.min(args.ow - left));
            let at = top * args.ow + left;
            let epilogue = args.epilogue.at(at, 0);
            let y = args.y.wrapping_add(at * args.y_pixel);
            let mut channel = 0;
            while channel < args.channels {
                let n = V::LANES.min(args.channels - channel);
                // SAFETY: `n` channels of each plane's tile, of the epilogue's operands and of the tile's pixels exist.
                unsafe {
                    let zero = V::zero();
                    let mut part = [[zero; OUT]; IN];
                    for r in 0..IN {
                        let mut m = [zero; IN];
                        for s in 0..IN {
                            let from = args.m.add((r * IN + s) * args.plane + t * args.channels + channel);
                            m[s] = if n == V::LANES { V::load(from) } else { V::load_part(from, n, zero) };
                        }
                        part[r] = output(m);
                    }
                    for s in 0..columns {
                        let column = [part[0][s], part[1][s], part[2][s], part[3][s], part[4][s], part[5][s]];
                        let mut result = output(column);
                        if !epilogue.bias.is_null() {
                            let bias = V::load_part(epilogue.bias.add(channel), n, zero);
                            for value in &mut result {
                                *value = value.add(bias);
                            }
                        }
                        for r in 0..rows {
                            let pixel = r * args.ow + s;
                            let mut value = result[r];
                            if !epilogue.res.is_null() {
                                let from = epilogue.res.add(pixel * epilogue.ldres + channel);
                                value = value.add(V::load_part(from, n, zero));
                            }
                            if epilogue.act == ACT_RELU {
                                value = math::relu(value);
                            } else if epilogue.act == ACT_CLIP {
                                value = math::clip(value, V::splat(epilogue.p0), V::splat(epilogue.p1));
                            }
                            let to = y.add(pixel * args.y_pixel + channel);
                            if n == V::LANES { value.store(to) } else { value.store_part(to, n) }
                        }
                    }
                }
                channel += V::LANES;
            }
            if epilogue.act > ACT_RELU && epilogue.act != ACT_CLIP {
                for r in 0..rows {
                    let c = y.wrapping_add(r * args.ow * args.y_pixel);
                    let mut row = ActArgs { c, ldc: args.y_pixel, rows: columns, columns: args.channels, epilogue };
                    // SAFETY: the pixels just written.
                    unsafe { V::run::<Act>(&mut row) }
                }
            }
        }
    }
}

/// # Safety
/// The CPU has the tier; image and result are as large as the arguments say.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel of the table")]
unsafe fn wino_in<V: Tier>(
    x: *mut u8,
    h: i64,
    w: i64,
    c: i64,
    x_pix: i64,
    pt: i64,
    pl: i64,
    across: i64,
    first: i64,
    count: i64,
    v: *mut u8,
    plane: i64,
) {
    if count <= 0 || c <= 0 || across <= 0 || first < 0 {
        return;
    }
    let mut args = InputArgs {
        x: x.cast(),
        h: h as isize,
        w: w as isize,
        channels: c as usize,
        x_pixel: x_pix as usize,
        pad: (pt as isize, pl as isize),
        across: across as usize,
        first: first as usize,
        count: count as usize,
        v: v.cast(),
        plane: plane as usize,
    };
    // SAFETY: the caller's contract.
    unsafe { Input::body::<V>(&mut args) }
}

/// # Safety
/// The CPU has the tier; operands and result are as large as the arguments say.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel of the table")]
unsafe fn wino_out<V: Tier>(
    m: *mut u8,
    plane: i64,
    co: i64,
    y: *mut u8,
    oh: i64,
    ow: i64,
    y_pix: i64,
    across: i64,
    first: i64,
    count: i64,
    bias: *mut u8,
    res: *mut u8,
    act: i64,
    p0: f32,
    p1: f32,
) {
    if count <= 0 || co <= 0 || across <= 0 || first < 0 || oh <= 0 || ow <= 0 {
        return;
    }
    let mut args = OutputArgs {
        m: m.cast(),
        plane: plane as usize,
        channels: co as usize,
        y: y.cast(),
        oh: oh as usize,
        ow: ow as usize,
        y_pixel: y_pix as usize,
        across: across as usize,
        first: first as usize,
        count: count as usize,
        epilogue: Epilogue { bias: bias.cast(), res: res.cast(), ldres: y_pix as usize, act, p0, p1 },
    };
    // SAFETY: the caller's contract.
    unsafe { Output::body::<V>(&mut args) }
}

tiers! {
    fn wino_in_f32(
        x: *mut u8, h: i64, w: i64, c: i64, x_pix: i64, pt: i64, pl: i64, across: i64, first: i64, count: i64, v: *mut u8,
        plane: i64,
    ) = wino_in;
    fn wino_out_f32(
        m: *mut u8, plane: i64, co: i64, y: *mut u8, oh: i64, ow: i64, y_pix: i64, across: i64, first: i64, count: i64,
        bias: *mut u8, res: *mut u8, act: i64, p0: f32, p1: f32,
    ) = wino_out;
}
