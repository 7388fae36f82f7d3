//! Checkpoints of every layout, in and out.
//!
//! Read: a Hugging Face folder or file, the authors' `.pth`, and our own single file, which is a
//! safetensors file with the authors' tensor names and configuration, tokenizer and
//! preprocessing in its metadata.

mod bytes;
mod check;
mod config;
mod foreign;
mod header;
mod inspect;
mod keys;
mod load;
mod parts;
mod pickle;
mod quantize;
mod save;
mod weights;

pub use bytes::ReadAt;
pub use config::{text_sizes, vision_sizes};
pub use inspect::{Summary, inspect, inspect_weights};
pub use parts::{load_text, load_vision};
#[cfg(feature = "train")]
pub(crate) use save::write_tensors;
pub use save::{Dtype, NamedTensor, save, save_to};
pub use weights::{TensorInfo, Weights};

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::error::{Error, Result};
use crate::model::{BlipConfig, Kind, Model};
use crate::progress::Report;
use load::Lenience;

/// Key of the configuration in our files' metadata.
const CONFIG_KEY: &str = "medley.config";
/// Key of the tokenizer.
const TOKENIZER_KEY: &str = "medley.tokenizer";
/// Key of the preprocessing.
const PREPROCESSOR_KEY: &str = "medley.preprocessor";
/// Key of how searches are weighed.
const CALIBRATION_KEY: &str = "medley.calibration";

/// The largest image side a model is loaded for: 16,384 patches of 16 px, each compared with all.
const MAX_IMAGE_SIZE_PX: usize = 2048;

/// A model and everything that belongs to it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What shapes the weights.
    pub config: BlipConfig,
    /// The weights.
    pub model: Model,
    /// How text becomes ids, if the checkpoint says.
    pub tokenizer: Option<TokenizerText>,
    /// How pictures become pixels, as JSON, if the checkpoint says: ours, or the content of a
    /// Hugging Face `preprocessor_config.json`.
    pub preprocessor: Option<String>,
    /// How evidence of a search is weighed, as JSON of `pipeline::Calibration`, if the checkpoint says. It was fitted to
    /// these weights: whoever changes them drops it.
    pub calibration: Option<String>,
}

/// The text of a tokenizer file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenizerText {
    /// A `tokenizer.json` of the `tokenizers` library.
    Json(String),
    /// A `vocab.txt` of BERT: one token a line.
    Vocab(String),
}

/// How a checkpoint is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Leave out momentum copies and feature queues instead of refusing the file.
    pub skip_training_state: bool,
    /// Side of the images the model shall read; its position table is resized to it.
    pub image_size_px: Option<usize>,
    /// A `config.json` to use instead of what the checkpoint says or its shapes suggest.
    pub config: Option<PathBuf>,
    /// A `tokenizer.json` or `vocab.txt` to use instead of what lies beside the checkpoint.
    pub tokenizer: Option<PathBuf>,
}

/// Loads a checkpoint of any layout.
///
/// # Errors
/// A missing, unknown or misshapen tensor, one that is not finite, a configuration that
/// contradicts itself or the tensors, and files that are damaged or cannot be read: each an
/// [`Error`] that names what it is about.
pub fn load(path: &Path, device: &Device, options: &LoadOptions, report: &mut Report<'_>) -> Result<Checkpoint> {
    load_weights(&Weights::open(path)?, device, options, report)
}

/// As [`load`], from weights that are already open.
///
/// # Errors
/// As [`load`].
pub fn load_weights(
    weights: &Weights,
    device: &Device,
    options: &LoadOptions,
    report: &mut Report<'_>,
) -> Result<Checkpoint> {
    let (mut config, _) = read_config(weights, options)?;
    if let Some(size) = options.image_size_px {
        if size < config.vision.patch_size_px {
            let reason = format!("must be at least a patch of {} px", config.vision.patch_size_px);
            return Err(Error::Option { option: "image size", reason });
        }
        if size > MAX_IMAGE_SIZE_PX {
            let reason = format!("must be at most {MAX_IMAGE_SIZE_PX} px: memory grows by its fourth power");
            return Err(Error::Option { option: "image size", reason });
        }
        config.vision.image_size_px = size / config.vision.patch_size_px * config.vision.patch_size_px;
    }
    let lenience = Lenience {
        skip_training_state: options.skip_training_state,
        resize_positions: options.image_size_px.is_some(),
    };
    let model = load::load(weights, &config, device, lenience, report)?;
    Ok(Checkpoint {
        tokenizer: read_tokenizer(weights, options)?,
        preprocessor: read_beside(weights, PREPROCESSOR_KEY, "preprocessor_config.json")?,
        calibration: weights.metadata().get(CALIBRATION_KEY).cloned(),
        config,
        model,
    })
}

