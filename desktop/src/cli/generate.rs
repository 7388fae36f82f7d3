//! How text is written: the options of captions and answers.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use medley::generate::{BeamStop, BeamVariant, GenerateConfig, Strategy};

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
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub beams: usize,
    /// Draw words at random from the most probable ones instead of searching
    #[arg(long)]
    pub sample: bool,
    /// With --sample: smallest set of words whose probabilities sum to this
    #[arg(long, default_value_t = 0.9, value_name = "P")]
    pub top_p: f32,
    /// With --sample: at most this many words, 0 for all
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub top_k: usize,
    /// With --sample: below 1 safer, above 1 wilder
    #[arg(long, default_value_t = 1.0, value_name = "T")]
    pub temperature: f32,
    /// With --sample: the same seed draws the same words
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Longest text in tokens, prompt included
    #[arg(long, value_name = "N")]
    pub max_length: Option<usize>,
    /// Shortest text in tokens, prompt included
    #[arg(long, value_name = "N")]
    pub min_length: Option<usize>,
    /// Above 1, words already written become less probable
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    pub repetition_penalty: f32,
    /// No run of so many tokens is written twice, 0 allows all
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub no_repeat_ngram: usize,
    /// Above 1 beam search prefers longer texts
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    pub length_penalty: f32,
    /// Whose beam search
    #[arg(long, value_enum, default_value_t = Variant::Authors)]
    pub beam_search: Variant,
    /// Texts for each picture
    #[arg(long, short = 'n', default_value_t = 1, value_name = "N")]
    pub count: usize,
}

impl GenerateArguments {
    /// The settings, with lengths from `defaults` where none are given.
    pub fn config(&self, defaults: GenerateConfig) -> Result<GenerateConfig> {
        let strategy = if self.sample {
            let Self { top_p, top_k, temperature, seed, .. } = *self;
            Strategy::Sample { top_p, top_k, temperature, seed }
        } else if self.beams == 1 && self.count == 1 {
            Strategy::Greedy
        } else {
            let variant = match self.beam_search {
                Variant::Authors => BeamVariant::Authors,
                Variant::HuggingFace => BeamVariant::HuggingFace,
            };
            let length_penalty = self.length_penalty;
            Strategy::Beam { beams: self.beams, variant, stop: BeamStop::Likely, length_penalty }
        };
        let config = GenerateConfig {
            strategy,
            max_length: self.max_length.unwrap_or(defaults.max_length),
            min_length: self.min_length.unwrap_or(defaults.min_length),
            repetition_penalty: self.repetition_penalty,
            no_repeat_ngram: self.no_repeat_ngram,
            num_texts: self.count,
        };
        if config.min_length > config.max_length {
            bail!("--min-length {} is above --max-length {}", config.min_length, config.max_length);
        }
        Ok(config)
    }
}
