//! Control flow whose course is known at import.

use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid, needs_value, unsupported};

/// If with a known condition: the branch taken, in place.
pub(super) fn branch(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let condition = cx.input(0)?;
    let taken = match cx.all_elems(condition)?.as_deref() {
        Some([elem]) => elem.as_int(),
        Some(elems) => return invalid(format!("the condition has {} elements", elems.len())),
        None => None,
    };
    let (part, other) = match taken {
        Some(0) => ("else_branch", "then_branch"),
        Some(_) => ("then_branch", "else_branch"),
        None => return needs_value("the condition is known only when the program runs"),
    };
    let (Some(graph), Some(_)) = (cx.attrs.graph(part)?, cx.attrs.graph(other)?) else {
        return invalid("a branch is missing");
    };
    cx.inline(graph, part)
}

/// Loop and Scan.
pub(super) fn not_yet(_: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    unsupported("loops are not supported yet")
}
