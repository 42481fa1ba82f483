//! A hand-written model that plays the generated code.
//!
//! x: f32[N, 4], idx: i64[N] -> y = relu(x + table[idx]): f32[N, 4], z = positions where idx > 0: i64[K], with N in 1..8 and
//! K known only from the data.
#![allow(clippy::unwrap_used, dead_code)]

use lathe_runtime::core::context::RunCtx;
use lathe_runtime::core::desc::{BufferKind, DType, DescBuilder, weights_hash};
use lathe_runtime::core::model::ModelCode;
use lathe_runtime::core::pool::CallerTask;
use lathe_runtime::core::status::{Code, Status};
use lathe_runtime::core::table::ABI;
use lathe_runtime::core::tier::Tier;
use lathe_runtime::{Context, Model, TensorView};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Rows of the table in the weights.
pub(crate) const ROWS: i64 = 6;

/// The floating-point mode as the model's code saw it last.
pub(crate) static MODE: AtomicU32 = AtomicU32::new(0);

pub(crate) fn float_mode() -> u32 {
    let mut mxcsr = 0u32;
    // SAFETY: stores four bytes to a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr) };
    mxcsr & !0x3f
}

pub(crate) fn set_float_mode(mxcsr: u32) {
    // SAFETY: a mode with all exceptions masked.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr) };
}

pub(crate) unsafe extern "C" fn bind(dims: *const *const i64, symbols: *mut i64, status: *mut Status) -> i32 {
    // SAFETY: two inputs, two symbols.
    unsafe {
        let (n, other) = (**dims, **dims.add(1));
        if n != other {
            (*status).set(Code::ShapeMismatch as i32, 1, other);
            return Code::ShapeMismatch as i32;
        }
        assert_eq!(*symbols.add(1), 8, "preset to the upper bound");
        *symbols = n;
    }
    0
}

pub(crate) unsafe extern "C" fn plan(symbols: *const i64, out: *mut i64) {
    // SAFETY: two symbols; 2 + 7 buffers + 2 + 1 dimensions.
    unsafe {
        let (n, k) = (*symbols, *symbols.add(1));
        for (i, value) in [n * 16 + 8, 40, 0, 0, 0, 0, 0, 0, 8, n, 4, k].into_iter().enumerate() {
            *out.add(i) = value;
        }
    }
}

/// tmp[tile] = table[idx[tile]], by way of the scratch.
pub(crate) unsafe extern "C" fn gather(ctx: *const RunCtx, begin: i64, end: i64, scratch: *mut u8) {
    // SAFETY: buffers as described.
    unsafe {
        let (ctx, buffers) = (&*ctx, (*ctx).buffers);
        for tile in begin..end {
            let index = *(*buffers.add(1)).cast::<i64>().offset(tile as isize);
            if !(0..ROWS).contains(&index) {
                (*ctx.status).set(Code::IndexOutOfRange as i32, 0, index);
                return;
            }
            let kernels = &*ctx.kernels;
            (kernels.copy_bytes)(16, (*buffers.add(2)).offset(index as isize * 16), scratch);
            (kernels.copy_bytes)(16, scratch, (*buffers.add(3)).offset(tile as isize * 16));
        }
    }
}

pub(crate) unsafe extern "C" fn add_relu(ctx: *const RunCtx, begin: i64, end: i64, _scratch: *mut u8) {
    // SAFETY: buffers as described. Buffer 6 is an alias of 3, 8 bytes in.
    unsafe {
        let (kernels, buffers) = (&*(*ctx).kernels, (*ctx).buffers);
        for tile in begin..end {
            let at = |i: usize| (*buffers.add(i)).offset(tile as isize * 16);
            assert_eq!(*buffers.add(6), (*buffers.add(3)).add(8));
            (kernels.v_add)(4, at(0), 1, at(3), 1, at(4));
            (kernels.v_relu)(4, at(4), at(4));
        }
    }
}

pub(crate) unsafe extern "C" fn run(ctx: *const RunCtx) -> i32 {
    MODE.store(float_mode(), Relaxed);
    // SAFETY: buffers and symbols as described.
    unsafe {
        let (ctx, n) = (&*ctx, *(*ctx).symbols);
        (ctx.parallel_for)(ctx, gather, n);
        (ctx.parallel_for)(ctx, add_relu, n);
        if (*ctx.status).failed() {
            return 0;
        }
        let (idx, z) = ((*ctx.buffers.add(1)).cast::<i64>(), (*ctx.buffers.add(5)).cast::<i64>());
        let mut k = 0;
        for i in 0..n as usize {
            if *idx.add(i) > 0 {
                *z.add(k) = i as i64;
                k += 1;
            }
        }
        *ctx.symbols.add(1) = k as i64;
    }
    0
}

