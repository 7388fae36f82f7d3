//! Training on questions: the answer is written from the question's states, every answer that
//! people gave weighed by how many gave it (BLIP §5.3, `train_vqa.py`, `blip_vqa.py`).

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::TrainConfig;
use super::features::Keeping;
use super::pictures::{Wanted, WantedPicture};
use super::rows::{Row, places, token_losses};
use super::trainer::{Step, Task, Trainer};
use crate::data::{Picture, QuestionExample};
use crate::error::Result;
use crate::model::{Answerer, Responder};
use crate::nn::BlockRuns;
use crate::preprocess::{Augment, Preprocessor, pre_question};
use crate::progress::Report;
use crate::text::{Context, TokenIds};
use crate::tokenizer::{Tokenizer, pad};

/// Words of a question that are read.
const MAX_WORDS: usize = 50;

/// A question as tokens.
struct Asked {
    /// Its place among the pictures.
    image: usize,
    /// Its first token `[ENC]`.
    question: Vec<u32>,
    /// Answers, the first token of each `[DEC]`, and the share of people who gave it times the question's weight.
    answers: Vec<(Vec<u32>, f32)>,
}

/// Photographs, questions and answers.
pub(super) struct Questions {
    preprocessor: Preprocessor,
    tokens: TokenIds,
    /// What is asked about, each picture once.
    images: Vec<Picture>,
    asked: Vec<Asked>,
    /// The places of the questions about each picture.
    about: Vec<Vec<usize>>,
}

/// The task of an answerer: questions alone.
pub struct AnswerTask {
    questions: Questions,
    keeping: Keeping,
}

/// An answerer in training.
pub type AnswerTrainer = Trainer<AnswerTask>;

impl AnswerTrainer {
    /// Prepares a run on the model's device; questions without an answer are left out.
    ///
    /// # Errors
    /// As [`CaptionTrainer::new`](super::CaptionTrainer::new).
    pub fn new(
        model: Answerer,
        tokenizer: &Tokenizer,
        tokens: TokenIds,
        preprocessor: Preprocessor,
        examples: &[QuestionExample],
        config: TrainConfig,
    ) -> Result<Self> {
        let config = TrainConfig { prompt: String::new(), captions_per_image: 1, ..config };
        let config = config.within(model.responder().writer().max_positions());
        let questions = Questions::new(model.responder(), tokenizer, tokens, preprocessor, examples, &config)?;
        Self::of(AnswerTask { questions, keeping: Keeping::Undecided }, model, config)
    }
}

impl Questions {
    /// Questions as tokens; those without an answer are left out.
    pub fn new(
        model: Responder<'_>,
        tokenizer: &Tokenizer,
        tokens: TokenIds,
        preprocessor: Preprocessor,
        examples: &[QuestionExample],
        config: &TrainConfig,
    ) -> Result<Self> {
        let mut asked = Vec::with_capacity(examples.len());
        let (mut images, mut places) = (Vec::new(), HashMap::new());
        for example in examples {
            let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
            let answers = example.answers.iter().map(|answer| answer.trim()).filter(|answer| !answer.is_empty());
            answers.for_each(|answer| *counted.entry(answer).or_default() += 1);
            let people: usize = counted.values().sum();
            let question = pre_question(&example.question, MAX_WORDS);
            if people == 0 || question.is_empty() {
                continue;
            }
            let row = |(answer, count): (&str, usize)| -> Result<(Vec<u32>, f32)> {
                let share = count as f32 / people as f32;
                let ids = tokenizer.encode_between(tokens.decode, answer, config.max_tokens)?;
                Ok((ids, share * example.weight))
            };
            let image = *places.entry(&example.image).or_insert_with(|| {
                images.push(example.image.clone());
                images.len() - 1
            });
            asked.push(Asked {
                image,
                question: tokenizer.encode_between(tokens.encode, &question, model.question().max_positions())?,
                answers: counted.into_iter().map(row).collect::<Result<_>>()?,
            });
        }
        let mut about = vec![Vec::new(); images.len()];
        asked.iter().enumerate().for_each(|(place, asked): (usize, &Asked)| about[asked.image].push(place));
        Ok(Self { preprocessor, tokens, images, asked, about })
    }

