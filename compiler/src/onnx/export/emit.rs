//! The ONNX graph under construction: nodes, names, constants, casts.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use lathe_ir::{DType, Diagnostics, Dim, Graph, Module, Symbol, Tensor, ValueId, WeightId};

use super::kernels::{compute_type, is_elementwise};
use crate::onnx::packed::proto_of_ir;
use crate::onnx::proto::{AttributeProto, AttributeType, GraphProto, NodeProto};

/// What makes up an op, or why it cannot be written. The message has no place.
pub(super) type R<T> = Result<T, String>;

/// A value of the ONNX graph.
#[derive(Clone, Debug)]
pub(super) struct Val {
    pub(super) name: String,
    pub(super) dtype: DType,
}

/// An input of a node.
#[derive(Clone, Copy)]
pub(super) enum In<'v> {
    /// Of the type that the operator computes in.
    T(&'v Val),
    /// Of a type of its own.
    Raw(&'v Val),
    /// Left out.
    Absent,
}

impl<'v> In<'v> {
    /// An optional input of the type that the operator computes in.
    pub(super) fn opt(val: Option<&'v Val>) -> In<'v> {
        val.map_or(In::Absent, In::T)
    }

    /// An input of the same kind.
    fn of<'w>(self, val: &'w Val) -> In<'w> {
        match self {
            In::T(_) => In::T(val),
            In::Raw(_) => In::Raw(val),
            In::Absent => In::Absent,
        }
    }
}

/// The graph so far.
pub(super) struct Emitter<'a> {
    pub(super) module: &'a Module,
    /// The nodes of the region at work are in it while that is written.
    pub(super) graph: GraphProto,
    /// The IR graph at work.
    pub(super) ir: &'a Graph,
    /// What its values are called, by id.
    pub(super) values: Vec<Option<Val>>,
    /// Where the size of a symbol can be read: a value and an axis.
    pub(super) sources: BTreeMap<Symbol, (String, usize)>,
    /// Values, of one element, of the symbols that data decide.
    pub(super) data_sizes: BTreeMap<Symbol, String>,
    /// Scalars that are symbols: the numbers of turns of loops.
    pub(super) counters: BTreeMap<Symbol, String>,
    /// Nodes of shape arithmetic by operator and inputs.
    pub(super) dim_nodes: BTreeMap<(&'static str, Vec<String>), String>,
    /// Vectors of dimensions.
    pub(super) dim_vectors: BTreeMap<Vec<Dim>, String>,
    /// What cannot be written.
    pub(super) found: Diagnostics,
    /// Name that the nodes of the current op are called after.
    pub(super) base: String,
    value_names: BTreeSet<String>,
    node_names: BTreeSet<String>,
    /// Next number for a name that is taken.
    suffixes: BTreeMap<String, usize>,
    tensors: BTreeMap<Tensor, String>,
    weights: BTreeMap<WeightId, String>,
    /// Constants without axes.
    scalars: BTreeSet<String>,
    /// Operand and permutation of values that are transposes.
    transposes: BTreeMap<String, (String, Vec<i64>)>,
}

