//! Training on statements about two pictures (BLIP §5.4, `train_nlvr.py`, `blip_nlvr.py`).

use std::path::{Path, PathBuf};

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand::rngs::StdRng;

use super::trainer::{Step, Task, Trainer, in_parts};
use super::{TrainConfig, pictures};
use crate::data::StatementExample;
use crate::error::Result;
use crate::loss::itm;
use crate::model::Reasoner;
use crate::nn::BlockRuns;
use crate::preprocess::{Augment, Preprocessor, pre_caption, swap_sides};
use crate::text::{Context, TokenIds};
use crate::tokenizer::{Tokenizer, pad};

/// Words of a statement that are read.
const MAX_WORDS: usize = 40;

/// A statement as tokens.
struct Stated {
    /// Left and right.
    images: [PathBuf; 2],
    /// The statement, and as it is true of the pictures exchanged; the first token of each `[ENC]`.
    rows: [Vec<u32>; 2],
    label: bool,
}

/// Pairs of photographs and statements about them.
pub struct ReasonTask {
    preprocessor: Preprocessor,
    tokens: TokenIds,
    stated: Vec<Stated>,
}

/// A reasoner in training.
pub type ReasonTrainer = Trainer<ReasonTask>;

impl ReasonTrainer {
    /// Prepares a run on the model's device; statements without a word or a label are left out.
    ///
    /// # Errors
    /// As [`CaptionTrainer::new`](super::CaptionTrainer::new).
    pub fn new(
        model: Reasoner,
        tokenizer: &Tokenizer,
        tokens: TokenIds,
        preprocessor: Preprocessor,
        examples: &[StatementExample],
        config: TrainConfig,
    ) -> Result<Self> {
        let mut stated = Vec::with_capacity(examples.len());
        for example in examples {
            let statement = pre_caption(&example.statement, MAX_WORDS);
            let Some(label) = example.label.filter(|_| !statement.is_empty()) else { continue };
            let row = |text: &str| tokenizer.encode_between(tokens.encode, text, model.text().max_positions());
            let rows = [row(&statement)?, row(&swap_sides(&statement))?];
            stated.push(Stated { images: example.images.clone(), rows, label });
        }
        let config = TrainConfig { prompt: String::new(), captions_per_image: 1, ..config };
        Self::of(ReasonTask { preprocessor, tokens, stated }, model, config)
    }
}

impl Task for ReasonTask {
    type Model = Reasoner;

    fn with_runs(model: Reasoner, runs: &BlockRuns) -> Reasoner {
        model.with_runs(runs)
    }

    fn num_examples(&self) -> usize {
        self.stated.len()
    }

    async fn learn(&mut self, model: &Reasoner, step: Step<'_>) -> Result<(f32, GradientsParams)> {
        let Step { examples, config, device, mut draws, .. } = step;
        in_parts(model, examples, config.accumulate, |part| {
            let loss = self.loss(model, part, config, &mut draws, device)?;
            Ok(loss * (part.len() as f64 / examples.len() as f64))
        })
        .await
    }
}

impl ReasonTask {
    /// The mean cross-entropy over some examples, `[1]`.
    fn loss(
        &self,
        model: &Reasoner,
        examples: &[usize],
        config: &TrainConfig,
        draws: &mut StdRng,
        device: &Device,
    ) -> Result<Tensor<1>> {
        let stated: Vec<&Stated> = examples.iter().map(|place| &self.stated[*place]).collect();
        // Every other pair is exchanged, and so is what is said of its sides (`nlvr_dataset.py`). Drawn example by
        // example, so that parts of a step draw what the whole step would.
        let drawn: Vec<(usize, [u64; 2])> =
            stated.iter().map(|_| (usize::from(draws.random_bool(0.5)), draws.random())).collect();
        let sides = [0, 1].map(|side| {
            let pictures = stated.iter().zip(&drawn);
            pictures.map(move |(stated, (swapped, seeds))| (stated.images[side ^ swapped].as_path(), seeds[side]))
        });
        let pictures: Vec<(&Path, u64)> = sides.into_iter().flatten().collect(); // all on the left, then all on the right
        let augment = config.distortion(Augment::default());
        let pixels = pictures::read(&pictures, &self.preprocessor, augment.as_ref(), device)?;

        let rows: Vec<Vec<u32>> =
            stated.iter().zip(&drawn).map(|(stated, (swapped, _))| stated.rows[*swapped].clone()).collect();
        let rows = pad(&rows, self.tokens.pad, device);
        let image_embeds = model.vision().forward(pixels); // [2 * batch, image_token, hidden]
        let [left, right] = [0, 1].map(|side| image_embeds.clone().narrow(0, side * stated.len(), stated.len()));
        let logits = model.logits(rows.ids, rows.hidden, &Context::pair(left, right));
        let labels: Vec<bool> = stated.iter().map(|stated| stated.label).collect();
        Ok(itm(logits, &labels))
    }
}
