//! Training on statements about two pictures (BLIP §5.4, `train_nlvr.py`, `blip_nlvr.py`).

use std::ops::Range;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand::rngs::StdRng;

use super::TrainConfig;
use super::pictures::{Wanted, WantedPicture};
use super::trainer::{Step, Task, Trainer};
use crate::data::{Picture, StatementExample};
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
    images: [Picture; 2],
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
    /// Whether each pair is exchanged.
    type Drawn = Vec<bool>;

    fn with_runs(model: Reasoner, runs: &BlockRuns) -> Reasoner {
        model.with_runs(runs)
    }

    fn num_examples(&self) -> usize {
        self.stated.len()
    }

    /// Every other pair is exchanged, and so is what is said of its sides (`nlvr_dataset.py`).
    fn draw(&self, examples: &[usize], config: &TrainConfig, draws: &mut StdRng) -> (Vec<bool>, Option<Wanted>) {
        let drawn: Vec<(bool, [u64; 2])> = examples.iter().map(|_| (draws.random_bool(0.5), draws.random())).collect();
        let augment = config.distortion(Augment::default());
        // All on the left, then all on the right.
        let picture = |side: usize, (place, (swapped, seeds)): (&usize, &(bool, [u64; 2]))| WantedPicture {
            picture: self.stated[*place].images[side ^ usize::from(*swapped)].clone(),
            distortion: augment.map(|how| (how, seeds[side])),
        };
        let of_side = |side: usize| examples.iter().zip(&drawn).map(move |example| picture(side, example));
        let pictures = of_side(0).chain(of_side(1)).collect();
        let swapped = drawn.iter().map(|(swapped, _)| *swapped).collect();
        (swapped, Some(Wanted { pictures, preprocessor: self.preprocessor.clone() }))
    }

    async fn learn(&mut self, model: &Reasoner, step: Step<'_, Vec<bool>>) -> Result<(f32, GradientsParams)> {
        let Step { examples, drawn: swapped, pictures, .. } = step;
        let pictures = pictures.as_ref().expect("a step asks for pictures");
        let whole = examples.len();
        let loss = async |model: &Reasoner, part: Range<usize>, device: &Device| {
            let [left, right] = [part.clone(), whole + part.start..whole + part.end];
            let sides = [left, right].map(|side| pictures.pixels(side, device));
            let share = part.len() as f64 / whole as f64;
            Ok(self.loss(model, &examples[part.clone()], &swapped[part], sides) * share)
        };
        step.parts().learn(model, loss).await
    }
}

impl ReasonTask {
    /// The mean cross-entropy over some examples, `[1]`.
    fn loss(&self, model: &Reasoner, examples: &[usize], swapped: &[bool], sides: [Tensor<4>; 2]) -> Tensor<1> {
        let device = sides[0].device();
        let stated: Vec<&Stated> = examples.iter().map(|place| &self.stated[*place]).collect();
        let row = |(stated, swapped): (&&Stated, &bool)| stated.rows[usize::from(*swapped)].clone();
        let rows: Vec<Vec<u32>> = stated.iter().zip(swapped).map(row).collect();
        let rows = pad(&rows, self.tokens.pad, &device);
        let image_embeds = model.vision().forward(Tensor::cat(sides.to_vec(), 0)); // [2 * batch, image_token, hidden]
        let [left, right] = [0, 1].map(|side| image_embeds.clone().narrow(0, side * stated.len(), stated.len()));
        let logits = model.logits(rows.ids, rows.hidden, &Context::pair(left, right));
        let labels: Vec<bool> = stated.iter().map(|stated| stated.label).collect();
        itm(logits, &labels)
    }
}
