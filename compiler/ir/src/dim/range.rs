//! What the ranges of the symbols say of a dimension.

use super::{Dim, DimVisitor, Symbol, SymbolInfo, Symbols};

impl Dim {
    /// Smallest and largest value under the symbols' ranges; `None` at an end that is not bounded or not known.
    pub fn range(&self, symbols: &Symbols) -> (Option<i64>, Option<i64>) {
        struct Range<'a>(&'a Symbols);
        type Ends = (Option<i64>, Option<i64>);
        fn corners(a: Ends, b: Ends, op: impl Fn(i64, i64) -> Option<i64>) -> Ends {
            let (Some(a0), Some(a1), Some(b0), Some(b1)) = (a.0, a.1, b.0, b.1) else { return (None, None) };
            let all = [op(a0, b0), op(a0, b1), op(a1, b0), op(a1, b1)];
            match all.into_iter().collect::<Option<Vec<_>>>() {
                Some(values) => (values.iter().min().copied(), values.iter().max().copied()),
                None => (None, None),
            }
        }
        impl DimVisitor for Range<'_> {
            type Out = Ends;
            fn constant(&mut self, value: i64) -> Ends {
                (Some(value), Some(value))
            }
            fn symbol(&mut self, symbol: &Symbol) -> Ends {
                match self.0.get(symbol) {
                    Some(info) => (Some(info.lo), info.hi),
                    None => (Some(0), None),
                }
            }
            fn add(&mut self, a: Ends, b: Ends) -> Ends {
                let sum = |x: Option<i64>, y: Option<i64>| x?.checked_add(y?);
                (sum(a.0, b.0), sum(a.1, b.1))
            }
            fn mul(&mut self, a: Ends, b: Ends) -> Ends {
                if let ((Some(a0), None), (Some(b0), _)) | ((Some(a0), _), (Some(b0), None)) = (a, b)
                    && a0 >= 0
                    && b0 >= 0
                {
                    return (a0.checked_mul(b0), None);
                }
                if let ((Some(c), Some(same)), other) | (other, (Some(c), Some(same))) = (a, b)
                    && c == same
                {
                    let scaled = |end: Option<i64>| end?.checked_mul(c);
                    return if c >= 0 {
                        (scaled(other.0), scaled(other.1))
                    } else {
                        (scaled(other.1), scaled(other.0))
                    };
                }
                corners(a, b, i64::checked_mul)
            }
            fn floor_div(&mut self, a: Ends, b: Ends) -> Ends {
                match b {
                    (Some(lo), hi) if lo > 0 => {
                        let low = match (a.0, hi) {
                            (Some(x), Some(hi)) if x >= 0 => Some(x.div_euclid(hi)),
                            (Some(x), None) if x >= 0 => Some(0),
                            (Some(x), _) => Some(x.div_euclid(lo)),
                            (None, _) => None,
                        };
                        (low, a.1.map(|x| if x >= 0 { x.div_euclid(lo) } else { -1 }))
                    }
                    _ => (None, None),
                }
            }
            fn min(&mut self, a: Ends, b: Ends) -> Ends {
                let hi = match (a.1, b.1) {
                    (Some(x), Some(y)) => Some(x.min(y)),
                    (x, y) => x.or(y),
                };
                (a.0.zip(b.0).map(|(x, y)| x.min(y)), hi)
            }
            fn max(&mut self, a: Ends, b: Ends) -> Ends {
                let lo = match (a.0, b.0) {
                    (Some(x), Some(y)) => Some(x.max(y)),
                    (x, y) => x.or(y),
                };
                (lo, a.1.zip(b.1).map(|(x, y)| x.max(y)))
            }
        }
        self.visit(&mut Range(symbols)).unwrap_or((None, None))
    }

    /// Value at the symbols' typical sizes, for prices; 0 when it cannot be told.
    pub fn typical(&self, symbols: &Symbols) -> i64 {
        self.eval(&|symbol| Some(symbols.get(symbol).map_or(128, SymbolInfo::typical_value))).unwrap_or(0)
    }
}
