//! Training on dialogs: is this the answer, or one of the others? (BLIP §5.5; the authors released no code.)
//!
//! The paper says that the match loss tells right answers from wrong ones and no more: which wrong ones, and how
//! many, is ours. A step reads some rounds of every dialog, each with its answer and some of its other options,
//! drawn at random; the picture and the caption are read once for all of them.

use std::ops::Range;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::TrainConfig;
use super::pictures::{Wanted, WantedPicture};
use super::trainer::{Step, Task, Trainer};
use crate::data::{DialogExample, DialogSet};
use crate::error::{Error, Result};
use crate::loss::itm;
use crate::model::Dialog;
use crate::nn::BlockRuns;
use crate::preprocess::{Augment, Preprocessor, pre_caption};
use crate::text::TokenIds;
use crate::tokenizer::{Tokenizer, dialog_rows, dialog_turn, pad};

/// Words of a caption that are read.
const MAX_WORDS: usize = 30;

/// A dialog with the rounds that teach something.
struct Talk {
    example: DialogExample,
    /// Its first token `[CLS]`.
    caption: Vec<u32>,
    /// Rounds whose answer is known and has a wrong one beside it.
    rounds: Vec<usize>,
}

/// Photographs and dialogs about them.
pub struct DialogTask {
    preprocessor: Preprocessor,
    tokens: TokenIds,
    max_positions: usize,
    questions: Vec<Vec<u32>>,
    answers: Vec<Vec<u32>>,
    talks: Vec<Talk>,
}

/// A dialog model in training.
pub type DialogTrainer = Trainer<DialogTask>;

impl DialogTrainer {
    /// Prepares a run on the model's device; dialogs without a round to learn from are left out.
    ///
    /// `captions_per_image` of the settings is how many rounds of each dialog a step reads.
    ///
    /// # Errors
    /// As [`CaptionTrainer::new`](super::CaptionTrainer::new).
    pub fn new(
        model: Dialog,
        tokenizer: &Tokenizer,
        tokens: TokenIds,
        preprocessor: Preprocessor,
        set: DialogSet,
        config: TrainConfig,
    ) -> Result<Self> {
        for (option, value) in [("rounds", config.captions_per_image), ("wrong answers", config.wrong_answers)] {
            if value == 0 {
                return Err(Error::Option { option, reason: "must be at least 1".into() });
            }
        }
        let encode = |text: &String| tokenizer.encode(&pre_caption(text, usize::MAX));
        let mut task = DialogTask {
            preprocessor,
            tokens,
            max_positions: model.text().max_positions(),
            questions: set.questions.iter().map(encode).collect::<Result<_>>()?,
            answers: set.answers.iter().map(encode).collect::<Result<_>>()?,
            talks: Vec::with_capacity(set.examples.len()),
        };
        for example in set.examples {
            let caption = pre_caption(&example.caption, MAX_WORDS);
            let caption = tokenizer.encode_between(tokens.cls, &caption, task.max_positions)?;
            let teaches =
                |round: &usize| task.right(&example, *round).is_some() && !task.wrong(&example, *round).is_empty();
            let rounds: Vec<usize> = (0..example.rounds.len()).filter(teaches).collect();
            if !rounds.is_empty() {
                task.talks.push(Talk { example, caption, rounds });
            }
        }
        Self::of(task, model, TrainConfig { prompt: String::new(), ..config })
    }
}

impl Task for DialogTask {
    type Model = Dialog;
    /// The rows of every dialog: its drawn rounds, each with its answer and wrong ones.
    type Drawn = Vec<Vec<Vec<u32>>>;

    fn with_runs(model: Dialog, runs: &BlockRuns) -> Dialog {
        model.with_runs(runs)
    }

    fn num_examples(&self) -> usize {
        self.talks.len()
    }

