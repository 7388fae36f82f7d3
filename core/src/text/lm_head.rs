//! Text states to a score for every word.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::kernel::{self, gelu};
use crate::nn::{LayerNorm, Linear, linear};

/// BERT's prediction head; its last matrix is the word table used transposed.
#[derive(Module, Debug)]
pub struct LmHead {
    transform: Linear,
    norm: LayerNorm,
    bias: Param<Tensor<1>>,
}

impl LmHead {
    pub(super) fn new(hidden_size: usize, vocab_size: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            transform: linear(hidden_size, hidden_size, device),
            norm: LayerNorm::new(hidden_size, epsilon, device),
            bias: Initializer::Zeros.init([vocab_size], device),
        }
    }

    /// # Shapes
    /// - `states`: `[.., hidden]`
    /// - `word_table`: `[vocab, hidden]`
    /// - returns logits, `[.., vocab]`
    pub fn forward<const D: usize>(&self, states: Tensor<D>, word_table: Tensor<2>) -> Tensor<D> {
        let states = self.norm.forward(gelu(self.transform.forward(states)));
        kernel::linear(states, word_table.transpose(), self.bias.val())
    }
}
