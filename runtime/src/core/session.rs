//! A context: one use of a model at a time, with its shapes, arena, bindings and threads.
//!
//! Order of use: [`stage`](Context::stage) each input's shape, [`plan`](Context::plan), bind inputs and outputs,
//! [`run`](Context::run). Nothing is allocated between `create` and `destroy` but the arena, which grows in `prepare` (or
//! the first `run`) after shapes that need more, and never if the caller supplies it.

use super::array::Array;
use super::bindings::{Binding, UNBOUND};
use super::context::{ParallelFor, RunCtx};
use super::desc::{BufferKind, DType};
use super::message::Message;
use super::model::Model;
use super::pool::{CallerThreads, MAX_THREADS, Pool, run_inline, run_on_caller, run_on_pool};
use super::status::{Code, Status};
use super::sys;
use super::trace::{Launch, Tracing, run_traced};
use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

/// Where a context's kernels run.
#[derive(Clone, Copy)]
pub enum Threads {
    /// On a pool of its own with so many threads, the calling one included; 0 for as many as the process may use.
    Own(usize),
    /// On a pool shared with others (which keep it busy at times: then a kernel runs on the calling thread).
    Shared(*const Pool),
    /// On the caller's threads, at most so many at a time.
    Caller(CallerThreads, usize),
}

/// One use of a model at a time. Lives at a fixed address, see [`Context::create`].
pub struct Context {
    model: *const Model,
    pool: *const Pool,
    caller: Option<CallerThreads>,
    threads: usize,
    /// Values that a run may change.
    symbols: Array<i64>,
    /// Values that the input shapes give, upper bounds where only data decide.
    bound: Array<i64>,
    /// Dimensions of all inputs, one after the other, and where each input's begin.
    dims: Array<i64>,
    rows: Array<*const i64>,
    /// What `PlanFn` wrote for `bound`, and for `symbols` after a run.
    pub(super) plan: Array<i64>,
    actual: Array<i64>,
    pub(super) inputs: Array<Binding>,
    pub(super) outputs: Array<Binding>,
    pub(super) buffers: Array<*mut u8>,
    pub(super) arena: *mut u8,
    arena_len: usize,
    arena_is_callers: bool,
    arena_need: usize,
    scratch_stride: usize,
    /// Shapes are planned.
    planned: bool,
    /// `buffers` is up to date.
    pub(super) resolved: bool,
    status: Status,
    pub(super) message: Message,
    /// Where launches are written, how many have room, and how many there were in the last run.
    trace: (*mut Launch, usize, usize),
}

// SAFETY: all pointers are to memory that the context owns, shares by counted reference (model, pool) or borrows by the
// contract of its unsafe methods; nothing is tied to a thread.
unsafe impl Send for Context {}

/// Threads of a context that does not say: what the system lets the process use.
pub fn default_threads() -> usize {
    let cpus = sys::cpus();
    // the standard library also follows quotas of nested cgroups
    #[cfg(feature = "std")]
    let cpus = std::thread::available_parallelism().map_or(cpus, |n| cpus.min(n.get()));
    cpus.clamp(1, MAX_THREADS)
}

impl Context {
    /// A context of `model`, of which it holds a reference.
    ///
    /// # Safety
    /// `model` is alive, and so is the pool or the caller's threads, if given, until the context is destroyed.
    pub unsafe fn create(model: *const Model, threads: Threads) -> Result<*mut Context, Code> {
        let context = sys::allocate(size_of::<Context>()).cast::<Context>();
        if context.is_null() {
            return Err(Code::OutOfMemory);
        }
        // SAFETY: alive by contract; the context's memory is fresh and large enough.
        unsafe {
            match Context::fresh(model) {
                Some(fresh) => context.write(fresh),
                None => {
                    sys::free(context.cast());
                    return Err(Code::OutOfMemory);
                }
            }
            (*model).retain();
            match threads {
                Threads::Caller(caller, count) => {
                    (*context).caller = Some(caller);
                    (*context).threads = count.clamp(1, MAX_THREADS);
                }
                Threads::Shared(pool) => {
                    (*pool).retain();
                    (*context).pool = pool;
                    (*context).threads = (*pool).threads();
                }
                Threads::Own(count) => {
                    let count = if count == 0 { default_threads() } else { count };
                    if count > 1 {
                        (*context).pool = Pool::create(count);
                        if (*context).pool.is_null() {
                            Context::destroy(context);
                            return Err(Code::OutOfMemory);
                        }
                        (*context).threads = (*(*context).pool).threads();
                    }
                }
            }
        }
        Ok(context)
    }

