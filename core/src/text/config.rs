//! Sizes and roles of a text stack.

use burn::config::Config;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{LmHead, Med, MedLayer, TextEmbedding};

/// What the layers can read besides the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrossAttention {
    /// Nothing: text alone.
    None,
    /// One context: the tokens of an image, or the states of a question.
    One,
    /// Two images of equal standing (NLVR2): their outputs are averaged below layer `merge_from`
    /// and merged by a linear layer from there on (`nlvr_encoder.py`).
    Pair {
        /// The first layer with a merge layer; 6 in the authors' code.
        merge_from: usize,
    },
}

/// Which weights the text encoder and the text decoder of pre-training have in common (BLIP §4.3,
/// Table 3); the sizes are those of ViT-B and BERT-base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Everything: 224 million.
    All,
    /// Everything but cross-attention: 252 million.
    AllButCross,
    /// Everything but self-attention, as BLIP is: 252 million.
    #[default]
    AllButSelf,
    /// Nothing, embeddings neither: 361 million.
    None,
}

/// The ids with a meaning to the model rather than to the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIds {
    /// Fills rows of a batch to equal length.
    pub pad: u32,
    /// First token of a text read alone.
    pub cls: u32,
    /// Ends a text.
    pub sep: u32,
    /// First token of a text that is written, `[DEC]`.
    pub decode: u32,
    /// First token of a text read beside an image, `[ENC]`.
    pub encode: u32,
}

impl Default for TokenIds {
    /// The ids of `bert-base-uncased` with BLIP's two additions.
    fn default() -> Self {
        Self { pad: 0, cls: 101, sep: 102, decode: 30522, encode: 30523 }
    }
}

/// Sizes and roles of a [`Med`].
#[derive(Config, Debug, PartialEq)]
pub struct TextConfig {
    /// Rows of the word table.
    #[config(default = 30524)]
    pub vocab_size: usize,
    /// Width of the text states.
    #[config(default = 768)]
    pub hidden_size: usize,
    /// Number of layers.
    #[config(default = 12)]
    pub num_layers: usize,
    /// Attention heads; divides `hidden_size`.
    #[config(default = 12)]
    pub num_heads: usize,
    /// Width inside the feed-forward layers.
    #[config(default = 3072)]
    pub feed_forward_size: usize,
    /// Rows of the position table: the longest text in tokens.
    #[config(default = 512)]
    pub max_positions: usize,
    /// Added to the variance in layer norms.
    #[config(default = 1e-12)]
    pub layer_norm_epsilon: f64,
    /// Dropout on embeddings and sub-layer outputs while training.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Dropout on attention probabilities while training.
    #[config(default = 0.1)]
    pub attention_dropout: f64,
    /// Width of what cross-attention reads.
    #[config(default = 768)]
    pub context_size: usize,
    /// Whether layers can read text in both directions.
    #[config(default = false)]
    pub bidirectional: bool,
    /// Whether layers can write text from left to right.
    #[config(default = false)]
    pub causal: bool,
    /// What the layers read besides the text.
    #[config(default = "CrossAttention::One")]
    pub cross: CrossAttention,
    /// What layers that both read and write do so with; the paper's where a file does not say.
    pub sharing: Option<Sharing>,
}

impl TextConfig {
    /// Builds the stack with fresh weights.
    pub fn init(&self, device: &Device) -> Med {
        let layer = |index| MedLayer::new(self, index, device);
        Med::new(TextEmbedding::new(self, device), (0..self.num_layers).map(layer).collect())
    }

    /// Builds the output layer with fresh weights; its word table is the stack's own.
    pub fn init_lm_head(&self, device: &Device) -> LmHead {
        LmHead::new(self.hidden_size, self.vocab_size, self.layer_norm_epsilon, device)
    }
}
