//! Tensors that a run reads and writes: ONNX test folders, `.npy` files, values on the command line.

use super::Failure;
use crate::onnx::import::ImportOptions;
use crate::onnx::tensor::TensorData;
use crate::onnx::{npy, tensor_pb};
use clap::Args;
use lathe_ir::{DType, Diagnostic, Tensor};
use std::path::{Path, PathBuf};

/// Where inputs come from.
#[derive(Args, Clone)]
pub(super) struct InputArgs {
    /// Folder with input_0.pb, input_1.pb, ... (TensorProto, in the order of the model's inputs)
    #[arg(long, value_name = "DIR", conflicts_with = "inputs")]
    pub(super) input_dir: Option<PathBuf>,
    /// An input from a .npy file. May be repeated
    #[arg(long = "input", value_name = "NAME=x.npy")]
    inputs: Vec<String>,
    /// Do not fix the sizes of the given inputs at compile time
    #[arg(long)]
    pub(super) dynamic: bool,
}

impl InputArgs {
    /// The tensors for inputs of these names, in order.
    pub(super) fn read(&self, names: &[String]) -> Result<Vec<Tensor>, Failure> {
        if let Some(folder) = &self.input_dir {
            let paths = (0..names.len()).map(|index| folder.join(format!("input_{index}.pb")));
            return paths.map(|path| to_tensor(tensor_pb::read_file(&path), &path)).collect();
        }
        let mut given = Vec::new();
        for text in &self.inputs {
            let pair = text.split_once('=');
            let (name, path) = pair.ok_or_else(|| Failure::Usage(format!("--input {text}: expected NAME=x.npy")))?;
            if !names.iter().any(|known| known == name) {
                return Err(Failure::Usage(format!("the model has no input {name:?}; it has {}", names.join(", "))));
            }
            given.push((name, PathBuf::from(path)));
        }
        names
            .iter()
            .map(|name| match given.iter().find(|(given, _)| given == name) {
                Some((_, path)) => to_tensor(npy::read_file(path), path),
                None => Err(Failure::Usage(format!("input {name:?} is not given; use --input or --input-dir"))),
            })
            .collect()
    }

    /// Fixes the shapes of the inputs to those of the tensors, unless `--dynamic`.
    pub(super) fn specialise(&self, options: &mut ImportOptions, names: &[String], tensors: &[Tensor]) {
        if self.dynamic {
            return;
        }
        for (name, tensor) in names.iter().zip(tensors) {
            if options.shapes.iter().all(|(fixed, _)| fixed != name) {
                let shape = tensor.shape().iter().map(|&size| size as i64).collect();
                options.shapes.push((name.clone(), shape));
            }
        }
    }
}

fn to_tensor<E: std::fmt::Display>(data: Result<TensorData, E>, path: &Path) -> Result<Tensor, Failure> {
    let data = data.map_err(|error| Diagnostic::invalid(error.to_string()))?;
    tensor_of(&data).ok_or_else(|| Diagnostic::invalid(format!("{}: not a tensor of numbers", path.display())).into())
}

/// Tensor file contents as a tensor of the IR.
pub(super) fn tensor_of(data: &TensorData) -> Option<Tensor> {
    let shape: Vec<usize> = data.dims.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<_>>()?;
    Tensor::from_bytes(DType::from_onnx_code(data.dtype_code)?, &shape, data.bytes.clone())
}

/// Writes outputs as output_0.pb, output_1.pb, ...
pub(super) fn write(folder: &Path, names: &[String], tensors: &[Tensor]) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::from(Diagnostic::invalid(error.to_string()));
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    for (index, (name, tensor)) in names.iter().zip(tensors).enumerate() {
        let data = TensorData {
            name: name.clone(),
            dtype_code: tensor.dtype().onnx_code(),
            dims: tensor.shape().iter().map(|&size| size as i64).collect(),
            bytes: tensor.bytes().clone(),
            strings: Vec::new(),
        };
        tensor_pb::write_file(&folder.join(format!("output_{index}.pb")), &data).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// `NAME=3`, `NAME=0.5`, `NAME=[1, 2]` or `NAME=x.npy`.
pub(super) fn parse_const(text: &str) -> Result<(String, Tensor), Failure> {
    let pair = text.split_once('=');
    let (name, value) = pair.ok_or_else(|| Failure::Usage(format!("--const {text}: expected NAME=VALUE")))?;
    if value.ends_with(".npy") {
        let path = Path::new(value);
        return Ok((name.to_owned(), to_tensor(npy::read_file(path), path)?));
    }
    let list = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let items: Vec<&str> = list.unwrap_or(value).split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let shape: Vec<usize> = if list.is_some() { vec![items.len()] } else { Vec::new() };
    let wrong = || Failure::Usage(format!("--const {text}: {value:?} is neither a number nor a .npy file"));
    if list.is_none() && items.len() != 1 {
        return Err(wrong());
    }
    if let Some(ints) = items.iter().map(|item| item.parse().ok()).collect::<Option<Vec<i64>>>() {
        return Ok((name.to_owned(), Tensor::from_i64(DType::I64, &shape, &ints)));
    }
    let floats = items.iter().map(|item| item.parse().ok()).collect::<Option<Vec<f64>>>().ok_or_else(wrong)?;
    Ok((name.to_owned(), Tensor::from_f64(DType::F32, &shape, &floats)))
}
