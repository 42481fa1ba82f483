//! A walk over the wire format before anything is decoded.
//!
//! Decoding turns two bytes of a hostile file into hundreds of bytes of memory (an empty `NodeProto` is `0a 00`), and
//! nesting turns into recursion. The walk allocates nothing that grows with the file, visits every message once, and
//! refuses a file
//! - whose fields do not lie inside their parents,
//! - that nests deeper than [`MAX_DEPTH`],
//! - whose decoded form, counted with the allocator's habits, would take more than the file's size plus
//!   [`MAX_OVERHEAD`] of memory.
//!
//! The rest of the promised 1 GiB is left to validation, which holds a few words per name.

use std::mem::size_of;

use bytes::Bytes;

use super::error::Problem;
use super::proto::*;

/// Messages may nest this deep. A graph inside a graph takes 3 levels.
pub const MAX_DEPTH: usize = 64;

/// Memory a decoded file may take beyond its own size, in bytes.
pub const MAX_OVERHEAD: u64 = 512 << 20;

/// What the whole input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A `ModelProto`.
    Model,
    /// A `TensorProto`.
    Tensor,
    /// A `SequenceProto`.
    Sequence,
    /// An `OptionalProto`.
    Optional,
}

/// Why a file was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrescanError {
    /// Position in the file, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub kind: PrescanErrorKind,
}

/// The kinds of [`PrescanError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrescanErrorKind {
    /// A varint runs over its end or over 64 bits.
    Varint,
    /// A field reaches past the end of its message.
    Truncated,
    /// A field number or wire type that protobuf (or ONNX, for groups) does not have.
    Key,
    /// A field of a known number has the wrong wire type.
    WireType,
    /// A message of which there can be one occurs twice.
    Twice,
    /// Deeper than [`MAX_DEPTH`].
    Depth,
    /// Decoding would take this many bytes.
    Memory(u64),
}

impl PrescanError {
    /// The error as a problem of `place`.
    pub fn into_problem(self, place: &str) -> Problem {
        let at = self.offset;
        let message = match self.kind {
            PrescanErrorKind::Varint => format!("not a protobuf file: bad number at byte {at}"),
            PrescanErrorKind::Truncated => {
                format!("the file is cut off or damaged: a field at byte {at} reaches past the end of its message")
            }
            PrescanErrorKind::Key => format!("not a protobuf file: bad field key at byte {at}"),
            PrescanErrorKind::WireType => format!("not an ONNX file: a field at byte {at} has the wrong wire type"),
            PrescanErrorKind::Twice => format!("the message at byte {at} may occur only once in its parent"),
            PrescanErrorKind::Depth => format!("messages nest deeper than {MAX_DEPTH} levels at byte {at}"),
            PrescanErrorKind::Memory(need) => {
                format!(
                    "decoding would take at least {need} bytes of memory, out of proportion to the file (byte {at})"
                )
            }
        };
        Problem::invalid(place, message)
    }
}

/// What the walk counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages, the root included.
    pub messages: u64,
    /// Fields of all messages.
    pub fields: u64,
    /// Upper bound of the memory that decoding and reading all tensors takes, payload slices not counted, in bytes.
    pub memory: u64,
}

/// Walks `bytes` as a message of kind `root`.
pub fn scan(bytes: &Bytes, root: Root) -> Result<Summary, PrescanError> {
    let limit = (bytes.len() as u64).saturating_add(MAX_OVERHEAD);
    Scanner { bytes, at: 0, limit, largest: 0, summary: Summary::default() }.run(root)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    ValueInfo,
    Type,
    TensorType,
    ElementType,
    MapType,
    OpaqueType,
    Shape,
    Dimension,
    Function,
    Opset,
    Entry,
    Sequence,
    Optional,
}

