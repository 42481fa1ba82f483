//! The same sample in another form: a piece of it in a branch or in the body of a loop, or with sizes that are symbols.
//!
//! What the form gives is what a plain graph gives, which therefore judges it: the sample itself, or the sample with the
//! piece as often as the loop has turns.

use crate::build::Sample;
use crate::generate::Rng;
use lathe_ir::{
    Attr, Builder, DType, Dim, Env, Graph, Module, Op, OpCode, Operands, Shape, Symbol, SymbolInfo, Tensor, ValueId,
};
use std::collections::{BTreeMap, BTreeSet};

type Map = BTreeMap<ValueId, ValueId>;

/// A form of the sample that the random numbers choose; `None` where the sample has no place for it.
pub(crate) fn variant(sample: &Sample, rng: &mut Rng) -> Option<Sample> {
    match rng.below(3) {
        0 => symbols(sample, rng),
        1 => branch(sample, rng),
        _ => turns(sample, rng),
    }
}

fn copy(env: &mut Env, graph: &mut Graph, op: &Op, map: &mut Map) -> Option<()> {
    let place = |operand: &Option<ValueId>| match operand {
        Some(value) => map.get(value).copied().map(Some),
        None => Some(None),
    };
    let operands: Option<Operands> = op.operands.iter().map(place).collect();
    let id = Builder::new(env, graph).copy_op(op, operands?).ok()?;
    map.extend(op.results.iter().copied().zip(graph.op(id).results.iter().copied()));
    Some(())
}

/// Ops that follow each other.
struct Piece<'a> {
    ops: Vec<&'a Op>,
    /// What they use of what was there before.
    captures: Vec<ValueId>,
    /// What is used of them afterwards.
    results: Vec<ValueId>,
}

/// The module that grows, with the piece still to come.
struct Around<'a> {
    from: &'a Graph,
    order: Vec<&'a Op>,
    last: usize,
    piece: Piece<'a>,
    inputs: Vec<Tensor>,
    env: Env,
    graph: Graph,
    map: Map,
}

