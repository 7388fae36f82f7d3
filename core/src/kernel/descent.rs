//! What an optimiser does to every weight in a step, in one pass over memory.

#[cfg(feature = "gpu")]
use burn::backend::Cube;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, Shape, backend_extension};
use burn::tensor::{DType, Tensor};

use super::rows;
use super::vector::sum;

/// One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101, as `torch.optim.AdamW`).
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Learning rate.
    pub rate: f64,
    /// Decay of the running mean of gradients.
    pub beta_1: f64,
    /// Decay of the running mean of squared gradients.
    pub beta_2: f64,
    /// Added to the root of the second mean.
    pub epsilon: f64,
    /// Decay of the weights, times the learning rate.
    pub weight_decay: f64,
    /// Steps taken with this one, from 1 on.
    pub time: usize,
}

/// Weights and the running means of their gradients and squared gradients, one length.
#[derive(Clone, Debug)]
pub struct Moving {
    /// The weights.
    pub weight: Tensor<1>,
    /// Running mean of gradients.
    pub mean: Tensor<1>,
    /// Running mean of squared gradients.
    pub square: Tensor<1>,
}

/// Moves the weights against `grad`, whose numbers are multiplied by `scale` before, `[1]`.
pub fn adamw(moving: Moving, grad: Tensor<1>, scale: Tensor<1>, step: AdamWStep) -> Moving {
    let Moving { weight, mean, square } = moving;
    let [weight, mean, square, grad, scale] = [weight, mean, square, grad, scale].map(Tensor::into_dispatch);
    let AdamWStep { rate, beta_1, beta_2, epsilon, weight_decay, time } = step;
    // What corrects means that began at zero.
    let rest = |beta: f64| 1.0 - beta.powf(time as f64);
    let (keep, pace, root) = (1.0 - rate * weight_decay, rate / rest(beta_1), rest(beta_2).sqrt().recip());
    let (weight, mean, square) =
        Dispatch::descend(weight, mean, square, grad, scale, beta_1, beta_2, keep, pace, root, epsilon);
    let [weight, mean, square] = [weight, mean, square].map(Tensor::from_dispatch);
    Moving { weight, mean, square }
}

/// `keep * mean + (1 - keep) * value`: a running mean, one step on.
pub fn drift(mean: Tensor<1>, value: Tensor<1>, keep: f64) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::drift(mean.into_dispatch(), value.into_dispatch(), keep))
}

/// The sum of the squares of all numbers, `[1]`.
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::sum_of_squares(x.into_dispatch()))
}

/// Backends that move weights.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex)]
pub trait Descend: Backend {
    /// `weight`, `mean` and `square` after a step: the means take up `grad * scale`, and the weight becomes
    /// `keep * weight - pace * mean / (root * sqrt(square) + epsilon)`.
    #[allow(clippy::too_many_arguments, reason = "what crosses to a backend is tensors and numbers")]
    fn descend(
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        square: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        beta_1: f64,
        beta_2: f64,
        keep: f64,
        pace: f64,
        root: f64,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let grad = Self::float_mul(grad, scale);
        let squared = Self::float_mul(grad.clone(), grad.clone());
        let mean = Self::drift(mean, grad, beta_1);
        let square = Self::drift(square, squared, beta_2);
        let root = Self::float_mul_scalar(Self::float_sqrt(square.clone()), root.into());
        let moved = Self::float_div(mean.clone(), Self::float_add_scalar(root, epsilon.into()));
        let weight = Self::float_mul_scalar(weight, keep.into());
        (Self::float_sub(weight, Self::float_mul_scalar(moved, pace.into())), mean, square)
    }

    /// `keep * mean + (1 - keep) * value`.
    fn drift(mean: FloatTensor<Self>, value: FloatTensor<Self>, keep: f64) -> FloatTensor<Self> {
        let value = Self::float_mul_scalar(value, (1.0 - keep).into());
        Self::float_add(Self::float_mul_scalar(mean, keep.into()), value)
    }

    /// The sum of the squares of all numbers.
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_sum(Self::float_mul(x.clone(), x))
    }
}

#[cfg(feature = "gpu")]
impl Descend for Cube {}

