//! Where a captioner looks, word by word.

use burn::tensor::{Int, Tensor, TensorData};

use super::{Pipeline, Seen};
use crate::error::{Error, Result};
use crate::readback;

/// What a captioner looked at for each word of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The words, as the tokenizer cuts them.
    pub words: Vec<String>,
    /// Patches in a row of the picture, and in a column.
    pub side: usize,
    /// One map for each word: `side * side` shares of its attention, row by row, that sum to 1.
    pub maps: Vec<Vec<f32>>,
}

impl Pipeline {
    /// Where the model would look to write this text about a picture: its cross-attention, averaged
    /// over heads and layers, at the position that writes each word.
    ///
    /// What falls on the image's class token, which stands for no place, is left out.
    ///
    /// # Errors
    /// [`Error::NoHead`] for a model that does not write, [`Error::EmptyText`],
    /// [`Error::TextTooLong`].
    pub async fn look(&self, seen: &Seen, text: &str) -> Result<Look> {
        let writer = self.captioner()?;
        let mut ids = vec![self.tokens.decode];
        ids.extend(self.tokenizer.encode(&self.inputs.prompt)?);
        // The last token of the prompt is what the first word is written from.
        let first = ids.len();
        ids.extend(self.tokenizer.encode(text)?);
        if ids.len() == first {
            return Err(Error::EmptyText);
        }
        if ids.len() > writer.max_positions() {
            return Err(Error::TextTooLong { tokens: ids.len(), max: writer.max_positions() });
        }

        let row: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
        let row = Tensor::<2, Int>::from_data(TensorData::new(row, [1, ids.len()]), &self.device);
        let looks = writer.looks(row, &seen.context()).expect("what writes captions reads an image"); // [1, token, image_token]
        let [_, _, image_token] = looks.dims();
        let weights = readback::read(looks).await?;

        let side = self.config.vision.image_size_px / self.config.vision.patch_size_px;
        let map = |token: usize| &weights[token * image_token + image_token - side * side..][..side * side];
        let mut words = Vec::new();
        let mut maps: Vec<Vec<f32>> = Vec::new();
        let mut word: Vec<u32> = Vec::new();
        for (place, id) in ids.iter().enumerate().skip(first) {
            match maps.last_mut().filter(|_| self.tokenizer.continues_word(*id)) {
                Some(last) => last.iter_mut().zip(map(place - 1)).for_each(|(sum, part)| *sum += part),
                None => {
                    word.clear();
                    words.push(String::new());
                    maps.push(map(place - 1).to_vec());
                }
            }
            word.push(*id);
            *words.last_mut().expect("a word was begun") = self.tokenizer.decode(&word)?;
        }
        for map in &mut maps {
            let sum: f32 = map.iter().sum();
            map.iter_mut().for_each(|share| *share /= sum.max(f32::MIN_POSITIVE));
        }
        Ok(Look { words, side, maps })
    }
}
