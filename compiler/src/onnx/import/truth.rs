//! Truth values that depend on sizes: 0 or 1 as a dimension, so that a shape may be chosen by comparing sizes.

use lathe_ir::{DType, Dim};

use super::known::{Compare, Elem, Known};

/// 1 where the dimension is at least 1, else 0.
fn is_positive(dim: &Dim) -> Dim {
    dim.maximum(&Dim::ZERO).minimum(&Dim::ONE)
}

impl Known<'_> {
    /// `op(a, b)` as an element of a bool: 0 or 1, or a dimension that is 0 or 1.
    pub(super) fn truth(&self, op: Compare, a: &Elem, b: &Elem) -> Option<Elem> {
        if let Some(holds) = self.compare(op, a, b) {
            return Some(Elem::Int(i64::from(holds)));
        }
        let (x, y) = (a.to_dim()?, b.to_dim()?);
        let above = &y - &x;
        Elem::from_dim(match op {
            Compare::Eq => &Dim::ONE - &is_positive(&above.maximum(&(&x - &y))),
            Compare::Lt => is_positive(&above),
            Compare::Le => is_positive(&(&above + &Dim::ONE)),
        })
    }

    /// The other truth value.
    pub(super) fn negated(&self, a: &Elem) -> Option<Elem> {
        match a {
            Elem::Int(value) => Some(Elem::Int(i64::from(*value == 0))),
            Elem::Dim(dim) => Elem::from_dim(&Dim::ONE - dim),
            Elem::Float(_) | Elem::Ratio(..) => None,
        }
    }

    /// `yes` where the condition is 1, else `no`. Where sizes decide it both have to be integers, and no negative
    /// constants: what these mean in a shape (-1 is what is left over) has to be seen at import, or be computed as data.
    pub(super) fn chosen(&self, dtype: DType, condition: &Elem, yes: &Elem, no: &Elem) -> Option<Elem> {
        match condition {
            Elem::Int(0) => Some(no.clone()),
            Elem::Int(_) => Some(yes.clone()),
            _ if yes == no => Some(no.clone()),
            Elem::Dim(condition) if !dtype.is_float() => {
                let (yes, no) = (yes.to_dim()?, no.to_dim()?);
                if [&yes, &no].into_iter().any(|dim| dim.as_const().is_some_and(|value| value < 0)) {
                    return None;
                }
                Elem::from_dim(&no + &(condition * &(&yes - &no)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_ir::{Symbol, SymbolInfo, Symbols};

    #[test]
    fn comparisons_of_sizes_are_0_or_1() {
        let info = SymbolInfo { lo: 0, hi: Some(64), ..SymbolInfo::default() };
        let symbols = Symbols::from([(Symbol::new("N"), info.clone()), (Symbol::new("M"), info)]);
        let known = Known { symbols: &symbols };
        let [n, m] = ["N", "M"].map(|name| Elem::Dim(Dim::symbol(&Symbol::new(name))));
        let value = |elem: &Elem, n: i64, m: i64| {
            let dim = elem.to_dim().unwrap();
            dim.eval(&|symbol| Some(if symbol.name() == "N" { n } else { m })).unwrap()
        };
        for (op, holds) in [
            (Compare::Eq, (|n, m| n == m) as fn(i64, i64) -> bool),
            (Compare::Lt, |n, m| n < m),
            (Compare::Le, |n, m| n <= m),
        ] {
            let truth = known.truth(op, &n, &m).unwrap();
            let opposite = known.negated(&truth).unwrap();
            let chosen = known.chosen(DType::I64, &truth, &n, &Elem::Int(7)).unwrap();
            for (x, y) in [(0, 0), (0, 1), (1, 0), (3, 9), (9, 3), (9, 9)] {
                assert_eq!(value(&truth, x, y), i64::from(holds(x, y)), "{op:?} of {x} and {y}");
                assert_eq!(value(&opposite, x, y), i64::from(!holds(x, y)));
                assert_eq!(value(&chosen, x, y), if holds(x, y) { x } else { 7 });
            }
        }
        assert_eq!(known.truth(Compare::Lt, &n, &Elem::Int(65)), Some(Elem::Int(1)));
    }
}