#[repr(align(64))]
pub(crate) struct Weights(pub(crate) [f32; 24]);

pub(crate) static TABLE: Weights = Weights({
    let mut table = [0f32; 24];
    let mut i = 0;
    while i < 24 {
        table[i] = i as f32 * 0.5 - 5.0;
        i += 1;
    }
    table
});

pub(crate) fn table_bytes() -> &'static [u8] {
    // SAFETY: 24 floats.
    unsafe { std::slice::from_raw_parts(TABLE.0.as_ptr().cast(), 96) }
}

pub(crate) fn builder() -> DescBuilder {
    let mut desc = DescBuilder::new(Tier::Scalar);
    desc.weights(96, weights_hash(table_bytes()));
    desc.symbol("N", 1, 8);
    desc.symbol("K", 0, 8);
    desc.input("x", DType::F32, &[-1, 4]);
    desc.input("idx", DType::I64, &[-1]);
    desc.output("y", DType::F32, &[-1, 4]);
    desc.output("z", DType::I64, &[-1]);
    desc.buffer(BufferKind::Input(0), 4);
    desc.buffer(BufferKind::Input(1), 8);
    desc.buffer(BufferKind::Weights, 4);
    desc.buffer(BufferKind::Arena, 4);
    desc.buffer(BufferKind::Output(0), 4);
    desc.buffer(BufferKind::Output(1), 8);
    desc.buffer(BufferKind::Alias(3), 4);
    desc.node("embed/Gather", "Gather");
    desc.node("", "Add");
    desc
}

/// The model's code, with weights inside unless told otherwise.
pub(crate) fn code(desc: Vec<u8>, weights: bool) -> ModelCode {
    let desc: &'static [u8] = desc.leak();
    let (weights, weights_len) = if weights { (table_bytes().as_ptr(), 96) } else { (std::ptr::null(), 0) };
    ModelCode { abi: ABI, desc: desc.as_ptr(), desc_len: desc.len() as u64, weights, weights_len, bind, plan, run }
}

pub(crate) fn open(code: &ModelCode) -> Result<Model, lathe_runtime::Error> {
    // SAFETY: valid code in memory that is never freed.
    unsafe { Model::from_code(code, None) }
}

pub(crate) fn model() -> Model {
    open(&code(builder().finish().unwrap(), true)).unwrap()
}

pub(crate) fn bytes_of<T>(values: &[T]) -> &[u8] {
    // SAFETY: plain numbers.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

pub(crate) fn integers(bytes: &[u8]) -> Vec<i64> {
    bytes.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
}

pub(crate) struct Case {
    pub(crate) x: Vec<f32>,
    pub(crate) idx: Vec<i64>,
    pub(crate) y: Vec<f32>,
    pub(crate) z: Vec<i64>,
}

pub(crate) fn case(n: usize) -> Case {
    let x: Vec<f32> = (0..n * 4).map(|i| i as f32 - 7.5).collect();
    let idx: Vec<i64> = (0..n as i64).map(|i| (i * 5 + 3) % ROWS).collect();
    let y = (0..n * 4).map(|i| (x[i] + TABLE.0[idx[i / 4] as usize * 4 + i % 4]).max(0.0)).collect();
    let z = (0..n as i64).filter(|&i| idx[i as usize] > 0).collect();
    Case { x, idx, y, z }
}

pub(crate) fn run_case(context: &mut Context, case: &Case) {
    let (sx, si) = ([case.idx.len() as i64, 4], [case.idx.len() as i64]);
    let inputs = [
        TensorView { dtype: DType::F32, shape: &sx, data: bytes_of(&case.x) },
        TensorView { dtype: DType::I64, shape: &si, data: bytes_of(&case.idx) },
    ];
    let outputs = context.run(&inputs).unwrap();
    assert_eq!((&outputs[0].shape[..], &outputs[1].shape[..]), (&sx[..], &[case.z.len() as i64][..]));
    assert_eq!(floats(outputs[0].bytes()), case.y);
    assert_eq!(integers(outputs[1].bytes()), case.z);
}

pub(crate) unsafe extern "C" fn in_reverse(_user: *mut c_void, n: i64, task: CallerTask, arg: *mut c_void) {
    for i in (0..n).rev() {
        // SAFETY: as asked.
        unsafe { task(arg, i) };
    }
}
