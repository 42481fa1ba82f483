//! The walk over graphs: names, scopes, functions, errors.
//!
//! Errors are collected: a node that cannot be imported makes its outputs poisoned, and nodes that use poisoned values
//! are skipped without a word, except that what can be told without inputs (an unknown operator, an attribute that does
//! not exist) is told for every node.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lathe_ir::{Diagnostic, Diagnostics, Loc, OpError, Symbol, Tensor};

use crate::onnx::error::{MAX_PROBLEMS, quote};
use crate::onnx::model::{OnnxFile, normalize_domain};
use crate::onnx::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto, TensorProto};
use crate::onnx::{TensorData, dtype};

use super::DimBound;
use super::attrs::NodeAttrs;
use super::node::NodeCx;
use super::values::{Fail, R, Val, Values, invalid, unsupported};
use super::{ops, opset};

/// At most this many IR ops are made; a larger program is refused.
const MAX_OPS: usize = 1 << 19;
/// At most this many pairs of dimensions may have to be equal.
const MAX_EQUALITIES: usize = 1 << 12;
/// Graphs and function calls may nest this deep.
const MAX_DEPTH: usize = 128;

/// Names visible in a graph or function body.
struct Scope<'a> {
    names: BTreeMap<&'a str, Val>,
    /// A function body sees nothing outside.
    is_function: bool,
    /// Attributes of the call, in a function body.
    attrs: Option<Rc<NodeAttrs<'a>>>,
    opsets: Rc<BTreeMap<&'a str, i64>>,
    /// Put before node names.
    prefix: Rc<str>,
}

/// One import of one file.
pub(super) struct Importer<'a> {
    /// The file.
    pub(super) file: &'a OnnxFile,
    /// Values and the module.
    pub(super) values: Values,
    /// Name of the first output of the node at hand.
    pub(super) first_output: Rc<str>,
    scopes: Vec<Scope<'a>>,
    used: BTreeSet<&'a str>,
    pub(super) found: Diagnostics,
    left_out: usize,
    /// Inputs whose values decide shapes, ranks or branches.
    pub(super) deciding: BTreeSet<String>,
    /// Bounds that the options give sizes that data decide, by name.
    pub(super) data_bounds: BTreeMap<String, DimBound>,
    /// Names of the sizes that data decide.
    pub(super) data_names: BTreeSet<String>,
    /// Lengths of lists for which having no elements means something.
    pub(super) may_be_empty: BTreeSet<Symbol>,
    /// Whether sizes of different names may differ in a broadcast.
    pub(super) is_dynamic: bool,
    /// Turns that memory is planned for where nothing tells their number before a run.
    pub(super) loop_turns: i64,
    /// Set when a limit was passed: nothing more is imported.
    stopped: bool,
}

impl<'a> Importer<'a> {
    /// An import that has not begun.
    pub(super) fn new(file: &'a OnnxFile) -> Importer<'a> {
        let mut used = BTreeSet::new();
        collect_used(file.graph(), &mut used, 0);
        for function in &file.model.functions {
            used.extend(function.output.iter().map(String::as_str));
            collect_used_nodes(&function.node, &mut used, 0);
        }
        Importer {
            file,
            values: Values::default(),
            first_output: "".into(),
            scopes: Vec::new(),
            used,
            found: Diagnostics::default(),
            left_out: 0,
            deciding: BTreeSet::new(),
            data_bounds: BTreeMap::new(),
            data_names: BTreeSet::new(),
            may_be_empty: BTreeSet::new(),
            is_dynamic: false,
            loop_turns: 1,
            stopped: false,
        }
    }

    /// Notes a finding.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        if self.found.0.len() < MAX_PROBLEMS {
            self.found.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    /// What was found.
    pub(super) fn take_found(&mut self) -> Diagnostics {
        let mut found = std::mem::take(&mut self.found);
        if self.left_out > 0 {
            found.push(Diagnostic::unsupported(format!("{} more findings are not listed", self.left_out)));
        }
        found
    }

    /// Begins the main graph; initializers are bound, inputs are the caller's business.
    pub(super) fn begin_main(&mut self) {
        let opsets = opset_map(&self.file.model.opset_import);
        self.scopes.push(Scope {
            names: BTreeMap::new(),
            is_function: true,
            attrs: None,
            opsets: Rc::new(opsets),
            prefix: "".into(),
        });
    }

    /// Gives a name of the innermost scope a value.
    pub(super) fn bind(&mut self, name: &'a str, val: Val) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(name, val);
        }
    }

    /// The value of a name.
    pub(super) fn lookup(&self, name: &str) -> Option<Val> {
        for scope in self.scopes.iter().rev() {
            if let Some(val) = scope.names.get(name) {
                return Some(*val);
            }
            if scope.is_function {
                break;
            }
        }
        None
    }

