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

use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Largest magnitude of a constant or coefficient.
pub const LIMIT: i64 = 1 << 60;
/// Largest number of terms of one expression.
const MAX_TERMS: usize = 64;
/// Deepest nesting of divisions, minima and maxima.
const MAX_DEPTH: usize = 12;
/// Largest number of atoms of one expression, nested ones included: walks visit shared parts again and again.
const MAX_SIZE: usize = 1024;

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
    /// True when the value is found while the program runs (NonZero, NonMaxSuppression), false when an input's shape
    /// tells it.
    pub data_dependent: bool,
}

impl Default for SymbolInfo {
    fn default() -> Self {
        SymbolInfo { lo: 1, hi: None, typical: None, data_dependent: false }
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

/// What a dimension is made of, for code that lowers it; see [`Dim::visit`].
pub trait DimVisitor {
    /// What each subexpression becomes.
    type Out;
    /// A constant.
    fn constant(&mut self, value: i64) -> Self::Out;
    /// A symbol.
    fn symbol(&mut self, symbol: &Symbol) -> Self::Out;
    /// a + b
    fn add(&mut self, a: Self::Out, b: Self::Out) -> Self::Out;
    /// a * b
    fn mul(&mut self, a: Self::Out, b: Self::Out) -> Self::Out;
    /// floor(a / b)
    fn floor_div(&mut self, a: Self::Out, b: Self::Out) -> Self::Out;
    /// min(a, b)
    fn min(&mut self, a: Self::Out, b: Self::Out) -> Self::Out;
    /// max(a, b)
    fn max(&mut self, a: Self::Out, b: Self::Out) -> Self::Out;
}

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

    /// The value under given symbol values; `None` if a symbol is unknown, a divisor is 0 or a limit is passed.
    pub fn eval(&self, value_of: &dyn Fn(&Symbol) -> Option<i64>) -> Option<i64> {
        self.substitute(&|symbol| value_of(symbol).map(Dim::constant)).as_const()
    }

    /// Replaces symbols; those for which `replacement` gives `None` stay.
    pub fn substitute(&self, replacement: &dyn Fn(&Symbol) -> Option<Dim>) -> Dim {
        struct Substitute<'a>(&'a dyn Fn(&Symbol) -> Option<Dim>);
        impl DimVisitor for Substitute<'_> {
            type Out = Dim;
            fn constant(&mut self, value: i64) -> Dim {
                Dim::constant(value)
            }
            fn symbol(&mut self, symbol: &Symbol) -> Dim {
                (self.0)(symbol).unwrap_or_else(|| Dim::symbol(symbol))
            }
            fn add(&mut self, a: Dim, b: Dim) -> Dim {
                &a + &b
            }
            fn mul(&mut self, a: Dim, b: Dim) -> Dim {
                &a * &b
            }
            fn floor_div(&mut self, a: Dim, b: Dim) -> Dim {
                a.floor_div(&b)
            }
            fn min(&mut self, a: Dim, b: Dim) -> Dim {
                a.minimum(&b)
            }
            fn max(&mut self, a: Dim, b: Dim) -> Dim {
                a.maximum(&b)
            }
        }
        match &self.0 {
            Repr::Sum(_) => self.visit(&mut Substitute(replacement)).unwrap_or(Dim::OVERFLOW),
            _ => self.clone(),
        }
    }

    /// Folds the expression bottom-up; `None` for [`Dim::OVERFLOW`].
    pub fn visit<V: DimVisitor>(&self, visitor: &mut V) -> Option<V::Out> {
        let (terms, constant) = self.parts()?;
        let mut sum = None;
        for (monomial, coefficient) in terms {
            let mut product = if *coefficient == 1 { None } else { Some(visitor.constant(*coefficient)) };
            for atom in monomial {
                let factor = match atom {
                    Atom::Symbol(symbol) => visitor.symbol(symbol),
                    Atom::FloorDiv(pair) | Atom::Min(pair) | Atom::Max(pair) => {
                        let a = pair.0.visit(visitor)?;
                        let b = pair.1.visit(visitor)?;
                        match atom {
                            Atom::FloorDiv(_) => visitor.floor_div(a, b),
                            Atom::Min(_) => visitor.min(a, b),
                            _ => visitor.max(a, b),
                        }
                    }
                };
                product = Some(match product {
                    Some(product) => visitor.mul(product, factor),
                    None => factor,
                });
            }
            let term = match product {
                Some(term) => term,
                None => visitor.constant(1),
            };
            sum = Some(match sum {
                Some(sum) => visitor.add(sum, term),
                None => term,
            });
        }
        Some(match sum {
            None => visitor.constant(constant),
            Some(sum) if constant == 0 => sum,
            Some(sum) => {
                let constant = visitor.constant(constant);
                visitor.add(sum, constant)
            }
        })
    }

    /// The symbols that occur, each once, sorted.
    pub fn symbols(&self) -> Vec<Symbol> {
        let found = std::cell::RefCell::new(std::collections::BTreeSet::new());
        self.substitute(&|symbol| {
            found.borrow_mut().insert(symbol.clone());
            None
        });
        found.into_inner().into_iter().collect()
    }

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
