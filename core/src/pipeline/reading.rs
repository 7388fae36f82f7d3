//! What reading texts together with pictures says of a search.

use super::compare::MAX_WORDS;
use super::{Calibration, Pipeline, Reading, Seen};
use crate::error::{Error, Result};
use crate::preprocess::pre_caption;

/// Rows in one pass: a text and a picture each.
const ROWS: usize = 64;

impl Pipeline {
    /// How evidence of a search is weighed, where the weights say.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The same pipeline with other numbers for searches.
    pub fn with_calibration(self, calibration: Option<Calibration>) -> Self {
        Self { calibration, ..self }
    }

    /// Words of a text that a search reads.
    pub fn count_words(text: &str) -> usize {
        pre_caption(text, MAX_WORDS).split(' ').count()
    }

    /// Whether the decoder counts in a search.
    pub fn hears_decoder(&self) -> bool {
        self.calibration.is_some_and(|calibration| calibration.read.gain != 0.0)
    }

    /// Reads every text together with every picture, as in search: what comes back goes picture by picture.
    ///
    /// Texts begin with `[ENC]` where the image is read too. Where the decoder is not asked its gain is 0.
    ///
    /// # Errors
    /// [`Error::NoHead`], also of a decoder that is asked and is not there, [`Error::EmptyText`],
    /// [`Error::TextTooLong`].
    pub async fn readings(&self, seen: &Seen, texts: &[String], asks_decoder: bool) -> Result<Vec<Vec<Reading>>> {
        let comparer = self.comparer()?;
        if texts.is_empty() {
            return Err(Error::EmptyText);
        }
        texts.iter().try_for_each(|text| self.check_length(text))?;
        let texts: Vec<String> = texts.iter().map(|text| pre_caption(text, MAX_WORDS)).collect();
        let (batch, context) = (seen.num_pictures(), seen.context());
        let mut readings = vec![Vec::with_capacity(texts.len()); batch];
        for texts in texts.chunks(ROWS.div_ceil(batch)) {
            let rows = self.read_texts(&vec![texts; batch].concat(), self.tokens.encode)?;
            let scores = self.read(comparer.itm_logits(rows.ids, rows.hidden, &context)).await?; // [batch * text, 2]
            let odds = scores.as_chunks::<2>().0.iter().map(|[against, in_favour]| in_favour - against);
            for (readings, odds) in readings.iter_mut().zip(odds.collect::<Vec<f32>>().chunks_exact(texts.len())) {
                readings.extend(odds.iter().map(|logit| Reading { logit: *logit, gain: 0.0 }));
            }
        }
        if asks_decoder {
            let gains = self.gains(self.captioner()?, seen, &texts).await?;
            readings.iter_mut().flatten().zip(gains.iter().flatten()).for_each(|(reading, gain)| reading.gain = *gain);
        }
        Ok(readings)
    }
}
