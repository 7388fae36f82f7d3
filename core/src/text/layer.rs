//! One layer of the stack: self-attention of either kind, cross-attention, feed-forward.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

use super::med::Reading;
use super::{CrossAttention, Mode, Sharing, TextConfig};
use crate::nn::{Attention, AttentionConfig, Dropout, FeedForward, KeyValue, LayerCache, LayerNorm, Linear, linear};

/// An attention with its output projection, residual and norm: one post-norm sub-layer of BERT.
#[derive(Module, Debug)]
pub struct AttentionLayer {
    attention: Attention,
    output: Linear,
    norm: LayerNorm,
    #[module(skip)]
    dropout: Dropout,
}

impl AttentionLayer {
    fn new(config: &TextConfig, context_size: usize, device: &Device) -> Self {
        Self {
            attention: attention(config, context_size, device),
            output: linear(config.hidden_size, config.hidden_size, device),
            norm: LayerNorm::new(config.hidden_size, config.layer_norm_epsilon, device),
            dropout: Dropout::new(config.dropout),
        }
    }

    /// `[batch, token, hidden]` to the same, reading `keys`.
    fn forward(&self, x: Tensor<3>, keys: KeyValue, mask: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let read = self.output.forward(self.attention.attend(x.clone(), keys, mask));
        self.norm.forward(self.dropout.forward(read) + x)
    }
}

/// Cross-attention to two images (`nlvr_encoder.py`): each has its own keys, values and output
/// projection; the two outputs are averaged, or merged by a linear layer.
#[derive(Module, Debug)]
pub struct PairedCrossAttention {
    attentions: [Attention; 2],
    outputs: [Linear; 2],
    merge: Option<Linear>,
    norm: LayerNorm,
    #[module(skip)]
    dropout: Dropout,
}

impl PairedCrossAttention {
    fn new(config: &TextConfig, merges: bool, device: &Device) -> Self {
        let hidden = config.hidden_size;
        Self {
            attentions: [0, 1].map(|_| attention(config, config.context_size, device)),
            outputs: [0, 1].map(|_| linear(hidden, hidden, device)),
            merge: merges.then(|| linear(2 * hidden, hidden, device)),
            norm: LayerNorm::new(hidden, config.layer_norm_epsilon, device),
            dropout: Dropout::new(config.dropout),
        }
    }

    /// `[batch, token, hidden]` to the same, reading two images' `[batch, image_token, context]`.
    fn forward(&self, x: Tensor<3>, images: [Tensor<3>; 2]) -> Tensor<3> {
        let [first, second] = [0, 1].map(|image| {
            let attention = &self.attentions[image];
            let keys = attention.key_value(images[image].clone());
            self.outputs[image].forward(attention.attend(x.clone(), keys, None))
        });
        let read = match &self.merge {
            None => (first + second) / 2.0,
            Some(merge) => merge.forward(Tensor::cat(vec![first, second], 2)),
        };
        self.norm.forward(self.dropout.forward(read) + x)
    }
}

/// One layer of [`Med`](super::Med): every weight that two roles share exists once.
#[derive(Module, Debug)]
pub struct MedLayer {
    bidirectional: Option<AttentionLayer>,
    causal: Option<AttentionLayer>,
    cross: Option<AttentionLayer>,
    causal_cross: Option<AttentionLayer>,
    paired_cross: Option<PairedCrossAttention>,
    feed_forward: FeedForward,
    norm: LayerNorm,
    #[module(skip)]
    dropout: Dropout,
}

impl MedLayer {
    pub(super) fn new(config: &TextConfig, index: usize, device: &Device) -> Self {
        let hidden = config.hidden_size;
        let own = || AttentionLayer::new(config, hidden, device);
        let cross = || AttentionLayer::new(config, config.context_size, device);
        let shared = (config.bidirectional && config.causal).then(|| config.sharing.unwrap_or_default());
        let shares_own = matches!(shared, Some(Sharing::All | Sharing::AllButCross));
        Self {
            bidirectional: config.bidirectional.then(own),
            causal: (config.causal && !shares_own).then(own),
            cross: (config.cross == CrossAttention::One).then(cross),
            causal_cross: (config.cross == CrossAttention::One && shared == Some(Sharing::AllButCross)).then(cross),
            paired_cross: match config.cross {
                CrossAttention::Pair { merge_from } => {
                    Some(PairedCrossAttention::new(config, index >= merge_from, device))
                }
                _ => None,
            },
            feed_forward: FeedForward::new(hidden, config.feed_forward_size, device),
            norm: LayerNorm::new(hidden, config.layer_norm_epsilon, device),
            dropout: Dropout::new(config.dropout),
        }
    }