    /// So many questions, those about a picture together: it is encoded once for all of them.
    pub fn draw(&self, count: usize, draws: &mut StdRng) -> Vec<usize> {
        let mut pictures: Vec<usize> = (0..self.images.len()).collect();
        pictures.shuffle(draws);
        pictures.into_iter().flat_map(|picture| &self.about[picture]).copied().take(count).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// What is asked about, each picture once.
    pub fn images(&self) -> &[Picture] {
        &self.images
    }

    /// The places, among [`images`](Self::images), of what these questions are about.
    pub fn images_of(&self, places: &[usize]) -> impl Iterator<Item = usize> {
        places.iter().map(|place| self.asked[*place].image)
    }

    /// The pictures of these questions, each once, and for each question which of them it is about.
    pub fn distinct_images(&self, places: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let mut images: Vec<usize> = Vec::new();
        let mut row = |image: usize| match images.iter().position(|known| *known == image) {
            Some(row) => row,
            None => {
                images.push(image);
                images.len() - 1
            }
        };
        let rows = self.images_of(places).map(&mut row).collect();
        (images, rows)
    }

    /// These pictures; how each is distorted is drawn.
    pub fn pictures(&self, images: &[usize], draws: &mut StdRng, config: &TrainConfig) -> Vec<WantedPicture> {
        let augment = config.distortion(Augment::default());
        let mut picture = |image: &usize| {
            let seed = draws.random();
            WantedPicture { picture: self.images[*image].clone(), distortion: augment.map(|how| (how, seed)) }
        };
        images.iter().map(&mut picture).collect()
    }

    /// The sum over all answers to these questions of what writing each costs, times its share of
    /// people, `[1]`; `image` has a row for every question.
    pub fn loss(&self, responder: Responder<'_>, image: &Context, asked: &[usize], smoothing: f64) -> Tensor<1> {
        let asked: Vec<&Asked> = asked.iter().map(|place| &self.asked[*place]).collect();
        let device = image.states.device();
        let questions: Vec<Vec<u32>> = asked.iter().map(|asked| asked.question.clone()).collect();
        let questions = pad(&questions, self.tokens.pad, &device);
        let states = responder.question_states(questions.ids, questions.hidden.clone(), image);

        // Questions have different numbers of answers: each answer reads a copy of its question.
        let rows = asked.iter().enumerate().flat_map(|(row, asked)| asked.answers.iter().map(move |_| row));
        let rows: Vec<usize> = rows.collect();
        let context = Context { hidden: questions.hidden, ..Context::new(states) }.select(places(&rows, &device));
        let answers: Vec<&(Vec<u32>, f32)> = asked.iter().flat_map(|asked| &asked.answers).collect();
        let rows: Vec<Row> = answers.iter().map(|(ids, _)| Row { ids, given: 1 }).collect();
        let losses = token_losses(responder.writer(), &rows, &context, self.tokens, smoothing);
        let shares = answers.iter().flat_map(|(ids, share)| std::iter::repeat_n(*share, ids.len() - 1));
        let shares: Vec<f32> = shares.collect();
        (losses * Tensor::from_data(TensorData::from(shares.as_slice()), &device)).sum()
    }
}

impl Task for AnswerTask {
    type Model = Answerer;
    type Drawn = ();

    fn with_runs(model: Answerer, runs: &BlockRuns) -> Answerer {
        model.with_runs(runs)
    }

    fn num_examples(&self) -> usize {
        self.questions.len()
    }

    async fn prepare(&mut self, model: &Answerer, config: &TrainConfig, report: &mut Report<'_>) -> Result<()> {
        let images: Vec<&Picture> = self.questions.images.iter().collect();
        let preprocessor = &self.questions.preprocessor;
        self.keeping.prepare(model.vision(), &images, preprocessor, config, report).await
    }

    fn draw(&self, examples: &[usize], config: &TrainConfig, draws: &mut StdRng) -> ((), Option<Wanted>) {
        let images: Vec<usize> = self.questions.images_of(examples).collect();
        let pictures = self.questions.pictures(&images, draws, config);
        let wanted = Wanted { pictures, preprocessor: self.questions.preprocessor.clone() };
        ((), self.keeping.reads_pictures().then_some(wanted))
    }

    async fn learn(&mut self, model: &Answerer, step: Step<'_, ()>) -> Result<(f32, GradientsParams)> {
        let Step { examples, config, pictures, .. } = step;
        let loss = async |model: &Answerer, part: Range<usize>, device: &Device| {
            let places = &examples[part.clone()];
            let shown = self.keeping.shown(self.questions.images_of(places), pictures, part, device);
            let image = Context::new(shown.embeds(model.vision()));
            let loss = self.questions.loss(model.responder(), &image, places, config.label_smoothing);
            Ok(loss / examples.len() as f64)
        };
        step.parts().learn(model, loss).await
    }
}
