//! The multimodal mixture of encoder-decoder's text stack.

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};

use super::{MedLayer, TextEmbedding};
use crate::nn::{BlockRuns, KeyValue, KvCache, causal_mask, padding_mask};

/// Which of its three roles the stack plays in a call (BLIP §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads text alone, in both directions.
    Text,
    /// Reads text in both directions and an image beside it.
    Grounded,
    /// Writes text from left to right, reading an image (or a question) beside it.
    Decode,
}

/// What cross-attention reads.
#[derive(Clone, Debug)]
pub struct Context {
    /// Image tokens or question states, `[batch, key, context]`.
    pub states: Tensor<3>,
    /// `true` where a key is padding, `[batch, key]`.
    pub hidden: Option<Tensor<2, Bool>>,
    /// The second image of a pair, `[batch, key, context]`.
    pub second: Option<Tensor<3>>,
    /// What every layer of a stack computes of `states`, where it did so before; see
    /// [`Med::with_keys`].
    pub keys: Option<Vec<KeyValue>>,
}

impl Context {
    /// A context without padding, such as an image.
    pub fn new(states: Tensor<3>) -> Self {
        Self { states, hidden: None, second: None, keys: None }
    }

    /// Two images, each `[batch, image_token, context]`.
    pub fn pair(first: Tensor<3>, second: Tensor<3>) -> Self {
        Self { states: first, hidden: None, second: Some(second), keys: None }
    }

    /// Its rows at these places, which may repeat: `[row]`.
    pub fn select(&self, places: Tensor<1, Int>) -> Self {
        let keys = |keys: &KeyValue| KeyValue {
            key: keys.key.clone().select(0, places.clone()),
            value: keys.value.clone().select(0, places.clone()),
        };
        Self {
            states: self.states.clone().select(0, places.clone()),
            hidden: self.hidden.clone().map(|hidden| hidden.int().select(0, places.clone()).equal_elem(1)),
            second: self.second.clone().map(|second| second.select(0, places.clone())),
            keys: self.keys.as_ref().map(|all| all.iter().map(keys).collect()),
        }
    }
}

/// What all layers of one call read, with masks made once.
#[derive(Clone)]
pub(super) struct Reading {
    pub own_mask: Option<Tensor<4, Bool>>,
    pub context: Option<Context>,
    pub context_mask: Option<Tensor<4, Bool>>,
    /// What the layer would compute of the context, where that was done before.
    pub context_keys: Option<KeyValue>,
}

impl Reading {
    /// What a call reads that follows `past` tokens.
    fn new(
        mode: Mode,
        ids: &Tensor<2, Int>,
        hidden: Option<Tensor<2, Bool>>,
        context: Option<&Context>,
        past: usize,
    ) -> Self {
        let [batch, token] = ids.dims();
        let padding = hidden.map(padding_mask); // [batch, 1, 1, token]
        // A single new token may see everything before it.
        let causal = (mode == Mode::Decode && token > 1).then(|| causal_mask(token, past, &ids.device()));
        let own_mask = match (padding, causal) {
            (Some(padding), Some(causal)) => {
                let shape = [batch, 1, token, token];
                Some(padding.expand(shape).bool_or(causal.expand(shape)))
            }
            (padding, causal) => padding.or(causal),
        };
        let context_mask = context.and_then(|context| context.hidden.clone()).map(padding_mask);
        Self { own_mask, context: context.cloned(), context_mask, context_keys: None }
    }
}

/// A stack of layers that reads or writes text.
#[derive(Module, Debug)]
pub struct Med {
    embedding: TextEmbedding,
    layers: Vec<MedLayer>,
    #[module(skip)]
    runs: BlockRuns,
}

impl Med {
    pub(super) fn new(embedding: TextEmbedding, layers: Vec<MedLayer>) -> Self {
        Self { embedding, layers, runs: BlockRuns::default() }
    }

    /// The same stack, whose layers run so while it learns.
    pub fn with_runs(self, runs: &BlockRuns) -> Self {
        Self { runs: runs.clone(), ..self }
    }

    /// Runs the stack in one role.
    ///
    /// The batch may hold several texts for each image: rows `i * n .. (i + 1) * n` read context
    /// row `i`. With a cache, `ids` are the tokens that follow those already seen.
    ///
    /// # Shapes
    /// - `ids`: `[batch * n, token]`
    /// - `hidden`: `[batch * n, token]`, `true` where a token is padding; not with a cache
    /// - `context.states`: `[batch, key, context]`
    /// - returns `[batch * n, token, hidden]`
    pub fn forward(
        &self,
        mode: Mode,
        ids: Tensor<2, Int>,
        hidden: Option<Tensor<2, Bool>>,
        context: Option<&Context>,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        self.run(mode, ids, hidden, context, cache, |_| {})
    }

