//! Checks of a decoded model, all of them before anything is imported: every problem is listed, not just the first.
//!
//! Graphs are first put in topological order (a file may list its nodes in any order), then walked once with the names
//! in scope. A graph inside a node sees the names of the graphs around it and may hide them; within one graph a name is
//! defined once. Types of values in between are not looked at: the file's word on them is advice.

use indexmap::{IndexMap, IndexSet};

use super::attribute::attribute_kind;
use super::dtype;
use super::error::{Problem, Problems, quote};
use super::functions::{self, Functions};
use super::model::normalize_domain;
use super::proto::*;
use super::sparse;
use super::tensor;
use super::topo;

/// The newest version of the standard operator set this project knows (onnx 1.23).
pub const NEWEST_OPSET: i64 = 28;

/// The newest IR version this project knows (onnx 1.23). Newer files are read all the same.
pub const NEWEST_IR_VERSION: i64 = 14;

/// What is worth knowing about a valid model.
#[derive(Debug, Default)]
pub struct Checked {
    /// Things to tell the user.
    pub warnings: Vec<Problem>,
    /// Bytes that tensors need from each external data file, by location as written in the model.
    pub external: Vec<(String, u64)>,
}

/// Sorts the model's graphs and checks it. The error is what makes the model invalid.
pub fn validate(model: &mut ModelProto) -> Result<Checked, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut warnings = Problems::default();
    let mut on_cycle = |cycle: &[&NodeProto]| {
        problems.push(|| {
            let names: Vec<_> = cycle.iter().take(8).map(|n| node_label(n)).collect();
            let more = if cycle.len() > 8 { ", ..." } else { "" };
            Problem::invalid(node_place(cycle[0]), format!("depends on itself: {}{more}", names.join(" <- ")))
        });
    };
    if let Some(graph) = &mut model.graph {
        topo::sort_nodes(&mut graph.node, &mut on_cycle);
    }
    for function in &mut model.functions {
        topo::sort_nodes(&mut function.node, &mut on_cycle);
    }

    if model.ir_version > NEWEST_IR_VERSION {
        let message = format!("IR version {} is newer than {NEWEST_IR_VERSION}; reading it as that", model.ir_version);
        warnings.push(|| Problem::warning("model", message));
    }
    check_opset_imports("model", &model.opset_import, &mut problems, &mut warnings);
    let functions = Functions::of(model);
    functions.check(model, &mut problems);

    let mut check = Check {
        functions: &functions,
        imports: domains(&model.opset_import),
        old: model.ir_version < 3,
        problems: &mut problems,
        without_data: 0,
        dense_bytes: 0,
        external: IndexMap::new(),
        missing_domains: IndexSet::new(),
    };
    match &model.graph {
        Some(graph) => check.main_graph(graph),
        None => check.problems.push(|| Problem::invalid("model", "no graph")),
    }
    for function in &model.functions {
        check.function(function);
    }
    let external = check.external.iter().map(|(location, need)| ((*location).to_owned(), *need)).collect();
    let (without_data, dense_bytes) = (check.without_data, check.dense_bytes);
    if dense_bytes > sparse::MAX_DENSE {
        let message = format!("sparse tensors take {dense_bytes} bytes in dense form, at most {}", sparse::MAX_DENSE);
        problems.push(|| Problem::unsupported("model", message));
    }
    if without_data > 0 {
        let message = format!("{without_data} tensors have no data; were the weights taken out of the file?");
        warnings.push(|| Problem::warning("model", message));
    }
    match problems.is_empty() {
        true => Ok(Checked { warnings: warnings.into_vec(), external }),
        false => Err(problems.into_vec()),
    }
}

fn check_opset_imports(place: &str, imports: &[OperatorSetIdProto], problems: &mut Problems, warnings: &mut Problems) {
    let mut seen: IndexMap<&str, i64> = IndexMap::new();
    for import in imports {
        let domain = normalize_domain(&import.domain);
        let version = import.version;
        let shown = || if domain.is_empty() { "ai.onnx".to_owned() } else { quote(domain) };
        if version < 1 {
            problems.push(|| Problem::invalid(place, format!("imports version {version} of domain {}", shown())));
        }
        if domain.is_empty() && version > NEWEST_OPSET {
            let message = format!("opset {version} is newer than {NEWEST_OPSET}; operators may have changed");
            warnings.push(|| Problem::warning(place, message));
        }
        match seen.insert(domain, version) {
            Some(other) if other != version => problems.push(|| {
                Problem::invalid(place, format!("imports versions {other} and {version} of domain {}", shown()))
            }),
            _ => {}
        }
    }
}

