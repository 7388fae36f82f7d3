//! How well texts describe a picture.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use super::{Pipeline, Seen};
use crate::error::{Error, Result};
use crate::model::{Comparer, Model};
use crate::preprocess::pre_caption;

/// Words of a text that are read.
pub(super) const MAX_WORDS: usize = 30;

/// How well a text describes a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Probability that it does, by reading both together (ITM).
    pub probability: f32,
    /// Cosine of the two in the shared space (ITC), -1 to 1.
    pub similarity: f32,
}

impl Pipeline {
    /// Whether the model can compare pictures and texts.
    pub fn can_match(&self) -> bool {
        self.comparer().is_ok()
    }

    pub(super) fn comparer(&self) -> Result<Comparer<'_>> {
        match &self.model {
            Model::Matcher(model) => Ok(model.comparer()),
            Model::Pretraining(model) => Ok(model.comparer()),
            _ => Err(self.no_head(
                "matching",
                "a matcher such as blip-itm-base-coco or model_base_retrieval_coco.pth, or a pre-training model",
            )),
        }
    }

    /// Compares one picture with every text.
    ///
    /// With `cls_first` the texts begin with `[CLS]` where the image is read too, as in Hugging
    /// Face's port and the authors' demo, instead of `[ENC]` as in training.
    ///
    /// # Errors
    /// [`Error::NoHead`], [`Error::EmptyText`], [`Error::TextTooLong`].
    pub async fn match_texts(&self, seen: &Seen, texts: &[String], cls_first: bool) -> Result<Vec<Match>> {
        let comparer = self.comparer()?;
        if texts.is_empty() {
            return Err(Error::EmptyText);
        }
        texts.iter().try_for_each(|text| self.check_length(text))?;
        let texts: Vec<String> = texts.iter().map(|text| pre_caption(text, MAX_WORDS)).collect();
        let alone = self.read_texts(&texts, self.tokens.cls)?;
        let image_feature = comparer.image_feature(seen.image_embeds());
        let text_feature = comparer.text_feature(alone.ids, alone.hidden);
        let similarity = text_feature.matmul(image_feature.transpose()); // [text, 1]

        let first = if cls_first { self.tokens.cls } else { self.tokens.encode };
        let beside = self.read_texts(&texts, first)?;
        let logits = comparer.itm_logits(beside.ids, beside.hidden, &seen.context());
        let probability = softmax(logits, 1).narrow(1, 1, 1); // [text, 1]

        let both = self.read(Tensor::cat(vec![probability, similarity], 1)).await?;
        let pairs = both.as_chunks::<2>().0.iter();
        Ok(pairs
            .map(|[probability, similarity]| Match { probability: *probability, similarity: *similarity })
            .collect())
    }
}
