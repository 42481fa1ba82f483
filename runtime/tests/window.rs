//! `dwconv2d_f32`, `maxpool2d_f32` and `avgpool2d_f32` against plain loops in double precision, every tier.

mod guarded;

use guarded::{ACTS, Guarded, Rng, act_f64, tables};
use lathe_runtime::core::table::Kernels;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Depthwise { bias: bool, act: i64 },
    Max,
    Average { include_pad: bool },
}

#[derive(Clone, Copy, Debug)]
struct Case {
    kind: Kind,
    h: usize,
    w: usize,
    c: usize,
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: (usize, usize),
    /// Top, left, bottom, right.
    pad: (usize, usize, usize, usize),
    /// Output sizes rounded up, so that windows may begin in the padding behind and reach beyond it.
    ceil: bool,
    gap: (usize, usize),
}

const PLAIN: Case = Case {
    kind: Kind::Depthwise { bias: false, act: 0 },
    h: 7,
    w: 7,
    c: 16,
    kernel: (3, 3),
    stride: (1, 1),
    dilation: (1, 1),
    pad: (1, 1, 1, 1),
    ceil: false,
    gap: (0, 0),
};

const KINDS: [Kind; 4] = [
    Kind::Depthwise { bias: true, act: 0 },
    Kind::Max,
    Kind::Average { include_pad: true },
    Kind::Average { include_pad: false },
];

impl Case {
    fn out(&self) -> (usize, usize) {
        let out = |size: usize, begin: usize, end: usize, taps: usize, dilation: usize, stride: usize| {
            let room = (size + begin + end).checked_sub((taps - 1) * dilation + 1)?;
            let count = if self.ceil { room.div_ceil(stride) } else { room / stride } + 1;
            // the last window begins on the image or the padding before it
            Some(if self.ceil && (count - 1) * stride >= size + begin { count - 1 } else { count })
        };
        let (p, k, s, d) = (self.pad, self.kernel, self.stride, self.dilation);
        (out(self.h, p.0, p.2, k.0, d.0, s.0).unwrap_or(0), out(self.w, p.1, p.3, k.1, d.1, s.1).unwrap_or(0))
    }

    fn size(pixels: usize, channels: usize, gap: usize) -> usize {
        (pixels * (channels + gap)).saturating_sub(gap)
    }
}

struct Data {
    x: Guarded,
    weights: Guarded,
    bias: Guarded,
}

impl Data {
    fn new(case: &Case, place: fn(&[f32]) -> Guarded) -> Data {
        let mut rng = Rng((case.h * 1009 + case.w * 31 + case.c) as u64);
        Data {
            x: place(&rng.floats(Case::size(case.h * case.w, case.c, case.gap.0))),
            weights: place(&rng.floats(case.kernel.0 * case.kernel.1 * case.c)),
            bias: place(&rng.floats(case.c)),
        }
    }

    fn run(&self, kernels: &Kernels, case: &Case, y: &Guarded, begin: usize, end: usize) {
        let (oh, ow) = case.out();
        let i = |size: usize| size as i64;
        let (x, h, w, c, x_pix) = (self.x.ptr(), i(case.h), i(case.w), i(case.c), i(case.c + case.gap.0));
        let (kh, kw) = (i(case.kernel.0), i(case.kernel.1));
        let (y, oh, ow, y_pix) = (y.ptr(), i(oh), i(ow), i(case.c + case.gap.1));
        let (sh, sw, dh, dw) = (i(case.stride.0), i(case.stride.1), i(case.dilation.0), i(case.dilation.1));
        let (pt, pl, pb, pr) = (i(case.pad.0), i(case.pad.1), i(case.pad.2), i(case.pad.3));
        let (begin, end) = (i(begin), i(end));
        // SAFETY: the buffers have the sizes that the arguments say.
        unsafe {
            match case.kind {
                Kind::Depthwise { bias, act } => {
                    let bias = if bias { self.bias.ptr() } else { std::ptr::null_mut() };
                    let weights = self.weights.ptr();
                    (kernels.dwconv2d_f32)(
                        x, h, w, c, x_pix, weights, kh, kw, y, oh, ow, y_pix, sh, sw, dh, dw, pt, pl, begin, end, bias,
                        act, 0.2, 0.5,
                    );
                }
                Kind::Max => (kernels.maxpool2d_f32)(
                    x, h, w, c, x_pix, kh, kw, y, oh, ow, y_pix, sh, sw, dh, dw, pt, pl, begin, end,
                ),
                Kind::Average { include_pad } => (kernels.avgpool2d_f32)(
                    x,
                    h,
                    w,
                    c,
                    x_pix,
                    kh,
                    kw,
                    y,
                    oh,
                    ow,
                    y_pix,
                    sh,
                    sw,
                    dh,
                    dw,
                    pt,
                    pl,
                    begin,
                    end,
                    include_pad as i64,
                    pb,
                    pr,
                ),
            }
        }
    }
}