/// How a field is decoded, as far as memory goes.
#[derive(Clone, Copy)]
enum Field {
    /// Skipped, or a number, or bytes left in the file.
    Flat,
    /// A string on the heap.
    Text,
    /// A list of strings on the heap.
    Texts,
    /// A list of byte slices left in the file.
    Slices,
    /// A list of numbers decoded to `size` bytes; packed or not.
    Numbers { size: u64, wire: Wire },
    /// Numbers left in wire form in the file, read later as `size` bytes each.
    Packed { size: u64, wire: Wire },
    /// One message, allocated on its own (`size` bytes) or in place (0).
    One { kind: Kind, size: u64 },
    /// A list of messages of `size` bytes.
    Many { kind: Kind, size: u64 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Varint,
    Four,
    Eight,
}

fn one(kind: Kind) -> Field {
    Field::One { kind, size: 0 }
}

fn boxed<T>(kind: Kind) -> Field {
    Field::One { kind, size: size_of::<T>() as u64 + ALLOCATION }
}

fn many<T>(kind: Kind) -> Field {
    Field::Many { kind, size: size_of::<T>() as u64 }
}

/// What an allocation costs beside its contents, at most.
const ALLOCATION: u64 = 32;

/// The schema: only what decoding would allocate for. Field numbers as in `proto.rs`.
fn field(kind: Kind, tag: u32) -> Field {
    use Field::{Flat, Slices, Text, Texts};
    const INT64S: Field = Field::Numbers { size: 8, wire: Wire::Varint };
    match (kind, tag) {
        (Kind::Model, 2..=4) => Text,
        (Kind::Model, 7) => one(Kind::Graph),
        (Kind::Model, 8) => many::<OperatorSetIdProto>(Kind::Opset),
        (Kind::Model, 14) => many::<StringStringEntryProto>(Kind::Entry),
        (Kind::Model, 25) => many::<FunctionProto>(Kind::Function),

        (Kind::Graph, 1) => many::<NodeProto>(Kind::Node),
        (Kind::Graph, 2) => Text,
        (Kind::Graph, 5) => many::<TensorProto>(Kind::Tensor),
        (Kind::Graph, 11..=13) => many::<ValueInfoProto>(Kind::ValueInfo),
        (Kind::Graph, 15) => many::<SparseTensorProto>(Kind::Sparse),
        (Kind::Graph, 16) => many::<StringStringEntryProto>(Kind::Entry),

        (Kind::Node, 1 | 2) => Texts,
        (Kind::Node, 3 | 4 | 7 | 8) => Text,
        (Kind::Node, 5) => many::<AttributeProto>(Kind::Attribute),
        (Kind::Node, 9) => many::<StringStringEntryProto>(Kind::Entry),

        (Kind::Attribute, 1 | 21) => Text,
        (Kind::Attribute, 5) => boxed::<TensorProto>(Kind::Tensor),
        (Kind::Attribute, 6) => boxed::<GraphProto>(Kind::Graph),
        (Kind::Attribute, 7) => Field::Numbers { size: 4, wire: Wire::Four },
        (Kind::Attribute, 8) => INT64S,
        (Kind::Attribute, 9) => Slices,
        (Kind::Attribute, 10) => many::<TensorProto>(Kind::Tensor),
        (Kind::Attribute, 11) => many::<GraphProto>(Kind::Graph),
        (Kind::Attribute, 14) => boxed::<TypeProto>(Kind::Type),
        (Kind::Attribute, 15) => many::<TypeProto>(Kind::Type),
        (Kind::Attribute, 22) => boxed::<SparseTensorProto>(Kind::Sparse),
        (Kind::Attribute, 23) => many::<SparseTensorProto>(Kind::Sparse),

        (Kind::Tensor, 1) => INT64S,
        (Kind::Tensor, 4) => Field::Packed { size: 4, wire: Wire::Four },
        (Kind::Tensor, 5) => Field::Packed { size: 4, wire: Wire::Varint },
        (Kind::Tensor, 6) => Slices,
        (Kind::Tensor, 7 | 11) => Field::Packed { size: 8, wire: Wire::Varint },
        (Kind::Tensor, 8) => Text,
        (Kind::Tensor, 10) => Field::Packed { size: 8, wire: Wire::Eight },
        (Kind::Tensor, 13 | 16) => many::<StringStringEntryProto>(Kind::Entry),

        (Kind::Sparse, 1 | 2) => boxed::<TensorProto>(Kind::Tensor),
        (Kind::Sparse, 3) => INT64S,

        (Kind::ValueInfo, 1) => Text,
        (Kind::ValueInfo, 2) => one(Kind::Type),
        (Kind::ValueInfo, 4) => many::<StringStringEntryProto>(Kind::Entry),

        (Kind::Type, 1 | 8) => one(Kind::TensorType),
        (Kind::Type, 4 | 9) => boxed::<ElementTypeProto>(Kind::ElementType),
        (Kind::Type, 5) => boxed::<MapTypeProto>(Kind::MapType),
        (Kind::Type, 6) => Text,
        (Kind::Type, 7) => one(Kind::OpaqueType),
        (Kind::TensorType, 2) => one(Kind::Shape),
        (Kind::ElementType, 1) => boxed::<TypeProto>(Kind::Type),
        (Kind::MapType, 2) => boxed::<TypeProto>(Kind::Type),
        (Kind::OpaqueType, 1 | 2) => Text,
        (Kind::Shape, 1) => many::<DimensionProto>(Kind::Dimension),
        (Kind::Dimension, 2 | 3) => Text,

        (Kind::Function, 1 | 10 | 13) => Text,
        (Kind::Function, 4..=6) => Texts,
        (Kind::Function, 7) => many::<NodeProto>(Kind::Node),
        (Kind::Function, 9) => many::<OperatorSetIdProto>(Kind::Opset),
        (Kind::Function, 11) => many::<AttributeProto>(Kind::Attribute),
        (Kind::Function, 12) => many::<ValueInfoProto>(Kind::ValueInfo),
        (Kind::Function, 14) => many::<StringStringEntryProto>(Kind::Entry),

        (Kind::Sequence, 1) => Text,
        (Kind::Sequence, 3) => many::<TensorProto>(Kind::Tensor),
        (Kind::Sequence, 5) => many::<SequenceProto>(Kind::Sequence),
        (Kind::Sequence, 7) => many::<OptionalProto>(Kind::Optional),
        (Kind::Optional, 1) => Text,
        (Kind::Optional, 3) => one(Kind::Tensor),
        (Kind::Optional, 5) => one(Kind::Sequence),
        (Kind::Optional, 7) => boxed::<OptionalProto>(Kind::Optional),

        (Kind::Opset, 1) | (Kind::Entry, 1 | 2) => Text,
        _ => Flat,
    }
}

/// Field numbers with a list all lie below this.
const LISTS: usize = 26;

struct Frame {
    kind: Kind,
    end: usize,
    /// Elements of each list so far, by field number.
    counts: [u64; LISTS],
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    limit: u64,
    /// Bytes of the largest list: growing it holds the old copy for a moment.
    largest: u64,
    summary: Summary,
}

impl Scanner<'_> {
    fn run(mut self, root: Root) -> Result<Summary, PrescanError> {
        let kind = match root {
            Root::Model => Kind::Model,
            Root::Tensor => Kind::Tensor,
            Root::Sequence => Kind::Sequence,
            Root::Optional => Kind::Optional,
        };
        let mut frames = Vec::with_capacity(MAX_DEPTH);
        frames.push(Frame { kind, end: self.bytes.len(), counts: [0; LISTS] });
        self.summary.messages = 1;
        while let Some(frame) = frames.last_mut() {
            if self.at == frame.end {
                frames.pop();
                continue;
            }
            let start = self.at;
            if let Some((kind, end)) = self.field(frame)? {
                if frames.len() == MAX_DEPTH {
                    return Err(PrescanError { offset: start as u64, kind: PrescanErrorKind::Depth });
                }
                self.summary.messages += 1;
                frames.push(Frame { kind, end, counts: [0; LISTS] });
            }
        }
        Ok(self.summary)
    }

