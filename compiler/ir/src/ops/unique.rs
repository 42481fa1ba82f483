//! `unique(x) {axis, sorted}`: the different slices of a tensor. ONNX: Unique.

use super::{arg, check, index};
use crate::attr::{Attr, AttrKind};
use crate::dtype::DType;
use crate::op::{OpDef, PLAIN, Types, attr, attr_or, operand};
use crate::tensor::Tensor;
use crate::types::TensorType;
use std::cmp::Ordering;

pub(super) const UNIQUE: OpDef = OpDef {
    name: "unique",
    operands: &[operand("x")],
    attrs: &[attr("axis", AttrKind::Int), attr_or("sorted", AttrKind::Bool, || Attr::Bool(true))],
    traits: PLAIN,
    infer: |cx| {
        let axis = check::axis(cx)?;
        check::computed(cx, 0)?;
        let vector = TensorType::new(DType::I64, [cx.operand(0).shape[axis].clone()]);
        Ok(Types::from_iter([vector.clone(), vector.clone(), vector, TensorType::new(DType::I64, [])]))
    },
    eval: |cx| {
        let (x, axis, length) = (cx.operand(0), cx.int("axis") as usize, cx.result_shape(0)?[0]);
        let rows = index::rows(x.shape(), axis);
        let compare = |i: usize, j: usize| {
            let differ = |start: &usize| match arg::compare(x, start + i * rows.step, start + j * rows.step) {
                Ordering::Equal => None,
                order => Some(order),
            };
            rows.starts.iter().find_map(differ).unwrap_or(Ordering::Equal)
        };
        let mut order: Vec<usize> = (0..length).collect();
        order.sort_by(|&i, &j| compare(i, j));
        // Groups of equal slices, each in ascending order of position.
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for at in order {
            match groups.last_mut() {
                Some(group) if compare(group[0], at) == Ordering::Equal => group.push(at),
                _ => groups.push(vec![at]),
            }
        }
        if !cx.flag("sorted") {
            groups.sort_by_key(|group| group[0]);
        }
        let (mut first, mut inverse, mut counts) = (vec![0; length], vec![0; length], vec![0; length]);
        for (number, group) in groups.iter().enumerate() {
            (first[number], counts[number]) = (group[0] as i64, group.len() as i64);
            for &at in group {
                inverse[at] = number as i64;
            }
        }
        let vector = |values: &[i64]| Tensor::from_i64(DType::I64, &[length], values);
        let count = Tensor::from_i64(DType::I64, &[], &[groups.len() as i64]);
        Ok(vec![vector(&first), vector(&inverse), vector(&counts), count])
    },
    doc: "The different slices along an axis, in ascending order or (not `sorted`) in order of appearance: where each \
          occurs first, which one each slice is, how often each occurs (zeros behind the last), and how many there are. \
          NaN equals itself and is above everything. ONNX: Unique.",
};
