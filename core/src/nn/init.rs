//! Fresh weights the way BERT and timm draw them: normal with deviation 0.02, biases zero.

use burn::module::Param;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use super::Linear;

const DEVIATION: f64 = 0.02;

/// A linear layer from `input` to `output` features, normal weights, zero bias.
pub fn linear(input: usize, output: usize, device: &Device) -> Linear {
    Linear { weight: table([input, output], device), bias: Initializer::Zeros.init([output], device) }
}

/// A learned table of normal values.
pub fn table<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Initializer::Normal { mean: 0.0, std: DEVIATION }.init(shape, device)
}
