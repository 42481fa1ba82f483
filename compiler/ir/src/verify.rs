//! The verifier: whether a module keeps the rules that every pass and the compiler behind them rely on.
//!
//! It runs after import and after each pass. What it finds is a bug of Lathe, never the model's fault: import and the
//! checked builder refuse what a model gets wrong. Each message starts with the number of the invariant:
//!
//! 1. A graph's order lists each op once, and only ops that exist.
//! 2. Each value has one definition: it is one parameter or one result of one op, and says so itself.
//! 3. Operands exist and are defined before their use, in the same graph.
//! 4. The operands are as many as the definition takes, without a gap where one is required.
//! 5. The attributes are as many and of the kinds that the definition names.
//! 6. Inference accepts the op, and its results have the inferred types; dimensions may differ in form, as long as they
//!    are not provably different.
//! 7. No dimension is an overflow or a negative constant, and no element count is beyond 2^60.
//! 8. No value has more than [`MAX_RANK`] axes.
//! 9. Symbols that occur are among the module's, with 0 <= lo <= typical <= hi. Only data-dependent ones have a bound
//!    over other symbols, which are not data-dependent.
//! 10. Weights that attributes name exist; weights of the same name do not, unless it is empty.
//! 11. Dimensions that some op needs to be equal are listed in the module's equalities (for an op in a branch, it may be
//!     those that only branches need), and those listed can be equal.
//! 12. A graph's results exist and are defined in it.
//! 13. The main graph's parameters have different names, and so have its results.
//! 14. Only ops whose definition has regions have some, nested at most [`MAX_DEPTH`] deep. A region refers to its own
//!     values only: rules 1 to 12 hold in it by itself.
//! 15. A data-dependent symbol is defined by exactly one op, and occurs in no parameter of the main graph and in no op
//!     before that one. What a region defines does not occur outside of it, nor do the counter and the changing sizes
//!     that a loop defines for its body.
//!
//! Not here: whether a module computes the right thing. Tests evaluate it before and after a pass for that.

use crate::attr::Attr;
use crate::builder::{check_attrs, check_operands, infer_types};
use crate::diag::{Diagnostic, Diagnostics};
use crate::dim::{Dim, Symbol};
use crate::graph::{Def, Env, Graph, Module, Op, OpId, ValueId};
use crate::op::OpCode;
use crate::text::attr_text;
use crate::types::TensorType;
use std::collections::BTreeSet;

/// Most axes of a value: twice those of video windows with heads, the deepest reshapes of published models; kernels and
/// the evaluator keep an index tuple per loop nest.
pub const MAX_RANK: usize = 16;
/// Deepest nesting of regions.
pub const MAX_DEPTH: usize = 32;
/// Findings after which the verifier stops.
const MAX_FINDINGS: usize = 100;

/// Checks all invariants.
///
/// # Errors
/// Every breach found (the first hundred), as bugs, each with the op, its text and where it comes from.
pub fn verify(module: &Module) -> Result<(), Diagnostics> {
    let mut verifier = Verifier {
        env: &module.env,
        scratch: Env { equalities: Vec::new(), ..module.env.clone() },
        branches: 0,
        defined: BTreeSet::new(),
        found: Diagnostics::default(),
    };
    verifier.verify_env();
    verifier.verify_names(&module.main);
    verifier.verify_graph(&module.main, 0, &mut BTreeSet::new());
    verifier.found.into_result(())
}

struct Verifier<'a> {
    env: &'a Env,
    /// What inference notes for the op at hand.
    scratch: Env,
    /// Branches around the op at hand.
    branches: usize,
    /// Data-dependent symbols defined so far, in any graph.
    defined: BTreeSet<Symbol>,
    found: Diagnostics,
}

