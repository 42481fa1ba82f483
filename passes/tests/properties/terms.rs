//! A random program of the form of a left side: the variables become parameters, constants, attributes or nothing.
//!
//! Operands that are terms are made first, then the attributes, then the variables, each in a shape that the op may
//! take beside what is there. What is not well typed all the same is dropped by the caller.

use crate::attrs::value_of;
use crate::choices::{Choices, Rng};
use egg::{ENodeOrVar, Id, RecExpr, Var};
use lathe_ir::builder::{Builder, infer_types};
use lathe_ir::op::Arity;
use lathe_ir::{Attr, Attrs, DType, Dim, Module, OpCode, Operands, Symbol, SymbolInfo, Tensor, TensorType, ValueId};
use lathe_passes::egraph::language::{Head, Node};
use lathe_passes::egraph::pattern::Left;
use std::collections::BTreeMap;

/// Largest value of the symbols N and M.
const MOST: i64 = 4;

/// Which numbers parameters and constants hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// NaN, infinities, zeros of both signs, the ends of the type.
    Odd,
    /// Within -2..2, so that rounding is all that differs.
    Plain,
}

#[derive(Clone)]
enum Bound {
    Attr(Attr),
    Value(ValueId),
    Missing,
}

struct Terms<'a> {
    ast: &'a RecExpr<ENodeOrVar<Node>>,
    fixed: BTreeMap<Var, f64>,
    choices: &'a mut Choices,
    data: &'a mut Rng,
    numbers: Numbers,
    module: Module,
    bound: BTreeMap<Var, Bound>,
    dtype: DType,
    /// The shape that most leaves have or broadcast to.
    base: Vec<Dim>,
    /// What the next leaf is for.
    hint: Hint,
    /// The pattern compares indices with the rows of a table.
    one_hot: bool,
}

/// What a leaf is for, where its type does not tell.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Hint {
    #[default]
    Nothing,
    /// Indices of an axis of that size, if it is known.
    Indices(usize),
    /// A mask of scores.
    Mask,
    /// A number that hides scores.
    Low,
    /// Positions along the last axis.
    Positions,
}

/// A program of the form of a left side with that as its only result.
pub(crate) fn instance(left: &Left, choices: &mut Choices, data: &mut Rng, numbers: Numbers) -> Option<Module> {
    let ast = &left.pattern.ast;
    let codes: Vec<OpCode> = ast
        .iter()
        .filter_map(|item| match item {
            ENodeOrVar::ENode(node) => node.code(),
            ENodeOrVar::Var(_) => None,
        })
        .collect();
    let mut module = Module::default();
    for name in ["N", "M"] {
        module.env.symbols.insert(Symbol::new(name), SymbolInfo { lo: 0, hi: Some(MOST), ..SymbolInfo::default() });
    }
    let has = |names: &[&str]| codes.iter().any(|code| names.contains(&code.name()));
    let is_logic = has(&["and", "or", "xor", "not"]) && !has(&["lt", "le", "eq", "isnan", "attention"]);
    let dtype = if is_logic { DType::Bool } else { main_dtype(choices) };
    let rank = choices.pick(&[0, 1, 2, 2, 3, 3, 4]);
    let base = (0..rank).map(|_| dim(choices)).collect();
    let fixed = left.numbers.iter().copied().collect();
    let bound = BTreeMap::new();
    let mut terms = Terms {
        ast,
        fixed,
        choices,
        data,
        numbers,
        module,
        bound,
        dtype,
        base,
        hint: Hint::Nothing,
        one_hot: has(&["eq"]) && has(&["matmul"]),
    };
    let Bound::Value(result) = terms.term(Id::from(ast.len() - 1), None)? else { return None };
    let mut module = terms.module;
    module.main.add_result("y", result);
    (!module.main.params.is_empty()).then_some(module)
}

fn main_dtype(choices: &mut Choices) -> DType {
    use DType as D;
    let types = [D::F32, D::F32, D::F32, D::F64, D::F16, D::BF16, D::I32, D::I64, D::U8, D::I8, D::U64, D::Bool];
    choices.pick(&types)
}

