//! The configuration of a checkpoint: its own, Hugging Face's `config.json`, or read off its shapes.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::keys::from_hugging_face;
use super::weights::unusable;
use super::{Weights, read_beside};
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
    let wrong = |reason: &str| Error::Config { reason: format!("config.json: {reason}") };
    // Another model's may lack what is read of ours, so its name is read first.
    if let Ok(About { model_type: Some(model_type), .. }) = serde_json::from_str(text)
        && model_type != "blip"
    {
        return Err(wrong(&format!("it is that of a {model_type} model, not of a BLIP")));
    }
    let config: HuggingFace = serde_json::from_str(text).map_err(|source| wrong(&source.to_string()))?;
    let HuggingFace { vision_config: vision, text_config: text, image_text_hidden_size } = config;
    for (part, activation) in [("vision_config", &vision.hidden_act), ("text_config", &text.hidden_act)] {
        // Both are the exact GELU; `gelu_new` and its like are approximations, `relu` another function.
        if !matches!(activation.as_str(), "gelu" | "gelu_python") {
            return Err(wrong(&format!("{part}: hidden_act is {activation}, and a BLIP computes gelu")));
        }
    }
    let ids =
        [("pad_token_id", text.pad_token_id), ("sep_token_id", text.sep_token_id), ("bos_token_id", text.bos_token_id)];
    if let Some((name, id)) = ids.into_iter().find(|(_, id)| *id as usize >= text.vocab_size) {
        return Err(wrong(&format!(
            "text_config: {name} is {id}, the last of {} words {}",
            text.vocab_size,
            text.vocab_size.saturating_sub(1)
        )));
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

/// Refuses a `config.json` that says it belongs to a model with other heads than the file's.
pub(super) fn check_architecture(text: &str, kind: Kind) -> Result<()> {
    let architectures =
        serde_json::from_str(text).ok().and_then(|about: About| about.architectures).unwrap_or_default();
    let known = architectures.iter().find_map(|name| {
        let claimed = match name.as_str() {
            "BlipForConditionalGeneration" => Kind::Captioner,
            "BlipForImageTextRetrieval" => Kind::Matcher,
            "BlipForQuestionAnswering" => Kind::Answerer,
            _ => return None,
        };
        Some((name, claimed))
    });
    match known {
        Some((name, claimed)) if claimed != kind => {
            let (claimed, found) = (claimed.with_article(), kind.with_article());
            let reason = format!("config.json: {name} is {claimed}, and the tensors are those of {found}");
            Err(Error::Config { reason })
        }
        _ => Ok(()),
    }
}

/// Reads the configuration off the tensors' shapes; heads are taken to be 64 wide, which holds
/// for every model the authors published.
pub(super) fn from_shapes(weights: &Weights, kind: Kind) -> Result<BlipConfig> {
    let shapes = Shapes(weights);
    let stack = if kind == Kind::Captioner { "text_decoder.bert." } else { "text_encoder." };
    let (vision, text) = (shapes.vision("visual_encoder.")?, shapes.text(stack)?);
    let embed = shapes.dimension("vision_proj.weight", 0).unwrap_or(256);
    Ok(BlipConfig::new(kind, vision, text).with_embed_size(embed))
}

/// The sizes of an ImageNet ViT under timm's names.
///
/// # Errors
/// [`Error::MissingWeights`] for a file that is none, [`Error::Config`] for heads that are not 64
/// wide.
pub fn vision_sizes(weights: &Weights) -> Result<VisionConfig> {
    Shapes(weights).vision("")
}

/// The sizes of a BERT under Hugging Face's names; its `config.json` may lie beside it.
///
/// # Errors
/// [`Error::MissingWeights`] for a file that is none, [`Error::Config`] for heads that are not 64
/// wide and no `config.json` that says so.
pub fn text_sizes(weights: &Weights) -> Result<TextConfig> {
    let prefix = if weights.tensors().keys().any(|name| name.starts_with("bert.")) { "bert." } else { "" };
    // One that says nothing of a BERT belongs to something else in the same folder.
    let said = read_beside(weights, "config", "config.json")?;
    let Some(said) = said.and_then(|text| serde_json::from_str::<Bert>(&text).ok()) else {
        return Shapes(weights).text(prefix);
    };
    let config = Shapes(weights).text_with_heads(prefix, Some(said.num_attention_heads))?;
    Ok(config.with_layer_norm_epsilon(said.layer_norm_eps))
}

/// How many numbers follow this prefix in the tensors' names: no more layers than a file can hold,
/// whatever the numbers are.
pub(super) fn count_layers(weights: &Weights, prefix: &str) -> usize {
    let index = |name: &String| -> Option<usize> {
        from_hugging_face(name).strip_prefix(prefix)?.split('.').next()?.parse().ok()
    };
    weights.tensors().keys().filter_map(index).collect::<BTreeSet<_>>().len()
}

/// What the tensors of a file say of its model.
struct Shapes<'a>(&'a Weights);

