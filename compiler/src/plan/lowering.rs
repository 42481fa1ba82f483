//! The state of lowering one graph: where each value is, which buffers and kernels exist so far.
//!
//! Ops are lowered in order. A value is one of three: *inlined* into its only user (an elementwise op whose user is
//! elementwise), a *view* of another value's memory, or the *root* of memory of its own that some kernel writes.

use super::Options;
use super::checks::EntryCheck;
use super::dims::DimMap;
use super::flat::Flat;
use super::scalar::{row_op, scalar_type};
use super::schedule::Step;
use super::view::View;
use super::weights::{WeightId, WeightTable};
use crate::loopir::{BufferId, Builder, Expr, ProgramBuilder, Type};
use lathe_ir::{DType, Dim, Graph, Module, Op, OpCode, OpId, Symbol, Tensor, TensorType, ValueId};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub(crate) use super::tiles::{RowTiles, TILE_ELEMENTS, positions};

/// What lowering an op can answer.
pub(crate) type Lowered = Result<(), String>;

/// Status code of sizes that contradict each other: the runtime's `Code::ShapeMismatch`.
pub(crate) const SHAPE_MISMATCH: i32 = 2;

/// Most ops of one elementwise group. Groups are walked recursively, and longer ones gain nothing.
const GROUP_OPS: usize = 64;

/// See the module head.
pub(crate) struct Lowering<'m> {
    /// What is lowered.
    pub(crate) module: &'m Module,
    /// What may be chosen.
    pub(crate) options: &'m Options,
    /// Its main graph, regions laid into it.
    pub(crate) graph: &'m Graph,
    /// The program so far.
    pub(crate) out: ProgramBuilder,
    /// Symbols.
    pub(crate) dims: DimMap,
    /// Packed and raw weights.
    pub(crate) weights: WeightTable,
    /// Blocks of the schedule that grow, the innermost last.
    scopes: Vec<Scope>,
    /// Position of the op being lowered.
    pub(crate) position: usize,
    /// For each node id of the program: name of the ONNX node and op.
    pub(crate) nodes: Vec<(String, String)>,
    /// Checks made when the program is called.
    pub(crate) entry_checks: Vec<EntryCheck>,
    views: BTreeMap<ValueId, View>,
    buffers: BTreeMap<ValueId, BufferId>,
    weight_buffers: BTreeMap<(WeightId, Type), BufferId>,
    // For each value the depth of the block that it was lowered in.
    depths: BTreeMap<ValueId, usize>,
    // Roots that must be row major, for somebody has said where they lie.
    fixed: BTreeSet<ValueId>,
    // Types of roots that are no values of the graph.
    copy_types: BTreeMap<ValueId, TensorType>,
    /// By value: computed inside of its only user.
    pub(crate) inlined: Rc<[bool]>,
    // Data-dependent symbols that the schedule has set so far.
    pub(super) set: BTreeSet<Symbol>,
    // Elements that carried values have room for.
    pub(super) rooms: BTreeMap<ValueId, Dim>,
    // Equalities of the branches at work that wait for a size.
    pub(super) pending: Vec<(Dim, Dim)>,
    last_use: Vec<usize>,
    uses: Vec<u32>,
    outputs: BTreeMap<ValueId, (u32, TensorType)>,
    next_copy: u32,
}

/// A block of the schedule.
#[derive(Default)]
struct Scope {
    steps: Vec<Step>,
    /// It runs once for each turn of a loop.
    repeats: bool,
    /// Row-major copies of values made in it.
    copies: BTreeMap<ValueId, ValueId>,
}

/// True for ops that may become views of their operand.
pub(crate) fn is_view_op(code: OpCode) -> bool {
    matches!(code, OpCode::Reshape | OpCode::Transpose | OpCode::Slice | OpCode::Broadcast | OpCode::DataSize)
}

