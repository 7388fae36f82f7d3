//! Training on pairs: pre-training with ITC, ITM and LM (BLIP §3.2, `pretrain.py`), and retrieval
//! with the first two (BLIP §4.1, `train_retrieval.py`).

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand::rngs::StdRng;

use super::TrainConfig;
use super::answer::Questions;
use super::contrast::{Contrast, Pairs};
use super::features::{Keeping, Shown};
use super::freeze::first_learning_part;
use super::parts::gradients;
use super::pictures::{Wanted, WantedPicture};
use super::rows::{Row, Sample, places, token_losses, tokenize};
use super::trainer::{Step, Task, Trainer};
use crate::checkpoint::{NamedTensor, Weights};
use crate::data::{CaptionExample, Picture, QuestionExample};
use crate::error::{Error, Result};
use crate::model::{Comparer, Matcher, Pretraining, Responder, Writer};
use crate::nn::BlockRuns;
use crate::preprocess::{Augment, Preprocessor};
use crate::progress::Report;
use crate::text::{Context, TokenIds};
use crate::tokenizer::Tokenizer;
use crate::vision::VisionTransformer;

/// A model that learns from pairs.
pub trait LearnsPairs: Module {
    /// The image encoder.
    fn vision(&self) -> &VisionTransformer;
    /// What compares.
    fn comparer(&self) -> Comparer<'_>;
    /// What writes, where the model does.
    fn writer(&self) -> Option<Writer<'_>>;
    /// What answers questions, where the model does.
    fn responder(&self) -> Option<Responder<'_>>;
    /// What its momentum twin is a copy of.
    fn to_twin(&self) -> Matcher;
    /// The same model, whose towers' blocks run so.
    fn with_runs(self, runs: &BlockRuns) -> Self;
    /// How its training pictures are distorted.
    fn augment() -> Augment;
}

impl LearnsPairs for Pretraining {
    fn vision(&self) -> &VisionTransformer {
        self.vision()
    }

    fn comparer(&self) -> Comparer<'_> {
        self.comparer()
    }

    fn writer(&self) -> Option<Writer<'_>> {
        Some(self.writer())
    }

    fn responder(&self) -> Option<Responder<'_>> {
        self.responder()
    }

    fn to_twin(&self) -> Matcher {
        self.to_matcher()
    }

    fn with_runs(self, runs: &BlockRuns) -> Self {
        self.with_runs(runs)
    }

    fn augment() -> Augment {
        Augment::pretraining()
    }
}

impl LearnsPairs for Matcher {
    fn vision(&self) -> &VisionTransformer {
        self.vision()
    }

    fn comparer(&self) -> Comparer<'_> {
        self.comparer()
    }

    fn writer(&self) -> Option<Writer<'_>> {
        None
    }

    fn responder(&self) -> Option<Responder<'_>> {
        None
    }

    fn to_twin(&self) -> Matcher {
        self.clone()
    }

    fn with_runs(self, runs: &BlockRuns) -> Self {
        self.with_runs(runs)
    }

    fn augment() -> Augment {
        Augment::default()
    }
}

/// Photographs, some of their captions a step, and what they are compared with.
pub struct PairTask<M> {
    preprocessor: Preprocessor,
    tokens: TokenIds,
    embed: usize,
    samples: Vec<Sample>,
    questions: Option<Questions>,
    keeping: Keeping,
    /// Begun with the first step, when the model is known, or where a saved run ended.
    contrast: Option<Contrast>,
    model: std::marker::PhantomData<M>,
}

/// What a step reads beside pictures.
pub struct Drawn {
    /// Texts for every photograph, of each as many, their first token `[CLS]`.
    texts: Vec<Vec<u32>>,
    /// The places of its questions; their pictures, each once, follow those of the texts.
    questions: Vec<usize>,
}

/// A pre-training model, or a matcher, in training.
pub type PairTrainer<M> = Trainer<PairTask<M>>;

