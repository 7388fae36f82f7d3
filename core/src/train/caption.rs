//! Language-modelling training of a captioner (BLIP §4.1, `train_caption.py`).

use std::ops::ControlFlow;
use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::features::FeatureCache;
use super::freeze::first_learning_part;
use super::reward::{Reward, Written, advantages, self_critical, written_for_reward};
use super::rows::{Row, Sample, token_losses, tokenize};
use super::trainer::{Step, Task, Trainer};
use super::{TrainConfig, pictures};
use crate::data::CaptionExample;
use crate::error::{Error, Result};
use crate::generate::generate;
use crate::model::Captioner;
use crate::nn::BlockRuns;
use crate::preprocess::{Augment, Preprocessor};
use crate::progress::{Progress, Report};
use crate::readback::read;
use crate::text::{Context, TokenIds};
use crate::tokenizer::Tokenizer;

/// Photographs encoded at once while features are cached or a loss is measured.
const READ_BATCH: usize = 32;

/// A captioner in training.
pub type CaptionTrainer = Trainer<CaptionTask>;

/// Photographs and their captions, given or its own.
pub struct CaptionTask {
    preprocessor: Preprocessor,
    tokens: TokenIds,
    /// Tokens of a row that are given, not learned: `[DEC]` and the prompt.
    prompt: usize,
    samples: Vec<Sample>,
    keeping: Keeping,
    reward: Option<Reward>,
}

/// Whether what the first learning part of the image encoder reads is kept.
enum Keeping {
    Undecided,
    Nothing,
    Features { features: FeatureCache, first_part: usize },
}

impl CaptionTrainer {
    /// Prepares a run on the model's device.
    ///
    /// # Errors
    /// [`Error::Option`] for settings that make no sense, [`Error::TooFewExamples`] without a caption,
    /// and what the tokenizer gives.
    pub fn new(
        model: Captioner,
        tokenizer: &Tokenizer,
        tokens: TokenIds,
        preprocessor: Preprocessor,
        examples: &[CaptionExample],
        config: TrainConfig,
    ) -> Result<Self> {
        let task = CaptionTask {
            preprocessor,
            tokens,
            prompt: 1 + tokenizer.encode(&config.prompt)?.len(),
            samples: tokenize(examples, tokenizer, tokens, &config)?,
            keeping: Keeping::Undecided,
            reward: None,
        };
        Self::of(task, model, config)
    }

    /// Learns from what captions of its own are worth instead of from captions that are given.
    pub fn with_reward(mut self, reward: Reward) -> Self {
        self.task.reward = Some(reward);
        self
    }

    /// The mean loss over other photographs and all their captions, without label smoothing.
    ///
    /// # Errors
    /// Unreadable photographs and a failing device.
    pub async fn validation_loss(&self, examples: &[CaptionExample], tokenizer: &Tokenizer) -> Result<f32> {
        let samples = tokenize(examples, tokenizer, self.task.tokens, &self.config)?;
        let model = self.model();
        let device = self.device.clone().without_autodiff();
        let (mut sum, mut count) = (0.0, 0);
        for samples in samples.chunks(READ_BATCH) {
            let paths: Vec<(&Path, u64)> = samples.iter().map(|sample| (sample.image.as_path(), 0)).collect();
            let image_embeds = model.vision().forward(pictures::read(&paths, &self.task.preprocessor, None, &device)?);
            let most = samples.iter().map(|sample| sample.rows.len()).max().unwrap_or(0);
            // Every image reads as many rows; those it lacks repeat its first and are not counted.
            let rows: Vec<Row> = samples
                .iter()
                .flat_map(|sample| {
                    (0..most).map(|index| match sample.rows.get(index) {
                        Some(ids) => Row { ids, given: self.task.prompt },
                        None => Row { ids: &sample.rows[0], given: sample.rows[0].len() },
                    })
                })
                .collect();
            let losses =
                read(token_losses(model.writer(), &rows, &Context::new(image_embeds), self.task.tokens, 0.0)).await?;
            sum += losses.iter().map(|loss| f64::from(*loss)).sum::<f64>();
            count += losses.len();
        }
        Ok((sum / count.max(1) as f64) as f32)
    }
}

impl Task for CaptionTask {
    type Model = Captioner;

    fn with_runs(model: Captioner, runs: &BlockRuns) -> Captioner {
        model.with_runs(runs)
    }

    fn num_examples(&self) -> usize {
        self.samples.len()
    }

    async fn prepare(&mut self, model: &Captioner, config: &TrainConfig, report: &mut Report<'_>) -> Result<()> {
        if matches!(self.keeping, Keeping::Undecided) {
            let first_part = first_learning_part(model.vision());
            let [_, image_token, hidden] = model.vision().position().dims();
            let fits = FeatureCache::megabytes(self.samples.len(), image_token, hidden) <= config.feature_memory_mb;
            self.keeping = match first_part > 0 && !config.augment && fits {
                true => Keeping::Features { features: FeatureCache::default(), first_part },
                false => Keeping::Nothing,
            };
        }
        self.fill_features(model, report).await
    }

