//! What a training run is told.

use serde::{Deserialize, Serialize};

use super::{ContrastConfig, Schedule};
use crate::error::{Error, Result};
use crate::preprocess::Augment;

/// Settings of a captioning run; a run is resumed with the same ones only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training photographs.
    pub epochs: usize,
    /// Photographs in an optimiser step, over all its parts.
    pub batch_size: usize,
    /// Parts a step is computed in, one after the other: less memory, the same result.
    pub accumulate: usize,
    /// Whether blocks of both towers run again in the backward pass instead of keeping what they
    /// compute: much less memory, a third more time, the same result.
    #[serde(skip)]
    pub recompute: bool,
    /// Whether copies of 16 bits compute what weights of 32 bits learn; see
    /// [`half_precision_fault`](super::half_precision_fault).
    #[serde(default)]
    pub half: bool,
    /// Captions of each photograph, or rounds of each dialog, that a step reads, drawn at random.
    pub captions_per_image: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// The image encoder's learning rate, as a factor of it.
    pub vision_rate_factor: f64,
    /// Learning rate at the end, and the least there is, as a factor of the highest.
    pub final_rate_factor: f64,
    /// Optimiser steps in which the learning rate rises.
    pub warmup_steps: usize,
    /// Learning rate the rise begins at.
    #[serde(default)]
    pub first_rate: f64,
    /// How the learning rate falls.
    #[serde(default)]
    pub schedule: Schedule,
    /// Decay of weights that are no norms, biases or position tables.
    pub weight_decay: f64,
    /// Decay of the running mean of gradients.
    pub beta_1: f64,
    /// Decay of the running mean of squared gradients.
    pub beta_2: f64,
    /// Gradients are scaled down to this length when they are longer; 0 for never.
    pub clip_norm: f64,
    /// Share of a label's probability that is spread over all words.
    pub label_smoothing: f64,
    /// Decay of the running mean of weights that is saved and scored; 0 for the weights themselves.
    pub weight_average: f64,
    /// Whether photographs are cropped, flipped and distorted at random.
    pub augment: bool,
    /// Smallest share of a photograph's area that a crop keeps; the task's own if not given.
    #[serde(default)]
    pub min_crop: Option<f64>,
    /// Parameters that stay as they are: paths with `*` for anything.
    pub freeze: Vec<String>,
    /// Memory for what the frozen first layers of the image encoder make of every photograph,
    /// so that they run once instead of every epoch; nothing is kept where it does not suffice.
    pub feature_memory_mb: usize,
    /// Whether captions of its own and what they are worth teach the model, not those given.
    pub self_critical: bool,
    /// Written before every caption and not learned.
    pub prompt: String,
    /// Longest caption in tokens, prompt included.
    pub max_tokens: usize,
    /// Decides shuffling, crops, drawn captions and dropout.
    pub seed: u64,
    /// Questions in a step of pre-training, where it has some.
    #[serde(default)]
    pub questions_per_step: usize,
    /// Wrong answers beside the right one of every round, where dialogs are learned.
    #[serde(default = "three")]
    pub wrong_answers: usize,
    /// Twin, queue and negatives, where pictures and texts are compared.
    #[serde(default)]
    pub contrast: ContrastConfig,
}

impl Default for TrainConfig {
    /// A fine-tuning of a few thousand photographs on one card.
    fn default() -> Self {
        Self {
            epochs: 5,
            batch_size: 32,
            accumulate: 1,
            recompute: false,
            half: false,
            captions_per_image: 1,
            learning_rate: 1e-5,
            vision_rate_factor: 1.0,
            final_rate_factor: 0.0,
            warmup_steps: 100,
            first_rate: 0.0,
            schedule: Schedule::Cosine,
            weight_decay: 0.05,
            beta_1: 0.9,
            beta_2: 0.999,
            clip_norm: 1.0,
            label_smoothing: 0.1,
            weight_average: 0.0,
            augment: true,
            min_crop: None,
            freeze: Vec::new(),
            feature_memory_mb: 4096,
            self_critical: false,
            prompt: "a picture of ".to_owned(),
            max_tokens: 40,
            seed: 0,
            questions_per_step: 16,
            wrong_answers: three(),
            contrast: ContrastConfig::default(),
        }
    }
}

