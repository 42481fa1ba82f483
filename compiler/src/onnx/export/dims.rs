//! Dimensions as data: constants, or i64 arithmetic on the sizes of graph inputs. Equal expressions are one node.

use lathe_ir::dim::DimVisitor;
use lathe_ir::{DType, Dim, Symbol, Tensor, TensorType};

use super::emit::{Emitter, R, Val, int};

/// Emits an expression bottom-up; every part is an i64 vector of one element.
struct Lower<'e, 'a> {
    emitter: &'e mut Emitter<'a>,
    missing: Option<Symbol>,
}

/// A part of an expression, and whether it is known to be 0 or more.
struct Part(String, bool);

impl Lower<'_, '_> {
    fn binary(&mut self, operator: &'static str, a: &str, b: &str) -> String {
        self.emitter.dim_node(operator, vec![a.to_owned(), b.to_owned()])
    }
}

impl DimVisitor for Lower<'_, '_> {
    type Out = Part;

    fn constant(&mut self, value: i64) -> Part {
        Part(self.emitter.vector(&[value]).name, value >= 0)
    }

    fn symbol(&mut self, symbol: &Symbol) -> Part {
        match self.emitter.symbol_size(symbol) {
            Some(name) => Part(name, true),
            None => {
                self.missing.get_or_insert_with(|| symbol.clone());
                self.constant(0)
            }
        }
    }

    fn add(&mut self, a: Part, b: Part) -> Part {
        Part(self.binary("Add", &a.0, &b.0), a.1 && b.1)
    }

    fn mul(&mut self, a: Part, b: Part) -> Part {
        Part(self.binary("Mul", &a.0, &b.0), a.1 && b.1)
    }

    /// ONNX's Div truncates; where an operand may be negative, a - mod(a, b) is divided, which has no rest.
    fn floor_div(&mut self, a: Part, b: Part) -> Part {
        if a.1 && b.1 {
            return Part(self.binary("Div", &a.0, &b.0), true);
        }
        let rest = self.binary("Mod", &a.0, &b.0);
        let whole = self.binary("Sub", &a.0, &rest);
        Part(self.binary("Div", &whole, &b.0), false)
    }

    fn min(&mut self, a: Part, b: Part) -> Part {
        Part(self.binary("Min", &a.0, &b.0), a.1 && b.1)
    }

    fn max(&mut self, a: Part, b: Part) -> Part {
        Part(self.binary("Max", &a.0, &b.0), a.1 || b.1)
    }
}