impl<'a> Around<'a> {
    /// Copies what comes before the piece of ops `first..=last`.
    fn new(sample: &'a Sample, first: usize, last: usize) -> Option<Around<'a>> {
        let from = &sample.module.main;
        let order: Vec<&Op> = from.iter().map(|(_, op)| op).collect();
        let ops: Vec<&Op> = order.get(first..=last)?.to_vec();
        let made: BTreeSet<ValueId> = ops.iter().flat_map(|op| op.results.iter().copied()).collect();
        let mut captures: Vec<ValueId> = Vec::new();
        for value in ops.iter().flat_map(|op| op.inputs()) {
            if !made.contains(&value) && !captures.contains(&value) {
                captures.push(value);
            }
        }
        let later: BTreeSet<ValueId> = order[last + 1..]
            .iter()
            .flat_map(|op| op.inputs())
            .chain(from.results.iter().map(|port| port.value))
            .collect();
        let results: Vec<ValueId> = made.into_iter().filter(|value| later.contains(value)).collect();
        if results.is_empty() {
            return None;
        }
        let (mut env, mut graph, mut map) = (sample.module.env.clone(), Graph::default(), Map::new());
        for port in &from.params {
            map.insert(port.value, graph.add_param(&port.name, from.ty(port.value).clone()));
        }
        for op in &order[..first] {
            copy(&mut env, &mut graph, op, &mut map)?;
        }
        let inputs = sample.inputs.clone();
        Some(Around { from, order, last, piece: Piece { ops, captures, results }, inputs, env, graph, map })
    }

    /// The piece where it was.
    fn inline(&mut self) -> Option<()> {
        for op in &self.piece.ops {
            copy(&mut self.env, &mut self.graph, op, &mut self.map)?;
        }
        Some(())
    }

    /// The piece as a graph whose parameters are the captures, in this order; gives the map of its values.
    fn body(&mut self, captures: &[ValueId]) -> Option<(Graph, Map)> {
        let (mut body, mut map) = (Graph::default(), Map::new());
        for &value in captures {
            map.insert(value, body.add_param("", self.from.ty(value).clone()));
        }
        for op in &self.piece.ops {
            copy(&mut self.env, &mut body, op, &mut map)?;
        }
        Some((body, map))
    }

    fn values(&self, of: &[ValueId]) -> Option<Vec<Option<ValueId>>> {
        of.iter().map(|value| self.map.get(value).copied().map(Some)).collect()
    }

    fn op(
        &mut self,
        code: OpCode,
        operands: &[Option<ValueId>],
        attrs: &[(&str, Attr)],
        regions: Vec<Graph>,
    ) -> Option<Vec<ValueId>> {
        let id = Builder::new(&mut self.env, &mut self.graph).op(code, operands, attrs, regions).ok()?;
        Some(self.graph.op(id).results.to_vec())
    }

    /// Values of one type along a new first axis.
    fn stack(&mut self, rows: &[ValueId]) -> Option<ValueId> {
        let mut builder = Builder::new(&mut self.env, &mut self.graph);
        let mut wide = Vec::new();
        for &row in rows {
            let shape: Shape = std::iter::once(Dim::from(1)).chain(builder.ty(row).shape.clone()).collect();
            wide.push(builder.reshape(row, shape).ok()?);
        }
        builder.op1(OpCode::Concat, &wide, &[("axis", Attr::Int(0))]).ok()
    }

    /// A row of a stack.
    fn row(&mut self, stack: ValueId, index: usize) -> Option<ValueId> {
        let mut builder = Builder::new(&mut self.env, &mut self.graph);
        let shape = builder.ty(stack).shape.clone();
        let starts = (0..shape.len()).map(|axis| Dim::from(if axis == 0 { index as i64 } else { 0 }));
        let sizes = std::iter::once(Dim::from(1)).chain(shape[1..].iter().cloned());
        let attrs = [
            ("starts", Attr::dims(starts)),
            ("sizes", Attr::dims(sizes)),
            ("steps", Attr::ints(&vec![1; shape.len()])),
        ];
        let row = builder.op1(OpCode::Slice, &[stack], &attrs).ok()?;
        builder.reshape(row, shape[1..].iter().cloned()).ok()
    }

    /// A scalar, as an input or a constant.
    fn scalar(&mut self, tensor: Tensor, as_input: bool) -> ValueId {
        if as_input {
            self.inputs.push(tensor.clone());
            self.graph.add_param(&format!("in{}", self.inputs.len() - 1), tensor.ty())
        } else {
            Builder::new(&mut self.env, &mut self.graph).constant("", tensor)
        }
    }

    /// Copies what comes after the piece, whose results are in the map; `more` are outputs too.
    fn close(mut self, more: &[ValueId]) -> Option<(Module, Vec<Tensor>)> {
        for op in &self.order[self.last + 1..] {
            copy(&mut self.env, &mut self.graph, op, &mut self.map)?;
        }
        for port in &self.from.results {
            self.graph.add_result(&port.name, *self.map.get(&port.value)?);
        }
        for (index, &value) in more.iter().enumerate() {
            self.graph.add_result(&format!("more{index}"), value);
        }
        Some((Module { env: self.env, main: self.graph }, self.inputs))
    }
}

/// The first and the last op of a piece.
fn place(sample: &Sample, rng: &mut Rng) -> Option<(usize, usize)> {
    let most = sample.module.main.len().checked_sub(1)?;
    let first = rng.within(0, most);
    Some((first, (first + rng.within(0, 5)).min(most)))
}

/// The piece in the branch that is taken; the other one gives ones.
fn branch(sample: &Sample, rng: &mut Rng) -> Option<Sample> {
    let (first, last) = place(sample, rng)?;
    let (holds, as_input) = (rng.flag(), rng.flag());
    let cond = Tensor::from_i64(DType::Bool, &[], &[i64::from(holds)]);

    let mut plain = Around::new(sample, first, last)?;
    plain.scalar(cond.clone(), as_input);
    plain.inline()?;
    let (reference, _) = plain.close(&[])?;

    let mut around = Around::new(sample, first, last)?;
    let cond = around.scalar(cond, as_input);
    let (captures, results) = (around.piece.captures.clone(), around.piece.results.clone());
    let (mut taken, map) = around.body(&captures)?;
    let mut other = Graph::default();
    for &value in &captures {
        other.add_param("", around.from.ty(value).clone());
    }
    for value in &results {
        taken.add_result("", *map.get(value)?);
        let ty = around.from.ty(*value).clone();
        let mut builder = Builder::new(&mut around.env, &mut other);
        let one = builder.scalar(ty.dtype, 1.0);
        let ones = builder.op1(OpCode::Broadcast, &[one], &[("shape", Attr::Dims(ty.shape))]).ok()?;
        other.add_result("", ones);
    }
    let regions = if holds { vec![taken, other] } else { vec![other, taken] };
    let operands = [vec![Some(cond)], around.values(&captures)?].concat();
    let made = around.op(OpCode::If, &operands, &[], regions)?;
    around.map.extend(results.into_iter().zip(made));
    let (module, inputs) = around.close(&[])?;
    Some(Sample { module, inputs, reference: Some(reference) })
}

/// The piece as the body of a loop. Where a turn makes something of the type of a capture, that is the capture of the next
/// turn; the rest is stacked.
fn turns(sample: &Sample, rng: &mut Rng) -> Option<Sample> {
    let (first, last) = place(sample, rng)?;
    let mut around = Around::new(sample, first, last)?;
    let mut carried: Vec<(ValueId, ValueId)> = Vec::new();
    let mut stacked = Vec::new();
    for &result in &around.piece.results {
        let ty = around.from.ty(result);
        let is_free =
            |&capture: &ValueId| around.from.ty(capture) == ty && carried.iter().all(|pair| pair.0 != capture);
        match around.piece.captures.iter().copied().find(is_free) {
            Some(capture) => carried.push((capture, result)),
            None => stacked.push(result),
        }
    }
    // What is stacked is used by its last row, which has to be there.
    let count = rng.within(usize::from(!stacked.is_empty()), 3);
    let ends = if stacked.is_empty() { rng.below(3) } else { 0 };
    let as_input = rng.flag();
    let number = Tensor::from_i64(DType::I64, &[], &[count as i64]);
    let begins = Tensor::from_i64(DType::Bool, &[], &[i64::from(count > 0)]);

    let mut plain = Around::new(sample, first, last)?;
    match ends {
        0 => {}
        1 => drop(plain.scalar(number.clone(), as_input)),
        _ => drop(plain.scalar(begins.clone(), as_input)),
    }
    let mut rows: Vec<Vec<ValueId>> = vec![Vec::new(); stacked.len()];
    let before = plain.map.clone();
    for _ in 0..count {
        plain.inline()?;
        for (rows, value) in rows.iter_mut().zip(&stacked) {
            rows.push(*plain.map.get(value)?);
        }
        for &(capture, result) in &carried {
            plain.map.insert(capture, *plain.map.get(&result)?);
        }
    }
    for &(capture, result) in &carried {
        plain.map.insert(result, *plain.map.get(&capture)?);
    }
    // What is carried has its old value outside of the loop.
    for &(capture, _) in &carried {
        plain.map.insert(capture, *before.get(&capture)?);
    }
    let stacks: Option<Vec<ValueId>> = rows.iter().map(|rows| plain.stack(rows)).collect();
    let (reference, _) = plain.close(&stacks?)?;

    let is_carried = |value: &ValueId| carried.iter().any(|pair| pair.0 == *value);
    let rest = around.piece.captures.iter().copied().filter(|value| !is_carried(value));
    let captures: Vec<ValueId> = carried.iter().map(|pair| pair.0).chain(rest).collect();
    let turn = Symbol::new("turn");
    let info = SymbolInfo { lo: 0, hi: Some(3), typical: None, data_dependent: true, most: None };
    around.env.symbols.insert(turn.clone(), info);
    let (mut body, map) = around.body(&captures)?;
    if ends == 2 {
        let again = goes_on(&mut around.env, &mut body, &turn, count)?;
        body.add_result("", again);
    }
    for value in carried.iter().map(|pair| &pair.1).chain(&stacked) {
        body.add_result("", *map.get(value)?);
    }
    let mut attrs = vec![
        ("counter", Attr::dims([Dim::symbol(&turn)])),
        ("carried", Attr::Int(carried.len() as i64)),
        ("while", Attr::Bool(ends == 2)),
    ];
    let mut operands = vec![None, None];
    match ends {
        0 => attrs.push(("trips", Attr::dims([Dim::from(count as i64)]))),
        1 => operands[0] = Some(around.scalar(number, as_input)),
        _ => operands[1] = Some(around.scalar(begins, as_input)),
    }
    operands.extend(around.values(&captures)?);
    let made = around.op(OpCode::Loop, &operands, &attrs, vec![body])?;
    let (values, stacks) = made.split_at(carried.len());
    for (pair, &value) in carried.iter().zip(values) {
        around.map.insert(pair.1, value);
    }
    for (result, &stack) in stacked.iter().zip(stacks) {
        let row = around.row(stack, count - 1)?;
        around.map.insert(*result, row);
    }
    let stacks = stacks.to_vec();
    let (module, inputs) = around.close(&stacks)?;
    Some(Sample { module, inputs, reference: Some(reference) })
}

/// Whether there is a turn after this one of `count`.
fn goes_on(env: &mut Env, body: &mut Graph, turn: &Symbol, count: usize) -> Option<ValueId> {
    let mut builder = Builder::new(env, body);
    let now = builder.op1(OpCode::Dims, &[], &[("values", Attr::dims([Dim::symbol(turn)]))]).ok()?;
    let now = builder.reshape(now, []).ok()?;
    let last = builder.scalar(DType::I64, count as f64 - 1.0);
    builder.op1(OpCode::Lt, &[now, last], &[]).ok()
}

/// One size as a symbol, wherever it stands. A module where that does not hold, since another size is computed from it
/// and was written down, is none.
fn symbols(sample: &Sample, rng: &mut Rng) -> Option<Sample> {
    let from = &sample.module.main;
    let types = from.params.iter().map(|port| from.ty(port.value));
    let sizes: BTreeSet<i64> = types.flat_map(|ty| ty.shape.iter().filter_map(Dim::as_const)).collect();
    let sizes: Vec<i64> = sizes.into_iter().filter(|&size| size > 1).collect();
    let size = *sizes.get(rng.below(sizes.len().max(1)))?;
    let name = Symbol::new("N");
    let dim = |dim: &Dim| if dim.is(size) { Dim::symbol(&name) } else { dim.clone() };
    let (mut env, mut graph, mut map) = (sample.module.env.clone(), Graph::default(), Map::new());
    let hi = rng.flag().then_some(size + 3);
    env.symbols.insert(name.clone(), SymbolInfo { lo: 1, hi, typical: None, data_dependent: false, most: None });
    for port in &from.params {
        let ty = from.ty(port.value);
        map.insert(port.value, graph.add_param(&port.name, ty.with_shape(ty.shape.iter().map(dim).collect::<Shape>())));
    }
    for (_, op) in from.iter() {
        let mut op = op.clone();
        for attr in &mut op.attrs {
            if let Attr::Dims(dims) = attr {
                *dims = dims.iter().map(dim).collect();
            }
        }
        copy(&mut env, &mut graph, &op, &mut map)?;
    }
    for port in &from.results {
        graph.add_result(&port.name, *map.get(&port.value)?);
    }
    let inputs = sample.inputs.clone();
    Some(Sample { module: Module { env, main: graph }, inputs, reference: Some(sample.module.clone()) })
}
