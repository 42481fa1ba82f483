//! What a compiled model needs to run: micro-kernels per CPU tier, threads, the model loader and its C ABI.
//!
//! [`core`] is `no_std`, uses no crate and never panics or unwinds; `staticlib.rs` builds it alone into the archive that
//! ahead-of-time artifacts link. Everything that needs the standard library is behind the feature `std` (default).
#![cfg_attr(not(feature = "std"), no_std)]

/// What ends the names of exported C functions, see `core::abi`.
macro_rules! symbol_suffix {
    () => {
        ""
    };
}

#[cfg(feature = "std")]
pub mod api;
pub mod core;
#[cfg(feature = "std")]
pub mod exec;
#[cfg(feature = "std")]
pub mod lathe_file;

#[cfg(feature = "std")]
pub use api::{Context, Error, Model, Pool, PortInfo, Tensor, TensorView, TensorViewMut, Threads};
