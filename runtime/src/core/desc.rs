//! The description of a compiled model: names, types, symbols, buffers, nodes, in one blob without pointers.
//!
//! Little-endian. Header of 64 bytes:
//!
//! | at | type | field |
//! |---|---|---|
//! | 0 | u64 | magic, `LATHEMDL` |
//! | 8 | u32 | version, 1 |
//! | 12 | u32 | lowest CPU tier ([`Tier`](super::tier::Tier)) |
//! | 16 | u64 | bytes of weights |
//! | 24 | u64 | [`weights_hash`] of them |
//! | 32 | u32 x 5 | counts: symbols, inputs, outputs, buffers, nodes |
//! | 52 | u32 | count of dimensions of all inputs and outputs |
//! | 56 | u32 | bytes of text |
//! | 60 | u32 | 0 |
//!
//! Then the tables, in this order (T is text: u32 offset and u32 length into the text, where a 0 byte follows):
//! symbols {T name, i64 lo, i64 hi}; inputs, then outputs {T name, u32 dtype, u32 rank, u32 first dimension, u32 0};
//! dimensions {i64, -1 where known at run time only}; buffers {u32 kind, u32 index, u32 element bytes, u32 0}; nodes
//! {T name, T op}, by node id; the text.

pub use super::dtype::DType;
use super::status::Code;

/// The first eight bytes.
pub const MAGIC: u64 = u64::from_le_bytes(*b"LATHEMDL");
/// The format described here.
pub const VERSION: u32 = 1;

const HEADER: usize = 64;
const SYMBOL: usize = 24;
const PORT: usize = 24;
const BUFFER: usize = 16;
const NODE: usize = 16;
/// Most dimensions of an input or output.
const MAX_RANK: u32 = 64;

/// Where a buffer's memory is. The index counts inputs, outputs or buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferKind {
    /// The caller's input.
    Input(u32),
    /// The caller's output.
    Output(u32),
    /// In the weights, at the offset that `plan` writes.
    Weights,
    /// In the arena, at the offset that `plan` writes.
    Arena,
    /// In another buffer, which is itself no alias, at the offset that `plan` writes.
    Alias(u32),
}

/// A size known only at run time, within `lo..=hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name in the model.
    pub name: &'a str,
    /// Smallest value.
    pub lo: i64,
    /// Largest value; `i64::MAX` if there is no bound.
    pub hi: i64,
}

/// An input or an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port<'a> {
    /// Its name in the model.
    pub name: &'a str,
    /// Element type.
    pub dtype: DType,
    /// Number of dimensions.
    pub rank: usize,
    /// Place of its first dimension among all dimensions of inputs and outputs.
    first: usize,
}

/// A node of the model, as error messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its name in the model.
    pub name: &'a str,
    /// Its operator.
    pub op: &'a str,
}

