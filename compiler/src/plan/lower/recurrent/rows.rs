//! What the cells are made of: the product of the state with the recurrence, and operations on rows.

use super::super::super::lowering::Lowering;
use super::super::super::view::View;
use super::super::activation;
use super::super::matmul::{Right, right_operand};
use crate::loopir::{BufferId, Builder, Expr, Type};
use lathe_ir::activation::ACTIVATIONS;
use lathe_ir::{Dim, Op};

/// A constant or computed matrix per direction that the state is multiplied with.
pub(super) enum Product {
    Packed { right: Right, stride: Expr, columns: Expr },
    Plain { buffer: BufferId, start: Expr, strides: [Expr; 3], columns: Expr },
}

impl Product {
    pub(super) fn new(
        l: &mut Lowering<'_>,
        elem: Type,
        view: View,
        hidden: &Dim,
        columns: &Dim,
    ) -> Result<Product, String> {
        let width = l.dims.expr(columns);
        if elem == Type::F32 {
            let right = right_operand(l, view, hidden, columns)?;
            let stride = l.dims.expr(&right.batch[0]);
            return Ok(Product::Packed { right, stride, columns: width });
        }
        let strides = [0, 1, 2].map(|axis| l.dims.expr(&view.strides[axis]));
        let start = l.dims.expr(&view.offset);
        Ok(Product::Plain { buffer: l.buffer(view.root), start, strides, columns: width })
    }

    /// `to` [count, columns] = `from` [count, k] * matrix of the direction, rows of `to` being `width` apart.
    pub(super) fn emit(
        &self,
        b: &mut Builder<'_>,
        direction: &Expr,
        [count, k, width]: [&Expr; 3],
        from: &Expr,
        to: &Expr,
    ) {
        match self {
            Product::Packed { right, stride, columns } => {
                let matrix = b.addr(right.buffer, &right.offset + direction * stride);
                let (zero, none) = (Expr::i64(0), Expr::f32(0.0));
                let sizes = [count.clone(), columns.clone(), k.clone(), from.clone(), k.clone()];
                let matrix = [matrix, right.row.clone(), right.panel.clone(), to.clone(), width.clone()];
                let rest = [Expr::null(), Expr::null(), zero.clone(), zero, none.clone(), none];
                b.call("gemm_f32", sizes.into_iter().chain(matrix).chain(rest));
            }
            Product::Plain { buffer, start, strides: [outer, row, column], columns } => {
                let elem = Type::F64;
                let matrix = b.let_(start + direction * outer);
                b.for_(0, count.clone(), 1, |b, i| {
                    b.for_(0, columns.clone(), 1, |b, j| {
                        let sum = b.var(Expr::constant(elem, 0.0));
                        b.for_(0, k.clone(), 1, |b, kk| {
                            let x = b.load((from, elem), &i * k + &kk);
                            let y = b.load(*buffer, &matrix + &kk * row + &j * column);
                            b.assign(sum, sum.get() + x * y);
                        });
                        b.store((to, elem), &i * width + &j, sum.get());
                    });
                });
            }
        }
    }
}

/// Row operations on `n` elements: vector kernels for f32, loops otherwise.
pub(super) struct Vector<'o> {
    pub(super) elem: Type,
    pub(super) op: &'o Op,
}

