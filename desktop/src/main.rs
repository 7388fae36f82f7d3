//! `medley`: the window; with a subcommand, captions, answers, matches, searches and trains.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::keep_between_steps();
    if std::env::args_os().len() > 1 {
        return medley_desktop::cli::run();
    }
    medley_desktop::cli::end(medley_desktop::app::run())
}
