//! The program's edge: inputs and outputs, `@bind`, `@plan` and the schedule.

use super::Plan;
use super::arena::{self, Start};
use super::bounds::{Ranges, upper};
use super::lowering::{Lowering, SHAPE_MISMATCH};
use super::scalar::scalar_type;
use super::schedule::{Step, emit};
use super::view::View;
use crate::loopir::{BufferId, BufferKind, Builder, ENTRY_NODE, Expr, ExprKind, PlanSlot, SymbolId};
use lathe_ir::{Diagnostic, Dim, Module, Symbol, SymbolInfo, Symbols, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// Largest value of a symbol without a bound of its own.
const UNBOUNDED: i64 = 1 << 40;

/// Declares symbols and inputs, and gives graph results their places among the outputs.
pub(super) fn declare(l: &mut Lowering<'_>) {
    let module = l.module;
    for (index, (symbol, info)) in module.env.symbols.iter().enumerate() {
        let name = plain_name(symbol, index, &module.env.symbols);
        let (id, _) = l.out.symbol(&name, info.lo, info.hi.unwrap_or(UNBOUNDED));
        l.dims.insert(symbol, id);
    }
    for (index, port) in module.main.params.iter().enumerate() {
        let ty = module.main.ty(port.value).clone();
        let len = l.dims.expr(&ty.elements());
        let buffer = l.out.input(&format!("in{index}"), scalar_type(ty.dtype), len, index as u32, ty.rank() as u32);
        l.share_buffer(port.value, buffer);
        l.set_view(port.value, View::contiguous(port.value, &ty.shape));
    }
    for (index, port) in module.main.results.iter().enumerate() {
        if let Some((_, root)) = l.computed_root(port.value) {
            let ty = l.graph.ty(port.value).clone();
            l.assign_output(root, index as u32, &ty);
        }
    }
}

/// The symbol's name if the loop IR can write it, else one made up that no symbol of the model has.
fn plain_name(symbol: &Symbol, index: usize, all: &Symbols) -> String {
    let name = symbol.name();
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    if is_plain {
        return name.to_owned();
    }
    let mut made_up = format!("symbol{index}");
    while all.contains_key(&Symbol::new(&made_up)) {
        made_up.push('_');
    }
    made_up
}

/// Symbols whose values the shapes of the inputs do not tell.
pub(super) fn untold(module: &Module) -> Vec<&Symbol> {
    let ports = module.main.params.iter();
    let told: BTreeSet<&Symbol> =
        ports.flat_map(|port| module.main.ty(port.value).shape.iter().filter_map(Dim::as_symbol)).collect();
    let symbols = module.env.symbols.iter();
    symbols.filter(|(symbol, info)| !info.data_dependent && !told.contains(symbol)).map(|(symbol, _)| symbol).collect()
}

/// Copies results that have no place among the outputs, plans the arena and builds `@bind`, `@plan` and the schedule.
pub(super) fn finish(mut l: Lowering<'_>) -> Result<Plan, Diagnostic> {
    let module = l.module;
    copy_outputs(&mut l).map_err(Diagnostic::bug)?;
    let symbols = &module.env.symbols;
    let params: Vec<TensorType> = module.main.params.iter().map(|port| module.main.ty(port.value).clone()).collect();
    let results: Vec<TensorType> = module.main.results.iter().map(|port| module.main.ty(port.value).clone()).collect();
    let mut names: Vec<String> = symbols.keys().map(|symbol| symbol.name().to_owned()).collect();
    let mut sizes = Sizes::new(&l, symbols);
    // Each symbol has a bound, and yet an expression of many may have none that is short enough to be found.
    let unbounded = |what: String| {
        let open = symbols.iter().filter(|(_, info)| info.data_dependent && info.hi.is_none());
        let options: Vec<String> = open.map(|(symbol, _)| format!("--dim {symbol}=0..SIZE")).collect();
        Diagnostic::unsupported(format!("no bound was found of {what}, a size computed from data"))
            .help(format!("a size given for one of these gives more a bound: {}", options.join(", ")))
    };
    let output_dims = sizes.output_dims(&mut l, symbols, &results, &mut names).map_err(unbounded)?;
    sizes.bound_buffers(&mut l).map_err(unbounded)?;
    let scratch = sizes.scratch(&l).map_err(unbounded)?;
    let typical: BTreeMap<SymbolId, i64> =
        symbols.iter().filter_map(|(symbol, info)| Some((l.dims.id(symbol)?, info.typical_value()))).collect();
    let schedule = l.close();
    let placed = arena::place(&l.out, &schedule, &|expr| evaluate(expr, &typical).unwrap_or(0));
    let arena_bytes = placed.typical_bytes;
    let dims = std::mem::take(&mut l.dims);
    let mut solved: BTreeMap<Symbol, (u32, u32)> = BTreeMap::new();
    for (input, ty) in params.iter().enumerate() {
        for (axis, dim) in ty.shape.iter().enumerate() {
            if let Some(symbol) = dim.as_symbol() {
                solved.entry(symbol.clone()).or_insert((input as u32, axis as u32));
            }
        }
    }
    let unsolved = symbols.iter().find(|(symbol, info)| !info.data_dependent && !solved.contains_key(symbol));
    if let Some((symbol, _)) = unsolved {
        return Err(Diagnostic::bug(format!("no input's shape tells the symbol {symbol}")));
    }
    let checks = std::mem::take(&mut l.entry_checks);
    l.out.bind(|b| {
        for (symbol, &(input, axis)) in &solved {
            if let Some(id) = dims.id(symbol) {
                let size = b.let_now(Expr::input_dim(input, axis));
                b.check(size.ge(symbols[symbol].lo), SHAPE_MISMATCH, Some(input as i32), &size);
                b.set_symbol(id, size, input as i32);
            }
        }
        for (input, ty) in params.iter().enumerate() {
            for (axis, dim) in ty.shape.iter().enumerate() {
                check_dim(b, input as u32, axis as u32, &dims.expr(dim));
            }
        }
        for (&id, (_, most)) in &sizes.ranges {
            b.set_symbol(id, most.clone(), -1);
        }
        let is_data = |dim: &Dim| dim.symbols().iter().any(|symbol| symbols[symbol].data_dependent);
        // What data decide is checked where the schedule sets it.
        for (x, y) in module.env.equalities.iter().filter(|(x, y)| !is_data(x) && !is_data(y)) {
            let value = b.let_now(dims.expr(x));
            // The input that tells one of the sizes.
            let told = x.symbols().into_iter().chain(y.symbols()).find_map(|symbol| solved.get(&symbol));
            let input = told.map_or(-1, |(input, _)| *input as i32);
            b.check(value.eq_(dims.expr(y)), SHAPE_MISMATCH, Some(input), &value);
        }
        for check in checks {
            b.check(check.cond, check.code, Some(ENTRY_NODE - check.node), check.value);
        }
    });
    l.out.plan(|b| {
        // One name for each end, and for the highest end so far, since later buffers build on it.
        let mut ends: Vec<Expr> = Vec::new();
        let mut tops = vec![Expr::i64(0)];
        for slot in &placed.slots {
            let start = match &slot.start {
                Start::At(byte) => Expr::i64(*byte),
                Start::Above(below) => {
                    below.iter().fold(Expr::i64(0), |start, &below| b.let_(start.max(ends[below].clone())))
                }
                Start::AboveFirst(count) => tops[*count].clone(),
            };
            b.set_plan(PlanSlot::Offset(slot.buffer), &start);
            let end = b.let_(start + slot.bytes.clone());
            tops.push(b.let_(tops[tops.len() - 1].max(end.clone())));
            ends.push(end);
        }
        let bytes = tops.pop().unwrap_or_else(|| Expr::i64(0));
        b.set_plan(PlanSlot::ArenaBytes, bytes);
        let mut most = Expr::i64(0);
        for bytes in scratch {
            if bytes != most {
                most = b.let_(most.max(bytes));
            }
        }
        b.set_plan(PlanSlot::ScratchBytes, most);
        for (output, axes) in output_dims.iter().enumerate() {
            for (axis, dim) in axes.iter().enumerate() {
                b.set_plan(PlanSlot::OutputDim { output: output as u32, axis: axis as u32 }, dim.clone());
            }
        }
    });
    l.out.run(|b| emit(b, &schedule));
    let named = |ports: &[lathe_ir::Port], types: Vec<TensorType>| -> Vec<(String, TensorType)> {
        ports.iter().map(|port| port.name.to_string()).zip(types).collect()
    };
    Ok(Plan {
        symbols: names,
        inputs: named(&module.main.params, params),
        outputs: named(&module.main.results, results),
        nodes: l.nodes,
        weights: l.weights,
        arena_bytes,
        program: l.out.finish(),
    })
}

/// Sizes that the schedule sets, and what they are at most.
struct Sizes {
    ranges: Ranges,
}

impl Sizes {
    fn new(l: &Lowering<'_>, symbols: &Symbols) -> Sizes {
        let range = |(symbol, info): (&Symbol, &SymbolInfo)| {
            let fixed = Expr::i64(info.hi.unwrap_or(UNBOUNDED));
            let most = match &info.most {
                Some(most) => l.dims.expr(most).min(fixed),
                None => fixed,
            };
            Some((l.dims.id(symbol)?, (Expr::i64(info.lo), most)))
        };
        Sizes { ranges: symbols.iter().filter(|(_, info)| info.data_dependent).filter_map(range).collect() }
    }

    /// The sizes of outputs. Before a run `@plan` tells their bounds: where the bounds of the symbols do not give the
    /// bound of the whole (a difference), the size gets a symbol of its own.
    fn output_dims(
        &mut self,
        l: &mut Lowering<'_>,
        symbols: &Symbols,
        results: &[TensorType],
        names: &mut Vec<String>,
    ) -> Result<Vec<Vec<Expr>>, String> {
        let mut own: BTreeMap<Dim, SymbolId> = BTreeMap::new();
        let mut set = Vec::new();
        let mut all = Vec::new();
        for ty in results {
            let mut axes = Vec::new();
            for dim in &ty.shape {
                let most = dim.at_most(symbols).ok_or_else(|| format!("the output dimension {dim}"))?;
                let at_bounds = dim.substitute(&|symbol| Dim::symbol(symbol).at_most(symbols));
                if most == at_bounds {
                    axes.push(l.dims.expr(dim));
                    continue;
                }
                let id = match own.get(dim) {
                    Some(&id) => id,
                    None => {
                        let mut name = format!("size{}", own.len());
                        while names.contains(&name) {
                            name.push('_');
                        }
                        let (id, _) = l.out.symbol(&name, 0, UNBOUNDED);
                        names.push(name);
                        self.ranges.insert(id, (Expr::i64(0), l.dims.expr(&most)));
                        set.push((id, l.dims.expr(dim)));
                        own.insert(dim.clone(), id);
                        id
                    }
                };
                axes.push(Expr::symbol(id));
            }
            all.push(axes);
        }
        if !set.is_empty() {
            l.step(Step::Sizes(set, -1));
        }
        Ok(all)
    }

    /// Gives buffers the length that they have at most. An error names what has no bound.
    fn bound_buffers(&self, l: &mut Lowering<'_>) -> Result<(), String> {
        let buffers = l.out.program().buffers.iter().enumerate();
        let mut lens = Vec::new();
        for (index, buffer) in buffers {
            if matches!(buffer.kind, BufferKind::Arena | BufferKind::Output(_)) {
                let len = upper(&buffer.len, &self.ranges).ok_or_else(|| format!("the length of {}", buffer.name))?;
                lens.push((BufferId(index as u32), len));
            }
        }
        for (buffer, len) in lens {
            l.out.set_len(buffer, len);
        }
        Ok(())
    }

    /// Scratch that each kernel needs at most.
    fn scratch(&self, l: &Lowering<'_>) -> Result<Vec<Expr>, String> {
        let kernels = l.out.program().kernels.iter();
        let bound = |kernel: &crate::loopir::Kernel| upper(&kernel.scratch_bytes(), &self.ranges);
        kernels.map(|kernel| bound(kernel).ok_or_else(|| format!("the scratch of {}", kernel.name))).collect()
    }
}

fn check_dim(b: &mut Builder<'_>, input: u32, axis: u32, expected: &Expr) {
    let value = b.let_now(Expr::input_dim(input, axis));
    b.check(value.eq_(expected.clone()), SHAPE_MISMATCH, Some(input as i32), &value);
}

fn copy_outputs(l: &mut Lowering<'_>) -> Result<(), String> {
    for (index, port) in l.graph.results.iter().enumerate() {
        let ty = l.graph.ty(port.value).clone();
        let root = l.computed_root(port.value).filter(|&(_, root)| l.output_index(root) == Some(index as u32));
        if let Some((_, root)) = root {
            // A layout chosen by a kernel must not reach an output.
            let view = l.view(port.value)?;
            if view.root == root && view.is_contiguous() {
                continue;
            }
            return Err(format!("output {index} was written in another layout"));
        }
        let source = l.view(port.value)?;
        let len = l.dims.expr(&ty.elements());
        let elem = scalar_type(ty.dtype);
        let buffer = l.out.output(&format!("out{index}"), elem, len, index as u32, ty.rank() as u32);
        let target = l.new_root(&ty, buffer);
        l.copy(&source, &target, ty.dtype, "output")?;
    }
    Ok(())
}

/// Value of an integer expression under given symbols; `None` for anything else.
fn evaluate(expr: &Expr, symbols: &BTreeMap<SymbolId, i64>) -> Option<i64> {
    match expr.kind() {
        ExprKind::Int(value) => Some(*value),
        ExprKind::Symbol(id) => symbols.get(id).copied(),
        ExprKind::Binary(op, a, b) => {
            Some(crate::loopir::eval_int(*op, expr.ty(), evaluate(a, symbols)?, evaluate(b, symbols)?))
        }
        _ => None,
    }
}
