//! `lathe compile` and `lathe run` on artifacts: a linker is called only where one is needed, results are the same bits.

use crate::case::{Case, digits, ended, images_and_logits, root};
use lathe_compiler::onnx::tensor_pb;
use std::fs;
use std::path::Path;
use std::process::Command;

fn lathe() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lathe"))
}

fn compile(out: &Path) -> Command {
    let mut command = lathe();
    command
        .arg("compile")
        .arg(root().join("examples/digits/digits.onnx"))
        .args(["--dim", "batch=1..64", "-o"])
        .arg(out);
    command.env_remove("CC");
    command
}

#[test]
fn linkers_are_called_only_where_needed() {
    let case = Case::new();
    for name in ["digits.o", "digits.a", "digits.lathe"] {
        ended(compile(&case.at(name)).env("PATH", ""));
        assert!(case.at(name).exists());
    }
    for name in ["digits.so", "digits"] {
        let output = compile(&case.at(name)).env("PATH", "").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains("apt install gcc"), "{text}");
        let output = compile(&case.at(name)).env("CC", "no-such-cc").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(3) && text.contains("no-such-cc"), "{text}");
        // A linker that fails has its say, and nothing is left behind.
        let output = compile(&case.at(name)).env("CC", "cc -lno_such_library").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(3) && text.contains("no_such_library"), "{text}");
        assert!(!case.at(name).exists());
        ended(compile(&case.at(name)).env("CC", "cc -pipe"));
    }
    let left: Vec<_> = fs::read_dir(case.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // Five artifacts; one header, the same name for three of them.
    assert_eq!(left.len(), 6, "{left:?}");
}

#[test]
fn run_gives_the_bits_of_the_library() {
    let case = Case::new();
    let (_, logits) = images_and_logits(&case, &digits());
    let file = case.at("digits.lathe");
    ended(&mut compile(&file));
    for threads in ["1", "2", "3"] {
        let out = case.at(threads);
        let mut run = lathe();
        run.arg("run").arg(&file).arg("--input-dir").arg(root().join("examples/digits/input"));
        ended(run.arg("--output-dir").arg(&out).args(["--threads", threads]));
        assert!(tensor_pb::read_file(&out.join("output_0.pb")).unwrap().bytes[..] == logits[..]);
    }
}
