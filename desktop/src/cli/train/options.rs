//! What every training task is told on the command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::DeviceChoice;
use medley::data::{CaptionSet, Listing, QuestionSet, hold_out, hold_out_questions};
use medley::train::{Schedule, TrainConfig};

use super::preset::Preset;
use crate::cli::data::{CaptionFiles, HELD_OUT, QuestionFiles, warn};
use crate::cli::model::{DeviceArguments, ModelArguments};
use crate::cli::number::time;

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
    /// Further captioned pictures in any of these forms, to learn from: their training split, or all; names are
    /// relative to where the data lies; may be repeated
    #[arg(long, value_name = "PATH")]
    more_data: Vec<PathBuf>,
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
    /// Further questions about pictures in the same folder, to learn from, but for those about pictures that are scored on; may be repeated
    #[arg(long, value_name = "FILE")]
    more_questions: Vec<PathBuf>,
}

/// What an image encoder that does not learn need not do twice.
#[derive(Args)]
pub struct FeatureArguments {
    /// With --no-augment, memory for what frozen first layers of the image encoder make of the pictures; 0 for none
    #[arg(long, default_value_t = TrainConfig::default().feature_memory_mb, value_name = "MB")]
    pub feature_memory: usize,
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

    /// Minutes after which the run is saved in the middle of an epoch; 0 for only at its end
    #[arg(long, default_value_t = 10.0, value_parser = time, value_name = "MINUTES")]
    pub save_every: f64,

    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub device: DeviceArguments,

    /// Further devices that take parts of every step, such as gpu:1,gpu:2; not for retrieval and pre-training, which compare the whole batch
    #[arg(long, value_delimiter = ',', value_name = "DEVICE")]
    pub also_on: Vec<DeviceChoice>,

    /// Start a new model instead of a checkpoint: small, or of the sizes of --vision and --text
    #[arg(long, conflicts_with = "model")]
    pub new: bool,
    /// With --new: an ImageNet ViT under timm's names to start the image encoder from
    #[arg(long, requires = "new", value_name = "FILE")]
    pub vision: Option<PathBuf>,
    /// With --new: a BERT to start reading and writing from: its folder, or its weights with vocab.txt beside them
    #[arg(long, requires = "new", value_name = "FILE|FOLDER")]
    pub text: Option<PathBuf>,
    /// With --new and no --text: tokens of the vocabulary that is learned from the captions
    #[arg(long, requires = "new", default_value_t = 4000, value_name = "N")]
    pub vocab_size: usize,

    /// A recipe; options that are given win over it
    #[arg(long, value_name = "NAME")]
    pub preset: Option<Preset>,
    /// Passes over the training pictures [default: 5]
    #[arg(long)]
    epochs: Option<usize>,
    /// Examples in a step, pictures, questions, statements or dialogs: a number, or auto for the recipe's; how many of them are in memory at once is found where they do not fit [default: 32]
    #[arg(long, value_parser = batch, value_name = "N|auto")]
    batch: Option<Batch>,
    /// Parts a step is computed in: less memory, the same result [default: as many as the memory needs]
    #[arg(long, default_value_t = 1, hide_default_value = true, value_name = "N")]
    accumulate: usize,
    /// Run the blocks of both towers again in the backward pass: much less memory, a third more time, the same result
    #[arg(long)]
    recompute: bool,
    /// Compute in 16 bits, where the GPU does so right: half the memory for what steps compute, weights stay at 32
    #[arg(long)]
    half: bool,
    /// Highest learning rate [default: 1e-5]
    #[arg(long)]
    lr: Option<f64>,
    /// The image encoder's learning rate, as a factor of --lr [default: 1]
    #[arg(long)]
    vision_lr_factor: Option<f64>,
    /// Steps in which the learning rate rises [default: 100]
    #[arg(long)]
    warmup: Option<usize>,
    /// How the learning rate falls: cosine, cosine-by-epoch, or decay (nine tenths every epoch) [default: cosine]
    #[arg(long, value_parser = schedule)]
    schedule: Option<Schedule>,
    /// Weight decay, not applied to norms, biases and position tables [default: 0.05]
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Longest gradient; longer ones are scaled down, 0 for never [default: 1]
    #[arg(long)]
    clip: Option<f64>,
    /// Share of a label's probability spread over all words [default: 0.1]
    #[arg(long)]
    label_smoothing: Option<f64>,
    /// Decay of a running mean of the weights, which is what is scored and saved; 0 for none [default: 0]
    #[arg(long)]
    weight_average: Option<f64>,
    /// Probability of leaving out image encoder blocks while learning
    #[arg(long)]
    drop_path: Option<f64>,
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
    /// Longest caption in tokens, prompt included; longer ones are cut [default: 40]
    #[arg(long)]
    max_tokens: Option<usize>,
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
    /// What they say to the trainer: options that are given, else the recipe, else as by default.
    pub fn config(&self) -> TrainConfig {
        let recipe = self.preset.map_or_else(TrainConfig::default, Preset::config);
        TrainConfig {
            epochs: self.epochs.unwrap_or(recipe.epochs),
            batch_size: self.batch.and_then(|batch| batch.0).unwrap_or(recipe.batch_size),
            accumulate: self.accumulate,
            recompute: self.recompute,
            half: self.half,
            learning_rate: self.lr.unwrap_or(recipe.learning_rate),
            vision_rate_factor: self.vision_lr_factor.unwrap_or(recipe.vision_rate_factor),
            warmup_steps: self.warmup.unwrap_or(recipe.warmup_steps),
            schedule: self.schedule.unwrap_or(recipe.schedule),
            weight_decay: self.weight_decay.unwrap_or(recipe.weight_decay),
            clip_norm: self.clip.unwrap_or(recipe.clip_norm),
            label_smoothing: self.label_smoothing.unwrap_or(recipe.label_smoothing),
            weight_average: self.weight_average.unwrap_or(recipe.weight_average),
            augment: !self.no_augment,
            min_crop: self.min_crop,
            freeze: self.freeze.clone(),
            max_tokens: self.max_tokens.unwrap_or(recipe.max_tokens),
            seed: self.seed,
            ..recipe
        }
    }

