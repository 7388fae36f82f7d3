//! Two linear layers with a GELU between them.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Linear, linear};
use crate::kernel::gelu;

/// `down(gelu(up(x)))` with the exact (erf) GELU of BERT and ViT.
#[derive(Module, Debug)]
pub struct FeedForward {
    up: Linear,
    down: Linear,
}

impl FeedForward {
    /// Builds the layer with fresh weights; `size` is the width in the middle.
    pub fn new(hidden_size: usize, size: usize, device: &Device) -> Self {
        Self { up: linear(hidden_size, size, device), down: linear(size, hidden_size, device) }
    }

    /// `[batch, token, hidden]` to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.down.forward(gelu(self.up.forward(x)))
    }
}
