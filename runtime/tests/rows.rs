//! Element-wise kernels, reductions, softmax and norms: against double precision, and bit for bit under any split.

mod common;

use common::{Random, apply, bits, mixed, ptr, tiers, unary, unary_names};
use lathe_runtime::core::table::Kernels;

type Binary = unsafe extern "C" fn(i64, *mut u8, i64, *mut u8, i64, *mut u8);

/// Name, kernel, meaning.
type BinaryCase = (&'static str, Binary, fn(f64, f64) -> f64);

fn close(found: &[f32], want: &[f64], relative: f64, absolute: f64, what: &str) {
    for (i, (&y, &want)) in found.iter().zip(want).enumerate() {
        let near = (y as f64 - want).abs() <= relative * want.abs() + absolute || y as f64 == want;
        assert!(near || (y.is_nan() && want.is_nan()), "{what}: element {i} is {y:e}, not {want:e}");
    }
    assert_eq!(found.len(), want.len());
}

fn binaries(table: &Kernels) -> [BinaryCase; 7] {
    let max = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) };
    let min = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) };
    [
        ("v_add", table.v_add, |a, b| a + b),
        ("v_sub", table.v_sub, |a, b| a - b),
        ("v_mul", table.v_mul, |a, b| a * b),
        ("v_div", table.v_div, |a, b| a / b),
        ("v_min", table.v_min, min),
        ("v_max", table.v_max, max),
        ("v_pow", table.v_pow, f64::powf),
    ]
}

#[test]
fn unary_rows_can_be_split_anywhere() {
    let x = mixed(160);
    for (tier, table) in tiers() {
        assert!(unary_names().len() >= 24);
        for name in unary_names() {
            let f = unary(table, name);
            let whole = bits(&apply(f, &x));
            for begin in 0..34 {
                for len in (0..50).chain([63, 64, 65, 126]) {
                    let part = bits(&apply(f, &x[begin..begin + len]));
                    assert_eq!(part, whole[begin..begin + len], "{name} {tier:?} {begin}+{len}");
                }
            }
            let mut in_place = x.clone();
            // SAFETY: the row has that length.
            unsafe { f(in_place.len() as i64, in_place.as_mut_ptr().cast(), in_place.as_mut_ptr().cast()) };
            assert_eq!(bits(&in_place), whole, "{name} in place");
        }
    }
}

#[test]
fn kernels_write_only_their_row() {
    let x = mixed(100);
    for (tier, table) in tiers() {
        for name in unary_names() {
            for len in 0..40 {
                let mut y = vec![777.0f32; 60];
                // SAFETY: both rows have at least that length.
                unsafe { unary(table, name)(len as i64, ptr(&x), y[10..].as_mut_ptr().cast()) };
                assert!(y[..10].iter().chain(&y[10 + len..]).all(|&y| y == 777.0), "{name} {tier:?} {len}");
            }
        }
    }
}

