//! `medley convert`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use medley::checkpoint::{Dtype, LoadOptions, TokenizerText, load, save};
use medley::device::{DeviceChoice, open};
use medley::model::{adopt, overlay, with_match_threshold};
use medley::pipeline::Calibration;
use medley::tokenizer::Tokenizer;
use serde_json::Value;

use super::model::{ModelArguments, not_loaded};
use super::progress::Bar;
use super::{ALL_GOOD, output, wrong};

pub const EXAMPLES: &str = "\
Examples:
  medley convert blip-image-captioning-base captioner.safetensors --dtype f16
  medley convert blip-vqa-base small.safetensors --dtype q8
  What a captioner learned after it was a part of a model that does more, back into that model:
    medley convert whole.safetensors better.safetensors --with captioner.safetensors
  How a search of a library weighs what the model says, fitted to captioned pictures:
    medley eval search --data captions.json --images photos --model mine.safetensors --json > search.json
    medley convert mine.safetensors searching.safetensors --calibration search.json
  The mean of two models that learned from a common start, which is often better than either:
    medley convert one.safetensors soup.safetensors --with other.safetensors --share 0.5
  medley convert model_base_retrieval_coco.pth matcher.safetensors --skip-training-state --tokenizer vocab.txt";

/// Number format of the result.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// 32-bit floats
    F32,
    /// 16-bit floats: half the size
    F16,
    /// Matrices in 8 bits, 32 numbers to a scale: about a quarter
    Q8,
    /// Matrices in 4 bits, 32 numbers to a scale: about a seventh
    Q4,
}

/// What to convert.
#[derive(Args)]
pub struct Arguments {
    /// A checkpoint of any layout
    input: PathBuf,
    /// The one .safetensors file it becomes
    output: PathBuf,
    /// Number format of the result
    #[arg(long, value_enum, default_value_t = Format::F32)]
    dtype: Format,
    /// Take all weights that this checkpoint has at the same places from there
    #[arg(long, value_name = "PATH")]
    with: Option<PathBuf>,
    /// With --with: how far each of them goes there, 1 all the way; with 0.5 two that learned from a common start become
    /// their mean, a soup
    #[arg(long, default_value_t = 1.0, value_name = "P", value_parser = share, requires = "with")]
    share: f64,
    /// Call a match (0.5) from here on what had this ITM probability: the fair threshold of `eval capfilt`
    #[arg(long, value_name = "P", value_parser = probability)]
    match_threshold: Option<f64>,
    /// Weigh searches by what `eval search --json` fitted to this model: a file of its output
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    overwrite: bool,
    /// A tokenizer.json or vocab.txt, where none lies beside the checkpoint
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// A config.json, where the checkpoint's shapes do not say enough
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leave out momentum copies and feature queues
    #[arg(long)]
    skip_training_state: bool,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|number| *number > 0.0 && *number <= 1.0);
    number.ok_or_else(|| "it is a share above 0 and at most 1".to_owned())
}

fn probability(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..1.0).contains(number) && *number > 0.0);
    number.ok_or_else(|| "it is a probability between 0 and 1".to_owned())
}

/// What `eval search --json` fitted, out of all it printed.
fn calibration(path: &Path) -> Result<Calibration> {
    let text = std::fs::read_to_string(path)?;
    let printed: Value = serde_json::from_str(&text).context("it is no output of `medley eval search --json`")?;
    let fitted = printed.get("calibration").context("there is none in it: `medley eval search --json` prints one")?;
    Ok(Calibration::from_json(&fitted.to_string())?)
}

/// Writes a checkpoint as one file with configuration, tokenizer and preprocessing in it.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let output = &arguments.output;
    if output.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("safetensors")) {
        let reason = format!("{} must end in .safetensors, which is what it will be", output.display());
        return Err(wrong("output", reason));
    }
    let target = output::target(output, arguments.overwrite)?;
    let options = ModelArguments {
        model: Some(arguments.input.clone()),
        tokenizer: arguments.tokenizer.clone(),
        config: arguments.config.clone(),
        image_size: None,
        skip_training_state: arguments.skip_training_state,
    };
    let device = open(DeviceChoice::Cpu).await?.device;
    let mut bar = Bar::new();
    let loaded = load(&arguments.input, &device, &options.options(), &mut |progress| bar.report(progress));
    bar.clear();
    let mut checkpoint = loaded.map_err(|error| not_loaded(&arguments.input.display().to_string(), error))?;
    if let Some(with) = &arguments.with {
        let mut bar = Bar::new();
        let options = LoadOptions { skip_training_state: true, ..LoadOptions::default() };
        let loaded = load(with, &device, &options, &mut |progress| bar.report(progress));
        bar.clear();
        let other = loaded.map_err(|error| not_loaded(&with.display().to_string(), error))?;
        // What writes answers needs what read the questions when it learned to.
        let config = checkpoint.config.with_answering_of(&other.config);
        if config != checkpoint.config {
            (checkpoint.model, _) = adopt(&checkpoint.model, &config, &device);
            checkpoint.config = config;
        }
        let fits = || format!("{} does not fit into {}", with.display(), arguments.input.display());
        let (model, taken) = overlay(checkpoint.model, &other.model, arguments.share).with_context(fits)?;
        if taken == 0 {
            bail!("{} has no weight at a place of {}", with.display(), arguments.input.display());
        }
        eprintln!("{taken} tensors from {}", with.display());
        checkpoint.model = model;
    }
    if let Some(threshold) = arguments.match_threshold {
        let kind = checkpoint.config.kind.name();
        let Some(model) = with_match_threshold(checkpoint.model, threshold) else {
            bail!(
                "this model, of kind {kind}, does not match: --match-threshold is for matchers and pre-training models"
            );
        };
        checkpoint.model = model;
    }
    if arguments.with.is_some() || arguments.match_threshold.is_some() {
        // It was fitted to what the model said before.
        checkpoint.calibration = None;
    }
    if let Some(path) = &arguments.calibration {
        let fitted =
            calibration(path).with_context(|| format!("could not take the calibration of {}", path.display()))?;
        checkpoint.calibration = Some(fitted.to_json());
    }
    // A vocabulary becomes the tokenizer it stands for: the result is one file.
    let tokenizer = match &checkpoint.tokenizer {
        Some(TokenizerText::Vocab(vocab)) => Some(Tokenizer::from_vocab(vocab)?),
        Some(TokenizerText::Json(json)) => Some(Tokenizer::from_json(json)?),
        None => None,
    };
    if tokenizer.is_none() {
        eprintln!("medley: no tokenizer lies beside the checkpoint; the result will need --tokenizer");
    }
    checkpoint.tokenizer = tokenizer.map(|tokenizer| tokenizer.to_json()).transpose()?.map(TokenizerText::Json);
    let inputs =
        medley::pipeline::Inputs::read(checkpoint.preprocessor.as_deref(), checkpoint.config.vision.image_size_px)?;
    checkpoint.preprocessor = Some(inputs.to_json());
    let dtype = match arguments.dtype {
        Format::F32 => Dtype::F32,
        Format::F16 => Dtype::F16,
        Format::Q8 => Dtype::Q8,
        Format::Q4 => Dtype::Q4,
    };
    save(&checkpoint, &target, dtype).await?;
    let bytes = std::fs::metadata(&target).map(|about| about.len()).unwrap_or_default();
    eprintln!("{}: {:.1} MB", output.display(), bytes as f64 / 1e6);
    Ok(ALL_GOOD)
}
