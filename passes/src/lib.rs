//! Rewriting passes of Lathe.
