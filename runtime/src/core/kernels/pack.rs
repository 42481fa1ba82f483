//! Packing of one column panel of B: `k` rows of 16, contiguous.

use super::outline::{PANEL, Tier};

/// Packs `columns <= 16` columns of `k` rows: element (kk, j) from `b[kk * rs + j * cs]` to `out[kk * 16 + j]`, zeros in
/// the columns that are missing.
///
/// # Safety
/// The CPU has the tier; the elements are readable, and `k * 16` floats writable at `out`.
#[inline(always)]
pub(crate) unsafe fn pack_panel<V: Tier>(k: usize, columns: usize, b: *const f32, rs: isize, cs: isize, out: *mut f32) {
    // SAFETY: each access is to an element (kk, j) of the panel.
    unsafe {
        if cs == 1 {
            for kk in 0..k {
                let (from, to) = (b.offset(kk as isize * rs), out.add(kk * PANEL));
                for j in 0..V::PER_PANEL {
                    let first = j * V::LANES;
                    let n = columns.saturating_sub(first).min(V::LANES);
                    V::load_part(from.wrapping_add(first), n, V::zero()).store(to.add(first));
                }
            }
            return;
        }
        let mut kk = 0;
        if rs == 1 && columns == PANEL {
            while kk + 8 <= k {
                for half in [0, 8] {
                    let from = b.offset(half as isize * cs + kk as isize);
                    V::transpose8(from, cs, out.add(kk * PANEL + half), PANEL);
                }
                kk += 8;
            }
        }
        while kk < k {
            for j in 0..PANEL {
                let value = if j < columns { *b.offset(kk as isize * rs + j as isize * cs) } else { 0.0 };
                *out.add(kk * PANEL + j) = value;
            }
            kk += 1;
        }
    }
}
