//! Libraries, objects and headers, as C programs use them.

use crate::case::{Case, MATMUL, digits, ended, from_text, images_and_logits, root};
use lathe_compiler::artifact::{
    Format, InProcess, Output, WeightsAt, archive, default_prefix, header, lathe_file, write,
};
use lathe_compiler::onnx::tensor_pb;
use lathe_ir::Tensor;
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol};
use std::fs;
use std::path::Path;
use std::process::Command;

const LOOKUP: &str = r#"
symbol N : 0..16
graph(%0 "ids": i64[N]) {
  %1 = const f32[5,4] [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
  %2 = gather(%1, %0) {axis = 0} loc "embed/Gather"
  return %2 "rows"
}"#;

#[test]
fn c_programs_compute_the_same_bits() {
    let (case, compiled) = (Case::new(), digits());
    let (images, logits) = images_and_logits(&case, &compiled);
    let archive = case.write(&compiled, "libdigits.a", WeightsAt::Inside);
    assert!(case.run("digits.c", &["libdigits.a"], Some(&images)) == logits, "one static library");
    assert!(case.run("threads.c", &["libdigits.a"], Some(&images)) == logits, "eight threads");
    let wrap = ["libdigits.a", "-Wl,--wrap=aligned_alloc"];
    assert!(case.run("own_memory.c", &wrap, Some(&images)) == logits, "memory and threads of the caller");
    case.write(&compiled, "libdigits.so", WeightsAt::Inside);
    assert!(case.run("digits.c", &["libdigits.so"], Some(&images)) == logits, "a shared library");
    case.write(&compiled, "digits.o", WeightsAt::Inside);
    archive::write_runtime(&case.at("liblathe.a")).unwrap();
    assert!(case.run("digits.c", &["digits.o", "liblathe.a"], Some(&images)) == logits, "an object");
    println!(
        "static library {} KiB, {} of it model",
        fs::metadata(archive).unwrap().len() / 1024,
        fs::metadata(case.at("digits.o")).unwrap().len() / 1024
    );
}

const PLUS_TWO: &str = "graph(%0 \"x\": f32[4]) { %1 = const f32[] 2.0 %2 = add(%0, %1) return %2 \"y\" }";
const TIMES_FOUR: &str = "graph(%0 \"x\": f32[4]) { %1 = const f32[] 4.0 %2 = mul(%0, %1) return %2 \"y\" }";

#[test]
fn two_models_link_into_one_program() {
    let case = Case::new();
    case.write(&from_text(PLUS_TWO), "libfirst.a", WeightsAt::Inside);
    case.write(&from_text(TIMES_FOUR), "libsecond.a", WeightsAt::Inside);
    case.run("two.c", &["libfirst.a", "libsecond.a"], None);
    case.run("two.c", &["libsecond.a", "libfirst.a"], None);
}

/// Another version is this one under another hash.
#[test]
fn models_of_two_versions_link_into_one_program() {
    let case = Case::new();
    case.write(&from_text(PLUS_TWO), "libfirst.a", WeightsAt::Inside);
    case.write(&from_text(TIMES_FOUR), "libsecond.a", WeightsAt::Inside);
    let (old, new) = (archive::SUFFIX.as_bytes(), b"_0123456789ab");
    assert_eq!(old.len(), new.len());
    for name in ["libsecond.a", "second.h"] {
        let mut bytes = fs::read(case.at(name)).unwrap();
        let places: Vec<usize> = (0..bytes.len() - old.len()).filter(|&at| bytes[at..].starts_with(old)).collect();
        places.iter().for_each(|&at| bytes[at..at + old.len()].copy_from_slice(new));
        fs::write(case.at(name), bytes).unwrap();
    }
    let cc = || {
        let mut cc = Command::new("cc");
        cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(case.dir.path())
            .arg("-o")
            .arg(case.at("program"));
        cc
    };
    let source = |name: &str| root().join("tests/c").join(name);
    let refused = cc().arg("-fsyntax-only").arg(source("two.c")).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("different source files"));
    for name in ["first", "second"] {
        let mut cc = cc();
        cc.args([format!("-DHEADER=\"{name}.h\""), format!("-DOPEN={name}_open"), format!("-DRUN=run_{name}")]);
        ended(cc.arg("-o").arg(case.at(&format!("{name}.o"))).arg("-c").arg(source("part.c")));
    }
    let parts = ["first.o", "second.o", "libfirst.a", "libsecond.a"].map(|name| case.at(name));
    ended(cc().arg(source("versions.c")).args(parts).args(["-lm", "-lpthread"]));
    ended(&mut Command::new(case.at("program")));
    let program = fs::read(case.at("program")).unwrap();
    let program = object::File::parse(&*program).unwrap();
    let runtimes = program.symbols().filter(|symbol| symbol.name().unwrap().starts_with("lathe_model_open_")).count();
    assert_eq!(runtimes, 2);
}

