//! Cross-entropy with label smoothing over the last axis; no table of probabilities is kept.

#[cfg(feature = "train")]
use burn::backend::Autodiff;
#[cfg(feature = "gpu")]
use burn::backend::Cube;
use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, Flex, Shape, TensorMetadata, backend_extension};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use super::rows::{self, Rows};
use super::vector::{exp, max, sum};

/// How surprising a label is: with smoothing `e`, `(1 - e) * -log p(label) + e * mean(-log p)`.
///
/// # Shapes
/// - `logits`: `[row, vocab]`
/// - `labels`: `[row]`
/// - returns `[row]`
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>, smoothing: f64) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::surprise(logits.into_dispatch(), labels.into_dispatch(), smoothing))
}

/// Backends that compute [`cross_entropy`].
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff: cfg(feature = "train"))]
pub trait CrossEntropy: Backend {
    /// `log(sum(exp(logits))) - (1 - e) * logits[label] - e * mean(logits)`, `[row]`.
    fn surprise(logits: FloatTensor<Self>, labels: IntTensor<Self>, smoothing: f64) -> FloatTensor<Self> {
        let rows = logits.shape()[0];
        let max = Self::float_max_dim(logits.clone(), 1);
        let powers = Self::float_exp(Self::float_sub(logits.clone(), max.clone()));
        let log_sum = Self::float_add(Self::float_log(Self::float_sum_dim(powers, 1)), max);
        let label = Self::float_gather(1, logits.clone(), Self::int_reshape(labels, Shape::from([rows, 1])));
        let mean = Self::float_mul_scalar(Self::float_mean_dim(logits, 1), smoothing.into());
        let expected = Self::float_add(Self::float_mul_scalar(label, (1.0 - smoothing).into()), mean);
        Self::float_reshape(Self::float_sub(log_sum, expected), Shape::from([rows]))
    }

    /// `grad * (softmax(logits) - (1 - e) * [label] - e / vocab)`, `[row, vocab]`.
    fn surprise_backward(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        grad: FloatTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        let shape = logits.shape();
        let (rows, vocab) = (shape[0], shape[1]);
        let column = Shape::from([rows, 1]);
        let grad = Self::float_reshape(grad, column.clone());
        let spread = Self::float_add_scalar(Self::softmax(logits, 1), (-smoothing / vocab as f64).into());
        let all = Self::float_mul(spread, grad.clone());
        let label = Self::float_mul_scalar(grad, (smoothing - 1.0).into());
        Self::float_scatter(1, all, Self::int_reshape(labels, column), label, IndexingUpdateOp::Add)
    }
}

#[cfg(feature = "gpu")]
impl CrossEntropy for Cube {}

impl CrossEntropy for Flex {
    fn surprise(logits: FloatTensor<Self>, labels: IntTensor<Self>, smoothing: f64) -> FloatTensor<Self> {
        let Some(rows) = Rows::new(&logits) else {
            panic!("losses are computed in 32 bits on the CPU");
        };
        let (width, count) = (rows.width, rows.len());
        let mut losses = vec![0.0; count];
        rows::fill(&mut losses, rows.per_task(), |index, losses| {
            let logits = &rows.values()[index * rows.per_task() * width..];
            rows::vectorized(|| {
                for (loss, logits) in losses.iter_mut().zip(logits.chunks_exact(width)) {
                    let max = max(logits);
                    let mean = sum(logits, |logit| logit) / width as f32;
                    *loss = sum(logits, |logit| exp(logit - max)).ln() + max - smoothing as f32 * mean;
                }
            });
        });
        let label = Self::float_gather(1, logits, Self::int_reshape(labels, Shape::from([count, 1])));
        let label = Self::float_reshape(Self::float_mul_scalar(label, (1.0 - smoothing).into()), Shape::from([count]));
        Self::float_sub(rows::tensor(losses, [count]), label)
    }

    fn surprise_backward(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        grad: FloatTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        let (Some(logits), Some(grad)) = (Rows::new(&logits), Rows::new(&grad)) else {
            panic!("losses are computed in 32 bits on the CPU");
        };
        let (width, count) = (logits.width, logits.len());
        let piece = logits.per_task() * width;
        let even = (smoothing / width as f64) as f32;
        let mut output = vec![0.0; logits.values().len()];
        rows::fill(&mut output, piece, |index, output| {
            let logits = &logits.values()[index * piece..][..output.len()];
            let grad = &grad.values()[index * (piece / width)..];
            rows::vectorized(|| {
                let rows = output.chunks_exact_mut(width).zip(logits.chunks_exact(width)).zip(grad);
                for ((output, logits), grad) in rows {
                    let max = max(logits);
                    output.iter_mut().zip(logits).for_each(|(output, logit)| *output = exp(*logit - max));
                    let scale = grad / sum(output, |power| power);
                    output.iter_mut().for_each(|power| *power = *power * scale - even * grad);
                }
            });
        });
        let all = rows::tensor(output, logits.shape());
        let column = Shape::from([count, 1]);
        let label = Self::float_mul_scalar(rows::tensor(grad.values().to_vec(), [count, 1]), (smoothing - 1.0).into());
        Self::float_scatter(1, all, Self::int_reshape(labels, column), label, IndexingUpdateOp::Add)
    }
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::Backend;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};

    use super::{Autodiff, CrossEntropy, FloatTensor, IntTensor};

    #[derive(Debug)]
    struct FromLogits;

    impl<B: CrossEntropy> Backward<B, 1> for FromLogits {
        type State = (FloatTensor<B>, IntTensor<B>, f64);

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let (logits, labels, smoothing) = ops.state;
            unary::<B, _>(ops.parents, ops.node, grads, |grad| B::surprise_backward(logits, labels, grad, smoothing));
        }
    }

    impl<B: CrossEntropy + Backend, C: CheckpointStrategy> CrossEntropy for Autodiff<B, C> {
        fn surprise(logits: FloatTensor<Self>, labels: IntTensor<Self>, smoothing: f64) -> FloatTensor<Self> {
            let (logits, node) = logits.into_parts();
            let loss = B::surprise(logits.clone(), labels.clone(), smoothing);
            match FromLogits.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish((logits, labels, smoothing), loss),
                OpsKind::UnTracked(prep) => prep.finish(loss),
            }
        }
    }
}
