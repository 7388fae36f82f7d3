//! Statements about two pictures.

use burn::tensor::activation::softmax;

use super::Pipeline;
use super::compare::read;
use crate::error::Result;
use crate::model::Model;
use crate::preprocess::pre_caption;
use crate::text::Context;

/// Words of a statement that are read.
const MAX_WORDS: usize = 40;

impl Pipeline {
    /// Whether the model can judge statements about two pictures.
    pub fn can_reason(&self) -> bool {
        matches!(self.model, Model::Reasoner(_))
    }

    /// The probability that a statement is true of two pictures, the left one first.
    ///
    /// # Errors
    /// [`Error::NoHead`](crate::Error::NoHead), [`Error::EmptyText`](crate::Error::EmptyText),
    /// [`Error::TextTooLong`](crate::Error::TextTooLong).
    pub async fn reason(&self, left: &[f32], right: &[f32], statement: &str) -> Result<f32> {
        let Model::Reasoner(model) = &self.model else {
            return Err(self.no_head("reasoning about two pictures", "a reasoner such as model_base_nlvr.pth"));
        };
        let text = self.read_texts(&[pre_caption(statement, MAX_WORDS)], self.tokens.encode)?;
        let image_embeds = model.vision().forward(self.stack(&[left.to_vec(), right.to_vec()]));
        let [first, second] = [0, 1].map(|image| image_embeds.clone().narrow(0, image, 1));
        let logits = model.logits(text.ids, text.hidden, &Context::pair(first, second));
        Ok(read(softmax(logits, 1)).await?[1])
    }
}
