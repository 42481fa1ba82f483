//! Values during import, and how they become IR.
//!
//! A value is emitted as IR only when an op needs its elements: constants and known elements wait until then, so the
//! shape arithmetic of a model leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lathe_ir::builder::MAX_INLINE;
use lathe_ir::{
    Attr, Builder, DType, Dim, Loc, Module, OpCode, OpError, OpId, Shape, Tensor, TensorType, ValueId, WeightId,
};

use super::frames::Frame;
use super::known::{self, Elem, MAX_KNOWN};

/// Tensors have at most this many axes.
pub(super) const MAX_RANK: usize = lathe_ir::verify::MAX_RANK;

/// Reads of known elements are followed up to this much work, in elements; a symbolic one counts as many.
const MAX_WORK: usize = 1 << 24;
const SYMBOLIC_WORK: usize = 64;

/// Elements of constants that an import may make from nothing but attributes and sizes, in all.
const MAX_GENERATED: usize = 1 << 25;

/// A value of the import, by position in [`Values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Val(u32);

/// Known elements in row-major order; `None` for the ones that are not known.
pub(super) type Elems = Rc<[Option<Elem>]>;

/// A sequence: it lives in the import only.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    /// In the body of a loop that carries it: its number. The parts are what this turn appended.
    pub(super) carried: Option<u32>,
    /// What it consists of, in order.
    pub(super) parts: Vec<Part>,
}

/// A part of a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// A tensor.
    Item(Val),
    /// The rows of a tensor.
    Stack(Val),
}

enum Entry {
    /// A tensor.
    Tensor(Content),
    /// A sequence of tensors.
    Sequence(Sequence),
    /// The value's node failed, which has been reported.
    Poisoned,
    /// A value that exists in the model but not in the IR; says what it is.
    Opaque(String),
    /// An input that a function call leaves out.
    Absent,
}

/// What is known of a tensor.
struct Content {
    ty: TensorType,
    /// The IR value that an op makes, and the frame it is made in. Others are emitted where they are needed.
    value: Option<(u32, ValueId)>,
    /// The weight that a large constant has become.
    weight: Option<WeightId>,
    /// The content of a constant.
    tensor: Option<Tensor>,
    /// Name of a constant that becomes a weight.
    name: Rc<str>,
    /// Elements that are known.
    elems: Option<Elems>,
}

/// Why a node was not imported.
#[derive(Debug)]
pub(super) enum Fail {
    /// To be reported.
    Op(OpError),
    /// To be reported: something that decides a shape, a rank or a branch is known only when the program runs.
    Data(String),
    /// An operand failed before; stay silent.
    Poisoned,
}

impl From<OpError> for Fail {
    fn from(error: OpError) -> Fail {
        Fail::Op(error)
    }
}

/// Result of importing something.
pub(super) type R<T> = Result<T, Fail>;

/// The model breaks a rule.
pub(super) fn invalid<T>(message: impl Into<String>) -> R<T> {
    Err(OpError::invalid(message).into())
}

/// Lathe cannot do this yet.
pub(super) fn unsupported<T>(message: impl Into<String>) -> R<T> {
    Err(OpError::unsupported(message).into())
}

/// Something that decides a shape, a rank or a branch is known only when the program runs.
pub(super) fn needs_value<T>(message: impl Into<String>) -> R<T> {
    Err(Fail::Data(message.into()))
}

/// All values of an import, and the module they are emitted into.
#[derive(Default)]
pub(super) struct Values {
    /// The module that grows.
    pub(super) module: Module,
    /// Location of what is emitted.
    pub(super) loc: Loc,
    entries: Vec<Entry>,
    /// Graphs around the one at work, the main one first, and a frame for each and for that one.
    pub(super) around: Vec<lathe_ir::Graph>,
    pub(super) frames: Vec<Frame>,
    pub(super) next_frame: u32,
    /// Values made in regions that are finished.
    pub(super) spent: usize,
    /// Pairs of dimensions that have to be equal where a branch is taken.
    pub(super) conditional: Vec<(Dim, Dim)>,
    /// Data-dependent symbols in the order they were made.
    pub(super) made: Vec<lathe_ir::Symbol>,
    /// Work done on known elements.
    work: usize,
    /// Elements of constants made so far.
    generated: usize,
    weight_names: BTreeSet<String>,
    /// Integers that were made of whole numbers in f32, with those.
    floats: BTreeMap<Val, Val>,
}

impl Values {
    fn push(&mut self, entry: Entry) -> Val {
        self.entries.push(entry);
        Val((self.entries.len() - 1) as u32)
    }

