//! Photographs of a batch into pixels, several at a time.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::preprocess::{Augment, Preprocessor, decode};

/// Reads photographs into one tensor, `[batch, channel, height, width]`.
///
/// With `augment` each is distorted at random by its own seed, which comes with its path.
///
/// # Errors
/// The first photograph that cannot be read, as [`Error::Data`] with its path.
pub(super) fn read(
    pictures: &[(&Path, u64)],
    preprocessor: &Preprocessor,
    augment: Option<&Augment>,
    device: &Device,
) -> Result<Tensor<4>> {
    let side = preprocessor.image_size_px;
    let pixels: Vec<Vec<f32>> = pictures
        .par_iter()
        .map(|(path, seed)| {
            let broken = |reason: String| Error::Data { path: path.to_path_buf(), reason };
            let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
            let image = decode(&bytes, preprocessor.alpha, preprocessor.max_pixels)
                .map_err(|error| broken(error.to_string()))?;
            Ok(match augment {
                Some(augment) => {
                    let mut draws = StdRng::seed_from_u64(*seed);
                    preprocessor.pixels_of(&augment.apply(&image, side as u32, &mut draws))
                }
                None => preprocessor.pixels_of(&image),
            })
        })
        .collect::<Result<_>>()?;
    let data = TensorData::new(pixels.concat(), [pictures.len(), 3, side, side]);
    Ok(Tensor::from_data(data, device))
}