/// Output (r, c, channel), and a bound on its rounding.
fn expected(case: &Case, data: &Data, r: usize, column: usize, channel: usize) -> (f64, f64) {
    let (mut sum, mut size, mut max) = (0.0f64, 0.0f64, f64::NEG_INFINITY);
    let (mut valid, mut padded) = (0, 0);
    for y in 0..case.kernel.0 {
        for x in 0..case.kernel.1 {
            // positions in the padded image
            let (py, px) = (r * case.stride.0 + y * case.dilation.0, column * case.stride.1 + x * case.dilation.1);
            padded += (py < case.pad.0 + case.h + case.pad.2 && px < case.pad.1 + case.w + case.pad.3) as usize;
            let (Some(row), Some(at)) = (py.checked_sub(case.pad.0), px.checked_sub(case.pad.1)) else { continue };
            if row >= case.h || at >= case.w {
                continue;
            }
            let value = data.x[(row * case.w + at) * (case.c + case.gap.0) + channel] as f64;
            let weight = match case.kind {
                Kind::Depthwise { .. } => data.weights[(y * case.kernel.1 + x) * case.c + channel] as f64,
                _ => 1.0,
            };
            (sum, size, max, valid) = (sum + value * weight, size + (value * weight).abs(), max.max(value), valid + 1);
        }
    }
    let bound = 6e-8 * (valid + 3) as f64 * (size + 1.0);
    match case.kind {
        Kind::Max => (max, 0.0),
        Kind::Average { include_pad } => (sum / if include_pad { padded } else { valid.max(1) } as f64, bound),
        Kind::Depthwise { bias, act } => {
            let y = act_f64(act, 0.2f32 as f64, 0.5, sum + if bias { data.bias[channel] as f64 } else { 0.0 });
            let slope = if act == 15 { y } else { 1.2 };
            (y, bound * slope + if act == 0 { 0.0 } else { 4e-7 * (1.0 + y.abs()) })
        }
    }
}

fn check(case: Case) {
    let (oh, ow) = case.out();
    let width = case.c + case.gap.1;
    for place in [Guarded::at_end, Guarded::at_start] {
        let data = Data::new(&case, place);
        for (tier, kernels) in tables() {
            let y = place(&vec![7.5; Case::size(oh * ow, case.c, case.gap.1)]);
            data.run(kernels, &case, &y, 0, oh);
            for (at, &got) in y.iter().enumerate() {
                let (pixel, channel) = (at / width, at % width);
                if channel >= case.c {
                    assert_eq!(got, 7.5, "{tier:?} {case:?}: wrote between pixels");
                    continue;
                }
                let (want, bound) = expected(&case, &data, pixel / ow, pixel % ow, channel);
                let right = want == got as f64 || (got as f64 - want).abs() <= bound;
                assert!(right, "{tier:?} {case:?} at ({}, {}, {channel}): {got}, {want}", pixel / ow, pixel % ow);
            }
        }
    }
}

#[test]
fn images_of_every_width() {
    for kind in KINDS {
        for w in 1..=27 {
            check(Case { kind, h: 1 + w % 4, w, c: 1 + w * 5 % 40, gap: (w % 2, w % 3), ..PLAIN });
        }
    }
}

