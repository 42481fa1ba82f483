//! A compiled model in this process.

use super::Compiled;
use crate::backend::CodeBlob;
use crate::backend::exec::ExecCode;
use lathe_ir::{DType, Diagnostic, Tensor};
use lathe_runtime::core::desc::DType as RuntimeDType;
use lathe_runtime::core::model::ModelCode;
use lathe_runtime::core::table::ABI;
use lathe_runtime::{Context, Model, TensorView, Threads};
use memmap2::{Mmap, MmapMut};
use std::io::Cursor;

/// Weights somewhere in mapped memory.
pub(super) struct WeightsMap {
    pub(super) map: Mmap,
    /// Where they begin, and how many bytes they have; both were checked against the map.
    pub(super) at: usize,
    pub(super) bytes: usize,
}

impl WeightsMap {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.map[self.at..self.at + self.bytes]
    }
}

/// What a model is made of.
pub(super) struct Parts<'a> {
    pub(super) abi: u64,
    pub(super) code: &'a CodeBlob,
    pub(super) description: Vec<u8>,
    pub(super) weights: WeightsMap,
}

/// What keeps a model's memory alive.
struct Owner {
    code: ExecCode,
    description: Vec<u8>,
    weights: WeightsMap,
}

impl Parts<'_> {
    /// Makes the code executable and opens the model.
    pub(super) fn open(self, threads: usize) -> Result<InProcess, Diagnostic> {
        let bug = |error: &dyn std::fmt::Display| Diagnostic::bug(error.to_string());
        let code = ExecCode::new(self.code).map_err(|error| bug(&error))?;
        let owner = Box::new(Owner { code, description: self.description, weights: self.weights });
        let model_code = ModelCode {
            abi: self.abi,
            desc: owner.description.as_ptr(),
            desc_len: owner.description.len() as u64,
            weights: owner.weights.bytes().as_ptr(),
            weights_len: owner.weights.bytes as u64,
            bind: owner.code.bind(),
            plan: owner.code.plan(),
            run: owner.code.run(),
        };
        // SAFETY: the code was made for this table by this crate; code, description and weights lie in memory that
        // the boxed owner keeps and that nobody writes any more.
        let model = unsafe { Model::from_code(&model_code, Some(owner)) }.map_err(|error| bug(&error))?;
        let threads = if threads == 0 { Threads::Default } else { Threads::Count(threads) };
        let context = Context::new(&model, threads).map_err(|error| bug(&error))?;
        Ok(InProcess { context })
    }
}

/// A model with one context, ready to run.
pub struct InProcess {
    context: Context,
}

/// The runtime's name of an element type.
pub fn to_runtime_dtype(dtype: DType) -> RuntimeDType {
    match dtype {
        DType::F32 => RuntimeDType::F32,
        DType::F64 => RuntimeDType::F64,
        DType::F16 => RuntimeDType::F16,
        DType::BF16 => RuntimeDType::Bf16,
        DType::I8 => RuntimeDType::I8,
        DType::I16 => RuntimeDType::I16,
        DType::I32 => RuntimeDType::I32,
        DType::I64 => RuntimeDType::I64,
        DType::U8 => RuntimeDType::U8,
        DType::U16 => RuntimeDType::U16,
        DType::U32 => RuntimeDType::U32,
        DType::U64 => RuntimeDType::U64,
        DType::Bool => RuntimeDType::Bool,
    }
}

impl InProcess {
    /// Loads code and weights into memory of their own. `threads` = 0 takes as many as the process may use.
    pub fn load(compiled: &Compiled, threads: usize) -> Result<InProcess, Diagnostic> {
        let failed = |error: std::io::Error| Diagnostic::bug(error.to_string());
        let length = compiled.weights.total_bytes() as usize;
        // At least one page, since an empty map is refused.
        let mut memory = MmapMut::map_anon(length.max(64)).map_err(failed)?;
        compiled.weights.write(&mut Cursor::new(&mut memory[..])).map_err(failed)?;
        let weights = WeightsMap { map: memory.make_read_only().map_err(failed)?, at: 0, bytes: length };
        // Nobody asks for the hash of weights that were just made.
        Parts { abi: ABI, code: &compiled.code, description: compiled.describe(0)?, weights }.open(threads)
    }

    /// The context.
    pub fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Runs on inputs in order.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
        run(&mut self.context, inputs)
    }
}

/// Runs a context on tensors of the IR.
pub fn run(context: &mut Context, inputs: &[Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
    let failed = |error: lathe_runtime::Error| Diagnostic::invalid(error.to_string());
    let aligned: Vec<lathe_runtime::Tensor> = inputs
        .iter()
        .map(|tensor| {
            let shape: Vec<i64> = tensor.shape().iter().map(|&size| size as i64).collect();
            let mut copy = lathe_runtime::Tensor::zeros(to_runtime_dtype(tensor.dtype()), &shape)?;
            copy.bytes_mut().copy_from_slice(tensor.bytes());
            Ok(copy)
        })
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let views: Vec<TensorView<'_>> = aligned.iter().map(lathe_runtime::Tensor::view).collect();
    let outputs = context.run(&views).map_err(failed)?;
    outputs
        .iter()
        .map(|output| {
            let shape: Vec<usize> = output.shape.iter().map(|&size| size as usize).collect();
            let dtype = DType::from_onnx_code(output.dtype as i32);
            dtype
                .and_then(|dtype| Tensor::from_bytes(dtype, &shape, output.bytes().to_vec().into()))
                .ok_or_else(|| Diagnostic::bug("an output has no size"))
        })
        .collect()
}
