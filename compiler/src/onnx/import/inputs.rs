//! Graph inputs: which are parameters, and what their dimensions are under the caller's options.

use std::collections::{BTreeMap, BTreeSet};

use lathe_ir::{Attr, DType, Diagnostic, Diagnostics, Dim, Env, Graph, Module, Symbol, SymbolInfo, TensorType};

use crate::onnx::dtype;
use crate::onnx::error::quote;
use crate::onnx::model::OnnxFile;
use crate::onnx::proto::{DimensionValue, TypeValue, ValueInfoProto};

use super::graph::Importer;
use super::unify::{self, Substitution};
use super::values::MAX_RANK;
use super::{DimBound, ImportOptions, show_dims, show_names};

/// Largest size that the options may give a dimension.
const MAX_SIZE: i64 = 1 << 31;

/// What imports so far have learned about symbols.
#[derive(Default)]
pub(super) struct Learned {
    /// What symbols stand for.
    pub(super) equal: Substitution,
    /// Largest values the ops allow.
    pub(super) at_most: BTreeMap<Symbol, i64>,
    /// Symbols that begin at 0 where the options do not bound them.
    pub(super) from_zero: BTreeSet<Symbol>,
    /// Whether all symbols do.
    pub(super) all_from_zero: bool,
}

/// How every graph input is bound.
pub(super) struct Plan<'a> {
    inputs: Vec<Input<'a>>,
    symbols: BTreeMap<Symbol, Info>,
    /// Bounds of the options for names that no input's dimension has: sizes that data decide have names too.
    others: BTreeMap<String, DimBound>,
}

struct Input<'a> {
    name: &'a str,
    binding: Binding<'a>,
}

enum Binding<'a> {
    /// A parameter of the program.
    Param(TensorType),
    /// Given by the options.
    Const(&'a lathe_ir::Tensor),
    /// Something the IR has no type for.
    Opaque(String),
}

struct Info {
    /// Order of appearance.
    rank: usize,
    bound: Option<DimBound>,
}

/// A declared dimension.
enum Declared {
    Size(i64),
    Symbol(Symbol),
}

impl<'a> Plan<'a> {
    /// Reads the inputs and the options; errors are names that do not exist and values that contradict each other.
    pub(super) fn new(file: &'a OnnxFile, options: &'a ImportOptions) -> Result<Plan<'a>, Diagnostics> {
        let mut found = Diagnostics::default();
        let graph = file.graph();
        let initialized: BTreeSet<&str> = graph
            .initializer
            .iter()
            .map(|tensor| tensor.name.as_str())
            .chain(graph.sparse_initializer.iter().filter_map(|s| s.values.as_deref()).map(|v| v.name.as_str()))
            .collect();
        let shapes: BTreeMap<&str, &Vec<i64>> =
            options.shapes.iter().map(|(name, dims)| (name.as_str(), dims)).collect();
        let consts: BTreeMap<&str, &lathe_ir::Tensor> = options.consts.iter().map(|(n, t)| (n.as_str(), t)).collect();
        // An input with an initializer is a weight, unless the options mention it.
        let inputs: Vec<&ValueInfoProto> = graph
            .input
            .iter()
            .filter(|input| {
                let name = input.name.as_str();
                !initialized.contains(name) || shapes.contains_key(name) || consts.contains_key(name)
            })
            .collect();
        for name in shapes.keys().chain(consts.keys()) {
            if !inputs.iter().any(|input| input.name == **name) {
                let names = show_names(inputs.iter().map(|input| input.name.as_str()));
                found.push(
                    Diagnostic::invalid(format!("there is no input {}", quote(name))).note(format!("inputs: {names}")),
                );
            }
        }

