//! If: a known condition takes a branch in place, another one makes an `if`.

use lathe_ir::{Attr, DType, Diagnostic, Dim, Kind, OpCode, Shape, Symbol, SymbolInfo, TensorType, ValueId};

use crate::onnx::import::frames::{Mark, Region};
use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{Fail, R, Val, invalid, needs_value, unsupported};
use crate::onnx::proto::GraphProto;

/// A branch: its region with results, or why it cannot be typed.
enum Branch {
    Typed(Region, Vec<TensorType>),
    Untyped(Diagnostic),
}

/// If.
pub(super) fn branch<'a>(cx: &mut NodeCx<'_, 'a>) -> R<Vec<Val>> {
    let condition = cx.input(0)?;
    let taken = match cx.all_elems(condition)?.as_deref() {
        Some([elem]) => elem.as_int(),
        Some(elems) => return invalid(format!("the condition has {} elements", elems.len())),
        None => None,
    };
    let (then, otherwise) = (cx.attrs.graph("then_branch")?, cx.attrs.graph("else_branch")?);
    let (Some(then), Some(otherwise)) = (then, otherwise) else { return invalid("a branch is missing") };
    match taken {
        Some(0) => cx.inline(otherwise, "else_branch"),
        Some(_) => cx.inline(then, "then_branch"),
        None => at_run_time(cx, condition, [(then, "then_branch"), (otherwise, "else_branch")]),
    }
}

fn at_run_time<'a>(cx: &mut NodeCx<'_, 'a>, condition: Val, graphs: [(&'a GraphProto, &str); 2]) -> R<Vec<Val>> {
    // Sizes that decide the condition, where nothing else does.
    let deciding = match cx.all_elems(condition)?.as_deref() {
        Some([elem]) => elem.to_dim().map_or_else(Vec::new, |dim| dim.symbols()),
        _ => Vec::new(),
    };
    let condition = cx.reshape(condition, [])?;
    if cx.dtype(condition)? != DType::Bool {
        return invalid("the condition is not bool");
    }
    let condition = cx.importer.values.value(condition)?;
    let mark = cx.importer.values.mark();
    let [(then, then_part), (otherwise, else_part)] = graphs;
    let first = one_branch(cx, then, then_part, &[])?;
    let captured = match &first {
        Branch::Typed(region, _) => region.captures.clone(),
        Branch::Untyped(_) => Vec::new(),
    };
    let second = one_branch(cx, otherwise, else_part, &captured)?;
    let (mut first, mut second) = match (first, second) {
        (Branch::Typed(a, s), Branch::Typed(b, t)) => ((a, s), (b, t)),
        (Branch::Typed(a, s), Branch::Untyped(why)) => {
            let trap = trap(cx, &why, &mark, &s, &captured)?;
            ((a, s), trap)
        }
        (Branch::Untyped(why), Branch::Typed(b, t)) => {
            let trap = trap(cx, &why, &mark, &t, &[])?;
            (trap, (b, t))
        }
        (Branch::Untyped(a), Branch::Untyped(b)) => {
            cx.importer.report(a);
            cx.importer.report(b);
            return Err(Fail::Poisoned);
        }
    };
    // The second branch captures what the first does, in the same order, and maybe more.
    for &outer in second.0.captures.get(first.0.captures.len()..).unwrap_or(&[]) {
        let ty = cx.importer.values.module.main.ty(outer).clone();
        first.0.graph.add_param("", ty);
        first.0.captures.push(outer);
    }
    let sizes = common_sizes(cx, &mark, &first.1, &second.1, &deciding)?;
    let mut operands: Vec<Option<ValueId>> = vec![Some(condition)];
    operands.extend(first.0.captures.iter().copied().map(Some));
    let attrs = match sizes {
        Some(sizes) => vec![("sizes", Attr::Dims(sizes))],
        None => Vec::new(),
    };
    let regions = vec![first.0.graph, std::mem::take(&mut second.0.graph)];
    let id = cx.importer.values.builder().op(OpCode::If, &operands, &attrs, regions)?;
    Ok(cx.importer.values.results_of(id))
}

/// Imports a branch. What does not fit there (the sizes given do not suit it, it is never taken under them) is found
/// again when a run gets there; what Lathe cannot do is told now.
fn one_branch<'a>(cx: &mut NodeCx<'_, 'a>, graph: &'a GraphProto, part: &str, captured: &[ValueId]) -> R<Branch> {
    let (mark, before) = (cx.importer.values.mark(), cx.importer.findings());
    let (region, types) = cx.region(|cx| {
        for &outer in captured {
            cx.importer.values.capture(outer);
        }
        let mut types = Vec::new();
        for val in cx.inline(graph, part)? {
            let value = cx.importer.values.value(val)?;
            let main = &mut cx.importer.values.module.main;
            main.add_result(&format!("y{}", types.len()), value);
            types.push(main.ty(value).clone());
        }
        Ok(types)
    });
    let found = cx.importer.findings_since(before);
    let why = match (&types, found) {
        (_, [first, ..]) if found.iter().all(|one| one.kind == Kind::Invalid) => Some(first.clone()),
        (Err(Fail::Op(lathe_ir::OpError::Invalid(message))), []) => Some(Diagnostic::invalid(message.clone())),
        _ => None,
    };
    match why {
        Some(why) => {
            cx.importer.forget_findings(before);
            cx.importer.values.back_to(&mark);
            Ok(Branch::Untyped(why))
        }
        None => {
            let types = types?;
            cx.importer.values.in_branch_since(&mark);
            Ok(Branch::Typed(region, types))
        }
    }
}

