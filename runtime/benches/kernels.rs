//! Speed of the heavy kernels on one core, against the peak this machine reaches in a loop of independent fused
//! multiply-adds: `cargo bench -p lathe-runtime [--bench kernels] [-- FILTER]`. Prints minimum and median over short
//! windows; on a shared machine the minimum is the figure to compare.
#![allow(clippy::print_stdout, reason = "a benchmark reports on standard output")]

use lathe_runtime::core::kernels::attention::attention_scratch;
use lathe_runtime::core::table::{Kernels, table_of};
use lathe_runtime::core::tier::Tier;
use std::hint::black_box;
use std::time::Duration;

const WINDOWS: usize = 61;
const WINDOW: Duration = Duration::from_micros(1500);

/// Processor time of this thread in microseconds: what others do on a shared machine does not count.
#[cfg(target_os = "linux")]
fn now() -> f64 {
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
    }
    let mut time = [0; 2];
    // SAFETY: clock 3 is CLOCK_THREAD_CPUTIME_ID; a timespec is two 64-bit integers on 64-bit Linux.
    let status = unsafe { clock_gettime(3, &mut time) };
    assert_eq!(status, 0);
    time[0] as f64 * 1e6 + time[1] as f64 * 1e-3
}

/// Time since the first call in microseconds.
#[cfg(not(target_os = "linux"))]
fn now() -> f64 {
    static BEGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGIN.get_or_init(std::time::Instant::now).elapsed().as_secs_f64() * 1e6
}

/// Microseconds of one call of `f`, timed over about `window`.
fn once(window: Duration, calls: &mut usize, f: &mut dyn FnMut()) -> f64 {
    let begin = now();
    for _ in 0..*calls {
        f();
    }
    let micros = (now() - begin) / *calls as f64;
    *calls = (window.as_secs_f64() * 1e6 / micros.max(1e-3)).ceil() as usize;
    micros
}

/// The FMA units' speed: a GEMM tile that stays in L1, less what the call costs.
struct Probe {
    kernels: &'static Kernels,
    a: Floats,
    b: Floats,
    c: Floats,
    overhead: f64,
}

impl Probe {
    const SIZES: (usize, usize, usize) = (6, 64, 512);

    fn new(kernels: &'static Kernels) -> Probe {
        let (m, n, k) = Probe::SIZES;
        let (a, b, c) = (floats(m * k), floats(n * k), Floats::zeros(m * n));
        let mut calls = 1000;
        let mut empty = || gemm(kernels, m, n, 0, &a, &b, &c, 0);
        let overhead = (0..9).map(|_| once(WINDOW / 8, &mut calls, &mut empty)).fold(f64::MAX, f64::min);
        Probe { kernels, a, b, c, overhead }
    }

    /// GFLOP/s now.
    fn measure(&mut self) -> f64 {
        let (m, n, k) = Probe::SIZES;
        let Probe { kernels, a, b, c, overhead } = self;
        let mut calls = 60;
        let micros = once(WINDOW, &mut calls, &mut || gemm(kernels, m, n, k, a, b, c, 0));
        2e-3 * (m * n * k) as f64 / (micros - *overhead)
    }
}

/// Floats at a multiple of 64 bytes, as the runtime's arena has them.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line([f32; 16]);

struct Floats(Vec<Line>);

impl Floats {
    fn zeros(n: usize) -> Floats {
        Floats(vec![Line([0.0; 16]); n.div_ceil(16)])
    }

    fn len(&self) -> usize {
        16 * self.0.len()
    }
}

/// Pseudo-random floats.
fn floats(n: usize) -> Floats {
    let mut data = Floats::zeros(n);
    let mut state = 1u32;
    for value in data.0.iter_mut().flat_map(|line| &mut line.0) {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        *value = state as i32 as f32 / 2147483648.0;
    }
    data
}

/// The address, as kernels take it.
fn at(x: &Floats) -> *mut u8 {
    x.0.as_ptr().cast_mut().cast()
}

