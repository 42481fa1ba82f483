//! What can be wrong with an ONNX file: it cannot be read, or it is invalid, with every place listed.

use std::fmt;
use std::path::{Path, PathBuf};

/// At most this many problems are kept; the rest is counted.
pub const MAX_PROBLEMS: usize = 100;

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The file breaks a rule of ONNX, or one of the limits set here against hostile files.
    Invalid,
    /// The file may be fine, but this reader does not know what it uses.
    Unsupported,
    /// Worth saying; reading goes on.
    Warning,
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProblemKind::Invalid => "invalid",
            ProblemKind::Unsupported => "unsupported",
            ProblemKind::Warning => "warning",
        })
    }
}

/// One thing wrong at one place of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub kind: ProblemKind,
    /// Where, for example `node "fc1/Gemm" (Gemm)`; `model` for the whole file.
    pub place: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
}

impl Problem {
    /// A rule of ONNX broken at `place`.
    pub fn invalid(place: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { kind: ProblemKind::Invalid, place: place.into(), message: message.into() }
    }

    /// Something this reader does not know at `place`.
    pub fn unsupported(place: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { kind: ProblemKind::Unsupported, place: place.into(), message: message.into() }
    }

    /// Something worth saying about `place`.
    pub fn warning(place: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { kind: ProblemKind::Warning, place: place.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.kind, self.place, self.message)
    }
}

/// Problems as they are found, bounded: a hostile file cannot fill memory with error messages.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    kept: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Adds a problem; `make` only runs if there is room for it.
    pub fn push(&mut self, make: impl FnOnce() -> Problem) {
        if self.kept.len() < MAX_PROBLEMS {
            self.kept.push(make());
        } else {
            self.left_out += 1;
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What was found, with a last line that counts what was left out.
    pub fn into_vec(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            let message = format!("{} more problems are not listed", self.left_out);
            self.kept.push(Problem::invalid("model", message));
        }
        self.kept
    }
}

/// Why an ONNX file could not be read or written.
#[derive(Debug)]
pub enum OnnxError {
    /// The file system refused.
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file was read and is not acceptable; never empty.
    Rejected(Vec<Problem>),
}

impl OnnxError {
    /// A file system error at `path`.
    pub fn io(path: &Path, error: std::io::Error) -> OnnxError {
        OnnxError::Io { path: path.to_owned(), error }
    }

    /// The problems, none for a file system error.
    pub fn problems(&self) -> &[Problem] {
        match self {
            OnnxError::Io { .. } => &[],
            OnnxError::Rejected(problems) => problems,
        }
    }
}

impl From<Problem> for OnnxError {
    fn from(problem: Problem) -> OnnxError {
        OnnxError::Rejected(vec![problem])
    }
}

impl fmt::Display for OnnxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnnxError::Io { path, error } => write!(f, "{}: {error}", path.display()),
            OnnxError::Rejected(problems) => {
                for (i, problem) in problems.iter().enumerate() {
                    if i > 0 {
                        f.write_str("\n")?;
                    }
                    write!(f, "{problem}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for OnnxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OnnxError::Io { error, .. } => Some(error),
            OnnxError::Rejected(_) => None,
        }
    }
}

/// A name from a file as errors show it: in quotes, escaped, cut short if very long.
pub fn quote(name: &str) -> String {
    const SHOWN: usize = 120;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}...\"", name[..end].escape_debug()),
        None => format!("\"{}\"", name.escape_debug()),
    }
}
