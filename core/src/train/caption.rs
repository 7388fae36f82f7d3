//! Language-modelling training of a captioner (BLIP §4.1, `train_caption.py`).

use std::ops::{ControlFlow, Range};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand::rngs::StdRng;
use rayon::prelude::*;

use super::TrainConfig;
use super::features::Keeping;
use super::pictures::{Ahead, Wanted, WantedPicture};
use super::reward::{Reward, Written, advantages, self_critical, written_for_reward};
use super::rows::{Row, Sample, token_losses, tokenize};
use super::trainer::{Step, Task, Trainer};
use crate::data::{CaptionExample, Picture};
use crate::error::{Error, Result};
use crate::generate::generate;
use crate::model::Captioner;
use crate::nn::BlockRuns;
use crate::preprocess::{Augment, Preprocessor};
use crate::progress::Report;
use crate::readback::read;
use crate::text::{Context, TokenIds};
use crate::tokenizer::Tokenizer;

/// Photographs encoded at once while a loss is measured.
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

/// What a step reads beside pictures.
pub struct Drawn {
    /// Rows of captions, of every photograph as many.
    rows: Vec<Vec<Vec<u32>>>,
    /// One for each photograph: how it is distorted, or what is written for it.
    seeds: Vec<u64>,
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
        let config = config.within(model.writer().max_positions());
        let prompt = 1 + tokenizer.encode(&config.prompt)?.len();
        if config.max_tokens <= prompt {
            let reason = format!("must be above the {prompt} tokens of the prompt");
            return Err(Error::Option { option: "longest caption", reason });
        }
        let task = CaptionTask {
            preprocessor,
            tokens,
            prompt,
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
        let (mut batches, mut ahead) = (samples.chunks(READ_BATCH), Ahead::new());
        let wanted = |samples: &[Sample]| {
            Wanted::undistorted(samples.iter().map(|sample| &sample.image), &self.task.preprocessor)
        };
        let mut next = || batches.next().map(|samples| (samples, Some(wanted(samples))));
        while let Some((samples, Some(pictures))) = ahead.next(&mut next)? {
            let image_embeds = model.vision().forward(pictures.all(&device));
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
    type Drawn = Drawn;

    fn with_runs(model: Captioner, runs: &BlockRuns) -> Captioner {
        model.with_runs(runs)
    }

    fn num_examples(&self) -> usize {
        self.samples.len()
    }

    async fn prepare(&mut self, model: &Captioner, config: &TrainConfig, report: &mut Report<'_>) -> Result<()> {
        let images: Vec<&Picture> = self.samples.iter().map(|sample| &sample.image).collect();
        self.keeping.prepare(model.vision(), &images, &self.preprocessor, config, report).await
    }

    fn draw(&self, images: &[usize], config: &TrainConfig, draws: &mut StdRng) -> (Drawn, Option<Wanted>) {
        let rows: Vec<Vec<Vec<u32>>> =
            images.iter().map(|image| self.samples[*image].draw(config.captions_per_image, draws)).collect();
        let seeds: Vec<u64> = images.iter().map(|_| draws.random()).collect();
        let augment = config.distortion(Augment::default());
        let picture = |(image, seed): (&usize, &u64)| WantedPicture {
            picture: self.samples[*image].image.clone(),
            distortion: augment.map(|augment| (augment, *seed)),
        };
        let wanted = || Wanted {
            pictures: images.iter().zip(&seeds).map(picture).collect(),
            preprocessor: self.preprocessor.clone(),
        };
        let wanted = self.keeping.reads_pictures().then(wanted);
        (Drawn { rows, seeds }, wanted)
    }

    async fn learn(&mut self, model: &Captioner, step: Step<'_, Drawn>) -> Result<(f32, GradientsParams)> {
        let Step { examples, config, drawn: Drawn { rows, seeds }, pictures, .. } = step;
        let labels: usize = rows.iter().flatten().map(|row| row.len() - self.prompt).sum();

        let loss = async |model: &Captioner, part: Range<usize>, device: &Device| {
            let images = &examples[part.clone()];
            let shown = self.keeping.shown(images.iter().copied(), pictures, part.clone(), device);
            let context = Context::new(shown.embeds(model.vision()));
            Ok(match &self.reward {
                Some(reward) => {
                    self.self_critical_loss(model, images, &context, reward, config, seeds[part.start]).await?
                }
                None => {
                    let rows: Vec<Row> =
                        rows[part].iter().flatten().map(|ids| Row { ids, given: self.prompt }).collect();
                    let smoothing = config.label_smoothing;
                    // The mean over the whole step's tokens, whichever part they are in.
                    token_losses(model.writer(), &rows, &context, self.tokens, smoothing).sum() / labels as f64
                }
            })
        };
        step.parts().learn(model, loss).await
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
}
