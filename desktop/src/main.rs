//! `medley`: captions, answers, matches, searches and trains, as commands.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::keep_between_steps();
    medley_desktop::cli::run()
}
