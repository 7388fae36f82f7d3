//! Language-modelling training of a captioner (BLIP §4.1, `train_caption.py`).

use std::ops::ControlFlow;
use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

use super::features::FeatureCache;
use super::freeze::{first_learning_part, freeze};
use super::optimizer::Optimizer;
use super::reward::{Reward, Written, advantages, self_critical, written_for_reward};
use super::rows::{Row, Sample, token_losses, tokenize};
use super::state::{self, Run};
use super::{TrainConfig, TrainSizes, learning_rate, pictures};
use crate::data::{CaptionExample, epoch_order};
use crate::error::{Error, Result};
use crate::generate::generate;
use crate::model::Captioner;
use crate::preprocess::{Augment, Preprocessor};
use crate::progress::{Progress, Report};
use crate::text::{Context, TokenIds};
use crate::tokenizer::Tokenizer;

/// Photographs encoded at once while features are cached or a loss is measured.
const READ_BATCH: usize = 32;

/// A captioner in training.
pub struct CaptionTrainer {
    config: TrainConfig,
    sizes: TrainSizes,
    model: Captioner,
    optimizer: Optimizer,
    preprocessor: Preprocessor,
    tokens: TokenIds,
    /// Tokens of a row that are given, not learned: `[DEC]` and the prompt.
    prompt: usize,
    samples: Vec<Sample>,
    /// What the first learning part of the image encoder reads, kept where nothing changes it.
    features: Option<FeatureCache>,
    first_part: usize,
    reward: Option<Reward>,
    run: Run,
    device: Device,
}

/// A finished epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Epochs finished, this one included.
    pub epoch: usize,
    /// Mean loss of its steps.
    pub train_loss: f32,
}

impl CaptionTrainer {
    /// Prepares a run on the model's device.
    ///
    /// # Errors
    /// [`Error::Option`] for settings that make no sense, [`Error::EmptyText`] without a caption,
    /// and what the tokenizer gives.
    pub fn new(
        model: Captioner,
        tokenizer: &Tokenizer,
        tokens: TokenIds,
        preprocessor: Preprocessor,
        examples: &[CaptionExample],
        config: TrainConfig,
    ) -> Result<Self> {
        config.check()?;
        let samples = tokenize(examples, tokenizer, tokens, &config)?;
        if samples.is_empty() {
            return Err(Error::EmptyText);
        }
        let prompt = 1 + tokenizer.encode(&config.prompt)?.len();
        let device = model.devices().into_iter().next().unwrap_or_else(Device::flex).autodiff();
        let model = freeze(model.to_device(&device).train(), &config.freeze);
        let sizes = config.sizes(samples.len());
        let first_part = first_learning_part(model.vision());
        let [_, image_token, hidden] = model.vision().position().dims();
        let fits = FeatureCache::megabytes(samples.len(), image_token, hidden) <= config.feature_memory_mb;
        let features = (first_part > 0 && !config.augment && fits).then(FeatureCache::default);
        let run = Run {
            config: config.clone(),
            num_images: samples.len(),
            step: 0,
            epoch_loss: (0.0, 0),
            times: Default::default(),
        };
        let optimizer = Optimizer::new(&config);
        Ok(Self {
            config,
            sizes,
            model,
            optimizer,
            preprocessor,
            tokens,
            prompt,
            samples,
            features,
            first_part,
            reward: None,
            run,
            device,
        })
    }

    /// Learns from what captions of its own are worth instead of from captions that are given.
    pub fn with_reward(self, reward: Reward) -> Self {
        Self { reward: Some(reward), ..self }
    }

