//! Reading a `TensorProto`: whatever field the payload is in, out come dense little-endian bytes of the right length.
//!
//! `raw_data`, `float_data`, `double_data` and external data are slices of the file, not copies; they need not be
//! aligned. The varint fields are expanded into memory of their own, which [`super::prescan`] has accounted for.

use bytes::Bytes;

use super::dtype;
use super::error::Problem;
use super::external::{ExternalFiles, Location};
use super::proto::{Packed, TensorProto};

/// Tensors have at most this many axes.
pub const MAX_RANK: usize = 64;

/// A tensor that has been read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorData {
    /// Name; may be empty.
    pub name: String,
    /// Element type, see [`super::dtype`]; always a known one.
    pub dtype_code: i32,
    /// Shape; no negative sizes, and the product (zeros left out) fits in an `i64`.
    pub dims: Vec<i64>,
    /// Elements, dense, row-major, little endian, exactly `dtype::dense_bytes` of them; narrow types stay packed.
    /// Bools are 0 or 1. Empty for strings.
    pub bytes: Bytes,
    /// Elements of a string tensor; empty for all others.
    pub strings: Vec<Bytes>,
}

impl TensorData {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.dims.iter().map(|d| d.unsigned_abs()).product()
    }

    /// The elements of an integer or bool tensor of 8 bits or more, `uint64` values above `i64::MAX` wrapped;
    /// `None` for other types.
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        fn all<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i64) -> Vec<i64> {
            bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
        }
        let bytes = &self.bytes;
        Some(match self.dtype_code {
            dtype::INT8 => all(bytes, |b| i8::from_le_bytes(b).into()),
            dtype::UINT8 | dtype::BOOL => all(bytes, |b| u8::from_le_bytes(b).into()),
            dtype::INT16 => all(bytes, |b| i16::from_le_bytes(b).into()),
            dtype::UINT16 => all(bytes, |b| u16::from_le_bytes(b).into()),
            dtype::INT32 => all(bytes, |b| i32::from_le_bytes(b).into()),
            dtype::UINT32 => all(bytes, |b| u32::from_le_bytes(b).into()),
            dtype::INT64 | dtype::UINT64 => all(bytes, i64::from_le_bytes),
            _ => return None,
        })
    }
}

/// Number of elements of a shape read from a file: sizes are not negative, and neither they nor any partial product
/// overflow an `i64`, so that strides and byte counts of the shape cannot either.
pub fn element_count(dims: &[i64]) -> Result<u64, String> {
    if dims.len() > MAX_RANK {
        return Err(format!("{} axes, at most {MAX_RANK} are allowed", dims.len()));
    }
    let mut product = 1i64;
    let mut empty = false;
    for &dim in dims {
        if dim < 0 {
            return Err(format!("negative size {dim} in shape {dims:?}"));
        }
        empty |= dim == 0;
        product = product.checked_mul(dim.max(1)).ok_or_else(|| format!("shape {dims:?} is too large"))?;
    }
    Ok(if empty { 0 } else { product.unsigned_abs() })
}

/// What is wrong with a tensor, without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A rule of ONNX is broken.
    Invalid(String),
    /// Not known here.
    Unsupported(String),
}

impl Fault {
    /// Whether a rule of ONNX is broken.
    pub fn is_invalid(&self) -> bool {
        matches!(self, Fault::Invalid(_))
    }

    /// The fault as a problem of `place`.
    pub fn at(self, place: impl Into<String>) -> Problem {
        match self {
            Fault::Invalid(message) => Problem::invalid(place, message),
            Fault::Unsupported(message) => Problem::unsupported(place, message),
        }
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Fault {
        Fault::Invalid(message)
    }
}

/// Where the elements of a tensor are. Finding this out reads no payload and opens no file.
pub struct Layout<'a> {
    elements: u64,
    /// Bytes of the dense form; 0 for strings.
    need: u64,
    payload: Payload<'a>,
}

