//! Artifacts: what is written runs like the model in this process, from C too; the same model gives the same bytes; damaged
//! files are refused.
//!
//! Needs `cc`. `-- --nocapture` prints sizes and times.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops where it goes wrong")]

mod bad_data;
mod c;
mod case;
mod command_line;
mod examples;
mod executable;
mod lathe_file;
