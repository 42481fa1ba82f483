//! Weights as the program reads them: raw, or packed for a micro-kernel at compile time.
//!
//! Each form of a weight is stored once. The forms are laid out one after the other, 64-byte aligned, in the order of
//! first use; the bytes are made when the artifact is written, so that packed copies of a large model need not all be
//! in memory.

use lathe_ir::{DType, Tensor};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Alignment of every weight in bytes.
pub const ALIGN: u64 = 64;

/// A stored form of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeightId(u32);

/// How the bytes of a stored form follow from a tensor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// As they are.
    Raw,
    /// f32 matrices [batch.., k, n] in column panels of 16: [batch][ceil(n/16)][k][16], zero padded. The source has the
    /// given strides for k and n, and begins at element `start`.
    Panels { start: usize, batch: usize, batch_stride: usize, k: usize, n: usize, k_stride: usize, n_stride: usize },
    /// f32 convolution weights [m, c, taps] per group as [groups][ceil(m/16)][taps][c][16], zero padded.
    Conv { groups: usize, m: usize, c: usize, taps: usize },
    /// f32 depthwise weights [c, taps] as [taps][c].
    Depthwise { c: usize, taps: usize },
    /// f32 convolution weights [m, c, 3, 3] transformed for Winograd's F(4x4, 3x3), as 36 matrices [c, m] in column panels.
    Winograd { m: usize, c: usize },
}

#[derive(Clone, Debug)]
struct Entry {
    tensor: Tensor,
    form: Form,
    offset: u64,
    bytes: u64,
}

/// All stored forms.
#[derive(Clone, Debug, Default)]
pub struct WeightTable {
    entries: Vec<Entry>,
    // By sample and form, then by contents: which constants share memory depends on how the module came to be, and the
    // program must not.
    found: BTreeMap<(u64, Form), Vec<WeightId>>,
    total: u64,
}

/// Most stored forms of one sample that are compared whole with a new one: a file made to fool the sample costs no more.
const COMPARED: usize = 16;