    /// Binds the initializers of a graph.
    pub(super) fn bind_initializers(&mut self, graph: &'a GraphProto) {
        for tensor in &graph.initializer {
            if self.scopes.last().is_some_and(|scope| scope.names.contains_key(tensor.name.as_str())) {
                continue;
            }
            let val = match self.read(tensor, &tensor.name) {
                Ok(val) => val,
                Err(diagnostic) => {
                    self.report(*diagnostic);
                    self.values.poisoned()
                }
            };
            self.bind(&tensor.name, val);
        }
        for sparse in &graph.sparse_initializer {
            if let Some(values) = &sparse.values {
                let val = self.values.opaque("a sparse initializer");
                self.bind(&values.name, val);
            }
        }
    }

    fn read(&mut self, tensor: &TensorProto, name: &str) -> Result<Val, Box<Diagnostic>> {
        match self.file.tensor(tensor) {
            Ok(data) => Ok(match to_tensor(&data) {
                Ok(tensor) => self.values.constant(name, tensor),
                Err(what) => self.values.opaque(&what),
            }),
            Err(problem) => Err(Box::new(super::diagnostic_of(&problem))),
        }
    }

    /// A tensor that is an attribute.
    pub(super) fn attribute_tensor(&mut self, tensor: &TensorProto) -> R<Tensor> {
        match self.file.tensor_at(tensor, "the tensor of an attribute") {
            Ok(data) => to_tensor(&data).or_else(|what| unsupported(format!("an attribute is {what}"))),
            Err(problem) => Err(super::op_error_of(&problem).into()),
        }
    }

    /// Makes the outputs of the main graph results.
    pub(super) fn outputs(&mut self) {
        for output in &self.file.graph().output {
            let place = format!("output {}", quote(&output.name));
            let value = match self.lookup(&output.name) {
                Some(val) => self.values.value(val),
                None => invalid("it is not defined"),
            };
            match value {
                Ok(value) => self.values.module.main.add_result(&output.name, value),
                Err(Fail::Poisoned) => {}
                Err(Fail::Op(OpError::Invalid(what))) => self.report(Diagnostic::invalid(format!("{place}: {what}"))),
                Err(Fail::Op(OpError::Unsupported(what)) | Fail::Data(what)) => {
                    self.report(Diagnostic::unsupported(format!("{place}: {what}")));
                }
            }
        }
    }

    /// Imports nodes in order.
    pub(super) fn nodes(&mut self, nodes: &'a [NodeProto]) {
        for node in nodes {
            if self.stopped {
                for name in node.output.iter().filter(|name| !name.is_empty()) {
                    let val = self.values.poisoned();
                    self.bind(name, val);
                }
                continue;
            }
            self.node(node);
            self.check_limits();
        }
    }

    fn check_limits(&mut self) {
        let module = &self.values.module;
        let what = if module.main.value_count() + self.values.spent > MAX_OPS {
            format!("the model needs more than {MAX_OPS} ops")
        } else if module.env.equalities.len() + self.values.conditional.len() > MAX_EQUALITIES {
            format!("more than {MAX_EQUALITIES} pairs of dimensions would have to be equal")
        } else {
            return;
        };
        self.stopped = true;
        self.report(Diagnostic::unsupported(what));
    }

