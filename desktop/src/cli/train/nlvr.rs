//! `medley train nlvr`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use medley::Pipeline;
use medley::data::{StatementExample, StatementSet, hold_out_statements};
use medley::model::Reasoner;
use medley::train::{ReasonTask, ReasonTrainer};

use super::fit::fit;
use super::options::RunArguments;
use super::run::{Run, Score, Scorer, fields};
use super::start::{Start, start};
use crate::cli::data::{HELD_OUT, StatementFiles};
use crate::cli::progress::Bar;
use crate::cli::scores::{judge_all, judged, whole};

/// Shown under the help.
pub const EXAMPLES: &str = "\
Examples:
  The built-in model learns to judge, from NLVR2:
    medley train nlvr --data train.json --val-data dev.json --images nlvr2 --lr 1e-4 --out run
  The recipe of the paper, from a pre-trained model:
    medley train nlvr --data train.json --val-data dev.json --images nlvr2 \\
      --model model_base.pth --skip-training-state --preset paper-nlvr --out run
  Go on after Ctrl-C or a power cut, with the same options:
    medley train nlvr --data train.json --val-data dev.json --images nlvr2 --lr 1e-4 --out run \\
      --resume";

/// What to learn from, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: StatementFiles,
    /// Statements to score on, in a file of their own; a tenth of the sets of pictures is held out otherwise
    #[arg(long, value_name = "FILE")]
    val_data: Option<PathBuf>,
    #[command(flatten)]
    run: RunArguments,
}

impl Arguments {
    /// The training and the validation statements, never about the same set of pictures.
    fn read(&self) -> Result<(StatementSet, StatementSet)> {
        let all = self.files.read()?;
        if all.examples.iter().all(|example| example.label.is_none()) {
            bail!("{} has no labels to learn from, as the hidden test set has none", self.files.data().display());
        }
        let (train, mut val) = match &self.val_data {
            Some(val) => (all, self.files.read_also(val)?),
            None => hold_out_statements(all, HELD_OUT, self.run.seed),
        };
        val.examples.retain(|example| example.label.is_some());
        if let (Some(val_data), true) = (&self.val_data, val.examples.is_empty()) {
            bail!("{} has no labels to score against", val_data.display());
        }
        self.run.limit(&mut val.examples);
        Ok((train, val))
    }
}

/// Trains a reasoner.
pub async fn run(arguments: Arguments) -> Result<u8> {
    arguments.run.check_preset("nlvr")?;
    let (train, val) = arguments.read()?;
    let texts = train.examples.iter().map(|example| example.statement.as_str());
    let Start { device, mut pipeline, model } = start::<Reasoner>(&arguments.run, texts).await?;
    pipeline.set_prompt("");
    let config = fit(arguments.run.config(), pipeline.config(), train.examples.len(), &device).await?;
    let trainer = ReasonTrainer::new(
        model,
        pipeline.tokenizer(),
        pipeline.tokens(),
        pipeline.inputs().pixels.clone(),
        &train.examples,
        config,
    )?;
    Run { arguments: &arguments.run, pipeline, trainer, val: &val.examples, scorer: Judgements }.run(&device).await
}

/// Judges the statements about the pictures held out.
struct Judgements;

impl Scorer<ReasonTask> for Judgements {
    type Example = StatementExample;

    const KEY: &'static str = "accuracy";
    const NAME: &'static str = "accuracy";
    const EXAMPLES: &'static str = "statements";

    async fn score(&self, _: &ReasonTrainer, pipeline: &Pipeline, val: &[StatementExample]) -> Result<Score> {
        let mut bar = Bar::new();
        let verdicts = whole(val, judge_all(pipeline, val, &mut bar).await?)?;
        let scores = medley::eval::reason_scores(judged(val, &verdicts));
        let (accuracy, consistency) = (100.0 * scores.accuracy, 100.0 * scores.consistency);
        Ok(Score {
            value: scores.accuracy,
            fields: fields(&scores)?,
            line: format!("accuracy {accuracy:.1}, consistency {consistency:.1}"),
            samples: val
                .iter()
                .zip(&verdicts)
                .take(5)
                .map(|(example, verdict)| format!("{}: {}", example.statement, verdict > &0.5))
                .collect(),
        })
    }
}