        let mut plan = Plan { inputs: Vec::new(), symbols: BTreeMap::new(), others: BTreeMap::new() };
        let mut pins: BTreeMap<Symbol, i64> = BTreeMap::new();
        let taken = declared_names(&inputs);
        for input in inputs {
            let result = plan.input(input, &taken, shapes.get(input.name.as_str()).copied(), &consts, &mut pins);
            match result {
                Ok(binding) => plan.inputs.push(Input { name: &input.name, binding }),
                Err(diagnostic) => found.push(*diagnostic),
            }
        }
        for (name, bound) in &options.dims {
            let symbol = Symbol::new(name);
            if let Err(message) = check_bound(bound) {
                found.push(Diagnostic::invalid(format!("dimension {}: {message}", quote(name))));
            } else if let Some(info) = plan.symbols.get_mut(&symbol) {
                info.bound = Some(*bound);
            } else {
                plan.others.insert(name.clone(), *bound);
            }
        }
        for (symbol, size) in pins {
            let Some(info) = plan.symbols.get_mut(&symbol) else { continue };
            match info.bound {
                Some(bound) if !within(bound, size) => found.push(Diagnostic::invalid(format!(
                    "dimension {} is {size} in the shape given for an input, and {} elsewhere",
                    quote(symbol.name()),
                    show_bound(bound)
                ))),
                _ => info.bound = Some(DimBound::Pin(size)),
            }
        }
        found.into_result(plan)
    }

    fn input(
        &mut self,
        input: &'a ValueInfoProto,
        taken: &BTreeSet<&str>,
        shape: Option<&Vec<i64>>,
        consts: &BTreeMap<&str, &'a lathe_ir::Tensor>,
        pins: &mut BTreeMap<Symbol, i64>,
    ) -> Result<Binding<'a>, Box<Diagnostic>> {
        let place = format!("input {}", quote(&input.name));
        let fail = |message: String| Box::new(Diagnostic::invalid(format!("{place}: {message}")));
        let tensor = match input.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
            Some(TypeValue::Tensor(tensor)) => tensor,
            Some(TypeValue::Sequence(_)) => return Ok(Binding::Opaque("a sequence".to_owned())),
            Some(TypeValue::Optional(_)) => return Ok(Binding::Opaque("an optional".to_owned())),
            Some(TypeValue::SparseTensor(_)) => return Ok(Binding::Opaque("a sparse tensor".to_owned())),
            _ => return Ok(Binding::Opaque("no tensor".to_owned())),
        };
        let Some(element) = DType::from_onnx_code(tensor.elem_type) else {
            let name = dtype::name(tensor.elem_type).unwrap_or("unknown");
            return Ok(Binding::Opaque(format!("a tensor of element type {name}")));
        };
        let declared: Option<Vec<Declared>> = tensor.shape.as_ref().map(|shape| {
            let of = |(axis, dim): (usize, &crate::onnx::proto::DimensionProto)| match &dim.value {
                Some(DimensionValue::Value(size)) if *size >= 0 => Declared::Size(*size),
                Some(DimensionValue::Param(name)) if is_name(name) => Declared::Symbol(Symbol::new(name)),
                _ => Declared::Symbol(made_up(&input.name, axis, taken)),
            };
            shape.dim.iter().enumerate().map(of).collect()
        });
        let given: Option<Vec<i64>> = match consts.get(input.name.as_str()) {
            Some(constant) => Some(constant.shape().iter().map(|&size| size as i64).collect()),
            None => shape.cloned(),
        };
        if let Some(size) = given.iter().flatten().find(|size| !(0..=MAX_SIZE).contains(*size)) {
            return Err(fail(format!("{size} is no size")));
        }
        let dims: Vec<Dim> = match (&given, &declared) {
            (Some(given), Some(declared)) => {
                if given.len() != declared.len() {
                    return Err(fail(format!("{} sizes are given for {} axes", given.len(), declared.len())));
                }
                for (&size, declared) in given.iter().zip(declared) {
                    if let Declared::Symbol(symbol) = declared {
                        self.mention(symbol);
                        match pins.insert(symbol.clone(), size) {
                            Some(other) if other != size => {
                                let name = quote(symbol.name());
                                return Err(fail(format!("dimension {name} is both {other} and {size}")));
                            }
                            _ => {}
                        }
                    }
                }
                given.iter().map(|&size| Dim::from(size)).collect()
            }
            (Some(given), None) => given.iter().map(|&size| Dim::from(size)).collect(),
            (None, Some(declared)) => declared
                .iter()
                .map(|declared| match declared {
                    Declared::Size(size) => Dim::constant(*size),
                    Declared::Symbol(symbol) => {
                        self.mention(symbol);
                        Dim::symbol(symbol)
                    }
                })
                .collect(),
            (None, None) => {
                let help = format!("give it with --shape {}=1,2,..", input.name);
                let diagnostic = Diagnostic::unsupported(format!("{place}: the model does not say its rank"));
                return Err(Box::new(diagnostic.help(help)));
            }
        };
        if let Some(constant) = consts.get(input.name.as_str()) {
            if constant.dtype() != element {
                return Err(fail(format!("the constant given is {}, the model says {element}", constant.ty())));
            }
            return Ok(Binding::Const(constant));
        }
        let ty = TensorType::new(element, dims);
        if ty.rank() > MAX_RANK {
            return Err(fail(format!("{} axes, at most {MAX_RANK} are supported", ty.rank())));
        }
        if ty.elements().is_overflow() {
            return Err(fail(format!("a tensor {} is too large", show_dims(&ty.shape))));
        }
        Ok(Binding::Param(ty))
    }

    fn mention(&mut self, symbol: &Symbol) {
        let rank = self.symbols.len();
        self.symbols.entry(symbol.clone()).or_insert(Info { rank, bound: None });
    }

    /// The constant or representative symbol that a symbol stands for.
    fn resolve(&self, symbol: &Symbol, substitution: &Substitution) -> Option<Dim> {
        if let Some(DimBound::Pin(size)) = self.symbols.get(symbol).and_then(|info| info.bound) {
            return Some(Dim::constant(size));
        }
        let dim = substitution.get(symbol)?;
        match dim.as_symbol() {
            Some(other) => self.resolve(other, &Substitution::new()).or_else(|| Some(dim.clone())),
            None => Some(dim.clone()),
        }
    }

    /// Adds the inputs to the module.
    pub(super) fn bind(&self, importer: &mut Importer<'a>, learned: &Learned) {
        importer.data_bounds.clone_from(&self.others);
        let substitution = &learned.equal;
        for (symbol, info) in &self.symbols {
            let stands_for = self.resolve(symbol, substitution);
            let target = match &stands_for {
                None => symbol,
                Some(dim) => match dim.as_symbol() {
                    Some(other) => other,
                    None => continue,
                },
            };
            let symbols = &mut importer.values.module.env.symbols;
            let entry = symbols.entry(target.clone()).or_default();
            if let Some(DimBound::Range(low, high, typical)) = info.bound {
                *entry = SymbolInfo {
                    lo: low.max(if entry.hi.is_some() { entry.lo } else { low }),
                    hi: Some(entry.hi.map_or(high, |other| other.min(high))),
                    typical: typical.or(entry.typical),
                    ..SymbolInfo::default()
                };
            } else if (learned.all_from_zero || learned.from_zero.contains(target)) && entry.hi.is_none() {
                entry.lo = 0;
            }
        }
        for (symbol, &most) in &learned.at_most {
            if let Some(info) = importer.values.module.env.symbols.get_mut(symbol) {
                info.hi = Some(info.hi.map_or(most, |high| high.min(most)));
                info.typical = info.typical.map(|typical| typical.min(most));
            }
        }
        for input in &self.inputs {
            let val = match &input.binding {
                Binding::Param(ty) => {
                    let ty = ty.substitute(&|symbol| self.resolve(symbol, substitution));
                    // What the ops need a size to be may be more than there can be.
                    if ty.elements().is_overflow() {
                        let message = format!("input {}: a tensor {ty} is too large", quote(input.name));
                        importer.report(Diagnostic::invalid(message));
                        importer.values.poisoned()
                    } else {
                        let value = importer.values.module.main.add_param(input.name, ty);
                        importer.values.emitted(value)
                    }
                }
                Binding::Const(tensor) => importer.values.constant(input.name, (*tensor).clone()),
                Binding::Opaque(what) => {
                    let message = format!("input {} is {what}", quote(input.name));
                    importer.report(Diagnostic::unsupported(message));
                    importer.values.poisoned()
                }
            };
            importer.bind(input.name, val);
        }
    }

    /// Learns from the equalities of an import; true if there was something new.
    pub(super) fn learn(&self, env: &Env, learned: &mut Learned) -> bool {
        let rank = |symbol: &Symbol| self.symbols.get(symbol).map_or(usize::MAX, |info| info.rank);
        let positive = |symbol: &Symbol| env.symbols.get(symbol).is_some_and(|info| info.lo > 0);
        let mut changed = unify::learn(&env.equalities, &mut learned.equal, &rank, &positive);
        for (symbol, most) in unify::upper_bounds(&env.equalities, &env.symbols) {
            let allowed =
                env.symbols.get(&symbol).is_none_or(|info| info.lo <= most && info.hi.is_none_or(|h| most < h));
            if allowed && learned.at_most.get(&symbol).is_none_or(|&have| most < have) {
                learned.at_most.insert(symbol, most);
                changed = true;
            }
        }
        changed
    }

    /// Refuses what the model needs and the options forbid.
    pub(super) fn check(&self, learned: &Learned, data_names: &BTreeSet<String>) -> Result<(), Diagnostics> {
        let mut found = Diagnostics::default();
        for name in self.others.keys().filter(|name| !data_names.contains(*name)) {
            let names = show_names(self.symbols.keys().map(Symbol::name).chain(data_names.iter().map(String::as_str)));
            let message = format!("there is no dimension {}", quote(name));
            found.push(Diagnostic::invalid(message).note(format!("dimensions: {names}")));
        }
        for (symbol, dim) in &learned.equal {
            let Some(bound) = self.symbols.get(symbol).and_then(|info| info.bound) else { continue };
            let problem = match (dim.as_const(), dim.as_symbol().and_then(|other| self.symbols.get(other)?.bound)) {
                (Some(size), _) => (!within(bound, size)).then(|| format!("the model needs it to be {size}")),
                (None, Some(other)) => (!overlap(bound, other))
                    .then(|| format!("the model needs it to be equal to {dim}, which is {}", show_bound(other))),
                (None, None) => None,
            };
            if let Some(problem) = problem {
                let name = quote(symbol.name());
                found.push(Diagnostic::invalid(format!("dimension {name} is {}: {problem}", show_bound(bound))));
            }
        }
        found.into_result(())
    }

    /// Dimensions that look free in the file or the options and are not.
    pub(super) fn warnings(&self, learned: &Learned) -> Vec<Diagnostic> {
        let fixed = |(symbol, dim): (&Symbol, &Dim)| {
            let size = dim.as_const()?;
            match self.symbols.get(symbol)?.bound {
                Some(DimBound::Pin(_)) => None,
                _ => Some(Diagnostic::invalid(format!(
                    "dimension {} is symbolic in the file, but the program takes {size} only: an operator needs it",
                    quote(symbol.name())
                ))),
            }
        };
        let limited = |(symbol, &most): (&Symbol, &i64)| match self.symbols.get(symbol)?.bound {
            Some(DimBound::Range(_, high, _)) if high > most => Some(Diagnostic::invalid(format!(
                "dimension {} is up to {high} in the options, but the model works up to {most} only",
                quote(symbol.name())
            ))),
            _ => None,
        };
        learned.equal.iter().filter_map(fixed).chain(learned.at_most.iter().filter_map(limited)).collect()
    }
}

