//! The checked builder: appends ops to a graph and infers their result types.

use crate::attr::Attr;
use crate::dim::Dim;
use crate::dtype::DType;
use crate::graph::{Attrs, Env, Graph, Loc, Op, OpId, Operands, ValueId, WeightId};
use crate::op::{Arity, InferCx, OpCode, OpDef, OpError, Types};
use crate::tensor::Tensor;
use crate::types::TensorType;
use crate::verify::MAX_RANK;
use smallvec::SmallVec;

/// Largest number of elements that a `const` op holds inline; larger tensors go among the weights.
pub const MAX_INLINE: usize = 64;

/// Appends checked ops to a graph.
///
/// ```
/// use lathe_ir::{Builder, DType, Graph, Env, OpCode, TensorType};
/// let (mut env, mut graph) = (Env::default(), Graph::default());
/// let x = graph.add_param("x", TensorType::fixed(DType::F32, &[2, 3]));
/// let mut builder = Builder::new(&mut env, &mut graph);
/// let y = builder.op1(OpCode::Relu, &[x], &[]).unwrap();
/// assert_eq!(builder.ty(y).to_string(), "f32[2,3]");
/// ```
pub struct Builder<'a> {
    /// Symbols and weights of the module.
    pub env: &'a mut Env,
    /// The graph that grows.
    pub graph: &'a mut Graph,
    /// Location given to the ops that follow.
    pub loc: Loc,
}

impl<'a> Builder<'a> {
    /// A builder that appends to `graph`.
    pub fn new(env: &'a mut Env, graph: &'a mut Graph) -> Builder<'a> {
        Builder { env, graph, loc: Loc::default() }
    }

    /// Type of a value.
    pub fn ty(&self, value: ValueId) -> &TensorType {
        self.graph.ty(value)
    }

    /// Appends an op; attributes that are not named get their defaults.
    pub fn op(
        &mut self,
        code: OpCode,
        operands: &[Option<ValueId>],
        attrs: &[(&str, Attr)],
        regions: Vec<Graph>,
    ) -> Result<OpId, OpError> {
        let attrs = complete_attrs(code.def(), attrs)?;
        self.op_with(code, SmallVec::from_slice(operands), attrs, regions)
    }

    /// Appends an op whose attributes are complete and in order.
    pub fn op_with(
        &mut self,
        code: OpCode,
        mut operands: Operands,
        attrs: Attrs,
        regions: Vec<Graph>,
    ) -> Result<OpId, OpError> {
        while operands.last() == Some(&None) {
            operands.pop();
        }
        let types = infer_types(self.env, self.graph, code, &operands, &attrs, &regions)?;
        Ok(self.graph.push_op(code, operands, attrs, regions, types, self.loc.clone()))
    }

    /// Appends an op with one result and only required operands.
    pub fn op1(&mut self, code: OpCode, operands: &[ValueId], attrs: &[(&str, Attr)]) -> Result<ValueId, OpError> {
        let operands: Operands = operands.iter().map(|&value| Some(value)).collect();
        let id = self.op(code, &operands, attrs, Vec::new())?;
        Ok(self.graph.op(id).result())
    }

    /// Appends an op with one result and optional operands.
    pub fn op1_opt(
        &mut self,
        code: OpCode,
        operands: &[Option<ValueId>],
        attrs: &[(&str, Attr)],
    ) -> Result<ValueId, OpError> {
        let id = self.op(code, operands, attrs, Vec::new())?;
        Ok(self.graph.op(id).result())
    }

    /// A constant: inline up to [`MAX_INLINE`] elements, else a new weight of that name.
    pub fn constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let attr = if tensor.len() <= MAX_INLINE {
            Attr::from(tensor)
        } else {
            Attr::Weight(self.env.add_weight(name, tensor))
        };
        self.constant_attr(attr)
    }

    /// A constant that reads a weight.
    pub fn weight(&mut self, id: WeightId) -> ValueId {
        self.constant_attr(Attr::Weight(id))
    }

    fn constant_attr(&mut self, attr: Attr) -> ValueId {
        let ty = match &attr {
            Attr::Tensor(tensor) => tensor.ty(),
            Attr::Weight(id) => self.env.weights[id.index()].value.ty(),
            _ => TensorType::fixed(DType::F32, &[]),
        };
        let id = self.graph.push_op(
            OpCode::Const,
            Operands::new(),
            SmallVec::from_iter([attr]),
            Vec::new(),
            [ty],
            self.loc.clone(),
        );
        self.graph.op(id).result()
    }

    /// A scalar constant.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> ValueId {
        self.constant("", Tensor::scalar(dtype, value))
    }

    /// Appends a copy of an op of another graph (regions included) with given operands, and checks it anew.
    pub fn copy_op(&mut self, op: &Op, operands: Operands) -> Result<OpId, OpError> {
        let loc = std::mem::replace(&mut self.loc, op.loc.clone());
        let id = self.op_with(op.code, operands, op.attrs.clone(), op.regions.clone());
        self.loc = loc;
        id
    }

    /// `reshape(x)` to that shape; `x` itself if it has that shape already.
    pub fn reshape(&mut self, x: ValueId, shape: impl IntoIterator<Item = Dim>) -> Result<ValueId, OpError> {
        let shape: crate::types::Shape = shape.into_iter().collect();
        if self.ty(x).shape == shape {
            return Ok(x);
        }
        self.op1(OpCode::Reshape, &[x], &[("shape", Attr::Dims(shape))])
    }

    /// `transpose(x)`; `x` itself if the permutation is the identity.
    pub fn transpose(&mut self, x: ValueId, perm: &[i64]) -> Result<ValueId, OpError> {
        if perm.iter().copied().eq(0..perm.len() as i64) {
            return Ok(x);
        }
        self.op1(OpCode::Transpose, &[x], &[("perm", Attr::ints(perm))])
    }

    /// `cast(x)`; `x` itself if it is of that type.
    pub fn cast(&mut self, x: ValueId, to: DType) -> Result<ValueId, OpError> {
        if self.ty(x).dtype == to {
            return Ok(x);
        }
        self.op1(OpCode::Cast, &[x], &[("to", Attr::DType(to))])
    }
}

