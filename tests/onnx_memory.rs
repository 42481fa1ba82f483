//! Small files that would decode to large memory: the peak stays below the file's size plus 1 GiB.
//!
//! One test in a binary of its own, because it counts the allocations of the whole process.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

#[path = "fuzz/allocator.rs"]
mod allocator;

use lathe_compiler::onnx::OnnxFile;
use prost::encoding::{WireType, encode_key, encode_varint};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// `content` as the field `tag` of a message that has nothing else.
fn wrap(tag: u32, content: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 16);
    encode_key(tag, WireType::LengthDelimited, &mut out);
    encode_varint(content.len() as u64, &mut out);
    out.extend(content);
    out
}

fn repeat(piece: &[u8], count: usize) -> Vec<u8> {
    piece.repeat(count)
}

/// Field numbers from the model down to the place of the bomb.
fn nested(path: &[u32], content: Vec<u8>) -> Vec<u8> {
    path.iter().rev().fold(content, |content, tag| wrap(*tag, content))
}

#[test]
fn peak_memory_is_bounded() {
    const M: usize = 1 << 20;
    let mut named = Vec::new();
    for i in 0..M - 10 {
        // A node with one output of a name of its own: the most expensive thing for validation.
        let name = [i as u8 & 63 | 64, (i >> 6) as u8 & 63 | 64, (i >> 12) as u8 & 63 | 64, (i >> 18) as u8 | 64];
        named.extend(wrap(1, wrap(2, name.to_vec())));
    }
    let entry = [0x0a, 1, b'k', 0x12, 1, b'v'];
    let cases: Vec<(&str, Vec<u8>, Option<bool>)> = vec![
        ("nodes", nested(&[7], repeat(&[0x0a, 0], 5 * M)), Some(false)),
        ("initializers", nested(&[7], repeat(&[0x2a, 0], 5 * M)), Some(false)),
        ("inputs of the graph", nested(&[7], repeat(&[0x5a, 0], 5 * M)), Some(false)),
        ("attributes", nested(&[7, 1], repeat(&[0x2a, 0], 5 * M)), Some(false)),
        ("graphs of an attribute", nested(&[7, 1, 5], repeat(&[0x5a, 0], 5 * M)), Some(false)),
        ("functions", repeat(&[0xca, 0x01, 0], 4 * M), Some(false)),
        ("metadata", repeat(&[0x72, 0], 16 * M), Some(false)),
        ("metadata with text", nested(&[], repeat(&wrap(14, entry.to_vec()), 4 * M)), Some(false)),
        ("names", nested(&[7, 1], repeat(&[0x0a, 0], 5 * M)), None),
        ("ints, packed", nested(&[7, 1, 5], wrap(8, repeat(&[0], 10 * M))), None),
        ("ints, not packed", nested(&[7, 1, 5], repeat(&[0x40, 0], 5 * M)), None),
        ("sizes", nested(&[7, 5], wrap(1, repeat(&[0], 10 * M))), None),
        ("many small tensors", nested(&[7], repeat(&wrap(5, wrap(7, vec![0])), 4 * M)), Some(false)),
        ("int64_data", nested(&[7, 5], wrap(7, repeat(&[0], 100 * M))), Some(false)),
        ("int64_data in pieces", nested(&[7, 5], repeat(&[0x3a, 1, 0], 5 * M)), None),
        ("sequence types", nested(&[7], repeat(&wrap(11, vec![0x12, 2, 0x22, 0]), M)), None),
        ("named nodes", nested(&[7], named), None),
    ];
    for (name, file, accepted_by_prescan) in cases {
        let size = file.len();
        let bytes = bytes::Bytes::from(file);
        let scan = lathe_compiler::onnx::prescan::scan(&bytes, lathe_compiler::onnx::prescan::Root::Model);
        if let Some(accepted) = accepted_by_prescan {
            assert_eq!(scan.is_ok(), accepted, "{name}: {scan:?}");
        }
        let before = allocator::begin();
        let result = OnnxFile::from_bytes(bytes);
        let peak = allocator::peak(before);
        if let Ok(file) = &result {
            for tensor in &file.graph().initializer {
                let _ = file.tensor(tensor);
            }
        }
        let peak = peak.max(allocator::peak(before));
        assert!(peak <= size + (1 << 30), "{name}: {size} bytes took {peak} bytes");
        if let Ok(summary) = scan {
            assert!(peak as u64 <= summary.memory * 2 + (64 << 20), "{name}: counted {summary:?}, took {peak}");
        }
    }
}
