//! The micro-kernels, one file per family. Each is listed in [`super::table`].
//!
//! A kernel that differs by tier is written once, generic over [`simd::Simd`], and instantiated by the macro `tiers!`:
//! the generic body and all it calls are `#[inline(always)]`, so that they are compiled inside of a function that has
//! the tier's instructions enabled. Closures do not inherit that: pass operations as types that implement a trait, or as
//! `#[inline(always)]` function items.

#[macro_use]
mod tiers;

#[allow(dead_code, reason = "not every operation is used in every build")]
pub(crate) mod simd;
#[cfg(target_arch = "x86_64")]
mod simd_x86;

pub mod act;
pub mod attention;
pub(crate) mod binary;
pub(crate) mod conv;
pub(crate) mod conv_tile;
pub(crate) mod convert;
pub(crate) mod depthwise;
pub(crate) mod epilogue;
pub(crate) mod gemm;
pub(crate) mod gemm_tile;
pub(crate) mod math;
pub(crate) mod movement;
pub(crate) mod norm;
pub(crate) mod outline;
pub(crate) mod pack;
pub(crate) mod pool2d;
mod pow;
pub(crate) mod reduce;
pub(crate) mod scalar;
pub(crate) mod sliding;
pub(crate) mod softmax;
pub(crate) mod transpose;
pub(crate) mod vector;
pub(crate) mod window;
pub(crate) mod winograd;
