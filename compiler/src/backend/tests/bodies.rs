//! Micro-kernels against their bodies: a program that calls one kernel is run as machine code, where it is the Rust
//! kernel of a tier, and in the interpreter, where it is the body in loop IR.

use super::native::run_blob_on;
use super::spatial;
use crate::backend::{Options, compile};
use crate::loopir::interp::{InterpOptions, Tensor, interpret, is_scalar};
use crate::loopir::{Expr, PlanSlot, ProgramBuilder, Type};
use lathe_runtime::core::table::{Arg, SIGNATURES, kernel_index, table_of};
use lathe_runtime::core::tier::Tier;
use std::collections::BTreeSet;

/// One argument of a call.
#[derive(Clone)]
pub(super) enum A {
    I(i64),
    F(f32),
    Null,
    /// Pointer to an input of these values.
    In(Vec<f32>),
    /// Pointer to an input of these bytes.
    Bytes(Vec<u8>),
    /// Pointer to an output of this many f32, compared with the tolerance.
    Out(usize),
    /// Pointer to an output of this many bytes, compared exactly.
    OutBytes(usize),
    /// The same, zero before the call (other outputs have all bits set).
    Zeroed(usize),
    /// Pointer to memory that is not compared.
    Scratch(usize),
}
use A::{Bytes, F, I, In, Null, Out, OutBytes, Scratch, Zeroed};

/// Values between -4 and 4, from a seed.
pub(super) fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 21) as f32 - 4.0
        })
        .collect()
}

/// Values with special ones among them.
fn special(n: usize, seed: u64) -> Vec<f32> {
    let mut v = values(n, seed);
    let specials = [f32::NAN, 0.0, -0.0, 1.0, -1.0, 20.0, -20.0, 0.5, 1.5, 2.5, -2.5, 1e-30, 60.0, -60.0];
    for (i, s) in specials.iter().enumerate() {
        if let Some(x) = v.get_mut(i * 2 + 1) {
            *x = *s;
        }
    }
    v
}

fn close(a: f32, b: f32) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 2e-5 * (1.0 + b.abs())
}

