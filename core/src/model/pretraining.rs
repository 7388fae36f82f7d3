//! All three roles with shared weights (`blip_pretrain.py`).

use burn::module::Module;
use burn::tensor::Device;

use super::{BlipConfig, Comparer, MatchHeads, Matcher, Responder, Writer};
use crate::nn::BlockRuns;
use crate::text::{LmHead, Med};
use crate::vision::VisionTransformer;

/// Reads, matches and writes: encoder and decoder share all but self-attention, or what
/// [`Sharing`](crate::text::Sharing) says.
///
/// Where the configuration gives it answer layers, it answers questions too: its text encoder
/// reads them as it reads captions, or a stack of its own does, and another writes the answer from their states.
#[derive(Module, Debug)]
pub struct Pretraining {
    vision: VisionTransformer,
    text: Med,
    /// Where reading and writing share nothing: what writes.
    decoder: Option<Med>,
    lm_head: LmHead,
    heads: MatchHeads,
    question: Option<Med>,
    answer: Option<Med>,
}

impl Pretraining {
    pub(super) fn new(config: &BlipConfig, device: &Device) -> Self {
        let reader = config.reader();
        Self {
            vision: config.vision.init(device),
            text: reader.init(device),
            decoder: config.writer().map(|writer| writer.init(device)),
            lm_head: reader.init_lm_head(device),
            heads: MatchHeads::new(config, device),
            question: config.question_reader().map(|question| question.init(device)),
            answer: config.answer_layers.map(|_| config.answer_writer().init(device)),
        }
    }

    /// The same model, whose towers' blocks run so while it learns.
    pub fn with_runs(self, runs: &BlockRuns) -> Self {
        Self {
            vision: self.vision.with_runs(runs),
            text: self.text.with_runs(runs),
            question: self.question.map(|question| question.with_runs(runs)),
            answer: self.answer.map(|answer| answer.with_runs(runs)),
            decoder: self.decoder.map(|decoder| decoder.with_runs(runs)),
            ..self
        }
    }

    /// The same model with another image encoder of its shape.
    pub fn with_vision(self, vision: VisionTransformer) -> Self {
        Self { vision, ..self }
    }

    /// The image encoder.
    pub fn vision(&self) -> &VisionTransformer {
        &self.vision
    }

    /// The text encoder in its two reading roles.
    pub fn comparer(&self) -> Comparer<'_> {
        Comparer { text: &self.text, heads: &self.heads }
    }

    /// What compares, alone: the image encoder, the text encoder without what only writing
    /// needs, and the heads. Its parameters keep their paths.
    pub fn to_matcher(&self) -> Matcher {
        Matcher::from_parts(self.vision.clone(), self.text.clone().without_causal(), self.heads.clone())
    }

    /// The same model with other heads.
    pub(super) fn map_heads(self, map: impl FnOnce(MatchHeads) -> MatchHeads) -> Self {
        Self { heads: map(self.heads), ..self }
    }

    /// What answers questions, where there is something.
    pub fn responder(&self) -> Option<Responder<'_>> {
        let writer = Writer { text: self.answer.as_ref()?, lm_head: &self.lm_head };
        Some(Responder { question: self.question.as_ref().unwrap_or(&self.text), writer })
    }

    /// The decoder.
    pub fn writer(&self) -> Writer<'_> {
        Writer { text: self.decoder.as_ref().unwrap_or(&self.text), lm_head: &self.lm_head }
    }
}
