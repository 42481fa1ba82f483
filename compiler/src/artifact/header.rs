//! The C header of a model: what it takes and gives, how to call it, and the runtime's functions (`lathe.h`) under the
//! names they have in the archive.

use super::{Compiled, Format, WeightsAt, archive, cannot};
use crate::backend::Cpu;
use crate::onnx::encode::replace;
use lathe_ir::{DType, Diagnostic, TensorType};
use lathe_runtime::core::desc::Desc;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// The runtime's own header.
const LATHE_H: &str = include_str!("../../../runtime/include/lathe.h");
/// Where its contents begin.
const GUARD: &str = "#ifndef LATHE_H\n#define LATHE_H\n";
/// Symbols of that size and more have no bound of their own.
const UNBOUNDED: i64 = 1 << 40;

/// Writes the header at `path`.
pub fn write(
    compiled: &Compiled,
    prefix: &str,
    path: &Path,
    artifact: &Path,
    weights: WeightsAt<'_>,
) -> Result<(), Diagnostic> {
    let text = text(compiled, prefix, artifact, weights)?;
    replace(path, |out| out.write_all(text.as_bytes())).map_err(|error| cannot("write", path, &error))
}

/// The header's text; `artifact` is the file that it belongs to.
pub fn text(compiled: &Compiled, prefix: &str, artifact: &Path, weights: WeightsAt<'_>) -> Result<String, Diagnostic> {
    let mut out = String::new();
    top(&mut out, compiled, prefix, artifact, weights)?;
    let upper = prefix.to_ascii_uppercase();
    _ = write!(out, "#ifndef {upper}_H\n#define {upper}_H\n\n");
    runtime(&mut out)?;
    _ = write!(out, "\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n");
    ports(&mut out, &upper, "IN", "input", &compiled.inputs);
    ports(&mut out, &upper, "OUT", "output", &compiled.outputs);
    _ = write!(
        out,
        "/* The model's code, for lathe_model_open. */\n\
         const lathe_model_code *{prefix}_code(void);\n\n\
         /* Opens the model; the same as lathe_model_open({prefix}_code(), model). */\n\
         static inline int32_t {prefix}_open(lathe_model **model) {{\n  \
           return lathe_model_open({prefix}_code(), model);\n\
         }}\n\n\
         #ifdef __cplusplus\n}}\n#endif\n#endif\n"
    );
    Ok(out)
}

