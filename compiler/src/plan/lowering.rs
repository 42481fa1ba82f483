//! The state of lowering one graph: where each value is, which buffers and kernels exist so far.
//!
//! Ops are lowered in order. A value is one of three: *inlined* into its only user (an elementwise op whose user is
//! elementwise), a *view* of another value's memory, or the *root* of memory of its own that some kernel writes.

use super::Options;
use super::checks::EntryCheck;
use super::dims::DimMap;
use super::scalar::scalar_type;
use super::schedule::Step;
use super::view::View;
use super::weights::{WeightId, WeightTable};
use crate::loopir::{BufferId, Builder, Expr, ProgramBuilder, Type};
use lathe_ir::{Dim, Graph, Module, Op, OpCode, OpId, Symbol, Tensor, TensorType, ValueId};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What lowering an op can answer.
pub(crate) type Lowered = Result<(), String>;

/// Status code of sizes that contradict each other: the runtime's `Code::ShapeMismatch`.
pub(crate) const SHAPE_MISMATCH: i32 = 2;

/// Elements that one tile of a memory-bound kernel should handle: small enough to share out, large enough to pay.
pub(crate) const TILE_ELEMENTS: i64 = 16 * 1024;

/// Most ops of one elementwise group. Groups are walked recursively, and longer ones gain nothing.
const GROUP_OPS: usize = 64;

/// See the module head.
pub(crate) struct Lowering<'m> {
    /// What is lowered.
    pub(crate) module: &'m Module,
    /// What may be chosen.
    pub(crate) options: &'m Options,
    /// Its main graph.
    pub(crate) graph: &'m Graph,
    /// The program so far.
    pub(crate) out: ProgramBuilder,
    /// Symbols.
    pub(crate) dims: DimMap,
    /// Packed and raw weights.
    pub(crate) weights: WeightTable,
    /// The block of the schedule that grows.
    pub(crate) schedule: Vec<Step>,
    /// Position of the op being lowered.
    pub(crate) position: usize,
    /// For each node id of the program: name of the ONNX node and op.
    pub(crate) nodes: Vec<(String, String)>,
    /// Checks made when the program is called.
    pub(crate) entry_checks: Vec<EntryCheck>,
    views: BTreeMap<ValueId, View>,
    buffers: BTreeMap<ValueId, BufferId>,
    weight_buffers: BTreeMap<(WeightId, Type), BufferId>,
    copies: BTreeMap<ValueId, ValueId>,
    // Types of roots that are no values of the graph.
    copy_types: BTreeMap<ValueId, TensorType>,
    /// By value: computed inside of its only user.
    pub(crate) inlined: Rc<[bool]>,
    // Data-dependent symbols that the schedule has set so far.
    set: BTreeSet<Symbol>,
    last_use: Vec<usize>,
    outputs: BTreeMap<ValueId, (u32, TensorType)>,
    next_copy: u32,
}

/// True for ops that may become views of their operand.
pub(crate) fn is_view_op(code: OpCode) -> bool {
    matches!(code, OpCode::Reshape | OpCode::Transpose | OpCode::Slice | OpCode::Broadcast | OpCode::DataSize)
}

/// Which values are inlined: elementwise, with one user, which is elementwise of the same shape and whose group has room.
fn elementwise_groups(graph: &Graph, uses: &[u32], users: &BTreeMap<ValueId, OpId>) -> Vec<bool> {
    let mut inlined = vec![false; graph.value_count()];
    let mut sizes = vec![1; graph.value_count()];
    for (_, op) in graph.iter().filter(|(_, op)| op.code.def().traits.elementwise) {
        let value = op.result();
        let size = op.inputs().filter(|operand| inlined[operand.index()]).map(|operand| sizes[operand.index()]);
        sizes[value.index()] = size.sum::<usize>() + 1;
        let Some(user) = users.get(&value).map(|&id| graph.op(id)) else { continue };
        let others = user.inputs().filter(|operand| inlined[operand.index()]).map(|operand| sizes[operand.index()]);
        inlined[value.index()] = uses[value.index()] == 1
            && user.code.def().traits.elementwise
            && graph.ty(user.result()).shape == graph.ty(value).shape
            && others.sum::<usize>() + sizes[value.index()] < GROUP_OPS;
    }
    inlined
}

