//! What a model is worth on a dataset.

use anyhow::{Context, Result};
use medley::data::{CaptionExample, QuestionExample, StatementExample};
use medley::eval::{CaptionScores, RetrievalScores, caption_scores, retrieval_scores};
use medley::generate::{GenerateConfig, Strategy};
use medley::preprocess::pre_caption;
use medley::{AnswerOptions, CaptionOptions, Pipeline, Progress};

use super::picture;
use super::progress::Bar;

/// A captioned dataset.
pub struct Scored {
    /// One caption for each example.
    pub captions: Vec<String>,
    /// Against the examples' own captions.
    pub scores: CaptionScores,
}

/// Captions every example and scores the result.
pub async fn score(
    pipeline: &Pipeline,
    examples: &[CaptionExample],
    beams: usize,
    batch: usize,
    bar: &mut Bar,
) -> Result<Scored> {
    let strategy = if beams > 1 { Strategy::beam(beams) } else { Strategy::Greedy };
    let options = CaptionOptions { generate: GenerateConfig { strategy, ..GenerateConfig::default() }, prompt: None };
    let mut captions = Vec::with_capacity(examples.len());
    for examples in examples.chunks(batch.max(1)).map(<[_]>::to_vec).collect::<Vec<_>>() {
        let mut pixels = Vec::with_capacity(examples.len());
        for example in &examples {
            let bytes = std::fs::read(&example.image)
                .map_err(|source| medley::Error::Read { path: example.image.clone(), source })?;
            pixels.push(pipeline.pixels(&bytes)?);
        }
        let written = pipeline.caption(&pixels, &options, &mut |_| super::interrupt::flow()).await?;
        captions.extend(
            written.into_iter().map(|texts| texts.into_iter().next().map_or_else(String::new, |best| best.text)),
        );
        let progress = Progress::Items { stage: "captioning", done: captions.len(), total: captions.capacity() };
        if bar.report(progress).is_break() {
            return Err(medley::Error::Cancelled.into());
        }
    }
    bar.clear();
    let references: Vec<Vec<String>> = examples.iter().map(|example| example.captions.clone()).collect();
    let scores = caption_scores(&captions, &references);
    Ok(Scored { captions, scores })
}

/// Finds the texts of every example among all, and the example of every text.
pub async fn retrieval_score(
    pipeline: &Pipeline,
    examples: &[CaptionExample],
    candidates: usize,
    bar: &mut Bar,
) -> Result<RetrievalScores> {
    let texts = examples.iter().enumerate().flat_map(|(image, example)| {
        // As in training: what is nothing but punctuation is no text.
        let captions = example.captions.iter().filter(|caption| !pre_caption(caption, usize::MAX).is_empty());
        captions.map(move |caption| (image, caption.clone()))
    });
    let (image_of, texts): (Vec<usize>, Vec<String>) = texts.unzip();
    let mut pixels = |image: usize| {
        let path = &examples[image].image;
        let bytes = std::fs::read(path).map_err(|source| medley::Error::Read { path: path.clone(), source })?;
        pipeline.pixels(&bytes)
    };
    let mut report = |progress| bar.report(progress);
    let found = pipeline.retrieve(examples.len(), &mut pixels, &texts, candidates, &mut report).await?;
    Ok(retrieval_scores(&found.texts, &found.images, &image_of))
}

/// Answers every question of a dataset.
pub async fn answer_all(
    pipeline: &Pipeline,
    examples: &[QuestionExample],
    options: &AnswerOptions,
    bar: &mut Bar,
) -> Result<Vec<String>> {
    let mut answers = Vec::with_capacity(examples.len());
    for example in examples {
        let path = &example.image;
        let bytes = std::fs::read(path).map_err(|source| medley::Error::Read { path: path.clone(), source })?;
        let pixels = pipeline.pixels(&bytes).with_context(|| path.display().to_string())?;
        let found = pipeline.answer(&pixels, &example.question, options, &mut |_| super::interrupt::flow()).await?;
        answers.push(found.into_iter().next().map_or_else(String::new, |best| best.text));
        let progress = Progress::Items { stage: "answering", done: answers.len(), total: examples.len() };
        if bar.report(progress).is_break() {
            return Err(medley::Error::Cancelled.into());
        }
    }
    bar.clear();
    Ok(answers)
}

/// Pairs of pictures in one pass.
const PAIRS: usize = 8;

/// The probability that each statement of a dataset is true of its pictures.
pub async fn judge_all(pipeline: &Pipeline, examples: &[StatementExample], bar: &mut Bar) -> Result<Vec<f32>> {
    let mut verdicts = Vec::with_capacity(examples.len());
    for examples_of_pass in examples.chunks(PAIRS) {
        let (mut pairs, mut statements) = (Vec::new(), Vec::new());
        for example in examples_of_pass {
            let [left, right] = &example.images;
            pairs.push([picture::read(pipeline, left)?, picture::read(pipeline, right)?]);
            statements.push(pipeline.shortened(&example.statement)?);
        }
        verdicts.extend(pipeline.reason_all(&pairs, &statements).await?);
        let progress = Progress::Items { stage: "judging", done: verdicts.len(), total: examples.len() };
        if bar.report(progress).is_break() {
            return Err(medley::Error::Cancelled.into());
        }
    }
    bar.clear();
    Ok(verdicts)
}

/// What `reason_scores` reads of the examples whose label is known.
pub fn judged<'a>(
    examples: &'a [StatementExample],
    verdicts: &'a [f32],
) -> impl Iterator<Item = (&'a str, bool, bool)> {
    examples
        .iter()
        .zip(verdicts)
        .filter_map(|(example, verdict)| Some((example.group.as_str(), *verdict > 0.5, example.label?)))
}
