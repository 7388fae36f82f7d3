//! Tensors of a file into the parameters of a model: all of them, each once, streaming.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::Weights;
use super::keys::{self, Place, Shape, from_hugging_face};
use crate::error::{Error, Result};
use crate::model::{BlipConfig, Model};
use crate::progress::{Progress, Report, silent};
use crate::vision::resize_position;
use crate::with_model;

/// Fills a model of this configuration with the tensors of a file.
///
/// One tensor is in memory twice at any time, never the model.
/// A position table of another image size is resized when `resize` allows it.
///
/// # Errors
/// [`Error::MissingWeights`], [`Error::UnknownWeights`], [`Error::TrainingState`],
/// [`Error::MisshapenWeight`], [`Error::NotFinite`], [`Error::Cancelled`] and what reading gives.
pub(super) fn load(
    weights: &Weights,
    config: &BlipConfig,
    device: &Device,
    options: Lenience,
    report: &mut Report<'_>,
) -> Result<Model> {
    let names = reference_names(weights, options)?;
    let total = weights.tensors().values().map(|info| info.num_bytes).sum();
    let model = Model::init(config, device);
    let mut loader =
        Loader { names, resize: options.resize_positions, total, ..Loader::of_nothing(weights, config, report) };
    let model = with_model!(model, module => Model::from(module.map(&mut loader)));
    loader.finish()?;
    Ok(model)
}

/// Everything [`load`] complains of that names and shapes tell; no tensor is read.
pub(super) fn compare(weights: &Weights, config: &BlipConfig, device: &Device, options: Lenience) -> Result<()> {
    let names = reference_names(weights, options)?;
    let mut report = silent;
    // The parameters of a new model take no memory until they are asked for.
    let mut loader = Loader {
        reads: false,
        names,
        resize: options.resize_positions,
        ..Loader::of_nothing(weights, config, &mut report)
    };
    with_model!(Model::init(config, device), module => drop(module.map(&mut loader)));
    loader.finish()
}

/// Where loading may be less than strict.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lenience {
    pub skip_training_state: bool,
    pub resize_positions: bool,
}

/// Authors' names to the file's own, without what holds no weights.
fn reference_names(weights: &Weights, options: Lenience) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    let mut state = Vec::new();
    for name in weights.tensors().keys() {
        if keys::is_derived(name) {
            continue;
        }
        if keys::is_training_state(name) {
            state.push(name.clone());
            continue;
        }
        names.insert(from_hugging_face(name), name.clone());
    }
    if !state.is_empty() && !options.skip_training_state {
        return Err(Error::TrainingState { names: state });
    }
    Ok(names)
}

pub(super) struct Loader<'a, 'r> {
    weights: &'a Weights,
    config: &'a BlipConfig,
    /// What has not been taken yet: authors' name to the file's.
    names: BTreeMap<String, String>,
    resize: bool,
    /// Whether numbers are read, or shapes only compared.
    reads: bool,
    path: Vec<String>,
    missing: Vec<String>,
    error: Option<Error>,
    done: u64,
    total: u64,
    report: &'a mut Report<'r>,
}

impl<'a, 'r> Loader<'a, 'r> {
    /// Fills the part of a model at `path` with tensors of these names: authors' to the file's.
    pub(super) fn of_part(
        weights: &'a Weights,
        config: &'a BlipConfig,
        path: &str,
        names: BTreeMap<String, String>,
        report: &'a mut Report<'r>,
    ) -> Self {
        Self { names, resize: true, path: vec![path.to_owned()], ..Self::of_nothing(weights, config, report) }
    }

    fn of_nothing(weights: &'a Weights, config: &'a BlipConfig, report: &'a mut Report<'r>) -> Self {
        Self {
            weights,
            config,
            names: BTreeMap::new(),
            resize: false,
            reads: true,
            path: Vec::new(),
            missing: Vec::new(),
            error: None,
            done: 0,
            total: 0,
            report,
        }
    }