    /// Leaves as many examples as are to be scored.
    pub fn limit<E>(&self, val: &mut Vec<E>) {
        if self.eval_images > 0 {
            val.truncate(self.eval_images);
        }
    }
    /// Refuses a recipe of another task; `task` is the word its recipes have in their names.
    pub fn check_preset(&self, task: &str) -> Result<()> {
        self.preset.map_or(Ok(()), |preset| preset.check(task))
    }

    /// The model options, with the picture size of the recipe where none is given.
    pub fn model(&self) -> ModelArguments {
        let recipe = self.preset.and_then(Preset::image_size_px);
        ModelArguments { image_size: self.model.image_size.or(recipe), ..self.model.clone() }
    }

    /// Stochastic depth of the image encoder, where it is not to be the model's.
    pub fn drop_path(&self) -> Option<f64> {
        self.drop_path.or(self.preset.and_then(Preset::drop_path))
    }
}

/// Pictures in a step; none for as many as the recipe says.
#[derive(Clone, Copy)]
struct Batch(Option<usize>);

fn batch(text: &str) -> std::result::Result<Batch, String> {
    match text {
        "auto" => Ok(Batch(None)),
        number => number.parse().map(|number| Batch(Some(number))).map_err(|_| "it is a number, or auto".to_owned()),
    }
}

/// The name of a schedule, as the library spells it.
fn schedule(name: &str) -> std::result::Result<Schedule, String> {
    serde_json::from_value(name.into()).map_err(|_| "it is one of cosine, cosine-by-epoch, decay".to_owned())
}

impl CaptionData {
    /// The training and the validation pictures; of data without splits a tenth is held out.
    pub fn read(&self, run: &RunArguments) -> Result<(CaptionSet, CaptionSet)> {
        let listing = self.files.list()?;
        let read = |split: Option<&str>| self.files.read_from(&listing, split);
        let (mut train, mut val) = match listing.splits().is_empty() {
            true => hold_out(read(None)?, HELD_OUT, run.seed),
            false => (read(Some(&self.train_split))?, read(Some(&self.val_split))?),
        };
        for more in &self.more_data {
            let listing = Listing::read(more)?;
            let split = (!listing.splits().is_empty()).then_some(self.train_split.as_str());
            let more = listing.captions(None, split)?;
            warn(&more.warnings);
            train.extend_beside(more, &val);
        }
        run.limit(&mut val.examples);
        Ok((train, val))
    }
}

impl QuestionData {
    /// The training and the validation questions, never about the same picture.
    pub fn read(&self, run: &RunArguments) -> Result<(QuestionSet, QuestionSet)> {
        let all = self.files.read_answered()?;
        let (mut train, mut val) = match &self.val_data {
            Some(val) => (all, self.files.read_also(val, self.val_annotations.as_deref())?),
            None => hold_out_questions(all, HELD_OUT, run.seed),
        };
        for more in &self.more_questions {
            train.extend_beside(self.files.read_more(more)?, &val);
        }
        run.limit(&mut val.examples);
        Ok((train, val))
    }
}