    /// Reads one field of `frame`; a message to descend into is returned, anything else is passed over.
    fn field(&mut self, frame: &mut Frame) -> Result<Option<(Kind, usize)>, PrescanError> {
        let start = self.at;
        let fail = |kind| PrescanError { offset: start as u64, kind };
        self.summary.fields += 1;
        let key = self.varint(frame.end)?;
        let tag = u32::try_from(key >> 3).map_err(|_| fail(PrescanErrorKind::Key))?;
        if tag == 0 || tag >= 1 << 29 {
            return Err(fail(PrescanErrorKind::Key));
        }
        let field = field(frame.kind, tag);
        match key & 7 {
            wire @ (0 | 1 | 5) => {
                let (wire, from) = match wire {
                    0 => {
                        self.varint(frame.end)?;
                        (Wire::Varint, 10)
                    }
                    1 => (Wire::Eight, self.skip(8, frame.end)?),
                    _ => (Wire::Four, self.skip(4, frame.end)?),
                };
                match field {
                    Field::Flat => {}
                    Field::Numbers { size, wire: expected } if wire == expected => {
                        self.list(frame, tag, 1, size, 4)?;
                    }
                    Field::Packed { size, wire: expected } if wire == expected => {
                        // Not packed by the writer: packed into memory of its own, then read as usual.
                        self.typed_data(frame, tag)?;
                        self.list(frame, tag, from, 1, 8)?;
                        self.charge(size)?;
                    }
                    _ => return Err(fail(PrescanErrorKind::WireType)),
                }
                Ok(None)
            }
            2 => {
                let len = self.varint(frame.end)?;
                let len = usize::try_from(len).map_err(|_| fail(PrescanErrorKind::Truncated))?;
                let end = self.at.checked_add(len).filter(|end| *end <= frame.end);
                let end = end.ok_or(fail(PrescanErrorKind::Truncated))?;
                let bytes = len as u64;
                match field {
                    Field::Flat => {}
                    Field::Text => self.text(bytes)?,
                    Field::Texts => {
                        self.list(frame, tag, 1, size_of::<String>() as u64, 4)?;
                        self.text(bytes)?;
                    }
                    Field::Slices => self.list(frame, tag, 1, size_of::<Bytes>() as u64, 4)?,
                    Field::Numbers { size, wire } => {
                        let count = self.count(end, wire);
                        self.list(frame, tag, count, size, 4)?;
                    }
                    Field::Packed { size, wire } => {
                        if frame.counts[tag as usize] > 0 {
                            // A second piece is joined to the first in memory.
                            self.list(frame, tag, bytes, 1, 8)?;
                        } else {
                            self.typed_data(frame, tag)?;
                            frame.counts[tag as usize] = 1;
                        }
                        if wire == Wire::Varint {
                            let read = self.count(end, wire).saturating_mul(size);
                            self.charge(read)?;
                        }
                    }
                    Field::One { kind, size } => {
                        // Protobuf would merge the two; parsers differ in how, and honest writers never do it.
                        let seen = &mut frame.counts[tag as usize];
                        if std::mem::replace(seen, 1) != 0 {
                            return Err(fail(PrescanErrorKind::Twice));
                        }
                        self.charge(size)?;
                        return Ok(Some((kind, end)));
                    }
                    Field::Many { kind, size } => {
                        self.list(frame, tag, 1, size, 4)?;
                        return Ok(Some((kind, end)));
                    }
                }
                self.at = end;
                Ok(None)
            }
            _ => Err(fail(PrescanErrorKind::Key)),
        }
    }

