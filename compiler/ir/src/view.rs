//! Views: how a value lies in the memory of the value that owns it.
//!
//! Transposes, slices, broadcasts and most reshapes cost nothing: they are another set of strides over the same memory.
//! Strides are [`Dim`]s, in elements, so that equality of symbolic strides can be told. The plan lays values out by this,
//! and prices ask it what costs nothing.

use crate::dim::Dim;
use crate::graph::ValueId;
use crate::ops::repeats;

/// Where the elements of a value are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The value that owns the memory.
    pub root: ValueId,
    /// Position of the first element, in elements of the root.
    pub offset: Dim,
    /// Sizes, outermost first.
    pub shape: Vec<Dim>,
    /// Distance between neighbours along each axis, in elements; 0 along broadcast axes.
    pub strides: Vec<Dim>,
}

/// Row-major strides of a shape.
pub fn row_major(shape: &[Dim]) -> Vec<Dim> {
    let mut strides = vec![Dim::ONE; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = &strides[axis] * &shape[axis];
    }
    strides
}

impl View {
    /// A value that owns its memory, row major.
    pub fn contiguous(root: ValueId, shape: &[Dim]) -> View {
        View { root, offset: Dim::ZERO, shape: shape.to_vec(), strides: row_major(shape) }
    }

    /// A value that owns its memory, dense, with its axes stored in the given order, outermost first.
    pub fn ordered(root: ValueId, shape: &[Dim], order: &[usize]) -> View {
        let stored: Vec<Dim> = order.iter().map(|&axis| shape[axis].clone()).collect();
        let mut strides = vec![Dim::ONE; shape.len()];
        for (&axis, stride) in order.iter().zip(row_major(&stored)) {
            strides[axis] = stride;
        }
        View { root, offset: Dim::ZERO, shape: shape.to_vec(), strides }
    }

    /// True if the elements lie row major without gaps (the offset does not matter).
    pub fn is_contiguous(&self) -> bool {
        let mut expected = Dim::ONE;
        for (size, stride) in self.shape.iter().zip(&self.strides).rev() {
            if !size.is(1) {
                if *stride != expected {
                    return false;
                }
                expected = &expected * size;
            }
        }
        true
    }

    /// True if neighbours along the last axis are neighbours in memory.
    pub fn has_dense_rows(&self) -> bool {
        match (self.shape.last(), self.strides.last()) {
            (Some(size), Some(stride)) => size.is(1) || stride.is(1),
            _ => true,
        }
    }

    /// Axes from outermost to innermost in memory, if the view is dense under some order of its axes.
    pub fn dense_order(&self) -> Option<Vec<usize>> {
        let mut order = Vec::new();
        let mut left: Vec<usize> = (0..self.shape.len()).filter(|&axis| !self.shape[axis].is(1)).collect();
        let mut expected = Dim::ONE;
        while !left.is_empty() {
            let at = left.iter().rposition(|&axis| self.strides[axis] == expected)?;
            let axis = left.remove(at);
            expected = &expected * &self.shape[axis];
            order.push(axis);
        }
        order.reverse();
        // Axes of size 1 may stand anywhere; in front they disturb nothing.
        let mut all: Vec<usize> = (0..self.shape.len()).filter(|&axis| self.shape[axis].is(1)).collect();
        all.extend(order);
        Some(all)
    }

    /// Result axis i is axis perm[i].
    pub fn transpose(&self, perm: &[i64]) -> View {
        let pick = |from: &[Dim]| perm.iter().map(|&axis| from[axis as usize].clone()).collect();
        View { root: self.root, offset: self.offset.clone(), shape: pick(&self.shape), strides: pick(&self.strides) }
    }

    /// Element i along an axis is element start + i * step.
    pub fn slice(&self, starts: &[Dim], sizes: &[Dim], steps: &[i64]) -> View {
        let mut view = self.clone();
        for axis in 0..self.shape.len() {
            view.offset = &view.offset + &(&starts[axis] * &self.strides[axis]);
            view.strides[axis] = &self.strides[axis] * &Dim::from(steps[axis]);
            view.shape[axis] = sizes[axis].clone();
        }
        view
    }

    /// Numpy broadcasting to a shape; along the axes in `either` whether the size is 1 is known at run time only.
    pub fn broadcast(&self, shape: &[Dim], either: &[i64]) -> View {
        let missing = shape.len() - self.shape.len();
        let strides = (0..shape.len())
            .map(|axis| match axis.checked_sub(missing) {
                Some(own) if either.contains(&(axis as i64)) => &self.strides[own] * &repeats(&self.shape[own]),
                Some(own) if !self.shape[own].is(1) || shape[axis].is(1) => self.strides[own].clone(),
                _ => Dim::ZERO,
            })
            .collect();
        View { root: self.root, offset: self.offset.clone(), shape: shape.to_vec(), strides }
    }

