//! Image and question to answer (`blip_vqa.py`).

use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor};

use super::{BlipConfig, Writer};
use crate::nn::BlockRuns;
use crate::text::{Context, LmHead, Med, Mode};
use crate::vision::VisionTransformer;

/// A stack that reads the question beside the image, and one that writes the answer from it.
///
/// The two halves start from the same weights and part while fine-tuning, so each owns its own.
#[derive(Module, Debug)]
pub struct Answerer {
    vision: VisionTransformer,
    question: Med,
    answer: Med,
    lm_head: LmHead,
}

impl Answerer {
    pub(super) fn new(config: &BlipConfig, device: &Device) -> Self {
        let answer = config.answer_writer();
        Self {
            vision: config.vision.init(device),
            question: config.reader().init(device),
            answer: answer.init(device),
            lm_head: answer.init_lm_head(device),
        }
    }

    /// The same model, whose towers' blocks run so while it learns.
    pub fn with_runs(self, runs: &BlockRuns) -> Self {
        Self {
            vision: self.vision.with_runs(runs),
            question: self.question.with_runs(runs),
            answer: self.answer.with_runs(runs),
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

    /// Both stacks.
    pub fn responder(&self) -> Responder<'_> {
        let writer = Writer { text: &self.answer, lm_head: &self.lm_head };
        Responder { question: &self.question, writer }
    }
}

/// A stack that reads questions beside an image, and one that writes answers.
#[derive(Clone, Copy, Debug)]
pub struct Responder<'a> {
    pub(super) question: &'a Med,
    pub(super) writer: Writer<'a>,
}

impl<'a> Responder<'a> {
    /// The stack that reads questions.
    pub fn question(&self) -> &'a Med {
        self.question
    }

    /// The question's states, the context of its answer.
    ///
    /// # Shapes
    /// - `ids`: `[batch, token]`, the first of each row `[ENC]`
    /// - `hidden`: `[batch, token]`, `true` where a token is padding
    /// - `image.states`: `[batch, image_token, context]`
    /// - returns `[batch, token, hidden]`
    pub fn question_states(&self, ids: Tensor<2, Int>, hidden: Option<Tensor<2, Bool>>, image: &Context) -> Tensor<3> {
        self.question.forward(Mode::Grounded, ids, hidden, Some(image), None)
    }

    /// The stack that writes answers.
    pub fn writer(&self) -> Writer<'a> {
        self.writer
    }
}
