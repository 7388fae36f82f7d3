//! Image, caption and dialog to how well an answer goes on (BLIP §5.5; the authors released no code).

use burn::module::Module;
use burn::tensor::{Bool, DType, Device, Int, Tensor};

use super::BlipConfig;
use super::matcher::first_token;
use crate::nn::{BlockRuns, Linear, linear};
use crate::text::{Context, Med, Mode};
use crate::vision::VisionTransformer;

/// A stack that reads a dialog beside an image and its caption, and the match head.
///
/// Image tokens and the caption's states are one context, the states behind the tokens. Both are 768 wide in the
/// paper; where ours differ in width, a linear layer brings the states to the width of the tokens, which the
/// cross-attention of a pre-trained model reads already.
#[derive(Module, Debug)]
pub struct Dialog {
    vision: VisionTransformer,
    text: Med,
    caption_projection: Option<Linear>,
    itm_head: Linear,
}

impl Dialog {
    pub(super) fn new(config: &BlipConfig, device: &Device) -> Self {
        let (image, text) = (config.vision.hidden_size, config.text.hidden_size);
        Self {
            vision: config.vision.init(device),
            text: config.reader().init(device),
            caption_projection: (image != text).then(|| linear(text, image, device)),
            itm_head: linear(text, 2, device),
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

    /// What a dialog is about: the image, and its caption as read alone.
    ///
    /// # Shapes
    /// - `image_embeds`: `[batch, image_token, context]`
    /// - `ids`: the captions, `[batch, token]`, the first of each row `[CLS]`
    /// - `hidden`: `[batch, token]`, `true` where a token is padding
    /// - returns a context of `[batch, image_token + token, context]`
    pub fn context(&self, image_embeds: Tensor<3>, ids: Tensor<2, Int>, hidden: Option<Tensor<2, Bool>>) -> Context {
        let [batch, image_token, _] = image_embeds.dims();
        let states = self.text.forward(Mode::Text, ids, hidden.clone(), None, None); // [batch, token, hidden]
        let states = match &self.caption_projection {
            Some(projection) => projection.forward(states),
            None => states,
        };
        let hidden = hidden.map(|hidden| {
            let shown = Tensor::<2, Int>::zeros([batch, image_token], &hidden.device()).bool();
            Tensor::cat(vec![shown, hidden], 1) // [batch, image_token + token]
        });
        Context { hidden, ..Context::new(Tensor::cat(vec![image_embeds, states], 1)) }
    }

    /// Whether each dialog goes on with its last answer; column 1 is a match.
    ///
    /// # Shapes
    /// - `ids`: `[batch * n, token]`, the first of each row `[ENC]`
    /// - `hidden`: `[batch * n, token]`, `true` where a token is padding
    /// - `context.states`: of [`context`](Self::context), `[batch, key, context]`
    /// - returns logits, `[batch * n, 2]`
    pub fn itm_logits(&self, ids: Tensor<2, Int>, hidden: Option<Tensor<2, Bool>>, context: &Context) -> Tensor<2> {
        let states = self.text.forward(Mode::Grounded, ids, hidden, Some(context), None);
        self.itm_head.forward(first_token(states)).cast(DType::F32)
    }
}
