//! From the bytes of an image file to the numbers a vision transformer reads, and from raw text to clean text.
//!
//! Everything here ends in plain `Vec<f32>`, `RgbImage` and `String`; the caller makes tensors of them.

mod augment;
mod decode;
#[cfg(feature = "jxl")]
mod jxl;
mod newer;
mod resize;
mod text;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::error::Result;

pub use augment::Augment;
pub use decode::{Alpha, decode, dimensions};
#[cfg(feature = "jxl")]
pub use jxl::exif_of_jpeg_xl;
pub use newer::Newer;
pub use resize::{resize, squash};
pub use text::{pre_caption, pre_question, swap_sides};

/// How an image becomes model input: the part of a checkpoint's configuration that is not weights.
///
/// The defaults are those of the captioning checkpoints at 384 px.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preprocessor {
    /// Side of the square the model sees: 224 in pre-training, 384 for captions and retrieval, 480 for VQA.
    pub image_size_px: usize,
    /// Mean of red, green and blue over CLIP's training images, subtracted after scaling to 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue over CLIP's training images.
    pub std: [f32; 3],
    /// What becomes of transparency.
    pub alpha: Alpha,
    /// Images above this are refused before they are decoded; a matter of this machine's memory, so it is never saved.
    #[serde(skip)]
    pub max_pixels: u64,
}

impl Default for Preprocessor {
    #[expect(clippy::excessive_precision, reason = "CLIP's numbers as they were published")]
    fn default() -> Self {
        Self {
            image_size_px: 384,
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
            alpha: Alpha::Drop,
            max_pixels: 100_000_000,
        }
    }
}

impl Preprocessor {
    /// The pixels of an image file of any format this build knows, upright and squashed to the model's square.
    ///
    /// # Shapes
    /// - returns `[channel, height, width]`, row by row
    pub fn pixels(&self, bytes: &[u8]) -> Result<Vec<f32>> {
        let image = decode(bytes, self.alpha, self.max_pixels)?;
        Ok(self.pixels_of(&image))
    }

    /// The pixels of an image that is already decoded, such as a video frame or an augmented picture.
    ///
    /// # Shapes
    /// - returns `[channel, height, width]`, row by row
    pub fn pixels_of(&self, image: &RgbImage) -> Vec<f32> {
        self.levels_of(&squash(image, self.image_size_px as u32))
    }

    /// The numbers that the levels of a picture stand for, whatever its size.
    ///
    /// # Shapes
    /// - returns `[channel, height, width]`, row by row
    pub fn levels_of(&self, picture: &RgbImage) -> Vec<f32> {
        let mut pixels = Vec::with_capacity(picture.as_raw().len());
        for channel in 0..3 {
            let table = self.normalized_levels(channel);
            pixels.extend(picture.pixels().map(|pixel| table[usize::from(pixel.0[channel])]));
        }
        pixels
    }

    /// What each of the 256 levels of a channel is normalised to, scaled before it is centred as the processors do.
    fn normalized_levels(&self, channel: usize) -> [f32; 256] {
        std::array::from_fn(|level| (level as f32 * (1.0 / 255.0) - self.mean[channel]) / self.std[channel])
    }
}
