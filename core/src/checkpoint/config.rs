//! The configuration of a checkpoint: its own, Hugging Face's `config.json`, or read off its shapes.

use serde::Deserialize;

use super::Weights;
use super::keys::from_hugging_face;
use super::weights::unusable;
use crate::error::{Error, Result};
use crate::model::{BlipConfig, Kind};
use crate::text::{TextConfig, TokenIds};
use crate::vision::VisionConfig;

/// Width of a head wherever a file does not say how many there are: BERT's and ViT's.
const HEAD_SIZE: usize = 64;

/// From this depth an image encoder is ViT-L, which always drops paths while training.
const LARGE_LAYERS: usize = 24;

/// The kind of model a checkpoint's names speak of.
pub(super) fn kind(weights: &Weights) -> Result<Kind> {
    let has = |prefix: &str| weights.tensors().keys().any(|name| name.starts_with(prefix));
    let (encoder, decoder) = (has("text_encoder."), has("text_decoder."));
    if has("cls_head.") && encoder {
        Ok(Kind::Reasoner)
    } else if encoder && decoder && has("itm_head.") {
        Ok(Kind::Pretraining)
    } else if encoder && decoder {
        Ok(Kind::Answerer)
    } else if encoder && has("itm_head.") {
        // A dialog model matches too, and has no space that images and texts share.
        Ok(if has("vision_proj.") { Kind::Matcher } else { Kind::Dialog })
    } else if decoder {
        Ok(Kind::Captioner)
    } else {
        Err(unusable(weights.path(), "its tensors are not those of a BLIP model"))
    }
}

/// Reads a Hugging Face `config.json`.
pub(super) fn from_config_json(text: &str, kind: Kind) -> Result<BlipConfig> {
    let config: HuggingFace =
        serde_json::from_str(text).map_err(|source| Error::Config { reason: format!("config.json: {source}") })?;
    let HuggingFace { vision_config: vision, text_config: text, image_text_hidden_size } = config;
    for (heads, hidden, part) in [
        (vision.num_attention_heads, vision.hidden_size, "vision_config"),
        (text.num_attention_heads, text.hidden_size, "text_config"),
    ] {
        if heads == 0 || hidden % heads != 0 {
            let reason = format!("{part}: {heads} heads do not divide a width of {hidden}");
            return Err(Error::Config { reason });
        }
    }
    if vision.patch_size == 0 || vision.image_size < vision.patch_size {
        let (image, patch) = (vision.image_size, vision.patch_size);
        return Err(Error::Config { reason: format!("an image of {image} px has no patch of {patch} px") });
    }
    let defaults = TokenIds::default();
    let tokens = TokenIds {
        pad: text.pad_token_id,
        sep: text.sep_token_id,
        decode: text.bos_token_id,
        encode: text.bos_token_id + 1,
        ..defaults
    };
    let vision = VisionConfig::new(
        vision.image_size,
        vision.patch_size,
        vision.hidden_size,
        vision.num_hidden_layers,
        vision.num_attention_heads,
        vision.intermediate_size,
    )
    .with_layer_norm_epsilon(vision.layer_norm_eps)
    .with_drop_path(if vision.num_hidden_layers >= LARGE_LAYERS { 0.1 } else { 0.0 });
    let text = TextConfig::new()
        .with_vocab_size(text.vocab_size)
        .with_hidden_size(text.hidden_size)
        .with_num_layers(text.num_hidden_layers)
        .with_num_heads(text.num_attention_heads)
        .with_feed_forward_size(text.intermediate_size)
        .with_max_positions(text.max_position_embeddings)
        .with_layer_norm_epsilon(text.layer_norm_eps)
        .with_dropout(text.hidden_dropout_prob)
        .with_attention_dropout(text.attention_probs_dropout_prob);
    Ok(BlipConfig::new(kind, vision, text).with_embed_size(image_text_hidden_size).with_tokens(tokens))
}

