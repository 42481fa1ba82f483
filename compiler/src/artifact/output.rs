//! What `lathe compile -o` writes.

use super::{Compiled, WeightsAt, archive, header, lathe_file, link, object};
use lathe_ir::Diagnostic;
use std::path::{Path, PathBuf};

/// Kinds of artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One mapped file, `.lathe`.
    Lathe,
    /// An object file, `.o`; it needs the runtime of a static library.
    Object,
    /// A static library, `.a`.
    Archive,
    /// A shared library, `.so`.
    Shared,
    /// A program.
    Executable,
}

impl Format {
    /// The kind that a file's name asks for.
    pub fn of(path: &Path) -> Result<Format, Diagnostic> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("lathe") => Ok(Format::Lathe),
            Some("o") => Ok(Format::Object),
            Some("a") => Ok(Format::Archive),
            Some("so") => Ok(Format::Shared),
            None => Ok(Format::Executable),
            Some(other) => Err(Diagnostic::unsupported(format!("no artifact ends in .{other}"))
                .help("one of .o, .a, .so, .lathe, or no ending at all for a program")),
        }
    }

    /// Whether a C header comes with it.
    pub fn has_header(self) -> bool {
        matches!(self, Format::Object | Format::Archive | Format::Shared)
    }
}

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The artifact; its ending tells the kind.
    pub path: &'a Path,
    /// Begins the names of the model's symbols; `None` takes it from the file's name.
    pub prefix: Option<&'a str>,
    /// Where the weights go.
    pub weights: WeightsAt<'a>,
}

/// A prefix out of a file's name: what C allows in a name is kept.
pub fn default_prefix(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = stem.strip_prefix("lib").filter(|rest| !rest.is_empty()).unwrap_or(&stem);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut name: String = stem.chars().map(plain).take(60).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || name.starts_with("lathe") {
        name.insert_str(0, "m_");
    }
    name
}

/// Writes an artifact, and its header beside it if it has one. Returns the files written.
pub fn write(compiled: &Compiled, output: &Output<'_>) -> Result<Vec<PathBuf>, Diagnostic> {
    let Output { path, weights, .. } = *output;
    let format = Format::of(path)?;
    let derived = default_prefix(path);
    let prefix = output.prefix.unwrap_or(&derived);
    object::check_prefix(prefix)?;
    match format {
        Format::Lathe => lathe_file::write(compiled, path, weights)?,
        Format::Object => object::write(compiled, prefix, path, weights)?,
        Format::Archive => archive::write(compiled, prefix, path, weights)?,
        Format::Shared => link::shared(compiled, prefix, path, weights)?,
        Format::Executable => link::executable(compiled, path, weights)?,
    }
    let mut files = vec![path.to_owned()];
    if format.has_header() {
        let header = path.with_extension("h");
        header::write(compiled, prefix, &header, path, weights)?;
        files.push(header);
    }
    if let WeightsAt::File(file) = weights {
        files.push(file.to_owned());
    }
    Ok(files)
}
