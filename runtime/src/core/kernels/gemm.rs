//! `gemm_f32`: C = act(A * B + bias + res) over register tiles, and the packing of B.
//!
//! Column groups outside, row tiles inside, all of k in registers; A is read in place. The group's part of B stays in L2
//! while the row tiles pass over it, and the next group's part is fetched meanwhile. Few rows take wide groups (enough
//! independent sums, long reads); that is the whole GEMV path.

use super::epilogue::Epilogue;
use super::gemm_tile::{Tile, TileArgs, layout};
use super::outline::{Ahead, Body, PANEL, Tier};
use super::simd::F32x1;
#[cfg(target_arch = "x86_64")]
use super::simd::{F32x8, F32x16};

type TileFn = unsafe fn(&mut TileArgs);

/// The register tiles of a tier.
pub(crate) trait Tiles: Sized {
    /// How many panels wide the next group of columns is, and the most rows of its tiles. `row_bytes` is the distance of
    /// two rows of A.
    fn choose(rows: usize, panels_left: usize, row_bytes: usize) -> (usize, usize);

    /// The tile of that many rows and panels.
    fn tile<const LAYOUT: u8>(rows: usize, panels: usize) -> TileFn;

    /// The same for the last panel alone, of which only `columns` exist: the most rows, and the tile.
    fn choose_edge(columns: usize, row_bytes: usize) -> usize;
    fn edge_tile<const LAYOUT: u8>(rows: usize, columns: usize) -> TileFn;
}

/// The tile of `$rows` rows and a number of vectors, among the listed numbers of rows.
macro_rules! tile_of {
    ($tier:ty, $rows:expr, $vectors:expr, $layout:ident: $($listed:literal)+) => {
        match $rows {
            $($listed => <$tier as Tier>::run::<Tile<$listed, { $vectors }, $layout>>,)+
            _ => <$tier as Tier>::run::<Tile<1, { $vectors }, $layout>>,
        }
    };
}

impl Tiles for F32x1 {
    #[inline(always)]
    fn choose(_rows: usize, _panels_left: usize, _row_bytes: usize) -> (usize, usize) {
        (1, 2)
    }
    #[inline(always)]
    fn tile<const LAYOUT: u8>(rows: usize, _panels: usize) -> TileFn {
        tile_of!(F32x1, rows, 16, LAYOUT: 1 2)
    }
    #[inline(always)]
    fn choose_edge(_columns: usize, _row_bytes: usize) -> usize {
        2
    }
    #[inline(always)]
    fn edge_tile<const LAYOUT: u8>(rows: usize, _columns: usize) -> TileFn {
        tile_of!(F32x1, rows, 16, LAYOUT: 1 2)
    }
}

