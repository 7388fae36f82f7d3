//! `medley train caption`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use medley::checkpoint::{Checkpoint, Dtype, TokenizerText, Weights, load_vision, save};
use medley::data::{CaptionExample, CaptionSet, has_splits, hold_out, read_captions};
use medley::eval::CiderReward;
use medley::model::{BlipConfig, Captioner, Model};
use medley::pipeline::Inputs;
use medley::tokenizer::{self, Tokenizer};
use medley::train::{CaptionTrainer, Reward, TrainConfig};
use medley::{Error, OpenDevice, Pipeline, Progress};
use serde_json::{Value, json};

use super::model::{DeviceArguments, ModelArguments};
use super::progress::Bar;
use super::scores::score;
use super::train_log::{Log, Meter};
use super::{ALL_GOOD, interrupt};

/// What to learn.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Learn to caption: photographs with one or more captions each.
    #[command(after_long_help = EXAMPLES)]
    Caption(Box<CaptionArguments>),
}

const EXAMPLES: &str = "\
Examples:
  A folder of pictures, each with a .txt of captions beside it:
    medley train caption --data my-photos --model blip-image-captioning-base --out my-model
  A dataset with splits, the image encoder left as it is:
    medley train caption --data dataset_flickr8k.json --images images --freeze 'vision.*' --out run
  Go on after Ctrl-C or a power cut:
    medley train caption --data my-photos --model blip-image-captioning-base --out my-model --resume";

/// Share of the pictures scored on where the data has no splits.
const HELD_OUT: f64 = 0.1;

#[derive(Args)]
struct CaptionArguments {
    /// Karpathy-split JSON, COCO captions JSON, BLIP pair JSON, metadata.jsonl, or a folder of pictures with .txt files
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Folder the picture names in the data are relative to
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Split to learn from
    #[arg(long, default_value = "train", value_name = "NAME")]
    train_split: String,
    /// Split to score on
    #[arg(long, default_value = "val", value_name = "NAME")]
    val_split: String,
    /// Folder for models, state and log
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on where the run in --out stopped
    #[arg(long)]
    resume: bool,

    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,

    /// Start a new small captioner instead of a checkpoint
    #[arg(long, conflicts_with = "model")]
    new: bool,
    /// With --new: an ImageNet ViT under timm's names to start the image encoder from
    #[arg(long, requires = "new", value_name = "FILE")]
    vision: Option<PathBuf>,
    /// With --new: tokens of the vocabulary that is learned from the captions
    #[arg(long, requires = "new", default_value_t = 4000, value_name = "N")]
    vocab_size: usize,