impl Shapes<'_> {
    fn shape(&self, wanted: &str) -> Result<Vec<usize>> {
        let found = self.0.tensors().iter().find(|(name, _)| from_hugging_face(name) == wanted);
        found
            .map(|(_, info)| info.shape.clone())
            .ok_or_else(|| Error::MissingWeights { missing: vec![wanted.to_owned()] })
    }

    fn dimension(&self, name: &str, axis: usize) -> Result<usize> {
        let shape = self.shape(name)?;
        shape.get(axis).copied().ok_or_else(|| Error::Config { reason: format!("{name} is {shape:?}") })
    }

    fn count(&self, prefix: &str) -> usize {
        count_layers(self.0, prefix)
    }

    fn vision(&self, prefix: &str) -> Result<VisionConfig> {
        let of = |name: &str, axis| self.dimension(&format!("{prefix}{name}"), axis);
        let patch = of("patch_embed.proj.weight", 3)?;
        let hidden = of("cls_token", 2)?;
        let image_token = of("pos_embed", 1)?;
        let layers = self.count(&format!("{prefix}blocks."));
        Ok(VisionConfig::new(
            image_token.saturating_sub(1).isqrt() * patch,
            patch,
            hidden,
            layers,
            heads(hidden, "image encoder")?,
            of("blocks.0.mlp.fc1.weight", 0)?,
        )
        .with_drop_path(if layers >= LARGE_LAYERS { 0.1 } else { 0.0 }))
    }

    fn text(&self, prefix: &str) -> Result<TextConfig> {
        self.text_with_heads(prefix, None)
    }

    fn text_with_heads(&self, prefix: &str, num_heads: Option<usize>) -> Result<TextConfig> {
        let of = |name: &str, axis| self.dimension(&format!("{prefix}{name}"), axis);
        let hidden = of("embeddings.word_embeddings.weight", 1)?;
        let num_heads = match num_heads {
            Some(num_heads) if num_heads > 0 && hidden.is_multiple_of(num_heads) => num_heads,
            Some(num_heads) => {
                let reason = format!("config.json: {num_heads} heads do not divide a width of {hidden}");
                return Err(Error::Config { reason });
            }
            None => heads(hidden, "text stack")?,
        };
        Ok(TextConfig::new()
            .with_vocab_size(of("embeddings.word_embeddings.weight", 0)?)
            .with_hidden_size(hidden)
            .with_num_layers(self.count(&format!("{prefix}encoder.layer.")))
            .with_num_heads(num_heads)
            .with_feed_forward_size(of("encoder.layer.0.intermediate.dense.weight", 0)?)
            .with_max_positions(of("embeddings.position_embeddings.weight", 0)?))
    }
}

fn heads(hidden: usize, part: &str) -> Result<usize> {
    if hidden > 0 && hidden.is_multiple_of(HEAD_SIZE) {
        return Ok(hidden / HEAD_SIZE);
    }
    let reason = format!("the {part} is {hidden} wide, which does not say how many heads it has; give its config.json");
    Err(Error::Config { reason })
}

/// The part of a BERT's `config.json` that its shapes do not tell.
#[derive(Deserialize)]
struct Bert {
    num_attention_heads: usize,
    #[serde(default = "bert_epsilon")]
    layer_norm_eps: f64,
}

fn bert_epsilon() -> f64 {
    1e-12
}

/// Whose a `config.json` is.
#[derive(Deserialize)]
struct About {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
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
    hidden_act: String,
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
    hidden_act: String,
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
            hidden_act: "gelu".to_owned(),
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
            hidden_act: "gelu".to_owned(),
            // Reference quirk: the authors drop 0.1 while training, the port nothing.
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            bos_token_id: 30522,
            pad_token_id: 0,
            sep_token_id: 102,
        }
    }
}
