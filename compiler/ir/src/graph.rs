//! Modules, graphs, ops and values.
//!
//! A [`Module`] is one program: its symbols and weights ([`Env`]) and its main [`Graph`]. A graph is a list of ops in
//! topological order over SSA values. Regions of control-flow ops are graphs of their own, isolated from above: what
//! they capture comes in as parameters.

use crate::attr::Attr;
use crate::dim::{Dim, Symbol, Symbols};
use crate::op::OpCode;
use crate::tensor::Tensor;
use crate::types::TensorType;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in its table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A value of one graph.
    ValueId,
    "%"
);
id!(
    /// An op of one graph.
    OpId,
    "op"
);
id!(
    /// A weight of the module.
    WeightId,
    "@"
);

/// Names of the ONNX nodes that an op stands for, sorted; empty if none is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Loc(SmallVec<[Arc<str>; 1]>);

impl Loc {
    /// One node name.
    pub fn new(name: &str) -> Loc {
        Loc(SmallVec::from_iter([Arc::from(name)]))
    }

    /// The names, sorted.
    pub fn names(&self) -> &[Arc<str>] {
        &self.0
    }

    /// The names of both, at most eight (the first in order are kept).
    pub fn merge(&self, other: &Loc) -> Loc {
        let mut names: SmallVec<[Arc<str>; 1]> = self.0.iter().chain(&other.0).cloned().collect();
        names.sort();
        names.dedup();
        names.truncate(8);
        Loc(names)
    }

    /// The first name, or the empty string.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", |name| name)
    }
}

/// A tensor of the module that is not computed: an initializer, or one made from initializers at compile time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Name in the model, or one made up for a computed weight; unique in the module.
    pub name: Arc<str>,
    /// Element type, sizes and bytes. The bytes may be part of a memory map.
    pub value: Tensor,
}

/// What the graphs of a module share: symbols, weights, and equalities between dimensions to be checked at entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// Every symbol that occurs, with its range.
    pub symbols: Symbols,
    /// Weights by id.
    pub weights: Vec<Weight>,
    /// Pairs of dimensions that some op needs to be equal and that normal form does not tell apart or equate.
    pub equalities: Vec<(Dim, Dim)>,
    /// Those that only ops inside of branches need: they are checked where such a branch begins, and nothing else may rely
    /// on them. No pair is in both lists.
    pub conditional: Vec<(Dim, Dim)>,
}

impl Env {
    /// Adds a weight and gives its id.
    pub fn add_weight(&mut self, name: &str, value: Tensor) -> WeightId {
        let id = WeightId(self.weights.len() as u32);
        self.weights.push(Weight { name: name.into(), value });
        id
    }

    /// The weight of that id, if there is one.
    pub fn weight(&self, id: WeightId) -> Option<&Weight> {
        self.weights.get(id.index())
    }

    /// Notes that some op needs the two dimensions to be equal.
    pub fn require_equal(&mut self, a: &Dim, b: &Dim) {
        if a != b && !self.equalities.iter().any(|(x, y)| (x == a && y == b) || (x == b && y == a)) {
            self.equalities.push((a.clone(), b.clone()));
        }
    }
}

impl Env {
    /// Drops from the equalities what only branches need: inference, which does not know where an op stands, adds it.
    pub fn keep_conditional(&mut self) {
        let conditional = &self.conditional;
        self.equalities.retain(|(a, b)| !conditional.iter().any(|(x, y)| (x, y) == (a, b) || (y, x) == (a, b)));
    }
}

/// One program.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Symbols and weights.
    pub env: Env,
    /// The program.
    pub main: Graph,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Def {
    /// Parameter of the graph, by position.
    Param(u32),
    /// Result of an op, by position.
    Result(OpId, u32),
}

/// A value: its type and where it comes from.
#[derive(Clone, Debug)]
pub struct Value {
    /// Element type and shape.
    pub ty: TensorType,
    /// Where it comes from.
    pub def: Def,
}

/// Operands of an op; `None` where an optional operand is left out.
pub type Operands = SmallVec<[Option<ValueId>; 4]>;
/// Attributes of an op, in the order of its definition, none left out.
pub type Attrs = SmallVec<[Attr; 4]>;

