//! Execution of bodies.

use super::memory::{Memory, Pointer, Value};
use super::{math, ops};
use crate::loopir::expr::{Base, Expr, ExprKind, Place};
use crate::loopir::print::show_stmt;
use crate::loopir::program::{Fn, Program};
use crate::loopir::stmt::{Body, LocalDecl, SYMBOL_RANGE, Stmt};
use crate::loopir::types::Type;
use std::collections::BTreeMap;

/// First error of a run, as in the runtime's status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Code, not 0.
    pub code: i32,
    /// Node, or -1.
    pub node: i32,
    /// The offending value.
    pub value: i64,
}

pub(super) enum Flow {
    Next,
    Return,
}

/// State of a running program.
pub(super) struct Machine<'p> {
    pub(super) program: &'p Program,
    pub(super) fns: BTreeMap<&'p str, &'p Fn>,
    pub(super) memory: Memory,
    /// Regions of the program's buffers.
    pub(super) buffers: Vec<u32>,
    pub(super) symbols: Vec<Option<i64>>,
    pub(super) dims: Vec<Vec<i64>>,
    pub(super) plan: Vec<i64>,
    pub(super) failure: Option<Failure>,
    /// Statements and loop turns that may still run.
    pub(super) fuel: u64,
    pub(super) reverse_tiles: bool,
}

/// Variables and surroundings of one body.
pub(super) struct Frame<'a> {
    pub(super) body: &'a Body,
    pub(super) vars: Vec<Option<Value>>,
    pub(super) tile: Option<i64>,
    pub(super) locals: &'a [LocalDecl],
    pub(super) local_regions: Vec<u32>,
    pub(super) node: i32,
}

impl<'a> Frame<'a> {
    pub(super) fn new(body: &'a Body) -> Self {
        let vars = vec![None; body.vars.len()];
        Frame { body, vars, tile: None, locals: &[], local_regions: Vec::new(), node: -1 }
    }
}

impl<'p> Machine<'p> {
    pub(super) fn block(&mut self, frame: &mut Frame<'_>, stmts: &[Stmt]) -> Result<Flow, String> {
        for stmt in stmts {
            // Messages are completed at the innermost statement.
            let flow = self.stmt(frame, stmt).map_err(|message| {
                if message.contains("\n  in: ") {
                    message
                } else {
                    format!("{message}\n  in: {}", show_stmt(self.program, frame.body, frame.locals, stmt))
                }
            })?;
            if let Flow::Return = flow {
                return Ok(Flow::Return);
            }
        }
        Ok(Flow::Next)
    }

    fn burn(&mut self) -> Result<(), String> {
        self.fuel = self.fuel.checked_sub(1).ok_or("the program runs longer than allowed")?;
        Ok(())
    }

    pub(super) fn fail(&mut self, code: i32, node: i32, value: i64) -> Flow {
        self.failure.get_or_insert(Failure { code, node, value });
        Flow::Return
    }

