//! Calls of the kernels over images, for the comparison with their bodies.

use super::bodies::A::{self, F, I, In, Null, Out};
use super::bodies::{len, values};

/// Height, width, channels, kernel, output, strides, dilations, padding (top, left, bottom, right).
struct Window {
    h: usize,
    w: usize,
    k: (usize, usize),
    s: (usize, usize),
    d: (usize, usize),
    pad: [usize; 4],
}

/// Calls of the convolutions and pools.
pub(super) fn convolutions_and_pools(call: &mut dyn FnMut(&'static str, &[A])) {
    let windows = [
        Window { h: 6, w: 7, k: (3, 3), s: (1, 1), d: (1, 1), pad: [1, 1, 1, 1] },
        Window { h: 9, w: 8, k: (3, 2), s: (2, 3), d: (1, 1), pad: [0, 1, 1, 0] },
        Window { h: 8, w: 9, k: (2, 3), s: (1, 2), d: (2, 2), pad: [1, 2, 0, 2] },
        Window { h: 5, w: 5, k: (1, 1), s: (1, 1), d: (1, 1), pad: [0; 4] },
        Window { h: 9, w: 17, k: (5, 5), s: (1, 1), d: (1, 1), pad: [2, 2, 2, 2] },
    ];
    for win in &windows {
        let out = |n: usize, before: usize, after: usize, k: usize, s: usize, d: usize| {
            (n + before + after - (d * (k - 1) + 1)) / s + 1
        };
        let oh = out(win.h, win.pad[0], win.pad[2], win.k.0, win.s.0, win.d.0);
        let ow = out(win.w, win.pad[1], win.pad[3], win.k.1, win.s.1, win.d.1);
        let (begin, end) = (oh / 3, oh);
        for (ci, co) in [(3, 5), (16, 16), (5, 33)] {
            let geometry = |y: A, y_pix: usize| {
                vec![
                    y,
                    len(oh),
                    len(ow),
                    len(y_pix),
                    len(win.s.0),
                    len(win.s.1),
                    len(win.d.0),
                    len(win.d.1),
                    len(win.pad[0]),
                    len(win.pad[1]),
                    len(begin),
                    len(end),
                ]
            };
            let x_pix = ci + 2;
            let image = || vec![In(values(win.h * win.w * x_pix, 40)), len(win.h), len(win.w), len(ci), len(x_pix)];
            let size = || vec![len(win.k.0), len(win.k.1)];
            let y_pix = co + 1;
            let y = || Out(oh * ow * y_pix);
            for (act, with) in [(0, false), (1, true)] {
                let bias = if with { In(values(co, 41)) } else { Null };
                let res = if with { In(values(oh * ow * y_pix, 42)) } else { Null };
                let panels = co.div_ceil(16);
                let mut weights = values(panels * win.k.0 * win.k.1 * ci * 16, 43);
                for (i, w) in weights.iter_mut().enumerate() {
                    let block = win.k.0 * win.k.1 * ci * 16;
                    // Small, so that the order of the sum stays within the tolerance; padding channels are zero.
                    *w *= if i / block * 16 + i % 16 < co { 0.1 } else { 0.0 };
                }
                let mut args = image();
                args.extend([In(weights), len(co)]);
                args.extend(size());
                args.extend(geometry(y(), y_pix));
                args.extend([bias, res, I(act), F(0.0), F(0.0)]);
                call("conv2d_f32", &args);
                let bias = if with { In(values(ci, 44)) } else { Null };
                let mut args = image();
                args.push(In(values(win.k.0 * win.k.1 * ci, 45)));
                args.extend(size());
                args.extend(geometry(Out(oh * ow * (ci + 1)), ci + 1));
                args.extend([bias, I(act), F(0.0), F(0.0)]);
                call("dwconv2d_f32", &args);
            }
            let mut args = image();
            args.extend(size());
            args.extend(geometry(Out(oh * ow * (ci + 1)), ci + 1));
            call("maxpool2d_f32", &args);
            for include in [0, 1] {
                let mut args = args.clone();
                args.extend([I(include), len(win.pad[2]), len(win.pad[3])]);
                call("avgpool2d_f32", &args);
            }
        }
    }
}

/// Calls of the transforms of Winograd's algorithm.
pub(super) fn winograd(call: &mut dyn FnMut(&'static str, &[A])) {
    for (h, w, c, pad) in [(9usize, 6usize, 5usize, 1usize), (4, 11, 16, 0), (7, 7, 33, 2)] {
        let (oh, ow) = (h + 2 * pad - 2, w + 2 * pad - 2);
        let across = ow.div_ceil(4);
        let tiles = oh.div_ceil(4) * across;
        let (first, count) = (tiles / 3, tiles - tiles / 3);
        let (plane, x_pix) = (count * c + 3, c + 2);
        let mut args = vec![In(values(h * w * x_pix, 60)), len(h), len(w), len(c), len(x_pix), len(pad), len(pad)];
        args.extend([len(across), len(first), len(count), Out(36 * plane), len(plane)]);
        call("wino_in_f32", &args);
        let y_pix = c + 1;
        let small = |n: usize, seed: u64| In(values(n, seed).into_iter().map(|value| value * 0.01).collect());
        for (act, with) in [(0, false), (1, true), (6, true)] {
            let operand = |n: usize, seed| if with { In(values(n, seed)) } else { Null };
            let mut args = vec![small(36 * plane, 61), len(plane), len(c), Out(oh * ow * y_pix), len(oh), len(ow)];
            args.extend([len(y_pix), len(across), len(first), len(count), operand(c, 62)]);
            args.extend([operand(oh * ow * y_pix, 63), I(act), F(0.0), F(0.0)]);
            call("wino_out_f32", &args);
        }
    }
}