    fn draw(
        &self,
        examples: &[usize],
        config: &TrainConfig,
        draws: &mut StdRng,
    ) -> (Vec<Vec<Vec<u32>>>, Option<Wanted>) {
        let augment = config.distortion(Augment::default());
        let (mut pictures, mut rows) = (Vec::with_capacity(examples.len()), Vec::with_capacity(examples.len()));
        for talk in examples.iter().map(|place| &self.talks[*place]) {
            let seed = draws.random();
            let distortion = augment.map(|how| (how, seed));
            pictures.push(WantedPicture { picture: talk.example.image.clone(), distortion });
            let rounds = drawn(&talk.rounds, config.captions_per_image, draws).into_iter();
            rows.push(
                rounds.flat_map(|round| self.draw_rows(&talk.example, round, config.wrong_answers, draws)).collect(),
            );
        }
        (rows, Some(Wanted { pictures, preprocessor: self.preprocessor.clone() }))
    }

    async fn learn(&mut self, model: &Dialog, step: Step<'_, Vec<Vec<Vec<u32>>>>) -> Result<(f32, GradientsParams)> {
        let Step { examples, config, drawn: rows, pictures, .. } = step;
        let pictures = pictures.as_ref().expect("a step asks for pictures");
        let loss = async |model: &Dialog, part: Range<usize>, device: &Device| {
            let pixels = pictures.pixels(part.clone(), device);
            // Every dialog has as many rows, so a part weighs what its dialogs are of all.
            let share = part.len() as f64 / examples.len() as f64;
            let rows = rows[part.clone()].concat();
            Ok(self.loss(model, &examples[part], pixels, &rows, config.wrong_answers) * share)
        };
        step.parts().learn(model, loss).await
    }
}

impl DialogTask {
    /// The mean cross-entropy over the drawn rounds of some dialogs, `[1]`.
    fn loss(
        &self,
        model: &Dialog,
        examples: &[usize],
        pixels: Tensor<4>,
        rows: &[Vec<u32>],
        wrong: usize,
    ) -> Tensor<1> {
        let device = pixels.device();
        let captions: Vec<Vec<u32>> = examples.iter().map(|place| self.talks[*place].caption.clone()).collect();
        let captions = pad(&captions, self.tokens.pad, &device);
        let context = model.context(model.vision().forward(pixels), captions.ids, captions.hidden);

        // The first row of every round ends with its answer.
        let matches: Vec<bool> = (0..rows.len()).map(|row| row % (1 + wrong) == 0).collect();
        let rows = pad(rows, self.tokens.pad, &device);
        itm(model.itm_logits(rows.ids, rows.hidden, &context), &matches)
    }

    /// A round of a dialog with its answer, then with as many wrong ones as are wanted.
    fn draw_rows(&self, example: &DialogExample, round: usize, wrong: usize, draws: &mut StdRng) -> Vec<Vec<u32>> {
        let turn = |round: usize, is_last: bool| {
            let round = &example.rounds[round];
            let answer = round.answer.filter(|_| !is_last).map(|answer| self.answers[answer].as_slice());
            dialog_turn(&self.questions[round.question], answer, self.tokens)
        };
        let turns: Vec<Vec<u32>> = (0..=round).map(|earlier| turn(earlier, earlier == round)).collect();
        let right = self.right(example, round);
        let wrong = drawn(&self.wrong(example, round), wrong, draws);
        let candidates: Vec<&[u32]> = right.into_iter().chain(wrong).collect();
        dialog_rows(&turns, &candidates, self.tokens, self.max_positions)
    }

    /// The answer of a round, where it is known.
    fn right(&self, example: &DialogExample, round: usize) -> Option<&[u32]> {
        let round = &example.rounds[round];
        Some(&self.answers[round.options[round.right?] as usize])
    }

    /// The options of a round that are not its answer, by whichever place they have in the list.
    fn wrong(&self, example: &DialogExample, round: usize) -> Vec<&[u32]> {
        let right = self.right(example, round);
        let options = example.rounds[round].options.iter().map(|option| self.answers[*option as usize].as_slice());
        options.filter(|option| Some(*option) != right).collect()
    }
}

/// As many of them as are wanted, at random; where they are fewer, some come again.
fn drawn<T: Copy>(from: &[T], count: usize, draws: &mut StdRng) -> Vec<T> {
    let mut order = from.to_vec();
    order.shuffle(draws);
    order.into_iter().cycle().take(count).collect()
}
