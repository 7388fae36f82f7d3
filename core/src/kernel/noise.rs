//! Random masks for dropout.

#[cfg(feature = "train")]
use burn::backend::Autodiff;
#[cfg(feature = "gpu")]
use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Distribution, Tensor};

use super::rows;

/// A mask like `x`: `1 / keep` with probability `keep`, else 0; the device's seed decides.
pub fn dropout_mask<const D: usize>(x: Tensor<D>, keep: f64) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::dropout_mask(x.into_dispatch(), keep))
}

/// Backends that make a [`dropout_mask`].
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff: cfg(feature = "train"))]
pub trait DropoutMask: Backend {
    /// `1 / keep` with probability `keep`, else 0, in the shape of `x`.
    fn dropout_mask(x: FloatTensor<Self>, keep: f64) -> FloatTensor<Self> {
        let (shape, device, dtype) = (x.shape(), x.device(), x.dtype());
        let kept = Self::float_random(shape, Distribution::Bernoulli(keep), &device, dtype.into());
        Self::float_mul_scalar(kept, (1.0 / keep).into())
    }
}

#[cfg(feature = "gpu")]
impl DropoutMask for Cube {}

impl DropoutMask for Flex {
    fn dropout_mask(x: FloatTensor<Self>, keep: f64) -> FloatTensor<Self> {
        let shape = x.layout().shape().clone();
        let dtype = x.dtype();
        let device = x.device();
        // Burn draws one number after the other; here they only give the seed, by 24 bits each.
        let uniform = Distribution::Uniform(0.0, 1.0);
        let draws = Self::float_random([2].into(), uniform, &device, DType::F32.into());
        let seed = draws.storage::<f32>().iter().fold(0_u32, |seed, draw| hash(seed ^ (draw * 16_777_216.0) as u32));
        let (scale, least) = ((1.0 / keep) as f32, (keep * f64::from(u32::MAX)) as u32);
        let mut mask = vec![0.0; shape.num_elements()];
        rows::fill(&mut mask, rows::TASK, |index, mask| {
            let first = (index * rows::TASK) as u32;
            rows::vectorized(|| {
                for (offset, value) in mask.iter_mut().enumerate() {
                    let kept = hash(hash(first.wrapping_add(offset as u32)) ^ seed) <= least;
                    *value = if kept { scale } else { 0.0 };
                }
            });
        });
        let mask = rows::tensor(mask, shape);
        if dtype == DType::F32 { mask } else { Self::float_cast(mask, dtype.into()) }
    }
}

/// Mixes all bits (a multiply-xorshift of the murmur family).
#[inline(always)]
fn hash(mut bits: u32) -> u32 {
    bits ^= bits >> 16;
    bits = bits.wrapping_mul(0x7feb_352d);
    bits ^= bits >> 15;
    bits = bits.wrapping_mul(0x846c_a68b);
    bits ^ (bits >> 16)
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::AutodiffBackend;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;

    use super::{Autodiff, DropoutMask, FloatTensor};

    impl<B: DropoutMask, C: CheckpointStrategy> DropoutMask for Autodiff<B, C> {
        fn dropout_mask(x: FloatTensor<Self>, keep: f64) -> FloatTensor<Self> {
            Self::from_inner(B::dropout_mask(x.into_primitive(), keep))
        }
    }
}
