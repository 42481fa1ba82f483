//! What the import function of an operator sees: the node's inputs and attributes, and means to emit IR.

use std::rc::Rc;

use lathe_ir::op::normalize_axis;
use lathe_ir::{Attr, DType, Dim, OpCode, OpId, Shape, Symbols, Tensor, TensorType};

use crate::onnx::proto::GraphProto;

use super::attrs::NodeAttrs;
use super::frames::Region;
use super::graph::Importer;
use super::known::{Elem, Known, few, pick, strides};
use super::values::{Elems, MAX_RANK, R, Val, invalid, needs_value, unsupported};

/// A node being imported. Attributes and inputs have the newest form that [`super::opset`] converts them to.
pub(super) struct NodeCx<'i, 'a> {
    /// The import as a whole.
    pub(super) importer: &'i mut Importer<'a>,
    /// Attributes.
    pub(super) attrs: NodeAttrs<'a>,
    /// Inputs; `None` where one is left out.
    pub(super) inputs: Vec<Option<Val>>,
    /// For every output whether somebody may use it.
    pub(super) wanted: Vec<bool>,
    /// The newest version of the operator that is not newer than the opset in force.
    pub(super) version: i64,
    /// Operator.
    pub(super) op: &'a str,
}

/// The only output.
pub(super) fn one(val: Val) -> R<Vec<Val>> {
    Ok(vec![val])
}

