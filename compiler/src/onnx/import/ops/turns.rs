//! Loops: what Loop, Scan and the like become.

use lathe_ir::{Attr, DType, Dim, LOOP_LIMIT, OpCode, Shape, Symbol, SymbolInfo, Symbols, TensorType, ValueId};

use std::collections::BTreeSet;

use crate::onnx::error::quote;
use crate::onnx::import::frames::Region;
use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::branch::bounded;

/// How often a body is imported again because a size turned out to change.
const ATTEMPTS: usize = 4;

/// How many turns there are.
pub(super) enum Trips {
    /// As many.
    Known(Dim),
    /// An i64 that the program computes.
    Computed(Val),
    /// Until the condition ends them.
    Unlimited,
}

/// A loop to be made.
pub(super) struct Turns<'n> {
    /// Turns after which it ends.
    pub(super) trips: Trips,
    /// Whether there is a first turn, where that is not known.
    pub(super) cond: Option<Val>,
    /// First values of what is carried, with their names.
    pub(super) inits: Vec<(Val, &'n str)>,
}

/// What a turn gives.
pub(super) struct Turn {
    /// Whether there is another; `None` if there is.
    pub(super) more: Option<Val>,
    /// What is carried on.
    pub(super) carried: Vec<Val>,
    /// What is stacked.
    pub(super) stacked: Vec<Val>,
}

/// The body of a loop: from the number of the turn and the carried values.
pub(super) type BodyFn<'b, 'i, 'a> = &'b mut dyn FnMut(&mut NodeCx<'i, 'a>, &Dim, &[Val]) -> R<Turn>;

/// A body that was imported.
struct Imported {
    region: Region,
    counter: Symbol,
    more: bool,
    /// Types of the carried values at the beginning of a turn and at its end.
    carried: Vec<(TensorType, TensorType)>,
    stacked: Vec<TensorType>,
    /// Symbols of sizes that change, with the value and axis whose they are.
    changing: Vec<(Symbol, usize, usize)>,
}

/// Makes a loop; gives the carried values as they are in the end, then what was stacked.
pub(super) fn turns<'i, 'a>(cx: &mut NodeCx<'i, 'a>, spec: &Turns<'_>, body: BodyFn<'_, 'i, 'a>) -> R<Vec<Val>> {
    let mut operands: Vec<Option<ValueId>> = vec![None, None];
    let (trips, most) = match &spec.trips {
        Trips::Known(dim) => (Some(dim.clone()), dim.at_most(cx.symbols())),
        Trips::Computed(val) => {
            let count = cx.reshape(*val, [])?;
            let count = cx.cast(count, DType::I64)?;
            operands[0] = Some(cx.importer.values.value(count)?);
            (None, None)
        }
        Trips::Unlimited => (None, None),
    };
    if let Some(cond) = spec.cond {
        let cond = cx.reshape(cond, [])?;
        operands[1] = Some(cx.importer.values.value(cond)?);
    }
    let mut inits = Vec::new();
    for (val, _) in &spec.inits {
        inits.push(cx.ty(*val)?);
        operands.push(Some(cx.importer.values.value(*val)?));
    }
    let outside: BTreeSet<Symbol> = cx.symbols().keys().cloned().collect();
    let Imported { mut region, counter, more, carried, stacked, changing } =
        import(cx, spec, &inits, most.as_ref(), body)?;
    operands.extend(region.captures.drain(..).map(Some));

    // Bounds of what changes, and the sizes of the results.
    let mut sizes = Shape::new();
    let mut differ = false;
    for (index, (begin, end)) in carried.iter().enumerate() {
        for axis in 0..begin.rank() {
            let own = changing.iter().find(|(_, value, at)| (*value, *at) == (index, axis));
            let Some((symbol, ..)) = own else {
                sizes.push(begin.shape[axis].clone());
                continue;
            };
            let known = most.clone().unwrap_or(Dim::constant(cx.importer.loop_turns));
            let Some(bound) = growth(cx, symbol, &inits[index].shape[axis], &end.shape[axis], &known) else {
                return unsupported(format!(
                    "the carried value {} has the size {} before a turn and {} after it, for which no bound is known",
                    quote(spec.inits[index].1),
                    begin.shape[axis],
                    end.shape[axis]
                ));
            };
            let info = bounded(cx, bound);
            cx.importer.values.module.env.symbols.insert(symbol.clone(), info.clone());
            differ = true;
            sizes.push(Dim::symbol(&cx.importer.values.data_symbol("size", info)));
        }
    }
    let counted = trips.clone().filter(|_| !more && operands[1].is_none());
    let count = match counted {
        _ if stacked.is_empty() => Dim::ZERO,
        Some(trips) => trips,
        None => {
            differ = true;
            let info = bounded(cx, most.unwrap_or(Dim::constant(cx.importer.loop_turns)));
            Dim::symbol(&cx.importer.values.data_symbol("turns", info))
        }
    };
    for (index, ty) in stacked.iter().enumerate() {
        // What the body defines, every turn defines anew.
        let moves = |dim: &Dim| dim.symbols().iter().any(|symbol| !outside.contains(symbol));
        if ty.shape.iter().any(moves) {
            return unsupported(format!(
                "output {} is {ty} in each turn: its size changes from turn to turn, so it cannot be stacked",
                carried.len() + index
            ));
        }
        sizes.push(count.clone());
        sizes.extend(ty.shape.iter().cloned());
    }
    let changing: Vec<Dim> = changing.iter().map(|(symbol, ..)| Dim::symbol(symbol)).collect();
    let mut attrs = vec![
        ("counter", Attr::dims([Dim::symbol(&counter)])),
        ("carried", Attr::Int(carried.len() as i64)),
        ("while", Attr::Bool(more)),
        ("changing", Attr::dims(changing)),
    ];
    if let Some(trips) = trips {
        attrs.push(("trips", Attr::dims([trips])));
    }
    if differ {
        attrs.push(("sizes", Attr::Dims(sizes)));
    }
    let id = cx.importer.values.builder().op(OpCode::Loop, &operands, &attrs, vec![region.graph])?;
    Ok(cx.importer.values.results_of(id))
}