/// One call of `gemm_f32` on packed B.
#[allow(clippy::too_many_arguments)]
fn gemm(kernels: &Kernels, m: usize, n: usize, k: usize, a: &Floats, b: &Floats, c: &Floats, act: i64) {
    assert!(a.len() >= m * k && b.len() >= n.next_multiple_of(16) * k && c.len() >= m * n);
    let null = std::ptr::null_mut();
    let [m, n, k] = [m, n, k].map(|x| x as i64);
    // SAFETY: sizes checked above.
    unsafe { (kernels.gemm_f32)(m, n, k, at(a), k, at(b), 16, 16 * k, at(c), n, null, null, 0, act, 0.0, 0.0) }
    black_box(c);
}

struct Report {
    filter: Vec<String>,
    probe: Probe,
    /// Best GFLOP/s seen of the probe.
    peak: f64,
}

impl Report {
    /// Times `f` and prints it, with the share of the peak for `flops`, GB/s for `bytes`.
    fn line(&mut self, name: &str, flops: f64, bytes: f64, mut f: impl FnMut()) {
        if !self.filter.is_empty() && !self.filter.iter().any(|part| name.contains(part.as_str())) {
            return;
        }
        let mut calls = 1;
        once(WINDOW, &mut calls, &mut f);
        let mut times: Vec<f64> = (0..WINDOWS).map(|_| once(WINDOW, &mut calls, &mut f)).collect();
        times.sort_by(f64::total_cmp);
        let (min, median) = (times[0], times[WINDOWS / 2]);
        let mut speed = String::new();
        if flops > 0.0 {
            self.peak = self.peak.max(self.probe.measure());
            speed = format!("{:6.1} GFLOP/s {:6.1} % of peak", flops / min * 1e-3, 100e-3 * flops / min / self.peak);
        }
        if bytes > 0.0 {
            speed += &format!("{:6.1} GB/s", bytes / min * 1e-3);
        }
        println!("  {name:36} {min:10.2} us, median {median:10.2}  {speed}");
    }
}

fn gemms(kernels: &Kernels, report: &mut Report) {
    for (m, n, k) in [
        (128usize, 768usize, 768usize),
        (128, 3072, 768),
        (128, 768, 3072),
        (197, 384, 384),
        (197, 768, 768),
        (197, 3072, 768),
        (197, 768, 3072),
        (512, 768, 768),
        (49, 2048, 512),
        (49, 512, 2048),
        (196, 1024, 256),
        (196, 256, 1024),
        (784, 512, 128),
        (784, 128, 512),
        (3136, 64, 64),
        (3136, 256, 64),
        (3136, 64, 256),
        (12544, 16, 32),
        (3136, 24, 96),
        (196, 384, 64),
        (2, 768, 768),
        (3, 768, 768),
        (50, 3072, 768),
        (128, 128, 32),
        (49, 160, 960),
        (4, 768, 768),
        (8, 768, 768),
        (16, 768, 768),
        (128, 50, 768),
        (24, 2048, 64),
        (24, 64, 2048),
        (24, 64, 512),
        (24, 512, 64),
    ] {
        let (a, b, c) = (floats(m * k), floats(n.next_multiple_of(16) * k), Floats::zeros(m * n));
        let flops = 2.0 * (m * n * k) as f64;
        report.line(&format!("gemm {m}x{n}x{k}"), flops, 0.0, || gemm(kernels, m, n, k, &a, &b, &c, 0));
    }
    for (n, k) in [(768usize, 768usize), (3072, 768), (768, 3072), (1000, 2048), (16, 768)] {
        let (a, b, c) = (floats(k), floats(n.next_multiple_of(16) * k), Floats::zeros(n));
        report.line(&format!("gemm 1x{n}x{k}"), 0.0, 4.0 * (n * k) as f64, || gemm(kernels, 1, n, k, &a, &b, &c, 0));
    }
    for (m, n, k) in [(128, 768, 768), (128, 130, 768), (128, 1000, 256)] {
        let (a, b, c) = (floats(m * k), floats(n * k), Floats::zeros(m * n));
        let flops = 2.0 * (m * n * k) as f64;
        let null = std::ptr::null_mut();
        let [mi, ni, ki] = [m, n, k].map(|x| x as i64);
        report.line(&format!("gemm {m}x{n}x{k} row-major B"), flops, 0.0, || {
            // SAFETY: sizes as allocated.
            unsafe {
                (kernels.gemm_f32)(mi, ni, ki, at(&a), ki, at(&b), ni, 16, at(&c), ni, null, null, 0, 0, 0.0, 0.0)
            }
        });
    }
    for act in [1, 2, 4] {
        let (m, n, k) = (128, 3072, 768);
        let (a, b, c) = (floats(m * k), floats(n * k), Floats::zeros(m * n));
        let flops = 2.0 * (m * n * k) as f64;
        report.line(&format!("gemm {m}x{n}x{k} act {act}"), flops, 0.0, || gemm(kernels, m, n, k, &a, &b, &c, act));
    }
    for (k, n) in [(768, 768)] {
        let (b, out) = (floats(k * n), Floats::zeros(k * n));
        for (name, rs, cs) in [("rows", n, 1), ("transposed", 1, k)] {
            report.line(&format!("pack_b {k}x{n} {name}"), 0.0, 8.0 * (n * k) as f64, || {
                // SAFETY: sizes as allocated.
                unsafe { (kernels.pack_b_f32)(k as i64, n as i64, at(&b), rs as i64, cs as i64, at(&out)) }
            });
        }
    }
}