#[test]
fn wrong_use_gives_errors() {
    let case = Case::new();
    case.write(&from_text(LOOKUP), "liblookup.a", WeightsAt::Inside);
    case.run("errors.c", &["liblookup.a"], None);
}

#[test]
fn weights_in_a_file() {
    let (case, compiled) = (Case::new(), from_text(MATMUL));
    let x = Tensor::from_f32(&[1, 64], &(0..64).map(|v| v as f32).collect::<Vec<_>>());
    let wanted = InProcess::load(&compiled, 1).unwrap().run(std::slice::from_ref(&x)).unwrap();
    let weights = case.at("matmul.weights");
    case.write(&compiled, "libbeside.a", WeightsAt::File(&weights));
    assert_eq!(fs::metadata(&weights).unwrap().len(), 64 * 64 * 4);
    assert!(case.run("weights.c", &["libbeside.a"], Some(&weights)) == wanted[0].bytes()[..]);

    let file = case.write(&compiled, "matmul.lathe", WeightsAt::File(&weights));
    assert_eq!(lathe_file::load(&file, 1).unwrap().run(std::slice::from_ref(&x)).unwrap(), wanted);
    assert_eq!(lathe_file::info(&file).unwrap().weights_file, Some(weights.clone()));
    lathe_file::verify(&file, None).unwrap();
    let moved = case.at("moved");
    fs::rename(&weights, &moved).unwrap();
    assert!(lathe_file::load(&file, 1).is_err());
    assert_eq!(
        lathe_file::load_with_weights(&file, Some(&moved), 1).unwrap().run(std::slice::from_ref(&x)).unwrap(),
        wanted
    );

    // A program looks beside itself, or where it is told.
    let program = case.write(&compiled, "matmul", WeightsAt::File(&weights));
    let (input, output) = (case.at("input"), case.at("output"));
    fs::create_dir(&input).unwrap();
    let data = [&[1 << 3, 1, 1 << 3, 64, 2 << 3, 1, 9 << 3 | 2, 0x80, 2][..], x.bytes()].concat();
    fs::write(input.join("input_0.pb"), data).unwrap();
    for options in [&[][..], &["--weights", moved.to_str().unwrap()]] {
        ended(Command::new(&program).arg("--input-dir").arg(&input).arg("--output-dir").arg(&output).args(options));
        assert!(tensor_pb::read_file(&output.join("output_0.pb")).unwrap().bytes == *wanted[0].bytes());
    }

    // Damaged or cut weights.
    let mut bytes = fs::read(&weights).unwrap();
    bytes[1000] ^= 4;
    fs::write(&moved, &bytes).unwrap();
    assert!(lathe_file::verify(&file, Some(&moved)).is_err());
    fs::write(&moved, &bytes[1..]).unwrap();
    assert!(lathe_file::load_with_weights(&file, Some(&moved), 1).is_err());
}

/// What a static library may ask of the system: the C library, its mathematics and threads.
const ALLOWED: &[&str] = &[
    "abort",
    "acos",
    "acosh",
    "aligned_alloc",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bcmp",
    "clock_gettime",
    "close",
    "cos",
    "cosh",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "fmod",
    "free",
    "log",
    "log1p",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "open",
    "pow",
    "pthread_create",
    "pthread_join",
    "pthread_sigmask",
    "read",
    "rint",
    "rintf",
    "sched_getaffinity",
    "sched_yield",
    "sin",
    "sinh",
    "sqrtf",
    "syscall",
    "tan",
    "tanh",
    "_GLOBAL_OFFSET_TABLE_",
];

