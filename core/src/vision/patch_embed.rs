//! Cuts an image into square patches and projects each.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::nn::{Linear, linear};

/// A convolution whose stride is its kernel, computed as one matrix product.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    projection: Linear,
    #[module(skip)]
    patch_size_px: usize,
}

impl PatchEmbed {
    /// Builds the layer for patches of three channels with fresh weights.
    pub fn new(patch_size_px: usize, hidden_size: usize, device: &Device) -> Self {
        let values = 3 * patch_size_px * patch_size_px;
        Self { projection: linear(values, hidden_size, device), patch_size_px }
    }

    /// # Shapes
    /// - `pixels`: `[batch, channel, height, width]`; a rest smaller than a patch is cut off
    /// - returns `[batch, patch, hidden]`, row by row
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let size = self.patch_size_px;
        let [batch, channel, height, width] = pixels.dims();
        let (rows, columns) = (height / size, width / size);
        let pixels = pixels.narrow(2, 0, rows * size).narrow(3, 0, columns * size);
        let patches = pixels
            .reshape([batch, channel, rows, size, columns, size])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch, rows * columns, channel * size * size]); // [batch, patch, values]
        self.projection.forward(patches)
    }
}
