//! `medley eval capfilt`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use medley::capfilt::{CapFiltConfig, Source, judge};
use medley::data::{NoisyCaption, Picture, read_noise};
use medley::eval::{FilterScores, filter_scores};
use medley::{Error, Pipeline, Progress};

use super::{ScoreArguments, done};
use crate::cli::number::finite;
use crate::cli::print;
use crate::cli::progress::Bar;

/// What to score on, and with which filter.
#[derive(Args)]
pub struct Arguments {
    /// A list of image, caption and swapped, as `medley data noise` writes it
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Folder the picture names in the data are relative to
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Least probability of a match for a caption to be kept
    #[arg(long, default_value_t = CapFiltConfig::default().threshold, value_parser = finite)]
    threshold: f32,
    #[command(flatten)]
    score: ScoreArguments,
}

/// Lets a filter judge captions that are known to be right or wrong.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let (captions, warnings) = read_noise(&arguments.data, arguments.images.as_deref())?;
    warnings.iter().for_each(|warning| eprintln!("medley: {warning}"));
    let filter = arguments.score.open().await?;
    if !filter.can_match() {
        bail!(
            "a model of kind {} cannot judge: name a matcher or a pre-training model with --model",
            filter.config().kind.name()
        );
    }
    let mut bar = Bar::new();
    let judged = judge_all(&filter, &captions, &mut bar).await;
    bar.clear();
    let judged = judged?;
    done(&captions, judged.len())?;
    let scores = filter_scores(&judged, arguments.threshold);
    arguments.score.show(&scores, || {
        let FilterScores { swapped, right, threshold, caught, kept, auc, fair_threshold, fair } = scores;
        print(&format_args!("caught  {:>5.1}   of {swapped} swapped captions, below {threshold}", 100.0 * caught));
        print(&format_args!("kept    {:>5.1}   of {right} right captions", 100.0 * kept));
        print(&format_args!("AUC     {:>5.1}", 100.0 * auc));
        print(&format_args!("fair    {:>5.1}   of both, with --threshold {fair_threshold:.3}", 100.0 * fair));
    })
}

/// The probability of every caption, or of the first until someone stops it, beside whether it is swapped; a picture is
/// encoded once for all of its captions.
async fn judge_all(filter: &Pipeline, captions: &[NoisyCaption], bar: &mut Bar) -> medley::Result<Vec<(f32, bool)>> {
    let mut judged: Vec<(f32, bool)> = Vec::with_capacity(captions.len());
    for group in captions.chunk_by(|a, b| a.image == b.image) {
        let texts = group.iter().map(|text| (text.caption.clone(), Source::Web)).collect();
        let scores = judge_one(filter, &group[0].image, texts).await?;
        judged.extend(scores.into_iter().zip(group).map(|(score, text)| (score, text.swapped)));
        let progress = Progress::Items { stage: "judging", done: judged.len(), total: captions.len() };
        if bar.report(progress).is_break() {
            break;
        }
    }
    Ok(judged)
}

/// The probabilities of the texts of one picture; an error names the picture.
async fn judge_one(filter: &Pipeline, image: &Picture, texts: Vec<(String, Source)>) -> medley::Result<Vec<f32>> {
    let bytes = image.read()?;
    let broken = |error: Error| Error::Data { path: image.path(), reason: error.to_string() };
    let judged = judge(filter, &bytes, texts, 0.0).await.map_err(broken)?;
    Ok(judged.into_iter().map(|text| text.score).collect())
}