#[test]
fn libraries_are_complete_and_keep_their_names_to_themselves() {
    let (case, compiled) = (Case::new(), digits());
    let archive = fs::read(case.write(&compiled, "libdigits.a", WeightsAt::Inside)).unwrap();
    let archive = ArchiveFile::parse(&*archive).unwrap();
    let members: Vec<_> = archive.members().map(|member| member.unwrap()).collect();
    let names: Vec<_> = members.iter().map(|member| String::from_utf8_lossy(member.name()).into_owned()).collect();
    assert_eq!(names, ["runtime.o", "model.o"]);
    let listed = archive.symbols().unwrap().unwrap().count();
    let (mut defined, mut asked) = (Vec::new(), Vec::new());
    for member in &members {
        let data = fs::read(case.at("libdigits.a")).unwrap();
        let object = object::File::parse(member.data(&*data).unwrap()).unwrap();
        for section in object.sections().filter_map(|section| section.name().ok().map(str::to_owned)) {
            assert!(![".llvmbc", ".llvmcmd", ".rmeta"].contains(&section.as_str()), "{section}");
        }
        for symbol in object.symbols().filter(|symbol| !symbol.is_local()) {
            let name = symbol.name().unwrap().to_owned();
            if symbol.is_undefined() { &mut asked } else { &mut defined }.push((name, symbol.is_weak()));
        }
    }
    asked.retain(|(name, _)| !name.is_empty() && !defined.iter().any(|(have, _)| have == name));
    let unknown: Vec<_> = asked.iter().filter(|(name, _)| !ALLOWED.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(asked.iter().any(|(name, _)| name == "pthread_create"));
    // Strong names are the model's accessor and the runtime's functions with the hash of this version.
    defined.retain(|(_, weak)| !weak);
    for (name, _) in &defined {
        assert!(name == "digits_code" || name.starts_with("lathe_") && name.ends_with(archive::SUFFIX), "{name}");
    }
    assert_eq!(listed, defined.len());
    assert_eq!(archive::functions().unwrap().len(), defined.len() - 1);
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let (one, two) = (Case::new(), Case::new());
    for case in [&one, &two] {
        let compiled = digits();
        for name in ["digits.o", "libdigits.a", "digits.lathe", "libdigits.so", "digits"] {
            case.write(&compiled, name, WeightsAt::Inside);
        }
    }
    for name in ["digits.o", "libdigits.a", "digits.lathe", "digits.h", "libdigits.so", "digits"] {
        assert!(fs::read(one.at(name)).unwrap() == fs::read(two.at(name)).unwrap(), "{name}");
    }
}

#[test]
fn headers_are_clean() {
    let case = Case::new();
    // A name that would end a comment, one that is no C name, one that comes twice.
    let hostile = from_text(
        r#"graph(%0 "a*/b": f32[2], %1 "1 \\ ??/": f32[2], %2 "1_______": f32[2]) {
  %3 = add(%0, %1)
  %4 = add(%3, %2)
  return %4 "/*int"
}"#,
    );
    case.write(&hostile, "hostile.o", WeightsAt::Inside);
    case.write(&digits(), "digits.o", WeightsAt::Inside);
    let source =
        "#include \"digits.h\"\n#include \"hostile.h\"\nint main(void) { return digits_code() == hostile_code(); }\n";
    let compile = |compiler: &str, standard: &str, name: &str| {
        let path = case.at(name);
        fs::write(&path, source).unwrap();
        let mut command = Command::new(compiler);
        command.args(["-fsyntax-only", "-pedantic", "-Wall", "-Wextra", "-Werror", standard]).arg(path);
        ended(&mut command);
    };
    compile("cc", "-std=c99", "main.c");
    compile("cc", "-std=c17", "main.c");
    if Command::new("c++").arg("--version").output().is_ok() {
        compile("c++", "-std=c++11", "main.cc");
        compile("c++", "-std=c++17", "main.cc");
    } else {
        println!("no C++ compiler: headers were tried with C only");
    }
    let text = header::text(&digits(), "digits", Path::new("digits.a"), WeightsAt::Inside).unwrap();
    let text = text.replace(archive::SUFFIX, "_SUFFIX");
    insta::with_settings!({
        snapshot_path => "../../snapshots/artifacts",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("digits.h", text) });
}

#[test]
fn names_and_endings() {
    assert_eq!(default_prefix(Path::new("out/libResNet-50.v2.a")), "resnet_50_v2");
    assert_eq!(default_prefix(Path::new("9.so")), "m_9");
    assert_eq!(default_prefix(Path::new("lathe.o")), "m_lathe");
    assert_eq!(Format::of(Path::new("a/model")).unwrap(), Format::Executable);
    let error = Format::of(Path::new("model.dll")).unwrap_err();
    assert!(error.to_string().contains(".dll"));
    let (case, compiled) = (Case::new(), from_text(MATMUL));
    for prefix in ["", "9a", "a-b", "lathe_x", "ä"] {
        let output = Output { path: &case.at("x.a"), prefix: Some(prefix), weights: WeightsAt::Inside };
        assert!(write(&compiled, &output).is_err(), "{prefix:?}");
    }
    assert!(!case.at("x.a").exists());
    let output = Output { path: &case.at("none/x.a"), prefix: None, weights: WeightsAt::Inside };
    assert!(write(&compiled, &output).is_err());
}