impl<'a> Emitter<'a> {
    /// An empty graph; `taken` are names that no value made here may have.
    pub(super) fn new(module: &'a Module, taken: BTreeSet<String>) -> Emitter<'a> {
        Emitter {
            module,
            graph: GraphProto { name: "main".to_owned(), ..GraphProto::default() },
            ir: &module.main,
            values: vec![None; module.main.value_count()],
            sources: BTreeMap::new(),
            data_sizes: BTreeMap::new(),
            counters: BTreeMap::new(),
            dim_nodes: BTreeMap::new(),
            dim_vectors: BTreeMap::new(),
            found: Diagnostics::default(),
            base: String::new(),
            value_names: taken,
            node_names: BTreeSet::new(),
            suffixes: BTreeMap::new(),
            tensors: BTreeMap::new(),
            weights: BTreeMap::new(),
            scalars: BTreeSet::new(),
            transposes: BTreeMap::new(),
        }
    }

    /// What an IR value is called.
    pub(super) fn value(&self, id: ValueId) -> R<Val> {
        let val = self.values.get(id.index()).and_then(Option::as_ref);
        val.cloned().ok_or_else(|| format!("{id} is used before it is made"))
    }

    /// Writes a region: its parameters are called as `args` are, and what computes its values stands in `write`'s nodes.
    /// What was computed outside is known inside, and nothing that was computed inside is known afterwards.
    pub(super) fn region<T>(
        &mut self,
        region: &'a Graph,
        args: &[Val],
        write: impl FnOnce(&mut Self) -> R<T>,
    ) -> (Vec<NodeProto>, R<T>) {
        let nodes = std::mem::take(&mut self.graph.node);
        let values = std::mem::replace(&mut self.values, vec![None; region.value_count()]);
        let ir = std::mem::replace(&mut self.ir, region);
        let (sources, counters) = (self.sources.clone(), self.counters.clone());
        let (dim_nodes, dim_vectors) = (self.dim_nodes.clone(), self.dim_vectors.clone());
        let (transposes, base) = (self.transposes.clone(), self.base.clone());
        for (port, arg) in region.params.iter().zip(args) {
            self.add_sources(arg, region.ty(port.value));
            self.values[port.value.index()] = Some(arg.clone());
        }
        let written = write(self);
        (self.sources, self.counters, self.dim_nodes, self.dim_vectors) = (sources, counters, dim_nodes, dim_vectors);
        (self.transposes, self.base, self.ir, self.values) = (transposes, base, ir, values);
        (std::mem::replace(&mut self.graph.node, nodes), written)
    }

    /// A name like `wanted` that no value has.
    pub(super) fn value_name(&mut self, wanted: &str) -> String {
        unused(&mut self.value_names, &mut self.suffixes, wanted)
    }

    /// A node with that many outputs, in the types its inputs have.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
        outputs: usize,
    ) -> Vec<String> {
        let wanted = if self.base.is_empty() { operator.to_owned() } else { self.base.clone() };
        let name = unused(&mut self.node_names, &mut self.suffixes, &wanted);
        let output: Vec<String> = (0..outputs).map(|index| self.value_name(&format!("{name}:{index}"))).collect();
        self.graph.node.push(NodeProto {
            input: inputs,
            output: output.clone(),
            name,
            op_type: operator.to_owned(),
            attribute: attributes,
            ..NodeProto::default()
        });
        output
    }

    /// A node with one output.
    pub(super) fn node1(&mut self, operator: &str, inputs: Vec<String>, attributes: Vec<AttributeProto>) -> String {
        self.node(operator, inputs, attributes, 1).pop().unwrap_or_default()
    }

