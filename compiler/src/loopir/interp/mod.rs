//! Runs programs on plain bytes, slowly and safely: every access is checked against its buffer, every pointer knows the
//! region it came from, undefined scratch reads as NaN or -1. It gives loop IR its meaning; tests compare the planner
//! with the graph's evaluator and the backends with this.

mod exec;
mod math;
mod memory;
mod ops;

pub use exec::Failure;
pub use math::is_scalar;
pub use memory::{Memory, Pointer, Region, Value};

use super::prelude;
use super::program::{BufferKind, Program};
use exec::{Frame, Machine};
use std::fmt;

/// A tensor's dims and bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tensor {
    /// Sizes of the axes.
    pub dims: Vec<i64>,
    /// Elements in order.
    pub bytes: Vec<u8>,
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct InterpOptions {
    /// Most statements and loop turns.
    pub fuel: u64,
    /// Tiles last to first: a correct kernel gives the same result.
    pub reverse_tiles: bool,
}

impl Default for InterpOptions {
    fn default() -> Self {
        InterpOptions { fuel: 1 << 32, reverse_tiles: false }
    }
}

/// What a run gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// A failed check, if any; then there are no outputs.
    pub failure: Option<Failure>,
    /// Symbols after the run; those never set have their upper bound.
    pub symbols: Vec<i64>,
    /// Outputs, with the dims `@plan` gives for the symbols after the run.
    pub outputs: Vec<Tensor>,
    /// What `@plan` said before the run.
    pub plan: Vec<i64>,
}

/// The program did something undefined (access out of bounds, unset symbol, ...): a bug of whoever made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterpError(pub String);

impl fmt::Display for InterpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InterpError {}

impl From<String> for InterpError {
    fn from(message: String) -> Self {
        InterpError(message)
    }
}

/// Runs a verified program: `@bind` on the inputs' dims, `@plan`, then the schedule. `weights` are the entries of the
/// weight table.
pub fn interpret(
    program: &Program,
    inputs: &[Tensor],
    weights: &[Vec<u8>],
    options: InterpOptions,
) -> Result<Outcome, InterpError> {
    let mut machine = Machine::new(program, options);
    machine.dims = inputs.iter().map(|t| t.dims.clone()).collect();
    let mut outcome = Outcome { failure: None, symbols: Vec::new(), outputs: Vec::new(), plan: Vec::new() };
    let known = |m: &Machine<'_>| {
        let symbols = m.symbols.iter().zip(&program.symbols);
        symbols.map(|(value, decl)| value.unwrap_or(decl.hi)).collect::<Vec<_>>()
    };

    machine.top(&program.bind, "bind")?;
    if machine.failure.is_some() {
        return Ok(Outcome { failure: machine.failure, symbols: known(&machine), ..outcome });
    }
    for (value, decl) in machine.symbols.iter_mut().zip(&program.symbols) {
        value.get_or_insert(decl.hi);
    }
    machine.plan("plan")?;
    outcome.plan = machine.plan.clone();
    let output_objects = machine.allocate(inputs, weights)?;
    machine.top(&program.run, "run")?;
    outcome.failure = machine.failure;
    outcome.symbols = known(&machine);
    if outcome.failure.is_some() {
        return Ok(outcome);
    }
    machine.plan("plan after run")?;
    for (index, &rank) in program.output_ranks.iter().enumerate() {
        let dims: Vec<i64> = (0..rank)
            .map(|axis| {
                let slot = super::stmt::PlanSlot::OutputDim { output: index as u32, axis };
                machine.plan[program.plan_index(slot)]
            })
            .collect();
        let Some((buffer, object)) =
            output_objects.iter().find(|(b, _)| program.buffers[*b].kind == BufferKind::Output(index as u32))
        else {
            return Err(InterpError(format!("output {index} has no buffer")));
        };
        let bytes = dims.iter().try_fold(program.buffers[*buffer].elem.size(), |n, d| n.checked_mul(*d));
        let mut data = std::mem::take(&mut machine.memory.objects[*object]);
        match bytes {
            Some(bytes) if (0..=data.len() as i64).contains(&bytes) => data.truncate(bytes as usize),
            _ => return Err(InterpError(format!("output {index} of dims {dims:?} exceeds its buffer"))),
        }
        outcome.outputs.push(Tensor { dims, bytes: data });
    }
    Ok(outcome)
}

/// Runs the body of one micro-kernel (or `fn` of the prelude) on `memory`.
pub fn run_body(name: &str, args: Vec<Value>, memory: &mut Memory) -> Result<Option<Value>, InterpError> {
    let empty = Program::default();
    let mut machine = Machine::new(&empty, InterpOptions::default());
    std::mem::swap(&mut machine.memory, memory);
    let result = machine.call(name, args);
    std::mem::swap(&mut machine.memory, memory);
    Ok(result?)
}

