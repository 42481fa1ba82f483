//! Inputs and outputs in place, as a caller that repeats runs has them.

use crate::artifact::to_runtime_dtype;
use lathe_ir::{Diagnostic, Tensor};
use lathe_runtime::{Context, Error, TensorView, TensorViewMut};

/// Memory of a caller.
pub(super) struct Caller {
    inputs: Vec<lathe_runtime::Tensor>,
    outputs: Vec<lathe_runtime::Tensor>,
}

pub(super) fn failed(error: Error) -> Diagnostic {
    Diagnostic::invalid(error.to_string())
}

impl Caller {
    /// Copies the inputs to aligned memory, runs once, and makes outputs of the largest sizes there can be for these
    /// inputs.
    pub(super) fn new(context: &mut Context, inputs: &[Tensor]) -> Result<Caller, Diagnostic> {
        let mut aligned = Vec::new();
        for tensor in inputs {
            let shape: Vec<i64> = tensor.shape().iter().map(|&size| size as i64).collect();
            let mut copy = lathe_runtime::Tensor::zeros(to_runtime_dtype(tensor.dtype()), &shape).map_err(failed)?;
            copy.bytes_mut().copy_from_slice(tensor.bytes());
            aligned.push(copy);
        }
        let views: Vec<TensorView<'_>> = aligned.iter().map(lathe_runtime::Tensor::view).collect();
        let mut outputs = context.run(&views).map_err(failed)?;
        let shapes: Vec<&[i64]> = views.iter().map(|view| view.shape).collect();
        context.set_shapes(&shapes).map_err(failed)?;
        for (index, output) in outputs.iter_mut().enumerate() {
            let largest = context.output_shape(index).map_err(failed)?;
            *output = lathe_runtime::Tensor::zeros(output.dtype, &largest).map_err(failed)?;
        }
        Ok(Caller { inputs: aligned, outputs })
    }

    /// Does something with inputs and outputs, a run.
    pub(super) fn call<T>(
        &mut self,
        run: impl FnOnce(&[TensorView<'_>], &mut [TensorViewMut<'_>]) -> Result<T, Error>,
    ) -> Result<T, Diagnostic> {
        let views: Vec<TensorView<'_>> = self.inputs.iter().map(lathe_runtime::Tensor::view).collect();
        let mut targets: Vec<TensorViewMut<'_>> =
            self.outputs.iter_mut().map(|t| TensorViewMut { dtype: t.dtype, data: t.bytes_mut() }).collect();
        run(&views, &mut targets).map_err(failed)
    }
}