    /// # Safety
    /// `model` is alive.
    unsafe fn fresh(model: *const Model) -> Option<Context> {
        // SAFETY: alive by contract.
        let desc = unsafe { (*model).desc };
        let rank = |port: Option<super::desc::Port>| port.map_or(0, |port| port.rank);
        let input_dims = (0..desc.inputs()).map(|i| rank(desc.input(i))).sum();
        let output_dims: usize = (0..desc.outputs()).map(|i| rank(desc.output(i))).sum();
        let plan = 2 + desc.buffers() + output_dims;
        let mut context = Context {
            model,
            pool: core::ptr::null(),
            caller: None,
            threads: 1,
            symbols: Array::new(desc.symbols(), 0)?,
            bound: Array::new(desc.symbols(), 0)?,
            dims: Array::new(input_dims, -1)?,
            rows: Array::new(desc.inputs(), core::ptr::null())?,
            plan: Array::new(plan, 0)?,
            actual: Array::new(plan, 0)?,
            inputs: Array::new(desc.inputs(), UNBOUND)?,
            outputs: Array::new(desc.outputs(), UNBOUND)?,
            buffers: Array::new(desc.buffers(), null_mut())?,
            arena: null_mut(),
            arena_len: 0,
            arena_is_callers: false,
            arena_need: 0,
            scratch_stride: 0,
            planned: false,
            resolved: false,
            status: Status::new(),
            message: Message::new(),
            trace: (null_mut(), 0, 0),
        };
        let mut first = 0;
        for i in 0..desc.inputs() {
            context.rows.set(i, context.dims.as_ptr().wrapping_add(first));
            first += rank(desc.input(i));
        }
        Some(context)
    }

    /// Frees the context and what it owns, and releases model and pool.
    ///
    /// # Safety
    /// `context` came from [`Context::create`] and is not used any more.
    pub unsafe fn destroy(context: *mut Context) {
        // SAFETY: by contract; the references are this context's own.
        unsafe {
            let (model, pool) = ((*context).model, (*context).pool);
            (*context).drop_arena();
            core::ptr::drop_in_place(context);
            sys::free(context.cast());
            if !pool.is_null() {
                Pool::release(pool);
            }
            Model::release(model);
        }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        // SAFETY: this context holds a reference.
        unsafe { &*self.model }
    }

    /// Number of threads, the calling one included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The text of the last error, in UTF-8.
    pub fn message(&self) -> &[u8] {
        self.message.bytes()
    }

    /// Id of the node that failed in the last run, or -1.
    pub fn failed_node(&self) -> i32 {
        self.status.node.load(Ordering::Relaxed)
    }

    pub(super) fn fail(&mut self, code: Code) -> Result<(), Code> {
        self.message.clear().text(code.text());
        Err(code)
    }

    /// `<kind> "<name>"`, to go on with.
    pub(super) fn begin(&mut self, kind: &str, name: &str) -> &mut Message {
        self.message.clear().text(kind).text(" ").quoted(name)
    }