impl<'m> Lowering<'m> {
    /// Lowering of a module's main graph, with inlining and last uses decided.
    pub(crate) fn new(module: &'m Module, options: &'m Options) -> Lowering<'m> {
        let graph = &module.main;
        let uses = graph.use_counts();
        let mut users: BTreeMap<ValueId, OpId> = BTreeMap::new();
        for (id, op) in graph.iter() {
            for value in op.inputs() {
                users.insert(value, id);
            }
        }
        let inlined = elementwise_groups(graph, &uses, &users);
        let mut last_use = vec![0; graph.value_count()];
        for port in &graph.results {
            last_use[port.value.index()] = usize::MAX;
        }
        for (position, &id) in graph.order().iter().enumerate().rev() {
            let op = graph.op(id);
            let through = op.results.iter().map(|value| last_use[value.index()]).max().unwrap_or(0);
            let passes_on = is_view_op(op.code) || inlined[op.result().index()];
            let at = if passes_on { through.max(position) } else { position };
            for value in op.inputs() {
                last_use[value.index()] = last_use[value.index()].max(at);
            }
        }
        Lowering {
            module,
            options,
            graph,
            out: ProgramBuilder::new(),
            dims: DimMap::default(),
            weights: WeightTable::default(),
            schedule: Vec::new(),
            position: 0,
            nodes: Vec::new(),
            entry_checks: Vec::new(),
            views: BTreeMap::new(),
            buffers: BTreeMap::new(),
            weight_buffers: BTreeMap::new(),
            copies: BTreeMap::new(),
            copy_types: BTreeMap::new(),
            inlined: inlined.into(),
            set: BTreeSet::new(),
            last_use,
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
        if let Some(&copy) = self.copies.get(&value) {
            return Ok(View::contiguous(copy, &shape));
        }
        let copy = ValueId(self.next_copy);
        self.next_copy += 1;
        self.copies.insert(value, copy);
        self.copy_types.insert(copy, self.ty(value).clone());
        let target = View::contiguous(copy, &shape);
        let dtype = self.ty(value).dtype;
        self.copy(view, &target, dtype, "copy")?;
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
        let is_param = self.graph.params.iter().any(|port| port.value == root);
        self.last_use[root.index()] == self.position
            && !is_param
            && self.constant(root).is_none()
            && !self.outputs.contains_key(&root)
            && self.buffers.contains_key(&root)
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

    /// True if the root is written straight to an output, which must be row major.
    pub(crate) fn is_output(&self, root: ValueId) -> bool {
        self.outputs.contains_key(&root)
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
        self.schedule.push(Step::Launch(id));
    }

    /// Gives data-dependent symbols their values from here on, and checks the equalities that can be told from now on. The
    /// node is named when a value is out of range or an equality does not hold.
    pub(crate) fn set_sizes(&mut self, sizes: &[(Symbol, Expr)], node: i32) {
        let ids = sizes.iter().filter_map(|(symbol, value)| Some((self.dims.id(symbol)?, value.clone()))).collect();
        self.schedule.push(Step::Sizes(ids, node));
        self.set.extend(sizes.iter().map(|(symbol, _)| symbol.clone()));
        let env = &self.module.env;
        for (x, y) in &env.equalities {
            let symbols: Vec<Symbol> = x.symbols().into_iter().chain(y.symbols()).collect();
            let is_data = |symbol: &&Symbol| env.symbols.get(*symbol).is_some_and(|info| info.data_dependent);
            let concerned = symbols.iter().any(|symbol| sizes.iter().any(|(set, _)| set == symbol));
            if concerned && symbols.iter().filter(is_data).all(|symbol| self.set.contains(symbol)) {
                let value = self.dims.expr(x);
                let cond = value.eq_(self.dims.expr(y));
                self.schedule.push(Step::Check { cond, code: SHAPE_MISMATCH, node, value });
            }
        }
    }

    /// Whether a data-dependent symbol has its value by now; the others always have.
    pub(crate) fn is_set(&self, symbol: &Symbol) -> bool {
        let is_data = self.module.env.symbols.get(symbol).is_some_and(|info| info.data_dependent);
        !is_data || self.set.contains(symbol)
    }

    /// Typical value of a dimension, at least 0.
    pub(crate) fn typical(&self, dim: &Dim) -> i64 {
        dim.typical(&self.module.env.symbols).max(0)
    }
}

/// Splits work over `rows` rows of `inner` elements into tiles of about [`TILE_ELEMENTS`] elements: whole rows if they
/// are short, parts of one row if they are long.
pub(crate) struct RowTiles {
    /// Number of tiles.
    pub(crate) tiles: Expr,
    rows: Expr,
    inner: Expr,
    rows_per_tile: Expr,
    parts: Expr,
    part: i64,
}

impl RowTiles {
    /// The split; `part` elements at the most of one row go in one tile.
    pub(crate) fn new(rows: Expr, inner: Expr, work_per_element: i64) -> RowTiles {
        let part = (TILE_ELEMENTS / work_per_element.max(1)).max(256);
        let rows_per_tile = Expr::i64(part).floor_div(inner.max(1)).max(1);
        let parts = inner.ceil_div(part).max(1);
        RowTiles {
            tiles: rows.ceil_div(rows_per_tile.clone()) * parts.clone(),
            rows,
            inner,
            rows_per_tile,
            parts,
            part,
        }
    }