/// Which values are inlined: elementwise, with one user, which is elementwise of the same shape, in the same block, and
/// whose group has room.
fn elementwise_groups(flat: &Flat, uses: &[u32], users: &BTreeMap<ValueId, OpId>) -> Vec<bool> {
    let graph = &flat.graph;
    let mut inlined = vec![false; graph.value_count()];
    let mut sizes = vec![1; graph.value_count()];
    for (id, op) in graph.iter().filter(|(_, op)| op.code.def().traits.elementwise) {
        let value = op.result();
        let size = op.inputs().filter(|operand| inlined[operand.index()]).map(|operand| sizes[operand.index()]);
        sizes[value.index()] = size.sum::<usize>() + 1;
        let here = |user: &&OpId| flat.blocks.get(*user) == flat.blocks.get(&id);
        let Some(user) = users.get(&value).filter(here).map(|&id| graph.op(id)) else { continue };
        let others = user.inputs().filter(|operand| inlined[operand.index()]).map(|operand| sizes[operand.index()]);
        inlined[value.index()] = uses[value.index()] == 1
            && user.code.def().traits.elementwise
            && graph.ty(user.result()).shape == graph.ty(value).shape
            && others.sum::<usize>() + sizes[value.index()] < GROUP_OPS
            && !breaks_rows(graph, op, user);
    }
    inlined
}

/// For each value the position of the last op that needs it. A loop needs all that its body uses from outside.
fn last_uses(flat: &Flat, inlined: &[bool]) -> Vec<usize> {
    let graph = &flat.graph;
    let mut made = vec![None; graph.value_count()];
    for (position, (_, op)) in graph.iter().enumerate() {
        op.results.iter().for_each(|value| made[value.index()] = Some(position));
    }
    for (value, &index) in &flat.carried {
        made[value.index()] = Some(flat.loops[index].0);
    }
    let mut last_use = vec![0; graph.value_count()];
    for port in &graph.results {
        last_use[port.value.index()] = usize::MAX;
    }
    for (position, &id) in graph.order().iter().enumerate().rev() {
        let op = graph.op(id);
        let through = op.results.iter().map(|value| last_use[value.index()]).max().unwrap_or(0);
        let passes_on = op.results.first().is_some_and(|value| is_view_op(op.code) || inlined[value.index()]);
        let at = if passes_on { through.max(position) } else { position };
        let around: Vec<&(usize, usize)> =
            flat.loops.iter().filter(|(begin, end)| (*begin..*end).contains(&position)).collect();
        for value in op.inputs() {
            let entered = around.iter().filter(|(begin, _)| made[value.index()].is_none_or(|made| made < *begin));
            let at = entered.map(|(_, end)| *end).max().unwrap_or(0).max(at);
            last_use[value.index()] = last_use[value.index()].max(at);
        }
    }
    last_use
}

/// Elements of the smallest tensor that is worth a pass of its own.
const OWN_PASS: i64 = 4096;

/// True if row kernels could compute the user but not the op: one scalar loop for both, with its calls of scalar functions,
/// costs more than another pass over memory.
fn breaks_rows(graph: &Graph, op: &Op, user: &Op) -> bool {
    let by_rows = |op: &Op| {
        let mut values = op.inputs().chain([op.result()]);
        row_op(op).is_some() && values.all(|value| graph.ty(value).dtype == DType::F32)
    };
    let is_small = graph.ty(op.result()).elements().as_const().is_some_and(|count| count < OWN_PASS);
    !is_small && by_rows(user) && !by_rows(op)
}

