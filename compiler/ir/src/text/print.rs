//! Printing.

use crate::attr::Attr;
use crate::dtype::DType;
use crate::graph::{Graph, Module, ValueId};
use crate::op::OpCode;
use crate::tensor::Tensor;
use std::fmt::Write;

/// Hash by which the text form names a weight: XXH3 of its bytes, dtype and shape apart.
pub fn weight_hash(tensor: &Tensor) -> u64 {
    xxhash_rust::xxh3::xxh3_64(tensor.bytes())
}

/// The text form of a module.
pub fn print_module(module: &Module) -> String {
    let mut out = String::new();
    for (symbol, info) in &module.env.symbols {
        let kind = if info.data_dependent { "data " } else { "" };
        let hi = info.hi.map(|hi| hi.to_string()).unwrap_or_default();
        let typical = info.typical.map(|typical| format!(" ~ {typical}")).unwrap_or_default();
        let most = info.most.as_ref().map(|most| format!(" <= {most}")).unwrap_or_default();
        let _ = writeln!(out, "symbol {kind}{symbol} : {}..{hi}{typical}{most}", info.lo);
    }
    for (index, weight) in module.env.weights.iter().enumerate() {
        let hash = weight_hash(&weight.value);
        let _ = writeln!(out, "weight @{index} {:?} : {} = hash {hash:016x}", &*weight.name, weight.value.ty());
    }
    for (a, b) in &module.env.equalities {
        let _ = writeln!(out, "equal {a} == {b}");
    }
    for (a, b) in &module.env.conditional {
        let _ = writeln!(out, "equal {a} == {b} branch");
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str("graph");
    print_graph(&mut out, &module.main, 0);
    out.push('\n');
    out
}

fn print_graph(out: &mut String, graph: &Graph, depth: usize) {
    let mut numbers = vec![u32::MAX; graph.value_count()];
    let mut next = 0;
    let mut number = |value: ValueId, numbers: &mut Vec<u32>| {
        numbers[value.index()] = next;
        next += 1;
        next - 1
    };
    out.push('(');
    for (index, port) in graph.params.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        let _ = write!(out, "%{} {:?}: {}", number(port.value, &mut numbers), &*port.name, graph.ty(port.value));
    }
    out.push_str(") {\n");
    let indent = "  ".repeat(depth + 1);
    let show = |value: ValueId, numbers: &[u32]| match numbers.get(value.index()) {
        Some(&number) if number != u32::MAX => format!("%{number}"),
        _ => format!("%undefined{}", value.0),
    };
    for (_, op) in graph.iter() {
        let operands: Vec<String> = op
            .operands
            .iter()
            .map(|operand| operand.map_or("none".to_owned(), |value| show(value, &numbers)))
            .collect();
        let results: Vec<String> =
            op.results.iter().map(|&value| format!("%{}", number(value, &mut numbers))).collect();
        let equals = if results.is_empty() { "" } else { " = " };
        let _ = write!(out, "{indent}{}{equals}{}", results.join(", "), op.code.name());
        if op.code == OpCode::Const {
            match &op.attrs[0] {
                Attr::Tensor(tensor) => {
                    let _ = write!(out, " {}", literal(tensor));
                }
                other => {
                    let _ = write!(out, " {}", attr_text(other));
                }
            }
        } else {
            let _ = write!(out, "({})", operands.join(", "));
            let written: Vec<String> = op
                .code
                .def()
                .attrs
                .iter()
                .zip(&op.attrs)
                .filter(|(def, attr)| def.default.is_none_or(|default| default() != **attr))
                .map(|(def, attr)| format!("{} = {}", def.name, attr_text(attr)))
                .collect();
            if !written.is_empty() {
                let _ = write!(out, " {{{}}}", written.join(", "));
            }
        }
        for region in &op.regions {
            out.push_str(" region");
            print_graph(out, region, depth + 1);
        }
        let types: Vec<String> = op.results.iter().map(|&value| graph.ty(value).to_string()).collect();
        match types.as_slice() {
            [ty] => {
                let _ = write!(out, " : {ty}");
            }
            _ => {
                let _ = write!(out, " : ({})", types.join(", "));
            }
        }
        for (index, name) in op.loc.names().iter().enumerate() {
            let _ = write!(out, "{} {:?}", if index == 0 { " loc" } else { "," }, &**name);
        }
        out.push('\n');
    }
    let results: Vec<String> =
        graph.results.iter().map(|port| format!("{} {:?}", show(port.value, &numbers), &*port.name)).collect();
    let _ = write!(out, "{indent}return {}\n{}}}", results.join(", "), "  ".repeat(depth));
}

/// An attribute as the text form has it.
pub(crate) fn attr_text(attr: &Attr) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    match attr {
        Attr::Int(value) => value.to_string(),
        Attr::Ints(values) => list(values.iter().map(i64::to_string).collect()),
        Attr::Float(value) => float(value.get(), DType::F64),
        Attr::Bool(value) => value.to_string(),
        Attr::Str(word) => format!("{word:?}"),
        Attr::Dims(dims) => list(dims.iter().map(ToString::to_string).collect()),
        Attr::DType(dtype) => dtype.to_string(),
        Attr::Tensor(tensor) => literal(tensor),
        Attr::Weight(id) => id.to_string(),
    }
}

/// `f32[2] [1.0, 2.0]`; a uniform tensor of more than one element is written `f32[64] splat 1.0`.
fn literal(tensor: &Tensor) -> String {
    let element = |index: usize| match tensor.dtype() {
        dtype if dtype.holds_floats() => float(tensor.f64_at(index), dtype),
        DType::Bool => (tensor.i64_at(index) != 0).to_string(),
        DType::U64 => (tensor.i64_at(index) as u64).to_string(),
        _ => tensor.i64_at(index).to_string(),
    };
    if tensor.shape().is_empty() {
        return format!("{} {}", tensor.ty(), element(0));
    }
    if tensor.len() > 1 && tensor.splat().is_some() && !is_odd_nan(tensor) {
        return format!("{} splat {}", tensor.ty(), element(0));
    }
    let elements: Vec<String> = (0..tensor.len()).map(element).collect();
    format!("{} [{}]", tensor.ty(), elements.join(", "))
}

fn is_odd_nan(tensor: &Tensor) -> bool {
    tensor.dtype().holds_floats() && tensor.f64_at(0).is_nan()
}

fn float(value: f64, dtype: DType) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() }
    } else if dtype == DType::F64 || dtype.is_storage() {
        format!("{value:?}")
    } else {
        format!("{:?}", value as f32)
    }
}