/// One op of a graph.
#[derive(Clone, Debug)]
pub struct Op {
    /// Which op.
    pub code: OpCode,
    /// Operands in the order of the definition.
    pub operands: Operands,
    /// Attributes in the order of the definition, defaults filled in.
    pub attrs: Attrs,
    /// Values it makes.
    pub results: SmallVec<[ValueId; 1]>,
    /// Bodies of control flow.
    pub regions: Vec<Graph>,
    /// The ONNX nodes it stands for.
    pub loc: Loc,
}

impl Op {
    /// Operand `index`, if it is there.
    pub fn operand(&self, index: usize) -> Option<ValueId> {
        self.operands.get(index).copied().flatten()
    }

    /// The operands that are there.
    pub fn inputs(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.operands.iter().filter_map(|operand| *operand)
    }

    /// The only (or first) result.
    pub fn result(&self) -> ValueId {
        self.results[0]
    }

    /// The attribute of that name; `None` if the op has no such attribute.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        let position = self.code.def().attrs.iter().position(|def| def.name == name)?;
        self.attrs.get(position)
    }

    /// The integer attribute of that name, 0 if there is none.
    pub fn int(&self, name: &str) -> i64 {
        match self.attr(name) {
            Some(Attr::Int(value)) => *value,
            Some(Attr::Bool(value)) => i64::from(*value),
            _ => 0,
        }
    }

    /// The flag of that name, false if there is none.
    pub fn flag(&self, name: &str) -> bool {
        self.int(name) != 0
    }

    /// The float attribute of that name, 0 if there is none.
    pub fn float(&self, name: &str) -> f64 {
        match self.attr(name) {
            Some(Attr::Float(value)) => value.get(),
            _ => 0.0,
        }
    }

    /// The integer list of that name, empty if there is none.
    pub fn ints(&self, name: &str) -> &[i64] {
        match self.attr(name) {
            Some(Attr::Ints(values)) => values,
            _ => &[],
        }
    }

    /// The dimension list of that name, empty if there is none.
    pub fn dims(&self, name: &str) -> &[Dim] {
        match self.attr(name) {
            Some(Attr::Dims(values)) => values,
            _ => &[],
        }
    }

    /// The word of that name, empty if there is none.
    pub fn word(&self, name: &str) -> &str {
        match self.attr(name) {
            Some(Attr::Str(word)) => word,
            _ => "",
        }
    }
}

/// A named value at a graph's edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name in the model; in a region, a name made up.
    pub name: Arc<str>,
    /// The value.
    pub value: ValueId,
}

/// Ops in topological order over SSA values.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Inputs.
    pub params: Vec<Port>,
    /// Outputs.
    pub results: Vec<Port>,
    ops: Vec<Option<Op>>,
    order: Vec<OpId>,
    values: Vec<Value>,
}

impl Graph {
    /// Adds an input.
    pub fn add_param(&mut self, name: &str, ty: TensorType) -> ValueId {
        let value = self.add_value(ty, Def::Param(self.params.len() as u32));
        self.params.push(Port { name: name.into(), value });
        value
    }

    /// Adds an output.
    pub fn add_result(&mut self, name: &str, value: ValueId) {
        self.results.push(Port { name: name.into(), value });
    }

    fn add_value(&mut self, ty: TensorType, def: Def) -> ValueId {
        let id = ValueId(self.values.len() as u32);
        self.values.push(Value { ty, def });
        id
    }

    /// Appends an op whose result types are already known. [`crate::builder::Builder`] infers and checks them; this is
    /// for code that moves ops which were checked before.
    pub fn push_op(
        &mut self,
        code: OpCode,
        operands: Operands,
        attrs: Attrs,
        regions: Vec<Graph>,
        result_types: impl IntoIterator<Item = TensorType>,
        loc: Loc,
    ) -> OpId {
        let id = OpId(self.ops.len() as u32);
        let types: SmallVec<[TensorType; 1]> = result_types.into_iter().collect();
        let results = types
            .into_iter()
            .enumerate()
            .map(|(index, ty)| self.add_value(ty, Def::Result(id, index as u32)))
            .collect();
        self.ops.push(Some(Op { code, operands, attrs, results, regions, loc }));
        self.order.push(id);
        id
    }

    /// The op of that id.
    ///
    /// # Panics
    /// If it was removed: ids come from this graph's own lists, which forget removed ops.
    pub fn op(&self, id: OpId) -> &Op {
        self.ops[id.index()].as_ref().expect("op was removed")
    }

    /// The op of that id, unless it was removed or never existed.
    pub fn get_op(&self, id: OpId) -> Option<&Op> {
        self.ops.get(id.index())?.as_ref()
    }

