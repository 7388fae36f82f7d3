//! `medley`: captions, answers, matches and trains, as commands.

mod builtin;
mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Tensors come and go by the thousand: the system's allocator hands each large one back to the
/// kernel, and takes a page fault for every 4 KiB of the next.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
