//! `conv2d_f32` against sums in double precision: strides, dilations, padding of any kind, tails, epilogues, every tier.

mod guarded;

use guarded::{ACTS, Guarded, Rng, act_f64, tables};
use lathe_runtime::core::table::Kernels;

#[derive(Clone, Copy, Debug)]
struct Case {
    h: usize,
    w: usize,
    ci: usize,
    co: usize,
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: (usize, usize),
    /// Top, left, bottom, right.
    pad: (usize, usize, usize, usize),
    /// Elements between pixels that are not channels, in x and y.
    gap: (usize, usize),
    bias: bool,
    res: bool,
    act: i64,
}

const PLAIN: Case = Case {
    h: 7,
    w: 7,
    ci: 16,
    co: 32,
    kernel: (3, 3),
    stride: (1, 1),
    dilation: (1, 1),
    pad: (1, 1, 1, 1),
    gap: (0, 0),
    bias: false,
    res: false,
    act: 0,
};

impl Case {
    fn out(&self) -> (usize, usize) {
        let out = |size: usize, pads: usize, taps: usize, dilation: usize, stride: usize| {
            (size + pads).checked_sub((taps - 1) * dilation + 1).map_or(0, |room| room / stride + 1)
        };
        (
            out(self.h, self.pad.0 + self.pad.2, self.kernel.0, self.dilation.0, self.stride.0),
            out(self.w, self.pad.1 + self.pad.3, self.kernel.1, self.dilation.1, self.stride.1),
        )
    }

    /// Elements of pixels, `gap` apart, nothing behind the last.
    fn size(pixels: usize, channels: usize, gap: usize) -> usize {
        (pixels * (channels + gap)).saturating_sub(gap)
    }
}

struct Data {
    x: Guarded,
    /// [kh][kw][ci][co], as the reference reads it.
    plain: Vec<f32>,
    packed: Guarded,
    bias: Guarded,
    res: Guarded,
}

impl Data {
    fn new(case: &Case, place: fn(&[f32]) -> Guarded) -> Data {
        let Case { h, w, ci, co, kernel: (kh, kw), .. } = *case;
        let (oh, ow) = case.out();
        let mut rng = Rng((h * 1009 + w * 31 + ci * 7 + co) as u64);
        let plain = rng.floats(kh * kw * ci * co);
        let taps = kh * kw * ci;
        let mut packed = vec![0.0; co.div_ceil(16) * taps * 16];
        for t in 0..taps {
            for o in 0..co {
                packed[o / 16 * taps * 16 + t * 16 + o % 16] = plain[t * co + o];
            }
        }
        Data {
            x: place(&rng.floats(Case::size(h * w, ci, case.gap.0))),
            plain,
            packed: place(&packed),
            bias: place(&rng.floats(co)),
            res: place(&rng.floats(Case::size(oh * ow, co, case.gap.1))),
        }
    }

    fn run(&self, kernels: &Kernels, case: &Case, y: &Guarded, begin: usize, end: usize) {
        let Case { h, w, ci, co, kernel, stride, dilation, pad, gap, .. } = *case;
        let (oh, ow) = case.out();
        let or_null = |wanted: bool, buffer: &Guarded| if wanted { buffer.ptr() } else { std::ptr::null_mut() };
        let i = |size: usize| size as i64;
        // SAFETY: the buffers have the sizes that the arguments say.
        unsafe {
            (kernels.conv2d_f32)(
                self.x.ptr(),
                i(h),
                i(w),
                i(ci),
                i(ci + gap.0),
                self.packed.ptr(),
                i(co),
                i(kernel.0),
                i(kernel.1),
                y.ptr(),
                i(oh),
                i(ow),
                i(co + gap.1),
                i(stride.0),
                i(stride.1),
                i(dilation.0),
                i(dilation.1),
                i(pad.0),
                i(pad.1),
                i(begin),
                i(end),
                or_null(case.bias, &self.bias),
                or_null(case.res, &self.res),
                case.act,
                0.2,
                0.5,
            );
        }
    }
}

