//! `attention_f32` against softmax and sums in double precision: tails, masks, causal limits, strides, every tier.

mod guarded;

use guarded::{Guarded, Rng, tables};
use lathe_runtime::core::kernels::attention::attention_scratch;
use lathe_runtime::core::table::Kernels;

#[derive(Clone, Copy, Debug, PartialEq)]
enum MaskKind {
    None,
    /// Row and column strides as for a full matrix.
    Full,
    /// One value per key (row stride 0).
    Keys,
    /// One value per query (column stride 0).
    Queries,
    /// Column stride 2.
    Strided,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    sq: usize,
    sk: usize,
    d: usize,
    dv: usize,
    gap: usize,
    scale: f32,
    mask: MaskKind,
    causal: i64,
    low: i64,
}

const PLAIN: Case =
    Case { sq: 1, sk: 1, d: 8, dv: 8, gap: 0, scale: 0.35, mask: MaskKind::None, causal: -1, low: i64::MIN };

fn rows(rng: &mut Rng, count: usize, width: usize, gap: usize) -> Vec<f32> {
    rng.floats(if count == 0 { 0 } else { count * (width + gap) - gap })
}

struct Data {
    q: Guarded,
    k: Guarded,
    v: Guarded,
    mask: Guarded,
    strides: (usize, usize),
}

impl Data {
    fn new(case: &Case, place: fn(&[f32]) -> Guarded) -> Data {
        let Case { sq, sk, d, dv, gap, mask, .. } = *case;
        let mut rng = Rng((sq * 7919 + sk * 31 + d) as u64);
        let strides = match mask {
            MaskKind::None => (0, 0),
            MaskKind::Full => (sk, 1),
            MaskKind::Keys => (0, 1),
            MaskKind::Queries => (1, 0),
            MaskKind::Strided => (2 * sk, 2),
        };
        let q = rows(&mut rng, sq, d, gap);
        let k = rows(&mut rng, sk, d, gap);
        let v = rows(&mut rng, sk, dv, gap);
        let size = if sq * sk == 0 { 0 } else { (sq - 1) * strides.0 + (sk - 1) * strides.1 + 1 };
        let mut bias = rng.floats(size);
        for (i, value) in bias.iter_mut().enumerate() {
            // never the first key, so that no row is masked altogether
            let first_key = strides.0 == 0 && i == 0 || strides.0 != 0 && i % strides.0 == 0;
            match i % 5 {
                2 if !first_key => *value = f32::NEG_INFINITY,
                3 if !first_key => *value = f32::MIN,
                _ => {}
            }
        }
        Data { q: place(&q), k: place(&k), v: place(&v), mask: place(&bias), strides }
    }

    /// Runs the rows `begin..end`.
    fn run(&self, kernels: &Kernels, case: &Case, o: &Guarded, begin: usize, end: usize) {
        let Case { sk, d, dv, gap, scale, mask, causal, low, .. } = *case;
        let bytes = attention_scratch(end - begin, sk, d, dv);
        let mut scratch = Guarded::at_end(&vec![f32::NAN; bytes / 4 + 16]);
        let spare = scratch.ptr().align_offset(64) / 4;
        scratch[..spare].fill(7.0);
        let at = |buffer: *const f32, index: usize| buffer.wrapping_add(index).cast_mut().cast::<u8>();
        let no_mask = mask == MaskKind::None;
        // SAFETY: sizes and strides of the buffers; the scratch has its bytes after the alignment.
        unsafe {
            (kernels.attention_f32)(
                (end - begin) as i64,
                sk as i64,
                d as i64,
                dv as i64,
                at(self.q.as_ptr(), begin * (d + gap)),
                (d + gap) as i64,
                self.k.ptr(),
                (d + gap) as i64,
                self.v.ptr(),
                (dv + gap) as i64,
                at(o.as_ptr(), begin * (dv + gap)),
                (dv + gap) as i64,
                scale,
                if no_mask { std::ptr::null_mut() } else { at(self.mask.as_ptr(), begin * self.strides.0) },
                self.strides.0 as i64,
                self.strides.1 as i64,
                if causal < 0 { -1 } else { causal + begin as i64 },
                low.saturating_add(begin as i64),
                0,
                at(scratch.as_ptr(), spare),
            );
        }
    }
}