impl<'m> Lowering<'m> {
    /// Lowering of a module's main graph, laid flat, with inlining and last uses decided.
    pub(crate) fn new(module: &'m Module, flat: &'m Flat, options: &'m Options) -> Lowering<'m> {
        let graph = &flat.graph;
        let uses = graph.use_counts();
        let mut users: BTreeMap<ValueId, OpId> = BTreeMap::new();
        for (id, op) in graph.iter() {
            for value in op.inputs() {
                users.insert(value, id);
            }
        }
        let inlined = elementwise_groups(flat, &uses, &users);
        let last_use = last_uses(flat, &inlined);
        Lowering {
            module,
            options,
            graph,
            out: ProgramBuilder::new(),
            dims: DimMap::default(),
            weights: WeightTable::default(),
            scopes: vec![Scope::default()],
            position: 0,
            nodes: Vec::new(),
            entry_checks: Vec::new(),
            views: BTreeMap::new(),
            buffers: BTreeMap::new(),
            weight_buffers: BTreeMap::new(),
            depths: BTreeMap::new(),
            fixed: BTreeSet::new(),
            copy_types: BTreeMap::new(),
            inlined: inlined.into(),
            set: BTreeSet::new(),
            rooms: BTreeMap::new(),
            pending: Vec::new(),
            last_use,
            uses,
            outputs: BTreeMap::new(),
            next_copy: graph.value_count() as u32,
        }
    }

    /// Type of a value or of a copy.
    pub(crate) fn ty(&self, value: ValueId) -> &TensorType {
        self.copy_types.get(&value).unwrap_or_else(|| self.graph.ty(value))
    }

    /// True if the value has no memory and is computed where it is used.
    pub(crate) fn is_inlined(&self, value: ValueId) -> bool {
        self.inlined[value.index()]
    }

    /// The value at compile time, if it is a constant.
    pub(crate) fn constant(&self, value: ValueId) -> Option<&'m Tensor> {
        self.graph.constant(&self.module.env, value)
    }

    /// Where the value is. Inlined values are nowhere; asking is a bug that the caller reports.
    pub(crate) fn view(&self, value: ValueId) -> Result<View, String> {
        self.views.get(&value).cloned().ok_or_else(|| format!("{value} has no memory"))
    }

    /// Says where a value is.
    pub(crate) fn set_view(&mut self, value: ValueId, view: View) {
        self.depths.insert(value, self.scopes.len());
        self.views.insert(value, view);
    }

    /// A row-major view of the value, copying it first if it is not.
    pub(crate) fn contiguous(&mut self, value: ValueId) -> Result<View, String> {
        let view = self.view(value)?;
        if view.is_contiguous() { Ok(view) } else { self.copied(value, &view) }
    }

    /// A view with dense rows, copying the value first if it has none.
    pub(crate) fn dense_rows(&mut self, value: ValueId) -> Result<View, String> {
        let view = self.view(value)?;
        if view.has_dense_rows() { Ok(view) } else { self.copied(value, &view) }
    }

    /// A view whose last `axes` axes lie row major without gaps, copying the value first if they do not.
    pub(crate) fn dense_tail(&mut self, value: ValueId, axes: usize) -> Result<View, String> {
        let view = self.view(value)?;
        let first = view.rank() - axes.min(view.rank());
        let tail =
            View { shape: view.shape[first..].to_vec(), strides: view.strides[first..].to_vec(), ..view.clone() };
        if tail.is_contiguous() { Ok(view) } else { self.copied(value, &view) }
    }

    fn copied(&mut self, value: ValueId, view: &View) -> Result<View, String> {
        let shape = self.ty(value).shape.to_vec();
        if let Some(&copy) = self.scopes.iter().find_map(|scope| scope.copies.get(&value)) {
            return Ok(View::contiguous(copy, &shape));
        }
        let copy = ValueId(self.next_copy);
        self.next_copy += 1;
        self.copy_types.insert(copy, self.ty(value).clone());
        let target = View::contiguous(copy, &shape);
        let dtype = self.ty(value).dtype;
        self.copy(view, &target, dtype, "copy")?;
        // What does not change from turn to turn is copied before the loop.
        let own = self.depths.get(&value).copied().unwrap_or(0).max(1) - 1;
        let mut at = self.scopes.len() - 1;
        while at > own && self.scopes[at].repeats {
            at -= 1;
        }
        let step = self.scopes.last_mut().and_then(|scope| scope.steps.pop());
        self.scopes[at].steps.extend(step);
        self.scopes[at].copies.insert(value, copy);
        Ok(target)
    }

