//! Scalar mathematics by value, for generated scalar code: libm in double precision; the `f32` forms compute in double
//! and round once.

mod libm {
    unsafe extern "C" {
        pub(in crate::core::kernels) safe fn sqrt(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn exp(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn exp2(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn expm1(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn log(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn log1p(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn sin(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn cos(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn tan(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn asin(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn acos(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn atan(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn sinh(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn cosh(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn tanh(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn asinh(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn acosh(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn atanh(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn erf(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn rint(x: f64) -> f64;
        pub(in crate::core::kernels) safe fn pow(x: f64, y: f64) -> f64;
        pub(in crate::core::kernels) safe fn fmod(x: f64, y: f64) -> f64;
    }
}
pub(super) use libm::{cos, pow, sin};

/// The square root, correctly rounded.
#[inline(always)]
pub(crate) fn sqrt_f64(x: f64) -> f64 {
    libm::sqrt(x)
}

/// A module with `f64` and `f32` entries per function.
macro_rules! scalar_math {
    ($($name:ident($($arg:ident),+) = $f:ident;)*) => {$(
        pub(crate) mod $name {
            pub(crate) extern "C" fn f64($($arg: f64),+) -> f64 {
                super::libm::$f($($arg),+)
            }
            pub(crate) extern "C" fn f32($($arg: f32),+) -> f32 {
                super::libm::$f($($arg as f64),+) as f32
            }
        }
    )*};
}

scalar_math! {
    s_exp(x) = exp;
    s_exp2(x) = exp2;
    s_expm1(x) = expm1;
    s_log(x) = log;
    s_log1p(x) = log1p;
    s_sin(x) = sin;
    s_cos(x) = cos;
    s_tan(x) = tan;
    s_asin(x) = asin;
    s_acos(x) = acos;
    s_atan(x) = atan;
    s_sinh(x) = sinh;
    s_cosh(x) = cosh;
    s_tanh(x) = tanh;
    s_asinh(x) = asinh;
    s_acosh(x) = acosh;
    s_atanh(x) = atanh;
    s_erf(x) = erf;
    s_round(x) = rint;
    s_pow(x, y) = pow;
    s_fmod(x, y) = fmod;
}
