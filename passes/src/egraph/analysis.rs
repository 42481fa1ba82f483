//! What is known of each e-class: its type, whether it depends on constants only, its value where that is small or
//! uniform; and, beside the classes, where each e-node comes from.
//!
//! Always holds: a class has one type; rules never change it (see [`super::apply`]), so a merge of provably different
//! types is a bug, kept in [`Facts::bug`] until the run ends. Facts only become tighter.

use super::index::{self, IndexFn};
use super::language::{Children, Head, Node};
use super::recipes::Recipes;
use egg::{Analysis, DidMerge, Id, Language};
use indexmap::{IndexMap, IndexSet};
use lathe_ir::builder::MAX_INLINE;
use lathe_ir::op::{Arity, InferCx, OpError};
use lathe_ir::{Attr, Bindings, DType, Env, Graph, Loc, OpCode, Tensor, TensorType, eval_op};
use smallvec::SmallVec;
use std::sync::Arc;

/// The e-graph of this crate.
pub type EGraph = egg::EGraph<Node, Facts>;

/// Facts of a class that holds a tensor.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Element type and shape.
    pub ty: Arc<TensorType>,
    /// True if it depends on constants only and has a fixed shape, so that it is evaluated at compile time.
    pub is_const: bool,
    /// The value of every element, as a scalar, if it is known to be uniform.
    pub splat: Option<Tensor>,
    /// The value, if it is known and has at most [`MAX_INLINE`] elements.
    pub value: Option<Arc<Tensor>>,
    /// The value as a function of the position, if it is a linear one.
    pub index: Option<IndexFn>,
}

impl Fact {
    /// What is known from the type alone.
    pub fn of_type(ty: TensorType, is_const: bool) -> Fact {
        Fact { ty: Arc::new(ty), is_const, splat: None, value: None, index: None }
    }
}

/// Facts of a class.
#[derive(Clone, Debug)]
pub enum Data {
    /// An attribute value.
    Attr(Arc<Attr>),
    /// A left-out operand.
    Missing,
    /// A tensor.
    Value(Fact),
    /// Several tensors, and whether all are constant.
    Tuple(Arc<Vec<TensorType>>, bool),
}

impl Data {
    /// The tensor's facts, if the class holds one.
    pub fn fact(&self) -> Option<&Fact> {
        match self {
            Data::Value(fact) => Some(fact),
            _ => None,
        }
    }
}

/// Where an e-node comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The ONNX nodes it stands for.
    pub loc: Loc,
    /// The rules that led to it, by position in the table, sorted.
    pub rules: SmallVec<[u16; 4]>,
}

impl Origin {
    /// Both together.
    pub fn merge(&mut self, other: &Origin) {
        self.loc = self.loc.merge(&other.loc);
        self.add_rules(&other.rules);
    }

    /// Adds rules.
    pub fn add_rules(&mut self, rules: &[u16]) {
        self.rules.extend_from_slice(rules);
        self.rules.sort_unstable();
        self.rules.dedup();
    }
}

/// State of the analysis.
#[derive(Debug, Default)]
pub struct Facts {
    /// Symbols, weights and equalities of the module, taken from it while the e-graph lives.
    pub env: Env,
    /// Regions of ops by number; number 0 is not used.
    pub regions: Vec<Vec<Graph>>,
    /// Origin of each e-node, by the node with canonical children as of the last rebuild.
    pub origins: IndexMap<Node, Origin>,
    /// The classes that are computed whole in any case, as of the last rebuild.
    pub whole: IndexSet<Id>,
    /// The classes that something else than slices takes, as of the last rebuild.
    pub entire: IndexSet<Id>,
    /// Normal forms of constants; `None` where their order of operations is to be kept.
    pub recipes: Option<Recipes>,
    /// The first broken invariant.
    pub bug: Option<String>,
    /// Facts of the node that is being added, already computed.
    pending: Option<Data>,
}

impl Facts {
    /// Facts over a module's symbols and weights.
    pub fn new(env: Env) -> Facts {
        Facts { env, ..Facts::default() }
    }
}

/// Adds a node whose facts are given; for nodes that come from a graph and need no check.
pub fn add_known(egraph: &mut EGraph, node: Node, data: Data) -> Id {
    egraph.analysis.pending = Some(data);
    let id = egraph.add(node);
    egraph.analysis.pending = None;
    id
}

