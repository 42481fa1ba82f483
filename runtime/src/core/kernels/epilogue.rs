//! What follows a sum of products: `y = act(sum + bias[column] + res[row, column])`, on one register tile.
//!
//! `none`, `relu` and `clip` are applied in registers. The other activations run over the tile just stored, which is still in L1:
//! with the accumulators live there are no registers left for their constants.
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by row and vector")]

use core::mem::MaybeUninit;

use super::act::{self, ACT_CLIP, ACT_RELU};
use super::math;
use super::outline::{Body, Tier};

/// The end of a GEMM or convolution. The pointers belong to the first row and column of what is being computed.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue {
    /// One value per column, or null.
    pub(crate) bias: *const f32,
    /// A second summand, or null.
    pub(crate) res: *const f32,
    /// Its row stride.
    pub(crate) ldres: usize,
    /// Activation code (see `v_act`).
    pub(crate) act: i64,
    /// First parameter of the activation.
    pub(crate) p0: f32,
    /// Second parameter of the activation.
    pub(crate) p1: f32,
}

impl Epilogue {
    /// The same for the part that begins `rows` further down and `columns` further right.
    #[inline(always)]
    pub(crate) fn at(&self, rows: usize, columns: usize) -> Epilogue {
        let mut part = *self;
        if !part.bias.is_null() {
            part.bias = part.bias.wrapping_add(columns);
        }
        if !part.res.is_null() {
            part.res = part.res.wrapping_add(rows * part.ldres + columns);
        }
        part
    }
}

/// Stores a tile of `MR` rows of `NV` vectors to `c` through the epilogue; only the first `columns` columns exist.
///
/// # Safety
/// The CPU has the tier; `MR` rows of `columns` floats are writable at `c` (row stride `ldc`), and readable at the
/// epilogue's pointers where they are not null.
#[inline(always)]
pub(crate) unsafe fn store_tile<V: Tier, const MR: usize, const NV: usize>(
    acc: &[[V; NV]; MR],
    c: *mut f32,
    ldc: usize,
    columns: usize,
    epilogue: &Epilogue,
) {
    // SAFETY: by contract; the buffer of a ragged tile is as large as the tile.
    unsafe {
        if columns < NV * V::LANES {
            let mut buffer = [[MaybeUninit::<V>::uninit(); NV]; MR];
            let tile = buffer.as_mut_ptr().cast::<f32>();
            for r in 0..MR {
                for j in 0..NV {
                    acc[r][j].store(tile.add((r * NV + j) * V::LANES));
                }
            }
            V::run::<Finish>(&mut FinishArgs {
                tile,
                ldt: NV * V::LANES,
                c,
                ldc,
                rows: MR,
                columns,
                epilogue: *epilogue,
            });
            return;
        }
        // one plain loop per step: each is unrolled early, so that the accumulators stay in registers
        let mut y = *acc;
        if !epilogue.bias.is_null() {
            for j in 0..NV {
                let bias = V::load(epilogue.bias.add(j * V::LANES));
                for r in 0..MR {
                    y[r][j] = y[r][j].add(bias);
                }
            }
        }
        if !epilogue.res.is_null() {
            for r in 0..MR {
                for j in 0..NV {
                    y[r][j] = y[r][j].add(V::load(epilogue.res.add(r * epilogue.ldres + j * V::LANES)));
                }
            }
        }
        if epilogue.act == ACT_RELU {
            for r in 0..MR {
                for j in 0..NV {
                    y[r][j] = math::relu(y[r][j]);
                }
            }
        }
        if epilogue.act == ACT_CLIP {
            let (p0, p1) = (V::splat(epilogue.p0), V::splat(epilogue.p1));
            for r in 0..MR {
                for j in 0..NV {
                    y[r][j] = math::clip(y[r][j], p0, p1);
                }
            }
        }
        for r in 0..MR {
            for j in 0..NV {
                y[r][j].store(c.add(r * ldc + j * V::LANES));
            }
        }
        if epilogue.act > ACT_RELU && epilogue.act != ACT_CLIP {
            V::run::<Act>(&mut ActArgs { c, ldc, rows: MR, columns, epilogue: *epilogue });
        }
    }
}

