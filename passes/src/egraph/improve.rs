//! The second step of extraction: local changes with the whole program known.
//!
//! Uses are counted, so what a change newly needs and what it frees are found by walking only those classes. A walk that
//! reaches far is cut: what lies beyond counts as not freed, and a choice that newly needs too much is left alone.
//! Cycles are kept out by position: a class only turns to what stands before it.

use super::extract::{Choice, GAIN, NONE, Problem, topological};

/// Most rounds of the second step.
const ROUNDS: usize = 4;
/// Most classes that one local change may newly need or give up.
const REACH: usize = 64;

/// Lets classes take other nodes while that makes the whole cheaper.
pub(super) fn improve(problem: &Problem, best: &mut [u32]) {
    for _ in 0..ROUNDS {
        let Some(order) = topological(problem, best) else { return };
        let mut position = vec![NONE; problem.classes.len()];
        for (index, &class) in order.iter().enumerate() {
            position[class as usize] = index as u32;
        }
        let mut uses = vec![0u32; problem.classes.len()];
        for &root in &problem.roots {
            uses[root as usize] += 1;
        }
        for &class in &order {
            for &operand in &problem.chosen(best, class).operands {
                uses[operand as usize] += 1;
            }
        }
        let mut changed = false;
        for &class in order.iter().rev() {
            if uses[class as usize] > 0 {
                changed |= improve_class(problem, best, &mut uses, &mut position, class);
            }
        }
        if !changed {
            return;
        }
    }
}

fn improve_class(problem: &Problem, best: &mut [u32], uses: &mut [u32], position: &mut [u32], class: u32) -> bool {
    let here = class as usize;
    let current = best[here];
    if problem.choices[here].len() < 2 {
        return false;
    }
    let own = problem.choices[here][current as usize].price;
    let mut winner: Option<(f64, u32)> = None;
    for (index, choice) in problem.choices[here].iter().enumerate() {
        if index as u32 == current {
            continue;
        }
        let Some(taken) = acquire(problem, best, uses, position, class, choice) else { continue };
        let freed = release(problem, best, uses, &problem.choices[here][current as usize]);
        let gain = own + price_of(problem, best, &freed) - choice.price - price_of(problem, best, &taken);
        undo_release(problem, best, uses, &problem.choices[here][current as usize], &freed);
        undo_acquire(problem, best, uses, choice, &taken);
        if gain > own * GAIN && winner.is_none_or(|(most, _)| gain > most) {
            winner = Some((gain, index as u32));
        }
    }
    let Some((_, index)) = winner else { return false };
    let choice = &problem.choices[here][index as usize];
    if let Some(taken) = acquire(problem, best, uses, position, class, choice) {
        // What is new stands right before its user.
        for &new in &taken {
            position[new as usize] = position[here];
        }
        release(problem, best, uses, &problem.choices[here][current as usize]);
        best[here] = index;
        return true;
    }
    false
}

fn price_of(problem: &Problem, best: &[u32], classes: &[u32]) -> f64 {
    classes.iter().map(|&class| problem.chosen(best, class).price).sum()
}

/// Counts the uses of a choice's operands and of all they newly need; gives the new classes. `None`, with nothing
/// changed, if that reaches too far or could need `class` itself.
fn acquire(
    problem: &Problem,
    best: &[u32],
    uses: &mut [u32],
    position: &[u32],
    class: u32,
    choice: &Choice,
) -> Option<Vec<u32>> {
    let mut taken = Vec::new();
    let mut fits = true;
    let mut next = 0;
    let mut pending: &Choice = choice;
    loop {
        for &operand in &pending.operands {
            let at = operand as usize;
            if uses[at] == 0 {
                taken.push(operand);
            } else if !taken.contains(&operand) && position[at] >= position[class as usize] {
                fits = false;
            }
            uses[at] += 1;
            fits &= best[at] != NONE && operand != class;
        }
        fits &= taken.len() <= REACH;
        if !fits || next == taken.len() {
            break;
        }
        pending = problem.chosen(best, taken[next]);
        next += 1;
    }
    if fits {
        return Some(taken);
    }
    // Everything up to `next` has been counted.
    for &operand in &choice.operands {
        uses[operand as usize] -= 1;
    }
    for &new in &taken[..next] {
        for &operand in &problem.chosen(best, new).operands {
            uses[operand as usize] -= 1;
        }
    }
    None
}

fn undo_acquire(problem: &Problem, best: &[u32], uses: &mut [u32], choice: &Choice, taken: &[u32]) {
    for &operand in &choice.operands {
        uses[operand as usize] -= 1;
    }
    for &new in taken {
        for &operand in &problem.chosen(best, new).operands {
            uses[operand as usize] -= 1;
        }
    }
}

/// Takes back the uses of a choice's operands; gives the classes that nothing needs any more, at most [`REACH`] of
/// them: what lies beyond keeps its uses, as if it were still needed.
fn release(problem: &Problem, best: &[u32], uses: &mut [u32], choice: &Choice) -> Vec<u32> {
    let mut freed = Vec::new();
    let mut next = 0;
    let mut pending: &Choice = choice;
    loop {
        for &operand in &pending.operands {
            uses[operand as usize] -= 1;
            if uses[operand as usize] == 0 {
                freed.push(operand);
            }
        }
        if next == freed.len() || next >= REACH {
            return freed;
        }
        pending = problem.chosen(best, freed[next]);
        next += 1;
    }
}

fn undo_release(problem: &Problem, best: &[u32], uses: &mut [u32], choice: &Choice, freed: &[u32]) {
    for &operand in &choice.operands {
        uses[operand as usize] += 1;
    }
    for &class in freed.iter().take(REACH) {
        for &operand in &problem.chosen(best, class).operands {
            uses[operand as usize] += 1;
        }
    }
}
