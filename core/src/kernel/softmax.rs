//! Softmax over the last axis, and its gradient in one pass.

#[cfg(feature = "train")]
use burn::backend::Autodiff;
#[cfg(feature = "gpu")]
use burn::backend::Cube;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor};

use super::rows::{self, Rows};
use super::vector::{exp, max, sum, sum_pairs};

/// `exp(x) / sum(exp(x))` over the last axis.
pub fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::softmax_last(x.into_dispatch()))
}

/// Backends that compute [`softmax`].
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff: cfg(feature = "train"))]
pub trait Softmax: Backend {
    /// Softmax over the last axis.
    fn softmax_last(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let last = x.shape().num_dims() - 1;
        Self::softmax(x, last)
    }

    /// `y * (grad - sum(grad * y))`, where `y` is the softmax.
    fn softmax_last_backward(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let last = y.shape().num_dims() - 1;
        let mean = Self::float_sum_dim(Self::float_mul(grad.clone(), y.clone()), last);
        Self::float_mul(y, Self::float_sub(grad, mean))
    }
}

#[cfg(feature = "gpu")]
impl Softmax for Cube {}

impl Softmax for Flex {
    fn softmax_last(mut x: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.layout().shape().clone();
        let width = *shape.last().unwrap_or(&0);
        if x.dtype() != DType::F32 || width == 0 {
            let last = shape.num_dims() - 1;
            return Self::softmax(x, last);
        }
        if !x.is_contiguous() || shape.num_elements() * size_of::<f32>() != x.bytes().len() {
            x = x.to_contiguous();
        }
        let per_task = (rows::TASK / width).max(1) * width;
        rows::fill(x.storage_mut::<f32>(), per_task, |_, values| {
            rows::vectorized(|| values.chunks_exact_mut(width).for_each(softmax_row));
        });
        x
    }

    fn softmax_last_backward(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let (Some(y), Some(grad)) = (Rows::new(&y), Rows::new(&grad)) else {
            let last = y.layout().shape().num_dims() - 1;
            let mean = Self::float_sum_dim(Self::float_mul(grad.clone(), y.clone()), last);
            return Self::float_mul(y, Self::float_sub(grad, mean));
        };
        let width = y.width;
        let piece = y.per_task() * width;
        let mut output = vec![0.0; y.values().len()];
        rows::fill(&mut output, piece, |index, output| {
            let y = &y.values()[index * piece..][..output.len()];
            let grad = &grad.values()[index * piece..][..output.len()];
            output.copy_from_slice(grad);
            rows::vectorized(|| backward_in_place(output, y, width));
        });
        rows::tensor(output, y.shape())
    }
}

/// Turns gradients of rows of a softmax `y` into those of its input.
#[inline(always)]
pub(super) fn backward_in_place(grads: &mut [f32], y: &[f32], width: usize) {
    for (grad, y) in grads.chunks_exact_mut(width).zip(y.chunks_exact(width)) {
        let mean = sum_pairs(y, grad, |y, grad| y * grad);
        grad.iter_mut().zip(y).for_each(|(grad, y)| *grad = y * (*grad - mean));
    }
}

/// Turns a row into its softmax.
#[inline(always)]
pub(super) fn softmax_row(row: &mut [f32]) {
    let max = max(row);
    row.iter_mut().for_each(|value| *value = exp(*value - max));
    let scale = 1.0 / sum(row, |value| value);
    row.iter_mut().for_each(|value| *value *= scale);
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::Backend;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};

    use super::{Autodiff, FloatTensor, Softmax};

    #[derive(Debug)]
    struct FromOutput;

    impl<B: Softmax> Backward<B, 1> for FromOutput {
        type State = FloatTensor<B>;

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            unary::<B, _>(ops.parents, ops.node, grads, |grad| B::softmax_last_backward(ops.state, grad));
        }
    }

    impl<B: Softmax + Backend, C: CheckpointStrategy> Softmax for Autodiff<B, C> {
        fn softmax_last(x: FloatTensor<Self>) -> FloatTensor<Self> {
            let (x, node) = x.into_parts();
            let y = B::softmax_last(x);
            match FromOutput.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(y.clone(), y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}