    /// Passes over the training pictures
    #[arg(long, default_value_t = TrainConfig::default().epochs)]
    epochs: usize,
    /// Pictures in a step
    #[arg(long, default_value_t = TrainConfig::default().batch_size)]
    batch: usize,
    /// Parts a step is computed in: less memory, the same result
    #[arg(long, default_value_t = 1)]
    accumulate: usize,
    /// Captions of each picture that a step reads
    #[arg(long, default_value_t = TrainConfig::default().captions_per_image)]
    captions_per_image: usize,
    /// Highest learning rate
    #[arg(long, default_value_t = TrainConfig::default().learning_rate)]
    lr: f64,
    /// The image encoder's learning rate, as a factor of --lr
    #[arg(long, default_value_t = TrainConfig::default().vision_rate_factor)]
    vision_lr_factor: f64,
    /// Steps in which the learning rate rises from zero
    #[arg(long, default_value_t = TrainConfig::default().warmup_steps)]
    warmup: usize,
    /// Weight decay, not applied to norms, biases and position tables
    #[arg(long, default_value_t = TrainConfig::default().weight_decay)]
    weight_decay: f64,
    /// Longest gradient; longer ones are scaled down, 0 for never
    #[arg(long, default_value_t = TrainConfig::default().clip_norm)]
    clip: f64,
    /// Share of a label's probability spread over all words
    #[arg(long, default_value_t = TrainConfig::default().label_smoothing)]
    label_smoothing: f64,
    /// Decay of a running mean of the weights, which is what is scored and saved; 0 for none
    #[arg(long, default_value_t = 0.0)]
    weight_average: f64,
    /// Probability of leaving out image encoder blocks while learning
    #[arg(long)]
    drop_path: Option<f64>,
    /// Dropout in the text layers while learning
    #[arg(long)]
    dropout: Option<f64>,
    /// Do not crop, flip and distort pictures at random
    #[arg(long)]
    no_augment: bool,
    /// Parameters that stay as they are, such as 'vision.*'; may be repeated
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
    /// Learn from the CIDEr of captions the model writes itself; for a model that captions already
    #[arg(long, conflicts_with = "new")]
    self_critical: bool,
    /// Memory for what frozen first layers of the image encoder make of the pictures; 0 for none
    #[arg(long, default_value_t = TrainConfig::default().feature_memory_mb, value_name = "MB")]
    feature_memory: usize,
    /// Longest caption in tokens, prompt included; longer ones are cut
    #[arg(long, default_value_t = TrainConfig::default().max_tokens)]
    max_tokens: usize,
    /// Text every caption begins with, not learned; the model's own if not given
    #[arg(long)]
    prompt: Option<String>,
    /// Decides shuffling, crops, drawn captions and dropout
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Beams when scoring
    #[arg(long, default_value_t = 3)]
    eval_beams: usize,
    /// Pictures to score at most; 0 for all
    #[arg(long, default_value_t = 0)]
    eval_images: usize,
    /// Score after every so many epochs, and after the last
    #[arg(long, default_value_t = 1)]
    eval_every: usize,
}

/// Runs the task.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let Task::Caption(arguments) = arguments.task;
    caption(*arguments).await
}

async fn caption(arguments: CaptionArguments) -> Result<u8> {
    interrupt::listen();
    let (train, val) = datasets(&arguments)?;
    let device = arguments.device.open().await?;
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("could not create {}", arguments.out.display()))?;
    let state = arguments.out.join("state.safetensors");
    if state.exists() && !arguments.resume {
        bail!("{} holds a run already: go on with --resume, or choose another --out", arguments.out.display());
    }

    let pipeline = start(&arguments, &train, &device)?;
    let config = TrainConfig {
        epochs: arguments.epochs,
        batch_size: arguments.batch,
        accumulate: arguments.accumulate,
        captions_per_image: arguments.captions_per_image,
        learning_rate: arguments.lr,
        vision_rate_factor: arguments.vision_lr_factor,
        warmup_steps: arguments.warmup,
        weight_decay: arguments.weight_decay,
        clip_norm: arguments.clip,
        label_smoothing: arguments.label_smoothing,
        weight_average: arguments.weight_average,
        augment: !arguments.no_augment,
        freeze: arguments.freeze.clone(),
        self_critical: arguments.self_critical,
        feature_memory_mb: arguments.feature_memory,
        prompt: pipeline.inputs().prompt.clone(),
        max_tokens: arguments.max_tokens,
        seed: arguments.seed,
        ..TrainConfig::default()
    };
    let Model::Captioner(model) = pipeline.model().clone() else {
        bail!("{} is a {}, and captioning is learned by a captioner", "--model", pipeline.config().kind.name());
    };
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
    if arguments.resume && state.exists() {
        trainer.resume(&state).context("could not resume")?;
    } else {
        save(&pipeline.to_checkpoint()?, &arguments.out.join("last.safetensors"), Dtype::F32).await?;
    }
    eprintln!(
        "{} pictures to learn from, {} to score on, {} steps on {}",
        train.examples.len(),
        val.examples.len(),
        trainer.sizes().total_steps,
        device.name
    );
    let val = match arguments.eval_images {
        0 => &val.examples[..],
        most => &val.examples[..most.min(val.examples.len())],
    };
    Run { arguments: &arguments, pipeline, trainer, val, state, log: Log::open(&arguments.out)?, best: None }
        .run()
        .await
}