/// How errors call a node: its name, or the value it makes if it has none.
fn node_label(node: &NodeProto) -> String {
    match node.output.iter().find(|o| !o.is_empty()) {
        Some(output) if node.name.is_empty() => format!("of {}", quote(output)),
        _ => quote(&node.name),
    }
}

/// How errors name a node, for example `node "fc1/Gemm" (Gemm)`.
pub fn node_place(node: &NodeProto) -> String {
    format!("node {} ({})", node_label(node), error_text(&node.op_type))
}

fn error_text(text: &str) -> String {
    let quoted = quote(text);
    quoted[1..quoted.len() - 1].to_owned()
}

/// The names visible in a graph.
struct Scope<'a, 'p> {
    names: IndexSet<&'a str>,
    outer: Option<&'p Scope<'a, 'p>>,
}

impl Scope<'_, '_> {
    fn sees(&self, name: &str) -> bool {
        self.names.contains(name) || self.outer.is_some_and(|outer| outer.sees(name))
    }
}

/// What a function's nodes may use beside what every node may.
struct FunctionContext<'a> {
    imports: IndexSet<&'a str>,
    attributes: IndexSet<&'a str>,
}

/// The domains of a list of imports.
fn domains(imports: &[OperatorSetIdProto]) -> IndexSet<&str> {
    imports.iter().map(|import| normalize_domain(&import.domain)).collect()
}

struct Check<'a, 'c> {
    functions: &'c Functions<'a>,
    imports: IndexSet<&'a str>,
    /// Files of IR version 1 and 2 import the standard operators without saying so.
    old: bool,
    problems: &'c mut Problems,
    /// Initializers without data: an error only for who reads them, so that a model can be looked at without weights.
    without_data: usize,
    /// Bytes of all sparse tensors together in dense form.
    dense_bytes: u64,
    /// Bytes needed from each external file.
    external: IndexMap<&'a str, u64>,
    /// Domains already reported, so that a missing import is said once and not for every node.
    missing_domains: IndexSet<&'a str>,
}