pub(crate) fn dim(choices: &mut Choices) -> Dim {
    match choices.below(16) {
        0 => Dim::ZERO,
        1 => Dim::symbol(&Symbol::new("N")),
        2 => Dim::symbol(&Symbol::new("M")),
        other => Dim::from(1 + other as i64 % 4),
    }
}

impl Terms<'_> {
    fn ty(&self, value: ValueId) -> &TensorType {
        self.module.main.ty(value)
    }

    /// What a term is; `wanted` is the type for a variable that is not bound yet.
    fn term(&mut self, id: Id, wanted: Option<(bool, TensorType)>) -> Option<Bound> {
        match &self.ast[id] {
            ENodeOrVar::Var(var) => {
                if let Some(bound) = self.bound.get(var) {
                    return Some(bound.clone());
                }
                let (optional, ty) = wanted.unwrap_or_else(|| (false, self.like(&[])));
                let made = self.leaf(*var, optional, ty)?;
                self.bound.insert(*var, made.clone());
                Some(made)
            }
            ENodeOrVar::ENode(node) => match &node.head {
                Head::Attr(attr) => Some(Bound::Attr((**attr).clone())),
                Head::Missing => Some(Bound::Missing),
                Head::Op(code, _) => self.op(*code, node),
                Head::Result(_) | Head::Param(_) => None,
            },
        }
    }

    fn op(&mut self, code: OpCode, node: &Node) -> Option<Bound> {
        let def = code.def();
        let (attr_ids, operand_ids) = node.children.split_at(def.attrs.len());
        let mut operands: Vec<Option<Bound>> = vec![None; operand_ids.len()];
        for (operand, &id) in operands.iter_mut().zip(operand_ids) {
            let is_open = matches!(&self.ast[id], ENodeOrVar::Var(var) if !self.bound.contains_key(var));
            if !is_open {
                *operand = Some(self.term(id, None)?);
            }
        }
        if let (Some(None), Some(&id)) = (operands.first(), operand_ids.first()) {
            let wanted = self.wanted(code, 0, &operands, &[])?;
            operands[0] = Some(self.term(id, Some((false, wanted)))?);
        }
        let mut attrs = Attrs::new();
        let first = match operands.first() {
            Some(Some(Bound::Value(value))) => Some(self.ty(*value).clone()),
            _ => None,
        };
        for (&id, attr) in attr_ids.iter().zip(def.attrs) {
            let known = match &self.ast[id] {
                ENodeOrVar::Var(var) => self.bound.get(var).cloned(),
                ENodeOrVar::ENode(_) => Some(self.term(id, None)?),
            };
            let value = match known {
                Some(Bound::Attr(value)) => value,
                Some(_) => return None,
                None => value_of(self.choices, code, attr, first.as_ref(), &attrs)?,
            };
            if let ENodeOrVar::Var(var) = &self.ast[id] {
                self.bound.insert(*var, Bound::Attr(value.clone()));
            }
            attrs.push(value);
        }
        for index in 1..operands.len() {
            if operands[index].is_some() {
                continue;
            }
            let optional = def.operands.get(index).is_some_and(|operand| operand.arity == Arity::Optional);
            let wanted = self.wanted(code, index, &operands, &attrs)?;
            operands[index] = Some(self.term(operand_ids[index], Some((optional, wanted)))?);
        }
        let values = |bound: &Option<Bound>| match bound {
            Some(Bound::Value(value)) => Some(*value),
            _ => None,
        };
        let operands: Operands = operands.iter().map(values).collect();
        let mut builder = Builder::new(&mut self.module.env, &mut self.module.main);
        let op = builder.op_with(code, operands, attrs, Vec::new()).ok()?;
        match self.module.main.op(op).results[..] {
            [only] if self.module.env.equalities.is_empty() => Some(Bound::Value(only)),
            _ => None,
        }
    }

    /// A type for operand `index` beside the operands and attributes that are there.
    fn wanted(&mut self, code: OpCode, index: usize, operands: &[Option<Bound>], attrs: &[Attr]) -> Option<TensorType> {
        let types: Vec<Option<TensorType>> = operands
            .iter()
            .map(|operand| match operand {
                Some(Bound::Value(value)) => Some(self.ty(*value).clone()),
                _ => None,
            })
            .collect();
        let ty_at = |at: usize| types.get(at).cloned().flatten();
        let first = ty_at(0);
        let word = |name: &str| code.def().attrs.iter().position(|attr| attr.name == name).and_then(|at| attrs.get(at));
        let first_dtype = first.as_ref().map_or(self.dtype, |ty| ty.dtype);
        let fixed = |dims: Vec<Dim>| Some(TensorType::new(first_dtype, dims));
        match (code.name(), index) {
            ("matmul", 0) => {
                let inner = ty_at(1).and_then(|ty| ty.shape.iter().rev().nth(1).cloned());
                let lead = self.base[..self.base.len().saturating_sub(2)].to_vec();
                let mut shape = self.narrowed(&lead);
                shape.push(dim(self.choices));
                shape.push(inner.unwrap_or_else(|| dim(self.choices)));
                let dtype = ty_at(1).map_or(self.dtype, |ty| ty.dtype);
                Some(TensorType::new(dtype, shape))
            }
            ("matmul", 1) => {
                let first = first?;
                let (inner, lead) = first.shape.split_last()?;
                let lead = lead.split_last().map_or(&[][..], |(_, lead)| lead).to_vec();
                let mut shape = if self.choices.once_in(2) { Vec::new() } else { self.narrowed(&lead) };
                shape.extend([inner.clone(), dim(self.choices)]);
                fixed(shape)
            }
            ("attention", 1) => {
                let mut shape = first?.shape.to_vec();
                let at = shape.len().checked_sub(2)?;
                shape[at] = dim(self.choices);
                fixed(shape)
            }
            ("attention", 2) => {
                let mut shape = ty_at(1)?.shape.to_vec();
                *shape.last_mut()? = dim(self.choices);
                fixed(shape)
            }
            ("conv", 0) => {
                let spatial = 1 + self.choices.below(2);
                let mut shape = vec![Dim::from(1 + self.choices.below(2) as i64)];
                shape.extend((0..spatial).map(|_| Dim::from(1 + self.choices.below(5) as i64)));
                shape.push(Dim::from(1 + self.choices.below(4) as i64));
                Some(TensorType::new(self.dtype, shape))
            }
            ("conv", 1) => {
                let groups = match word("groups") {
                    Some(Attr::Int(groups)) => *groups,
                    _ => 1,
                };
                let first = first?;
                let channels = first.shape.last()?.as_const()?;
                let mut shape = vec![groups * (1 + self.choices.below(2) as i64), channels / groups.max(1)];
                shape.extend((2..first.rank()).map(|_| 1 + self.choices.below(3) as i64));
                fixed(shape.into_iter().map(Dim::from).collect())
            }
            ("matmul" | "conv" | "conv_transpose", 2 | 3) => {
                let result = self.inferred(code, operands, attrs)?;
                fixed(if index == 2 { vec![result.shape.last()?.clone()] } else { result.shape.to_vec() })
            }
            ("layer_norm" | "rms_norm", 1 | 2) => {
                let Some(Attr::Int(axis)) = word("axis") else { return None };
                fixed(first?.shape.get(usize::try_from(*axis).ok()?..)?.to_vec())
            }
            ("attention", 3) => {
                let keys = ty_at(1)?.shape.iter().rev().nth(1)?.clone();
                let mut shape = first?.shape.to_vec();
                *shape.last_mut()? = keys;
                self.hint = Hint::Mask;
                fixed(self.narrowed(&shape))
            }
            ("pad", 1) => fixed(Vec::new()),
            ("gather", 1) => {
                let Some(Attr::Int(axis)) = word("axis") else { return None };
                let size = first?.shape.get(usize::try_from(*axis).ok()?)?.as_size();
                self.hint = size.map_or(Hint::Nothing, Hint::Indices);
                let shape: Vec<Dim> = (0..self.choices.below(3)).map(|_| dim(self.choices)).collect();
                Some(TensorType::new(DType::I64, shape))
            }
            ("concat", 1..) => {
                let Some(Attr::Int(axis)) = word("axis") else { return None };
                let mut shape = first?.shape.to_vec();
                *shape.get_mut(usize::try_from(*axis).ok()?)? = dim(self.choices);
                fixed(shape)
            }
            ("where", 2) => {
                self.hint = if self.choices.once_in(2) { Hint::Low } else { Hint::Nothing };
                Some(self.like(first.as_slice()).with_dtype(ty_at(1)?.dtype))
            }
            ("eq", 0) if self.one_hot => {
                let lead: Vec<Dim> = (0..1 + self.choices.below(2)).map(|_| dim(self.choices)).collect();
                Some(TensorType::new(DType::I64, lead.into_iter().chain([Dim::ONE])))
            }
            ("eq", 1) if self.one_hot => {
                self.hint = Hint::Positions;
                fixed(vec![Dim::from(1 + self.choices.below(4) as i64)])
            }
            ("where", 0) | ("and" | "or" | "xor" | "not", _) => Some(self.like(&[]).with_dtype(DType::Bool)),
            ("reshape" | "transpose", 0) => Some(TensorType::new(self.dtype, self.base.clone())),
            _ => {
                let skip = usize::from(code.name() == "where");
                let others: Vec<TensorType> = (skip..operands.len()).filter_map(ty_at).collect();
                Some(self.like(&others))
            }
        }
    }

    fn inferred(&mut self, code: OpCode, operands: &[Option<Bound>], attrs: &[Attr]) -> Option<TensorType> {
        let values: Vec<Option<ValueId>> = operands[..2]
            .iter()
            .map(|bound| match bound {
                Some(Bound::Value(value)) => Some(*value),
                _ => None,
            })
            .collect();
        let types = infer_types(&mut self.module.env, &self.module.main, code, &values, attrs, &[]).ok()?;
        types.into_iter().next()
    }

    /// A type that broadcasts with the others, or with the base shape if there are none.
    fn like(&mut self, others: &[TensorType]) -> TensorType {
        let (dtype, shape) = match others.first() {
            Some(ty) => (ty.dtype, ty.shape.to_vec()),
            None => (self.dtype, self.base.clone()),
        };
        let shape = match self.choices.below(4) {
            0 => self.narrowed(&shape),
            1 => self.base.clone(),
            _ => shape,
        };
        TensorType::new(dtype, shape)
    }

    /// A shape that broadcasts to `shape`.
    fn narrowed(&mut self, shape: &[Dim]) -> Vec<Dim> {
        let drop = if self.choices.once_in(2) { 0 } else { self.choices.below(shape.len() + 1) };
        let unit = self.choices.below(3);
        let narrow = |choices: &mut Choices, dim: &Dim| match unit {
            0 => dim.clone(),
            1 if choices.once_in(2) => Dim::ONE,
            2 if choices.below(4) > 0 => Dim::ONE,
            _ => dim.clone(),
        };
        shape[drop..].iter().map(|dim| narrow(self.choices, dim)).collect()
    }

    /// True up to a diagonal, or the mask that hides what lies beyond it: as a constant, or in arithmetic on positions.
    /// The mask may hide what lies far before the diagonal as well.
    fn causal(&mut self, ty: &TensorType, is_mask: bool) -> Option<Bound> {
        let rank = ty.rank();
        let ahead =
            ty.shape[rank - 1].as_const().zip(ty.shape[rank - 2].as_const()).map_or(0, |(keys, rows)| keys - rows);
        let behind = (is_mask && self.choices.once_in(2)).then(|| self.choices.below(3) as i64);
        let ahead = ahead + if behind.is_some() { self.choices.below(2) as i64 } else { 0 };
        let low = self.choices.pick(&[-1e9, f64::NEG_INFINITY, -3.4028234663852886e38, -65504.0, -1.0]);
        if let Some(sizes) = ty.sizes().filter(|_| is_mask && self.choices.once_in(2)) {
            let place = |at: usize| ((at / sizes[rank - 1] % sizes[rank - 2]) as i64, (at % sizes[rank - 1]) as i64);
            let first = |row: i64| behind.map_or(i64::MIN, |behind| row + ahead - behind);
            let hidden =
                |(row, column): (i64, i64)| if (first(row)..=row + ahead).contains(&column) { 0.0 } else { low };
            let values: Vec<f64> = (0..sizes.iter().product()).map(|at| hidden(place(at))).collect();
            let tensor = Tensor::from_f64(ty.dtype, &sizes, &values);
            let mut builder = Builder::new(&mut self.module.env, &mut self.module.main);
            return Some(Bound::Value(builder.constant("mask", tensor)));
        }
        let (swap, strict) = (self.choices.once_in(2), i64::from(self.choices.once_in(2)));
        let mut builder = Builder::new(&mut self.module.env, &mut self.module.main);
        let shape = Attr::Dims(ty.shape.clone());
        let mut along = |axis: usize| {
            let attrs =
                [("shape", shape.clone()), ("axis", Attr::Int(axis as i64)), ("dtype", Attr::DType(DType::I64))];
            builder.op1(OpCode::Iota, &[], &attrs).ok()
        };
        let (columns, rows) = (along(rank - 1)?, along(rank - 2)?);
        // Columns up to the row, or below its successor; or, swapped, beyond it.
        let shift =
            builder.constant("", Tensor::from_i64(DType::I64, &[], &[ahead + if swap { 1 - strict } else { strict }]));
        let before = behind.map(|behind| {
            let shift = builder.constant("", Tensor::from_i64(DType::I64, &[], &[ahead - behind]));
            builder.op1(OpCode::Add, &[rows, shift], &[]).ok()
        });
        let rows = builder.op1(OpCode::Add, &[rows, shift], &[]).ok()?;
        let code = if strict == 1 { OpCode::Lt } else { OpCode::Le };
        let mut condition = builder.op1(code, &if swap { [rows, columns] } else { [columns, rows] }, &[]).ok()?;
        if let Some(before) = before {
            let before = before?;
            let (code, operands, join) = match swap {
                true => (OpCode::Lt, [columns, before], OpCode::Or),
                false => (OpCode::Le, [before, columns], OpCode::And),
            };
            let lower = builder.op1(code, &operands, &[]).ok()?;
            condition = builder.op1(join, &[condition, lower], &[]).ok()?;
        }
        if !is_mask {
            return Some(Bound::Value(condition));
        }
        let (zero, low) = (builder.scalar(ty.dtype, 0.0), builder.scalar(ty.dtype, low));
        let chosen = if swap { [condition, low, zero] } else { [condition, zero, low] };
        let mask = builder.op1(OpCode::Where, &chosen, &[]).ok()?;
        Some(Bound::Value(mask))
    }

    /// A parameter, a constant, a uniform constant or a scalar.
    fn leaf(&mut self, var: Var, optional: bool, mut ty: TensorType) -> Option<Bound> {
        if optional && self.choices.once_in(2) {
            return Some(Bound::Missing);
        }
        let number = self.fixed.get(&var).copied();
        let hint = std::mem::take(&mut self.hint);
        let is_mask = hint == Hint::Mask;
        if hint == Hint::Positions {
            let shape = Attr::Dims(ty.shape.clone());
            let attrs = [("shape", shape), ("axis", Attr::Int(ty.rank() as i64 - 1)), ("dtype", Attr::DType(ty.dtype))];
            let mut builder = Builder::new(&mut self.module.env, &mut self.module.main);
            return builder.op1(OpCode::Iota, &[], &attrs).ok().map(Bound::Value);
        }
        if (is_mask || ty.dtype == DType::Bool) && number.is_none() && ty.rank() >= 2 && self.choices.once_in(2) {
            return self.causal(&ty, is_mask);
        }
        let kind = if number.is_some() { 7 + self.choices.below(3) } else { self.choices.below(10) };
        if kind < 5 {
            let name = format!("p{}", self.module.main.params.len());
            return Some(Bound::Value(self.module.main.add_param(&name, ty)));
        }
        if kind >= 8 {
            let ones = if self.choices.once_in(2) { 0 } else { ty.rank() };
            ty.shape = vec![Dim::ONE; ones].into();
        }
        let sizes = ty.sizes()?;
        let count = sizes.iter().product();
        let values = match (kind, number) {
            (7.., None) if hint == Hint::Low && ty.dtype.is_float() => {
                vec![if ty.dtype == DType::F16 { -65504.0 } else { -1e9 }; count]
            }
            (..7, None) if matches!(hint, Hint::Indices(1..)) => {
                let Hint::Indices(size) = hint else { return None };
                let repeats = self.choices.once_in(3);
                (0..count)
                    .map(|at| if repeats { at * size / count.max(1) } else { self.data.below(size) } as f64)
                    .collect()
            }
            (7.., Some(number)) => vec![number; count],
            (7.., None) => vec![scalar(self.choices, ty.dtype, self.numbers); count],
            _ => draw(self.data, ty.dtype, count, self.numbers),
        };
        let tensor = Tensor::from_f64(ty.dtype, &sizes, &values);
        let name = format!("w{}", self.module.env.weights.len());
        let mut builder = Builder::new(&mut self.module.env, &mut self.module.main);
        Some(Bound::Value(builder.constant(&name, tensor)))
    }
}

