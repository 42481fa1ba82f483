//! The safe way to run a compiled model from Rust: [`Model`], [`Context`], [`TensorView`].

use crate::core::desc::{DType, Desc, Port};
use crate::core::model::{Model as RawModel, ModelCode};
use crate::core::pool::{CallerThreads, Pool as RawPool};
use crate::core::session::{Context as RawContext, Threads as RawThreads};
use crate::core::status::Code;
use crate::core::sys;
use crate::core::tier::Tier;
use crate::core::trace::Launch;
use std::any::Any;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

/// What went wrong, with the node, input or output by name where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind of error.
    pub code: Code,
    /// The whole text.
    pub message: String,
}

impl Error {
    fn new(code: Code) -> Error {
        Error { code, message: code.text().into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Name, element type and dimensions of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// Its name in the model.
    pub name: String,
    /// Its element type.
    pub dtype: DType,
    /// Its dimensions; None where known at run time only.
    pub dims: Vec<Option<i64>>,
}

struct ModelRef {
    raw: NonNull<RawModel>,
    /// Keeps code and weights in memory; dropped after `raw` is released (see `drop`).
    _owner: Option<Box<dyn Any + Send + Sync>>,
}

// SAFETY: a model is `Sync`, and the pointer is a counted reference to it.
unsafe impl Send for ModelRef {}
// SAFETY: as above.
unsafe impl Sync for ModelRef {}

impl Drop for ModelRef {
    fn drop(&mut self) {
        // SAFETY: this reference's own; contexts hold an `Arc` of this, so the owner outlives them too.
        unsafe { RawModel::release(self.raw.as_ptr()) };
    }
}

/// A compiled model, ready to run. Cloning shares it.
#[derive(Clone)]
pub struct Model(Arc<ModelRef>);

impl Model {
    /// Opens a compiled model. `owner` holds whatever keeps the code, the description and the weights in memory.
    ///
    /// # Safety
    /// `code` is a valid [`ModelCode`] compiled for this runtime's table, unchanged as long as `owner` lives.
    pub unsafe fn from_code(code: *const ModelCode, owner: Option<Box<dyn Any + Send + Sync>>) -> Result<Model, Error> {
        // SAFETY: the caller's contract.
        let raw = unsafe { RawModel::open(code) }.map_err(Error::new)?;
        let raw = NonNull::new(raw.cast_mut()).ok_or(Error::new(Code::OutOfMemory))?;
        Ok(Model(Arc::new(ModelRef { raw, _owner: owner })))
    }

    fn raw(&self) -> &RawModel {
        // SAFETY: a counted reference.
        unsafe { self.0.raw.as_ref() }
    }

    /// Gives the weights of a model that was compiled without them, once. `verify` compares their hash.
    ///
    /// # Safety
    /// The bytes stay as they are while the model or a context of it lives.
    pub unsafe fn set_weights(&self, weights: *const u8, bytes: usize, verify: bool) -> Result<(), Error> {
        // SAFETY: the caller's contract.
        unsafe { self.raw().set_weights(weights, bytes as u64, verify) }.map_err(Error::new)
    }

    /// The description.
    pub fn desc(&self) -> &Desc<'_> {
        self.raw().desc()
    }

    /// The tier whose kernels it runs.
    pub fn tier(&self) -> Tier {
        self.raw().tier()
    }

    /// How many bytes an address in the code, such as that of a [`Launch`], lies behind the code of `run`.
    pub fn offset_from_run(&self, address: usize) -> i64 {
        address.wrapping_sub(self.raw().code.run as usize) as i64
    }

    fn info(&self, port: Port<'_>) -> PortInfo {
        let dims = (0..port.rank).map(|k| self.desc().dim(&port, k).filter(|&dim| dim >= 0)).collect();
        PortInfo { name: port.name.into(), dtype: port.dtype, dims }
    }

    /// All inputs, in order.
    pub fn inputs(&self) -> Vec<PortInfo> {
        (0..self.desc().inputs()).filter_map(|i| self.desc().input(i)).map(|port| self.info(port)).collect()
    }

    /// All outputs, in order.
    pub fn outputs(&self) -> Vec<PortInfo> {
        (0..self.desc().outputs()).filter_map(|i| self.desc().output(i)).map(|port| self.info(port)).collect()
    }
}

/// A pool of threads for several contexts. Cloning shares it.
pub struct Pool(NonNull<RawPool>);

// SAFETY: a pool is `Sync`, and this is a counted reference to it.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    /// A pool of `threads` threads, the calling one included; fewer if the system refuses.
    pub fn new(threads: usize) -> Result<Pool, Error> {
        NonNull::new(RawPool::create(threads).cast_mut()).map(Pool).ok_or(Error::new(Code::OutOfMemory))
    }
}

