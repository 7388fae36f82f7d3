//! How well a picture explains texts.

use burn::tensor::Tensor;

use super::{Pipeline, Seen};
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

    /// How much likelier each picture makes each text than a blank one does, in nats, picture by picture.
    pub(super) async fn gains(&self, writer: Writer<'_>, seen: &Seen, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let batch = seen.num_pictures();
        // One pass for the pictures and the blank one, which is the last.
        let context = Context::new(Tensor::cat(vec![seen.image_embeds(), self.blank()], 0));
        let mut gains = vec![Vec::with_capacity(texts.len()); batch];
        for texts in texts.chunks(BATCH.div_ceil(batch + 1)) {
            let rows = self.read_texts(&vec![texts; batch + 1].concat(), self.tokens.decode)?;
            let surprises = self.read(surprise(writer, rows.ids, rows.hidden, &context)).await?;
            let (of_pictures, of_blank) = surprises.split_at(batch * texts.len());
            for (gains, of_picture) in gains.iter_mut().zip(of_pictures.chunks_exact(texts.len())) {
                gains.extend(of_blank.iter().zip(of_picture).map(|(blank, picture)| blank - picture));
            }
        }
        Ok(gains)
    }

    /// What the image encoder makes of a picture on which there is nothing, `[1, image_token, context]`.
    fn blank(&self) -> Tensor<3> {
        let side = self.inputs.pixels.image_size_px;
        self.blank.get_or_init(|| self.see(&[vec![0.0; 3 * side * side]]).image_embeds()).clone()
    }
}
