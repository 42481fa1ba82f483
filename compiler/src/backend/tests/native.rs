//! Runs compiled programs on plain bytes, as `loopir::interp` does.

use crate::backend::{CodeBlob, Options, compile};
use crate::loopir::interp::{Failure, Outcome, Tensor};
use crate::loopir::{BufferKind, Expr, ExprKind, PlanSlot, Program, eval_int};
use lathe_runtime::core::context::{KernelFn, RunCtx};
use lathe_runtime::core::status::Status;
use lathe_runtime::core::table::{Kernels, select};
use lathe_runtime::exec::ExecCode;
use std::sync::atomic::{AtomicI64, Ordering};

/// Tiles claimed one by one by `ctx.threads` threads.
unsafe extern "C" fn parallel_for(ctx: *const RunCtx, kernel: KernelFn, tiles: i64) {
    let next = AtomicI64::new(0);
    // SAFETY: `run_native` keeps the context alive during the run.
    let (threads, base, stride) = unsafe { ((*ctx).threads, (*ctx).scratch_base as usize, (*ctx).scratch_stride) };
    let ctx = ctx as usize;
    std::thread::scope(|scope| {
        for worker in 0..threads {
            let next = &next;
            scope.spawn(move || {
                let scratch = (base + (worker * stride) as usize) as *mut u8;
                loop {
                    let tile = next.fetch_add(1, Ordering::Relaxed);
                    if tile >= tiles {
                        break;
                    }
                    // SAFETY: the kernel is of this program, and its buffers are as large as declared.
                    unsafe { kernel(ctx as *const RunCtx, tile, tile + 1, scratch) };
                }
            });
        }
    });
}

/// Value of a size over symbols.
fn size(e: &Expr, symbols: &[i64]) -> i64 {
    match e.kind() {
        ExprKind::Int(v) => *v,
        ExprKind::Symbol(id) => symbols[id.index()],
        ExprKind::Binary(op, a, b) => eval_int(*op, e.ty(), size(a, symbols), size(b, symbols)),
        other => panic!("size {other:?}"),
    }
}

pub(super) fn run_native(program: &Program, inputs: &[Tensor], weights: &[Vec<u8>], threads: i64) -> Outcome {
    let blob = compile(program, &Options::default()).unwrap_or_else(|e| panic!("{e}\n{program}"));
    run_blob(&blob, program, inputs, weights, threads)
}

/// 64-byte aligned memory.
fn aligned(bytes: usize) -> (Vec<u8>, usize) {
    let memory = vec![0xffu8; bytes + 64];
    let skip = memory.as_ptr().align_offset(64);
    (memory, skip)
}

pub(super) fn run_blob(
    blob: &CodeBlob,
    program: &Program,
    inputs: &[Tensor],
    weights: &[Vec<u8>],
    threads: i64,
) -> Outcome {
    run_blob_on(blob, program, inputs, weights, threads, select().0)
}

/// With this table of micro-kernels, of a tier the machine has.
pub(super) fn run_blob_on(
    blob: &CodeBlob,
    program: &Program,
    inputs: &[Tensor],
    weights: &[Vec<u8>],
    threads: i64,
    kernels: &'static Kernels,
) -> Outcome {
    let code = ExecCode::new(&blob.bytes).unwrap();
    let status = Status::new();
    let mut symbols: Vec<i64> = program.symbols.iter().map(|s| s.hi).collect();
    let dims: Vec<*const i64> = inputs.iter().map(|t| t.dims.as_ptr()).collect();
    let mut outcome = Outcome { failure: None, symbols: Vec::new(), outputs: Vec::new(), plan: Vec::new() };
    let failure = |code: i32| {
        assert_eq!(code, status.code.load(Ordering::Relaxed));
        (code != 0).then(|| Failure {
            code,
            node: status.node.load(Ordering::Relaxed),
            value: status.value.load(Ordering::Relaxed),
        })
    };
    // SAFETY: one pointer to dims per input, as many as the program's ranks say; tests give inputs of those ranks.
    outcome.failure = failure(unsafe {
        code.bind(blob.bind).unwrap()(dims.as_ptr(), symbols.as_mut_ptr(), &raw const status as *mut _)
    });
    if outcome.failure.is_some() {
        outcome.symbols = symbols;
        return outcome;
    }
    let mut plan = vec![0i64; program.plan_len()];
    // SAFETY: both arrays have the lengths the program declares.
    unsafe { code.plan(blob.plan).unwrap()(symbols.as_ptr(), plan.as_mut_ptr()) };
    outcome.plan = plan.clone();

    let mut inputs: Vec<Vec<u8>> = inputs.iter().map(|t| t.bytes.clone()).collect();
    let mut weights = weights.to_vec();
    let (mut arena, skip) = aligned(plan[0] as usize);
    let mut outputs: Vec<Vec<u8>> = Vec::new();
    let mut buffers: Vec<*mut u8> = Vec::new();
    for (index, decl) in program.buffers.iter().enumerate() {
        let bytes = (size(&decl.len, &symbols) * decl.elem.size()) as usize;
        buffers.push(match &decl.kind {
            BufferKind::Input(i) => inputs[*i as usize].as_mut_ptr(),
            BufferKind::Output(_) => {
                outputs.push(vec![0xff; bytes]);
                outputs.last_mut().unwrap().as_mut_ptr()
            }
            BufferKind::Weight { index, offset } => weights[*index as usize][*offset as usize..].as_mut_ptr(),
            BufferKind::Arena => {
                let offset = plan[program.plan_index(PlanSlot::Offset(crate::loopir::BufferId(index as u32)))];
                arena[skip + offset as usize..].as_mut_ptr()
            }
            // Never read.
            BufferKind::Alias { .. } => std::ptr::null_mut(),
        });
    }
    let stride = (plan[1] + 63) & !63;
    let (mut scratch, skip) = aligned((stride * threads) as usize);
    let ctx = RunCtx {
        kernels,
        buffers: buffers.as_ptr(),
        symbols: symbols.as_mut_ptr(),
        parallel_for,
        status: &raw const status as *mut _,
        pool: std::ptr::null_mut(),
        scratch_base: scratch[skip..].as_mut_ptr(),
        scratch_stride: stride,
        threads,
    };
    // SAFETY: the context is complete and its buffers have the declared sizes.
    outcome.failure = failure(unsafe { code.run(blob.run).unwrap()(&ctx) });
    outcome.symbols = symbols.clone();
    if outcome.failure.is_some() {
        return outcome;
    }
    let mut plan = vec![0i64; program.plan_len()];
    // SAFETY: both arrays have the lengths the program declares.
    unsafe { code.plan(blob.plan).unwrap()(symbols.as_ptr(), plan.as_mut_ptr()) };
    let kinds = program.buffers.iter().filter(|b| matches!(b.kind, BufferKind::Output(_)));
    for (decl, mut bytes) in kinds.zip(outputs) {
        let BufferKind::Output(output) = decl.kind else { continue };
        let dims: Vec<i64> = (0..program.output_ranks[output as usize])
            .map(|axis| plan[program.plan_index(PlanSlot::OutputDim { output, axis })])
            .collect();
        bytes.truncate((dims.iter().product::<i64>() * decl.elem.size()) as usize);
        outcome.outputs.push(Tensor { dims, bytes });
    }
    outcome
}
