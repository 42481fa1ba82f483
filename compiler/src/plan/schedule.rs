//! The schedule as a tree: launches, sizes that data decide, branches, loops. `entry` writes it as the program's `run`.

use crate::loopir::{Builder, Expr, KernelId, Mutable, SymbolId};

/// Status code of a loop that does not end: the runtime's `Code::LoopLimit`.
const LOOP_LIMIT: i32 = 13;

/// One step of a run. Its expressions are evaluated where it stands.
pub(crate) enum Step {
    /// Runs a kernel.
    Launch(KernelId),
    /// Gives data-dependent sizes their values, all computed before the first is set; the node is named when one is out
    /// of its range.
    Sizes(Vec<(SymbolId, Expr)>, i32),
    /// Ends the run with that status code, naming the node, unless the condition holds; reports the value.
    Check {
        /// Bool.
        cond: Expr,
        /// Status code.
        code: i32,
        /// Node.
        node: i32,
        /// I64.
        value: Expr,
    },
    /// Two branches.
    If {
        /// Bool.
        cond: Expr,
        /// Taken when true.
        then: Vec<Step>,
        /// Taken when false.
        otherwise: Vec<Step>,
    },
    /// A loop.
    Loop(Box<LoopStep>),
}

/// See [`Step::Loop`].
pub(crate) struct LoopStep {
    /// Turns after which the loop ends; `None` if only the condition ends it.
    pub(crate) trips: Option<Expr>,
    /// Whether there is a first turn; `None` if there is.
    pub(crate) first: Option<Expr>,
    /// Whether there is another turn, evaluated after each; `None` if there is.
    pub(crate) again: Option<Expr>,
    /// The number of the turn, from 0 on.
    pub(crate) counter: SymbolId,
    /// Turns after which the run fails.
    pub(crate) limit: Option<i64>,
    /// The node named then.
    pub(crate) node: i32,
    /// One turn.
    pub(crate) body: Vec<Step>,
    /// Gets the number of turns when the loop is over.
    pub(crate) count: Option<SymbolId>,
}

/// Calls `f` for every step with the positions it takes up: one for each launch, size and condition, all those inside for
/// a branch or loop. Gives the position behind the last.
pub(crate) fn walk<'s>(steps: &'s [Step], from: usize, f: &mut dyn FnMut(Visit<'s>)) -> usize {
    let mut at = from;
    for step in steps {
        match step {
            Step::Launch(kernel) => f(Visit::Launch(at, *kernel)),
            Step::Sizes(sizes, _) => sizes.iter().for_each(|(_, value)| f(Visit::Expr(at, value))),
            Step::Check { cond, value, .. } => {
                f(Visit::Expr(at, cond));
                f(Visit::Expr(at, value));
            }
            Step::If { cond, then, otherwise } => {
                f(Visit::Expr(at, cond));
                at = walk(then, at + 1, f);
                at = walk(otherwise, at, f);
            }
            Step::Loop(step) => {
                for value in step.trips.iter().chain(&step.first) {
                    f(Visit::Expr(at, value));
                }
                let begin = at + 1;
                at = walk(&step.body, begin, f);
                if let Some(again) = &step.again {
                    f(Visit::Expr(at, again));
                }
                f(Visit::Loop(begin, at));
            }
        }
        at += 1;
    }
    at
}

/// What [`walk`] meets.
pub(crate) enum Visit<'s> {
    /// A launch at a position.
    Launch(usize, KernelId),
    /// An expression that the schedule evaluates at a position.
    Expr(usize, &'s Expr),
    /// A loop, after all that is in it, with its first and last position.
    Loop(usize, usize),
}

/// Writes the steps.
pub(crate) fn emit(b: &mut Builder<'_>, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Launch(kernel) => b.launch(*kernel),
            Step::Sizes(sizes, node) => {
                let values: Vec<Expr> = sizes.iter().map(|(_, value)| b.let_now(value.clone())).collect();
                for ((symbol, _), value) in sizes.iter().zip(values) {
                    b.set_symbol(*symbol, value, *node);
                }
            }
            Step::Check { cond, code, node, value } => b.check(cond.clone(), *code, Some(*node), value.clone()),
            Step::If { cond, then, otherwise } => {
                b.if_else(cond.clone(), |b| emit(b, then), |b| emit(b, otherwise));
            }
            Step::Loop(step) => emit_loop(b, step),
        }
    }
}

fn emit_loop(b: &mut Builder<'_>, step: &LoopStep) {
    let trips = step.trips.clone().map(|trips| b.let_now(trips));
    let more = (step.first.is_some() || step.again.is_some())
        .then(|| b.var(step.first.clone().unwrap_or_else(|| Expr::bool(true))));
    let turn = b.var(Expr::i64(0));
    let below = trips.map(|trips| turn.get().lt(trips));
    let cond = match (more.map(Mutable::get), below) {
        (Some(more), Some(below)) => more.and(below),
        (Some(cond), None) | (None, Some(cond)) => cond,
        (None, None) => Expr::bool(true),
    };
    b.while_(cond, |b| {
        if let Some(limit) = step.limit {
            b.check(turn.get().lt(limit), LOOP_LIMIT, Some(step.node), turn.get());
        }
        b.set_symbol(step.counter, turn.get(), step.node);
        emit(b, &step.body);
        b.assign(turn, turn.get() + 1);
        if let (Some(more), Some(again)) = (more, &step.again) {
            b.assign(more, again.clone());
        }
    });
    if let Some(count) = step.count {
        b.set_symbol(count, turn.get(), step.node);
    }
}
