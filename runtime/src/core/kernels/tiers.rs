//! The macro that instantiates a generic kernel once per tier.

/// For each line makes a module `name` with `scalar`, `avx2` and `avx512`, ready for a table line:
///
/// ```text
/// tiers! { fn v_exp(n: i64, x: *mut u8, y: *mut u8) = unary::<Exp>; }   // calls unary::<V, Exp>(n, x, y)
/// ```
///
/// `unary` must be an `#[inline(always)] unsafe fn` whose first type parameter is the vector type.
macro_rules! tiers {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident $(::<$($extra:ty),+>)?;)*) => {$(
        $(#[$meta])*
        pub(crate) mod $name {
            #[allow(unused_imports)]
            use super::*;
            use $crate::core::kernels::simd;

            pub(crate) unsafe extern "C" fn scalar($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the caller keeps the contract of the table line; this tier needs no CPU feature.
                unsafe { $body::<simd::F32x1 $(, $($extra),+)?>($($arg),*) }
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,movbe,popcnt")]
            pub(crate) unsafe extern "C" fn avx2($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the caller keeps the contract of the table line; this table is used on such a CPU only.
                unsafe { $body::<simd::F32x8 $(, $($extra),+)?>($($arg),*) }
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,lzcnt,movbe,popcnt")]
            pub(crate) unsafe extern "C" fn avx512($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the caller keeps the contract of the table line; this table is used on such a CPU only.
                unsafe { $body::<simd::F32x16 $(, $($extra),+)?>($($arg),*) }
            }
        }
    )*};
}
