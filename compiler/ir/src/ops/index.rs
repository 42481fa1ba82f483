//! Index arithmetic of the evaluator: row-major strides and walks over index tuples.

/// Row-major strides of a shape, in elements.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
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

/// Copies elements of `size` bytes from the given source positions.
pub(crate) fn take(bytes: &[u8], size: usize, positions: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut out = Vec::new();
    for position in positions {
        out.extend_from_slice(&bytes[position * size..(position + 1) * size]);
    }
    out
}
