//! `medley train`: one file a task, and the run they share.

mod caption;
mod dialog;
mod fit;
mod log;
mod nlvr;
mod options;
mod pairs;
mod preset;
mod pretrain;
mod run;
mod start;
mod vqa;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::interrupt;

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
    /// Learn to compare: photographs and texts into one space (ITC), and whether they belong together (ITM)
    #[command(after_help = pairs::EXAMPLES)]
    Retrieval(Box<pairs::Arguments>),
    /// Learn to answer questions about photographs
    #[command(after_help = vqa::EXAMPLES)]
    Vqa(Box<vqa::Arguments>),
    /// Learn to judge statements about two photographs
    #[command(after_help = nlvr::EXAMPLES)]
    Nlvr(Box<nlvr::Arguments>),
    /// Learn to rank answers in dialogs about photographs
    #[command(after_help = dialog::EXAMPLES)]
    Dialog(Box<dialog::Arguments>),
    /// Learn to compare and to write with shared weights (ITC, ITM and LM), as BLIP is pre-trained
    #[command(after_help = pretrain::EXAMPLES)]
    Pretrain(Box<pretrain::Arguments>),
}

/// Runs the task.
pub async fn run(arguments: Arguments) -> Result<u8> {
    interrupt::listen();
    match arguments.task {
        Task::Caption(arguments) => caption::run(*arguments).await,
        Task::Retrieval(arguments) => pairs::retrieval(*arguments).await,
        Task::Vqa(arguments) => vqa::run(*arguments).await,
        Task::Nlvr(arguments) => nlvr::run(*arguments).await,
        Task::Dialog(arguments) => dialog::run(*arguments).await,
        Task::Pretrain(arguments) => pretrain::run(*arguments).await,
    }
}
