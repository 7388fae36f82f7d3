//! All three roles with shared weights (`blip_pretrain.py`).

use burn::module::Module;
use burn::tensor::Device;

use super::{BlipConfig, Comparer, MatchHeads, Writer};
use crate::text::{LmHead, Med};
use crate::vision::VisionTransformer;

/// Reads, matches and writes: encoder and decoder share all but self-attention.
#[derive(Module, Debug)]
pub struct Pretraining {
    vision: VisionTransformer,
    text: Med,
    lm_head: LmHead,
    heads: MatchHeads,
}

impl Pretraining {
    pub(super) fn new(config: &BlipConfig, device: &Device) -> Self {
        let reader = config.reader();
        Self {
            vision: config.vision.init(device),
            text: reader.init(device),
            lm_head: reader.init_lm_head(device),
            heads: MatchHeads::new(config, device),
        }
    }

    /// The image encoder.
    pub fn vision(&self) -> &VisionTransformer {
        &self.vision
    }

    /// The text encoder in its two reading roles.
    pub fn comparer(&self) -> Comparer<'_> {
        Comparer { text: &self.text, heads: &self.heads }
    }

    /// The decoder.
    pub fn writer(&self) -> Writer<'_> {
        Writer { text: &self.text, lm_head: &self.lm_head }
    }
}
