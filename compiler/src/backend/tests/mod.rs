//! Tests of the backends: the same programs through the interpreter and as machine code.

mod bodies;
mod native;
mod random;
mod spatial;

use super::{CodeBlob, Options, compile};
use crate::loopir::interp::{InterpOptions, Outcome, Tensor, interpret};
use crate::loopir::tests::{data_of, program_files};
use crate::loopir::{BinaryOp, CompareOp, Expr, PlanSlot, Program, ProgramBuilder, Type, UnaryOp, parse};
use lathe_runtime::core::tier::Tier;
use native::{run_blob, run_native};

/// A program of one kernel over `n` elements: `y[i] = f(a[i], b[i])`.
fn elementwise(n: i64, operand: Type, result: Type, f: impl Fn(Expr, Expr) -> Expr) -> Program {
    let mut p = ProgramBuilder::new();
    let a = p.input("a", operand, n, 0, 1);
    let b = p.input("b", operand, n, 1, 1);
    let y = p.output("y", result, n, 0, 1);
    let k = p.kernel("k", Some(1), Expr::i64(n).ceil_div(16), |k| {
        let first = k.let_(k.tile() * 16);
        let last = (&first + 16).min(n);
        k.for_(first, last, 1, |k, i| {
            let (x, z) = (k.load(a, &i), k.load(b, &i));
            k.store(y, &i, f(x, z));
        });
    });
    p.plan(|b| b.set_plan(PlanSlot::OutputDim { output: 0, axis: 0 }, n));
    p.run(|b| b.launch(k));
    p.finish()
}

/// Bits of interesting values of a type.
fn special_values(ty: Type) -> Vec<u64> {
    match ty {
        Type::Bool => vec![0, 1],
        Type::F32 => [
            0.0f32,
            -0.0,
            1.0,
            -1.0,
            0.5,
            1.5,
            2.5,
            -2.5,
            3.7,
            -3.7,
            1e-40,
            1e30,
            -1e30,
            127.6,
            128.0,
            -128.9,
            255.5,
            32768.0,
            65535.9,
            2147483648.0,
            -2147483904.0,
            4294967296.0,
            9.3e18,
            -9.3e18,
            1.9e19,
            f32::MAX,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            0.1,
            16777217.0,
            8388609.5,
        ]
        .iter()
        .map(|v| v.to_bits() as u64)
        .collect(),
        Type::F64 => [
            0.0f64,
            -0.0,
            1.0,
            -1.0,
            0.5,
            1.5,
            2.5,
            -2.5,
            3.7,
            -3.7,
            1e-310,
            1e300,
            -1e300,
            127.6,
            128.0,
            -128.9,
            255.5,
            32768.0,
            65535.9,
            2147483648.0,
            -2147483649.0,
            4294967296.0,
            9.3e18,
            -9.3e18,
            1.9e19,
            1e39,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            0.1,
            9007199254740993.0,
            4503599627370497.5,
        ]
        .iter()
        .map(|v| v.to_bits())
        .collect(),
        Type::F16 => vec![0, 0x8000, 0x3c00, 0xbc00, 0x7bff, 1, 0x7c00, 0xfc00, 0x3555, 0x63d0],
        Type::BF16 => vec![0, 0x8000, 0x3f80, 0xbf80, 0x7f7f, 1, 0x7f80, 0xff80, 0x3eaa, 0x4480],
        _ => {
            let mask = if ty.bits() == 64 { u64::MAX } else { (1 << ty.bits()) - 1 };
            let top = 1u64 << (ty.bits() - 1);
            let mut values = vec![0, 1, 2, 3, 5, 7, 8, 13, 31, 32, 33, 63, 64, 100];
            values.extend([top - 1, top, top + 1, mask, mask - 1, mask - 6, mask / 3, 0x9e37_79b9_7f4a_7c15 & mask]);
            values.iter().map(|v| v & mask).collect()
        }
    }
}