    async fn learn(&mut self, model: &Captioner, mut step: Step<'_>) -> Result<(f32, GradientsParams)> {
        let Step { examples, config, device, ref mut draws, .. } = step;
        let drawn: Vec<Vec<Vec<u32>>> = examples.iter().map(|image| self.draw_rows(*image, config, draws)).collect();
        let labels: usize = drawn.iter().flatten().map(|row| row.len() - self.prompt).sum();
        let seeds: Vec<u64> = examples.iter().map(|_| draws.random()).collect();

        let part = examples.len().div_ceil(config.accumulate);
        let mut accumulator = GradientsAccumulator::new();
        let mut total = 0.0;
        for ((images, rows), seeds) in examples.chunks(part).zip(drawn.chunks(part)).zip(seeds.chunks(part)) {
            let context = Context::new(self.image_embeds(model, images, seeds, config, device)?);
            let loss = match &self.reward {
                Some(reward) => self.self_critical_loss(model, images, &context, reward, config, seeds[0]).await?,
                None => {
                    let rows: Vec<Row> = rows.iter().flatten().map(|ids| Row { ids, given: self.prompt }).collect();
                    let smoothing = config.label_smoothing;
                    // The mean over the whole step's tokens, whichever part they are in.
                    token_losses(model.writer(), &rows, &context, self.tokens, smoothing).sum() / labels as f64
                }
            };
            accumulator.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
            total += read(loss.inner()).await?[0];
        }
        Ok((total, accumulator.grads()))
    }
}

impl CaptionTask {
    /// Lets the model write captions, and makes those more likely that are better than its others.
    async fn self_critical_loss(
        &self,
        model: &Captioner,
        images: &[usize],
        context: &Context,
        reward: &Reward,
        config: &TrainConfig,
        seed: u64,
    ) -> Result<Tensor<1>> {
        let still = model.valid();
        let seen = Context::new(context.states.clone().inner());
        let start = &self.samples[images[0]].rows[0][..self.prompt];
        let per_image = config.captions_per_image;
        let draws = written_for_reward(per_image, config.max_tokens, seed);
        let go_on = &mut |_: usize, _: &[u32]| ControlFlow::Continue(());
        let written = generate(still.writer(), &seen, start, self.tokens, &draws, go_on).await?;

        let written: Vec<Written> =
            written.into_iter().flatten().map(|text| Written::new(start, text, self.tokens)).collect();
        let image = |index: usize| self.samples[images[index / per_image]].example;
        let rewards: Vec<f64> = written
            .par_iter()
            .enumerate()
            .map(|(index, text)| reward(image(index), text.caption(start.len())))
            .collect();
        let rows: Vec<Row> = written.iter().map(|text| Row { ids: &text.ids, given: self.prompt }).collect();
        let losses = token_losses(model.writer(), &rows, context, self.tokens, 0.0);
        Ok(self_critical(losses, &rows, &advantages(&rewards, per_image)))
    }

    /// As many captions of a photograph as a step reads, different ones as long as there are.
    fn draw_rows(&self, image: usize, config: &TrainConfig, draws: &mut StdRng) -> Vec<Vec<u32>> {
        let rows = &self.samples[image].rows;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.shuffle(draws);
        order.iter().cycle().take(config.captions_per_image).map(|index| rows[*index].clone()).collect()
    }

    fn image_embeds(
        &self,
        model: &Captioner,
        images: &[usize],
        seeds: &[u64],
        config: &TrainConfig,
        device: &Device,
    ) -> Result<Tensor<3>> {
        if let Keeping::Features { features, first_part } = &self.keeping {
            let x = features.batch(images, device);
            // A wholly frozen encoder's output is kept, else what its first learning part reads.
            return Ok(if keeps_output(model, *first_part) { x } else { model.vision().resume(x, *first_part) });
        }
        let paths = images.iter().map(|image| self.samples[*image].image.as_path());
        let pictures: Vec<(&Path, u64)> = paths.zip(seeds.iter().copied()).collect();
        let augment = config.distortion(Augment::default());
        let pixels = pictures::read(&pictures, &self.preprocessor, augment.as_ref(), device)?;
        Ok(model.vision().forward(pixels))
    }

    /// Encodes all photographs once, as far as the encoder stays as it is.
    async fn fill_features(&mut self, model: &Captioner, report: &mut Report<'_>) -> Result<()> {
        let Keeping::Features { features, first_part } = &mut self.keeping else { return Ok(()) };
        let keeps_output = keeps_output(model, *first_part);
        let vision = model.vision().valid();
        let device = vision.devices().into_iter().next().unwrap_or_else(Device::flex);
        while features.len() < self.samples.len() {
            let done = features.len();
            let paths = self.samples[done..].iter().take(READ_BATCH).map(|sample| (sample.image.as_path(), 0));
            let paths: Vec<(&Path, u64)> = paths.collect();
            let pixels = pictures::read(&paths, &self.preprocessor, None, &device)?;
            let states = match keeps_output {
                true => vision.forward(pixels),
                false => vision.pause(pixels, *first_part),
            };
            features.push(states).await?;
            let progress = Progress::Items { stage: "encoding", done: features.len(), total: self.samples.len() };
            if report(progress).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }
}

/// Whether the image encoder is frozen to its end.
fn keeps_output(model: &Captioner, first_part: usize) -> bool {
    first_part > model.vision().num_layers()
}
