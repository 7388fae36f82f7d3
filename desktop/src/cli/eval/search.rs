//! `medley eval search`.

use anyhow::{Result, bail};
use clap::Args;
use medley::preprocess::pre_caption;
use medley::{Pipeline, Progress};
use serde::Serialize;

use super::{CaptionData, ScoreArguments};
use crate::cli::number::count;
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::read;
use crate::library::calibration::{Calibration, Evidence, Logistic, logit};

/// Pictures in one pass, and texts.
const BATCH: usize = 16;
/// Bins of the table of reliability.
const BINS: usize = 10;
/// Cut-offs whose worth is shown.
const CUTS: [f32; 8] = [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];

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

/// A text that is searched for, and its candidates, the most similar first: pictures and what is known of them.
struct Search {
    own: usize,
    candidates: Vec<(usize, Evidence)>,
    /// Pictures more similar than its own.
    before: usize,
}

/// Shares of searches whose picture is among the first 1, 5 and 10.
type Recall = [f64; 3];

#[derive(Serialize)]
struct Scores {
    pictures: usize,
    texts: usize,
    similarity: Recall,
    similarity_and_logit: Recall,
    calibrated: Recall,
    /// Similarity, logit, offset: fitted to all texts.
    read: [f64; 3],
    /// Similarity, offset: fitted to all texts.
    unread: [f64; 2],
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

/// What a cut-off leaves.
#[derive(Serialize)]
struct Cut {
    strictness: f32,
    own_kept: f64,
    shown: f64,
}

/// Searches for every caption, fits the calibration to the texts of every second picture and scores it on the others.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let examples = arguments.data.read()?;
    let mut bar = Bar::new();
    let pipeline = arguments.score.open().await?;
    let searches = searches(&pipeline, &examples, &arguments, &mut bar).await?;
    bar.clear();
    if searches.len() < 4 {
        bail!("there are {} captions to search for, which says nothing", searches.len());
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
    let mut report = |stage: &'static str, done: usize, total: usize| match bar
        .report(Progress::Items { stage, done, total })
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
        report("encoding pictures", pictures.len(), examples.len())?;
    }
    let (mut owners, mut texts) = (Vec::new(), Vec::new());
    for (own, example) in examples.iter().enumerate() {
        for caption in example.captions.iter().take(arguments.captions) {
            let text = pre_caption(caption, usize::MAX);
            if !text.is_empty() {
                owners.push(own);
                texts.push(pipeline.shortened(&text)?);
            }
        }
    }
    let features = pipeline.text_features(&texts, &mut medley::progress::silent).await?;
    let mut searches = Vec::with_capacity(texts.len());
    for (own, feature) in owners.into_iter().zip(&features) {
        let similarity = |picture: &Vec<f32>| picture.iter().zip(feature).map(|(a, b)| a * b).sum::<f32>();
        let evidence = |picture| Evidence { similarity: similarity(picture), logit: None };
        let mut candidates: Vec<(usize, Evidence)> = pictures.iter().map(evidence).enumerate().collect();
        let of_own = candidates[own].1.similarity;
        let before = candidates.iter().filter(|(place, found)| *place != own && found.similarity >= of_own).count();
        candidates.sort_by(|a, b| b.1.similarity.total_cmp(&a.1.similarity));
        candidates.truncate(arguments.rerank);
        searches.push(Search { own, candidates, before });
    }
    for (picture, example) in examples.iter().enumerate() {
        let mut asked = Vec::new();
        for (search, place) in searches.iter().enumerate() {
            asked.extend(place.candidates.iter().position(|(found, _)| *found == picture).map(|place| (search, place)));
        }
        let seen = pipeline.see(&[read(pipeline, &example.image)?]);
        for batch in asked.chunks(4 * BATCH) {
            let texts: Vec<String> = batch.iter().map(|(search, _)| texts[*search].clone()).collect();
            let matches = pipeline.match_texts(&seen, &texts, false).await?;
            for ((search, place), found) in batch.iter().zip(matches) {
                searches[*search].candidates[*place].1.logit = Some(logit(found.probability));
            }
        }
        report("reading pictures and texts", picture + 1, examples.len())?;
    }
    Ok(searches)
}

