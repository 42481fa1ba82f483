//! The model side: a hand-written model plays the generated code.
//!
//! x: f32[N, 4], idx: i64[N] -> y = relu(x + table[idx]): f32[N, 4], z = positions where idx > 0: i64[K], with N in 1..8 and
//! K known only from the data.
#![allow(clippy::unwrap_used)]

use lathe_runtime::core::abi::*;
use lathe_runtime::core::context::RunCtx;
use lathe_runtime::core::desc::{BufferKind, DType, Desc, DescBuilder, weights_hash};
use lathe_runtime::core::model::ModelCode;
use lathe_runtime::core::pool::{CallerTask, CallerThreads};
use lathe_runtime::core::status::{Code, Status};
use lathe_runtime::core::table::{ABI, select};
use lathe_runtime::core::tier::Tier;
use lathe_runtime::{Context, Model, Pool, Tensor, TensorView, TensorViewMut, Threads};
use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Rows of the table in the weights.
const ROWS: i64 = 6;

thread_local! {
    /// Allocations of the core on this thread, which all go through one function of the C library.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Takes the place of the C library's, and counts.
#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(align: usize, bytes: usize) -> *mut c_void {
    unsafe extern "C" {
        fn memalign(align: usize, bytes: usize) -> *mut c_void;
    }
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    // SAFETY: same contract.
    unsafe { memalign(align, bytes) }
}

/// The floating-point mode as the model's code saw it last.
static MODE: AtomicU32 = AtomicU32::new(0);

fn float_mode() -> u32 {
    let mut mxcsr = 0u32;
    // SAFETY: stores four bytes to a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr) };
    mxcsr & !0x3f
}

fn set_float_mode(mxcsr: u32) {
    // SAFETY: a mode with all exceptions masked.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr) };
}

