//! Writing of `.lathe` files; their format and the loader are in `lathe_runtime::lathe_file`.

use super::hash::HashWriter;
use super::{Compiled, InProcess, WeightsAt, cannot};
use crate::backend::CodeBlob;
use crate::onnx::encode::replace;
use lathe_ir::Diagnostic;
use lathe_runtime::Model;
use lathe_runtime::core::status::Code;
use lathe_runtime::core::table::ABI;
use lathe_runtime::lathe_file::{self, Header, Info, PAGE, Section};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Writes the file at `path`, and the weights into a file of their own if told so.
pub fn write(compiled: &Compiled, path: &Path, weights: WeightsAt<'_>) -> Result<(), Diagnostic> {
    compiled.check_size(weights)?;
    let outside = match weights {
        WeightsAt::Inside => None,
        WeightsAt::File(file) => Some((name_of(file)?, compiled.write_weights(file)?)),
    };
    replace(path, |out| {
        let mut at = 0;
        pad(out, &mut at, PAGE)?;
        let code = section(out, &mut at, &compiled.code.bytes)?;
        pad(out, &mut at, PAGE)?;
        // Its length is the same whatever the hash; it is written again when the hash is known.
        let place = Section { offset: at, ..Section::default() };
        let description = describe(compiled, outside.as_ref().map_or(0, |outside| outside.1))?;
        let mut description = Section { bytes: description.len() as u64, ..place };
        out.seek_relative(description.bytes as i64)?;
        at += description.bytes;
        let mut weights = Section { offset: 0, bytes: compiled.weights.total_bytes(), hash: 0 };
        let mut weights_name = Section::default();
        match &outside {
            Some((name, hash)) => {
                weights.hash = *hash;
                weights_name = section(out, &mut at, name.as_bytes())?;
            }
            None => {
                pad(out, &mut at, PAGE)?;
                weights.offset = at;
                let mut hashing = HashWriter::new(&mut *out);
                compiled.weights.write(&mut hashing)?;
                weights.hash = hashing.finish().1;
                at += weights.bytes;
            }
        }
        let bytes = describe(compiled, weights.hash)?;
        description.hash = xxh3_64(&bytes);
        out.seek(SeekFrom::Start(description.offset))?;
        out.write_all(&bytes)?;
        let CodeBlob { bind, plan, run, .. } = compiled.code;
        let header = Header { abi: ABI, file_bytes: at, bind, plan, run, code, description, weights, weights_name };
        out.seek(SeekFrom::Start(0))?;
        out.write_all(&header.write())
    })
    .map_err(|error| cannot("write", path, &error))
}

fn describe(compiled: &Compiled, hash: u64) -> io::Result<Vec<u8>> {
    compiled.describe(hash).map_err(|error| io::Error::other(error.message))
}

/// The name by which the `.lathe` file finds its weights, in the same folder.
fn name_of(file: &Path) -> Result<String, Diagnostic> {
    let name = file.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| Diagnostic::invalid(format!("{} is no name for a file", file.display())))
}

fn pad(out: &mut impl Write, at: &mut u64, align: u64) -> io::Result<()> {
    // The header's place is left empty for now.
    let end = if *at == 0 { align } else { at.next_multiple_of(align) };
    out.write_all(&vec![0; (end - *at) as usize])?;
    *at = end;
    Ok(())
}

fn section(out: &mut impl Write, at: &mut u64, bytes: &[u8]) -> io::Result<Section> {
    let section = Section { offset: *at, bytes: bytes.len() as u64, hash: xxh3_64(bytes) };
    out.write_all(bytes)?;
    *at += section.bytes;
    Ok(section)
}

fn refused(error: lathe_runtime::Error) -> Diagnostic {
    // A file that this version wrote and that cannot be used is a fault of this version; all else is the file's.
    match error.code {
        Code::OutOfMemory => Diagnostic::bug(error.message),
        _ => Diagnostic::invalid(error.message),
    }
}

/// Loads a file, ready to run. `threads` = 0 takes as many as the process may use.
pub fn load(path: &Path, threads: usize) -> Result<InProcess, Diagnostic> {
    load_with_weights(path, None, threads)
}

/// Loads a file whose weights are in the given file instead of the recorded one.
pub fn load_with_weights(path: &Path, weights: Option<&Path>, threads: usize) -> Result<InProcess, Diagnostic> {
    InProcess::new(&Model::load_with_weights(path, weights).map_err(refused)?, threads)
}

/// Reads what a file says of itself.
pub fn info(path: &Path) -> Result<Info, Diagnostic> {
    lathe_file::info(path).map_err(refused)
}

/// Compares every section, the weights included, with its hash.
pub fn verify(path: &Path, weights: Option<&Path>) -> Result<Info, Diagnostic> {
    lathe_file::verify(path, weights).map_err(refused)
}
