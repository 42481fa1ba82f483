//! Every rule of the library against the evaluator, on random instances of its own left side.
//!
//! A left side is made into a program with random shapes (empty and symbolic ones too), element types, attributes and
//! constants; the rule is applied alone; both programs are evaluated on random data. Decisions that made a rule fire are
//! kept and changed a little, so that rules with narrow conditions are reached as well. A rule fails if it breaks an
//! instance, or if fewer than [`INSTANCES`] can be found. `cargo test -p lathe-passes --release --test properties NAME`
//! runs one rule.

mod attrs;
mod choices;
mod compare;
mod terms;

use choices::{Choices, Rng};
use lathe_ir::text::print_module;
use lathe_passes::egraph::alone::apply_alone;
use lathe_passes::rules::{self, Exactness};
use libtest_mimic::{Arguments, Failed, Trial};
use terms::{Numbers, arguments, instance};

/// Instances that each rule must pass.
const INSTANCES: usize = 400;
/// Instances that each of its left sides must pass.
const OF_EACH_SIDE: usize = 5;
/// Most programs that are tried for a rule.
const ATTEMPTS: u64 = 60_000;

fn main() {
    let arguments = Arguments::from_args();
    let trials = (0..rules::all().len()).map(|position| {
        let rule = &rules::all()[position];
        Trial::test(format!("{}/{}", rule.family, rule.name), move || check(position))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn check(position: usize) -> Result<(), Failed> {
    let rule = &rules::all()[position];
    let bits = rule.exactness == Exactness::Bits;
    let numbers = if bits { Numbers::Odd } else { Numbers::Plain };
    let mut kept: Vec<Vec<Vec<u32>>> = vec![Vec::new(); rule.sides.len()];
    let mut passed = vec![0usize; rule.sides.len()];
    for attempt in 0..ATTEMPTS {
        let seed = (position as u64) << 32 | attempt;
        let mut rng = Rng::new(!seed);
        // The side with the fewest instances is next, so that none is forgotten, but others get their share.
        let side = match attempt % 2 {
            0 => (0..passed.len()).min_by_key(|&side| passed[side]).unwrap_or(0),
            _ => rng.below(passed.len()),
        };
        let mut choices = match &kept[side] {
            found if found.is_empty() || rng.below(4) == 0 => Choices::fresh(seed),
            found => Choices::mutated(&found[rng.below(found.len())], seed),
        };
        let Some(left) = instance(&rule.sides[side].0, &mut choices, &mut rng, numbers) else { continue };
        let right = apply_alone(&left, position).map_err(|error| format!("{error}\n{}", print_module(&left)))?;
        let Some(right) = right else { continue };
        lathe_ir::verify(&right).map_err(|error| format!("{error}\n{}", print_module(&left)))?;
        let Some(inputs) = arguments(&left, &mut rng, numbers) else { continue };
        let Some(outcome) = compare::compare(&left, &right, &inputs, bits) else { continue };
        outcome.map_err(|what| {
            format!("{what}\nbefore:\n{}after:\n{}on {inputs:?}", print_module(&left), print_module(&right))
        })?;
        passed[side] += 1;
        kept[side].push(choices.finish());
        if passed.iter().sum::<usize>() >= INSTANCES && passed.iter().all(|&count| count >= OF_EACH_SIDE) {
            return Ok(());
        }
    }
    Err(format!("only {passed:?} instances were found").into())
}
