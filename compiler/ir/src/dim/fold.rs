//! Folds over the expression: lowering, substitution, evaluation.

use super::{Atom, Dim, Repr, Symbol};

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
}
