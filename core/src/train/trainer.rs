//! The loop, the same for every task: order, learning rate, step, progress, saving.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::freeze::freeze;
use super::half::{LossScale, halved};
use super::memory::caught;
use super::optimizer::Optimizer;
use super::parts::Parts;
use super::pictures::{Ahead, Squares, Wanted};
use super::state::{self, Run};
use super::{TrainConfig, TrainSizes, learning_rate};
use crate::checkpoint::{NamedTensor, Weights};
use crate::data::epoch_order;
use crate::error::{Error, Result};
use crate::nn::BlockRuns;
use crate::progress::{Progress, Report};

/// What a task brings to the loop.
#[expect(async_fn_in_trait, reason = "one thread owns the device: futures never leave theirs")]
pub trait Task {
    /// What learns.
    type Model: Module;

    /// What a step draws before it begins, beside its pictures: texts.
    type Drawn;

    /// Whether a step is the sum of its examples, so that devices can share it.
    const IS_SUM: bool = true;

    /// The model, whose towers' blocks run so.
    fn with_runs(model: Self::Model, runs: &BlockRuns) -> Self::Model;

    /// Examples an epoch goes through.
    fn num_examples(&self) -> usize;

    /// The fewest examples a step can learn from; a smaller rest of an epoch is left out.
    fn least_examples(&self) -> usize {
        1
    }

    /// What is to be done once before the first step.
    ///
    /// # Errors
    /// [`Error::Cancelled`], to be continued by the next call, and unreadable photographs.
    async fn prepare(&mut self, _model: &Self::Model, _config: &TrainConfig, _report: &mut Report<'_>) -> Result<()> {
        Ok(())
    }

    /// What a step over these examples reads, and the pictures it needs, where it needs any.
    ///
    /// Asked some steps before their turn, so that threads fetch the pictures meanwhile; always after
    /// [`prepare`](Self::prepare).
    fn draw(&self, examples: &[usize], config: &TrainConfig, draws: &mut StdRng) -> (Self::Drawn, Option<Wanted>);

    /// The loss of a step, and its gradients.
    ///
    /// # Errors
    /// A failing device.
    async fn learn(&mut self, model: &Self::Model, step: Step<'_, Self::Drawn>) -> Result<(f32, GradientsParams)>;

    /// What a saved run must hold beside weights and optimiser.
    fn state(&self) -> Vec<NamedTensor> {
        Vec::new()
    }

    /// Takes up what [`state`](Self::state) gave.
    ///
    /// # Errors
    /// What reading gives.
    fn restore(&mut self, _model: &Self::Model, _config: &TrainConfig, _file: &Weights) -> Result<()> {
        Ok(())
    }
}

/// One step of a run.
pub struct Step<'a, D> {
    /// Steps before it.
    pub index: usize,
    /// The places of its examples.
    pub examples: &'a [usize],
    /// What it drew.
    pub drawn: &'a D,
    /// The pictures it asked for.
    pub pictures: &'a Option<Squares>,
    /// Chance that depends on the step alone, so that a resumed run draws the same.
    pub draws: StdRng,
    /// The run's settings.
    pub config: &'a TrainConfig,
    /// The run's length.
    pub sizes: TrainSizes,
    /// Where the model lies, with autodiff.
    pub device: &'a Device,
    /// Further devices that take parts of the step.
    pub beside: &'a [Device],
    /// What the loss is multiplied by before its gradients are taken.
    pub scale: f64,
}

impl<D> Step<'_, D> {
    /// How it is taken apart.
    pub(super) fn parts(&self) -> Parts<'_> {
        let (examples, parts) = (self.examples.len(), self.config.accumulate);
        Parts { examples, parts, scale: self.scale, device: self.device, beside: self.beside }
    }
}

/// A step that was drawn, some steps before its turn.
struct Begun<'a, D> {
    examples: &'a [usize],
    drawn: D,
    draws: StdRng,
    /// Decides dropout.
    seed: u64,
}

/// A finished epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Epochs finished, this one included.
    pub epoch: usize,
    /// Mean loss of its steps.
    pub train_loss: f32,
}

/// A model in training.
pub struct Trainer<T: Task> {
    pub(super) config: TrainConfig,
    pub(super) task: T,
    pub(super) device: Device,
    /// What takes parts of a step beside it.
    beside: Vec<Device>,
    sizes: TrainSizes,
    /// Away only while the optimiser makes the next one of it.
    model: Option<T::Model>,
    optimizer: Optimizer,
    run: Run,
    runs: BlockRuns,
}