#[test]
fn activations_equal_their_kernels_and_can_be_split() {
    let x = mixed(120);
    let same = [
        (1, "v_relu"),
        (2, "v_gelu_erf"),
        (3, "v_gelu_tanh"),
        (4, "v_silu"),
        (6, "v_sigmoid"),
        (7, "v_tanh"),
        (8, "v_hardswish"),
        (12, "v_softplus"),
        (13, "v_mish"),
        (14, "v_erf"),
        (15, "v_exp"),
    ];
    for (tier, table) in tiers() {
        let activate = |code: i64, p0: f32, p1: f32, x: &[f32]| {
            let mut y = vec![0f32; x.len()];
            // SAFETY: both rows have the given length.
            unsafe { (table.v_act)(x.len() as i64, ptr(x), y.as_mut_ptr().cast(), code, p0, p1) };
            y
        };
        for (code, name) in same {
            assert_eq!(bits(&activate(code, 0.0, 0.0, &x)), bits(&apply(unary(table, name), &x)), "{name} {tier:?}");
        }
        for code in 0..16 {
            let whole = bits(&activate(code, -0.3, 1.7, &x));
            for (begin, len) in [(0, 1), (3, 7), (16, 9), (5, 33), (64, 56)] {
                assert_eq!(bits(&activate(code, -0.3, 1.7, &x[begin..begin + len])), whole[begin..begin + len]);
            }
        }
        let want = |f: fn(f64) -> f64| x.iter().map(|&x| f(x as f64)).collect::<Vec<_>>();
        assert_eq!(bits(&activate(0, 0.0, 0.0, &x)), bits(&x));
        let nan_clamp = |x: f64, lo: f64, hi: f64| if x.is_nan() { x } else { x.clamp(lo, hi) };
        let clip: Vec<f64> = x.iter().map(|&x| nan_clamp(x as f64, -0.25, 1.5)).collect();
        close(&activate(5, -0.25, 1.5, &x), &clip, 0.0, 0.0, "clip");
        let hard: Vec<f64> = x.iter().map(|&x| nan_clamp(x as f64 * 0.25 + 0.5, 0.0, 1.0)).collect();
        close(&activate(9, 0.25, 0.5, &x), &hard, 1e-7, 1e-7, "hardsigmoid");
        close(&activate(10, 0.5, 0.0, &x), &want(|x| if x < 0.0 { 0.5 * x } else { x }), 0.0, 0.0, "leaky relu");
        close(&activate(11, 1.5, 0.0, &x), &want(|x| if x < 0.0 { 1.5 * x.exp_m1() } else { x }), 3e-7, 0.0, "elu");

        let mut y = vec![0f32; x.len()];
        // SAFETY: both rows have the given length.
        unsafe { (table.v_clip)(x.len() as i64, ptr(&x), -0.25, 1.5, y.as_mut_ptr().cast()) };
        assert_eq!(bits(&y), bits(&activate(5, -0.25, 1.5, &x)));
    }
}

#[test]
fn elu_keeps_small_arguments() {
    let x: Vec<f32> = (1..2000).map(|i| -1e-5 * i as f32).collect();
    let want: Vec<f64> = x.iter().map(|&x| (x as f64).exp_m1()).collect();
    for (_, table) in tiers() {
        let mut y = vec![0f32; x.len()];
        // SAFETY: both rows have the given length.
        unsafe { (table.v_act)(x.len() as i64, ptr(&x), y.as_mut_ptr().cast(), 11, 1.0, 0.0) };
        close(&y, &want, 1.5e-7, 0.0, "elu near 0");
    }
}

#[test]
fn binary_kernels_with_all_strides() {
    let (a, mut b) = (mixed(150), mixed(161)[11..].to_vec());
    b.iter_mut().step_by(3).for_each(|b| *b = b.round());
    let mut first: Vec<Vec<u32>> = Vec::new();
    for (tier, table) in tiers() {
        let mut outputs = Vec::new();
        for (name, f, reference) in binaries(table) {
            for (sa, sb) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
                // several values for the single operand, the pow shortcut among them
                for k in [0, 1, 3, 8, 13] {
                    let (pa, pb) = (&a[k..], if k == 1 { &[2.0f32; 150][..] } else { &b[k..] });
                    let run = |begin: usize, len: usize| {
                        let mut y = vec![0f32; len];
                        // SAFETY: the operands have at least begin + len elements, or one.
                        unsafe {
                            let (pa, pb) = (ptr(&pa[begin * sa..]), ptr(&pb[begin * sb..]));
                            f(len as i64, pa, sa as i64, pb, sb as i64, y.as_mut_ptr().cast())
                        };
                        y
                    };
                    let y = run(0, 130);
                    let want: Vec<f64> = (0..130).map(|i| reference(pa[i * sa] as f64, pb[i * sb] as f64)).collect();
                    let rounded: Vec<f64> = want.iter().map(|&w| w as f32 as f64).collect();
                    close(&y, &rounded, 1.2e-7, 1e-44, &format!("{name} {tier:?} strides {sa} {sb} from {k}"));
                    for (begin, len) in [(0, 0), (0, 1), (1, 16), (7, 15), (17, 33), (64, 66)] {
                        assert_eq!(bits(&run(begin, len)), bits(&y[begin..begin + len]), "{name} {tier:?}");
                    }
                    outputs.push(bits(&y));
                }
            }
        }
        if first.is_empty() {
            first = outputs;
        } else {
            assert_eq!(first, outputs, "{tier:?} rounds unlike the scalar tier");
        }
    }
}

