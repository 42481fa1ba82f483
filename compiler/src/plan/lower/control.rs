//! Control flow: branches, loops and traps as steps of the schedule.
//!
//! A branch writes its results where the op's results are. A carried value of a loop has one place: the first value is
//! copied there, or is there already, and what a turn makes of it is copied back at the end of the turn, unless it was
//! computed in place. What is stacked is copied to its row.

use super::super::flat::{Body, IfItem, Item, LoopItem};
use super::super::lowering::{Lowered, Lowering};
use super::super::schedule::{LoopStep, Step};
use super::super::view::{View, row_major};
use super::lower_items;
use crate::loopir::{BufferId, Expr, Place, Type};
use lathe_ir::{Diagnostics, Dim, Op, OpId, Symbol, ValueId};

/// Status code of a size beyond its bound: the runtime's `Code::SizeOverBound`.
const SIZE_OVER_BOUND: i32 = 6;
/// Status code of a branch that cannot be typed: the runtime's `Code::Trap`.
const TRAP: i32 = 10;

/// A scalar, read where the expression is evaluated.
fn scalar(l: &mut Lowering<'_>, value: ValueId) -> Result<Expr, String> {
    let view = l.contiguous(value)?;
    let (index, elem) = (l.dims.expr(&view.offset), l.elem(value));
    let buffer = l.buffer(view.root);
    Ok(Expr::load_place(Place { base: buffer.into(), elem, index }))
}

/// Ends the run.
pub(super) fn lower_trap(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    l.result(op, 0);
    let node = l.node_saying(op, op.word("why"));
    l.step(Step::Check { cond: Expr::bool(false), code: TRAP, node, value: Expr::i64(0) });
    Ok(())
}

/// `source` as a value of row-major memory that begins at `offset` in `root`.
fn rows_of(source: &View, root: ValueId, offset: Dim) -> View {
    View { root, offset, shape: source.shape.clone(), strides: row_major(&source.shape) }
}

/// True if the view is all of the row-major memory in that buffer.
fn lies_in(l: &Lowering<'_>, view: &View, buffer: BufferId) -> bool {
    l.known_buffer(view.root) == Some(buffer) && view.offset.is(0) && view.is_contiguous()
}

/// Data-dependent symbols among the sizes of a result that differ from what they are given.
fn differing(l: &Lowering<'_>, result: ValueId, given: &[Dim]) -> Vec<(Symbol, Expr)> {
    let shape = &l.ty(result).shape;
    let pairs = shape.iter().zip(given).filter(|(size, given)| size != given);
    let data = |size: &Dim| size.as_symbol().filter(|symbol| l.is_data(symbol)).cloned();
    pairs.filter_map(|(size, given)| Some((data(size)?, l.dims.expr(given)))).collect()
}

/// Makes sure that sizes stay within what memory is planned for, before anything is written there.
fn check_sizes(l: &mut Lowering<'_>, sizes: &[(Symbol, Expr)], node: i32) {
    for (symbol, value) in sizes {
        if let Some(most) = Dim::symbol(symbol).at_most(&l.module.env.symbols) {
            let cond = value.le(l.dims.expr(&most));
            l.step(Step::Check { cond, code: SIZE_OVER_BOUND, node, value: value.clone() });
        }
    }
}

impl Lowering<'_> {
    /// Makes sure that so many elements have room.
    pub(super) fn check_room(&mut self, elements: Expr, room: &Dim, node: i32) {
        let cond = elements.le(self.dims.expr(room));
        self.step(Step::Check { cond, code: SIZE_OVER_BOUND, node, value: elements });
    }
}

/// True if a value never has more elements than the result's place is planned for.
fn fits(l: &Lowering<'_>, value: ValueId, result: ValueId) -> bool {
    let symbols = &l.module.env.symbols;
    let (given, place) = (&l.ty(value).shape, &l.ty(result).shape);
    given.iter().zip(place).all(|(given, size)| {
        let room = || Some(&size.at_most(symbols)? - &given.at_most(symbols)?);
        given == size || room().is_some_and(|room| room.range(symbols).0.is_some_and(|least| least >= 0))
    })
}

