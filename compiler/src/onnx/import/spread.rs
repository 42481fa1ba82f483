//! Operands that repeat where a size is 1, known only when the program is called. Without `--dynamic` two symbols that meet
//! in a broadcast are taken to be equal, which is what exporters mean by them and what keeps programs fast; with it each may
//! be 1, and the operand is spread to the size of both.

use lathe_ir::{Attr, Dim, OpCode, Shape};

use super::node::NodeCx;
use super::values::{R, Val};

impl NodeCx<'_, '_> {
    /// The operands of an op that broadcasts, spread where a size of an input may be 1.
    pub(super) fn spread(&mut self, code: OpCode, operands: &[Option<Val>]) -> R<Vec<Option<Val>>> {
        // Matrix products broadcast what is before the matrices.
        let fixed = match code {
            OpCode::MatMul => 2,
            _ if code.def().traits.elementwise => 0,
            _ => return Ok(operands.to_vec()),
        };
        let count = if fixed == 2 { 2 } else { operands.len() };
        let mut shapes = Vec::new();
        for operand in operands[..count.min(operands.len())].iter().flatten() {
            let shape = self.shape(*operand)?;
            let Some(leading) = shape.len().checked_sub(fixed) else { return Ok(operands.to_vec()) };
            shapes.push(shape[..leading].to_vec());
        }
        let rank = shapes.iter().map(Vec::len).max().unwrap_or(0);
        let mut target = vec![Dim::ONE; rank];
        for shape in &shapes {
            for (have, size) in target[rank - shape.len()..].iter_mut().zip(shape) {
                *have = self.common(have, size);
            }
        }
        let mut spread = operands.to_vec();
        for operand in spread[..count.min(operands.len())].iter_mut().flatten() {
            let shape = self.shape(*operand)?;
            let own = shape.len() - fixed;
            let wanted: Shape = target[rank - own..].iter().chain(&shape[own..]).cloned().collect();
            *operand = self.spread_to(*operand, &wanted)?;
        }
        Ok(spread)
    }

    /// The value with the wanted sizes, in so far as its own are plain symbols that may be 1; what has to be equal, and what
    /// is 1, stays. The wanted shape may have more axes in front.
    pub(super) fn spread_to(&mut self, val: Val, wanted: &[Dim]) -> R<Val> {
        let mut shape = self.shape(val)?;
        let Some(missing) = wanted.len().checked_sub(shape.len()).filter(|_| self.importer.is_dynamic) else {
            return Ok(val);
        };
        let mut either = Vec::new();
        for (axis, (have, want)) in shape.iter_mut().zip(&wanted[missing..]).enumerate() {
            if have != want && !want.is(1) && self.may_be_one(have) {
                either.push(axis as i64);
                *have = want.clone();
            }
        }
        if either.is_empty() {
            return Ok(val);
        }
        self.op(OpCode::Broadcast, &[val], &[("shape", Attr::Dims(shape)), ("either", Attr::Ints(either.into()))])
    }

    /// The size that two are spread to. Sizes with a symbol in common are left to be equal, unless one is the larger of the
    /// other and something else.
    fn common(&self, a: &Dim, b: &Dim) -> Dim {
        let covers = |a: &Dim, b: &Dim| {
            let all = a.candidates();
            b.candidates().iter().all(|dim| all.contains(dim))
        };
        if b.is(1) || covers(a, b) {
            return a.clone();
        }
        if a.is(1) || covers(b, a) {
            return b.clone();
        }
        let shared = a.symbols().iter().any(|symbol| b.symbols().contains(symbol));
        match (self.may_be_one(a), self.may_be_one(b)) {
            (true, true) => a.maximum(b),
            _ if shared => a.clone(),
            (true, false) if self.never_one(b) => b.clone(),
            (false, true) if self.never_one(a) => a.clone(),
            (true, false) | (false, true) => a.maximum(b),
            (false, false) => a.clone(),
        }
    }

    /// True for sizes of inputs by themselves, and the larger of such, if they may be 1.
    fn may_be_one(&self, dim: &Dim) -> bool {
        dim.candidates().iter().all(|dim| {
            let info = dim.as_symbol().and_then(|symbol| self.symbols().get(symbol));
            info.is_some_and(|info| !info.data_dependent && info.lo <= 1 && info.hi.is_none_or(|hi| hi > 1))
        })
    }

    fn never_one(&self, dim: &Dim) -> bool {
        dim.range(self.symbols()).0.is_some_and(|least| least > 1)
    }
}