/// Adds a node unless it is there already.
///
/// # Errors
/// It is not well typed, or would be only if dimensions were equal that are not known to be.
pub fn try_add(egraph: &mut EGraph, node: Node) -> Result<Id, OpError> {
    if let Some(id) = egraph.lookup(node.clone()) {
        return Ok(id);
    }
    let data = infer(egraph, &node)?;
    Ok(add_known(egraph, node, data))
}

/// Adds an attribute leaf.
pub fn add_attr(egraph: &mut EGraph, attr: Attr) -> Id {
    let attr = Arc::new(attr);
    add_known(egraph, Node::leaf(Head::Attr(Arc::clone(&attr))), Data::Attr(attr))
}

/// Adds a constant.
pub fn add_constant(egraph: &mut EGraph, tensor: Tensor) -> Id {
    let value = add_attr(egraph, Attr::from(tensor.clone()));
    let node = Node { head: Head::Op(OpCode::Const, 0), children: Children::from_slice(&[value]) };
    let data = Data::Value(constant_fact(tensor));
    add_known(egraph, node, data)
}

fn constant_fact(tensor: Tensor) -> Fact {
    let splat = tensor.splat();
    let value = (tensor.len() <= MAX_INLINE).then(|| Arc::new(tensor.clone()));
    Fact { splat, value, ..Fact::of_type(tensor.ty(), true) }
}

/// Facts of a node from those of its children.
fn infer(egraph: &mut EGraph, node: &Node) -> Result<Data, OpError> {
    match &node.head {
        Head::Attr(attr) => Ok(Data::Attr(Arc::clone(attr))),
        Head::Missing => Ok(Data::Missing),
        Head::Param(index) => Err(OpError::invalid(format!("parameter {index} cannot be made by a rule"))),
        Head::Result(index) => {
            let Data::Tuple(types, is_const) = &egraph[node.children[0]].data else {
                return Err(OpError::invalid("only an op with several results is projected"));
            };
            let ty = types.get(*index as usize).ok_or_else(|| OpError::invalid("no such result"))?;
            Ok(Data::Value(Fact::of_type(ty.clone(), *is_const)))
        }
        Head::Op(code, regions) => {
            let types = infer_op(egraph, *code, *regions, node)?;
            Ok(op_data(egraph, *code, node, types))
        }
    }
}

/// The attributes of an op node.
///
/// # Errors
/// A child in their places is no attribute.
pub fn attrs_of(egraph: &EGraph, node: &Node) -> Result<SmallVec<[Attr; 4]>, OpError> {
    node.attrs()
        .iter()
        .map(|&child| match &egraph[child].data {
            Data::Attr(attr) => Ok((**attr).clone()),
            _ => Err(OpError::invalid("an attribute child is no attribute")),
        })
        .collect()
}

fn infer_op(egraph: &mut EGraph, code: OpCode, regions: u32, node: &Node) -> Result<Vec<TensorType>, OpError> {
    let attrs = attrs_of(egraph, node)?;
    let def = code.def();
    if attrs.iter().zip(def.attrs).any(|(attr, want)| !attr.is_kind(want.kind)) {
        return Err(OpError::invalid("an attribute is of the wrong kind"));
    }
    let mut env = std::mem::take(&mut egraph.analysis.env);
    let all_regions = std::mem::take(&mut egraph.analysis.regions);
    let known_equalities = env.equalities.len();
    let mut operands: SmallVec<[Option<Arc<TensorType>>; 4]> = SmallVec::new();
    let mut is_tensor = true;
    for &child in node.operands() {
        match &egraph[child].data {
            Data::Value(fact) => operands.push(Some(Arc::clone(&fact.ty))),
            Data::Missing => operands.push(None),
            _ => is_tensor = false,
        }
    }
    let required = def.operands.iter().enumerate().all(|(index, operand)| match operand.arity {
        Arity::One => operands.get(index).is_some_and(Option::is_some),
        Arity::Optional => true,
        Arity::Variadic => operands.iter().skip(index).all(Option::is_some),
    });
    let types: SmallVec<[Option<&TensorType>; 4]> = operands.iter().map(Option::as_deref).collect();
    let regions = all_regions.get(regions as usize).map_or(&[][..], Vec::as_slice);
    let result = if is_tensor && required {
        (def.infer)(&mut InferCx { def, operands: &types, attrs: &attrs, regions, env: &mut env })
    } else {
        Err(OpError::invalid("an operand is missing or no tensor"))
    };
    let undecided = env.equalities.len() > known_equalities;
    env.equalities.truncate(known_equalities);
    egraph.analysis.env = env;
    egraph.analysis.regions = all_regions;
    let types = result?;
    let bad = |ty: &TensorType| {
        ty.elements().is_overflow() || ty.shape.iter().any(|dim| dim.as_const().is_some_and(|size| size < 0))
    };
    if undecided || types.iter().any(bad) {
        return Err(OpError::invalid("dimensions would have to be equal that are not known to be"));
    }
    Ok(types.into_vec())
}