impl Clone for Pool {
    fn clone(&self) -> Pool {
        // SAFETY: a counted reference.
        unsafe { self.0.as_ref() }.retain();
        Pool(self.0)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: this reference's own.
        unsafe { RawPool::release(self.0.as_ptr()) };
    }
}

/// Where a context's kernels run.
pub enum Threads<'a> {
    /// On as many threads as the process may use.
    Default,
    /// On so many threads of its own, the calling one included.
    Count(usize),
    /// On a shared pool.
    Pool(&'a Pool),
}

/// A tensor in someone's memory, row-major without gaps.
#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub shape: &'a [i64],
    /// Elements, at an address aligned to them.
    pub data: &'a [u8],
}

/// A tensor to be written. The shape is the model's to tell: see [`Context::output_shape`].
pub struct TensorViewMut<'a> {
    /// Element type.
    pub dtype: DType,
    /// Room for the elements, at an address aligned to them.
    pub data: &'a mut [u8],
}

/// A tensor with memory of its own, aligned to 64 bytes.
pub struct Tensor {
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub shape: Vec<i64>,
    data: NonNull<u8>,
    bytes: usize,
}

// SAFETY: owns its memory.
unsafe impl Send for Tensor {}
// SAFETY: shared access only reads.
unsafe impl Sync for Tensor {}

impl Tensor {
    /// A tensor of zeros.
    pub fn zeros(dtype: DType, shape: &[i64]) -> Result<Tensor, Error> {
        let elements = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(usize::try_from(dim).ok()?));
        let bytes = elements.and_then(|n| n.checked_mul(dtype.bytes())).filter(|&bytes| bytes <= isize::MAX as usize);
        let bytes = bytes.ok_or(Error::new(Code::OutOfMemory))?;
        let data = NonNull::new(sys::allocate(bytes)).ok_or(Error::new(Code::OutOfMemory))?;
        // SAFETY: fresh memory of that size.
        unsafe { data.as_ptr().write_bytes(0, bytes) };
        Ok(Tensor { dtype, shape: shape.into(), data, bytes })
    }

    /// The elements.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: initialised and owned.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.bytes) }
    }

    /// The elements, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: initialised and owned.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.bytes) }
    }

    /// This tensor as an input.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { dtype: self.dtype, shape: &self.shape, data: self.bytes() }
    }

    /// Shortens it to `shape`, which has no more elements.
    fn shrink(&mut self, shape: &[i64]) {
        let elements: usize = shape.iter().map(|&dim| dim.max(0) as usize).product();
        self.bytes = self.bytes.min(elements * self.dtype.bytes());
        self.shape = shape.into();
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        // SAFETY: from `allocate`, owned.
        unsafe { sys::free(self.data.as_ptr()) };
    }
}

/// One use of a model at a time: its shapes, memory and threads. Reusing it with the same shapes allocates nothing.
pub struct Context {
    raw: NonNull<RawContext>,
    /// Outlives `raw`.
    model: Model,
}

// SAFETY: a raw context is `Send`, and this owns it.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: owned; `model` is dropped afterwards.
        unsafe { RawContext::destroy(self.raw.as_ptr()) };
    }
}

impl Context {
    /// A context of `model`.
    pub fn new(model: &Model, threads: Threads<'_>) -> Result<Context, Error> {
        let threads = match threads {
            Threads::Default => RawThreads::Own(0),
            Threads::Count(count) => RawThreads::Own(count.max(1)),
            Threads::Pool(pool) => RawThreads::Shared(pool.0.as_ptr()),
        };
        // SAFETY: model and pool are alive, and the context takes references of its own.
        unsafe { Context::with(model, threads) }
    }

    /// A context that runs its kernels on the caller's threads, at most `threads` at a time.
    ///
    /// # Safety
    /// The function does what [`CallerFor`](crate::core::pool::CallerFor) says, as long as the context lives.
    pub unsafe fn on_caller(model: &Model, caller: CallerThreads, threads: usize) -> Result<Context, Error> {
        // SAFETY: the caller's contract.
        unsafe { Context::with(model, RawThreads::Caller(caller, threads)) }
    }

    /// # Safety
    /// As for [`RawContext::create`].
    unsafe fn with(model: &Model, threads: RawThreads) -> Result<Context, Error> {
        // SAFETY: the caller's contract.
        let raw = unsafe { RawContext::create(model.0.raw.as_ptr(), threads) }.map_err(Error::new)?;
        let raw = NonNull::new(raw).ok_or(Error::new(Code::OutOfMemory))?;
        Ok(Context { raw, model: model.clone() })
    }