pub(super) fn lower_if(l: &mut Lowering<'_>, op: &Op, item: &IfItem, problems: &mut Diagnostics) -> Lowered {
    let node = l.node(op);
    let cond = scalar(l, op.operand(0).ok_or("no condition")?)?;
    let places: Vec<BufferId> = (0..op.results.len()).map(|index| l.result(op, index).1).collect();
    let mut blocks = Vec::new();
    for branch in &item.branches {
        l.open(false);
        let done = lower_branch(l, op, branch, &places, node, problems);
        blocks.push(l.close());
        done?;
    }
    let (Some(otherwise), Some(then)) = (blocks.pop(), blocks.pop()) else { return Err("no branches".to_owned()) };
    l.step(Step::If { cond, then, otherwise });
    Ok(())
}

/// Ops that run whenever the items do, or may in a loop.
fn unconditional(items: &[Item], ops: &mut Vec<OpId>) {
    for item in items {
        match item {
            Item::Op(id) => ops.push(*id),
            Item::Loop(item) => unconditional(&item.body.items, ops),
            Item::If(_) => {}
        }
    }
}

fn lower_branch(
    l: &mut Lowering<'_>,
    op: &Op,
    branch: &Body,
    places: &[BufferId],
    node: i32,
    problems: &mut Diagnostics,
) -> Lowered {
    let own: Vec<OpId> = branch.items.iter().map(super::id_of).collect();
    for ((&value, &place), &result) in branch.results.iter().zip(places).zip(&op.results) {
        if let Some((_, root)) = l.computed_root(value).filter(|(id, _)| own.contains(id) && fits(l, value, result)) {
            l.place(root, place);
        }
    }
    let mut ops = Vec::new();
    unconditional(&branch.items, &mut ops);
    let before = l.enter_branch(&ops, node);
    lower_items(l, &branch.items, problems);
    l.leave_branch(before);
    if !problems.0.is_empty() {
        return Ok(());
    }
    let mut sizes = Vec::new();
    for (&value, &result) in branch.results.iter().zip(&op.results) {
        sizes.extend(differing(l, result, &l.view(value)?.shape));
    }
    check_sizes(l, &sizes, node);
    for ((&value, &place), &result) in branch.results.iter().zip(places).zip(&op.results) {
        let source = l.view(value)?;
        if !lies_in(l, &source, place) {
            let target = rows_of(&source, result, Dim::ZERO);
            l.copy(&source, &target, l.ty(value).dtype, "branch")?;
        }
    }
    if !sizes.is_empty() {
        l.set_sizes(&sizes, node);
    }
    Ok(())
}

pub(super) fn lower_loop(l: &mut Lowering<'_>, op: &Op, item: &LoopItem, problems: &mut Diagnostics) -> Lowered {
    let node = l.node(op);
    let first = usize::from(op.flag("while"));
    let count = item.carried.len();
    let trips = match (op.operand(0), op.dims("trips")) {
        (Some(value), _) => Some(scalar(l, value)?),
        (None, trips) => trips.first().map(|trips| l.dims.expr(trips)),
    };
    let counted = op.operand(0).is_none() && trips.is_some();
    let begin = op.operand(1).map(|value| scalar(l, value)).transpose()?;
    let counter = op.dims("counter").first().and_then(Dim::as_symbol).cloned().ok_or("no counter")?;

    // Where carried values are.
    let inside = std::mem::replace(&mut l.position, item.position);
    let mut places = Vec::new();
    let mut sizes = Vec::new();
    for (index, &carried) in item.carried.iter().enumerate() {
        let init = op.operand(2 + index).ok_or("no first value")?;
        let (source, result) = (l.view(init)?, op.results[index]);
        let changes = l.ty(carried).shape.iter().any(|dim| op.dims("changing").contains(dim));
        let takes_over = !changes
            && source.root == init
            && source.offset.is(0)
            && source.is_contiguous()
            && l.ty(init) == l.ty(result)
            && !l.is_output(result)
            && l.is_only_used_here(init);
        if let (true, Some(buffer)) = (takes_over, l.known_buffer(init)) {
            l.share_buffer(result, buffer);
        }
        let place = l.result(op, index).1;
        l.share_buffer(carried, place);
        if changes {
            l.set_room(carried, result);
        }
        let own = differing(l, carried, &source.shape);
        check_sizes(l, &own, node);
        if !lies_in(l, &source, place) {
            let target = rows_of(&source, result, Dim::ZERO);
            l.copy(&source, &target, l.ty(init).dtype, "carry")?;
        }
        sizes.extend(own);
        places.push(place);
    }
    let stacks: Vec<(View, BufferId)> = (count..op.results.len()).map(|index| l.result(op, index)).collect();
    if !sizes.is_empty() {
        l.set_sizes(&sizes, node);
    }
    let turns: Vec<Symbol> = (count..op.results.len())
        .filter_map(|index| l.ty(op.results[index]).shape[0].as_symbol().cloned())
        .filter(|symbol| l.is_data(symbol))
        .collect();

    l.position = inside;
    l.open(true);
    if let Some(turns) = turns.first() {
        let next = l.dims.expr(&(&Dim::symbol(&counter) + &Dim::ONE));
        check_sizes(l, &[(turns.clone(), next)], node);
    }
    let done = lower_turn(l, op, item, (&places, &stacks, &counter), node, problems);
    let body = l.close();
    let again = done?;

    // Sizes of the results: of carried values as they are now, of stacks by the number of turns.
    let mut sizes = Vec::new();
    for (index, &carried) in item.carried.iter().enumerate() {
        let shape = l.ty(carried).shape.to_vec();
        sizes.extend(differing(l, op.results[index], &shape));
    }
    let counter = l.dims.id(&counter).ok_or("the counter is no symbol of the program")?;
    let total = turns.first().and_then(|symbol| l.dims.id(symbol));
    let limit = (!counted).then(|| op.int("limit"));
    let again = (first == 1).then_some(again).flatten();
    l.step(Step::Loop(Box::new(LoopStep { trips, first: begin, again, counter, limit, node, body, count: total })));
    if let Some(total) = total {
        sizes.extend(turns.into_iter().map(|symbol| (symbol, Expr::symbol(total))));
    }
    if !sizes.is_empty() {
        l.set_sizes(&sizes, node);
    }
    Ok(())
}