/// A run from here to its end.
struct Run<'a> {
    arguments: &'a CaptionArguments,
    pipeline: Pipeline,
    trainer: CaptionTrainer,
    val: &'a [CaptionExample],
    state: PathBuf,
    log: Log,
    best: Option<f64>,
}

impl Run<'_> {
    async fn run(mut self) -> Result<u8> {
        self.best = self.log.best();
        if self.trainer.step() == 0 && !self.arguments.new && !self.val.is_empty() {
            let start = self.pipeline.to_checkpoint()?;
            eprintln!("scoring the model as it is on {} pictures", self.val.len());
            self.score(&start, &mut json!({ "epoch": 0, "step": 0 }), "before").await?;
        }
        let mut meter = Meter::new(self.trainer.step());
        while !self.trainer.is_finished() {
            let log = &mut self.log;
            let mut report = |progress: Progress| {
                meter.show(&progress);
                log.step(&progress);
                interrupt::flow()
            };
            match self.trainer.epoch(&mut report).await {
                Ok(epoch) => {
                    meter.clear();
                    self.finish_epoch(epoch.epoch, epoch.train_loss).await?;
                }
                Err(Error::Cancelled) => {
                    meter.clear();
                    self.trainer.save(&self.state).await?;
                    eprintln!("stopped after step {} and saved; go on with --resume", self.trainer.step());
                    return Ok(130);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(best) = self.best {
            let path = self.arguments.out.join("best.safetensors");
            let before =
                self.log.before().map_or_else(String::new, |before| format!("before CIDEr {:.1}, ", 100.0 * before));
            eprintln!("{before}best {:.1}; try it: medley caption PICTURE --model {}", 100.0 * best, path.display());
        }
        Ok(ALL_GOOD)
    }

    async fn finish_epoch(&mut self, epoch: usize, train_loss: f32) -> Result<()> {
        let arguments = self.arguments;
        let checkpoint = Checkpoint { model: Model::Captioner(self.trainer.model()), ..self.pipeline.to_checkpoint()? };
        save(&checkpoint, &arguments.out.join("last.safetensors"), Dtype::F32).await?;
        self.trainer.save(&self.state).await?;

        let mut record = json!({ "epoch": epoch, "step": self.trainer.step(), "train_loss": train_loss });
        let is_due = epoch.is_multiple_of(arguments.eval_every.max(1)) || self.trainer.is_finished();
        let name = format!("epoch {epoch}/{}: loss {train_loss:.3}", arguments.epochs);
        if is_due && !self.val.is_empty() {
            return self.score(&checkpoint, &mut record, &name).await;
        }
        eprintln!("{name}");
        self.log.write(&record)
    }

    /// Captions the pictures held out, writes the scores down and keeps the model if it is the best.
    async fn score(&mut self, checkpoint: &Checkpoint, record: &mut Value, name: &str) -> Result<()> {
        let arguments = self.arguments;
        let val_loss = self.trainer.validation_loss(self.val, self.pipeline.tokenizer()).await?;
        let mut bar = Bar::new();
        let pipeline = self.pipeline.with_model(checkpoint.model.clone());
        let scored = score(&pipeline, self.val, arguments.eval_beams, 16, &mut bar).await?;
        let scores = scored.scores;
        record["val_loss"] = json!(val_loss);
        record["cider"] = json!(scores.cider);
        record["bleu"] = json!(scores.bleu);
        record["rouge_l"] = json!(scores.rouge_l);
        let is_best = self.best.is_none_or(|best| scores.cider > best);
        if is_best {
            self.best = Some(scores.cider);
            save(checkpoint, &arguments.out.join("best.safetensors"), Dtype::F32).await?;
        }
        eprintln!(
            "{name}, validation {val_loss:.3}, CIDEr {:.1}, BLEU-4 {:.1}{}",
            100.0 * scores.cider,
            100.0 * scores.bleu[3],
            if is_best { " (best)" } else { "" }
        );
        for (example, caption) in self.val.iter().zip(&scored.captions).take(5) {
            eprintln!("  {}: {caption}", example.id);
        }
        self.log.write(record)
    }
}

/// What a caption of a training picture is worth.
fn cider_reward(train: &CaptionSet, tokenizer: Tokenizer) -> Reward {
    let references: Vec<Vec<String>> = train.examples.iter().map(|example| example.captions.clone()).collect();
    let reward = CiderReward::new(&references);
    // Tokens that are no text are worth nothing.
    Box::new(move |image, ids| tokenizer.decode(ids).map_or(0.0, |caption| reward.of(image, &caption)))
}

/// The training and the validation pictures; of data without splits a tenth is held out.
fn datasets(arguments: &CaptionArguments) -> Result<(CaptionSet, CaptionSet)> {
    let (data, images) = (&arguments.data, arguments.images.as_deref());
    let (train, val) = if has_splits(data)? {
        let read = |split: &str| read_captions(data, images, Some(split));
        (read(&arguments.train_split)?, read(&arguments.val_split)?)
    } else {
        hold_out(read_captions(data, images, None)?, HELD_OUT, arguments.seed)
    };
    for warning in train.warnings.iter().chain(&val.warnings) {
        eprintln!("medley: {warning}");
    }
    Ok((train, val))
}

/// The model a run starts from.
fn start(arguments: &CaptionArguments, train: &CaptionSet, device: &OpenDevice) -> Result<Pipeline> {
    let last = arguments.out.join("last.safetensors");
    if arguments.resume && last.exists() {
        // The run's own vocabulary: learned again it might number its tokens differently.
        let model = ModelArguments { model: Some(last), image_size: None, ..arguments.model.clone() };
        return model.load(device);
    }
    let mut pipeline = if arguments.new { fresh(arguments, train, device)? } else { arguments.model.load(device)? };
    if let Some(prompt) = &arguments.prompt {
        pipeline.set_prompt(prompt);
    }
    if arguments.drop_path.is_some() || arguments.dropout.is_some() {
        pipeline = pipeline.with_regularization(arguments.drop_path, arguments.dropout);
    }
    Ok(pipeline)
}

fn fresh(arguments: &CaptionArguments, train: &CaptionSet, device: &OpenDevice) -> Result<Pipeline> {
    let captions = train.examples.iter().flat_map(|example| example.captions.iter().map(String::as_str));
    let cleaned: Vec<String> = captions.map(|caption| medley::preprocess::pre_caption(caption, 30)).collect();
    let tokenizer: Tokenizer = tokenizer::train(cleaned.iter().map(String::as_str), arguments.vocab_size)?;
    let config = BlipConfig::captioning_tiny(tokenizer.vocab_size(), tokenizer.ids());
    device.device.seed(arguments.seed);
    let mut model = Captioner::init(&config, &device.device);
    let mut inputs = Inputs::new(config.vision.image_size_px);
    inputs.prompt = String::new();
    if let Some(path) = &arguments.vision {
        let weights = Weights::open(path)?;
        model = model.clone().with_vision(load_vision(&weights, &config, model.vision().clone())?);
        // timm's ViT-Ti was trained on pictures scaled to -1..1.
        (inputs.pixels.mean, inputs.pixels.std) = ([0.5; 3], [0.5; 3]);
    }
    let checkpoint = Checkpoint {
        config,
        model: Model::Captioner(model),
        tokenizer: Some(TokenizerText::Json(tokenizer.to_json()?)),
        preprocessor: Some(inputs.to_json()),
    };
    Ok(Pipeline::new(checkpoint, &device.device)?)
}
