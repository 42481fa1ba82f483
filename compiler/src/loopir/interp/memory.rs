//! Memory of the interpreter: byte arrays, and regions of them that pointers cannot leave.

use crate::loopir::types::Type;

/// A value of any scalar type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value {
    /// Integer or bool, sign- or zero-extended from its type; `U64` as its bits.
    Int(i64),
    /// `F32`.
    F32(f32),
    /// `F64`.
    F64(f64),
    /// Bits of an `F16` or `BF16`.
    Half(u16),
    /// Address with the region it belongs to.
    Ptr(Pointer),
}

impl Value {
    /// The integer, if it is one.
    pub fn int(self) -> Option<i64> {
        match self {
            Value::Int(v) => Some(v),
            _ => None,
        }
    }
}

/// An address: a region and a byte offset from its start, which may lie outside of it until it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pointer {
    /// Region; `None` is null.
    pub region: Option<u32>,
    /// Byte offset.
    pub offset: i64,
}

impl Pointer {
    /// The null pointer.
    pub const NULL: Pointer = Pointer { region: None, offset: 0 };
}

/// A part of an object.
#[derive(Clone, Debug)]
pub struct Region {
    /// Name for messages.
    pub name: String,
    /// Object it lies in.
    pub object: usize,
    /// First byte in the object.
    pub base: usize,
    /// Bytes.
    pub len: usize,
    /// Whether stores are allowed.
    pub writable: bool,
}

/// Objects and regions.
#[derive(Default, Debug)]
pub struct Memory {
    /// Byte arrays.
    pub objects: Vec<Vec<u8>>,
    /// Regions, by the index in [`Pointer::region`].
    pub regions: Vec<Region>,
}

impl Memory {
    /// Adds an object with one region over all of it; gives the region.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>, writable: bool) -> u32 {
        let (object, len) = (self.objects.len(), bytes.len());
        self.objects.push(bytes);
        self.regions.push(Region { name: name.to_owned(), object, base: 0, len, writable });
        self.regions.len() as u32 - 1
    }

    /// The object and the byte range of an access, when it is allowed.
    fn locate(&self, p: Pointer, bytes: i64, write: bool) -> Result<(usize, std::ops::Range<usize>), String> {
        let Some(region) = p.region.and_then(|r| self.regions.get(r as usize)) else {
            return Err(if p.region.is_none() {
                "access through a null pointer".to_owned()
            } else {
                "access to scratch of a tile that is over".to_owned()
            });
        };
        let end = p.offset.checked_add(bytes);
        if p.offset < 0 || bytes < 0 || end.is_none_or(|e| e > region.len as i64) {
            return Err(format!(
                "access to bytes {}..{} of {}, which has {}",
                p.offset,
                p.offset.wrapping_add(bytes),
                region.name,
                region.len
            ));
        }
        if write && !region.writable {
            return Err(format!("store to {}, which is read only", region.name));
        }
        let start = region.base + p.offset as usize;
        Ok((region.object, start..start + bytes as usize))
    }

    /// The bytes at an address.
    pub fn read(&self, p: Pointer, bytes: i64) -> Result<&[u8], String> {
        let (object, range) = self.locate(p, bytes, false)?;
        Ok(&self.objects[object][range])
    }

    /// The bytes at an address, for writing.
    pub fn write(&mut self, p: Pointer, bytes: i64) -> Result<&mut [u8], String> {
        let (object, range) = self.locate(p, bytes, true)?;
        Ok(&mut self.objects[object][range])
    }

    /// Reads an element.
    pub fn load(&self, p: Pointer, ty: Type) -> Result<Value, String> {
        let bytes = self.read(p, ty.size())?;
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        Ok(from_bits(ty, bits))
    }

    /// Writes an element.
    pub fn store(&mut self, p: Pointer, ty: Type, value: Value) -> Result<(), String> {
        let bits = to_bits(value).to_le_bytes();
        let size = ty.size();
        self.write(p, size)?.copy_from_slice(&bits[..size as usize]);
        Ok(())
    }
}

/// The value with these bits in memory.
pub(super) fn from_bits(ty: Type, bits: u64) -> Value {
    match ty {
        Type::F32 => Value::F32(f32::from_bits(bits as u32)),
        Type::F64 => Value::F64(f64::from_bits(bits)),
        Type::F16 | Type::BF16 => Value::Half(bits as u16),
        _ => Value::Int(ty.wrap(bits as i64)),
    }
}

/// The bits of a value in memory (low bytes); pointers have none.
pub(super) fn to_bits(value: Value) -> u64 {
    match value {
        Value::Int(v) => v as u64,
        Value::F32(v) => v.to_bits() as u64,
        Value::F64(v) => v.to_bits(),
        Value::Half(v) => v as u64,
        Value::Ptr(_) => 0,
    }
}
