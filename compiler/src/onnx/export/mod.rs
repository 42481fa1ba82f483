//! IR to ONNX: a module as a model of opset 21 that any engine runs, of a later one where an element type asks for it.
//!
//! Every IR op has a form in ONNX: an operator, or a few. What always holds:
//! - Ports keep their names; every other value has a name of its own; nodes are called after the nodes they came from.
//! - Symbolic dimensions are computed from the shapes of inputs; equal expressions are computed once.
//! - Element types stay as they are at the ports. In between, a value is cast where onnxruntime has no kernel for its
//!   type and a cast changes no result; elsewhere the standard operator stays, and another engine may run it.
//! - Weights are written from where they lie.
//!
//! What ONNX has no place for is left out: ranges of symbols, checks that dimensions are equal. Float to integer casts
//! out of range are undefined in ONNX. The parts: [`emit`] holds the graph, [`kernels`] the element types, [`dims`]
//! computes dimensions, [`ops`] lists the ops.

mod dims;
mod emit;
mod kernels;
mod ops;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lathe_ir::{DType, Diagnostic, Diagnostics, Graph, Module, OpCode, TensorType};

use super::encode::{Weights, write_model};
use super::error::{OnnxError, quote};
use super::import::diagnostic_of;
use super::proto::{
    DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto,
    TensorTypeProto, TypeProto, TypeValue, ValueInfoProto,
};
use emit::{Emitter, Val};

/// Operator set of the models written, unless their element types came later.
pub const OPSET: i64 = 21;
/// Version of the file format that came with an operator set.
const IR_VERSIONS: &[(i64, i64)] = &[(OPSET, 10), (23, 11), (24, 12), (25, 13), (28, 14)];

/// Whether an op can be written.
pub fn has_form(code: OpCode) -> bool {
    ops::form(code).is_some()
}

/// Writes a module to `path`, replacing a file there. Weights go into a file beside it where they are too large for
/// one file.
pub fn write(module: &Module, path: &Path) -> Result<(), Diagnostics> {
    let model = to_model(module)?;
    write_model(model, path, Weights::Automatic).map_err(|error| match error {
        OnnxError::Io { .. } => Diagnostic::invalid(error.to_string()).into(),
        OnnxError::Rejected(problems) => Diagnostics(problems.iter().map(diagnostic_of).collect()),
    })
}

/// A module as a model; the weights' bytes are shared, not copied. Errors are all ops that ONNX cannot express.
pub fn to_model(module: &Module) -> Result<ModelProto, Diagnostics> {
    let mut found = Diagnostics::default();
    let taken = port_names(module, &mut found);
    let mut emitter = Emitter::new(module, taken);
    let graph = &module.main;
    for port in &graph.params {
        let val = Val { name: port.name.to_string(), dtype: graph.ty(port.value).dtype };
        emitter.add_sources(&val, graph.ty(port.value));
        emitter.graph.input.push(value_info(&port.name, graph.ty(port.value)));
        emitter.values[port.value.index()] = Some(val);
    }
    emit_ops(&mut emitter, graph);
    found.0.append(&mut emitter.found.0);
    found.into_result(())?;
    finish(&mut emitter);
    let version = opset_of(module);
    let opset = OperatorSetIdProto { domain: String::new(), version };
    Ok(ModelProto {
        ir_version: IR_VERSIONS.iter().find(|row| row.0 == version).map_or(10, |row| row.1),
        producer_name: "lathe".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(emitter.graph),
        opset_import: vec![opset],
        ..ModelProto::default()
    })
}

/// The oldest operator set from [`OPSET`] on that has every element type of the module.
fn opset_of(module: &Module) -> i64 {
    let mut types = BTreeSet::new();
    collect_types(&module.main, &mut types);
    let since = |dtype: &DType| match dtype {
        DType::F4E2M1 => 23,
        DType::F8E8M0 => 24,
        DType::I2 | DType::U2 => 25,
        DType::F6E2M3 | DType::F6E3M2 => 28,
        _ => OPSET,
    };
    types.iter().map(since).max().unwrap_or(OPSET)
}

fn collect_types(graph: &Graph, types: &mut BTreeSet<DType>) {
    types.extend(graph.params.iter().map(|port| graph.ty(port.value).dtype));
    for (_, op) in graph.iter() {
        types.extend(op.results.iter().map(|&value| graph.ty(value).dtype));
        op.regions.iter().for_each(|region| collect_types(region, types));
    }
}