impl Descend for Flex {
    fn descend(
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        square: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        beta_1: f64,
        beta_2: f64,
        keep: f64,
        pace: f64,
        root: f64,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        assert_eq!(weight.dtype(), DType::F32, "weights are trained in 32 bits on the CPU");
        let [beta_1, beta_2, keep, pace, root, epsilon] =
            [beta_1, beta_2, keep, pace, root, epsilon].map(|number| number as f32);
        let scale = rows::own(scale).storage::<f32>()[0];
        let [mut weight, mut mean, mut square] = [weight, mean, square].map(rows::own);
        let grad = rows::own(grad);
        let grads: &[f32] = grad.storage();
        let moving = [weight.storage_mut(), mean.storage_mut(), square.storage_mut()];
        rows::fill_each(moving, [rows::TASK; 3], |index, [weight, mean, square]| {
            let grads = &grads[index * rows::TASK..][..weight.len()];
            rows::vectorized(|| {
                let numbers = weight.iter_mut().zip(mean.iter_mut()).zip(square.iter_mut()).zip(grads);
                for (((weight, mean), square), grad) in numbers {
                    let grad = grad * scale;
                    *mean = beta_1 * *mean + (1.0 - beta_1) * grad;
                    *square = beta_2 * *square + (1.0 - beta_2) * (grad * grad);
                    *weight = keep * *weight - pace * *mean / (root * square.sqrt() + epsilon);
                }
            });
        });
        (weight, mean, square)
    }

    fn drift(mean: FloatTensor<Self>, value: FloatTensor<Self>, keep: f64) -> FloatTensor<Self> {
        let (mut mean, value, keep) = (rows::own(mean), rows::own(value), keep as f32);
        let values: &[f32] = value.storage();
        rows::fill(mean.storage_mut::<f32>(), rows::TASK, |index, mean| {
            let values = &values[index * rows::TASK..][..mean.len()];
            rows::vectorized(|| {
                mean.iter_mut().zip(values).for_each(|(mean, value)| *mean = keep * *mean + (1.0 - keep) * value);
            });
        });
        mean
    }

    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = rows::own(x);
        let sums = rows::collect(x.storage::<f32>(), rows::TASK, |piece| {
            f64::from(rows::vectorized(|| sum(piece, |x| x * x)))
        });
        rows::tensor(vec![sums.iter().sum::<f64>() as f32], Shape::from([1]))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// `torch.optim.AdamW` in 64 bits, by its documentation.
    fn by_hand(weight: &mut f64, moments: &mut [f64; 2], grad: f64, step: AdamWStep) {
        let [mean, square] = moments;
        *mean = step.beta_1 * *mean + (1.0 - step.beta_1) * grad;
        *square = step.beta_2 * *square + (1.0 - step.beta_2) * grad * grad;
        let corrected = |moment: f64, beta: f64| moment / (1.0 - beta.powi(step.time as i32));
        *weight -= step.rate * step.weight_decay * *weight;
        *weight -= step.rate * corrected(*mean, step.beta_1) / (corrected(*square, step.beta_2).sqrt() + step.epsilon);
    }

    #[test]
    fn steps_are_those_of_the_definition() {
        let device = Device::flex();
        // More than a thread takes at a time, and not a whole number of such pieces.
        let length = 2 * rows::TASK + 123;
        let number = |index: usize, factor: usize| ((index * factor) % 1009) as f64 / 500.0 - 1.0;
        let tensor = |values: Vec<f64>| {
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            Tensor::<1>::from_floats(values.as_slice(), &device)
        };
        let start: Vec<f64> = (0..length).map(|index| number(index, 7919)).collect();
        let zeros = || Tensor::zeros([length], &device);
        let mut moving = Moving { weight: tensor(start.clone()), mean: zeros(), square: zeros() };
        let mut expected: Vec<(f64, [f64; 2])> = start.into_iter().map(|weight| (weight, [0.0; 2])).collect();
        for time in 1..=3 {
            let (rate, epsilon) = (0.01, 1e-8);
            let step = AdamWStep { rate, beta_1: 0.9, beta_2: 0.999, epsilon, weight_decay: 0.05, time };
            let grads: Vec<f64> = (0..length).map(|index| number(index, 104_729 + time)).collect();
            let scale = Tensor::from_floats([0.5], &device);
            moving = adamw(moving, tensor(grads.clone()), scale, step);
            expected.iter_mut().zip(grads).for_each(|((weight, moments), grad)| {
                by_hand(weight, moments, 0.5 * grad, step);
            });
        }
        let weights: Vec<f32> = moving.weight.into_data().try_to_vec().unwrap_or_default();
        assert_eq!(weights.len(), length);
        for (weight, (expected, _)) in weights.iter().zip(&expected) {
            assert!((f64::from(*weight) - expected).abs() < 1e-6, "{weight} {expected}");
        }
    }

    #[test]
    fn squares_are_summed_over_all_pieces() {
        let x = Tensor::<1>::ones([3 * rows::TASK + 5], &Device::flex()) * 2.0;
        let sum: Vec<f32> = sum_of_squares(x).into_data().try_to_vec().unwrap_or_default();
        assert_eq!(sum, [4.0 * (3 * rows::TASK + 5) as f32]);
    }
}
