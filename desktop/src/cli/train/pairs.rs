//! `medley train retrieval` and `medley train pretrain`.

use anyhow::{Result, bail};
use clap::Args;
use medley::Pipeline;
use medley::data::CaptionExample;
use medley::model::{Kind, Matcher, Model, Pretraining};
use medley::train::{ContrastConfig, LearnsPairs, PairTask, PairTrainer, TrainConfig, Trainer};
use serde_json::Value;

use super::caption::texts;
use super::options::{CaptionData, RunArguments};
use super::run::{Run, Score, Scorer, prepare};
use super::start::start;
use crate::cli::interrupt;
use crate::cli::progress::Bar;
use crate::cli::scores::retrieval_score;

/// Shown under the help of `retrieval`.
pub const RETRIEVAL_EXAMPLES: &str = "\
Examples:
  Your own pictures, each with a .txt of captions beside it:
    medley train retrieval --data my-photos --model blip-itm-base-coco --out my-matcher
  The recipe of the paper, from a pre-trained model:
    medley train retrieval --data dataset_coco.json --images coco --model model_base.pth --skip-training-state \\
      --image-size 384 --epochs 6 --batch 256 --lr 1e-5 --out run";

/// Shown under the help of `pretrain`.
pub const PRETRAIN_EXAMPLES: &str = "\
Examples:
  A small model of one's own, its image encoder from ImageNet:
    medley train pretrain --new --vision vit_tiny_patch16_224.safetensors --data dataset_flickr8k.json --images images \\
      --lr 3e-4 --queue 4096 --out run
  Go on after Ctrl-C or a power cut:
    medley train pretrain --data dataset_flickr8k.json --images images --out run --resume";

/// What to learn from, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: CaptionData,
    #[command(flatten)]
    run: RunArguments,
    /// Features of earlier batches that a batch is compared with; fewer pictures than that, and they repeat
    #[arg(long, default_value_t = 4096)]
    queue: usize,
    /// How much of itself the momentum twin keeps in a step
    #[arg(long, default_value_t = ContrastConfig::default().momentum)]
    momentum: f64,
    /// The share of the twin's opinion in what is similar
    #[arg(long, default_value_t = ContrastConfig::default().alpha)]
    alpha: f64,
    /// Candidates that are put in order by reading picture and text together when scoring; 0 for similarity alone
    #[arg(long, default_value_t = 0, value_name = "K")]
    eval_k: usize,
}

impl Arguments {
    fn config(&self, contrast: ContrastConfig) -> TrainConfig {
        let contrast = ContrastConfig { queue: self.queue, momentum: self.momentum, alpha: self.alpha, ..contrast };
        TrainConfig { contrast, ..self.run.config() }
    }
}

/// Trains a matcher.
pub async fn retrieval(arguments: Arguments) -> Result<u8> {
    let matcher = |model: &Model| match model {
        Model::Matcher(model) => Some(model.clone()),
        _ => None,
    };
    run::<Matcher>(arguments, Kind::Matcher, ContrastConfig::retrieval(), matcher).await
}

/// Trains a pre-training model.
pub async fn pretrain(arguments: Arguments) -> Result<u8> {
    let pretraining = |model: &Model| match model {
        Model::Pretraining(model) => Some(model.clone()),
        _ => None,
    };
    run::<Pretraining>(arguments, Kind::Pretraining, ContrastConfig::default(), pretraining).await
}

async fn run<M: LearnsPairs + Into<Model>>(
    arguments: Arguments,
    kind: Kind,
    contrast: ContrastConfig,
    of: impl Fn(&Model) -> Option<M>,
) -> Result<u8> {
    interrupt::listen();
    let (train, val) = arguments.data.read(&arguments.run)?;
    let device = arguments.run.device.open().await?;
    prepare(&arguments.run)?;
    let mut pipeline = start(&arguments.run, kind, texts(&train), &device)?;
    pipeline.set_prompt("");
    let Some(model) = of(pipeline.model()) else {
        bail!("--model is a {}, and a {} is needed", pipeline.config().kind.name(), kind.name());
    };
    let trainer = PairTrainer::<M>::new(
        model,
        pipeline.tokenizer(),
        pipeline.tokens(),
        pipeline.inputs().pixels.clone(),
        &train.examples,
        arguments.config(contrast),
    )?;
    let scorer = Recall { candidates: arguments.eval_k };
    Run { arguments: &arguments.run, pipeline, trainer, val: &val.examples, scorer }.run(&device).await
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
        let scores = retrieval_score(pipeline, val, self.candidates, &mut bar).await?;
        bar.clear();
        let line = format!(
            "TR@1 {:.1}, IR@1 {:.1}, mean recall {:.1}",
            100.0 * scores.tr_r1,
            100.0 * scores.ir_r1,
            100.0 * scores.r_mean
        );
        let fields = match serde_json::to_value(scores)? {
            Value::Object(fields) => fields,
            _ => unreachable!("scores are a struct"),
        };
        Ok(Score { value: scores.r_mean, fields, line, samples: Vec::new() })
    }
}
