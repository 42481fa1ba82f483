//! Sparse tensors, read as dense ones: the rest of the compiler has no sparse form.

use super::dtype;
use super::error::Problem;
use super::external::ExternalFiles;
use super::proto::SparseTensorProto;
use super::tensor::{Fault, TensorData, element_count, read_tensor};

/// Dense forms larger than this are refused, in bytes: a few bytes of file can ask for any size.
pub const MAX_DENSE: u64 = 256 << 20;

/// Reads `sparse` as a dense tensor named like its values, zero where it has none; errors name it as `place`.
pub fn read_sparse(sparse: &SparseTensorProto, place: &str, files: &ExternalFiles) -> Result<TensorData, Problem> {
    let part = |part: &Option<Box<_>>, name: &str| match part {
        Some(tensor) => read_tensor(tensor, &format!("{place}, {name}"), files),
        None => Err(Problem::invalid(place, format!("no {name}"))),
    };
    let values = part(&sparse.values, "values")?;
    let indices = part(&sparse.indices, "indices")?;
    densify(&sparse.dims, values, &indices).map_err(|fault| fault.at(place))
}

fn densify(dims: &[i64], values: TensorData, indices: &TensorData) -> Result<TensorData, Fault> {
    let elements = element_count(dims)?;
    let size = match dtype::bits(values.dtype_code) {
        Some(bits) if bits >= 8 => (bits / 8) as usize,
        _ => return Err(Fault::Unsupported("sparse tensors of strings or of types narrower than a byte".into())),
    };
    let bytes = elements.checked_mul(size as u64).filter(|bytes| *bytes <= MAX_DENSE);
    let bytes = bytes.ok_or_else(|| Fault::Unsupported(format!("a sparse tensor of shape {dims:?}, too large")))?;
    let count = values.elements();
    let rank = dims.len() as u64;
    let linear = match indices.dims[..] {
        [n] if n.unsigned_abs() == count => true,
        [n, r] if n.unsigned_abs() == count && r.unsigned_abs() == rank => false,
        _ => {
            let (values, indices) = (&values.dims, &indices.dims);
            return Err(Fault::Invalid(format!("values of shape {values:?} with indices of shape {indices:?}")));
        }
    };
    if values.dims.len() != 1 || indices.dtype_code != dtype::INT64 {
        return Err(Fault::Invalid("values must have one axis, and indices be int64".into()));
    }
    let indices = indices.to_i64s().unwrap_or_default();
    // At most `MAX_DENSE`, so it fits.
    let mut dense = vec![0; bytes as usize];
    let mut last = None;
    for (i, value) in values.bytes.chunks_exact(size).enumerate() {
        let at = if linear {
            u64::try_from(indices[i]).ok().filter(|at| *at < elements)
        } else {
            let index = &indices[i * dims.len()..][..dims.len()];
            // Within the dims, the linear index is below `elements`.
            let inside = index.iter().zip(dims).all(|(index, dim)| (0..*dim).contains(index));
            inside.then(|| index.iter().zip(dims).fold(0, |at, (index, dim)| at * dim + index).unsigned_abs())
        };
        let at = at.ok_or_else(|| Fault::Invalid(format!("index {i} lies outside shape {dims:?}")))?;
        if last.is_some_and(|last| last >= at) {
            return Err(Fault::Invalid(format!("index {i} is not larger than the one before")));
        }
        last = Some(at);
        dense[at as usize * size..][..size].copy_from_slice(value);
    }
    Ok(TensorData { dims: dims.to_vec(), bytes: dense.into(), ..values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::TensorProto;

    fn read(dims: &[i64], values: &[u8], shape: &[i64], indices: &[i64]) -> Result<Vec<u8>, String> {
        let bytes: Vec<u8> = indices.iter().flat_map(|i| i.to_le_bytes()).collect();
        let values = TensorProto::from_raw("s", dtype::UINT8, &[values.len() as i64], values.to_vec().into());
        let indices = TensorProto::from_raw("", dtype::INT64, shape, bytes.into());
        let sparse =
            SparseTensorProto { values: Some(Box::new(values)), indices: Some(Box::new(indices)), dims: dims.to_vec() };
        let data = read_sparse(&sparse, "s", &ExternalFiles::default());
        data.map(|data| data.bytes.to_vec()).map_err(|problem| problem.message)
    }

    #[test]
    fn both_forms_of_indices() {
        assert_eq!(read(&[2, 3], &[7, 8], &[2], &[1, 5]).unwrap(), [0, 7, 0, 0, 0, 8]);
        assert_eq!(read(&[2, 3], &[7, 8], &[2, 2], &[0, 1, 1, 2]).unwrap(), [0, 7, 0, 0, 0, 8]);
        assert_eq!(read(&[2], &[], &[0], &[]).unwrap(), [0, 0]);
    }

    #[test]
    fn wrong_indices_and_sizes() {
        for (dims, values, shape, indices, message) in [
            (&[2, 3][..], &[7][..], &[1][..], &[6][..], "outside"),
            (&[2, 3], &[7], &[1], &[-1], "outside"),
            (&[2, 3], &[7], &[1, 2], &[0, 3], "outside"),
            (&[2, 0], &[7], &[1, 2], &[0, 0], "outside"),
            (&[2, 3], &[7, 8], &[2], &[1, 1], "not larger"),
            (&[2, 3], &[7, 8], &[2], &[2, 1], "not larger"),
            (&[2, 3], &[7], &[2], &[1, 2], "with indices of shape"),
            (&[1 << 40], &[7], &[1], &[0], "too large"),
            (&[1 << 40, 1 << 40], &[7], &[1], &[0], "too large"),
            (&[-2], &[7], &[1], &[0], "negative"),
        ] {
            let error = read(dims, values, shape, indices).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
