//! Artifacts: what is written runs like the model in this process, from C too; the same model gives the same bytes; damaged
//! files are refused.
//!
//! Needs `cc`. `-- --nocapture` prints sizes and times.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops where it goes wrong")]

use lathe_compiler::artifact::{Compiled, Format, InProcess, Output, WeightsAt, archive, header, lathe_file, write};
use lathe_compiler::onnx::import::DimBound;
use lathe_compiler::onnx::tensor_pb;
use lathe_compiler::pipeline::{self, Settings};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{DType, Tensor};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Ended};
use std::time::Instant;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The vision transformer of the examples, for 1 to 64 images.
fn digits() -> Compiled {
    let mut settings = Settings::default();
    settings.import.dims = vec![("batch".into(), DimBound::Range(1, 64, None))];
    let module = pipeline::load_module(&root().join("examples/digits/digits.onnx"), &settings.import).unwrap();
    pipeline::build(module, &settings, &mut |_| ()).unwrap_or_else(|errors| panic!("{errors}")).compiled
}

/// Ten images.
fn images() -> Tensor {
    let data = tensor_pb::read_file(&root().join("examples/digits/input/input_0.pb")).unwrap();
    let shape: Vec<usize> = data.dims.iter().map(|&dim| dim as usize).collect();
    Tensor::from_bytes(DType::F32, &shape, data.bytes).unwrap()
}

fn from_text(text: &str) -> Compiled {
    let module = parse_module(text, &no_weights).unwrap_or_else(|errors| panic!("{errors}"));
    pipeline::build(module, &Settings::default(), &mut |_| ()).unwrap_or_else(|errors| panic!("{errors}")).compiled
}

const LOOKUP: &str = r#"
symbol N : 0..16
graph(%0 "ids": i64[N]) {
  %1 = const f32[5,4] [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
  %2 = gather(%1, %0) {axis = 0} loc "embed/Gather"
  return %2 "rows"
}"#;

const MATMUL: &str = r#"
weight @0 "w" : f32[64,64] = seed 3
graph(%0 "x": f32[1,64]) {
  %1 = const @0
  %2 = matmul(%0, %1)
  return %2 "y"
}"#;

struct Case {
    dir: TempDir,
}

impl Case {
    fn new() -> Case {
        Case { dir: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, compiled: &Compiled, name: &str, weights: WeightsAt<'_>) -> PathBuf {
        let path = self.at(name);
        let prefix = path.file_stem().unwrap().to_str().unwrap().trim_start_matches("lib").to_owned();
        let output = Output { path: &path, prefix: Some(&prefix), weights };
        write(compiled, &output).unwrap_or_else(|error| panic!("{error}"));
        // The library's header goes by the model's name.
        let beside = path.with_extension("h");
        if beside.exists() {
            fs::rename(beside, self.at(&format!("{prefix}.h"))).unwrap();
        }
        path
    }

    /// Compiles a program of tests/c with the given libraries and runs it.
    fn run(&self, source: &str, linked: &[&str], argument: Option<&Path>) -> Vec<u8> {
        let program = self.at(source.trim_end_matches(".c"));
        let mut cc = Command::new("cc");
        cc.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-I"]).arg(self.dir.path());
        cc.arg(root().join("tests/c").join(source)).arg("-o").arg(&program);
        cc.args(linked.iter().map(|name| if name.starts_with('-') { name.into() } else { self.at(name) }));
        ended(cc.args(["-lm", "-lpthread"]));
        let mut run = Command::new(&program);
        run.env("LD_LIBRARY_PATH", self.dir.path());
        ended(run.args(argument)).stdout
    }
}

fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    output
}

/// What the C programs read and what they have to print.
fn images_and_logits(case: &Case, compiled: &Compiled) -> (PathBuf, Vec<u8>) {
    let images = images();
    let path = case.at("images");
    fs::write(&path, images.bytes()).unwrap();
    let logits = InProcess::load(compiled, 1).unwrap().run(&[images]).unwrap();
    assert_eq!(logits[0].shape(), [10, 10]);
    (path, logits[0].bytes().to_vec())
}

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
    // Damaged inputs: every cut of a file, and bits flipped, are refused or computed, never a crash.
    let good = fs::read(input.join("input_0.pb")).unwrap();
    let damaged = case.at("damaged");
    fs::create_dir(&damaged).unwrap();
    for at in (0..64).chain([good.len() - 1]) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        for bytes in [&good[..at], &flipped] {
            fs::write(damaged.join("input_0.pb"), bytes).unwrap();
            let output = Command::new(&program).arg("--input-dir").arg(&damaged).output().unwrap();
            assert!(matches!(output.status.code(), Some(0 | 4)), "byte {at}: {}", output.status);
        }
    }
}

