//! The `no_std` core of the runtime. Generated code sees nothing but [`context::RunCtx`] and the table behind it.

pub mod abi;
mod array;
mod bindings;
pub mod context;
pub mod desc;
mod dtype;
pub mod kernels;
mod message;
pub mod model;
pub mod pool;
pub mod session;
pub mod status;
pub mod sys;
pub mod table;
pub mod tier;
pub mod trace;
