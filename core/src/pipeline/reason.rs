//! Statements about two pictures.

use burn::tensor::activation::softmax;

use super::Pipeline;
use crate::error::Result;
use crate::model::{Model, Reasoner};
use crate::preprocess::pre_caption;
use crate::text::Context;

/// Words of a statement that are read.
const MAX_WORDS: usize = 40;

/// The left picture and the right one, as [`Pipeline::pixels`] gives them.
pub type PixelPair = [Vec<f32>; 2];

impl Pipeline {
    /// Whether the model can judge statements about two pictures.
    pub fn can_reason(&self) -> bool {
        self.reasoner().is_ok()
    }

    fn reasoner(&self) -> Result<&Reasoner> {
        match &self.model {
            Model::Reasoner(model) => Ok(model),
            _ => Err(self.no_head("reasoning about two pictures", "a reasoner such as model_base_nlvr.pth")),
        }
    }

    /// The probability that a statement is true of two pictures, the left one first.
    ///
    /// # Errors
    /// [`Error::NoHead`](crate::Error::NoHead), [`Error::EmptyText`](crate::Error::EmptyText),
    /// [`Error::TextTooLong`](crate::Error::TextTooLong).
    pub async fn reason(&self, left: &[f32], right: &[f32], statement: &str) -> Result<f32> {
        Ok(self.reason_all(&[[left.to_vec(), right.to_vec()]], &[statement.to_owned()]).await?[0])
    }

    /// As [`reason`](Self::reason), for several pairs in one pass, each with a statement of its own.
    ///
    /// # Errors
    /// As [`reason`](Self::reason).
    ///
    /// # Panics
    /// Where there are more statements than pairs, or fewer.
    pub async fn reason_all(&self, pairs: &[PixelPair], statements: &[String]) -> Result<Vec<f32>> {
        assert_eq!(pairs.len(), statements.len(), "every pair has one statement");
        let model = self.reasoner()?;
        let statements: Vec<String> = statements.iter().map(|text| pre_caption(text, MAX_WORDS)).collect();
        let text = self.read_texts(&statements, self.tokens.encode)?;
        let sides = [0, 1].map(|side| pairs.iter().map(move |pair| pair[side].clone()));
        let pixels: Vec<Vec<f32>> = sides.into_iter().flatten().collect();
        let image_embeds = model.vision().forward(self.stack(&pixels)); // [2 * batch, image_token, hidden]
        let [left, right] = [0, 1].map(|side| image_embeds.clone().narrow(0, side * pairs.len(), pairs.len()));
        let logits = model.logits(text.ids, text.hidden, &Context::pair(left, right));
        Ok(self.read(softmax(logits, 1)).await?.as_chunks::<2>().0.iter().map(|[_, is_true]| *is_true).collect())
    }
}
