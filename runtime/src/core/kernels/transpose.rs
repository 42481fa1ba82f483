//! 2-D transposes by element size: dst[c*ldd + r] = src[r*lds + c], in blocks that stay in L1.

use super::simd::Simd;

/// Rows and columns of a block.
const BLOCK: usize = 32;

/// # Safety
/// `rows` x `cols` elements are readable at `src` with row stride `lds`, `cols` x `rows` writable at `dst` with row stride
/// `ldd`; no overlap.
#[inline(always)]
unsafe fn plain<T: Copy>(rows: usize, cols: usize, src: *const T, lds: isize, dst: *mut T, ldd: isize) {
    let mut r0 = 0;
    while r0 < rows {
        let r1 = rows.min(r0 + BLOCK);
        let mut c0 = 0;
        while c0 < cols {
            let c1 = cols.min(c0 + BLOCK);
            for c in c0..c1 {
                for r in r0..r1 {
                    // SAFETY: r < rows and c < cols.
                    unsafe {
                        let value = src.offset(r as isize * lds + c as isize).read();
                        dst.offset(c as isize * ldd + r as isize).write(value);
                    }
                }
            }
            c0 = c1;
        }
        r0 = r1;
    }
}

/// # Safety
/// As for [`plain`]; the CPU has the tier of `V`.
#[inline(always)]
unsafe fn by_element<V: Simd, T: Copy>(rows: i64, cols: i64, src: *mut u8, lds: i64, dst: *mut u8, ldd: i64) {
    let (rows, cols) = (rows.max(0) as usize, cols.max(0) as usize);
    // SAFETY: the caller's contract.
    unsafe { plain::<T>(rows, cols, src.cast(), lds as isize, dst.cast(), ldd as isize) }
}

/// Four-byte elements: 8 x 8 in registers where the tier has them.
///
/// # Safety
/// As for [`plain`]; the CPU has the tier of `V`.
#[inline(always)]
unsafe fn four_bytes<V: Simd>(rows: i64, cols: i64, src: *mut u8, lds: i64, dst: *mut u8, ldd: i64) {
    let (rows, cols, lds, ldd) = (rows.max(0) as usize, cols.max(0) as usize, lds as isize, ldd as isize);
    let (src, dst) = (src.cast::<u32>().cast_const(), dst.cast::<u32>());
    // SAFETY: the caller's contract; every block starts below (rows, cols) and ends at or below it.
    unsafe {
        if V::LANES < 8 {
            return plain(rows, cols, src, lds, dst, ldd);
        }
        let (full_rows, full_cols) = (rows / 8 * 8, cols / 8 * 8);
        let mut r0 = 0;
        while r0 < full_rows {
            let r1 = full_rows.min(r0 + BLOCK);
            let mut c = 0;
            while c < full_cols {
                let mut r = r0;
                while r < r1 {
                    #[cfg(target_arch = "x86_64")]
                    super::simd_x86::transpose_8x8(
                        src.offset(r as isize * lds + c as isize).cast(),
                        lds,
                        dst.offset(c as isize * ldd + r as isize).cast(),
                        ldd,
                    );
                    r += 8;
                }
                c += 8;
            }
            r0 = r1;
        }
        plain(full_rows, cols - full_cols, src.add(full_cols), lds, dst.offset(full_cols as isize * ldd), ldd);
        plain(rows - full_rows, cols, src.offset(full_rows as isize * lds), lds, dst.add(full_rows), ldd);
    }
}

tiers! {
    fn transpose2d_b1(rows: i64, cols: i64, src: *mut u8, lds: i64, dst: *mut u8, ldd: i64) = by_element::<u8>;
    fn transpose2d_b2(rows: i64, cols: i64, src: *mut u8, lds: i64, dst: *mut u8, ldd: i64) = by_element::<u16>;
    fn transpose2d_b4(rows: i64, cols: i64, src: *mut u8, lds: i64, dst: *mut u8, ldd: i64) = four_bytes;
    fn transpose2d_b8(rows: i64, cols: i64, src: *mut u8, lds: i64, dst: *mut u8, ldd: i64) = by_element::<u64>;
}