unsafe extern "C" fn bind(dims: *const *const i64, symbols: *mut i64, status: *mut Status) -> i32 {
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

unsafe extern "C" fn plan(symbols: *const i64, out: *mut i64) {
    // SAFETY: two symbols; 2 + 7 buffers + 2 + 1 dimensions.
    unsafe {
        let (n, k) = (*symbols, *symbols.add(1));
        for (i, value) in [n * 16 + 8, 40, 0, 0, 0, 0, 0, 0, 8, n, 4, k].into_iter().enumerate() {
            *out.add(i) = value;
        }
    }
}

/// tmp[tile] = table[idx[tile]], by way of the scratch.
unsafe extern "C" fn gather(ctx: *const RunCtx, begin: i64, end: i64, scratch: *mut u8) {
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

unsafe extern "C" fn add_relu(ctx: *const RunCtx, begin: i64, end: i64, _scratch: *mut u8) {
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

unsafe extern "C" fn run(ctx: *const RunCtx) -> i32 {
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
struct Weights([f32; 24]);

static TABLE: Weights = Weights({
    let mut table = [0f32; 24];
    let mut i = 0;
    while i < 24 {
        table[i] = i as f32 * 0.5 - 5.0;
        i += 1;
    }
    table
});

fn table_bytes() -> &'static [u8] {
    // SAFETY: 24 floats.
    unsafe { std::slice::from_raw_parts(TABLE.0.as_ptr().cast(), 96) }
}

fn builder() -> DescBuilder {
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
fn code(desc: Vec<u8>, weights: bool) -> ModelCode {
    let desc: &'static [u8] = desc.leak();
    let (weights, weights_len) = if weights { (table_bytes().as_ptr(), 96) } else { (std::ptr::null(), 0) };
    ModelCode { abi: ABI, desc: desc.as_ptr(), desc_len: desc.len() as u64, weights, weights_len, bind, plan, run }
}

fn open(code: &ModelCode) -> Result<Model, lathe_runtime::Error> {
    // SAFETY: valid code in memory that is never freed.
    unsafe { Model::from_code(code, None) }
}

fn model() -> Model {
    open(&code(builder().finish().unwrap(), true)).unwrap()
}

fn bytes_of<T>(values: &[T]) -> &[u8] {
    // SAFETY: plain numbers.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn integers(bytes: &[u8]) -> Vec<i64> {
    bytes.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
}

struct Case {
    x: Vec<f32>,
    idx: Vec<i64>,
    y: Vec<f32>,
    z: Vec<i64>,
}

fn case(n: usize) -> Case {
    let x: Vec<f32> = (0..n * 4).map(|i| i as f32 - 7.5).collect();
    let idx: Vec<i64> = (0..n as i64).map(|i| (i * 5 + 3) % ROWS).collect();
    let y = (0..n * 4).map(|i| (x[i] + TABLE.0[idx[i / 4] as usize * 4 + i % 4]).max(0.0)).collect();
    let z = (0..n as i64).filter(|&i| idx[i as usize] > 0).collect();
    Case { x, idx, y, z }
}

fn run_case(context: &mut Context, case: &Case) {
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

unsafe extern "C" fn in_reverse(_user: *mut c_void, n: i64, task: CallerTask, arg: *mut c_void) {
    for i in (0..n).rev() {
        // SAFETY: as asked.
        unsafe { task(arg, i) };
    }
}

#[test]
fn describes_itself() {
    let model = model();
    let (inputs, outputs) = (model.inputs(), model.outputs());
    assert_eq!(
        (inputs[0].name.as_str(), inputs[0].dtype, &inputs[0].dims[..]),
        ("x", DType::F32, &[None, Some(4)][..])
    );
    assert_eq!((inputs[1].name.as_str(), inputs[1].dtype, &inputs[1].dims[..]), ("idx", DType::I64, &[None][..]));
    assert_eq!((outputs[1].name.as_str(), outputs.len()), ("z", 2));
    assert_eq!(model.tier(), select().1);
}

#[test]
fn runs_on_any_threads_and_follows_shapes() {
    let model = model();
    let pool = Pool::new(3).unwrap();
    let caller = CallerThreads { parallel_for: in_reverse, user: std::ptr::null_mut() };
    let mut contexts = vec![
        Context::new(&model, Threads::Default).unwrap(),
        Context::new(&model, Threads::Pool(&pool)).unwrap(),
        Context::new(&model, Threads::Pool(&pool.clone())).unwrap(),
        // SAFETY: runs every task.
        unsafe { Context::on_caller(&model, caller, 4) }.unwrap(),
    ];
    for threads in [1, 2, 3, 8] {
        contexts.push(Context::new(&model, Threads::Count(threads)).unwrap());
        assert_eq!(contexts.last().unwrap().threads(), threads);
    }
    drop((model, pool));
    for context in &mut contexts {
        for n in [1, 8, 3, 3, 8, 5] {
            run_case(context, &case(n));
        }
    }
}

#[test]
fn a_run_with_known_shapes_allocates_nothing() {
    let model = model();
    let mut context = Context::new(&model, Threads::Count(3)).unwrap();
    let case = case(6);
    let (mut y, mut z) = (vec![0f32; 24], vec![0i64; 8]);
    let inputs = [
        TensorView { dtype: DType::F32, shape: &[6, 4], data: bytes_of(&case.x) },
        TensorView { dtype: DType::I64, shape: &[6], data: bytes_of(&case.idx) },
    ];
    context.set_shapes(&[&[6, 4], &[6]]).unwrap();
    let before = ALLOCATIONS.get();
    context.prepare().unwrap();
    assert_eq!(ALLOCATIONS.get(), before + 1);
    for _ in 0..100 {
        // SAFETY: plain numbers.
        let (y, z) = unsafe {
            (
                std::slice::from_raw_parts_mut(y.as_mut_ptr().cast(), 96),
                std::slice::from_raw_parts_mut(z.as_mut_ptr().cast(), 64),
            )
        };
        let mut outputs = [TensorViewMut { dtype: DType::F32, data: y }, TensorViewMut { dtype: DType::I64, data: z }];
        context.run_into(&inputs, &mut outputs).unwrap();
    }
    assert_eq!(y, case.y);
    assert_eq!(ALLOCATIONS.get(), before + 1);
    // a smaller shape fits the same arena, a larger one grows it once
    for (n, more) in [(2, 0), (6, 0), (8, 1), (8, 1), (1, 1)] {
        context.set_shapes(&[&[n, 4], &[n]]).unwrap();
        context.prepare().unwrap();
        assert_eq!(ALLOCATIONS.get(), before + 1 + more);
    }
}

#[test]
fn errors_name_what_is_wrong() {
    let model = model();
    let mut context = Context::new(&model, Threads::Count(2)).unwrap();
    let mut shapes = |shapes: &[&[i64]]| {
        let error = context.set_shapes(shapes).unwrap_err();
        (error.code, error.message)
    };
    use Code::*;
    assert_eq!(shapes(&[&[2, 4]]), (InvalidArgument, "the model has 2 inputs, not 1".into()));
    assert_eq!(shapes(&[&[2], &[2]]), (ShapeMismatch, "input \"x\": rank is 2, not 1".into()));
    assert_eq!(shapes(&[&[2, 5], &[2]]), (ShapeMismatch, "input \"x\": dimension 1 is 5, not 4".into()));
    assert_eq!(shapes(&[&[2, 4], &[-2]]), (ShapeMismatch, "input \"idx\": dimension 0 is -2".into()));
    assert_eq!(shapes(&[&[2, 4], &[3]]), (ShapeMismatch, "node \"\" (Add): shape mismatch: 3".into()));
    assert_eq!(shapes(&[&[9, 4], &[9]]), (SizeOverBound, "symbol \"N\" is 9, outside of 1..8".into()));
    assert_eq!(shapes(&[&[0, 4], &[0]]), (ShapeMismatch, "symbol \"N\" is 0, outside of 1..8".into()));
    assert_eq!(context.output_shape(0).unwrap_err().code, NotBound);
    assert_eq!(context.prepare().unwrap_err().code, NotBound);

    let good = case(4);
    let wrong = |x: TensorView<'_>, idx: TensorView<'_>, context: &mut Context| {
        let error = context.run(&[x, idx]).err().unwrap();
        (error.code, error.message)
    };
    let x = TensorView { dtype: DType::F32, shape: &[4, 4], data: bytes_of(&good.x) };
    let idx = TensorView { dtype: DType::I64, shape: &[4], data: bytes_of(&good.idx) };
    for bad in [6, -1, i64::MIN] {
        let indices = [1, 2, bad, 3];
        let (code, message) = wrong(x, TensorView { data: bytes_of(&indices), ..idx }, &mut context);
        assert_eq!(code, IndexOutOfRange);
        assert_eq!(message, format!("node \"embed/Gather\" (Gather): index out of range: {bad}"));
        run_case(&mut context, &good); // and the context goes on
    }
    let other = TensorView { dtype: DType::I32, ..x };
    let (code, message) = wrong(other, idx, &mut context);
    assert_eq!((code, &message[..]), (DtypeMismatch, "input \"x\": element type is 1, not 6 (numbers of ONNX)"));
    let (code, message) = wrong(TensorView { data: &x.data[..60], ..x }, idx, &mut context);
    assert_eq!((code, &message[..]), (ShapeMismatch, "input \"x\" needs 64 bytes, but has 60"));
    let (code, _) = wrong(TensorView { data: &x.data[1..], ..x }, idx, &mut context);
    assert_eq!(code, InvalidArgument);
    let error = context.run_into(&[x, idx], &mut []).unwrap_err();
    assert_eq!(error.message, "the model has 2 outputs, not 0");
    let (mut y, mut z) = (Tensor::zeros(DType::F32, &[4, 4]).unwrap(), Tensor::zeros(DType::I64, &[7]).unwrap());
    let mut outputs = [
        TensorViewMut { dtype: DType::F32, data: y.bytes_mut() },
        TensorViewMut { dtype: DType::I64, data: z.bytes_mut() },
    ];
    let error = context.run_into(&[x, idx], &mut outputs).unwrap_err();
    assert_eq!(error.message, "output \"z\" needs 64 bytes, but has 56");
    run_case(&mut context, &good);
}

#[test]
fn opening_checks_everything() {
    let blob = builder().finish().unwrap();
    let good = code(blob.clone(), true);
    assert_eq!(open(&ModelCode { abi: ABI ^ 4, ..good }).err().unwrap().code, Code::AbiMismatch);
    assert_eq!(open(&ModelCode { desc: std::ptr::null(), ..good }).err().unwrap().code, Code::InvalidModel);
    assert_eq!(open(&ModelCode { desc_len: 63, ..good }).err().unwrap().code, Code::InvalidModel);
    assert_eq!(open(&ModelCode { weights_len: 95, ..good }).err().unwrap().code, Code::InvalidModel);
    let misaligned = good.weights.wrapping_add(4);
    assert_eq!(open(&ModelCode { weights: misaligned, ..good }).err().unwrap().code, Code::InvalidModel);
}

#[test]
fn weights_may_come_later() {
    let model = open(&code(builder().finish().unwrap(), false)).unwrap();
    let mut context = Context::new(&model, Threads::Count(1)).unwrap();
    let good = case(3);
    let inputs = [
        TensorView { dtype: DType::F32, shape: &[3, 4], data: bytes_of(&good.x) },
        TensorView { dtype: DType::I64, shape: &[3], data: bytes_of(&good.idx) },
    ];
    assert_eq!(context.run(&inputs).err().unwrap().message, "the weights are not set");
    let other = Weights([1.0; 24]);
    // SAFETY: all live long enough; only the right ones are accepted.
    unsafe {
        let set = |p: *const f32, len, verify| model.set_weights(p.cast(), len, verify).map_err(|error| error.code);
        assert_eq!(set(other.0.as_ptr(), 96, true), Err(Code::InvalidModel));
        assert_eq!(set(TABLE.0.as_ptr(), 95, false), Err(Code::InvalidModel));
        assert_eq!(set(std::ptr::null(), 96, false), Err(Code::InvalidArgument));
        assert_eq!(set(TABLE.0.as_ptr(), 96, true), Ok(()));
        assert_eq!(set(TABLE.0.as_ptr(), 96, true), Err(Code::InvalidArgument));
    }
    run_case(&mut context, &good);
}

#[test]
fn the_floating_point_mode_is_the_default_inside_and_as_before_outside() {
    let model = model();
    let before = float_mode();
    let strange = 0x1f80 | 1 << 15 | 1 << 6 | 3 << 13; // denormals to zero, round towards zero
    let mut context = Context::new(&model, Threads::Count(2)).unwrap();
    set_float_mode(strange);
    run_case(&mut context, &case(2));
    let after = float_mode();
    set_float_mode(before);
    assert_eq!((after, MODE.load(Relaxed)), (strange, 0x1f80));
}

#[test]
fn descriptions_read_back_and_damage_is_found() {
    let blob = builder().finish().unwrap();
    let desc = Desc::parse(&blob).unwrap();
    assert_eq!((desc.symbols(), desc.inputs(), desc.outputs(), desc.buffers(), desc.nodes()), (2, 2, 2, 7, 2));
    let symbol = desc.symbol(0).unwrap();
    assert_eq!((symbol.name, symbol.lo, symbol.hi), ("N", 1, 8));
    assert_eq!(desc.buffer(6), Some((BufferKind::Alias(3), 4)));
    assert_eq!((desc.node(0).unwrap().name, desc.node(1).unwrap().op), ("embed/Gather", "Add"));
    let none = (desc.symbol(2), desc.input(2), desc.output(2), desc.buffer(7), desc.node(usize::MAX));
    assert_eq!(none, (None, None, None, None, None));
    assert_eq!((desc.weights_len(), desc.weights_hash()), (96, weights_hash(table_bytes())));
    for len in 0..blob.len() {
        assert!(Desc::parse(&blob[..len]).is_err());
    }
    // any byte may be anything: reading never fails otherwise than by an error
    for at in 0..blob.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = blob.clone();
            damaged[at] = value;
            if let Ok(desc) = Desc::parse(&damaged) {
                for i in 0..desc.buffers() {
                    assert!(desc.buffer(i).is_some());
                }
            }
        }
    }
    // an alias of an alias becomes one of the root; a forward or circular one is refused
    let mut chain = builder();
    let last = chain.buffer(BufferKind::Alias(6), 4);
    assert_eq!(Desc::parse(&chain.finish().unwrap()).unwrap().buffer(last), Some((BufferKind::Alias(3), 4)));
    for (kind, bytes) in
        [(BufferKind::Alias(7), 4), (BufferKind::Alias(99), 4), (BufferKind::Input(2), 4), (BufferKind::Arena, 3)]
    {
        let mut bad = builder();
        bad.buffer(kind, bytes);
        assert_eq!(bad.finish(), Err(Code::InvalidModel));
    }
    let mut bad = builder();
    bad.symbol("empty", 3, 2);
    assert_eq!(bad.finish(), Err(Code::InvalidModel));
}

#[test]
fn every_byte_of_the_weights_counts_in_their_hash() {
    let mut bytes: Vec<u8> = (0..100).collect();
    let hash = weights_hash(&bytes);
    assert_ne!(hash, weights_hash(&bytes[..99]));
    for i in 0..100 {
        bytes[i] ^= 1;
        assert_ne!(hash, weights_hash(&bytes), "byte {i}");
        bytes[i] ^= 1;
    }
}

#[test]
fn the_c_abi() {
    let code = code(builder().finish().unwrap(), true);
    let good = case(5);
    // SAFETY: pointers as the header asks; null is part of the test.
    unsafe {
        let mut model = std::ptr::null();
        assert_eq!(lathe_model_open(std::ptr::null(), &mut model), 1);
        assert_eq!(lathe_model_open(&code, std::ptr::null_mut()), 1);
        assert_eq!(lathe_model_open(&code, &mut model), 0);
        assert_eq!(
            (lathe_model_inputs(model), lathe_model_outputs(model), lathe_model_inputs(std::ptr::null())),
            (2, 2, 0)
        );
        assert_eq!(CStr::from_ptr(lathe_model_name(model, 0, 1)), c"idx");
        assert_eq!(CStr::from_ptr(lathe_model_name(model, 1, 0)), c"y");
        assert!(lathe_model_name(model, 1, 2).is_null());
        assert_eq!((lathe_model_dtype(model, 0, 1), lathe_model_dtype(model, 0, 2)), (7, 0));
        assert_eq!((lathe_model_rank(model, 0, 0), lathe_model_rank(model, 1, 2)), (2, -1));
        let mut dims = [0i64; 2];
        assert_eq!((lathe_model_dims(model, 0, 0, dims.as_mut_ptr()), dims), (0, [-1, 4]));
        assert_eq!(lathe_model_dims(model, 0, 0, std::ptr::null_mut()), 1);

        let mut context = std::ptr::null_mut();
        assert_eq!(lathe_context_create(std::ptr::null(), 1, &mut context), 1);
        assert_eq!(lathe_context_create_with(model, 3, Some(in_reverse), std::ptr::null_mut(), &mut context), 0);
        lathe_model_close(model); // the context holds it
        let mut bytes = 0u64;
        assert_eq!(lathe_context_arena_bytes(context, &mut bytes), Code::NotBound as i32);
        assert_eq!(lathe_context_run(context), Code::NotBound as i32);
        assert_eq!(lathe_context_set_shapes(context, std::ptr::null()), 1);
        let shapes = [[5i64, 4].as_ptr(), [5i64].as_ptr()];
        assert_eq!(lathe_context_set_shapes(context, shapes.as_ptr()), 0);
        assert_eq!(lathe_context_arena_bytes(context, &mut bytes), 0);
        assert_eq!(bytes, 128 + 3 * 64);

        let (mut y, mut z) = ([0f32; 20], [0i64; 8]);
        assert_eq!(lathe_context_bind_input(context, 0, 1, good.x.as_ptr().cast(), 80), 0);
        assert_eq!(lathe_context_bind_input(context, 1, 7, good.idx.as_ptr().cast(), 40), 0);
        assert_eq!(lathe_context_bind_output(context, 0, 1, y.as_mut_ptr().cast(), 80), 0);
        assert_eq!(lathe_context_run(context), Code::NotBound as i32);
        let mut text = [1; 16];
        assert_eq!(lathe_context_error(context, text.as_mut_ptr(), 12), 23);
        assert_eq!(CStr::from_ptr(text.as_ptr()), c"output \"z\" ");
        assert_eq!(lathe_context_error(context, std::ptr::null_mut(), 0), 23);
        assert_eq!(lathe_context_bind_output(context, 1, 7, z.as_mut_ptr().cast(), 64), 0);
        assert_eq!(lathe_context_bind_output(context, 2, 7, z.as_mut_ptr().cast(), 64), 1);

        // an arena of the caller's: aligned, large enough
        let mut arena = vec![[0u64; 8]; 8];
        let base = arena.as_mut_ptr().cast::<u8>().map_addr(|addr| addr.next_multiple_of(64));
        assert_eq!(lathe_context_set_arena(context, base.add(8), 320), 1);
        assert_eq!(lathe_context_set_arena(context, base, 319), 0);
        assert_eq!(lathe_context_run(context), Code::OutOfMemory as i32);
        assert_eq!(lathe_context_set_arena(context, base, 320), 0);
        assert_eq!(lathe_context_run(context), 0);
        assert_eq!((&y[..], &z[..good.z.len()]), (&good.y[..], &good.z[..]));
        assert_eq!(std::slice::from_raw_parts(base.cast::<f32>(), 4), &TABLE.0[12..16], "the arena was used");
        assert_eq!(lathe_context_set_arena(context, std::ptr::null_mut(), 0), 0);
        assert_eq!(lathe_context_run(context), 0);
        assert_eq!((lathe_context_output_shape(context, 0, dims.as_mut_ptr()), dims), (0, [5, 4]));
        assert_eq!(lathe_context_output_shape(context, 1, dims.as_mut_ptr()), 0);
        assert_eq!(dims[0], good.z.len() as i64);
        assert_eq!(lathe_context_output_shape(context, 2, dims.as_mut_ptr()), 1);
        lathe_context_destroy(context);
        lathe_context_destroy(std::ptr::null_mut());

        let (mut model, mut pool) = (std::ptr::null(), std::ptr::null());
        assert_eq!((lathe_model_open(&code, &mut model), lathe_pool_create(2, &mut pool)), (0, 0));
        assert_eq!(lathe_context_create_on_pool(model, pool, &mut context), 0);
        lathe_pool_release(pool);
        lathe_context_destroy(context);
        lathe_model_close(model);
        assert_eq!(CStr::from_ptr(lathe_status_text(4)), c"index out of range");
    }
}

/// Run by `an_old_cpu_is_refused` in a process that pretends to have one.
#[test]
#[ignore = "run by another test"]
fn pretends_to_be_an_old_cpu() {
    let blob = DescBuilder::new(Tier::Avx2).finish().unwrap();
    assert_eq!(Tier::detect(), Tier::Scalar);
    assert_eq!(open(&code(blob, false)).err().unwrap().code, Code::CpuTooOld);
}

#[test]
fn an_old_cpu_is_refused() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "pretends_to_be_an_old_cpu"])
        .env("LATHE_TIER", "scalar")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
