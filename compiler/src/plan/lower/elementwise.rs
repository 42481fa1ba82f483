//! Elementwise groups: an op with the elementwise ops inlined into it, as one kernel.
//!
//! f32 groups whose ops all have row kernels run block by block in L1: each op is one call of a vector kernel on up to
//! [`BLOCK`] elements, with short-lived blocks in scratch. Everything else is a scalar loop nest.

use super::super::lowering::{Lowered, Lowering, RowTiles, positions};
use super::super::narrow;
use super::super::scalar::{RowOp, can_fail, row_op, scalar_op, scalar_type};
use super::super::view::{Nest, View};
use crate::loopir::{BufferId, Builder, Expr, LocalId, Type};
use lathe_ir::{DType, Dim, Op, OpCode, ValueId};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Elements that a row kernel call handles at once: 4 KiB, so that a handful of blocks stay in L1.
const BLOCK: i64 = 1024;

/// An operand that has memory, seen with the shape of the result.
struct Leaf {
    value: ValueId,
    view: View,
    buffer: BufferId,
    elem: Type,
    splat: Option<f64>,
}

/// Lowers an elementwise op that is not inlined.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let result = op.result();
    let ty = l.graph.ty(result).clone();
    let shape = ty.shape.to_vec();
    let mut leaves = Vec::new();
    collect(l, op, &shape, &mut leaves)?;

    // The result keeps the storage order of its largest operand, so that a chain behind a transpose stays a plain walk.
    let full: Vec<&Leaf> =
        leaves.iter().filter(|leaf| leaf.view.strides.iter().zip(&shape).all(|(s, d)| !s.is(0) || d.is(1))).collect();
    let order = match full.first() {
        Some(leaf) if !l.is_output(result) => leaf.view.dense_order(),
        _ => None,
    };
    let order = order.unwrap_or_else(|| (0..shape.len()).collect());
    let target = View::ordered(result, &shape, &order);
    let operands: Vec<&[Dim]> = std::iter::once(target.strides.as_slice())
        .chain(leaves.iter().map(|leaf| leaf.view.strides.as_slice()))
        .collect();
    let nest = Nest::new(&shape, &order, &operands);

    // In place over an operand that dies here and is read element by element just where the result is written.
    let elem = scalar_type(ty.dtype);
    if !l.is_output(result) {
        let reusable = leaves.iter().find(|leaf| {
            leaf.elem == elem
                && leaf.view.offset.is(0)
                && leaf.view.strides == target.strides
                && l.graph.get_value(leaf.view.root).is_some_and(|root| root.ty.elements() == ty.elements())
                && leaves.iter().filter(|other| other.view.root == leaf.view.root).all(|other| other.view == leaf.view)
                && l.dies_here(leaf.view.root)
        });
        if let Some(leaf) = reusable {
            let buffer = leaf.buffer;
            l.share_buffer(result, buffer);
        }
    }
    l.set_view(result, target);
    let out = l.buffer(result);
    let node = l.node(op);
    let (outer, inner, inner_strides) = nest.split_inner();
    let inner_is_dense = inner_strides[0].is(1) && inner_strides[1..].iter().all(|s| s.is(0) || s.is(1));
    let long_enough = inner.as_const().is_none_or(|size| size >= 8);
    let inner_is_dense = inner_is_dense || inner.is(1);
    let group = Group { l, leaves: &leaves, shape: &shape };
    let by_rows = inner_is_dense && long_enough && ty.dtype == DType::F32 && group.all_rows(op);
    let name = op.code.name();
    let tiles = RowTiles::new(l.dims.expr(&outer.count()), l.dims.expr(&inner), if by_rows { 1 } else { 4 });
    let graph = l.graph;
    let mut walk = Walk { graph, inlined: l.inlined.clone(), nodes: BTreeMap::new() };
    walk.name_failing(l, op);
    let dims = std::mem::take(&mut l.dims);
    let strides: Vec<&[Dim]> = outer.strides.iter().map(Vec::as_slice).collect();
    let offsets: Vec<Expr> =
        std::iter::once(Expr::i64(0)).chain(leaves.iter().map(|leaf| dims.expr(&leaf.view.offset))).collect();
    let steps: Vec<Expr> = inner_strides.iter().map(|stride| dims.expr(stride)).collect();
    l.kernel(name, node, tiles.tiles.clone(), |b| {
        let mut blocks = Blocks::default();
        tiles.for_rows(b, |b, row, begin, end| {
            let starts = positions(b, &dims, &row, &outer.sizes, &strides);
            let starts: Vec<Expr> = starts.iter().zip(&offsets).map(|(start, offset)| b.let_(start + offset)).collect();
            if by_rows {
                b.for_(begin, end.clone(), BLOCK, |b, at| {
                    let n = b.let_((&end - &at).min(BLOCK));
                    let target = b.let_(b.addr(out, &starts[0] + &at));
                    let sources: Vec<(Expr, Expr)> = leaves
                        .iter()
                        .enumerate()
                        .map(|(i, leaf)| {
                            let pointer = b.let_(b.addr(leaf.buffer, &starts[i + 1] + &steps[i + 1] * &at));
                            (pointer, steps[i + 1].clone())
                        })
                        .collect();
                    rows(b, &walk, op, &leaves, &sources, &mut blocks, &n, Some(target));
                });
            } else {
                b.for_(begin, end, 1, |b, at| {
                    let mut values = Vec::new();
                    for (i, leaf) in leaves.iter().enumerate() {
                        let value = match leaf.splat {
                            Some(splat) => Expr::constant(leaf.elem, splat),
                            None => b.load(leaf.buffer, &starts[i + 1] + &steps[i + 1] * &at),
                        };
                        values.push(value);
                    }
                    if let Some(value) = scalar(b, &walk, op, &leaves, &values) {
                        b.store(out, &starts[0] + &steps[0] * &at, value);
                    }
                });
            }
        });
    });
    l.dims = dims;
    Ok(())
}

