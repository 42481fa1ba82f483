//! Storage types in generated code: every code, every boundary between two and its neighbours, against the evaluator
//! (whose own cases are in lathe-ir); elements with bits that their type does not have; movement.

mod native;

use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::{backend, plan};
use lathe_ir::narrow::{Minifloat, decode, low_bits};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{DType, Tensor, eval_module};

fn storage() -> impl Iterator<Item = DType> {
    DType::all().filter(|dtype| dtype.is_storage())
}

/// What generated code and the evaluator make of the body of a graph on one input.
fn both(body: &str, input: &Tensor) -> (Vec<Tensor>, Vec<Tensor>) {
    let text = format!("graph(%0 \"x\": {}) {{ {body} }}", input.ty());
    let module = parse_module(&text, &no_weights).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let planned = plan::plan(&module).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let compiled = compile(planned, &backend::Options::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut session = InProcess::load(&compiled, 1).expect("loads");
    let got = session.run(std::slice::from_ref(input)).unwrap_or_else(|error| panic!("{error}\n{text}"));
    (got, eval_module(&module, vec![input.clone()]).expect("evaluates"))
}

/// The bytes are the same; of floats to compute with, any NaN is.
#[track_caller]
fn same(body: &str, input: &Tensor) {
    let (got, want) = both(body, input);
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(got.ty(), want.ty());
        let size = got.dtype().size();
        for at in 0..got.len() {
            let [g, w] = [got, want].map(|tensor| &tensor.bytes()[at * size..(at + 1) * size]);
            let is_nan = got.dtype().is_float() && got.f64_at(at).is_nan() && want.f64_at(at).is_nan();
            let x = input.f64_at(at);
            assert!(g == w || is_nan, "{body}\nelement {at}, of {x:e}: {g:?} instead of {w:?}");
        }
    }
}

/// Casts to every one of these types, as one program.
fn casts(types: impl Iterator<Item = DType>, attrs: &str, count: usize) -> String {
    let (mut body, mut results) = (String::new(), Vec::new());
    for (index, dtype) in types.enumerate() {
        let value = index + 1;
        body += &format!("%{value} = cast(%0) {{to = {dtype}{attrs}}} : {dtype}[{count}]\n");
        results.push(format!("%{value} \"{dtype}\""));
    }
    body + &format!("return {}", results.join(", "))
}

#[test]
fn every_element_is_read() {
    for from in storage() {
        // All bytes: bits that the type does not have are looked at nowhere.
        let bytes: Vec<u8> = (0..=255).collect();
        let given = Tensor::from_bytes(from, &[256], bytes.clone().into()).unwrap();
        same(&casts(DType::all().filter(|to| *to != from), "", 256), &given);
        let kept: Vec<u8> = bytes.into_iter().map(|byte| low_bits(from, byte)).collect();
        let kept = Tensor::from_bytes(from, &[256], kept.into()).unwrap();
        let body = casts(std::iter::once(DType::F64), "", 256);
        assert_eq!(both(&body, &given).0[0], both(&body, &kept).0[0], "{from}");
    }
}

/// Numbers about every boundary of every narrow float, as f64 and so that f32 tells them apart.
fn boundaries() -> Vec<f64> {
    let mut values =
        vec![0.0, f64::NAN, f64::INFINITY, 1e-45, 1e-40, 5e-324, 1e30, 1e300, 2f64.powi(128), 9.5, 15.5, 2.2e9];
    for format in storage().filter(|dtype| Minifloat::of(*dtype).is_some()) {
        let numbers: Vec<f64> = (0..=255).filter_map(|code| decode(format, code)).filter(|x| x.is_finite()).collect();
        for pair in numbers.windows(2) {
            let middle = (pair[0] + pair[1]) / 2.0;
            for x in [pair[0], middle, pair[1] + (pair[1] - pair[0]) / 2.0] {
                let single = x as f32;
                values.extend([x, x.next_up(), x.next_down(), single.next_up().into(), single.next_down().into()]);
            }
        }
    }
    for exponent in -150..=129 {
        let power = 2f64.powi(exponent);
        values.extend(
            [1.0, 1.0 + 1e-15, 1.0 + 1e-6, 1.4999999, 1.5, 1.5000001, 2.0 - 1e-15].map(|factor| factor * power),
        );
    }
    values.extend(values.clone().into_iter().map(|value| -value));
    values
}

#[test]
fn floats_are_rounded() {
    let values = boundaries();
    for from in [DType::F64, DType::F32, DType::F16, DType::BF16] {
        let input = Tensor::from_f64(from, &[values.len()], &values);
        for attrs in [
            "",
            ", saturate = false",
            ", round = \"down\"",
            ", round = \"nearest\"",
            ", saturate = false, round = \"down\"",
            ", saturate = false, round = \"nearest\"",
        ] {
            same(&casts(storage(), attrs, values.len()), &input);
        }
    }
}

#[test]
fn integers_are_rounded_once() {
    let mut values: Vec<i64> = (-700..700).collect();
    for exponent in 9..63 {
        for near in [0, 1 << (exponent - 1), 1 << (exponent - 2), 1 << (exponent - 4)] {
            values.extend([-1, 0, 1].map(|by| (1i64 << exponent) + near + by));
        }
    }
    values.extend(values.clone().into_iter().map(|value| -value));
    values.extend([i64::MIN, i64::MAX]);
    for from in DType::all().filter(|dtype| dtype.is_int() || *dtype == DType::Bool) {
        let input = Tensor::from_i64(from, &[values.len()], &values);
        for attrs in ["", ", saturate = false, round = \"nearest\"", ", round = \"down\""] {
            same(&casts(storage(), attrs, values.len()), &input);
        }
    }
}

#[test]
fn bits_are_read_as_another_type() {
    let bytes: Vec<u8> = (0..=255).collect();
    for from in storage().chain([DType::I8, DType::U8]) {
        let input = Tensor::from_bytes(from, &[256], bytes.clone().into()).unwrap();
        for to in DType::all().filter(|to| *to != from && to.bits() == from.bits() && to.is_storage()) {
            same(&format!("%1 = bitcast(%0) {{to = {to}}} : {to}[256] return %1 \"y\""), &input);
        }
    }
}

#[test]
fn elements_are_moved() {
    for dtype in storage() {
        let x = format!("{dtype}[3,N]");
        native::op(&[&x], "transpose(%0) {perm = [1, 0]}");
        native::op(&[&x], "slice(%0) {starts = [1, 0], sizes = [2, N], steps = [1, 1]}");
        native::op(&[&x, &x], "concat(%0, %1) {axis = 1}");
        native::op(&[&x], "pad(%0) {before = [1, 0], after = [0, 2]}");
        native::op(&[&x], "broadcast(%0) {shape = [2, 3, N]}");
        native::op(&["bool[3,N]", &x, &x], "where(%0, %1, %2)");
        native::check(&format!(
            "(%0 \"x\": {dtype}[4,3], %1 \"c\": bool[4,1]) {{
              %2 = const {dtype}[] 1
              %3 = where(%1, %0, %2) : {dtype}[4,3]
              %4 = cast(%3) {{to = f32}} : f32[4,3]
              %5 = exp(%4) : f32[4,3]
              %6 = cast(%5) {{to = {dtype}}} : {dtype}[4,3]
              return %3 \"chosen\", %6 \"y\" }}"
        ));
    }
}
