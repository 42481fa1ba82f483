//! Numpy's `.npy` files, format versions 1 to 3.
//!
//! Own code instead of the crate `ndarray-npy`: that one reads into a type fixed at compile time and copies, here the
//! type is in the file, f16 and bool are as common as f32, and an array in C order is a slice of the map.
//! Source: numpy's `numpy/lib/format.py`. Not here: strings, structures, objects (pickles), `bfloat16` (numpy has
//! none), several arrays in one file.

use std::path::Path;

use bytes::Bytes;

use super::dtype;
use super::encode;
use super::error::{OnnxError, Problem, quote};
use super::mapped;
use super::tensor::{TensorData, element_count};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Headers are this long at most, in bytes.
const MAX_HEADER: usize = 1 << 16;

/// Element types with numpy's kind character and size in bytes.
const TYPES: &[(&str, i32)] = &[
    ("b1", dtype::BOOL),
    ("i1", dtype::INT8),
    ("u1", dtype::UINT8),
    ("i2", dtype::INT16),
    ("u2", dtype::UINT16),
    ("f2", dtype::FLOAT16),
    ("i4", dtype::INT32),
    ("u4", dtype::UINT32),
    ("f4", dtype::FLOAT),
    ("i8", dtype::INT64),
    ("u8", dtype::UINT64),
    ("f8", dtype::DOUBLE),
    ("c8", dtype::COMPLEX64),
    ("c16", dtype::COMPLEX128),
];

/// Reads the array file at `path`; the tensor has no name, errors name the file.
pub fn read_file(path: &Path) -> Result<TensorData, OnnxError> {
    let bytes = mapped::open(path).map_err(|error| OnnxError::io(path, error))?;
    Ok(read(&bytes).map_err(|message| Problem::invalid(path.display().to_string(), message))?)
}

/// Writes `data` to `path`, replacing a file there.
pub fn write_file(path: &Path, data: &TensorData) -> Result<(), OnnxError> {
    use std::io::Write;
    let header = header(data).map_err(|message| Problem::unsupported(path.display().to_string(), message))?;
    let write = |file: &mut std::io::BufWriter<&std::fs::File>| {
        file.write_all(&header)?;
        file.write_all(&data.bytes)
    };
    encode::replace(path, write).map_err(|error| OnnxError::io(path, error))
}

/// Reads an array file from memory. The error is a message without a place.
pub fn read(bytes: &Bytes) -> Result<TensorData, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("not a .npy file")?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or("the header is cut off")?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk().map(|(len, rest)| (usize::from(u16::from_le_bytes(*len)), rest)),
        2 | 3 => rest.split_first_chunk().map(|(len, rest)| (u32::from_le_bytes(*len) as usize, rest)),
        other => return Err(format!("version {other} of the .npy format is not known")),
    }
    .ok_or("the header is cut off")?;
    if length > MAX_HEADER || length > rest.len() {
        return Err(format!("a header of {length} bytes is too long"));
    }
    let (text, body) = rest.split_at(length);
    let text = std::str::from_utf8(text).map_err(|_| "the header is not text")?;
    let header = Header::parse(text).ok_or_else(|| format!("the header {} is not understood", quote(text)))?;

    let (order, kind) = header.descr.split_at_checked(1).ok_or("the element type is empty")?;
    let code = TYPES.iter().find(|(name, _)| *name == kind).map(|(_, code)| *code);
    let (Some(code), "<" | "|" | "=" | ">") = (code, order) else {
        return Err(format!("element type {} cannot be read", quote(header.descr)));
    };
    let elements = element_count(&header.shape)?;
    let need = dtype::dense_bytes(code, elements).ok_or("the shape is too large")?;
    if body.len() as u64 != need {
        return Err(format!("{} bytes of data, the header's type and shape need {need}", body.len()));
    }
    let size = (dtype::bits(code).unwrap_or(8) / 8) as usize;
    let mut payload = bytes.slice(bytes.len() - body.len()..);
    if header.fortran_order && header.shape.iter().filter(|dim| **dim > 1).count() > 1 {
        payload = row_major(&payload, &header.shape, size);
    }
    // The other byte order; complex numbers are two numbers.
    let width = if code == dtype::COMPLEX64 || code == dtype::COMPLEX128 { size / 2 } else { size };
    if order == ">" && width > 1 {
        payload = payload.chunks_exact(width).flat_map(|number| number.iter().rev().copied()).collect();
    }
    if code == dtype::BOOL && payload.iter().any(|byte| *byte > 1) {
        return Err("a bool is neither 0 nor 1".into());
    }
    Ok(TensorData { name: String::new(), dtype_code: code, dims: header.shape, bytes: payload, strings: Vec::new() })
}

