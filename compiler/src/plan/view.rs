//! Loop nests over views ([`lathe_ir::view`]).

use lathe_ir::Dim;
pub use lathe_ir::view::{View, row_major};

/// A loop nest over several operands: axes of size 1 dropped, neighbouring axes merged where every operand allows it.
#[derive(Clone, Debug)]
pub struct Nest {
    /// Sizes, outermost first; empty for one element.
    pub sizes: Vec<Dim>,
    /// Strides of each operand along those axes.
    pub strides: Vec<Vec<Dim>>,
}

impl Nest {
    /// A nest over the given axes order.
    pub fn new(shape: &[Dim], order: &[usize], operands: &[&[Dim]]) -> Nest {
        let mut nest = Nest { sizes: Vec::new(), strides: vec![Vec::new(); operands.len()] };
        for &axis in order.iter().filter(|&&axis| !shape[axis].is(1)) {
            let merges = !nest.sizes.is_empty()
                && operands.iter().zip(&nest.strides).all(|(operand, merged)| {
                    merged.last().is_some_and(|outer| *outer == &operand[axis] * &shape[axis])
                });
            if merges {
                if let Some(last) = nest.sizes.last_mut() {
                    *last = &*last * &shape[axis];
                }
                for (operand, merged) in operands.iter().zip(&mut nest.strides) {
                    if let Some(last) = merged.last_mut() {
                        *last = operand[axis].clone();
                    }
                }
            } else {
                nest.sizes.push(shape[axis].clone());
                for (operand, merged) in operands.iter().zip(&mut nest.strides) {
                    merged.push(operand[axis].clone());
                }
            }
        }
        nest
    }

    /// Splits off the innermost axis: its size and every operand's stride along it (1 and 0 for one element).
    pub fn split_inner(mut self) -> (Nest, Dim, Vec<Dim>) {
        match self.sizes.pop() {
            Some(size) => {
                let inner = self.strides.iter_mut().map(|strides| strides.pop().unwrap_or(Dim::ZERO)).collect();
                (self, size, inner)
            }
            None => {
                let inner = vec![Dim::ZERO; self.strides.len()];
                (self, Dim::ONE, inner)
            }
        }
    }

    /// Number of index tuples.
    pub fn count(&self) -> Dim {
        Dim::product_of(&self.sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_ir::ValueId;

    fn dims(sizes: &[i64]) -> Vec<Dim> {
        sizes.iter().map(|&size| Dim::from(size)).collect()
    }

    #[test]
    fn axes_merge_where_every_operand_allows_it() {
        let x = View::contiguous(ValueId(0), &dims(&[4, 6]));
        let wide = View::contiguous(ValueId(0), &dims(&[6])).broadcast(&dims(&[4, 6]), &[]);
        let nest = Nest::new(&dims(&[4, 6]), &[0, 1], &[&x.strides, &wide.strides]);
        assert_eq!(nest.sizes, dims(&[4, 6]));
        let nest = Nest::new(&dims(&[4, 6]), &[0, 1], &[&x.strides, &x.strides]);
        assert_eq!(nest.sizes, dims(&[24]));
    }
}