/// Where the configuration of a checkpoint was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// In a file that was named.
    Given,
    /// In the checkpoint itself.
    Stored,
    /// In the `config.json` beside it.
    Beside,
    /// In the tensors' shapes.
    Shapes,
}

/// The configuration of an open checkpoint: given, stored, beside it, or read off its shapes.
fn read_config(weights: &Weights, options: &LoadOptions) -> Result<(BlipConfig, ConfigSource)> {
    let kind = config::kind(weights)?;
    let (config, source) = if let Some(path) = &options.config {
        (config::from_config_json(&read_text(path)?, kind)?, ConfigSource::Given)
    } else if let Some(stored) = weights.metadata().get(CONFIG_KEY) {
        let config = serde_json::from_str(stored)
            .map_err(|source| Error::Config { reason: format!("in {}: {source}", weights.path().display()) })?;
        (config, ConfigSource::Stored)
    } else {
        match read_beside(weights, CONFIG_KEY, "config.json")? {
            Some(text) if kind != Kind::Pretraining => {
                let config = config::from_config_json(&text, kind)?;
                // The authors' files borrow the sizes of models with other heads.
                if weights.is_hugging_face() {
                    config::check_architecture(&text, kind)?;
                }
                (config, ConfigSource::Beside)
            }
            _ => (config::from_shapes(weights, kind)?, ConfigSource::Shapes),
        }
    };
    check::check_config(&config, weights)?;
    Ok((config, source))
}

/// The tokenizer that is named, lies in the checkpoint's metadata, or beside it.
///
/// # Errors
/// [`Error::Read`].
pub fn read_tokenizer(weights: &Weights, options: &LoadOptions) -> Result<Option<TokenizerText>> {
    if let Some(path) = &options.tokenizer {
        let text = read_text(path)?;
        let json = path.extension().is_some_and(|end| end == "json");
        return Ok(Some(if json { TokenizerText::Json(text) } else { TokenizerText::Vocab(text) }));
    }
    if let Some(json) = read_beside(weights, TOKENIZER_KEY, "tokenizer.json")? {
        return Ok(Some(TokenizerText::Json(json)));
    }
    Ok(read_beside(weights, TOKENIZER_KEY, "vocab.txt")?.map(TokenizerText::Vocab))
}

/// Where [`read_tokenizer`] finds what it reads: a file, or the checkpoint that holds it.
pub fn tokenizer_source(weights: &Weights, options: &LoadOptions) -> Option<PathBuf> {
    let beside = || ["tokenizer.json", "vocab.txt"].iter().find_map(|file| source_of(weights, TOKENIZER_KEY, file));
    options.tokenizer.clone().or_else(beside)
}

/// Text from the metadata, or else from a file of this name beside the checkpoint.
fn read_beside(weights: &Weights, key: &str, file: &str) -> Result<Option<String>> {
    if let Some(text) = weights.metadata().get(key).or_else(|| weights.beside(file)) {
        return Ok(Some(text.clone()));
    }
    source_of(weights, key, file).map(|path| read_text(&path)).transpose()
}

/// Where such a text lies.
fn source_of(weights: &Weights, key: &str, file: &str) -> Option<PathBuf> {
    if weights.metadata().contains_key(key) {
        return Some(weights.path().to_owned());
    }
    if weights.beside(file).is_some() {
        return Some(PathBuf::from(file));
    }
    let folder = if weights.path().is_dir() { Some(weights.path()) } else { weights.path().parent() };
    folder.map(|folder| folder.join(file)).filter(|path| path.is_file())
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
