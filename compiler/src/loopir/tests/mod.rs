//! Tests of the loop IR. Programs in `tests/loopir/*.loop` of the repository are parsed, verified, printed and run; the
//! snapshots are in `snapshots/loopir`.

mod bodies;
mod invalid;

use super::interp::{InterpOptions, Tensor, interpret};
use super::program::BufferKind;
use super::{Expr, PlanSlot, Program, ProgramBuilder, Type, parse, verify};
use std::fmt::Write;
use std::path::PathBuf;

pub(crate) fn program_files() -> Vec<(String, String)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/loopir");
    let mut files: Vec<(String, String)> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "loop"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Bytes of elements written as text.
fn encode(ty: Type, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let bits = match ty {
            Type::F32 => word.parse::<f32>().unwrap().to_bits() as u64,
            Type::F64 => word.parse::<f64>().unwrap().to_bits(),
            _ => word.parse::<i64>().unwrap() as u64,
        };
        bytes.extend_from_slice(&bits.to_le_bytes()[..ty.size() as usize]);
    }
    bytes
}

fn decode(ty: Type, bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks_exact(ty.size() as usize) {
        let mut wide = [0; 8];
        wide[..chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_le_bytes(wide);
        match ty {
            Type::F32 => write!(text, " {:?}", f32::from_bits(bits as u32)),
            Type::F64 => write!(text, " {:?}", f64::from_bits(bits)),
            Type::U64 => write!(text, " {bits}"),
            _ => write!(text, " {}", ty.wrap(bits as i64)),
        }
        .unwrap();
    }
    text
}

/// Inputs and weights from the head of a program file: `// input TYPE DIMS: ELEMENTS`, `// weight TYPE: ELEMENTS`.
pub(crate) fn data_of(text: &str) -> (Vec<Tensor>, Vec<Vec<u8>>) {
    let (mut inputs, mut weights) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("// input ") {
            let (head, elements) = rest.split_once(':').unwrap();
            let (ty, dims) = head.split_once(' ').unwrap();
            let dims = dims.split(',').map(|d| d.parse().unwrap()).collect();
            inputs.push(Tensor { dims, bytes: encode(Type::from_name(ty).unwrap(), elements) });
        } else if let Some(rest) = line.strip_prefix("// weight ") {
            let (ty, elements) = rest.split_once(':').unwrap();
            weights.push(encode(Type::from_name(ty).unwrap(), elements));
        }
    }
    (inputs, weights)
}

fn output_type(program: &Program, output: usize) -> Type {
    program.buffers.iter().find(|b| b.kind == BufferKind::Output(output as u32)).unwrap().elem
}

#[test]
fn programs_print_and_run() {
    for (name, text) in program_files() {
        let program = parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        verify(&program).unwrap_or_else(|e| panic!("{name}: {e}"));
        let printed = program.to_string();
        assert_eq!(parse(&printed).unwrap(), program, "{name}");
        let (inputs, weights) = data_of(&text);
        let outcome = interpret(&program, &inputs, &weights, InterpOptions::default()).unwrap();
        let reversed =
            interpret(&program, &inputs, &weights, InterpOptions { reverse_tiles: true, ..Default::default() });
        assert_eq!(reversed.unwrap(), outcome, "{name}: tiles depend on their order");
        let mut shown = printed;
        if let Some(f) = outcome.failure {
            writeln!(shown, "-- status: code {} node {} value {}", f.code, f.node, f.value).unwrap();
        }
        for (i, t) in outcome.outputs.iter().enumerate() {
            let ty = output_type(&program, i);
            writeln!(shown, "-- output {i}: {ty}{:?}{}", t.dims, decode(ty, &t.bytes)).unwrap();
        }
        insta::with_settings!({
            snapshot_path => "../../../../snapshots/loopir",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, shown) });
    }
}