/// Numbers in the fields for numbers, packed or not, instead of raw bytes.
#[test]
fn an_executable_reads_every_form_of_tensors() {
    let case = Case::new();
    let compiled = from_text(
        r#"graph(%0 "a": f32[3], %1 "b": i64[3], %2 "c": f64[3], %3 "d": bool[3], %4 "e": i8[3], %5 "f": u32[3], %6 "g": f16[3]) {
  %7 = neg(%0)
  %8 = neg(%1)
  %9 = neg(%2)
  %10 = not(%3)
  %11 = neg(%4)
  %12 = add(%5, %5)
  %13 = neg(%6)
  return %7 "a", %8 "b", %9 "c", %10 "d", %11 "e", %12 "f", %13 "g"
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
    let inputs: [(i32, u8, Vec<Vec<u8>>); 7] = [
        (1, 4, [1.5f32, -2.0, 3.25].map(|v| v.to_le_bytes().to_vec()).into()),
        (7, 7, [1i64, -2, i64::MAX].map(|v| varint(v as u64)).into()),
        (11, 10, [1.5f64, -2.0, 1e300].map(|v| v.to_le_bytes().to_vec()).into()),
        (9, 5, [1u64, 0, 1].map(varint).into()),
        (3, 5, [1i64, -2, 127].map(|v| varint(v as u64)).into()),
        (12, 11, [1u64, 2, 3_000_000_000].map(varint).into()),
        (10, 5, [0x3c00u64, 0xc000, 0x7bff].map(varint).into()),
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
            (0..7)
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
}

#[test]
fn two_models_link_into_one_program() {
    let case = Case::new();
    let plus = "graph(%0 \"x\": f32[4]) { %1 = const f32[] 2.0 %2 = add(%0, %1) return %2 \"y\" }";
    let times = "graph(%0 \"x\": f32[4]) { %1 = const f32[] 4.0 %2 = mul(%0, %1) return %2 \"y\" }";
    case.write(&from_text(plus), "libfirst.a", WeightsAt::Inside);
    case.write(&from_text(times), "libsecond.a", WeightsAt::Inside);
    case.run("two.c", &["libfirst.a", "libsecond.a"], None);
    case.run("two.c", &["libsecond.a", "libfirst.a"], None);
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
        snapshot_path => "../snapshots/artifacts",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("digits.h", text) });
}

#[test]
fn lathe_files_run_and_damaged_ones_are_refused() {
    let (case, compiled) = (Case::new(), digits());
    let (_, logits) = images_and_logits(&case, &compiled);
    let path = case.write(&compiled, "digits.lathe", WeightsAt::Inside);
    let started = Instant::now();
    let mut loaded = lathe_file::load(&path, 1).unwrap();
    let load = started.elapsed();
    assert!(loaded.run(&[images()]).unwrap()[0].bytes()[..] == logits[..]);
    println!("loaded in {:.3} ms", load.as_secs_f64() * 1e3);
    drop(loaded);
    let info = lathe_file::verify(&path, None).unwrap();
    assert!(info.abi_fits && info.code_bytes == compiled.code.bytes.len() as u64);
    assert_eq!(info.weight_bytes, compiled.weights.total_bytes());

    let good = fs::read(&path).unwrap();
    let damaged = case.at("damaged.lathe");
    let u64_at = |at: usize| u64::from_le_bytes(good[at..at + 8].try_into().unwrap()) as usize;
    let (code, description, weights) = (u64_at(48), u64_at(72), u64_at(96));
    let ranges = [0..152, code..code + u64_at(56), description..description + u64_at(80)];
    let places: Vec<usize> = ranges.into_iter().flat_map(|range| range.step_by(97)).chain(0..152).collect();
    for &at in &places {
        for mask in [1, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= mask;
            fs::write(&damaged, &bytes).unwrap();
            assert!(lathe_file::load(&damaged, 1).is_err(), "byte {at}");
        }
    }
    for length in (0..300).chain((300..good.len()).step_by(good.len() / 50)).chain([good.len() - 1]) {
        fs::write(&damaged, &good[..length]).unwrap();
        assert!(lathe_file::load(&damaged, 1).is_err(), "cut to {length} bytes");
    }
    fs::write(&damaged, [&good[..], b"x"].concat()).unwrap();
    assert!(lathe_file::load(&damaged, 1).is_err(), "one byte more");
    // Weights are looked at only when asked for.
    let mut bytes = good.clone();
    bytes[weights + 100] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    lathe_file::load(&damaged, 1).unwrap();
    assert!(lathe_file::verify(&damaged, None).is_err());
    assert!(lathe_file::load(case.dir.path(), 1).is_err() && lathe_file::load(&case.at("none"), 1).is_err());
    println!("{} damaged files refused", places.len() * 3);
}

/// Headers with a right hash and wrong fields: what a bug, not an accident, would write.
#[test]
fn headers_are_checked_beyond_their_hash() {
    let case = Case::new();
    let path = case.write(&from_text(MATMUL), "matmul.lathe", WeightsAt::Inside);
    let good = fs::read(&path).unwrap();
    for at in (8..144).step_by(4) {
        for value in [0u32, 1, 0x7fff_ffff, 0xffff_ffff] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            if bytes == good {
                continue;
            }
            let hash = xxhash_rust::xxh3::xxh3_64(&bytes[..144]);
            bytes[144..152].copy_from_slice(&hash.to_le_bytes());
            fs::write(&path, &bytes).unwrap();
            // An entry elsewhere in the code, or another hash of the weights, cannot be told from right ones.
            let open = (32..44).contains(&at) && value < 2 || (112..144).contains(&at);
            assert!(lathe_file::load(&path, 1).is_err() || open, "{value:#x} at byte {at}");
        }
    }
}

#[test]
fn names_and_endings() {
    use lathe_compiler::artifact::default_prefix;
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
