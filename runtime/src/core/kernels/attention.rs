//! `attention_f32`: softmax(scale * Q * K^T + mask) * V for one head, read and written in place by strides.
//!
//! Per block of query rows: scores of all keys into scratch, the row maximum, exp, the product with V, and the division
//! by the row's sum at the end. K is packed into panels once per head, and V if there are several blocks. Every score and every output element is one
//! fused sum in ascending order, and each row is treated alone in between: no bit depends on the block a row falls into.
#![allow(clippy::needless_range_loop, reason = "tiles are indexed by vector")]

use super::epilogue::Epilogue;
use super::gemm::{Gemm, GemmArgs};
use super::math;
use super::outline::{Body, PANEL, Tier};
use super::pack::pack_panel;

/// Query rows whose scores are held at a time: few enough that they stay in the L1 or L2 cache.
const BLOCK: usize = 24;

/// Floats between two rows of scores. One panel more than needed keeps rows of 1024 keys out of the same cache sets.
const fn score_row(keys: usize) -> usize {
    keys.div_ceil(PANEL) * PANEL + PANEL
}

/// Bytes of scratch that `attention_f32` needs for such a head; grows with each argument. Align it to 64.
pub const fn attention_scratch(sq: usize, sk: usize, d: usize, dv: usize) -> usize {
    let rows = if sq < BLOCK { sq } else { BLOCK };
    let values = if sq > BLOCK { dv.div_ceil(PANEL) * PANEL * sk } else { 0 };
    4 * (sk.div_ceil(PANEL) * PANEL * d + rows * score_row(sk) + BLOCK + values)
}

/// What is added to the scores: element (i, j) at `mask[i * row + j * column]`.
#[derive(Clone, Copy)]
struct Mask {
    mask: *const f32,
    row: isize,
    column: isize,
}

/// Scores of a block to turn into weights.
struct WeightsArgs {
    scores: *mut f32,
    ld: usize,
    rows: usize,
    /// Keys the first row sees.
    keys: usize,
    /// More keys that each further row sees, up to `max_keys`.
    more: usize,
    max_keys: usize,
    /// The first key that the first row sees, one later for each further row; negative for the first of all.
    low: i64,
    scale: f32,
    /// The mask of the first row, or null.
    mask: Mask,
    /// Weights that are NaN count as 0.
    nan_to_zero: bool,
    /// One factor per row, for the output.
    inverse: *mut f32,
}

/// Replaces scores by exp(scale * score + mask - maximum) and finds 1 / sum, row by row.
///
/// Safety: `rows` rows of `max_keys` scores, the mask's elements for them, and `rows` factors exist.
struct Weights;

impl Body for Weights {
    type Args = WeightsArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut WeightsArgs) {
        for r in 0..args.rows {
            let keys = (args.keys + r * args.more).min(args.max_keys);
            let row = args.scores.wrapping_add(r * args.ld);
            let from = args.low.saturating_add(r as i64).clamp(0, keys as i64) as usize;
            // SAFETY: by contract; all accesses are less than a vector beyond `keys`, for which rows have room.
            unsafe {
                row.write_bytes(0, from); // what is not seen weighs nothing
                if keys == from {
                    *args.inverse.add(r) = 1.0; // an empty sum stays 0
                    continue;
                }
                let (row, keys) = (row.add(from), keys - from);
                *args.inverse.add(r) = if args.mask.mask.is_null() {
                    weights::<V, 0>(row, row, keys, args.scale)
                } else {
                    let mask = args.mask.mask.wrapping_offset(r as isize * args.mask.row);
                    let mask = mask.wrapping_offset(from as isize * args.mask.column);
                    if args.mask.column == 1 {
                        weights::<V, 1>(row, mask, keys, args.scale)
                    } else {
                        for j in 0..keys {
                            let score = row.add(j);
                            *score = *score * args.scale + *mask.offset(j as isize * args.mask.column);
                        }
                        weights::<V, 0>(row, row, keys, 1.0)
                    }
                };
                // One NaN among the weights makes the sum NaN, and with it all weights of the row.
                if args.nan_to_zero && (*args.inverse.add(r)).is_nan() {
                    row.write_bytes(0, keys);
                    *args.inverse.add(r) = 1.0;
                }
            }
        }
    }
}

/// The scaled and masked score of `n <= LANES` keys. `MASK`: 0 none, 1 contiguous.
///
/// # Safety
/// The CPU has the tier; a whole vector is readable at `row`, and `n` mask elements at `mask`.
#[inline(always)]
unsafe fn score<V: Tier, const MASK: u8>(row: *const f32, mask: *const f32, n: usize, scale: V) -> V {
    // SAFETY: by contract.
    unsafe {
        let x = V::load(row).mul(scale);
        match MASK {
            0 => x,
            _ if n == V::LANES => x.add(V::load(mask)),
            _ => x.add(V::load_part(mask, n, V::zero())),
        }
    }
}

