//! Text states to a score for every word.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};

use crate::kernel::gelu;
use crate::nn::{LayerNorm, linear};

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
    /// - `states`: `[batch, token, hidden]`
    /// - `word_table`: `[vocab, hidden]`
    /// - returns logits, `[batch, token, vocab]`
    pub fn forward(&self, states: Tensor<3>, word_table: Tensor<2>) -> Tensor<3> {
        let [batch, token, hidden] = states.dims();
        let [vocab, _] = word_table.dims();
        let states = self.norm.forward(gelu(self.transform.forward(states)));
        let logits = states.reshape([batch * token, hidden]).matmul(word_table.transpose());
        logits.reshape([batch, token, vocab]) + self.bias.val().reshape([1, 1, vocab])
    }
}
