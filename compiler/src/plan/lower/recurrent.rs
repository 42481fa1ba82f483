//! Recurrent cells: LSTM, GRU, RNN.
//!
//! One kernel for the whole sequence. A tile is a block of rows of one direction and goes through all its steps: a
//! product of the state with the packed recurrence, then the gates row by row with vector kernels on blocks that stay in
//! L1. Directions and lengths are a matter of indices. The running state is the op's own result `h` (and `c`).

mod rows;

use super::super::lowering::{Lowered, Lowering};
use super::super::scalar::INDEX_OUT_OF_RANGE;
use super::optional_buffer;
use crate::loopir::{BufferId, Builder, Expr, LocalId, Type};
use lathe_ir::{Dim, Op, OpCode};
use rows::{Product, Vector};

/// Rows of a tile: enough that a step reads the recurrence once for many rows, few enough that a batch is shared out.
const ROWS: i64 = 8;

/// Lowers `lstm`, `gru` and `rnn`.
pub(super) fn lower(l: &mut Lowering<'_>, op: &Op) -> Lowered {
    let (gates, h0, lens) = match op.code {
        OpCode::Lstm => (4, 3, 5),
        OpCode::Gru => (3, 3, 4),
        _ => (1, 2, 3),
    };
    let (x, r) = (op.operand(0).ok_or("no input")?, op.operand(1).ok_or("no recurrence")?);
    let x_view = l.dense_rows(x)?;
    let r_view = l.view(r)?;
    let ty = l.graph.ty(op.results[0]).clone();
    let [steps, directions, rows, hidden] = &ty.shape[..] else { return Err("y has other axes".to_owned()) };
    let elem = l.elem(x);
    // The new gate of a GRU is a product of its own, unless the reset comes after it.
    let parts: Vec<(i64, i64)> = match op.code {
        OpCode::Gru if !op.flag("linear_before_reset") => vec![(0, 2), (2, 1)],
        _ => vec![(0, gates)],
    };
    let mut products = Vec::new();
    for (first, count) in parts {
        let columns = hidden * &Dim::from(count);
        let starts = [Dim::ZERO, Dim::ZERO, hidden * &Dim::from(first)];
        let part = r_view.slice(&starts, &[directions.clone(), hidden.clone(), columns.clone()], &[1, 1, 1]);
        products.push(Product::new(l, elem, part, hidden, &columns)?);
    }
    let [h0, lens] = [optional_buffer(l, op, h0)?, optional_buffer(l, op, lens)?];
    let c0 = if op.code == OpCode::Lstm { optional_buffer(l, op, 4)? } else { None };
    // Peepholes of an LSTM, the bias inside the reset of a GRU.
    let extra = if op.code == OpCode::Rnn { None } else { optional_buffer(l, op, 2)? };
    let x_buffer = l.buffer(x_view.root);
    let results: Vec<BufferId> = (0..op.results.len()).map(|index| l.result(op, index).1).collect();
    let cell = Cell {
        op,
        vector: Vector { elem, op },
        products,
        gates,
        steps: l.dims.expr(steps),
        directions: l.dims.expr(directions),
        rows: l.dims.expr(rows),
        hidden: l.dims.expr(hidden),
        x: x_buffer,
        x_start: l.dims.expr(&x_view.offset),
        x_strides: [l.dims.expr(&x_view.strides[0]), l.dims.expr(&x_view.strides[1])],
        h0,
        c0,
        lens,
        extra,
        results,
    };
    let node = l.node(op);
    let tiles = cell.rows.ceil_div(ROWS) * cell.directions.clone();
    l.kernel(op.code.name(), node, tiles, |b| cell.emit(b));
    Ok(())
}

type Place = (BufferId, Expr);

/// A cell being lowered.
struct Cell<'o> {
    op: &'o Op,
    vector: Vector<'o>,
    products: Vec<Product>,
    gates: i64,
    steps: Expr,
    directions: Expr,
    rows: Expr,
    hidden: Expr,
    x: BufferId,
    x_start: Expr,
    x_strides: [Expr; 2],
    h0: Option<Place>,
    c0: Option<Place>,
    lens: Option<Place>,
    extra: Option<Place>,
    results: Vec<BufferId>,
}