    /// The code and message of what generated code recorded: of a run, or of the check of the inputs' shapes, which names
    /// inputs from 0 up and nodes from -2 down.
    fn report(&mut self, result: i32, is_entry: bool) -> Result<(), Code> {
        let recorded = self.status.code.load(Ordering::Acquire);
        let code = Code::from_i32(if recorded != 0 { recorded } else { result });
        if code == Code::Ok {
            return Ok(());
        }
        let (id, value) = (self.status.node.load(Ordering::Acquire), self.status.value.load(Ordering::Acquire));
        let desc = self.model().desc;
        self.message.clear();
        let node = if is_entry { (-2i32).wrapping_sub(id) } else { id };
        self.status.node.store(node.max(-1), Ordering::Relaxed);
        let node = usize::try_from(node).ok().and_then(|id| desc.node(id));
        let input = usize::try_from(id).ok().filter(|_| is_entry);
        if let Some(node) = node {
            self.message.text("node ").quoted(node.name).text(" (").text(node.op).text("): ");
        } else if let Some((input, port)) = input.and_then(|input| Some((input, desc.input(input)?))) {
            let axis = self.shape(input).iter().position(|&size| size == value);
            self.message.text("input ").quoted(port.name).text(": ");
            if let Some(axis) = axis {
                self.message.text("dimension ").number(axis as i64).text(": ");
            }
        }
        self.message.text(code.text());
        let tells =
            [Code::IndexOutOfRange, Code::SizeOverBound, Code::ShapeMismatch, Code::InvalidArgument, Code::LoopLimit];
        if recorded != 0 && tells.contains(&code) {
            self.message.text(": ").number(value);
        }
        Err(code)
    }

    /// Gives the shape of input `i`. Takes effect with [`Context::plan`].
    pub fn stage(&mut self, i: usize, shape: &[i64]) -> Result<(), Code> {
        let desc = self.model().desc;
        let Some(port) = desc.input(i) else { return self.fail(Code::InvalidArgument) };
        if shape.len() != port.rank {
            self.begin("input", port.name).text(": rank is ").number(port.rank as i64);
            self.message.text(", not ").number(shape.len() as i64);
            return Err(Code::ShapeMismatch);
        }
        let first = self.rows.at(i).map_or(0, |row| (row.addr() - self.dims.as_ptr().addr()) / 8);
        for (k, &dim) in shape.iter().enumerate() {
            let fixed = desc.dim(&port, k).unwrap_or(-1);
            if dim < 0 || (fixed >= 0 && dim != fixed) {
                self.begin("input", port.name).text(": dimension ").number(k as i64);
                self.message.text(" is ").number(dim);
                if fixed >= 0 {
                    self.message.text(", not ").number(fixed);
                }
                self.planned = false;
                return Err(Code::ShapeMismatch);
            }
            if self.dims.at(first + k) != Some(dim) {
                self.dims.set(first + k, dim);
                self.planned = false;
            }
        }
        Ok(())
    }

    /// Solves the symbols from the shapes and lays out the arena, unless no shape has changed. From then on until a run,
    /// `output_shape` tells the largest shapes.
    pub fn plan(&mut self) -> Result<(), Code> {
        if self.planned {
            self.actual.copy_from(&self.plan);
            return Ok(());
        }
        let (desc, code) = (self.model().desc, self.model().code);
        self.resolved = false;
        if let Some(i) = (0..desc.inputs()).find(|&i| self.shape(i).contains(&-1)) {
            let name = desc.input(i).map_or("", |port| port.name);
            self.begin("input", name).text(": its shape is not set");
            return Err(Code::NotBound);
        }
        for i in 0..desc.symbols() {
            self.bound.set(i, desc.symbol(i).map_or(0, |symbol| symbol.hi));
        }
        self.status.clear();
        // SAFETY: one row of dimensions per input, one value per symbol, as the description says.
        let result = unsafe { (code.bind)(self.rows.as_ptr(), self.bound.as_mut_ptr(), &raw mut self.status) };
        self.report(result, true)?;
        for i in 0..desc.symbols() {
            let (Some(symbol), Some(value)) = (desc.symbol(i), self.bound.at(i)) else { continue };
            if value < symbol.lo || value > symbol.hi {
                self.begin("symbol", symbol.name).text(" is ").number(value).text(", outside of ");
                self.message.number(symbol.lo).text("..").number(symbol.hi);
                return Err(if value > symbol.hi { Code::SizeOverBound } else { Code::ShapeMismatch });
            }
        }
        // SAFETY: as many symbols and plan entries as the description says.
        unsafe { (code.plan)(self.bound.as_ptr(), self.plan.as_mut_ptr()) };
        if self.measure().is_none() {
            self.message.clear().text("the sizes of these shapes are beyond what memory can hold");
            return Err(Code::OutOfMemory);
        }
        self.actual.copy_from(&self.plan);
        self.planned = true;
        Ok(())
    }