/// What code generation needs of the graph while the program is being built.
struct Walk<'m> {
    graph: &'m lathe_ir::Graph,
    inlined: Rc<[bool]>,
    /// The nodes of ops that can fail, by their results: not the kernel's, where they are inlined.
    nodes: BTreeMap<ValueId, i32>,
}

impl<'m> Walk<'m> {
    fn name_failing(&mut self, l: &mut Lowering<'_>, op: &Op) {
        if op.operand(0).is_some_and(|x| can_fail(op, l.elem(x))) {
            self.nodes.insert(op.result(), l.node(op));
        }
        let inlined: Vec<&Op> = op.inputs().filter_map(|value| self.inlined_op(value)).collect();
        for inner in inlined {
            self.name_failing(l, inner);
        }
    }

    fn inlined_op(&self, value: ValueId) -> Option<&'m Op> {
        if self.inlined[value.index()] { self.graph.def(value).map(|(_, op)| op) } else { None }
    }
}

struct Group<'a, 'm> {
    l: &'a Lowering<'m>,
    leaves: &'a [Leaf],
    shape: &'a [Dim],
}

impl Group<'_, '_> {
    /// True if every op of the group has a row kernel and every value of it is f32.
    fn all_rows(&self, op: &Op) -> bool {
        row_op(op).is_some()
            && op.inputs().all(|value| {
                let is_f32 = self.l.ty(value).dtype == DType::F32;
                is_f32
                    && match self.l.graph.def(value) {
                        Some((_, inner)) if self.l.is_inlined(value) => self.all_rows(inner),
                        _ => !self.leaves.is_empty() && self.shape.len() <= 8,
                    }
            })
    }
}

/// Finds the leaves of the group below `op`, each value once.
fn collect(l: &mut Lowering<'_>, op: &Op, shape: &[Dim], leaves: &mut Vec<Leaf>) -> Lowered {
    for value in op.inputs() {
        if l.is_inlined(value) {
            let graph = l.graph;
            if let Some((_, inner)) = graph.def(value) {
                collect(l, inner, shape, leaves)?;
            }
        } else if !leaves.iter().any(|leaf| leaf.value == value) {
            let view = l.view(value)?.broadcast(shape, &[]);
            let buffer = l.buffer(view.root);
            let splat = l
                .constant(value)
                .filter(|t| !matches!(t.dtype(), DType::I64 | DType::U64) && !t.dtype().is_storage())
                .and_then(|t| t.splat())
                .map(|t| t.f64_at(0));
            leaves.push(Leaf { value, view, buffer, elem: l.elem(value), splat });
        }
    }
    Ok(())
}

