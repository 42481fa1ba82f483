//! The command `lathe`. Each subcommand is a file here; what they share is in `args` (flags), `inputs` (tensors of a run)
//! and `console` (progress).

mod args;
mod bench;
mod caller;
mod check;
mod compile;
mod console;
mod inputs;
mod inspect;
mod opt;
mod profile;
mod run;

use clap::{CommandFactory, Parser, Subcommand};
use lathe_ir::Diagnostics;
use std::io::Write;

/// Compiles ONNX models to native programs.
///
/// Exit status: 0 done, 2 wrong usage, 3 the model needs something that is not supported yet, 4 the model or its inputs
/// are invalid, 5 results differ, 70 a bug in Lathe.
#[derive(Parser)]
#[command(name = "lathe", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::RunArgs),
    Compile(compile::CompileArgs),
    Opt(opt::OptArgs),
    Check(check::CheckArgs),
    Bench(bench::BenchArgs),
    Profile(profile::ProfileArgs),
    Inspect(inspect::InspectArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Why a command ended early.
pub(crate) enum Failure {
    /// Findings about the model; the exit status follows from their kinds.
    Found(Diagnostics),
    /// The command line asks for something that does not fit the model (exit status 2).
    Usage(String),
    /// Results differ from a reference: what, and where it begins (exit status 5).
    Differs(String),
}

impl<T: Into<Diagnostics>> From<T> for Failure {
    fn from(found: T) -> Failure {
        Failure::Found(found.into())
    }
}

/// Runs the command line of this process and gives its exit status.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with status 0, wrong usage to stderr with status 2.
            let _ = error.print();
            return error.exit_code() as u8;
        }
    };
    let mut out = std::io::stdout().lock();
    let result = match cli.command {
        Command::Run(args) => run::run(&args, &mut out),
        Command::Compile(args) => compile::run(&args, &mut out),
        Command::Opt(args) => opt::run(&args, &mut out),
        Command::Check(args) => check::run(&args, &mut out),
        Command::Bench(args) => bench::run(&args, &mut out),
        Command::Profile(args) => profile::run(&args, &mut out),
        Command::Inspect(args) => inspect::run(&args, &mut out),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "lathe", &mut out);
            Ok(())
        }
    };
    let _ = out.flush();
    match result {
        Ok(()) => 0,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> u8 {
    let mut err = std::io::stderr().lock();
    match failure {
        Failure::Found(found) => {
            let _ = writeln!(err, "{found}");
            let status = found.exit_status();
            if status == lathe_ir::Kind::Bug.exit_status() {
                let line: Vec<String> = std::env::args().collect();
                let _ = writeln!(err, "  replay: {}", line.join(" "));
            }
            status as u8
        }
        Failure::Usage(message) => {
            let _ = writeln!(err, "error: {message}");
            2
        }
        Failure::Differs(message) => {
            let _ = writeln!(err, "differs: {message}");
            5
        }
    }
}
