//! The command line: one file a subcommand.

mod ask;
mod bench;
mod capfilt;
mod caption;
mod convert;
mod data;
mod dataset;
mod eval;
mod generate;
mod inputs;
mod inspect;
mod interrupt;
mod matching;
mod memory;
mod model;
mod part;
mod picture;
mod progress;
mod reason;
mod scores;
mod sidecar;
mod train;

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Captions photographs, answers questions about them, compares them with texts and learns from them: BLIP, on your own machine.
#[derive(Parser)]
#[command(name = "medley", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Try: medley caption photo.jpg")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a sentence about each picture
    #[command(after_long_help = caption::EXAMPLES)]
    Caption(Box<caption::Arguments>),
    /// Answer a question about a picture
    #[command(after_long_help = ask::EXAMPLES)]
    Ask(Box<ask::Arguments>),
    /// Say how well texts describe a picture
    #[command(after_long_help = matching::EXAMPLES)]
    Match(Box<matching::Arguments>),
    /// Say whether a statement is true of two pictures
    #[command(after_long_help = reason::EXAMPLES)]
    Reason(Box<reason::Arguments>),
    /// Fine-tune a model on your own captioned pictures
    Train(train::Arguments),
    /// Clean noisy captions: write one for each picture, keep of all those that describe it (CapFilt)
    #[command(after_help = capfilt::EXAMPLES)]
    Capfilt(Box<capfilt::Arguments>),
    /// Check a dataset before training, or make a noisy one
    Data(dataset::Arguments),
    /// Score a model on a dataset
    Eval(eval::Arguments),
    /// Show what a checkpoint is
    Inspect(inspect::Arguments),
    /// Turn a checkpoint of any layout into one file
    #[command(after_long_help = convert::EXAMPLES)]
    Convert(convert::Arguments),
    /// Measure how fast the parts of a model run here
    Bench(bench::Arguments),
}

/// Nothing went wrong.
const ALL_GOOD: u8 = 0;
/// Some or all inputs failed; each was reported.
const SOME_FAILED: u8 = 1;

/// Runs the command the arguments ask for; wrong usage ends the process with code 2.
pub fn run() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let result = match command {
        Command::Caption(arguments) => pollster::block_on(caption::run(*arguments)),
        Command::Ask(arguments) => pollster::block_on(ask::run(*arguments)),
        Command::Match(arguments) => pollster::block_on(matching::run(*arguments)),
        Command::Reason(arguments) => pollster::block_on(reason::run(*arguments)),
        Command::Train(arguments) => pollster::block_on(train::run(arguments)),
        Command::Capfilt(arguments) => pollster::block_on(capfilt::run(*arguments)),
        Command::Data(arguments) => dataset::run(&arguments),
        Command::Eval(arguments) => pollster::block_on(eval::run(arguments)),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Convert(arguments) => pollster::block_on(convert::run(arguments)),
        Command::Bench(arguments) => pollster::block_on(bench::run(arguments)),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if matches!(error.downcast_ref(), Some(medley::Error::Cancelled)) => {
            eprintln!("medley: stopped");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("medley: {}", one_line(&error));
            ExitCode::from(SOME_FAILED)
        }
    }
}

/// Prints a line; ends the process quietly when nobody reads any more, as `| head` does.
fn print(line: &dyn Display) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
        let code = if error.kind() == ErrorKind::BrokenPipe { ALL_GOOD } else { SOME_FAILED };
        std::process::exit(code.into());
    }
}

/// An error with its causes, in one line.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.ends_with(&cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause);
    }
    line.replace('\n', " ")
}
