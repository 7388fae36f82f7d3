//! Image-text similarity and matching (`blip_itm.py`, `blip_retrieval.py`).

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Bool, DType, Device, Int, Tensor};

use super::{BlipConfig, Model};
use crate::nn::{BlockRuns, Linear, linear};
use crate::text::{Context, Med, Mode};
use crate::vision::VisionTransformer;

/// Smallest length a vector is divided by (`F.normalize`).
const MIN_LENGTH: f64 = 1e-12;

/// Where the learned temperature of ITC starts.
const INITIAL_TEMPERATURE: f64 = 0.07;

/// Both encoders with their projections, and the match head.
#[derive(Module, Debug)]
pub struct Matcher {
    vision: VisionTransformer,
    text: Med,
    heads: MatchHeads,
}

impl Matcher {
    pub(super) fn new(config: &BlipConfig, device: &Device) -> Self {
        Self {
            vision: config.vision.init(device),
            text: config.reader().init(device),
            heads: MatchHeads::new(config, device),
        }
    }

    pub(super) fn from_parts(vision: VisionTransformer, text: Med, heads: MatchHeads) -> Self {
        Self { vision, text, heads }
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

    /// The text encoder in its two reading roles.
    pub fn comparer(&self) -> Comparer<'_> {
        Comparer { text: &self.text, heads: &self.heads }
    }
}

/// What turns states into similarities and matches.
#[derive(Module, Debug)]
pub struct MatchHeads {
    vision_projection: Linear,
    text_projection: Linear,
    itm_head: Linear,
    temperature: Param<Tensor<1>>,
}

impl MatchHeads {
    pub(super) fn new(config: &BlipConfig, device: &Device) -> Self {
        Self {
            vision_projection: linear(config.vision.hidden_size, config.embed_size, device),
            text_projection: linear(config.text.hidden_size, config.embed_size, device),
            itm_head: linear(config.text.hidden_size, 2, device),
            temperature: Initializer::Constant { value: INITIAL_TEMPERATURE }.init([1], device),
        }
    }
}

impl MatchHeads {
    /// The same heads, but that a pair matches (0.5) whose ITM probability was `threshold`: hard negatives, two of them
    /// beside every right pair, teach a head to doubt. The order of pairs stays.
    fn with_threshold(self, threshold: f64) -> Self {
        let shift = (threshold / (1.0 - threshold)).ln() as f32;
        let Linear { weight, bias } = self.itm_head;
        let bias = bias.map(|bias| {
            let device = bias.device();
            bias - Tensor::from_floats([0.0, shift], &device)
        });
        Self { itm_head: Linear { weight, bias }, ..self }
    }
}

/// The model that calls a match what had this ITM probability, between 0 and 1, and more; none where it has no ITM.
pub fn with_match_threshold(model: Model, threshold: f64) -> Option<Model> {
    match model {
        Model::Matcher(model) => Some(Matcher { heads: model.heads.with_threshold(threshold), ..model }.into()),
        Model::Pretraining(model) => Some(model.map_heads(|heads| heads.with_threshold(threshold)).into()),
        _ => None,
    }
}

/// A text stack in its reading roles, with the heads that compare.
#[derive(Clone, Copy, Debug)]
pub struct Comparer<'a> {
    pub(super) text: &'a Med,
    pub(super) heads: &'a MatchHeads,
}

impl Comparer<'_> {
    /// Images in the shared space: `[batch, image_token, context]` to unit `[batch, embed]`.
    pub fn image_feature(&self, image_embeds: Tensor<3>) -> Tensor<2> {
        let projection = &self.heads.vision_projection;
        let first = first_token(image_embeds).cast(projection.weight.val().dtype());
        unit_length(projection.forward(first).cast(DType::F32))
    }

    /// Texts in the shared space.
    ///
    /// # Shapes
    /// - `ids`: `[batch, token]`, the first of each row `[CLS]`
    /// - `hidden`: `[batch, token]`, `true` where a token is padding
    /// - returns unit `[batch, embed]`
    pub fn text_feature(&self, ids: Tensor<2, Int>, hidden: Option<Tensor<2, Bool>>) -> Tensor<2> {
        let states = self.text.forward(Mode::Text, ids, hidden, None, None);
        unit_length(self.heads.text_projection.forward(first_token(states)).cast(DType::F32))
    }

    /// Whether each text describes its image; column 1 is a match.
    ///
    /// # Shapes
    /// - `ids`: `[batch * n, token]`, the first of each row `[ENC]`
    /// - `hidden`: `[batch * n, token]`, `true` where a token is padding
    /// - `context.states`: `[batch, image_token, context]`
    /// - returns logits, `[batch * n, 2]`
    pub fn itm_logits(&self, ids: Tensor<2, Int>, hidden: Option<Tensor<2, Bool>>, context: &Context) -> Tensor<2> {
        let states = self.text.forward(Mode::Grounded, ids, hidden, Some(context), None);
        self.heads.itm_head.forward(first_token(states)).cast(DType::F32)
    }

    /// The learned temperature of ITC, `[1]`.
    pub fn temperature(&self) -> Tensor<1> {
        self.heads.temperature.val().cast(DType::F32)
    }

    /// Width of the shared space.
    pub fn embed_size(&self) -> usize {
        let [_, embed] = self.heads.text_projection.weight.val().dims();
        embed
    }

    /// The text stack.
    pub fn text(&self) -> &Med {
        self.text
    }
}

/// The state of the first token: `[batch, token, hidden]` to `[batch, hidden]`.
pub(super) fn first_token(states: Tensor<3>) -> Tensor<2> {
    states.narrow(1, 0, 1).squeeze_dim(1)
}

/// Scales every row to length one: `[rows, embed]` to the same.
pub fn unit_length(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().square().sum_dim(1).sqrt().clamp_min(MIN_LENGTH);
    x / length
}
