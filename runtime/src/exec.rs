//! Machine code that was generated or read at run time, in this process.

use crate::api::{Error, Model};
use crate::core::context::KernelFn;
use crate::core::model::{BindFn, ModelCode, PlanFn, RunFn};
use crate::core::status::Code;
use memmap2::{Mmap, MmapMut};
use std::io;

/// Position-independent code in executable memory. The functions it gives out must not be called after it is dropped.
pub struct ExecCode(Mmap);

impl ExecCode {
    /// Copies code into fresh memory that is then executable and no longer writable.
    pub fn new(code: &[u8]) -> io::Result<ExecCode> {
        let mut map = MmapMut::map_anon(code.len().max(1))?;
        map[..code.len()].copy_from_slice(code);
        Ok(ExecCode(map.make_exec()?))
    }

    fn at(&self, offset: u32) -> Option<*const u8> {
        Some(self.0.get(offset as usize..)?.first()?)
    }

    /// The function `bind` at an offset; `None` beyond the code.
    pub fn bind(&self, offset: u32) -> Option<BindFn> {
        // SAFETY: an address in executable memory as a function pointer; that there is a function of this signature is for
        // whoever calls it to know.
        Some(unsafe { std::mem::transmute::<*const u8, BindFn>(self.at(offset)?) })
    }

    /// The function `plan` at an offset.
    pub fn plan(&self, offset: u32) -> Option<PlanFn> {
        // SAFETY: as in `bind`.
        Some(unsafe { std::mem::transmute::<*const u8, PlanFn>(self.at(offset)?) })
    }

    /// The function `run` at an offset.
    pub fn run(&self, offset: u32) -> Option<RunFn> {
        // SAFETY: as in `bind`.
        Some(unsafe { std::mem::transmute::<*const u8, RunFn>(self.at(offset)?) })
    }

    /// A kernel at an offset.
    pub fn kernel(&self, offset: u32) -> Option<KernelFn> {
        // SAFETY: as in `bind`.
        Some(unsafe { std::mem::transmute::<*const u8, KernelFn>(self.at(offset)?) })
    }
}

/// Weights in mapped memory.
pub struct Weights {
    pub(crate) map: Mmap,
    /// Where they begin, and how many bytes they have; both were checked against the map.
    pub(crate) at: usize,
    pub(crate) bytes: usize,
}

impl Weights {
    /// The first `bytes` bytes of a map; `None` if it has fewer.
    pub fn new(map: Mmap, bytes: usize) -> Option<Weights> {
        (bytes <= map.len()).then_some(Weights { map, at: 0, bytes })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map[self.at..self.at + self.bytes]
    }
}

/// What a model is made of.
pub struct Parts<'a> {
    /// ABI of the table of micro-kernels that the code was generated for.
    pub abi: u64,
    /// Position-independent machine code.
    pub code: &'a [u8],
    /// Offsets of `bind`, `plan` and `run` in it.
    pub entries: [u32; 3],
    /// The description, see [`crate::core::desc`].
    pub description: Vec<u8>,
    /// The weights.
    pub weights: Weights,
}

/// What keeps a model's memory alive.
struct Owner {
    code: ExecCode,
    description: Vec<u8>,
    weights: Weights,
}

impl Parts<'_> {
    /// Makes the code executable and opens the model.
    ///
    /// # Safety
    /// Lathe generated the code for the table with this ABI, and these are its entries.
    pub unsafe fn open(self) -> Result<Model, Error> {
        let outside = || Error { code: Code::InvalidModel, message: "an entry lies outside of the code".into() };
        let code = ExecCode::new(self.code)
            .map_err(|error| Error { code: Code::OutOfMemory, message: format!("memory for the code: {error}") })?;
        let owner = Box::new(Owner { code, description: self.description, weights: self.weights });
        let [bind, plan, run] = self.entries;
        let model_code = ModelCode {
            abi: self.abi,
            desc: owner.description.as_ptr(),
            desc_len: owner.description.len() as u64,
            weights: owner.weights.bytes().as_ptr(),
            weights_len: owner.weights.bytes as u64,
            bind: owner.code.bind(bind).ok_or_else(outside)?,
            plan: owner.code.plan(plan).ok_or_else(outside)?,
            run: owner.code.run(run).ok_or_else(outside)?,
        };
        // SAFETY: code and entries by contract; code, description and weights lie in memory that the boxed owner keeps and
        // that nobody writes any more.
        unsafe { Model::from_code(&model_code, Some(owner)) }
    }
}