/// A checked description: every record of it can be read.
#[derive(Clone, Copy, Debug)]
pub struct Desc<'a> {
    bytes: &'a [u8],
    symbols: usize,
    inputs: usize,
    outputs: usize,
    buffers: usize,
    nodes: usize,
    /// Where the tables begin.
    at_ports: usize,
    at_dims: usize,
    at_buffers: usize,
    at_nodes: usize,
    at_text: usize,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl<'a> Desc<'a> {
    /// Reads and checks a description; anything that is not exactly one is [`Code::InvalidModel`].
    pub fn parse(bytes: &'a [u8]) -> Result<Desc<'a>, Code> {
        Self::layout(bytes).filter(|desc| desc.check().is_some()).ok_or(Code::InvalidModel)
    }

    fn layout(bytes: &'a [u8]) -> Option<Desc<'a>> {
        if u64_at(bytes, 0)? != MAGIC || u32_at(bytes, 8)? != VERSION || u32_at(bytes, 12)? > 2 {
            return None;
        }
        let count = |at: usize| u32_at(bytes, at).map(|count| count as usize);
        let (symbols, inputs, outputs) = (count(32)?, count(36)?, count(40)?);
        let (buffers, nodes, dims, text) = (count(44)?, count(48)?, count(52)?, count(56)?);
        // no overflow: counts are below 2^32 and usize has 64 bits
        let at_ports = HEADER + symbols * SYMBOL;
        let at_dims = at_ports + (inputs + outputs) * PORT;
        let at_buffers = at_dims + dims * 8;
        let at_nodes = at_buffers + buffers * BUFFER;
        let at_text = at_nodes + nodes * NODE;
        let desc =
            Desc { bytes, symbols, inputs, outputs, buffers, nodes, at_ports, at_dims, at_buffers, at_nodes, at_text };
        (at_text + text == bytes.len()).then_some(desc)
    }

    fn check(&self) -> Option<()> {
        for i in 0..self.symbols {
            let symbol = self.symbol(i)?;
            (symbol.lo <= symbol.hi).then_some(())?;
        }
        for i in 0..self.inputs + self.outputs {
            let port = self.port(i)?;
            for k in 0..port.rank {
                (self.dim(&port, k)? >= -1).then_some(())?;
            }
        }
        for i in 0..self.buffers {
            let known = match self.buffer(i)?.0 {
                BufferKind::Input(k) => (k as usize) < self.inputs,
                BufferKind::Output(k) => (k as usize) < self.outputs,
                BufferKind::Alias(j) => !matches!(self.buffer(j as usize)?.0, BufferKind::Alias(_)),
                BufferKind::Weights | BufferKind::Arena => true,
            };
            known.then_some(())?;
        }
        for i in 0..self.nodes {
            self.node(i)?;
        }
        Some(())
    }

    /// The text whose offset and length stand at `at`; a 0 byte follows it.
    fn text(&self, at: usize) -> Option<&'a str> {
        let (offset, len) = (u32_at(self.bytes, at)? as usize, u32_at(self.bytes, at + 4)? as usize);
        let with_end = self.bytes.get(self.at_text..)?.get(offset..)?.get(..len + 1)?;
        let (end, text) = with_end.split_last()?;
        core::str::from_utf8(text).ok().filter(|_| *end == 0)
    }

    /// The lowest CPU tier the model's code runs on, as a number.
    pub fn tier(&self) -> u32 {
        u32_at(self.bytes, 12).unwrap_or(u32::MAX)
    }

    /// Bytes of the weights.
    pub fn weights_len(&self) -> u64 {
        u64_at(self.bytes, 16).unwrap_or(u64::MAX)
    }

    /// [`weights_hash`] of the weights.
    pub fn weights_hash(&self) -> u64 {
        u64_at(self.bytes, 24).unwrap_or(0)
    }

    /// Number of symbols.
    pub fn symbols(&self) -> usize {
        self.symbols
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of buffers.
    pub fn buffers(&self) -> usize {
        self.buffers
    }

    /// Symbol `i`.
    pub fn symbol(&self, i: usize) -> Option<Symbol<'a>> {
        if i >= self.symbols {
            return None;
        }
        let at = HEADER + i * SYMBOL;
        let (lo, hi) = (u64_at(self.bytes, at + 8)? as i64, u64_at(self.bytes, at + 16)? as i64);
        Some(Symbol { name: self.text(at)?, lo, hi })
    }

    /// Input `i`, or output `i - inputs`.
    fn port(&self, i: usize) -> Option<Port<'a>> {
        if i >= self.inputs + self.outputs {
            return None;
        }
        let at = self.at_ports + i * PORT;
        let (dtype, rank) = (DType::from_code(u32_at(self.bytes, at + 8)?)?, u32_at(self.bytes, at + 12)?);
        let (first, rank_fits) = (u32_at(self.bytes, at + 16)? as usize, rank <= MAX_RANK);
        let rank = rank as usize;
        let dims_fit = first + rank <= (self.at_buffers - self.at_dims) / 8;
        (rank_fits && dims_fit).then_some(Port { name: self.text(at)?, dtype, rank, first })
    }

    /// Input `i`.
    pub fn input(&self, i: usize) -> Option<Port<'a>> {
        if i < self.inputs { self.port(i) } else { None }
    }

    /// Output `i`.
    pub fn output(&self, i: usize) -> Option<Port<'a>> {
        if i < self.outputs { self.port(self.inputs + i) } else { None }
    }

    /// Dimension `k` of a port: its size, or -1 where it is known at run time only.
    pub fn dim(&self, port: &Port<'a>, k: usize) -> Option<i64> {
        if k < port.rank { u64_at(self.bytes, self.at_dims + (port.first + k) * 8).map(|dim| dim as i64) } else { None }
    }

    /// Kind and element bytes of buffer `i`.
    pub fn buffer(&self, i: usize) -> Option<(BufferKind, usize)> {
        if i >= self.buffers {
            return None;
        }
        let at = self.at_buffers + i * BUFFER;
        let index = u32_at(self.bytes, at + 4)?;
        let kind = match u32_at(self.bytes, at)? {
            0 => BufferKind::Input(index),
            1 => BufferKind::Output(index),
            2 => BufferKind::Weights,
            3 => BufferKind::Arena,
            4 => BufferKind::Alias(index),
            _ => return None,
        };
        let element = u32_at(self.bytes, at + 8)? as usize;
        matches!(element, 1 | 2 | 4 | 8).then_some((kind, element))
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The node with id `i`.
    pub fn node(&self, i: usize) -> Option<Node<'a>> {
        if i >= self.nodes {
            return None;
        }
        let at = self.at_nodes + i * NODE;
        Some(Node { name: self.text(at)?, op: self.text(at + 8)? })
    }
}

