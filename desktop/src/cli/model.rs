//! Which model, on which device: the options every command shares.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use medley::{DeviceChoice, Error, LoadOptions, OpenDevice, Pipeline};

use super::number::count;
use super::picture;
use super::progress::Bar;
use crate::builtin;
use crate::engine::{Engine, ModelChoice};

/// The device option.
#[derive(Args, Clone)]
pub struct DeviceArguments {
    /// Where to compute: auto, cpu, gpu, gpu:N, or software (a GPU imitated by the CPU)
    #[arg(long, env = "MEDLEY_DEVICE", default_value = "auto", value_name = "DEVICE", global = true)]
    pub device: DeviceChoice,
}

/// The model options.
#[derive(Args, Clone)]
pub struct ModelArguments {
    /// A checkpoint: a Hugging Face folder, an authors' .pth, or a .safetensors of Medley; the built-in model if not given
    #[arg(long, short, env = "MEDLEY_MODEL", value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// A tokenizer.json or vocab.txt, where none lies beside the checkpoint
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// A config.json, where the checkpoint's shapes do not say enough
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Side of the pictures the model reads; its position table is resized
    #[arg(long, value_name = "PX", value_parser = count)]
    pub image_size: Option<usize>,
    /// Leave out momentum copies and feature queues that lie in a checkpoint
    #[arg(long)]
    pub skip_training_state: bool,
}

/// What every command takes that reads pictures.
#[derive(Args)]
pub struct ReadArguments {
    /// Print JSON, an object a line
    #[arg(long)]
    pub json: bool,
    /// Refuse pictures of more pixels
    #[arg(long, default_value_t = picture::MAX_PIXELS, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_pixels: u64,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

impl ReadArguments {
    /// The model on its device, ready to read pictures.
    pub async fn open(&self) -> Result<Pipeline> {
        let device = self.device.open().await?;
        let mut pipeline = self.model.load(&device)?;
        pipeline.set_max_pixels(self.max_pixels);
        Ok(pipeline)
    }
}

impl DeviceArguments {
    /// Opens the device.
    pub async fn open(&self) -> Result<OpenDevice> {
        Ok(medley::device::open(self.device).await?)
    }
}

impl ModelArguments {
    /// How the checkpoint is to be loaded.
    pub fn options(&self) -> LoadOptions {
        LoadOptions {
            skip_training_state: self.skip_training_state,
            image_size_px: self.image_size,
            config: self.config.clone(),
            tokenizer: self.tokenizer.clone(),
        }
    }

    /// Starts the engine's thread with the model, showing progress.
    pub fn open_engine(&self, device: &DeviceArguments) -> Result<Engine> {
        let mut bar = Bar::new();
        let choice = ModelChoice { path: self.model.clone(), options: self.options() };
        // Loading cannot be stopped half-way; the next safe point is the task's first.
        let opened = Engine::open(choice, device.device, &mut |progress| {
            let _ = bar.report(progress);
        });
        bar.clear();
        let name = self.model.as_ref().map_or_else(|| builtin::NAME.to_owned(), |path| path.display().to_string());
        opened.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => not_loaded(&name, error),
            Err(error) => error,
        })
    }

    /// Loads the model, showing progress.
    pub fn load(&self, device: &OpenDevice) -> Result<Pipeline> {
        let mut bar = Bar::new();
        let mut report = |progress| bar.report(progress);
        let (name, loaded) = match &self.model {
            Some(path) => {
                let loaded = Pipeline::load(path, &device.device, &self.options(), &mut report);
                (path.display().to_string(), loaded)
            }
            None => {
                let weights = builtin::weights()?;
                let loaded = Pipeline::load_weights(&weights, &device.device, &self.options(), &mut report);
                (builtin::NAME.to_owned(), loaded)
            }
        };
        bar.clear();
        loaded.map_err(|error| not_loaded(&name, error))
    }
}

/// Says which checkpoint could not be loaded, where the error does not.
pub fn not_loaded(name: &str, error: Error) -> anyhow::Error {
    if is_name_elsewhere(name) && matches!(&error, Error::Read { path, .. } if path == Path::new(name)) {
        let files = "config.json, preprocessor_config.json, vocab.txt and model.safetensors or pytorch_model.bin";
        let advice = format!("put {files} of https://huggingface.co/{name} into a folder and name that");
        return anyhow::anyhow!("there is no {name} here, and models are not downloaded: {advice}");
    }
    let names_it = error.to_string().contains(name);
    let error = anyhow::Error::from(error);
    if names_it { error } else { error.context(format!("could not load {name}")) }
}

/// Whether it is spelled as models are on Hugging Face, owner and name, and not as a file.
fn is_name_elsewhere(name: &str) -> bool {
    let is_word = |word: &str| {
        let is_fine = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        word.starts_with(|first: char| first.is_ascii_alphanumeric()) && word.chars().all(is_fine)
    };
    let ends_as_a_file = [".safetensors", ".pth", ".pt", ".bin", ".ckpt"].iter().any(|end| name.ends_with(end));
    name.split_once('/').is_some_and(|(owner, model)| is_word(owner) && is_word(model)) && !ends_as_a_file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str) -> String {
        let source = std::io::ErrorKind::NotFound.into();
        format!("{:#}", not_loaded(name, Error::Read { path: name.into(), source }))
    }

    #[test]
    fn a_name_on_hugging_face_is_told_from_a_path_to_nothing() {
        let advice = message("Salesforce/blip-image-captioning-base");
        assert!(advice.contains("https://huggingface.co/Salesforce/blip-image-captioning-base "), "{advice}");
        assert!(advice.contains("not downloaded"), "{advice}");
        for path in ["models/a.pth", "./blip/base", "/models/blip", "../blip", "blip", "a/b/c"] {
            assert!(!message(path).contains("huggingface"), "{path}");
        }
    }
}