fn scalar(choices: &mut Choices, dtype: DType, numbers: Numbers) -> f64 {
    let plain = [1.0, 2.0, 0.5, 3.0, 0.1, 1e-5, 0.0, -1.0, -0.25, 1.25];
    let odd = [-0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e30, 255.0];
    let value = if numbers == Numbers::Odd && choices.once_in(3) { choices.pick(&odd) } else { choices.pick(&plain) };
    if dtype.is_float() { value } else { value.trunc() }
}

/// Elements for a tensor.
pub(crate) fn draw(rng: &mut Rng, dtype: DType, count: usize, numbers: Numbers) -> Vec<f64> {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1e38, -6e4, 1e-40, 6e-8, 1.0];
    let ends = [-128.0, 127.0, 255.0, 2147483647.0, -2147483648.0, -9.3e18, 1.9e19, 0.0];
    let mut value = || match dtype {
        DType::Bool => rng.below(2) as f64,
        dtype if dtype.is_float() && numbers == Numbers::Odd && rng.below(5) == 0 => odd[rng.below(odd.len())],
        dtype if dtype.is_float() && rng.below(24) == 0 => 0.0,
        dtype if dtype.is_float() => 4.0 * rng.unit() - 2.0,
        _ if rng.below(6) == 0 => ends[rng.below(ends.len())],
        dtype if dtype.is_unsigned() => rng.below(9) as f64,
        _ => rng.below(17) as f64 - 8.0,
    };
    (0..count).map(|_| value()).collect()
}

/// Arguments for a module's parameters, with symbols at random values.
pub(crate) fn arguments(module: &Module, rng: &mut Rng, numbers: Numbers) -> Option<Vec<Tensor>> {
    let sizes: BTreeMap<Symbol, i64> = module
        .env
        .symbols
        .keys()
        .map(|symbol| (symbol.clone(), if rng.below(10) == 0 { 0 } else { 1 + rng.below(MOST as usize) as i64 }))
        .collect();
    let graph = &module.main;
    let mut arguments = Vec::new();
    for port in &graph.params {
        let ty = graph.ty(port.value);
        let size = |dim: &Dim| usize::try_from(dim.eval(&|symbol| sizes.get(symbol).copied())?).ok();
        let shape: Vec<usize> = ty.shape.iter().map(size).collect::<Option<_>>()?;
        let values = draw(rng, ty.dtype, shape.iter().product(), numbers);
        arguments.push(Tensor::from_f64(ty.dtype, &shape, &values));
    }
    Some(arguments)
}
