//! Writing text: greedy, beam search and sampling.

mod beam;
mod logits;
mod rank;
mod sample;
mod steps;
mod surprise;

pub use logits::{keep_top_k, keep_top_p};
pub use rank::{RankedAnswer, rank};
pub use surprise::surprise;

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::model::Writer;
use crate::text::{Context, TokenIds};

/// Texts of an image on their way at a time: each takes memory for its keys.
const MAX_TEXTS: usize = 1000;

/// How the next word is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// The most probable word, every time.
    Greedy,
    /// Keeps several beginnings and returns the most probable whole.
    Beam {
        /// Beginnings kept.
        beams: usize,
        /// Whose bookkeeping decides between finished and unfinished texts.
        variant: BeamVariant,
        /// When to stop although unfinished texts might still win.
        stop: BeamStop,
        /// A text's score is its log-probability over its length to this power.
        length_penalty: f32,
    },
    /// Draws words at random from the most probable ones.
    Sample {
        /// Smallest set of words whose probabilities sum to this.
        top_p: f32,
        /// At most this many words; 0 for all.
        top_k: usize,
        /// Below 1 safer, above 1 wilder.
        temperature: f32,
        /// The same seed draws the same words.
        seed: u64,
    },
}

/// The two beam searches BLIP's published numbers and Hugging Face's port were made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeamVariant {
    /// transformers 4.15, on which the authors ran: lengths count the prompt but not the end.
    Authors,
    /// transformers 5: lengths count the end but not the prompt.
    HuggingFace,
}

/// When beam search ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeamStop {
    /// When no unfinished text can win as it stands.
    Likely,
    /// When there are as many finished texts as beams.
    Early,
    /// When no unfinished text can win however it goes on.
    Never,
}

/// What to write and how much of it. Lengths are in tokens and count the prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateConfig {
    /// How the next word is chosen.
    pub strategy: Strategy,
    /// The text ends before it would be longer.
    pub max_length: usize,
    /// The text does not end before it is as long.
    pub min_length: usize,
    /// Above 1, words already written become less probable.
    pub repetition_penalty: f32,
    /// No run of this many tokens is written twice; 0 allows all.
    pub no_repeat_ngram: usize,
    /// Texts for each image; with beams at most as many as beams.
    pub num_texts: usize,
}

impl Strategy {
    /// Beam search as the authors run it.
    pub fn beam(beams: usize) -> Self {
        Self::Beam { beams, variant: BeamVariant::Authors, stop: BeamStop::Likely, length_penalty: 1.0 }
    }

    /// Nucleus sampling as the authors run it: top-p 0.9 of all words.
    pub fn nucleus(seed: u64) -> Self {
        Self::Sample { top_p: 0.9, top_k: 0, temperature: 1.0, seed }
    }
}

impl Default for GenerateConfig {
    /// Beam search with three beams, 5 to 20 tokens: the authors' captioning setting.
    fn default() -> Self {
        Self {
            strategy: Strategy::beam(3),
            max_length: 20,
            min_length: 5,
            repetition_penalty: 1.0,
            no_repeat_ngram: 0,
            num_texts: 1,
        }
    }
}

impl GenerateConfig {
    /// The authors' setting for answers: three beams, 1 to 10 tokens.
    pub fn answering() -> Self {
        Self { max_length: 10, min_length: 1, ..Self::default() }
    }

    fn check(&self, prompt: usize, max_positions: usize) -> Result<()> {
        let wrong = |option, reason: &str| Err(Error::Option { option, reason: reason.to_owned() });
        match self.strategy {
            Strategy::Beam { beams: 0, .. } => return wrong("beams", "must be at least 1"),
            Strategy::Beam { beams: MAX_TEXTS.., .. } => return wrong("beams", "must be below 1000"),
            Strategy::Beam { beams, .. } if self.num_texts > beams => {
                return wrong("texts for each image", "must be at most the number of beams");
            }
            Strategy::Sample { temperature, .. } if temperature <= 0.0 || !temperature.is_finite() => {
                return wrong("temperature", "must be above 0");
            }
            Strategy::Sample { top_p, .. } if !(top_p > 0.0 && top_p <= 1.0) => {
                return wrong("top-p", "must be above 0 and at most 1");
            }
            _ => {}
        }
        if self.num_texts >= MAX_TEXTS {
            return wrong("texts for each image", "must be below 1000");
        }
        if self.num_texts == 0 {
            return wrong("texts for each image", "must be at least 1");
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return wrong("repetition penalty", "must be above 0");
        }
        if prompt == 0 {
            return wrong("prompt", "must hold at least the first token");
        }
        if prompt > max_positions {
            return Err(Error::TextTooLong { tokens: prompt, max: max_positions });
        }
        if self.max_length <= prompt {
            let reason = format!("must be above the {prompt} tokens of the prompt");
            return Err(Error::Option { option: "max length", reason });
        }
        Ok(())
    }
}

/// A text the model wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Its tokens, without prompt and end.
    pub ids: Vec<u32>,
    /// Whether the model ended it; otherwise the length did.
    pub is_finished: bool,
    /// The log-probability of every token, then of the end if there is one, as the model gave
    /// them: before penalties and before any words were left out.
    pub log_probs: Vec<f32>,
    /// What beam search ranks by; otherwise the sum of `log_probs`.
    pub score: f32,
}

impl Generated {
    /// How sure the model was of a word on average: the geometric mean of the probabilities.
    pub fn confidence(&self) -> f32 {
        let count = self.log_probs.len().max(1) as f32;
        (self.log_probs.iter().sum::<f32>() / count).exp()
    }
}

/// Hears every new token: which image, and the tokens so far; `Break` stops all writing.
pub type OnToken<'a> = dyn FnMut(usize, &[u32]) -> ControlFlow<()> + 'a;

/// Writes texts for a batch of contexts: one list of `num_texts` for each, best first.
///
/// # Errors
/// [`Error::Option`] for settings that make no sense, [`Error::TextTooLong`] for a prompt beyond
/// the position table, [`Error::Cancelled`], and [`Error::Device`].
pub async fn generate(
    writer: Writer<'_>,
    context: &Context,
    prompt: &[u32],
    tokens: TokenIds,
    config: &GenerateConfig,
    on_token: &mut OnToken<'_>,
) -> Result<Vec<Vec<Generated>>> {
    config.check(prompt.len(), writer.max_positions())?;
    let config = GenerateConfig { max_length: config.max_length.min(writer.max_positions()), ..config.clone() };
    match config.strategy {
        Strategy::Beam { .. } => beam::search(writer, context, prompt, tokens, &config, on_token).await,
        _ => sample::sample(writer, context, prompt, tokens, &config, on_token).await,
    }
}
