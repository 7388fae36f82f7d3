//! Layer norm over the last axis, and its gradients in one pass.

#[cfg(feature = "train")]
use burn::backend::Autodiff;
#[cfg(feature = "gpu")]
use burn::backend::Cube;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, Shape, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

use super::rows::{self, Rows};
use super::vector::{sum, sum_pairs};

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` over the last axis.
///
/// # Shapes
/// - `x`: any, its last axis as long as `gamma` and `beta`
/// - returns the shape of `x`
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::normalize(x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch(), epsilon))
}

/// Backends that compute [`layer_norm`].
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff: cfg(feature = "train"))]
pub trait Normalize: Backend {
    /// Layer norm over the last axis.
    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::layer_norm(x, gamma, Some(beta), epsilon)
    }

    /// The gradients of `x`, `gamma` and `beta`.
    fn normalize_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let shape = x.shape();
        let width = shape[shape.num_dims() - 1];
        let flat = Shape::from([shape.num_elements() / width, width]);
        let x = Self::float_reshape(x, flat.clone());
        let grad = Self::float_reshape(grad, flat);

        let centred = Self::float_sub(x.clone(), Self::float_mean_dim(x, 1));
        let variance = Self::float_mean_dim(Self::float_mul(centred.clone(), centred.clone()), 1);
        let deviation = Self::float_sqrt(Self::float_add_scalar(variance, epsilon.into()));
        let normal = Self::float_div(centred, deviation.clone());

        let gamma_grad = Self::float_sum_dim(Self::float_mul(grad.clone(), normal.clone()), 0);
        let beta_grad = Self::float_sum_dim(grad.clone(), 0);
        let scaled = Self::float_mul(grad, Self::float_reshape(gamma, Shape::from([1, width])));
        let along = Self::float_mean_dim(Self::float_mul(scaled.clone(), normal.clone()), 1);
        let mean = Self::float_mean_dim(scaled.clone(), 1);
        let rest = Self::float_sub(Self::float_sub(scaled, mean), Self::float_mul(normal, along));
        let vector = |grad| Self::float_reshape(grad, Shape::from([width]));
        (Self::float_reshape(Self::float_div(rest, deviation), shape), vector(gamma_grad), vector(beta_grad))
    }
}

#[cfg(feature = "gpu")]
impl Normalize for Cube {}

impl Normalize for Flex {
    fn normalize_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (Some(x), Some(gamma), Some(grad)) = (Rows::new(&x), Rows::new(&gamma), Rows::new(&grad)) else {
            panic!("layer norms are trained in 32 bits on the CPU");
        };
        let width = x.width;
        let piece = x.per_task() * width;
        let mut x_grad = vec![0.0; x.values().len()];
        let sums = rows::fill_and_collect(&mut x_grad, piece, |index, x_grad| {
            let x = &x.values()[index * piece..][..x_grad.len()];
            let grad = &grad.values()[index * piece..][..x_grad.len()];
            let mut sums = [vec![0.0; width], vec![0.0; width]];
            rows::vectorized(|| {
                let [gamma_grad, beta_grad] = &mut sums;
                let rows = x_grad.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(grad.chunks_exact(width));
                for ((x_grad, x), grad) in rows {
                    backward_row(x, gamma.values(), grad, epsilon as f32, x_grad, gamma_grad, beta_grad);
                }
            });
            sums
        });
        let mut totals = [vec![0.0; width], vec![0.0; width]];
        for part in sums {
            for (total, part) in totals.iter_mut().zip(part) {
                total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
            }
        }
        let [gamma_grad, beta_grad] = totals.map(|total| rows::tensor(total, [width]));
        (rows::tensor(x_grad, x.shape()), gamma_grad, beta_grad)
    }
}

#[inline(always)]
fn backward_row(
    x: &[f32],
    gamma: &[f32],
    grad: &[f32],
    epsilon: f32,
    x_grad: &mut [f32],
    gamma_grad: &mut [f32],
    beta_grad: &mut [f32],
) {
    let width = x.len() as f32;
    let mean = sum(x, |x| x) / width;
    let variance = sum(x, |x| (x - mean) * (x - mean)) / width;
    let scale = 1.0 / (variance + epsilon).sqrt();
    // The row of `x_grad` first holds `grad * gamma`.
    x_grad.iter_mut().zip(grad).zip(gamma).for_each(|((x_grad, grad), gamma)| *x_grad = grad * gamma);
    let along = sum_pairs(x_grad, x, |grad, x| grad * (x - mean)) * scale / width;
    let level = sum(x_grad, |grad| grad) / width;
    gamma_grad.iter_mut().zip(grad).zip(x).for_each(|((sum, grad), x)| *sum += grad * ((x - mean) * scale));
    beta_grad.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
    x_grad.iter_mut().zip(x).for_each(|(grad, x)| {
        *grad = scale * (*grad - level - (x - mean) * scale * along);
    });
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::Backend;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::{Autodiff, FloatTensor, Normalize};

    #[derive(Debug)]
    struct FromInput;

    impl<B: Normalize> Backward<B, 3> for FromInput {
        type State = (FloatTensor<B>, FloatTensor<B>, f64);

        fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let (x, gamma, epsilon) = ops.state;
            let grad = grads.consume::<B>(&ops.node);
            let (x, gamma, beta) = B::normalize_backward(x, gamma, grad, epsilon);
            for (parent, grad) in ops.parents.into_iter().zip([x, gamma, beta]) {
                if let Some(node) = parent {
                    grads.register::<B>(node.id, grad);
                }
            }
        }
    }

    impl<B: Normalize + Backend, C: CheckpointStrategy> Normalize for Autodiff<B, C> {
        fn normalize(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            epsilon: f64,
        ) -> FloatTensor<Self> {
            let [(x, x_node), (gamma, gamma_node), (beta, beta_node)] =
                [x.into_parts(), gamma.into_parts(), beta.into_parts()];
            let y = B::normalize(x.clone(), gamma.clone(), beta, epsilon);
            match FromInput.prepare::<C>([x_node, gamma_node, beta_node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish((x, gamma, epsilon), y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}