    /// The same elements in row-major order under another shape; `None` if that needs a copy.
    pub fn reshape(&self, shape: &[Dim]) -> Option<View> {
        if self.is_contiguous() {
            let strides = row_major(shape);
            return Some(View { root: self.root, offset: self.offset.clone(), shape: shape.to_vec(), strides });
        }
        // Match runs of axes with equal products; within a run the old axes must merge into one.
        let old: Vec<usize> = (0..self.shape.len()).filter(|&axis| !self.shape[axis].is(1)).collect();
        let mut strides = vec![Dim::ZERO; shape.len()];
        let mut new_axis = 0;
        let mut at = 0;
        while at < old.len() {
            let first = at;
            let mut product = self.shape[old[at]].clone();
            at += 1;
            let new_first = new_axis;
            let mut new_product = Dim::ONE;
            loop {
                if new_product == product {
                    break;
                }
                let next_old = old.get(at).map(|&axis| &product * &self.shape[axis]);
                // Grow the new run while it divides the old one, else the old run.
                if new_axis < shape.len() && divides(&(&new_product * &shape[new_axis]), &product) {
                    new_product = &new_product * &shape[new_axis];
                    new_axis += 1;
                } else if let Some(longer) = next_old {
                    product = longer;
                    at += 1;
                } else {
                    return None;
                }
            }
            for pair in old[first..at].windows(2) {
                if self.strides[pair[0]] != &self.strides[pair[1]] * &self.shape[pair[1]] {
                    return None;
                }
            }
            let mut stride = self.strides[old[at - 1]].clone();
            for axis in (new_first..new_axis).rev() {
                strides[axis] = stride.clone();
                stride = &stride * &shape[axis];
            }
        }
        if shape[new_axis..].iter().any(|size| !size.is(1)) {
            return None;
        }
        Some(View { root: self.root, offset: self.offset.clone(), shape: shape.to_vec(), strides })
    }

    /// Largest and smallest position touched are not tracked; views come from checked ops only.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
}

/// True if `part` divides `whole` exactly in normal form.
fn divides(part: &Dim, whole: &Dim) -> bool {
    if part.is(0) {
        return false;
    }
    let quotient = whole.floor_div(part);
    !quotient.is_overflow() && &quotient * part == *whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dim::Symbol;

    fn dims(sizes: &[i64]) -> Vec<Dim> {
        sizes.iter().map(|&size| Dim::from(size)).collect()
    }

    #[test]
    fn heads_split_and_merge_without_a_copy() {
        let n = Dim::symbol(&Symbol::new("N"));
        let x = View::contiguous(ValueId(0), &[n.clone(), Dim::from(128), Dim::from(768)]);
        let heads = x.reshape(&[n.clone(), Dim::from(128), Dim::from(12), Dim::from(64)]).expect("splits");
        let q = heads.transpose(&[0, 2, 1, 3]);
        assert_eq!(q.strides, [Dim::from(128 * 768), Dim::from(64), Dim::from(768), Dim::ONE]);
        assert!(!q.is_contiguous() && q.has_dense_rows());
        assert_eq!(q.dense_order(), Some(vec![0, 2, 1, 3]));
        let back = q.transpose(&[0, 2, 1, 3]).reshape(&x.shape).expect("merges");
        assert_eq!(back, x);
        assert_eq!(q.reshape(&[n, Dim::from(12 * 128), Dim::from(64)]), None);
    }

    #[test]
    fn slices_and_broadcasts() {
        let x = View::contiguous(ValueId(0), &dims(&[4, 6]));
        let part = x.slice(&dims(&[1, 5]), &dims(&[2, 3]), &[1, -2]);
        assert_eq!((part.offset.clone(), part.strides.clone()), (Dim::from(11), dims(&[6, -2])));
        assert_eq!(
            x.slice(&dims(&[1, 0]), &dims(&[2, 6]), &[1, 1]).reshape(&dims(&[12])).map(|v| v.strides),
            Some(dims(&[1]))
        );
        let wide = View::contiguous(ValueId(0), &dims(&[6])).broadcast(&dims(&[4, 6]), &[]);
        assert_eq!(wide.strides, dims(&[0, 1]));
    }
}