#[test]
fn pow_over_its_range() {
    let mut random = Random(3);
    let n = 200_000;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for i in 0..n {
        a.push(match i % 4 {
            0 => random.float(0.0, 4.0),
            1 => f32::from_bits(random.bits() as u32 & 0x7fff_ffff),
            2 => random.float(0.999, 1.001),
            _ => -random.float(0.0, 30.0),
        });
        b.push(if i % 4 == 3 { random.float(-30.0, 30.0).round() } else { random.float(-40.0, 40.0) });
    }
    for (tier, table) in tiers() {
        let mut y = vec![0f32; n];
        // SAFETY: all rows have n elements.
        unsafe { (table.v_pow)(n as i64, ptr(&a), 1, ptr(&b), 1, y.as_mut_ptr().cast()) };
        for i in 0..n {
            let want = (a[i] as f64).powf(b[i] as f64);
            let near = (y[i] as f64 - want).abs() <= 6.1e-8 * want.abs() + 1e-45;
            let same = y[i] == want as f32 || (y[i].is_nan() && want.is_nan());
            assert!(near || same, "{tier:?} {}^{} = {} not {want}", a[i], b[i], y[i]);
        }
    }
}

#[test]
fn fused_multiply_add_rounds_once() {
    let (mut random, n) = (Random(11), 4000);
    let mut wide = |_| f32::from_bits(random.bits() as u32);
    let (a, b): (Vec<f32>, Vec<f32>) = ((0..n).map(&mut wide).collect(), (0..n).map(&mut wide).collect());
    // half of the sums cancel almost wholly, the others are arbitrary
    let c: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { -a[i] * b[i] } else { wide(i) }).collect();
    let want: Vec<f32> = (0..n).map(|i| a[i].mul_add(b[i], c[i])).collect();
    for (tier, table) in tiers() {
        let mut y = vec![0f32; n];
        // SAFETY: all rows have n elements.
        unsafe { (table.v_fma)(n as i64, ptr(&a), 1, ptr(&b), 1, ptr(&c), 1, y.as_mut_ptr().cast()) };
        assert_eq!(bits(&y), bits(&want), "{tier:?}");
        // SAFETY: all rows have n - 1 elements or one.
        unsafe { (table.v_fma)(n as i64 - 1, ptr(&a), 0, ptr(&b), 1, ptr(&c), 0, y.as_mut_ptr().cast()) };
        let want: Vec<f32> = (0..n - 1).map(|i| a[0].mul_add(b[i], c[0])).collect();
        assert_eq!(bits(&y[..n - 1]), bits(&want), "{tier:?}");
    }
}

#[test]
fn reductions() {
    let mut random = Random(5);
    let x = random.row(100_003, -1.5, 2.0);
    for n in (0..140).chain([255, 256, 4095, 4096, 4097, 8192, 20_000, 100_003]) {
        let row = &x[..n];
        let sum = |f: fn(f64) -> f64| row.iter().map(|&x| f(x as f64)).sum::<f64>();
        let size = sum(f64::abs).max(1.0);
        let want = [
            (sum(|x| x), size),
            (sum(|x| x * x), sum(|x| x * x)),
            (sum(f64::abs), size),
            (sum(f64::exp), sum(f64::exp)),
            (row.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x as f64)), 0.0),
            (row.iter().fold(f64::INFINITY, |m, &x| m.min(x as f64)), 0.0),
        ];
        let mut first = None;
        for (tier, table) in tiers() {
            let kernels =
                [table.r_sum, table.r_sum_sq, table.r_sum_abs, table.r_sum_exp, table.r_max, table.r_min, table.r_prod];
            // SAFETY: the row has n elements.
            let found = kernels.map(|f| unsafe { f(n as i64, ptr(row)) });
            for (i, (want, size)) in want.into_iter().enumerate() {
                let near = (found[i] as f64 - want).abs() <= 4e-7 * size;
                assert!(near || found[i] as f64 == want, "{tier:?} n = {n}, kernel {i}: {} not {want}", found[i]);
            }
            if n < 100 {
                let product: f64 = row.iter().map(|&x| x as f64).product();
                assert!((found[6] as f64 - product).abs() <= 1e-5 * product.abs() + 1e-40, "{tier:?} product of {n}");
            }
            // every tier adds in the same order
            assert_eq!(*first.get_or_insert(found.map(f32::to_bits)), found.map(f32::to_bits), "{tier:?} n = {n}");
        }
    }
    for (_, table) in tiers() {
        for at in [0, 5, 64, 99] {
            let mut row = vec![1f32; 100];
            row[at] = f32::NAN;
            for f in [table.r_sum, table.r_max, table.r_min, table.r_prod, table.r_sum_exp] {
                // SAFETY: the row has 100 elements.
                assert!(unsafe { f(100, ptr(&row)) }.is_nan());
            }
        }
    }
}