enum Payload<'a> {
    Nothing,
    Strings(&'a [Bytes]),
    Raw(&'a Bytes),
    Typed(&'static str, &'a Packed),
    External,
}

impl<'a> Layout<'a> {
    /// Whether elements are needed and not there: somebody took the weights out of the model.
    pub fn lacks_data(&self) -> bool {
        self.need != 0 && matches!(self.payload, Payload::Nothing)
    }

    /// Bytes needed from an external file; `None` for other tensors.
    pub fn external_bytes(&self) -> Option<u64> {
        matches!(self.payload, Payload::External).then_some(self.need)
    }

    /// Checks everything about a tensor except the values: element type, shape, that there is not more than one
    /// payload, in the field where it belongs, and its length where that takes no reading.
    pub fn of(tensor: &'a TensorProto) -> Result<Layout<'a>, Fault> {
        let code = tensor.data_type;
        if code == dtype::UNDEFINED {
            return Err(Fault::Invalid("no element type".into()));
        }
        let name = dtype::name(code).ok_or_else(|| Fault::Unsupported(format!("element type {code}")))?;
        if tensor.has_segment {
            return Err(Fault::Unsupported("tensors stored in segments".into()));
        }
        let elements = element_count(&tensor.dims)?;
        let payload = payload(tensor)?;
        let shape = &tensor.dims;
        if code == dtype::STRING {
            let has = match payload {
                Payload::Strings(strings) => strings.len() as u64,
                Payload::Nothing => 0,
                Payload::External => return Err(Fault::Unsupported("strings in external data".into())),
                Payload::Raw(_) | Payload::Typed(..) => return Err("strings belong in string_data".to_owned().into()),
            };
            if has != elements {
                return Err(format!("{has} strings in string_data, shape {shape:?} needs {elements}").into());
            }
            return Ok(Layout { elements, need: 0, payload });
        }
        let need = dtype::dense_bytes(code, elements).ok_or_else(|| format!("shape {shape:?} is too large"))?;
        match payload {
            Payload::Strings(_) => return Err(format!("{name} values are in string_data").into()),
            Payload::Raw(raw) if raw.len() as u64 != need => {
                let has = raw.len();
                return Err(format!("{has} bytes of raw data, {name} of shape {shape:?} needs {need}").into());
            }
            Payload::Typed(field, _) if field != typed_field(code) => {
                return Err(format!("{name} values are in {field}, they belong in {}", typed_field(code)).into());
            }
            _ => {}
        }
        Ok(Layout { elements, need, payload })
    }
}

fn payload(tensor: &TensorProto) -> Result<Payload<'_>, String> {
    let mut found = Vec::new();
    for (name, _, packed) in tensor.typed.as_deref().map(|t| t.fields()).into_iter().flatten() {
        if !packed.is_empty() {
            found.push((name, Payload::Typed(name, packed)));
        }
    }
    if !tensor.string_data.is_empty() {
        found.push(("string_data", Payload::Strings(&tensor.string_data)));
    }
    if let Some(raw) = tensor.raw_data.as_ref().filter(|raw| !raw.is_empty()) {
        found.push(("raw_data", Payload::Raw(raw)));
    }
    match tensor.data_location {
        0 => {}
        1 => found.push(("external data", Payload::External)),
        other => return Err(format!("data location {other} does not exist")),
    }
    if let [(first, _), (second, _), ..] = &found[..] {
        return Err(format!("the payload is given twice, in {first} and in {second}"));
    }
    Ok(found.pop().map_or(Payload::Nothing, |(_, payload)| payload))
}

/// Reads `tensor`; errors name it as `place`.
pub fn read_tensor(tensor: &TensorProto, place: &str, files: &ExternalFiles) -> Result<TensorData, Problem> {
    let data = Layout::of(tensor).and_then(|layout| read_payload(tensor, &layout, files));
    data.map_err(|fault| fault.at(place))
}

fn read_payload(tensor: &TensorProto, layout: &Layout, files: &ExternalFiles) -> Result<TensorData, Fault> {
    let code = tensor.data_type;
    let mut strings = Vec::new();
    let bytes = match layout.payload {
        Payload::Nothing if layout.need != 0 => {
            return Err(format!("no data, the shape {:?} needs {} bytes", tensor.dims, layout.need).into());
        }
        Payload::Nothing => Bytes::new(),
        Payload::Strings(list) => {
            strings = list.to_vec();
            Bytes::new()
        }
        Payload::Raw(raw) => raw.clone(),
        Payload::Typed(field, packed) => read_typed(code, layout.elements, field, packed, &tensor.dims)?,
        Payload::External => files.read(&Location::parse(&tensor.external_data)?, layout.need)?,
    };
    if code == dtype::BOOL
        && let Some(byte) = bytes.iter().find(|byte| **byte > 1)
    {
        return Err(format!("a bool is {byte}, not 0 or 1").into());
    }
    Ok(TensorData { name: tensor.name.clone(), dtype_code: code, dims: tensor.dims.clone(), bytes, strings })
}

/// The typed field for an element type.
fn typed_field(code: i32) -> &'static str {
    match code {
        dtype::FLOAT | dtype::COMPLEX64 => "float_data",
        dtype::DOUBLE | dtype::COMPLEX128 => "double_data",
        dtype::INT64 => "int64_data",
        dtype::UINT32 | dtype::UINT64 => "uint64_data",
        _ => "int32_data",
    }
}

