//! A compiled model in memory: its code, its checked description, its weights. Immutable once opened, shared by contexts.

use super::context::RunCtx;
use super::desc::{Desc, weights_hash};
use super::status::{Code, Status};
use super::sys;
use super::table::{Kernels, abi_fits, table_of};
use super::tier::Tier;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Solves the symbols from the dimensions of the inputs (`dims[i][k]`) and checks all that follows from them. `symbols` holds
/// every symbol's upper bound beforehand, and keeps it where only data decide. Errors go to `status`; 0 or a [`Code`].
pub type BindFn = unsafe extern "C" fn(dims: *const *const i64, symbols: *mut i64, status: *mut Status) -> i32;

/// Writes, for these symbols: the bytes of the arena; the bytes of scratch per worker; for each buffer its byte offset within
/// arena, weights or root buffer (0 for inputs and outputs); for each output its dimensions.
pub type PlanFn = unsafe extern "C" fn(symbols: *const i64, out: *mut i64);

/// Computes the outputs. Errors go to the context's status; 0 or a [`Code`].
pub type RunFn = unsafe extern "C" fn(ctx: *const RunCtx) -> i32;

/// What an artifact contains, in the order of its fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ModelCode {
    /// [`ABI`](super::table::ABI) of the table it was compiled against.
    pub abi: u64,
    /// The description, see [`super::desc`].
    pub desc: *const u8,
    /// Its bytes.
    pub desc_len: u64,
    /// The weights, aligned to 64 bytes; null if they come later.
    pub weights: *const u8,
    /// Their bytes.
    pub weights_len: u64,
    /// See [`BindFn`].
    pub bind: BindFn,
    /// See [`PlanFn`].
    pub plan: PlanFn,
    /// See [`RunFn`].
    pub run: RunFn,
}

/// An opened model, shared by counting references.
pub struct Model {
    pub(crate) code: ModelCode,
    pub(super) desc: Desc<'static>,
    pub(super) kernels: &'static Kernels,
    tier: Tier,
    weights: AtomicPtr<u8>,
    references: AtomicUsize,
}

// SAFETY: immutable but for the weights' address, which is set once, atomically; what it points to is never written.
unsafe impl Sync for Model {}
// SAFETY: nothing in it is tied to a thread.
unsafe impl Send for Model {}

impl Model {
    /// Opens a model, with one reference: checks the ABI, the description, the CPU and the length of the weights.
    ///
    /// # Safety
    /// `code` points to a `ModelCode` whose functions are what their types say, compiled for this table, and whose memory
    /// stays as it is until the last reference is released.
    pub unsafe fn open(code: *const ModelCode) -> Result<*const Model, Code> {
        if code.is_null() {
            return Err(Code::InvalidArgument);
        }
        // SAFETY: valid by contract.
        let code = unsafe { code.read() };
        if !abi_fits(code.abi) {
            return Err(Code::AbiMismatch);
        }
        if code.desc.is_null() || code.desc_len > isize::MAX as u64 {
            return Err(Code::InvalidModel);
        }
        // SAFETY: readable and unchanged as long as the model, by contract.
        let desc = Desc::parse(unsafe { core::slice::from_raw_parts(code.desc, code.desc_len as usize) })?;
        let tier = Tier::detect();
        if (tier as u32) < desc.tier() {
            return Err(Code::CpuTooOld);
        }
        if !code.weights.is_null()
            && (code.weights_len != desc.weights_len() || !code.weights.addr().is_multiple_of(64))
        {
            return Err(Code::InvalidModel);
        }
        let model = sys::allocate(size_of::<Model>()).cast::<Model>();
        if model.is_null() {
            return Err(Code::OutOfMemory);
        }
        let (weights, references) = (AtomicPtr::new(code.weights.cast_mut()), AtomicUsize::new(1));
        // SAFETY: fresh memory of the right size; its alignment of 64 is enough.
        unsafe { model.write(Model { code, desc, kernels: table_of(tier), tier, weights, references }) };
        Ok(model)
    }

    /// Adds a reference.
    pub fn retain(&self) {
        self.references.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a reference away; the last one frees the model (not its code or weights, which are the caller's).
    ///
    /// # Safety
    /// `model` came from [`Model::open`], and the caller owns a reference that it does not use any more.
    pub unsafe fn release(model: *const Model) {
        // SAFETY: the model lives as long as there is a reference; it owns nothing but its own memory.
        unsafe {
            if (*model).references.fetch_sub(1, Ordering::AcqRel) == 1 {
                sys::free(model.cast_mut().cast());
            }
        }
    }

    /// The model's description.
    pub fn desc(&self) -> &Desc<'static> {
        &self.desc
    }

    /// The tier whose kernels it runs.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Gives the weights, once; with `verify`, compares their hash. They must be aligned to 64 bytes.
    ///
    /// # Safety
    /// `len` bytes are readable at `weights` and stay as they are until the last reference is released.
    pub unsafe fn set_weights(&self, weights: *const u8, len: u64, verify: bool) -> Result<(), Code> {
        if weights.is_null() || !weights.addr().is_multiple_of(64) || len > isize::MAX as u64 {
            return Err(Code::InvalidArgument);
        }
        if len != self.desc.weights_len() {
            return Err(Code::InvalidModel);
        }
        if verify {
            // SAFETY: readable by contract.
            let bytes = unsafe { core::slice::from_raw_parts(weights, len as usize) };
            if weights_hash(bytes) != self.desc.weights_hash() {
                return Err(Code::InvalidModel);
            }
        }
        let (null, weights) = (core::ptr::null_mut(), weights.cast_mut());
        let set = self.weights.compare_exchange(null, weights, Ordering::AcqRel, Ordering::Acquire);
        set.map(|_| ()).map_err(|_| Code::InvalidArgument)
    }

    /// Where the weights are; null if they are missing.
    pub(super) fn weights(&self) -> *mut u8 {
        self.weights.load(Ordering::Acquire)
    }
}
