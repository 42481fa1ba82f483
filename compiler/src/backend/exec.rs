//! Runs a blob in this process.

use super::{BackendError, CodeBlob};
use lathe_runtime::core::context::{KernelFn, RunCtx};
use lathe_runtime::core::status::Status;
use memmap2::{Mmap, MmapMut};

/// `bind` of a blob (see `backend`).
pub type BindFn = unsafe extern "C" fn(dims: *const *const i64, symbols: *mut i64, status: *mut Status) -> i32;
/// `plan` of a blob.
pub type PlanFn = unsafe extern "C" fn(symbols: *const i64, out: *mut i64);
/// `run` of a blob.
pub type RunFn = unsafe extern "C" fn(ctx: *const RunCtx) -> i32;

/// A blob in executable memory. The functions it gives out must not be called after it is dropped.
pub struct ExecCode {
    map: Mmap,
    bind: u32,
    plan: u32,
    run: u32,
    kernels: Vec<u32>,
}

impl ExecCode {
    /// Copies a blob into fresh memory that is then executable and no longer writable.
    pub fn new(blob: &CodeBlob) -> Result<ExecCode, BackendError> {
        let mut map = MmapMut::map_anon(blob.bytes.len().max(1))?;
        map[..blob.bytes.len()].copy_from_slice(&blob.bytes);
        let map = map.make_exec()?;
        let all = [blob.bind, blob.plan, blob.run];
        if all.iter().chain(&blob.kernels).any(|offset| *offset as usize >= map.len()) {
            return Err(BackendError::Target("an entry lies outside of the code".to_owned()));
        }
        Ok(ExecCode { map, bind: blob.bind, plan: blob.plan, run: blob.run, kernels: blob.kernels.clone() })
    }

    fn at(&self, offset: u32) -> *const u8 {
        // In bounds: checked in `new`.
        self.map[offset as usize..].as_ptr()
    }

    /// Entry of `bind`.
    pub fn bind(&self) -> BindFn {
        // SAFETY: the code generator made a function of this C signature at this offset, and the memory stays mapped
        // and executable while `self` lives. Calling it is the caller's unsafe act.
        unsafe { std::mem::transmute::<*const u8, BindFn>(self.at(self.bind)) }
    }

    /// Entry of `plan`.
    pub fn plan(&self) -> PlanFn {
        // SAFETY: as in `bind`.
        unsafe { std::mem::transmute::<*const u8, PlanFn>(self.at(self.plan)) }
    }

    /// Entry of `run`.
    pub fn run(&self) -> RunFn {
        // SAFETY: as in `bind`.
        unsafe { std::mem::transmute::<*const u8, RunFn>(self.at(self.run)) }
    }

    /// Entry of a kernel, by `KernelId`.
    pub fn kernel(&self, index: usize) -> Option<KernelFn> {
        let offset = *self.kernels.get(index)?;
        // SAFETY: as in `bind`.
        Some(unsafe { std::mem::transmute::<*const u8, KernelFn>(self.at(offset)) })
    }
}
