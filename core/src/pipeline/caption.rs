//! Pictures to captions.

use std::ops::ControlFlow;

use super::{Pipeline, Seen};
use crate::error::{Error, Result};
use crate::generate::{GenerateConfig, Generated, generate};
use crate::model::{Model, Writer};
use crate::progress::{Progress, Report};

/// How captions are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptionOptions {
    /// Strategy and lengths.
    pub generate: GenerateConfig,
    /// What captions begin with, instead of the model's own prompt.
    pub prompt: Option<String>,
}

/// A caption and how sure the model is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The sentence.
    pub text: String,
    /// Geometric mean of its tokens' probabilities, 0 to 1.
    pub confidence: f32,
    /// Log-probability of every token, the end included.
    pub log_probs: Vec<f32>,
}

impl Pipeline {
    /// Whether the model can write captions.
    pub fn can_caption(&self) -> bool {
        self.captioner().is_ok()
    }

    pub(crate) fn captioner(&self) -> Result<Writer<'_>> {
        match &self.model {
            Model::Captioner(model) => Ok(model.writer()),
            Model::Pretraining(model) => Ok(model.writer()),
            _ => Err(self.no_head(
                "captioning",
                "a captioner such as blip-image-captioning-base, model_base_caption_capfilt_large.pth or the built-in model",
            )),
        }
    }

    /// Captions a batch of pictures in one pass: one list for each, best first.
    ///
    /// Every new word is reported as [`Progress::Text`].
    ///
    /// # Errors
    /// [`Error::NoHead`] for a model that does not write, [`Error::Option`],
    /// [`Error::TextTooLong`] for the prompt, [`Error::Cancelled`].
    pub async fn caption(
        &self,
        seen: &Seen,
        options: &CaptionOptions,
        report: &mut Report<'_>,
    ) -> Result<Vec<Vec<Caption>>> {
        let writer = self.captioner()?;
        let mut prompt = vec![self.tokens.decode];
        let words = options.prompt.as_deref().unwrap_or(&self.inputs.prompt);
        prompt.extend(self.tokenizer.encode(words)?);

        let context = seen.context();
        let mut on_token = |index: usize, ids: &[u32]| -> ControlFlow<()> {
            // A text that cannot be decoded is reported when it is whole.
            let text = self.tokenizer.decode(ids).unwrap_or_default();
            report(Progress::Text { index, text })
        };
        let written = generate(writer, &context, &prompt, self.tokens, &options.generate, &mut on_token).await?;
        written.into_iter().map(|texts| texts.into_iter().map(|text| self.finish(text)).collect()).collect()
    }

    pub(super) fn finish(&self, text: Generated) -> Result<Caption> {
        if text.log_probs.iter().any(|log_prob| log_prob.is_nan()) {
            return Err(Error::NotNumbers { model: self.source.clone() });
        }
        Ok(Caption {
            text: self.tokenizer.decode(&text.ids)?,
            confidence: text.confidence(),
            log_probs: text.log_probs,
        })
    }
}
