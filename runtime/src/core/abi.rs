//! The C ABI, as declared in `runtime/include/lathe.h`. Every function checks its pointers and returns a
//! [`Code`](super::status::Code) as `int32_t` unless it says otherwise; none unwinds.
//!
//! A model may be used by many threads at a time, a context by one. A model's code and weights outlive it.
//!
//! The root of the crate defines `symbol_suffix!`, which ends the exported names: nothing in the Rust library, a hash of the
//! sources in archives, so that archives of two versions link into one program and each model keeps its own runtime.

use super::desc::Port;
use super::model::{Model, ModelCode};
use super::pool::{CallerFor, CallerThreads, Pool};
use super::session::{Context, Threads};
use super::status::Code;
use core::ffi::{c_char, c_void};

fn number(result: Result<(), Code>) -> i32 {
    result.map_or_else(|code| code as i32, |()| 0)
}

/// Defines the exported functions: same name (with the suffix), C calling convention, unmangled.
macro_rules! exports {
    ($($(#[doc = $doc:literal])+ fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[doc = $doc])+
        ///
        /// # Safety
        /// Every pointer is null or what the header says, alive, and not used by another thread (a model excepted).
        #[unsafe(export_name = concat!(stringify!($name), symbol_suffix!()))]
        pub unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the caller's contract, which the header states; null is checked before each use.
            #[allow(unused_unsafe)]
            unsafe { $body }
        }
    )*};
}

/// Stores what was made, or gives its error.
///
/// # Safety
/// `out` is writable.
unsafe fn give<T>(out: *mut T, made: Result<T, Code>) -> i32 {
    match made {
        Ok(value) => {
            // SAFETY: writable by contract.
            unsafe { out.write(value) };
            0
        }
        Err(code) => code as i32,
    }
}

const INVALID: i32 = Code::InvalidArgument as i32;

/// # Safety
/// `model` is null or alive for `'a`.
unsafe fn port<'a>(model: *const Model, output: i32, i: u32) -> Option<Port<'a>> {
    // SAFETY: by contract.
    let desc = unsafe { model.as_ref() }?.desc();
    if output != 0 { desc.output(i as usize) } else { desc.input(i as usize) }
}

