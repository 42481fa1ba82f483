//! `.lathe` files: loaded at once, and refused when damaged.

use crate::case::{Case, MATMUL, digits, from_text, images, images_and_logits};
use lathe_compiler::artifact::{WeightsAt, lathe_file};
use std::fs;
use std::time::Instant;

#[test]
fn lathe_files_run_and_damaged_ones_are_refused() {
    let (case, compiled) = (Case::new(), digits());
    let (_, logits) = images_and_logits(&case, &compiled);
    let path = case.write(&compiled, "digits.lathe", WeightsAt::Inside);
    let started = Instant::now();
    let mut loaded = lathe_file::load(&path, 1).unwrap();
    let load = started.elapsed();
    assert!(loaded.run(&[images()]).unwrap()[0].bytes()[..] == logits[..]);
    println!("loaded in {:.3} ms", load.as_secs_f64() * 1e3);
    drop(loaded);
    let info = lathe_file::verify(&path, None).unwrap();
    assert!(info.abi_fits && info.code_bytes == compiled.code.bytes.len() as u64);
    assert_eq!(info.weight_bytes, compiled.weights.total_bytes());

    let good = fs::read(&path).unwrap();
    let damaged = case.at("damaged.lathe");
    let u64_at = |at: usize| u64::from_le_bytes(good[at..at + 8].try_into().unwrap()) as usize;
    let (code, description, weights) = (u64_at(48), u64_at(72), u64_at(96));
    let ranges = [0..152, code..code + u64_at(56), description..description + u64_at(80)];
    let places: Vec<usize> = ranges.into_iter().flat_map(|range| range.step_by(97)).chain(0..152).collect();
    for &at in &places {
        for mask in [1, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= mask;
            fs::write(&damaged, &bytes).unwrap();
            assert!(lathe_file::load(&damaged, 1).is_err(), "byte {at}");
        }
    }
    for length in (0..300).chain((300..good.len()).step_by(good.len() / 50)).chain([good.len() - 1]) {
        fs::write(&damaged, &good[..length]).unwrap();
        assert!(lathe_file::load(&damaged, 1).is_err(), "cut to {length} bytes");
    }
    fs::write(&damaged, [&good[..], b"x"].concat()).unwrap();
    assert!(lathe_file::load(&damaged, 1).is_err(), "one byte more");
    // Weights are looked at only when asked for.
    let mut bytes = good.clone();
    bytes[weights + 100] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    lathe_file::load(&damaged, 1).unwrap();
    assert!(lathe_file::verify(&damaged, None).is_err());
    assert!(lathe_file::load(case.dir.path(), 1).is_err() && lathe_file::load(&case.at("none"), 1).is_err());
    println!("{} damaged files refused", places.len() * 3);
}

/// Headers with a right hash and wrong fields: what a bug, not an accident, would write.
#[test]
fn headers_are_checked_beyond_their_hash() {
    let case = Case::new();
    let path = case.write(&from_text(MATMUL), "matmul.lathe", WeightsAt::Inside);
    let good = fs::read(&path).unwrap();
    for at in (8..144).step_by(4) {
        for value in [0u32, 1, 0x7fff_ffff, 0xffff_ffff] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            if bytes == good {
                continue;
            }
            let hash = xxhash_rust::xxh3::xxh3_64(&bytes[..144]);
            bytes[144..152].copy_from_slice(&hash.to_le_bytes());
            fs::write(&path, &bytes).unwrap();
            // An entry elsewhere in the code, or another hash of the weights, cannot be told from right ones.
            let open = (32..44).contains(&at) && value < 2 || (112..144).contains(&at);
            assert!(lathe_file::load(&path, 1).is_err() || open, "{value:#x} at byte {at}");
        }
    }
}
