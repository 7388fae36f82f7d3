//! `medley index`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::Progress;
use serde_json::json;

use super::library::LibraryArguments;
use super::model::{DeviceArguments, ModelArguments};
use super::number::count;
use super::progress::Bar;
use super::{ALL_GOOD, SOME_FAILED, STOPPED, interrupt, milliseconds, picture, print};
use crate::library::index::{IndexEvent, IndexOptions, IndexSummary, index};

pub const EXAMPLES: &str = "\
Examples:
  medley index ~/Pictures
  medley index
  medley index /media/camera --library ~/camera-library --json
  medley index --forget-missing

Only what is new or changed is read; a run that was stopped goes on where it was.
Without a path, all folders of the library are gone through again.";

/// Problems that are named at the end; `medley library problems` names all.
const MOST_PROBLEMS: usize = 20;

/// What to index.
#[derive(Args)]
pub struct Arguments {
    /// Folders with photographs and films, searched through; all of the library's if none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Believe that photographs are gone, even if a whole folder is
    #[arg(long)]
    forget_missing: bool,
    /// Read photographs again that look unchanged
    #[arg(long)]
    reread: bool,
    /// Leave out pictures of more pixels
    #[arg(long, default_value_t = picture::MAX_PIXELS, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_pixels: u64,
    /// Pictures read in one pass
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Threads that decode; as many as there are cores if not given
    #[arg(long, value_name = "N", value_parser = count)]
    threads: Option<usize>,
    /// Print a JSON object at the end
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    library: LibraryArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

/// Indexes; what cannot be read is named at the end.
pub fn run(arguments: &Arguments) -> Result<u8> {
    interrupt::listen();
    let library = arguments.library.open()?;
    let engine = arguments.model.open_engine(&arguments.device)?;
    let options = IndexOptions {
        max_pixels: arguments.max_pixels,
        batch: arguments.batch.into(),
        forget_missing: arguments.forget_missing,
        rehash: arguments.reread,
        threads: arguments.threads,
    };
    let mut shown = Shown { bar: Bar::new(), problems: Vec::new(), count: 0 };
    let indexed = index(&library, &engine, &arguments.paths, &options, &mut |event| shown.hear(event));
    shown.end();
    let summary = indexed?;
    if arguments.json {
        print(&in_json(&summary));
    } else {
        print(&in_words(&summary));
    }
    Ok(match (summary.is_stopped, summary.failed) {
        (true, _) => STOPPED,
        (_, 0) => ALL_GOOD,
        _ => SOME_FAILED,
    })
}

/// What a person sees meanwhile.
struct Shown {
    bar: Bar,
    problems: Vec<String>,
    count: usize,
}

impl Shown {
    fn hear(&mut self, event: IndexEvent) -> ControlFlow<()> {
        match event {
            IndexEvent::Found { .. } => interrupt::flow(),
            IndexEvent::Progress { done, total, .. } => {
                self.bar.report(Progress::Items { stage: "indexing", done, total })
            }
            IndexEvent::Problem { path, reason } => {
                self.count += 1;
                if self.problems.len() < MOST_PROBLEMS {
                    self.problems.push(format!("{}: {reason}", path.display()));
                }
                interrupt::flow()
            }
            IndexEvent::Warning(line) => {
                self.bar.line(&format!("medley: {line}"));
                interrupt::flow()
            }
        }
    }

    fn end(&mut self) {
        self.bar.clear();
        for problem in &self.problems {
            eprintln!("medley: {problem}");
        }
        if self.count > self.problems.len() {
            let more = self.count - self.problems.len();
            eprintln!("medley: and {more} more; medley library problems names all");
        }
    }
}

fn in_words(summary: &IndexSummary) -> String {
    let IndexSummary { found, added, changed, moved, unchanged, returned, missing, kept, failed, unsettled, .. } =
        *summary;
    let mut parts = Vec::new();
    let counted = [
        (added, "new"),
        (changed, "changed"),
        (moved, "moved"),
        (unchanged, "unchanged"),
        (returned, "back again"),
        (missing, "gone"),
        (kept, "not there but kept"),
        (unsettled, "still being written"),
        (failed, "unreadable"),
    ];
    for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
        parts.push(format!("{count} {what}"));
    }
    let parts = if parts.is_empty() { "nothing to read".to_owned() } else { parts.join(", ") };
    let seconds = summary.seconds;
    let speed = match summary.embedded {
        0 => String::new(),
        embedded => format!(
            ", {:.1} photographs a second, the model busy {:.0}% of the time, the cores {:.0}%",
            embedded as f64 / seconds.max(1e-3),
            100.0 * summary.engine_share(),
            100.0 * summary.core_share()
        ),
    };
    let stopped = if summary.is_stopped { "stopped; " } else { "" };
    format!("{stopped}{found} photographs: {parts} ({seconds:.1} s{speed})")
}

fn in_json(summary: &IndexSummary) -> serde_json::Value {
    let IndexSummary {
        found,
        added,
        changed,
        moved,
        unchanged,
        returned,
        missing,
        kept,
        failed,
        unsettled,
        embedded,
        ..
    } = *summary;
    json!({
        "found": found,
        "added": added,
        "changed": changed,
        "moved": moved,
        "unchanged": unchanged,
        "returned": returned,
        "missing": missing,
        "kept": kept,
        "failed": failed,
        "unsettled": unsettled,
        "embedded": embedded,
        "stopped": summary.is_stopped,
        "seconds": milliseconds(summary.seconds),
        "model_seconds": milliseconds(summary.engine_seconds),
        "core_seconds": milliseconds(summary.core_seconds),
    })
}
