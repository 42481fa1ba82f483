//! Samples as files for another engine: `model.onnx`, `input_0.pb`, .., `output_0.pb`, .., `tolerance_0.pb`, ...

use crate::bounds::Expected;
use crate::build::Sample;
use lathe_compiler::onnx::tensor::TensorData;
use lathe_compiler::onnx::{export, tensor_pb};
use lathe_ir::{DType, OpCode, Tensor};
use std::path::Path;

fn write_tensor(path: &Path, tensor: &Tensor) {
    let data = TensorData {
        name: String::new(),
        dtype_code: tensor.dtype().onnx_code(),
        dims: tensor.shape().iter().map(|&size| size as i64).collect(),
        bytes: tensor.bytes().clone(),
        strings: Vec::new(),
    };
    tensor_pb::write_file(path, &data).unwrap();
}

/// Whether a window of the module is larger than what it slides over: ONNX says that nothing comes out, onnxruntime does
/// not.
fn has_empty_windows(sample: &Sample) -> bool {
    let graph = &sample.module.main;
    graph.iter().any(|(_, op)| {
        let slides = matches!(op.code, OpCode::Conv | OpCode::ConvTranspose | OpCode::MaxPool | OpCode::AvgPool);
        slides && graph.ty(op.result()).elements().is(0)
    })
}

/// Writes a sample to a folder, unless ONNX cannot express it or leaves it open.
pub(crate) fn write(sample: &Sample, expected: &[Expected], folder: &Path) {
    if has_empty_windows(sample) {
        return;
    }
    std::fs::create_dir_all(folder).unwrap();
    if export::write(&sample.module, &folder.join("model.onnx")).is_err() {
        std::fs::remove_dir_all(folder).unwrap();
        return;
    }
    for (index, input) in sample.inputs.iter().enumerate() {
        write_tensor(&folder.join(format!("input_{index}.pb")), input);
    }
    for (index, output) in expected.iter().enumerate() {
        write_tensor(&folder.join(format!("output_{index}.pb")), &output.value);
        let tolerance = Tensor::from_f64(DType::F64, output.value.shape(), &output.tolerance);
        write_tensor(&folder.join(format!("tolerance_{index}.pb")), &tolerance);
    }
}
