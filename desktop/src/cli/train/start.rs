//! The model a run starts from.

use anyhow::{Result, bail};
use medley::checkpoint::{Checkpoint, TokenizerText, Weights, load_vision};
use medley::model::{BlipConfig, Head, Kind, Model};
use medley::pipeline::Inputs;
use medley::tokenizer::{self, Tokenizer};
use medley::{OpenDevice, Pipeline};

use super::options::RunArguments;
use super::run::prepare;
use crate::cli::model::ModelArguments;

/// What a run begins with.
pub struct Start<M> {
    /// Where it computes.
    pub device: OpenDevice,
    /// The model with everything that belongs to it.
    pub pipeline: Pipeline,
    /// The model alone.
    pub model: M,
}

/// Opens the device, makes the run's folder and takes the model it starts from.
///
/// A new one learns its vocabulary from `texts`.
pub async fn start<'a, M: Head>(arguments: &RunArguments, texts: impl Iterator<Item = &'a str>) -> Result<Start<M>> {
    let device = arguments.device.open().await?;
    prepare(arguments)?;
    let pipeline = pipeline(arguments, M::KIND, texts, &device)?;
    let Some(model) = M::of(pipeline.model().clone()) else {
        let (out, found, needed) = (arguments.out.display(), pipeline.config().kind.name(), M::KIND.name());
        bail!("{out} holds the run of a {found}, and this one trains a {needed}: choose another --out");
    };
    Ok(Start { device, pipeline, model })
}

/// A checkpoint, the run's own last model, or a new one of this kind.
fn pipeline<'a>(
    arguments: &RunArguments,
    kind: Kind,
    texts: impl Iterator<Item = &'a str>,
    device: &OpenDevice,
) -> Result<Pipeline> {
    let last = arguments.out.join("last.safetensors");
    if arguments.resume && last.exists() {
        // The run's own vocabulary: learned again it might number its tokens differently.
        let model = ModelArguments { model: Some(last), image_size: None, ..arguments.model.clone() };
        return model.load(device);
    }
    let mut pipeline = match arguments.new {
        true => fresh(arguments, kind, texts, device)?,
        false => arguments.model.load(device)?,
    };
    let found = pipeline.config().kind;
    let fresh;
    (pipeline, fresh) = pipeline.into_kind(kind);
    if found != kind {
        eprintln!("from {} to {}: {}", found.name(), kind.name(), describe(&fresh));
    }
    if arguments.drop_path.is_some() || arguments.dropout.is_some() {
        pipeline = pipeline.with_regularization(arguments.drop_path, arguments.dropout);
    }
    Ok(pipeline)
}

/// What a model begins without, in a few words.
pub fn describe(fresh: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut parts: Vec<String> =
        fresh.iter().map(|path| path.rsplit_once('.').map_or(path.clone(), |(part, _)| part.to_owned())).collect();
    parts.dedup();
    match parts.len() {
        0 => "it has every weight".to_owned(),
        1..=SHOWN => format!("untrained are {}", parts.join(", ")),
        more => format!("untrained are {} and {} parts more", parts[..SHOWN].join(", "), more - SHOWN),
    }
}

fn fresh<'a>(
    arguments: &RunArguments,
    kind: Kind,
    texts: impl Iterator<Item = &'a str>,
    device: &OpenDevice,
) -> Result<Pipeline> {
    let cleaned: Vec<String> = texts.map(|text| medley::preprocess::pre_caption(text, 30)).collect();
    let tokenizer: Tokenizer = tokenizer::train(cleaned.iter().map(String::as_str), arguments.vocab_size)?;
    let config = BlipConfig::tiny(kind, tokenizer.vocab_size(), tokenizer.ids());
    device.device.seed(arguments.seed);
    let mut model = Model::init(&config, &device.device);
    let mut inputs = Inputs::new(config.vision.image_size_px);
    inputs.prompt = String::new();
    if let Some(path) = &arguments.vision {
        let weights = Weights::open(path)?;
        let vision = load_vision(&weights, &config, model.vision().clone())?;
        model = model.with_vision(vision);
        // timm's ViT-Ti was trained on pictures scaled to -1..1.
        (inputs.pixels.mean, inputs.pixels.std) = ([0.5; 3], [0.5; 3]);
    }
    let checkpoint = Checkpoint {
        config,
        model,
        tokenizer: Some(TokenizerText::Json(tokenizer.to_json()?)),
        preprocessor: Some(inputs.to_json()),
    };
    Ok(Pipeline::new(checkpoint, &device.device)?)
}