/// The type that a file states for an input; sizes that it leaves open are symbols. `None` if it is no tensor of numbers
/// or has no stated rank.
pub fn declared_type(input: &ValueInfoProto) -> Option<TensorType> {
    let TypeValue::Tensor(tensor) = input.r#type.as_ref()?.value.as_ref()? else { return None };
    let dims = tensor.shape.as_ref()?.dim.iter().enumerate().map(|(axis, dim)| match &dim.value {
        Some(DimensionValue::Value(size)) if *size >= 0 => Dim::constant(*size),
        Some(DimensionValue::Param(name)) if is_name(name) => Dim::symbol(&Symbol::new(name)),
        _ => Dim::symbol(&made_up(&input.name, axis, &BTreeSet::new())),
    });
    Some(TensorType::new(DType::from_onnx_code(tensor.elem_type)?, dims))
}

/// Exporters write `?` or `*` for dimensions that have nothing to do with each other.
fn is_name(name: &str) -> bool {
    name.chars().any(char::is_alphanumeric) && name != "None"
}

/// Every name that the file gives a dimension.
fn declared_names<'a>(inputs: &[&'a ValueInfoProto]) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for input in inputs {
        if let Some(TypeValue::Tensor(tensor)) = input.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
            for dim in tensor.shape.iter().flat_map(|shape| &shape.dim) {
                if let Some(DimensionValue::Param(name)) = &dim.value {
                    names.insert(name.as_str());
                }
            }
        }
    }
    names
}