/// A 64-bit hash of the weights, to notice that a file belongs to another model. Four lanes of eight bytes each.
pub fn weights_hash(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |lane: u64, word: u64| (lane ^ word).wrapping_mul(PRIME).rotate_left(29);
    let mut lanes = [1u64, 2, 3, 4].map(|i| i.wrapping_mul(PRIME));
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    }
    let mut hash = lanes.iter().fold(bytes.len() as u64, |hash, &lane| mix(hash, lane));
    for &byte in rest {
        hash = mix(hash, byte as u64);
    }
    hash ^ hash >> 32
}

#[cfg(feature = "std")]
pub use writer::DescBuilder;

#[cfg(feature = "std")]
mod writer {
    use super::*;
    use crate::core::tier::Tier;
    use std::string::String;
    use std::vec::Vec;

    impl BufferKind {
        const fn code(self) -> (u32, u32) {
            match self {
                BufferKind::Input(i) => (0, i),
                BufferKind::Output(i) => (1, i),
                BufferKind::Weights => (2, 0),
                BufferKind::Arena => (3, 0),
                BufferKind::Alias(j) => (4, j),
            }
        }
    }

    /// Writes a description. Add things in the order of their index; node ids are given out from 0.
    #[derive(Clone, Debug)]
    pub struct DescBuilder {
        tier: Tier,
        weights: (u64, u64),
        symbols: Vec<(String, i64, i64)>,
        inputs: Vec<(String, DType, Vec<i64>)>,
        outputs: Vec<(String, DType, Vec<i64>)>,
        buffers: Vec<(BufferKind, usize)>,
        nodes: Vec<(String, String)>,
    }

    impl DescBuilder {
        /// A description of code that needs `tier`.
        pub fn new(tier: Tier) -> DescBuilder {
            DescBuilder {
                tier,
                weights: (0, weights_hash(&[])),
                symbols: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                buffers: Vec::new(),
                nodes: Vec::new(),
            }
        }

        /// States length and [`weights_hash`] of the weights.
        pub fn weights(&mut self, len: u64, hash: u64) {
            self.weights = (len, hash);
        }