/// Reads the configuration off the tensors' shapes; heads are taken to be 64 wide, which holds
/// for every model the authors published.
pub(super) fn from_shapes(weights: &Weights, kind: Kind) -> Result<BlipConfig> {
    let shape = |wanted: &str| -> Result<Vec<usize>> {
        let found = weights.tensors().iter().find(|(name, _)| from_hugging_face(name) == wanted);
        found
            .map(|(_, info)| info.shape.clone())
            .ok_or_else(|| Error::MissingWeights { missing: vec![wanted.to_owned()] })
    };
    let dimension = |name: &str, axis: usize| -> Result<usize> {
        let shape = shape(name)?;
        shape.get(axis).copied().ok_or_else(|| Error::Config { reason: format!("{name} is {shape:?}") })
    };
    let count = |prefix: &str| {
        let index = |name: &String| -> Option<usize> {
            from_hugging_face(name).strip_prefix(prefix)?.split('.').next()?.parse().ok()
        };
        weights.tensors().keys().filter_map(index).max().map_or(0, |last| last + 1)
    };
    let heads = |hidden: usize, part: &str| {
        if hidden > 0 && hidden.is_multiple_of(HEAD_SIZE) {
            Ok(hidden / HEAD_SIZE)
        } else {
            let reason =
                format!("the {part} is {hidden} wide, which does not say how many heads it has; give its config.json");
            Err(Error::Config { reason })
        }
    };

    let patch = dimension("visual_encoder.patch_embed.proj.weight", 3)?;
    let hidden = dimension("visual_encoder.cls_token", 2)?;
    let image_token = dimension("visual_encoder.pos_embed", 1)?;
    let layers = count("visual_encoder.blocks.");
    let vision = VisionConfig::new(
        image_token.saturating_sub(1).isqrt() * patch,
        patch,
        hidden,
        layers,
        heads(hidden, "image encoder")?,
        dimension("visual_encoder.blocks.0.mlp.fc1.weight", 0)?,
    )
    .with_drop_path(if layers >= LARGE_LAYERS { 0.1 } else { 0.0 });

    let stack = if kind == Kind::Captioner { "text_decoder.bert" } else { "text_encoder" };
    let words = format!("{stack}.embeddings.word_embeddings.weight");
    let (vocab, hidden) = (dimension(&words, 0)?, dimension(&words, 1)?);
    let text = TextConfig::new()
        .with_vocab_size(vocab)
        .with_hidden_size(hidden)
        .with_num_layers(count(&format!("{stack}.encoder.layer.")))
        .with_num_heads(heads(hidden, "text stack")?)
        .with_feed_forward_size(dimension(&format!("{stack}.encoder.layer.0.intermediate.dense.weight"), 0)?)
        .with_max_positions(dimension(&format!("{stack}.embeddings.position_embeddings.weight"), 0)?);
    let embed = dimension("vision_proj.weight", 0).unwrap_or(256);
    Ok(BlipConfig::new(kind, vision, text).with_embed_size(embed))
}

/// The part of Hugging Face's `config.json` that shapes weights; defaults are its classes'.
#[derive(Deserialize)]
struct HuggingFace {
    vision_config: Vision,
    text_config: Text,
    #[serde(default = "two_hundred_fifty_six")]
    image_text_hidden_size: usize,
}

#[derive(Deserialize)]
#[serde(default)]
struct Vision {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    image_size: usize,
    patch_size: usize,
    layer_norm_eps: f64,
}

#[derive(Deserialize)]
#[serde(default)]
struct Text {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    layer_norm_eps: f64,
    hidden_dropout_prob: f64,
    attention_probs_dropout_prob: f64,
    bos_token_id: u32,
    pad_token_id: u32,
    sep_token_id: u32,
}

fn two_hundred_fifty_six() -> usize {
    256
}

impl Default for Vision {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            image_size: 384,
            patch_size: 16,
            layer_norm_eps: 1e-5,
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self {
            vocab_size: 30524,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            // Reference quirk: a config.json without the key means 8, not BERT's 12.
            num_attention_heads: 8,
            max_position_embeddings: 512,
            layer_norm_eps: 1e-12,
            // Reference quirk: the authors drop 0.1 while training, the port nothing.
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            bos_token_id: 30522,
            pad_token_id: 0,
            sep_token_id: 102,
        }
    }
}