    /// The shape of input `i` as staged.
    fn shape(&self, i: usize) -> &[i64] {
        let rank = self.model().desc.input(i).map_or(0, |port| port.rank);
        let first = self.rows.at(i).map_or(0, |row| (row.addr() - self.dims.as_ptr().addr()) / 8);
        self.dims.get(first..first + rank).unwrap_or(&[])
    }

    /// Bytes of the arena, of each input and of each output. None if a size overflows or is negative.
    fn measure(&mut self) -> Option<()> {
        let desc = self.model().desc;
        let size = |value: i64| usize::try_from(value).ok();
        let arena = size(self.plan.at(0)?)?.checked_next_multiple_of(sys::ALIGN)?;
        self.scratch_stride = size(self.plan.at(1)?)?.checked_next_multiple_of(sys::ALIGN)?;
        self.arena_need = arena.checked_add(self.scratch_stride.checked_mul(self.threads)?)?;
        isize::try_from(self.arena_need).ok()?;
        for i in 0..desc.buffers() {
            let offset = size(self.plan.at(2 + i)?)?;
            let limit = match desc.buffer(i)?.0 {
                BufferKind::Arena => arena,
                BufferKind::Weights => usize::try_from(desc.weights_len()).ok()?,
                _ => usize::MAX,
            };
            (offset <= limit).then_some(())?;
        }
        let bytes = |dims: &[i64], dtype: DType| {
            let elements = dims.iter().try_fold(1usize, |n, &dim| n.checked_mul(size(dim)?))?;
            elements.checked_mul(dtype.bytes()).filter(|&bytes| bytes <= isize::MAX as usize)
        };
        for i in 0..desc.inputs() {
            let need = bytes(self.shape(i), desc.input(i)?.dtype)?;
            self.inputs.get_mut(i)?.need = need;
        }
        let mut first = 2 + desc.buffers();
        for i in 0..desc.outputs() {
            let port = desc.output(i)?;
            let need = bytes(self.plan.get(first..first + port.rank)?, port.dtype)?;
            self.outputs.get_mut(i)?.need = need;
            first += port.rank;
        }
        Some(())
    }

    /// The shape of output `i`: after `plan` the largest it can be, after `run` what it is.
    pub fn output_shape(&self, i: usize) -> Result<&[i64], Code> {
        let desc = &self.model().desc;
        if i >= desc.outputs() {
            return Err(Code::InvalidArgument);
        }
        if !self.planned {
            return Err(Code::NotBound);
        }
        let rank = |i: usize| desc.output(i).map_or(0, |port| port.rank);
        let first = 2 + desc.buffers() + (0..i).map(rank).sum::<usize>();
        self.actual.get(first..first + rank(i)).ok_or(Code::InvalidArgument)
    }

    /// Bytes of arena that the planned shapes need, the scratch of all threads included.
    pub fn arena_bytes(&self) -> Result<usize, Code> {
        if self.planned { Ok(self.arena_need) } else { Err(Code::NotBound) }
    }

    /// Uses the caller's memory as arena, from now on; null to go back to the context's own.
    ///
    /// # Safety
    /// `bytes` bytes are readable and writable at `arena` (aligned to 64), and nobody else uses them while the context runs,
    /// until another arena is set or the context is destroyed.
    pub unsafe fn set_arena(&mut self, arena: *mut u8, bytes: usize) -> Result<(), Code> {
        if !arena.addr().is_multiple_of(sys::ALIGN) {
            self.message.clear().text("the arena is not aligned to 64 bytes");
            return Err(Code::InvalidArgument);
        }
        self.drop_arena();
        (self.arena, self.arena_len) = if arena.is_null() { (arena, 0) } else { (arena, bytes) };
        self.arena_is_callers = !arena.is_null();
        self.resolved = false;
        Ok(())
    }