/// Magic, version and header for a tensor in C order, 64-byte aligned as numpy does.
fn header(data: &TensorData) -> Result<Vec<u8>, String> {
    let Some((kind, _)) = TYPES.iter().find(|(_, code)| *code == data.dtype_code) else {
        return Err(format!("numpy has no element type {}", dtype::name(data.dtype_code).unwrap_or("of this code")));
    };
    let order = if kind.ends_with('1') { '|' } else { '<' };
    let mut shape: String = data.dims.iter().map(|dim| format!("{dim}, ")).collect();
    if data.dims.len() != 1 {
        shape.truncate(shape.len().saturating_sub(2));
    } else {
        shape.truncate(shape.len() - 1);
    }
    let mut text = format!("{{'descr': '{order}{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    while !(before + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let length = u16::try_from(text.len()).map_err(|_| "the shape has too many axes")?;
    let mut out = MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend(length.to_le_bytes());
    out.extend(text.bytes());
    Ok(out)
}

/// The bytes of an array file.
pub fn write(data: &TensorData) -> Result<Vec<u8>, String> {
    let mut out = header(data)?;
    out.extend_from_slice(&data.bytes);
    Ok(out)
}

/// Reorders elements of `size` bytes from column-major to row-major order.
fn row_major(payload: &[u8], shape: &[i64], size: usize) -> Bytes {
    let mut out = Vec::with_capacity(payload.len());
    // Strides of the column-major source. The sizes multiply to the length of a slice, so nothing overflows.
    let dims: Vec<usize> = shape.iter().map(|dim| *dim as usize).collect();
    let mut strides = Vec::with_capacity(dims.len());
    let mut stride = size;
    for dim in &dims {
        strides.push(stride);
        stride *= dim;
    }
    let mut index = vec![0; dims.len()];
    let mut from = 0;
    while out.len() < payload.len() {
        out.extend_from_slice(&payload[from..from + size]);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            from += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            from -= strides[axis] * dims[axis];
            index[axis] = 0;
        }
    }
    out.into()
}

struct Header<'a> {
    descr: &'a str,
    fortran_order: bool,
    shape: Vec<i64>,
}

impl<'a> Header<'a> {
    /// Reads the Python dictionary of a header: three known keys, each once, in any order.
    fn parse(text: &'a str) -> Option<Header<'a>> {
        let mut descr = None;
        let mut fortran_order = None;
        let mut shape = None;
        let mut rest = text.trim().strip_prefix('{')?.trim_start();
        while !rest.starts_with('}') {
            let (key, after) = string(rest)?;
            rest = after.trim_start().strip_prefix(':')?.trim_start();
            let twice = match key {
                "descr" => {
                    let (value, after) = string(rest)?;
                    rest = after;
                    descr.replace(value).is_some()
                }
                "fortran_order" => {
                    let (value, after) = match rest.strip_prefix("True") {
                        Some(after) => (true, after),
                        None => (false, rest.strip_prefix("False")?),
                    };
                    rest = after;
                    fortran_order.replace(value).is_some()
                }
                "shape" => {
                    let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
                    rest = after;
                    let dims = inside.split(',').map(str::trim).filter(|dim| !dim.is_empty());
                    let dims = dims.map(|dim| dim.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
                    shape.replace(dims).is_some()
                }
                _ => true,
            };
            if twice {
                return None;
            }
            rest = rest.trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.starts_with('}') => {}
                None => return None,
            }
        }
        (rest == "}").then_some(())?;
        Some(Header { descr: descr?, fortran_order: fortran_order?, shape: shape? })
    }
}

/// A string in single or double quotes, and what follows it. Numpy writes no escapes in the strings read here.
fn string(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}
