//! Sizes that data decide: where a shape, a length or a count is known only when the program runs, the number becomes a
//! symbol with a bound. Like a dimension without a name it is called after a value and a position: the node's first output
//! and the number of the size. `--dim` bounds it where the model does not, or more tightly.

use lathe_ir::{Attr, DType, Dim, OpCode, Symbol, SymbolInfo, Symbols};

use crate::onnx::error::quote;

use super::DimBound;
use super::node::NodeCx;
use super::values::{R, Val, invalid, needs_value};

/// True if a >= b whatever the symbols are; a size from data may have the other one as its bound.
pub(super) fn at_least(a: &Dim, b: &Dim, symbols: &Symbols) -> bool {
    let not_positive = |dim: &Dim| dim.range(symbols).1.is_some_and(|high| high <= 0);
    let rest = b - a;
    (a - b).range(symbols).0.is_some_and(|low| low >= 0)
        || not_positive(&rest)
        || rest.at_most(symbols).is_some_and(|most| not_positive(&most))
}

impl NodeCx<'_, '_> {
    /// The value, an integer scalar, as a dimension of at most `most`. Without a bound the caller's options must give
    /// one; `what` says what it is.
    pub(super) fn data_size(&mut self, val: Val, most: Option<&Dim>, what: &str) -> R<Dim> {
        let value = self.cast(val, DType::I64)?;
        let value = self.reshape(value, [])?;
        let name = self.data_name();
        let given = self.importer.data_bounds.get(&name).copied();
        self.importer.data_names.insert(name.clone());
        let (least, given, typical) = match given {
            Some(DimBound::Pin(size)) => (size, Some(size), None),
            Some(DimBound::Range(low, high, typical)) => (low, Some(high), typical),
            None => (0, None, None),
        };
        let symbols = self.symbols();
        let most = most.and_then(|most| most.at_most(symbols));
        let known = most.as_ref().and_then(|most| most.range(symbols).1);
        if most.is_none() && given.is_none() {
            let bound = quote(&name);
            return needs_value(format!(
                "{what} is computed from data and has no bound: give it one, --dim {bound}=0..SIZE"
            ));
        }
        let hi = match (known, given) {
            (Some(known), Some(given)) => Some(known.min(given)),
            (known, given) => known.or(given),
        };
        if let Some(hi) = hi
            && hi < least
        {
            return invalid(format!("{what} is at most {hi}, but {} is to be at least {least}", quote(&name)));
        }
        let symbol = Symbol::new(&name);
        let info = SymbolInfo {
            lo: least,
            hi,
            typical: typical.filter(|typical| hi.is_none_or(|hi| *typical <= hi)),
            data_dependent: true,
            most: most.filter(|most| most.as_const().is_none()),
        };
        self.importer.values.module.env.symbols.insert(symbol.clone(), info);
        let size = Dim::symbol(&symbol);
        self.op(OpCode::DataSize, &[value], &[("size", Attr::dims([size.clone()]))])?;
        Ok(size)
    }

    /// A name that no dimension has.
    fn data_name(&self) -> String {
        let taken =
            |name: &String| self.symbols().contains_key(&Symbol::new(name)) || self.importer.data_names.contains(name);
        let mut number = 0;
        loop {
            let name = format!("{}_{number}", self.importer.first_output);
            if !taken(&name) {
                return name;
            }
            number += 1;
        }
    }

    /// A list or scalar of sizes: those that are known as they are, the others from the data, each at most what `most` says
    /// of its position.
    pub(super) fn sizes_of(&mut self, val: Val, what: &str, most: &dyn Fn(usize) -> Option<Dim>) -> R<Vec<Dim>> {
        if let Some(elems) = self.all_elems(val)? {
            return match elems.iter().map(super::known::Elem::to_dim).collect() {
                Some(dims) => Ok(dims),
                None => invalid(format!("{what} holds a number that is no size")),
            };
        }
        let count = match self.sizes(val)?.as_deref() {
            Some([]) => 1,
            Some(&[count]) if count <= super::known::MAX_KNOWN => count,
            _ => return needs_value(format!("how many numbers {what} has is known only when the program runs")),
        };
        if !self.dtype(val)?.is_int() {
            return invalid(format!("{what} is {}, integers are needed", self.ty(val)?));
        }
        let known = self.elems(val)?;
        let mut dims = Vec::new();
        for index in 0..count {
            let elem = known.as_ref().and_then(|elems| elems.get(index)?.as_ref()?.to_dim());
            dims.push(match elem {
                Some(dim) => dim,
                None => {
                    let element = self.element(val, index)?;
                    self.data_size(element, most(index).as_ref(), what)?
                }
            });
        }
        Ok(dims)
    }

    /// Element `index` of a vector (or the scalar itself) as a scalar.
    pub(super) fn element(&mut self, val: Val, index: usize) -> R<Val> {
        if self.rank(val)? == 0 {
            return Ok(val);
        }
        let part = super::ops::slice::take_axis(self, val, 0, &Dim::from(index as i64), &Dim::ONE)?;
        self.reshape(part, [])
    }

    /// floor(a / b) of i64 values for a divisor that is not 0, which is checked when the program runs.
    pub(super) fn floor_div_values(&mut self, a: Val, b: Val) -> R<Val> {
        let rest = self.op(OpCode::Rem, &[a, b], &[])?;
        let whole = self.op(OpCode::Sub, &[a, rest], &[])?;
        self.op(OpCode::Div, &[whole, b], &[])
    }
}