fn blank(case: &Case) -> Vec<f32> {
    vec![7.5; if case.sq == 0 { 0 } else { case.sq * (case.dv + case.gap) - case.gap }]
}

fn check(case: Case) {
    let Case { sq, sk, d, dv, gap, scale, mask, causal, low } = case;
    for place in [Guarded::at_end, Guarded::at_start] {
        let data = Data::new(&case, place);
        for (tier, kernels) in tables() {
            let o = place(&blank(&case));
            data.run(kernels, &case, &o, 0, sq);
            for i in 0..sq {
                let keys = if causal < 0 { sk } else { sk.min(i + causal as usize + 1) };
                let from = low.saturating_add(i as i64).clamp(0, keys as i64) as usize;
                let scores: Vec<f64> = (from..keys)
                    .map(|j| {
                        let dot: f64 =
                            (0..d).map(|t| data.q[i * (d + gap) + t] as f64 * data.k[j * (d + gap) + t] as f64).sum();
                        let added = if mask == MaskKind::None {
                            0.0
                        } else {
                            data.mask[i * data.strides.0 + j * data.strides.1]
                        };
                        dot * scale as f64 + added as f64
                    })
                    .collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for c in 0..dv + gap {
                    if c >= dv {
                        assert!(i + 1 == sq || o[i * (dv + gap) + c] == 7.5, "{tier:?} {case:?}: wrote between rows");
                        continue;
                    }
                    let expected = if keys == from {
                        0.0
                    } else {
                        (from..keys).map(|j| weights[j - from] * data.v[j * (dv + gap) + c] as f64).sum::<f64>() / sum
                    };
                    let got = o[i * (dv + gap) + c] as f64;
                    let bound = 3e-7 * (4.0 + d as f64 * 0.25 * scale.abs() as f64) + 6e-8 * keys as f64;
                    let right = (got - expected).abs() <= bound;
                    assert!(right, "{tier:?} {case:?} at ({i}, {c}): {got}, expected {expected}");
                }
            }
        }
    }
}

#[test]
fn sizes_with_tails() {
    for sq in [1, 2, 5, 6, 7, 23, 24, 25, 50] {
        for sk in [1, 2, 15, 16, 17, 33, 64, 130] {
            check(Case { sq, sk, d: 5 + sq % 4, dv: 3 + sk % 18, gap: sq % 3, ..PLAIN });
        }
    }
    for d in [1, 2, 16, 64, 80] {
        for dv in [1, 8, 16, 24, 64, 65, 80, 128] {
            check(Case { sq: 26, sk: 37, d, dv, ..PLAIN });
        }
    }
}

#[test]
fn empty_sizes() {
    for (sq, sk, d, dv) in [(0, 5, 4, 4), (5, 0, 4, 4), (5, 3, 0, 4), (5, 3, 4, 0), (0, 0, 0, 0)] {
        check(Case { sq, sk, d, dv, ..PLAIN });
        check(Case { sq, sk, d, dv, causal: 0, ..PLAIN });
    }
}

#[test]
fn masks() {
    for mask in [MaskKind::Full, MaskKind::Keys, MaskKind::Queries, MaskKind::Strided] {
        for (sq, sk) in [(1, 40), (7, 16), (30, 61)] {
            check(Case { sq, sk, d: 12, dv: 20, mask, gap: 1, ..PLAIN });
            check(Case { sq, sk, d: 12, dv: 20, mask, causal: 3, ..PLAIN });
        }
    }
}

#[test]
fn causal_limits() {
    for (sq, sk, causal) in [(40, 40, 0), (40, 30, 0), (10, 70, 60), (10, 70, 30), (1, 90, 89), (60, 60, 17)] {
        for dv in [16, 64, 70] {
            check(Case { sq, sk, d: 16, dv, causal, ..PLAIN });
        }
    }
}

#[test]
fn windows() {
    for (sq, sk, causal, low) in [(40, 40, 0, -7), (50, 90, -1, 9), (61, 75, 20, 3), (30, 40, 4, 2), (30, 20, -1, 0)] {
        for mask in [MaskKind::None, MaskKind::Full, MaskKind::Keys, MaskKind::Strided] {
            // No row is masked altogether: of two neighbours one is visible.
            check(Case { sq, sk, d: 16, dv: 24, causal, low, mask, scale: -0.3, ..PLAIN });
        }
    }
}