/// Writes the ops of a graph; what cannot be written is noted.
fn emit_ops<'a>(emitter: &mut Emitter<'a>, graph: &'a Graph) {
    for (_, op) in graph.iter() {
        emitter.base = if op.loc.first().is_empty() { op.code.name().to_owned() } else { op.loc.first().to_owned() };
        let node = match op.loc.first() {
            "" => op.results.first().map(ToString::to_string).unwrap_or_default(),
            name => name.to_owned(),
        };
        let made = ops::emit(emitter, op).unwrap_or_else(|message| {
            emitter.found.push(Diagnostic::unsupported(message).at(&node, op.code.name(), None));
            Vec::new()
        });
        for (index, &value) in op.results.iter().enumerate() {
            // After a failure a value that nothing makes stands in, so that its users are looked at too.
            let missing = || Val { name: String::new(), dtype: graph.ty(value).dtype };
            let val = made.get(index).cloned().unwrap_or_else(missing);
            if val.dtype != graph.ty(value).dtype {
                let message = format!("result {index} comes out as {} instead of {}", val.dtype, graph.ty(value));
                emitter.found.push(Diagnostic::bug(message).at(&node, op.code.name(), None));
            }
            emitter.add_sources(&val, graph.ty(value));
            emitter.values[value.index()] = Some(val);
        }
    }
}

/// Names of inputs and outputs. ONNX needs them to be different, unless an input is an output.
fn port_names(module: &Module, found: &mut Diagnostics) -> BTreeSet<String> {
    let mut names: BTreeMap<&str, Option<lathe_ir::ValueId>> = BTreeMap::new();
    let graph = &module.main;
    for (port, is_input) in graph.params.iter().map(|port| (port, true)).chain(graph.results.iter().map(|p| (p, false)))
    {
        let before = names.insert(&port.name, is_input.then_some(port.value));
        let repeated = before.is_some_and(|value| is_input || value != Some(port.value));
        if repeated || port.name.is_empty() {
            found.push(Diagnostic::unsupported(format!("two inputs or outputs are called {}", quote(&port.name))));
        }
    }
    names.into_keys().map(str::to_owned).collect()
}

/// Names the outputs and drops what nothing uses.
fn finish(emitter: &mut Emitter<'_>) {
    let graph = &emitter.module.main;
    let made: BTreeSet<String> = emitter.graph.node.iter().flat_map(|node| node.output.iter().cloned()).collect();
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    let mut copies = Vec::new();
    for port in &graph.results {
        emitter.graph.output.push(value_info(&port.name, graph.ty(port.value)));
        let Some(val) = &emitter.values[port.value.index()] else { continue };
        if made.contains(&val.name) && !renamed.contains_key(&val.name) {
            renamed.insert(val.name.clone(), port.name.to_string());
        } else if *val.name != *port.name {
            copies.push((val.name.clone(), port.name.to_string()));
        }
    }
    emitter.base.clear();
    for (from, to) in copies {
        let copy = emitter.node1("Identity", vec![from], Vec::new());
        renamed.insert(copy, to);
    }
    rename(&mut emitter.graph.node, &renamed);
    drop_unused(&mut emitter.graph);
}

/// Renames values in nodes and in the graphs inside of them.
fn rename(nodes: &mut [NodeProto], renamed: &BTreeMap<String, String>) {
    for node in nodes {
        for name in node.input.iter_mut().chain(&mut node.output) {
            if let Some(new) = renamed.get(name) {
                name.clone_from(new);
            }
        }
        for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_deref_mut()) {
            rename(&mut graph.node, renamed);
        }
    }
}

/// Names that a node or a graph inside of it uses.
fn use_names(node: &NodeProto, used: &mut BTreeSet<String>) {
    used.extend(node.input.iter().filter(|name| !name.is_empty()).cloned());
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
        graph.node.iter().for_each(|node| use_names(node, used));
    }
}

fn drop_unused(graph: &mut GraphProto) {
    let mut used: BTreeSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut keep = vec![false; graph.node.len()];
    for (index, node) in graph.node.iter().enumerate().rev() {
        if node.output.iter().any(|name| used.contains(name)) {
            keep[index] = true;
            use_names(node, &mut used);
        }
    }
    let mut keep = keep.into_iter();
    graph.node.retain(|_| keep.next().unwrap_or(true));
    graph.initializer.retain(|tensor| used.contains(&tensor.name));
}

/// Name and type of a port. A symbol is a named dimension, any other expression an unnamed one.
fn value_info(name: &str, ty: &TensorType) -> ValueInfoProto {
    let dim = ty.shape.iter().map(|dim| {
        let symbol = dim.as_symbol().map(|symbol| DimensionValue::Param(symbol.name().to_owned()));
        let value = dim.as_const().map(DimensionValue::Value).or(symbol);
        DimensionProto { value, ..DimensionProto::default() }
    });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor = TensorTypeProto { elem_type: ty.dtype.onnx_code(), shape };
    let ty = TypeProto { value: Some(TypeValue::Tensor(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(ty), ..ValueInfoProto::default() }
}
