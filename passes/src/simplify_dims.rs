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
    if let Some((a, b)) = contradiction(&pairs) {
        return Err(Diagnostic::invalid(format!("the dimensions {a} and {b} must be equal and cannot be")).into());
    }
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

/// Most dimensions of one class that are compared pair by pair.
const COMPARED: usize = 64;

/// Two dimensions that cannot be equal though a chain of pairs wants it: no pair by itself has to show that.
fn contradiction(pairs: &[(Dim, Dim)]) -> Option<(&Dim, &Dim)> {
    let mut classes: Vec<Vec<&Dim>> = Vec::new();
    let mut class_of: BTreeMap<&Dim, usize> = BTreeMap::new();
    for (a, b) in pairs {
        let mut class = |dim| {
            *class_of.entry(dim).or_insert_with(|| {
                classes.push(vec![dim]);
                classes.len() - 1
            })
        };
        let (a, b) = (class(a), class(b));
        if a == b {
            continue;
        }
        // The smaller one joins the larger.
        let (kept, joined) = if classes[a].len() < classes[b].len() { (b, a) } else { (a, b) };
        for dim in std::mem::take(&mut classes[joined]) {
            class_of.insert(dim, kept);
            classes[kept].push(dim);
        }
    }
    classes.iter().find_map(|class| {
        let first = &class[..class.len().min(COMPARED)];
        let differ = |(at, a): (usize, &&'_ Dim)| first[at + 1..].iter().find(|b| a.known_ne(b)).map(|b| (at, *b));
        first.iter().enumerate().find_map(differ).map(|(at, b)| (class[at], b))
    })
}

#[cfg(test)]
mod tests {
    use crate::Options;
    use lathe_ir::text::{no_weights, parse_module};

    #[test]
    fn a_chain_of_pairs_that_cannot_hold_is_an_error() {
        let text = |last: &str| {
            format!(
                "symbol A : 1..\nsymbol B : 1..\nsymbol C : 1..\nequal 2*A == B*C\nequal B*C == {last}\n\n\
                 graph(%0 \"x\": f32[A,B,C]) {{\n  return %0 \"y\"\n}}\n"
            )
        };
        let run = |last| {
            let mut module = parse_module(&text(last), &no_weights).unwrap_or_else(|error| panic!("{error}"));
            let options = Options { passes: Some(vec!["simplify-dims".to_owned()]), ..Options::default() };
            crate::optimize(&mut module, &options).map(|_| ()).map_err(|found| found.to_string())
        };
        assert_eq!(run("A*A"), Ok(()));
        let refused = run("2*A + 1").expect_err("2 A is even");
        assert!(refused.starts_with("invalid") && refused.contains("must be equal and cannot be"), "{refused}");
    }
}