/// The value of the group at one element.
fn scalar(b: &mut Builder<'_>, walk: &Walk<'_>, op: &Op, leaves: &[Leaf], values: &[Expr]) -> Option<Expr> {
    let mut args = Vec::new();
    for value in op.inputs() {
        args.push(match walk.inlined_op(value) {
            Some(inner) => scalar(b, walk, inner, leaves, values)?,
            None => values[leaves.iter().position(|leaf| leaf.value == value)?].clone(),
        });
    }
    let to = walk.graph.ty(op.result()).dtype;
    let result = scalar_type(to);
    if let (Some(x), [arg]) = (op.operand(0), args.as_slice())
        && let from = walk.graph.ty(x).dtype
        && (from.is_storage() || to.is_storage())
    {
        return narrow::convert(b, op, arg, from, to);
    }
    let value = scalar_op(b, op, &args, result, walk.nodes.get(&op.result()).copied())?;
    Some(b.let_(value))
}

/// Scratch blocks, reused as soon as their value was read.
#[derive(Default)]
struct Blocks {
    all: Vec<LocalId>,
    free: Vec<LocalId>,
}

impl Blocks {
    fn take(&mut self, b: &mut Builder<'_>) -> LocalId {
        self.free.pop().unwrap_or_else(|| {
            let block = b.local(&format!("block{}", self.all.len()), Type::F32, BLOCK);
            self.all.push(block);
            block
        })
    }
}

/// Pointer and step (0 or 1) of one operand of a row kernel, and the scratch block to give back after reading it.
type Row = (Expr, Expr, Option<LocalId>);

/// Emits the calls of the group on `n` elements; the last writes to `target` or to a scratch block.
#[allow(clippy::too_many_arguments)]
fn rows(
    b: &mut Builder<'_>,
    walk: &Walk<'_>,
    op: &Op,
    leaves: &[Leaf],
    sources: &[(Expr, Expr)],
    blocks: &mut Blocks,
    n: &Expr,
    target: Option<Expr>,
) -> Row {
    let mut args: Vec<Row> = Vec::new();
    for value in op.inputs() {
        args.push(match walk.inlined_op(value) {
            Some(inner) => rows(b, walk, inner, leaves, sources, blocks, n, None),
            None => {
                let at = leaves.iter().position(|leaf| leaf.value == value).unwrap_or(0);
                (sources[at].0.clone(), sources[at].1.clone(), None)
            }
        });
    }
    for (_, _, block) in &args {
        blocks.free.extend(*block);
    }
    let (pointer, block) = match target {
        Some(pointer) => (pointer, None),
        None => {
            let block = blocks.take(b);
            (b.addr(block, 0), Some(block))
        }
    };
    // A row kernel with one operand reads it densely; a broadcast scalar is spread first.
    let dense = |b: &mut Builder<'_>, row: &Row| -> Expr {
        if row.1.as_int() == Some(1) {
            return row.0.clone();
        }
        // max(x, x) = x, read with step 0.
        b.call("v_max", [n.clone(), row.0.clone(), row.1.clone(), row.0.clone(), row.1.clone(), pointer.clone()]);
        pointer.clone()
    };
    match row_op(op) {
        Some(RowOp::Unary(name)) => {
            let x = dense(b, &args[0]);
            b.call(name, [n.clone(), x, pointer.clone()]);
        }
        Some(RowOp::Act(code, p0, p1)) => {
            let x = dense(b, &args[0]);
            let params = [Expr::i64(code), Expr::f32(p0 as f32), Expr::f32(p1 as f32)];
            b.call("v_act", [n.clone(), x, pointer.clone()].into_iter().chain(params));
        }
        Some(RowOp::Clip(lo, hi)) => {
            let x = dense(b, &args[0]);
            b.call("v_clip", [n.clone(), x, Expr::f32(lo as f32), Expr::f32(hi as f32), pointer.clone()]);
        }
        Some(RowOp::Quantize(lo, hi)) => {
            let operands = args.iter().take(3).flat_map(|(operand, step, _)| [operand.clone(), step.clone()]);
            let range = [Expr::f32(lo as f32), Expr::f32(hi as f32), pointer.clone()];
            b.call("v_quantize", [n.clone()].into_iter().chain(operands).chain(range));
        }
        Some(RowOp::Binary(name)) => {
            let [(x, sx, _), (y, sy, _)] = [args[0].clone(), args[1].clone()];
            b.call(name, [n.clone(), x, sx, y, sy, pointer.clone()]);
        }
        None => {}
    }
    (pointer, Expr::i64(1), block)
}

/// True if this module can lower the op: elementwise, with a scalar form.
pub(super) fn handles(op: &Op) -> bool {
    op.code.def().traits.elementwise || op.code == OpCode::Where
}
