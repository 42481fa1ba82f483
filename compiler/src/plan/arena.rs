//! The arena: one block of memory for all intermediate buffers of a run.
//!
//! Two buffers may overlap if no step between the first use of one and the last use of the other uses both. What a loop
//! uses and something outside of it too lives for the whole loop; what only the loop uses lives within a turn. `pack`
//! places buffers at typical sizes. If all sizes are constant, that is the plan; else what is kept of it is the order:
//! each buffer starts where the highest of the buffers below it ends, an expression over the symbols, so that the plan
//! holds for every value of them.

use super::pack::{Item, pack};
use super::schedule::{Step, Visit, walk};
use crate::loopir::{Base, BufferId, BufferKind, Expr, ExprKind, KernelId, Program, ProgramBuilder, Stmt, walk_stmts};
use std::collections::{BTreeMap, BTreeSet};

/// Alignment of every buffer in the arena, in bytes.
pub const ALIGN: i64 = 64;

/// Most buffers of sizes that vary for which only those alive at the same time count.
const EXACT: usize = 256;

/// First and last step that uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    first: usize,
    last: usize,
}

/// A buffer's place at typical sizes.
struct Placed {
    buffer: BufferId,
    item: Item,
    start: i64,
}

impl Placed {
    fn end(&self) -> i64 {
        self.start + self.item.bytes
    }
}

/// Where a buffer starts.
#[derive(Debug)]
pub enum Start {
    /// At this byte.
    At(i64),
    /// Where the last of these slots ends, all of them before this one.
    Above(Vec<usize>),
    /// Where the last of so many first slots ends.
    AboveFirst(usize),
}

/// A placed buffer.
pub struct Slot {
    /// The buffer.
    pub buffer: BufferId,
    /// Its bytes, a multiple of [`ALIGN`], over symbols.
    pub bytes: Expr,
    /// Its place.
    pub start: Start,
}

/// Places of all arena buffers.
pub struct Arena {
    /// The buffers.
    pub slots: Vec<Slot>,
    /// Bytes of the arena at typical sizes.
    pub typical_bytes: i64,
}

/// Plans the arena for the schedule. `typical` gives an expression's value at typical sizes.
pub(crate) fn place(out: &ProgramBuilder, schedule: &[Step], typical: &dyn Fn(&Expr) -> i64) -> Arena {
    let program = out.program();
    let lives = lives(program, schedule);
    let size = |buffer: BufferId| {
        let declared = program.buffer(buffer);
        (declared.len.clone() * declared.elem.size()).ceil_div(ALIGN) * ALIGN
    };
    let sizes: Vec<Expr> = lives.keys().map(|&buffer| size(buffer)).collect();
    let is_constant = sizes.iter().all(|bytes| bytes.as_int().is_some());
    // What may be empty at typical sizes and not at others must still lie above or below what lives beside it.
    let least = if is_constant { 0 } else { ALIGN };
    let items: Vec<Item> = sizes
        .iter()
        .zip(lives.values())
        .map(|(bytes, life)| Item { bytes: typical(bytes).max(least), first: life.first, last: life.last })
        .collect();
    let mut placed: Vec<Placed> = lives
        .keys()
        .zip(items.iter().zip(pack(&items)))
        .map(|(&buffer, (&item, start))| Placed { buffer, item, start })
        .collect();
    let starts: Vec<Start> = if is_constant {
        placed.iter().map(|this| Start::At(this.start)).collect()
    } else if placed.len() <= EXACT {
        placed.sort_by_key(|p| (p.start, p.end(), p.buffer));
        above_overlapping(&placed)
    } else {
        placed.sort_by_key(|p| (p.end(), p.start, p.buffer));
        above_first(&placed)
    };
    let typical_bytes = placed.iter().map(Placed::end).max().unwrap_or(0);
    let slots =
        placed.iter().zip(starts).map(|(this, start)| Slot { buffer: this.buffer, bytes: size(this.buffer), start });
    Arena { slots: slots.collect(), typical_bytes }
}

