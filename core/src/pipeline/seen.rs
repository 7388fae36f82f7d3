//! Pictures that the image encoder has read.

use burn::tensor::Tensor;

use super::Pipeline;
use crate::error::Result;
use crate::readback;
use crate::text::Context;

/// What the image encoder made of a batch of pictures.
///
/// Every task begins here: a picture that is captioned, asked about and compared is encoded once.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `[batch, image_token, context]`
    image_embeds: Tensor<3>,
}

impl Pipeline {
    /// Runs the image encoder over what [`pixels`](Self::pixels) made of one or more pictures.
    pub fn see(&self, pixels: &[Vec<f32>]) -> Seen {
        let vision = crate::with_model!(&self.model, model => model.vision());
        Seen { image_embeds: vision.forward(self.stack(pixels)) }
    }
}

impl Seen {
    /// Pictures in the batch.
    pub fn num_pictures(&self) -> usize {
        let [batch, ..] = self.image_embeds.dims();
        batch
    }

    /// Waits until the device is done with them; for measuring.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    pub async fn wait(&self) -> Result<()> {
        readback::read(self.image_embeds.clone().narrow(1, 0, 1)).await?;
        Ok(())
    }

    pub(super) fn image_embeds(&self) -> Tensor<3> {
        self.image_embeds.clone()
    }

    pub(super) fn context(&self) -> Context {
        Context::new(self.image_embeds())
    }
}
