//! `nms(boxes, scores, max_out, iou, least_score) {center, most}`: boxes that overlap no better one. ONNX:
//! NonMaxSuppression.

use super::check;
use crate::attr::{Attr, AttrKind};
use crate::dim::Dim;
use crate::dtype::DType;
use crate::op::{InferCx, OpDef, OpError, PLAIN, Types, attr, attr_or, operand, optional};
use crate::tensor::Tensor;
use crate::types::TensorType;

pub(super) const NMS: OpDef = OpDef {
    name: "nms",
    operands: &[operand("boxes"), operand("scores"), operand("max_out"), operand("iou"), optional("least_score")],
    attrs: &[attr_or("center", AttrKind::Bool, || Attr::Bool(false)), attr("most", AttrKind::Dims)],
    traits: PLAIN,
    infer,
    eval: |cx| {
        let (boxes, scores, shape) = (cx.operand(0), cx.operand(1), cx.result_shape(0)?);
        let [batches, classes, count] = *scores.shape() else { return Err(OpError::invalid("scores has not 3 axes")) };
        let most = cx.sizes("most")?[0].min(usize::try_from(cx.operand(2).i64_at(0)).unwrap_or(0));
        let iou = cx.operand(3).f64_at(0) as f32;
        let least = cx.optional(4).map(|least| least.f64_at(0) as f32);
        let mut selected = Vec::new();
        for pair in 0..if count == 0 { 0 } else { batches * classes } {
            let score = |at: usize| scores.f64_at(pair * count + at) as f32;
            let corners = |at: usize| {
                let first = (pair / classes * count + at) * 4;
                corners(std::array::from_fn(|place| boxes.f64_at(first + place) as f32), cx.flag("center"))
            };
            let mut order: Vec<usize> = (0..count).filter(|&at| least.is_none_or(|least| score(at) > least)).collect();
            order.sort_by(|&i, &j| {
                let (a, b) = (score(i), score(j));
                b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
            });
            let mut kept: Vec<[f32; 4]> = Vec::new();
            for at in order {
                let this = corners(at);
                if kept.len() < most && !kept.iter().any(|other| overlap(other, &this, iou)) {
                    kept.push(this);
                    selected.extend([(pair / classes) as i64, (pair % classes) as i64, at as i64]);
                }
            }
        }
        let number = Tensor::from_i64(DType::I64, &[], &[selected.len() as i64 / 3]);
        selected.resize(shape.iter().product(), 0);
        Ok(vec![Tensor::from_i64(DType::I64, &shape, &selected), number])
    },
    doc: "For each batch and class the boxes in order of falling score (of equal ones the lower index first, NaN last) \
          that overlap no selected box by more than `iou`, of a score above `least_score`, at most `max_out` and `most` \
          of them: rows of batch, class and index, zeros behind the last; and how many rows there are. Overlap is \
          computed in f32: intersection by union of the boxes y1, x1, y2, x2 in any order of corners, or with `center` x, \
          y, width, height; 0 where an area is. ONNX: NonMaxSuppression.",
};

fn infer(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    let f32 = |shape: &[Dim]| TensorType::new(DType::F32, shape.iter().cloned());
    let [batches, classes, count] = cx.operand(1).shape.as_slice() else {
        return Err(OpError::invalid(format!("scores is {}, three axes are needed", cx.operand(1))));
    };
    check::type_is(cx, 1, &f32(&[batches.clone(), classes.clone(), count.clone()]))?;
    check::type_is(cx, 0, &f32(&[batches.clone(), count.clone(), Dim::from(4)]))?;
    check::type_is(cx, 2, &TensorType::new(DType::I64, []))?;
    for index in [3, 4] {
        check::type_is(cx, index, &f32(&[]))?;
    }
    check::sizes(cx, "most", 1)?;
    let rows = &(batches * classes) * &cx.dims("most")[0];
    let selected = TensorType::new(DType::I64, [rows, Dim::from(3)]);
    Ok(Types::from_iter([selected, TensorType::new(DType::I64, [])]))
}

/// Smallest and largest coordinate along both axes.
fn corners([a, b, c, d]: [f32; 4], center: bool) -> [f32; 4] {
    if center {
        let (half_width, half_height) = (c / 2.0, d / 2.0);
        return [a - half_width, b - half_height, a + half_width, b + half_height];
    }
    let less = |a: f32, b: f32| if a < b { a } else { b };
    let more = |a: f32, b: f32| if a > b { a } else { b };
    [less(a, c), less(b, d), more(a, c), more(b, d)]
}

/// Whether two boxes overlap by more than that.
fn overlap(x: &[f32; 4], y: &[f32; 4], iou: f32) -> bool {
    let less = |a: f32, b: f32| if a < b { a } else { b };
    let more = |a: f32, b: f32| if a > b { a } else { b };
    let (width, height) = (less(x[2], y[2]) - more(x[0], y[0]), less(x[3], y[3]) - more(x[1], y[1]));
    let common = more(width, 0.0) * more(height, 0.0);
    let area = |b: &[f32; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let (first, second) = (area(x), area(y));
    let union = first + second - common;
    common > 0.0 && first > 0.0 && second > 0.0 && union > 0.0 && common / union > iou
}
