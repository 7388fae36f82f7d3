//! Image tokens kept between epochs while the image encoder stays as it is.

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;

use crate::error::Result;
use crate::readback::read;

/// The image tokens of every photograph, 16 bits a number, in main memory.
#[derive(Clone, Debug, Default)]
pub(super) struct FeatureCache {
    /// Image tokens of photograph `i`, row by row.
    images: Vec<Vec<f16>>,
    token: usize,
    hidden: usize,
}

impl FeatureCache {
    /// What this many photographs take, in MB.
    pub fn megabytes(images: usize, image_token: usize, hidden: usize) -> usize {
        (images * image_token * hidden * size_of::<f16>()).div_ceil(1_000_000)
    }

    /// Appends a batch, `[batch, image_token, hidden]`.
    pub async fn push(&mut self, image_embeds: Tensor<3>) -> Result<()> {
        let [_, token, hidden] = image_embeds.dims();
        (self.token, self.hidden) = (token, hidden);
        let values = read(image_embeds).await?;
        self.images.extend(
            values
                .chunks_exact(token * hidden)
                .map(|image| image.iter().map(|value| f16::from_f32(*value)).collect::<Vec<_>>()),
        );
        Ok(())
    }

    /// Photographs kept so far.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// The image tokens of these photographs, `[batch, image_token, hidden]`.
    pub fn batch(&self, images: &[usize], device: &Device) -> Tensor<3> {
        let values: Vec<f32> =
            images.iter().flat_map(|image| self.images[*image].iter().map(|value| value.to_f32())).collect();
        Tensor::from_data(TensorData::new(values, [images.len(), self.token, self.hidden]), device)
    }
}