fn softmax(x: &[f32], log: bool) -> Vec<f64> {
    let max = x.iter().fold(f64::NEG_INFINITY, |m, &x| if x.is_nan() { f64::NAN } else { m.max(x as f64) });
    let sum: f64 = x.iter().map(|&x| (x as f64 - max).exp()).sum();
    let value = |x: f32| if log { x as f64 - max - sum.ln() } else { (x as f64 - max).exp() / sum };
    x.iter().map(|&x| value(x)).collect()
}

#[test]
fn softmax_rows() {
    let mut random = Random(9);
    for (tier, table) in tiers() {
        for n in (0..70).chain([128, 197, 1000, 5000]) {
            let (rows, ldx, ldy) = (3, n + 5, n + 2);
            let mut x = random.row(rows * ldx, -20.0, 20.0);
            if n > 4 {
                x[2] = f32::NEG_INFINITY;
                x[ldx + 1] = 300.0; // the others fall to 0 or to denormals
            }
            for (log, f) in [(false, table.softmax_f32), (true, table.log_softmax_f32)] {
                let mut y = vec![0f32; rows * ldy];
                // SAFETY: the rows have that many elements.
                unsafe { f(rows as i64, n as i64, ptr(&x), ldx as i64, y.as_mut_ptr().cast(), ldy as i64) };
                for row in 0..rows {
                    let want = softmax(&x[row * ldx..][..n], log);
                    let found = &y[row * ldy..][..n];
                    close(found, &want, if log { 3e-7 } else { 1.5e-6 }, 4e-7, &format!("{tier:?} n = {n} log {log}"));
                }
                let mut in_place = x.clone();
                let p = in_place.as_mut_ptr().cast::<u8>();
                // SAFETY: the rows have that many elements.
                unsafe { f(rows as i64, n as i64, p, ldx as i64, p, ldx as i64) };
                for row in 0..rows {
                    assert_eq!(bits(&in_place[row * ldx..][..n]), bits(&y[row * ldy..][..n]));
                }
            }
        }
        for bad in [f32::NEG_INFINITY, f32::NAN, f32::INFINITY] {
            let x = vec![bad; 19];
            let mut y = vec![0f32; 19];
            // SAFETY: the row has 19 elements.
            unsafe { (table.softmax_f32)(1, 19, ptr(&x), 19, y.as_mut_ptr().cast(), 19) };
            assert!(y.iter().all(|y| y.is_nan()), "softmax of {bad} alone");
        }
    }
}

fn layer_norm(x: &[f64], gamma: Option<&[f32]>, beta: Option<&[f32]>, eps: f64) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let scale = 1.0 / (x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n + eps).sqrt();
    let affine = |i: usize, y: f64| y * gamma.map_or(1.0, |g| g[i] as f64) + beta.map_or(0.0, |b| b[i] as f64);
    x.iter().enumerate().map(|(i, x)| affine(i, (x - mean) * scale)).collect()
}

