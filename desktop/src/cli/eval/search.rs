//! `medley eval search`.
//!
//! Searched for are captions and phrases, the beginnings of captions up to the second word that says something, because
//! people type few words. A candidate is right if it is the text's own picture, or if all words of the text that say
//! something are in the candidate's own captions.

use std::collections::HashSet;

use anyhow::{Result, bail};
use clap::Args;
use medley::eval::calibration::{SIMILARITY, fit, shares};
use medley::pipeline::{Calibration, Evidence, probability, standing};
use medley::preprocess::pre_caption;
use medley::{Pipeline, Progress};
use serde::Serialize;

use super::{CaptionData, ScoreArguments};
use crate::cli::number::count;
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::read;

/// Pictures in one pass, and texts.
const BATCH: usize = 16;
/// Bins of the table of reliability.
const BINS: usize = 10;
/// Cut-offs whose worth is shown.
const CUTS: [f32; 8] = [0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];

/// What to search, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: CaptionData,
    #[command(flatten)]
    score: ScoreArguments,
    /// The most similar that are read together with the text
    #[arg(long, default_value_t = 48, value_name = "K", value_parser = count)]
    rerank: usize,
    /// Captions of a picture that are searched for
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = count)]
    captions: usize,
}

/// A text that is searched for, and its candidates, the most similar first.
struct Search {
    own: usize,
    is_caption: bool,
    candidates: Vec<Candidate>,
    /// Pictures more similar than its own.
    before: usize,
}

#[derive(Clone, Copy)]
struct Candidate {
    picture: usize,
    evidence: Evidence,
    is_right: bool,
}

/// Shares of searches whose picture is among the first 1, 5 and 10.
type Recall = [f64; 3];

#[derive(Serialize)]
struct Scores {
    pictures: usize,
    captions: usize,
    phrases: usize,
    similarity: Recall,
    similarity_and_logit: Recall,
    calibrated: Recall,
    /// Fitted to all texts: what `medley convert --calibration` puts into the model.
    calibration: Calibration,
    read_error: f64,
    unread_error: f64,
    reliability: Vec<Bin>,
    cuts: Vec<Cut>,
}

/// Candidates of about one predicted probability.
#[derive(Clone, Default, Serialize)]
struct Bin {
    candidates: usize,
    predicted: f64,
    observed: f64,
}

/// What a cut-off leaves of the candidates of a search: the share of right ones, and how many are shown.
#[derive(Serialize)]
struct Cut {
    strictness: f32,
    captions: [f64; 2],
    phrases: [f64; 2],
}

/// Searches for every caption, fits the calibration and scores it.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let examples = arguments.data.read()?;
    let mut bar = Bar::new();
    let pipeline = arguments.score.open().await?;
    let searches = searches(&pipeline, &examples, &arguments, &mut bar).await?;
    bar.clear();
    if searches.len() < 4 {
        bail!("there are {} texts to search for, which says nothing", searches.len());
    }
    let scores = score(&searches, examples.len());
    arguments.score.show(&scores, || show(&scores))
}

/// Features of everything, and what reading each text with each of its candidates says.
async fn searches(
    pipeline: &Pipeline,
    examples: &[medley::data::CaptionExample],
    arguments: &Arguments,
    bar: &mut Bar,
) -> Result<Vec<Search>> {
    let mut report = |stage: &'static str, done: usize| match bar
        .report(Progress::Items { stage, done, total: examples.len() })
        .is_break()
    {
        true => Err(medley::Error::Cancelled),
        false => Ok(()),
    };
    let mut pictures: Vec<Vec<f32>> = Vec::with_capacity(examples.len());
    for batch in examples.chunks(BATCH) {
        let pixels: Vec<Vec<f32>> =
            batch.iter().map(|example| read(pipeline, &example.image)).collect::<medley::Result<_>>()?;
        pictures.extend(pipeline.features(&pipeline.see(&pixels)).await?);
        report("encoding pictures", pictures.len())?;
    }
    let (mut texts, mut origins) = (Vec::new(), Vec::new());
    for (own, example) in examples.iter().enumerate() {
        for caption in example.captions.iter().take(arguments.captions) {
            let caption = pre_caption(caption, usize::MAX);
            for (text, is_caption) in [(phrase(&caption), false), (caption, true)] {
                if !text.is_empty() {
                    texts.push(pipeline.shortened(&text)?);
                    origins.push((own, is_caption));
                }
            }
        }
    }
    let said: Vec<HashSet<String>> =
        examples.iter().map(|example| example.captions.iter().flat_map(|caption| telling(caption)).collect()).collect();
    let features = pipeline.text_features(&texts, &mut medley::progress::silent).await?;
    let mut searches = Vec::with_capacity(texts.len());
    for ((text, (own, is_caption)), feature) in texts.iter().zip(origins).zip(&features) {
        let (words, needed) = (text.split(' ').count(), telling(text));
        let candidate = |(picture, numbers): (usize, &Vec<f32>)| {
            let similarity = numbers.iter().zip(feature).map(|(a, b)| a * b).sum::<f32>();
            let is_right = picture == own || needed.iter().all(|word| said[picture].contains(word));
            Candidate { picture, evidence: Evidence { similarity, reading: None, words }, is_right }
        };
        let mut candidates: Vec<Candidate> = pictures.iter().enumerate().map(candidate).collect();
        let of_own = candidates[own].evidence.similarity;
        let is_before = |found: &&Candidate| found.picture != own && found.evidence.similarity >= of_own;
        let before = candidates.iter().filter(is_before).count();
        candidates.sort_by(|a, b| b.evidence.similarity.total_cmp(&a.evidence.similarity));
        candidates.truncate(arguments.rerank);
        searches.push(Search { own, is_caption, candidates, before });
    }
    for (picture, example) in examples.iter().enumerate() {
        let is_it = |found: &Candidate| found.picture == picture;
        let place = |(search, found): (usize, &Search)| Some((search, found.candidates.iter().position(is_it)?));
        let asked: Vec<(usize, usize)> = searches.iter().enumerate().filter_map(place).collect();
        let seen = pipeline.see(&[read(pipeline, &example.image)?]);
        for batch in asked.chunks(4 * BATCH) {
            let texts: Vec<String> = batch.iter().map(|(search, _)| texts[*search].clone()).collect();
            let readings = pipeline.readings(&seen, &texts, pipeline.can_caption()).await?.concat();
            for ((search, place), reading) in batch.iter().zip(readings) {
                searches[*search].candidates[*place].evidence.reading = Some(reading);
            }
        }
        report("reading pictures and texts", picture + 1)?;
    }
    Ok(searches)
}