    fn stmt(&mut self, frame: &mut Frame<'_>, stmt: &Stmt) -> Result<Flow, String> {
        self.burn()?;
        match stmt {
            Stmt::Let { var, value } | Stmt::Var { var, value } | Stmt::Assign { var, value } => {
                frame.vars[var.index()] = Some(self.eval(frame, value)?);
            }
            Stmt::For { var, lo, hi, step, body } => {
                let (mut i, hi) = (self.int(frame, lo)?, self.int(frame, hi)?);
                while i < hi {
                    self.burn()?;
                    frame.vars[var.index()] = Some(Value::Int(i));
                    if let Flow::Return = self.block(frame, body)? {
                        return Ok(Flow::Return);
                    }
                    i = i.checked_add(*step).ok_or("the loop variable overflows")?;
                }
            }
            Stmt::While { cond, body } => {
                while self.int(frame, cond)? != 0 {
                    self.burn()?;
                    if let Flow::Return = self.block(frame, body)? {
                        return Ok(Flow::Return);
                    }
                }
            }
            Stmt::If { cond, then_body, else_body } => {
                let taken = if self.int(frame, cond)? != 0 { then_body } else { else_body };
                return self.block(frame, taken);
            }
            Stmt::Store { place, value } => {
                let p = self.address(frame, place)?;
                let value = self.eval(frame, value)?;
                self.memory.store(p, place.elem, value)?;
            }
            Stmt::Call { callee, args } => {
                let args = self.args(frame, args)?;
                self.call(callee, args)?;
            }
            Stmt::Check { cond, code, node, value } => {
                if self.int(frame, cond)? == 0 {
                    let value = self.int(frame, value)?;
                    return Ok(self.fail(*code, node.unwrap_or(frame.node), value));
                }
            }
            Stmt::Launch(kernel) => {
                self.launch(frame, kernel.index())?;
                if self.failure.is_some() {
                    return Ok(Flow::Return);
                }
            }
            Stmt::SetSymbol { symbol, value, node } => {
                let value = self.int(frame, value)?;
                let decl = &self.program.symbols[symbol.index()];
                if value < decl.lo || value > decl.hi {
                    return Ok(self.fail(SYMBOL_RANGE, *node, value));
                }
                self.symbols[symbol.index()] = Some(value);
            }
            Stmt::SetPlan { slot, value } => {
                let index = self.program.plan_index(*slot);
                self.plan[index] = self.int(frame, value)?;
            }
        }
        Ok(Flow::Next)
    }

    fn launch(&mut self, frame: &mut Frame<'_>, index: usize) -> Result<(), String> {
        let kernel = &self.program.kernels[index];
        let tiles = self.int(frame, &kernel.tiles)?;
        let mut inner = Frame::new(&kernel.body);
        inner.node = kernel.node.unwrap_or(-1);
        inner.locals = &kernel.locals;
        let (objects, regions) = (self.memory.objects.len(), self.memory.regions.len());
        for turn in 0..tiles {
            let tile = if self.reverse_tiles { tiles - 1 - turn } else { turn };
            inner.tile = Some(tile);
            inner.vars.fill(None);
            inner.local_regions.clear();
            for local in &kernel.locals {
                let len = self.int(frame, &local.len)?;
                let bytes = len.checked_mul(local.elem.size()).filter(|b| (0..1 << 32).contains(b));
                let bytes = bytes.ok_or_else(|| format!("scratch ${} of {len} elements", local.name))?;
                // Every bit set: NaN, and an index that fails.
                let region = self.memory.add(&format!("${}", local.name), vec![0xff; bytes as usize], true);
                inner.local_regions.push(region);
            }
            self.block(&mut inner, &kernel.body.stmts)
                .map_err(|m| format!("kernel @{}, tile {tile}: {m}", kernel.name))?;
            self.memory.objects.truncate(objects);
            self.memory.regions.truncate(regions);
        }
        Ok(())
    }

    pub(super) fn call(&mut self, callee: &str, args: Vec<Value>) -> Result<Option<Value>, String> {
        if let Some(value) = math::scalar(callee, &args) {
            return Ok(Some(value));
        }
        let f = *self.fns.get(callee).ok_or_else(|| format!("micro-kernel @{callee} has no body"))?;
        if args.len() != f.params as usize {
            return Err(format!("@{callee} takes {} arguments, not {}", f.params, args.len()));
        }
        let mut frame = Frame::new(&f.body);
        for (slot, arg) in frame.vars.iter_mut().zip(args) {
            *slot = Some(arg);
        }
        let context = |m: String| format!("@{callee}: {m}");
        self.block(&mut frame, &f.body.stmts).map_err(context)?;
        match &f.result {
            Some(result) => Ok(Some(self.eval(&mut frame, result).map_err(context)?)),
            None => Ok(None),
        }
    }

    fn args(&mut self, frame: &mut Frame<'_>, args: &[Expr]) -> Result<Vec<Value>, String> {
        args.iter().map(|a| self.eval(frame, a)).collect()
    }

    pub(super) fn int(&mut self, frame: &mut Frame<'_>, e: &Expr) -> Result<i64, String> {
        self.eval(frame, e)?.int().ok_or_else(|| "expected an integer".to_owned())
    }

