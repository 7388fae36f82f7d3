//! Scaled dot-product attention over several heads.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use super::{Dropout, KeyValue, Linear, linear};
use crate::kernel::{attention, softmax};

/// Hidden scores before the softmax: far below any score, yet finite, so that a row that is
/// hidden as a whole stays a number.
const HIDDEN_SCORE: f32 = -1e9;

/// Sizes of an [`Attention`].
#[derive(Config, Debug)]
pub struct AttentionConfig {
    /// Width of the queries and of the output.
    pub hidden_size: usize,
    /// Width of what keys and values are computed from.
    pub context_size: usize,
    /// Number of heads; divides `hidden_size`.
    pub num_heads: usize,
    /// Dropout on the attention probabilities while training.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// Queries from one sequence, keys and values from it or from another.
///
/// The output projection belongs to the sub-layer that uses it.
#[derive(Module, Debug)]
pub struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    #[module(skip)]
    dropout: Dropout,
    #[module(skip)]
    num_heads: usize,
}

impl AttentionConfig {
    /// Builds the layer with fresh weights.
    pub fn init(&self, device: &Device) -> Attention {
        assert!(self.hidden_size.is_multiple_of(self.num_heads), "num_heads must divide hidden_size");
        Attention {
            query: linear(self.hidden_size, self.hidden_size, device),
            key: linear(self.context_size, self.hidden_size, device),
            value: linear(self.context_size, self.hidden_size, device),
            dropout: Dropout::new(self.dropout),
            num_heads: self.num_heads,
        }
    }
}

impl Attention {
    /// Keys and values of a sequence, ready for [`attend`](Self::attend).
    ///
    /// # Shapes
    /// - `context`: `[batch, key, context]`
    /// - returns two of `[batch, head, key, head_size]`
    pub fn key_value(&self, context: Tensor<3>) -> KeyValue {
        KeyValue {
            key: split_heads(self.key.forward(context.clone()), self.num_heads),
            value: split_heads(self.value.forward(context), self.num_heads),
        }
    }

    /// Mixes the values by how well their keys answer the queries of `x`.
    ///
    /// `x` may have several rows for each row of `keys`: its rows `i * n .. (i + 1) * n` read
    /// row `i`, so that beams or captions of one image share its keys without a copy.
    ///
    /// # Shapes
    /// - `x`: `[batch * n, query, hidden]`
    /// - `keys`: `[batch, head, key, head_size]`
    /// - `mask`: broadcasts to `[batch, head, n * query, key]`; with `n > 1` the same for all queries
    /// - returns `[batch * n, query, hidden]`
    pub fn attend(&self, x: Tensor<3>, keys: KeyValue, mask: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let [rows, query, hidden] = x.dims();
        let [batch, ..] = keys.key.dims();
        let folded = rows / batch * query;

        let x = self.query.forward(x).reshape([batch, folded, hidden]);
        let q = split_heads(x, self.num_heads); // [batch, head, n * query, head_size]
        let mixed = scaled_dot_product(q, keys, mask, Some(&self.dropout));
        merge_heads(mixed).reshape([rows, query, hidden])
    }

    /// How much of every key each query of `x` takes.
    ///
    /// # Shapes
    /// - `x`: `[batch, query, hidden]`
    /// - `keys`: `[batch, head, key, head_size]`
    /// - returns `[batch, head, query, key]`, which sums to 1 over the keys
    pub fn weights(&self, x: Tensor<3>, keys: &KeyValue) -> Tensor<4> {
        let q = split_heads(self.query.forward(x), self.num_heads); // [batch, head, query, head_size]
        let [_, _, _, head_size] = q.dims();
        softmax((q * (head_size as f64).powf(-0.5)).matmul(keys.key.clone().transpose()))
    }
}

/// `softmax(q k^T / sqrt(head_size)) v`, fused where the backend can and nothing is to be dropped.
///
/// # Shapes
/// - `q`: `[batch, head, query, head_size]`
/// - `keys`: `[batch, head, key, head_size]`
/// - `mask`: broadcasts to `[batch, head, query, key]`
/// - returns `[batch, head, query, head_size]`
pub fn scaled_dot_product(
    q: Tensor<4>,
    keys: KeyValue,
    mask: Option<Tensor<4, Bool>>,
    dropout: Option<&Dropout>,
) -> Tensor<4> {
    let [batch, head, query, head_size] = q.dims();
    let [_, _, key, _] = keys.key.dims();
    let mask = mask.map(|mask| mask.expand([batch, head, query, key]));
    let Some(dropout) = dropout.filter(|dropout| dropout.is_active(&q.device())) else {
        return attention(q, keys.key, keys.value, mask);
    };
    // Scaling the queries touches fewer numbers than scaling the scores.
    let q = q * (head_size as f64).powf(-0.5);
    let scores = q.matmul(keys.key.transpose()); // [batch, head, query, key]
    let scores = match mask {
        Some(mask) => scores.mask_fill(mask, HIDDEN_SCORE),
        None => scores,
    };
    let weights = softmax(scores);
    dropout.forward(weights).matmul(keys.value)
}

/// `[batch, token, hidden]` to `[batch, head, token, head_size]`.
pub(crate) fn split_heads(x: Tensor<3>, num_heads: usize) -> Tensor<4> {
    let [batch, token, hidden] = x.dims();
    x.reshape([batch, token, num_heads, hidden / num_heads]).swap_dims(1, 2)
}

/// `[batch, head, token, head_size]` to `[batch, token, hidden]`.
pub(crate) fn merge_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, head, token, head_size] = x.dims();
    x.swap_dims(1, 2).reshape([batch, token, head * head_size])
}
