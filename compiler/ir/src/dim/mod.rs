//! Symbolic dimensions.
//!
//! A [`Dim`] is an integer expression over symbols, always held in one normal form: a sum of integer multiples of
//! products of atoms, plus a constant. An atom is a symbol, a floor division, a minimum or a maximum. Equal normal
//! forms mean equal values; unequal forms may still be equal for all values of the symbols, so callers that need
//! "provably different" ask [`Dim::known_ne`].
//!
//! Always holds: coefficients are non-zero, monomials and their atoms are sorted and unique, no constant exceeds
//! [`LIMIT`] in magnitude. Arithmetic is total: where a result would break a limit it is [`Dim::OVERFLOW`], which
//! absorbs everything and which the verifier refuses.
//!
//! - `symbol`: names and their ranges; `fold`: substitution, evaluation, lowering; `range`: bounds; `print`: text.

mod bound;
mod fold;
mod print;
mod range;
mod symbol;

pub use fold::DimVisitor;
pub use symbol::{Symbol, SymbolInfo, Symbols};

use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Largest magnitude of a constant or coefficient.
pub const LIMIT: i64 = 1 << 60;
/// Largest number of terms of one expression.
const MAX_TERMS: usize = 64;
/// Deepest nesting of divisions, minima and maxima.
const MAX_DEPTH: usize = 12;
/// Largest number of atoms of one expression, nested ones included: walks visit shared parts again and again.
const MAX_SIZE: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Atom {
    Symbol(Symbol),
    FloorDiv(Arc<(Dim, Dim)>),
    Min(Arc<(Dim, Dim)>),
    Max(Arc<(Dim, Dim)>),
}

type Monomial = SmallVec<[Atom; 2]>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Sum {
    terms: Vec<(Monomial, i64)>,
    constant: i64,
    /// Number of atoms, nested ones included; follows from the terms.
    size: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    Const(i64),
    Sum(Arc<Sum>),
    Overflow,
}

/// A dimension: an integer expression over symbols in normal form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dim(Repr);

impl Dim {
    /// The result of arithmetic beyond the limits; absorbs everything. The verifier refuses it.
    pub const OVERFLOW: Dim = Dim(Repr::Overflow);
    /// The dimension 0.
    pub const ZERO: Dim = Dim(Repr::Const(0));
    /// The dimension 1.
    pub const ONE: Dim = Dim(Repr::Const(1));

    /// A constant dimension.
    pub fn constant(value: i64) -> Dim {
        if (-LIMIT..=LIMIT).contains(&value) { Dim(Repr::Const(value)) } else { Dim::OVERFLOW }
    }

    /// A symbol as a dimension.
    pub fn symbol(symbol: &Symbol) -> Dim {
        Dim::atom(Atom::Symbol(symbol.clone()))
    }

    /// The value, if the dimension is a constant.
    pub fn as_const(&self) -> Option<i64> {
        match self.0 {
            Repr::Const(value) => Some(value),
            _ => None,
        }
    }

    /// The value as a size, if the dimension is a constant that is not negative.
    pub fn as_size(&self) -> Option<usize> {
        self.as_const().and_then(|value| usize::try_from(value).ok())
    }