    /// A value whose node failed.
    pub(super) fn poisoned(&mut self) -> Val {
        self.push(Entry::Poisoned)
    }

    /// A value that only the model has; `what` says what it is, for messages.
    pub(super) fn opaque(&mut self, what: &str) -> Val {
        self.push(Entry::Opaque(what.to_owned()))
    }

    /// An input that a function call leaves out.
    pub(super) fn absent(&mut self) -> Val {
        self.push(Entry::Absent)
    }

    /// A sequence.
    pub(super) fn list(&mut self, sequence: Sequence) -> Val {
        self.push(Entry::Sequence(sequence))
    }

    /// What stands for a sequence that a loop carries in its body.
    pub(super) fn carried_sequence(&mut self) -> Val {
        let number = self.entries.len() as u32;
        self.list(Sequence { carried: Some(number), parts: Vec::new() })
    }

    /// The sequence, if the value is one.
    pub(super) fn sequence(&self, val: Val) -> Option<&Sequence> {
        match &self.entries[val.0 as usize] {
            Entry::Sequence(sequence) => Some(sequence),
            _ => None,
        }
    }

    /// The results of an op of the graph at work.
    pub(super) fn results_of(&mut self, id: OpId) -> Vec<Val> {
        let results = self.module.main.op(id).results.clone();
        results.into_iter().map(|result| self.emitted(result)).collect()
    }

    /// Whether the value is an input that a function call leaves out.
    pub(super) fn is_absent(&self, val: Val) -> bool {
        matches!(self.entries[val.0 as usize], Entry::Absent)
    }

    /// A value of the IR.
    pub(super) fn emitted(&mut self, value: ValueId) -> Val {
        let ty = self.module.main.ty(value).clone();
        let value = Some((self.frame().id, value));
        self.push(Entry::Tensor(Content { ty, value, weight: None, tensor: None, name: "".into(), elems: None }))
    }

    /// A constant; `name` is used if it becomes a weight.
    pub(super) fn constant(&mut self, name: &str, tensor: Tensor) -> Val {
        let ty = tensor.ty();
        let content = Content { ty, value: None, weight: None, tensor: Some(tensor), name: name.into(), elems: None };
        self.push(Entry::Tensor(content))
    }

    /// Allows a constant of so many elements that no file holds, or refuses it.
    pub(super) fn generate(&mut self, count: usize) -> R<()> {
        self.generated = self.generated.saturating_add(count);
        match self.generated <= MAX_GENERATED {
            true => Ok(()),
            false => {
                unsupported(format!("tables of more than {MAX_GENERATED} elements for the operators of one model"))
            }
        }
    }

    /// A value of which every element is known.
    pub(super) fn known(&mut self, dtype: DType, shape: &[usize], elems: Vec<Elem>) -> Val {
        debug_assert_eq!(known::few(shape), Some(elems.len()));
        if let Some(tensor) = known::tensor_of(dtype, shape, &elems) {
            return self.constant("", tensor);
        }
        let ty = TensorType::new(dtype, shape.iter().map(|&size| Dim::from(size as i64)));
        let elems = elems.into_iter().map(Some).collect();
        let content = Content { ty, value: None, weight: None, tensor: None, name: "".into(), elems: Some(elems) };
        self.push(Entry::Tensor(content))
    }

    /// Name of a constant; empty if it has none.
    pub(super) fn name(&self, val: Val) -> Rc<str> {
        match &self.entries[val.0 as usize] {
            Entry::Tensor(known) => known.name.clone(),
            _ => "".into(),
        }
    }

    /// Notes elements of an emitted value.
    pub(super) fn set_elems(&mut self, val: Val, known: Vec<Option<Elem>>) {
        if let Entry::Tensor(entry) = &mut self.entries[val.0 as usize]
            && known.iter().any(Option::is_some)
        {
            entry.elems = Some(known.into());
        }
    }

    fn entry(&self, val: Val) -> R<&Content> {
        match &self.entries[val.0 as usize] {
            Entry::Tensor(known) => Ok(known),
            Entry::Poisoned => Err(Fail::Poisoned),
            Entry::Sequence(_) => unsupported("a sequence where a tensor is needed"),
            Entry::Opaque(what) => unsupported(format!("an operand is {what}")),
            Entry::Absent => invalid("an operand is left out"),
        }
    }

    /// Whether the value's node failed.
    pub(super) fn is_poisoned(&self, val: Val) -> bool {
        matches!(self.entries[val.0 as usize], Entry::Poisoned)
    }

