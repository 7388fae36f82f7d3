//! Image to caption (`blip.py`, `BLIP_Decoder`).

use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor};

use super::BlipConfig;
use crate::nn::{BlockRuns, KvCache};
use crate::text::{Context, LmHead, Med, Mode};
use crate::vision::VisionTransformer;

/// The image-grounded text decoder and its image encoder.
#[derive(Module, Debug)]
pub struct Captioner {
    vision: VisionTransformer,
    text: Med,
    lm_head: LmHead,
}

impl Captioner {
    pub(super) fn new(config: &BlipConfig, device: &Device) -> Self {
        let reader = config.reader();
        Self { vision: config.vision.init(device), text: reader.init(device), lm_head: reader.init_lm_head(device) }
    }

    /// A captioner with fresh weights.
    pub fn init(config: &BlipConfig, device: &Device) -> Self {
        Self::new(config, device)
    }

    /// The same model, whose towers' blocks run so while it learns.
    pub fn with_runs(self, runs: &BlockRuns) -> Self {
        Self { vision: self.vision.with_runs(runs), text: self.text.with_runs(runs), ..self }
    }

    /// The same model with another image encoder of its shape.
    pub fn with_vision(self, vision: VisionTransformer) -> Self {
        Self { vision, ..self }
    }

    /// The image encoder.
    pub fn vision(&self) -> &VisionTransformer {
        &self.vision
    }

    /// The decoder.
    pub fn writer(&self) -> Writer<'_> {
        Writer { text: &self.text, lm_head: &self.lm_head }
    }
}

/// A text stack in its writing role, with its output layer.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    pub(crate) text: &'a Med,
    pub(crate) lm_head: &'a LmHead,
}

impl Writer<'_> {
    /// The text stack.
    pub fn text(&self) -> &Med {
        self.text
    }

    /// What the stack makes of every position, ready for [`scores`](Self::scores).
    ///
    /// # Shapes
    /// - `ids`: `[batch * n, token]`, the first of each row `[DEC]`
    /// - `context.states`: `[batch, key, context]`
    /// - returns `[batch * n, token, hidden]`
    pub fn states(&self, ids: Tensor<2, Int>, context: &Context) -> Tensor<3> {
        self.text.forward(Mode::Decode, ids, None, Some(context), None)
    }

    /// The score of every word after each of these states: `[row, hidden]` to `[row, vocab]`.
    pub fn scores(&self, states: Tensor<2>) -> Tensor<2> {
        self.lm_head.forward(states, self.text.word_table())
    }

    /// What `loss` makes of the score of every word after each of these states, `[row, hidden]`.
    ///
    /// Like a layer, it runs again in the backward pass where layers do: the scores, as wide as
    /// the vocabulary, are not kept.
    pub fn losses(&self, states: Tensor<2>, loss: impl Fn(Tensor<2>) -> Tensor<1> + Send + 'static) -> Tensor<1> {
        let head = (self.lm_head.clone(), self.text.embedding().clone());
        self.text
            .runs()
            .run(&head, [states], move |(head, embedding), [states]| loss(head.forward(states, embedding.word_table())))
    }

    /// The score of every word at every position.
    ///
    /// # Shapes
    /// - `ids`: `[batch * n, token]`, the first of each row `[DEC]`
    /// - `hidden`: `[batch * n, token]`, `true` where a token is padding
    /// - `context.states`: `[batch, key, context]`
    /// - returns logits, `[batch * n, token, vocab]`
    pub fn logits(&self, ids: Tensor<2, Int>, hidden: Option<Tensor<2, Bool>>, context: &Context) -> Tensor<3> {
        let states = self.text.forward(Mode::Decode, ids, hidden, Some(context), None);
        self.lm_head.forward(states, self.text.word_table())
    }

    /// The scores of the word that follows `ids`, which follow what `cache` has seen.
    ///
    /// # Shapes
    /// - `ids`: `[batch * n, token]`
    /// - returns logits, `[batch * n, vocab]`
    pub fn next_logits(&self, ids: Tensor<2, Int>, context: &Context, cache: &mut KvCache) -> Tensor<2> {
        let [_, token] = ids.dims();
        let states = self.text.forward(Mode::Decode, ids, None, Some(context), Some(cache));
        let last = states.narrow(1, token - 1, 1); // [batch * n, 1, hidden]
        self.lm_head.forward(last, self.text.word_table()).squeeze_dim(1)
    }

    /// Where it looks at each position; see [`Med::looks`].
    pub fn looks(&self, ids: Tensor<2, Int>, context: &Context) -> Option<Tensor<3>> {
        self.text.looks(ids, context)
    }

    /// An empty cache for this writer.
    pub fn new_cache(&self) -> KvCache {
        self.text.new_cache()
    }

    /// The longest text in tokens.
    pub fn max_positions(&self) -> usize {
        self.text.max_positions()
    }
}
