//! The program's edge: inputs and outputs, `@bind`, `@plan` and the schedule.

use super::lowering::{Lowering, is_view_op};
use super::scalar::scalar_type;
use super::view::View;
use super::{Plan, arena};
use crate::loopir::{Builder, Expr, ExprKind, PlanSlot, SymbolId};
use lathe_ir::{OpCode, Symbol, Symbols, TensorType, ValueId};
use std::collections::BTreeMap;

/// Status code of an input whose sizes do not fit: the runtime's `Code::ShapeMismatch`.
const SHAPE_MISMATCH: i32 = 2;
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
        if let Some(root) = output_root(l, port.value) {
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

/// The computed value whose memory can be the output itself, if there is one: reshapes are looked through.
fn output_root(l: &Lowering<'_>, mut value: ValueId) -> Option<ValueId> {
    loop {
        let (_, op) = l.graph.def(value)?;
        match (op.code, op.operand(0)) {
            (OpCode::Reshape, Some(operand)) => value = operand,
            (code, _) if is_view_op(code) || code == OpCode::Const => return None,
            _ => return Some(value),
        }
    }
}

/// Copies results that have no place among the outputs, plans the arena and builds `@bind`, `@plan` and the schedule.
pub(super) fn finish(mut l: Lowering<'_>) -> Result<Plan, String> {
    let module = l.module;
    copy_outputs(&mut l)?;
    let symbols = &module.env.symbols;
    let typical: BTreeMap<SymbolId, i64> =
        symbols.iter().filter_map(|(symbol, info)| Some((l.dims.id(symbol)?, info.typical_value()))).collect();
    let placed = arena::place(&l.out, &l.schedule, &|expr| evaluate(expr, &typical).unwrap_or(0));
    let arena_bytes = placed.typical_bytes;

    let params: Vec<TensorType> = module.main.params.iter().map(|port| module.main.ty(port.value).clone()).collect();
    let results: Vec<TensorType> = module.main.results.iter().map(|port| module.main.ty(port.value).clone()).collect();
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
        return Err(format!("no input's shape tells the symbol {symbol}"));
    }
    l.out.bind(|b| {
        for (symbol, &(input, axis)) in &solved {
            if let Some(id) = dims.id(symbol) {
                b.set_symbol(id, Expr::input_dim(input, axis), -1);
            }
        }
        for (input, ty) in params.iter().enumerate() {
            for (axis, dim) in ty.shape.iter().enumerate() {
                check_dim(b, input as u32, axis as u32, &dims.expr(dim));
            }
        }
        for (x, y) in &module.env.equalities {
            let value = b.let_now(dims.expr(x));
            b.check(value.eq_(dims.expr(y)), SHAPE_MISMATCH, Some(-1), &value);
        }
    });
    l.out.plan(|b| {
        // One name for each end, since later buffers build on it.
        let mut ends: Vec<Expr> = Vec::new();
        let mut bytes = Expr::i64(0);
        for slot in &placed.slots {
            let mut start = Expr::i64(0);
            for &below in &slot.above {
                start = b.let_(start.max(ends[below].clone()));
            }
            b.set_plan(PlanSlot::Offset(slot.buffer), &start);
            let end = b.let_(start + slot.bytes.clone());
            bytes = b.let_(bytes.max(end.clone()));
            ends.push(end);
        }
        b.set_plan(PlanSlot::ArenaBytes, bytes);
        b.set_scratch_bytes();
        for (output, ty) in results.iter().enumerate() {
            for (axis, dim) in ty.shape.iter().enumerate() {
                b.set_plan(PlanSlot::OutputDim { output: output as u32, axis: axis as u32 }, dims.expr(dim));
            }
        }
    });
    let schedule = std::mem::take(&mut l.schedule);
    l.out.run(|b| schedule.iter().for_each(|&kernel| b.launch(kernel)));
    let named = |ports: &[lathe_ir::Port], types: Vec<TensorType>| -> Vec<(String, TensorType)> {
        ports.iter().map(|port| port.name.to_string()).zip(types).collect()
    };
    Ok(Plan {
        symbols: module.env.symbols.keys().map(|symbol| symbol.name().to_owned()).collect(),
        inputs: named(&module.main.params, params),
        outputs: named(&module.main.results, results),
        nodes: l.nodes,
        weights: l.weights,
        arena_bytes,
        program: l.out.finish(),
    })
}

fn check_dim(b: &mut Builder<'_>, input: u32, axis: u32, expected: &Expr) {
    let value = b.let_now(Expr::input_dim(input, axis));
    b.check(value.eq_(expected.clone()), SHAPE_MISMATCH, Some(-1), &value);
}

fn copy_outputs(l: &mut Lowering<'_>) -> Result<(), String> {
    for (index, port) in l.graph.results.iter().enumerate() {
        let ty = l.graph.ty(port.value).clone();
        let root = output_root(l, port.value).filter(|&root| l.output_index(root) == Some(index as u32));
        if let Some(root) = root {
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
