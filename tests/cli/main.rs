//! The command line on small models: what is fixed at compile time, what is refused, what is said.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

mod check;
mod model;
mod profile;
mod specialise;