#[cfg(target_arch = "x86_64")]
impl Tiles for F32x8 {
    #[inline(always)]
    fn choose(rows: usize, panels_left: usize, _row_bytes: usize) -> (usize, usize) {
        match rows {
            1 if panels_left >= 4 => (4, 1),
            1..=3 if panels_left >= 2 => (2, 3),
            _ => (1, 6),
        }
    }
    #[inline(always)]
    fn tile<const LAYOUT: u8>(rows: usize, panels: usize) -> TileFn {
        match panels {
            4 => tile_of!(F32x8, rows, 8, LAYOUT: 1),
            2 => tile_of!(F32x8, rows, 4, LAYOUT: 1 2 3),
            _ => tile_of!(F32x8, rows, 2, LAYOUT: 1 2 3 4 5 6),
        }
    }
    #[inline(always)]
    fn choose_edge(columns: usize, row_bytes: usize) -> usize {
        if columns <= 8 && !row_bytes.is_multiple_of(4096) { 12 } else { 6 }
    }
    #[inline(always)]
    fn edge_tile<const LAYOUT: u8>(rows: usize, columns: usize) -> TileFn {
        if columns <= 8 {
            tile_of!(F32x8, rows, 1, LAYOUT: 1 2 3 4 5 6 7 8 9 10 11 12)
        } else {
            tile_of!(F32x8, rows, 2, LAYOUT: 1 2 3 4 5 6)
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Tiles for F32x16 {
    #[inline(always)]
    fn choose(rows: usize, panels_left: usize, row_bytes: usize) -> (usize, usize) {
        // rows a multiple of 4 KiB apart compete for the eight ways of one L1 set: few of them, and wider groups
        let rows_collide = rows > 6 && row_bytes.is_multiple_of(4096);
        let panels = match rows {
            1..=2 if panels_left >= 8 => 8,
            10..=14 if panels_left >= 2 && !rows_collide => 2,
            _ if panels_left >= 4 && (rows <= 6 || rows_collide) => 4,
            _ if panels_left == 4 => 2,
            _ => panels_left.min(3),
        };
        (
            panels,
            if panels == 8 {
                2
            } else if panels == 4 || rows_collide {
                6
            } else if panels == 3 {
                9
            } else {
                14
            },
        )
    }
    #[inline(always)]
    fn tile<const LAYOUT: u8>(rows: usize, panels: usize) -> TileFn {
        match panels {
            8 => tile_of!(F32x16, rows, 8, LAYOUT: 1 2),
            4 => tile_of!(F32x16, rows, 4, LAYOUT: 1 2 3 4 5 6),
            3 => tile_of!(F32x16, rows, 3, LAYOUT: 1 2 3 4 5 6 7 8 9),
            2 => tile_of!(F32x16, rows, 2, LAYOUT: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            _ => tile_of!(F32x16, rows, 1, LAYOUT: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        }
    }
    #[inline(always)]
    fn choose_edge(columns: usize, row_bytes: usize) -> usize {
        if row_bytes.is_multiple_of(4096) {
            6
        } else if columns <= 8 {
            12
        } else {
            14
        }
    }
    #[inline(always)]
    fn edge_tile<const LAYOUT: u8>(rows: usize, columns: usize) -> TileFn {
        if columns <= 8 {
            // half a vector in half the time
            F32x8::edge_tile::<LAYOUT>(rows, columns)
        } else {
            tile_of!(F32x16, rows, 1, LAYOUT: 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
        }
    }
}

/// The arguments of a GEMM.
pub(crate) struct GemmArgs {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: *const f32,
    pub(crate) lda: usize,
    pub(crate) b: *const f32,
    pub(crate) b_row: usize,
    pub(crate) b_panel: usize,
    /// Whether the rows of a panel follow each other (`b_row` = 16) and all columns of the last panel are readable.
    pub(crate) packed: bool,
    pub(crate) c: *mut f32,
    pub(crate) ldc: usize,
    pub(crate) epilogue: Epilogue,
}

/// A GEMM on sizes that are not empty.
///
/// Safety: `m` rows of `k` floats are readable at `a`, `k` rows of `n` columns at `b` (rounded up to whole panels if
/// packed), and `m` rows of `n` floats writable at `c`; the epilogue's pointers are null or as large as C asks.
pub(crate) struct Gemm;

impl Body for Gemm {
    type Args = GemmArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut GemmArgs) {
        let GemmArgs { m, n, k, a, lda, b, b_row, b_panel, packed, c, ldc, epilogue } = *args;
        // a last panel that is half empty, or that may not be read whole, is an edge
        let edge = n % PANEL > 0 && (!packed || n % PANEL <= PANEL / 2);
        let panels = if edge { n / PANEL } else { n.div_ceil(PANEL) };

        let mut panel = 0;
        while panel < panels {
            let (width, max_rows) = V::choose(m, panels - panel, lda.wrapping_mul(4));
            let column = panel * PANEL;
            let mut args = TileArgs {
                a,
                lda,
                b: b.wrapping_add(panel * b_panel),
                b_row,
                b_panel,
                k,
                c: c.wrapping_add(column),
                ldc,
                tiles: 0,
                columns: (n - column).min(width * PANEL),
                epilogue: epilogue.at(0, column),
                ahead: Ahead::new(
                    b.wrapping_add((panel + width) * b_panel),
                    if packed { k * PANEL * width.min(panels - panel - width) } else { 0 },
                    m.div_ceil(max_rows),
                    k,
                ),
            };
            let tile = if packed { V::tile::<{ layout::PACKED }> } else { V::tile::<{ layout::STRIDED }> };
            // SAFETY: the group's columns exist (the packed ones at least as padding); `rows` covers all of `m` exactly.
            unsafe { rows(&mut args, m, max_rows, |count| tile(count, width)) }
            panel += width;
        }
        let column = panels * PANEL;
        if edge {
            let columns = n - column;
            let max_rows = V::choose_edge(columns, lda.wrapping_mul(4));
            let mut args = TileArgs {
                a,
                lda,
                b: b.wrapping_add(panels * b_panel),
                b_row,
                b_panel,
                k,
                c: c.wrapping_add(column),
                ldc,
                tiles: 0,
                columns,
                epilogue: epilogue.at(0, column),
                ahead: Ahead::new(b, 0, 1, 1),
            };
            let tile = if packed { V::edge_tile::<{ layout::PACKED }> } else { V::edge_tile::<{ layout::MASKED }> };
            // SAFETY: packed columns exist as padding, the masked tile touches none beyond `n`; `rows` covers all of `m`
            // exactly. A tier has the instructions of those below.
            unsafe { rows(&mut args, m, max_rows, |count| tile(count, columns)) }
        }
    }
}

/// # Safety
/// As [`Gemm`], and the CPU has the tier.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a BLAS call")]
unsafe fn gemm<V: Tier>(
    m: i64,
    n: i64,
    k: i64,
    a: *mut u8,
    lda: i64,
    b: *mut u8,
    b_row: i64,
    b_panel: i64,
    c: *mut u8,
    ldc: i64,
    bias: *mut u8,
    res: *mut u8,
    ldres: i64,
    act: i64,
    p0: f32,
    p1: f32,
) {
    if m <= 0 || n <= 0 {
        return;
    }
    let mut args = GemmArgs {
        m: m as usize,
        n: n as usize,
        k: k.max(0) as usize,
        a: a.cast(),
        lda: lda as usize,
        b: b.cast(),
        b_row: b_row as usize,
        b_panel: b_panel as usize,
        // with one row of B the strides do not tell whether its padding may be read
        packed: b_row == PANEL as i64 && b_panel == k.wrapping_mul(PANEL as i64) && k > 1,
        c: c.cast(),
        ldc: ldc as usize,
        epilogue: Epilogue { bias: bias.cast(), res: res.cast(), ldres: ldres as usize, act, p0, p1 },
    };
    // SAFETY: the caller's contract is that of `Gemm`.
    unsafe { Gemm::body::<V>(&mut args) }
}

/// Covers `m` rows by tiles of at most `max_rows` rows that differ by one at most.
///
/// # Safety
/// What the tiles ask, for `m` rows.
#[inline(always)]
unsafe fn rows(args: &mut TileArgs, m: usize, max_rows: usize, tile: impl Fn(usize) -> TileFn) {
    let tiles = m.div_ceil(max_rows);
    let (base, larger) = (m / tiles, m % tiles);
    for (count, rows) in [(larger, base + 1), (tiles - larger, base)] {
        if count > 0 {
            args.tiles = count;
            // SAFETY: by contract; count * rows rows from the current one on are among the `m`.
            unsafe { tile(rows)(args) };
            args.a = args.a.wrapping_add(count * rows * args.lda);
            args.c = args.c.wrapping_add(count * rows * args.ldc);
            args.epilogue = args.epilogue.at(count * rows, 0);
        }
    }
}

/// Packs B into panels: element (kk, j) goes to `out[(j / 16) * k * 16 + kk * 16 + j % 16]`, the last panel filled up with
/// zeros.
///
/// # Safety
/// `k` rows (stride `rs`) of `n` columns (stride `cs`) are readable at `b`; `ceil(n / 16) * k * 16` floats are writable
/// at `out`.
#[inline(always)]
unsafe fn pack<V: Tier>(k: i64, n: i64, b: *mut u8, rs: i64, cs: i64, out: *mut u8) {
    let (k, n) = (k.max(0) as usize, n.max(0) as usize);
    let (b, out) = (b.cast::<f32>(), out.cast::<f32>());
    for panel in 0..n.div_ceil(PANEL) {
        let columns = PANEL.min(n - panel * PANEL);
        // SAFETY: the panel's columns and its part of `out` exist.
        unsafe {
            let from = b.offset((panel * PANEL) as isize * cs as isize);
            super::pack::pack_panel::<V>(k, columns, from, rs as isize, cs as isize, out.add(panel * k * PANEL));
        }
    }
}

tiers! {
    fn gemm_f32(
        m: i64, n: i64, k: i64, a: *mut u8, lda: i64, b: *mut u8, b_row: i64, b_panel: i64, c: *mut u8, ldc: i64,
        bias: *mut u8, res: *mut u8, ldres: i64, act: i64, p0: f32, p1: f32,
    ) = gemm;
    fn pack_b_f32(k: i64, n: i64, b: *mut u8, rs: i64, cs: i64, out: *mut u8) = pack;
}
