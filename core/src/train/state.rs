//! Everything a run needs to go on as if never stopped, in one file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamWState, AdaptiveMomentumState};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::TrainConfig;
use super::optimizer::Optimizer;
use crate::checkpoint::{Dtype, NamedTensor, Weights, write_tensors};
use crate::error::{Error, Result};

/// Key of the run's record in the file's metadata.
const RUN_KEY: &str = "medley.run";

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub config: TrainConfig,
    pub num_images: usize,
    /// Optimiser steps taken.
    pub step: usize,
    /// Sum and number of the losses of the epoch so far.
    pub epoch_loss: (f64, usize),
    /// Steps each parameter was updated in, where not all were.
    pub times: BTreeMap<String, usize>,
}

/// Writes weights, moments and running means, all or nothing.
///
/// The tensors of `task` are kept under names that begin with `task/`.
pub(super) async fn save<M: Module>(
    path: &Path,
    run: &Run,
    module: &M,
    optimizer: &Optimizer,
    task: Vec<NamedTensor>,
) -> Result<()> {
    let mut tensors = collect(module, "weight/");
    for (name, state) in &optimizer.states {
        tensors.push(named(format!("mean/{name}"), state.momentum.moment_1.clone()));
        tensors.push(named(format!("square/{name}"), state.momentum.moment_2.clone()));
    }
    tensors.extend(task.into_iter().map(|tensor| NamedTensor { name: format!("task/{}", tensor.name), ..tensor }));
    tensors.extend(optimizer.averages.iter().map(|(name, mean)| named(format!("average/{name}"), mean.clone())));
    let times = optimizer.states.iter().map(|(name, state)| (name.clone(), state.momentum.time)).collect();
    let run = serde_json::to_string(&Run { times, ..run.clone() })
        .map_err(|source| Error::Config { reason: source.to_string() })?;
    write_tensors(path, tensors, HashMap::from([(RUN_KEY.to_owned(), run)]), Dtype::F32).await
}

/// Reads what [`save`] wrote into a module of the same shape.
pub(super) fn load<M: Module>(file: &Weights, module: M, optimizer: &mut Optimizer) -> Result<(Run, M)> {
    let damaged = |reason: String| Error::Checkpoint { path: file.path().to_owned(), reason };
    let run = file.metadata().get(RUN_KEY).ok_or_else(|| damaged("it is no state of a training run".into()))?;
    let run: Run = serde_json::from_str(run).map_err(|source| damaged(source.to_string()))?;
    let (module, devices) = fill(file, "weight/", module)?;
    let read = |kind: &str, name: &str| -> Result<Tensor<1>> {
        let values = file.read(&format!("{kind}/{name}"))?;
        let device = devices.get(name).ok_or_else(|| damaged(format!("{name} is no parameter of this model")))?;
        let shape = [values.len()];
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    };
    for (name, time) in &run.times {
        let mut momentum = AdaptiveMomentumState::new(*time, read("mean", name)?, read("square", name)?);
        momentum.time = *time;
        optimizer.states.insert(name.clone(), AdamWState::new(momentum));
    }
    for key in file.tensors().keys() {
        if let Some(name) = key.strip_prefix("average/") {
            optimizer.averages.insert(name.to_owned(), read("average", name)?);
        }
    }
    Ok((run, module))
}

/// The parameters of a module, each under its path after `prefix`.
pub(super) fn collect<M: Module>(module: &M, prefix: &'static str) -> Vec<NamedTensor> {
    let mut collector = Collector { prefix, path: Vec::new(), tensors: Vec::new() };
    module.visit(&mut collector);
    collector.tensors
}

/// The opposite of [`collect`]; also the device of every parameter, without autodiff.
pub(super) fn fill<M: Module>(
    file: &Weights,
    prefix: &'static str,
    module: M,
) -> Result<(M, BTreeMap<String, Device>)> {
    let mut filler = Filler { file, prefix, path: Vec::new(), devices: BTreeMap::new(), error: None };
    let module = module.map(&mut filler);
    match filler.error {
        Some(error) => Err(error),
        None => Ok((module, filler.devices)),
    }
}

/// A tensor to be saved under a name.
pub(super) fn named(name: String, values: Tensor<1>) -> NamedTensor {
    NamedTensor { name, shape: values.dims().to_vec(), transpose: None, values }
}

struct Collector {
    prefix: &'static str,
    path: Vec<String>,
    tensors: Vec<NamedTensor>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let tensor = if tensor.device().is_autodiff() { tensor.inner() } else { tensor };
        let length: usize = tensor.dims().iter().product();
        self.tensors.push(named(format!("{}{}", self.prefix, self.path.join(".")), tensor.reshape([length])));
    }
}

struct Filler<'a> {
    file: &'a Weights,
    prefix: &'static str,
    path: Vec<String>,
    /// The device of every parameter, without autodiff.
    devices: BTreeMap<String, Device>,
    error: Option<Error>,
}

impl ModuleMapper for Filler<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let shape = param.lazy_shape();
        let device = param.lazy_device();
        self.devices.insert(name.clone(), device.clone().without_autodiff());
        match self.file.read(&format!("{}{name}", self.prefix)) {
            Ok(values) if values.len() == shape.num_elements() => {
                let id = param.id;
                param.transform_for_load(Tensor::from_data(TensorData::new(values, shape), &device), id)
            }
            Ok(values) => {
                self.error = Some(Error::MisshapenWeight {
                    name,
                    found: vec![values.len()],
                    expected: shape.dims::<D>().to_vec(),
                });
                param
            }
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}
