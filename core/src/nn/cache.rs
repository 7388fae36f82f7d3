//! Keys and values that were computed before.

use burn::tensor::{Int, Tensor};

/// Keys and values of one attention, each `[batch, head, key, head_size]`.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// What queries are compared with.
    pub key: Tensor<4>,
    /// What is mixed by the result.
    pub value: Tensor<4>,
}

/// The cache of one layer.
#[derive(Clone, Debug, Default)]
pub struct LayerCache {
    own: Option<KeyValue>,
    context: Option<KeyValue>,
}

impl LayerCache {
    /// Appends the self-attention keys and values of new tokens and returns all of them.
    pub fn extend(&mut self, new: KeyValue) -> KeyValue {
        let all = match self.own.take() {
            None => new,
            Some(past) => KeyValue {
                key: Tensor::cat(vec![past.key, new.key], 2),
                value: Tensor::cat(vec![past.value, new.value], 2),
            },
        };
        self.own = Some(all.clone());
        all
    }

    /// The keys and values of the context, computed by `compute` the first time only.
    pub fn context(&mut self, compute: impl FnOnce() -> KeyValue) -> KeyValue {
        self.context.get_or_insert_with(compute).clone()
    }
}

/// Past keys and values of every layer of a decoder.
///
/// Self-attention keys grow by a token a step, one row for each sequence.
/// Context keys are computed once for each image and shared by all its sequences.
#[derive(Clone, Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    past: usize,
}

impl KvCache {
    /// An empty cache for `num_layers` layers.
    pub fn new(num_layers: usize) -> Self {
        Self { layers: vec![LayerCache::default(); num_layers], past: 0 }
    }

    /// Tokens seen so far.
    pub fn past(&self) -> usize {
        self.past
    }

    /// Counts `tokens` more as seen; called once all layers have stored theirs.
    pub fn advance(&mut self, tokens: usize) {
        self.past += tokens;
    }

    /// Sequences the cache holds; 0 before the first tokens.
    pub fn rows(&self) -> usize {
        self.layers.first().and_then(|layer| layer.own.as_ref()).map_or(0, |own| own.key.dims()[0])
    }

    /// The cache of layer `index`.
    pub fn layer(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// Makes row `i` continue what was row `rows[i]`; rows may repeat, vanish or multiply.
    ///
    /// Context keys stay, so rows of one image stay together and in the images' order.
    pub fn reorder(&mut self, rows: Tensor<1, Int>) {
        for layer in &mut self.layers {
            if let Some(own) = layer.own.take() {
                layer.own =
                    Some(KeyValue { key: own.key.select(0, rows.clone()), value: own.value.select(0, rows.clone()) });
            }
        }
    }
}