/// Facts of an op node of known result types.
pub fn op_data(egraph: &EGraph, code: OpCode, node: &Node, mut types: Vec<TensorType>) -> Data {
    let operands: SmallVec<[Option<&Fact>; 4]> = node
        .operands()
        .iter()
        .filter(|&&child| !matches!(egraph[child].data, Data::Missing))
        .map(|&child| egraph[child].data.fact())
        .collect();
    let knows = |attrs: SmallVec<[Attr; 4]>| lathe_ir::open_dim(code, &attrs).is_none();
    let is_fixed = types.iter().all(|ty| ty.sizes().is_some()) && attrs_of(egraph, node).is_ok_and(knows);
    let is_plain = matches!(node.head, Head::Op(_, 0));
    let is_const = is_plain && is_fixed && operands.iter().all(|fact| fact.is_some_and(|fact| fact.is_const));
    if types.len() != 1 {
        return Data::Tuple(Arc::new(types), is_const);
    }
    let ty = types.remove(0);
    let mut fact = match code {
        OpCode::Const => const_leaf(egraph, node, ty),
        _ => Fact::of_type(ty, is_const),
    };
    if is_plain && let Some(operands) = operands.into_iter().collect::<Option<SmallVec<[&Fact; 4]>>>() {
        if code != OpCode::Const {
            learn_value(egraph, code, node, &operands, &mut fact);
        }
        if fact.splat.is_none()
            && let Some(decided) = index::compare(code, &operands, &fact.ty)
        {
            fact.splat = Some(Tensor::scalar(DType::Bool, f64::from(decided)));
        }
        fact.index = index::learn(egraph, code, node, &operands, &fact);
        if fact.splat.is_none()
            && let Some(value) = fact.index.as_ref().and_then(IndexFn::uniform)
        {
            fact.splat = Some(Tensor::from_i64(fact.ty.dtype, &[], &[value]));
        }
    }
    Data::Value(fact)
}

fn const_leaf(egraph: &EGraph, node: &Node, ty: TensorType) -> Fact {
    let tensor = match &egraph[node.children[0]].data {
        Data::Attr(attr) => match &**attr {
            Attr::Tensor(tensor) => Some(tensor.as_ref()),
            Attr::Weight(id) => egraph.analysis.env.weight(*id).map(|weight| &weight.value),
            _ => None,
        },
        _ => None,
    };
    let mut fact = Fact::of_type(ty, true);
    if let Some(tensor) = tensor {
        fact.splat = tensor.splat();
        fact.value = (tensor.len() <= MAX_INLINE).then(|| Arc::new(tensor.clone()));
    }
    fact
}

/// Small values by evaluation; uniform values through movement and element by element.
fn learn_value(egraph: &EGraph, code: OpCode, node: &Node, operands: &[&Fact], fact: &mut Fact) {
    let traits = code.def().traits;
    let count = fact.ty.sizes().map(|sizes| sizes.iter().product::<usize>());
    let Ok(attrs) = attrs_of(egraph, node) else { return };
    let eval = |values: Vec<Option<Tensor>>| -> Option<Tensor> {
        let results = eval_op(&egraph.analysis.env, &Bindings::new(), code, &values, &attrs, &[]).ok()?;
        results.into_iter().next()
    };
    let is_small = fact.is_const && count.is_some_and(|count| count <= MAX_INLINE);
    if is_small && node.operands().len() == operands.len() && operands.iter().all(|operand| operand.value.is_some()) {
        let values = operands.iter().map(|operand| operand.value.as_deref().cloned()).collect();
        if let Some(value) = eval(values) {
            fact.splat = value.splat();
            fact.value = Some(Arc::new(value));
            return;
        }
    }
    if operands.is_empty() || operands.iter().any(|operand| operand.splat.is_none()) {
        return;
    }
    if matches!(code.name(), "reshape" | "transpose" | "broadcast" | "slice") && operands.len() == 1 {
        fact.splat = operands[0].splat.clone();
    } else if traits.elementwise && node.operands().len() == operands.len() {
        fact.splat = eval(operands.iter().map(|operand| operand.splat.clone()).collect());
    }
}

