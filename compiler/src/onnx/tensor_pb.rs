//! Tensor files as ONNX's own tests have them: `input_0.pb`, `output_0.pb`, one `TensorProto` each.

use std::path::Path;

use super::decode::decode_tensor;
use super::dtype;
use super::encode;
use super::error::{OnnxError, Problem};
use super::external::ExternalFiles;
use super::mapped;
use super::proto::TensorProto;
use super::tensor::{TensorData, read_tensor};

/// Reads the tensor file at `path`; errors name the file.
pub fn read_file(path: &Path) -> Result<TensorData, OnnxError> {
    let failed = |error| OnnxError::io(path, error);
    let bytes = mapped::open(path).map_err(failed)?;
    let files = ExternalFiles::beside(path).map_err(failed)?;
    let place = path.display().to_string();
    let named = |problem: Problem| Problem { place: place.clone(), ..problem };
    let tensor = decode_tensor(&bytes).map_err(named)?;
    Ok(read_tensor(&tensor, &place, &files)?)
}

/// Writes `data` to `path`, replacing a file there.
pub fn write_file(path: &Path, data: &TensorData) -> Result<(), OnnxError> {
    let tensor = to_proto(data);
    encode::replace(path, |file| encode::write_tensor(tensor, file)).map_err(|error| OnnxError::io(path, error))
}

/// The message for a tensor; the payload is shared, not copied.
pub fn to_proto(data: &TensorData) -> TensorProto {
    if data.dtype_code == dtype::STRING {
        TensorProto::from_strings(&data.name, &data.dims, data.strings.clone())
    } else {
        TensorProto::from_raw(&data.name, data.dtype_code, &data.dims, data.bytes.clone())
    }
}