fn score(searches: &[Search], pictures: usize) -> Scores {
    let half = |parity: usize| -> Vec<&Search> { searches.iter().filter(|search| search.own % 2 == parity).collect() };
    let (fitted, tested) = (half(0), half(1));
    let fit = |searches: &[&Search]| {
        let examples = examples(searches);
        (Logistic::fit(&examples, true), Logistic::fit(&examples, false))
    };
    let (both, alone) = fit(&fitted);
    let calibration = Calibration::fitted(both, alone);
    let unread = |evidence: Evidence| Evidence { logit: None, ..evidence };
    let tested_examples = examples(&tested);
    let (reliability, read_error) =
        reliability(&tested_examples, |evidence| calibration.probability(evidence).unwrap_or(0.0));
    let (_, unread_error) =
        self::reliability(&tested_examples, |evidence| calibration.probability(unread(evidence)).unwrap_or(0.0));
    let cut = |strictness: f32| {
        let (mut own_kept, mut shown) = (0, 0);
        for search in &tested {
            for (place, evidence) in &search.candidates {
                let is_shown = calibration.probability(*evidence).unwrap_or(0.0) >= strictness;
                shown += usize::from(is_shown);
                own_kept += usize::from(is_shown && *place == search.own);
            }
        }
        let share = |number: usize| number as f64 / tested.len() as f64;
        Cut { strictness, own_kept: share(own_kept), shown: share(shown) }
    };
    let (both, alone) = fit(&searches.iter().collect::<Vec<_>>());
    Scores {
        pictures,
        texts: searches.len(),
        similarity: recall(tested.iter().map(|search| Some(search.before))),
        similarity_and_logit: recall(tested.iter().map(|search| {
            rank(search, |evidence| f64::from(evidence.similarity) + f64::from(evidence.logit.unwrap_or(0.0)))
        })),
        calibrated: recall(tested.iter().map(|search| rank(search, |evidence| calibration.order(evidence)))),
        read: [both.similarity, both.logit, both.offset],
        unread: [alone.similarity, alone.offset],
        read_error,
        unread_error,
        reliability,
        cuts: CUTS.map(cut).into(),
    }
}

/// What a search sees: its candidates, of which its own picture is right.
fn examples(searches: &[&Search]) -> Vec<(Evidence, bool)> {
    let of = |search: &&Search| {
        let own = search.own;
        search.candidates.iter().map(move |(place, evidence)| (*evidence, *place == own)).collect::<Vec<_>>()
    };
    searches.iter().flat_map(of).collect()
}

/// Candidates before its own picture; none where that is no candidate.
fn rank(search: &Search, order: impl Fn(Evidence) -> f64) -> Option<usize> {
    let (_, own) = search.candidates.iter().find(|(place, _)| *place == search.own)?;
    let own = order(*own);
    Some(search.candidates.iter().filter(|(place, found)| *place != search.own && order(*found) >= own).count())
}

fn recall(ranks: impl Iterator<Item = Option<usize>> + Clone) -> Recall {
    let total = ranks.clone().count().max(1);
    [1, 5, 10].map(|first| ranks.clone().flatten().filter(|rank| *rank < first).count() as f64 / total as f64)
}

/// Candidates by predicted probability, and how far that is from what was observed, on the mean of all.
fn reliability(examples: &[(Evidence, bool)], predict: impl Fn(Evidence) -> f32) -> (Vec<Bin>, f64) {
    let mut bins = vec![Bin::default(); BINS];
    for (evidence, is_right) in examples {
        let predicted = f64::from(predict(*evidence));
        let bin = &mut bins[((predicted * BINS as f64) as usize).min(BINS - 1)];
        bin.candidates += 1;
        bin.predicted += predicted;
        bin.observed += f64::from(u8::from(*is_right));
    }
    for bin in bins.iter_mut().filter(|bin| bin.candidates > 0) {
        bin.predicted /= bin.candidates as f64;
        bin.observed /= bin.candidates as f64;
    }
    let apart = |bin: &Bin| bin.candidates as f64 * (bin.predicted - bin.observed).abs();
    let error = bins.iter().map(apart).sum::<f64>() / examples.len().max(1) as f64;
    (bins, error)
}

fn show(scores: &Scores) {
    let percent = |share: f64| 100.0 * share;
    print(&format_args!(
        "{} pictures, {} texts; fitted to half of them, scored on the others",
        scores.pictures, scores.texts
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
    print(&"strictness  own picture kept  shown of a search");
    for Cut { strictness, own_kept, shown } in &scores.cuts {
        print(&format_args!("{strictness:>10} {:>16.1}% {shown:>18.1}", percent(*own_kept)));
    }
    print(&"");
    let ([similarity, logit, offset], [alone, alone_offset]) = (scores.read, scores.unread);
    print(&format_args!("fitted to all: {similarity:.3} similarity + {logit:.4} logit + {offset:.3}"));
    print(&format_args!("where not read: {alone:.3} similarity + {alone_offset:.3}"));
}
