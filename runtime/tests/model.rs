//! The model side: opening, shapes, runs, errors, through the safe API.
#![allow(clippy::unwrap_used)]

mod toy;

use lathe_runtime::core::desc::{BufferKind, DType, Desc, DescBuilder, weights_hash};
use lathe_runtime::core::model::ModelCode;
use lathe_runtime::core::pool::CallerThreads;
use lathe_runtime::core::status::Code;
use lathe_runtime::core::table::{ABI, select};
use lathe_runtime::core::tier::Tier;
use lathe_runtime::{Context, Pool, Tensor, TensorView, TensorViewMut, Threads};
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::Ordering::Relaxed;
use toy::*;

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
    assert_eq!(shapes(&[&[2, 4], &[3]]), (ShapeMismatch, "input \"idx\": dimension 0: shape mismatch: 3".into()));
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