impl<M: LearnsPairs> PairTrainer<M> {
    /// Prepares a run on the model's device.
    ///
    /// # Errors
    /// As [`CaptionTrainer::new`](super::CaptionTrainer::new).
    pub fn new(
        model: M,
        tokenizer: &Tokenizer,
        tokens: TokenIds,
        preprocessor: Preprocessor,
        examples: &[CaptionExample],
        config: TrainConfig,
    ) -> Result<Self> {
        // Without a prompt: what is written is what is read (`pretrain_dataset.py`).
        let mut config = TrainConfig { prompt: String::new(), ..config };
        config.check_pairs()?;
        config = config.within(model.comparer().text().max_positions());
        // Pictures are read in parts, texts together: these save their memory by running again.
        config.recompute |= config.accumulate > 1;
        let task = PairTask {
            preprocessor,
            tokens,
            embed: model.comparer().embed_size(),
            samples: tokenize(examples, tokenizer, tokens, &config)?,
            questions: None,
            keeping: Keeping::Undecided,
            contrast: None,
            model: std::marker::PhantomData,
        };
        Self::of(task, model, config)
    }

    /// Answers questions too: some in every step, drawn at random, from the same image encoder.
    ///
    /// # Errors
    /// [`Error::NoHead`] for a model that does not answer, [`Error::TooFewExamples`] without a
    /// question that has an answer, and what the tokenizer gives.
    pub fn with_questions(mut self, tokenizer: &Tokenizer, examples: &[QuestionExample]) -> Result<Self> {
        let (tokens, preprocessor) = (self.task.tokens, self.task.preprocessor.clone());
        let Some(responder) = self.learning().responder() else {
            let (task, found) = ("answering", "model without answer layers".to_owned());
            return Err(Error::NoHead { task, found, needed: "a pre-training model that has them" });
        };
        let questions = Questions::new(responder, tokenizer, tokens, preprocessor, examples, &self.config)?;
        if questions.len() == 0 {
            return Err(Error::TooFewExamples { found: 0, least: 1 });
        }
        self.task.questions = Some(questions);
        Ok(self)
    }
}

impl<M: LearnsPairs> Task for PairTask<M> {
    type Model = M;
    type Drawn = Drawn;

    /// What is compared is the whole batch.
    const IS_SUM: bool = false;

    fn with_runs(model: M, runs: &BlockRuns) -> M {
        model.with_runs(runs)
    }

    fn num_examples(&self) -> usize {
        self.samples.len()
    }

    /// A picture alone has no negatives.
    fn least_examples(&self) -> usize {
        2
    }

    async fn prepare(&mut self, model: &M, config: &TrainConfig, report: &mut Report<'_>) -> Result<()> {
        if self.contrast.is_none() {
            self.contrast = Some(self.begin(model, config));
        }
        let own = self.samples.iter().map(|sample| &sample.image);
        let images: Vec<&Picture> = own.chain(self.questions.iter().flat_map(Questions::images)).collect();
        self.keeping.prepare(model.vision(), &images, &self.preprocessor, config, report).await
    }

    fn draw(&self, images: &[usize], config: &TrainConfig, draws: &mut StdRng) -> (Drawn, Option<Wanted>) {
        let texts = images.iter().flat_map(|image| self.draw_texts(*image, config, draws)).collect();
        let augment = config.distortion(M::augment());
        let mut picture = |image: &usize| {
            let seed = draws.random();
            WantedPicture { picture: self.samples[*image].image.clone(), distortion: augment.map(|how| (how, seed)) }
        };
        let mut pictures: Vec<WantedPicture> = images.iter().map(&mut picture).collect();
        let mut questions = Vec::new();
        if let Some(asked) = &self.questions {
            questions = asked.draw(config.questions_per_step.max(1), draws);
            pictures.extend(asked.pictures(&asked.distinct_images(&questions).0, draws, config));
        }
        let wanted = Wanted { pictures, preprocessor: self.preprocessor.clone() };
        (Drawn { texts, questions }, self.keeping.reads_pictures().then_some(wanted))
    }

