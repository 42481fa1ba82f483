//! `const() {value}`: a tensor known at compile time. ONNX: Constant, initializers.

use crate::attr::{Attr, AttrKind};
use crate::op::{OpDef, OpError, PLAIN, attr, one};

pub(super) const CONST: OpDef = OpDef {
    name: "const",
    operands: &[],
    attrs: &[attr("value", AttrKind::Constant)],
    traits: PLAIN,
    infer: |cx| match cx.attr("value") {
        Attr::Tensor(tensor) => Ok(one(tensor.ty())),
        Attr::Weight(id) => match cx.env.weight(*id) {
            Some(weight) => Ok(one(weight.value.ty())),
            None => Err(OpError::invalid(format!("there is no weight {id}"))),
        },
        _ => Err(OpError::invalid("value is no constant")),
    },
    eval: |cx| match cx.attr("value") {
        Attr::Tensor(tensor) => Ok(vec![(**tensor).clone()]),
        _ => Err(OpError::invalid("the evaluator resolves weights before it calls ops")),
    },
    doc: "A tensor known at compile time, held inline up to 64 elements, else among the module's weights.",
};