impl<'a> NodeCx<'_, 'a> {
    /// Input `index`, which must be there.
    pub(super) fn input(&self, index: usize) -> R<Val> {
        match self.opt(index) {
            Some(val) => Ok(val),
            None => invalid(format!("input {index} is missing")),
        }
    }

    /// Input `index` if it is there.
    pub(super) fn opt(&self, index: usize) -> Option<Val> {
        self.inputs.get(index).copied().flatten()
    }

    /// All inputs, none of which may be left out; at least one.
    pub(super) fn all_inputs(&self) -> R<Vec<Val>> {
        let inputs: Option<Vec<Val>> = self.inputs.iter().copied().collect();
        match inputs {
            Some(inputs) if !inputs.is_empty() => Ok(inputs),
            Some(_) => invalid("no inputs"),
            None => invalid("one of the inputs is left out"),
        }
    }

    /// Whether somebody may use output `index`.
    pub(super) fn wants(&self, index: usize) -> bool {
        self.wanted.get(index).copied().unwrap_or(false)
    }

    /// Element type and shape.
    pub(super) fn ty(&self, val: Val) -> R<TensorType> {
        self.importer.values.ty(val).cloned()
    }

    /// Shape.
    pub(super) fn shape(&self, val: Val) -> R<Shape> {
        Ok(self.importer.values.ty(val)?.shape.clone())
    }

    /// Number of axes.
    pub(super) fn rank(&self, val: Val) -> R<usize> {
        Ok(self.importer.values.ty(val)?.rank())
    }

    /// Element type.
    pub(super) fn dtype(&self, val: Val) -> R<DType> {
        Ok(self.importer.values.ty(val)?.dtype)
    }

    /// Sizes, if all are constants.
    pub(super) fn sizes(&self, val: Val) -> R<Option<Vec<usize>>> {
        Ok(self.importer.values.ty(val)?.sizes())
    }

    /// The symbols' ranges.
    pub(super) fn symbols(&self) -> &Symbols {
        &self.importer.values.module.env.symbols
    }

    /// Arithmetic on known elements.
    pub(super) fn known(&self) -> Known<'_> {
        Known { symbols: self.symbols() }
    }

    // Attributes.

    /// Integer attribute with a default.
    pub(super) fn int_or(&self, name: &str, default: i64) -> R<i64> {
        Ok(self.attrs.int(name)?.unwrap_or(default))
    }

    /// Integer attribute that must be there.
    pub(super) fn int(&self, name: &str) -> R<i64> {
        match self.attrs.int(name)? {
            Some(value) => Ok(value),
            None => invalid(format!("attribute {name} is missing")),
        }
    }

    /// Flag attribute with a default.
    pub(super) fn flag_or(&self, name: &str, default: bool) -> R<bool> {
        Ok(self.attrs.int(name)?.map_or(default, |value| value != 0))
    }

    /// Float attribute with a default.
    pub(super) fn float_or(&self, name: &str, default: f64) -> R<f64> {
        Ok(self.attrs.float(name)?.unwrap_or(default))
    }

    /// Word attribute with a default.
    pub(super) fn word_or(&self, name: &str, default: &str) -> R<String> {
        Ok(self.attrs.word(name)?.unwrap_or(default).to_owned())
    }

    /// The axis attribute counted from the front of a tensor of that rank.
    pub(super) fn axis_or(&self, name: &str, default: i64, rank: usize) -> R<usize> {
        Ok(normalize_axis(self.int_or(name, default)?, rank)?)
    }

    // Known values.

    /// The tensor, if the value is a constant.
    pub(super) fn tensor(&self, val: Val) -> R<Option<&Tensor>> {
        self.importer.values.tensor(val)
    }

    /// Notes that the elements of `val`, integers, are those of `float`, f32.
    pub(super) fn set_float(&mut self, val: Val, float: Val) {
        self.importer.values.set_float(val, float);
    }

    /// Elements of the value that are known, if any.
    pub(super) fn elems(&mut self, val: Val) -> R<Option<Elems>> {
        self.importer.values.elems(val)
    }

    /// All elements of the value, if every one is known.
    pub(super) fn all_elems(&mut self, val: Val) -> R<Option<Vec<Elem>>> {
        self.importer.values.all_elems(val)
    }

    /// A list or scalar of constant integers; refused if it is computed at run time or depends on symbols.
    pub(super) fn const_ints(&mut self, val: Val, what: &str) -> R<Vec<i64>> {
        let elems = self.all_elems(val)?;
        match elems.and_then(|elems| elems.iter().map(Elem::as_int).collect()) {
            Some(values) => Ok(values),
            None => needs_value(format!("{what} must be a constant")),
        }
    }

    /// A constant integer scalar (or list of one).
    pub(super) fn const_int(&mut self, val: Val, what: &str) -> R<i64> {
        match self.const_ints(val, what)?.as_slice() {
            [value] => Ok(*value),
            values => invalid(format!("{what} has {} elements, one is needed", values.len())),
        }
    }

    /// A list or scalar of dimensions; refused if one is computed from data.
    pub(super) fn dims_of(&mut self, val: Val, what: &str) -> R<Vec<Dim>> {
        let elems = self.all_elems(val)?;
        match elems.and_then(|elems| elems.iter().map(Elem::to_dim).collect()) {
            Some(dims) => Ok(dims),
            None => needs_value(format!("{what} is computed from data, so the shape is not known")),
        }
    }

    /// A value of which every element is known.
    pub(super) fn known_val(&mut self, dtype: DType, shape: &[usize], elems: Vec<Elem>) -> Val {
        self.importer.values.known(dtype, shape, elems)
    }

    /// The known value if every element is known; else what `emit` makes, with the elements that are.
    pub(super) fn known_or(
        &mut self,
        dtype: DType,
        sizes: &[usize],
        elems: Vec<Option<Elem>>,
        emit: impl FnOnce(&mut Self) -> R<Val>,
    ) -> R<Val> {
        if let Some(all) = elems.iter().cloned().collect::<Option<Vec<Elem>>>() {
            return Ok(self.known_val(dtype, sizes, all));
        }
        let val = emit(self)?;
        self.set_elems(val, elems);
        Ok(val)
    }

    /// A constant; `name` is used if it becomes a weight.
    pub(super) fn constant(&mut self, name: &str, tensor: Tensor) -> Val {
        self.importer.values.constant(name, tensor)
    }

    /// A scalar constant.
    pub(super) fn scalar(&mut self, dtype: DType, value: f64) -> Val {
        self.constant("", Tensor::scalar(dtype, value))
    }

    /// Dimensions as data, i64[n].
    pub(super) fn dims_val(&mut self, dims: &[Dim]) -> R<Val> {
        let elems: Option<Vec<Elem>> = dims.iter().cloned().map(Elem::from_dim).collect();
        match elems {
            Some(elems) => Ok(self.known_val(DType::I64, &[elems.len()], elems)),
            None => invalid("a dimension is beyond 2^60"),
        }
    }

    /// Notes elements of a value that has been emitted.
    pub(super) fn set_elems(&mut self, val: Val, known: Vec<Option<Elem>>) {
        self.importer.values.set_elems(val, known);
    }

    // Emitting.

    /// Emits an op with one result.
    pub(super) fn op(&mut self, code: OpCode, operands: &[Val], attrs: &[(&str, Attr)]) -> R<Val> {
        let operands: Vec<Option<Val>> = operands.iter().copied().map(Some).collect();
        self.op_opt(code, &operands, attrs)
    }

    /// Emits an op with one result, operands of which may be left out.
    pub(super) fn op_opt(&mut self, code: OpCode, operands: &[Option<Val>], attrs: &[(&str, Attr)]) -> R<Val> {
        let id = self.op_id(code, operands, attrs)?;
        let values = &mut self.importer.values;
        let result = values.module.main.op(id).result();
        Ok(values.emitted(result))
    }

    /// Emits an op with several results.
    pub(super) fn op_all(&mut self, code: OpCode, operands: &[Option<Val>], attrs: &[(&str, Attr)]) -> R<Vec<Val>> {
        let id = self.op_id(code, operands, attrs)?;
        Ok(self.importer.values.results_of(id))
    }

    fn op_id(&mut self, code: OpCode, operands: &[Option<Val>], attrs: &[(&str, Attr)]) -> R<OpId> {
        // What a loop carries has to keep its sizes, so they are taken to be equal there.
        let spreads = self.importer.is_dynamic && self.importer.values.around.is_empty();
        let spread = if spreads { Some(self.spread(code, operands)?) } else { None };
        let operands = spread.as_deref().unwrap_or(operands);
        let values = &mut self.importer.values;
        let operands =
            operands.iter().map(|val| val.map(|val| values.value(val)).transpose()).collect::<R<Vec<_>>>()?;
        let id = values.builder().op(code, &operands, attrs, Vec::new())?;
        let main = &values.module.main;
        match main.op(id).results.iter().map(|&result| main.ty(result).rank()).max() {
            Some(rank) if rank > MAX_RANK => {
                unsupported(format!("a result of {rank} axes; at most {MAX_RANK} are supported"))
            }
            _ => Ok(id),
        }
    }

    /// Reshapes; known elements stay known, the value itself is given if it has that shape already.
    pub(super) fn reshape(&mut self, val: Val, shape: impl IntoIterator<Item = Dim>) -> R<Val> {
        let shape: Shape = shape.into_iter().collect();
        let ty = self.ty(val)?;
        if ty.shape == shape {
            return Ok(val);
        }
        if shape.len() > MAX_RANK {
            return unsupported(format!("a result of {} axes; at most {MAX_RANK} are supported", shape.len()));
        }
        let sizes: Option<Vec<usize>> = shape.iter().map(Dim::as_size).collect();
        if let (Some(sizes), Some(tensor)) = (&sizes, self.importer.values.tensor(val)?)
            && let Some(reshaped) = tensor.reshaped(sizes)
        {
            let name = self.importer.values.name(val);
            return Ok(self.constant(&name, reshaped));
        }
        let elems = self.elems(val)?;
        let fits = |count: usize| sizes.as_ref().is_some_and(|sizes| few(sizes) == Some(count));
        if let (Some(elems), Some(sizes)) = (&elems, &sizes)
            && fits(elems.len())
            && let Some(all) = elems.iter().cloned().collect::<Option<Vec<Elem>>>()
        {
            return Ok(self.known_val(ty.dtype, sizes, all));
        }
        let result = self.op(OpCode::Reshape, &[val], &[("shape", Attr::Dims(shape))])?;
        if let Some(elems) = elems.filter(|elems| fits(elems.len())) {
            self.set_elems(result, elems.to_vec());
        }
        Ok(result)
    }

    /// Transposes; the value itself for the identity.
    pub(super) fn transpose(&mut self, val: Val, perm: &[usize]) -> R<Val> {
        if perm.iter().copied().eq(0..perm.len()) {
            return Ok(val);
        }
        let axes: Vec<i64> = perm.iter().map(|&axis| axis as i64).collect();
        let emit = |cx: &mut Self| cx.op(OpCode::Transpose, &[val], &[("perm", Attr::ints(&axes))]);
        if let (Some(elems), Some(sizes)) = (self.elems(val)?, self.sizes(val)?) {
            let strides = strides(&sizes);
            let result: Vec<usize> = perm.iter().map(|&axis| sizes[axis]).collect();
            let steps: Vec<i64> = perm.iter().map(|&axis| strides[axis]).collect();
            let moved = pick(&elems, &result, 0, &steps);
            let dtype = self.dtype(val)?;
            return self.known_or(dtype, &result, moved, emit);
        }
        emit(self)
    }

    /// Casts; the value itself if it has that type.
    pub(super) fn cast(&mut self, val: Val, to: DType) -> R<Val> {
        if self.dtype(val)? == to {
            return Ok(val);
        }
        if let (DType::F32, Some(float)) = (to, self.importer.values.float(val)) {
            return Ok(float);
        }
        if let Some(sizes) = self.sizes(val)?
            && let Some(elems) = self.elems(val)?
        {
            let known = self.known();
            let cast: Vec<Option<Elem>> = elems.iter().map(|elem| known.cast(to, elem.as_ref()?)).collect();
            return self.known_or(to, &sizes, cast, |cx| cx.op(OpCode::Cast, &[val], &[("to", to.into())]));
        }
        self.op(OpCode::Cast, &[val], &[("to", to.into())])
    }

    /// Says that a list of that length may be empty: without bounds of the options the length begins at 0.
    pub(super) fn may_be_empty(&mut self, length: &Dim) {
        if let Some(symbol) = length.as_symbol() {
            self.importer.may_be_empty.insert(symbol.clone());
        }
    }

    /// Says that a list has so many elements, if it is one of unknown length. The length is known when the import is
    /// repeated.
    pub(super) fn has_length(&mut self, list: Val, count: usize, what: &str) -> R<()> {
        if let [length] = self.shape(list)?.as_slice()
            && length.as_const().is_none()
        {
            let length = length.clone();
            self.require_equal(&length, &Dim::from(count as i64), what)?;
        }
        Ok(())
    }

    /// Tells the model that two dimensions are equal; refuses those that cannot be.
    pub(super) fn require_equal(&mut self, a: &Dim, b: &Dim, what: &str) -> R<()> {
        if a.known_ne(b) {
            return invalid(format!("{what} differ: {a} and {b}"));
        }
        self.importer.values.module.env.require_equal(a, b);
        Ok(())
    }

    /// Imports a graph without inputs that is an attribute, in a scope of its own; gives its outputs.
    pub(super) fn inline(&mut self, graph: &'a GraphProto, part: &str) -> R<Vec<Val>> {
        self.inline_with(graph, part, &[])
    }

    /// Imports a graph that is an attribute, in a scope of its own, on the given inputs; gives its outputs.
    pub(super) fn inline_with(&mut self, graph: &'a GraphProto, part: &str, inputs: &[Val]) -> R<Vec<Val>> {
        self.importer.inline_graph(graph, part, inputs)
    }

    /// Makes a region of what `emit` emits.
    pub(super) fn region<T>(&mut self, emit: impl FnOnce(&mut Self) -> R<T>) -> (Region, R<T>) {
        self.importer.values.open();
        let made = emit(self);
        (self.importer.values.close(), made)
    }

    /// A name for constants made from this node's tensors.
    pub(super) fn constant_name(&self) -> Rc<str> {
        self.importer.first_output.clone()
    }
}
