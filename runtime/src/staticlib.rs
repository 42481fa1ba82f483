//! Root of the archive that ahead-of-time artifacts link: the core alone, without the standard library.
//!
//! `LATHE_SYMBOL_SUFFIX= rustc --edition 2024 --crate-type staticlib -C panic=abort -C opt-level=3 runtime/src/staticlib.rs`
//!
//! What links it needs `-lpthread -lm` and nothing else.
#![no_std]

/// What ends the names of exported C functions, see `core::abi`.
macro_rules! symbol_suffix {
    () => {
        env!("LATHE_SYMBOL_SUFFIX")
    };
}

pub mod core;

/// Nothing in the core panics; should it happen all the same, the process ends.
#[panic_handler]
fn panic(_: &::core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        safe fn abort() -> !;
    }
    abort()
}

// Objects of the `core` crate refer to this, though nothing unwinds. Weak, so that it gives way to the real one in a program
// that contains the standard library.
::core::arch::global_asm!(".weak rust_eh_personality", "rust_eh_personality:", "ret");
