//! CapFilt: captioning and filtering (BLIP §3.3).
//!
//! For every web picture the captioner writes a text, and the filter keeps of both texts, the
//! web's and the written one, those that describe the picture. Texts by people are kept as they
//! are. On what is left a new model is pre-trained.

mod summary;

pub use summary::Summary;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::generate::{GenerateConfig, Strategy};
use crate::pipeline::{CaptionOptions, Pipeline};
use crate::preprocess::pre_caption;
use crate::progress::silent;

/// Words of a text that are read.
const MAX_WORDS: usize = 30;

/// How texts are written and judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapFiltConfig {
    /// Smallest set of words, by probability, that a written text is drawn from.
    pub top_p: f32,
    /// Least ITM probability of a text that is kept.
    pub threshold: f32,
    /// Tokens of a written text, prompt included.
    pub max_length: usize,
    /// Decides what is written.
    pub seed: u64,
}

impl Default for CapFiltConfig {
    /// The paper's: nucleus sampling with p 0.9, and what ITM calls a match.
    fn default() -> Self {
        Self { top_p: 0.9, threshold: 0.5, max_length: 20, seed: 0 }
    }
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Found beside the picture.
    Web,
    /// Written by the captioner.
    Synthetic,
    /// Written by a person, and not judged.
    Human,
}

/// A text and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The text.
    pub caption: String,
    /// Where it comes from.
    pub source: Source,
    /// ITM probability that it describes the picture; 1 for texts that nobody judged.
    pub score: f32,
    /// Whether it stays.
    pub kept: bool,
}

/// Writes a text for a picture and judges it beside the web's; the written one comes last. Without
/// a captioner nothing is written, without a filter everything stays: the paper's Table 1.
///
/// `picture` is the file's content and `index` its place in the dataset, which with the seed
/// decides what is written: pictures can be worked through in any order and on any machine.
///
/// # Errors
/// What decoding the picture gives, [`Error::NoHead`](crate::Error::NoHead) for models that
/// cannot write or match, and [`Error::TextTooLong`](crate::Error::TextTooLong).
pub async fn capfilt(
    captioner: Option<&Pipeline>,
    filter: Option<&Pipeline>,
    picture: &[u8],
    index: usize,
    web: &[String],
    config: &CapFiltConfig,
) -> Result<Vec<Judged>> {
    let mut texts: Vec<(String, Source)> = web.iter().map(|text| (text.clone(), Source::Web)).collect();
    if let Some(captioner) = captioner {
        texts.push((synthesize(captioner, picture, index, config).await?, Source::Synthetic));
    }
    // What is nothing but punctuation describes nothing.
    texts.retain(|(text, _)| !pre_caption(text, MAX_WORDS).is_empty());
    match filter {
        Some(filter) => judge(filter, picture, texts, config.threshold).await,
        None => {
            Ok(texts.into_iter().map(|(caption, source)| Judged { caption, source, score: 1.0, kept: true }).collect())
        }
    }
}

/// One text by nucleus sampling: more surprising than beam search, and for that of more use (BLIP
/// §4.3).
async fn synthesize(captioner: &Pipeline, picture: &[u8], index: usize, config: &CapFiltConfig) -> Result<String> {
    let seed = config.seed ^ (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let strategy = Strategy::Sample { top_p: config.top_p, top_k: 0, temperature: 1.0, seed };
    let generate = GenerateConfig { strategy, max_length: config.max_length, ..GenerateConfig::default() };
    let options = CaptionOptions { generate, ..CaptionOptions::default() };
    let written = captioner.caption(&captioner.see(&[captioner.pixels(picture)?]), &options, &mut silent).await?;
    Ok(written.into_iter().flatten().next().map_or_else(String::new, |caption| caption.text))
}

/// Keeps the texts that the filter calls a match; all must have a word.
///
/// # Errors
/// As [`capfilt`].
pub async fn judge(
    filter: &Pipeline,
    picture: &[u8],
    texts: Vec<(String, Source)>,
    threshold: f32,
) -> Result<Vec<Judged>> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    // Judged by their beginning, as the authors cut them: one long text must not cost a picture.
    let captions: Vec<String> =
        texts.iter().map(|(text, _)| filter.shortened(&pre_caption(text, MAX_WORDS))).collect::<Result<_>>()?;
    let scores = filter.match_texts(&filter.see(&[filter.pixels(picture)?]), &captions, false).await?;
    let judged = texts.into_iter().zip(scores).map(|((caption, source), score)| {
        let score = score.probability;
        Judged { caption, source, score, kept: score >= threshold }
    });
    Ok(judged.collect())
}