impl Verifier<'_> {
    fn report(&mut self, invariant: usize, message: String) {
        if self.found.0.len() < MAX_FINDINGS {
            self.found.push(Diagnostic::bug(format!("invariant {invariant}: {message}")));
        }
    }

    fn report_op(&mut self, invariant: usize, graph: &Graph, id: OpId, op: &Op, message: &str) {
        let before = self.found.0.len();
        self.report(invariant, format!("{id} {}: {message}", op.code.name()));
        if let Some(diagnostic) = self.found.0.get_mut(before) {
            diagnostic.notes.push(text(graph, op));
            if !op.loc.names().is_empty() {
                let names: Vec<&str> = op.loc.names().iter().map(|name| &**name).collect();
                diagnostic.notes.push(format!("it stands for {}", names.join(", ")));
            }
        }
    }

    fn verify_env(&mut self) {
        for (symbol, info) in &self.env.symbols {
            let hi = info.hi.unwrap_or(i64::MAX);
            let typical = info.typical.unwrap_or(info.lo);
            if info.lo < 0 || typical < info.lo || hi < typical {
                self.report(9, format!("the range of symbol {symbol} is {info:?}"));
            }
            if let Some(most) = &info.most {
                let fixed = |other: &Symbol| self.env.symbols.get(other).is_some_and(|info| !info.data_dependent);
                if !info.data_dependent || most.is_overflow() || !most.symbols().iter().all(fixed) {
                    self.report(9, format!("the bound of symbol {symbol} is {most}"));
                }
            }
        }
        let mut names = BTreeSet::new();
        for weight in &self.env.weights {
            if !weight.name.is_empty() && !names.insert(&weight.name) {
                self.report(10, format!("two weights have the name {:?}", &*weight.name));
            }
        }
        for (a, b) in self.env.equalities.iter().chain(&self.env.conditional) {
            for dim in [a, b] {
                self.verify_symbols(dim, &mut |verifier, message| {
                    verifier.report(9, format!("in {a} == {b}: {message}"))
                });
            }
            if a.is_overflow() || b.is_overflow() || a.known_ne(b) {
                self.report(11, format!("{a} == {b} is listed and cannot hold"));
            }
        }
    }

    fn verify_names(&mut self, main: &Graph) {
        for (what, ports) in [("parameters", &main.params), ("results", &main.results)] {
            let mut names = BTreeSet::new();
            for port in ports {
                if !names.insert(&port.name) {
                    self.report(13, format!("two {what} have the name {:?}", &*port.name));
                }
            }
        }
    }

    fn verify_symbols(&mut self, dim: &Dim, report: &mut dyn FnMut(&mut Self, String)) {
        for symbol in dim.symbols() {
            if !self.env.symbols.contains_key(&symbol) {
                report(self, format!("{symbol} is no symbol of the module"));
            }
        }
    }

    /// Checks a type by itself.
    fn verify_type(&mut self, ty: &TensorType, report: &mut dyn FnMut(&mut Self, usize, String)) {
        for dim in &ty.shape {
            if dim.is_overflow() || dim.as_const().is_some_and(|size| size < 0) {
                report(self, 7, format!("a value has the type {ty}"));
            }
            self.verify_symbols(dim, &mut |verifier, message| report(verifier, 9, message));
        }
        if ty.rank() > MAX_RANK {
            report(self, 8, format!("a value has {} axes, {MAX_RANK} are allowed", ty.rank()));
        } else if ty.elements().is_overflow() {
            report(self, 7, format!("the element count of {ty} is beyond 2^60"));
        }
    }

    /// Checks a graph; `visible` holds the data-dependent symbols that an outer graph has defined before.
    fn verify_graph(&mut self, graph: &Graph, depth: usize, visible: &mut BTreeSet<Symbol>) {
        let mut available = BTreeSet::new();
        for (index, port) in graph.params.iter().enumerate() {
            self.verify_definition(graph, &mut available, port.value, Def::Param(index as u32));
            if let Some(value) = graph.get_value(port.value) {
                let mut report = |verifier: &mut Self, invariant, message| {
                    verifier.report(invariant, format!("parameter {:?}: {message}", &*port.name));
                };
                self.verify_type(&value.ty, &mut report);
                for dim in &value.ty.shape {
                    self.verify_visible(dim, visible, &mut |verifier, message| report(verifier, 15, message));
                }
            }
        }
        let mut listed = BTreeSet::new();
        for &id in graph.order() {
            let Some(op) = graph.get_op(id) else {
                self.report(1, format!("the order lists {id}, which does not exist"));
                continue;
            };
            if !listed.insert(id) {
                self.report(1, format!("the order lists {id} twice"));
                continue;
            }
            let before = self.found.0.len();
            self.verify_regions(graph, id, op, depth, visible);
            let whole = self.found.0.len() == before && before < MAX_FINDINGS;
            self.verify_op(graph, id, op, whole, &available, visible);
            for (index, &result) in op.results.iter().enumerate() {
                self.verify_definition(graph, &mut available, result, Def::Result(id, index as u32));
            }
        }
        for port in &graph.results {
            if !available.contains(&port.value) {
                self.report(12, format!("result {:?} is {}, which is not defined", &*port.name, port.value));
            }
        }
    }

    fn verify_definition(&mut self, graph: &Graph, available: &mut BTreeSet<ValueId>, id: ValueId, def: Def) {
        match graph.get_value(id) {
            None => self.report(2, format!("{id} is defined as {def:?}, but does not exist")),
            Some(value) if value.def != def => {
                self.report(2, format!("{id} is defined as {def:?}, but says {:?}", value.def));
            }
            Some(_) if !available.insert(id) => self.report(2, format!("{id} is defined twice")),
            Some(_) => {}
        }
    }

    /// Checks an op; `whole` tells that nothing was found in its regions, without which inference could not read them.
    fn verify_op(
        &mut self,
        graph: &Graph,
        id: OpId,
        op: &Op,
        mut whole: bool,
        available: &BTreeSet<ValueId>,
        visible: &mut BTreeSet<Symbol>,
    ) {
        for value in op.inputs().filter(|value| !available.contains(value)) {
            self.report_op(3, graph, id, op, &format!("{value} is not defined before its use"));
            whole = false;
        }
        if let Err(error) = check_operands(op.code.def(), &op.operands) {
            self.report_op(4, graph, id, op, &error.to_string());
            whole = false;
        }
        if let Err(error) = check_attrs(op.code.def(), &op.attrs) {
            self.report_op(5, graph, id, op, &error.to_string());
            whole = false;
        }
        self.verify_attrs(graph, id, op, visible);
        let results: Vec<&TensorType> =
            op.results.iter().filter_map(|&value| Some(&graph.get_value(value)?.ty)).collect();
        for ty in &results {
            let mut report = |verifier: &mut Self, invariant, message: String| {
                verifier.report_op(invariant, graph, id, op, &message)
            };
            self.verify_type(ty, &mut report);
            for dim in &ty.shape {
                self.verify_visible(dim, visible, &mut |verifier, message| report(verifier, 15, message));
            }
        }
        if whole {
            self.verify_inference(graph, id, op, &results);
        }
    }

    fn verify_attrs(&mut self, graph: &Graph, id: OpId, op: &Op, visible: &mut BTreeSet<Symbol>) {
        let dims = || {
            op.attrs.iter().zip(op.code.def().attrs).flat_map(|(attr, def)| match attr {
                Attr::Dims(dims) if !is_inner(op, def.name) => dims.as_slice(),
                _ => &[],
            })
        };
        if op.code.def().traits.data_dependent {
            // Control flow may give a size that was known before.
            let is_control = op.code.def().traits.regions;
            let own = match op.attrs.first() {
                _ if is_control => op.dims("sizes"),
                Some(Attr::Dims(dims)) => dims.as_slice(),
                _ => &[],
            };
            for symbol in own.iter().filter_map(Dim::as_symbol) {
                if is_control && (visible.contains(symbol) || !self.is_data_dependent(symbol)) {
                    continue;
                }
                if !self.is_data_dependent(symbol) {
                    self.report_op(15, graph, id, op, &format!("{symbol} is no data-dependent symbol"));
                    continue;
                }
                if !self.defined.insert(symbol.clone()) {
                    self.report_op(15, graph, id, op, &format!("symbol {symbol} is defined a second time"));
                }
                visible.insert(symbol.clone());
            }
        }
        for dim in dims() {
            self.verify_symbols(dim, &mut |verifier, message| verifier.report_op(9, graph, id, op, &message));
            self.verify_visible(dim, visible, &mut |verifier, message| {
                verifier.report_op(15, graph, id, op, &message);
            });
        }
        for attr in &op.attrs {
            if let Attr::Weight(weight) = attr
                && self.env.weight(*weight).is_none()
            {
                self.report_op(10, graph, id, op, &format!("there is no weight {weight}"));
            }
        }
    }

    fn is_data_dependent(&self, symbol: &Symbol) -> bool {
        self.env.symbols.get(symbol).is_some_and(|info| info.data_dependent)
    }

    fn verify_visible(&mut self, dim: &Dim, visible: &BTreeSet<Symbol>, report: &mut dyn FnMut(&mut Self, String)) {
        for symbol in dim.symbols() {
            if self.is_data_dependent(&symbol) && !visible.contains(&symbol) {
                report(self, format!("data-dependent symbol {symbol} occurs where no op has defined it"));
            }
        }
    }

    fn verify_inference(&mut self, graph: &Graph, id: OpId, op: &Op, results: &[&TensorType]) {
        self.scratch.equalities.clear();
        let inferred = infer_types(&mut self.scratch, graph, op.code, &op.operands, &op.attrs, &op.regions);
        let inferred = match inferred {
            Ok(inferred) => inferred,
            Err(error) => return self.report_op(6, graph, id, op, &error.to_string()),
        };
        let fits = |have: &TensorType, want: &TensorType| {
            have.dtype == want.dtype
                && have.rank() == want.rank()
                && !have.shape.iter().zip(&want.shape).any(|(have, want)| have.known_ne(want))
        };
        if inferred.len() != results.len() || !inferred.iter().zip(results).all(|(want, have)| fits(have, want)) {
            let types: Vec<String> = inferred.iter().map(ToString::to_string).collect();
            self.report_op(6, graph, id, op, &format!("its results must be {}", types.join(", ")));
        }
        let conditional = if self.branches > 0 { self.env.conditional.as_slice() } else { &[] };
        let pairs = || self.env.equalities.iter().chain(conditional);
        let listed = |a: &Dim, b: &Dim| pairs().any(|(x, y)| (x == a && y == b) || (x == b && y == a));
        let missing = self.scratch.equalities.iter().find(|(a, b)| !listed(a, b));
        if let Some((a, b)) = missing {
            let message = format!("it needs {a} == {b}, which is not listed");
            self.report_op(11, graph, id, op, &message);
        }
    }

    fn verify_regions(&mut self, graph: &Graph, id: OpId, op: &Op, depth: usize, visible: &BTreeSet<Symbol>) {
        if !op.regions.is_empty() && !op.code.def().traits.regions {
            self.report_op(14, graph, id, op, "it has regions, which its definition does not have");
        }
        if !op.regions.is_empty() && depth + 1 > MAX_DEPTH {
            return self.report_op(14, graph, id, op, &format!("regions are nested more than {MAX_DEPTH} deep"));
        }
        let mut inside = visible.clone();
        for symbol in ["counter", "changing"].iter().filter(|name| is_inner(op, name)).flat_map(|name| op.dims(name)) {
            let Some(symbol) = symbol.as_symbol() else { continue };
            if !self.defined.insert(symbol.clone()) {
                self.report_op(15, graph, id, op, &format!("symbol {symbol} is defined a second time"));
            }
            inside.insert(symbol.clone());
        }
        let is_branch = usize::from(op.code == OpCode::If);
        self.branches += is_branch;
        for region in &op.regions {
            self.verify_graph(region, depth + 1, &mut inside.clone());
        }
        self.branches -= is_branch;
    }
}