/// All pairs of values, as the bytes of two arrays.
fn pairs(ty: Type) -> (i64, [Tensor; 2]) {
    let values = special_values(ty);
    let size = ty.size() as usize;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for x in &values {
        for y in &values {
            a.extend_from_slice(&x.to_le_bytes()[..size]);
            b.extend_from_slice(&y.to_le_bytes()[..size]);
        }
    }
    let n = (values.len() * values.len()) as i64;
    (n, [a, b].map(|bytes| Tensor { dims: vec![n], bytes }))
}

/// Whether two arrays are equal, all NaN being one.
fn same(ty: Type, a: &[u8], b: &[u8]) -> bool {
    let nan = |bytes: &[u8]| match ty {
        Type::F32 => f32::from_le_bytes(bytes.try_into().unwrap()).is_nan(),
        Type::F64 => f64::from_le_bytes(bytes.try_into().unwrap()).is_nan(),
        Type::F16 => half::f16::from_le_bytes(bytes.try_into().unwrap()).is_nan(),
        Type::BF16 => half::bf16::from_le_bytes(bytes.try_into().unwrap()).is_nan(),
        _ => false,
    };
    let size = ty.size() as usize;
    a.len() == b.len() && a.chunks(size).zip(b.chunks(size)).all(|(a, b)| a == b || nan(a) && nan(b))
}