    /// An operator in a type that it has a kernel for, between casts where that is not the operands' own. `outputs` are
    /// the element types of the outputs, `None` for the operands' own.
    pub(super) fn kernels(
        &mut self,
        operator: &str,
        inputs: &[In<'_>],
        attributes: Vec<AttributeProto>,
        outputs: &[Option<DType>],
    ) -> R<Vec<Val>> {
        let own = inputs.iter().find_map(|input| if let In::T(val) = input { Some(val.dtype) } else { None });
        let own = own.ok_or_else(|| format!("{operator} without operands"))?;
        if let ([output], true) = (outputs, is_elementwise(operator))
            && let Some((sources, perm)) = self.untransposed(inputs)
        {
            let inputs: Vec<In<'_>> = inputs.iter().zip(&sources).map(|(input, source)| input.of(source)).collect();
            let made = self.kernels(operator, &inputs, attributes, &[*output])?;
            return Ok(made.iter().map(|val| self.transpose(val, &perm)).collect());
        }
        let Some(compute) = compute_type(operator, own) else {
            return Err(format!("ONNX's {operator} does not take {own}"));
        };
        let mut names = Vec::new();
        for input in inputs {
            names.push(match input {
                In::T(val) => self.cast(val, compute).name,
                In::Raw(val) => val.name.clone(),
                In::Absent => String::new(),
            });
        }
        while names.last().is_some_and(String::is_empty) {
            names.pop();
        }
        let made = self.node(operator, names, attributes, outputs.len());
        let results = made.into_iter().zip(outputs).map(|(name, fixed)| match fixed {
            Some(dtype) => Val { name, dtype: *dtype },
            None => self.cast(&Val { name, dtype: compute }, own),
        });
        Ok(results.collect())
    }

    /// [`Emitter::kernels`] with one output of the operands' type.
    pub(super) fn kernel(&mut self, operator: &str, inputs: &[In<'_>], attributes: Vec<AttributeProto>) -> R<Val> {
        self.kernels(operator, inputs, attributes, &[None])?.pop().ok_or_else(|| format!("{operator} gives nothing"))
    }

    /// An operator on operands of one type, without attributes.
    pub(super) fn apply(&mut self, operator: &str, operands: &[&Val]) -> R<Val> {
        let inputs: Vec<In<'_>> = operands.iter().map(|val| In::T(val)).collect();
        self.kernel(operator, &inputs, Vec::new())
    }

    /// A condition on operands of one type, without attributes.
    pub(super) fn test(&mut self, operator: &str, operands: &[&Val]) -> R<Val> {
        let inputs: Vec<In<'_>> = operands.iter().map(|val| In::T(val)).collect();
        let mut made = self.kernels(operator, &inputs, Vec::new(), &[Some(DType::Bool)])?;
        made.pop().ok_or_else(|| format!("{operator} gives nothing"))
    }

    /// `a` where `condition` holds, else `b`.
    pub(super) fn select(&mut self, condition: &Val, a: &Val, b: &Val) -> R<Val> {
        self.kernel("Where", &[In::Raw(condition), In::T(a), In::T(b)], Vec::new())
    }

    /// `val` in another type; itself if it has it. Infinity stays infinity.
    pub(super) fn cast(&mut self, val: &Val, to: DType) -> Val {
        let is_float8 = to.is_storage_float() && to.bits() == 8;
        self.cast_with(val, to, if is_float8 { vec![int("saturate", 0)] } else { Vec::new() })
    }

    /// As [`Self::cast`], with attributes besides the type.
    pub(super) fn cast_with(&mut self, val: &Val, to: DType, mut attributes: Vec<AttributeProto>) -> Val {
        if val.dtype == to {
            return val.clone();
        }
        if let Some((source, perm)) = self.transposes.get(&val.name).cloned() {
            let cast = self.cast_with(&Val { name: source, dtype: val.dtype }, to, attributes);
            return self.transpose(&cast, &perm);
        }
        attributes.push(int("to", i64::from(to.onnx_code())));
        let name = self.node1("Cast", vec![val.name.clone()], attributes);
        Val { name, dtype: to }
    }

    /// `val` with axis i being its axis perm[i]; transposes of transposes are one, or none.
    pub(super) fn transpose(&mut self, val: &Val, perm: &[i64]) -> Val {
        let (source, whole) = match self.transposes.get(&val.name) {
            Some((source, inner)) => {
                (source.clone(), perm.iter().filter_map(|&axis| inner.get(axis as usize).copied()).collect())
            }
            None => (val.name.clone(), perm.to_vec()),
        };
        if whole.iter().copied().eq(0..whole.len() as i64) {
            return Val { name: source, dtype: val.dtype };
        }
        let name = self.node1("Transpose", vec![source.clone()], vec![ints("perm", &whole)]);
        self.transposes.insert(name.clone(), (source, whole));
        Val { name, dtype: val.dtype }
    }

    /// What the inputs are transposes of, all by the permutation that comes with them, scalars aside; `None` if they are
    /// not. Operators that come before transposes instead of after them leave transposes that meet and cancel.
    pub(super) fn untransposed(&self, inputs: &[In<'_>]) -> Option<(Vec<Val>, Vec<i64>)> {
        let mut shared: Option<&Vec<i64>> = None;
        let mut sources = Vec::new();
        for input in inputs {
            let (In::T(val) | In::Raw(val)) = input else { return None };
            match self.transposes.get(&val.name) {
                Some((source, perm)) if shared.is_none_or(|shared| shared == perm) => {
                    shared = Some(perm);
                    sources.push(Val { name: source.clone(), dtype: val.dtype });
                }
                None if self.scalars.contains(&val.name) => sources.push((*val).clone()),
                _ => return None,
            }
        }
        Some((sources, shared?.clone()))
    }

    /// An initializer of that value; equal ones are one.
    pub(super) fn constant(&mut self, tensor: &Tensor) -> Val {
        if let Some(name) = self.tensors.get(tensor) {
            return Val { name: name.clone(), dtype: tensor.dtype() };
        }
        let name = self.value_name("const");
        self.initializer(&name, tensor);
        self.tensors.insert(tensor.clone(), name.clone());
        if tensor.shape().is_empty() {
            self.scalars.insert(name.clone());
        }
        Val { name, dtype: tensor.dtype() }
    }

    /// The initializer of a weight; its bytes are shared, not copied.
    pub(super) fn weight(&mut self, id: WeightId) -> R<Val> {
        let weight = self.module.env.weight(id).ok_or_else(|| format!("there is no weight {id}"))?;
        let dtype = weight.value.dtype();
        if let Some(name) = self.weights.get(&id) {
            return Ok(Val { name: name.clone(), dtype });
        }
        let name = self.value_name(if weight.name.is_empty() { "weight" } else { &weight.name });
        self.initializer(&name, &weight.value);
        self.weights.insert(id, name.clone());
        Ok(Val { name, dtype })
    }

    fn initializer(&mut self, name: &str, tensor: &Tensor) {
        self.graph.initializer.push(proto_of_ir(name, tensor));
    }

    /// A scalar constant.
    pub(super) fn scalar(&mut self, dtype: DType, value: f64) -> Val {
        self.constant(&Tensor::scalar(dtype, value))
    }

    /// An i64 vector.
    pub(super) fn vector(&mut self, values: &[i64]) -> Val {
        self.constant(&Tensor::from_i64(DType::I64, &[values.len()], values))
    }
}

/// `wanted`, or with a number behind it that makes it new.
fn unused(taken: &mut BTreeSet<String>, suffixes: &mut BTreeMap<String, usize>, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    while !taken.insert(name.clone()) {
        let suffix = suffixes.entry(wanted.to_owned()).or_insert(0);
        *suffix += 1;
        name = format!("{wanted}_{suffix}");
    }
    name
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
}

/// A graph as attribute.
pub(super) fn graph(name: &str, value: GraphProto) -> AttributeProto {
    AttributeProto { g: Some(Box::new(value)), ..attribute(name, AttributeType::Graph) }
}

/// An integer attribute.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

/// A float attribute.
pub(super) fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto { f: Some(value as f32), ..attribute(name, AttributeType::Float) }
}

/// A list of integers as attribute.
pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

/// A list of floats as attribute.
pub(super) fn floats(name: &str, values: &[f64]) -> AttributeProto {
    let floats = values.iter().map(|&value| value as f32).collect();
    AttributeProto { floats, ..attribute(name, AttributeType::Floats) }
}

/// A list of words as attribute.
pub(super) fn words(name: &str, values: &[&str]) -> AttributeProto {
    let strings = values.iter().map(|value| Bytes::copy_from_slice(value.as_bytes())).collect();
    AttributeProto { strings, ..attribute(name, AttributeType::Strings) }
}

/// A word as attribute.
pub(super) fn word(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(Bytes::copy_from_slice(value.as_bytes())), ..attribute(name, AttributeType::String) }
}

/// A tensor as attribute.
pub(super) fn tensor(name: &str, value: &Tensor) -> AttributeProto {
    let proto = proto_of_ir("", value);
    AttributeProto { t: Some(Box::new(proto)), ..attribute(name, AttributeType::Tensor) }
}