/// One row of [`Weights`]: returns 1 / sum.
///
/// # Safety
/// The CPU has the tier; `keys` scores, rounded up to whole vectors, and `keys` mask elements exist.
#[inline(always)]
unsafe fn weights<V: Tier, const MASK: u8>(row: *mut f32, mask: *const f32, keys: usize, scale: f32) -> f32 {
    let whole = keys / V::LANES * V::LANES;
    // SAFETY: by contract.
    unsafe {
        let (scale, none) = (V::splat(scale), V::splat(f32::NEG_INFINITY));
        let mut max = none;
        let mut j = 0;
        while j < whole {
            max = score::<V, MASK>(row.add(j), mask.wrapping_add(j), V::LANES, scale).max_x86(max);
            j += V::LANES;
        }
        let mut last = none;
        if whole < keys {
            // the score, then -inf where there is no key
            let (p, n) = (row.add(whole), keys - whole);
            score::<V, MASK>(p, mask.wrapping_add(whole), n, scale).store(p);
            last = V::load_part(p, n, none);
            max = last.max_x86(max);
        }
        let max = V::splat(max.reduce_max());
        let mut sum = V::zero();
        j = 0;
        while j < whole {
            let x = score::<V, MASK>(row.add(j), mask.wrapping_add(j), V::LANES, scale);
            let weight = math::exp_below(x.sub(max));
            weight.store(row.add(j));
            sum = sum.add(weight);
            j += V::LANES;
        }
        if whole < keys {
            let weight = math::exp_below(last.sub(max));
            weight.store(row.add(whole));
            sum = sum.add(weight);
        }
        1.0 / sum.reduce_add()
    }
}

/// Continues the sums of the output rows of a block with the keys that only the later rows see.
struct TriangleArgs {
    weights: *const f32,
    ld: usize,
    /// Rows, of which row r sees the keys `first .. first + r`, up to `max_keys`.
    rows: usize,
    first: usize,
    max_keys: usize,
    dv: usize,
    v: *const f32,
    ldv: usize,
    o: *mut f32,
    ldo: usize,
    /// Factor of each row, applied at the end.
    inverse: *const f32,
}

/// Adds weights times values to rows that hold the sum so far, then multiplies each by its factor.
///
/// Safety: all rows, `max_keys` values and the factors exist.
struct Triangle;

impl Body for Triangle {
    type Args = TriangleArgs;

    #[inline(always)]
    unsafe fn body<V: Tier>(args: &mut TriangleArgs) {
        for r in 0..args.rows {
            // SAFETY: by contract.
            unsafe {
                let keys = (args.first + r).min(args.max_keys);
                let weights = args.weights.add(r * args.ld);
                let factor = V::splat(*args.inverse.add(r));
                let mut i = 0;
                while i < args.dv {
                    let o = args.o.add(r * args.ldo + i);
                    let v = args.v.wrapping_add(i);
                    if i + 4 * V::LANES <= args.dv {
                        let mut acc = [V::zero(); 4];
                        for t in 0..4 {
                            acc[t] = V::load(o.add(t * V::LANES));
                        }
                        for j in args.first..keys {
                            let weight = V::splat(*weights.add(j));
                            for t in 0..4 {
                                acc[t] = acc[t].accumulate(weight, V::load(v.add(j * args.ldv + t * V::LANES)));
                            }
                        }
                        for t in 0..4 {
                            acc[t].mul(factor).store(o.add(t * V::LANES));
                        }
                        i += 4 * V::LANES;
                    } else {
                        let n = V::LANES.min(args.dv - i);
                        let mut acc = V::load_part(o, n, V::zero());
                        for j in args.first..keys {
                            let weight = V::splat(*weights.add(j));
                            acc = acc.accumulate(weight, V::load_part(v.add(j * args.ldv), n, V::zero()));
                        }
                        acc.mul(factor).store_part(o, n);
                        i += V::LANES;
                    }
                }
            }
        }
    }
}

