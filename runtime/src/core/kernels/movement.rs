//! Copies and fills, the same code for all tiers.

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
