//! `TensorProto`: the one message written without `derive`, so that packed numbers stay in the file too.
//!
//! The typed fields (`float_data`, ...) are kept in their wire form: the packed numbers of a file are one slice of it.
//! [`super::tensor`] turns them into elements. Numbers that a writer did not pack are accepted and packed here.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

use super::proto::StringStringEntryProto;

/// Numbers of a repeated field in packed wire form: varints, or fixed-width little-endian values.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    first: Bytes,
    rest: Vec<u8>,
}

impl Packed {
    /// Numbers already in wire form.
    pub fn from_wire(wire: Bytes) -> Packed {
        Packed { first: wire, rest: Vec::new() }
    }

    /// The wire form in one piece; copies only if the file holds it in several.
    pub fn wire(&self) -> Bytes {
        if self.rest.is_empty() {
            return self.first.clone();
        }
        let mut whole = Vec::with_capacity(self.first.len() + self.rest.len());
        whole.extend_from_slice(&self.first);
        whole.extend_from_slice(&self.rest);
        whole.into()
    }

    /// Length of the wire form in bytes.
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// Whether there are no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn merge(&mut self, element: WireType, wire_type: WireType, buf: &mut impl Buf) -> Result<(), DecodeError> {
        if wire_type == WireType::LengthDelimited {
            let mut chunk = Bytes::new();
            encoding::bytes::merge(wire_type, &mut chunk, buf, DecodeContext::default())?;
            if self.is_empty() {
                self.first = chunk;
            } else {
                self.rest.extend_from_slice(&chunk);
            }
            return Ok(());
        }
        encoding::check_wire_type(element, wire_type)?;
        let mut put = |number: u64, width: usize| self.rest.extend_from_slice(&number.to_le_bytes()[..width]);
        match element {
            WireType::ThirtyTwoBit => {
                let mut number = 0u32;
                encoding::fixed32::merge(wire_type, &mut number, buf, DecodeContext::default())?;
                put(u64::from(number), 4);
            }
            WireType::SixtyFourBit => {
                let mut number = 0u64;
                encoding::fixed64::merge(wire_type, &mut number, buf, DecodeContext::default())?;
                put(number, 8);
            }
            _ => {
                let number = encoding::decode_varint(buf)?;
                encoding::encode_varint(number, &mut self.rest);
            }
        }
        Ok(())
    }

    fn encode(&self, tag: u32, buf: &mut impl BufMut) {
        if !self.is_empty() {
            encoding::encode_key(tag, WireType::LengthDelimited, buf);
            encoding::encode_varint(self.len() as u64, buf);
            buf.put_slice(&self.first);
            buf.put_slice(&self.rest);
        }
    }

    fn encoded_len(&self, tag: u32) -> usize {
        match self.len() {
            0 => 0,
            len => encoding::key_len(tag) + encoding::encoded_len_varint(len as u64) + len,
        }
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Packed) -> bool {
        self.len() == other.len() && self.first.iter().chain(&self.rest).eq(other.first.iter().chain(&other.rest))
    }
}

/// The typed payload fields of a tensor, of which a valid tensor uses at most one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypedData {
    /// `float_data`, for FLOAT and COMPLEX64: 4-byte values.
    pub float: Packed,
    /// `int32_data`, for INT32 and everything narrower: varints.
    pub int32: Packed,
    /// `int64_data`, for INT64: varints.
    pub int64: Packed,
    /// `double_data`, for DOUBLE and COMPLEX128: 8-byte values.
    pub double: Packed,
    /// `uint64_data`, for UINT32 and UINT64: varints.
    pub uint64: Packed,
}

impl TypedData {
    /// The fields with name and tag, in tag order.
    pub fn fields(&self) -> [(&'static str, u32, &Packed); 5] {
        [
            ("float_data", 4, &self.float),
            ("int32_data", 5, &self.int32),
            ("int64_data", 7, &self.int64),
            ("double_data", 10, &self.double),
            ("uint64_data", 11, &self.uint64),
        ]
    }
}

/// A tensor: an initializer, an attribute's value, or a test's input. Read it with [`super::tensor::read_tensor`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorProto {
    /// Shape.
    pub dims: Vec<i64>,
    /// Element type, see [`super::dtype`].
    pub data_type: i32,
    /// Whether the file says that this is a piece of a larger tensor (no known writer does).
    pub has_segment: bool,
    /// Payload in typed fields.
    pub typed: Option<Box<TypedData>>,
    /// Payload of a string tensor.
    pub string_data: Vec<Bytes>,
    /// Name.
    pub name: String,
    /// Payload as little-endian bytes.
    pub raw_data: Option<Bytes>,
    /// Documentation.
    pub doc_string: Bytes,
    /// Where the payload lies if [`TensorProto::data_location`] is 1.
    pub external_data: Vec<StringStringEntryProto>,
    /// 0: in this message; 1: in a file of its own.
    pub data_location: i32,
    /// Named metadata.
    pub metadata_props: Vec<StringStringEntryProto>,
}

