//! Symbols that the ops of a model prove equal to each other or to a constant.

use std::collections::BTreeMap;

use lathe_ir::dim::DimVisitor;
use lathe_ir::{Dim, Symbol, Symbols};

/// What some symbols stand for: a constant or another symbol, never one of the replaced ones.
pub(super) type Substitution = BTreeMap<Symbol, Dim>;

/// Replaces symbols until none is left that the substitution knows.
pub(super) fn apply(dim: &Dim, substitution: &Substitution) -> Dim {
    dim.substitute(&|symbol| substitution.get(symbol).cloned())
}

/// The pair divided by what both share: symbols that cannot be 0, and the coefficients' common divisor.
fn reduce(a: &Dim, b: &Dim, positive: &dyn Fn(&Symbol) -> bool) -> (Dim, Dim) {
    let (mut a, mut b) = (a.clone(), b.clone());
    let divides = |by: &Dim, dim: &Dim| {
        let quotient = dim.floor_div(by);
        (&quotient * by == *dim).then_some(quotient)
    };
    for symbol in a.symbols().into_iter().filter(positive) {
        let by = Dim::symbol(&symbol);
        while let (Some(x), Some(y)) = (divides(&by, &a), divides(&by, &b))
            && !a.is(0)
            && !b.is(0)
        {
            (a, b) = (x, y);
        }
    }
    let shared = gcd(content(&a), content(&b));
    if shared > 1
        && let by = Dim::constant(shared)
        && let (Some(x), Some(y)) = (divides(&by, &a), divides(&by, &b))
    {
        (a, b) = (x, y);
    }
    (a, b)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Greatest common divisor of the coefficients of a sum.
fn content(dim: &Dim) -> i64 {
    struct Content;
    impl DimVisitor for Content {
        type Out = i64;
        fn constant(&mut self, value: i64) -> i64 {
            value.abs()
        }
        fn symbol(&mut self, _: &Symbol) -> i64 {
            1
        }
        fn add(&mut self, a: i64, b: i64) -> i64 {
            gcd(a, b)
        }
        fn mul(&mut self, a: i64, b: i64) -> i64 {
            a.saturating_mul(b)
        }
        fn floor_div(&mut self, _: i64, _: i64) -> i64 {
            1
        }
        fn min(&mut self, _: i64, _: i64) -> i64 {
            1
        }
        fn max(&mut self, _: i64, _: i64) -> i64 {
            1
        }
    }
    dim.visit(&mut Content).unwrap_or(1)
}

/// What the equalities say about plain symbols that `known` does not say yet, added to it. True if there was
/// something. `rank` orders symbols: the one of lowest rank stays; `positive` tells the symbols that cannot be 0.
pub(super) fn learn(
    equalities: &[(Dim, Dim)],
    known: &mut Substitution,
    rank: &dyn Fn(&Symbol) -> usize,
    positive: &dyn Fn(&Symbol) -> bool,
) -> bool {
    let mut changed = false;
    for (a, b) in equalities {
        let (a, b) = reduce(&apply(a, known), &apply(b, known), positive);
        let found = match (a.as_symbol(), b.as_symbol(), a.as_const(), b.as_const()) {
            (Some(x), Some(y), ..) if x != y => {
                let (keep, drop) = if rank(x) <= rank(y) { (x, y) } else { (y, x) };
                Some((drop.clone(), Dim::symbol(keep)))
            }
            (Some(symbol), _, _, Some(value)) | (_, Some(symbol), Some(value), _) if value >= 0 => {
                Some((symbol.clone(), Dim::constant(value)))
            }
            _ => None,
        };
        if let Some((symbol, dim)) = found {
            for other in known.values_mut() {
                *other = other.substitute(&|s| (*s == symbol).then(|| dim.clone()));
            }
            known.insert(symbol, dim);
            changed = true;
        }
    }
    changed
}

/// Upper bounds that the equalities set to plain symbols: `min(c, s) = s` says that s is at most c.
pub(super) fn upper_bounds(equalities: &[(Dim, Dim)], symbols: &Symbols) -> Vec<(Symbol, i64)> {
    let mut bounds = Vec::new();
    for (a, b) in equalities {
        for (limited, plain) in [(a, b), (b, a)] {
            if let (Some(symbol), (_, Some(most))) = (plain.as_symbol(), limited.range(symbols))
                && Dim::constant(most).minimum(plain) == *limited
            {
                bounds.push((symbol.clone(), most));
            }
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str) -> Dim {
        Dim::symbol(&Symbol::new(name))
    }

    #[test]
    fn equal_products_name_equal_symbols() {
        let (n, m, s) = (symbol("n"), symbol("m"), symbol("s"));
        let twelve = Dim::from(12);
        let rank = |symbol: &Symbol| usize::from(symbol.name() == "m");
        let mut known = Substitution::new();
        assert!(learn(&[(&(&n * &s) * &twelve, &(&m * &s) * &twelve)], &mut known, &rank, &|_| true));
        assert_eq!(known, Substitution::from([(Symbol::new("m"), n.clone())]));
        assert!(!learn(&[(m.clone(), n.clone())], &mut known, &rank, &|_| true));
        assert!(learn(&[(&s * &twelve, &(&n * &s) * &twelve)], &mut known, &rank, &|_| true));
        assert_eq!(known[&Symbol::new("n")], Dim::ONE);
        assert_eq!(known[&Symbol::new("m")], Dim::ONE);
        assert!(!learn(&[(&s + &n, twelve)], &mut Substitution::new(), &rank, &|_| true));
    }

    #[test]
    fn a_minimum_equal_to_a_symbol_bounds_it() {
        let n = symbol("n");
        let limited = n.minimum(&Dim::from(512));
        let symbols = Symbols::from([(Symbol::new("n"), Default::default())]);
        assert_eq!(upper_bounds(&[(limited.clone(), n.clone())], &symbols), vec![(Symbol::new("n"), 512)]);
        assert_eq!(upper_bounds(&[(limited, &n + &n)], &symbols), vec![]);
    }
}
