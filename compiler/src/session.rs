//! A compiled model in this process: code, weights and the memory of its runs.

use crate::backend::{self, exec::ExecCode};
use crate::loopir::BufferKind;
use crate::plan::Plan;
use lathe_ir::{DType, Diagnostic, Tensor, TensorType};
use lathe_runtime::core::context::RunCtx;
use lathe_runtime::core::pool::{Pool, run_inline, run_on_pool};
use lathe_runtime::core::status::{Code, Status};
use lathe_runtime::core::table::select;
use std::ptr;

/// Memory aligned to 64 bytes.
struct Aligned(Vec<[u64; 8]>);

impl Aligned {
    fn new(bytes: usize) -> Aligned {
        Aligned(vec![[0; 8]; bytes.div_ceil(64)])
    }

    fn bytes(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}

/// A compiled model with its weights, ready to run.
pub struct Session {
    plan: Plan,
    code: ExecCode,
    weights: Aligned,
    arena: Aligned,
    scratch: Aligned,
    pool: *const Pool,
    threads: usize,
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the pool came from `Pool::create` in `new`, and this is its only reference.
        unsafe { Pool::release(self.pool) };
    }
}

impl Session {
    /// Compiles a plan and packs its weights.
    pub fn new(plan: Plan, options: &backend::Options, threads: usize) -> Result<Session, Diagnostic> {
        let bug = |error: &dyn std::fmt::Display| Diagnostic::bug(error.to_string());
        let blob = backend::compile(&plan.program, options).map_err(|error| bug(&error))?;
        let code = ExecCode::new(&blob).map_err(|error| bug(&error))?;
        let mut packed = Vec::new();
        plan.weights.write(&mut packed).map_err(|error| bug(&error))?;
        let mut weights = Aligned::new(packed.len());
        // SAFETY: the target is at least as long, and fresh.
        unsafe { ptr::copy_nonoverlapping(packed.as_ptr(), weights.bytes(), packed.len()) };
        let pool = Pool::create(threads.max(1));
        let (arena, scratch) = (Aligned::new(0), Aligned::new(0));
        Ok(Session { plan, code, weights, arena, scratch, pool, threads: threads.max(1) })
    }

    /// The plan that it runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs on inputs in order.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
        let program = &self.plan.program;
        check_inputs(&self.plan.inputs, inputs)?;
        let shapes: Vec<Vec<i64>> =
            inputs.iter().map(|tensor| tensor.shape().iter().map(|&size| size as i64).collect()).collect();
        let dims: Vec<*const i64> = shapes.iter().map(|shape| shape.as_ptr()).collect();
        let mut symbols = vec![0i64; program.symbols.len()];
        let status = Status::new();
        // SAFETY: there is one dims array for each input, of its rank (checked), and room for every symbol.
        let code = unsafe { self.code.bind()(dims.as_ptr(), symbols.as_mut_ptr(), ptr::from_ref(&status).cast_mut()) };
        self.check(code, &status)?;
        let mut sizes = vec![0i64; program.plan_len()];
        // SAFETY: `sizes` is as long as the program says it fills.
        unsafe { self.code.plan()(symbols.as_ptr(), sizes.as_mut_ptr()) };
        let (arena_bytes, scratch_bytes) = (sizes[0] as usize, (sizes[1] as usize).next_multiple_of(64));
        if self.arena.0.len() * 64 < arena_bytes {
            self.arena = Aligned::new(arena_bytes);
        }
        if self.scratch.0.len() * 64 < scratch_bytes * self.threads {
            self.scratch = Aligned::new(scratch_bytes * self.threads);
        }
        let mut at = 2 + program.buffers.len();
        let mut outputs: Vec<(DType, Vec<usize>, Aligned)> = Vec::new();
        for ((_, ty), &rank) in self.plan.outputs.iter().zip(&program.output_ranks) {
            let shape: Vec<usize> = sizes[at..at + rank as usize].iter().map(|&size| size.max(0) as usize).collect();
            at += rank as usize;
            let bytes = shape.iter().product::<usize>() * ty.dtype.size();
            outputs.push((ty.dtype, shape, Aligned::new(bytes)));
        }
        let mut buffers: Vec<*mut u8> = Vec::new();
        for (index, buffer) in program.buffers.iter().enumerate() {
            buffers.push(match buffer.kind {
                BufferKind::Input(input) => inputs[input as usize].bytes().as_ptr().cast_mut(),
                BufferKind::Output(output) => outputs[output as usize].2.bytes(),
                BufferKind::Weight { offset, .. } => self.weights.bytes().wrapping_add(offset as usize),
                BufferKind::Arena => self.arena.bytes().wrapping_add(sizes[2 + index] as usize),
                BufferKind::Alias { .. } => ptr::null_mut(),
            });
        }
        let ctx = RunCtx {
            kernels: select().0,
            buffers: buffers.as_ptr(),
            symbols: symbols.as_mut_ptr(),
            parallel_for: if self.threads == 1 { run_inline } else { run_on_pool },
            status: ptr::from_ref(&status).cast_mut(),
            pool: self.pool.cast_mut().cast(),
            scratch_base: self.scratch.bytes(),
            scratch_stride: scratch_bytes as i64,
            threads: self.threads as i64,
        };
        // SAFETY: every buffer is as long as the plan says for these symbols, the table is the one the code was
        // compiled against (same crate), and scratch holds one part for each worker.
        let code = unsafe { self.code.run()(&ctx) };
        self.check(code, &status)?;
        outputs
            .into_iter()
            .map(|(dtype, shape, mut memory)| {
                let bytes = shape.iter().product::<usize>() * dtype.size();
                // SAFETY: the memory is at least that long.
                let data = unsafe { std::slice::from_raw_parts(memory.bytes(), bytes) }.to_vec();
                Tensor::from_bytes(dtype, &shape, data.into()).ok_or_else(|| Diagnostic::bug("an output has no size"))
            })
            .collect()
    }

    fn check(&self, code: i32, status: &Status) -> Result<(), Diagnostic> {
        if code == 0 {
            return Ok(());
        }
        let text = Code::from_i32(code).text();
        let node = status.node.load(std::sync::atomic::Ordering::Relaxed);
        let value = status.value.load(std::sync::atomic::Ordering::Relaxed);
        let message = format!("{text} (value {value})");
        Err(match self.plan.nodes.get(usize::try_from(node).unwrap_or(usize::MAX)) {
            Some((name, op)) => Diagnostic::invalid(message).at(name, op, None),
            None => Diagnostic::invalid(message),
        })
    }
}

fn check_inputs(expected: &[(String, TensorType)], inputs: &[Tensor]) -> Result<(), Diagnostic> {
    if expected.len() != inputs.len() {
        return Err(Diagnostic::invalid(format!("{} inputs are given, {} are needed", inputs.len(), expected.len())));
    }
    for ((name, ty), tensor) in expected.iter().zip(inputs) {
        if ty.dtype != tensor.dtype() || ty.rank() != tensor.shape().len() {
            return Err(Diagnostic::invalid(format!("input {name:?} is {}, it must be {ty}", tensor.ty())));
        }
    }
    Ok(())
}
