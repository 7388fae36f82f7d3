//! The command line: one file a subcommand.

mod ask;
mod bench;
mod capfilt;
mod caption;
mod convert;
mod data;
mod dataset;
mod eval;
mod fetch;
mod file_name;
mod generate;
mod index;
mod inputs;
mod inspect;
mod interrupt;
mod library;
mod matching;
mod memory;
mod model;
mod number;
mod output;
mod part;
mod picture;
mod progress;
mod reason;
mod scores;
mod search;
mod sidecar;
mod train;
mod web;
mod words;

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};

/// Captions photographs, answers questions about them, compares them with texts and learns from them: BLIP, on your own machine.
#[derive(Parser)]
#[command(name = "medley", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Without a command, a window opens. Try: medley caption photo.jpg")]
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
    /// Check a dataset before training, or make one of another: noisy captions, questions, captions
    Data(dataset::Arguments),
    /// Score a model on a dataset
    Eval(eval::Arguments),
    /// Show what a checkpoint is
    Inspect(inspect::Arguments),
    /// Turn a checkpoint of any layout into one file
    #[command(after_long_help = convert::EXAMPLES)]
    Convert(convert::Arguments),
    /// Put folders of photographs into the library, so that they can be searched by words
    #[command(after_long_help = index::EXAMPLES)]
    Index(Box<index::Arguments>),
    /// Show what the library holds, what could not be read, and what lies there twice
    #[command(after_long_help = library::EXAMPLES)]
    Library(library::Arguments),
    /// Find photographs by words, pictures and filters
    #[command(after_long_help = search::EXAMPLES)]
    Search(Box<search::Arguments>),
    /// Serve the page that captions and answers in a browser, to this machine only
    #[command(after_long_help = web::EXAMPLES)]
    Web(web::Arguments),
    /// Measure how fast the parts of a model run here
    Bench(bench::Arguments),
}

/// Nothing went wrong.
const ALL_GOOD: u8 = 0;
/// Some or all inputs failed; each was reported.
const SOME_FAILED: u8 = 1;
/// The command does not make sense, whatever the inputs are.
const WRONG_USAGE: u8 = 2;
/// Someone asked to stop.
const STOPPED: u8 = 130;

/// Runs the command the arguments ask for; wrong usage ends the process with code 2.
pub fn run() -> ExitCode {
    let command = with_negative_numbers(Arguments::command());
    let arguments = words::behind_options(&command, std::env::args_os());
    let matches = command.get_matches_from(arguments);
    let Arguments { command } = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
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
        Command::Index(arguments) => index::run(&arguments),
        Command::Library(arguments) => library::run(&arguments),
        Command::Search(arguments) => search::run(&arguments),
        Command::Web(arguments) => web::run(&arguments),
        Command::Bench(arguments) => pollster::block_on(bench::run(arguments)),
    };
    ExitCode::from(result.unwrap_or_else(|error| failed(&error)))
}

/// The exit code of what ran without a command; what went wrong is said as every command says it.
pub fn end(result: anyhow::Result<()>) -> ExitCode {
    ExitCode::from(result.map_or_else(|error| failed(&error), |()| ALL_GOOD))
}

/// Reads `-1` as the number it is, wherever an option takes a value: what is wrong with it is for the option to say.
fn with_negative_numbers(command: Clap) -> Clap {
    command
        .mut_args(|argument| {
            // Where words may stand, `-0` is the option of that name.
            let takes_values = argument.get_action().takes_values() && !argument.is_positional();
            argument.allow_negative_numbers(takes_values)
        })
        .mut_subcommands(with_negative_numbers)
}

/// Says why a command ended, and answers with which code.
fn failed(error: &anyhow::Error) -> u8 {
    let code = match error.chain().find_map(|cause| cause.downcast_ref()) {
        Some(medley::Error::Cancelled) => {
            eprintln!("medley: stopped");
            return STOPPED;
        }
        Some(medley::Error::Option { .. }) => WRONG_USAGE,
        _ => SOME_FAILED,
    };
    eprintln!("medley: {}", one_line(error));
    code
}

/// Wrong usage that shows only beside other options.
fn wrong(option: &'static str, reason: String) -> anyhow::Error {
    medley::Error::Option { option, reason }.into()
}

/// Prints a line.
fn print(line: &dyn Display) {
    written(writeln!(std::io::stdout().lock(), "{line}"));
}

/// Ends the process where standard output cannot be written, quietly when nobody reads any more, as `| head` does.
fn written(result: std::io::Result<()>) {
    let Err(error) = result else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(ALL_GOOD.into());
    }
    eprintln!("medley: could not write standard output: {}", plain(&error));
    std::process::exit(SOME_FAILED.into());
}

/// What the system said, without its number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "may not be read".to_owned(),
        ErrorKind::StorageFull => "there is no space left".to_owned(),
        _ => {
            let said = error.to_string();
            said.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}

/// Seconds for JSON, without digits that mean nothing.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
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
