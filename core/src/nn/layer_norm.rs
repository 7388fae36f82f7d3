//! Layer norm with learned scale and shift.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{DType, Device, Tensor};

use crate::kernel;

/// Rows with mean 0 and variance 1, scaled and shifted.
#[derive(Module, Debug)]
pub struct LayerNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// A layer norm over `size` features; `epsilon` is added to the variance.
    pub fn new(size: usize, epsilon: f64, device: &Device) -> Self {
        Self { gamma: Initializer::Ones.init([size], device), beta: Initializer::Zeros.init([size], device), epsilon }
    }

    /// `[.., hidden]` to the same.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        // 16 bits cannot hold a sum of squares.
        match x.dtype() {
            DType::F16 => {
                let [gamma, beta] = [gamma, beta].map(|vector| vector.cast(DType::F32));
                kernel::layer_norm(x.cast(DType::F32), gamma, beta, self.epsilon).cast(DType::F16)
            }
            _ => kernel::layer_norm(x, gamma, beta, self.epsilon),
        }
    }
}