fn attentions(kernels: &Kernels, report: &mut Report) {
    for (sq, sk, d, causal) in [
        (128, 128, 64, -1),
        (197, 197, 64, -1),
        (512, 512, 64, -1),
        (512, 512, 64, 0),
        (2048, 2048, 64, -1),
        (128, 128, 128, -1),
        (1, 1024, 64, -1),
    ] {
        // twelve heads side by side
        let ld = 12 * d;
        let (q, k, v, o) = (floats(sq * ld), floats(sk * ld), floats(sk * ld), Floats::zeros(sq * ld));
        let room = Floats::zeros(attention_scratch(sq, sk, d, d) / 4);
        let scratch = at(&room);
        let scale = 1.0 / (d as f32).sqrt();
        let share = if causal < 0 { 1.0 } else { 0.5 };
        let name = format!("attention {sq}x{sk}, d {d}, causal {causal}");
        let [sq, sk, di, ldi] = [sq, sk, d, ld].map(|x| x as i64);
        let flops = 4.0 * (sq * sk * di) as f64 * share;
        report.line(&name, flops, 0.0, || {
            let null = std::ptr::null_mut();
            // SAFETY: sizes as allocated.
            unsafe {
                (kernels.attention_f32)(
                    sq,
                    sk,
                    di,
                    di,
                    at(&q),
                    ldi,
                    at(&k),
                    ldi,
                    at(&v),
                    ldi,
                    at(&o),
                    ldi,
                    scale,
                    null,
                    0,
                    0,
                    causal,
                    i64::MIN,
                    0,
                    scratch,
                )
            }
            black_box(&o);
        });
    }
}

/// Pads so that a stride of 1 keeps the size ("same").
fn convs(kernels: &Kernels, report: &mut Report) {
    for (size, ci, co, taps, stride) in [
        (56, 64, 64, 3, 1),
        (28, 128, 128, 3, 1),
        (14, 256, 256, 3, 1),
        (7, 512, 512, 3, 1),
        (56, 128, 128, 3, 2),
        (28, 256, 256, 3, 2),
        (14, 512, 512, 3, 2),
        (224, 3, 64, 7, 2),
        (224, 3, 32, 3, 2),
        (56, 64, 64, 1, 1),
        (56, 256, 128, 1, 2),
        (13, 96, 96, 3, 1),
        (35, 48, 64, 5, 1),
    ] {
        let pad = taps / 2;
        let out = (size + 2 * pad - taps) / stride + 1;
        let (x, weights) = (floats(size * size * ci), floats(taps * taps * ci * co));
        let y = Floats::zeros(out * out * co);
        let flops = 2.0 * (out * out * co * taps * taps * ci) as f64;
        let name = format!("conv {taps}x{taps} s{stride} {size}x{size}x{ci} -> {co}");
        let [size, ci, co, taps, stride, out, pad] = [size, ci, co, taps, stride, out, pad].map(|x| x as i64);
        report.line(&name, flops, 0.0, || {
            let null = std::ptr::null_mut();
            // SAFETY: sizes as allocated.
            unsafe {
                (kernels.conv2d_f32)(
                    at(&x),
                    size,
                    size,
                    ci,
                    ci,
                    at(&weights),
                    co,
                    taps,
                    taps,
                    at(&y),
                    out,
                    out,
                    co,
                    stride,
                    stride,
                    1,
                    1,
                    pad,
                    pad,
                    0,
                    out,
                    null,
                    null,
                    0,
                    0.0,
                    0.0,
                )
            }
            black_box(&y);
        });
    }
}

