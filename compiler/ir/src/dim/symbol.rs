//! Symbols: names of sizes that the compiler does not know, and what is known of them.

use super::Dim;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Name of a dimension that is known only when the program is called (or, for data-dependent sizes, while it runs).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// A symbol of that name; equal names are the same symbol.
    pub fn new(name: &str) -> Symbol {
        Symbol(name.into())
    }

    /// The name as the model spells it.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        let plain = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !matches!(&*self.0, "floordiv" | "min" | "max" | "overflow");
        if plain { f.write_str(&self.0) } else { write!(f, "{:?}", &*self.0) }
    }
}

/// Smallest, largest and typical value of a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolInfo {
    /// Smallest value; at least 0.
    pub lo: i64,
    /// Largest value, if bounded.
    pub hi: Option<i64>,
    /// Value at which costs are priced.
    pub typical: Option<i64>,
    /// True when the value is found while the program runs (NonZero, branches of different sizes, trips of a loop), false
    /// when an input's shape tells it.
    pub data_dependent: bool,
    /// Of a data-dependent symbol: a value it never exceeds, over symbols that are not data-dependent. Memory is planned
    /// for it; without it for `hi`.
    pub most: Option<Dim>,
}

impl Default for SymbolInfo {
    fn default() -> Self {
        SymbolInfo { lo: 1, hi: None, typical: None, data_dependent: false, most: None }
    }
}

impl SymbolInfo {
    /// The value at which costs are priced: the stated typical value, else the upper bound, else 128 within bounds.
    pub fn typical_value(&self) -> i64 {
        self.typical.or(self.hi).unwrap_or(128.max(self.lo))
    }
}

/// The symbols of a module with what is known about each.
pub type Symbols = BTreeMap<Symbol, SymbolInfo>;