    /// As [`forward`](Self::forward) without a cache, but returns the embedding and every
    /// layer's output.
    pub fn hidden_states(
        &self,
        mode: Mode,
        ids: Tensor<2, Int>,
        hidden: Option<Tensor<2, Bool>>,
        context: Option<&Context>,
    ) -> Vec<Tensor<3>> {
        let mut states = Vec::with_capacity(self.layers.len() + 1);
        self.run(mode, ids, hidden, context, None, |state| states.push(state.clone()));
        states
    }

    /// Where writing looks: how much of every image token each position reads, averaged over heads
    /// and layers.
    ///
    /// # Shapes
    /// - `ids`: `[batch, token]`
    /// - `context.states`: `[batch, image_token, context]`
    /// - returns `[batch, token, image_token]`
    pub fn looks(&self, ids: Tensor<2, Int>, context: &Context) -> Option<Tensor<3>> {
        let reading = Reading::new(Mode::Decode, &ids, None, Some(context), 0);
        let states = self.hidden_states(Mode::Decode, ids, None, Some(context));
        let looks = self.layers.iter().zip(states).map(|(layer, x)| layer.look(x, &reading));
        let looks = looks.collect::<Option<Vec<Tensor<3>>>>().filter(|looks| !looks.is_empty())?;
        Some(Tensor::stack::<4>(looks, 0).mean_dim(0).squeeze_dim(0))
    }

    /// The stack without what only [`Mode::Decode`] needs.
    pub fn without_causal(self) -> Self {
        Self { layers: self.layers.into_iter().map(MedLayer::without_causal).collect(), ..self }
    }

    /// The same context with what every layer's cross-attention computes of it, done once for all
    /// calls that read it: a batch of pictures is read with its own texts, with others, and written about.
    ///
    /// Nothing is done ahead where layers run again in the backward pass, and where they read pairs.
    pub fn with_keys(&self, context: Context) -> Context {
        if self.runs.recomputes() {
            return context;
        }
        let keys = self.layers.iter().map(|layer| layer.context_keys(&context.states)).collect();
        Context { keys, ..context }
    }

    /// An empty cache for this stack.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.layers.len())
    }

    /// How its layers run while it learns.
    pub fn runs(&self) -> &BlockRuns {
        &self.runs
    }

    /// The embedding.
    pub(crate) fn embedding(&self) -> &TextEmbedding {
        &self.embedding
    }

    /// The word table, `[vocab, hidden]`.
    pub fn word_table(&self) -> Tensor<2> {
        self.embedding.word_table()
    }

    /// The longest text in tokens.
    pub fn max_positions(&self) -> usize {
        self.embedding.max_positions()
    }

    fn run(
        &self,
        mode: Mode,
        ids: Tensor<2, Int>,
        hidden: Option<Tensor<2, Bool>>,
        context: Option<&Context>,
        mut cache: Option<&mut KvCache>,
        mut see: impl FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        let [_, token] = ids.dims();
        let past = cache.as_ref().map_or(0, |cache| cache.past());
        let mut reading = Reading::new(mode, &ids, hidden, context, past);

        self.runs.seed(&ids.device());
        let mut x = self.embedding.forward(ids, past);
        see(&x);
        for (index, layer) in self.layers.iter().enumerate() {
            reading.context_keys = context.and_then(|context| Some(context.keys.as_ref()?[index].clone()));
            x = match cache.as_deref_mut() {
                Some(cache) => layer.forward(x, mode, &reading, Some(cache.layer(index))),
                None => self.run_layer(layer, x, mode, &reading),
            };
            see(&x);
        }
        if let Some(cache) = cache {
            cache.advance(token);
        }
        x
    }

    /// A layer without a cache: what it learns through are `x` and what it reads beside it.
    fn run_layer(&self, layer: &MedLayer, x: Tensor<3>, mode: Mode, reading: &Reading) -> Tensor<3> {
        let masks = Reading { context: None, ..reading.clone() };
        let with = move |masks: &Reading, context| Reading { context: Some(context), ..masks.clone() };
        match reading.context.clone().filter(|_| mode != Mode::Text) {
            None => self.runs.run(layer, [x], move |layer, [x]| layer.forward(x, mode, &masks, None)),
            Some(context @ Context { keys: Some(_), .. }) => self
                .runs
                .run(layer, [x], move |layer, [x]| layer.forward(x, mode, &with(&masks, context.clone()), None)),
            Some(Context { states, second: None, .. }) => {
                self.runs.run(layer, [x, states], move |layer, [x, states]| {
                    layer.forward(x, mode, &with(&masks, Context::new(states)), None)
                })
            }
            Some(Context { states, second: Some(second), .. }) => {
                self.runs.run(layer, [x, states, second], move |layer, [x, states, second]| {
                    layer.forward(x, mode, &with(&masks, Context::pair(states, second)), None)
                })
            }
        }
    }
}
