//! A linear layer: a matrix product and a bias, written once.

#[cfg(feature = "train")]
use burn::backend::Autodiff;
#[cfg(feature = "gpu")]
use burn::backend::Cube;
use burn::backend::ops::ModuleOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{DType, Tensor};

use super::matrix::{Matrix, product};
use super::rows::{self, Rows};

/// `x weight + bias`.
///
/// # Shapes
/// - `x`: `[.., input]`
/// - `weight`: `[input, output]`
/// - `bias`: `[output]`
/// - returns `[.., output]`
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::project(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()))
}

/// Backends that compute [`linear`].
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff: cfg(feature = "train"))]
pub trait Project: Backend {
    /// `x weight + bias`.
    fn project(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::linear(x, weight, Some(bias))
    }

    /// `grad weight^T`.
    fn project_x_backward(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::linear_x_backward(weight, grad)
    }

    /// `x^T grad`.
    fn project_weight_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::linear_weight_backward(x, grad)
    }

    /// The sum of the rows of `grad`.
    fn project_bias_backward(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::linear_bias_backward(grad)
    }
}

#[cfg(feature = "gpu")]
impl Project for Cube {}

impl Project for Flex {
    fn project(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        match (Rows::new(&x), weight.dtype(), Rows::new(&bias)) {
            (Some(x), DType::F32, Some(bias)) => {
                let result = product(Matrix::new(x.values(), x.width), Matrix::of(&weight, &[]), Some(bias.values()));
                rows::tensor(result, x.shape_with_width(bias.width))
            }
            _ => Self::linear(x, weight, Some(bias)),
        }
    }

    fn project_x_backward(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        match (Rows::new(&grad), weight.dtype()) {
            (Some(grad), DType::F32) => {
                let weight = Matrix::of(&weight, &[]).transposed();
                let result = product(Matrix::new(grad.values(), grad.width), weight, None);
                let width = result.len() / grad.len().max(1);
                rows::tensor(result, grad.shape_with_width(width))
            }
            _ => Self::linear_x_backward(weight, grad),
        }
    }

    fn project_weight_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        match (Rows::new(&x), Rows::new(&grad)) {
            (Some(x), Some(grad)) => {
                let columns = Matrix::new(x.values(), x.width).transposed();
                let result = product(columns, Matrix::new(grad.values(), grad.width), None);
                rows::tensor(result, [x.width, grad.width])
            }
            _ => Self::linear_weight_backward(x, grad),
        }
    }

    fn project_bias_backward(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let Some(grad) = Rows::new(&grad) else {
            return Self::linear_bias_backward(grad);
        };
        let width = grad.width;
        let pieces: Vec<&[f32]> = grad.values().chunks(grad.per_task() * width).collect();
        let mut sums = vec![0.0; pieces.len() * width];
        rows::fill(&mut sums, width, |index, sums| {
            rows::vectorized(|| add_rows(sums, pieces[index]));
        });
        let mut total = vec![0.0; width];
        add_rows(&mut total, &sums);
        rows::tensor(total, [width])
    }
}

#[inline(always)]
fn add_rows(sums: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::Backend;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::{Autodiff, FloatTensor, Project};

    #[derive(Debug)]
    struct Products;

    impl<B: Project> Backward<B, 3> for Products {
        type State = (Option<FloatTensor<B>>, Option<FloatTensor<B>>);

        fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let grad = grads.consume::<B>(&ops.node);
            let [x_node, weight_node, bias_node] = ops.parents;
            let (x, weight) = ops.state;
            if let (Some(node), Some(weight)) = (x_node, weight) {
                grads.register::<B>(node.id, B::project_x_backward(weight, grad.clone()));
            }
            if let (Some(node), Some(x)) = (weight_node, x) {
                grads.register::<B>(node.id, B::project_weight_backward(x, grad.clone()));
            }
            if let Some(node) = bias_node {
                grads.register::<B>(node.id, B::project_bias_backward(grad));
            }
        }
    }

    impl<B: Project + Backend, C: CheckpointStrategy> Project for Autodiff<B, C> {
        fn project(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
            let (x_learns, weight_learns) = (x.is_tracked(), weight.is_tracked());
            let [(x, x_node), (weight, weight_node), (bias, bias_node)] =
                [x.into_parts(), weight.into_parts(), bias.into_parts()];
            // Each is only needed for the other's gradient.
            let kept = (weight_learns.then(|| x.clone()), x_learns.then(|| weight.clone()));
            let y = B::project(x, weight, bias);
            match Products.prepare::<C>([x_node, weight_node, bias_node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(kept, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}
