//! Backends: from loop IR to machine code.
