//! Dimensions as expressions of the loop IR.

use crate::loopir::{Expr, SymbolId};
use lathe_ir::dim::DimVisitor;
use lathe_ir::{Dim, Symbol};
use std::collections::BTreeMap;

/// Symbols of the module with their places in the program.
#[derive(Default)]
pub(crate) struct DimMap {
    symbols: BTreeMap<Symbol, SymbolId>,
}

impl DimMap {
    /// Notes the place of a symbol.
    pub(crate) fn insert(&mut self, symbol: &Symbol, id: SymbolId) {
        self.symbols.insert(symbol.clone(), id);
    }

    /// Place of a symbol.
    pub(crate) fn id(&self, symbol: &Symbol) -> Option<SymbolId> {
        self.symbols.get(symbol).copied()
    }

    /// The dimension as an `I64` expression. A symbol that the program does not have is 0; the verifier makes sure
    /// that there is none.
    pub(crate) fn expr(&self, dim: &Dim) -> Expr {
        dim.visit(&mut ToExpr(self)).unwrap_or_else(|| Expr::i64(0))
    }

    /// Several dimensions.
    pub(crate) fn exprs<'a>(&self, dims: impl IntoIterator<Item = &'a Dim>) -> Vec<Expr> {
        dims.into_iter().map(|dim| self.expr(dim)).collect()
    }
}

struct ToExpr<'a>(&'a DimMap);

impl DimVisitor for ToExpr<'_> {
    type Out = Expr;

    fn constant(&mut self, value: i64) -> Expr {
        Expr::i64(value)
    }

    fn symbol(&mut self, symbol: &Symbol) -> Expr {
        self.0.id(symbol).map_or_else(|| Expr::i64(0), Expr::symbol)
    }

    fn add(&mut self, a: Expr, b: Expr) -> Expr {
        a + b
    }

    fn mul(&mut self, a: Expr, b: Expr) -> Expr {
        a * b
    }

    fn floor_div(&mut self, a: Expr, b: Expr) -> Expr {
        a.floor_div(b)
    }

    fn min(&mut self, a: Expr, b: Expr) -> Expr {
        a.min(b)
    }

    fn max(&mut self, a: Expr, b: Expr) -> Expr {
        a.max(b)
    }
}
