//! A linear layer.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::kernel;

/// `x weight + bias`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[input, output]`
    pub weight: Param<Tensor<2>>,
    /// `[output]`
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// `[.., input]` to `[.., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kernel::linear(x, self.weight.val(), self.bias.val())
    }
}