fn check(case: Case) {
    let Case { h, w, ci, co, kernel: (kh, kw), stride, dilation, pad, gap, act, .. } = case;
    let (oh, ow) = case.out();
    for place in [Guarded::at_end, Guarded::at_start] {
        let data = Data::new(&case, place);
        // once in double precision, for all tiers
        let mut expected = vec![(0.0f64, 0.0f64); oh * ow * co];
        for r in 0..oh {
            for c in 0..ow {
                let sums = &mut expected[(r * ow + c) * co..][..co];
                for (y, x) in (0..kh).flat_map(|y| (0..kw).map(move |x| (y, x))) {
                    let (row, column) = (r * stride.0 + y * dilation.0, c * stride.1 + x * dilation.1);
                    let (Some(row), Some(column)) = (row.checked_sub(pad.0), column.checked_sub(pad.1)) else {
                        continue;
                    };
                    if row >= h || column >= w {
                        continue;
                    }
                    for i in 0..ci {
                        let value = data.x[(row * w + column) * (ci + gap.0) + i] as f64;
                        let weights = &data.plain[((y * kw + x) * ci + i) * co..][..co];
                        for (sum, &weight) in sums.iter_mut().zip(weights) {
                            let product = value * weight as f64;
                            *sum = (sum.0 + product, sum.1 + product.abs());
                        }
                    }
                }
            }
        }
        for (tier, kernels) in tables() {
            let y = place(&vec![7.5; Case::size(oh * ow, co, gap.1)]);
            data.run(kernels, &case, &y, 0, oh);
            for pixel in 0..oh * ow {
                for o in 0..co + gap.1 {
                    let at = pixel * (co + gap.1) + o;
                    if o >= co {
                        assert!(pixel + 1 == oh * ow || y[at] == 7.5, "{tier:?} {case:?}: wrote between pixels");
                        continue;
                    }
                    let (mut sum, size) = expected[pixel * co + o];
                    if case.bias {
                        sum += data.bias[o] as f64;
                    }
                    if case.res {
                        sum += data.res[at] as f64;
                    }
                    let want = act_f64(act, 0.2f32 as f64, 0.5, sum);
                    let slope = if act == 15 { want } else { 1.2 };
                    let bound = (kh * kw * ci + 4) as f64 * 6e-8 * (size + 2.0) * slope + 4e-7 * (1.0 + want.abs());
                    let got = y[at] as f64;
                    assert!(
                        (got - want).abs() <= bound,
                        "{tier:?} {case:?} at ({}, {}, {o}): {got}, expected {want}",
                        pixel / ow,
                        pixel % ow
                    );
                }
            }
        }
    }
}

#[test]
fn images_of_every_width() {
    for w in 1..=33 {
        check(Case { h: 1 + w % 5, w, ci: 4 + w % 20, co: 1 + w * 3 % 50, ..PLAIN });
    }
}

#[test]
fn networks() {
    // the first layer of ResNet, small; its stages; strided and pointwise layers
    let first = Case { h: 33, w: 61, ci: 3, co: 20, kernel: (7, 7), stride: (2, 2), pad: (3, 3, 3, 3), ..PLAIN };
    check(first);
    check(Case { gap: (1, 0), ..first });
    check(Case { h: 14, w: 14, ci: 24, co: 48, ..PLAIN });
    check(Case { h: 7, w: 7, ci: 64, co: 33, ..PLAIN });
    check(Case { h: 14, w: 15, stride: (2, 2), ..PLAIN });
    check(Case { h: 9, w: 30, kernel: (1, 1), pad: (0, 0, 0, 0), stride: (2, 2), ..PLAIN });
    check(Case { h: 28, w: 28, ci: 1, co: 8, kernel: (5, 5), pad: (2, 2, 2, 2), ..PLAIN });
    check(Case { h: 2, w: 2, ci: 40, co: 64, ..PLAIN });
    check(Case { h: 1, w: 1, ci: 40, co: 40, ..PLAIN });
}

#[test]
fn windows_of_every_kind() {
    for kernel in [(1, 1), (1, 5), (5, 1), (2, 3), (4, 4)] {
        for stride in [(1, 1), (2, 1), (1, 3)] {
            for dilation in [(1, 1), (2, 2), (1, 3)] {
                for pad in [(0, 0, 0, 0), (1, 2, 0, 1), (4, 5, 6, 7)] {
                    for ci in [2, 17] {
                        check(Case { h: 10, w: 13, ci, co: 18, kernel, stride, dilation, pad, ..PLAIN });
                    }
                }
            }
        }
    }
}

#[test]
fn pixels_that_share_cache_sets() {
    check(Case { h: 3, w: 20, ci: 1024, co: 17, kernel: (1, 2), pad: (0, 0, 0, 1), ..PLAIN });
}

#[test]
fn every_epilogue() {
    for act in ACTS {
        for (bias, res) in [(true, false), (false, true), (true, true)] {
            for w in [5, 30] {
                check(Case { h: 3, w, ci: 2, co: 37, bias, res, act, gap: (1, 2), ..PLAIN });
            }
        }
    }
}

#[test]
fn empty_sizes() {
    check(Case { ci: 0, bias: true, ..PLAIN });
    check(Case { co: 0, ..PLAIN });
    check(Case { h: 0, w: 0, pad: (2, 2, 2, 2), bias: true, ..PLAIN });
    check(Case { h: 1, w: 1, pad: (0, 0, 0, 0), ..PLAIN });
}

#[test]
fn no_bit_depends_on_the_split() {
    for case in [
        Case { h: 7, w: 7, ci: 40, co: 48, ..PLAIN },
        Case { h: 20, w: 33, ci: 3, co: 24, kernel: (5, 5), stride: (2, 1), pad: (2, 3, 2, 1), ..PLAIN },
        Case { h: 11, w: 29, ci: 20, co: 17, ..PLAIN },
    ] {
        let data = Data::new(&case, Guarded::at_end);
        let (oh, ow) = case.out();
        for (tier, kernels) in tables() {
            let run = |cuts: &[usize]| {
                let y = Guarded::at_end(&vec![0.0; oh * ow * case.co]);
                for (begin, end) in cuts.iter().zip(&cuts[1..]) {
                    data.run(kernels, &case, &y, *begin, *end);
                }
                y.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            };
            let whole = run(&[0, oh]);
            for cuts in [&[0, 1, 2, 3, 4, 5, 6, 7, oh][..], &[0, 3, oh], &[0, oh - 1, oh]] {
                assert!(run(cuts) == whole, "{tier:?} {case:?} rows {cuts:?}");
            }
        }
    }
}
