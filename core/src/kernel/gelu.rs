//! The exact GELU, `x` times the share of a normal distribution below `x`, and its exact gradient.

#[cfg(feature = "train")]
use burn::backend::Autodiff;
#[cfg(feature = "gpu")]
use burn::backend::Cube;
use burn::backend::ops::ActivationOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{DType, Tensor};

use super::rows::{self, Rows};
use super::vector::{normal_cdf, normal_density};

/// `x * cdf(x)` with the error function, as BERT and ViT have it.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::gelu_erf(x.into_dispatch()))
}

/// Backends that compute [`gelu`].
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff: cfg(feature = "train"))]
pub trait Gelu: Backend {
    /// `x * cdf(x)`.
    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu(x)
    }

    /// `grad * (cdf(x) + x * density(x))`; Burn's own differentiates an approximation on GPUs.
    fn gelu_erf_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let scaled = Self::float_mul_scalar(x.clone(), std::f64::consts::FRAC_1_SQRT_2.into());
        let erf = Self::float_erf(scaled);
        let cdf = Self::float_add_scalar(Self::float_mul_scalar(erf, 0.5.into()), 0.5.into());
        let square = Self::float_mul(x.clone(), x.clone());
        let bell = Self::float_exp(Self::float_mul_scalar(square, (-0.5).into()));
        let peak = 0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
        let density = Self::float_mul_scalar(bell, peak.into());
        let slope = Self::float_add(cdf, Self::float_mul(x, density));
        Self::float_mul(grad, slope)
    }
}

#[cfg(feature = "gpu")]
impl Gelu for Cube {}

impl Gelu for Flex {
    fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match x.dtype() {
            DType::F32 => rows::map(x, |x| x * normal_cdf(x)),
            _ => Self::gelu(x),
        }
    }

    fn gelu_erf_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        match (Rows::new(&x), Rows::new(&grad)) {
            (Some(x), Some(grad)) => {
                rows::map_pairs(&x, &grad, |x, grad| grad * (normal_cdf(x) + x * normal_density(x)))
            }
            _ => Self::gelu_backward(x, grad),
        }
    }
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::Backend;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};

    use super::{Autodiff, FloatTensor, Gelu};

    #[derive(Debug)]
    struct Exact;

    impl<B: Gelu> Backward<B, 1> for Exact {
        type State = FloatTensor<B>;

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            unary::<B, _>(ops.parents, ops.node, grads, |grad| B::gelu_erf_backward(ops.state, grad));
        }
    }

    impl<B: Gelu + Backend, C: CheckpointStrategy> Gelu for Autodiff<B, C> {
        fn gelu_erf(x: FloatTensor<Self>) -> FloatTensor<Self> {
            let (x, node) = x.into_parts();
            match Exact.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(x.clone(), B::gelu_erf(x)),
                OpsKind::UnTracked(prep) => prep.finish(B::gelu_erf(x)),
            }
        }
    }
}
