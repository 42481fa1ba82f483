//! The `no_std` core of the runtime. Generated code sees nothing but [`context::RunCtx`] and the table behind it.

pub mod context;
pub mod kernels;
pub mod pool;
pub mod status;
pub mod sys;
pub mod table;
pub mod tier;