impl<T: Task> Trainer<T> {
    /// Prepares a run on the model's device.
    ///
    /// # Errors
    /// [`Error::Option`] for settings that make no sense, [`Error::TooFewExamples`], and
    /// [`Error::Config`] for weights of 16 bits.
    pub fn of(task: T, model: T::Model, config: TrainConfig) -> Result<Self> {
        config.check()?;
        let num_examples = task.num_examples();
        if num_examples < task.least_examples() {
            return Err(Error::TooFewExamples { found: num_examples, least: task.least_examples() });
        }
        if has_half_precision(&model) {
            let reason = "weights of 16 bits cannot learn: gradients need 32".to_owned();
            return Err(Error::Config { reason });
        }
        let device = model.devices().into_iter().next().unwrap_or_else(Device::flex).autodiff();
        let runs = BlockRuns::new(config.recompute);
        let model = freeze(T::with_runs(model, &runs).to_device(&device).train(), &config.freeze)?;
        let run = Run {
            config: config.clone(),
            num_images: num_examples,
            step: 0,
            epoch_loss: (0.0, 0),
            times: Default::default(),
            loss_scale: config.half.then(LossScale::default),
        };
        let rest = num_examples % config.batch_size;
        let left_out = if rest < task.least_examples() { rest } else { 0 };
        let (sizes, optimizer) = (config.sizes(num_examples - left_out), Optimizer::new());
        Ok(Self { config, task, device, beside: Vec::new(), sizes, model: Some(model), optimizer, run, runs })
    }

    /// Takes every step on these devices too: each computes a part of it with a copy of the weights.
    ///
    /// # Errors
    /// [`Error::Option`] for a task whose steps compare all their examples.
    pub fn beside(mut self, devices: &[Device]) -> Result<Self> {
        if !T::IS_SUM && !devices.is_empty() {
            let reason = "this task compares all examples of a step, on one device".to_owned();
            return Err(Error::Option { option: "further devices", reason });
        }
        self.beside = devices.iter().map(|device| device.clone().autodiff()).collect();
        Ok(self)
    }

