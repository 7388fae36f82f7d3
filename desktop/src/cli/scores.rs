//! What a model is worth on a dataset.

use anyhow::{Context, Result};
use medley::data::{CaptionExample, DialogExample, Picture, QuestionExample, StatementExample};
use medley::eval::{
    CaptionScores, DialogScores, RankedRound, RetrievalScores, caption_scores, dialog_scores, ranks, retrieval_scores,
};
use medley::generate::{GenerateConfig, Strategy};
use medley::pipeline::{Bank, DialogQuestion, PixelPair, Rerank};
use medley::preprocess::pre_caption;
use medley::{AnswerOptions, CaptionOptions, Error, Pipeline, Progress};

use super::fetch::Fetched;
use super::progress::Bar;

/// A captioned dataset.
pub struct Scored {
    /// One caption for each example, or for the first of them where someone stopped it.
    pub captions: Vec<String>,
    /// Against the examples' own captions.
    pub scores: CaptionScores,
}

/// Refuses what was stopped before all was done.
pub fn whole<E, D>(examples: &[E], done: Vec<D>) -> medley::Result<Vec<D>> {
    if done.len() < examples.len() { Err(Error::Cancelled) } else { Ok(done) }
}

/// What a step of a long task gave; `None` where someone stopped it.
fn unless_stopped<T>(given: medley::Result<T>) -> medley::Result<Option<T>> {
    match given {
        Ok(given) => Ok(Some(given)),
        Err(Error::Cancelled) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The pixels of a picture of a dataset; an error names it.
pub fn read(pipeline: &Pipeline, picture: &Picture) -> medley::Result<Vec<f32>> {
    let broken = |error: medley::Error| medley::Error::Data { path: picture.path(), reason: error.to_string() };
    pipeline.pixels(&picture.read()?).map_err(broken)
}

/// Captions as they are scored: so many beams, as the authors end them.
pub fn caption_options(beams: usize) -> CaptionOptions {
    let strategy = if beams > 1 { Strategy::beam(beams) } else { Strategy::Greedy };
    CaptionOptions { generate: GenerateConfig { strategy, ..GenerateConfig::default() }, ..CaptionOptions::default() }
}

/// Captions every example, or the first of them until someone stops it, and scores the result.
pub async fn score(
    pipeline: &Pipeline,
    examples: &[CaptionExample],
    options: &CaptionOptions,
    batch: usize,
    bar: &mut Bar,
) -> Result<Scored> {
    let pictures = examples.iter().map(|example| example.image.clone()).collect();
    let fetched = Fetched::begin(&pipeline.inputs().pixels, pictures, batch);
    let mut captions = Vec::with_capacity(examples.len());
    while captions.len() < examples.len() {
        let seen = pipeline.see(&fetched.next()?);
        let written = pipeline.caption(&seen, options, &mut |_| super::interrupt::flow()).await;
        let Some(written) = unless_stopped(written)? else { break };
        captions.extend(
            written.into_iter().map(|texts| texts.into_iter().next().map_or_else(String::new, |best| best.text)),
        );
        let progress = Progress::Items { stage: "captioning", done: captions.len(), total: examples.len() };
        if bar.report(progress).is_break() {
            break;
        }
    }
    bar.clear();
    let references: Vec<Vec<String>> =
        examples[..captions.len()].iter().map(|example| example.captions.clone()).collect();
    let scores = caption_scores(&captions, &references);
    Ok(Scored { captions, scores })
}

/// Finds the texts of every example among all, and the example of every text.
pub async fn retrieval_score(
    pipeline: &Pipeline,
    examples: &[CaptionExample],
    rerank: Rerank,
    bank: Option<&Bank>,
    bar: &mut Bar,
) -> Result<RetrievalScores> {
    let (image_of, texts) = texts_of(pipeline, examples)?;
    let mut pixels = |image: usize| read(pipeline, &examples[image].image);
    let mut report = |progress| bar.report(progress);
    let found = pipeline.retrieve(examples.len(), &mut pixels, &texts, rerank, bank, &mut report).await?;
    Ok(retrieval_scores(&found.texts, &found.images, &image_of))
}

/// Examples to compare with, of which none is searched.
pub async fn bank_of(pipeline: &Pipeline, examples: &[CaptionExample], bar: &mut Bar) -> Result<Bank> {
    let (_, texts) = texts_of(pipeline, examples)?;
    let mut pixels = |image: usize| read(pipeline, &examples[image].image);
    let mut report = |progress| bar.report(progress);
    Ok(pipeline.bank(examples.len(), &mut pixels, &texts, &mut report).await?)
}

/// The captions of all examples, and the place of the example of each.
fn texts_of(pipeline: &Pipeline, examples: &[CaptionExample]) -> Result<(Vec<usize>, Vec<String>)> {
    let (mut image_of, mut texts) = (Vec::new(), Vec::new());
    for (image, example) in examples.iter().enumerate() {
        // As in training: what is nothing but punctuation is no text, and a long one is read as far as it goes.
        for caption in example.captions.iter().filter(|caption| !pre_caption(caption, usize::MAX).is_empty()) {
            image_of.push(image);
            texts.push(pipeline.shortened(&pre_caption(caption, usize::MAX))?);
        }
    }
    Ok((image_of, texts))
}

/// Answers every question of a dataset, or the first of them until someone stops it.
pub async fn answer_all(
    pipeline: &Pipeline,
    examples: &[QuestionExample],
    options: &AnswerOptions,
    bar: &mut Bar,
) -> Result<Vec<String>> {
    // Questions about a picture follow each other; it is encoded once for all of them.
    let groups: Vec<&[QuestionExample]> = examples.chunk_by(|a, b| a.image == b.image).collect();
    let pictures = groups.iter().map(|group| group[0].image.clone()).collect();
    let fetched = Fetched::begin(&pipeline.inputs().pixels, pictures, 1);
    let mut answers = Vec::with_capacity(examples.len());
    'groups: for group in groups {
        let seen = pipeline.see(&fetched.next()?);
        for example in group {
            let question = pipeline.shortened(&example.question)?;
            let found = pipeline.answer(&seen, &question, options, &mut |_| super::interrupt::flow()).await;
            let Some(found) = unless_stopped(found)? else { break 'groups };
            answers.push(found.into_iter().next().map_or_else(String::new, |best| best.text));
            let progress = Progress::Items { stage: "answering", done: answers.len(), total: examples.len() };
            if bar.report(progress).is_break() {
                break 'groups;
            }
        }
    }
    bar.clear();
    Ok(answers)
}

/// Pairs of pictures in one pass.
const PAIRS: usize = 8;

/// The probability that each statement of a dataset is true of its pictures, or of the first until someone stops it.
pub async fn judge_all(pipeline: &Pipeline, examples: &[StatementExample], bar: &mut Bar) -> Result<Vec<f32>> {
    let pictures = examples.iter().flat_map(|example| example.images.clone()).collect();
    let fetched = Fetched::begin(&pipeline.inputs().pixels, pictures, 2 * PAIRS);
    let mut verdicts = Vec::with_capacity(examples.len());
    for examples_of_pass in examples.chunks(PAIRS) {
        let pictures = fetched.next()?;
        let pairs: Vec<PixelPair> = pictures.as_chunks::<2>().0.to_vec();
        let statements: Result<Vec<String>, Error> =
            examples_of_pass.iter().map(|example| pipeline.shortened(&example.statement)).collect();
        verdicts.extend(pipeline.reason_all(&pairs, &statements?).await?);
        let progress = Progress::Items { stage: "judging", done: verdicts.len(), total: examples.len() };
        if bar.report(progress).is_break() {
            break;
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

/// The ranks of the options of every round of every dialog, or of the first until someone stops it; none for rounds
/// without options.
///
/// `texts` are the questions and answers that the rounds name by their places.
pub async fn rank_all(
    pipeline: &Pipeline,
    texts: (&[String], &[String]),
    examples: &[DialogExample],
    bar: &mut Bar,
) -> Result<Vec<Vec<Vec<usize>>>> {
    let pictures = examples.iter().map(|example| example.image.clone()).collect();
    let fetched = Fetched::begin(&pipeline.inputs().pixels, pictures, 1);
    let mut ranked = Vec::with_capacity(examples.len());
    for example in examples {
        let pixels = fetched.next()?.swap_remove(0);
        let places: Vec<usize> =
            (0..example.rounds.len()).filter(|round| !example.rounds[*round].options.is_empty()).collect();
        let questions: Vec<DialogQuestion> = places.iter().map(|round| question(texts, example, *round)).collect();
        let mut go_on = |_| super::interrupt::flow();
        let scores = pipeline.rank_answers(&pixels, &example.caption, &questions, &mut go_on).await;
        let scores = unless_stopped(scores).with_context(|| format!("dialog about image {}", example.id))?;
        let Some(scores) = scores else { break };
        let mut of_rounds = vec![Vec::new(); example.rounds.len()];
        places.into_iter().zip(scores).for_each(|(round, scores)| of_rounds[round] = ranks(&scores));
        ranked.push(of_rounds);
        let progress = Progress::Items { stage: "ranking answers", done: ranked.len(), total: examples.len() };
        if bar.report(progress).is_break() {
            break;
        }
    }
    bar.clear();
    Ok(ranked)
}

/// A round of a dialog as the pipeline is asked it.
fn question((questions, answers): (&[String], &[String]), example: &DialogExample, round: usize) -> DialogQuestion {
    let earlier = example.rounds[..round].iter();
    let history = earlier.map(|round| {
        (questions[round.question].clone(), round.answer.map_or_else(String::new, |answer| answers[answer].clone()))
    });
    let round = &example.rounds[round];
    DialogQuestion {
        history: history.collect(),
        question: questions[round.question].clone(),
        candidates: round.options.iter().map(|option| answers[*option as usize].clone()).collect(),
    }
}

/// Where the right answers stood.
pub fn dialog_score(examples: &[DialogExample], ranks: &[Vec<Vec<usize>>]) -> DialogScores {
    let rounds = examples.iter().zip(ranks).flat_map(|(example, ranks)| example.rounds.iter().zip(ranks));
    dialog_scores(rounds.filter(|(_, ranks)| !ranks.is_empty()).map(|(round, ranks)| RankedRound {
        ranks,
        right: round.right,
        relevance: round.relevance.as_deref(),
    }))
}
