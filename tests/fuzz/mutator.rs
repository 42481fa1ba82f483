//! Makes broken ONNX files out of good ones, the same ones for the same seed.
//!
//! Half of the mutations know the wire format: the file is taken apart into fields, one field anywhere in the tree is
//! changed (a number to a nasty one, a length to a lie, a string to another string of the file, a message copied,
//! dropped, moved or nested into itself), and the file is put together again with right lengths elsewhere. That gets
//! past the decoder into validation. The other half flips, cuts and repeats bytes.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

/// A small generator (xorshift64*), so that runs do not depend on a crate's version.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator for `seed`.
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.bits() >> 16) as usize % end
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// One broken variant of `good`.
pub(crate) fn mutate(good: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=rng.below(3) {
        bytes = match rng.below(2) {
            0 => mutate_fields(&bytes, rng),
            _ => mutate_bytes(bytes, rng),
        };
    }
    bytes
}

/// A variant of `good` that is still a message: one number or string is another, or one field comes from `other`, or is
/// gone. Most of these get past the decoder, and some through the whole way.
pub(crate) fn mutate_gently(good: &[u8], other: &[u8], words: &[&str], rng: &mut Rng) -> Vec<u8> {
    let Some(mut fields) = parse(good, 12) else { return mutate(good, rng) };
    let mut all = Vec::new();
    paths(&fields, &mut Vec::new(), &mut all);
    if all.is_empty() {
        return mutate(good, rng);
    }
    for _ in 0..=rng.below(2) {
        // Fields far down in the tree are the most, and leaves are what a gentle change is about.
        let path = rng.pick(&all).clone();
        let source = rng.pick(&all).clone();
        let same = get(&mut fields, &source).clone();
        let field = get(&mut fields, &path);
        match (&mut field.value, rng.below(4)) {
            (Value::Varint(value), 0 | 1) => *value = *rng.pick(&[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, u64::MAX]),
            (Value::Varint(value), _) => *value = value.wrapping_add(rng.below(3) as u64).wrapping_sub(1),
            (Value::Bytes(old), 0) if is_word(old) && !words.is_empty() => *old = rng.pick(words).as_bytes().to_vec(),
            (Value::Bytes(old), 1) if !old.is_empty() => {
                let at = rng.below(old.len());
                old[at] = rng.bits() as u8;
            }
            (Value::Bytes(old), _) => {
                if let Value::Bytes(new) = same.value {
                    *old = new;
                }
            }
            (Value::Message(_), choice @ (0 | 1)) => {
                let new = if choice == 0 { Some(same).filter(|same| same.tag == field.tag) } else { None };
                if let Some(new) = new.or_else(|| field_of(other, field.tag, rng)) {
                    *field = new;
                }
                break; // the paths are no longer right
            }
            (Value::Fixed32(value), _) => *value = (rng.bits() as u32).to_le_bytes(),
            _ if all.len() > 1 => {
                let (list, index) = parent(&mut fields, &path);
                match rng.below(3) {
                    0 => {
                        list.remove(index);
                    }
                    1 => list.insert(index, list[index].clone()),
                    _ => {
                        let to = rng.below(list.len());
                        list.swap(index, to);
                    }
                }
                break; // the paths are no longer right
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    write(&fields, &mut out);
    out
}

/// Whether bytes look like a name.
fn is_word(bytes: &[u8]) -> bool {
    (1..40).contains(&bytes.len()) && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// A field of that number somewhere in another file.
fn field_of(bytes: &[u8], tag: u64, rng: &mut Rng) -> Option<Field> {
    let mut fields = parse(bytes, 12)?;
    let mut all = Vec::new();
    paths(&fields, &mut Vec::new(), &mut all);
    let mut fitting: Vec<Field> = Vec::new();
    for path in all {
        let field = get(&mut fields, &path);
        if field.tag == tag && fitting.len() < 200 {
            fitting.push(field.clone());
        }
    }
    (!fitting.is_empty()).then(|| rng.pick(&fitting).clone())
}

/// Smaller variants of a file: each lacks a field, the largest first.
pub(crate) fn smaller(bytes: &[u8]) -> Vec<Vec<u8>> {
    let Some(mut fields) = parse(bytes, 12) else { return Vec::new() };
    let mut all = Vec::new();
    paths(&fields, &mut Vec::new(), &mut all);
    all.sort_by_key(|path| std::cmp::Reverse(size(get(&mut fields, path))));
    let without = |path: &Vec<usize>| {
        let mut fields = fields.clone();
        let (list, index) = parent(&mut fields, path);
        list.remove(index);
        let mut out = Vec::new();
        write(&fields, &mut out);
        out
    };
    all.iter().take(2_000).map(without).collect()
}

const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    7,
    8,
    11,
    127,
    128,
    255,
    65_535,
    1 << 31,
    (1 << 32) - 1,
    1 << 60,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
    u64::MAX - 1,
];

fn mutate_bytes(mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    if bytes.is_empty() {
        return vec![rng.bits() as u8];
    }
    let at = rng.below(bytes.len());
    match rng.below(6) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = *rng.pick(&[0, 1, 0x7f, 0x80, 0xff]),
        2 => bytes.truncate(at),
        3 => {
            bytes.remove(at);
        }
        4 => bytes.insert(at, rng.bits() as u8),
        _ => {
            let end = (at + rng.below(64)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = rng.below(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
    bytes
}

#[derive(Clone, Debug)]
enum Value {
    Varint(u64),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
    /// Bytes whose length is written wrong.
    Lie(u64, Vec<u8>),
}

#[derive(Clone, Debug)]
struct Field {
    tag: u64,
    value: Value,
}

fn read_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in 0..10 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << (7 * shift);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Takes a message apart; `None` if it is none. What looks like a message inside is taken for one, down to `depth`.
fn parse(bytes: &[u8], depth: usize) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let key = read_varint(bytes, &mut at)?;
        let value = match key & 7 {
            0 => Value::Varint(read_varint(bytes, &mut at)?),
            1 => {
                let number = bytes.get(at..at + 8)?.try_into().ok()?;
                at += 8;
                Value::Fixed64(number)
            }
            5 => {
                let number = bytes.get(at..at + 4)?.try_into().ok()?;
                at += 4;
                Value::Fixed32(number)
            }
            2 => {
                let len = usize::try_from(read_varint(bytes, &mut at)?).ok()?;
                let inner = bytes.get(at..at.checked_add(len)?)?;
                at += len;
                match parse(inner, depth.saturating_sub(1)) {
                    Some(fields) if depth > 0 && !inner.is_empty() => Value::Message(fields),
                    _ => Value::Bytes(inner.to_vec()),
                }
            }
            _ => return None,
        };
        if key >> 3 == 0 {
            return None;
        }
        fields.push(Field { tag: key >> 3, value });
    }
    Some(fields)
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write(fields: &[Field], out: &mut Vec<u8>) {
    for field in fields {
        let (wire, len, bytes) = match &field.value {
            Value::Varint(_) => (0, 0, Vec::new()),
            Value::Fixed64(number) => (1, 0, number.to_vec()),
            Value::Fixed32(number) => (5, 0, number.to_vec()),
            Value::Bytes(bytes) => (2, bytes.len() as u64, bytes.clone()),
            Value::Lie(len, bytes) => (2, *len, bytes.clone()),
            Value::Message(inner) => {
                let mut bytes = Vec::new();
                write(inner, &mut bytes);
                (2, bytes.len() as u64, bytes)
            }
        };
        put_varint(field.tag << 3 | wire, out);
        match field.value {
            Value::Varint(number) => put_varint(number, out),
            _ if wire == 2 => put_varint(len, out),
            _ => {}
        }
        out.extend(bytes);
    }
}

/// Paths to all fields: indices from the root down.
fn paths(fields: &[Field], here: &mut Vec<usize>, out: &mut Vec<Vec<usize>>) {
    for (i, field) in fields.iter().enumerate() {
        here.push(i);
        out.push(here.clone());
        if let Value::Message(inner) = &field.value {
            paths(inner, here, out);
        }
        here.pop();
    }
}

/// The list a path's field is in, and its index there.
fn parent<'a>(mut fields: &'a mut Vec<Field>, path: &[usize]) -> (&'a mut Vec<Field>, usize) {
    let (last, way) = path.split_last().unwrap();
    for index in way {
        let Value::Message(inner) = &mut fields[*index].value else { unreachable!() };
        fields = inner;
    }
    (fields, *last)
}

fn get<'a>(fields: &'a mut Vec<Field>, path: &[usize]) -> &'a mut Field {
    let (list, index) = parent(fields, path);
    &mut list[index]
}

fn mutate_fields(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let Some(mut fields) = parse(bytes, 12) else { return mutate_bytes(bytes.to_vec(), rng) };
    let mut all = Vec::new();
    paths(&fields, &mut Vec::new(), &mut all);
    if all.is_empty() {
        return mutate_bytes(bytes.to_vec(), rng);
    }
    let path = rng.pick(&all).clone();
    let source = rng.pick(&all).clone();
    let other = get(&mut fields, &source).clone();
    let (list, index) = parent(&mut fields, &path);
    match rng.below(9) {
        0 => {
            list.remove(index);
        }
        1 => {
            let copy = list[index].clone();
            list.insert(index, copy);
        }
        2 => list[index].value = other.value,
        3 => {
            let to = rng.below(list.len());
            list.swap(index, to);
        }
        4 => list[index].tag = *rng.pick(&[1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 20, 21, 25, 1 << 28]),
        5 => list.insert(index, other),
        6 => {
            // Into itself, a few times.
            for _ in 0..=rng.below(40) {
                let inner = list[index].clone();
                if let Value::Message(fields) = &mut list[index].value {
                    fields.push(inner);
                }
                if size(&list[index]) > 1 << 16 {
                    break;
                }
            }
        }
        _ => mutate_value(&mut list[index].value, rng),
    }
    let mut out = Vec::new();
    write(&fields, &mut out);
    out
}

fn size(field: &Field) -> usize {
    let mut out = Vec::new();
    write(std::slice::from_ref(field), &mut out);
    out.len()
}

fn mutate_value(value: &mut Value, rng: &mut Rng) {
    *value = match std::mem::replace(value, Value::Varint(0)) {
        Value::Varint(old) => Value::Varint(match rng.below(4) {
            0 => old.wrapping_add(1),
            1 => old.wrapping_sub(1),
            _ => *rng.pick(NUMBERS),
        }),
        Value::Fixed32(_) => Value::Fixed32((rng.bits() as u32).to_le_bytes()),
        Value::Fixed64(_) => Value::Fixed64(rng.bits().to_le_bytes()),
        Value::Bytes(old) | Value::Lie(_, old) => match rng.below(3) {
            0 => Value::Lie(*rng.pick(NUMBERS), old),
            1 => Value::Bytes(Vec::new()),
            _ => Value::Bytes(mutate_bytes(old, rng)),
        },
        Value::Message(fields) => {
            let mut bytes = Vec::new();
            write(&fields, &mut bytes);
            match rng.below(3) {
                0 => Value::Lie(*rng.pick(NUMBERS), bytes),
                1 => Value::Message(Vec::new()),
                _ => Value::Bytes(mutate_bytes(bytes, rng)),
            }
        }
    };
}