impl<'p> Machine<'p> {
    fn new(program: &'p Program, options: InterpOptions) -> Self {
        let fns = prelude::prelude().fns.iter().chain(&program.fns).map(|f| (f.name.as_str(), f)).collect();
        Machine {
            program,
            fns,
            memory: Memory::default(),
            buffers: Vec::new(),
            symbols: vec![None; program.symbols.len()],
            dims: Vec::new(),
            plan: vec![0; program.plan_len()],
            failure: None,
            fuel: options.fuel,
            reverse_tiles: options.reverse_tiles,
        }
    }

    /// Runs one of the program-level bodies.
    fn top(&mut self, body: &super::stmt::Body, name: &str) -> Result<(), InterpError> {
        let mut frame = Frame::new(body);
        self.block(&mut frame, &body.stmts).map_err(|m| format!("{name}: {m}"))?;
        Ok(())
    }

    /// Fills the plan for the symbols as they are.
    fn plan(&mut self, name: &str) -> Result<(), InterpError> {
        let program = self.program;
        self.top(&program.plan, name)?;
        let mut frame = Frame::new(&program.plan);
        for (buffer, offset) in program.implied_offsets() {
            let slot = super::stmt::PlanSlot::Offset(buffer);
            self.plan[program.plan_index(slot)] = self.int(&mut frame, &offset)?;
        }
        Ok(())
    }

    /// Makes the regions of all buffers; gives (buffer, object) of the outputs.
    fn allocate(&mut self, inputs: &[Tensor], weights: &[Vec<u8>]) -> Result<Vec<(usize, usize)>, InterpError> {
        const MOST: i64 = 1 << 34;
        let program = self.program;
        let arena_bytes = self.plan[0];
        if !(0..=MOST).contains(&arena_bytes) {
            return Err(InterpError(format!("an arena of {arena_bytes} bytes")));
        }
        let arena = self.memory.objects.len();
        self.memory.objects.push(vec![0xff; arena_bytes as usize]);
        let mut outputs = Vec::new();
        for (index, decl) in program.buffers.iter().enumerate() {
            let mut frame = Frame::new(&program.run);
            let elements = self.int(&mut frame, &decl.len).map_err(|m| format!("length of %{}: {m}", decl.name))?;
            let bytes = elements.checked_mul(decl.elem.size()).filter(|b| (0..=MOST).contains(b));
            let bytes = bytes.ok_or_else(|| format!("%{} of {elements} elements", decl.name))? as usize;
            let name = format!("%{}", decl.name);
            let part = |have: usize, start: i64, what: &str| {
                let end = usize::try_from(start).ok().and_then(|s| s.checked_add(bytes));
                match end {
                    Some(end) if end <= have => Ok(start as usize),
                    _ => Err(InterpError(format!("{name}: {bytes} bytes at {start} exceed {what} of {have} bytes"))),
                }
            };
            let region = match &decl.kind {
                BufferKind::Input(i) => {
                    let data = &inputs.get(*i as usize).ok_or_else(|| format!("input {i} is missing"))?.bytes;
                    part(data.len(), 0, "the input")?;
                    self.memory.add(&name, data[..bytes].to_vec(), false)
                }
                BufferKind::Output(_) => {
                    outputs.push((index, self.memory.objects.len()));
                    self.memory.add(&name, vec![0xff; bytes], true)
                }
                BufferKind::Weight { index, offset } => {
                    let data = weights.get(*index as usize).ok_or_else(|| format!("weight {index} is missing"))?;
                    let start = part(data.len(), *offset, "the weight")?;
                    self.memory.add(&name, data[start..start + bytes].to_vec(), false)
                }
                BufferKind::Arena => {
                    let slot = super::stmt::PlanSlot::Offset(super::types::BufferId(index as u32));
                    let base = part(arena_bytes as usize, self.plan[program.plan_index(slot)], "the arena")?;
                    self.memory.regions.push(Region { name, object: arena, base, len: bytes, writable: true });
                    self.memory.regions.len() as u32 - 1
                }
                BufferKind::Alias { of, offset } => {
                    let start = self.int(&mut frame, offset).map_err(|m| format!("{name}: {m}"))?;
                    let start = start.checked_mul(decl.elem.size()).ok_or("alias offset overflows".to_owned())?;
                    let whole = self.memory.regions[self.buffers[of.index()] as usize].clone();
                    let start = part(whole.len, start, "the aliased buffer")?;
                    self.memory.regions.push(Region { name, base: whole.base + start, len: bytes, ..whole });
                    self.memory.regions.len() as u32 - 1
                }
            };
            self.buffers.push(region);
        }
        Ok(outputs)
    }
}