/// A name for a dimension that has none.
fn made_up(input: &str, axis: usize, taken: &BTreeSet<&str>) -> Symbol {
    let mut name = format!("{input}_{axis}");
    while taken.contains(name.as_str()) {
        name.push('_');
    }
    Symbol::new(&name)
}

fn check_bound(bound: &DimBound) -> Result<(), String> {
    let (low, high, typical) = match *bound {
        DimBound::Pin(size) => (size, size, None),
        DimBound::Range(low, high, typical) => (low, high, typical),
    };
    if low < 0 || high > MAX_SIZE {
        return Err(format!("sizes are from 0 to {MAX_SIZE}"));
    }
    if low > high {
        return Err(format!("the range {low}..{high} is empty"));
    }
    match typical {
        Some(typical) if !(low..=high).contains(&typical) => {
            Err(format!("the typical value {typical} is outside of {low}..{high}"))
        }
        _ => Ok(()),
    }
}

fn ends(bound: DimBound) -> (i64, i64) {
    match bound {
        DimBound::Pin(size) => (size, size),
        DimBound::Range(low, high, _) => (low, high),
    }
}

fn within(bound: DimBound, size: i64) -> bool {
    let (low, high) = ends(bound);
    (low..=high).contains(&size)
}

fn overlap(a: DimBound, b: DimBound) -> bool {
    let ((a0, a1), (b0, b1)) = (ends(a), ends(b));
    a0.max(b0) <= a1.min(b1)
}