/// True for attributes whose symbols only the op's regions know.
fn is_inner(op: &Op, attr: &str) -> bool {
    op.code.def().traits.regions && matches!(attr, "counter" | "changing")
}

/// An op in a form like the text form, with the graph's own value ids.
fn text(graph: &Graph, op: &Op) -> String {
    let ty = |id: ValueId| graph.get_value(id).map_or("missing".to_owned(), |value| value.ty.to_string());
    let results: Vec<String> = op.results.iter().map(ToString::to_string).collect();
    let types: Vec<String> = op.results.iter().map(|&id| ty(id)).collect();
    let operands: Vec<String> =
        op.operands.iter().map(|operand| operand.map_or("none".to_owned(), |id| format!("{id}: {}", ty(id)))).collect();
    let attrs: Vec<String> =
        op.attrs.iter().zip(names(op)).map(|(attr, name)| format!("{name} = {}", short(attr))).collect();
    let attrs = if attrs.is_empty() { String::new() } else { format!(" {{{}}}", attrs.join(", ")) };
    format!("{} = {}({}){attrs} : {}", results.join(", "), op.code.name(), operands.join(", "), types.join(", "))
}

fn names(op: &Op) -> impl Iterator<Item = &'static str> {
    op.code.def().attrs.iter().map(|attr| attr.name).chain(std::iter::repeat("surplus"))
}

fn short(attr: &Attr) -> String {
    match attr {
        Attr::Tensor(tensor) if tensor.len() > 8 => format!("{} ..", tensor.ty()),
        attr => attr_text(attr),
    }
}