/// # Safety
/// The CPU has the tier; `sq` rows of Q (d) and O (dv), `sk` rows of K (d) and V (dv), the mask's elements (unless null)
/// and [`attention_scratch`] bytes of scratch exist; O overlaps none of the others.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a kernel of the table")]
unsafe fn attention<V: Tier>(
    sq: i64,
    sk: i64,
    d: i64,
    dv: i64,
    q: *mut u8,
    ldq: i64,
    k: *mut u8,
    ldk: i64,
    v: *mut u8,
    ldv: i64,
    o: *mut u8,
    ldo: i64,
    scale: f32,
    mask: *mut u8,
    mask_row: i64,
    mask_col: i64,
    causal: i64,
    low: i64,
    nan_to_zero: i64,
    scratch: *mut u8,
) {
    let [sq, sk, d, dv] = [sq, sk, d, dv].map(|size| size.max(0) as usize);
    let (ldq, ldk, ldv, ldo) = (ldq as usize, ldk as usize, ldv as usize, ldo as usize);
    let (q, k, v) = (q.cast::<f32>().cast_const(), k.cast::<f32>().cast_const(), v.cast::<f32>().cast_const());
    let o = o.cast::<f32>();
    let mask = Mask { mask: mask.cast(), row: mask_row as isize, column: mask_col as isize };

    let panels = sk.div_ceil(PANEL);
    let ld = score_row(sk);
    let packed = scratch.cast::<f32>();
    let scores = packed.wrapping_add(panels * PANEL * d);
    let inverse = scores.wrapping_add(sq.min(BLOCK) * ld);
    let packed_v = inverse.wrapping_add(BLOCK);
    // rows of V a power of two apart share few cache sets; with several blocks it pays to bring them together
    let pack_v = sq > BLOCK;
    let plain = Epilogue { bias: core::ptr::null(), res: core::ptr::null(), ldres: 0, act: 0, p0: 0.0, p1: 0.0 };

    let (mut packed_panels, mut packed_values) = (0, 0);
    let mut row = 0;
    while row < sq {
        let rows = BLOCK.min(sq - row);
        // what the block's first and last row see
        let (first, more) = if causal < 0 { (sk, 0) } else { (sk.min(row + causal as usize + 1), 1) };
        let last = sk.min(first + (rows - 1) * more);
        // SAFETY: by contract; packed K, scores and factors lie one behind the other in the scratch.
        unsafe {
            while packed_panels < last.div_ceil(PANEL) {
                let key = packed_panels * PANEL;
                let from = k.add(key * ldk);
                pack_panel::<V>(d, PANEL.min(sk - key), from, 1, ldk as isize, packed.add(key * d));
                packed_panels += 1;
            }
            if last > 0 {
                V::run::<Gemm>(&mut GemmArgs {
                    m: rows,
                    n: last.div_ceil(PANEL) * PANEL, // K is packed with zeros, the rows of scores have room
                    k: d,
                    a: q.add(row * ldq),
                    lda: ldq,
                    b: packed,
                    b_row: PANEL,
                    b_panel: PANEL * d,
                    packed: true,
                    c: scores,
                    ldc: ld,
                    epilogue: plain,
                });
            }
            let mut mask = mask;
            mask.mask = mask.mask.wrapping_offset(row as isize * mask.row);
            let (max_keys, nan_to_zero) = (sk, nan_to_zero != 0);
            V::run::<Weights>(&mut WeightsArgs {
                scores,
                ld,
                rows,
                keys: first,
                more,
                max_keys,
                low: low.saturating_add(row as i64),
                scale,
                mask,
                nan_to_zero,
                inverse,
            });
            let o = o.add(row * ldo);
            if pack_v && packed_values < last {
                for column in (0..dv).step_by(PANEL) {
                    let from = v.add(packed_values * ldv + column);
                    let to = packed_v.add(column * sk + packed_values * PANEL);
                    pack_panel::<V>(last - packed_values, PANEL.min(dv - column), from, ldv as isize, 1, to);
                }
                packed_values = last;
            }
            if dv > 0 {
                let (b, b_row, b_panel) =
                    if pack_v { (packed_v.cast_const(), PANEL, PANEL * sk) } else { (v, ldv, PANEL) };
                V::run::<Gemm>(&mut GemmArgs {
                    m: rows,
                    n: dv,
                    k: first,
                    a: scores,
                    lda: ld,
                    b,
                    b_row,
                    b_panel,
                    packed: pack_v,
                    c: o,
                    ldc: ldo,
                    epilogue: plain,
                });
                let max_keys = if more == 0 { first } else { sk };
                let weights = scores.cast_const();
                V::run::<Triangle>(&mut TriangleArgs {
                    weights,
                    ld,
                    rows,
                    first,
                    max_keys,
                    dv,
                    v,
                    ldv,
                    o,
                    ldo,
                    inverse,
                });
            }
        }
        row += rows;
    }
}

tiers! {
    fn attention_f32(
        sq: i64, sk: i64, d: i64, dv: i64, q: *mut u8, ldq: i64, k: *mut u8, ldk: i64, v: *mut u8, ldv: i64,
        o: *mut u8, ldo: i64, scale: f32, mask: *mut u8, mask_row: i64, mask_col: i64, causal: i64, low: i64,
        nan_to_zero: i64, scratch: *mut u8,
    ) = attention;
}