#[test]
fn scales_of_any_sign() {
    for scale in [0.0, -0.5, 30.0] {
        check(Case { sq: 9, sk: 21, scale, ..PLAIN });
    }
}

/// Keys and values beyond the causal limit may be anything.
#[test]
fn what_a_query_does_not_see_is_never_used() {
    let case = Case { sq: 30, sk: 64, d: 16, dv: 64, causal: 5, ..PLAIN };
    for (tier, kernels) in tables() {
        let mut data = Data::new(&case, Guarded::at_end);
        let expected = Guarded::at_end(&blank(&case));
        data.run(kernels, &case, &expected, 0, case.sq);
        data.k[35 * 16..].fill(f32::NAN);
        data.v[35 * 64..].fill(f32::NAN);
        let got = Guarded::at_end(&blank(&case));
        data.run(kernels, &case, &got, 0, case.sq);
        assert!(got.iter().zip(&expected[..]).all(|(a, b)| a.to_bits() == b.to_bits()), "{tier:?}");
        // the last query sees key 34, the one before does not
        data.v[34 * 64..].fill(f32::NAN);
        data.run(kernels, &case, &got, 0, case.sq);
        let same = got.iter().zip(&expected[..]).take(29 * 64).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && got[29 * 64..].iter().all(|x| x.is_nan()), "{tier:?}");
    }
}

#[test]
fn a_row_masked_altogether_is_nan_and_the_others_are_not() {
    let case = Case { sq: 3, sk: 20, mask: MaskKind::Full, ..PLAIN };
    for (tier, kernels) in tables() {
        let mut data = Data::new(&case, Guarded::at_end);
        data.mask[20..40].fill(f32::NEG_INFINITY);
        data.mask[40..60].fill(f32::MIN);
        let o = Guarded::at_end(&blank(&case));
        data.run(kernels, &case, &o, 0, 3);
        assert!(o[..8].iter().all(|x| x.is_finite()) && o[8..16].iter().all(|x| x.is_nan()), "{tier:?}: {:?}", &o[..]);
        for c in 0..8 {
            let mean = (0..20).map(|j| data.v[j * 8 + c] as f64).sum::<f64>() / 20.0;
            assert!((o[16 + c] as f64 - mean).abs() < 1e-6, "{tier:?}: the lowest finite mask gives equal weights");
        }
    }
}

#[test]
fn no_bit_depends_on_the_split() {
    let (none, full) = (MaskKind::None, MaskKind::Full);
    for (mask, causal, low) in [(none, -1, i64::MIN), (full, -1, -5), (none, 4, -20), (full, 11, i64::MIN)] {
        let case = Case { sq: 61, sk: 75, d: 24, dv: 72, mask, causal, low, ..PLAIN };
        let data = Data::new(&case, Guarded::at_end);
        for (tier, kernels) in tables() {
            let run = |cuts: &[usize]| {
                let o = Guarded::at_end(&blank(&case));
                for (begin, end) in cuts.iter().zip(&cuts[1..]) {
                    data.run(kernels, &case, &o, *begin, *end);
                }
                o.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            };
            let whole = run(&[0, 61]);
            for cuts in [&[0, 24, 48, 61][..], &[0, 1, 2, 3, 10, 61], &[0, 31, 61], &[0, 60, 61]] {
                assert!(run(cuts) == whole, "{tier:?} {mask:?} causal {causal} cuts {cuts:?}");
            }
        }
    }
}

#[test]
fn scratch_grows_with_each_argument() {
    let sizes = [1, 2, 15, 16, 17, 24, 25, 100];
    for (i, &a) in sizes.iter().enumerate() {
        for &b in &sizes[i..] {
            assert!(attention_scratch(a, 20, 8, 8) <= attention_scratch(b, 20, 8, 8));
            assert!(attention_scratch(20, a, 8, 8) <= attention_scratch(20, b, 8, 8));
            assert!(attention_scratch(20, 20, a, 8) <= attention_scratch(20, 20, b, 8));
            assert!(attention_scratch(20, 20, 8, a) <= attention_scratch(20, 20, 8, b));
        }
    }
}