    /// Complains of what went wrong, was not there, or was left over.
    pub(super) fn finish(self) -> Result<()> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self.missing.is_empty() {
            return Err(Error::MissingWeights { missing: self.missing });
        }
        if !self.names.is_empty() {
            return Err(Error::UnknownWeights { unknown: self.names.into_values().collect() });
        }
        Ok(())
    }

    fn tensor<const D: usize>(&mut self, expected: [usize; D], device: &Device) -> Result<Option<Tensor<D>>> {
        let place = keys::place(self.config, &self.path);
        let Some(name) = self.names.remove(&place.name) else {
            // An untrained temperature is the only parameter files may leave out.
            if place.shape != Shape::Scalar {
                self.missing.push(place.name);
            }
            for copy in &place.copies {
                self.names.remove(copy);
            }
            return Ok(None);
        };
        let info = &self.weights.tensors()[&name];
        let stored = info.shape.clone();
        self.done += info.num_bytes;
        let progress = Progress::Loading { done: self.done.min(self.total), total: self.total };
        if (self.report)(progress).is_break() {
            return Err(Error::Cancelled);
        }

        let resizes = self.resize && self.path.ends_with(&["position".into()]) && D == 3 && stored.len() == 3;
        let found = match (ours(&place, &stored), resizes) {
            (Some(found), _) if found == expected => found,
            (Some(found), true) if found[0] == 1 && found[2] == expected[2] => found,
            _ => {
                let expected = theirs(&place, &expected, self.config.vision.patch_size_px);
                return Err(Error::MisshapenWeight { name, found: stored, expected });
            }
        };
        if !self.reads {
            for copy in &place.copies {
                self.names.remove(copy);
            }
            return Ok(None);
        }
        let values = self.weights.read(&name)?;
        self.check_copies(&place, &name, &values)?;
        let values = match place.shape {
            Shape::Transposed | Shape::Kernel => transposed(&values, found[1], found[0]),
            Shape::Same | Shape::Scalar => values,
        };
        let tensor = Tensor::<D>::from_data(TensorData::new(values, found), device);
        if found == expected {
            return Ok(Some(tensor));
        }
        let side = (expected[1] - 1).isqrt();
        let [one, _, hidden] = [found[0], found[1], found[2]];
        let table = resize_position(tensor.reshape([one, found[1], hidden]), side, side);
        Ok(Some(table.reshape(expected)))
    }

    /// Takes the copies of a tensor off the list; they must hold what it holds.
    fn check_copies(&mut self, place: &Place, owner: &str, values: &[f32]) -> Result<()> {
        for copy in &place.copies {
            let Some(name) = self.names.remove(copy) else { continue };
            self.done += self.weights.tensors()[&name].num_bytes;
            if self.weights.read(&name)? != values {
                return Err(Error::Config {
                    reason: format!("{name} and {owner} are one weight in this model and differ in the file"),
                });
            }
        }
        Ok(())
    }
}

impl ModuleMapper for Loader<'_, '_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let expected = param.lazy_shape().dims();
        match self.tensor(expected, &param.lazy_device()) {
            Ok(Some(tensor)) => {
                let id = param.id;
                param.transform_for_load(tensor, id)
            }
            Ok(None) => param,
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}

/// The shape a stored tensor takes in our model, if it has the rank for it.
fn ours<const D: usize>(place: &Place, stored: &[usize]) -> Option<[usize; D]> {
    let shape = match (place.shape, stored) {
        (Shape::Same, _) => stored.to_vec(),
        (Shape::Scalar, [] | [1]) => vec![1],
        (Shape::Transposed, [output, input]) => vec![*input, *output],
        (Shape::Kernel, [output, channel, height, width]) => vec![channel * height * width, *output],
        _ => return None,
    };
    shape.try_into().ok()
}

/// The shape one of our tensors takes in a checkpoint.
pub(super) fn theirs(place: &Place, ours: &[usize], patch_size_px: usize) -> Vec<usize> {
    match (place.shape, ours) {
        (Shape::Transposed, [input, output]) => vec![*output, *input],
        (Shape::Kernel, [_, output]) => vec![*output, 3, patch_size_px, patch_size_px],
        (Shape::Scalar, _) => vec![],
        _ => ours.to_vec(),
    }
}

/// Rows to columns: `values` is `[rows, columns]`, the result `[columns, rows]`.
pub(super) fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const TILE: usize = 32;
    let mut turned = vec![0.0; values.len()];
    for row in (0..rows).step_by(TILE) {
        for column in (0..columns).step_by(TILE) {
            for r in row..(row + TILE).min(rows) {
                for c in column..(column + TILE).min(columns) {
                    turned[c * rows + r] = values[r * columns + c];
                }
            }
        }
    }
    turned
}
