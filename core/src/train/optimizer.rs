//! AdamW over a module, with gradient clipping and a running mean of the weights.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, s};

use super::TrainConfig;
use crate::error::Result;
use crate::kernel::{AdamWStep, Moving, adamw, drift, sum_of_squares};
use crate::readback::read;

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

    /// Makes what is kept of every weight that has a gradient, where there is nothing yet, and waits
    /// for it: a step that finds no room for that has then moved no weight.
    ///
    /// # Errors
    /// A failing device; one without memory may panic.
    pub async fn make_room<M: Module>(
        &mut self,
        module: &M,
        grads: &GradientsParams,
        config: &TrainConfig,
    ) -> Result<()> {
        let averages = config.weight_average > 0.0;
        let mut room = Room { optimizer: self, grads, averages, path: Vec::new(), last: None };
        module.visit(&mut room);
        match room.last {
            Some(last) => read(last).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Drops what was made and no step has used: of memory that was not found nothing is kept.
    pub fn leave_room(&mut self) {
        let Self { states, averages } = self;
        states.retain(|_, state| state.time > 0);
        averages.retain(|path, _| states.contains_key(path));
    }

    /// One step, for which there is [room](Self::make_room); returns the module with its new weights.
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

struct Room<'a> {
    optimizer: &'a mut Optimizer,
    grads: &'a GradientsParams,
    averages: bool,
    path: Vec<String>,
    /// A number of what was made last, `[1]`.
    last: Option<Tensor<1>>,
}

impl ModuleVisitor for Room<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.grads.get::<D>(param.id) else { return };
        let path = self.path.join(".");
        let zeros = || Tensor::zeros([grad.dims().iter().product::<usize>()], &grad.device());
        let Optimizer { states, averages } = &mut *self.optimizer;
        if let Entry::Vacant(place) = states.entry(path) {
            if self.averages {
                averages.insert(place.key().clone(), zeros());
            }
            let moments = place.insert(Moments { mean: zeros(), square: zeros(), time: 0 });
            self.last = Some(moments.square.clone().slice(s![0..1]));
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
            let Moments { mean, square, time } = states.remove(&path).expect("room was made for what has a gradient");
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
            if let Some(mean) = averages.remove(&path) {
                // The mean of one step's weights is these.
                let decay = if time == 0 { 0.0 } else { self.config.weight_average };
                averages.insert(path, drift(mean, weights.clone(), decay));
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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use burn::nn::{Linear, LinearConfig};

    use super::*;

    #[test]
    fn room_is_made_for_what_has_a_gradient_and_no_weight_moves_meanwhile() {
        let device = Device::flex().autodiff();
        let model: [Linear; 2] = std::array::from_fn(|_| LinearConfig::new(3, 2).init(&device));
        let model = model.to_vec();
        let x = Tensor::<2>::ones([1, 3], &device);
        let grads = GradientsParams::from_grads(model[0].forward(x).sum().backward(), &model);
        let before = model[0].weight.val().to_data();
        let config = TrainConfig { weight_average: 0.9, ..TrainConfig::default() };
        let mut optimizer = Optimizer::new();
        {
            let mut room = pin!(optimizer.make_room(&model, &grads, &config));
            let mut context = Context::from_waker(Waker::noop());
            while room.as_mut().poll(&mut context).map(|made| made.expect("there is memory")) == Poll::Pending {}
        }
        let made = optimizer.states.keys().cloned().collect::<Vec<_>>();
        assert_eq!(made, ["0.bias", "0.weight"]);
        assert!(optimizer.states.values().all(|state| state.time == 0));
        assert_eq!(model[0].weight.val().to_data(), before);
        let model = optimizer.step(model, grads, 1e-2, &config);
        optimizer.leave_room();
        assert!(optimizer.states.keys().eq(&made) && optimizer.averages.keys().eq(&made));
        // The mean of one step's weights is these.
        let weight = model[0].weight.val().inner();
        assert_ne!(weight.to_data(), before);
        assert_eq!(optimizer.averages["0.weight"].to_data(), weight.reshape([6]).to_data());
    }
}