impl Vector<'_> {
    fn each(
        &self,
        b: &mut Builder<'_>,
        kernel: &str,
        n: &Expr,
        inputs: &[(&Expr, i64)],
        out: &Expr,
        value: impl FnOnce(&mut Builder<'_>, &[Expr]) -> Expr,
    ) {
        if self.elem == Type::F32 && !kernel.is_empty() {
            let operands = inputs.iter().flat_map(|(pointer, step)| [(*pointer).clone(), Expr::i64(*step)]);
            let args: Vec<Expr> = [n.clone()].into_iter().chain(operands).chain([out.clone()]).collect();
            return b.call(kernel, args);
        }
        let elem = self.elem;
        b.for_(0, n.clone(), 1, |b, i| {
            let values: Vec<Expr> = inputs.iter().map(|(pointer, step)| b.load((*pointer, elem), &i * *step)).collect();
            let value = value(b, &values);
            b.store((out, elem), i, value);
        });
    }

    pub(super) fn add(&self, b: &mut Builder<'_>, n: &Expr, x: &Expr, y: &Expr, out: &Expr) {
        self.each(b, "v_add", n, &[(x, 1), (y, 1)], out, |_, v| &v[0] + &v[1]);
    }

    pub(super) fn mul(&self, b: &mut Builder<'_>, n: &Expr, x: &Expr, y: &Expr, out: &Expr) {
        self.each(b, "v_mul", n, &[(x, 1), (y, 1)], out, |_, v| &v[0] * &v[1]);
    }

    /// out = x y + z
    pub(super) fn fma(&self, b: &mut Builder<'_>, n: &Expr, x: &Expr, y: &Expr, z: &Expr, out: &Expr) {
        self.each(b, "v_fma", n, &[(x, 1), (y, 1), (z, 1)], out, |_, v| &v[0] * &v[1] + v[2].clone());
    }

    /// out = x - y, x being one value where `step` is 0
    pub(super) fn sub(&self, b: &mut Builder<'_>, n: &Expr, (x, step): (&Expr, i64), y: &Expr, out: &Expr) {
        self.each(b, "v_sub", n, &[(x, step), (y, 1)], out, |_, v| &v[0] - &v[1]);
    }

    /// Bounds what goes into an activation, in place.
    pub(super) fn clip(&self, b: &mut Builder<'_>, n: &Expr, x: &Expr) {
        let clip = self.op.float("clip");
        if clip.is_infinite() {
            return;
        }
        if self.elem == Type::F32 {
            let bounds = [Expr::f32(-clip as f32), Expr::f32(clip as f32)];
            return b.call("v_clip", [n.clone(), x.clone()].into_iter().chain(bounds).chain([x.clone()]));
        }
        let bound = |value: f64| Expr::constant(self.elem, value);
        self.each(b, "", n, &[(x, 1)], x, |_, v| v[0].max(bound(-clip)).min(bound(clip)));
    }

    /// The activation of gate `gate` ("f", "g", "h").
    pub(super) fn act(&self, b: &mut Builder<'_>, gate: &str, n: &Expr, x: &Expr, out: &Expr) {
        let op = self.op;
        let word = op.word(gate);
        let params = ["alpha", "beta"].map(|name| op.float(&format!("{gate}_{name}")));
        let code = ACTIVATIONS.iter().position(|name| *name == word);
        if self.elem == Type::F32
            && let Some(code) = code
        {
            let kernel = match word {
                "sigmoid" => "v_sigmoid",
                "tanh" => "v_tanh",
                "relu" => "v_relu",
                _ => {
                    let code = [Expr::i64(code as i64), Expr::f32(params[0] as f32), Expr::f32(params[1] as f32)];
                    return b.call("v_act", [n.clone(), x.clone(), out.clone()].into_iter().chain(code));
                }
            };
            return b.call(kernel, [n.clone(), x.clone(), out.clone()]);
        }
        let [alpha, beta] = params.map(|value| Expr::constant(self.elem, value));
        let constant = |value: f64| Expr::constant(self.elem, value);
        self.each(b, "", n, &[(x, 1)], out, |b, v| match word {
            "affine" => &v[0] * alpha + beta,
            "thresholded_relu" => v[0].gt(alpha).select(v[0].clone(), constant(0.0)),
            "scaled_tanh" => alpha * (&v[0] * beta).math("tanh"),
            "softsign" => &v[0] / (constant(1.0) + v[0].abs()),
            word => activation(b, op, word, params, &v[0]),
        });
    }

    pub(super) fn copy(&self, b: &mut Builder<'_>, n: &Expr, from: &Expr, to: &Expr) {
        b.call("copy_bytes", [n * self.elem.size(), from.clone(), to.clone()]);
    }

    pub(super) fn clear(&self, b: &mut Builder<'_>, n: &Expr, to: &Expr) {
        let kernel = if self.elem.size() == 4 { "fill_b4" } else { "fill_b8" };
        b.call(kernel, [n.clone(), Expr::i64(0), to.clone()]);
    }

    pub(super) fn at(&self, b: &mut Builder<'_>, base: &Expr, index: Expr) -> Expr {
        let address = b.addr((base, self.elem), index);
        b.let_(address)
    }
}
