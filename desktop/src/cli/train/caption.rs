//! `medley train caption`.

use anyhow::Result;
use clap::Args;
use medley::Pipeline;
use medley::data::{CaptionExample, CaptionSet};
use medley::eval::CiderReward;
use medley::model::Captioner;
use medley::tokenizer::Tokenizer;
use medley::train::{CaptionTask, CaptionTrainer, Reward, TrainConfig};
use serde_json::{Map, json};

use super::fit::fit;
use super::options::{CaptionData, FeatureArguments, RunArguments};
use super::run::{Run, Score, Scorer};
use super::start::{Start, start};
use crate::cli::progress::Bar;
use crate::cli::scores::{Scored, caption_options, score, whole};

/// Shown under the help.
pub const EXAMPLES: &str = "\
Examples:
  A folder of pictures, each with a .txt of captions beside it:
    medley train caption --data my-photos --model blip-image-captioning-base --out my-model
  The paper's recipe with ViT-B on a card of 8 GB, steps of 256 pictures in 32 parts:
    medley train caption --data dataset_coco.json --images coco --model model_base.pth --skip-training-state \\
      --preset paper-caption --accumulate 32 --recompute --out run
  A dataset with splits, the image encoder left as it is:
    medley train caption --data dataset_flickr8k.json --images images --freeze 'vision.*' --out run
  Go on after Ctrl-C or a power cut:
    medley train caption --data my-photos --model blip-image-captioning-base --out my-model --resume";

/// What to learn from, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: CaptionData,
    #[command(flatten)]
    run: RunArguments,
    /// Captions of each picture that a step reads
    #[arg(long, default_value_t = TrainConfig::default().captions_per_image)]
    captions_per_image: usize,
    /// Learn from the CIDEr of captions the model writes itself; for a model that captions already
    #[arg(long, conflicts_with = "new")]
    self_critical: bool,
    #[command(flatten)]
    features: FeatureArguments,
    /// Text every caption begins with, not learned; the model's own if not given
    #[arg(long)]
    prompt: Option<String>,
    /// Beams when scoring
    #[arg(long, default_value_t = 3)]
    eval_beams: usize,
}

/// Trains a captioner.
pub async fn run(arguments: Arguments) -> Result<u8> {
    arguments.run.check_preset("caption")?;
    let (train, val) = arguments.data.read(&arguments.run)?;
    let Start { device, mut pipeline, model } = start::<Captioner>(&arguments.run, texts(&train)).await?;
    if let Some(prompt) = &arguments.prompt {
        pipeline.set_prompt(prompt);
    }
    let config = TrainConfig {
        captions_per_image: arguments.captions_per_image,
        self_critical: arguments.self_critical,
        feature_memory_mb: arguments.features.feature_memory,
        prompt: pipeline.inputs().prompt.clone(),
        ..arguments.run.config()
    };
    let config = fit(config, pipeline.config(), train.examples.len(), &device).await?;
    let mut trainer = CaptionTrainer::new(
        model,
        pipeline.tokenizer(),
        pipeline.tokens(),
        pipeline.inputs().pixels.clone(),
        &train.examples,
        config,
    )?;
    if arguments.self_critical {
        trainer = trainer.with_reward(cider_reward(&train, pipeline.tokenizer().clone()));
    }
    let scorer = Captions { beams: arguments.eval_beams };
    Run { arguments: &arguments.run, pipeline, trainer, val: &val.examples, scorer }.run(&device).await
}

/// Captions the pictures held out.
struct Captions {
    beams: usize,
}

impl Scorer<CaptionTask> for Captions {
    type Example = CaptionExample;

    const KEY: &'static str = "cider";
    const NAME: &'static str = "CIDEr";
    const EXAMPLES: &'static str = "pictures";

    async fn score(&self, trainer: &CaptionTrainer, pipeline: &Pipeline, val: &[CaptionExample]) -> Result<Score> {
        let val_loss = trainer.validation_loss(val, pipeline.tokenizer()).await?;
        let mut bar = Bar::new();
        let Scored { captions, scores } = score(pipeline, val, &caption_options(self.beams), 16, &mut bar).await?;
        let captions = whole(val, captions)?;
        let fields = [
            (Self::KEY, json!(scores.cider)),
            ("bleu", json!(scores.bleu)),
            ("rouge_l", json!(scores.rouge_l)),
            ("val_loss", json!(val_loss)),
        ];
        let (cider, bleu) = (100.0 * scores.cider, 100.0 * scores.bleu[3]);
        Ok(Score {
            value: scores.cider,
            fields: fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<Map<_, _>>(),
            line: format!("validation {val_loss:.3}, CIDEr {cider:.1}, BLEU-4 {bleu:.1}"),
            samples: val
                .iter()
                .zip(&captions)
                .take(5)
                .map(|(example, caption)| format!("{}: {caption}", example.id))
                .collect(),
        })
    }
}

/// Every caption of a set.
pub fn texts(set: &CaptionSet) -> impl Iterator<Item = &str> {
    set.examples.iter().flat_map(|example| example.captions.iter().map(String::as_str))
}

/// What a caption of a training picture is worth.
fn cider_reward(train: &CaptionSet, tokenizer: Tokenizer) -> Reward {
    let references: Vec<Vec<String>> = train.examples.iter().map(|example| example.captions.clone()).collect();
    let reward = CiderReward::new(&references);
    // Tokens that are no text are worth nothing.
    Box::new(move |image, ids| tokenizer.decode(ids).map_or(0.0, |caption| reward.of(image, &caption)))
}