    fn address(&mut self, frame: &mut Frame<'_>, place: &Place) -> Result<Pointer, String> {
        let base = match &place.base {
            Base::Buffer(id) => Pointer { region: Some(self.buffers[id.index()]), offset: 0 },
            Base::Local(id) => Pointer { region: Some(frame.local_regions[id.index()]), offset: 0 },
            Base::Ptr(p) => match self.eval(frame, p)? {
                Value::Ptr(p) => p,
                _ => return Err("expected a pointer".to_owned()),
            },
        };
        let index = self.int(frame, &place.index)?;
        let bytes = index.checked_mul(place.elem.size()).and_then(|b| b.checked_add(base.offset));
        let offset = bytes.ok_or_else(|| format!("address of element {index} overflows"))?;
        Ok(Pointer { region: base.region, offset })
    }

    pub(super) fn eval(&mut self, frame: &mut Frame<'_>, e: &Expr) -> Result<Value, String> {
        Ok(match e.kind() {
            ExprKind::Int(v) => Value::Int(*v),
            ExprKind::Float(bits) if e.ty() == Type::F32 => Value::F32(f32::from_bits(*bits as u32)),
            ExprKind::Float(bits) => Value::F64(f64::from_bits(*bits)),
            ExprKind::Null => Value::Ptr(Pointer::NULL),
            ExprKind::Var(id) => frame.vars[id.index()].ok_or("use of a variable without a value")?,
            ExprKind::Symbol(id) => match self.symbols[id.index()] {
                Some(v) => Value::Int(v),
                None => {
                    return Err(format!("symbol %{} is read before it is set", self.program.symbols[id.index()].name));
                }
            },
            ExprKind::Tile => Value::Int(frame.tile.ok_or("tile outside of a kernel")?),
            ExprKind::InputDim { input, axis } => {
                let dim = self.dims.get(*input as usize).and_then(|d| d.get(*axis as usize));
                Value::Int(*dim.ok_or_else(|| format!("input {input} has no axis {axis}"))?)
            }
            ExprKind::Load(place) => {
                let p = self.address(frame, place)?;
                self.memory.load(p, place.elem)?
            }
            ExprKind::Addr(place) => Value::Ptr(self.address(frame, place)?),
            ExprKind::Unary(op, a) => ops::unary(*op, e.ty(), self.eval(frame, a)?)?,
            ExprKind::Binary(op, a, b) => {
                let a = self.eval(frame, a)?;
                ops::binary(*op, e.ty(), a, self.eval(frame, b)?)?
            }
            ExprKind::Compare(op, a, b) => {
                let ty = a.ty();
                let a = self.eval(frame, a)?;
                Value::Int(ops::compare(*op, ty, a, self.eval(frame, b)?)? as i64)
            }
            ExprKind::Fma(a, b, c) => {
                let (a, b, c) = (self.eval(frame, a)?, self.eval(frame, b)?, self.eval(frame, c)?);
                match (a, b, c) {
                    (Value::F32(a), Value::F32(b), Value::F32(c)) => Value::F32(a.mul_add(b, c)),
                    (Value::F64(a), Value::F64(b), Value::F64(c)) => Value::F64(a.mul_add(b, c)),
                    _ => return Err("operands of fma have the wrong type".to_owned()),
                }
            }
            ExprKind::Select(c, a, b) => {
                let c = self.int(frame, c)?;
                let (a, b) = (self.eval(frame, a)?, self.eval(frame, b)?);
                if c != 0 { a } else { b }
            }
            ExprKind::Cast(a) => ops::cast(self.eval(frame, a)?, a.ty(), e.ty())?,
            ExprKind::Bitcast(a) => super::memory::from_bits(e.ty(), super::memory::to_bits(self.eval(frame, a)?)),
            ExprKind::Call(callee, args) => {
                let args = self.args(frame, args)?;
                self.call(callee, args)?.ok_or_else(|| format!("@{callee} has no result"))?
            }
        })
    }
}