/// Runs one call with every tier this machine has.
fn check_call(kernel: &str, args: &[A]) {
    let signature = &SIGNATURES[kernel_index(kernel).unwrap()];
    assert_eq!(signature.args.len(), args.len(), "@{kernel}");
    let mut p = ProgramBuilder::new();
    let mut inputs = Vec::new();
    let mut outputs: Vec<bool> = Vec::new();
    let mut lengths: Vec<i64> = Vec::new();
    let mut exprs = Vec::new();
    let mut zeroed = Vec::new();
    for (i, arg) in args.iter().enumerate() {
        let name = format!("b{i}");
        exprs.push(match arg {
            I(v) => Expr::i64(*v),
            F(v) => Expr::f32(*v),
            Null => Expr::null(),
            In(_) | Bytes(_) => {
                let bytes = match arg {
                    In(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
                    Bytes(b) => b.clone(),
                    _ => Vec::new(),
                };
                let b = p.input(&name, Type::U8, bytes.len(), inputs.len() as u32, 1);
                inputs.push(Tensor { dims: vec![bytes.len() as i64], bytes });
                Expr::addr(b, Type::U8, 0)
            }
            Out(n) | OutBytes(n) | Zeroed(n) => {
                let float = matches!(arg, Out(_));
                let bytes = if float { n * 4 } else { *n };
                let b = p.output(&name, Type::U8, bytes, outputs.len() as u32, 1);
                outputs.push(float);
                lengths.push(bytes as i64);
                if matches!(arg, Zeroed(_)) {
                    zeroed.push((b, bytes));
                }
                Expr::addr(b, Type::U8, 0)
            }
            Scratch(n) => {
                let b = p.output(&name, Type::U8, *n, outputs.len() as u32, 1);
                outputs.push(false);
                lengths.push(0);
                Expr::addr(b, Type::U8, 0)
            }
        });
    }
    let result = signature.ret.map(|ret| {
        let ty = if ret == Arg::F32 { Type::F32 } else { Type::I64 };
        outputs.push(ret == Arg::F32);
        lengths.push(1);
        (p.output("result", ty, 1, outputs.len() as u32 - 1, 1), ty)
    });
    let k = p.kernel("k", None, 1, |b| {
        for (buffer, bytes) in zeroed {
            b.for_(0, bytes, 1, |b, i| b.store(buffer, i, Expr::int(Type::U8, 0)));
        }
        match result {
            Some((buffer, ty)) => b.store(buffer, 0, Expr::call(kernel, ty, exprs)),
            None => b.call(kernel, exprs),
        }
    });
    p.plan(|b| {
        for (output, n) in lengths.iter().enumerate() {
            b.set_plan(PlanSlot::OutputDim { output: output as u32, axis: 0 }, *n);
        }
    });
    p.run(|b| b.launch(k));
    let program = p.finish();
    let expected = interpret(&program, &inputs, &[], InterpOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    let blob = compile(&program, &Options::default()).unwrap();
    let best = Tier::detect();
    for tier in [Tier::Scalar, Tier::Avx2, Tier::Avx512].into_iter().filter(|t| *t <= best) {
        let native = run_blob_on(&blob, &program, &inputs, &[], 1, table_of(tier));
        for (i, (a, b)) in native.outputs.iter().zip(&expected.outputs).enumerate() {
            if !outputs[i] {
                assert_eq!(a.bytes, b.bytes, "@{kernel} {tier:?}: output {i}");
                continue;
            }
            let floats = |bytes: &[u8]| -> Vec<f32> {
                bytes.chunks(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect()
            };
            for (at, (x, y)) in floats(&a.bytes).into_iter().zip(floats(&b.bytes)).enumerate() {
                assert!(close(x, y), "@{kernel} {tier:?}: output {i}[{at}] is {x:?}, the body gives {y:?}");
            }
        }
    }
}

const SIZES: [usize; 7] = [0, 1, 7, 16, 37, 64, 130];

pub(super) fn len(n: usize) -> A {
    I(n as i64)
}

/// Calls of every kind of kernel; the name of each kernel called.
fn call_all() -> BTreeSet<&'static str> {
    let mut called = BTreeSet::new();
    let mut call = |name: &'static str, args: &[A]| {
        // Kernels may be in the contract before they are in the table.
        if kernel_index(name).is_some() {
            check_call(name, args);
            called.insert(name);
        }
    };
    for name in [
        "v_exp",
        "v_log",
        "v_sqrt",
        "v_rsqrt",
        "v_recip",
        "v_erf",
        "v_tanh",
        "v_sigmoid",
        "v_relu",
        "v_gelu_erf",
        "v_gelu_tanh",
        "v_silu",
        "v_neg",
        "v_abs",
        "v_floor",
        "v_ceil",
        "v_round",
        "v_sin",
        "v_cos",
        "v_softplus",
        "v_hardswish",
        "v_mish",
        "v_sign",
        "v_square",
    ] {
        for n in SIZES {
            call(name, &[len(n), In(special(n, 1)), Out(n + 3)]);
        }
    }
    for name in ["v_add", "v_sub", "v_mul", "v_div", "v_min", "v_max", "v_pow"] {
        for n in SIZES {
            for (sa, sb) in [(1, 1), (0, 1), (1, 0), (0, 0)] {
                let (a, b) = (special(n.max(1), 2), special(n.max(1), 3).into_iter().rev().collect());
                call(name, &[len(n), In(a), I(sa), In(b), I(sb), Out(n + 3)]);
            }
        }
    }
    for n in SIZES {
        for (sa, sb, sc) in [(1, 1, 1), (0, 1, 0), (1, 0, 1)] {
            let [a, b, c] = [4, 5, 6].map(|seed| In(special(n.max(1), seed)));
            call("v_fma", &[len(n), a, I(sa), b, I(sb), c, I(sc), Out(n + 3)]);
            let [a, b, c] = [4, 5, 6].map(|seed| In(special(n.max(1), seed)));
            call("v_quantize", &[len(n), a, I(sa), b, I(sb), c, I(sc), F(-3.0), F(2.5), Out(n + 3)]);
        }
        for act in 0..16 {
            call("v_act", &[len(n), In(special(n, 7)), Out(n + 3), I(act), F(0.25), F(0.75)]);
        }
        call("v_clip", &[len(n), In(special(n, 8)), F(-1.5), F(2.0), Out(n + 3)]);
        for name in ["r_sum", "r_sum_sq", "r_sum_abs", "r_sum_exp", "r_max", "r_min"] {
            call(name, &[len(n), In(values(n, 9))]);
            call(name, &[len(n), In(special(n, 9))]);
        }
        call("r_prod", &[len(n), In(values(n, 9).iter().map(|v| 1.0 + v * 0.01).collect())]);
    }
    for (rows, n) in [(0, 5), (1, 1), (3, 16), (2, 37), (4, 130)] {
        let (ld, ldy) = (n + 2, n + 5);
        let size = rows * ld;
        for x in [values(size, 10), special(size, 10), vec![f32::NEG_INFINITY; size]] {
            for name in ["softmax_f32", "log_softmax_f32"] {
                call(name, &[len(rows), len(n), In(x.clone()), len(ld), Out(rows * ldy), len(ldy)]);
            }
        }
        let x = || In(values(size, 11));
        for (gamma, beta) in [(In(values(n, 12)), In(values(n, 13))), (Null, Null), (In(values(n, 12)), Null)] {
            call(
                "layer_norm_f32",
                &[len(rows), len(n), x(), len(ld), gamma.clone(), beta.clone(), F(1e-5), Out(rows * ldy), len(ldy)],
            );
            call("rms_norm_f32", &[len(rows), len(n), x(), len(ld), gamma.clone(), F(1e-5), Out(rows * ldy), len(ldy)]);
            for sum in [Null, Out(rows * (n + 1))] {
                let r = In(values(rows * (n + 7), 14));
                let (ldr, lds, y) = (len(n + 7), len(n + 1), Out(rows * ldy));
                let (gamma, beta) = (gamma.clone(), beta.clone());
                call(
                    "add_layer_norm_f32",
                    &[len(rows), len(n), x(), len(ld), r, ldr, gamma, beta, F(1e-5), sum, lds, y, len(ldy)],
                );
            }
        }
    }
    let noise = |n: usize| Bytes(values(n, 15).iter().map(|v| (v * 31.0) as i8 as u8).collect());
    for n in SIZES {
        call("copy_bytes", &[len(n), noise(n), OutBytes(n + 3)]);
        call("copy2d_bytes", &[I(3), len(n), noise(3 * (n + 1)), len(n + 1), OutBytes(3 * (n + 2)), len(n + 2)]);
        for (width, transpose, fill) in [
            (1, "transpose2d_b1", "fill_b1"),
            (2, "transpose2d_b2", "fill_b2"),
            (4, "transpose2d_b4", "fill_b4"),
            (8, "transpose2d_b8", "fill_b8"),
        ] {
            for rows in [1, 5, 17] {
                let (src, dst) = (noise(width * rows * (n + 2)), OutBytes(width * n * (rows + 1)));
                call(transpose, &[len(rows), len(n), src, len(n + 2), dst, len(rows + 1)]);
            }
            call(fill, &[len(n), I(0x0123_4567_89ab_cdef), OutBytes(width * (n + 1))]);
        }
        let halves = |n: usize| {
            Bytes(special(n, 16).iter().flat_map(|v| half::f16::from_f32(*v).to_bits().to_le_bytes()).collect())
        };
        let clean: Vec<f32> = special(n, 16).iter().map(|v| if v.is_nan() { 3.3 } else { *v }).collect();
        call("cvt_f16_f32", &[len(n), halves(n), Out(n + 1)]);
        call("cvt_bf16_f32", &[len(n), halves(n), Out(n + 1)]);
        call("cvt_f32_f16", &[len(n), In(clean.clone()), OutBytes(2 * n + 2)]);
        call("cvt_f32_bf16", &[len(n), In(clean), OutBytes(2 * n + 2)]);
    }
    // All ones is an error already there.
    call("set_status", &[OutBytes(16), I(4), I(7), I(-9)]);
    call("set_status", &[Zeroed(16), I(4), I(7), I(-9)]);
    gemm_calls(&mut call);
    spatial::convolutions_and_pools(&mut call);
    spatial::winograd(&mut call);
    called
}

fn gemm_calls(call: &mut dyn FnMut(&'static str, &[A])) {
    for (m, n, k) in [(1, 1, 1), (1, 37, 20), (3, 16, 8), (7, 50, 33), (9, 49, 5), (0, 4, 4), (2, 20, 0usize)] {
        let (m, n): (usize, usize) = (m, n);
        let (lda, ldc, ldb) = (k + 1, n + 2, n + 3);
        let a = In(values(m * lda, 20));
        let panels = n.div_ceil(16);
        let b = values(k * ldb, 21);
        call("pack_b_f32", &[len(k), len(n), In(b.clone()), len(ldb), I(1), Out(panels * k * 16)]);
        call("pack_b_f32", &[len(k), len(n), In(values(n * (k + 4), 21)), I(1), len(k + 4), Out(panels * k * 16)]);
        let mut packed = vec![0.0; panels * k * 16];
        for j in 0..n {
            for kk in 0..k {
                packed[(j / 16 * k + kk) * 16 + j % 16] = b[kk * ldb + j];
            }
        }
        for (act, bias, res) in [(0, false, false), (1, true, false), (2, true, true), (10, false, true)] {
            let bias = if bias { In(values(n, 22)) } else { Null };
            let res = if res { In(values(m * (n + 5), 23)) } else { Null };
            for (b, row, panel) in [(b.clone(), ldb, 16), (packed.clone(), 16, 16 * k)] {
                let c = Out(m * ldc);
                let (a, bias, res) = (a.clone(), bias.clone(), res.clone());
                let ldres = len(n + 5);
                let act = I(act);
                call(
                    "gemm_f32",
                    &[
                        len(m),
                        len(n),
                        len(k),
                        a,
                        len(lda),
                        In(b),
                        len(row),
                        len(panel),
                        c,
                        len(ldc),
                        bias,
                        res,
                        ldres,
                        act,
                        F(0.1),
                        F(0.0),
                    ],
                );
            }
        }
    }
    for (sq, sk, d, dv) in [(1, 1, 4, 4), (5, 9, 16, 16), (27, 40, 8, 12), (3, 0, 4, 4)] {
        for causal in [-1i64, 0, 3] {
            for (mask, row, col) in [(Null, 0, 0), (In(values(sq * sk, 30)), sk, 1), (In(values(sk.max(1), 31)), 0, 1)]
            {
                let [q, k, v] =
                    [(32, sq * (d + 1)), (33, sk * (d + 2)), (34, sk * (dv + 3))].map(|(seed, n)| In(values(n, seed)));
                let o = Out(sq * (dv + 1));
                // More than any kernel asks for at these sizes.
                let scratch = Scratch(1 << 20);
                call(
                    "attention_f32",
                    &[
                        len(sq),
                        len(sk),
                        len(d),
                        len(dv),
                        q,
                        len(d + 1),
                        k,
                        len(d + 2),
                        v,
                        len(dv + 3),
                        o,
                        len(dv + 1),
                        F(0.3),
                        mask,
                        len(row),
                        len(col),
                        I(causal),
                        I(causal - 4),
                        I(0),
                        scratch,
                    ],
                );
            }
        }
    }
}

#[test]
fn kernels_do_what_their_bodies_say() {
    let called = call_all();
    let uncalled: Vec<&str> =
        SIGNATURES.iter().map(|s| s.name).filter(|n| !called.contains(n) && !is_scalar(n)).collect();
    assert!(uncalled.is_empty(), "micro-kernels that are not compared with their bodies: {uncalled:?}");
}

#[test]
fn scalar_kernels_do_what_the_interpreter_does() {
    let points: Vec<f32> = special(60, 50);
    let n = points.len();
    for s in SIGNATURES.iter().filter(|s| is_scalar(s.name) && !s.name.contains("cvt")) {
        let ty = if s.ret == Some(Arg::F32) { Type::F32 } else { Type::F64 };
        let mut p = ProgramBuilder::new();
        let x = p.input("x", Type::F32, n, 0, 1);
        let y = p.output("y", Type::F64, n, 0, 1);
        let k = p.kernel("k", None, n, |b| {
            let v = b.load(x, b.tile()).cast(ty);
            let mut args = vec![v];
            if s.args.len() == 2 {
                args.push(b.load(x, Expr::i64(n as i64 - 1) - b.tile()).cast(ty));
            }
            b.store(y, b.tile(), Expr::call(s.name, ty, args).cast(Type::F64));
        });
        p.plan(|b| b.set_plan(PlanSlot::OutputDim { output: 0, axis: 0 }, n));
        p.run(|b| b.launch(k));
        let program = p.finish();
        let inputs = [Tensor { dims: vec![n as i64], bytes: points.iter().flat_map(|v| v.to_le_bytes()).collect() }];
        let expected = interpret(&program, &inputs, &[], InterpOptions::default()).unwrap();
        let native = super::run_native(&program, &inputs, &[], 1);
        let tolerance = if ty == Type::F32 { 2e-6 } else { 1e-13 };
        let floats =
            |t: &Tensor| -> Vec<f64> { t.bytes.chunks(8).map(|c| f64::from_le_bytes(c.try_into().unwrap())).collect() };
        for (i, (a, b)) in floats(&native.outputs[0]).into_iter().zip(floats(&expected.outputs[0])).enumerate() {
            let fine = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance * (1.0 + b.abs());
            assert!(fine, "@{}({:?}) is {a:?}, the interpreter gives {b:?}", s.name, points[i]);
        }
    }
}
