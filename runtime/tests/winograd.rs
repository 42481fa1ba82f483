//! The transforms of Winograd's F(4x4, 3x3) around plain products, against 3x3 convolutions in double precision, every tier.

mod guarded;

use guarded::{ACTS, Guarded, Rng, act_f64, tables};

const G: [[f64; 3]; 6] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

#[derive(Clone, Copy, Debug)]
struct Case {
    h: usize,
    w: usize,
    ci: usize,
    co: usize,
    pad: usize,
    /// Elements between pixels that are not channels, in x and y.
    gap: usize,
    /// Bias and residual.
    with: bool,
    act: i64,
    /// Tiles of one call.
    block: usize,
}

fn check(case: Case) {
    let Case { h, w, ci, co, pad, gap, with, act, block } = case;
    let (oh, ow) = (h + 2 * pad - 2, w + 2 * pad - 2);
    let (across, x_pix, y_pix) = (ow.div_ceil(4), ci + gap, co + gap);
    let tiles = oh.div_ceil(4) * across;
    let mut rng = Rng((h * 1009 + w * 31 + ci * 7 + co) as u64);
    let weights = rng.floats(9 * ci * co);
    let u = |p: usize, i: usize, o: usize| -> f64 {
        let tap = |t: usize| f64::from(weights[(t * ci + i) * co + o]);
        (0..9).map(|t| G[p / 6][t / 3] * G[p % 6][t % 3] * tap(t)).sum()
    };
    let size = |pixels: usize, channels: usize| (pixels * (channels + gap)).saturating_sub(gap);
    for place in [Guarded::at_end, Guarded::at_start] {
        let x = place(&rng.floats(size(h * w, ci)));
        let (bias, res) = (place(&rng.floats(co)), place(&rng.floats(size(oh * ow, co))));
        for (tier, kernels) in tables() {
            let y = place(&vec![7.5; size(oh * ow, co)]);
            for first in (0..tiles).step_by(block) {
                let count = block.min(tiles - first);
                let (v_plane, m_plane) = (count * ci + 5, count * co + 3);
                let v = place(&vec![7.5; 35 * v_plane + count * ci]);
                let i = |size: usize| size as i64;
                // SAFETY: the buffers have the sizes that the arguments say.
                unsafe {
                    (kernels.wino_in_f32)(
                        x.ptr(),
                        i(h),
                        i(w),
                        i(ci),
                        i(x_pix),
                        i(pad),
                        i(pad),
                        i(across),
                        i(first),
                        i(count),
                        v.ptr(),
                        i(v_plane),
                    );
                }
                let mut products = vec![7.5; 35 * m_plane + count * co];
                for (p, t, o) in (0..36).flat_map(|p| (0..count).flat_map(move |t| (0..co).map(move |o| (p, t, o)))) {
                    let sum: f64 = (0..ci).map(|i| f64::from(v[p * v_plane + t * ci + i]) * u(p, i, o)).sum();
                    products[p * m_plane + t * co + o] = sum as f32;
                }
                let m = place(&products);
                let or_null = |buffer: &Guarded| if with { buffer.ptr() } else { std::ptr::null_mut() };
                // SAFETY: as above.
                unsafe {
                    (kernels.wino_out_f32)(
                        m.ptr(),
                        i(m_plane),
                        i(co),
                        y.ptr(),
                        i(oh),
                        i(ow),
                        i(y_pix),
                        i(across),
                        i(first),
                        i(count),
                        or_null(&bias),
                        or_null(&res),
                        act,
                        0.2,
                        0.5,
                    );
                }
            }
            for (pixel, o) in (0..oh * ow).flat_map(|pixel| (0..y_pix).map(move |o| (pixel, o))) {
                let at = pixel * y_pix + o;
                if o >= co {
                    assert!(pixel + 1 == oh * ow || y[at] == 7.5, "{tier:?} {case:?}: wrote between pixels");
                    continue;
                }
                let (mut sum, mut norm) = (0.0, 0.0);
                for t in 0..9 {
                    let (row, column) =
                        ((pixel / ow + t / 3).wrapping_sub(pad), (pixel % ow + t % 3).wrapping_sub(pad));
                    if row < h && column < w {
                        for i in 0..ci {
                            let product = f64::from(x[(row * w + column) * x_pix + i])
                                * f64::from(weights[(t * ci + i) * co + o]);
                            sum += product;
                            norm += product.abs();
                        }
                    }
                }
                if with {
                    sum += f64::from(bias[o]) + f64::from(res[at]);
                }
                let want = act_f64(act, f64::from(0.2f32), 0.5, sum);
                let slope = if act == 15 { want } else { 1.2 };
                // The transforms add and take away up to 100 times an input or product, whose sizes are those of all inputs
                // of the tile, not of this output's alone: hence the sum over channels.
                let bound = 6e-8 * (40.0 * norm + 60.0 * ci as f64) * slope + 4e-7 * (1.0 + want.abs());
                let got = f64::from(y[at]);
                assert!((got - want).abs() <= bound, "{tier:?} {case:?} pixel {pixel}, {o}: {got}, expected {want}");
            }
        }
    }
}

const PLAIN: Case = Case { h: 8, w: 8, ci: 16, co: 16, pad: 1, gap: 0, with: false, act: 0, block: 100 };

#[test]
fn images_of_every_size() {
    for size in 1..=13 {
        check(Case { h: size + 1, w: 14 - size, ci: 1 + size % 3, co: 2, block: 1 + size % 3, ..PLAIN });
    }
    for pad in 0..4 {
        check(Case { h: 5, w: 6, ci: 3, co: 3, pad, ..PLAIN });
    }
}

#[test]
fn channels_of_every_number() {
    for channels in 1..=34 {
        let with = channels % 2 == 0;
        check(Case { h: 5, w: 6, ci: channels, co: 35 - channels, gap: channels % 3, with, ..PLAIN });
    }
}

#[test]
fn every_activation() {
    for act in ACTS {
        check(Case { h: 6, w: 7, ci: 4, co: 18, gap: 2, with: true, act, ..PLAIN });
    }
}

#[test]
fn networks() {
    check(Case { h: 14, w: 14, ci: 64, co: 48, block: 7, with: true, act: 1, ..PLAIN });
    check(Case { h: 7, w: 7, ci: 128, co: 32, block: 4, ..PLAIN });
}
