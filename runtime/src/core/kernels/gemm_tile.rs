//! The register tile of the f32 GEMM: `MR` rows by `NV` vectors, over all of k.
//!
//! Every element of the result is one chain of fused multiply-adds over k in ascending order, from zero, whatever the
//! tile: how a caller cuts rows and columns cannot change a bit.
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by row and vector")]

use super::epilogue::{Epilogue, store_tile};
use super::outline::{Ahead, Body, PANEL, Tier, prefetch_l1, prefetch_l2};

/// A column of register tiles: `tiles` times `MR` rows, over the same `NV` vectors of columns.
pub(crate) struct TileArgs {
    /// First row of the left-hand side, and its row stride.
    pub(crate) a: *const f32,
    pub(crate) lda: usize,
    /// First panel of the right-hand side; element (kk, j) is at `(j / 16) * b_panel + kk * b_row + j % 16`.
    pub(crate) b: *const f32,
    pub(crate) b_row: usize,
    pub(crate) b_panel: usize,
    pub(crate) k: usize,
    /// First row of the result, and its row stride.
    pub(crate) c: *mut f32,
    pub(crate) ldc: usize,
    pub(crate) tiles: usize,
    /// Columns that exist; the tile may be wider.
    pub(crate) columns: usize,
    pub(crate) epilogue: Epilogue,
    /// The next group's part of B.
    pub(crate) ahead: Ahead,
}

/// How B is read.
pub(crate) mod layout {
    /// Rows of a panel follow each other (`b_row` = 16); all 16 columns are readable.
    pub(crate) const PACKED: u8 = 0;
    /// Any strides; all columns of the tile are readable.
    pub(crate) const STRIDED: u8 = 1;
    /// Any strides; only `columns` columns are readable.
    pub(crate) const MASKED: u8 = 2;
}

/// Steps of k that B is fetched ahead into L1.
const AHEAD: usize = 24;

/// One step of k: `acc[r][j] += a[r] * b[j]`.
///
/// # Safety
/// The CPU has the tier; `MR` rows are readable at `a`, the tile's columns (`columns` of them if `MASKED`) at `b`.
#[inline(always)]
pub(crate) unsafe fn step<V: Tier, const MR: usize, const NV: usize, const LAYOUT: u8>(
    acc: &mut [[V; NV]; MR],
    a: *const f32,
    lda: usize,
    b: *const f32,
    b_panel: usize,
    columns: usize,
) {
    // SAFETY: by contract.
    unsafe {
        let mut bv = [V::zero(); NV];
        for j in 0..NV {
            let first = j * V::LANES;
            let p = b.add(first / PANEL * b_panel + first % PANEL);
            bv[j] = if LAYOUT == layout::MASKED {
                V::load_part(p, columns.saturating_sub(first).min(V::LANES), V::zero())
            } else {
                V::load(p)
            };
        }
        for r in 0..MR {
            let x = V::splat(*a.add(r * lda));
            for j in 0..NV {
                acc[r][j] = acc[r][j].accumulate(x, bv[j]);
            }
        }
    }
}

/// Computes `tiles` tiles one below the other.
///
/// Safety: the CPU has the tier, and the rows, columns and epilogue of [`TileArgs`] are valid for `tiles * MR` rows.
pub(crate) struct Tile<const MR: usize, const NV: usize, const LAYOUT: u8>;

impl<const MR: usize, const NV: usize, const LAYOUT: u8> Body for Tile<MR, NV, LAYOUT> {
    type Args = TileArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut TileArgs) {
        let (lda, b_panel, k, columns) = (args.lda, args.b_panel, args.k, args.columns);
        let b_row = if LAYOUT == layout::PACKED { PANEL } else { args.b_row };
        for t in 0..args.tiles {
            let row = t * MR;
            let (mut next, next_step) = args.ahead.begin(args.b);
            // SAFETY: by contract; prefetches access nothing.
            unsafe {
                let mut acc = [[V::zero(); NV]; MR];
                let mut a = args.a.add(row * lda);
                let mut b = args.b;
                // not unrolled: the compiler would move the loads of several steps together and run out of registers
                for _ in 0..k {
                    if LAYOUT == layout::PACKED {
                        prefetch_l2(next);
                        next = next.wrapping_add(next_step);
                        for p in 0..NV * V::LANES / PANEL {
                            prefetch_l1(b.wrapping_add(p * b_panel + AHEAD * PANEL));
                        }
                    }
                    step::<V, MR, NV, LAYOUT>(&mut acc, a, lda, b, b_panel, columns);
                    a = a.add(1);
                    b = b.add(b_row);
                }
                let c = args.c.add(row * args.ldc);
                store_tile(&acc, c, args.ldc, columns, &args.epilogue.at(row, 0));
            }
            args.ahead.end(k);
        }
    }
}