/// One turn; gives the condition of the next.
fn lower_turn(
    l: &mut Lowering<'_>,
    op: &Op,
    item: &LoopItem,
    (places, stacks, counter): (&[BufferId], &[(View, BufferId)], &Symbol),
    node: i32,
    problems: &mut Diagnostics,
) -> Result<Option<Expr>, String> {
    for &carried in &item.carried {
        let view = View::contiguous(carried, &l.ty(carried).shape.clone());
        l.set_view(carried, view);
    }
    lower_items(l, &item.body.items, problems);
    if !problems.0.is_empty() {
        return Ok(None);
    }
    let first = usize::from(op.flag("while"));
    let results = &item.body.results;
    for ((stack, _), &value) in stacks.iter().zip(&results[first + places.len()..]) {
        let source = l.view(value)?;
        let offset = &Dim::symbol(counter) * &Dim::product_of(&source.shape);
        let target = rows_of(&source, stack.root, offset);
        l.copy(&source, &target, l.ty(value).dtype, "stack")?;
    }
    // What lies where a carried value is about to be written moves out of the way first.
    let mut moved = Vec::new();
    let mut sizes = Vec::new();
    for (index, &value) in results[first..first + places.len()].iter().enumerate() {
        let source = l.view(value)?;
        let carried = item.carried[index];
        sizes.extend(differing(l, carried, &source.shape));
        check_sizes(l, &sizes, node);
        if lies_in(l, &source, places[index]) {
            continue;
        }
        let source = out_of_the_way(l, value, source, places)?;
        moved.push((source, index));
    }
    let again = match first {
        1 => {
            let view = l.contiguous(results[0])?;
            let view = out_of_the_way(l, results[0], view, places)?;
            let (buffer, index) = (l.buffer(view.root), l.dims.expr(&view.offset));
            Some(Expr::load_place(Place { base: buffer.into(), elem: Type::Bool, index }))
        }
        _ => None,
    };
    for (source, index) in moved {
        let target = rows_of(&source, item.carried[index], Dim::ZERO);
        l.copy(&source, &target, l.ty(item.carried[index]).dtype, "carry")?;
    }
    if !sizes.is_empty() {
        l.set_sizes(&sizes, node);
    }
    Ok(again)
}

/// The value, copied if it lies where a carried value is.
fn out_of_the_way(l: &mut Lowering<'_>, value: ValueId, view: View, places: &[BufferId]) -> Result<View, String> {
    let buffer = l.buffer(view.root);
    if !places.contains(&buffer) {
        return Ok(view);
    }
    let ty = l.ty(value).with_shape(view.shape.iter().cloned());
    let (len, elem) = (l.dims.expr(&ty.elements()), l.elem(value));
    let apart = l.temporary(&format!("apart{}", value.0), elem, len);
    let target = l.new_root(&ty, apart);
    l.copy(&view, &target, ty.dtype, "apart")?;
    Ok(target)
}
