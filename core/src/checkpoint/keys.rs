//! Our module paths and the names of the same tensors in the authors' and Hugging Face's files.

use crate::model::{BlipConfig, Kind};
use crate::text::Sharing;

/// How a stored tensor differs from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Not at all.
    Same,
    /// A linear layer's matrix: stored `[output, input]`, ours `[input, output]`.
    Transposed,
    /// A patch convolution: stored `[output, channel, height, width]`, ours `[input, output]`.
    Kernel,
    /// A number: stored `[]`, ours `[1]`.
    Scalar,
}

/// Where one of our parameters lives in a checkpoint, in the authors' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The tensor that is read.
    pub name: String,
    /// Copies of it that some files hold too; they must be equal.
    pub copies: Vec<String>,
    /// How it is stored.
    pub shape: Shape,
}

/// The place of the parameter at `path` of a model of this configuration.
pub(super) fn place(config: &BlipConfig, path: &[String]) -> Place {
    let (kind, sharing) = (config.kind, config.text.sharing.unwrap_or_default());
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let (name, copies) = match parts.as_slice() {
        ["vision", rest @ ..] => (format!("visual_encoder.{}", vision(rest)), vec![]),
        ["question", rest @ ..] if kind == Kind::Pretraining => (format!("question_encoder.{}", text(rest)), vec![]),
        ["question", rest @ ..] => (format!("text_encoder.{}", text(rest)), vec![]),
        ["answer", rest @ ..] if kind == Kind::Pretraining => (format!("answer_decoder.bert.{}", text(rest)), vec![]),
        ["answer" | "decoder", rest @ ..] => decoder(rest),
        ["text", rest @ ..] => match kind {
            Kind::Captioner => decoder(rest),
            Kind::Pretraining if rest.contains(&"causal") || rest.contains(&"causal_cross") => decoder(rest),
            Kind::Pretraining => {
                let owner = format!("text_encoder.{}", text(rest));
                let (copy, mut copies) = decoder(rest);
                // What encoder and decoder share is stored twice.
                let is_shared = match sharing {
                    Sharing::All => true,
                    Sharing::AllButCross => !rest.contains(&"cross"),
                    Sharing::AllButSelf => !rest.contains(&"bidirectional"),
                    Sharing::None => false,
                };
                if is_shared {
                    copies.push(copy);
                } else {
                    copies.clear();
                }
                (owner, copies)
            }
            _ => (format!("text_encoder.{}", text(rest)), vec![]),
        },
        ["lm_head", "bias"] => {
            ("text_decoder.cls.predictions.bias".into(), vec!["text_decoder.cls.predictions.decoder.bias".into()])
        }
        ["lm_head", "transform", leaf] => (format!("text_decoder.cls.predictions.transform.dense.{leaf}"), vec![]),
        ["lm_head", "norm", leaf] => {
            (format!("text_decoder.cls.predictions.transform.LayerNorm.{}", norm(leaf)), vec![])
        }
        ["heads", "vision_projection", leaf] => (format!("vision_proj.{leaf}"), vec![]),
        ["heads", "text_projection", leaf] => (format!("text_proj.{leaf}"), vec![]),
        ["heads", "itm_head", leaf] | ["itm_head", leaf] => (format!("itm_head.{leaf}"), vec![]),
        ["caption_projection", leaf] => (format!("caption_proj.{leaf}"), vec![]),
        ["head_in", leaf] => (format!("cls_head.0.{leaf}"), vec![]),
        ["head_out", leaf] => (format!("cls_head.2.{leaf}"), vec![]),
        ["heads", "temperature"] => ("temp".into(), vec![]),
        other => panic!("no checkpoint name for {}", other.join(".")),
    };
    Place { name, copies, shape: shape(&parts) }
}

/// The authors' name of a tensor that a Hugging Face file calls `name`.
pub(super) fn from_hugging_face(name: &str) -> String {
    let Some(rest) = name.strip_prefix("vision_model.") else {
        return name.to_owned();
    };
    let rest = match rest {
        "embeddings.class_embedding" => "cls_token".to_owned(),
        "embeddings.position_embedding" => "pos_embed".to_owned(),
        _ => rest
            .replace("embeddings.patch_embedding.", "patch_embed.proj.")
            .replace("encoder.layers.", "blocks.")
            .replace("layer_norm1.", "norm1.")
            .replace("layer_norm2.", "norm2.")
            .replace("self_attn.projection.", "attn.proj.")
            .replace("self_attn.", "attn.")
            .replace("post_layernorm.", "norm."),
    };
    format!("visual_encoder.{rest}")
}

/// Tables of positions counted from zero that some files store; they hold no weights.
pub(super) fn is_derived(name: &str) -> bool {
    name.ends_with(".position_ids")
}

