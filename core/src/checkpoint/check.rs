//! A configuration against itself and against the tensors, before a model of it is built.

use burn::tensor::Device;

use super::config::count_layers;
use super::load::{self, Lenience};
use super::{LoadOptions, Weights};
use crate::error::{Error, Result};
use crate::model::{BlipConfig, Kind};

/// No width, table or side of a model comes near it, and products of two stay numbers.
const MAX_SIZE: usize = 1 << 24;

/// Refuses a configuration that no model can have, or whose layers the file does not hold: what is
/// built first and compared then would take the memory that the configuration claims.
pub(super) fn check_config(config: &BlipConfig, weights: &Weights) -> Result<()> {
    let wrong = |reason: String| Err(Error::Config { reason });
    let (vision, text) = (&config.vision, &config.text);
    let sizes = [
        ("images", vision.image_size_px),
        ("patches", vision.patch_size_px),
        ("image tokens", vision.hidden_size),
        ("the image encoder's feed-forward layers", vision.feed_forward_size),
        ("the word table", text.vocab_size),
        ("the position table", text.max_positions),
        ("text states", text.hidden_size),
        ("the text stack's feed-forward layers", text.feed_forward_size),
        ("the shared space", config.embed_size),
    ];
    if let Some((what, size)) = sizes.into_iter().find(|(_, size)| !(1..=MAX_SIZE).contains(size)) {
        return wrong(format!("{size} is no size of {what}"));
    }
    let heads =
        [(vision.num_heads, vision.hidden_size, "image encoder"), (text.num_heads, text.hidden_size, "text stack")];
    if let Some((heads, hidden, part)) = heads.into_iter().find(|(heads, hidden, _)| *heads == 0 || hidden % heads != 0)
    {
        return wrong(format!("{heads} heads do not divide the {part}'s width of {hidden}"));
    }
    if vision.image_size_px < vision.patch_size_px {
        let (image, patch) = (vision.image_size_px, vision.patch_size_px);
        return wrong(format!("an image of {image} px has no patch of {patch} px"));
    }
    let reader = if config.kind == Kind::Captioner { "text_decoder.bert." } else { "text_encoder." };
    let writer = if config.kind == Kind::Pretraining { "answer_decoder.bert." } else { "text_decoder.bert." };
    let answers = match config.kind {
        Kind::Answerer => config.answer_layers.or(Some(text.num_layers)),
        Kind::Pretraining => config.answer_layers,
        _ => None,
    };
    let questions = config.question_layers.filter(|_| config.kind == Kind::Pretraining);
    let parts = [
        (Some(vision.num_layers), "visual_encoder.blocks.".to_owned(), "image encoder"),
        (Some(text.num_layers), format!("{reader}encoder.layer."), "text stack"),
        (questions, "question_encoder.encoder.layer.".to_owned(), "stack that reads questions"),
        (answers, format!("{writer}encoder.layer."), "stack that writes answers"),
    ];
    for (claimed, prefix, part) in parts {
        let (claimed, found) = (claimed.unwrap_or(0), count_layers(weights, &prefix));
        if claimed > found {
            return wrong(format!("it gives the {part} {claimed} layers, and the tensors are those of {found}"));
        }
    }
    Ok(())
}

/// Why weights would not load into a model of this configuration, as far as names and shapes tell.
pub(super) fn contradiction(weights: &Weights, config: &BlipConfig, options: &LoadOptions) -> Option<Error> {
    // A training run's state is one option away from being left out.
    let lenience = Lenience { skip_training_state: true, resize_positions: options.image_size_px.is_some() };
    load::compare(weights, config, &Device::flex(), lenience).err()
}
