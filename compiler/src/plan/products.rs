//! Element counts of shapes from data. Each size of such a shape is bounded by the number of elements it is a shape of, so
//! the bound of their product would be a power of that number; but the product is checked to be that number.

use super::lowering::Lowering;
use lathe_ir::{Dim, Symbol};

impl Lowering<'_> {
    /// The dimension, or a bound of it that mentions fewer sizes from data, by the equalities that the schedule has
    /// checked so far.
    pub(crate) fn by_products(&self, dim: &Dim) -> Dim {
        let mut dim = dim.clone();
        if dim.as_const().is_some() {
            return dim;
        }
        for (a, b) in &self.module.env.equalities {
            for (product, elements) in [(a, b), (b, a)] {
                let is_fixed = !elements.symbols().iter().any(|symbol| self.is_data(symbol));
                if is_fixed && product.symbols().iter().all(|symbol| self.is_set(symbol)) {
                    dim = self.replaced(&dim, product, elements);
                }
            }
        }
        dim
    }

    /// The dimension with a product that is known to be `elements`, or a part of that product, replaced by it.
    fn replaced(&self, dim: &Dim, product: &Dim, elements: &Dim) -> Dim {
        let factors: Vec<Symbol> = product.symbols().into_iter().filter(|symbol| self.is_data(symbol)).collect();
        if factors.is_empty() {
            return dim.clone();
        }
        if let Some(rest) = divided(dim, product) {
            return &rest * elements;
        }
        // A part is no larger, unless the rest of the product is 0; then the bound of each factor must tell it.
        let least_one = elements.maximum(&Dim::ONE);
        let bounds = [elements, &least_one];
        let symbols = &self.module.env.symbols;
        let is_bounded = |symbol: &Symbol| {
            let info = symbols.get(symbol);
            let most = info.and_then(|info| info.most.clone().or(info.hi.map(Dim::constant)));
            most.and_then(|most| bounds.iter().position(|bound| **bound == most))
        };
        let Some(bound) = factors.iter().map(is_bounded).collect::<Option<Vec<_>>>() else { return dim.clone() };
        let bound = bounds[bound.into_iter().max().unwrap_or(1)];
        let all: Vec<Dim> = factors.iter().map(Dim::symbol).collect();
        if divided(product, &Dim::product_of(&all)).is_none() {
            return dim.clone();
        }
        let (mut rest, mut found) = (dim.clone(), 0);
        for factor in &all {
            if let Some(quotient) = divided(&rest, factor) {
                (rest, found) = (quotient, found + 1);
            }
        }
        if found >= 2 { &rest * bound } else { dim.clone() }
    }
}

/// The quotient, if the division is exact in normal form.
fn divided(dim: &Dim, by: &Dim) -> Option<Dim> {
    let quotient = dim.floor_div(by);
    (!quotient.is_overflow() && !quotient.is(0) && &quotient * by == *dim).then_some(quotient)
}
