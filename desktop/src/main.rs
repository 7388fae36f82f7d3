//! `medley`: captions, answers, matches and trains, as commands.

mod allocator;
mod builtin;
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::keep_between_steps();
    cli::run()
}