    /// Element type and shape.
    pub(super) fn ty(&self, val: Val) -> R<&TensorType> {
        Ok(&self.entry(val)?.ty)
    }

    /// What to call the value's type in a message.
    pub(super) fn describe(&self, val: Val) -> String {
        match &self.entries[val.0 as usize] {
            Entry::Tensor(known) => known.ty.to_string(),
            Entry::Poisoned => "not imported".to_owned(),
            Entry::Sequence(sequence) => format!("a sequence of {} known parts", sequence.parts.len()),
            Entry::Opaque(what) => what.clone(),
            Entry::Absent => "left out".to_owned(),
        }
    }

    /// The number that every element is, if the value was made by broadcasting one constant.
    pub(super) fn repeated(&self, val: Val) -> R<Option<f64>> {
        let Some((frame, value)) = self.entry(val)?.value else { return Ok(None) };
        let Some(level) = self.level_of(frame) else { return Ok(None) };
        let main = self.graph(level);
        let Some((_, op)) = main.def(value).filter(|(_, op)| op.code == OpCode::Broadcast) else { return Ok(None) };
        let constant = op.operand(0).and_then(|operand| main.constant(&self.module.env, operand));
        Ok(constant.filter(|tensor| tensor.len() == 1).map(|tensor| tensor.f64_at(0)))
    }

    /// Names of the program's parameters that the value is computed from; those of integers and bools if there are any.
    pub(super) fn computed_from(&self, vals: impl IntoIterator<Item = Val>) -> BTreeSet<String> {
        let emitted = |val: Val| {
            let (frame, value) = self.entry(val).ok()?.value?;
            Some((self.level_of(frame)?, value))
        };
        let mut waiting: Vec<(usize, ValueId)> = vals.into_iter().filter_map(emitted).collect();
        let mut seen: BTreeSet<(usize, ValueId)> = waiting.iter().copied().collect();
        while let Some((level, value)) = waiting.pop() {
            let sources: Vec<(usize, ValueId)> = match self.graph(level).def(value) {
                Some((_, op)) => op.inputs().map(|operand| (level, operand)).collect(),
                None if level > 0 => self.captured(level, value).map(|outer| (level - 1, outer)).into_iter().collect(),
                None => Vec::new(),
            };
            waiting.extend(sources.into_iter().filter(|source| seen.insert(*source)));
        }
        let main = self.graph(0);
        let params = main.params.iter().filter(|port| seen.contains(&(0, port.value)));
        let (floats, others): (Vec<_>, Vec<_>) = params.partition(|port| main.ty(port.value).dtype.is_float());
        let deciding = if others.is_empty() { floats } else { others };
        deciding.into_iter().map(|port| port.name.to_string()).collect()
    }

    /// Notes that the elements of `val`, integers, are those of `float`, f32.
    pub(super) fn set_float(&mut self, val: Val, float: Val) {
        self.floats.insert(val, float);
    }

    /// The same elements as f32, if the value was made of them.
    pub(super) fn float(&self, val: Val) -> Option<Val> {
        self.floats.get(&val).copied()
    }

    /// The tensor, if the value is a constant.
    pub(super) fn tensor(&self, val: Val) -> R<Option<&Tensor>> {
        Ok(self.entry(val)?.tensor.as_ref())
    }

    /// The elements, if some are known; small constants count as known. A model that makes an extraordinary number of
    /// steps on them gets `None` from some point on, which its nodes report.
    pub(super) fn elems(&mut self, val: Val) -> R<Option<Elems>> {
        self.entry(val)?;
        let Entry::Tensor(entry) = &mut self.entries[val.0 as usize] else { return Ok(None) };
        if entry.elems.is_none() && entry.ty.shape.iter().any(|dim| dim.is(0)) {
            // Nothing is all there is to know, whatever it is computed from.
            entry.elems = Some(Rc::new([]));
        }
        if entry.elems.is_none()
            && let Some(tensor) = &entry.tensor
            && tensor.len() <= if tensor.dtype().is_float() { MAX_INLINE } else { MAX_KNOWN }
        {
            entry.elems = known::elems_of(tensor).map(|elems| elems.into_iter().map(Some).collect());
        }
        let Some(elems) = &entry.elems else { return Ok(None) };
        let is_symbolic = elems.iter().flatten().any(|elem| matches!(elem, Elem::Dim(_) | Elem::Ratio(..)));
        self.work += elems.len() * if is_symbolic { SYMBOLIC_WORK } else { 1 };
        Ok(Some(elems.clone()).filter(|_| self.work <= MAX_WORK))
    }