/// A number that equal contents share, from the length and about 64 places.
fn sample(bytes: &[u8]) -> u64 {
    // Odd, for bytes of every place in an element.
    let step = (bytes.len() / 64) | 1;
    let places = bytes.iter().step_by(step).chain(bytes.last());
    // FNV-1a.
    places.fold(bytes.len() as u64 ^ 0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl WeightTable {
    /// The tensor as it is.
    pub fn raw(&mut self, tensor: &Tensor) -> WeightId {
        self.add(tensor, Form::Raw, tensor.bytes().len() as u64)
    }

    /// f32 matrices packed in column panels of 16; `start`, `k_stride` and `n_stride` in elements of the tensor.
    pub fn panels(
        &mut self,
        tensor: &Tensor,
        start: usize,
        batch: (usize, usize),
        (k, n): (usize, usize),
        (k_stride, n_stride): (usize, usize),
    ) -> WeightId {
        let (batch, batch_stride) = batch;
        let bytes = (batch * n.div_ceil(16) * 16 * k * 4) as u64;
        self.add(tensor, Form::Panels { start, batch, batch_stride, k, n, k_stride, n_stride }, bytes)
    }

    /// f32 convolution weights packed for the direct convolution.
    pub fn conv(&mut self, tensor: &Tensor, groups: usize, m: usize, c: usize, taps: usize) -> WeightId {
        let bytes = (groups * m.div_ceil(16) * 16 * c * taps * 4) as u64;
        self.add(tensor, Form::Conv { groups, m, c, taps }, bytes)
    }

    /// f32 depthwise weights, channels last.
    pub fn depthwise(&mut self, tensor: &Tensor, c: usize, taps: usize) -> WeightId {
        self.add(tensor, Form::Depthwise { c, taps }, (c * taps * 4) as u64)
    }

    /// f32 weights of a 3x3 convolution, transformed for `wino_in_f32` and `wino_out_f32`: 36 matrices as in `panels`.
    pub fn winograd(&mut self, tensor: &Tensor, m: usize, c: usize) -> WeightId {
        self.add(tensor, Form::Winograd { m, c }, (36 * m.div_ceil(16) * 16 * c * 4) as u64)
    }

    fn add(&mut self, tensor: &Tensor, form: Form, bytes: u64) -> WeightId {
        let source = tensor.bytes();
        let entries = &mut self.entries;
        let equal = |id: &WeightId| {
            let other = entries[id.0 as usize].tensor.bytes();
            (source.as_ptr(), source.len()) == (other.as_ptr(), other.len()) || source == other
        };
        let ids = self.found.entry((sample(source), form.clone())).or_default();
        if let Some(id) = ids.iter().rev().take(COMPARED).copied().find(equal) {
            return id;
        }
        let id = WeightId(entries.len() as u32);
        let offset = self.total.next_multiple_of(ALIGN);
        entries.push(Entry { tensor: tensor.clone(), form, offset, bytes });
        self.total = offset + bytes;
        ids.push(id);
        id
    }

    /// Name and byte offset of a stored form.
    pub fn place(&self, id: WeightId) -> (String, i64) {
        (format!("w{}", id.0), self.entries[id.0 as usize].offset as i64)
    }

    /// Bytes of all stored forms.
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// Writes all stored forms in order.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut at = 0;
        for entry in &self.entries {
            let zeros = [0u8; ALIGN as usize];
            out.write_all(&zeros[..(entry.offset - at) as usize])?;
            entry.write(out)?;
            at = entry.offset + entry.bytes;
        }
        Ok(())
    }
}

impl Entry {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let source = self.tensor.bytes();
        let at = |index: usize| -> [u8; 4] {
            let start = index * 4;
            [source[start], source[start + 1], source[start + 2], source[start + 3]]
        };
        match self.form {
            Form::Raw => out.write_all(source),
            Form::Panels { start, batch, batch_stride, k, n, k_stride, n_stride } => {
                let mut panel = vec![0u8; k * 64];
                for matrix in 0..batch {
                    for first in (0..n).step_by(16) {
                        let width = (n - first).min(16);
                        if width < 16 {
                            panel.fill(0);
                        }
                        for row in 0..k {
                            let from = start + matrix * batch_stride + row * k_stride + first * n_stride;
                            let to = &mut panel[row * 64..row * 64 + width * 4];
                            if n_stride == 1 {
                                to.copy_from_slice(&source[from * 4..(from + width) * 4]);
                            } else {
                                for (column, element) in to.chunks_exact_mut(4).enumerate() {
                                    element.copy_from_slice(&at(from + column * n_stride));
                                }
                            }
                        }
                        out.write_all(&panel)?;
                    }
                }
                Ok(())
            }
            Form::Conv { groups, m, c, taps } => {
                let mut panel = vec![0u8; taps * c * 64];
                for group in 0..groups {
                    for first in (0..m).step_by(16) {
                        let width = (m - first).min(16);
                        panel.fill(0);
                        for tap in 0..taps {
                            for channel in 0..c {
                                for lane in 0..width {
                                    let from = ((group * m + first + lane) * c + channel) * taps + tap;
                                    let to = ((tap * c + channel) * 16 + lane) * 4;
                                    panel[to..to + 4].copy_from_slice(&at(from));
                                }
                            }
                        }
                        out.write_all(&panel)?;
                    }
                }
                Ok(())
            }
            Form::Depthwise { c, taps } => {
                let mut row = vec![0u8; c * 4];
                for tap in 0..taps {
                    for (channel, element) in row.chunks_exact_mut(4).enumerate() {
                        element.copy_from_slice(&at(channel * taps + tap));
                    }
                    out.write_all(&row)?;
                }
                Ok(())
            }
            Form::Winograd { m, c } => {
                let weight = |index: usize| f64::from(f32::from_le_bytes(at(index)));
                let mut panel = vec![0u8; c * 64];
                for plane in 0..36 {
                    for first in (0..m).step_by(16) {
                        panel.fill(0);
                        for channel in 0..c {
                            for lane in 0..(m - first).min(16) {
                                let kernel = ((first + lane) * c + channel) * 9;
                                let value = transformed(plane, |tap| weight(kernel + tap)) as f32;
                                let to = (channel * 16 + lane) * 4;
                                panel[to..to + 4].copy_from_slice(&value.to_le_bytes());
                            }
                        }
                        out.write_all(&panel)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Element `plane` of 6x6 of a 3x3 kernel transformed for F(4x4, 3x3), rounded once when it is stored.
fn transformed(plane: usize, weight: impl Fn(usize) -> f64) -> f64 {
    const G: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let (row, column) = (&G[plane / 6], &G[plane % 6]);
    (0..9).map(|tap| row[tap / 3] * column[tap % 3] * weight(tap)).sum()
}

/// True if the packed forms, which are f32 only, can be made of the tensor.
pub fn can_pack(tensor: &Tensor) -> bool {
    tensor.dtype() == DType::F32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(table: &WeightTable) -> Vec<f32> {
        let mut bytes = Vec::new();
        table.write(&mut bytes).expect("writes to memory");
        assert_eq!(bytes.len() as u64, table.total_bytes());
        bytes.chunks_exact(4).map(|raw| f32::from_le_bytes(raw.try_into().expect("four bytes"))).collect()
    }

    #[test]
    fn panels_are_16_wide_and_padded() {
        let mut table = WeightTable::default();
        // Twice: what a tensor holds counts, not where it lies.
        for _ in 0..2 {
            let tensor = Tensor::from_f32(&[2, 17], &(0..34).map(|v| v as f32).collect::<Vec<_>>());
            table.panels(&tensor, 0, (1, 0), (2, 17), (17, 1));
        }
        let packed = floats(&table);
        assert_eq!(packed.len(), 2 * 2 * 16);
        assert_eq!(
            (packed[0], packed[15], packed[16], packed[32], packed[33], packed[48]),
            (0., 15., 17., 16., 0., 33.)
        );
    }

    #[test]
    fn conv_and_depthwise_are_channels_last() {
        // [m = 2, c = 3, taps = 2]
        let tensor = Tensor::from_f32(&[2, 3, 2], &(0..12).map(|v| v as f32).collect::<Vec<_>>());
        let mut table = WeightTable::default();
        table.conv(&tensor, 1, 2, 3, 2);
        let packed = floats(&table);
        assert_eq!(packed[..2], [0., 6.]);
        assert_eq!(packed[16..18], [2., 8.]);
        assert_eq!(packed[3 * 16..3 * 16 + 2], [1., 7.]);
        let mut table = WeightTable::default();
        table.depthwise(&tensor, 6, 2);
        assert_eq!(floats(&table), [0., 2., 4., 6., 8., 10., 1., 3., 5., 7., 9., 11.]);
    }

    #[test]
    fn winograd_transforms_each_kernel() {
        // [m = 1, c = 2, 3, 3]: a kernel with its middle alone, and one of ones.
        let mut values = vec![0.0; 18];
        values[4] = 36.0;
        values[9..].fill(1.0);
        let mut table = WeightTable::default();
        table.winograd(&Tensor::from_f32(&[1, 2, 3, 3], &values), 1, 2);
        let packed = floats(&table);
        assert_eq!(packed.len(), 36 * 2 * 16);
        let at = |plane: usize, channel: usize| packed[(plane * 2 + channel) * 16];
        // G[1][1] = -1/6, G[2][1] = 1/6, G[3][1] = 1/12; the sums of G's rows are 1/4, -1/2, -1/6, 7/24, 1/8, 1.
        assert_eq!((at(0, 0), at(7, 0), at(8, 0), at(21, 0)), (0.0, 1.0, -1.0, 0.25));
        assert_eq!((at(0, 1), at(1, 1), at(35, 1)), (1.0 / 16.0, -1.0 / 8.0, 1.0));
        assert!(packed.iter().skip(1).step_by(16).all(|&value| value == 0.0));
    }
}
