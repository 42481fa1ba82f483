//! Branches and loops. Their regions are graphs that use the values around them by name.

use lathe_ir::{DType, Dim, Graph, Tensor, TensorType};

use super::Cx;
use crate::onnx::export::emit::{Emitter, R, Val, graph};
use crate::onnx::export::{emit_ops, value_info};
use crate::onnx::proto::{GraphProto, ValueInfoProto};

/// The results of the region at work as outputs of a graph; each is a value that the graph itself makes.
fn outputs(emitter: &mut Emitter<'_>, region: &Graph) -> R<Vec<ValueInfoProto>> {
    emitter.base = "result".to_owned();
    let mut made = Vec::new();
    for port in &region.results {
        let val = emitter.value(port.value)?;
        let name = emitter.node1("Identity", vec![val.name], Vec::new());
        made.push(value_info(&name, region.ty(port.value)));
    }
    Ok(made)
}

/// if
pub(super) fn if_(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let condition = cx.operand(0)?;
    let args: Vec<Val> = cx.all()?.into_iter().skip(1).collect();
    let base = cx.emitter.base.clone();
    let mut attributes = Vec::new();
    for (region, name) in cx.op.regions.iter().zip(["then_branch", "else_branch"]) {
        let (node, output) = cx.emitter.region(region, &args, |emitter| {
            emit_ops(emitter, region);
            outputs(emitter, region)
        });
        attributes
            .push(graph(name, GraphProto { name: name.to_owned(), node, output: output?, ..GraphProto::default() }));
    }
    cx.emitter.base = base;
    let names = cx.emitter.node("If", vec![condition.name], attributes, cx.op.results.len());
    Ok(named(cx, names))
}

fn named(cx: &Cx<'_, '_>, names: Vec<String>) -> Vec<Val> {
    let results = names.into_iter().enumerate();
    results.map(|(index, name)| Val { name, dtype: cx.result_ty(index).dtype }).collect()
}

/// loop. A limit of turns is not written.
pub(super) fn loop_(cx: &mut Cx<'_, '_>) -> R<Vec<Val>> {
    let [region] = cx.op.regions.as_slice() else { return Err("a loop without a body".to_owned()) };
    let count = match (cx.opt(0)?, cx.op.dims("trips")) {
        (Some(count), _) => count.name,
        (None, [trips]) => cx.emitter.dim_scalar(trips)?.name,
        _ => String::new(),
    };
    let cond = cx.opt(1)?.map_or(String::new(), |cond| cond.name);
    let values: Vec<Val> = cx.op.operands.iter().skip(2).flatten().map(|&id| cx.emitter.value(id)).collect::<R<_>>()?;
    let carried = cx.op.int("carried") as usize;
    let (inits, captures) = values.split_at_checked(carried).ok_or("too few values")?;
    let base = cx.emitter.base.clone();
    let counter = cx.op.dims("counter").first().and_then(Dim::as_symbol).cloned().ok_or("a loop without a counter")?;

    let turn = cx.emitter.value_name("turn");
    let more = cx.emitter.value_name("more");
    let scalar = |dtype| TensorType::fixed(dtype, &[]);
    let mut input = vec![value_info(&turn, &scalar(DType::I64)), value_info(&more, &scalar(DType::Bool))];
    let mut args = Vec::new();
    for port in region.params.iter().take(carried) {
        let ty = region.ty(port.value);
        let name = cx.emitter.value_name("carried");
        input.push(value_info(&name, ty));
        args.push(Val { name, dtype: ty.dtype });
    }
    args.extend_from_slice(captures);
    let is_while = cx.op.flag("while");
    let (node, output) = cx.emitter.region(region, &args, |emitter| {
        emitter.counters.insert(counter, turn);
        emit_ops(emitter, region);
        let mut made = outputs(emitter, region)?;
        if !is_while {
            let goes_on = emitter.constant(&Tensor::from_i64(DType::Bool, &[], &[1])).name;
            let name = emitter.node1("Identity", vec![goes_on], Vec::new());
            made.insert(0, value_info(&name, &scalar(DType::Bool)));
        }
        Ok(made)
    });
    let body = GraphProto { name: "body".to_owned(), node, input, output: output?, ..GraphProto::default() };
    cx.emitter.base = base;
    let mut inputs = vec![count, cond];
    inputs.extend(inits.iter().map(|val| val.name.clone()));
    let names = cx.emitter.node("Loop", inputs, vec![graph("body", body)], cx.op.results.len());
    Ok(named(cx, names))
}
