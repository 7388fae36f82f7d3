//! The model a run starts from.

use anyhow::Result;
use medley::checkpoint::{Checkpoint, TokenizerText, Weights, load_vision};
use medley::data::CaptionSet;
use medley::model::{BlipConfig, Kind, Model};
use medley::pipeline::Inputs;
use medley::tokenizer::{self, Tokenizer};
use medley::{OpenDevice, Pipeline};

use super::options::RunArguments;
use crate::cli::model::ModelArguments;

/// A checkpoint, the run's own last model, or a new one of this kind.
pub fn start(arguments: &RunArguments, kind: Kind, train: &CaptionSet, device: &OpenDevice) -> Result<Pipeline> {
    let last = arguments.out.join("last.safetensors");
    if arguments.resume && last.exists() {
        // The run's own vocabulary: learned again it might number its tokens differently.
        let model = ModelArguments { model: Some(last), image_size: None, ..arguments.model.clone() };
        return model.load(device);
    }
    let mut pipeline = match arguments.new {
        true => fresh(arguments, kind, train, device)?,
        false => arguments.model.load(device)?,
    };
    pipeline = pipeline.into_kind(kind)?;
    if arguments.drop_path.is_some() || arguments.dropout.is_some() {
        pipeline = pipeline.with_regularization(arguments.drop_path, arguments.dropout);
    }
    Ok(pipeline)
}

fn fresh(arguments: &RunArguments, kind: Kind, train: &CaptionSet, device: &OpenDevice) -> Result<Pipeline> {
    let captions = train.examples.iter().flat_map(|example| example.captions.iter().map(String::as_str));
    let cleaned: Vec<String> = captions.map(|caption| medley::preprocess::pre_caption(caption, 30)).collect();
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
