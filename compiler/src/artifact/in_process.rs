//! A compiled model in this process.

use super::Compiled;
use crate::backend::CodeBlob;
use lathe_ir::{DType, Diagnostic, Tensor};
use lathe_runtime::core::desc::DType as RuntimeDType;
use lathe_runtime::core::table::ABI;
use lathe_runtime::exec::{Parts, Weights};
use lathe_runtime::{Context, Model, TensorView, Threads};
use memmap2::MmapMut;
use std::io::Cursor;

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
        DType::F8E4M3FN => RuntimeDType::F8E4M3Fn,
        DType::F8E4M3FNUZ => RuntimeDType::F8E4M3Fnuz,
        DType::F8E5M2 => RuntimeDType::F8E5M2,
        DType::F8E5M2FNUZ => RuntimeDType::F8E5M2Fnuz,
        DType::F8E8M0 => RuntimeDType::F8E8M0,
        DType::F6E2M3 => RuntimeDType::F6E2M3,
        DType::F6E3M2 => RuntimeDType::F6E3M2,
        DType::F4E2M1 => RuntimeDType::F4E2M1,
        DType::I4 => RuntimeDType::I4,
        DType::U4 => RuntimeDType::U4,
        DType::I2 => RuntimeDType::I2,
        DType::U2 => RuntimeDType::U2,
    }
}

impl InProcess {
    /// A context of a model. `threads` = 0 takes as many as the process may use.
    pub(super) fn new(model: &Model, threads: usize) -> Result<InProcess, Diagnostic> {
        let threads = if threads == 0 { Threads::Default } else { Threads::Count(threads) };
        let context = Context::new(model, threads).map_err(|error| Diagnostic::bug(error.to_string()))?;
        Ok(InProcess { context })
    }

    /// Loads code and weights into memory of their own. `threads` = 0 takes as many as the process may use.
    pub fn load(compiled: &Compiled, threads: usize) -> Result<InProcess, Diagnostic> {
        let failed = |error: std::io::Error| Diagnostic::bug(error.to_string());
        let length = compiled.weights.total_bytes() as usize;
        // At least one page, since an empty map is refused.
        let mut memory = MmapMut::map_anon(length.max(64)).map_err(failed)?;
        compiled.weights.write(&mut Cursor::new(&mut memory[..])).map_err(failed)?;
        let memory = memory.make_read_only().map_err(failed)?;
        let weights =
            Weights::new(memory, length).ok_or_else(|| Diagnostic::bug("weights lie outside of their memory"))?;
        let CodeBlob { bytes, bind, plan, run, .. } = &compiled.code;
        // Nobody asks for the hash of weights that were just made.
        let description = compiled.describe(0)?;
        let parts = Parts { abi: ABI, code: bytes, entries: [*bind, *plan, *run], description, weights };
        // SAFETY: this crate generated the code, for the table of the runtime it is linked with.
        let model = unsafe { parts.open() }.map_err(|error| Diagnostic::bug(error.to_string()))?;
        InProcess::new(&model, threads)
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
