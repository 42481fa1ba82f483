//! Makes a failing sample small: one output, as few ops as still fail, everything else an input.

use crate::bounds::{Judge, Values, exactly, expected};
use crate::build::Sample;
use crate::levels::{self, Level, Outcome};
use lathe_ir::text::{no_weights, parse_module, print_module};
use lathe_ir::{Builder, Env, Graph, Module, OpCode, Operands, Tensor, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// The part of a module that leads to some values; the values of `cut` are inputs instead of being computed.
fn part(sample: &Sample, values: &Values, outputs: &[ValueId], cut: &BTreeSet<ValueId>) -> Option<Sample> {
    let from = &sample.module.main;
    let mut needed: BTreeSet<ValueId> = outputs.iter().copied().collect();
    for (_, op) in from.iter().rev() {
        if op.results.iter().any(|result| needed.contains(result) && !cut.contains(result)) {
            needed.extend(op.inputs());
        }
    }
    let (mut env, mut graph, mut inputs) = (Env::default(), Graph::default(), Vec::new());
    let mut map: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let mut input = |graph: &mut Graph, value: ValueId, map: &mut BTreeMap<ValueId, ValueId>| {
        let tensor = values[value.index()].clone()?;
        map.insert(value, graph.add_param(&format!("in{}", inputs.len()), tensor.ty()));
        inputs.push(tensor);
        Some(())
    };
    for port in from.params.iter().filter(|port| needed.contains(&port.value)) {
        input(&mut graph, port.value, &mut map)?;
    }
    for (_, op) in from.iter() {
        for value in op.results.iter().filter(|value| needed.contains(value) && cut.contains(value)) {
            input(&mut graph, *value, &mut map)?;
        }
        if !op.results.iter().any(|value| needed.contains(value) && !cut.contains(value)) {
            continue;
        }
        if op.code == OpCode::Const {
            let tensor = values[op.result().index()].clone()?;
            map.insert(op.result(), Builder::new(&mut env, &mut graph).constant(&format!("w{}", map.len()), tensor));
            continue;
        }
        let operands: Option<Operands> = op
            .operands
            .iter()
            .map(|operand| match operand {
                Some(value) => map.get(value).copied().map(Some),
                None => Some(None),
            })
            .collect();
        let id = Builder::new(&mut env, &mut graph).copy_op(op, operands?).ok()?;
        let made = graph.op(id).results.clone();
        for (old, new) in op.results.iter().zip(made) {
            map.entry(*old).or_insert(new);
        }
    }
    for (index, value) in outputs.iter().enumerate() {
        graph.add_result(&format!("out{index}"), *map.get(value)?);
    }
    Some(Sample { module: Module { env, main: graph }, inputs, reference: None })
}

fn fails(sample: &Sample, level: Level) -> bool {
    let Ok(expected) = expected(sample.judge(), &sample.inputs, Judge::Own) else { return false };
    let outcome = levels::run(&sample.module, &sample.inputs, &expected, level, 1);
    matches!(outcome, Outcome::Wrong(_))
}

/// A part of the sample that fails at that level, as small as the walk finds it.
pub(crate) fn reduce(sample: Sample, level: Level) -> Sample {
    let Ok(values) = exactly(&sample.module, &sample.inputs) else { return sample };
    let graph = &sample.module.main;
    let made: Vec<ValueId> = graph
        .iter()
        .filter(|(_, op)| op.code != OpCode::Const)
        .flat_map(|(_, op)| op.results.iter().copied())
        .collect();
    // The first value that is wrong when it is the only output; if it takes several to fail, all outputs stay.
    let all: Vec<ValueId> = graph.results.iter().map(|port| port.value).collect();
    let single = made
        .iter()
        .map(|value| vec![*value])
        .find(|outputs| part(&sample, &values, outputs, &BTreeSet::new()).is_some_and(|part| fails(&part, level)));
    let outputs = single.unwrap_or(all);
    let mut cut = BTreeSet::new();
    for value in made.iter().rev().filter(|value| !outputs.contains(value)) {
        cut.insert(*value);
        if !part(&sample, &values, &outputs, &cut).is_some_and(|part| fails(&part, level)) {
            cut.remove(value);
        }
    }
    // Constants that need not be any.
    let constants = graph.iter().filter(|(_, op)| op.code == OpCode::Const).map(|(_, op)| op.result());
    for value in constants {
        cut.insert(value);
        if !part(&sample, &values, &outputs, &cut).is_some_and(|part| fails(&part, level)) {
            cut.remove(&value);
        }
    }
    part(&sample, &values, &outputs, &cut).filter(|part| fails(part, level)).unwrap_or(sample)
}

/// A form with one output, if one fails alone, and what leads to it.
pub(crate) fn reduce_form(sample: Sample, level: Level) -> Sample {
    let only = |module: &Module, index: usize| {
        let mut module = module.clone();
        module.main.results = vec![module.main.results[index].clone()];
        let passes = Some(vec!["dce".to_owned()]);
        let options = lathe_passes::Options { passes, ..lathe_passes::Options::default() };
        lathe_passes::optimize(&mut module, &options).ok().map(|_| module)
    };
    let single = (0..sample.module.main.results.len()).find_map(|index| {
        let (module, reference) = (only(&sample.module, index)?, only(sample.judge(), index)?);
        let part = Sample { module, inputs: sample.inputs.clone(), reference: Some(reference) };
        fails(&part, level).then_some(part)
    });
    single.unwrap_or(sample)
}

/// What divides the parts of a file.
const REFERENCE: &str = "// reference\n";
const INPUTS: &str = "// inputs\n";

/// A sample as text: the module, its reference if it has one, and a module that computes the inputs.
pub(crate) fn print(sample: &Sample) -> String {
    let text = |module: &Module| {
        let mut text = print_module(module);
        for weight in &module.env.weights {
            let hash = format!("= hash {:016x}", lathe_ir::text::weight_hash(&weight.value));
            text = text.replacen(&hash, &format!("= {}", literal(&weight.value)), 1);
        }
        text
    };
    let (mut env, mut graph) = (Env::default(), Graph::default());
    for (index, tensor) in sample.inputs.iter().enumerate() {
        let value = Builder::new(&mut env, &mut graph).constant(&format!("in{index}"), tensor.clone());
        graph.add_result(&format!("in{index}"), value);
    }
    let reference = sample.reference.as_ref().map(|reference| format!("{REFERENCE}{}", text(reference)));
    let reference = reference.unwrap_or_default();
    format!("{}{reference}{INPUTS}{}", text(&sample.module), text(&Module { env, main: graph }))
}

/// The elements of a weight as the parser reads them.
fn literal(tensor: &Tensor) -> String {
    let element = |at: usize| match tensor.dtype() {
        dtype if dtype.is_float() => {
            let value = tensor.f64_at(at);
            if value.is_nan() { "nan".to_owned() } else { format!("{value:?}") }
        }
        lathe_ir::DType::Bool => (tensor.i64_at(at) != 0).to_string(),
        lathe_ir::DType::U64 => (tensor.i64_at(at) as u64).to_string(),
        _ => tensor.i64_at(at).to_string(),
    };
    let list: Vec<String> = (0..tensor.len()).map(element).collect();
    format!("[{}]", list.join(", "))
}

/// Reads a sample.
pub(crate) fn parse(text: &str) -> Result<Sample, String> {
    let (modules, inputs) = text.split_once(INPUTS).ok_or("there is no line `// inputs`")?;
    let (module, reference) = match modules.split_once(REFERENCE) {
        Some((module, reference)) => (module, Some(reference)),
        None => (modules, None),
    };
    let parse = |text: &str| parse_module(text, &no_weights).map_err(|error| error.to_string());
    let (module, reference, given) = (parse(module)?, reference.map(parse).transpose()?, parse(inputs)?);
    let values = exactly(&given, &[])?;
    let inputs = given.main.results.iter().filter_map(|port| values[port.value.index()].clone()).collect();
    Ok(Sample { module, inputs, reference })
}
