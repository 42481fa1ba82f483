//! The elementary functions against double precision: largest error in units of the last place, per tier.
//!
//! Prints the table with `cargo test -p lathe-runtime --test math -- --nocapture`.
#![allow(clippy::print_stdout)]

mod common;

use common::{apply, tiers, unary};
use lathe_runtime::core::tier::Tier;

unsafe extern "C" {
    safe fn erf(x: f64) -> f64;
}

/// Distance of `y` from `want` in units of the last place of `want` rounded to single.
fn ulp(y: f32, want: f64) -> f64 {
    let rounded = want as f32;
    if y.is_nan() || want.is_nan() {
        return if y.is_nan() && want.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if y == rounded {
        return 0.0_f64.max(if y.is_infinite() { 0.0 } else { (y as f64 - want).abs() / unit(want) });
    }
    if y.is_infinite() || rounded.is_infinite() {
        return f64::INFINITY;
    }
    (y as f64 - want).abs() / unit(want)
}

fn unit(want: f64) -> f64 {
    2f64.powi((want.abs().max(f32::MIN_POSITIVE as f64).log2().floor() as i32) - 23)
}

/// Floats spread evenly over all bit patterns, and the corners.
fn floats() -> Vec<f32> {
    let mut x: Vec<f32> = (0..=u32::MAX).step_by(4099).map(f32::from_bits).collect();
    x.extend([0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE, f32::MAX, f32::MIN]);
    x.extend((-200..=200).map(|i| i as f32 * 0.5));
    x.extend((-20000..20000).map(|i| i as f32 * 1.001e-3));
    x.extend([88.72283, 88.72284, 88.7229, -87.3, -87.34, -88.0, -100.0, -103.9, -104.0, 1e5, 100001.0, 3e38]);
    x
}

struct Case {
    name: &'static str,
    reference: fn(f64) -> f64,
    /// Units of the last place, where the exact value is at least `from`.
    ulps: f64,
    from: f64,
    /// Largest absolute error where it is smaller.
    absolute: f64,
    range: (f32, f32),
}

const ALL: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

fn case(name: &'static str, ulps: f64, reference: fn(f64) -> f64) -> Case {
    Case { name, reference, ulps, from: f32::MIN_POSITIVE as f64, absolute: 1e-38, range: ALL }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn cases() -> Vec<Case> {
    vec![
        case("v_exp", 1.5, f64::exp),
        case("v_log", 1.5, f64::ln),
        case("v_sqrt", 0.5, f64::sqrt),
        case("v_rsqrt", 1.5, |x| 1.0 / x.sqrt()),
        case("v_recip", 0.5, |x| 1.0 / x),
        case("v_erf", 5.0, |x| erf(x)),
        case("v_tanh", 4.5, f64::tanh),
        case("v_sigmoid", 2.5, |x| 1.0 / (1.0 + (-x).exp())),
        case("v_softplus", 2.5, softplus),
        Case {
            range: (-1e4, f32::INFINITY),
            from: 1e-35,
            absolute: 2e-41,
            ..case("v_silu", 3.0, |x| x / (1.0 + (-x).exp()))
        },
        Case {
            range: (-1e4, f32::INFINITY),
            from: 1e-35,
            absolute: 2e-41,
            ..case("v_mish", 4.0, |x| x * softplus(x).tanh())
        },
        Case {
            range: (-1e6, f32::INFINITY),
            from: 0.2,
            absolute: 1e-6,
            ..case("v_gelu_erf", 4.0, |x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt())))
        },
        Case {
            range: (-1e6, 1e12),
            from: 1e-2,
            absolute: 1e-7,
            ..case("v_gelu_tanh", 12.0, |x| {
                let inner = (2.0 / core::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            })
        },
        Case { from: 0.1, absolute: 1e-7, range: (-1e5, 1e5), ..case("v_sin", 2.0, f64::sin) },
        Case { from: 0.1, absolute: 1e-7, range: (-1e5, 1e5), ..case("v_cos", 2.0, f64::cos) },
        Case { name: "v_sin", ..case("v_sin (all floats)", 40.0, f64::sin) },
        Case { name: "v_cos", from: 1e-3, absolute: 1e-9, ..case("v_cos (all floats)", 40.0, f64::cos) },
        case("v_floor", 0.5, f64::floor),
        case("v_ceil", 0.5, f64::ceil),
        case("v_round", 0.5, f64::round_ties_even),
        case("v_abs", 0.0, f64::abs),
        case("v_neg", 0.0, |x| -x),
        case("v_square", 0.5, |x| x * x),
        case("v_relu", 0.0, |x| if x < 0.0 { 0.0 } else { x }),
        case("v_sign", 0.0, |x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        }),
        Case {
            range: (f32::MIN, f32::MAX),
            from: 0.5,
            absolute: 2e-7,
            ..case("v_hardswish", 3.0, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0))
        },
    ]
}

#[test]
fn largest_errors_against_double_precision() {
    let all = floats();
    println!("{:20}{:>10}{:>14}{:>14}{:>12}", "function", "ulp", "at", "abs below", "at");
    let mut failures = Vec::new();
    for case in cases() {
        let x: Vec<f32> =
            all.iter().copied().filter(|x| x.is_nan() || (case.range.0 <= *x && *x <= case.range.1)).collect();
        let mut bits: Option<Vec<u32>> = None;
        for (tier, table) in tiers() {
            let y = apply(unary(table, case.name), &x);
            let (mut worst, mut worst_abs) = ((0.0, 0.0f32), (0.0, 0.0f32));
            for (&x, &y) in x.iter().zip(&y) {
                let want = (case.reference)(x as f64);
                if want.is_nan() || y.is_nan() || want.abs() >= case.from {
                    let error = ulp(y, want);
                    if error > worst.0 {
                        worst = (error, x);
                    }
                } else if (y as f64 - want).abs() > worst_abs.0 {
                    worst_abs = ((y as f64 - want).abs(), x);
                }
            }
            if tier == Tier::Scalar || worst.0 > case.ulps || worst_abs.0 > case.absolute {
                println!(
                    "{:20}{:10.3}{:14e}{:14.3e}{:14e} {tier:?}",
                    case.name, worst.0, worst.1, worst_abs.0, worst_abs.1
                );
            }
            if worst.0 > case.ulps || worst_abs.0 > case.absolute {
                failures.push((case.name, tier, worst, worst_abs));
            }
            // all tiers round alike
            let found: Vec<u32> = y.iter().map(|y| if y.is_nan() { f32::NAN } else { *y }.to_bits()).collect();
            let first = bits.get_or_insert_with(|| found.clone());
            if let Some(i) = (0..x.len()).find(|&i| first[i] != found[i]) {
                failures.push((case.name, tier, (0.0, x[i]), (f32::from_bits(first[i]) as f64, y[i])));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn saturation_is_exact() {
    for (tier, table) in tiers() {
        for (name, from) in [("v_erf", 3.93f32), ("v_tanh", 9.07)] {
            let x: Vec<f32> = (0..1000).map(|i| from * (1.0 + i as f32)).chain([f32::INFINITY]).collect();
            assert!(apply(unary(table, name), &x).iter().all(|&y| y == 1.0), "{name} {tier:?}");
            let x: Vec<f32> = x.iter().map(|x| -x).collect();
            assert!(apply(unary(table, name), &x).iter().all(|&y| y == -1.0), "{name} {tier:?}");
        }
        let y = apply(unary(table, "v_gelu_erf"), &[-1e6, -1e20, -7.0]);
        assert!(y.iter().all(|&y| y == 0.0), "{tier:?} {y:?}");
    }
}
