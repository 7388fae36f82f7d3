//! The model a run starts from.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use medley::checkpoint::{
    Checkpoint, TokenizerText, Weights, load_text, load_vision, read_tokenizer, text_sizes, vision_sizes,
};
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
        let model = ModelArguments { model: Some(last), image_size: None, ..arguments.model() };
        return model.load(device);
    }
    let mut pipeline = match arguments.new {
        true => fresh(arguments, kind, texts, device)?,
        false => arguments.model().load(device)?,
    };
    let found = pipeline.config().kind;
    let fresh;
    (pipeline, fresh) = pipeline.into_kind(kind);
    if found != kind {
        eprintln!("from {} to {}: {}", found.name(), kind.name(), describe(&fresh));
    }
    if arguments.drop_path().is_some() || arguments.dropout.is_some() {
        pipeline = pipeline.with_regularization(arguments.drop_path(), arguments.dropout)?;
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

/// A new model: its image encoder and its text stacks from files where they are named, else small
/// and untrained, with a vocabulary that is learned from `texts`.
fn fresh<'a>(
    arguments: &RunArguments,
    kind: Kind,
    texts: impl Iterator<Item = &'a str>,
    device: &OpenDevice,
) -> Result<Pipeline> {
    let open = |path: &PathBuf| Weights::open(path);
    let (vit, bert) =
        (arguments.vision.as_ref().map(open).transpose()?, arguments.text.as_ref().map(open).transpose()?);
    let tokenizer = match &bert {
        Some(bert) => words_of(bert, arguments)?,
        None => {
            let cleaned: Vec<String> = texts.map(|text| medley::preprocess::pre_caption(text, 30)).collect();
            tokenizer::train(cleaned.iter().map(String::as_str), arguments.vocab_size)?
        }
    };
    let mut config = BlipConfig::tiny(kind, tokenizer.vocab_size(), tokenizer.ids());
    if let Some(bert) = &bert {
        // Rows for the two tokens that BLIP adds.
        let sizes = text_sizes(bert)?;
        config.text = sizes.clone().with_vocab_size(sizes.vocab_size.max(tokenizer.vocab_size()));
    }
    if let Some(vit) = &vit {
        config.vision = vision_sizes(vit)?;
    }
    if let Some(size) = arguments.model().image_size {
        let patch = config.vision.patch_size_px;
        config.vision.image_size_px = (size / patch).max(1) * patch;
    }
    device.device.seed(arguments.seed);
    let mut model = Model::init(&config, &device.device);
    let mut inputs = Inputs::new(config.vision.image_size_px);
    inputs.prompt = String::new();
    if let Some(vit) = &vit {
        let vision = load_vision(vit, &config, model.vision().clone())
            .with_context(|| format!("could not start from {}", vit.path().display()))?;
        model = model.with_vision(vision);
        // timm's ViTs were trained on pictures scaled to -1..1.
        (inputs.pixels.mean, inputs.pixels.std) = ([0.5; 3], [0.5; 3]);
    }
    if let Some(bert) = &bert {
        model = load_text(bert, model).with_context(|| format!("could not start from {}", bert.path().display()))?;
    }
    let checkpoint = Checkpoint {
        config,
        model,
        tokenizer: Some(TokenizerText::Json(tokenizer.to_json()?)),
        preprocessor: Some(inputs.to_json()),
        calibration: None,
    };
    Ok(Pipeline::new(checkpoint, &device.device)?)
}

/// The vocabulary of a BERT, which lies beside its weights or is named.
fn words_of(bert: &Weights, arguments: &RunArguments) -> Result<Tokenizer> {
    match read_tokenizer(bert, &arguments.model.options())? {
        Some(TokenizerText::Json(json)) => Ok(Tokenizer::from_json(&json)?),
        Some(TokenizerText::Vocab(vocab)) => Ok(Tokenizer::from_vocab(&vocab)?),
        None => {
            bail!("{} has no vocab.txt beside it: put it there, or name it with --tokenizer", bert.path().display())
        }
    }
}
