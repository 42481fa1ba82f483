//! The text form, which `parse_dim` in the text module reads back.

use super::{Atom, Dim};
use std::fmt;

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((terms, constant)) = self.parts() else { return f.write_str("overflow") };
        if terms.is_empty() {
            return write!(f, "{constant}");
        }
        for (index, (monomial, coefficient)) in terms.iter().enumerate() {
            let magnitude = coefficient.unsigned_abs();
            match (index, *coefficient < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => {}
                (_, true) => f.write_str(" - ")?,
                (_, false) => f.write_str(" + ")?,
            }
            if magnitude != 1 {
                write!(f, "{magnitude}*")?;
            }
            for (position, atom) in monomial.iter().enumerate() {
                if position > 0 {
                    f.write_str("*")?;
                }
                match atom {
                    Atom::Symbol(symbol) => write!(f, "{symbol}")?,
                    Atom::FloorDiv(pair) => write!(f, "floordiv({}, {})", pair.0, pair.1)?,
                    Atom::Min(pair) => write!(f, "min({}, {})", pair.0, pair.1)?,
                    Atom::Max(pair) => write!(f, "max({}, {})", pair.0, pair.1)?,
                }
            }
        }
        match constant {
            0 => Ok(()),
            c if c > 0 => write!(f, " + {c}"),
            c => write!(f, " - {}", c.unsigned_abs()),
        }
    }
}