/// Reads a typed payload field.
fn read_typed(code: i32, elements: u64, field: &str, packed: &Packed, dims: &[i64]) -> Result<Bytes, String> {
    let type_name = dtype::name(code).unwrap_or("?");
    let bits = dtype::bits(code).unwrap_or(8);
    let need = match (code, bits) {
        (dtype::COMPLEX64 | dtype::COMPLEX128, _) => elements.checked_mul(2).ok_or("too large")?,
        (_, 2) => elements.div_ceil(4),
        (_, 4) => elements.div_ceil(2),
        _ => elements,
    };
    let wire = packed.wire();
    let width = match field {
        "float_data" => 4,
        "double_data" => 8,
        _ => 0,
    };
    let has = match width {
        0 => wire.iter().filter(|byte| **byte < 0x80).count() as u64,
        width if !wire.len().is_multiple_of(width) => return Err(format!("{field} is cut off")),
        width => (wire.len() / width) as u64,
    };
    if has != need {
        return Err(format!("{has} values in {field}, {type_name} of shape {dims:?} needs {need}"));
    }
    if width != 0 {
        return Ok(wire);
    }
    let outside = |value: i64| format!("{field} holds {value}, which is not a {type_name} value");
    let int32 = |low: i32, high: i32, width: usize| {
        expand(&wire, has, width, |value| {
            let value = value as i32;
            if (low..=high).contains(&value) { Ok(value as u32 as u64) } else { Err(outside(value.into())) }
        })
    };
    match code {
        dtype::INT64 | dtype::UINT64 => expand(&wire, has, 8, Ok),
        dtype::UINT32 => expand(&wire, has, 4, |v| u32::try_from(v).map(u64::from).map_err(|_| outside(v as i64))),
        dtype::INT32 => int32(i32::MIN, i32::MAX, 4),
        dtype::INT16 => int32(i16::MIN.into(), i16::MAX.into(), 2),
        dtype::UINT16 | dtype::FLOAT16 | dtype::BFLOAT16 => int32(0, u16::MAX.into(), 2),
        dtype::INT8 => int32(i8::MIN.into(), i8::MAX.into(), 1),
        dtype::BOOL => int32(0, 1, 1),
        dtype::FLOAT6E2M3 | dtype::FLOAT6E3M2 => int32(0, 63, 1).map(|values| pack_six_bits(&values)),
        // A packed byte: signed narrow types may have been written as signed bytes.
        _ if bits < 8 => int32(i8::MIN.into(), u8::MAX.into(), 1),
        _ => int32(0, u8::MAX.into(), 1),
    }
}

/// Expands `count` varints to `width` bytes each.
fn expand(
    wire: &[u8],
    count: u64,
    width: usize,
    convert: impl Fn(u64) -> Result<u64, String>,
) -> Result<Bytes, String> {
    let cut_off = || "packed numbers are cut off".to_owned();
    // One varint takes at least a byte, so `count` is at most the length of `wire`.
    let mut out = Vec::with_capacity((count as usize).checked_mul(width).ok_or("too large")?);
    let mut rest = wire;
    while !rest.is_empty() {
        let value = prost::encoding::decode_varint(&mut rest).map_err(|_| cut_off())?;
        out.extend_from_slice(&convert(value)?.to_le_bytes()[..width]);
    }
    Ok(out.into())
}

/// Packs 6-bit values, one in a byte, into four in three bytes, low bits first.
fn pack_six_bits(values: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity((values.len() * 6).div_ceil(8));
    for group in values.chunks(4) {
        let bits = group.iter().rev().fold(0u32, |bits, value| bits << 6 | u32::from(*value));
        out.extend_from_slice(&bits.to_le_bytes()[..(group.len() * 6).div_ceil(8)]);
    }
    out.into()
}
