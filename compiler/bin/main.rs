//! The command `lathe`.
fn main() {}
