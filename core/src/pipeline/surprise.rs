//! How well a picture explains texts.

use super::Pipeline;
use crate::error::Result;
use crate::generate::surprise;
use crate::model::Writer;
use crate::text::Context;

/// Texts in one pass: their scores over all words are large.
const BATCH: usize = 16;

impl Pipeline {
    /// `-log p(text)` of texts that are written about one picture.
    pub(super) async fn surprises(&self, writer: Writer<'_>, picture: &Context, texts: &[String]) -> Result<Vec<f32>> {
        let mut surprises = Vec::with_capacity(texts.len());
        for texts in texts.chunks(BATCH) {
            let rows = self.read_texts(texts, self.tokens.decode)?;
            surprises.extend(self.read(surprise(writer, rows.ids, rows.hidden, picture)).await?);
        }
        Ok(surprises)
    }
}
