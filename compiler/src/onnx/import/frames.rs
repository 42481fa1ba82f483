//! Regions during import: a graph of its own for each, and values that come in from around it.

use std::collections::BTreeMap;

use lathe_ir::{Diagnostic, Graph, Symbol, SymbolInfo, TensorType, ValueId};

use super::graph::Importer;
use super::values::{Val, Values};

/// A graph being built, the main one or a region.
#[derive(Default)]
pub(super) struct Frame {
    /// Number of the frame; no two of an import have the same.
    pub(super) id: u32,
    /// What constants, known elements and values from around are called here.
    pub(super) here: BTreeMap<Val, ValueId>,
    /// Values of the graph around that come in as parameters, in the order of those.
    captures: Vec<(ValueId, ValueId)>,
}

/// A finished region.
pub(super) struct Region {
    /// Its graph; results are the caller's business.
    pub(super) graph: Graph,
    /// Values of the graph around that its last parameters stand for.
    pub(super) captures: Vec<ValueId>,
}

/// What to go back to when a region is imported again, or not at all.
pub(super) struct Mark {
    equalities: usize,
    conditional: usize,
    symbols: usize,
}

impl Values {
    /// The frame at work.
    pub(super) fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Begins a region.
    pub(super) fn open(&mut self) {
        self.frame();
        self.next_frame += 1;
        self.frames.push(Frame { id: self.next_frame, ..Frame::default() });
        self.around.push(std::mem::take(&mut self.module.main));
    }

    /// Ends the region begun last.
    pub(super) fn close(&mut self) -> Region {
        let frame = self.frames.pop().unwrap_or_default();
        let graph = std::mem::replace(&mut self.module.main, self.around.pop().unwrap_or_default());
        self.spent += graph.value_count();
        Region { graph, captures: frame.captures.into_iter().map(|(outer, _)| outer).collect() }
    }

    /// Makes a value of the graph around a parameter of the region begun last.
    pub(super) fn capture(&mut self, outer: ValueId) -> ValueId {
        let level = self.frames.len() - 1;
        self.capture_at(level, outer)
    }

    /// What a value of frame `from` is called in the frame at work: captured by every region in between.
    pub(super) fn capture_from(&mut self, from: usize, mut value: ValueId) -> ValueId {
        for level in from + 1..self.frames.len() {
            value = self.capture_at(level, value);
        }
        value
    }

    fn capture_at(&mut self, level: usize, outer: ValueId) -> ValueId {
        if let Some((_, param)) = self.frames[level].captures.iter().find(|(known, _)| *known == outer) {
            return *param;
        }
        let ty = self.graph(level - 1).ty(outer).clone();
        let param = self.graph_mut(level).add_param("", ty);
        self.frames[level].captures.push((outer, param));
        param
    }

    /// The value of the graph around that a parameter of the region at that level stands for.
    pub(super) fn captured(&self, level: usize, param: ValueId) -> Option<ValueId> {
        self.frames[level].captures.iter().find(|(_, own)| *own == param).map(|(outer, _)| *outer)
    }

    /// Level of the frame of that number, if it is still open.
    pub(super) fn level_of(&self, frame: u32) -> Option<usize> {
        self.frames.iter().position(|known| known.id == frame)
    }

    /// The graph at a level, the main one at 0.
    pub(super) fn graph(&self, level: usize) -> &Graph {
        self.around.get(level).unwrap_or(&self.module.main)
    }

    fn graph_mut(&mut self, level: usize) -> &mut Graph {
        match self.around.get_mut(level) {
            Some(graph) => graph,
            None => &mut self.module.main,
        }
    }

    /// A parameter of the region begun last that is no captured value.
    pub(super) fn param(&mut self, ty: TensorType) -> Val {
        let value = self.module.main.add_param("", ty);
        self.emitted(value)
    }

    /// Where symbols and equalities stand.
    pub(super) fn mark(&self) -> Mark {
        let conditional = self.conditional.len();
        Mark { equalities: self.module.env.equalities.len(), conditional, symbols: self.made.len() }
    }

    /// Forgets the symbols and equalities made since.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.module.env.equalities.truncate(mark.equalities);
        self.conditional.truncate(mark.conditional);
        for symbol in self.made.drain(mark.symbols..) {
            self.module.env.symbols.remove(&symbol);
        }
    }

    /// Says that what had to be equal since need be so only where a branch is taken.
    pub(super) fn in_branch_since(&mut self, mark: &Mark) {
        let equalities = &mut self.module.env.equalities;
        self.conditional.extend(equalities.drain(mark.equalities.min(equalities.len())..));
    }

    /// Gives the module what only its branches need to be equal.
    pub(super) fn settle_conditional(&mut self) {
        let same = |p: &(lathe_ir::Dim, lathe_ir::Dim), q: &(lathe_ir::Dim, lathe_ir::Dim)| {
            (p.0 == q.0 && p.1 == q.1) || (p.0 == q.1 && p.1 == q.0)
        };
        for pair in std::mem::take(&mut self.conditional) {
            let env = &mut self.module.env;
            if !env.equalities.iter().chain(&env.conditional).any(|other| same(other, &pair)) {
                env.conditional.push(pair);
            }
        }
    }

    /// Data-dependent symbols made since.
    pub(super) fn made_since(&self, mark: &Mark) -> &[Symbol] {
        &self.made[mark.symbols..]
    }

    /// A new data-dependent symbol, called after the node at hand.
    pub(super) fn data_symbol(&mut self, what: &str, info: SymbolInfo) -> Symbol {
        let base = match self.loc.first() {
            "" => what.to_owned(),
            node => format!("{node}.{what}"),
        };
        let mut symbol = Symbol::new(&base);
        let mut number = 1;
        while self.module.env.symbols.contains_key(&symbol) {
            number += 1;
            symbol = Symbol::new(&format!("{base}{number}"));
        }
        self.module.env.symbols.insert(symbol.clone(), SymbolInfo { data_dependent: true, ..info });
        self.made.push(symbol.clone());
        symbol
    }
}

impl Importer<'_> {
    /// Number of findings so far.
    pub(super) fn findings(&self) -> usize {
        self.found.0.len()
    }

    /// Findings after so many.
    pub(super) fn findings_since(&self, before: usize) -> &[Diagnostic] {
        self.found.0.get(before..).unwrap_or(&[])
    }

    /// Forgets findings after so many.
    pub(super) fn forget_findings(&mut self, before: usize) {
        self.found.0.truncate(before);
    }
}