fn show_bound(bound: DimBound) -> String {
    match bound {
        DimBound::Pin(size) => size.to_string(),
        DimBound::Range(low, high, _) => format!("{low}..{high}"),
    }
}

/// Symbols that a graph mentions, the types of its parameters apart.
fn mentioned(graph: &Graph, found: &mut BTreeSet<Symbol>) {
    for (_, op) in graph.iter() {
        for &value in &op.results {
            found.extend(graph.ty(value).shape.iter().flat_map(Dim::symbols));
        }
        for attr in &op.attrs {
            if let Attr::Dims(dims) = attr {
                found.extend(dims.iter().flat_map(Dim::symbols));
            }
        }
        op.regions.iter().for_each(|region| mentioned(region, found));
    }
}

/// Lets sizes without a bound begin at 0 that only inputs have of which no element is read.
fn free_unread(module: &mut Module) {
    let graph = &module.main;
    let mut needed = BTreeSet::new();
    mentioned(graph, &mut needed);
    let uses = graph.use_counts();
    for port in graph.params.iter().filter(|port| uses[port.value.index()] > 0) {
        needed.extend(graph.ty(port.value).shape.iter().flat_map(Dim::symbols));
    }
    for (a, b) in module.env.equalities.iter().chain(&module.env.conditional) {
        needed.extend(a.symbols().into_iter().chain(b.symbols()));
    }
    needed.extend(module.env.symbols.values().flat_map(|info| &info.most).flat_map(Dim::symbols));
    for (symbol, info) in &mut module.env.symbols {
        if !needed.contains(symbol) && info.hi.is_none() {
            info.lo = 0;
        }
    }
}

/// Drops equalities that hold by now and symbols that nothing mentions, and frees those that nothing reads.
pub(super) fn tidy(module: &mut Module) {
    module.env.equalities.retain(|(a, b)| a != b);
    module.env.conditional.retain(|(a, b)| a != b);
    let used: BTreeSet<Symbol> = module
        .main
        .params
        .iter()
        .flat_map(|port| module.main.ty(port.value).shape.iter().flat_map(Dim::symbols))
        .collect();
    module.env.symbols.retain(|symbol, info| info.data_dependent || used.contains(symbol));
    free_unread(module);
}
