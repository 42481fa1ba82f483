//! Copies, fills, and the report of an error.

use super::simd::Simd;
use crate::core::status::Status;

pub(crate) unsafe extern "C" fn set_status(status: *mut u8, code: i64, node: i64, value: i64) {
    // SAFETY: the caller passes the `status` of its `RunCtx`, which lives for the whole run.
    let status = unsafe { &*status.cast::<Status>() };
    status.set(code as i32, node as i32, value);
}

pub(crate) unsafe extern "C" fn copy_bytes(n: i64, src: *mut u8, dst: *mut u8) {
    if n > 0 {
        // SAFETY: the caller passes `n` readable and writable bytes that do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(src, dst, n as usize) }
    }
}

pub(crate) unsafe extern "C" fn copy2d_bytes(
    rows: i64,
    row_bytes: i64,
    src: *mut u8,
    src_stride: i64,
    dst: *mut u8,
    dst_stride: i64,
) {
    if row_bytes <= 0 {
        return;
    }
    for row in 0..rows.max(0) as isize {
        // SAFETY: the caller passes `rows` readable and writable rows that do not overlap.
        unsafe {
            let (from, to) = (src.offset(row * src_stride as isize), dst.offset(row * dst_stride as isize));
            core::ptr::copy_nonoverlapping(from, to, row_bytes as usize);
        }
    }
}

/// # Safety
/// `n` elements are writable at `dst`.
#[inline(always)]
unsafe fn fill<V: Simd, T: Copy + TruncatedFrom>(n: i64, value: i64, dst: *mut u8) {
    let (dst, value) = (dst.cast::<T>(), T::truncated(value));
    for i in 0..n.max(0) as usize {
        // SAFETY: i < n.
        unsafe { dst.add(i).write(value) };
    }
}

/// The low bits of a 64-bit integer.
trait TruncatedFrom {
    fn truncated(value: i64) -> Self;
}

macro_rules! truncated_from {
    ($($ty:ty)*) => {$(
        impl TruncatedFrom for $ty {
            #[inline(always)]
            fn truncated(value: i64) -> Self {
                value as $ty
            }
        }
    )*};
}
truncated_from! { u8 u16 u32 u64 }

tiers! {
    fn fill_b1(n: i64, value: i64, dst: *mut u8) = fill::<u8>;
    fn fill_b2(n: i64, value: i64, dst: *mut u8) = fill::<u16>;
    fn fill_b4(n: i64, value: i64, dst: *mut u8) = fill::<u32>;
    fn fill_b8(n: i64, value: i64, dst: *mut u8) = fill::<u64>;
}
