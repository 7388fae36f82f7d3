//! What is like everything counts for less: Querybank normalisation (Bogolin et al., arXiv 2112.12777).

use burn::tensor::Tensor;

use super::Pipeline;
use super::retrieve::dot;
use crate::error::{Error, Result};
use crate::progress::{Progress, Report};

/// Pictures in one pass.
const BATCH: usize = 16;

/// How far below the highest a similarity may lie and count.
const TEMPERATURE: f32 = 1.0 / 20.0;

/// Pictures and texts that are not searched, to compare with.
///
/// Some texts suit many pictures, and some pictures are near many texts: both come up for whatever is asked. How near
/// something is to a bank is what it is ahead by.
pub struct Bank {
    images: Vec<Vec<f32>>,
    texts: Vec<Vec<f32>>,
    /// The mean of what the image encoder made of the pictures, `[1, image_token, context]`.
    pub(super) average: Tensor<3>,
}

impl Bank {
    /// How near each text is to the pictures.
    pub(super) fn commonness_of_texts(&self, texts: &[Vec<f32>]) -> Vec<f32> {
        texts.iter().map(|text| commonness(text, &self.images)).collect()
    }

    /// How near each picture is to the texts.
    pub(super) fn commonness_of_images(&self, images: &[Vec<f32>]) -> Vec<f32> {
        images.iter().map(|image| commonness(image, &self.texts)).collect()
    }
}

impl Pipeline {
    /// A bank of pictures and texts, best those of what the model learned from.
    ///
    /// `pixels` gives what [`Pipeline::pixels`] made of a picture and is asked once for each.
    ///
    /// # Errors
    /// [`Error::Option`] where there are no pictures or no texts, and those of [`Pipeline::retrieve`].
    pub async fn bank(
        &self,
        num_images: usize,
        pixels: &mut dyn FnMut(usize) -> Result<Vec<f32>>,
        texts: &[String],
        report: &mut Report<'_>,
    ) -> Result<Bank> {
        self.comparer()?;
        if num_images == 0 || texts.is_empty() {
            let reason = "must hold a picture and a text at least".to_owned();
            return Err(Error::Option { option: "bank", reason });
        }
        let texts = self.text_features(texts, report).await?;
        let (mut images, mut sum) = (Vec::with_capacity(num_images), None);
        while images.len() < num_images {
            let batch = images.len()..(images.len() + BATCH).min(num_images);
            let pixels: Vec<Vec<f32>> = batch.map(&mut *pixels).collect::<Result<_>>()?;
            let seen = self.see(&pixels);
            images.extend(self.features(&seen).await?);
            let of_batch = seen.image_embeds().sum_dim(0);
            sum = Some(match sum {
                Some(sum) => sum + of_batch,
                None => of_batch,
            });
            let progress = Progress::Items { stage: "reading the bank", done: images.len(), total: num_images };
            if report(progress).is_break() {
                return Err(Error::Cancelled);
            }
        }
        let average = sum.expect("there is a picture at least") / num_images as f32;
        Ok(Bank { images, texts, average })
    }
}

/// A mean of similarities, in which the highest count most.
fn commonness(feature: &[f32], keys: &[Vec<f32>]) -> f32 {
    let sum: f64 = keys.iter().map(|key| f64::from(dot(feature, key) / TEMPERATURE).exp()).sum();
    TEMPERATURE * (sum / keys.len() as f64).ln() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_many_is_commoner_than_what_is_near_one() {
        let keys: Vec<Vec<f32>> = vec![vec![1.0, 0.0], vec![0.8, 0.6], vec![0.0, 1.0]];
        let [between, beside] = [[0.8, 0.6], [0.0, 1.0]].map(|feature| commonness(&feature, &keys));
        assert!(between > beside, "{between}, {beside}");
        // One key alone is as near as it is alike.
        assert!((commonness(&[0.6, 0.8], &keys[..1]) - 0.6).abs() < 1e-6);
        // Where all are alike their number does not count.
        let same = vec![vec![1.0, 0.0]; 7];
        assert!((commonness(&[0.6, 0.8], &same) - 0.6).abs() < 1e-6);
    }
}
