//! Parts of a new model from elsewhere: an ImageNet ViT, and a BERT (BLIP §4.1).

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use super::Weights;
use super::keys::{self, Shape};
use super::load::{Loader, transposed};
use crate::error::{Error, Result};
use crate::model::{BlipConfig, Model};
use crate::progress::silent;
use crate::vision::VisionTransformer;
use crate::with_model;

/// What an ImageNet ViT has on top to name classes: not part of an image encoder.
const CLASSIFIER: [&str; 3] = ["head.", "head_dist.", "pre_logits."];

/// Fills the image encoder of a new model with an ImageNet ViT under timm's names; its position
/// table is resized, its classifier left out.
///
/// # Errors
/// As [`load`](super::load).
pub fn load_vision(weights: &Weights, config: &BlipConfig, vision: VisionTransformer) -> Result<VisionTransformer> {
    let names = weights.tensors().keys().filter(|name| !CLASSIFIER.iter().any(|top| name.starts_with(top)));
    let named = names.map(|name| (format!("visual_encoder.{name}"), name.clone()));
    let mut report = silent;
    let mut loader = Loader::of_part(weights, config, "vision", named.collect(), &mut report);
    let vision = vision.map(&mut loader);
    loader.finish()?;
    Ok(vision)
}

/// Fills the text stacks of a new model, each with a BERT under Hugging Face's names, and the
/// output layer with its prediction head where the file has one.
///
/// Both self-attentions begin as BERT's, cross-attention stays as it was made, and so do the
/// rows of the word table that BERT has no words for: `[DEC]` and `[ENC]`. Token types are left
/// out, as the authors leave them out (`med.py`).
///
/// # Errors
/// [`Error::MissingWeights`], [`Error::MisshapenWeight`] and what reading gives.
pub fn load_text(weights: &Weights, model: Model) -> Result<Model> {
    let plain = |name: &str| {
        let name = name.strip_prefix("bert.").unwrap_or(name);
        // Names of norms before 2019.
        name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
    };
    let names = weights.tensors().keys().map(|name| (plain(name), name.clone())).collect();
    let mut filler = Filler { weights, names, path: Vec::new(), missing: BTreeSet::new(), error: None };
    let model = with_model!(model, module => Model::from(module.map(&mut filler)));
    match (filler.error, filler.missing.is_empty()) {
        (Some(error), _) => Err(error),
        (None, false) => Err(Error::MissingWeights { missing: filler.missing.into_iter().collect() }),
        (None, true) => Ok(model),
    }
}

struct Filler<'a> {
    weights: &'a Weights,
    /// BERT's names without their prefix to the file's.
    names: BTreeMap<String, String>,
    path: Vec<String>,
    missing: BTreeSet<String>,
    error: Option<Error>,
}

impl Filler<'_> {
    /// BERT's name for the parameter, and whether BERT must have it.
    fn source(&self) -> Option<(String, bool)> {
        let parts: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["text" | "question" | "answer" | "decoder", rest @ ..] => {
                let is_cross = rest.iter().any(|part| part.ends_with("cross"));
                (!is_cross).then(|| (keys::text(rest), true))
            }
            ["lm_head", "bias"] => Some(("cls.predictions.bias".to_owned(), false)),
            ["lm_head", "transform", leaf] => Some((format!("cls.predictions.transform.dense.{leaf}"), false)),
            ["lm_head", "norm", leaf] => {
                let leaf = if *leaf == "gamma" { "weight" } else { "bias" };
                Some((format!("cls.predictions.transform.LayerNorm.{leaf}"), false))
            }
            _ => None,
        }
    }

    /// The numbers of a tensor in our layout, and its shape in it.
    fn read<const D: usize>(&self, name: &str, expected: [usize; D]) -> Result<(Vec<f32>, [usize; D])> {
        let parts: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let mut found = self.weights.tensors()[name].shape.clone();
        let mut values = self.weights.read(name)?;
        if let (Shape::Transposed, [output, input]) = (keys::shape(&parts), &found[..]) {
            values = transposed(&values, *output, *input);
            found.reverse();
        }
        let fits = found.len() == D && found[1..] == expected[1..] && found[0] <= expected[0];
        // Only vocabularies may be shorter than ours.
        let is_vocab = matches!(parts.as_slice(), [.., "embedding", "word"] | ["lm_head", "bias"]);
        match <[usize; D]>::try_from(found.clone()) {
            Ok(shape) if fits && (is_vocab || shape == expected) => Ok((values, shape)),
            _ => Err(Error::MisshapenWeight { name: name.to_owned(), found, expected: expected.to_vec() }),
        }
    }
}

impl ModuleMapper for Filler<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((source, is_needed)) = self.source().filter(|_| self.error.is_none()) else { return param };
        let Some(name) = self.names.get(&source).cloned() else {
            if is_needed {
                self.missing.insert(source);
            }
            return param;
        };
        let expected = param.lazy_shape().dims::<D>();
        match self.read(&name, expected) {
            Ok((values, shape)) => {
                let (device, id) = (param.lazy_device(), param.id);
                let mut weight = Tensor::<D>::from_data(TensorData::new(values, shape), &device);
                if shape != expected {
                    let own = param.val().narrow(0, shape[0], expected[0] - shape[0]);
                    weight = Tensor::cat(vec![weight, own], 0);
                }
                param.transform_for_load(weight, id)
            }
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}