/// A caption up to its second word that says something.
fn phrase(caption: &str) -> String {
    let (mut words, mut count) = (Vec::new(), 0);
    for word in caption.split(' ') {
        words.push(word);
        count += telling(word).len();
        if count == 2 {
            break;
        }
    }
    words.join(" ")
}

/// The words of a text that say something, without their endings.
fn telling(text: &str) -> Vec<String> {
    const SILENT: [&str; 36] = [
        "a", "an", "the", "is", "are", "of", "in", "on", "at", "with", "and", "to", "by", "for", "from", "her", "his",
        "its", "their", "it", "he", "she", "they", "that", "there", "as", "while", "into", "up", "down", "out", "over",
        "through", "some", "two", "other",
    ];
    let stem = |word: &str| {
        let is_ending = |end: &&str| word.ends_with(end) && word.len() > end.len() + 2;
        let ending = ["ing", "ed", "es", "s"].into_iter().find(is_ending).unwrap_or_default();
        word.strip_suffix(ending).unwrap_or(word).trim_end_matches('e').to_owned()
    };
    let lower = text.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_alphabetic());
    words.filter(|word| !word.is_empty() && !SILENT.contains(word)).map(stem).collect()
}

/// Scores each half by the numbers that were fitted to the other.
fn score(searches: &[Search], pictures: usize) -> Scores {
    let calibrations = [1, 0].map(|parity| {
        let other: Vec<&Search> = searches.iter().filter(|search| search.own % 2 == parity).collect();
        calibrated(&other)
    });
    let of = |search: &Search| Some(&calibrations[search.own % 2]);
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for search in searches {
        for Candidate { evidence, is_right, .. } in &search.candidates {
            let alone = Evidence { reading: None, ..*evidence };
            read.push((probability(of(search), *evidence).unwrap_or(0.0), *is_right));
            unread.push((probability(of(search), alone).unwrap_or(0.0), *is_right));
        }
    }
    let (reliability, read_error) = reliability(&read);
    let (_, unread_error) = self::reliability(&unread);
    let kept = |strictness: f32, is_caption: bool| {
        let (mut rights, mut kept, mut shown, mut count) = (0.0_f64, 0.0, 0.0, 0.0_f64);
        for search in searches.iter().filter(|search| search.is_caption == is_caption) {
            count += 1.0;
            for Candidate { evidence, is_right, .. } in &search.candidates {
                let is_shown = probability(of(search), *evidence).unwrap_or(0.0) >= strictness;
                rights += f64::from(u8::from(*is_right));
                kept += f64::from(u8::from(*is_right && is_shown));
                shown += f64::from(u8::from(is_shown));
            }
        }
        [kept / rights.max(1.0), shown / count.max(1.0)]
    };
    let cut = |strictness: f32| Cut { strictness, captions: kept(strictness, true), phrases: kept(strictness, false) };
    let captions: Vec<&Search> = searches.iter().filter(|search| search.is_caption).collect();
    Scores {
        pictures,
        captions: captions.len(),
        phrases: searches.len() - captions.len(),
        similarity: recall(captions.iter().map(|search| Some(search.before))),
        similarity_and_logit: recall(captions.iter().map(|search| rank(search, None))),
        calibrated: recall(captions.iter().map(|search| rank(search, of(search)))),
        calibration: calibrated(&searches.iter().collect::<Vec<_>>()),
        read_error,
        unread_error,
        reliability,
        cuts: CUTS.map(cut).into(),
    }
}

