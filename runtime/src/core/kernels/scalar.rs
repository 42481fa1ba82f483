//! Scalar mathematics: libm in double precision.

mod libm {
    unsafe extern "C" {
        pub(super) safe fn sqrt(x: f64) -> f64;
    }
}

/// The square root, correctly rounded.
#[inline(always)]
pub(crate) fn sqrt_f64(x: f64) -> f64 {
    libm::sqrt(x)
}