    fn drop_arena(&mut self) {
        if !self.arena_is_callers {
            // SAFETY: from `allocate`, or null; nothing runs.
            unsafe { sys::free(self.arena) };
        }
        (self.arena, self.arena_len) = (null_mut(), 0);
        self.resolved = false;
    }

    /// Makes sure of an arena for the planned shapes, so that `run` allocates nothing.
    pub fn prepare(&mut self) -> Result<(), Code> {
        if !self.planned {
            return self.fail(Code::NotBound);
        }
        if self.arena_len >= self.arena_need && (self.arena_need == 0 || !self.arena.is_null()) {
            return Ok(());
        }
        if !self.arena_is_callers {
            self.drop_arena();
            self.arena = sys::allocate(self.arena_need);
            if !self.arena.is_null() {
                self.arena_len = self.arena_need;
                return Ok(());
            }
        }
        let (need, have) = (self.arena_need as i64, self.arena_len as i64);
        self.message.clear().text("the arena needs ").number(need).text(" bytes");
        if self.arena_is_callers {
            self.message.text(", the caller's has ").number(have);
        }
        Err(Code::OutOfMemory)
    }

    /// Has the next runs write down their launches, `room` of them at most; null ends that.
    ///
    /// # Safety
    /// `launches` is null or memory for as many that stays valid during these runs.
    pub unsafe fn trace(&mut self, launches: *mut Launch, room: usize) {
        self.trace = (launches, room, 0);
    }

    /// How many launches the last traced run had, those without room included.
    pub fn launches(&self) -> usize {
        self.trace.2
    }

    /// Computes the outputs from the inputs. The floating-point mode is the default one meanwhile.
    ///
    /// # Safety
    /// The promises of the bindings and of the arena hold; no other run of this context goes on.
    pub unsafe fn run(&mut self) -> Result<(), Code> {
        self.prepare()?;
        if !self.resolved {
            self.resolve()?;
        }
        self.symbols.copy_from(&self.bound);
        self.status.clear();
        let (mut parallel_for, mut pool): (ParallelFor, *mut c_void) = match &mut self.caller {
            Some(caller) => (run_on_caller, (&raw mut *caller).cast()),
            None if self.pool.is_null() => (run_inline, null_mut()),
            None => (run_on_pool, self.pool.cast_mut().cast()),
        };
        let scratch = self.scratch_stride * self.threads;
        let (launches, room, _) = self.trace;
        let mut tracing = Tracing { parallel_for, pool, launches, room, count: 0 };
        if !launches.is_null() {
            (parallel_for, pool) = (run_traced, (&raw mut tracing).cast());
        }
        let ctx = RunCtx {
            kernels: self.model().kernels,
            buffers: self.buffers.as_ptr(),
            symbols: self.symbols.as_mut_ptr(),
            parallel_for,
            status: &raw mut self.status,
            pool,
            // behind the arena
            scratch_base: self.arena.wrapping_add(self.arena_need - scratch),
            scratch_stride: self.scratch_stride as i64,
            threads: self.threads as i64,
        };
        let run = self.model().code.run;
        let mode = sys::enter_float_mode();
        // SAFETY: the code is that of this model, compiled for this table; the context lives for the call.
        let result = unsafe { run(&raw const ctx) };
        sys::leave_float_mode(mode);
        self.trace.2 = tracing.count;
        self.report(result, false)?;
        if self.symbols[..] != self.bound[..] {
            let plan = self.model().code.plan;
            // SAFETY: as many symbols and plan entries as the description says.
            unsafe { plan(self.symbols.as_ptr(), self.actual.as_mut_ptr()) };
        } else {
            self.actual.copy_from(&self.plan);
        }
        Ok(())
    }
}