        /// Adds a symbol and returns its index.
        pub fn symbol(&mut self, name: &str, lo: i64, hi: i64) -> usize {
            self.symbols.push((name.into(), lo, hi));
            self.symbols.len() - 1
        }

        /// Adds an input, with -1 for dimensions known at run time only, and returns its index.
        pub fn input(&mut self, name: &str, dtype: DType, dims: &[i64]) -> usize {
            self.inputs.push((name.into(), dtype, dims.into()));
            self.inputs.len() - 1
        }

        /// Adds an output, with -1 for dimensions known at run time only, and returns its index.
        pub fn output(&mut self, name: &str, dtype: DType, dims: &[i64]) -> usize {
            self.outputs.push((name.into(), dtype, dims.into()));
            self.outputs.len() - 1
        }

        /// Adds a buffer and returns its index. An alias of an alias is recorded as one of the latter's root (`plan` writes
        /// the offset within the root).
        pub fn buffer(&mut self, kind: BufferKind, element_bytes: usize) -> usize {
            let kind = match kind {
                BufferKind::Alias(j) => match self.buffers.get(j as usize) {
                    Some(&(BufferKind::Alias(root), _)) => BufferKind::Alias(root),
                    _ => kind,
                },
                _ => kind,
            };
            self.buffers.push((kind, element_bytes));
            self.buffers.len() - 1
        }

        /// Adds a node and returns its id.
        pub fn node(&mut self, name: &str, op: &str) -> usize {
            self.nodes.push((name.into(), op.into()));
            self.nodes.len() - 1
        }

        /// The blob, checked by the reader. A name with a 0 byte in it is cut there.
        pub fn finish(&self) -> Result<Vec<u8>, Code> {
            let (mut head, mut dims, mut text) = (Vec::new(), Vec::new(), Vec::new());
            let mut first = 0u32;
            let mut name = |out: &mut Vec<u8>, name: &str| {
                let name = name.split('\0').next().unwrap_or("");
                out.extend((text.len() as u32).to_le_bytes());
                out.extend((name.len() as u32).to_le_bytes());
                text.extend(name.as_bytes());
                text.push(0);
            };
            let mut tables = Vec::new();
            for (symbol, lo, hi) in &self.symbols {
                name(&mut tables, symbol);
                tables.extend(lo.to_le_bytes());
                tables.extend(hi.to_le_bytes());
            }
            for (port, dtype, port_dims) in self.inputs.iter().chain(&self.outputs) {
                name(&mut tables, port);
                for field in [*dtype as u32, port_dims.len() as u32, first, 0] {
                    tables.extend(field.to_le_bytes());
                }
                first += port_dims.len() as u32;
                dims.extend(port_dims.iter().flat_map(|dim| dim.to_le_bytes()));
            }
            tables.append(&mut dims);
            for (kind, bytes) in &self.buffers {
                let (kind, index) = kind.code();
                for field in [kind, index, *bytes as u32, 0] {
                    tables.extend(field.to_le_bytes());
                }
            }
            for (node, op) in &self.nodes {
                name(&mut tables, node);
                name(&mut tables, op);
            }
            head.extend(MAGIC.to_le_bytes());
            head.extend(VERSION.to_le_bytes());
            head.extend((self.tier as u32).to_le_bytes());
            head.extend(self.weights.0.to_le_bytes());
            head.extend(self.weights.1.to_le_bytes());
            let counts = [&self.symbols.len(), &self.inputs.len(), &self.outputs.len(), &self.buffers.len()];
            for count in counts.into_iter().chain([&self.nodes.len(), &(first as usize), &text.len(), &0]) {
                head.extend(u32::try_from(*count).map_err(|_| Code::InvalidModel)?.to_le_bytes());
            }
            head.append(&mut tables);
            head.append(&mut text);
            Desc::parse(&head).map(|_| ())?;
            Ok(head)
        }
    }
}
