//! Numbers left out at random while training.

use burn::tensor::{Device, Tensor};

use crate::kernel::dropout_mask;

/// Sets each number to zero with a probability and makes up for it in the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropout {
    probability: f64,
}

impl Dropout {
    /// Leaves out numbers with this probability.
    pub fn new(probability: f64) -> Self {
        Self { probability }
    }

    /// Whether anything is left out on this device: only one that learns.
    pub fn is_active(&self, device: &Device) -> bool {
        self.probability > 0.0 && device.is_autodiff()
    }

    /// `x` with some of its numbers left out; the identity outside training.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if !self.is_active(&x.device()) {
            return x;
        }
        let mask = dropout_mask(x.clone(), 1.0 - self.probability);
        x * mask
    }
}
