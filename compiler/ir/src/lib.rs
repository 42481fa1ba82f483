//! Tensor IR of Lathe.
