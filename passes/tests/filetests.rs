//! Runs every case under tests/ir.
//!
//! A case is an `.ir` file whose first line names the passes: `// test: passes = rewrite, dce`. More lines may follow:
//!
//! - `// rules: a, b`: only these rules or families are on
//! - `// strict`: rules that are exact in the reals only are off
//! - `// range: x 0..5`: the input `x` is drawn from these values (integers, upper end excluded, or floats)
//! - `// symbols: N = 1, 3, 8`: values that a symbol takes
//!
//! The module is parsed, and is what its own text parses to. Then the passes run, and the module before and after is
//! evaluated on seeded random inputs for several values of the symbols: equal bits if all rules that fired keep bits,
//! else within 1e-5 of the largest element. The resulting text with a footer is compared with the snapshot of the same
//! name under snapshots/ir. A snapshot shows what changed; the evaluation shows that it is right.

use lathe_ir::text::{no_weights, parse_module, print_module, weight_hash};
use lathe_ir::{Bindings, DType, Dim, Module, Tensor, eval_module, verify};
use lathe_passes::rules::{self, Exactness};
use lathe_passes::{Options, Report, optimize};
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Largest difference allowed where rules are exact in the reals only, as a part of the largest element.
const TOLERANCE: f64 = 1e-5;
/// How many sets of inputs a case is evaluated on.
const DRAWS: usize = 4;

fn main() {
    let arguments = Arguments::from_args();
    let cases = cases();
    let mut trials: Vec<Trial> = cases
        .iter()
        .map(|(name, path)| {
            let (name, path) = (name.clone(), path.clone());
            Trial::test(format!("ir/{name}"), move || check(&name, &path))
        })
        .collect();
    let all = cases.clone();
    trials.push(Trial::test("no_orphan_snapshots", move || no_orphans(&all)));
    trials.push(Trial::test("every_rule_fires_in_a_case", move || every_rule_fires(&cases)));
    libtest_mimic::run(&arguments, trials).exit();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names (path under tests/ir without the extension) and paths of all cases.
fn cases() -> BTreeMap<String, PathBuf> {
    files(&root().join("tests/ir"), "ir")
}

fn files(folder: &Path, extension: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("").to_string_lossy().into_owned();
                found.insert(name, path);
            }
        }
    }
    found
}

struct Case {
    module: Module,
    options: Options,
    ranges: BTreeMap<String, (f64, f64)>,
    symbols: BTreeMap<String, Vec<i64>>,
}

fn read(path: &Path) -> Result<Case, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut options = Options::default();
    let (mut ranges, mut symbols) = (BTreeMap::new(), BTreeMap::new());
    let list = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
    for line in text.lines().map_while(|line| line.strip_prefix("// ")) {
        if let Some(names) = line.strip_prefix("test: passes =") {
            options.passes = Some(list(names));
        } else if let Some(names) = line.strip_prefix("rules:") {
            options.only_rules = Some(list(names).into_iter().collect());
        } else if line == "strict" {
            options.strict = true;
        } else if let Some(range) = line.strip_prefix("range:") {
            let (name, ends) = range.trim().split_once(' ').ok_or("a range has a name and ends")?;
            let (lo, hi) = ends.split_once("..").ok_or("a range is lo..hi")?;
            let end = |text: &str| text.trim().parse::<f64>().map_err(|error| error.to_string());
            ranges.insert(name.to_owned(), (end(lo)?, end(hi)?));
        } else if let Some(values) = line.strip_prefix("symbols:") {
            let (name, values) = values.split_once('=').ok_or("symbols: N = values")?;
            let values = list(values).into_iter().map(|value| value.parse::<i64>().map_err(|error| error.to_string()));
            symbols.insert(name.trim().to_owned(), values.collect::<Result<_, _>>()?);
        }
    }
    if options.passes.is_none() {
        return Err("the first line must be // test: passes = ...".to_owned());
    }
    let module = parse_module(&text, &no_weights).map_err(|error| error.to_string())?;
    Ok(Case { module, options, ranges, symbols })
}

fn check(name: &str, path: &Path) -> Result<(), Failed> {
    let case = read(path)?;
    round_trip(&case.module)?;
    let mut result = case.module.clone();
    verify(&case.module).map_err(|found| found.to_string())?;
    let report = optimize(&mut result, &case.options).map_err(|found| found.to_string())?;
    round_trip(&result)?;
    compare(&case, &result, &report)?;
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("snapshots/ir").join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = format!("{}-- {}", print_module(&result), report.footer());
    settings.bind(|| insta::assert_snapshot!(file, text));
    Ok(())
}

fn round_trip(module: &Module) -> Result<(), Failed> {
    let text = print_module(module);
    let weights = &module.env.weights;
    let again = parse_module(&text, &|name, _, hash| {
        let weight = weights.iter().find(|weight| &*weight.name == name && weight_hash(&weight.value) == hash)?;
        Some(weight.value.clone())
    });
    let again = again.map_err(|error| format!("its own text does not parse: {error}\n{text}"))?;
    if print_module(&again) == text {
        Ok(())
    } else {
        Err(format!("its own text parses to another module:\n{text}").into())
    }
}

