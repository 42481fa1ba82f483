//! `gemm_f32` and `pack_b_f32` against sums in double precision: shapes with tails, strides, epilogues, every tier.

mod guarded;

use guarded::{ACTS, Guarded, Rng, act_f64, tables};
use lathe_runtime::core::table::Kernels;

/// How B is handed over.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// Packed by `pack_b_f32`, from rows.
    Packed,
    /// Packed by `pack_b_f32`, from a transposed matrix.
    PackedTransposed,
    /// Row-major, read in place; so many elements beyond `n` between rows.
    Rows(usize),
}

#[derive(Clone, Copy, Debug)]
struct Case {
    m: usize,
    n: usize,
    k: usize,
    layout: Layout,
    /// Elements between the rows of A, C and res.
    gap: usize,
    bias: bool,
    res: bool,
    act: i64,
    p: (f32, f32),
}

const PLAIN: Case =
    Case { m: 1, n: 1, k: 1, layout: Layout::Packed, gap: 0, bias: false, res: false, act: 0, p: (0.0, 0.0) };

/// Rows of `width` elements `width + gap` apart; nothing behind the last one.
fn strided(rng: &mut Rng, rows: usize, width: usize, gap: usize) -> Vec<f32> {
    rng.floats(if rows == 0 { 0 } else { rows * (width + gap) - gap })
}

fn packed_len(k: usize, n: usize) -> usize {
    n.div_ceil(16) * 16 * k
}

fn pack(kernels: &Kernels, k: usize, n: usize, b: &Guarded, rs: usize, cs: usize) -> Guarded {
    let out = Guarded::at_end(&vec![f32::NAN; packed_len(k, n)]);
    // SAFETY: sizes and strides are those of the buffers.
    unsafe { (kernels.pack_b_f32)(k as i64, n as i64, b.ptr(), rs as i64, cs as i64, out.ptr()) };
    for (i, &value) in out.iter().enumerate() {
        let (kk, j) = (i / 16 % k, i / (16 * k) * 16 + i % 16);
        let expected = if j < n { b[kk * rs + j * cs] } else { 0.0 };
        assert_eq!(value.to_bits(), expected.to_bits(), "packed element ({kk}, {j}) of {k} x {n}, strides {rs}, {cs}");
    }
    out
}