/// Runs a program both ways and compares; gives the interpreter's outcome.
fn check(program: &Program, inputs: &[Tensor], weights: &[Vec<u8>]) -> Outcome {
    let expected = interpret(program, inputs, weights, InterpOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    for threads in [1, 3] {
        let native = run_native(program, inputs, weights, threads);
        assert_eq!(native.failure, expected.failure, "{program}");
        assert_eq!(native.symbols, expected.symbols, "{program}");
        assert_eq!(native.plan, expected.plan, "{program}");
        assert_eq!(native.outputs.len(), expected.outputs.len());
        for (i, (a, b)) in native.outputs.iter().zip(&expected.outputs).enumerate() {
            let ty =
                program.buffers.iter().find(|b| b.kind == crate::loopir::BufferKind::Output(i as u32)).unwrap().elem;
            assert_eq!(a.dims, b.dims, "{program}");
            if !same(ty, &a.bytes, &b.bytes) {
                let size = ty.size() as usize;
                let at = a.bytes.chunks(size).zip(b.bytes.chunks(size)).position(|(a, b)| !same(ty, a, b)).unwrap();
                let element = |bytes: &[u8]| bytes[at * size..][..size].to_vec();
                let operands: Vec<_> =
                    inputs.iter().map(|t| t.bytes.get(at * size..at * size + size).map(<[u8]>::to_vec)).collect();
                panic!(
                    "output {i}[{at}]: native {:?}, interpreter {:?}, operands {operands:?}\n{program}",
                    element(&a.bytes),
                    element(&b.bytes)
                );
            }
        }
    }
    expected
}

#[test]
fn program_files_give_the_interpreters_results() {
    for (_, text) in program_files() {
        let (inputs, weights) = data_of(&text);
        check(&parse(&text).unwrap(), &inputs, &weights);
    }
}

#[test]
fn binary_operations() {
    for ty in Type::ALL.into_iter().filter(|t| t.is_arith() || *t == Type::Bool) {
        let (n, inputs) = pairs(ty);
        for op in BinaryOp::ALL {
            let program = elementwise(n, ty, ty, |a, b| Expr::binary(*op, a, b));
            if crate::loopir::verify(&program).is_ok() {
                check(&program, &inputs, &[]);
            }
        }
        for op in CompareOp::ALL {
            let program = elementwise(n, ty, Type::Bool, |a, b| Expr::compare(*op, a, b));
            if crate::loopir::verify(&program).is_ok() {
                check(&program, &inputs, &[]);
            }
        }
    }
}

#[test]
fn operations_with_constants() {
    use BinaryOp::*;
    for ty in [Type::I8, Type::I32, Type::I64, Type::U8, Type::U32, Type::U64] {
        let (n, inputs) = pairs(ty);
        for op in [Div, Rem, FloorDiv, FloorMod, CeilDiv, Shl, Shr] {
            for constant in [0, 1, 2, 3, 7, 8, 64, 100, -1, -2, -3, -8, i64::MIN] {
                // One operand a constant, on either side; in one program to save time.
                let c = Expr::int(ty, constant);
                check(&elementwise(n, ty, ty, |a, _| Expr::binary(op, a, &c)), &inputs, &[]);
            }
            check(&elementwise(n, ty, ty, |_, b| Expr::binary(op, Expr::int(ty, 7), b)), &inputs, &[]);
        }
    }
}

#[test]
fn unary_operations_selects_and_fma() {
    for ty in Type::ALL.into_iter().filter(|t| *t != Type::Ptr) {
        let (n, inputs) = pairs(ty);
        for op in UnaryOp::ALL {
            let program = elementwise(n, ty, ty, |a, _| Expr::unary(*op, a));
            if crate::loopir::verify(&program).is_ok() {
                check(&program, &inputs, &[]);
            }
        }
        if ty.is_arith() {
            check(&elementwise(n, ty, ty, |a, b| a.lt(&b).select(&b, &a)), &inputs, &[]);
        }
        if ty.is_float() {
            check(&elementwise(n, ty, ty, |a, b| a.fma(&b, &a)), &inputs, &[]);
        }
        // Halves move as they are.
        check(&elementwise(n, ty, ty, |a, _| a), &inputs, &[]);
    }
}

#[test]
fn casts_between_all_types() {
    let halves_exist = lathe_runtime::core::table::kernel_index("s_cvt_f16_f32").is_some();
    assert!(halves_exist, "the runtime lacks the conversions of halves");
    for from in Type::ALL.into_iter().filter(|t| *t != Type::Ptr) {
        let (n, inputs) = pairs(from);
        for to in Type::ALL.into_iter().filter(|t| *t != Type::Ptr) {
            check(&elementwise(n, from, to, |a, _| Expr::raw(to, crate::loopir::ExprKind::Cast(a))), &inputs, &[]);
            let program = elementwise(n, from, to, |a, _| Expr::raw(to, crate::loopir::ExprKind::Bitcast(a)));
            if crate::loopir::verify(&program).is_ok() {
                check(&program, &inputs, &[]);
            }
        }
    }
}

#[test]
fn micro_kernels_are_called_through_the_table() {
    let mut p = ProgramBuilder::new();
    let (n_id, n) = p.symbol("N", 0, 100);
    let x = p.input("x", Type::F32, &n * 20, 0, 1);
    let y = p.output("y", Type::F32, &n * 20, 0, 1);
    let k = p.kernel("k", None, &n, |b| {
        let row = b.local("row", Type::F32, 20);
        let start = b.let_(b.tile() * 20);
        b.call("v_relu", [20.into(), b.addr(x, &start), b.addr(row, 0)]);
        b.call("copy_bytes", [80.into(), b.addr(row, 0), b.addr(y, &start)]);
    });
    p.bind(|b| b.set_symbol(n_id, Expr::input_dim(0, 0).floor_div(20), 0));
    p.plan(|b| {
        b.set_scratch_bytes();
        b.set_plan(PlanSlot::OutputDim { output: 0, axis: 0 }, n * 20);
    });
    p.run(|b| b.launch(k));
    let program = p.finish();
    let values: Vec<f32> = (0..140).map(|i| if i == 33 { f32::NAN } else { (i as f32 - 70.0) * 0.5 }).collect();
    let input = Tensor { dims: vec![140], bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    for threads in [1, 4] {
        let outcome = run_native(&program, std::slice::from_ref(&input), &[], threads);
        assert_eq!(outcome.failure, None);
        assert_eq!(outcome.plan[1], 128);
        let expected: Vec<u8> = values.iter().flat_map(|v| if *v < 0.0 { 0.0 } else { *v }.to_le_bytes()).collect();
        assert!(same(Type::F32, &outcome.outputs[0].bytes, &expected));
    }
}

/// The first program of `tests/loopir` that calls another function of its own.
fn program_with_calls() -> (Program, Vec<Tensor>, Vec<Vec<u8>>) {
    let (_, text) = program_files().into_iter().find(|(name, _)| name == "checks").unwrap();
    let (inputs, weights) = data_of(&text);
    (parse(&text).unwrap(), inputs, weights)
}

#[test]
fn blobs_are_reproducible() {
    for (_, text) in program_files() {
        let program = parse(&text).unwrap();
        let options = Options { disassemble: true, ..Options::default() };
        assert_eq!(compile(&program, &options).unwrap(), compile(&program, &options).unwrap());
    }
}

#[test]
fn blobs_run_wherever_they_are() {
    let (program, inputs, weights) = program_with_calls();
    let blob = compile(&program, &Options::default()).unwrap();
    let expected = run_blob(&blob, &program, &inputs, &weights, 1);
    for shift in [64u32, 4096, 1 << 20] {
        let mut bytes = vec![0xcc; shift as usize];
        bytes.extend_from_slice(&blob.bytes);
        let moved = CodeBlob {
            bytes,
            bind: blob.bind + shift,
            plan: blob.plan + shift,
            run: blob.run + shift,
            kernels: blob.kernels.iter().map(|k| k + shift).collect(),
            ..blob.clone()
        };
        assert_eq!(run_blob(&moved, &program, &inputs, &weights, 1), expected);
    }
}

#[test]
fn blobs_list_their_functions() {
    let (program, ..) = program_with_calls();
    let blob = compile(&program, &Options { disassemble: true, ..Options::default() }).unwrap();
    let names: Vec<&str> = blob.symbols.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["@wrap", "@gather", "bind", "plan", "run"]);
    assert!(blob.symbols.iter().all(|s| s.offset % 16 == 0 && s.len > 0));
    assert!(blob.symbols.windows(2).all(|w| w[0].offset + w[0].len <= w[1].offset));
    assert_eq!(blob.disassembly.len(), 5);
}

#[test]
fn other_cpus_give_the_same_results() {
    if Tier::detect() < Tier::Avx512 {
        return;
    }
    let mut options = Options::default();
    options.target.cpu = "x86-64-v4".parse().unwrap();
    for (name, text) in program_files() {
        let program = parse(&text).unwrap();
        let (inputs, weights) = data_of(&text);
        let blob = compile(&program, &options).unwrap();
        let v3 = run_native(&program, &inputs, &weights, 1);
        assert_eq!(run_blob(&blob, &program, &inputs, &weights, 1), v3, "{name}");
    }
}

#[test]
fn the_deepest_programs_work() {
    let sum = |depth: usize| (0..depth).fold(Expr::tile(), |e, i| Expr::tile() - (e * (i as i64 % 3 + 1)));
    let program = |depth: usize| {
        let mut p = ProgramBuilder::new();
        let y = p.output("y", Type::I64, 1, 0, 1);
        fn nest(
            b: &mut crate::loopir::Builder<'_>,
            depth: usize,
            store: &mut dyn FnMut(&mut crate::loopir::Builder<'_>),
        ) {
            match depth {
                0 => store(b),
                _ => b.for_(0, 1, 1, |b, _| nest(b, depth - 1, store)),
            }
        }
        let k = p.kernel("k", None, 1, |b| nest(b, depth, &mut |b| b.store(y, 0, sum(depth / 2))));
        p.plan(|b| b.set_plan(PlanSlot::OutputDim { output: 0, axis: 0 }, 1));
        p.run(|b| b.launch(k));
        p.finish()
    };
    check(&program(crate::loopir::MAX_DEPTH - 2), &[], &[]);
    assert!(crate::loopir::verify(&program(crate::loopir::MAX_DEPTH + 1)).is_err());
}

#[test]
fn other_architectures_are_refused() {
    let (program, ..) = program_with_calls();
    let mut options = Options::default();
    options.target.triple = "aarch64-unknown-linux-gnu".parse().unwrap();
    let message = compile(&program, &options).unwrap_err().to_string();
    assert_eq!(message, "unsupported target: no code generator for aarch64");
    assert!("x86-64-v2".parse::<super::Cpu>().is_err());
}
