//! Bad data in every kind of artifact: a status that says which node or input, no signal, nothing touched that is not the
//! model's.

#[path = "../../compiler/tests/plan/bad_cases.rs"]
mod bad_cases;

use crate::case::{Case, ended, from_text};
use bad_cases::bad_cases;
use lathe_compiler::artifact::{WeightsAt, lathe_file};
use lathe_compiler::onnx::tensor::TensorData;
use lathe_compiler::onnx::tensor_pb;
use lathe_ir::Tensor;
use std::fmt::Write;
use std::fs;
use std::process::Command;

/// The cases as the C program reads them: each bad one with a good one after it.
fn listed() -> (String, usize) {
    let (mut text, mut count) = (String::new(), 0);
    for (number, case) in bad_cases().iter().enumerate() {
        for (inputs, status, part) in &case.bad {
            for (inputs, status, part) in [(inputs, *status, *part), (&case.good, 0, "ran")] {
                let _ = writeln!(text, "model {number} {status} {part}");
                inputs.iter().for_each(|input| list(&mut text, input));
                count += 1;
            }
        }
    }
    (text, count)
}

fn list(text: &mut String, input: &Tensor) {
    let _ = write!(text, "input {} {}", input.dtype().onnx_code(), input.shape().len());
    input.shape().iter().for_each(|size| {
        let _ = write!(text, " {size}");
    });
    for at in 0..input.len() {
        let _ = if input.dtype().is_float() {
            write!(text, " {}", input.f64_at(at))
        } else {
            write!(text, " {}", input.i64_at(at))
        };
    }
    text.push('\n');
}

#[test]
fn libraries_refuse_it_under_sanitizers() {
    let folder = Case::new();
    let (mut includes, mut opens, mut archives, mut shared) = (String::new(), Vec::new(), Vec::new(), Vec::new());
    for case in bad_cases() {
        let compiled = from_text(case.text);
        for (ending, list) in [("a", &mut archives), ("so", &mut shared)] {
            let name = format!("lib{}.{ending}", case.name);
            folder.write(&compiled, &name, WeightsAt::Inside);
            list.push(name);
        }
        let _ = writeln!(includes, "#include \"{}.h\"", case.name);
        opens.push(format!("{}_open", case.name));
    }
    let table = format!("static int32_t (*const MODELS[])(lathe_model **) = {{{}}};\n", opens.join(", "));
    fs::write(folder.at("models.h"), format!("{includes}{table}")).unwrap();
    let (text, count) = listed();
    let cases = folder.at("cases");
    fs::write(&cases, text).unwrap();
    let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    for libraries in [archives, shared] {
        let linked: Vec<&str> = libraries.iter().map(String::as_str).chain(sanitizers).collect();
        assert_eq!(folder.run("bad_data.c", &linked, Some(&cases)), count.to_string().into_bytes(), "{}", libraries[0]);
    }
}

#[test]
fn files_and_the_command_line_refuse_it() {
    let folder = Case::new();
    for case in bad_cases() {
        let file = folder.write(&from_text(case.text), &format!("{}.lathe", case.name), WeightsAt::Inside);
        let mut loaded = lathe_file::load(&file, 2).unwrap();
        for (inputs, _, part) in &case.bad {
            let error = loaded.run(inputs).expect_err(case.name).to_string();
            assert!(error.contains(part), "{}: {error}, not {part}", case.name);
        }
        loaded.run(&case.good).unwrap();

        // One of them as a user meets it, from the compiled file and from the model itself.
        let model = folder.at(&format!("{}.ir", case.name));
        fs::write(&model, case.text).unwrap();
        let given = folder.at(case.name);
        fs::create_dir_all(&given).unwrap();
        let Some((inputs, _, part)) = case.bad.first() else { continue };
        for (index, input) in inputs.iter().enumerate() {
            let data = TensorData {
                name: String::new(),
                dtype_code: input.dtype().onnx_code(),
                dims: input.shape().iter().map(|&size| size as i64).collect(),
                bytes: input.bytes().clone(),
                strings: Vec::new(),
            };
            tensor_pb::write_file(&given.join(format!("input_{index}.pb")), &data).unwrap();
        }
        for model in [&file, &model] {
            let mut run = Command::new(env!("CARGO_BIN_EXE_lathe"));
            run.arg("run").arg(model).arg("--dynamic").arg("--input-dir").arg(&given);
            let output = run.output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code().is_some_and(|code| code != 0), "{}: {}", case.name, output.status);
            assert!(text.contains(part), "{}: {text}, not {part}", case.name);
        }
        ended(Command::new(env!("CARGO_BIN_EXE_lathe")).arg("inspect").arg(&file));
    }
}
