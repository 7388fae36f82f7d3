//! What a checkpoint is, without building its model.

use std::path::Path;

use super::check::contradiction;
use super::keys::{is_derived, is_training_state};
use super::{ConfigSource, LoadOptions, TensorInfo, Weights, config, read_beside, read_config};
use crate::error::Result;
use crate::model::{BlipConfig, Kind};
use crate::text::Sharing;

/// What `medley inspect` shows.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Which heads the model has.
    pub kind: Kind,
    /// Whose names the tensors carry.
    pub layout: &'static str,
    /// What shapes the weights.
    pub config: BlipConfig,
    /// Where it was found.
    pub config_source: ConfigSource,
    /// Why the tensors do not fit into a model of it, where names or shapes tell that they do not.
    pub contradiction: Option<String>,
    /// Numbers the model learns; copies and training state not counted.
    pub num_parameters: usize,
    /// Bytes of all tensors.
    pub num_bytes: u64,
    /// Whether a tokenizer lies in or beside the checkpoint.
    pub has_tokenizer: bool,
    /// Whether it says how evidence of a search is weighed.
    pub is_calibrated: bool,
    /// Names of momentum copies and queues.
    pub training_state: Vec<String>,
    /// Every tensor, sorted by name.
    pub tensors: Vec<(String, TensorInfo)>,
}

/// Reads the header of a checkpoint.
///
/// # Errors
/// As [`load`](super::load), short of reading a tensor.
pub fn inspect(path: &Path, options: &LoadOptions) -> Result<Summary> {
    inspect_weights(&Weights::open(path)?, options)
}

/// As [`inspect`], from weights that are already open.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_weights(weights: &Weights, options: &LoadOptions) -> Result<Summary> {
    let kind = config::kind(weights)?;
    let (config, config_source) = read_config(weights, options)?;
    let contradiction = contradiction(weights, &config, options).map(|error| error.to_string());
    let tensors: Vec<_> = weights.tensors().iter().map(|(name, info)| (name.clone(), info.clone())).collect();
    let layout = match (weights.metadata().contains_key(super::CONFIG_KEY), weights.is_hugging_face()) {
        (true, _) => "Medley",
        (_, true) => "Hugging Face",
        _ => "authors",
    };
    let has_tokenizer = read_beside(weights, super::TOKENIZER_KEY, "tokenizer.json")?.is_some()
        || read_beside(weights, super::TOKENIZER_KEY, "vocab.txt")?.is_some();
    // Files of a sharing other than the paper's are our own, which hold nothing twice.
    let holds_copies = kind == Kind::Pretraining && config.text.sharing.unwrap_or_default() == Sharing::AllButSelf;
    let is_copy = |name: &str| {
        name.starts_with("text_decoder.cls.predictions.decoder.")
            || holds_copies && name.starts_with("text_decoder.bert.") && !name.contains(".attention.")
    };
    Ok(Summary {
        kind,
        layout,
        config,
        config_source,
        contradiction,
        num_parameters: tensors
            .iter()
            .filter(|(name, _)| !is_derived(name) && !is_training_state(name) && !is_copy(name))
            .map(|(_, info)| info.num_elements())
            .sum(),
        num_bytes: tensors.iter().map(|(_, info)| info.num_bytes).sum(),
        has_tokenizer,
        is_calibrated: weights.metadata().contains_key(super::CALIBRATION_KEY),
        training_state: tensors.iter().map(|(name, _)| name).filter(|name| is_training_state(name)).cloned().collect(),
        tensors,
    })
}
