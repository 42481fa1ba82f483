//! Makes broken texts out of good ones, the same ones for the same seed: lines and words are dropped, repeated, moved and
//! taken from another text, numbers become nasty ones, brackets nest, and now and then a byte is changed.

use super::mutator::Rng;

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "63",
    "64",
    "65536",
    "2147483648",
    "4294967296",
    "1152921504606846976",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e400",
    "-0.0",
    "nan",
    "inf",
];

/// A text in words: runs of letters, digits and `_ . %  @ $`, quoted strings, line ends, other characters one by one.
fn words(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || "_.%@$".contains(c);
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if first == ' ' {
            rest.find(|c| c != ' ').unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        found.push(&rest[..length]);
        rest = &rest[length..];
    }
    found
}

/// One broken variant of `good`; pieces of `other` may come in.
pub(crate) fn mutate(good: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=rng.below(4) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        bytes = match rng.below(8) {
            0..5 => change_words(&text, &String::from_utf8_lossy(other), rng),
            5..7 => change_lines(&text, &String::from_utf8_lossy(other), rng),
            _ => change_bytes(bytes, rng),
        };
    }
    bytes
}

fn change_words(text: &str, other: &str, rng: &mut Rng) -> Vec<u8> {
    let mut list = words(text);
    if list.is_empty() {
        return Vec::new();
    }
    let foreign = words(other);
    let at = rng.below(list.len());
    let from = rng.below(list.len());
    let solid =
        |list: &[&str], at: usize| (0..list.len()).map(|step| (at + step) % list.len()).find(|&i| list[i] != " ");
    let number = |list: &[&str]| {
        let is_number = |i: &usize| list[*i].starts_with(|c: char| c.is_ascii_digit());
        (0..list.len()).map(|step| (at + step) % list.len()).find(is_number)
    };
    match rng.below(8) {
        0 | 1 => {
            if let Some(at) = number(&list) {
                list[at] = *rng.pick(NUMBERS);
            }
        }
        2 => list[at] = list[solid(&list, from).unwrap_or(from)],
        3 => {
            list.remove(at);
        }
        4 => {
            let end = (at + 1 + rng.below(12)).min(list.len());
            let piece = list[at..end].to_vec();
            list.splice(from..from, piece);
        }
        5 if !foreign.is_empty() => {
            let start = rng.below(foreign.len());
            list[at] = foreign[solid(&foreign, start).unwrap_or(start)];
        }
        6 => {
            let mark = *rng.pick(&["(", "[", "{", "-", "floor(", ")", "]", "}"]);
            for _ in 0..1 << rng.below(12) {
                list.insert(at, mark);
            }
        }
        _ => {
            // One name everywhere for another.
            if let (Some(one), Some(two)) = (solid(&list, at), solid(&list, from)) {
                let (one, two) = (list[one], list[two]);
                list.iter_mut().filter(|word| **word == one).for_each(|word| *word = two);
            }
        }
    }
    list.concat().into_bytes()
}

fn change_lines(text: &str, other: &str, rng: &mut Rng) -> Vec<u8> {
    let mut list: Vec<&str> = text.split_inclusive('\n').collect();
    let foreign: Vec<&str> = other.split_inclusive('\n').collect();
    if list.is_empty() {
        return Vec::new();
    }
    let (at, to) = (rng.below(list.len()), rng.below(list.len()));
    match rng.below(4) {
        0 => {
            list.remove(at);
        }
        1 => list.insert(to, list[at]),
        2 => list.swap(at, to),
        _ if !foreign.is_empty() => list.insert(to, foreign[rng.below(foreign.len())]),
        _ => {}
    }
    list.concat().into_bytes()
}

fn change_bytes(mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    if !bytes.is_empty() {
        let at = rng.below(bytes.len());
        match rng.below(3) {
            0 => bytes[at] = rng.bits() as u8,
            1 => bytes.truncate(at),
            _ => bytes.insert(at, rng.bits() as u8),
        }
    }
    bytes
}
