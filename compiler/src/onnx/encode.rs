//! Writing a model: into a temporary file beside the target, then a rename, so that nobody sees half a model.
//!
//! Weights are written from where they lie, not copied into one buffer first. A file that would pass protobuf's 2 GB
//! has its larger weights written to a second file, `NAME.data`, as external data.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::error::{OnnxError, Problem, quote};
use super::proto::{GraphProto, ModelProto, StringStringEntryProto, TensorProto};

/// Models whose file would be larger get external data, in bytes.
pub const EXTERNAL_ABOVE: u64 = 1_500_000_000;

/// Weights smaller than this stay in the model file, in bytes; also the alignment of the others in the data file, so
/// that they can be mapped.
pub const EXTERNAL_LEAST: u64 = 4096;

/// Where the weights of a written model go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// Into the model file, unless it would be larger than [`EXTERNAL_ABOVE`].
    #[default]
    Automatic,
    /// Into a file of their own.
    External,
}

/// Writes `model` to `path`, replacing a file there. Payloads must be in the messages: external data read before.
pub fn write_model(mut model: ModelProto, path: &Path, weights: Weights) -> Result<(), OnnxError> {
    let mut graph = model.graph.take().unwrap_or_default();
    if let Some(tensor) = graph.initializer.iter().find(|t| t.data_location == 1) {
        let message = "its data is in another file and has to be read before the model is written";
        return Err(Problem::invalid(format!("initializer {}", quote(&tensor.name)), message).into());
    }
    let size = model.encoded_len() as u64 + graph.encoded_len() as u64;
    let failed = |error| OnnxError::io(path, error);
    if weights == Weights::External || size > EXTERNAL_ABOVE {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| failed(io::Error::new(io::ErrorKind::InvalidInput, "no usable file name")))?;
        let name = format!("{name}.data");
        replace(&path.with_file_name(&name), |file| write_external(&mut graph, &name, file)).map_err(failed)?;
    }
    replace(path, |file| write_stream(&model, graph, file)).map_err(failed)
}

/// Writes a file through a temporary one in the same folder.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What `File::create` would ask for; the process's umask narrows it.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.prefix(".lathe-").tempfile_in(folder)?;
    let mut writer = BufWriter::with_capacity(1 << 16, temporary.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.persist(path)?;
    Ok(())
}

/// Moves payloads into `file`, called `name` in the model.
fn write_external(graph: &mut GraphProto, name: &str, file: &mut impl Write) -> io::Result<()> {
    let mut at = 0u64;
    for tensor in &mut graph.initializer {
        let Some(raw) = tensor.raw_data.take_if(|raw| raw.len() as u64 >= EXTERNAL_LEAST) else { continue };
        let padding = at.next_multiple_of(EXTERNAL_LEAST) - at;
        io::copy(&mut io::Read::take(io::repeat(0), padding), file)?;
        at += padding;
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
        tensor.data_location = 1;
        tensor.external_data = vec![
            entry("location", name.to_owned()),
            entry("offset", at.to_string()),
            entry("length", raw.len().to_string()),
        ];
        file.write_all(&raw)?;
        at += raw.len() as u64;
    }
    Ok(())
}

/// Writes model and graph without holding more than one piece of them, and no weight, in encoded form.
fn write_stream(model: &ModelProto, mut graph: GraphProto, file: &mut impl Write) -> io::Result<()> {
    file.write_all(&model.encode_to_vec())?;
    file.write_all(&head(7, graph.encoded_len()))?;
    let initializers = std::mem::take(&mut graph.initializer);
    file.write_all(&graph.encode_to_vec())?;
    for tensor in initializers {
        file.write_all(&head(5, tensor.encoded_len()))?;
        write_tensor(tensor, file)?;
    }
    Ok(())
}

/// Writes a tensor, the payload straight from its bytes.
pub(crate) fn write_tensor(mut tensor: TensorProto, file: &mut impl Write) -> io::Result<()> {
    let raw = tensor.raw_data.take();
    file.write_all(&tensor.encode_to_vec())?;
    if let Some(raw) = raw {
        file.write_all(&head(9, raw.len()))?;
        file.write_all(&raw)?;
    }
    Ok(())
}

/// Key and length of a length-delimited field.
fn head(tag: u32, len: usize) -> Bytes {
    let mut head = Vec::with_capacity(key_len(tag) + encoded_len_varint(len as u64));
    encode_key(tag, WireType::LengthDelimited, &mut head);
    encode_varint(len as u64, &mut head);
    head.into()
}