/// Addresses within a tile.
struct Tile {
    direction: Expr,
    first: Expr,
    count: Expr,
    backwards: Expr,
    /// The running state, [count, H], and the cell's memory.
    state: Expr,
    memory: Option<Expr>,
    gates: Expr,
    /// The state after the reset of a GRU, [count, H].
    reset: Option<Expr>,
    /// A one.
    one: Option<Expr>,
    extra: Option<Expr>,
    lens: Option<LocalId>,
}

impl Cell<'_> {
    fn emit(&self, b: &mut Builder<'_>) {
        let (v, hidden) = (&self.vector, &self.hidden);
        let groups = b.let_(self.rows.ceil_div(ROWS));
        let direction = b.let_(b.tile().floor_div(groups.clone()));
        let first = b.let_((b.tile() - &direction * &groups) * ROWS);
        let count = b.let_((&self.rows - &first).min(ROWS));
        let backwards = match self.op.word("direction") {
            "forward" => Expr::bool(false),
            "reverse" => Expr::bool(true),
            _ => b.let_(direction.eq_(1)),
        };
        let at = b.let_((&direction * &self.rows + &first) * hidden);
        let state = b.let_(b.addr(self.results[1], at.clone()));
        let memory = self.results.get(2).map(|&buffer| b.let_(b.addr(buffer, at.clone())));
        let local = |b: &mut Builder<'_>, name: &str, len: Expr| {
            let local = b.local(name, v.elem, len);
            b.let_(b.addr(local, 0))
        };
        let gates = local(b, "gates", hidden * (ROWS * self.gates));
        let reset = (self.products.len() > 1).then(|| local(b, "reset", hidden * ROWS));
        let one = (self.op.code == OpCode::Lstm && self.op.flag("input_forget")).then(|| {
            let one = local(b, "one", Expr::i64(1));
            b.store((&one, v.elem), 0, Expr::constant(v.elem, 1.0));
            one
        });
        let extra = self.extra.as_ref().map(|(buffer, start)| {
            let width = if self.op.code == OpCode::Lstm { 3 } else { 1 };
            b.let_(b.addr(*buffer, start + &direction * hidden * width))
        });
        let lens = self.lens.as_ref().map(|_| b.local("lens", Type::I64, ROWS));
        let tile = Tile { direction, first, count, backwards, state, memory, gates, reset, one, extra, lens };

        let all = b.let_(&tile.count * hidden);
        for (initial, to) in [(&self.h0, Some(&tile.state)), (&self.c0, tile.memory.as_ref())] {
            match (initial, to) {
                (Some((buffer, start)), Some(to)) => {
                    let from = b.addr(*buffer, start + &at);
                    v.copy(b, &all, &from, to);
                }
                (None, Some(to)) => v.clear(b, &all, to),
                _ => {}
            }
        }
        if let (Some(reset), Some(_)) = (&tile.reset, &tile.lens) {
            // Rows that have ended are multiplied too.
            v.clear(b, &all, reset);
        }
        let most = self.read_lens(b, &tile);
        b.for_(0, most, 1, |b, step| self.step(b, &tile, &step));
        self.clear_rest(b, &tile);
    }

    /// Checks and keeps the lengths of the tile's rows; gives the greatest.
    fn read_lens(&self, b: &mut Builder<'_>, tile: &Tile) -> Expr {
        let (Some((buffer, start)), Some(local)) = (&self.lens, tile.lens) else { return self.steps.clone() };
        let most = b.var(Expr::i64(0));
        b.for_(0, tile.count.clone(), 1, |b, row| {
            let len = b.load(*buffer, start + &tile.first + &row).cast(Type::I64);
            let len = b.let_(len);
            b.check(len.ge(0).and(len.le(self.steps.clone())), INDEX_OUT_OF_RANGE, None, &len);
            b.store(local, row, &len);
            b.assign(most, most.get().max(len));
        });
        b.let_(most.get())
    }

    /// Clears y beyond the end of each row, and the state of rows without steps.
    fn clear_rest(&self, b: &mut Builder<'_>, tile: &Tile) {
        let Some(lens) = tile.lens else { return };
        let (v, hidden) = (&self.vector, &self.hidden);
        b.for_(0, tile.count.clone(), 1, |b, row| {
            let len = b.load(lens, &row);
            b.for_(len.clone(), self.steps.clone(), 1, |b, time| {
                let y = self.y(b, tile, &time, &row);
                v.clear(b, hidden, &y);
            });
            b.if_(len.eq_(0), |b| {
                for state in [Some(&tile.state), tile.memory.as_ref()].into_iter().flatten() {
                    let state = v.at(b, state, &row * hidden);
                    v.clear(b, hidden, &state);
                }
            });
        });
    }

    /// Where y has the state of a row after a step.
    fn y(&self, b: &mut Builder<'_>, tile: &Tile, time: &Expr, row: &Expr) -> Expr {
        let index =
            ((time * &self.directions + &tile.direction) * self.rows.clone() + &tile.first + row) * &self.hidden;
        b.let_(b.addr(self.results[0], index))
    }

    /// Calls `body(row, gates, time)` for each row of the tile that has this step.
    fn rows(
        &self,
        b: &mut Builder<'_>,
        tile: &Tile,
        step: &Expr,
        body: impl FnOnce(&mut Builder<'_>, &Expr, &Expr, &Expr),
    ) {
        let time = |b: &mut Builder<'_>, len: &Expr| {
            let time = tile.backwards.select(len - 1 - step, step.clone());
            b.let_(time)
        };
        b.for_(0, tile.count.clone(), 1, |b, row| {
            let gates = self.vector.at(b, &tile.gates, &row * &self.hidden * self.gates);
            match tile.lens {
                None => {
                    let time = time(b, &self.steps);
                    body(b, &row, &gates, &time);
                }
                Some(lens) => {
                    let len = b.load(lens, &row);
                    b.if_(step.lt(len.clone()), |b| {
                        let time = time(b, &len);
                        body(b, &row, &gates, &time);
                    });
                }
            }
        });
    }

    /// What the input adds to the gates of a row, from gate `gate` on.
    fn input(&self, b: &mut Builder<'_>, tile: &Tile, time: &Expr, row: &Expr, gate: i64) -> Expr {
        let [by_time, by_row] = &self.x_strides;
        let row = (&tile.first + row) * by_row;
        let index = &self.x_start + time * by_time + row + (&tile.direction * self.gates + gate) * &self.hidden;
        b.let_(b.addr(self.x, index))
    }

    fn product(&self, b: &mut Builder<'_>, tile: &Tile, index: usize, from: &Expr, to: &Expr) {
        let width = b.let_(&self.hidden * self.gates);
        self.products[index].emit(b, &tile.direction, [&tile.count, &self.hidden, &width], from, to);
    }

    fn step(&self, b: &mut Builder<'_>, tile: &Tile, step: &Expr) {
        let (v, n) = (&self.vector, &self.hidden);
        self.product(b, tile, 0, &tile.state, &tile.gates);
        match (self.op.code, &tile.memory, &tile.reset) {
            (OpCode::Lstm, Some(memory), _) => self.rows(b, tile, step, |b, row, gates, time| {
                let x = self.input(b, tile, time, row, 0);
                v.add(b, &(n * 4), gates, &x, gates);
                let [state, memory] = [&tile.state, memory].map(|base| v.at(b, base, row * n));
                self.lstm(b, tile, gates, &state, &memory);
                let y = self.y(b, tile, time, row);
                v.copy(b, n, &state, &y);
            }),
            (OpCode::Gru, _, None) => self.rows(b, tile, step, |b, row, gates, time| {
                let x = self.input(b, tile, time, row, 0);
                self.update_and_reset(b, gates, &x);
                let [reset, new] = [1, 2].map(|gate| v.at(b, gates, n * gate));
                if let Some(bias) = &tile.extra {
                    v.add(b, n, &new, bias, &new);
                }
                let x = self.input(b, tile, time, row, 2);
                v.fma(b, n, &reset, &new, &x, &new);
                self.new_state(b, tile, row, gates, time);
            }),
            (OpCode::Gru, _, Some(left)) => {
                self.rows(b, tile, step, |b, row, gates, time| {
                    let x = self.input(b, tile, time, row, 0);
                    self.update_and_reset(b, gates, &x);
                    let reset = v.at(b, gates, n.clone());
                    let [state, left] = [&tile.state, left].map(|base| v.at(b, base, row * n));
                    v.mul(b, n, &reset, &state, &left);
                });
                let new = v.at(b, &tile.gates, n * 2);
                self.product(b, tile, 1, left, &new);
                self.rows(b, tile, step, |b, row, gates, time| {
                    let new = v.at(b, gates, n * 2);
                    let x = self.input(b, tile, time, row, 2);
                    v.add(b, n, &new, &x, &new);
                    self.new_state(b, tile, row, gates, time);
                });
            }
            _ => self.rows(b, tile, step, |b, row, gates, time| {
                let x = self.input(b, tile, time, row, 0);
                v.add(b, n, gates, &x, gates);
                v.clip(b, n, gates);
                let state = v.at(b, &tile.state, row * n);
                v.act(b, "f", n, gates, &state);
                let y = self.y(b, tile, time, row);
                v.copy(b, n, &state, &y);
            }),
        }
    }

    /// One row of an LSTM: gates before their activations in, state and memory out.
    fn lstm(&self, b: &mut Builder<'_>, tile: &Tile, gates: &Expr, state: &Expr, memory: &Expr) {
        let (v, n) = (&self.vector, &self.hidden);
        let [input, output, forget, new] = [0, 1, 2, 3].map(|gate| v.at(b, gates, n * gate));
        if tile.extra.is_none() && tile.one.is_none() {
            v.clip(b, &(n * 4), &input);
            v.act(b, "f", &(n * 3), &input, &input);
        } else {
            let gate = |b: &mut Builder<'_>, gate: &Expr, index: i64| {
                if let Some(peephole) = &tile.extra {
                    let weights = v.at(b, peephole, n * index);
                    v.fma(b, n, &weights, memory, gate, gate);
                }
                v.clip(b, n, gate);
                v.act(b, "f", n, gate, gate);
            };
            gate(b, &input, 0);
            match &tile.one {
                Some(one) => v.sub(b, n, (one, 0), &input, &forget),
                None => gate(b, &forget, 2),
            }
            v.clip(b, n, &new);
        }
        v.act(b, "g", n, &new, &new);
        v.mul(b, n, &forget, memory, memory);
        v.fma(b, n, &input, &new, memory, memory);
        if tile.extra.is_some() || tile.one.is_some() {
            if let Some(peephole) = &tile.extra {
                let weights = v.at(b, peephole, n.clone());
                v.fma(b, n, &weights, memory, &output, &output);
            }
            v.clip(b, n, &output);
            v.act(b, "f", n, &output, &output);
        }
        v.act(b, "h", n, memory, &new);
        v.mul(b, n, &output, &new, state);
    }

    /// The first two gates of a GRU.
    fn update_and_reset(&self, b: &mut Builder<'_>, gates: &Expr, x: &Expr) {
        let (v, both) = (&self.vector, &self.hidden * 2);
        v.add(b, &both, gates, x, gates);
        v.clip(b, &both, gates);
        v.act(b, "f", &both, gates, gates);
    }

    /// The new state of a row of a GRU, whose third gate is complete but for its activation.
    fn new_state(&self, b: &mut Builder<'_>, tile: &Tile, row: &Expr, gates: &Expr, time: &Expr) {
        let (v, n) = (&self.vector, &self.hidden);
        let [reset, new] = [1, 2].map(|gate| v.at(b, gates, n * gate));
        let state = v.at(b, &tile.state, row * n);
        v.clip(b, n, &new);
        v.act(b, "g", n, &new, &new);
        // new + update (state - new)
        v.sub(b, n, (&state, 1), &new, &reset);
        v.fma(b, n, gates, &reset, &new, &state);
        let y = self.y(b, tile, time, row);
        v.copy(b, n, &state, &y);
    }
}
