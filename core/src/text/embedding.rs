//! Token ids to vectors.

use burn::module::{Module, Param};
use burn::tensor::module::embedding;
use burn::tensor::{Device, Int, Tensor};

use super::TextConfig;
use crate::nn::{Dropout, LayerNorm, table};

/// Word and position tables, summed and normalised (BERT without token types).
#[derive(Module, Debug)]
pub struct TextEmbedding {
    word: Param<Tensor<2>>,
    position: Param<Tensor<2>>,
    norm: LayerNorm,
    #[module(skip)]
    dropout: Dropout,
}

impl TextEmbedding {
    pub(super) fn new(config: &TextConfig, device: &Device) -> Self {
        Self {
            word: table([config.vocab_size, config.hidden_size], device),
            position: table([config.max_positions, config.hidden_size], device),
            norm: LayerNorm::new(config.hidden_size, config.layer_norm_epsilon, device),
            dropout: Dropout::new(config.dropout),
        }
    }

    /// # Shapes
    /// - `ids`: `[batch, token]`, the first of them at position `past`
    /// - returns `[batch, token, hidden]`
    pub fn forward(&self, ids: Tensor<2, Int>, past: usize) -> Tensor<3> {
        let [_, token] = ids.dims();
        let words = embedding(self.word.val(), ids); // [batch, token, hidden]
        let positions = self.position.val().narrow(0, past, token).unsqueeze_dim(0);
        self.dropout.forward(self.norm.forward(words + positions))
    }

    /// The word table, `[vocab, hidden]`: also the output layer's matrix.
    pub fn word_table(&self) -> Tensor<2> {
        self.word.val()
    }

    /// The longest text in tokens.
    pub fn max_positions(&self) -> usize {
        self.position.shape()[0]
    }
}