    /// Takes up a run where [`save`](Self::save) left it.
    ///
    /// # Errors
    /// [`Error::Config`] listing the differences when the settings or data changed, and what
    /// reading gives.
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        let mut optimizer = Optimizer::new(&self.config);
        let (run, model) = state::load(path, self.model.clone(), &mut optimizer)?;
        let mut differences = self.config.differences(&run.config);
        if run.num_images != self.samples.len() {
            differences.push(format!("photographs: {} was {}", self.samples.len(), run.num_images));
        }
        if !differences.is_empty() {
            let reason = format!("this run was begun with other settings: {}", differences.join("; "));
            return Err(Error::Config { reason });
        }
        (self.run, self.model, self.optimizer) = (run, model, optimizer);
        Ok(())
    }

    /// Writes all that [`resume`](Self::resume) needs, all or nothing.
    ///
    /// # Errors
    /// As [`checkpoint::save`](crate::checkpoint::save).
    pub async fn save(&self, path: &Path) -> Result<()> {
        state::save(path, &self.run, &self.model, &self.optimizer).await
    }

    /// The model as it would be used: without gradients, with the running mean of its weights.
    pub fn model(&self) -> Captioner {
        self.optimizer.averaged(self.model.valid())
    }

    /// How much work the run is.
    pub fn sizes(&self) -> TrainSizes {
        self.sizes
    }

    /// Optimiser steps taken so far.
    pub fn step(&self) -> usize {
        self.run.step
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.run.step >= self.sizes.total_steps
    }

    /// Trains to the end of the epoch, from wherever in it the run stands.
    ///
    /// # Errors
    /// [`Error::Cancelled`] after a whole step, ready to be saved; [`Error::LossNotFinite`] with
    /// the weights from before the step; unreadable photographs.
    pub async fn epoch(&mut self, report: &mut Report<'_>) -> Result<Epoch> {
        self.fill_features(report).await?;
        let epoch = self.run.step / self.sizes.steps_per_epoch;
        let order = epoch_order(self.samples.len(), self.config.seed, epoch as u64);
        let skipped = self.run.step % self.sizes.steps_per_epoch;
        for images in order.chunks(self.config.batch_size).skip(skipped) {
            let step = self.run.step;
            let rate = learning_rate(&self.config, step, self.sizes.total_steps);
            let loss = self.train_step(images, rate).await?;
            if !loss.is_finite() {
                return Err(Error::LossNotFinite { step });
            }
            self.run.step += 1;
            self.run.epoch_loss.0 += f64::from(loss);
            self.run.epoch_loss.1 += 1;
            let progress = Progress::Step {
                step: self.run.step,
                total: self.sizes.total_steps,
                loss,
                learning_rate: rate,
                images: images.len(),
            };
            let ends = self.run.step.is_multiple_of(self.sizes.steps_per_epoch);
            if report(progress).is_break() && !ends {
                return Err(Error::Cancelled);
            }
        }
        let (sum, steps) = std::mem::take(&mut self.run.epoch_loss);
        Ok(Epoch { epoch: epoch + 1, train_loss: (sum / steps.max(1) as f64) as f32 })
    }

    /// The mean loss over other photographs and all their captions, without label smoothing.
    ///
    /// # Errors
    /// Unreadable photographs and a failing device.
    pub async fn validation_loss(&self, examples: &[CaptionExample], tokenizer: &Tokenizer) -> Result<f32> {
        let samples = tokenize(examples, tokenizer, self.tokens, &self.config)?;
        let model = self.model();
        let device = self.device.clone().without_autodiff();
        let (mut sum, mut count) = (0.0, 0);
        for samples in samples.chunks(READ_BATCH) {
            let paths: Vec<(&Path, u64)> = samples.iter().map(|sample| (sample.image.as_path(), 0)).collect();
            let image_embeds = model.vision().forward(pictures::read(&paths, &self.preprocessor, None, &device)?);
            let most = samples.iter().map(|sample| sample.rows.len()).max().unwrap_or(0);
            // Every image reads as many rows; those it lacks repeat its first and are not counted.
            let rows: Vec<Row> = samples
                .iter()
                .flat_map(|sample| {
                    (0..most).map(|index| match sample.rows.get(index) {
                        Some(ids) => Row { ids, given: self.prompt },
                        None => Row { ids: &sample.rows[0], given: sample.rows[0].len() },
                    })
                })
                .collect();
            let losses =
                read(token_losses(model.writer(), &rows, &Context::new(image_embeds), self.tokens, 0.0)).await?;
            sum += losses.iter().map(|loss| f64::from(*loss)).sum::<f64>();
            count += losses.len();
        }
        Ok((sum / count.max(1) as f64) as f32)
    }

    async fn train_step(&mut self, images: &[usize], rate: f64) -> Result<f32> {
        let step = self.run.step as u64;
        let mut draws = StdRng::seed_from_u64(self.config.seed ^ step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // Dropout depends on the step alone, so that a resumed run drops the same.
        self.device.seed(draws.random());
        let drawn: Vec<Vec<Vec<u32>>> = images.iter().map(|image| self.draw_rows(*image, &mut draws)).collect();
        let labels: usize = drawn.iter().flatten().map(|row| row.len() - self.prompt).sum();
        let seeds: Vec<u64> = images.iter().map(|_| draws.random()).collect();

        let part = images.len().div_ceil(self.config.accumulate);
        let mut accumulator = GradientsAccumulator::new();
        let mut total = 0.0;
        for ((images, rows), seeds) in images.chunks(part).zip(drawn.chunks(part)).zip(seeds.chunks(part)) {
            let context = Context::new(self.image_embeds(images, seeds)?);
            let loss = match &self.reward {
                Some(reward) => self.self_critical_loss(images, &context, reward, seeds[0]).await?,
                None => {
                    let rows: Vec<Row> = rows.iter().flatten().map(|ids| Row { ids, given: self.prompt }).collect();
                    let smoothing = self.config.label_smoothing;
                    // The mean over the whole step's tokens, whichever part they are in.
                    token_losses(self.model.writer(), &rows, &context, self.tokens, smoothing).sum() / labels as f64
                }
            };
            let grads = GradientsParams::from_grads(loss.backward(), &self.model);
            accumulator.accumulate(&self.model, grads);
            total += read(loss.inner()).await?[0];
        }
        if total.is_finite() {
            let grads = accumulator.grads();
            self.model = self.optimizer.step(self.model.clone(), grads, rate, &self.config);
        }
        Ok(total)
    }

    /// Lets the model write captions, and makes those more likely that are better than its others.
    async fn self_critical_loss(
        &self,
        images: &[usize],
        context: &Context,
        reward: &Reward,
        seed: u64,
    ) -> Result<Tensor<1>> {
        let model = self.model.valid();
        let seen = Context::new(context.states.clone().inner());
        let start = &self.samples[images[0]].rows[0][..self.prompt];
        let per_image = self.config.captions_per_image;
        let config = written_for_reward(per_image, self.config.max_tokens, seed);
        let go_on = &mut |_: usize, _: &[u32]| ControlFlow::Continue(());
        let written = generate(model.writer(), &seen, start, self.tokens, &config, go_on).await?;

        let written: Vec<Written> =
            written.into_iter().flatten().map(|text| Written::new(start, text, self.tokens)).collect();
        let image = |index: usize| self.samples[images[index / per_image]].example;
        let rewards: Vec<f64> = written
            .par_iter()
            .enumerate()
            .map(|(index, text)| reward(image(index), text.caption(start.len())))
            .collect();
        let rows: Vec<Row> = written.iter().map(|text| Row { ids: &text.ids, given: self.prompt }).collect();
        let losses = token_losses(self.model.writer(), &rows, context, self.tokens, 0.0);
        Ok(self_critical(losses, &rows, &advantages(&rewards, per_image)))
    }

    /// As many captions of a photograph as a step reads, different ones as long as there are.
    fn draw_rows(&self, image: usize, draws: &mut StdRng) -> Vec<Vec<u32>> {
        let rows = &self.samples[image].rows;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.shuffle(draws);
        order.iter().cycle().take(self.config.captions_per_image).map(|index| rows[*index].clone()).collect()
    }

    fn image_embeds(&self, images: &[usize], seeds: &[u64]) -> Result<Tensor<3>> {
        if let Some(features) = &self.features {
            let x = features.batch(images, &self.device);
            // A wholly frozen encoder's output is kept, else what its first learning part reads.
            return Ok(if self.keeps_output() { x } else { self.model.vision().resume(x, self.first_part) });
        }
        let paths = images.iter().map(|image| self.samples[*image].image.as_path());
        let pictures: Vec<(&Path, u64)> = paths.zip(seeds.iter().copied()).collect();
        let augment = self.config.augment.then(Augment::default);
        let pixels = pictures::read(&pictures, &self.preprocessor, augment.as_ref(), &self.device)?;
        Ok(self.model.vision().forward(pixels))
    }

    /// Whether the image encoder is frozen to its end.
    fn keeps_output(&self) -> bool {
        self.first_part > self.model.vision().num_layers()
    }

    /// Encodes all photographs once, as far as the encoder stays as it is.
    async fn fill_features(&mut self, report: &mut Report<'_>) -> Result<()> {
        let Some(mut features) = self.features.take() else { return Ok(()) };
        let vision = self.model.vision().valid();
        let keeps_output = self.keeps_output();
        let device = self.device.clone().without_autodiff();
        while features.len() < self.samples.len() {
            let done = features.len();
            let paths = self.samples[done..].iter().take(READ_BATCH).map(|sample| (sample.image.as_path(), 0));
            let paths: Vec<(&Path, u64)> = paths.collect();
            let pixels = pictures::read(&paths, &self.preprocessor, None, &device)?;
            let states = match keeps_output {
                true => vision.forward(pixels),
                false => vision.pause(pixels, self.first_part),
            };
            features.push(states).await?;
            let progress = Progress::Items { stage: "encoding", done: features.len(), total: self.samples.len() };
            if report(progress).is_break() {
                self.features = Some(features);
                return Err(Error::Cancelled);
            }
        }
        self.features = Some(features);
        Ok(())
    }
}

async fn read(tensor: Tensor<1>) -> Result<Vec<f32>> {
    let failed = |reason: String| Error::Device { reason };
    let data = tensor.into_data_async().await.map_err(|error| failed(format!("{error:?}")))?;
    data.convert::<f32>().try_to_vec().map_err(|error| failed(format!("{error:?}")))
}
