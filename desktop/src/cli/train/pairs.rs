//! Training on pairs, what `medley train retrieval` and `medley train pretrain` share, and the former.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use medley::Pipeline;
use medley::data::{CaptionExample, QuestionSet};
use medley::model::{Head, Matcher};
use medley::pipeline::Rerank;
use medley::text::Sharing;
use medley::train::{ContrastConfig, LearnsPairs, PairTask, PairTrainer, TrainConfig, Trainer};

use super::caption::texts;
use super::fit::fit;
use super::options::{CaptionData, FeatureArguments, RunArguments};
use super::run::{Run, Score, Scorer, fields};
use super::start::{Start, describe, start};
use crate::cli::progress::Bar;
use crate::cli::scores::retrieval_score;

/// Shown under the help.
pub const EXAMPLES: &str = "\
Examples:
  Your own pictures, each with a .txt of captions beside it:
    medley train retrieval --data my-photos --model blip-itm-base-coco --out my-matcher
  The recipe of the paper, from a pre-trained model:
    medley train retrieval --data dataset_coco.json --images coco --model model_base.pth --skip-training-state \\
      --preset paper-retrieval --out run";

/// What to learn from, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: CaptionData,
    #[command(flatten)]
    pub run: RunArguments,
    #[command(flatten)]
    features: FeatureArguments,
    /// Captions of each picture in a step: all are compared, and written in pre-training; one is matched
    #[arg(long, default_value_t = 1, value_name = "N")]
    captions_per_image: usize,
    /// Features of earlier batches that a batch is compared with; fewer pictures than that, and they repeat [default: 4096]
    #[arg(long)]
    queue: Option<usize>,
    /// How much of itself the momentum twin keeps in a step [default: 0.995]
    #[arg(long)]
    momentum: Option<f64>,
    /// The share of the twin's opinion in what is similar [default: 0.4]
    #[arg(long)]
    alpha: Option<f64>,
    /// Candidates that are put in order by reading picture and text together when scoring; 0 for similarity alone
    #[arg(long, default_value_t = 0, value_name = "K")]
    eval_k: usize,
}

impl Arguments {
    /// `contrast` is that of the task, with a queue that suits a few thousand pictures; a recipe
    /// brings its own.
    pub fn config(&self, contrast: ContrastConfig) -> TrainConfig {
        let config = self.run.config();
        let recipe = match self.run.preset {
            Some(_) => config.contrast,
            None => ContrastConfig { queue: 4096, ..contrast.clone() },
        };
        let contrast = ContrastConfig {
            queue: self.queue.unwrap_or(recipe.queue),
            momentum: self.momentum.unwrap_or(recipe.momentum),
            alpha: self.alpha.unwrap_or(recipe.alpha),
            ..contrast
        };
        let (captions_per_image, feature_memory_mb) = (self.captions_per_image, self.features.feature_memory);
        TrainConfig { contrast, captions_per_image, feature_memory_mb, ..config }
    }
}

/// Trains a matcher.
pub async fn retrieval(arguments: Arguments) -> Result<u8> {
    arguments.run.check_preset("retrieval")?;
    let config = arguments.config(ContrastConfig::retrieval());
    run::<Matcher>(&arguments, config, Besides::default()).await
}

/// What only some runs on pairs are told.
#[derive(Default)]
pub struct Besides {
    /// What reading and writing share, where it is not to be the model's own.
    pub share: Option<Sharing>,
    /// Questions to learn from, too.
    pub questions: Option<QuestionSet>,
    /// Pictures that nothing may be learned from, captions neither.
    pub left_out: HashSet<PathBuf>,
    /// Layers that are to answer them, where the model has none yet.
    pub answer_layers: usize,
}

/// Trains on pairs.
pub async fn run<M: LearnsPairs + Head>(arguments: &Arguments, config: TrainConfig, besides: Besides) -> Result<u8> {
    let (mut train, val) = arguments.data.read(&arguments.run)?;
    train.examples.retain(|example| !besides.left_out.contains(&example.image.whole_path()));
    let questions = besides.questions.iter().flat_map(|set| &set.examples);
    let questions = questions.flat_map(|example| std::iter::once(&example.question).chain(&example.answers));
    let texts = texts(&train).chain(questions.map(String::as_str));
    let Start { device, mut pipeline, .. } = start::<M>(&arguments.run, texts).await?;
    pipeline.set_prompt("");
    if let Some(share) = besides.share {
        pipeline = shared(pipeline, share, &arguments.run)?;
    }
    if besides.questions.is_some() && pipeline.config().answer_layers.is_none() {
        let fresh;
        (pipeline, fresh) = pipeline.with_answer_layers(besides.answer_layers);
        eprintln!("it learns to answer: {}", describe(&fresh));
    }
    let model = M::of(pipeline.model().clone()).expect("a run starts with a model of its kind");
    let config = fit(config, pipeline.config(), train.examples.len(), &device).await?;
    let mut trainer = PairTrainer::<M>::new(
        model,
        pipeline.tokenizer(),
        pipeline.tokens(),
        pipeline.inputs().pixels.clone(),
        &train.examples,
        config,
    )?;
    if let Some(questions) = &besides.questions {
        trainer = trainer.with_questions(pipeline.tokenizer(), &questions.examples)?;
    }
    let scorer = Recall { candidates: arguments.eval_k };
    Run { arguments: &arguments.run, pipeline, trainer, val: &val.examples, scorer }.run(&device).await
}

/// The pipeline around a model that shares so; its weights begin as those there are.
fn shared(pipeline: Pipeline, share: Sharing, run: &RunArguments) -> Result<Pipeline> {
    let mut config = pipeline.config().clone();
    if config.text.sharing.unwrap_or_default() == share {
        return Ok(pipeline);
    }
    if run.resume {
        bail!("this run was begun with another --share: go on with that, or begin one in another --out");
    }
    config.text.sharing = Some(share);
    let (pipeline, _) = pipeline.into_config(config);
    Ok(pipeline)
}

/// Finds the texts of the pictures held out, and the pictures of the texts.
struct Recall {
    candidates: usize,
}

impl<M: LearnsPairs> Scorer<PairTask<M>> for Recall {
    type Example = CaptionExample;

    const KEY: &'static str = "r_mean";
    const NAME: &'static str = "mean recall";
    const EXAMPLES: &'static str = "pictures";

    async fn score(&self, _: &Trainer<PairTask<M>>, pipeline: &Pipeline, val: &[CaptionExample]) -> Result<Score> {
        let mut bar = Bar::new();
        let scores = retrieval_score(pipeline, val, Rerank::of(self.candidates), None, &mut bar).await?;
        bar.clear();
        let line = format!(
            "TR@1 {:.1}, IR@1 {:.1}, mean recall {:.1}",
            100.0 * scores.tr_r1,
            100.0 * scores.ir_r1,
            100.0 * scores.r_mean
        );
        Ok(Score { value: scores.r_mean, fields: fields(&scores)?, line, samples: Vec::new() })
    }
}
