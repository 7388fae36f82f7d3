//! Stochastic depth: whole residual branches left out at random while training.

use burn::tensor::{Distribution, Tensor};

/// Leaves a residual branch out for a random part of the batch (timm's `DropPath`).
#[derive(Clone, Copy, Debug, Default)]
pub struct DropPath {
    probability: f64,
}

impl DropPath {
    /// A branch that is left out with this probability, for each image on its own.
    pub fn new(probability: f64) -> Self {
        Self { probability }
    }

    /// The probabilities of `depth` blocks, rising linearly from 0 to `probability`.
    pub fn schedule(probability: f64, depth: usize) -> impl Iterator<Item = Self> {
        let last = depth.saturating_sub(1).max(1) as f64;
        (0..depth).map(move |block| Self::new(probability * block as f64 / last))
    }

    /// `[batch, token, hidden]` to the same; the identity outside training.
    pub fn forward(&self, branch: Tensor<3>) -> Tensor<3> {
        let device = branch.device();
        if self.probability == 0.0 || !device.is_autodiff() {
            return branch;
        }
        let keep = 1.0 - self.probability;
        let [batch, ..] = branch.dims();
        let kept = Tensor::<3>::random([batch, 1, 1], Distribution::Bernoulli(keep), &device);
        branch * (kept / keep)
    }
}