    /// Loop-IR element type of a value.
    pub(crate) fn elem(&self, value: ValueId) -> Type {
        scalar_type(self.ty(value).dtype)
    }

    /// The buffer of a root; declared on first mention. Constants become raw weights, graph results with a place among
    /// the outputs are written there, all else goes to the arena.
    pub(crate) fn buffer(&mut self, root: ValueId) -> BufferId {
        if let Some(&buffer) = self.buffers.get(&root) {
            return buffer;
        }
        let ty = self.ty(root).clone();
        let len = self.dims.expr(&self.by_products(&ty.elements()));
        let elem = scalar_type(ty.dtype);
        let name = format!("v{}", root.0);
        let constant = (root.index() < self.graph.value_count()).then(|| self.constant(root)).flatten();
        let buffer = if let Some(tensor) = constant {
            let id = self.weights.raw(tensor);
            return self.weight_buffer(root, id, elem, len);
        } else if let Some((index, output)) = self.outputs.get(&root) {
            let (index, rank) = (*index, output.rank() as u32);
            self.out.output(&format!("out{index}"), elem, len, index, rank)
        } else {
            self.out.arena(&name, elem, len)
        };
        self.buffers.insert(root, buffer);
        buffer
    }

    fn weight_buffer(&mut self, root: ValueId, id: WeightId, elem: Type, len: Expr) -> BufferId {
        let buffer = self.packed(id, elem, len);
        self.buffers.insert(root, buffer);
        buffer
    }

    /// The buffer of a weight in some form.
    pub(crate) fn packed(&mut self, id: WeightId, elem: Type, len: Expr) -> BufferId {
        if let Some(&buffer) = self.weight_buffers.get(&(id, elem)) {
            return buffer;
        }
        let (name, offset) = self.weights.place(id);
        let buffer = self.out.weight(&format!("{name}_{elem}"), elem, len, 0, offset);
        self.weight_buffers.insert((id, elem), buffer);
        buffer
    }

    /// Puts a root where another root's memory is (in-place reuse, inputs).
    pub(crate) fn share_buffer(&mut self, root: ValueId, buffer: BufferId) {
        self.buffers.insert(root, buffer);
    }

    /// True if the value's memory is of its own (not input, output or weight) and nothing reads it after this op.
    pub(crate) fn dies_here(&self, root: ValueId) -> bool {
        if root.index() >= self.graph.value_count() {
            return false;
        }
        let is_param = self.module.main.params.iter().any(|port| port.value == root);
        self.last_use[root.index()] == self.position
            && !is_param
            && self.constant(root).is_none()
            && !self.outputs.contains_key(&root)
            && self.buffers.contains_key(&root)
    }

    /// True if the root's memory is its own, read by this op only and not after it, so that the op may write there.
    pub(crate) fn is_only_used_here(&self, root: ValueId) -> bool {
        self.dies_here(root) && self.uses[root.index()] == 1 && !self.fixed.contains(&root)
    }

    /// Makes a root that has no memory yet lie in a buffer, row major. False if it has memory.
    pub(crate) fn place(&mut self, root: ValueId, buffer: BufferId) -> bool {
        let free = !self.outputs.contains_key(&root) && !self.buffers.contains_key(&root);
        if free {
            self.fixed.insert(root);
            self.buffers.insert(root, buffer);
        }
        free
    }

    /// The value whose memory is the value's own, reshapes looked through, if an op computes it.
    pub(crate) fn computed_root(&self, mut value: ValueId) -> Option<(OpId, ValueId)> {
        loop {
            let (id, op) = self.graph.def(value)?;
            match (op.code, op.operand(0)) {
                (OpCode::Reshape, Some(operand)) => value = operand,
                (code, _) if is_view_op(code) || code == OpCode::Const => return None,
                _ => return Some((id, value)),
            }
        }
    }