/// A branch that ends the run, in place of one that cannot be typed.
fn trap(
    cx: &mut NodeCx<'_, '_>,
    why: &Diagnostic,
    mark: &Mark,
    types: &[TensorType],
    captured: &[ValueId],
) -> R<(Region, Vec<TensorType>)> {
    // Sizes that only the other branch knows are 0 here.
    let inner = cx.importer.values.made_since(mark).to_vec();
    let outer = |dim: &Dim| if dim.symbols().iter().any(|s| inner.contains(s)) { Dim::ZERO } else { dim.clone() };
    let types: Vec<TensorType> = types.iter().map(|ty| ty.with_shape(ty.shape.iter().map(outer))).collect();
    let loc = cx.importer.values.loc.clone();
    let (region, done) = cx.region(|cx| {
        for &outer in captured {
            cx.importer.values.capture(outer);
        }
        if let Some(place) = &why.place {
            cx.importer.values.loc = lathe_ir::Loc::new(&place.node);
        }
        let what = why.place.as_ref().map_or("", |place| place.op.as_str());
        let message = if what.is_empty() { why.message.clone() } else { format!("{what}: {}", why.message) };
        for (index, ty) in types.iter().enumerate() {
            let attrs = [
                ("dtype", Attr::DType(ty.dtype)),
                ("shape", Attr::Dims(ty.shape.clone())),
                ("why", Attr::str(&message)),
            ];
            let values = &mut cx.importer.values;
            let value = values.builder().op1(OpCode::Trap, &[], &attrs)?;
            values.module.main.add_result(&format!("y{index}"), value);
        }
        Ok(())
    });
    cx.importer.values.loc = loc;
    done.map(|()| (region, types))
}

/// Dimensions of all results where some differ between the branches: a symbol for each that does.
fn common_sizes(
    cx: &mut NodeCx<'_, '_>,
    mark: &Mark,
    first: &[TensorType],
    second: &[TensorType],
    deciding: &[Symbol],
) -> R<Option<Shape>> {
    if first.len() != second.len() {
        return invalid(format!("the branches give {} and {} values", first.len(), second.len()));
    }
    let inner = cx.importer.values.made_since(mark).to_vec();
    let is_inner = |dim: &Dim| dim.symbols().iter().any(|symbol| inner.contains(symbol));
    let mut sizes = Shape::new();
    let mut differ = false;
    for (index, (a, b)) in first.iter().zip(second).enumerate() {
        if a.dtype != b.dtype {
            return invalid(format!("output {index} is {a} in one branch and {b} in the other"));
        }
        if a.rank() != b.rank() && !deciding.is_empty() {
            let flags: Vec<String> = deciding.iter().map(|symbol| format!("--dim {symbol}=V")).collect();
            return unsupported(format!(
                "output {index} is {a} in one branch and {b} in the other; sizes decide which: fix them, {}",
                flags.join(" ")
            ));
        }
        if a.rank() != b.rank() {
            return needs_value(format!(
                "output {index} is {a} in one branch and {b} in the other; that depends on a value known only when the \
                 program runs"
            ));
        }
        for (x, y) in a.shape.iter().zip(&b.shape) {
            if x == y && !is_inner(x) {
                sizes.push(x.clone());
                continue;
            }
            differ = true;
            let symbols = cx.symbols();
            let (Some(p), Some(q)) = (x.at_most(symbols), y.at_most(symbols)) else {
                return unsupported(format!("output {index} is {a} or {b}, which has no bound"));
            };
            let most = cx.known().max(&p, &q);
            let low = |dim: &Dim| dim.range(symbols).0.unwrap_or(0).max(0);
            let info = SymbolInfo { lo: low(x).min(low(y)), ..bounded(cx, most) };
            let symbol = cx.importer.values.data_symbol("size", info);
            sizes.push(Dim::symbol(&symbol));
        }
    }
    Ok(differ.then_some(sizes))
}

/// What is known of a symbol that never exceeds `most`.
pub(super) fn bounded(cx: &NodeCx<'_, '_>, most: Dim) -> SymbolInfo {
    let hi = most.range(cx.symbols()).1.map(|hi| hi.max(0));
    let most = most.as_const().is_none().then_some(most);
    SymbolInfo { lo: 0, hi, most, data_dependent: true, ..SymbolInfo::default() }
}
