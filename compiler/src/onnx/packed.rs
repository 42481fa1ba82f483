//! Between ONNX's tensors, which hold elements of less than 8 bits packed, and the IR's, in which each takes a byte.
//!
//! Packed elements follow each other from the lowest bit of the first byte on; bits left over in the last byte are 0.

use bytes::Bytes;
use lathe_ir::narrow::low_bits;
use lathe_ir::{DType, Tensor};

use super::proto::TensorProto;
use super::tensor::TensorData;

impl TensorData {
    /// The tensor of the IR; `None` for strings and complex numbers.
    pub fn to_ir(&self) -> Option<Tensor> {
        let dtype = DType::from_onnx_code(self.dtype_code)?;
        let shape: Vec<usize> = self.dims.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<_>>()?;
        let elements = match dtype.bits() {
            2..8 => unpacked(dtype, &self.bytes, usize::try_from(self.elements()).ok()?)?,
            _ => self.bytes.clone(),
        };
        Tensor::from_bytes(dtype, &shape, elements)
    }

    /// What a file holds of a tensor.
    pub fn of_ir(name: &str, tensor: &Tensor) -> TensorData {
        let bytes = match tensor.dtype().bits() {
            2..8 => packed(tensor.dtype(), tensor.bytes()),
            _ => tensor.bytes().clone(),
        };
        TensorData {
            name: name.to_owned(),
            dtype_code: tensor.dtype().onnx_code(),
            dims: tensor.shape().iter().map(|&size| size as i64).collect(),
            bytes,
            strings: Vec::new(),
        }
    }
}

/// The message for a tensor of the IR; bytes that need no packing are shared, not copied.
pub fn proto_of_ir(name: &str, tensor: &Tensor) -> TensorProto {
    let data = TensorData::of_ir(name, tensor);
    TensorProto::from_raw(&data.name, data.dtype_code, &data.dims, data.bytes)
}

/// `count` elements out of packed ones; `None` if there are not as many.
fn unpacked(dtype: DType, packed: &[u8], count: usize) -> Option<Bytes> {
    let bits = dtype.bits() as usize;
    if count.checked_mul(bits)?.div_ceil(8) != packed.len() {
        return None;
    }
    let element = |index: usize| {
        let (byte, shift) = (index * bits / 8, index * bits % 8);
        // An element of 6 bits may reach into the next byte.
        let next = packed.get(byte + 1).copied().unwrap_or(0);
        low_bits(dtype, (u16::from_le_bytes([packed[byte], next]) >> shift) as u8)
    };
    Some((0..count).map(element).collect())
}

fn packed(dtype: DType, elements: &[u8]) -> Bytes {
    let bits = dtype.bits() as usize;
    let mut bytes = vec![0u8; (elements.len() * bits).div_ceil(8) + 1];
    for (index, &element) in elements.iter().enumerate() {
        let (byte, shift) = (index * bits / 8, index * bits % 8);
        let code = u16::from(element & ((1 << bits) - 1)) << shift;
        let [low, high] = code.to_le_bytes();
        bytes[byte] |= low;
        bytes[byte + 1] |= high;
    }
    bytes.pop();
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_packed_from_the_lowest_bit_on() {
        let cases: [(DType, &[i64], &[u8]); 6] = [
            (DType::U4, &[1, 2, 15], &[0x21, 0x0f]),
            (DType::I4, &[-1, 7, -8], &[0x7f, 0x08]),
            (DType::U2, &[0, 1, 2, 3, 3], &[0b1110_0100, 0b11]),
            (DType::I2, &[-1, 1, -2], &[0b0010_0111]),
            (DType::U8, &[1, 255], &[1, 255]),
            (DType::I4, &[], &[]),
        ];
        for (dtype, values, bytes) in cases {
            let tensor = Tensor::from_i64(dtype, &[values.len()], values);
            let data = TensorData::of_ir("x", &tensor);
            assert_eq!(&data.bytes[..], bytes, "{dtype}");
            assert_eq!(data.to_ir(), Some(tensor), "{dtype}");
        }
        let codes: Vec<u8> = vec![1, 2, 3, 63, 32];
        let tensor = Tensor::from_bytes(DType::F6E3M2, &[5], codes.into()).unwrap();
        let data = TensorData::of_ir("x", &tensor);
        assert_eq!(&data.bytes[..], [0b1000_0001, 0b0011_0000, 0b1111_1100, 32]);
        assert_eq!(data.to_ir(), Some(tensor));
        let short = TensorData { bytes: Bytes::from_static(&[0; 3]), ..data };
        assert_eq!(short.to_ir(), None);
    }
}
