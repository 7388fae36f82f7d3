//! How text is written: the options of captions and answers.

use anyhow::Result;
use clap::{Args, ValueEnum};
use medley::generate::{BeamStop, BeamVariant, GenerateConfig, Strategy};

use super::number::{above_zero, count, finite, share};
use super::wrong;

/// Whose beam search.
#[derive(Clone, Copy, ValueEnum)]
pub enum Variant {
    /// As the authors' published numbers were made
    Authors,
    /// As Hugging Face's library does today
    HuggingFace,
}

/// The options.
#[derive(Args, Clone)]
pub struct GenerateArguments {
    /// Beginnings that beam search keeps; 1 takes the most probable word every time
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = count, conflicts_with = "sample")]
    beams: usize,
    /// Draw words at random from the most probable ones instead of searching
    #[arg(long)]
    sample: bool,
    /// With --sample: smallest set of words whose probabilities sum to this
    #[arg(long, default_value_t = 0.9, value_name = "P", value_parser = share, requires = "sample")]
    top_p: f32,
    /// With --sample: at most this many words, 0 for all
    #[arg(long, default_value_t = 0, value_name = "K", requires = "sample")]
    top_k: usize,
    /// With --sample: below 1 safer, above 1 wilder
    #[arg(long, default_value_t = 1.0, value_name = "T", value_parser = above_zero, requires = "sample")]
    temperature: f32,
    /// With --sample: the same seed draws the same words
    #[arg(long, default_value_t = 0, requires = "sample")]
    seed: u64,
    /// Longest text in tokens, prompt included [default: 20, of an answer 10]
    #[arg(long, value_name = "N", value_parser = count)]
    max_length: Option<usize>,
    /// Shortest text in tokens, prompt included [default: 5, of an answer 1, but at most --max-length]
    #[arg(long, value_name = "N")]
    min_length: Option<usize>,
    /// Above 1, words already written become less probable
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = above_zero)]
    repetition_penalty: f32,
    /// No run of so many tokens is written twice, 0 allows all
    #[arg(long, default_value_t = 0, value_name = "N")]
    no_repeat_ngram: usize,
    /// Above 1 beam search prefers longer texts
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = finite, conflicts_with = "sample")]
    length_penalty: f32,
    /// Whose beam search
    #[arg(long, value_enum, default_value_t = Variant::Authors, conflicts_with = "sample")]
    beam_search: Variant,
    /// Texts for each picture; of beam search at most --beams
    #[arg(long, short = 'n', default_value_t = 1, value_name = "N", value_parser = count)]
    count: usize,
}

impl GenerateArguments {
    /// The settings, with lengths from `defaults` where none are given.
    pub fn config(&self, defaults: GenerateConfig) -> Result<GenerateConfig> {
        let &Self { beams, count, top_p, top_k, temperature, seed, length_penalty, .. } = self;
        if !self.sample && count > beams {
            let reason = format!("{count} is more than --beams {beams} keeps: raise --beams, or draw with --sample");
            return Err(wrong("-n", reason));
        }
        let strategy = if self.sample {
            Strategy::Sample { top_p, top_k, temperature, seed }
        } else if beams == 1 {
            Strategy::Greedy
        } else {
            let variant = match self.beam_search {
                Variant::Authors => BeamVariant::Authors,
                Variant::HuggingFace => BeamVariant::HuggingFace,
            };
            Strategy::Beam { beams, variant, stop: BeamStop::Likely, length_penalty }
        };
        let max_length = self.max_length.unwrap_or(defaults.max_length);
        let min_length = self.min_length.unwrap_or(defaults.min_length.min(max_length));
        if min_length > max_length {
            let reason = format!("{min_length} is above the longest length, {max_length}: raise --max-length too");
            return Err(wrong("--min-length", reason));
        }
        Ok(GenerateConfig {
            strategy,
            max_length,
            min_length,
            repetition_penalty: self.repetition_penalty,
            no_repeat_ngram: self.no_repeat_ngram,
            num_texts: count,
        })
    }
}