exports! {
    /// Opens a compiled model: checks its ABI, description, CPU and weights.
    fn lathe_model_open(code: *const ModelCode, out: *mut *const Model) -> i32 {
        if out.is_null() {
            return INVALID;
        }
        give(out, Model::open(code))
    }

    /// Gives the weights of a model that was compiled without them, aligned to 64 bytes; `verify` compares their hash.
    fn lathe_model_set_weights(model: *const Model, weights: *const u8, bytes: u64, verify: i32) -> i32 {
        model.as_ref().map_or(INVALID, |model| number(model.set_weights(weights, bytes, verify != 0)))
    }

    /// Gives the model back. It lives on while contexts use it.
    fn lathe_model_close(model: *const Model) {
        if !model.is_null() {
            Model::release(model);
        }
    }

    /// Number of inputs.
    fn lathe_model_inputs(model: *const Model) -> u32 {
        model.as_ref().map_or(0, |model| model.desc().inputs() as u32)
    }

    /// Number of outputs.
    fn lathe_model_outputs(model: *const Model) -> u32 {
        model.as_ref().map_or(0, |model| model.desc().outputs() as u32)
    }

    /// Name of input `i` (of output `i` if `output` is not 0), null if there is none. Lives as long as the model.
    fn lathe_model_name(model: *const Model, output: i32, i: u32) -> *const c_char {
        // a 0 byte follows every text of a description
        port(model, output, i).map_or(core::ptr::null(), |port| port.name.as_ptr().cast())
    }

    /// ONNX's number of the element type, 0 if there is no such input or output.
    fn lathe_model_dtype(model: *const Model, output: i32, i: u32) -> u32 {
        port(model, output, i).map_or(0, |port| port.dtype as u32)
    }

    /// Number of dimensions, -1 if there is no such input or output.
    fn lathe_model_rank(model: *const Model, output: i32, i: u32) -> i32 {
        port(model, output, i).map_or(-1, |port| port.rank as i32)
    }

    /// Writes the dimensions, -1 for those known at run time only.
    fn lathe_model_dims(model: *const Model, output: i32, i: u32, dims: *mut i64) -> i32 {
        let Some(port) = port(model, output, i) else { return INVALID };
        if dims.is_null() && port.rank > 0 {
            return INVALID;
        }
        for k in 0..port.rank {
            dims.add(k).write((*model).desc().dim(&port, k).unwrap_or(-1));
        }
        0
    }

    /// Makes a pool of threads for several contexts; the calling thread counts as one.
    fn lathe_pool_create(threads: u32, out: *mut *const Pool) -> i32 {
        if out.is_null() {
            return INVALID;
        }
        let threads = if threads == 0 { super::session::default_threads() } else { threads as usize };
        let pool = Pool::create(threads);
        give(out, if pool.is_null() { Err(Code::OutOfMemory) } else { Ok(pool) })
    }

    /// Gives a pool back. It lives on while contexts use it.
    fn lathe_pool_release(pool: *const Pool) {
        if !pool.is_null() {
            Pool::release(pool);
        }
    }

    /// Makes a context with threads of its own; 0 for as many as the process may use.
    fn lathe_context_create(model: *const Model, threads: u32, out: *mut *mut Context) -> i32 {
        if model.is_null() || out.is_null() {
            return INVALID;
        }
        give(out, Context::create(model, Threads::Own(threads as usize)))
    }

    /// Makes a context that uses a pool.
    fn lathe_context_create_on_pool(model: *const Model, pool: *const Pool, out: *mut *mut Context) -> i32 {
        if model.is_null() || pool.is_null() || out.is_null() {
            return INVALID;
        }
        give(out, Context::create(model, Threads::Shared(pool)))
    }

    /// Makes a context that uses the caller's threads, at most `threads` at a time.
    fn lathe_context_create_with(
        model: *const Model,
        threads: u32,
        parallel_for: Option<CallerFor>,
        user: *mut c_void,
        out: *mut *mut Context,
    ) -> i32 {
        let Some(parallel_for) = parallel_for else { return INVALID };
        if model.is_null() || out.is_null() {
            return INVALID;
        }
        give(out, Context::create(model, Threads::Caller(CallerThreads { parallel_for, user }, threads as usize)))
    }

    /// Frees a context.
    fn lathe_context_destroy(context: *mut Context) {
        if !context.is_null() {
            Context::destroy(context);
        }
    }

    /// Sets the shapes of all inputs: `dims[i]` has as many dimensions as input `i`. Cheap if nothing changed.
    fn lathe_context_set_shapes(context: *mut Context, dims: *const *const i64) -> i32 {
        let Some(context) = context.as_mut() else { return INVALID };
        for i in 0..context.model().desc().inputs() {
            let rank = context.model().desc().input(i).map_or(0, |port| port.rank);
            if dims.is_null() || ((*dims.add(i)).is_null() && rank > 0) {
                return INVALID;
            }
            let shape = if rank == 0 { &[] } else { core::slice::from_raw_parts(*dims.add(i), rank) };
            if let Err(code) = context.stage(i, shape) {
                return code as i32;
            }
        }
        number(context.plan())
    }

    /// Bytes of arena that the shapes need, the scratch of all threads included.
    fn lathe_context_arena_bytes(context: *const Context, out: *mut u64) -> i32 {
        match context.as_ref() {
            Some(context) if !out.is_null() => give(out, context.arena_bytes().map(|bytes| bytes as u64)),
            _ => INVALID,
        }
    }

    /// Uses the caller's memory as arena, aligned to 64 bytes; null to go back to the context's own.
    fn lathe_context_set_arena(context: *mut Context, arena: *mut u8, bytes: u64) -> i32 {
        context.as_mut().map_or(INVALID, |context| number(context.set_arena(arena, bytes as usize)))
    }

    /// Allocates the arena now instead of in the next run.
    fn lathe_context_prepare(context: *mut Context) -> i32 {
        context.as_mut().map_or(INVALID, |context| number(context.prepare()))
    }

    /// Reads input `i` from this memory; `dtype` is ONNX's number of its element type.
    fn lathe_context_bind_input(context: *mut Context, i: u32, dtype: u32, data: *const u8, bytes: u64) -> i32 {
        context.as_mut().map_or(INVALID, |c| number(c.bind_input(i as usize, dtype, data, bytes as usize)))
    }

    /// Writes output `i` to this memory, which overlaps no input and no other output.
    fn lathe_context_bind_output(context: *mut Context, i: u32, dtype: u32, data: *mut u8, bytes: u64) -> i32 {
        context.as_mut().map_or(INVALID, |c| number(c.bind_output(i as usize, dtype, data, bytes as usize)))
    }

    /// Writes the dimensions of output `i`: before a run the largest they can be, after it what they are.
    fn lathe_context_output_shape(context: *const Context, i: u32, dims: *mut i64) -> i32 {
        let Some(context) = context.as_ref() else { return INVALID };
        match context.output_shape(i as usize) {
            Ok(shape) if !dims.is_null() || shape.is_empty() => {
                for (k, &dim) in shape.iter().enumerate() {
                    dims.add(k).write(dim);
                }
                0
            }
            Ok(_) => INVALID,
            Err(code) => code as i32,
        }
    }

    /// Computes the outputs from the inputs.
    fn lathe_context_run(context: *mut Context) -> i32 {
        context.as_mut().map_or(INVALID, |context| number(context.run()))
    }

    /// Copies the text of the last error, cut to `size` bytes with the 0 at its end; returns its length without the 0.
    fn lathe_context_error(context: *const Context, text: *mut c_char, size: u64) -> u64 {
        let message = context.as_ref().map_or(&[][..], |context| context.message());
        if !text.is_null() && size > 0 {
            let len = message.len().min((size - 1) as usize);
            core::ptr::copy_nonoverlapping(message.as_ptr(), text.cast(), len);
            text.add(len).write(0);
        }
        message.len() as u64
    }

    /// What a status code means, as a constant text.
    fn lathe_status_text(code: i32) -> *const c_char {
        Code::from_i32(code).c_text().as_ptr()
    }
}