/// The numbers for what was read and for what was not. How much logit and gain count is taken from captions, whose own
/// picture is to stand first.
fn calibrated(searches: &[&Search]) -> Calibration {
    let own = |search: &&&Search| {
        search.candidates.iter().map(|found| (found.evidence, found.picture == search.own)).collect::<Vec<_>>()
    };
    let owns: Vec<Vec<(Evidence, bool)>> =
        searches.iter().filter(|search| search.is_caption).map(|search| own(&search)).collect();
    let seen: Vec<(Evidence, bool)> =
        searches.iter().flat_map(|search| &search.candidates).map(|found| (found.evidence, found.is_right)).collect();
    Calibration { read: fit(&seen, shares(&owns)), unread: fit(&seen, SIMILARITY) }
}

/// Candidates before its own picture; none where that is no candidate.
fn rank(search: &Search, calibration: Option<&Calibration>) -> Option<usize> {
    let order = |evidence: Evidence| standing(calibration, evidence);
    let own = order(search.candidates.iter().find(|found| found.picture == search.own)?.evidence);
    let is_before = |found: &&Candidate| found.picture != search.own && order(found.evidence) >= own;
    Some(search.candidates.iter().filter(is_before).count())
}

fn recall(ranks: impl Iterator<Item = Option<usize>> + Clone) -> Recall {
    let total = ranks.clone().count().max(1);
    [1, 5, 10].map(|first| ranks.clone().flatten().filter(|rank| *rank < first).count() as f64 / total as f64)
}

/// Candidates by predicted probability, and how far that is from what was observed, on the mean of all.
fn reliability(predictions: &[(f32, bool)]) -> (Vec<Bin>, f64) {
    let mut bins = vec![Bin::default(); BINS];
    for (predicted, is_own) in predictions {
        let predicted = f64::from(*predicted);
        let bin = &mut bins[((predicted * BINS as f64) as usize).min(BINS - 1)];
        bin.candidates += 1;
        bin.predicted += predicted;
        bin.observed += f64::from(u8::from(*is_own));
    }
    for bin in bins.iter_mut().filter(|bin| bin.candidates > 0) {
        bin.predicted /= bin.candidates as f64;
        bin.observed /= bin.candidates as f64;
    }
    let apart = |bin: &Bin| bin.candidates as f64 * (bin.predicted - bin.observed).abs();
    let error = bins.iter().map(apart).sum::<f64>() / predictions.len().max(1) as f64;
    (bins, error)
}

fn show(scores: &Scores) {
    let percent = |share: f64| 100.0 * share;
    let Scores { pictures, captions, phrases, .. } = scores;
    print(&format_args!(
        "{pictures} pictures, {captions} captions, {phrases} phrases; each half scored by the other's fit"
    ));
    print(&"");
    print(&format_args!("pictures of texts (IR)   R@1   R@5  R@10"));
    let row = |name: &str, [first, fifth, tenth]: Recall| {
        print(&format_args!("{name:<22} {:>5.1} {:>5.1} {:>5.1}", percent(first), percent(fifth), percent(tenth)));
    };
    row("similarity", scores.similarity);
    row("similarity + logit", scores.similarity_and_logit);
    row("calibrated", scores.calibrated);
    print(&"");
    print(&"predicted  observed  candidates");
    for bin in scores.reliability.iter().filter(|bin| bin.candidates > 0) {
        let (predicted, observed) = (percent(bin.predicted), percent(bin.observed));
        print(&format_args!("{predicted:>8.1}% {observed:>8.1}% {:>11}", bin.candidates));
    }
    let (read, unread) = (percent(scores.read_error), percent(scores.unread_error));
    print(&format_args!("expected calibration error: {read:.2}%, of what was not read {unread:.2}%"));
    print(&"");
    print(&"strictness   captions: right kept, shown   phrases: right kept, shown");
    for Cut { strictness, captions: [rights, shown], phrases: [phrase_rights, phrase_shown] } in &scores.cuts {
        let (rights, phrase_rights) = (percent(*rights), percent(*phrase_rights));
        print(&format_args!(
            "{strictness:>10} {rights:>21.1}% {shown:>6.1} {phrase_rights:>20.1}% {phrase_shown:>6.1}"
        ));
    }
    print(&"");
    let Calibration { read, unread } = scores.calibration;
    for (name, of) in [("read", read), ("not read", unread)] {
        print(&format_args!(
            "{name}: {:.3} similarity, {:.4} logit, {:.4} gain, {:.3} ln(words), {:.3}",
            of.similarity, of.logit, of.gain, of.words, of.offset
        ));
    }
}
