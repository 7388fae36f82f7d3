//! Two images and a statement to true or false (`blip_nlvr.py`).

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Bool, DType, Device, Int, Tensor};

use super::BlipConfig;
use super::matcher::first_token;
use crate::nn::{BlockRuns, Linear, linear};
use crate::text::{Context, Med, Mode};
use crate::vision::VisionTransformer;

/// A stack that reads a statement beside two images, and a two-layer head.
#[derive(Module, Debug)]
pub struct Reasoner {
    vision: VisionTransformer,
    text: Med,
    head_in: Linear,
    head_out: Linear,
}

impl Reasoner {
    pub(super) fn new(config: &BlipConfig, device: &Device) -> Self {
        let hidden = config.text.hidden_size;
        Self {
            vision: config.vision.init(device),
            text: config.reader().init(device),
            head_in: linear(hidden, hidden, device),
            head_out: linear(hidden, 2, device),
        }
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

    /// The text stack.
    pub fn text(&self) -> &Med {
        &self.text
    }

    /// Whether each statement is true of its two images; column 1 is true.
    ///
    /// # Shapes
    /// - `ids`: `[batch, token]`, the first of each row `[ENC]`
    /// - `hidden`: `[batch, token]`, `true` where a token is padding
    /// - `images`: a [`Context::pair`] of `[batch, image_token, context]`
    /// - returns logits, `[batch, 2]`
    pub fn logits(&self, ids: Tensor<2, Int>, hidden: Option<Tensor<2, Bool>>, images: &Context) -> Tensor<2> {
        let states = self.text.forward(Mode::Grounded, ids, hidden, Some(images), None);
        self.head_out.forward(relu(self.head_in.forward(first_token(states)))).cast(DType::F32)
    }
}