    /// Takes up a run where [`save`](Self::save) left it.
    ///
    /// # Errors
    /// [`Error::Config`] listing the differences when the settings or data changed, and what
    /// reading gives.
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        let mut optimizer = Optimizer::new();
        let file = Weights::open(path)?;
        let (run, model) = state::load(&file, self.learning().clone(), &mut optimizer)?;
        let mut differences = self.config.differences(&run.config);
        let num_examples = self.task.num_examples();
        if run.num_images != num_examples {
            differences.push(format!("photographs: {num_examples} was {}", run.num_images));
        }
        if !differences.is_empty() {
            let reason = format!("this run was begun with other settings: {}", differences.join("; "));
            return Err(Error::Config { reason });
        }
        self.task.restore(&model, &self.config, &file)?;
        (self.run, self.model, self.optimizer) = (run, Some(model), optimizer);
        Ok(())
    }

    /// Writes all that [`resume`](Self::resume) needs, all or nothing.
    ///
    /// # Errors
    /// As [`checkpoint::save`](crate::checkpoint::save).
    pub async fn save(&self, path: &Path) -> Result<()> {
        state::save(path, &self.run, self.learning(), &self.optimizer, self.task.state()).await
    }

    /// The model as it would be used: without gradients, with the running mean of its weights.
    pub fn model(&self) -> T::Model {
        self.optimizer.averaged(self.learning().valid())
    }

    /// The model as it learns, with gradients.
    pub(super) fn learning(&self) -> &T::Model {
        self.model.as_ref().expect("a trainer has its model between two steps")
    }

    /// How much work the run is.
    pub fn sizes(&self) -> TrainSizes {
        self.sizes
    }

    /// Optimiser steps taken so far.
    pub fn step(&self) -> usize {
        self.run.step
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.run.step >= self.sizes.total_steps
    }

    /// Trains to the end of the epoch, from wherever in it the run stands.
    ///
    /// # Errors
    /// [`Error::Cancelled`] after a whole step, ready to be saved; all others with the weights from
    /// before the step: [`Error::LossNotFinite`], [`Error::OutOfMemory`] where no smaller part of a
    /// step fits either, unreadable photographs.
    pub async fn epoch(&mut self, report: &mut Report<'_>) -> Result<Epoch> {
        self.task.prepare(self.model.as_ref().expect("a trainer has its model"), &self.config, report).await?;
        let epoch = self.run.step / self.sizes.steps_per_epoch;
        let order = epoch_order(self.task.num_examples(), self.config.seed, epoch as u64);
        let skipped = self.run.step % self.sizes.steps_per_epoch;
        let least = self.task.least_examples();
        let steps = order.chunks(self.config.batch_size).filter(|examples| examples.len() >= least);
        let mut coming = (self.run.step..).zip(steps.skip(skipped));
        let mut ahead = Ahead::new();
        loop {
            let next = ahead.next(|| coming.next().map(|(step, examples)| self.begin(step, examples)))?;
            let Some((begun, pictures)) = next else { break };
            let (step, images) = (self.run.step, begun.examples.len());
            let rate = learning_rate(&self.config, step, self.sizes.total_steps);
            let loss = self.train_step(&begun, &pictures, rate, report).await?;
            if !loss.is_finite() {
                return Err(Error::LossNotFinite { step });
            }
            self.run.step += 1;
            self.run.epoch_loss.0 += f64::from(loss);
            self.run.epoch_loss.1 += 1;
            let progress = Progress::Step {
                step: self.run.step,
                total: self.sizes.total_steps,
                loss,
                learning_rate: rate,
                images,
            };
            let ends = self.run.step.is_multiple_of(self.sizes.steps_per_epoch);
            if report(progress).is_break() && !ends {
                return Err(Error::Cancelled);
            }
        }
        let (sum, steps) = std::mem::take(&mut self.run.epoch_loss);
        Ok(Epoch { epoch: epoch + 1, train_loss: (sum / steps.max(1) as f64) as f32 })
    }

    /// Draws all that depends on the step alone.
    fn begin<'a>(&self, step: usize, examples: &'a [usize]) -> (Begun<'a, T::Drawn>, Option<Wanted>) {
        let mut draws = StdRng::seed_from_u64(self.config.seed ^ (step as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let seed = draws.random();
        let (drawn, wanted) = self.task.draw(examples, &self.config, &mut draws);
        (Begun { examples, drawn, draws, seed }, wanted)
    }

    async fn train_step(
        &mut self,
        begun: &Begun<'_, T::Drawn>,
        pictures: &Option<Squares>,
        rate: f64,
        report: &mut Report<'_>,
    ) -> Result<f32> {
        let Begun { examples, drawn, draws, seed } = begun;
        // Dropout depends on the step alone, so that a resumed run drops the same.
        let (loss, grads) = loop {
            for (device, seed) in std::iter::once(&self.device).chain(&self.beside).zip(*seed..) {
                device.seed(seed);
            }
            self.runs.begin(*seed);
            let (config, sizes, draws) = (&self.config, self.sizes, draws.clone());
            let (device, beside) = (&self.device, self.beside.as_slice());
            let scale = self.run.loss_scale.map_or(1.0, |scale| scale.factor);
            let index = self.run.step;
            let step = Step { index, examples, drawn, pictures, draws, config, sizes, device, beside, scale };
            let model = self.model.as_ref().expect("a trainer has its model");
            let copy = self.run.loss_scale.map(|_| halved(model.clone()));
            match caught(self.task.learn(copy.as_ref().unwrap_or(model), step)).await {
                Err(Error::OutOfMemory) => {
                    let said = self.take_less(examples.len()).ok_or(Error::OutOfMemory)?;
                    self.device.memory_cleanup();
                    if report(Progress::Warning(said)).is_break() {
                        return Err(Error::Cancelled);
                    }
                }
                learned => break learned?,
            }
        };
        let grads = match &mut self.run.loss_scale {
            None => Some(grads),
            Some(scale) => {
                let grads = scale.unscaled(self.model.as_ref().expect("a trainer has its model"), grads).await?;
                if scale.is_spent() {
                    return Ok(f32::NAN);
                }
                // A step whose gradients 16 bits cannot hold is passed over; the next is scaled less.
                grads
            }
        };
        if let (true, Some(grads)) = (loss.is_finite(), grads) {
            self.make_room(&grads).await?;
            // Taken, not copied: an old weight goes when the new one is there.
            self.model = self.model.take().map(|model| self.optimizer.step(model, grads, rate, &self.config));
        }
        Ok(loss)
    }

    /// Makes what the optimiser keeps, before it moves a weight.
    async fn make_room(&mut self, grads: &GradientsParams) -> Result<()> {
        let model = self.model.as_ref().expect("a trainer has its model");
        match caught(self.optimizer.make_room(model, grads, &self.config)).await {
            Err(Error::OutOfMemory) => {
                // What the step computed is gone, but the device may hold on to its memory.
                self.optimizer.leave_room();
                self.device.memory_cleanup();
                let made = caught(self.optimizer.make_room(model, grads, &self.config)).await;
                made.inspect_err(|_| self.optimizer.leave_room())
            }
            made => made,
        }
    }

    /// Arranges for the next try at a step to take less memory, and says how; none where there is
    /// no way left.
    fn take_less(&mut self, examples: usize) -> Option<String> {
        if !self.runs.recomputes() {
            self.runs.recompute();
            return Some("out of memory: from here on blocks run again in the backward pass (--recompute)".to_owned());
        }
        let part = examples.div_ceil(self.config.accumulate);
        if part < 2 {
            return None;
        }
        self.config.accumulate = examples.div_ceil(part / 2);
        let parts = self.config.accumulate;
        Some(format!("out of memory: from here on a step of {examples} is taken in {parts} parts (--accumulate)"))
    }
}

fn has_half_precision<M: Module>(model: &M) -> bool {
    struct Halves(bool);
    impl ModuleVisitor for Halves {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 |= param.val().dtype() != DType::F32;
        }
    }
    let mut halves = Halves(false);
    model.visit(&mut halves);
    halves.0
}