    /// Gives a root the place of output `index`.
    pub(crate) fn assign_output(&mut self, root: ValueId, index: u32, ty: &TensorType) -> bool {
        let free = !self.outputs.contains_key(&root) && !self.buffers.contains_key(&root);
        if free {
            self.outputs.insert(root, (index, ty.clone()));
        }
        free
    }

    /// Which output the root is written straight to.
    pub(crate) fn output_index(&self, root: ValueId) -> Option<u32> {
        self.outputs.get(&root).map(|(index, _)| *index)
    }

    /// A row-major root over a buffer that is no value of the graph.
    pub(crate) fn new_root(&mut self, ty: &TensorType, buffer: BufferId) -> View {
        let root = ValueId(self.next_copy);
        self.next_copy += 1;
        self.copy_types.insert(root, ty.clone());
        self.buffers.insert(root, buffer);
        View::contiguous(root, &ty.shape)
    }

    /// True if the root is written straight to an output or another place that must be row major.
    pub(crate) fn is_output(&self, root: ValueId) -> bool {
        self.outputs.contains_key(&root) || self.fixed.contains(&root)
    }

    /// Makes the op's result `index` a row-major root and gives its view and buffer.
    pub(crate) fn result(&mut self, op: &Op, index: usize) -> (View, BufferId) {
        let value = op.results[index];
        let view = View::contiguous(value, &self.graph.ty(value).shape.clone());
        self.set_view(value, view.clone());
        let buffer = self.buffer(value);
        (view, buffer)
    }

    /// A memory-only array in the arena that is no value: packed operands, partial sums.
    pub(crate) fn temporary(&mut self, name: &str, elem: Type, len: Expr) -> BufferId {
        let name = format!("{name}{}", self.next_copy);
        self.next_copy += 1;
        self.out.arena(&name, elem, len)
    }

    /// The id under which errors of the op are reported.
    pub(crate) fn node(&mut self, op: &Op) -> i32 {
        let name = op.loc.first().to_owned();
        let entry = (name, op.code.name().to_owned());
        if self.nodes.last() != Some(&entry) {
            self.nodes.push(entry);
        }
        self.nodes.len() as i32 - 1
    }

    /// Adds a kernel to the program and to the schedule.
    pub(crate) fn kernel(&mut self, name: &str, node: i32, tiles: Expr, build: impl FnOnce(&mut Builder<'_>)) {
        let name = format!("{name}_{}", self.out.program().kernels.len());
        let id = self.out.kernel(&name, Some(node), tiles, build);
        self.step(Step::Launch(id));
    }

    /// Adds a step to the schedule.
    pub(crate) fn step(&mut self, step: Step) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.steps.push(step);
        }
    }

    /// True inside of a branch or a loop.
    pub(crate) fn is_inside(&self) -> bool {
        self.scopes.len() > 1
    }

    /// Begins a block of the schedule; `repeats` if it is the body of a loop.
    pub(crate) fn open(&mut self, repeats: bool) {
        self.scopes.push(Scope { repeats, ..Scope::default() });
    }

    /// Ends the innermost block of the schedule and gives its steps.
    pub(crate) fn close(&mut self) -> Vec<Step> {
        self.scopes.pop().unwrap_or_default().steps
    }

    /// As [`Lowering::node`], with words of its own where the op is named.
    pub(crate) fn node_saying(&mut self, op: &Op, words: &str) -> i32 {
        self.nodes.push((op.loc.first().to_owned(), words.to_owned()));
        self.nodes.len() as i32 - 1
    }

    /// True for symbols that the schedule sets.
    pub(crate) fn is_data(&self, symbol: &Symbol) -> bool {
        self.module.env.symbols.get(symbol).is_some_and(|info| info.data_dependent)
    }

    /// The buffer of a root that has one by now.
    pub(crate) fn known_buffer(&self, root: ValueId) -> Option<BufferId> {
        self.buffers.get(&root).copied()
    }

    /// Typical value of a dimension, at least 0.
    pub(crate) fn typical(&self, dim: &Dim) -> i64 {
        dim.typical(&self.module.env.symbols).max(0)
    }
}
