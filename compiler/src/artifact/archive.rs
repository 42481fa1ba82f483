//! Static libraries: the model's object and the runtime's, complete but for the C library.
//!
//! The runtime's object comes from `build.rs`. Its C functions end in a hash of its sources: of two archives of one version
//! the linker takes the first one's runtime for both models; archives of different versions bring a runtime each.

use super::object::{self, Stored, check_prefix, check_target};
use super::{Compiled, WeightsAt, cannot};
use crate::onnx::encode::replace;
use ::object::{Object, ObjectSymbol};
use lathe_ir::Diagnostic;
use std::io::{self, Write};
use std::path::Path;

/// The runtime as an ELF object.
pub const RUNTIME: &[u8] = include_bytes!(env!("LATHE_RUNTIME_OBJECT"));
/// How the names of its C functions end.
pub const SUFFIX: &str = env!("LATHE_SYMBOL_SUFFIX");

/// Names of the runtime's C functions without the suffix, in order.
pub fn functions() -> Result<Vec<String>, Diagnostic> {
    let runtime = ::object::File::parse(RUNTIME).map_err(|error| Diagnostic::bug(format!("the runtime: {error}")))?;
    let names = runtime.symbols().filter(|symbol| symbol.is_global() && symbol.is_definition());
    let mut names: Vec<String> =
        names.filter_map(|symbol| symbol.name().ok()?.strip_suffix(SUFFIX).map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

/// Writes a static library of the model and the runtime.
pub fn write(compiled: &Compiled, prefix: &str, path: &Path, weights: WeightsAt<'_>) -> Result<(), Diagnostic> {
    check_prefix(prefix)?;
    check_target(&compiled.target)?;
    let stored = object::store(compiled, weights)?;
    let mut names: Vec<String> = functions()?.iter().map(|name| format!("{name}{SUFFIX}")).collect();
    let model = names.len();
    names.push(format!("{prefix}_code"));
    replace(path, |out| emit(compiled, prefix, stored, (&names, model), out))
        .map_err(|error| cannot("write", path, &error))
}

/// Writes a static library of the runtime alone, for programs that link models as object files.
pub fn write_runtime(path: &Path) -> Result<(), Diagnostic> {
    let names: Vec<String> = functions()?.iter().map(|name| format!("{name}{SUFFIX}")).collect();
    replace(path, |out| {
        start(out, &names, names.len())?;
        member(out, "runtime.o", RUNTIME.len() as u64)?;
        out.write_all(RUNTIME)?;
        pad(out, RUNTIME.len() as u64)
    })
    .map_err(|error| cannot("write", path, &error))
}

/// `names` are the exported symbols; from the given index on they are the model's.
fn emit(
    compiled: &Compiled,
    prefix: &str,
    stored: Stored,
    (names, model): (&[String], usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    // The model comes last, so that no place in the table of symbols depends on its length.
    start(out, names, model)?;
    member(out, "runtime.o", RUNTIME.len() as u64)?;
    out.write_all(RUNTIME)?;
    pad(out, RUNTIME.len() as u64)?;
    let mut length = 0;
    object::emit(compiled, prefix, stored, out, &mut |out, bytes| {
        length = bytes;
        member(out, "model.o", bytes)
    })?;
    pad(out, length)
}

/// The first bytes and the table of symbols in GNU's form: count, offset of the member of each, names.
fn start(out: &mut dyn Write, names: &[String], model: usize) -> io::Result<()> {
    let text: u64 = names.iter().map(|name| name.len() as u64 + 1).sum();
    let table = 4 + 4 * names.len() as u64 + text;
    let runtime = 8 + HEADER + table.next_multiple_of(2);
    let after = runtime + HEADER + (RUNTIME.len() as u64).next_multiple_of(2);
    out.write_all(b"!<arch>\n")?;
    member(out, "", table)?;
    out.write_all(&(names.len() as u32).to_be_bytes())?;
    for index in 0..names.len() {
        let offset = if index < model { runtime } else { after };
        out.write_all(&(offset as u32).to_be_bytes())?;
    }
    for name in names {
        out.write_all(name.as_bytes())?;
        out.write_all(&[0])?;
    }
    pad(out, table)
}

/// Bytes of a member's header.
const HEADER: u64 = 60;

/// A member's header; time and owner are left out, so that the same content gives the same bytes.
fn member(out: &mut dyn Write, name: &str, bytes: u64) -> io::Result<()> {
    writeln!(out, "{:<16}{:<12}{:<6}{:<6}{:<8}{bytes:<10}`", format!("{name}/"), 0, 0, 0, 644)
}

/// Members begin at even offsets.
fn pad(out: &mut dyn Write, bytes: u64) -> io::Result<()> {
    if bytes % 2 == 1 { out.write_all(b"\n") } else { Ok(()) }
}
