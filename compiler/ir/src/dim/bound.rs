//! Bounds of data-dependent sizes: what memory is planned for before their values are known.

use super::{Dim, DimVisitor, Symbol, Symbols};

/// A value between two expressions without data-dependent symbols; `None` at an end that has no bound.
struct Ends(Option<Dim>, Option<Dim>);

struct Bound<'a>(&'a Symbols);

fn both(a: Option<Dim>, b: Option<Dim>, op: impl Fn(&Dim, &Dim) -> Dim) -> Option<Dim> {
    Some(op(&a?, &b?))
}

impl DimVisitor for Bound<'_> {
    type Out = Ends;

    fn constant(&mut self, value: i64) -> Ends {
        Ends(Some(Dim::constant(value)), Some(Dim::constant(value)))
    }

    fn symbol(&mut self, symbol: &Symbol) -> Ends {
        match self.0.get(symbol) {
            Some(info) if info.data_dependent => {
                let fixed = info.hi.map(Dim::constant);
                Ends(Some(Dim::constant(info.lo)), info.most.clone().or(fixed))
            }
            _ => Ends(Some(Dim::symbol(symbol)), Some(Dim::symbol(symbol))),
        }
    }

    fn add(&mut self, a: Ends, b: Ends) -> Ends {
        Ends(both(a.0, b.0, |x, y| x + y), both(a.1, b.1, |x, y| x + y))
    }

    /// Coefficients are constants; what else is multiplied are sizes, which are never negative.
    fn mul(&mut self, a: Ends, b: Ends) -> Ends {
        let negative = |ends: &Ends| ends.1.as_ref().and_then(Dim::as_const).is_some_and(|value| value < 0);
        let (a, b) = if negative(&b) { (b, a) } else { (a, b) };
        if negative(&a) {
            return Ends(both(a.0, b.1, |x, y| x * y), both(a.1, b.0, |x, y| x * y));
        }
        Ends(both(a.0, b.0, |x, y| x * y), both(a.1, b.1, |x, y| x * y))
    }

    fn floor_div(&mut self, a: Ends, b: Ends) -> Ends {
        Ends(both(a.0, b.1, Dim::floor_div), both(a.1, b.0, Dim::floor_div))
    }

    fn min(&mut self, a: Ends, b: Ends) -> Ends {
        let most = match (a.1, b.1) {
            (Some(x), Some(y)) => Some(x.minimum(&y)),
            (x, y) => x.or(y),
        };
        Ends(both(a.0, b.0, Dim::minimum), most)
    }

    fn max(&mut self, a: Ends, b: Ends) -> Ends {
        Ends(both(a.0, b.0, Dim::maximum), both(a.1, b.1, Dim::maximum))
    }
}

impl Dim {
    /// A size that this one never exceeds, over symbols that are not data-dependent; the dimension itself if it has no
    /// other. `None` if it has no bound.
    pub fn at_most(&self, symbols: &Symbols) -> Option<Dim> {
        self.visit(&mut Bound(symbols))?.1.filter(|most| !most.is_overflow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dim::SymbolInfo;

    #[test]
    fn a_difference_is_largest_where_the_data_are_fewest() {
        let (n, d, e) = (Symbol::new("N"), Symbol::new("D"), Symbol::new("E"));
        let data = |lo, most: Option<&Dim>| SymbolInfo {
            lo,
            data_dependent: true,
            most: most.cloned(),
            ..SymbolInfo::default()
        };
        let size = |symbol: &Symbol| Dim::symbol(symbol);
        let symbols = Symbols::from([
            (n.clone(), SymbolInfo::default()),
            (d.clone(), data(0, Some(&(&size(&n) * &Dim::from(4))))),
            (e.clone(), data(0, None)),
        ]);
        let most = |dim: Dim| dim.at_most(&symbols).map(|most| most.to_string());
        assert_eq!(most(&size(&d) * &Dim::from(3)).as_deref(), Some("12*N"));
        assert_eq!(most(&size(&n) - &size(&d)).as_deref(), Some("N"));
        assert_eq!(most(size(&d).minimum(&size(&e))).as_deref(), Some("4*N"));
        assert_eq!(most(&size(&d) * &size(&n)).as_deref(), Some("4*N*N"));
        assert_eq!(most(&size(&e) + &size(&n)), None);
    }
}