#[test]
fn windows_of_every_kind() {
    for kind in KINDS {
        for kernel in [(1, 1), (1, 4), (5, 1), (2, 3), (7, 7)] {
            for stride in [(1, 1), (2, 2), (1, 3)] {
                for dilation in [(1, 1), (2, 1), (1, 2)] {
                    for pad in [(0, 0, 0, 0), (0, 0, 1, 1), (2, 1, 0, 2), (6, 6, 6, 6)] {
                        // a pooling window is never all padding
                        let all_padding =
                            pad.0 >= kernel.0 || pad.1 >= kernel.1 || pad.2 >= kernel.0 || pad.3 >= kernel.1;
                        if all_padding && !matches!(kind, Kind::Depthwise { .. }) {
                            continue;
                        }
                        check(Case { kind, h: 9, w: 14, c: 19, kernel, stride, dilation, pad, ..PLAIN });
                    }
                }
            }
        }
    }
}

/// The inputs of such images are brought together before use.
#[test]
fn pixels_that_share_cache_sets() {
    for kind in KINDS {
        let case = Case { kind, h: 14, w: 14, c: 509, gap: (3, 0), ..PLAIN };
        check(case);
        check(Case { h: 40, w: 28, c: 256, gap: (0, 0), ..case });
        check(Case { stride: (2, 2), kernel: (5, 5), pad: (2, 2, 2, 2), ceil: true, ..case });
        check(Case { dilation: (2, 1), pad: (2, 0, 1, 2), ..case });
        check(Case { h: 6, pad: (2, 2, 2, 2), ..case });
    }
}

#[test]
fn sizes_rounded_up() {
    for kind in &KINDS[1..] {
        for (h, w) in [(8, 9), (7, 10), (5, 12)] {
            for pad in [(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1)] {
                check(Case { kind: *kind, h, w, c: 8, stride: (2, 3), pad, ceil: true, ..PLAIN });
            }
        }
    }
}

#[test]
fn whole_images() {
    for kind in KINDS {
        check(Case { kind, h: 7, w: 5, c: 130, kernel: (7, 5), pad: (0, 0, 0, 0), ..PLAIN });
    }
}

#[test]
fn every_activation() {
    for act in ACTS {
        check(Case { kind: Kind::Depthwise { bias: true, act }, h: 4, w: 20, c: 21, gap: (0, 1), ..PLAIN });
    }
}

#[test]
fn empty_sizes() {
    for kind in KINDS {
        check(Case { kind, c: 0, ..PLAIN });
        check(Case { kind, h: 1, w: 1, pad: (0, 0, 0, 0), ..PLAIN });
    }
}

#[test]
fn max_of_nan_is_nan() {
    let case = Case { kind: Kind::Max, w: 20, ..PLAIN };
    for (tier, kernels) in tables() {
        let mut data = Data::new(&case, Guarded::at_end);
        data.x[(3 * 20 + 9) * 16 + 5] = f32::NAN;
        let y = Guarded::at_end(&[0.0; 7 * 20 * 16]);
        data.run(kernels, &case, &y, 0, 7);
        for (at, value) in y.iter().enumerate() {
            let (row, column, channel) = (at / 320, at / 16 % 20, at % 16);
            let under = (2..=4).contains(&row) && (8..=10).contains(&column) && channel == 5;
            assert_eq!(value.is_nan(), under, "{tier:?} ({row}, {column}, {channel})");
        }
    }
}

#[test]
fn no_bit_depends_on_the_split() {
    for (kind, c) in KINDS.into_iter().flat_map(|kind| [(kind, 37), (kind, 512)]) {
        let case = Case { kind, h: 12, w: 21, c, stride: (1, 2), ..PLAIN };
        let data = Data::new(&case, Guarded::at_end);
        let (oh, ow) = case.out();
        for (tier, kernels) in tables() {
            let run = |cuts: &[usize]| {
                let y = Guarded::at_end(&vec![0.0; oh * ow * case.c]);
                for (begin, end) in cuts.iter().zip(&cuts[1..]) {
                    data.run(kernels, &case, &y, *begin, *end);
                }
                y.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            };
            let whole = run(&[0, oh]);
            for cuts in [&[0, 1, 2, 3, 7, oh][..], &[0, 5, oh]] {
                assert!(run(cuts) == whole, "{tier:?} {case:?} rows {cuts:?}");
            }
        }
    }
}