    /// The elements, if every one is known.
    pub(super) fn all_elems(&mut self, val: Val) -> R<Option<Vec<Elem>>> {
        Ok(self.elems(val)?.and_then(|elems| elems.iter().cloned().collect()))
    }

    /// A builder at the end of the main graph.
    pub(super) fn builder(&mut self) -> Builder<'_> {
        let mut builder = Builder::new(&mut self.module.env, &mut self.module.main);
        builder.loc = self.loc.clone();
        builder
    }

    /// The IR value in the graph at work: a constant or known value is emitted there, one of a graph around comes in as a
    /// parameter.
    pub(super) fn value(&mut self, val: Val) -> R<ValueId> {
        let entry = self.entry(val)?;
        let (made, ty, tensor, elems) = (entry.value, entry.ty.clone(), entry.tensor.clone(), entry.elems.clone());
        if ty.rank() > MAX_RANK {
            return unsupported(format!("a value of {} axes; at most {MAX_RANK} are supported", ty.rank()));
        }
        let frame = self.frame();
        match (made, frame.here.get(&val)) {
            (Some((id, value)), _) if id == frame.id => return Ok(value),
            (_, Some(value)) => return Ok(*value),
            _ => {}
        }
        let value = match (made, tensor, elems) {
            (Some((id, value)), _, elems) => match (self.level_of(id), elems) {
                // Shape arithmetic is done anew: its parts come from sizes.
                (Some(_), Some(elems)) if elems.iter().all(Option::is_some) => self.emit_elems(&ty, &elems)?,
                (Some(level), _) => self.capture_from(level, value),
                (None, _) => return Err(OpError::invalid("a value of another graph").into()),
            },
            (None, Some(tensor), _) if tensor.len() > MAX_INLINE => {
                let weight = self.weight(val, tensor);
                self.builder().weight(weight)
            }
            (None, Some(tensor), _) => self.builder().constant("", tensor),
            (None, None, Some(elems)) => self.emit_elems(&ty, &elems)?,
            (None, None, None) => return Err(OpError::invalid("a value without content").into()),
        };
        self.frame().here.insert(val, value);
        Ok(value)
    }

    /// The weight that a large constant is.
    fn weight(&mut self, val: Val, tensor: Tensor) -> WeightId {
        if let Entry::Tensor(Content { weight: Some(weight), .. }) = &self.entries[val.0 as usize] {
            return *weight;
        }
        let name = self.weight_name(val);
        let id = self.module.env.add_weight(&name, tensor);
        if let Entry::Tensor(entry) = &mut self.entries[val.0 as usize] {
            entry.weight = Some(id);
        }
        id
    }

    /// A name for the weight that no other has.
    fn weight_name(&mut self, val: Val) -> String {
        let base = match &self.entries[val.0 as usize] {
            Entry::Tensor(entry) if !entry.name.is_empty() => entry.name.to_string(),
            _ => "constant".to_owned(),
        };
        let mut name = base.clone();
        let mut number = 1;
        while !self.weight_names.insert(name.clone()) {
            number += 1;
            name = format!("{base}.{number}");
        }
        name
    }

    /// Emits elements some of which depend on symbols.
    fn emit_elems(&mut self, ty: &TensorType, elems: &Elems) -> R<ValueId> {
        let mut dims = Shape::new();
        let mut by = Vec::new();
        for elem in elems.iter() {
            let (dim, divisor) = match elem {
                Some(Elem::Ratio(dim, divisor)) => (dim.clone(), *divisor as f64),
                Some(Elem::Float(value)) if value.fract() == 0.0 && value.abs() < 1e15 => {
                    (Dim::constant(*value as i64), 1.0)
                }
                Some(elem) => match elem.to_dim() {
                    Some(dim) => (dim, 1.0),
                    None => return unsupported("a constant beyond 2^60 or a fraction beside a symbolic dimension"),
                },
                None => return Err(OpError::invalid("a value without content").into()),
            };
            dims.push(dim);
            by.push(divisor);
        }
        let mut builder = self.builder();
        let flat = builder.op1(OpCode::Dims, &[], &[("values", Attr::Dims(dims))])?;
        let mut value = builder.reshape(flat, ty.shape.iter().cloned())?;
        value = builder.cast(value, ty.dtype)?;
        if by.iter().any(|&divisor| divisor != 1.0) {
            let sizes = ty.sizes().unwrap_or_default();
            let divisor = builder.constant("", Tensor::from_f64(ty.dtype, &sizes, &by));
            value = builder.op1(OpCode::Div, &[value, divisor], &[])?;
        }
        Ok(value)
    }
}