    /// Calls `body(row, begin, end)` for each row of the tile with the elements of it that belong to the tile.
    pub(crate) fn for_rows(&self, b: &mut Builder<'_>, body: impl FnOnce(&mut Builder<'_>, Expr, Expr, Expr)) {
        let per_tile = b.let_(self.rows_per_tile.clone());
        let parts = b.let_(self.parts.clone());
        let group = b.let_(b.tile().floor_div(parts.clone()));
        let first = b.let_(&group * &per_tile);
        let last = b.let_((&first + &per_tile).min(self.rows.clone()));
        let begin = b.let_((b.tile() - &group * &parts) * self.part);
        let end = b.let_((&begin + self.part).min(self.inner.clone()));
        b.for_(first, last, 1, |b, row| body(b, row, begin, end));
    }
}

/// Splits a row number into indices along `sizes` and gives the position under each set of strides.
pub(crate) fn positions(
    b: &mut Builder<'_>,
    dims: &DimMap,
    row: &Expr,
    sizes: &[Dim],
    strides: &[&[Dim]],
) -> Vec<Expr> {
    let mut rest = row.clone();
    let mut sums: Vec<Option<Expr>> = vec![None; strides.len()];
    for axis in (0..sizes.len()).rev() {
        let index = if axis == 0 {
            rest.clone()
        } else {
            let size = dims.expr(&sizes[axis]);
            let quotient = b.let_(rest.floor_div(size.clone()));
            let index = b.let_(&rest - &quotient * &size);
            rest = quotient;
            index
        };
        for (sum, strides) in sums.iter_mut().zip(strides) {
            if !strides[axis].is(0) {
                let step = &index * dims.expr(&strides[axis]);
                *sum = Some(match sum.take() {
                    Some(sum) => sum + step,
                    None => step,
                });
            }
        }
    }
    sums.into_iter().map(|sum| b.let_(sum.unwrap_or_else(|| Expr::i64(0)))).collect()
}