/// Evaluates both modules and compares the results.
fn compare(case: &Case, result: &Module, report: &Report) -> Result<(), Failed> {
    let in_reals: BTreeSet<&str> = rules::all()
        .iter()
        .filter(|rule| matches!(rule.exactness, Exactness::InReals(_)))
        .map(|rule| rule.name)
        .collect();
    let exact = !report.fired.keys().any(|name| in_reals.contains(name));
    let mut last = String::new();
    let mut compared = 0;
    for draw in 0..DRAWS {
        let inputs = draw_inputs(case, draw)?;
        let want = match eval_module(&case.module, inputs.clone()) {
            Ok(want) => want,
            Err(error) => {
                last = error.to_string();
                continue;
            }
        };
        let have = eval_module(result, inputs).map_err(|error| format!("the result does not evaluate: {error}"))?;
        compared += 1;
        for (index, (want, have)) in want.iter().zip(&have).enumerate() {
            difference(want, have, exact).map_err(|what| {
                format!(
                    "result {index} differs in draw {draw}: {what}\nbefore {want:?}\nafter  {have:?}\n{}",
                    print_module(result)
                )
            })?;
        }
    }
    if compared == 0 { Err(format!("the case evaluates for no draw: {last}").into()) } else { Ok(()) }
}

fn difference(want: &Tensor, have: &Tensor, exact: bool) -> Result<(), String> {
    if want.ty() != have.ty() {
        return Err(format!("types {} and {}", want.ty(), have.ty()));
    }
    if exact || !want.dtype().is_float() {
        return if want == have { Ok(()) } else { Err("bits differ".to_owned()) };
    }
    let (want, have) = (want.to_f64(), have.to_f64());
    let largest = want.iter().filter(|value| value.is_finite()).fold(0.0f64, |most, value| most.max(value.abs()));
    for (x, y) in want.iter().zip(&have) {
        let same = x == y || (x.is_nan() && y.is_nan());
        if !same && (!x.is_finite() || !y.is_finite() || (x - y).abs() > TOLERANCE * largest) {
            return Err(format!("{x} and {y} of at most {largest}"));
        }
    }
    Ok(())
}

/// Inputs for one draw: the symbols take their values in turn.
fn draw_inputs(case: &Case, draw: usize) -> Result<Vec<Tensor>, String> {
    let mut bindings = Bindings::new();
    for (index, (symbol, info)) in case.module.env.symbols.iter().enumerate() {
        let values = case.symbols.get(symbol.name()).cloned().unwrap_or_else(|| {
            [3, 1, 8, 5].map(|value: i64| value.clamp(info.lo, info.hi.unwrap_or(i64::MAX))).to_vec()
        });
        bindings.insert(symbol.clone(), values[(draw + index) % values.len()]);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(draw as u64 + 1);
    let mut inputs = Vec::new();
    for port in &case.module.main.params {
        let ty = case.module.main.ty(port.value);
        let size =
            |dim: &Dim| dim.eval(&|symbol| bindings.get(symbol).copied()).and_then(|size| usize::try_from(size).ok());
        let shape: Option<Vec<usize>> = ty.shape.iter().map(size).collect();
        let shape = shape.ok_or_else(|| format!("the input {} has no size", port.name))?;
        let mut uniform = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        let range = case.ranges.get(&*port.name).copied();
        let values: Vec<f64> = (0..shape.iter().product())
            .map(|_| match ty.dtype {
                DType::Bool => f64::from(uniform() < 0.5),
                dtype if dtype.is_float() => {
                    let (lo, hi) = range.unwrap_or((-2.0, 2.0));
                    lo + (hi - lo) * uniform()
                }
                dtype => {
                    let (lo, hi) = range.unwrap_or((if dtype.is_unsigned() { 0.0 } else { -4.0 }, 5.0));
                    (lo + (hi - lo) * uniform()).floor()
                }
            })
            .collect();
        inputs.push(Tensor::from_f64(ty.dtype, &shape, &values));
    }
    Ok(inputs)
}

fn no_orphans(cases: &BTreeMap<String, PathBuf>) -> Result<(), Failed> {
    let folder = root().join("snapshots/ir");
    let pending = files(&folder, "new");
    let orphans: Vec<String> = files(&folder, "snap").into_keys().filter(|name| !cases.contains_key(name)).collect();
    match (pending.keys().next(), orphans.first()) {
        (Some(name), _) => Err(format!("{name} waits for review").into()),
        (_, Some(name)) => Err(format!("snapshots/ir/{name}.snap has no case").into()),
        _ => Ok(()),
    }
}

fn every_rule_fires(cases: &BTreeMap<String, PathBuf>) -> Result<(), Failed> {
    let mut fired = BTreeSet::new();
    for path in cases.values() {
        let mut case = read(path)?;
        if let Ok(report) = optimize(&mut case.module, &case.options) {
            fired.extend(report.fired.into_keys());
        }
    }
    let silent: Vec<&str> = rules::all().iter().map(|rule| rule.name).filter(|name| !fired.contains(name)).collect();
    if silent.is_empty() { Ok(()) } else { Err(format!("no case makes these fire: {}", silent.join(", ")).into()) }
}
