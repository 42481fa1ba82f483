//! An opened ONNX file.

use std::path::Path;

use bytes::Bytes;
use indexmap::IndexMap;

use super::decode;
use super::error::{OnnxError, Problem, quote};
use super::external::ExternalFiles;
use super::mapped;
use super::proto::{FunctionProto, GraphProto, ModelProto, SparseTensorProto, TensorProto};
use super::sparse;
use super::tensor::{self, TensorData};
use super::validate::validate;

/// A model that has been decoded and validated.
///
/// What holds: there is a main graph; nodes of every graph and function are in topological order; every name used is
/// defined before, once in its graph; attributes have the kind they say; every domain used has one opset version;
/// functions do not call themselves.
#[derive(Debug)]
pub struct OnnxFile {
    /// The model.
    pub model: ModelProto,
    /// Things worth telling the user.
    pub warnings: Vec<Problem>,
    /// Size of the model file in bytes, external data not counted.
    pub file_size: u64,
    files: ExternalFiles,
    /// Opset versions by normalized domain.
    opsets: IndexMap<String, i64>,
    /// Indices of the functions, sorted by key.
    functions: Vec<usize>,
}

impl OnnxFile {
    /// Opens the model at `path`; external data may lie in its folder.
    pub fn open(path: &Path) -> Result<OnnxFile, OnnxError> {
        let bytes = mapped::open(path).map_err(|error| OnnxError::io(path, error))?;
        let files = ExternalFiles::beside(path).map_err(|error| OnnxError::io(path, error))?;
        OnnxFile::new(bytes, files)
    }

    /// Reads a model from memory; it cannot have external data.
    pub fn from_bytes(bytes: Bytes) -> Result<OnnxFile, OnnxError> {
        OnnxFile::new(bytes, ExternalFiles::default())
    }

    fn new(bytes: Bytes, files: ExternalFiles) -> Result<OnnxFile, OnnxError> {
        let mut model = decode::decode_model(&bytes)?;
        let checked = validate(&mut model).map_err(OnnxError::Rejected)?;
        for (location, need) in &checked.external {
            files.check_use(location, *need).map_err(|message| Problem::invalid("model", message))?;
        }
        let mut opsets: IndexMap<String, i64> =
            model.opset_import.iter().map(|o| (normalize_domain(&o.domain).to_owned(), o.version)).collect();
        if model.ir_version < 3 {
            opsets.entry(String::new()).or_insert(1);
        }
        let mut functions: Vec<usize> = (0..model.functions.len()).collect();
        functions.sort_by_key(|i| function_key(&model.functions[*i]));
        Ok(OnnxFile { model, warnings: checked.warnings, file_size: bytes.len() as u64, files, opsets, functions })
    }

    /// The main graph.
    pub fn graph(&self) -> &GraphProto {
        static EMPTY: std::sync::LazyLock<GraphProto> = std::sync::LazyLock::new(GraphProto::default);
        self.model.graph.as_ref().unwrap_or(&EMPTY)
    }

    /// The folder the model was opened in; `None` if it came from memory.
    pub fn folder(&self) -> Option<&Path> {
        self.files.folder()
    }

    /// Version of the operator set that the main graph uses for `domain` (empty or `ai.onnx` for the standard one).
    pub fn opset(&self, domain: &str) -> Option<i64> {
        self.opsets.get(normalize_domain(domain)).copied()
    }

    /// The model's own function of this domain, name and overload.
    pub fn function(&self, domain: &str, name: &str, overload: &str) -> Option<&FunctionProto> {
        let key = (normalize_domain(domain), name, overload);
        let found = self.functions.binary_search_by_key(&key, |i| function_key(&self.model.functions[*i]));
        found.ok().map(|at| &self.model.functions[self.functions[at]])
    }

    /// Reads an initializer; errors name it.
    pub fn tensor(&self, tensor: &TensorProto) -> Result<TensorData, Problem> {
        self.tensor_at(tensor, &format!("tensor {}", quote(&tensor.name)))
    }

    /// Reads a tensor that has no name of its own, such as an attribute's value; errors say `place`.
    pub fn tensor_at(&self, tensor: &TensorProto, place: &str) -> Result<TensorData, Problem> {
        tensor::read_tensor(tensor, place, &self.files)
    }

    /// Reads a sparse tensor as a dense one; errors say `place`.
    pub fn sparse_tensor_at(&self, tensor: &SparseTensorProto, place: &str) -> Result<TensorData, Problem> {
        sparse::read_sparse(tensor, place, &self.files)
    }
}

fn function_key(function: &FunctionProto) -> (&str, &str, &str) {
    (normalize_domain(&function.domain), &function.name, &function.overload)
}

/// The standard domain has two spellings; this gives the empty one.
pub fn normalize_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}
