//! Everything a run needs to go on as if never stopped, in one file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::TrainConfig;
use super::half::LossScale;
use super::optimizer::{Moments, Optimizer};
use crate::checkpoint::{Dtype, NamedTensor, Weights, write_tensors};
use crate::error::{Error, Result};
use crate::nn::{each_weight, replace_weights};

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
    /// What gradients of 16 bits are multiplied by, where they are.
    #[serde(default)]
    pub loss_scale: Option<LossScale>,
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
        tensors.push(named(format!("mean/{name}"), state.mean.clone()));
        tensors.push(named(format!("square/{name}"), state.square.clone()));
    }
    tensors.extend(task.into_iter().map(|tensor| NamedTensor { name: format!("task/{}", tensor.name), ..tensor }));
    tensors.extend(optimizer.averages.iter().map(|(name, mean)| named(format!("average/{name}"), mean.clone())));
    let times = optimizer.states.iter().map(|(name, state)| (name.clone(), state.time)).collect();
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
        let moments = Moments { mean: read("mean", name)?, square: read("square", name)?, time: *time };
        optimizer.states.insert(name.clone(), moments);
    }
    for key in file.tensors().keys() {
        if let Some(name) = key.strip_prefix("average/") {
            optimizer.averages.insert(name.to_owned(), read("average", name)?);
        }
    }
    Ok((run, module))
}

/// The parameters of a module, each under its path after `prefix`.
pub(super) fn collect<M: Module>(module: &M, prefix: &str) -> Vec<NamedTensor> {
    let mut tensors = Vec::new();
    each_weight(module, &mut |path, _, weight| tensors.push(named(format!("{prefix}{path}"), weight)));
    tensors
}

/// The opposite of [`collect`]; also the device of every parameter, without autodiff.
pub(super) fn fill<M: Module>(file: &Weights, prefix: &str, module: M) -> Result<(M, BTreeMap<String, Device>)> {
    let (mut devices, mut error) = (BTreeMap::new(), None);
    let mut read = |path: &str, shape: &[usize], device: &Device| {
        devices.insert(path.to_owned(), device.clone().without_autodiff());
        match file.read(&format!("{prefix}{path}")) {
            Ok(values) if values.len() == shape.iter().product::<usize>() => {
                let length = [values.len()];
                return Some(Tensor::from_data(TensorData::new(values, length), device));
            }
            Ok(values) => {
                let (name, found, expected) = (path.to_owned(), vec![values.len()], shape.to_vec());
                error = Some(Error::MisshapenWeight { name, found, expected });
            }
            Err(failed) => error = Some(failed),
        }
        None
    };
    let module = replace_weights(module, &mut read);
    match error {
        Some(error) => Err(error),
        None => Ok((module, devices)),
    }
}

/// A tensor to be saved under a name.
pub(super) fn named(name: String, values: Tensor<1>) -> NamedTensor {
    NamedTensor { name, shape: values.dims().to_vec(), transpose: None, values }
}
