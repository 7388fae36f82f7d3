//! What every training task is told on the command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::data::{CaptionSet, QuestionSet, hold_out, hold_out_questions};
use medley::train::TrainConfig;

use crate::cli::data::{CaptionFiles, HELD_OUT, QuestionFiles};
use crate::cli::model::{DeviceArguments, ModelArguments};

/// Captioned pictures.
#[derive(Args)]
pub struct CaptionData {
    #[command(flatten)]
    files: CaptionFiles,
    /// Split to learn from
    #[arg(long, default_value = "train", value_name = "NAME")]
    train_split: String,
    /// Split to score on
    #[arg(long, default_value = "val", value_name = "NAME")]
    val_split: String,
}

/// Questions about pictures.
#[derive(Args)]
pub struct QuestionData {
    #[command(flatten)]
    files: QuestionFiles,
    /// Questions to score on, in a file of their own; a tenth of the pictures is held out otherwise
    #[arg(long, value_name = "FILE")]
    val_data: Option<PathBuf>,
    /// Their annotations
    #[arg(long, requires = "val_data", value_name = "FILE")]
    val_annotations: Option<PathBuf>,
}

/// Model and how to learn.
#[derive(Args)]
pub struct RunArguments {
    /// Folder for models, state and log
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Go on where the run in --out stopped
    #[arg(long)]
    pub resume: bool,

    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub device: DeviceArguments,

    /// Start a new small model instead of a checkpoint
    #[arg(long, conflicts_with = "model")]
    pub new: bool,
    /// With --new: an ImageNet ViT under timm's names to start the image encoder from
    #[arg(long, requires = "new", value_name = "FILE")]
    pub vision: Option<PathBuf>,
    /// With --new: tokens of the vocabulary that is learned from the captions
    #[arg(long, requires = "new", default_value_t = 4000, value_name = "N")]
    pub vocab_size: usize,

    /// Passes over the training pictures
    #[arg(long, default_value_t = TrainConfig::default().epochs)]
    pub epochs: usize,
    /// Examples in a step: pictures, questions, statements or dialogs
    #[arg(long, default_value_t = TrainConfig::default().batch_size)]
    batch: usize,
    /// Run the blocks of both towers again in the backward pass: much less memory, a third more time, the same result
    #[arg(long)]
    recompute: bool,
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
    pub drop_path: Option<f64>,
    /// Dropout in the text layers while learning
    #[arg(long)]
    pub dropout: Option<f64>,
    /// Do not crop, flip and distort pictures at random
    #[arg(long)]
    no_augment: bool,
    /// Smallest share of a picture that a random crop keeps; 0.2 for pre-training and 0.5 for the rest if not given
    #[arg(long, value_name = "SHARE")]
    min_crop: Option<f64>,
    /// Parameters that stay as they are, such as 'vision.*'; may be repeated
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
    /// Longest caption in tokens, prompt included; longer ones are cut
    #[arg(long, default_value_t = TrainConfig::default().max_tokens)]
    max_tokens: usize,
    /// Decides shuffling, crops, drawn captions and dropout
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Examples to score at most; 0 for all
    #[arg(long, default_value_t = 0)]
    eval_images: usize,
    /// Score after every so many epochs, and after the last
    #[arg(long, default_value_t = 1)]
    pub eval_every: usize,
}

impl RunArguments {
    /// What they say to the trainer; the rest is as by default.
    pub fn config(&self) -> TrainConfig {
        TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch,
            recompute: self.recompute,
            learning_rate: self.lr,
            vision_rate_factor: self.vision_lr_factor,
            warmup_steps: self.warmup,
            weight_decay: self.weight_decay,
            clip_norm: self.clip,
            label_smoothing: self.label_smoothing,
            weight_average: self.weight_average,
            augment: !self.no_augment,
            min_crop: self.min_crop,
            freeze: self.freeze.clone(),
            max_tokens: self.max_tokens,
            seed: self.seed,
            ..TrainConfig::default()
        }
    }

    /// Leaves as many examples as are to be scored.
    pub fn limit<E>(&self, val: &mut Vec<E>) {
        if self.eval_images > 0 {
            val.truncate(self.eval_images);
        }
    }
}

impl CaptionData {
    /// The training and the validation pictures; of data without splits a tenth is held out.
    pub fn read(&self, run: &RunArguments) -> Result<(CaptionSet, CaptionSet)> {
        let (train, mut val) = match self.files.has_splits()? {
            true => (self.files.read(Some(&self.train_split))?, self.files.read(Some(&self.val_split))?),
            false => hold_out(self.files.read(None)?, HELD_OUT, run.seed),
        };
        run.limit(&mut val.examples);
        Ok((train, val))
    }
}

impl QuestionData {
    /// The training and the validation questions, never about the same picture.
    pub fn read(&self, run: &RunArguments) -> Result<(QuestionSet, QuestionSet)> {
        let all = self.files.read_answered()?;
        let (train, mut val) = match &self.val_data {
            Some(val) => (all, self.files.read_also(val, self.val_annotations.as_deref())?),
            None => hold_out_questions(all, HELD_OUT, run.seed),
        };
        run.limit(&mut val.examples);
        Ok((train, val))
    }
}