    async fn learn(&mut self, model: &M, step: Step<'_, Drawn>) -> Result<(f32, GradientsParams)> {
        let Step { examples, config, drawn: Drawn { texts, questions: asked }, pictures, mut draws, .. } = step;
        let (vision, batch) = (model.vision(), examples.len());
        let still = step.device.clone().without_autodiff();
        let mut shown = self.keeping.shown(examples.iter().copied(), pictures, 0..batch, &still);
        let part = batch.div_ceil(config.accumulate);
        // Beside the step's own draws, so that negatives do not depend on the parts.
        let mut chance = draws.clone();
        let image_embeds = shown.clone().learning().embeds_in_parts(vision, part, || chance.random()); // [batch, image_token, hidden]
        let first_part = first_learning_part(vision);
        if first_part > vision.num_layers() {
            // Nothing of the encoder learns: the twin's is the same and need not run.
            shown = Shown::Kept { states: image_embeds.clone().inner(), part: first_part };
        }
        let ids: Vec<i64> = examples.iter().map(|image| self.samples[*image].example as i64).collect();
        let context = model.comparer().text().with_keys(Context::new(image_embeds.clone()));
        let pairs = Pairs { shown, context: context.clone(), texts, ids: &ids };

        let alpha = config.contrast.alpha_at(step.index, step.sizes.steps_per_epoch);
        // Kept once the step is whole: one that found no memory is taken again.
        let mut contrast = self.contrast.clone().expect("a run is prepared before its first step");
        contrast.read_in_parts(part);
        contrast.follow(model);
        let [itc, itm] = contrast.losses(model.comparer(), &pairs, alpha, &mut draws).await?;
        let mut loss = itc + itm;
        if let Some(writer) = model.writer() {
            // A stack of its own reads with keys of its own.
            let reads_alike = std::ptr::eq(writer.text(), model.comparer().text());
            let context = if reads_alike { context } else { Context::new(image_embeds) };
            loss = loss + self.written_loss(writer, texts, &context, config);
        }
        if let (Some(questions), Some(responder)) = (&self.questions, model.responder()) {
            let (images, rows) = questions.distinct_images(asked);
            let part = batch..batch + images.len();
            let images = images.into_iter().map(|image| self.samples.len() + image);
            let image = Context::new(self.keeping.shown(images, pictures, part, step.device).embeds(vision));
            let image = responder.question().with_keys(image).select(places(&rows, step.device));
            let answered = questions.loss(responder, &image, asked, config.label_smoothing);
            loss = loss + answered / asked.len() as f64;
        }
        let learned = gradients(loss, step.scale, model).await?;
        self.contrast = Some(contrast);
        Ok(learned)
    }

    fn state(&self) -> Vec<NamedTensor> {
        self.contrast.as_ref().map(Contrast::tensors).unwrap_or_default()
    }

    fn restore(&mut self, model: &M, config: &TrainConfig, file: &Weights) -> Result<()> {
        let mut contrast = self.begin(model, config);
        contrast.restore(file)?;
        self.contrast = Some(contrast);
        Ok(())
    }
}

impl<M: LearnsPairs> PairTask<M> {
    fn begin(&self, model: &M, config: &TrainConfig) -> Contrast {
        let twin = model.valid().to_twin();
        let device = twin.devices().into_iter().next().unwrap_or_else(Device::flex);
        // The queue begins at random: from the run's seed, so that two runs begin alike.
        device.seed(config.seed);
        Contrast::new(config.contrast.clone(), twin, self.embed, self.tokens, &device)
    }

    /// Captions of a photograph, their first token `[CLS]`.
    fn draw_texts(&self, image: usize, config: &TrainConfig, draws: &mut StdRng) -> Vec<Vec<u32>> {
        let mut texts = self.samples[image].draw(config.captions_per_image, draws);
        texts.iter_mut().for_each(|text| text[0] = self.tokens.cls);
        texts
    }

    /// The mean over all tokens of what writing the texts costs, `[1]`.
    fn written_loss(
        &self,
        writer: Writer<'_>,
        texts: &[Vec<u32>],
        context: &Context,
        config: &TrainConfig,
    ) -> Tensor<1> {
        let written: Vec<Vec<u32>> = texts
            .iter()
            .map(|text| std::iter::once(self.tokens.decode).chain(text[1..].iter().copied()).collect())
            .collect();
        let rows: Vec<Row> = written.iter().map(|ids| Row { ids, given: 1 }).collect();
        token_losses(writer, &rows, context, self.tokens, config.label_smoothing).mean()
    }
}
