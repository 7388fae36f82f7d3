//! AdamW over a module, with gradient clipping and a running mean of the weights.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use super::TrainConfig;
use crate::kernel::{AdamWStep, Moving, adamw, drift, sum_of_squares};

/// Added to the root of the second mean.
const EPSILON: f64 = 1e-8;

/// The optimiser and all it remembers, by parameter path.
///
/// State is kept flat and by name rather than in burn's record, so that it lives on the model's
/// own device and a resumed run continues bit for bit.
pub(super) struct Optimizer {
    pub(super) states: BTreeMap<String, Moments>,
    pub(super) averages: BTreeMap<String, Tensor<1>>,
}

/// What is remembered of a weight's gradients.
pub(super) struct Moments {
    /// Running mean.
    pub mean: Tensor<1>,
    /// Running mean of squares.
    pub square: Tensor<1>,
    /// Steps it was moved in.
    pub time: usize,
}

impl Optimizer {
    pub fn new() -> Self {
        Self { states: BTreeMap::new(), averages: BTreeMap::new() }
    }

    /// One step; returns the module with its new weights.
    pub fn step<M: Module>(&mut self, module: M, grads: GradientsParams, rate: f64, config: &TrainConfig) -> M {
        let scale = clip_scale(&module, &grads, config.clip_norm);
        module.map(&mut Step { optimizer: self, grads, scale, rate, config, path: Vec::new() })
    }

    /// The module with the running mean of its weights, or as it is where none is kept.
    pub fn averaged<M: Module>(&self, module: M) -> M {
        module.map(&mut Averaged { averages: &self.averages, path: Vec::new() })
    }
}

/// The factor that shortens all gradients together to `max_norm`; none when they may be long.
fn clip_scale<M: Module>(module: &M, grads: &GradientsParams, max_norm: f64) -> Option<Tensor<1>> {
    if max_norm <= 0.0 {
        return None;
    }
    let mut norm = Norm { grads, squares: None };
    module.visit(&mut norm);
    // The norm stays on the device: nothing waits for it.
    let norm = norm.squares?.sqrt();
    Some((norm + 1e-6).recip().mul_scalar(max_norm).clamp_max(1.0))
}

struct Norm<'a> {
    grads: &'a GradientsParams,
    squares: Option<Tensor<1>>,
}

impl ModuleVisitor for Norm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let square = sum_of_squares(grad);
            self.squares = Some(match self.squares.take() {
                Some(squares) => squares + square,
                None => square,
            });
        }
    }
}

struct Step<'a> {
    optimizer: &'a mut Optimizer,
    grads: GradientsParams,
    scale: Option<Tensor<1>>,
    rate: f64,
    config: &'a TrainConfig,
    path: Vec<String>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else {
            return param;
        };
        let path = self.path.join(".");
        let decays = D == 2 && !path.ends_with("position");
        let rate = if path.starts_with("vision.") { self.rate * self.config.vision_rate_factor } else { self.rate };
        let Optimizer { states, averages } = &mut *self.optimizer;
        let scale = self.scale.clone();
        param.map(|tensor| {
            let (shape, device) = (tensor.dims(), grad.device());
            let length = [shape.iter().product::<usize>()];
            let state = states.remove(&path).unwrap_or_else(|| Moments {
                mean: Tensor::zeros(length, &device),
                square: Tensor::zeros(length, &device),
                time: 0,
            });
            let Moments { mean, square, time } = state;
            let step = AdamWStep {
                rate,
                beta_1: self.config.beta_1,
                beta_2: self.config.beta_2,
                epsilon: EPSILON,
                weight_decay: if decays { self.config.weight_decay } else { 0.0 },
                time: time + 1,
            };
            let scale = scale.unwrap_or_else(|| Tensor::ones([1], &device));
            let moving = Moving { weight: tensor.inner().reshape(length), mean, square };
            let Moving { weight: weights, mean, square } = adamw(moving, grad.reshape(length), scale, step);
            states.insert(path.clone(), Moments { mean, square, time: step.time });
            if self.config.weight_average > 0.0 {
                let decay = self.config.weight_average;
                let mean = match averages.remove(&path) {
                    Some(mean) => drift(mean, weights.clone(), decay),
                    None => weights.clone(),
                };
                averages.insert(path, mean);
            }
            Tensor::from_inner(weights.reshape(shape)).require_grad()
        })
    }
}

struct Averaged<'a> {
    averages: &'a BTreeMap<String, Tensor<1>>,
    path: Vec<String>,
}

impl ModuleMapper for Averaged<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.averages.get(&self.path.join(".")) {
            Some(mean) => param.map(|tensor| {
                let device: Device = tensor.device();
                mean.clone().reshape(tensor.dims()).to_device(&device.without_autodiff())
            }),
            None => param,
        }
    }
}
