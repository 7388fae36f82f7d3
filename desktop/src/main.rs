//! `medley`: captions, answers, matches and trains, as commands.

mod builtin;
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
