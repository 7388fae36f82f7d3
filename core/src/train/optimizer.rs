//! AdamW over a module, with gradient clipping and a running mean of the weights.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamW, AdamWConfig, AdamWState, GradientsParams, Optimizer as _};
use burn::tensor::{Device, Tensor};

use super::TrainConfig;

/// The optimiser and all it remembers, by parameter path.
///
/// State is kept flat and by name rather than in burn's record, so that it lives on the model's
/// own device and a resumed run continues bit for bit.
pub(super) struct Optimizer {
    decaying: AdamW,
    plain: AdamW,
    pub(super) states: BTreeMap<String, AdamWState<1>>,
    pub(super) averages: BTreeMap<String, Tensor<1>>,
}

impl Optimizer {
    pub fn new(config: &TrainConfig) -> Self {
        let adamw = |decay: f64| {
            AdamWConfig::new()
                .with_beta_1(config.beta_1 as f32)
                .with_beta_2(config.beta_2 as f32)
                .with_epsilon(1e-8)
                .with_weight_decay(decay as f32)
                .build()
        };
        Self {
            decaying: adamw(config.weight_decay),
            plain: adamw(0.0),
            states: BTreeMap::new(),
            averages: BTreeMap::new(),
        }
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
            let square = grad.square().sum();
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
        let Optimizer { decaying, plain, states, averages } = &mut *self.optimizer;
        let adamw = if decays { decaying } else { plain };
        let scale = self.scale.clone();
        param.map(|tensor| {
            let shape = tensor.dims();
            let length: usize = shape.iter().product();
            let weights = tensor.inner().reshape([length]);
            let grad = grad.reshape([length]);
            let grad = match scale {
                Some(scale) => grad * scale,
                None => grad,
            };
            let (weights, state) = adamw.step(rate, weights, grad, states.remove(&path));
            if let Some(state) = state {
                states.insert(path.clone(), state);
            }
            if self.config.weight_average > 0.0 {
                let decay = self.config.weight_average;
                let mean = match averages.remove(&path) {
                    Some(mean) => mean * decay + weights.clone() * (1.0 - decay),
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
