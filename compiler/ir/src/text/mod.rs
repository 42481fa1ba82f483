//! The text form of modules: what tests, dumps and snapshots show, and what `.ir` files hold.
//!
//! ```text
//! symbol N : 1..512
//! weight @0 "fc1.weight" : f32[784,128] = hash 8f1d3c55a6e0b7c1
//!
//! graph(%0 "x": f32[N,784]) {
//!   %1 = const @0 : f32[784,128]
//!   %2 = matmul(%0, %1) {act = "relu"} : f32[N,128] loc "fc1/MatMul"
//!   return %2 "y"
//! }
//! ```
//!
//! Always holds: `parse(print(m)) == m` and printing numbers values in order, so equal modules have equal text. Weights
//! are named by their hash; a parser gets their bytes from a resolver. In test files a weight may also be written out
//! (`= [1.0, 2.0]`) or drawn (`= seed 7`, standard normal times 0.1 for floats, -4..=4 for integers; see `draw`). Attributes that
//! have their default value are left out. `//` starts a comment.

mod draw;
mod lexer;
mod parse;
mod print;

pub use parse::{WeightResolver, no_weights, parse_dim, parse_module};
pub(crate) use print::attr_text;
pub use print::{print_module, weight_hash};

#[cfg(test)]
mod tests;
