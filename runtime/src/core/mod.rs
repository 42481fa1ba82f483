//! The `no_std` core of the runtime. Generated code sees nothing but [`context::RunCtx`] and the table behind it.

pub mod context;
pub mod kernels;
pub mod status;
pub mod table;
pub mod tier;
