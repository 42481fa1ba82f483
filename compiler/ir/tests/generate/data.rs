//! Ops whose results have sizes that data decide.

use super::{Case, Rng, case, dims, int};
use lathe_ir::{Attr, DType, Dim, OpCode, Symbol, Tensor};

/// Operands and attributes of `data_size`, `non_zero`, `unique` or `nms`.
pub(super) fn op(code: OpCode, dtype: DType, rng: &mut Rng) -> Case {
    match code {
        OpCode::DataSize => {
            let value = Tensor::from_i64(DType::I64, &[], &[rng.below(9) as i64]);
            case(vec![value], vec![("size", Attr::dims([Dim::symbol(&Symbol::new("size"))]))])
        }
        OpCode::NonZero => {
            let shape = rng.shape(1, 3);
            let x = rng.tensor(dtype, &shape);
            case(vec![x], vec![])
        }
        OpCode::Unique => {
            let shape = rng.shape(1, 3);
            let axis = rng.below(shape.len());
            let attrs = vec![("axis", int(axis)), ("sorted", Attr::Bool(rng.flag()))];
            case(vec![rng.tensor(dtype, &shape)], attrs)
        }
        OpCode::Nms => {
            let [batches, classes, count] = [0; 3].map(|_| rng.within(0, 3));
            let mut operands = vec![
                rng.tensor(DType::F32, &[batches, count, 4]),
                rng.tensor(DType::F32, &[batches, classes, count]),
                Tensor::from_i64(DType::I64, &[], &[rng.below(5) as i64 - 1]),
                rng.tensor(DType::F32, &[]),
            ];
            if rng.flag() {
                operands.push(rng.tensor(DType::F32, &[]));
            }
            case(operands, vec![("center", Attr::Bool(rng.flag())), ("most", dims(&[rng.below(4)]))])
        }
        _ => unreachable!("an op of this file"),
    }
}