/// Momentum copies and feature queues: state of a training run, not weights of the model.
pub(super) fn is_training_state(name: &str) -> bool {
    const MODULES: [&str; 4] = ["visual_encoder_m.", "text_encoder_m.", "vision_proj_m.", "text_proj_m."];
    const QUEUES: [&str; 5] = ["image_queue", "text_queue", "idx_queue", "queue_ptr", "ptr_queue"];
    MODULES.iter().any(|prefix| name.starts_with(prefix)) || QUEUES.contains(&name)
}

/// A decoder stack's name, and the copy of its word table in the prediction head.
fn decoder(rest: &[&str]) -> (String, Vec<String>) {
    let name = format!("text_decoder.bert.{}", text(rest));
    let copies = match rest {
        ["embedding", "word"] => vec!["text_decoder.cls.predictions.decoder.weight".into()],
        _ => vec![],
    };
    (name, copies)
}

fn vision(rest: &[&str]) -> String {
    match rest {
        ["class_token"] => "cls_token".into(),
        ["position"] => "pos_embed".into(),
        ["patch_embed", "projection", leaf] => format!("patch_embed.proj.{leaf}"),
        ["norm", leaf] => format!("norm.{}", norm(leaf)),
        ["blocks", block, rest @ ..] => {
            let rest = match rest {
                ["attention_norm", leaf] => format!("norm1.{}", norm(leaf)),
                ["query_key_value", leaf] => format!("attn.qkv.{leaf}"),
                ["output", leaf] => format!("attn.proj.{leaf}"),
                ["feed_forward_norm", leaf] => format!("norm2.{}", norm(leaf)),
                ["feed_forward", "up", leaf] => format!("mlp.fc1.{leaf}"),
                ["feed_forward", "down", leaf] => format!("mlp.fc2.{leaf}"),
                other => panic!("no checkpoint name for a block's {}", other.join(".")),
            };
            format!("blocks.{block}.{rest}")
        }
        other => panic!("no checkpoint name for the image encoder's {}", other.join(".")),
    }
}

/// The name within a stack of BERT.
pub(super) fn text(rest: &[&str]) -> String {
    match rest {
        ["embedding", "word"] => "embeddings.word_embeddings.weight".into(),
        ["embedding", "position"] => "embeddings.position_embeddings.weight".into(),
        ["embedding", "norm", leaf] => format!("embeddings.LayerNorm.{}", norm(leaf)),
        ["layers", layer, rest @ ..] => format!("encoder.layer.{layer}.{}", text_layer(rest)),
        other => panic!("no checkpoint name for the text stack's {}", other.join(".")),
    }
}

fn text_layer(rest: &[&str]) -> String {
    let attention = |kind: &str| match kind {
        "cross" | "causal_cross" => "crossattention",
        _ => "attention",
    };
    match rest {
        ["paired_cross", rest @ ..] => match rest {
            ["attentions", image, part, leaf] => format!("crossattention.self{image}.{part}.{leaf}"),
            ["outputs", image, leaf] => format!("crossattention.output.dense{image}.{leaf}"),
            ["merge", leaf] => format!("crossattention.output.merge_layer.{leaf}"),
            ["norm", leaf] => format!("crossattention.output.LayerNorm.{}", norm(leaf)),
            other => panic!("no checkpoint name for a paired attention's {}", other.join(".")),
        },
        [kind @ ("bidirectional" | "causal" | "cross" | "causal_cross"), rest @ ..] => {
            let kind = attention(kind);
            match rest {
                ["attention", part, leaf] => format!("{kind}.self.{part}.{leaf}"),
                ["output", leaf] => format!("{kind}.output.dense.{leaf}"),
                ["norm", leaf] => format!("{kind}.output.LayerNorm.{}", norm(leaf)),
                other => panic!("no checkpoint name for an attention's {}", other.join(".")),
            }
        }
        ["feed_forward", "up", leaf] => format!("intermediate.dense.{leaf}"),
        ["feed_forward", "down", leaf] => format!("output.dense.{leaf}"),
        ["norm", leaf] => format!("output.LayerNorm.{}", norm(leaf)),
        other => panic!("no checkpoint name for a layer's {}", other.join(".")),
    }
}

/// burn's names of a norm's parameters to PyTorch's.
fn norm(leaf: &str) -> &'static str {
    match leaf {
        "gamma" => "weight",
        _ => "bias",
    }
}

/// How the parameter at this path is stored.
pub(super) fn shape(parts: &[&str]) -> Shape {
    match parts {
        ["heads", "temperature"] => Shape::Scalar,
        [.., "patch_embed", "projection", "weight"] => Shape::Kernel,
        [.., "weight"] => Shape::Transposed,
        _ => Shape::Same,
    }
}
