//! Captions for a dataset, and what they are worth.

use anyhow::Result;
use medley::data::CaptionExample;
use medley::eval::{CaptionScores, caption_scores};
use medley::generate::{GenerateConfig, Strategy};
use medley::{CaptionOptions, Pipeline, Progress};

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