    /// The first typed field of a tensor allocates room for all of them.
    fn typed_data(&mut self, frame: &mut Frame, tag: u32) -> Result<(), PrescanError> {
        match frame.counts[tag as usize] {
            0 => self.charge(size_of::<TypedData>() as u64 + ALLOCATION),
            _ => Ok(()),
        }
    }

    /// Adds `count` elements of `size` bytes to the list in field `tag`: capacity doubles from `least`.
    fn list(&mut self, frame: &mut Frame, tag: u32, count: u64, size: u64, least: u64) -> Result<(), PrescanError> {
        let old = frame.counts[tag as usize];
        let new = old.saturating_add(count);
        frame.counts[tag as usize] = new;
        let capacity = |n: u64| match n {
            0 => 0,
            n => n.checked_next_power_of_two().unwrap_or(u64::MAX).max(least),
        };
        let (before, after) = (capacity(old), capacity(new));
        if after > before {
            let first = if before == 0 { ALLOCATION } else { 0 };
            let bytes = after.saturating_mul(size);
            let grown = bytes - before.saturating_mul(size).min(bytes);
            self.largest = self.largest.max(bytes);
            self.charge(grown.saturating_add(first))?;
        }
        Ok(())
    }

    fn text(&mut self, len: u64) -> Result<(), PrescanError> {
        if len == 0 { Ok(()) } else { self.charge(len.saturating_add(ALLOCATION)) }
    }

    fn charge(&mut self, bytes: u64) -> Result<(), PrescanError> {
        self.summary.memory = self.summary.memory.saturating_add(bytes);
        let need = self.summary.memory.saturating_add(self.largest / 2);
        if need > self.limit {
            return Err(PrescanError { offset: self.at as u64, kind: PrescanErrorKind::Memory(need) });
        }
        Ok(())
    }

    /// Numbers in the packed field from here to `end`. A last number cut short counts too; decoding refuses it.
    fn count(&self, end: usize, wire: Wire) -> u64 {
        let packed = &self.bytes[self.at..end];
        match wire {
            Wire::Varint => {
                let cut_short = packed.last().is_some_and(|byte| *byte >= 0x80);
                packed.iter().filter(|byte| **byte < 0x80).count() as u64 + u64::from(cut_short)
            }
            Wire::Four => (packed.len() as u64).div_ceil(4),
            Wire::Eight => (packed.len() as u64).div_ceil(8),
        }
    }

    fn skip(&mut self, len: usize, end: usize) -> Result<u64, PrescanError> {
        if end - self.at < len {
            return Err(PrescanError { offset: self.at as u64, kind: PrescanErrorKind::Truncated });
        }
        self.at += len;
        Ok(len as u64)
    }

    fn varint(&mut self, end: usize) -> Result<u64, PrescanError> {
        let start = self.at;
        let fail = |kind| PrescanError { offset: start as u64, kind };
        let mut value = 0u64;
        for shift in 0..10 {
            let byte = *self.bytes[..end].get(self.at).ok_or(fail(PrescanErrorKind::Truncated))?;
            self.at += 1;
            if shift == 9 && byte > 1 {
                return Err(fail(PrescanErrorKind::Varint));
            }
            value |= u64::from(byte & 0x7f) << (7 * shift);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(fail(PrescanErrorKind::Varint))
    }
}