    pub(super) fn without_causal(self) -> Self {
        Self { causal: None, causal_cross: None, ..self }
    }

    /// What reading an image computes of it, `[batch, image_token, context]`.
    pub(super) fn context_keys(&self, states: &Tensor<3>) -> Option<KeyValue> {
        Some(self.cross.as_ref()?.attention.key_value(states.clone()))
    }

    /// `[batch, token, hidden]` to the same; with a cache, `x` holds the new tokens only.
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        mode: Mode,
        reading: &Reading,
        mut cache: Option<&mut LayerCache>,
    ) -> Tensor<3> {
        let x = self.read_own(x, mode, reading, cache.as_deref_mut());
        let x = self.read_context(x, mode, reading, cache);
        let fed = self.feed_forward.forward(x.clone());
        self.norm.forward(self.dropout.forward(fed) + x)
    }

    /// How much of every image token writing reads at each position, averaged over heads:
    /// `[batch, token, image_token]`. `x` is what [`forward`](Self::forward) gets.
    pub(super) fn look(&self, x: Tensor<3>, reading: &Reading) -> Option<Tensor<3>> {
        let cross = self.cross_of(Mode::Decode)?;
        let states = reading.context.as_ref()?.states.clone();
        let x = self.read_own(x, Mode::Decode, reading, None);
        let weights = cross.attention.weights(x, &cross.attention.key_value(states));
        Some(weights.mean_dim(1).squeeze_dim(1))
    }

    /// Self-attention.
    fn read_own(&self, x: Tensor<3>, mode: Mode, reading: &Reading, cache: Option<&mut LayerCache>) -> Tensor<3> {
        // What writing has no own weights for it does with those of reading.
        let own = match mode {
            Mode::Decode => self.causal.as_ref().or(self.bidirectional.as_ref()),
            _ => self.bidirectional.as_ref(),
        };
        let own = own.expect("a stack has the self-attention of each of its roles");
        let keys = own.attention.key_value(x.clone());
        let keys = match cache {
            Some(cache) => cache.extend(keys),
            None => keys,
        };
        own.forward(x, keys, reading.own_mask.clone())
    }

    fn cross_of(&self, mode: Mode) -> Option<&AttentionLayer> {
        match mode {
            Mode::Decode => self.causal_cross.as_ref().or(self.cross.as_ref()),
            _ => self.cross.as_ref(),
        }
    }

    /// Cross-attention, where the mode reads a context and the layer has one.
    fn read_context(&self, x: Tensor<3>, mode: Mode, reading: &Reading, cache: Option<&mut LayerCache>) -> Tensor<3> {
        match (mode, self.cross_of(mode), &self.paired_cross, &reading.context) {
            (Mode::Text, ..) | (_, None, None, _) => x,
            (_, Some(cross), _, Some(context)) => {
                // Writing with weights of its own makes nothing of what reading computed.
                let before =
                    reading.context_keys.clone().filter(|_| mode != Mode::Decode || self.causal_cross.is_none());
                let compute = || before.unwrap_or_else(|| cross.attention.key_value(context.states.clone()));
                let keys = match cache {
                    Some(cache) => cache.context(compute),
                    None => compute(),
                };
                cross.forward(x, keys, reading.context_mask.clone())
            }
            (_, _, Some(cross), Some(context)) => {
                let second = context.second.clone().expect("a pair of images was given");
                cross.forward(x, [context.states.clone(), second])
            }
            (_, _, _, None) => panic!("this mode reads a context and none was given"),
        }
    }
}

fn attention(config: &TextConfig, context_size: usize, device: &Device) -> Attention {
    AttentionConfig::new(config.hidden_size, context_size, config.num_heads)
        .with_dropout(config.attention_dropout)
        .init(device)
}
