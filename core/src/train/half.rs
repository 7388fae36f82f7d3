//! Learning in 16 bits: weights of 32 learn from the gradients of copies of 16, which read and
//! write half as much memory (Micikevicius et al., arXiv 1710.03740).

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Distribution, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::kernel::sum_of_squares;
use crate::readback::read;
use crate::vision::{VisionConfig, VisionTransformer};

/// Steps with finite gradients after which they are scaled up (`torch.amp.GradScaler`).
const PATIENCE: usize = 2000;

/// How alike, as a cosine, gradients of 16 and of 32 bits are on a device that computes right.
const ALIKE: f64 = 0.99;

/// What small gradients are multiplied by, so that 16 bits can hold them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LossScale {
    pub factor: f64,
    /// Steps since it last changed.
    good: usize,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { factor: 65_536.0, good: 0 }
    }
}

impl LossScale {
    /// Gradients of 32 bits for the weights of `model` from the scaled ones of its copy; none, and
    /// half the factor, where one of them is no number.
    ///
    /// # Errors
    /// A failing device.
    pub async fn unscaled<M: Module>(&mut self, model: &M, grads: GradientsParams) -> Result<Option<GradientsParams>> {
        let mut widened = Widened { grads, factor: self.factor, wide: GradientsParams::new(), squares: None };
        model.visit(&mut widened);
        let finite = match widened.squares {
            Some(squares) => read(squares).await?[0].is_finite(),
            None => true,
        };
        if !finite {
            *self = Self { factor: self.factor / 2.0, good: 0 };
            return Ok(None);
        }
        self.good += 1;
        if self.good == PATIENCE {
            *self = Self { factor: self.factor * 2.0, good: 0 };
        }
        Ok(Some(widened.wide))
    }

    /// Whether even unscaled gradients do not fit.
    pub fn is_spent(&self) -> bool {
        self.factor < 1.0
    }
}

/// The model in 16 bits; its weights learn where those of `model` do, and under the same ids.
pub(super) fn halved<M: Module>(model: M) -> M {
    model.map(&mut Halve)
}

/// What is wrong with learning in 16 bits on this device, if something is: it may have no such
/// numbers, or drivers that compute them wrong.
///
/// A small image encoder's gradients are compared with those of 32 bits.
///
/// # Errors
/// A failing device.
pub async fn half_precision_fault(device: &Device) -> Result<Option<String>> {
    let plain = device.clone().without_autodiff();
    if plain == Device::flex() {
        return Ok(Some("the CPU learns in 32 bits".to_owned()));
    }
    if !plain.supports_dtype(DType::F16) {
        return Ok(Some("this device has no 16-bit numbers".to_owned()));
    }
    let config = VisionConfig { hidden_size: 32, num_layers: 2, num_heads: 2, ..VisionConfig::tiny(32) };
    let config = VisionConfig { feed_forward_size: 64, drop_path: 0.0, ..config };
    let vision = config.init(&plain.clone().autodiff());
    let pixels = Tensor::<4>::random([2, 3, 32, 32], Distribution::Normal(0.0, 1.0), &plain);
    let exact = gradient(&vision, pixels.clone()).await?;
    let rough = gradient(&halved(vision), pixels).await?;
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let alike = dot(&exact, &rough) / (dot(&exact, &exact) * dot(&rough, &rough)).sqrt();
    // No number is alike to none.
    if alike >= ALIKE {
        return Ok(None);
    }
    Ok(Some(format!("this device's 16-bit gradients are wrong: their cosine to those of 32 bits is {alike:.3}")))
}

/// The gradient of all weights, one after the other.
async fn gradient(vision: &VisionTransformer, pixels: Tensor<4>) -> Result<Vec<f32>> {
    let states = vision.forward(Tensor::from_inner(pixels)).cast(DType::F32);
    let loss = (states.clone() * states.sin()).mean();
    let mut widened = Widened {
        grads: GradientsParams::from_grads(loss.backward(), vision),
        factor: 1.0,
        wide: GradientsParams::new(),
        squares: None,
    };
    vision.visit(&mut widened);
    let mut flat = Flat { grads: widened.wide, parts: Vec::new() };
    vision.visit(&mut flat);
    read(Tensor::cat(flat.parts, 0)).await
}

struct Halve;

impl ModuleMapper for Halve {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let learns = weight.is_require_grad();
            let half = Tensor::from_inner(weight.inner().cast(DType::F16));
            if learns { half.require_grad() } else { half }
        })
    }
}

struct Widened {
    grads: GradientsParams,
    factor: f64,
    wide: GradientsParams,
    squares: Option<Tensor<1>>,
}

impl ModuleVisitor for Widened {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.grads.remove::<D>(param.id) else { return };
        let grad = grad.cast(DType::F32) / self.factor;
        let square = sum_of_squares(grad.clone());
        self.squares = Some(match self.squares.take() {
            Some(squares) => squares + square,
            None => square,
        });
        self.wide.register::<D>(param.id, grad);
    }
}

struct Flat {
    grads: GradientsParams,
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for Flat {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let length: usize = grad.dims().iter().product();
            self.parts.push(grad.reshape([length]));
        }
    }
}
