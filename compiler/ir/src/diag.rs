//! Diagnostics: what is wrong, with what, and what would help.

use std::fmt;

/// Whose fault it is. The three kinds are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The model breaks ONNX's rules, or its inputs do not fit it.
    Invalid,
    /// The model is right, Lathe cannot do it yet.
    Unsupported,
    /// Lathe broke one of its own invariants.
    Bug,
}

impl Kind {
    /// Exit status of the command line for this kind.
    pub fn exit_status(self) -> i32 {
        match self {
            Kind::Unsupported => 3,
            Kind::Invalid => 4,
            Kind::Bug => 70,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Invalid => "invalid",
            Kind::Unsupported => "unsupported",
            Kind::Bug => "bug in lathe",
        })
    }
}

/// The place in the ONNX model that a diagnostic is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Node name, or the name of its first output where the node has none.
    pub node: String,
    /// Operator, with its domain in front if that is not ONNX's own.
    pub op: String,
    /// Version of the operator set in force.
    pub opset: Option<i64>,
}

/// One finding. Text is lower case and has no full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whose fault it is.
    pub kind: Kind,
    /// Where, if it can be told.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// Facts that help to understand it.
    pub notes: Vec<String>,
    /// What would work instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding without a place.
    pub fn new(kind: Kind, message: impl Into<String>) -> Diagnostic {
        Diagnostic { kind, place: None, message: message.into(), notes: Vec::new(), help: None }
    }

    /// The model is invalid.
    pub fn invalid(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Kind::Invalid, message)
    }

    /// Lathe cannot do this yet.
    pub fn unsupported(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Kind::Unsupported, message)
    }

    /// Lathe broke an invariant.
    pub fn bug(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Kind::Bug, message)
    }

    /// Names the ONNX node; a place already set stays.
    pub fn at(mut self, node: &str, op: &str, opset: Option<i64>) -> Diagnostic {
        self.place.get_or_insert_with(|| Place { node: node.to_owned(), op: op.to_owned(), opset });
        self
    }

    /// Adds a fact.
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    /// Says what would work.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind)?;
        if let Some(place) = &self.place {
            write!(f, "node \"{}\" ({}", place.node, place.op)?;
            if let Some(opset) = place.opset {
                write!(f, ", opset {opset}")?;
            }
            f.write_str("): ")?;
        }
        f.write_str(&self.message)?;
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// Findings collected over a whole step; never empty when returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// `Ok(value)` if nothing was found.
    pub fn into_result<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Exit status of the command line: a bug outranks an invalid model, which outranks something unsupported.
    pub fn exit_status(&self) -> i32 {
        self.0.iter().map(|d| d.kind.exit_status()).max().unwrap_or(0)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