/// Attributes by name put in the definition's order, defaults filled in; kinds are checked.
pub fn complete_attrs(def: &OpDef, given: &[(&str, Attr)]) -> Result<Attrs, OpError> {
    if let Some((name, _)) = given.iter().find(|(name, _)| def.attrs.iter().all(|attr| attr.name != *name)) {
        return Err(OpError::invalid(format!("{} has no attribute {name}", def.name)));
    }
    def.attrs
        .iter()
        .map(|attr| {
            let value = match given.iter().find(|(name, _)| *name == attr.name) {
                Some((_, value)) => value.clone(),
                None => attr
                    .default
                    .map(|default| default())
                    .ok_or_else(|| OpError::invalid(format!("{} needs the attribute {}", def.name, attr.name)))?,
            };
            if value.is_kind(attr.kind) {
                Ok(value)
            } else {
                Err(OpError::invalid(format!("attribute {} of {} is not of kind {:?}", attr.name, def.name, attr.kind)))
            }
        })
        .collect()
}

/// Checks operand count, attribute kinds and the op's own rules; gives the result types.
pub fn infer_types(
    env: &mut Env,
    graph: &Graph,
    code: OpCode,
    operands: &[Option<ValueId>],
    attrs: &[Attr],
    regions: &[Graph],
) -> Result<Types, OpError> {
    let def = code.def();
    check_operands(def, operands)?;
    check_attrs(def, attrs)?;
    let types: SmallVec<[Option<&TensorType>; 4]> =
        operands.iter().map(|operand| operand.map(|value| graph.ty(value))).collect();
    let is_size = |dim: &Dim| !dim.is_overflow() && dim.as_const().is_none_or(|size| size >= 0);
    if let Some(ty) = types.iter().flatten().find(|ty| !ty.shape.iter().all(is_size)) {
        return Err(OpError::invalid(format!("an operand of {} is {ty}: a dimension is no size", def.name)));
    }
    let results = (def.infer)(&mut InferCx { def, operands: &types, attrs, regions, env })?;
    for ty in &results {
        if ty.rank() > MAX_RANK {
            return Err(OpError::unsupported(format!(
                "a result of {} has {} axes, more than {MAX_RANK}",
                def.name,
                ty.rank()
            )));
        }
        if let Some(dim) = ty.shape.iter().find(|dim| !is_size(dim)) {
            return Err(OpError::invalid(format!("a result of {} has the dimension {dim}", def.name)));
        }
        if ty.elements().is_overflow() {
            return Err(OpError::invalid(format!("the element count of {ty} is beyond 2^60")));
        }
    }
    Ok(results)
}

/// Checks number and kinds of attributes.
pub(crate) fn check_attrs(def: &OpDef, attrs: &[Attr]) -> Result<(), OpError> {
    if attrs.len() != def.attrs.len() {
        let counts = format!("{} attributes, {} are given", def.attrs.len(), attrs.len());
        return Err(OpError::invalid(format!("{} has {counts}", def.name)));
    }
    match attrs.iter().zip(def.attrs).find(|(attr, want)| !attr.is_kind(want.kind)) {
        Some((_, want)) => {
            Err(OpError::invalid(format!("attribute {} of {} is not of kind {:?}", want.name, def.name, want.kind)))
        }
        None => Ok(()),
    }
}

/// Checks that the operands are as many as the definition takes, and that none it requires is left out.
pub(crate) fn check_operands(def: &OpDef, operands: &[Option<ValueId>]) -> Result<(), OpError> {
    let is_variadic = def.operands.last().is_some_and(|last| last.arity == Arity::Variadic);
    let fixed = def.operands.len() - usize::from(is_variadic);
    if operands.len() > fixed && !is_variadic {
        return Err(OpError::invalid(format!("{} takes {fixed} operands, {} are given", def.name, operands.len())));
    }
    for (index, operand) in def.operands.iter().enumerate() {
        if operand.arity == Arity::One && operands.get(index).copied().flatten().is_none() {
            return Err(OpError::invalid(format!("{} needs its operand {}", def.name, operand.name)));
        }
    }
    if is_variadic && operands.iter().skip(fixed).any(Option::is_none) {
        return Err(OpError::invalid(format!("{} has a gap among its operands", def.name)));
    }
    Ok(())
}
