//! Tensors that a run reads and writes: ONNX test folders, `.npy` files, values on the command line.

use super::Failure;
use crate::onnx::import::ImportOptions;
use crate::onnx::tensor::TensorData;
use crate::onnx::{npy, tensor_pb};
use crate::pipeline::Source;
use clap::Args;
use lathe_ir::tensor::element_count;
use lathe_ir::{DType, Diagnostic, Module, Tensor, TensorType};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where inputs come from.
#[derive(Args, Clone)]
pub(super) struct InputArgs {
    /// Folder with input_0.pb, input_1.pb, ... (TensorProto, numbered in the order of the model's inputs, those fixed by
    /// --const included)
    #[arg(long, value_name = "DIR", conflicts_with = "inputs")]
    pub(super) input_dir: Option<PathBuf>,
    /// An input from a .npy file. May be repeated
    #[arg(long = "input", value_name = "NAME=x.npy")]
    inputs: Vec<String>,
}

impl InputArgs {
    /// Inputs from a folder.
    pub(super) fn folder(folder: &Path) -> InputArgs {
        InputArgs { input_dir: Some(folder.to_owned()), inputs: Vec::new() }
    }

    /// The tensors for inputs of these names, in order. What is wrong with a file is told only when the tensor is asked
    /// for: a model that cannot take it is the better news. Inputs that `fixed` names may be left out.
    pub(super) fn read(&self, names: &[String], fixed: &[(String, Tensor)]) -> Result<Vec<Given>, Failure> {
        let is_fixed = |name: &str| fixed.iter().any(|(fixed, _)| fixed == name);
        if let Some(folder) = &self.input_dir {
            let of = |(index, name): (usize, &String)| {
                let path = folder.join(format!("input_{index}.pb"));
                if is_fixed(name) && !path.exists() {
                    return Ok(None);
                }
                Ok(Some(to_tensor(tensor_pb::read_file(&path), &path)))
            };
            return names.iter().enumerate().map(of).collect();
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
                Some((_, path)) => Ok(Some(to_tensor(npy::read_file(path), path))),
                None if is_fixed(name) => Ok(None),
                None => Err(Failure::Usage(format!("input {name:?} is not given; use --input or --input-dir"))),
            })
            .collect()
    }

    /// Imports a model for the given inputs and gives those that the program takes. Unless `--dynamic`, their shapes are
    /// fixed, and so are the values without which the import fails; the latter is told.
    pub(super) fn specialise(
        &self,
        source: &Source,
        options: &mut ImportOptions,
        given: Vec<Given>,
    ) -> Result<(Module, Vec<Tensor>), Failure> {
        let names: Vec<String> = source.inputs().into_iter().map(|(name, _)| name).collect();
        let tensor_of = |name: &str| {
            let at = names.iter().position(|known| known == name)?;
            given[at].as_ref()?.as_ref().ok()
        };
        for (name, value) in &options.consts {
            if let Some(other) = tensor_of(name).filter(|given| *given != value) {
                let message = format!(
                    "input {name:?} is given as {}, and --const fixes it to {}",
                    summary(other),
                    summary(value)
                );
                return Err(Failure::Usage(message));
            }
        }
        if !options.dynamic && matches!(source, Source::Onnx(_)) {
            for name in &names {
                let is_new = options.shapes.iter().all(|(known, _)| known != name);
                if let Some(tensor) = tensor_of(name).filter(|_| is_new) {
                    options.shapes.push((name.clone(), tensor.shape().iter().map(|&size| size as i64).collect()));
                }
            }
        }
        let module = loop {
            let refusal = match source.module(options) {
                Ok(module) => break module,
                Err(refusal) => refusal,
            };
            let before = options.consts.len();
            for name in refusal.deciding.iter().filter(|_| !options.dynamic) {
                if let Some(tensor) = tensor_of(name).filter(|tensor| is_parameter(tensor)) {
                    let _ = writeln!(
                        std::io::stderr(),
                        "note: specialised on input {name:?} = {}, which decides a shape or a branch; --dynamic \
                         forbids that",
                        summary(tensor)
                    );
                    options.consts.push((name.clone(), tensor.clone()));
                }
            }
            if options.consts.len() == before {
                return Err(refusal.with_deciding().into());
            }
        };
        let is_fixed = |name: &str| options.consts.iter().any(|(fixed, _)| fixed == name);
        let taken = names.iter().zip(given).filter(|(name, _)| !is_fixed(name)).filter_map(|(_, given)| given);
        Ok((module, taken.collect::<Result<_, _>>()?))
    }
}

/// An input that was given: what its file holds, or what is wrong with it.
pub(super) type Given = Option<Result<Tensor, Failure>>;

/// Most elements of a value that a program is specialised on.
const MOST_FIXED: usize = 1 << 16;
/// The same for floats.
const MOST_FIXED_FLOATS: usize = 64;

/// True for values that a caller may be expected to keep: integers, and short lists of floats such as scales. A program for
/// one image or one piece of sound only would be of no use.
fn is_parameter(tensor: &Tensor) -> bool {
    let most = if tensor.dtype().is_float() { MOST_FIXED_FLOATS } else { MOST_FIXED };
    tensor.len() <= most && (!tensor.dtype().is_float() || tensor.shape().len() <= 1)
}