    fn raw(&self) -> &RawContext {
        // SAFETY: owned.
        unsafe { self.raw.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut RawContext {
        // SAFETY: owned.
        unsafe { self.raw.as_mut() }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Number of threads, the calling one included.
    pub fn threads(&self) -> usize {
        self.raw().threads()
    }

    fn checked(&self, result: Result<(), Code>) -> Result<(), Error> {
        result.map_err(|code| Error { code, message: String::from_utf8_lossy(self.raw().message()).into_owned() })
    }

    /// Sets the shapes of all inputs.
    pub fn set_shapes(&mut self, shapes: &[&[i64]]) -> Result<(), Error> {
        let inputs = self.model.desc().inputs();
        if shapes.len() != inputs {
            let message = format!("the model has {inputs} inputs, not {}", shapes.len());
            return Err(Error { code: Code::InvalidArgument, message });
        }
        for (i, shape) in shapes.iter().enumerate() {
            let staged = self.raw_mut().stage(i, shape);
            self.checked(staged)?;
        }
        let planned = self.raw_mut().plan();
        self.checked(planned)
    }

    /// Bytes of arena that the shapes need, scratch included.
    pub fn arena_bytes(&self) -> Result<usize, Error> {
        self.raw().arena_bytes().map_err(Error::new)
    }

    /// The shape of output `i`: before a run the largest it can be, after it what it is.
    pub fn output_shape(&self, i: usize) -> Result<Vec<i64>, Error> {
        self.raw().output_shape(i).map(<[i64]>::to_vec).map_err(Error::new)
    }

    /// Allocates the arena now instead of in the next run.
    pub fn prepare(&mut self) -> Result<(), Error> {
        let prepared = self.raw_mut().prepare();
        self.checked(prepared)
    }

    /// Takes the shapes from the inputs, and computes the outputs into the given memory.
    pub fn run_into(&mut self, inputs: &[TensorView<'_>], outputs: &mut [TensorViewMut<'_>]) -> Result<(), Error> {
        let shapes: Vec<&[i64]> = inputs.iter().map(|input| input.shape).collect();
        self.set_shapes(&shapes)?;
        if outputs.len() != self.model.desc().outputs() {
            let message = format!("the model has {} outputs, not {}", self.model.desc().outputs(), outputs.len());
            return Err(Error { code: Code::InvalidArgument, message });
        }
        let result = self.bind_and_run(inputs, outputs);
        self.raw_mut().unbind();
        result
    }

    /// As [`Context::run_into`]; gives the launches of the run, the first `most` of them, and how many there were.
    pub fn run_traced(
        &mut self,
        inputs: &[TensorView<'_>],
        outputs: &mut [TensorViewMut<'_>],
        most: usize,
    ) -> Result<(Vec<Launch>, usize), Error> {
        let mut launches = vec![Launch { kernel: 0, tiles: 0, begin: 0, end: 0 }; most];
        // SAFETY: the memory lives until the trace is ended below, with the same address.
        unsafe { self.raw_mut().trace(launches.as_mut_ptr(), most) };
        let result = self.run_into(inputs, outputs);
        let count = self.raw().launches();
        // SAFETY: null.
        unsafe { self.raw_mut().trace(std::ptr::null_mut(), 0) };
        result?;
        launches.truncate(count);
        Ok((launches, count))
    }

    /// Leaves the bindings for the caller to undo.
    fn bind_and_run(&mut self, inputs: &[TensorView<'_>], outputs: &mut [TensorViewMut<'_>]) -> Result<(), Error> {
        for (i, input) in inputs.iter().enumerate() {
            let (data, bytes) = (input.data.as_ptr(), input.data.len());
            // SAFETY: borrowed until the binding is undone.
            let bound = unsafe { self.raw_mut().bind_input(i, input.dtype as u32, data, bytes) };
            self.checked(bound)?;
        }
        for (i, output) in outputs.iter_mut().enumerate() {
            let (data, bytes) = (output.data.as_mut_ptr(), output.data.len());
            // SAFETY: borrowed mutably until the binding is undone, so it overlaps nothing.
            let bound = unsafe { self.raw_mut().bind_output(i, output.dtype as u32, data, bytes) };
            self.checked(bound)?;
        }
        // SAFETY: all bindings are borrowed during the run; the arena is the context's own.
        let result = unsafe { self.raw_mut().run() };
        self.checked(result)
    }

    /// Takes the shapes from the inputs, and computes the outputs into new tensors.
    pub fn run(&mut self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>, Error> {
        let shapes: Vec<&[i64]> = inputs.iter().map(|input| input.shape).collect();
        self.set_shapes(&shapes)?;
        let ports = self.model.outputs();
        let mut tensors = Vec::new();
        for (i, port) in ports.iter().enumerate() {
            tensors.push(Tensor::zeros(port.dtype, &self.output_shape(i)?)?);
        }
        let mut views: Vec<TensorViewMut<'_>> =
            tensors.iter_mut().map(|t| TensorViewMut { dtype: t.dtype, data: t.bytes_mut() }).collect();
        self.run_into(inputs, &mut views)?;
        for (i, tensor) in tensors.iter_mut().enumerate() {
            tensor.shrink(&self.output_shape(i)?);
        }
        Ok(tensors)
    }
}