impl<'a> Check<'a, '_> {
    fn main_graph(&mut self, graph: &'a GraphProto) {
        for input in &graph.input {
            let message = match &input.r#type {
                None => Some("no type".to_owned()),
                Some(value_type) => check_type(value_type).err(),
            };
            if let Some(message) = message {
                self.problems.push(|| Problem::invalid(format!("input {}", quote(&input.name)), message));
            }
        }
        self.graph(graph, None, None, "");
    }

    fn function(&mut self, function: &'a FunctionProto) {
        let place = functions::place(function);
        let mut ignored = Problems::default();
        check_opset_imports(&place, &function.opset_import, self.problems, &mut ignored);
        let mut scope = Scope { names: IndexSet::new(), outer: None };
        for input in &function.input {
            if !input.is_empty() && !scope.names.insert(input) {
                self.problems.push(|| Problem::invalid(&place, format!("two inputs are named {}", quote(input))));
            }
        }
        let mut attributes = IndexSet::new();
        let defaults = function.attribute_proto.iter().map(|a| &a.name);
        for name in function.attribute.iter().chain(defaults) {
            if !attributes.insert(name.as_str()) {
                self.problems.push(|| Problem::invalid(&place, format!("two attributes are named {}", quote(name))));
            }
        }
        for default in &function.attribute_proto {
            if let Err(message) = attribute_kind(default) {
                let message = format!("attribute {} {message}", quote(&default.name));
                self.problems.push(|| Problem::invalid(&place, message));
            }
        }
        let context = FunctionContext { imports: domains(&function.opset_import), attributes };
        self.nodes(&function.node, &mut scope, Some(&context), &format!(" in {place}"));
        for output in &function.output {
            if !scope.sees(output) {
                self.problems.push(|| Problem::invalid(&place, format!("output {} is not defined", quote(output))));
            }
        }
    }

    /// Checks a graph; `within` ends the place of every error in it.
    fn graph<'p>(
        &mut self,
        graph: &'a GraphProto,
        outer: Option<&'p Scope<'a, 'p>>,
        function: Option<&FunctionContext<'a>>,
        within: &str,
    ) {
        let mut scope = Scope { names: IndexSet::new(), outer };
        let place = |graph: &GraphProto| format!("graph {}{within}", quote(&graph.name));
        for input in &graph.input {
            if input.name.is_empty() {
                self.problems.push(|| Problem::invalid(place(graph), "an input has no name"));
            } else if !scope.names.insert(&input.name) {
                let message = format!("two inputs are named {}", quote(&input.name));
                self.problems.push(|| Problem::invalid(place(graph), message));
            }
        }
        // An initializer may give the default of an input, so those two may share a name.
        let mut initializers = IndexSet::new();
        let sparse = graph.sparse_initializer.iter().map(|s| s.values.as_ref().map_or("", |v| v.name.as_str()));
        for name in graph.initializer.iter().map(|i| i.name.as_str()).chain(sparse) {
            if name.is_empty() {
                self.problems.push(|| Problem::invalid(place(graph), "an initializer has no name"));
            } else if !initializers.insert(name) {
                let message = format!("two initializers are named {}", quote(name));
                self.problems.push(|| Problem::invalid(place(graph), message));
            }
        }
        for tensor in &graph.initializer {
            self.tensor(tensor, || format!("initializer {}{within}", quote(&tensor.name)));
        }
        for tensor in &graph.sparse_initializer {
            self.sparse(tensor, || format!("sparse initializer of graph {}{within}", quote(&graph.name)));
        }
        scope.names.extend(initializers);
        self.nodes(&graph.node, &mut scope, function, within);
        let mut named = IndexSet::new();
        for output in &graph.output {
            if !output.name.is_empty() && !named.insert(&output.name) {
                let message = format!("output {} is listed twice", quote(&output.name));
                self.problems.push(|| Problem::invalid(place(graph), message));
            }
            if output.name.is_empty() {
                self.problems.push(|| Problem::invalid(place(graph), "an output has no name"));
            } else if !scope.sees(&output.name) {
                let message = format!("output {} is not defined", quote(&output.name));
                self.problems.push(|| Problem::invalid(place(graph), message));
            }
        }
    }

    fn nodes(
        &mut self,
        nodes: &'a [NodeProto],
        scope: &mut Scope<'a, '_>,
        function: Option<&FunctionContext<'a>>,
        within: &str,
    ) {
        // Names made later in this graph than they are read: part of a cycle, which has been reported.
        let mut made_here: Option<IndexSet<&str>> = None;
        for node in nodes {
            let place = || format!("{}{within}", node_place(node));
            if node.op_type.is_empty() {
                self.problems.push(|| Problem::invalid(place(), "no operator"));
            }
            self.domain(node, function, &place);
            for name in node.input.iter().filter(|name| !name.is_empty()) {
                if scope.sees(name) {
                    continue;
                }
                let made_here =
                    made_here.get_or_insert_with(|| nodes.iter().flat_map(|n| &n.output).map(|o| &**o).collect());
                if !made_here.contains(name.as_str()) {
                    self.problems.push(|| Problem::invalid(place(), format!("input {} is not defined", quote(name))));
                }
            }
            self.attributes(node, scope, function, &place);
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                if !scope.names.insert(name) {
                    self.problems.push(|| {
                        Problem::invalid(place(), format!("output {} is defined a second time here", quote(name)))
                    });
                }
            }
        }
    }

    fn domain(&mut self, node: &'a NodeProto, function: Option<&FunctionContext<'a>>, place: &dyn Fn() -> String) {
        let domain = normalize_domain(&node.domain);
        let known = self.imports.contains(domain)
            || function.is_some_and(|f| f.imports.contains(domain))
            || self.missing_domains.contains(domain)
            || self.functions.called(node).is_some()
            || self.old && domain.is_empty();
        if !known {
            self.missing_domains.insert(domain);
            let shown = if domain.is_empty() { "ai.onnx".to_owned() } else { quote(domain) };
            self.problems.push(|| Problem::invalid(place(), format!("the model imports no opset of domain {shown}")));
        }
    }

    fn attributes(
        &mut self,
        node: &'a NodeProto,
        scope: &Scope<'a, '_>,
        function: Option<&FunctionContext<'a>>,
        place: &dyn Fn() -> String,
    ) {
        let mut names = IndexSet::new();
        for attribute in &node.attribute {
            let wrong =
                |message: String| Problem::invalid(place(), format!("attribute {}{message}", quote(&attribute.name)));
            if !names.insert(attribute.name.as_str()) {
                self.problems.push(|| wrong(" is given twice".into()));
            }
            if let Err(message) = attribute_kind(attribute) {
                self.problems.push(|| wrong(format!(" {message}")));
            }
            let reference = &attribute.ref_attr_name;
            if !reference.is_empty() {
                match function {
                    None => self.problems.push(|| wrong(" refers to a function's attribute outside a function".into())),
                    Some(f) if !f.attributes.contains(reference.as_str()) => self.problems.push(|| {
                        wrong(format!(" refers to attribute {}, which the function does not have", quote(reference)))
                    }),
                    Some(_) => {}
                }
            }
            let label = || format!("{}, attribute {}", place(), quote(&attribute.name));
            for tensor in attribute.t.as_deref().into_iter().chain(&attribute.tensors) {
                self.tensor(tensor, label);
            }
            for tensor in attribute.sparse_tensor.as_deref().into_iter().chain(&attribute.sparse_tensors) {
                self.sparse(tensor, label);
            }
            for graph in topo::graphs_of(attribute) {
                self.graph(graph, Some(scope), function, &format!(" in {}", place()));
            }
        }
    }

    fn tensor(&mut self, tensor: &'a TensorProto, place: impl Fn() -> String) {
        match tensor::Layout::of(tensor) {
            Ok(layout) => {
                self.without_data += usize::from(layout.lacks_data());
                if let Some(need) = layout.external_bytes()
                    && let Some(entry) = tensor.external_data.iter().find(|e| e.key == "location")
                {
                    let total = self.external.entry(&entry.value).or_insert(0);
                    *total = total.saturating_add(need);
                }
            }
            Err(fault) if fault.is_invalid() => self.problems.push(|| fault.at(place())),
            // Not known here: an error for who reads it.
            Err(_) => {}
        }
    }

    fn sparse(&mut self, sparse: &'a SparseTensorProto, place: impl Fn() -> String) {
        let code = sparse.values.as_ref().map_or(dtype::UNDEFINED, |values| values.data_type);
        match tensor::element_count(&sparse.dims) {
            Ok(count) => {
                let dense = dtype::dense_bytes(code, count).unwrap_or(0);
                self.dense_bytes = self.dense_bytes.saturating_add(dense);
            }
            Err(message) => self.problems.push(|| Problem::invalid(place(), message)),
        }
        for (part, name) in [(&sparse.values, "values"), (&sparse.indices, "indices")] {
            match part {
                Some(part) => self.tensor(part, || format!("{}, {name}", place())),
                None => self.problems.push(|| Problem::invalid(place(), format!("no {name}"))),
            }
        }
    }
}

/// Checks a type as far as a graph input needs it. Element types not known here are left to whoever uses the input.
fn check_type(value_type: &TypeProto) -> Result<(), String> {
    let element = |code: i32| if code == dtype::UNDEFINED { Err("no element type".to_owned()) } else { Ok(()) };
    let inner = |inner: &Option<Box<TypeProto>>| match inner {
        Some(inner) => check_type(inner),
        None => Err("no element type".to_owned()),
    };
    match &value_type.value {
        None => Err("no type".into()),
        Some(TypeValue::Tensor(tensor) | TypeValue::SparseTensor(tensor)) => element(tensor.elem_type),
        Some(TypeValue::Sequence(list) | TypeValue::Optional(list)) => inner(&list.elem_type),
        Some(TypeValue::Map(map)) => element(map.key_type).and_then(|()| inner(&map.value_type)),
        Some(TypeValue::Opaque(_)) => Ok(()),
    }
}
