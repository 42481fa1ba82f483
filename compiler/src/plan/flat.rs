//! Regions laid into one graph: what lowering walks.
//!
//! Every value of every region becomes a value of one graph, captures become the captured values themselves. An op with
//! regions stays as the op that ends them: it comes after the ops of its regions and uses what they give. The nesting is
//! kept beside the graph, as items.

use lathe_ir::{Graph, Op, OpCode, OpId, Operands, TensorType, ValueId};
use std::collections::BTreeMap;

/// The graph and its nesting.
pub(super) struct Flat {
    /// All ops; the main graph's values and ops keep their ids.
    pub(super) graph: Graph,
    /// What runs, in order.
    pub(super) items: Vec<Item>,
    /// The block that each op stands in.
    pub(super) blocks: BTreeMap<OpId, u32>,
    /// Position in the order of the first op of each loop's body and of the loop op itself.
    pub(super) loops: Vec<(usize, usize)>,
    /// For each carried value its loop, by position in `loops`.
    pub(super) carried: BTreeMap<ValueId, usize>,
}

/// One thing that runs.
pub(super) enum Item {
    /// An op without regions.
    Op(OpId),
    /// A branch.
    If(Box<IfItem>),
    /// A loop.
    Loop(Box<LoopItem>),
}

/// See [`Item::If`].
pub(super) struct IfItem {
    /// The op; operand 0 is the condition.
    pub(super) op: OpId,
    /// The two regions, the one taken when the condition holds first.
    pub(super) branches: [Body; 2],
}

/// See [`Item::Loop`].
pub(super) struct LoopItem {
    /// The op; operands 0 and 1 are those of the definition, then come the first values of what is carried.
    pub(super) op: OpId,
    /// Its position in the order.
    pub(super) position: usize,
    /// Carried values as the body sees them.
    pub(super) carried: Vec<ValueId>,
    /// The body.
    pub(super) body: Body,
}

/// A region.
pub(super) struct Body {
    /// What runs in it.
    pub(super) items: Vec<Item>,
    /// Its results.
    pub(super) results: Vec<ValueId>,
}

/// Lays all regions of a graph into one.
pub(super) fn flatten(main: &Graph) -> Flat {
    let flat = Flat {
        graph: main.clone(),
        items: Vec::new(),
        blocks: BTreeMap::new(),
        loops: Vec::new(),
        carried: BTreeMap::new(),
    };
    let mut flattening = Flattening { flat, order: Vec::new(), next_block: 1 };
    let items = main.iter().map(|(id, op)| flattening.op(op, op.operands.clone(), Home::Main(id), 0)).collect();
    let Flattening { mut flat, order, .. } = flattening;
    flat.graph.set_order(order);
    flat.items = items;
    flat
}

/// Where an op comes from.
#[derive(Clone, Copy)]
enum Home<'a> {
    /// The main graph, where it has that id.
    Main(OpId),
    /// A region.
    Region(&'a Graph),
}

struct Flattening {
    flat: Flat,
    order: Vec<OpId>,
    next_block: u32,
}

impl Flattening {
    /// Adds an op with its operands in the flat graph.
    fn op(&mut self, op: &Op, operands: Operands, home: Home<'_>, block: u32) -> Item {
        match op.code {
            OpCode::If if op.regions.len() == 2 => {
                let captures: Vec<ValueId> = operands.iter().skip(1).flatten().copied().collect();
                let branches = [0, 1].map(|index| self.region(&op.regions[index], &captures));
                let mut uses: Operands = operands.iter().take(1).copied().collect();
                uses.extend(branches.iter().flat_map(|branch| &branch.results).map(|&value| Some(value)));
                let op = self.push(op, uses, home, block);
                Item::If(Box::new(IfItem { op, branches }))
            }
            OpCode::Loop if op.regions.len() == 1 => {
                let (count, region) = (op.int("carried").max(0) as usize, &op.regions[0]);
                let index = self.flat.loops.len();
                self.flat.loops.push((self.order.len(), self.order.len()));
                let mut args = Vec::new();
                for port in region.params.iter().take(count) {
                    let value = self.flat.graph.add_param("", region.ty(port.value).clone());
                    self.flat.carried.insert(value, index);
                    args.push(value);
                }
                let carried = args.clone();
                args.extend(operands.iter().skip(2 + count).flatten());
                let body = self.region(region, &args);
                let mut uses: Operands = (0..2 + count).map(|index| operands.get(index).copied().flatten()).collect();
                uses.extend(body.results.iter().map(|&value| Some(value)));
                let position = self.order.len();
                self.flat.loops[index].1 = position;
                let op = self.push(op, uses, home, block);
                Item::Loop(Box::new(LoopItem { op, position, carried, body }))
            }
            _ => Item::Op(self.push(op, operands, home, block)),
        }
    }

    fn push(&mut self, op: &Op, operands: Operands, home: Home<'_>, block: u32) -> OpId {
        let id = match home {
            Home::Main(id) => {
                let own = self.flat.graph.op_mut(id);
                own.operands = operands;
                own.regions.clear();
                id
            }
            Home::Region(region) => {
                let types: Vec<TensorType> = op.results.iter().map(|&value| region.ty(value).clone()).collect();
                self.flat.graph.push_op(op.code, operands, op.attrs.clone(), Vec::new(), types, op.loc.clone())
            }
        };
        self.order.push(id);
        self.flat.blocks.insert(id, block);
        id
    }

    fn region(&mut self, region: &Graph, args: &[ValueId]) -> Body {
        let block = self.next_block;
        self.next_block += 1;
        let mut map: BTreeMap<ValueId, ValueId> =
            region.params.iter().map(|port| port.value).zip(args.iter().copied()).collect();
        let mut items = Vec::new();
        for (_, op) in region.iter() {
            let operands: Operands =
                op.operands.iter().map(|operand| operand.and_then(|value| map.get(&value).copied())).collect();
            let item = self.op(op, operands, Home::Region(region), block);
            let id = match &item {
                Item::Op(id) => *id,
                Item::If(item) => item.op,
                Item::Loop(item) => item.op,
            };
            map.extend(op.results.iter().copied().zip(self.flat.graph.op(id).results.iter().copied()));
            items.push(item);
        }
        let results = region.results.iter().filter_map(|port| map.get(&port.value).copied()).collect();
        Body { items, results }
    }
}
