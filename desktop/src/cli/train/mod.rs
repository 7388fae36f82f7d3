//! `medley train`: one file a task, and the run they share.

mod caption;
mod log;
mod options;
mod run;
mod start;

use anyhow::Result;
use clap::{Args, Subcommand};

/// What to learn.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Learn to caption: photographs with one or more captions each
    #[command(after_help = caption::EXAMPLES)]
    Caption(Box<caption::Arguments>),
}

/// Runs the task.
pub async fn run(arguments: Arguments) -> Result<u8> {
    match arguments.task {
        Task::Caption(arguments) => caption::run(*arguments).await,
    }
}