#[test]
fn norms() {
    let (mut random, eps) = (Random(13), 1e-5f32);
    for (tier, table) in tiers() {
        for n in (1..70).chain([128, 384, 768, 1000, 5001]) {
            let (rows, ld) = (3, n + 3);
            for offset in [0.0f32, 1e3, 1e6] {
                let x: Vec<f32> = random.row(rows * ld, -1.0, 1.0).iter().map(|x| x + offset).collect();
                let (r, gamma, beta) =
                    (random.row(rows * ld, -0.5, 0.5), random.row(n, 0.5, 1.5), random.row(n, -1.0, 1.0));
                for which in 0..4 {
                    let (g, b) = ((which & 1 != 0).then_some(&gamma[..]), (which & 2 != 0).then_some(&beta[..]));
                    let (pg, pb) = (g.map_or(std::ptr::null_mut(), ptr), b.map_or(std::ptr::null_mut(), ptr));
                    let (rows_i, n_i, ld_i) = (rows as i64, n as i64, ld as i64);
                    let (mut y, mut sum, mut z) = (vec![0f32; rows * ld], vec![0f32; rows * ld], vec![0f32; rows * ld]);
                    let (py, ps, pz) = (y.as_mut_ptr().cast(), sum.as_mut_ptr().cast(), z.as_mut_ptr().cast::<u8>());
                    // SAFETY: all rows have n elements at distance ld.
                    unsafe {
                        (table.layer_norm_f32)(rows_i, n_i, ptr(&x), ld_i, pg, pb, eps, py, ld_i);
                        let null = std::ptr::null_mut();
                        (table.add_layer_norm_f32)(
                            rows_i,
                            n_i,
                            ptr(&x),
                            ld_i,
                            ptr(&r),
                            ld_i,
                            pg,
                            pb,
                            eps,
                            ps,
                            ld_i,
                            pz,
                            ld_i,
                        );
                        let kept = z.clone();
                        (table.add_layer_norm_f32)(
                            rows_i,
                            n_i,
                            ptr(&x),
                            ld_i,
                            ptr(&r),
                            ld_i,
                            pg,
                            pb,
                            eps,
                            null,
                            0,
                            pz,
                            ld_i,
                        );
                        assert_eq!(bits(&kept), bits(&z), "the sum's place changes nothing");
                    }
                    for row in 0..rows {
                        let at = row * ld..row * ld + n;
                        let exact: Vec<f64> = x[at.clone()].iter().map(|&x| x as f64).collect();
                        let what = format!("layer_norm {tier:?} n = {n} offset {offset}");
                        close(&y[at.clone()], &layer_norm(&exact, g, b, eps as f64), 2e-6, 2e-6, &what);
                        let added: Vec<f32> = at.clone().map(|i| x[i] + r[i]).collect();
                        assert_eq!(bits(&sum[at.clone()]), bits(&added));
                        let exact: Vec<f64> = added.iter().map(|&x| x as f64).collect();
                        close(&z[at.clone()], &layer_norm(&exact, g, b, eps as f64), 2e-6, 2e-6, &what);
                    }
                    // SAFETY: all rows have n elements at distance ld.
                    unsafe { (table.rms_norm_f32)(rows_i, n_i, ptr(&x), ld_i, pg, eps, py, ld_i) };
                    for row in 0..rows {
                        let x = &x[row * ld..][..n];
                        let mean = x.iter().map(|&x| x as f64 * x as f64).sum::<f64>() / n as f64;
                        let scale = 1.0 / (mean + eps as f64).sqrt();
                        let want: Vec<f64> =
                            (0..n).map(|i| x[i] as f64 * scale * g.map_or(1.0, |g| g[i] as f64)).collect();
                        close(&y[row * ld..][..n], &want, 1e-6, 1e-7, &format!("rms_norm {tier:?} n = {n}"));
                    }
                }
            }
        }
        let mut y = [0f32; 8];
        let x = [1.0, 2.0, f32::NAN, 4.0, 5.0, 6.0, 7.0, 8.0f32];
        let null = std::ptr::null_mut();
        // SAFETY: the rows have 8 elements.
        unsafe { (table.layer_norm_f32)(1, 8, ptr(&x), 8, null, null, eps, y.as_mut_ptr().cast(), 8) };
        assert!(y.iter().all(|y| y.is_nan()));
    }
}
