//! `medley eval nlvr`.

use anyhow::{Result, bail};
use clap::Args;
use medley::eval::reason_scores;

use super::results::ResultArguments;
use super::{ScoreArguments, done};
use crate::cli::data::StatementFiles;
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::{judge_all, judged};

/// Shown under the help.
pub const EXAMPLES: &str = "\
Examples:
  Accuracy and consistency:
    medley eval nlvr --data dev.json --images nlvr2 --model model_base_nlvr.pth
  The hidden test set, for the official evaluation:
    medley eval nlvr --data test2.json --images nlvr2 --model run/best.safetensors \\
      --results predictions.csv";

/// What to judge, and with which model.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: StatementFiles,
    #[command(flatten)]
    score: ScoreArguments,
    /// Statements to judge at most; 0 for all
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    results: ResultArguments,
}

/// Judges every statement and prints how often that is right.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let is_written = arguments.results.check()?;
    let mut examples = arguments.files.read()?.examples;
    if arguments.limit > 0 {
        examples.truncate(arguments.limit);
    }
    let pipeline = arguments.score.open().await?;
    let mut bar = Bar::new();
    let verdicts = judge_all(&pipeline, &examples, &mut bar).await?;
    let examples = done(&examples, verdicts.len())?;
    let line = |(id, verdict): (&str, bool)| format!("{id},{}\n", if verdict { "True" } else { "False" });
    let ids = examples.iter().map(|example| example.id.as_str());
    let lines: String = ids.zip(verdicts.iter().map(|verdict| *verdict > 0.5)).map(line).collect();
    arguments.results.write(lines.as_bytes())?;
    let scores = reason_scores(judged(examples, &verdicts));
    if scores.pairs == 0 && is_written {
        eprintln!("medley: the dataset keeps its labels to itself: the predictions were written and not scored");
        return Ok(crate::cli::ALL_GOOD);
    }
    if scores.pairs == 0 {
        bail!("the dataset has no labels to score against: write the predictions with --results");
    }
    arguments.score.show(&scores, || {
        print(&format_args!("accuracy    {:>5.1}   of {} pairs", 100.0 * scores.accuracy, scores.pairs));
        print(&format_args!("consistency {:>5.1}   of {} statements", 100.0 * scores.consistency, scores.statements));
    })
}
