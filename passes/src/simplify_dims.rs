//! simplify-dims: where some op needs a symbol to equal another symbol or a constant, that one takes its place.
//!
//! Before: anything. After: no pair of [`lathe_ir::Env::equalities`] has two plain symbols or a symbol and a constant,
//! unless one of them is data-dependent (then only a check at run time can tell). The inputs' types then hold the same
//! symbol twice, or a constant, which the entry check of a program tests. A pair that can never be equal is an error.

use crate::manager::{Changed, PassCx};
use lathe_ir::{Diagnostic, Diagnostics, Dim, Module, Symbol, SymbolInfo};
use std::collections::BTreeMap;

/// The pass.
pub fn run(module: &mut Module, _: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    let mut map: BTreeMap<Symbol, Dim> = BTreeMap::new();
    let mut pairs = std::mem::take(&mut module.env.equalities);
    let count = pairs.len();
    loop {
        for (a, b) in &mut pairs {
            *a = a.substitute(&|symbol| map.get(symbol).cloned());
            *b = b.substitute(&|symbol| map.get(symbol).cloned());
        }
        if let Some((a, b)) = pairs.iter().find(|(a, b)| a.known_ne(b)) {
            return Err(Diagnostic::invalid(format!("the dimensions {a} and {b} must be equal and cannot be")).into());
        }
        pairs.retain(|(a, b)| a != b);
        let Some((symbol, dim)) = pairs.iter().find_map(|(a, b)| unify(module, a, b)) else { break };
        if let Some(kept) = dim.as_symbol() {
            let info = merge(&module.env.symbols[&symbol], &module.env.symbols[kept]);
            if info.hi.is_some_and(|hi| hi < info.lo) {
                return Err(Diagnostic::invalid(format!("the ranges of {symbol} and {kept} do not meet")).into());
            }
            module.env.symbols.insert(kept.clone(), info);
        }
        if let (Some(size), info) = (dim.as_const(), &module.env.symbols[&symbol])
            && (size < info.lo || info.hi.is_some_and(|hi| size > hi))
        {
            return Err(Diagnostic::invalid(format!("{symbol} must be {size}, which its range does not hold")).into());
        }
        for replaced in map.values_mut() {
            *replaced = replaced.substitute(&|other| (*other == symbol).then(|| dim.clone()));
        }
        map.insert(symbol, dim);
    }
    pairs.dedup();
    module.env.equalities = pairs;
    for (a, b) in &mut module.env.conditional {
        *a = a.substitute(&|symbol| map.get(symbol).cloned());
        *b = b.substitute(&|symbol| map.get(symbol).cloned());
    }
    if let Some((a, b)) = module.env.conditional.iter().find(|(a, b)| a.known_ne(b)) {
        let message = format!("in a branch the dimensions {a} and {b} must be equal and cannot be");
        return Err(Diagnostic::invalid(message).into());
    }
    module.env.conditional.retain(|(a, b)| a != b);
    if map.is_empty() {
        return Ok(Changed::from_bool(module.env.equalities.len() < count));
    }
    module.main.substitute(&|symbol| map.get(symbol).cloned());
    module.env.symbols.retain(|symbol, _| !map.contains_key(symbol));
    for most in module.env.symbols.values_mut().filter_map(|info| info.most.as_mut()) {
        *most = most.substitute(&|symbol| map.get(symbol).cloned());
    }
    Ok(Changed::Yes)
}

/// Which symbol to replace by what, if the pair is one to unify: the later name goes.
fn unify(module: &Module, a: &Dim, b: &Dim) -> Option<(Symbol, Dim)> {
    let input_symbol = |dim: &Dim| {
        let symbol = dim.as_symbol()?;
        let info = module.env.symbols.get(symbol)?;
        (!info.data_dependent).then(|| symbol.clone())
    };
    match (input_symbol(a), input_symbol(b)) {
        (Some(x), Some(y)) => Some(if x < y { (y, a.clone()) } else { (x, b.clone()) }),
        (Some(x), None) if b.as_const().is_some() => Some((x, b.clone())),
        (None, Some(y)) if a.as_const().is_some() => Some((y, a.clone())),
        _ => None,
    }
}

fn merge(a: &SymbolInfo, b: &SymbolInfo) -> SymbolInfo {
    let lo = a.lo.max(b.lo);
    let hi = match (a.hi, b.hi) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    };
    let typical = a.typical.or(b.typical).map(|typical| typical.max(lo).min(hi.unwrap_or(i64::MAX)));
    SymbolInfo { lo, hi, typical, ..SymbolInfo::default() }
}