    fn node(&mut self, node: &'a NodeProto) {
        let prefix = self.scopes.last().map(|scope| scope.prefix.clone()).unwrap_or_default();
        let first_output = node.output.iter().find(|name| !name.is_empty()).map_or("", String::as_str);
        let own = if node.name.is_empty() { first_output } else { &node.name };
        let label = format!("{prefix}{own}");
        self.values.loc = Loc::new(&label);
        self.first_output = format!("{prefix}{first_output}").into();
        let domain = normalize_domain(&node.domain);
        let version = self.scopes.last().and_then(|scope| scope.opsets.get(domain).copied());
        let outputs = match self.import(node, domain, version, &label) {
            Ok(outputs) => outputs,
            Err(fail) => {
                let diagnostic = match fail {
                    Fail::Poisoned => None,
                    Fail::Op(OpError::Invalid(message)) => Some(Diagnostic::invalid(message)),
                    Fail::Op(OpError::Unsupported(message)) => Some(Diagnostic::unsupported(message)),
                    Fail::Data(message) => Some(self.data_dependent(node, message)),
                };
                if let Some(diagnostic) = diagnostic {
                    let diagnostic = self.describe_failure(node, domain, version, &label, diagnostic);
                    self.report(diagnostic);
                }
                Vec::new()
            }
        };
        for (index, name) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let val = match outputs.get(index) {
                Some(val) => *val,
                None => self.values.poisoned(),
            };
            self.bind(name, val);
        }
    }

    fn import(&mut self, node: &'a NodeProto, domain: &'a str, version: Option<i64>, label: &str) -> R<Vec<Val>> {
        let function = self.file.function(domain, &node.op_type, &node.overload);
        let outer = self.scopes.last().and_then(|scope| scope.attrs.clone());
        let attrs = NodeAttrs::read(&node.attribute, outer.as_deref());
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(match (name.is_empty(), self.lookup(name)) {
                (true, _) => None,
                (false, Some(val)) => Some(val).filter(|val| !self.values.is_absent(*val)),
                (false, None) => return invalid(format!("input {} is not defined", quote(name))),
            });
        }
        let is_poisoned = inputs.iter().flatten().any(|val| self.values.is_poisoned(*val));
        if let Some(function) = function {
            return self.call(function, inputs, attrs?, label);
        }
        let Some(row) = ops::find(domain, &node.op_type) else {
            return unsupported("no such operator is supported");
        };
        let opset = version.unwrap_or(1);
        let Some(&since) = row.versions.iter().rev().find(|since| **since <= opset) else {
            return unsupported(format!("supported from opset {} on", row.versions.first().copied().unwrap_or(1)));
        };
        let attrs = attrs?;
        if let Some(name) = attrs.names().find(|name| !row.attrs.contains(name) && !IGNORED.contains(name)) {
            return unsupported(format!("attribute {} is not known", quote(name)));
        }
        if is_poisoned {
            return Err(Fail::Poisoned);
        }
        let used = &self.used;
        let wanted: Vec<bool> = node.output.iter().map(|name| used.contains(name.as_str())).collect();
        let count = wanted.iter().rposition(|wanted| *wanted).map_or(0, |last| last + 1);
        let mut cx = NodeCx { importer: self, attrs, inputs, wanted, version: since, op: row.name };
        opset::upgrade(&mut cx, domain)?;
        let outputs = (row.import)(&mut cx)?;
        if outputs.len() < count {
            return unsupported(format!("output {} is not supported", outputs.len()));
        }
        Ok(outputs)
    }

    /// What is said of a node that needs a value at import; the inputs that decide it are noted.
    fn data_dependent(&mut self, node: &NodeProto, message: String) -> Diagnostic {
        let diagnostic = Diagnostic::unsupported(message);
        if self.found.0.len() >= MAX_PROBLEMS {
            return diagnostic;
        }
        let inputs: Vec<Val> = node.input.iter().filter_map(|name| self.lookup(name)).collect();
        // The shape is decided by integers; data of floats is what is shaped.
        let is_float = |val: &Val| self.values.ty(*val).is_ok_and(|ty| ty.dtype.is_float());
        let (floats, others): (Vec<Val>, Vec<Val>) = inputs.into_iter().partition(is_float);
        let mut deciding = self.values.computed_from(others);
        if deciding.is_empty() {
            deciding = self.values.computed_from(floats);
        }
        if deciding.is_empty() {
            return diagnostic;
        }
        let names: Vec<&str> = deciding.iter().map(String::as_str).take(8).collect();
        let help = format!("fix the inputs that decide it: --const {}=..", names.join("=.. --const "));
        self.deciding.extend(deciding);
        diagnostic.help(help)
    }

    fn describe_failure(
        &self,
        node: &'a NodeProto,
        domain: &str,
        version: Option<i64>,
        label: &str,
        mut diagnostic: Diagnostic,
    ) -> Diagnostic {
        let op = if domain.is_empty() { node.op_type.clone() } else { format!("{domain}.{}", node.op_type) };
        for name in node.input.iter().filter(|name| !name.is_empty()).take(6) {
            if let Some(val) = self.lookup(name) {
                diagnostic = diagnostic.note(format!("input {} is {}", quote(name), self.values.describe(val)));
            }
        }
        let outer = self.scopes.last().and_then(|scope| scope.attrs.clone());
        if let Ok(attrs) = NodeAttrs::read(&node.attribute, outer.as_deref())
            && attrs.names().next().is_some()
        {
            diagnostic = diagnostic.note(format!("attributes: {}", attrs.describe()));
        }
        diagnostic.at(unquoted(label).as_str(), unquoted(&op).as_str(), version)
    }

    /// Replaces a call of one of the model's functions by its body.
    fn call(
        &mut self,
        function: &'a FunctionProto,
        inputs: Vec<Option<Val>>,
        mut attrs: NodeAttrs<'a>,
        label: &str,
    ) -> R<Vec<Val>> {
        if inputs.len() > function.input.len() {
            return invalid(format!("{} inputs for a function of {}", inputs.len(), function.input.len()));
        }
        let defaults: &'a [AttributeProto] = &function.attribute_proto;
        let given = NodeAttrs::read(defaults, None)?;
        for name in given.names() {
            if let Some(value) = given.get(name) {
                attrs.set_default(name, value.clone());
            }
        }
        let mut opsets = opset_map(&function.opset_import);
        for (domain, version) in opset_map(&self.file.model.opset_import) {
            opsets.entry(domain).or_insert(version);
        }
        let mut names = BTreeMap::new();
        for (name, val) in function.input.iter().zip(inputs.into_iter().chain(std::iter::repeat(None))) {
            if let Some(val) = val {
                names.insert(name.as_str(), val);
            }
        }
        let absent: BTreeSet<&str> =
            function.input.iter().map(String::as_str).filter(|name| !names.contains_key(name)).collect();
        let scope = Scope {
            names,
            is_function: true,
            attrs: Some(Rc::new(attrs)),
            opsets: Rc::new(opsets),
            prefix: format!("{label}/").into(),
        };
        self.in_scope(scope, |importer| {
            importer.body(&function.node, &absent);
            Ok(function.output.iter().map(|name| importer.lookup(name)).collect::<Vec<_>>())
        })?
        .into_iter()
        .map(|val| match val {
            Some(val) => Ok(val),
            None => invalid("an output of the function is not defined"),
        })
        .collect()
    }

    /// Imports the nodes of a function; names of inputs that the call leaves out count as left out in the nodes.
    fn body(&mut self, nodes: &'a [NodeProto], absent: &BTreeSet<&'a str>) {
        for name in absent {
            let val = self.values.absent();
            self.bind(name, val);
        }
        self.nodes(nodes);
    }

    /// Imports a graph that is an attribute of a node in place, for these inputs; gives its outputs.
    pub(super) fn inline_graph(&mut self, graph: &'a GraphProto, part: &str, inputs: &[Val]) -> R<Vec<Val>> {
        if graph.input.len() != inputs.len() {
            return invalid(format!("the graph {part} has {} inputs for {} values", graph.input.len(), inputs.len()));
        }
        let (Some(outer), label) = (self.scopes.last(), self.values.loc.first().to_owned()) else {
            return invalid("a branch outside of a graph");
        };
        let names = graph.input.iter().map(|input| input.name.as_str()).zip(inputs.iter().copied()).collect();
        let scope = Scope {
            names,
            is_function: false,
            attrs: outer.attrs.clone(),
            opsets: outer.opsets.clone(),
            prefix: format!("{label}/{part}/").into(),
        };
        self.in_scope(scope, |importer| {
            for (input, &val) in graph.input.iter().zip(inputs) {
                importer.bind(&input.name, val);
            }
            importer.bind_initializers(graph);
            importer.nodes(&graph.node);
            graph
                .output
                .iter()
                .map(|output| match importer.lookup(&output.name) {
                    Some(val) => Ok(val),
                    None => invalid(format!("output {} is not defined", quote(&output.name))),
                })
                .collect()
        })
    }

    fn in_scope<T>(&mut self, scope: Scope<'a>, run: impl FnOnce(&mut Importer<'a>) -> R<T>) -> R<T> {
        if self.scopes.len() >= MAX_DEPTH {
            return unsupported(format!("graphs and calls nest deeper than {MAX_DEPTH}"));
        }
        let (loc, first_output) = (self.values.loc.clone(), self.first_output.clone());
        self.scopes.push(scope);
        let result = run(self);
        self.scopes.pop();
        (self.values.loc, self.first_output) = (loc, first_output);
        result
    }
}