/// Depthwise convolution and pooling; bytes are the image read and written once.
fn windows(kernels: &Kernels, report: &mut Report) {
    for (size, c, taps, stride) in [
        (112, 32, 3, 1),
        (112, 96, 3, 2),
        (56, 144, 3, 1),
        (28, 192, 3, 1),
        (14, 384, 3, 1),
        (14, 576, 3, 1),
        (14, 512, 3, 1),
        (28, 256, 3, 1),
        (7, 1024, 3, 1),
        (7, 960, 3, 1),
        (14, 672, 5, 1),
        (56, 96, 7, 1),
    ] {
        let pad = taps / 2;
        let out = (size + 2 * pad - taps) / stride + 1;
        let (x, weights, y) = (floats(size * size * c), floats(taps * taps * c), Floats::zeros(out * out * c));
        let bytes = 4.0 * (c * (size * size + out * out)) as f64;
        let flops = 2.0 * (out * out * taps * taps * c) as f64;
        let name = format!("depthwise {taps}x{taps} s{stride} {size}x{size}x{c}");
        let [size, c, taps, stride, out, pad] = [size, c, taps, stride, out, pad].map(|x| x as i64);
        let run = || {
            let null = std::ptr::null_mut();
            // SAFETY: sizes as allocated.
            unsafe {
                (kernels.dwconv2d_f32)(
                    at(&x),
                    size,
                    size,
                    c,
                    c,
                    at(&weights),
                    taps,
                    taps,
                    at(&y),
                    out,
                    out,
                    c,
                    stride,
                    stride,
                    1,
                    1,
                    pad,
                    pad,
                    0,
                    out,
                    null,
                    0,
                    0.0,
                    0.0,
                )
            }
            black_box(&y);
        };
        report.line(&name, flops, bytes, run);
    }
    let (x, y) = (floats(112 * 112 * 64), Floats::zeros(56 * 56 * 64));
    report.line("maxpool 3x3 s2 112x112x64", 0.0, 5.0 * 56.0 * 56.0 * 64.0 * 4.0, || {
        // SAFETY: sizes as allocated.
        unsafe { (kernels.maxpool2d_f32)(at(&x), 112, 112, 64, 64, 3, 3, at(&y), 56, 56, 64, 2, 2, 1, 1, 1, 1, 0, 56) }
        black_box(&y);
    });
    let (x, y) = (floats(7 * 7 * 2048), Floats::zeros(2048));
    report.line("avgpool 7x7 of 7x7x2048", 0.0, 49.0 * 2048.0 * 4.0, || {
        // SAFETY: sizes as allocated.
        unsafe {
            (kernels.avgpool2d_f32)(at(&x), 7, 7, 2048, 2048, 7, 7, at(&y), 1, 1, 2048, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0)
        }
        black_box(&y);
    });
}

fn main() {
    let mut filter: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let wanted: Vec<Tier> = filter.iter().filter_map(|part| Tier::from_name(part)).collect();
    filter.retain(|part| Tier::from_name(part).is_none());
    for tier in Tier::ALL.into_iter().rev().filter(|&tier| tier <= Tier::detect() && tier != Tier::Scalar) {
        if !wanted.is_empty() && !wanted.contains(&tier) {
            continue;
        }
        let kernels = table_of(tier);
        let mut probe = Probe::new(kernels);
        let peak = (0..WINDOWS).map(|_| probe.measure()).fold(0.0, f64::max);
        println!("{}: peak {peak:.1} GFLOP/s", tier.name());
        let mut report = Report { filter: filter.clone(), probe, peak };
        gemms(kernels, &mut report);
        attentions(kernels, &mut report);
        convs(kernels, &mut report);
        windows(kernels, &mut report);
    }
}
