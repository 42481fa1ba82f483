//! The command `lathe`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(lathe_compiler::cli::main())
}