/// Attributes of old operators that told an executor how to save memory, and that mean nothing for results.
const IGNORED: &[&str] = &["consumed_inputs"];

fn opset_map(list: &[OperatorSetIdProto]) -> BTreeMap<&str, i64> {
    list.iter().map(|import| (normalize_domain(&import.domain), import.version)).collect()
}

fn unquoted(name: &str) -> String {
    let quoted = quote(name);
    quoted[1..quoted.len() - 1].to_owned()
}

fn collect_used<'a>(graph: &'a GraphProto, used: &mut BTreeSet<&'a str>, depth: usize) {
    used.extend(graph.output.iter().map(|output| output.name.as_str()));
    collect_used_nodes(&graph.node, used, depth);
}

fn collect_used_nodes<'a>(nodes: &'a [NodeProto], used: &mut BTreeSet<&'a str>, depth: usize) {
    for node in nodes {
        used.extend(node.input.iter().map(String::as_str).filter(|name| !name.is_empty()));
        if depth < MAX_DEPTH {
            for attribute in &node.attribute {
                for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
                    collect_used(graph, used, depth + 1);
                }
            }
        }
    }
}

/// The IR tensor of what was read; the error says what it is instead.
pub(super) fn to_tensor(data: &TensorData) -> Result<Tensor, String> {
    let name = dtype::name(data.dtype_code).unwrap_or("?");
    data.to_ir().ok_or_else(|| format!("a constant of element type {name}"))
}
