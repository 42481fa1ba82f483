//! Short forms of the ops that decompositions are made of.

use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

use super::node::NodeCx;
use super::values::{R, Val};

impl NodeCx<'_, '_> {
    /// a + b
    pub(super) fn add(&mut self, a: Val, b: Val) -> R<Val> {
        self.op(OpCode::Add, &[a, b], &[])
    }

    /// a - b
    pub(super) fn sub(&mut self, a: Val, b: Val) -> R<Val> {
        self.op(OpCode::Sub, &[a, b], &[])
    }

    /// a * b
    pub(super) fn mul(&mut self, a: Val, b: Val) -> R<Val> {
        self.op(OpCode::Mul, &[a, b], &[])
    }

    /// a / b
    pub(super) fn div(&mut self, a: Val, b: Val) -> R<Val> {
        self.op(OpCode::Div, &[a, b], &[])
    }

    /// a + value, of a's element type.
    pub(super) fn plus(&mut self, a: Val, value: f64) -> R<Val> {
        let value = self.scalar(self.dtype(a)?, value);
        self.add(a, value)
    }

    /// a * value, of a's element type; `a` itself for 1.
    pub(super) fn times(&mut self, a: Val, value: f64) -> R<Val> {
        if value == 1.0 {
            return Ok(a);
        }
        let value = self.scalar(self.dtype(a)?, value);
        self.mul(a, value)
    }

    /// min(max(a, low), high)
    pub(super) fn clamp(&mut self, a: Val, low: Val, high: Val) -> R<Val> {
        let raised = self.op(OpCode::Max, &[a, low], &[])?;
        self.op(OpCode::Min, &[raised, high], &[])
    }

    /// An op on one operand.
    pub(super) fn apply(&mut self, code: OpCode, x: Val) -> R<Val> {
        self.op(code, &[x], &[])
    }

    /// a < b
    pub(super) fn lt(&mut self, a: Val, b: Val) -> R<Val> {
        self.op(OpCode::Lt, &[a, b], &[])
    }

    /// a <= b
    pub(super) fn le(&mut self, a: Val, b: Val) -> R<Val> {
        self.op(OpCode::Le, &[a, b], &[])
    }

    /// a and b
    pub(super) fn both(&mut self, a: Val, b: Val) -> R<Val> {
        self.op(OpCode::And, &[a, b], &[])
    }

    /// `yes` where the condition holds, else `no`.
    pub(super) fn select(&mut self, condition: Val, yes: Val, no: Val) -> R<Val> {
        self.op(OpCode::Where, &[condition, yes, no], &[])
    }

    /// A scalar i64.
    pub(super) fn whole(&mut self, value: i64) -> Val {
        self.constant("", Tensor::from_i64(DType::I64, &[], &[value]))
    }

    /// A dimension as a scalar of that type.
    pub(super) fn dim_scalar(&mut self, dim: &Dim, dtype: DType) -> R<Val> {
        let list = self.dims_val(std::slice::from_ref(dim))?;
        let scalar = self.reshape(list, [])?;
        self.cast(scalar, dtype)
    }

    /// A reduction over some axes.
    pub(super) fn along(&mut self, code: OpCode, x: Val, axes: &[i64], keepdims: bool) -> R<Val> {
        self.op(code, &[x], &[("axes", Attr::ints(axes)), ("keepdims", keepdims.into())])
    }

    /// The elements at indices along one axis; the shape of `indices` takes its place.
    pub(super) fn gather(&mut self, x: Val, indices: Val, axis: i64) -> R<Val> {
        self.op(OpCode::Gather, &[x, indices], &[("axis", Attr::Int(axis))])
    }

    /// A value with further axes of size 1 at the end.
    pub(super) fn with_trailing(&mut self, x: Val, count: usize) -> R<Val> {
        let shape = self.shape(x)?;
        self.reshape(x, shape.into_iter().chain(std::iter::repeat_n(Dim::ONE, count)))
    }

    /// A list (of one axis) laid along axis `axis` of a tensor of `rank` axes.
    pub(super) fn laid_along(&mut self, list: Val, axis: usize, rank: usize) -> R<Val> {
        let shape = self.shape(list)?;
        let size = Dim::product_of(&shape);
        self.reshape(list, (0..rank).map(|at| if at == axis { size.clone() } else { Dim::ONE }))
    }
}