impl TensorProto {
    /// A tensor with its payload as little-endian bytes.
    pub fn from_raw(name: &str, data_type: i32, dims: &[i64], bytes: Bytes) -> TensorProto {
        TensorProto {
            name: name.to_owned(),
            data_type,
            dims: dims.to_vec(),
            raw_data: Some(bytes),
            ..TensorProto::default()
        }
    }

    /// A tensor of strings.
    pub fn from_strings(name: &str, dims: &[i64], strings: Vec<Bytes>) -> TensorProto {
        TensorProto {
            name: name.to_owned(),
            data_type: super::dtype::STRING,
            dims: dims.to_vec(),
            string_data: strings,
            ..TensorProto::default()
        }
    }
}

impl Message for TensorProto {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        encoding::int64::encode_repeated(1, &self.dims, buf);
        encoding::int32::encode(2, &self.data_type, buf);
        if let Some(typed) = &self.typed {
            for (_, tag, packed) in typed.fields() {
                packed.encode(tag, buf);
            }
        }
        encoding::bytes::encode_repeated(6, &self.string_data, buf);
        if !self.name.is_empty() {
            encoding::string::encode(8, &self.name, buf);
        }
        if let Some(raw) = &self.raw_data {
            encoding::bytes::encode(9, raw, buf);
        }
        if !self.doc_string.is_empty() {
            encoding::bytes::encode(12, &self.doc_string, buf);
        }
        encoding::message::encode_repeated(13, &self.external_data, buf);
        if self.data_location != 0 {
            encoding::int32::encode(14, &self.data_location, buf);
        }
        encoding::message::encode_repeated(16, &self.metadata_props, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let merged = match tag {
            1 => encoding::int64::merge_repeated(wire_type, &mut self.dims, buf, ctx),
            2 => encoding::int32::merge(wire_type, &mut self.data_type, buf, ctx),
            3 => {
                self.has_segment = true;
                encoding::skip_field(wire_type, tag, buf, ctx)
            }
            4 => self.typed_mut().float.merge(WireType::ThirtyTwoBit, wire_type, buf),
            5 => self.typed_mut().int32.merge(WireType::Varint, wire_type, buf),
            6 => encoding::bytes::merge_repeated(wire_type, &mut self.string_data, buf, ctx),
            7 => self.typed_mut().int64.merge(WireType::Varint, wire_type, buf),
            8 => encoding::string::merge(wire_type, &mut self.name, buf, ctx),
            9 => encoding::bytes::merge(wire_type, self.raw_data.get_or_insert_default(), buf, ctx),
            10 => self.typed_mut().double.merge(WireType::SixtyFourBit, wire_type, buf),
            11 => self.typed_mut().uint64.merge(WireType::Varint, wire_type, buf),
            12 => encoding::bytes::merge(wire_type, &mut self.doc_string, buf, ctx),
            13 => encoding::message::merge_repeated(wire_type, &mut self.external_data, buf, ctx),
            14 => encoding::int32::merge(wire_type, &mut self.data_location, buf, ctx),
            16 => encoding::message::merge_repeated(wire_type, &mut self.metadata_props, buf, ctx),
            _ => encoding::skip_field(wire_type, tag, buf, ctx),
        };
        merged.map_err(|mut error| {
            error.push("TensorProto", field_name(tag));
            error
        })
    }

    fn encoded_len(&self) -> usize {
        let optional = |tag: u32, present: bool, len: usize| {
            if present { encoding::key_len(tag) + encoding::encoded_len_varint(len as u64) + len } else { 0 }
        };
        encoding::int64::encoded_len_repeated(1, &self.dims)
            + encoding::int32::encoded_len(2, &self.data_type)
            + self.typed.iter().flat_map(|t| t.fields()).map(|(_, tag, p)| p.encoded_len(tag)).sum::<usize>()
            + encoding::bytes::encoded_len_repeated(6, &self.string_data)
            + optional(8, !self.name.is_empty(), self.name.len())
            + optional(9, self.raw_data.is_some(), self.raw_data.as_ref().map_or(0, Bytes::len))
            + optional(12, !self.doc_string.is_empty(), self.doc_string.len())
            + encoding::message::encoded_len_repeated(13, &self.external_data)
            + if self.data_location != 0 { encoding::int32::encoded_len(14, &self.data_location) } else { 0 }
            + encoding::message::encoded_len_repeated(16, &self.metadata_props)
    }

    fn clear(&mut self) {
        *self = TensorProto::default();
    }
}

impl TensorProto {
    fn typed_mut(&mut self) -> &mut TypedData {
        self.typed.get_or_insert_default()
    }
}

fn field_name(tag: u32) -> &'static str {
    match tag {
        1 => "dims",
        2 => "data_type",
        3 => "segment",
        4 => "float_data",
        5 => "int32_data",
        6 => "string_data",
        7 => "int64_data",
        8 => "name",
        9 => "raw_data",
        10 => "double_data",
        11 => "uint64_data",
        12 => "doc_string",
        13 => "external_data",
        14 => "data_location",
        16 => "metadata_props",
        _ => "unknown field",
    }
}