    /// The op of that id, to change. Whoever changes operands or attributes keeps the result types true.
    ///
    /// # Panics
    /// As [`Graph::op`].
    pub fn op_mut(&mut self, id: OpId) -> &mut Op {
        self.ops[id.index()].as_mut().expect("op was removed")
    }

    /// Ids of the ops in order.
    pub fn order(&self) -> &[OpId] {
        &self.order
    }

    /// Ops in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (OpId, &Op)> {
        self.order.iter().map(|&id| (id, self.op(id)))
    }

    /// Number of ops.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True if there is no op.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The value of that id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The value of that id, if it exists.
    pub fn get_value(&self, id: ValueId) -> Option<&Value> {
        self.values.get(id.index())
    }

    /// Number of value ids handed out, removed ones included.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Type of a value.
    pub fn ty(&self, id: ValueId) -> &TensorType {
        &self.value(id).ty
    }

    /// Replaces the type of a value, where a pass has learned a sharper one.
    pub fn set_type(&mut self, id: ValueId, ty: TensorType) {
        self.values[id.index()].ty = ty;
    }

    /// The op that makes the value; `None` for a parameter.
    pub fn def(&self, id: ValueId) -> Option<(OpId, &Op)> {
        match self.value(id).def {
            Def::Param(_) => None,
            Def::Result(op, _) => Some((op, self.op(op))),
        }
    }

    /// For every value id the number of its uses as operand or graph result.
    pub fn use_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.values.len()];
        let operands = self.iter().flat_map(|(_, op)| op.inputs());
        for value in operands.chain(self.results.iter().map(|port| port.value)) {
            counts[value.index()] += 1;
        }
        counts
    }

    /// Makes every user of `old` (ops and results) use `new` instead.
    pub fn replace_uses(&mut self, old: ValueId, new: ValueId) {
        self.replace_all_uses(&BTreeMap::from([(old, new)]));
    }

    /// Replaces uses by a map, in one walk; chains in the map are followed.
    pub fn replace_all_uses(&mut self, map: &BTreeMap<ValueId, ValueId>) {
        let resolve = |mut value: ValueId| {
            for _ in 0..=map.len() {
                match map.get(&value) {
                    Some(&next) if next != value => value = next,
                    _ => break,
                }
            }
            value
        };
        for op in self.ops.iter_mut().flatten() {
            for operand in op.operands.iter_mut().flatten() {
                *operand = resolve(*operand);
            }
        }
        for port in &mut self.results {
            port.value = resolve(port.value);
        }
    }

    /// Removes ops; their results must have no users left.
    pub fn remove_ops(&mut self, mut remove: impl FnMut(OpId) -> bool) {
        let ops = &mut self.ops;
        self.order.retain(|&id| {
            let keep = !remove(id);
            if !keep {
                ops[id.index()] = None;
            }
            keep
        });
    }

    /// Sets the order of the ops; `order` must hold the same ids, operands before users.
    pub fn set_order(&mut self, order: Vec<OpId>) {
        debug_assert_eq!(order.len(), self.order.len());
        self.order = order;
    }

    /// Replaces symbols in all types and attributes, regions included.
    pub fn substitute(&mut self, replacement: &dyn Fn(&Symbol) -> Option<Dim>) {
        for value in &mut self.values {
            value.ty = value.ty.substitute(replacement);
        }
        for op in self.ops.iter_mut().flatten() {
            for attr in &mut op.attrs {
                if let Attr::Dims(dims) = attr {
                    for dim in dims {
                        *dim = dim.substitute(replacement);
                    }
                }
            }
            for region in &mut op.regions {
                region.substitute(replacement);
            }
        }
    }

    /// The tensor that a value is known to hold at compile time: the value of its `const` op.
    pub fn constant<'a>(&'a self, env: &'a Env, id: ValueId) -> Option<&'a Tensor> {
        let (_, op) = self.def(id)?;
        if op.code != OpCode::Const {
            return None;
        }
        match op.attrs.first()? {
            Attr::Tensor(tensor) => Some(tensor),
            Attr::Weight(id) => env.weight(*id).map(|weight| &weight.value),
            _ => None,
        }
    }
}

/// Modules are equal when they have the same text form and the same weights.
impl PartialEq for Module {
    fn eq(&self, other: &Module) -> bool {
        self.env.weights == other.env.weights && crate::text::print_module(self) == crate::text::print_module(other)
    }
}
