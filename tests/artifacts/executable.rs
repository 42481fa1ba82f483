//! Programs: the options of `lathe run`, tensors in every form.

use crate::case::{Case, digits, ended, from_text, images_and_logits, root};
use lathe_compiler::artifact::{InProcess, WeightsAt, archive};
use lathe_compiler::onnx::tensor_pb;
use lathe_ir::Tensor;
use object::Object;
use std::fs;
use std::process::Command;

#[test]
fn an_executable_takes_runs_options() {
    let (case, compiled) = (Case::new(), digits());
    let (_, logits) = images_and_logits(&case, &compiled);
    let program = case.write(&compiled, "digits", WeightsAt::Inside);
    let input = root().join("examples/digits/input");
    for threads in ["1", "2"] {
        let out = case.at(threads);
        ended(
            Command::new(&program)
                .arg("--input-dir")
                .arg(&input)
                .arg("--output-dir")
                .arg(&out)
                .args(["--threads", threads]),
        );
        let found = tensor_pb::read_file(&out.join("output_0.pb")).unwrap();
        assert_eq!((found.name.as_str(), found.dims.as_slice()), ("logits", &[10, 10][..]));
        assert!(found.bytes == logits);
        // The file is the one that `lathe run` writes.
        tensor_pb::write_file(&case.at("again.pb"), &found).unwrap();
        assert!(fs::read(case.at("again.pb")).unwrap() == fs::read(out.join("output_0.pb")).unwrap());
    }
    let status = |arguments: &[&str]| {
        let output = Command::new(&program).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(status(&["--help"]).0, 0);
    assert_eq!(status(&[]).0, 2);
    assert_eq!(status(&["--frobnicate"]).0, 2);
    let (code, text) = status(&["--input-dir", "nowhere"]);
    assert!(code == 4 && text.contains("nowhere/input_0.pb"), "{code} {text}");
}

/// Every cut of a file and bits flipped are refused or computed, never a crash; watched by sanitizers where `cc` has them.
#[test]
fn an_executable_refuses_damaged_tensors() {
    let case = Case::new();
    case.write(&digits(), "model.o", WeightsAt::Inside);
    archive::write_runtime(&case.at("runtime.a")).unwrap();
    let program = case.at("digits");
    let build = |options: &[&str]| {
        let mut cc = Command::new("cc");
        cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-I"]).arg(case.dir.path()).args(options);
        cc.arg(root().join("compiler/src/artifact/main.c")).args([case.at("model.o"), case.at("runtime.a")]);
        cc.arg("-o").arg(&program).args(["-lm", "-lpthread"]).output().unwrap()
    };
    let sanitized = build(&["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]).status.success();
    if !sanitized {
        let output = build(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let good = fs::read(root().join("examples/digits/input/input_0.pb")).unwrap();
    let typed =
        [&[1 << 3 | 2, 4, 10, 1, 8, 8, 2 << 3, 1, 4 << 3 | 2, 0x80, 20][..], &good[good.len() - 2560..]].concat();
    let folder = case.at("damaged");
    fs::create_dir(&folder).unwrap();
    let (mut ran, mut refused) = (0, 0);
    for good in [good, typed] {
        for at in (0..24).chain([good.len() - 1]) {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << (at % 8);
            for bytes in [&good[..], &good[..at], &flipped] {
                fs::write(folder.join("input_0.pb"), bytes).unwrap();
                let mut command = Command::new(&program);
                let output = command.env("ASAN_OPTIONS", "detect_leaks=0").arg("--input-dir").arg(&folder).output();
                let output = output.unwrap();
                match output.status.code() {
                    Some(0) => ran += 1,
                    Some(4) => refused += 1,
                    _ => panic!("byte {at}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
                }
            }
        }
    }
    assert!(ran >= 50 && refused >= 50);
    println!("damaged tensors: {refused} refused, {ran} computed, sanitizers {sanitized}");
}

/// Numbers in the fields for numbers, packed or not, instead of raw bytes.
#[test]
fn an_executable_reads_every_form_of_tensors() {
    let case = Case::new();
    let compiled = from_text(
        r#"graph(%0 "a": f32[3], %1 "b": i64[3], %2 "c": f64[3], %3 "d": bool[3], %4 "e": i8[3], %5 "f": u32[3], %6 "g": f16[3], %14 "h": i4[3], %15 "i": f6e3m2[3], %16 "j": f8e5m2[3]) {
  %7 = neg(%0)
  %8 = neg(%1)
  %9 = neg(%2)
  %10 = not(%3)
  %11 = neg(%4)
  %12 = add(%5, %5)
  %13 = neg(%6)
  %17 = cast(%14) {to = i32}
  %18 = neg(%17)
  %19 = cast(%18) {to = i4}
  %20 = cast(%15) {to = f32}
  %21 = neg(%20)
  %22 = cast(%21) {to = f6e3m2}
  %23 = cast(%16) {to = f32}
  %24 = neg(%23)
  %25 = cast(%24) {to = f8e5m2}
  return %7 "a", %8 "b", %9 "c", %10 "d", %11 "e", %12 "f", %13 "g", %19 "h", %22 "i", %25 "j"
}"#,
    );
    let program = case.write(&compiled, "negate", WeightsAt::Inside);
    let varint = |mut value: u64| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    // Field number, and each element as it is encoded.
    let inputs: [(i32, u8, Vec<Vec<u8>>); 10] = [
        (1, 4, [1.5f32, -2.0, 3.25].map(|v| v.to_le_bytes().to_vec()).into()),
        (7, 7, [1i64, -2, i64::MAX].map(|v| varint(v as u64)).into()),
        (11, 10, [1.5f64, -2.0, 1e300].map(|v| v.to_le_bytes().to_vec()).into()),
        (9, 5, [1u64, 0, 1].map(varint).into()),
        (3, 5, [1i64, -2, 127].map(|v| varint(v as u64)).into()),
        (12, 11, [1u64, 2, 3_000_000_000].map(varint).into()),
        (10, 5, [0x3c00u64, 0xc000, 0x7bff].map(varint).into()),
        // -1, 7, 2: two in a number.
        (22, 5, [0x7fu64, 0x02].map(varint).into()),
        (28, 5, [0x0cu64, 0x1f, 0x21].map(varint).into()),
        (19, 5, [0x3cu64, 0xc0, 0x7b].map(varint).into()),
    ];
    let mut outputs = Vec::new();
    for packed in [true, false] {
        let (folder, out) = (case.at(&format!("in{packed}")), case.at(&format!("out{packed}")));
        fs::create_dir(&folder).unwrap();
        for (index, (dtype, field, elements)) in inputs.iter().enumerate() {
            let wire = match field {
                4 => 5,
                10 => 1,
                _ => 0,
            };
            let mut bytes = vec![]; // the type comes last here
            if packed {
                let all = elements.concat();
                bytes.extend([field << 3 | 2, all.len() as u8]);
                bytes.extend(all);
                bytes.extend([1 << 3 | 2, 1, 3]);
            } else {
                elements.iter().for_each(|element| bytes.extend([&[field << 3 | wire][..], element].concat()));
                bytes.extend([1 << 3, 3]);
            }
            bytes.extend([2 << 3, *dtype as u8]);
            fs::write(folder.join(format!("input_{index}.pb")), bytes).unwrap();
        }
        ended(Command::new(&program).arg("--input-dir").arg(&folder).arg("--output-dir").arg(&out));
        outputs.push(
            (0..10)
                .map(|index| tensor_pb::read_file(&out.join(format!("output_{index}.pb"))).unwrap())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(outputs[0], outputs[1]);
    let bytes: Vec<Vec<u8>> = outputs[0].iter().map(|data| data.bytes.to_vec()).collect();
    assert_eq!(bytes[0], [-1.5f32, 2.0, -3.25].map(f32::to_le_bytes).concat());
    assert_eq!(bytes[1], [-1i64, 2, -i64::MAX].map(i64::to_le_bytes).concat());
    assert_eq!(bytes[2], [-1.5f64, 2.0, -1e300].map(f64::to_le_bytes).concat());
    assert_eq!(bytes[3], [0, 1, 0]);
    assert_eq!(bytes[4], [-1i8, 2, -127].map(|v| v as u8));
    assert_eq!(bytes[5], [2u32, 4, 1_705_032_704].map(u32::to_le_bytes).concat());
    assert_eq!(bytes[6], [0xbc00u16, 0x4000, 0xfbff].map(u16::to_le_bytes).concat());
    assert_eq!(bytes[7], [0x91, 0x0e]);
    // 0x2c, 0x3f, 0x01, each of 6 bits.
    assert_eq!(bytes[8], [0xec, 0x1f, 0x00]);
    assert_eq!(bytes[9], [0xbc, 0x40, 0xfb]);
}

/// From 64 MiB on, weights lie in a section of their own kind, out of the way of code.
#[test]
fn large_weights_lie_out_of_the_way() {
    let case = Case::new();
    let compiled = from_text(
        r#"
weight @0 "w" : f32[4096,4100] = seed 3
graph(%0 "x": f32[1,4096]) {
  %1 = const @0
  %2 = matmul(%0, %1)
  return %2 "y"
}"#,
    );
    let x = Tensor::from_f32(&[1, 4096], &(0..4096).map(|v| (v % 7) as f32).collect::<Vec<_>>());
    let wanted = InProcess::load(&compiled, 1).unwrap().run(std::slice::from_ref(&x)).unwrap();
    let program = case.write(&compiled, "large", WeightsAt::Inside);
    fs::create_dir(case.at("in")).unwrap();
    let head = [1 << 3, 1, 1 << 3, 0x80, 0x20, 2 << 3, 1, 9 << 3 | 2, 0x80, 0x80, 1];
    fs::write(case.at("in/input_0.pb"), [&head[..], x.bytes()].concat()).unwrap();
    ended(Command::new(&program).arg("--input-dir").arg(case.at("in")).arg("--output-dir").arg(case.at("out")));
    assert!(tensor_pb::read_file(&case.at("out/output_0.pb")).unwrap().bytes == *wanted[0].bytes());
    let bytes = fs::read(&program).unwrap();
    assert!(object::File::parse(&*bytes).unwrap().section_by_name(".lrodata").is_some());
}