fn to_tensor<E: std::fmt::Display>(data: Result<TensorData, E>, path: &Path) -> Result<Tensor, Failure> {
    let data = data.map_err(|error| Diagnostic::invalid(error.to_string()))?;
    data.to_ir().ok_or_else(|| Diagnostic::invalid(format!("{}: not a tensor of numbers", path.display())).into())
}

/// Reads output_0.pb, output_1.pb, ...
pub(super) fn read_outputs(folder: &Path, count: usize) -> Result<Vec<Tensor>, Failure> {
    let paths = (0..count).map(|index| folder.join(format!("output_{index}.pb")));
    paths.map(|path| to_tensor(tensor_pb::read_file(&path), &path)).collect()
}

/// Writes outputs as output_0.pb, output_1.pb, ...
pub(super) fn write(folder: &Path, names: &[String], tensors: &[Tensor]) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::from(Diagnostic::invalid(error.to_string()));
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    for (index, (name, tensor)) in names.iter().zip(tensors).enumerate() {
        let data = TensorData::of_ir(name, tensor);
        tensor_pb::write_file(&folder.join(format!("output_{index}.pb")), &data).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// `NAME=3`, `NAME=0.5`, `NAME=true`, `NAME=[1, 2]` or `NAME=x.npy`, for an input of the type that the model states. One
/// number fills the input's shape, in which sizes that the model leaves open count as 1.
pub(super) fn parse_const(text: &str, ports: &[(String, Option<TensorType>)]) -> Result<(String, Tensor), Failure> {
    let pair = text.split_once('=');
    let (name, value) = pair.ok_or_else(|| Failure::Usage(format!("--const {text}: expected NAME=VALUE")))?;
    if value.ends_with(".npy") {
        let path = Path::new(value);
        return Ok((name.to_owned(), to_tensor(npy::read_file(path), path)?));
    }
    let declared = ports.iter().find(|(known, _)| known == name).and_then(|(_, ty)| ty.as_ref());
    let list = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let items: Vec<&str> = list.unwrap_or(value).split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    if list.is_none() && items.len() != 1 {
        return Err(Failure::Usage(format!("--const {text}: expected a number, [1,2,3] or a .npy file")));
    }
    let is_integer = items.iter().all(|item| item.parse::<i64>().is_ok());
    let dtype = declared.map_or(if is_integer { DType::I64 } else { DType::F32 }, |ty| ty.dtype);
    let wrong = || Failure::Usage(format!("--const {text}: {value:?} is no value of type {dtype}"));
    let sizes = declared.map(|ty| ty.shape.iter().map(|dim| dim.as_size().unwrap_or(1)).collect::<Vec<_>>());
    let shape = match (list, sizes) {
        (None, sizes) => sizes.unwrap_or_default(),
        (Some(_), Some(sizes)) if sizes.iter().product::<usize>() == items.len() => sizes,
        (Some(_), _) => vec![items.len()],
    };
    let count = element_count(&shape).filter(|count| *count <= MOST_FIXED).ok_or_else(wrong)?;
    let tensor = if dtype.holds_floats() {
        let values = items.iter().map(|item| item.parse().ok()).collect::<Option<Vec<f64>>>().ok_or_else(wrong)?;
        Tensor::from_f64(dtype, &shape, &filled(values, list.is_none(), count))
    } else {
        let values = items.iter().map(|item| integer(dtype, item)).collect::<Option<Vec<i64>>>().ok_or_else(wrong)?;
        let values = filled(values, list.is_none(), count);
        let tensor = Tensor::from_i64(dtype, &shape, &values);
        if dtype != DType::Bool && tensor.to_i64() != values {
            return Err(wrong());
        }
        tensor
    };
    Ok((name.to_owned(), tensor))
}

/// The first value `count` times, if it is a single one.
fn filled<T: Copy>(values: Vec<T>, single: bool, count: usize) -> Vec<T> {
    if single { values.iter().copied().cycle().take(count).collect() } else { values }
}

/// An integer or bool as it is written.
fn integer(dtype: DType, text: &str) -> Option<i64> {
    match (dtype, text) {
        (DType::Bool, "true") => Some(1),
        (DType::Bool, "false") => Some(0),
        (DType::Bool, _) => text.parse().ok().filter(|value| (0..=1).contains(value)),
        (DType::U64, _) => text.parse::<u64>().ok().map(|value| value as i64),
        _ => text.parse().ok(),
    }
}

/// Type and first elements.
pub(super) fn summary(tensor: &Tensor) -> String {
    let shown: Vec<String> = (0..tensor.len().min(8))
        .map(|index| {
            if tensor.dtype().holds_floats() {
                format!("{:.6}", tensor.f64_at(index))
            } else {
                tensor.i64_at(index).to_string()
            }
        })
        .collect();
    let rest = if tensor.len() > 8 { ", .." } else { "" };
    format!("{} [{}{rest}]", tensor.ty(), shown.join(", "))
}