/// Imports the body, again with a symbol for each size that turned out to change.
fn import<'i, 'a>(
    cx: &mut NodeCx<'i, 'a>,
    spec: &Turns<'_>,
    inits: &[TensorType],
    most: Option<&Dim>,
    body: BodyFn<'_, 'i, 'a>,
) -> R<Imported> {
    let mut changes: Vec<(usize, usize)> = Vec::new();
    for attempt in 0..ATTEMPTS {
        let (mark, before) = (cx.importer.values.mark(), cx.importer.findings());
        let last = match most {
            Some(most) => cx.known().max(&(most - &Dim::ONE), &Dim::ZERO),
            None => Dim::constant(LOOP_LIMIT - 1),
        };
        let info = bounded(cx, last);
        let counter = cx.importer.values.data_symbol("turn", info);
        let mut types = inits.to_vec();
        let mut changing = Vec::new();
        for &(value, axis) in &changes {
            let info = SymbolInfo { lo: 0, ..SymbolInfo::default() };
            let symbol = cx.importer.values.data_symbol("size", info);
            types[value].shape[axis] = Dim::symbol(&symbol);
            changing.push((symbol, value, axis));
        }
        let turn = Dim::symbol(&counter);
        let (region, ended) = cx.region(|cx| one_turn(cx, &types, &turn, body));
        let (more, ends, stacked) = ended?;
        let mut news = Vec::new();
        for (index, (begin, end)) in types.iter().zip(&ends).enumerate() {
            let name = quote(spec.inits[index].1);
            if begin.dtype != end.dtype || begin.rank() != end.rank() {
                let what = format!("the carried value {name} is {begin} before a turn and {end} after it");
                return if begin.dtype == end.dtype { unsupported(what) } else { invalid(what) };
            }
            let moved = (0..begin.rank()).filter(|&axis| begin.shape[axis] != end.shape[axis]);
            news.extend(moved.map(|axis| (index, axis)).filter(|place| !changes.contains(place)));
        }
        if news.is_empty() {
            let carried = types.into_iter().zip(ends).collect();
            return Ok(Imported { region, counter, more, carried, stacked, changing });
        }
        changes.extend(news);
        if attempt + 1 < ATTEMPTS {
            cx.importer.values.back_to(&mark);
            cx.importer.forget_findings(before);
        }
    }
    unsupported("sizes of carried values change in a way that is not followed")
}

type Ended = (bool, Vec<TensorType>, Vec<TensorType>);

/// Imports one turn into the region at work; gives whether it tells of another, and the types of its results.
fn one_turn<'i, 'a>(cx: &mut NodeCx<'i, 'a>, types: &[TensorType], turn: &Dim, body: BodyFn<'_, 'i, 'a>) -> R<Ended> {
    let params: Vec<Val> = types.iter().map(|ty| cx.importer.values.param(ty.clone())).collect();
    let Turn { more, carried, stacked } = body(cx, turn, &params)?;
    if carried.len() != types.len() {
        return invalid(format!("the body gives {} carried values, it gets {}", carried.len(), types.len()));
    }
    let mut results = Vec::new();
    if let Some(more) = more {
        let more = cx.reshape(more, [])?;
        results.push(more);
    }
    results.extend(carried.iter().chain(&stacked));
    let mut all = Vec::new();
    for val in results {
        let value = cx.importer.values.value(val)?;
        let main = &mut cx.importer.values.module.main;
        main.add_result(&format!("y{}", all.len()), value);
        all.push(main.ty(value).clone());
    }
    let first = usize::from(more.is_some());
    let stacked = all.split_off(first + carried.len());
    Ok((first == 1, all.split_off(first), stacked))
}

/// What a size is at most that is `init` before the first turn and goes from `symbol` to `end` in each.
fn growth(cx: &NodeCx<'_, '_>, symbol: &Symbol, init: &Dim, end: &Dim, turns: &Dim) -> Option<Dim> {
    let symbols: &Symbols = cx.symbols();
    let known = cx.known();
    let init = init.at_most(symbols)?;
    let step = end - &Dim::symbol(symbol);
    if !step.symbols().contains(symbol)
        && let Some(step) = step.at_most(symbols)
    {
        let step = known.max(&step, &Dim::ZERO);
        return Some(&init + &(&step * turns)).filter(|most| !most.is_overflow());
    }
    Some(known.max(&init, &end.at_most(symbols)?))
}