/// For each of the buffers, sorted by start: those below it that are alive at the same time.
fn above_overlapping(placed: &[Placed]) -> Vec<Start> {
    let below = |index: usize| {
        let this = &placed[index];
        let overlapping = (0..index).filter(move |&at| placed[at].item.overlaps(&this.item));
        overlapping.filter(move |&at| !is_below_another(&placed[..index], &placed[at], this)).collect()
    };
    (0..placed.len()).map(|index| Start::Above(below(index))).collect()
}

/// For each of the buffers, sorted by end: how many end below it, alive at the same time or not. More than is needed, and
/// nothing more at typical sizes; the expressions stay as many as the buffers.
fn above_first(placed: &[Placed]) -> Vec<Start> {
    let below = |(index, this): (usize, &Placed)| placed[..index].partition_point(|other| other.end() <= this.start);
    placed.iter().enumerate().map(below).map(Start::AboveFirst).collect()
}

/// True if some third buffer lies above `low` and below `high` whenever both matter, which makes the pair's own bound
/// redundant.
fn is_below_another(placed: &[Placed], low: &Placed, high: &Placed) -> bool {
    placed.iter().any(|mid| {
        mid.buffer != low.buffer
            && mid.start >= low.end()
            && mid.end() <= high.start
            && mid.item.overlaps(&low.item)
            && mid.item.overlaps(&high.item)
    })
}

fn lives(program: &Program, schedule: &[Step]) -> BTreeMap<BufferId, Life> {
    let mut lives: BTreeMap<BufferId, Life> = BTreeMap::new();
    let mut used: Vec<(usize, BufferId)> = Vec::new();
    let mut loops = Vec::new();
    walk(schedule, 0, &mut |visit| match visit {
        Visit::Launch(at, kernel) => {
            used_by_kernel(program, kernel, &mut |buffer| used.push((at, buffer)));
        }
        Visit::Expr(at, expr) => used_by_expr(program, expr, &mut |buffer| used.push((at, buffer))),
        Visit::Loop(begin, end) => loops.push((begin, end)),
    });
    for &(at, buffer) in &used {
        let life = lives.entry(buffer).or_insert(Life { first: at, last: at });
        *life = Life { first: life.first.min(at), last: life.last.max(at) };
    }
    for (begin, end) in loops {
        let is_inside = |at: usize| (begin..=end).contains(&at);
        let inside: BTreeSet<BufferId> = used.iter().filter(|(at, _)| is_inside(*at)).map(|use_| use_.1).collect();
        let outside: BTreeSet<BufferId> = used.iter().filter(|(at, _)| !is_inside(*at)).map(|use_| use_.1).collect();
        for buffer in inside.intersection(&outside) {
            if let Some(life) = lives.get_mut(buffer) {
                *life = Life { first: life.first.min(begin), last: life.last.max(end) };
            }
        }
    }
    lives
}

/// Arena buffers that a kernel uses.
fn used_by_kernel(program: &Program, kernel: KernelId, found: &mut dyn FnMut(BufferId)) {
    let kernel = program.kernel(kernel);
    used_by_expr(program, &kernel.tiles, found);
    walk_stmts(&kernel.body.stmts, &mut |stmt| {
        stmt.for_each_expr(|expr| used_by_expr(program, expr, found));
        if let Stmt::Store { place, .. } = stmt {
            used_at(program, &place.base, found);
        }
    });
}

fn used_by_expr(program: &Program, expr: &Expr, found: &mut dyn FnMut(BufferId)) {
    expr.walk(&mut |expr| {
        if let ExprKind::Load(place) | ExprKind::Addr(place) = expr.kind() {
            used_at(program, &place.base, found);
        }
    });
}

fn used_at(program: &Program, base: &Base, found: &mut dyn FnMut(BufferId)) {
    if let Base::Buffer(buffer) = base {
        let (buffer, _) = program.resolve_alias(*buffer);
        if program.buffer(buffer).kind == BufferKind::Arena {
            found(buffer);
        }
    }
}