fn top(
    out: &mut String,
    compiled: &Compiled,
    prefix: &str,
    artifact: &Path,
    weights: WeightsAt<'_>,
) -> Result<(), Diagnostic> {
    let version = env!("CARGO_PKG_VERSION");
    _ = write!(out, "/* {prefix}: a model compiled by Lathe {version}. For C99 and C++.\n *\n");
    for (title, ports) in [("Inputs", &compiled.inputs), ("Outputs", &compiled.outputs)] {
        _ = writeln!(out, " * {title}: index, name, element type, shape");
        for (index, (name, ty)) in ports.iter().enumerate() {
            let (elements, _) = element(ty.dtype);
            _ = writeln!(out, " *   {index}  {}  {elements} {}", quoted(name), shape(ty));
        }
    }
    let description = compiled.describe(0)?;
    let desc = Desc::parse(&description).map_err(|code| Diagnostic::bug(code.text()))?;
    if desc.symbols() > 0 {
        out.push_str(" * Sizes known at run time:\n");
    }
    for symbol in (0..desc.symbols()).filter_map(|index| desc.symbol(index)) {
        let name = plain(symbol.name);
        _ = match symbol.hi {
            UNBOUNDED.. => writeln!(out, " *   {name}: {} or more", symbol.lo),
            hi if hi == symbol.lo => writeln!(out, " *   {name}: {hi}"),
            hi => writeln!(out, " *   {name}: {} to {hi}", symbol.lo),
        };
    }
    let cpu = match compiled.target.cpu {
        Cpu::X86_64V3 => "x86-64-v3 (AVX2, FMA)",
        Cpu::X86_64V4 => "x86-64-v4 (AVX-512)",
    };
    _ = write!(
        out,
        " *\n * Machine: Linux, {cpu}; an older processor gets LATHE_CPU_TOO_OLD. Faster instructions are\n \
         * used where there are any; results are bit by bit the same for any number of threads, and may differ in the last bits between kinds of\n \
         * processors.\n"
    );
    let name = artifact.file_name().map(|name| plain(&name.to_string_lossy())).unwrap_or_default();
    _ = match Format::of(artifact)? {
        Format::Object => writeln!(
            out,
            " * Link: cc main.c {name}, the runtime out of any static library by the same version of Lathe, -lm -lpthread"
        ),
        Format::Archive => writeln!(out, " * Link: cc main.c {name} -lm -lpthread"),
        Format::Shared => writeln!(out, " * Link: cc main.c {name}"),
        Format::Lathe | Format::Executable => Ok(()),
    };
    let file = match weights {
        WeightsAt::Inside => None,
        WeightsAt::File(file) => Some(file.file_name().map(|name| plain(&name.to_string_lossy())).unwrap_or_default()),
    };
    if let Some(file) = &file {
        _ = write!(
            out,
            " *\n * Weights: {} bytes in the file {file}. Map or read it to an address that is a multiple of 64, and give it to\n \
             * lathe_model_set_weights after lathe_model_open; it has to stay there until the model is closed.\n",
            compiled.weights.total_bytes()
        );
    }
    out.push_str(
        " *
 * Memory: inputs, outputs and a caller's arena belong to the caller and have to stay where they are during a run; elements
 * are in row-major order without gaps, at an address that is a multiple of their size; outputs overlap nothing else. A
 * context owns its arena unless one is given to it. Nothing is allocated during a run unless shapes have grown.
 * Threads: a model is immutable and may be used by any number of threads; a context, by one thread at a time. Make one
 * context per thread. lathe_parallel_for of the caller must not throw or jump out.
 * Errors: functions return 0 or a lathe_status; lathe_context_error gives the whole text, with the name of the node, input
 * or output. After an error the context can be used again; outputs are undefined. The floating-point mode is left as found.
 * The process never ends because of wrong input.
 *
",
    );
    example(out, compiled, prefix, file.is_some());
    Ok(())
}

/// How to call the model once.
fn example(out: &mut String, compiled: &Compiled, prefix: &str, outside: bool) {
    let line = |out: &mut String, text: &str| _ = writeln!(out, " *   {text}");
    line(out, "lathe_model *model;");
    line(out, &format!("{prefix}_open(&model);"));
    if outside {
        line(out, "lathe_model_set_weights(model, weights, weights_bytes, 0);");
    }
    line(out, "lathe_context *context;");
    line(out, "lathe_context_create(model, 0, &context);");
    for (index, (_, ty)) in compiled.inputs.iter().enumerate().filter(|(_, (_, ty))| ty.rank() > 0) {
        let dims: Vec<String> = ty.shape.iter().map(|dim| plain(&dim.to_string())).collect();
        line(out, &format!("const int64_t shape{index}[] = {{{}}};", dims.join(", ")));
    }
    let shapes: Vec<String> = compiled
        .inputs
        .iter()
        .enumerate()
        .map(|(i, (_, ty))| if ty.rank() > 0 { format!("shape{i}") } else { "0".into() })
        .collect();
    if !shapes.is_empty() {
        line(out, &format!("const int64_t *const shapes[] = {{{}}};", shapes.join(", ")));
        line(out, "lathe_context_set_shapes(context, shapes);");
    } else {
        line(out, "lathe_context_set_shapes(context, 0);");
    }
    for (way, ports) in [("input", &compiled.inputs), ("output", &compiled.outputs)] {
        for (index, (_, ty)) in ports.iter().enumerate() {
            let kind = &way[..way.len() - 3];
            let name = if kind == "in" { format!("x{index}") } else { format!("y{index}") };
            let (_, code) = element(ty.dtype);
            line(out, &format!("lathe_context_bind_{way}(context, {index}, {code}, {name}, sizeof {name});"));
        }
    }
    line(
        out,
        "if (lathe_context_run(context)) { char text[256]; lathe_context_error(context, text, sizeof text); puts(text); }",
    );
    line(out, "lathe_context_destroy(context);");
    line(out, "lathe_model_close(model);");
    out.push_str(" */\n");
}