fn check(case: Case) {
    let Case { m, n, k, layout, gap, act, p, .. } = case;
    let mut rng = Rng((m * 1_000_003 + n * 1009 + k) as u64);
    let a = strided(&mut rng, m, k, gap);
    let (bk, bn, b_gap) = match layout {
        Layout::Packed => (k, n, 3),
        Layout::PackedTransposed => (n, k, 5),
        Layout::Rows(gap) => (k, n, gap),
    };
    let b = Guarded::at_end(&strided(&mut rng, bk, bn, b_gap));
    let ldb = bn + b_gap;
    let (rs, cs) = if layout == Layout::PackedTransposed { (1, ldb) } else { (ldb, 1) };
    let bias = rng.floats(n);
    let res = strided(&mut rng, m, n, gap);
    let blank = vec![7.5; if m == 0 { 0 } else { m * (n + gap) - gap }];

    for (tier, kernels) in tables() {
        for at_end in [true, false] {
            let place = if at_end { Guarded::at_end } else { Guarded::at_start };
            let (a, bias, res, c) = (place(&a), place(&bias), place(&res), place(&blank));
            let packed = if matches!(layout, Layout::Rows(_)) { None } else { Some(pack(kernels, k, n, &b, rs, cs)) };
            let (bp, b_row, b_panel) = packed.as_ref().map_or((b.ptr(), ldb, 16), |packed| (packed.ptr(), 16, 16 * k));
            let or_null = |wanted: bool, buffer: &Guarded| if wanted { buffer.ptr() } else { std::ptr::null_mut() };
            // SAFETY: sizes and strides are those of the buffers.
            unsafe {
                (kernels.gemm_f32)(
                    m as i64,
                    n as i64,
                    k as i64,
                    a.ptr(),
                    (k + gap) as i64,
                    bp,
                    b_row as i64,
                    b_panel as i64,
                    c.ptr(),
                    (n + gap) as i64,
                    or_null(case.bias, &bias),
                    or_null(case.res, &res),
                    (n + gap) as i64,
                    act,
                    p.0,
                    p.1,
                );
            }
            for i in 0..m {
                for j in 0..n + gap {
                    if j >= n {
                        let untouched = i + 1 == m || c[i * (n + gap) + j] == 7.5;
                        assert!(untouched, "{tier:?} {case:?}: wrote between rows at ({i}, {j})");
                        continue;
                    }
                    let (mut sum, mut size) = (0.0f64, 0.0f64);
                    for kk in 0..k {
                        let product = a[i * (k + gap) + kk] as f64 * b[kk * rs + j * cs] as f64;
                        (sum, size) = (sum + product, size + product.abs());
                    }
                    if case.bias {
                        sum += bias[j] as f64;
                    }
                    if case.res {
                        sum += res[i * (n + gap) + j] as f64;
                    }
                    let expected = act_f64(act, p.0 as f64, p.1 as f64, sum);
                    // each of k + 2 roundings is within half an ulp of a partial sum; slope of the activations below 1.2,
                    // of exp its value
                    let slope = if act == 15 { expected } else { 1.2 };
                    let bound = (k + 4) as f64 * 6e-8 * (size + 2.0) * slope + 4e-7 * (1.0 + expected.abs());
                    let got = c[i * (n + gap) + j] as f64;
                    assert!(
                        (got - expected).abs() <= bound,
                        "{tier:?} {case:?} at ({i}, {j}): {got}, expected {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_tile_height_and_width() {
    for m in (1..=30).chain([49, 57]) {
        for n in [1, 8, 15, 16, 17, 31, 32, 33, 48, 50, 64, 65, 80, 96, 112, 128, 130, 144] {
            let layout = [Layout::Packed, Layout::Rows(0), Layout::PackedTransposed][(m + n) % 3];
            check(Case { m, n, k: 5 + m % 4, layout, ..PLAIN });
        }
    }
}

#[test]
fn every_depth() {
    for k in (0..=20).chain([63, 64, 65, 200]) {
        for (m, n) in [(1, 130), (2, 20), (9, 49), (14, 33)] {
            for layout in [Layout::Packed, Layout::PackedTransposed, Layout::Rows(0), Layout::Rows(7)] {
                check(Case { m, n, k, layout, gap: 2, ..PLAIN });
            }
        }
    }
}

#[test]
fn row_major_rows_as_long_as_a_panel() {
    for (n, gap) in [(16, 0), (10, 6), (1, 15)] {
        for k in [1, 2, 9] {
            check(Case { m: 5, n, k, layout: Layout::Rows(gap), ..PLAIN });
        }
    }
}

#[test]
fn rows_that_share_cache_sets() {
    for (m, n, k) in [(25, 130, 1024), (7, 64, 2048), (14, 48, 1024), (3, 80, 1024)] {
        check(Case { m, n, k, ..PLAIN });
    }
}

#[test]
fn empty_sizes() {
    for (m, n, k) in [(0, 5, 3), (5, 0, 3), (0, 0, 0), (4, 20, 0)] {
        check(Case { m, n, k, bias: true, res: true, ..PLAIN });
    }
}

#[test]
fn every_epilogue() {
    for act in ACTS {
        let p = match act {
            5 => (-0.5, 0.75),
            9 => (0.2, 0.5),
            _ => (0.1, 0.0),
        };
        for (bias, res) in [(false, false), (true, false), (false, true), (true, true)] {
            for (m, n) in [(1, 40), (4, 64), (13, 83)] {
                check(Case { m, n, k: 11, gap: 1, bias, res, act, p, ..PLAIN });
            }
        }
    }
}

#[test]
fn nan_passes_through_relu() {
    for (tier, kernels) in tables() {
        for n in [5usize, 16, 48] {
            let b = vec![1.0f32; n.div_ceil(16) * 16];
            let mut c = vec![0.0f32; 2 * n];
            let a = [f32::NAN, -1.0];
            // SAFETY: two rows of one element, one packed row of B, two rows of `n` results.
            unsafe {
                let null = std::ptr::null_mut();
                let (a, b) = (a.as_ptr().cast_mut().cast(), b.as_ptr().cast_mut().cast());
                let c = c.as_mut_ptr().cast();
                (kernels.gemm_f32)(2, n as i64, 1, a, 1, b, 16, 16, c, n as i64, null, null, 0, 1, 0.0, 0.0);
            }
            assert!(c[..n].iter().all(|x| x.is_nan()) && c[n..].iter().all(|&x| x == 0.0), "{tier:?} n = {n}: {c:?}");
        }
    }
}

/// Rows and columns (in panels) may be cut anywhere between calls.
#[test]
fn no_bit_depends_on_the_split() {
    let (m, n, k) = (37, 160, 150);
    let mut rng = Rng(7);
    let (a, b, bias, res) = (rng.floats(m * k), rng.floats(k * n), rng.floats(n), rng.floats(m * n));
    let (a, b) = (Guarded::at_end(&a), Guarded::at_end(&b));
    for (tier, kernels) in tables() {
        let packed = pack(kernels, k, n, &b, n, 1);
        let run = |rows: &[usize], columns: &[usize], packed_b: bool| {
            let c = Guarded::at_end(&vec![0.0; m * n]);
            for (r0, r1) in rows.iter().zip(&rows[1..]) {
                for (c0, c1) in columns.iter().zip(&columns[1..]) {
                    let (bp, b_row, b_panel) = if packed_b { (&packed, 16, 16 * k) } else { (&b, n, 16) };
                    let offset = |buffer: *const f32, by: usize| buffer.wrapping_add(by).cast_mut().cast::<u8>();
                    // SAFETY: the part's sizes and strides within the buffers.
                    unsafe {
                        (kernels.gemm_f32)(
                            (r1 - r0) as i64,
                            (c1 - c0) as i64,
                            k as i64,
                            offset(a.as_ptr(), r0 * k),
                            k as i64,
                            offset(bp.as_ptr(), c0 / 16 * b_panel),
                            b_row as i64,
                            b_panel as i64,
                            offset(c.as_ptr(), r0 * n + c0),
                            n as i64,
                            offset(bias.as_ptr(), *c0),
                            offset(res.as_ptr(), r0 * n + c0),
                            n as i64,
                            2,
                            0.0,
                            0.0,
                        );
                    }
                }
            }
            c.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let whole = run(&[0, m], &[0, n], true);
        for rows in [&[0, 1, 2, 4, 7, 11, 17, 24, 32, 37][..], &[0, 14, 28, 37], &[0, 36, 37]] {
            for columns in [&[0, 160][..], &[0, 16, 48, 112, 160], &[0, 32, 160]] {
                for packed_b in [true, false] {
                    assert_eq!(
                        run(rows, columns, packed_b),
                        whole,
                        "{tier:?} rows {rows:?} columns {columns:?} {packed_b}"
                    );
                }
            }
        }
    }
}
