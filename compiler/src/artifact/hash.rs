//! Hashes the weights while they are written, so that they are made once and never all in memory.

use std::io::{self, Write};

const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
const BLOCK: usize = 32;

fn mix(lane: u64, word: u64) -> u64 {
    (lane ^ word).wrapping_mul(PRIME).rotate_left(29)
}

/// Passes bytes on and computes the runtime's `weights_hash` of them.
pub(super) struct HashWriter<W> {
    inner: W,
    lanes: [u64; 4],
    /// Bytes that do not fill a block yet.
    rest: [u8; BLOCK],
    filled: usize,
    count: u64,
}

impl<W: Write> HashWriter<W> {
    pub(super) fn new(inner: W) -> HashWriter<W> {
        let lanes = [1u64, 2, 3, 4].map(|i| i.wrapping_mul(PRIME));
        HashWriter { inner, lanes, rest: [0; BLOCK], filled: 0, count: 0 }
    }

    /// Number of bytes and their hash.
    pub(super) fn finish(self) -> (u64, u64) {
        let mut hash = self.lanes.iter().fold(self.count, |hash, &lane| mix(hash, lane));
        for &byte in &self.rest[..self.filled] {
            hash = mix(hash, u64::from(byte));
        }
        (self.count, hash ^ hash >> 32)
    }

    fn add(&mut self, mut bytes: &[u8]) {
        self.count += bytes.len() as u64;
        if self.filled > 0 {
            let take = bytes.len().min(BLOCK - self.filled);
            self.rest[self.filled..self.filled + take].copy_from_slice(&bytes[..take]);
            self.filled += take;
            bytes = &bytes[take..];
            if self.filled < BLOCK {
                return;
            }
            let block = self.rest;
            self.block(&block);
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            self.block(block);
        }
        self.rest[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    fn block(&mut self, block: &[u8; BLOCK]) {
        for (lane, word) in self.lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    }
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.add(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_runtime::core::desc::weights_hash;

    #[test]
    fn pieces_of_any_size_give_the_runtimes_hash() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * 31 % 251) as u8).collect();
        for length in [0, 1, 31, 32, 33, 64, 100, 1000] {
            for piece in [1, 7, 32, 33, 64, 1000] {
                let mut writer = HashWriter::new(Vec::new());
                for part in bytes[..length].chunks(piece) {
                    writer.write_all(part).unwrap();
                }
                assert_eq!(writer.finish(), (length as u64, weights_hash(&bytes[..length])));
            }
        }
    }
}
