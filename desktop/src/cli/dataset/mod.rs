//! `medley data`: what there is to learn from.

mod captions;
mod check;
mod noise;
mod questions;

use anyhow::Result;
use clap::{Args, Subcommand};

/// What to do with a dataset.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Read everything once and say what is odd: broken, missing and repeated pictures, bad texts, leaks between splits
    #[command(after_help = check::EXAMPLES)]
    Check(check::Arguments),
    /// Make captions like those of the web: a share of the pictures gets the captions of another
    #[command(after_help = noise::EXAMPLES)]
    Noise(noise::Arguments),
    /// Make questions of captions: what color, how many, what is it doing, is there a
    #[command(after_help = questions::EXAMPLES)]
    Questions(questions::Arguments),
    /// Make captions of answered questions, such as COCO-QA's
    #[command(after_help = captions::EXAMPLES)]
    Captions(captions::Arguments),
}

/// Does it.
pub fn run(arguments: &Arguments) -> Result<u8> {
    match &arguments.task {
        Task::Check(arguments) => check::run(arguments),
        Task::Noise(arguments) => noise::run(arguments),
        Task::Questions(arguments) => questions::run(arguments),
        Task::Captions(arguments) => captions::run(arguments),
    }
}
