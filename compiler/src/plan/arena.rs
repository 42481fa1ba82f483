//! The arena: one block of memory for all intermediate buffers of a run.
//!
//! Two buffers may overlap if no step between the first use of one and the last use of the other uses both. What a loop
//! uses and something outside of it too lives for the whole loop; what only the loop uses lives within a turn. Buffers
//! are placed largest first, each at the lowest gap at typical sizes. What is kept of that placement is only the order:
//! each buffer starts at the highest end among the overlapping-in-time buffers below it, an expression over the
//! symbols, so the plan holds for every value of them and is constant when all sizes are.

use super::schedule::{Step, Visit, walk};
use crate::loopir::{Base, BufferId, BufferKind, Expr, ExprKind, KernelId, Program, ProgramBuilder, Stmt, walk_stmts};
use std::collections::{BTreeMap, BTreeSet};

/// Alignment of every buffer in the arena, in bytes.
pub const ALIGN: i64 = 64;

/// First and last step that uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    first: usize,
    last: usize,
}

/// A buffer's place: which buffers it must start above.
struct Placed {
    buffer: BufferId,
    life: Life,
    start: i64,
    end: i64,
}

/// A placed buffer: it starts where the highest of the buffers it must lie above ends.
pub struct Slot {
    /// The buffer.
    pub buffer: BufferId,
    /// Its bytes, a multiple of [`ALIGN`], over symbols.
    pub bytes: Expr,
    /// Positions, in [`Arena::slots`], of the buffers it must lie above; all come before it.
    pub above: Vec<usize>,
}

/// Places of all arena buffers, lowest first at typical sizes.
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
    let mut order: Vec<(i64, BufferId, Life)> =
        lives.iter().map(|(&buffer, &life)| (typical(&size(buffer)).max(0), buffer, life)).collect();
    order.sort_by_key(|(bytes, buffer, life)| (std::cmp::Reverse(*bytes), life.first, *buffer));
    let mut placed: Vec<Placed> = Vec::new();
    for (bytes, buffer, life) in order {
        let mut others: Vec<(i64, i64)> = placed
            .iter()
            .filter(|other| other.life.first <= life.last && life.first <= other.life.last)
            .map(|other| (other.start, other.end))
            .collect();
        others.sort_unstable();
        let mut start = 0;
        for (other_start, other_end) in others {
            if other_start - start >= bytes {
                break;
            }
            start = start.max(other_end);
        }
        placed.push(Placed { buffer, life, start, end: start + bytes });
    }
    placed.sort_by_key(|p| (p.start, p.end, p.buffer));
    let slots = placed
        .iter()
        .enumerate()
        .map(|(index, this)| {
            let conflicts = |below: &Placed| below.life.first <= this.life.last && this.life.first <= below.life.last;
            let above = (0..index)
                .filter(|&at| conflicts(&placed[at]) && !is_below_another(&placed[..index], &placed[at], this))
                .collect();
            Slot { buffer: this.buffer, bytes: size(this.buffer), above }
        })
        .collect();
    Arena { slots, typical_bytes: placed.iter().map(|p| p.end).max().unwrap_or(0) }
}

/// True if some third buffer lies above `low` and below `high` whenever both matter, which makes the pair's own bound
/// redundant.
fn is_below_another(placed: &[Placed], low: &Placed, high: &Placed) -> bool {
    let overlap = |a: &Placed, b: &Placed| a.life.first <= b.life.last && b.life.first <= a.life.last;
    placed.iter().any(|mid| {
        mid.buffer != low.buffer
            && mid.start >= low.end
            && mid.end <= high.start
            && overlap(mid, low)
            && overlap(mid, high)
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