/// A program made with the builder, as in its documentation but without micro-kernels.
fn built() -> Program {
    let mut p = ProgramBuilder::new();
    let (n_id, n) = p.symbol("N", 1, 512);
    let x = p.input("x", Type::F32, &n * 4, 0, 2);
    let y = p.output("y", Type::F32, &n * 4, 0, 2);
    p.func("twice", &[("x", Type::F32)], Some(Type::F32), |_, args| Some(&args[0] * 2.0));
    let kernel = p.kernel("k", Some(7), n.ceil_div(8), |b| {
        let row = b.local("row", Type::F32, 4);
        let first = b.let_(b.tile() * 8);
        let last = b.let_((&first + 8).min(&n));
        b.for_(first, last, 1, |b, i| {
            let start = b.let_(i * 4);
            let sum = b.var(0.0);
            b.for_(0, 4, 1, |b, j| {
                let v = b.load(x, &start + &j);
                b.store(row, &j, b.call_free(v.clone()));
                b.assign(sum, sum.get() + v);
            });
            b.for_(0, 4, 1, |b, j| {
                let v = b.load(row, &j);
                b.store(y, &start + j, v + sum);
            });
        });
    });
    p.bind(|b| {
        let rows = b.let_(Expr::input_dim(0, 0));
        b.check(rows.ge(1).and(rows.le(512)), 2, Some(0), &rows);
        b.set_symbol(n_id, rows, 0);
    });
    p.plan(|b| {
        b.set_plan(PlanSlot::ArenaBytes, 0);
        b.set_scratch_bytes();
        b.set_plan(PlanSlot::OutputDim { output: 0, axis: 0 }, &n);
        b.set_plan(PlanSlot::OutputDim { output: 0, axis: 1 }, 4);
    });
    p.run(|b| b.launch(kernel));
    p.finish()
}

impl super::Builder<'_> {
    fn call_free(&self, v: Expr) -> Expr {
        Expr::call("twice", Type::F32, vec![v])
    }
}

#[test]
fn built_programs_verify_print_and_run() {
    let program = built();
    verify(&program).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(parse(&program.to_string()).unwrap(), program);
    let bytes = encode(Type::F32, "1 2 3 4 0 0 1 0");
    let inputs = [Tensor { dims: vec![2, 4], bytes }];
    let outcome = interpret(&program, &inputs, &[], InterpOptions::default()).unwrap();
    assert_eq!(outcome.outputs[0].dims, [2, 4]);
    assert_eq!(decode(Type::F32, &outcome.outputs[0].bytes), " 12.0 14.0 16.0 18.0 1.0 1.0 3.0 1.0");
    assert_eq!(outcome.plan[1], 64);
}

#[test]
fn constants_fold_and_static_shapes_are_plain() {
    let i = Expr::tile();
    for (e, expected) in [
        (&i + 0, "tile"),
        (&i * 1, "tile"),
        ((&i * 4) * 3, "tile * 12"),
        ((&i + 4) - 4, "tile"),
        (Expr::i64(5).floor_div(-2), "-3"),
        (Expr::i64(5).floor_mod(-2), "-1"),
        (Expr::i64(5).ceil_div(2), "3"),
        ((&i * 12).floor_div(4), "tile * 3"),
        ((&i * 12).floor_mod(4), "0"),
        (&i - &i, "0"),
        (Expr::i64(7) / 0, "7"),
        (Expr::i64(i64::MIN) / -1, "-9223372036854775808"),
        (Expr::int(Type::I8, 100) + 100, "-56i8"),
        (Expr::bool(true).select(&i, 3), "tile"),
        (Expr::i64(3).lt(4).select(1, &i), "1"),
        (i.cast(Type::F32) * 2, "f32(tile) * 2.0"),
        (Expr::i64(1).shl(64), "0"),
        (Expr::int(Type::I8, -1).shr(100), "-1i8"),
    ] {
        let mut p = ProgramBuilder::new();
        let y = p.buffer("y", e.ty(), 1, BufferKind::Arena);
        p.kernel("k", None, 1, |b| b.store(y, 0, e));
        let text = p.finish().to_string();
        assert!(text.contains(&format!("%y[0] = {expected}\n")), "expected {expected} in {text}");
    }
}
