//! Index arithmetic of the evaluator: row-major strides, walks over index tuples, copies of elements.

use crate::op::OpError;
use crate::tensor::Tensor;

/// Row-major strides of a shape, in elements. They saturate: beside an axis of size 0 the others can have any size.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// Strides with which a tensor of `shape` is read when it is broadcast to `to`: 0 along broadcast axes.
pub(crate) fn broadcast_strides(shape: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides(shape);
    let missing = to.len() - shape.len();
    (0..to.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(axis) if shape[axis] != 1 => own[axis],
            _ => 0,
        })
        .collect()
}

/// Calls `visit` with every index tuple of the shape in row-major order.
pub(crate) fn for_each(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    loop {
        visit(&index);
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Position of an index tuple under strides.
pub(crate) fn offset(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}

/// For every element of `to` in row-major order, the position of its source in a tensor of `shape` broadcast to it.
pub(crate) fn broadcast_positions(shape: &[usize], to: &[usize]) -> Vec<usize> {
    let strides = broadcast_strides(shape, to);
    let mut positions = Vec::new();
    for_each(to, |index| positions.push(offset(index, &strides)));
    positions
}

/// The tensor of that shape whose element at each index tuple is `x`'s element at the position that `source` gives.
pub(crate) fn pick(
    x: &Tensor,
    shape: &[usize],
    mut source: impl FnMut(&[usize]) -> usize,
) -> Result<Vec<Tensor>, OpError> {
    let size = x.dtype().size();
    let mut out = Vec::new();
    for_each(shape, |index| {
        let position = source(index);
        out.extend_from_slice(&x.bytes()[position * size..(position + 1) * size]);
    });
    from_bytes(x, shape, out)
}

/// A tensor of `x`'s element type over bytes that hold the right number of elements.
pub(crate) fn from_bytes(x: &Tensor, shape: &[usize], bytes: Vec<u8>) -> Result<Vec<Tensor>, OpError> {
    match Tensor::from_bytes(x.dtype(), shape, bytes.into()) {
        Some(tensor) => Ok(vec![tensor]),
        None => Err(OpError::unsupported(format!("a tensor of {shape:?} is too large to evaluate"))),
    }
}

/// The rows of a tensor along one axis: for each, the position of its first element and the step between elements.
pub(crate) struct Rows {
    /// Elements of a row.
    pub(crate) len: usize,
    /// Distance between the elements of a row.
    pub(crate) step: usize,
    /// Position of the first element of each row, in row-major order of the other axes.
    pub(crate) starts: Vec<usize>,
}

/// The rows of a tensor of `shape` along `axis`; none if the tensor is empty.
pub(crate) fn rows(shape: &[usize], axis: usize) -> Rows {
    let strides = strides(shape);
    let mut outer = shape.to_vec();
    let len = std::mem::replace(&mut outer[axis], 1);
    let mut starts = Vec::new();
    if len > 0 {
        for_each(&outer, |index| starts.push(offset(index, &strides)));
    }
    Rows { len, step: strides[axis], starts }
}
