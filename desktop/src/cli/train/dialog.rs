//! `medley train dialog`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use medley::Pipeline;
use medley::data::{DialogExample, DialogSet, hold_out_dialogs};
use medley::model::Dialog;
use medley::train::{DialogTask, DialogTrainer, TrainConfig};

use super::fit::fit;
use super::options::RunArguments;
use super::run::{Run, Score, Scorer, fields};
use super::start::{Start, start};
use crate::cli::data::{DialogFiles, HELD_OUT};
use crate::cli::progress::Bar;
use crate::cli::scores::{dialog_score, rank_all, whole};

/// Shown under the help.
pub const EXAMPLES: &str = "\
Examples:
  The built-in model learns to rank answers, from VisDial 1.0:
    medley train dialog --data visdial_1.0_train.json --val-data visdial_1.0_val.json \\
      --images visdial --lr 1e-4 --eval-images 100 --out run
  The paper's rate, batch and epochs, from a pre-trained model:
    medley train dialog --data visdial_1.0_train.json --val-data visdial_1.0_val.json \\
      --images visdial --model model_base.pth --skip-training-state --image-size 384 \\
      --preset paper-dialog --out run
  Go on after Ctrl-C or a power cut, with the same options:
    medley train dialog --data visdial_1.0_train.json --val-data visdial_1.0_val.json \\
      --images visdial --lr 1e-4 --eval-images 100 --out run --resume";

/// What to learn from, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: DialogFiles,
    /// Dialogs to score on, in a file of their own; a tenth is held out otherwise
    #[arg(long, value_name = "FILE")]
    val_data: Option<PathBuf>,
    /// Their dense annotations, for NDCG
    #[arg(long, requires = "val_data", value_name = "FILE")]
    val_dense: Option<PathBuf>,
    #[command(flatten)]
    run: RunArguments,
    /// Rounds of each dialog that a step reads; the picture is encoded once for all of them
    #[arg(long, default_value_t = 1, value_name = "N")]
    rounds: usize,
    /// Wrong answers beside the right one of every round
    #[arg(long, default_value_t = TrainConfig::default().wrong_answers, value_name = "N")]
    wrong_answers: usize,
}

impl Arguments {
    /// The training and the validation dialogs, never about the same picture.
    fn read(&self) -> Result<(DialogSet, DialogSet)> {
        let all = self.files.read(None)?;
        let says_nothing = |set: &DialogSet| {
            set.examples.iter().flat_map(|example| &example.rounds).all(|round| round.right.is_none())
        };
        if says_nothing(&all) {
            bail!("{} has no gt_index to learn from, as the hidden test set has none", self.files.data().display());
        }
        let (train, mut val) = match &self.val_data {
            Some(val) => (all, self.files.read_also(val, self.val_dense.as_deref())?),
            None => hold_out_dialogs(all, HELD_OUT, self.run.seed),
        };
        if let (Some(val_data), true) = (&self.val_data, says_nothing(&val)) {
            bail!("{} has no gt_index to score against", val_data.display());
        }
        self.run.limit(&mut val.examples);
        Ok((train, val))
    }
}

/// Trains a dialog model.
pub async fn run(arguments: Arguments) -> Result<u8> {
    arguments.run.check_preset("dialog")?;
    let (train, val) = arguments.read()?;
    let captions = train.examples.iter().map(|example| example.caption.as_str());
    let texts = captions.chain(train.questions.iter().chain(&train.answers).map(String::as_str));
    let Start { device, mut pipeline, model } = start::<Dialog>(&arguments.run, texts).await?;
    pipeline.set_prompt("");
    let config = TrainConfig {
        captions_per_image: arguments.rounds,
        wrong_answers: arguments.wrong_answers,
        ..arguments.run.config()
    };
    let config = fit(config, pipeline.config(), train.examples.len(), &device).await?;
    let trainer = DialogTrainer::new(
        model,
        pipeline.tokenizer(),
        pipeline.tokens(),
        pipeline.inputs().pixels.clone(),
        train,
        config,
    )?;
    let scorer = Ranks { questions: &val.questions, answers: &val.answers };
    Run { arguments: &arguments.run, pipeline, trainer, val: &val.examples, scorer }.run(&device).await
}

/// Ranks the answers in the dialogs held out.
struct Ranks<'a> {
    questions: &'a [String],
    answers: &'a [String],
}

impl Scorer<DialogTask> for Ranks<'_> {
    type Example = DialogExample;

    const KEY: &'static str = "mrr";
    const NAME: &'static str = "MRR";
    const EXAMPLES: &'static str = "dialogs";

    async fn score(&self, _: &DialogTrainer, pipeline: &Pipeline, val: &[DialogExample]) -> Result<Score> {
        let mut bar = Bar::new();
        let ranks = whole(val, rank_all(pipeline, (self.questions, self.answers), val, &mut bar).await?)?;
        let scores = dialog_score(val, &ranks);
        let (mrr, r1, rank) = (100.0 * scores.mrr, 100.0 * scores.r1, scores.mean_rank);
        let ndcg = scores.ndcg.map_or_else(String::new, |ndcg| format!(", NDCG {:.1}", 100.0 * ndcg));
        Ok(Score {
            value: scores.mrr,
            fields: fields(&scores)?,
            line: format!("MRR {mrr:.1}, R@1 {r1:.1}, mean rank {rank:.1}{ndcg}"),
            samples: Vec::new(),
        })
    }
}