/// The runtime's header, once for all models of one version that a source file uses.
fn runtime(out: &mut String) -> Result<(), Diagnostic> {
    let suffix = archive::SUFFIX;
    let broken = || Diagnostic::bug("the runtime's header has no include guard");
    let (_, contents) = LATHE_H.split_once(GUARD).ok_or_else(broken)?;
    _ = write!(
        out,
        "#if defined LATHE_H && !defined LATHE_RUNTIME{suffix}\n\
         #error \"models compiled by different versions of Lathe have to be used in different source files\"\n\
         #endif\n{GUARD}#define LATHE_RUNTIME{suffix}\n\n\
         /* The names in the library end in a hash, so that models of different versions link into one program. */\n"
    );
    for name in archive::functions()? {
        _ = writeln!(out, "#define {name} {name}{suffix}");
    }
    out.push_str(contents);
    Ok(())
}

/// Constants for the number and the indices of inputs or outputs.
fn ports(out: &mut String, upper: &str, way: &str, noun: &str, ports: &[(String, TensorType)]) {
    _ = writeln!(out, "/* Number of {noun}s, and the index of each. */\nenum {{");
    _ = write!(out, "  {upper}_{way}PUTS = {}", ports.len());
    let mut taken = BTreeSet::new();
    for (index, (name, _)) in ports.iter().enumerate() {
        let c = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let mut name: String = name.chars().map(c).take(60).collect();
        if !taken.insert(name.clone()) {
            name = format!("{name}_{index}");
            taken.insert(name.clone());
        }
        _ = write!(out, ",\n  {upper}_{way}_{name} = {index}");
    }
    out.push_str("\n};\n\n");
}

/// Name of an element type, and its constant.
fn element(dtype: DType) -> (&'static str, &'static str) {
    match dtype {
        DType::F32 => ("float32", "LATHE_F32"),
        DType::F64 => ("float64", "LATHE_F64"),
        DType::F16 => ("float16", "LATHE_F16"),
        DType::BF16 => ("bfloat16", "LATHE_BF16"),
        DType::I8 => ("int8", "LATHE_I8"),
        DType::I16 => ("int16", "LATHE_I16"),
        DType::I32 => ("int32", "LATHE_I32"),
        DType::I64 => ("int64", "LATHE_I64"),
        DType::U8 => ("uint8", "LATHE_U8"),
        DType::U16 => ("uint16", "LATHE_U16"),
        DType::U32 => ("uint32", "LATHE_U32"),
        DType::U64 => ("uint64", "LATHE_U64"),
        DType::Bool => ("bool (one byte)", "LATHE_BOOL"),
        DType::F8E4M3FN => ("float8e4m3fn", "LATHE_F8E4M3FN"),
        DType::F8E4M3FNUZ => ("float8e4m3fnuz", "LATHE_F8E4M3FNUZ"),
        DType::F8E5M2 => ("float8e5m2", "LATHE_F8E5M2"),
        DType::F8E5M2FNUZ => ("float8e5m2fnuz", "LATHE_F8E5M2FNUZ"),
        DType::F8E8M0 => ("float8e8m0", "LATHE_F8E8M0"),
        DType::F6E2M3 => ("float6e2m3 (one in a byte)", "LATHE_F6E2M3"),
        DType::F6E3M2 => ("float6e3m2 (one in a byte)", "LATHE_F6E3M2"),
        DType::F4E2M1 => ("float4e2m1 (one in a byte)", "LATHE_F4E2M1"),
        DType::I4 => ("int4 (one in a byte)", "LATHE_I4"),
        DType::U4 => ("uint4 (one in a byte)", "LATHE_U4"),
        DType::I2 => ("int2 (one in a byte)", "LATHE_I2"),
        DType::U2 => ("uint2 (one in a byte)", "LATHE_U2"),
    }
}

fn shape(ty: &TensorType) -> String {
    let dims: Vec<String> = ty.shape.iter().map(|dim| plain(&dim.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", plain(name))
}

/// A text from the model that can stand in a comment: printable ASCII that neither ends nor begins one.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(80) {
        if (c == '/' && out.ends_with('*')) || (c == '*' && out.ends_with('/')) {
            out.push(' ');
        }
        out.push(if c.is_ascii_graphic() && c != '\\' || c == ' ' { c } else { '?' });
    }
    // No trigraphs.
    while out.contains("??") {
        out = out.replace("??", "?");
    }
    out
}