    /// The symbol, if the dimension is just that symbol.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        match &self.0 {
            Repr::Sum(sum) if sum.constant == 0 => match sum.terms.as_slice() {
                [(monomial, 1)] => match monomial.as_slice() {
                    [Atom::Symbol(symbol)] => Some(symbol),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// True if this is the result of arithmetic beyond the limits.
    pub fn is_overflow(&self) -> bool {
        self.0 == Repr::Overflow
    }

    /// True if the dimension is the constant `value`.
    pub fn is(&self, value: i64) -> bool {
        self.as_const() == Some(value)
    }

    /// True if the two can be told apart for every value of their symbols.
    pub fn known_ne(&self, other: &Dim) -> bool {
        (self - other).as_const().is_some_and(|difference| difference != 0)
    }

    fn atom(atom: Atom) -> Dim {
        Dim::sum(vec![(SmallVec::from_iter([atom]), 1)], 0)
    }

    fn sum(terms: Vec<(Monomial, i64)>, constant: i64) -> Dim {
        let size_of = |atom: &Atom| match atom {
            Atom::Symbol(_) => 1,
            Atom::FloorDiv(pair) | Atom::Min(pair) | Atom::Max(pair) => 1 + pair.0.size() + pair.1.size(),
        };
        let size = terms.iter().flat_map(|(monomial, _)| monomial.iter().map(size_of)).sum();
        if size > MAX_SIZE { Dim::OVERFLOW } else { Dim(Repr::Sum(Arc::new(Sum { terms, constant, size }))) }
    }

    fn size(&self) -> usize {
        match &self.0 {
            Repr::Sum(sum) => sum.size,
            _ => 0,
        }
    }

    fn depth(&self) -> usize {
        let Repr::Sum(sum) = &self.0 else { return 0 };
        let inner = |atom: &Atom| match atom {
            Atom::Symbol(_) => 0,
            Atom::FloorDiv(pair) | Atom::Min(pair) | Atom::Max(pair) => 1 + pair.0.depth().max(pair.1.depth()),
        };
        sum.terms.iter().flat_map(|(monomial, _)| monomial.iter().map(inner)).max().unwrap_or(0)
    }

    fn parts(&self) -> Option<(&[(Monomial, i64)], i64)> {
        match &self.0 {
            Repr::Const(value) => Some((&[], *value)),
            Repr::Sum(sum) => Some((&sum.terms, sum.constant)),
            Repr::Overflow => None,
        }
    }

    fn from_terms(terms: BTreeMap<Monomial, i128>, constant: i128) -> Dim {
        let fits = |value: i128| i64::try_from(value).ok().filter(|v| (-LIMIT..=LIMIT).contains(v));
        let Some(constant) = fits(constant) else { return Dim::OVERFLOW };
        let mut kept = Vec::new();
        for (monomial, coefficient) in terms {
            match fits(coefficient) {
                Some(0) => {}
                Some(coefficient) if monomial.len() <= 8 => kept.push((monomial, coefficient)),
                _ => return Dim::OVERFLOW,
            }
        }
        match kept.len() {
            0 => Dim(Repr::Const(constant)),
            n if n > MAX_TERMS => Dim::OVERFLOW,
            _ => Dim::sum(kept, constant),
        }
    }

    fn add_scaled(&self, other: &Dim, scale: i64) -> Dim {
        let (Some((left, c1)), Some((right, c2))) = (self.parts(), other.parts()) else { return Dim::OVERFLOW };
        if left.is_empty() && right.is_empty() {
            return Dim::from_terms(BTreeMap::new(), i128::from(c1) + i128::from(c2) * i128::from(scale));
        }
        let mut terms: BTreeMap<Monomial, i128> = left.iter().map(|(m, c)| (m.clone(), i128::from(*c))).collect();
        for (monomial, coefficient) in right {
            *terms.entry(monomial.clone()).or_default() += i128::from(*coefficient) * i128::from(scale);
        }
        Dim::from_terms(terms, i128::from(c1) + i128::from(c2) * i128::from(scale))
    }

    fn product(&self, other: &Dim) -> Dim {
        let (Some((left, c1)), Some((right, c2))) = (self.parts(), other.parts()) else { return Dim::OVERFLOW };
        if left.len().saturating_mul(right.len()) > MAX_TERMS * 4 {
            return Dim::OVERFLOW;
        }
        let mut terms: BTreeMap<Monomial, i128> = BTreeMap::new();
        for (monomial, coefficient) in left {
            *terms.entry(monomial.clone()).or_default() += i128::from(*coefficient) * i128::from(c2);
        }
        for (monomial, coefficient) in right {
            *terms.entry(monomial.clone()).or_default() += i128::from(*coefficient) * i128::from(c1);
        }
        for (m1, k1) in left {
            for (m2, k2) in right {
                let mut merged: Monomial = m1.iter().chain(m2).cloned().collect();
                merged.sort();
                *terms.entry(merged).or_default() += i128::from(*k1) * i128::from(*k2);
            }
        }
        Dim::from_terms(terms, i128::from(c1) * i128::from(c2))
    }

    /// floor(self / divisor). Division by the constant 0 is [`Dim::OVERFLOW`]. A symbolic divisor is taken to be
    /// positive wherever the result is used; the entry check of a program makes sure of it.
    pub fn floor_div(&self, divisor: &Dim) -> Dim {
        let (Some((terms, constant)), Some((divisor_terms, divisor_constant))) = (self.parts(), divisor.parts()) else {
            return Dim::OVERFLOW;
        };
        if divisor.is(0) || divisor.depth().max(self.depth()) >= MAX_DEPTH {
            return Dim::OVERFLOW;
        }
        if self == divisor {
            return Dim::ONE;
        }
        if self.is(0) {
            return Dim::ZERO;
        }
        if divisor_terms.is_empty() {
            let by = i128::from(divisor_constant);
            // floor((b*Q + R) / b) = Q + floor(R / b)
            let mut quotient = BTreeMap::new();
            let mut rest = BTreeMap::new();
            for (monomial, coefficient) in terms {
                let coefficient = i128::from(*coefficient);
                if coefficient % by == 0 {
                    quotient.insert(monomial.clone(), coefficient / by);
                } else {
                    rest.insert(monomial.clone(), coefficient);
                }
            }
            let whole = i128::from(constant).div_euclid(by);
            let left_over = i128::from(constant).rem_euclid(by);
            if rest.is_empty() {
                let floor = if by > 0 || left_over == 0 { whole } else { whole - 1 };
                return Dim::from_terms(quotient, floor);
            }
            if by > 0 {
                let quotient = Dim::from_terms(quotient, whole);
                let rest = Dim::from_terms(rest, left_over);
                if rest.is_overflow() {
                    return Dim::OVERFLOW;
                }
                return &quotient + &Dim::atom(Atom::FloorDiv(Arc::new((rest, divisor.clone()))));
            }
            return Dim::atom(Atom::FloorDiv(Arc::new((self.clone(), divisor.clone()))));
        }
        if let ([(monomial, coefficient)], 0) = (divisor_terms, divisor_constant)
            && constant == 0
            && let Some(exact) = terms
                .iter()
                .map(|(m, c)| Some((remove_all(m, monomial)?, (c % coefficient == 0).then_some(c / coefficient)?)))
                .collect::<Option<Vec<_>>>()
        {
            let mut sum = Dim::ZERO;
            for (monomial, coefficient) in exact {
                let mut term = Dim::constant(coefficient);
                for atom in monomial {
                    term = &term * &Dim::atom(atom);
                }
                sum = &sum + &term;
            }
            return sum;
        }
        Dim::atom(Atom::FloorDiv(Arc::new((self.clone(), divisor.clone()))))
    }

    /// ceil(self / divisor) for a positive divisor.
    pub fn ceil_div(&self, divisor: &Dim) -> Dim {
        (&(self + divisor) - &Dim::ONE).floor_div(divisor)
    }

    /// self - divisor * floor(self / divisor)
    pub fn modulo(&self, divisor: &Dim) -> Dim {
        self - &(divisor * &self.floor_div(divisor))
    }

    /// The smaller of the two.
    pub fn minimum(&self, other: &Dim) -> Dim {
        self.min_or_max(other, true)
    }

    /// The larger of the two.
    pub fn maximum(&self, other: &Dim) -> Dim {
        self.min_or_max(other, false)
    }

    fn min_or_max(&self, other: &Dim, smaller: bool) -> Dim {
        if self.is_overflow() || other.is_overflow() || self.depth().max(other.depth()) >= MAX_DEPTH {
            return Dim::OVERFLOW;
        }
        if let Some(difference) = (self - other).as_const() {
            return if (difference <= 0) == smaller { self.clone() } else { other.clone() };
        }
        let (a, b) = if self <= other { (self, other) } else { (other, self) };
        let pair = Arc::new((a.clone(), b.clone()));
        Dim::atom(if smaller { Atom::Min(pair) } else { Atom::Max(pair) })
    }

    /// The dimensions of which this one is the largest, nested ones taken apart; it alone if it is no maximum.
    pub fn candidates(&self) -> Vec<&Dim> {
        if let Repr::Sum(sum) = &self.0
            && let ([(monomial, 1)], 0) = (sum.terms.as_slice(), sum.constant)
            && let [Atom::Max(pair)] = monomial.as_slice()
        {
            return pair.0.candidates().into_iter().chain(pair.1.candidates()).collect();
        }
        vec![self]
    }

    /// Product of dimensions.
    pub fn product_of<'a>(dims: impl IntoIterator<Item = &'a Dim>) -> Dim {
        dims.into_iter().fold(Dim::ONE, |product, dim| &product * dim)
    }
}

fn remove_all(from: &Monomial, what: &Monomial) -> Option<Monomial> {
    let mut left = from.clone();
    for atom in what {
        let at = left.iter().position(|other| other == atom)?;
        left.remove(at);
    }
    Some(left)
}

impl From<i64> for Dim {
    fn from(value: i64) -> Dim {
        Dim::constant(value)
    }
}

impl std::ops::Add for &Dim {
    type Output = Dim;
    fn add(self, other: &Dim) -> Dim {
        self.add_scaled(other, 1)
    }
}

impl std::ops::Sub for &Dim {
    type Output = Dim;
    fn sub(self, other: &Dim) -> Dim {
        self.add_scaled(other, -1)
    }
}

impl std::ops::Mul for &Dim {
    type Output = Dim;
    fn mul(self, other: &Dim) -> Dim {
        self.product(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n() -> Dim {
        Dim::symbol(&Symbol::new("N"))
    }

    #[test]
    fn normal_form() {
        let twice = &n() + &n();
        assert_eq!(twice.to_string(), "2*N");
        assert_eq!((&twice - &n()), n());
        assert_eq!((&n() - &n()), Dim::ZERO);
        assert_eq!((&twice * &Dim::from(3)).floor_div(&n()), Dim::from(6));
        assert_eq!((&(&twice * &Dim::from(4)) + &Dim::from(9)).floor_div(&Dim::from(8)).to_string(), "N + 1");
        assert_eq!((&n() + &Dim::from(9)).floor_div(&Dim::from(8)).to_string(), "floordiv(N + 1, 8) + 1");
        assert_eq!(n().maximum(&(&n() + &Dim::ONE)), &n() + &Dim::ONE);
        let larger = n().maximum(&Dim::from(4)).maximum(&Dim::symbol(&Symbol::new("M")));
        let (four, m) = (Dim::from(4), Dim::symbol(&Symbol::new("M")));
        assert!(
            larger.candidates().len() == 3 && [&n(), &four, &m].iter().all(|dim| larger.candidates().contains(dim))
        );
        assert_eq!(n().candidates(), [&n()]);
        assert!((&Dim::from(1 << 59) * &Dim::from(8)).is_overflow());
        assert!(n().floor_div(&Dim::ZERO).is_overflow());
        assert_eq!(Dim::from(-7).floor_div(&Dim::from(2)), Dim::from(-4));
        assert_eq!(Dim::from(7).floor_div(&Dim::from(-2)), Dim::from(-4));
    }

    #[test]
    fn nesting_does_not_explode() {
        let mut dim = n();
        for _ in 0..MAX_DEPTH {
            dim = (2..40).fold(Dim::ZERO, |sum, by| &sum + &dim.floor_div(&Dim::from(by)));
        }
        assert!(dim.is_overflow());
    }

    #[test]
    fn values_and_ranges() {
        let mut symbols = Symbols::new();
        symbols.insert(Symbol::new("N"), SymbolInfo { lo: 1, hi: Some(10), ..SymbolInfo::default() });
        let dim = (&(&n() * &Dim::from(3)) + &Dim::ONE).floor_div(&Dim::from(2));
        assert_eq!(dim.eval(&|_| Some(5)), Some(8));
        assert_eq!(dim.range(&symbols), (Some(2), Some(15)));
        assert_eq!(dim.symbols(), vec![Symbol::new("N")]);
        assert_eq!(dim.substitute(&|_| Some(Dim::from(3))), Dim::from(5));
    }
}