impl Emitter<'_> {
    /// Notes that the sizes of a value tell symbols.
    pub(super) fn add_sources(&mut self, val: &Val, ty: &TensorType) {
        for (axis, dim) in ty.shape.iter().enumerate() {
            if let Some(symbol) = dim.as_symbol() {
                self.sources.entry(symbol.clone()).or_insert_with(|| (val.name.clone(), axis));
            }
        }
    }

    /// A node of shape arithmetic.
    pub(super) fn dim_node(&mut self, operator: &'static str, inputs: Vec<String>) -> String {
        self.dim_node_with(operator, inputs, Vec::new())
    }

    fn dim_node_with(
        &mut self,
        operator: &'static str,
        inputs: Vec<String>,
        attributes: Vec<crate::onnx::proto::AttributeProto>,
    ) -> String {
        let mut key = inputs.clone();
        key.extend(attributes.iter().map(|attribute| format!("{}={:?}", attribute.name, attribute.i)));
        if let Some(name) = self.dim_nodes.get(&(operator, key.clone())) {
            return name.clone();
        }
        let base = std::mem::replace(&mut self.base, "dims".to_owned());
        let name = self.node1(operator, inputs, attributes);
        self.base = base;
        self.dim_nodes.insert((operator, key), name.clone());
        name
    }

    fn symbol_size(&mut self, symbol: &Symbol) -> Option<String> {
        if let Some(name) = self.data_sizes.get(symbol) {
            return Some(name.clone());
        }
        if let Some(counter) = self.counters.get(symbol).cloned() {
            let shape = self.vector(&[1]).name;
            return Some(self.dim_node("Reshape", vec![counter, shape]));
        }
        let (value, axis) = self.sources.get(symbol)?.clone();
        let axis = axis as i64;
        Some(self.dim_node_with("Shape", vec![value], vec![int("start", axis), int("end", axis + 1)]))
    }

    /// The size of one axis of a value, as an i64 vector of one element.
    pub(super) fn axis_size(&mut self, val: &Val, axis: i64) -> Val {
        let name = self.dim_node_with("Shape", vec![val.name.clone()], vec![int("start", axis), int("end", axis + 1)]);
        Val { name, dtype: DType::I64 }
    }

    /// A dimension as an i64 vector of one element.
    pub(super) fn dim(&mut self, dim: &Dim) -> R<Val> {
        let mut lower = Lower { emitter: self, missing: None };
        let part = dim.visit(&mut lower).ok_or_else(|| format!("{dim} is no dimension"))?;
        match lower.missing {
            Some(symbol) => Err(format!("the size {symbol} is not that of an input, so ONNX cannot compute {dim}")),
            None => Ok(Val { name: part.0, dtype: DType::I64 }),
        }
    }

    /// A dimension as an i64 scalar.
    pub(super) fn dim_scalar(&mut self, dim: &Dim) -> R<Val> {
        if let Some(value) = dim.as_const() {
            return Ok(self.constant(&Tensor::from_i64(DType::I64, &[], &[value])));
        }
        let size = self.dim(dim)?;
        let name = self.dim_node("Squeeze", vec![size.name]);
        Ok(Val { name, dtype: DType::I64 })
    }

    /// Dimensions as an i64 vector.
    pub(super) fn dims(&mut self, dims: &[Dim]) -> R<Val> {
        if let Some(values) = dims.iter().map(Dim::as_const).collect::<Option<Vec<i64>>>() {
            return Ok(self.vector(&values));
        }
        if let Some(name) = self.dim_vectors.get(dims) {
            return Ok(Val { name: name.clone(), dtype: DType::I64 });
        }
        let mut parts = Vec::new();
        let mut run = Vec::new();
        for dim in dims {
            if let Some(value) = dim.as_const() {
                run.push(value);
                continue;
            }
            if !run.is_empty() {
                parts.push(self.vector(&std::mem::take(&mut run)).name);
            }
            parts.push(self.dim(dim)?.name);
        }
        if !run.is_empty() {
            parts.push(self.vector(&run).name);
        }
        let name = match parts.len() {
            1 => parts.remove(0),
            _ => self.dim_node_with("Concat", parts, vec![int("axis", 0)]),
        };
        self.dim_vectors.insert(dims.to_vec(), name.clone());
        Ok(Val { name, dtype: DType::I64 })
    }

    /// `val` under another shape.
    pub(super) fn reshape(&mut self, val: &Val, shape: &[Dim]) -> R<Val> {
        let sizes: Vec<Option<i64>> = shape.iter().map(Dim::as_const).collect();
        let one_unknown = sizes.iter().filter(|size| size.is_none()).count() == 1;
        let all_positive = sizes.iter().flatten().all(|&size| size > 0);
        let (target, attributes) = if one_unknown && all_positive {
            (self.vector(&sizes.iter().map(|size| size.unwrap_or(-1)).collect::<Vec<_>>()), Vec::new())
        } else if all_positive && !sizes.contains(&None) {
            (self.dims(shape)?, Vec::new())
        } else {
            (self.dims(shape)?, vec![int("allowzero", 1)])
        };
        let name = self.node1("Reshape", vec![val.name.clone(), target.name], attributes);
        Ok(Val { name, dtype: val.dtype })
    }

    /// `val` repeated to that shape.
    pub(super) fn expand(&mut self, val: &Val, shape: &[Dim]) -> R<Val> {
        let target = self.dims(shape)?;
        self.kernel("Expand", &[super::emit::In::T(val), super::emit::In::Raw(&target)], Vec::new())
    }

    /// A tensor of that shape whose elements are all `value`, a scalar.
    pub(super) fn filled(&mut self, value: &Tensor, shape: &[Dim]) -> R<Val> {
        let target = self.dims(shape)?;
        let one = value.reshaped(&[1]).ok_or("a fill value that is no scalar")?;
        let name = self.node1("ConstantOfShape", vec![target.name], vec![super::emit::tensor("value", &one)]);
        Ok(Val { name, dtype: value.dtype() })
    }
}