impl Analysis<Node> for Facts {
    type Data = Data;

    fn make(egraph: &mut EGraph, node: &Node, _: Id) -> Data {
        if let Some(data) = egraph.analysis.pending.take() {
            return data;
        }
        match infer(egraph, node) {
            Ok(data) => data,
            Err(error) => {
                egraph.analysis.bug.get_or_insert_with(|| format!("{node} is not well typed in the e-graph: {error}"));
                Data::Missing
            }
        }
    }

    fn remake(egraph: &mut EGraph, node: &Node, id: Id) -> Data {
        match (&node.head, &egraph[id].data) {
            (Head::Op(code, _), Data::Value(fact)) => {
                let types = vec![(*fact.ty).clone()];
                op_data(egraph, *code, node, types)
            }
            (Head::Op(code, _), Data::Tuple(types, _)) => op_data(egraph, *code, node, types.to_vec()),
            (Head::Result(_), Data::Value(fact)) => {
                let is_const = matches!(&egraph[node.children[0]].data, Data::Tuple(_, true));
                Data::Value(Fact { is_const: fact.is_const || is_const, ..fact.clone() })
            }
            (_, data) => data.clone(),
        }
    }

    fn merge(&mut self, a: &mut Data, b: Data) -> DidMerge {
        match (a, b) {
            (Data::Value(a), Data::Value(b)) => {
                let differ = a.ty.dtype != b.ty.dtype
                    || a.ty.rank() != b.ty.rank()
                    || a.ty.shape.iter().zip(&b.ty.shape).any(|(x, y)| x.known_ne(y));
                if differ {
                    self.bug.get_or_insert_with(|| format!("classes of types {} and {} were merged", a.ty, b.ty));
                }
                let a_learns = (b.is_const && !a.is_const)
                    || (a.splat.is_none() && b.splat.is_some())
                    || (a.value.is_none() && b.value.is_some())
                    || (a.index.is_none() && b.index.is_some());
                let b_learns = (a.is_const && !b.is_const)
                    || (b.splat.is_none() && a.splat.is_some())
                    || (b.value.is_none() && a.value.is_some())
                    || (b.index.is_none() && a.index.is_some());
                a.is_const |= b.is_const;
                if a.splat.is_none() {
                    a.splat = b.splat;
                }
                if a.value.is_none() {
                    a.value = b.value;
                }
                if a.index.is_none() {
                    a.index = b.index;
                }
                DidMerge(a_learns, b_learns)
            }
            (Data::Tuple(a, a_const), Data::Tuple(b, b_const)) => {
                if a.len() != b.len() {
                    self.bug.get_or_insert_with(|| "tuples of different length were merged".to_owned());
                }
                let (was, other) = (*a_const, b_const);
                *a_const |= other;
                DidMerge(!was && other, was && !other)
            }
            (Data::Missing, Data::Missing) => DidMerge(false, false),
            (Data::Attr(a), Data::Attr(b)) if *a == b => DidMerge(false, false),
            (a, b) => {
                self.bug.get_or_insert_with(|| format!("{a:?} and {b:?} were merged"));
                DidMerge(false, false)
            }
        }
    }

    /// A class whose value is known holds it as a constant too, so that extraction can take it.
    fn modify(egraph: &mut EGraph, id: Id) {
        let Data::Value(fact) = &egraph[id].data else { return };
        let Some(value) = fact.value.clone() else { return };
        let is_there = egraph[id].nodes.iter().any(|node| node.code() == Some(OpCode::Const));
        if !is_there {
            let constant = add_constant(egraph, (*value).clone());
            egraph.union(id, constant);
        }
    }
}

/// Brings the keys of the tables up to date after a rebuild.
pub fn refresh_origins(egraph: &mut EGraph) {
    let old = std::mem::take(&mut egraph.analysis.origins);
    let mut new: IndexMap<Node, Origin> = IndexMap::with_capacity(old.len());
    for (node, origin) in old {
        let node = node.map_children(|child| egraph.find(child));
        match new.get_mut(&node) {
            Some(there) => there.merge(&origin),
            None => {
                new.insert(node, origin);
            }
        }
    }
    egraph.analysis.origins = new;
    let Facts { whole, entire, .. } = &mut egraph.analysis;
    let [whole, entire] = [std::mem::take(whole), std::mem::take(entire)];
    egraph.analysis.whole = whole.into_iter().map(|id| egraph.find(id)).collect();
    egraph.analysis.entire = entire.into_iter().map(|id| egraph.find(id)).collect();
}