/// What runs were begun with before there was a choice.
fn three() -> usize {
    3
}

/// How much work a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainSizes {
    /// Examples of an epoch.
    pub examples: usize,
    /// Optimiser steps of an epoch.
    pub steps_per_epoch: usize,
    /// Optimiser steps of the run.
    pub total_steps: usize,
}

impl TrainConfig {
    /// Checks the settings against each other.
    ///
    /// # Errors
    /// [`Error::Option`] naming the first that makes no sense.
    pub fn check(&self) -> Result<()> {
        let zero = [
            ("epochs", self.epochs),
            ("batch size", self.batch_size),
            ("accumulation", self.accumulate),
            ("captions for each image", self.captions_per_image),
        ];
        for (option, value) in zero {
            if value == 0 {
                return Err(Error::Option { option, reason: "must be at least 1".into() });
            }
        }
        if self.self_critical && self.captions_per_image < 2 {
            let reason = "must be at least 2 for self-critical training, which compares them".into();
            return Err(Error::Option { option: "captions for each image", reason });
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(Error::Option { option: "learning rate", reason: "must be above 0".into() });
        }
        if self.accumulate > self.batch_size {
            let reason = format!("must be at most the batch size of {}", self.batch_size);
            return Err(Error::Option { option: "accumulation", reason });
        }
        if !(0.0..1.0).contains(&self.weight_average) || !(0.0..1.0).contains(&self.label_smoothing) {
            let reason = "must be at least 0 and below 1".into();
            return Err(Error::Option { option: "weight average and label smoothing", reason });
        }
        if self.min_crop.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
            return Err(Error::Option { option: "smallest crop", reason: "must be above 0 and at most 1".into() });
        }
        Ok(())
    }

    /// The same for a model that reads no longer texts than this many tokens.
    pub(super) fn within(self, max_positions: usize) -> Self {
        Self { max_tokens: self.max_tokens.min(max_positions), ..self }
    }

    /// How photographs are distorted, if they are: as the task does it, but for what is set here.
    pub(super) fn distortion(&self, task: Augment) -> Option<Augment> {
        let min_scale = self.min_crop.map_or(task.min_scale, |share| share as f32);
        self.augment.then_some(Augment { min_scale, ..task })
    }

    /// What [`check`](Self::check) cannot know: that pictures are compared with each other.
    ///
    /// # Errors
    /// [`Error::Option`] for a batch of one, and shares that are none.
    pub(super) fn check_pairs(&self) -> Result<()> {
        if self.batch_size < 2 {
            let reason = "must be at least 2: pictures are compared with each other".into();
            return Err(Error::Option { option: "batch size", reason });
        }
        if !(0.0..=1.0).contains(&self.contrast.alpha) || !(0.0..=1.0).contains(&self.contrast.momentum) {
            let reason = "must be at least 0 and at most 1".into();
            return Err(Error::Option { option: "alpha and momentum", reason });
        }
        Ok(())
    }

    /// The steps that this many training photographs make.
    pub fn sizes(&self, num_images: usize) -> TrainSizes {
        let steps_per_epoch = num_images.div_ceil(self.batch_size).max(1);
        TrainSizes { examples: num_images, steps_per_epoch, total_steps: steps_per_epoch * self.epochs }
    }

    /// The names and values in which two runs differ, for a message.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let fields = |config: &Self| serde_json::to_value(config).ok().and_then(|value| value.as_object().cloned());
        let (Some(mine), Some(theirs)) = (fields(self), fields(other)) else {
            return Vec::new();
        };
        // Parts change how a step is computed, not what it is: a smaller card may go on with more.
        let compared = mine.iter().filter(|(name, _)| *name != "accumulate");
        let changed = compared.filter(|(name, value)| theirs.get(*name) != Some(value));
        changed
            .map(|(name, value)| {
                format!("{name}: {value} was {}", theirs.get(name).unwrap_or(&serde_json::Value::Null))
            })
            .collect()
    }
}