/// Rows to apply the epilogue's activation to, in place.
pub(crate) struct ActArgs {
    pub(crate) c: *mut f32,
    pub(crate) ldc: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) epilogue: Epilogue,
}

/// Applies an activation in place. Safety: the rows are readable and writable.
pub(crate) struct Act;

impl Body for Act {
    type Args = ActArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut ActArgs) {
        /// One loop per activation, so that the choice is made once and the constants stay in registers.
        macro_rules! dispatch {
            ($($code:ident)*) => {
                match args.epilogue.act {
                    // SAFETY: by contract.
                    $(act::$code => unsafe { act_rows::<V, { act::$code }>(args) },)*
                    _ => {}
                }
            };
        }
        dispatch! {
            ACT_GELU_ERF ACT_GELU_TANH ACT_SILU ACT_CLIP ACT_SIGMOID ACT_TANH ACT_HARDSWISH ACT_HARDSIGMOID
            ACT_LEAKY_RELU ACT_ELU ACT_SOFTPLUS ACT_MISH ACT_ERF ACT_EXP
        }
    }
}

/// # Safety
/// The CPU has the tier; the rows are readable and writable.
#[inline(always)]
unsafe fn act_rows<V: Tier, const CODE: i64>(args: &ActArgs) {
    // SAFETY: each access is to columns i.. of a row; the CPU has the tier.
    unsafe {
        let (p0, p1) = (V::splat(args.epilogue.p0), V::splat(args.epilogue.p1));
        for r in 0..args.rows {
            let row = args.c.add(r * args.ldc);
            let mut i = 0;
            while i + V::LANES <= args.columns {
                act::act(CODE, V::load(row.add(i)), p0, p1).store(row.add(i));
                i += V::LANES;
            }
            if i < args.columns {
                let n = args.columns - i;
                act::act(CODE, V::load_part(row.add(i), n, V::splat(1.0)), p0, p1).store_part(row.add(i), n);
            }
        }
    }
}

/// A tile in a buffer, on its way to `c`.
pub(crate) struct FinishArgs {
    pub(crate) tile: *const f32,
    pub(crate) ldt: usize,
    pub(crate) c: *mut f32,
    pub(crate) ldc: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) epilogue: Epilogue,
}

/// Stores a tile from a buffer through the epilogue, any number of columns.
///
/// Safety: as [`store_tile`], with `rows` rows of `columns` floats readable at `tile`.
pub(crate) struct Finish;

impl Body for Finish {
    type Args = FinishArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut FinishArgs) {
        let epilogue = &args.epilogue;
        for r in 0..args.rows {
            let mut i = 0;
            while i < args.columns {
                let n = V::LANES.min(args.columns - i);
                // SAFETY: `columns` floats per row exist on both sides, n of them from i on.
                unsafe {
                    let mut y = V::load_part(args.tile.add(r * args.ldt + i), n, V::zero());
                    if !epilogue.bias.is_null() {
                        y = y.add(V::load_part(epilogue.bias.add(i), n, V::zero()));
                    }
                    if !epilogue.res.is_null() {
                        y = y.add(V::load_part(epilogue.res.add(r * epilogue.ldres + i), n, V::zero()));
                    }
                    if epilogue.act == ACT_RELU {
                        y = math::relu(y);
                    }
                    y.store_part(args.c.add(r * args.ldc + i), n);
                }
                i += V::LANES;
            }
        }
        if epilogue.act > ACT_RELU {
            let FinishArgs { c, ldc, rows, columns, epilogue, .. } = *args;
            // SAFETY: as above; the CPU has the tier.
            unsafe { V::run::<Act>(&mut ActArgs { c, ldc, rows, columns, epilogue }) }
        }
    }
}
