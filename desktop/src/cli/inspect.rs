//! `medley inspect`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::LoadOptions;
use medley::checkpoint::{ConfigSource, Weights, inspect_weights};
use medley::model::{BlipConfig, Kind};
use serde_json::{Value, json};

use super::model::not_loaded;
use super::{ALL_GOOD, SOME_FAILED, print};

/// What to look at.
#[derive(Args)]
pub struct Arguments {
    /// A checkpoint file or folder; the built-in model if not given
    checkpoint: Option<PathBuf>,
    /// List every tensor
    #[arg(long)]
    tensors: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// A config.json, where the checkpoint's shapes do not say enough
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Shows what a checkpoint is, without loading it.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let options = LoadOptions { config: arguments.config.clone(), ..LoadOptions::default() };
    let weights = match &arguments.checkpoint {
        Some(path) => Weights::open(path).map_err(|error| not_loaded(&path.display().to_string(), error))?,
        None => crate::builtin::weights()?,
    };
    let about = inspect_weights(&weights, &options)?;
    let config_from = match about.config_source {
        ConfigSource::Given => "--config",
        ConfigSource::Stored => "the checkpoint itself",
        ConfigSource::Beside => "config.json beside it",
        ConfigSource::Shapes => "the tensors' shapes, with heads 64 wide",
    };
    let code = if about.contradiction.is_some() { SOME_FAILED } else { ALL_GOOD };
    if arguments.json {
        let tensors =
            about.tensors.iter().map(|(name, info)| json!({ "name": name, "shape": info.shape, "dtype": info.dtype }));
        print(&json!({
            "kind": about.kind,
            "layout": about.layout,
            "parameters": about.num_parameters,
            "bytes": about.num_bytes,
            "tokenizer": about.has_tokenizer,
            "calibrated": about.is_calibrated,
            "training_state": about.training_state.len(),
            "config": spelled_out(&about.config),
            "config_from": config_from,
            "contradiction": about.contradiction,
            "tensors": tensors.collect::<Vec<_>>(),
        }));
        return Ok(code);
    }
    let (vision, text) = (&about.config.vision, &about.config.text);
    print(&format_args!("kind         {}", about.kind.name()));
    print(&format_args!("layout       {}", about.layout));
    print(&format_args!("parameters   {:.1} M", about.num_parameters as f64 / 1e6));
    print(&format_args!(
        "weights      {:.1} MB in {}",
        about.num_bytes as f64 / 1e6,
        number(about.tensors.len(), "tensor")
    ));
    print(&format_args!(
        "images       {0} x {0} px, patches of {1}, {2}, {3} wide, {4}",
        vision.image_size_px,
        vision.patch_size_px,
        number(vision.num_layers, "layer"),
        vision.hidden_size,
        number(vision.num_heads, "head")
    ));
    print(&format_args!(
        "text         {} words, {}, {} wide, {}, at most {} tokens",
        text.vocab_size,
        number(text.num_layers, "layer"),
        text.hidden_size,
        number(text.num_heads, "head"),
        text.max_positions
    ));
    if let Some(layers) = about.config.answer_layers {
        let read =
            about.config.question_layers.map(|layers| format!(", {} that read questions", number(layers, "layer")));
        print(&format_args!("answers      {}{}", number(layers, "layer"), read.unwrap_or_default()));
    }
    if matches!(about.kind, Kind::Matcher | Kind::Pretraining) {
        print(&format_args!("comparing    {} wide", about.config.embed_size));
    }
    print(&format_args!("sizes from   {config_from}"));
    print(&format_args!("tokenizer    {}", if about.has_tokenizer { "yes" } else { "none in or beside it" }));
    if about.is_calibrated {
        print(&"searches     weighed by numbers fitted to it");
    }
    if !about.training_state.is_empty() {
        print(&format_args!(
            "besides      {} of a training run (--skip-training-state)",
            number(about.training_state.len(), "tensor")
        ));
    }
    if arguments.tensors {
        for (name, info) in &about.tensors {
            print(&format_args!("{}\t{:?}\t{name}", info.dtype, info.shape));
        }
    }
    if let Some(contradiction) = &about.contradiction {
        print(&format_args!("cannot load  {contradiction}"));
    }
    Ok(code)
}

/// `1 layer`, `12 layers`.
fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The configuration with what follows from the kind: roles of the text stack, and the width of what it reads.
fn spelled_out(config: &BlipConfig) -> Value {
    let mut spelled_out = json!(config);
    spelled_out["text"] = json!(config.reader());
    spelled_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use medley::vision::VisionConfig;

    #[test]
    fn a_captioner_is_spelled_out_as_writing_and_reading_its_own_image_tokens() {
        let config = spelled_out(&BlipConfig::bert(Kind::Captioner, VisionConfig::large(384)));
        assert_eq!((&config["kind"], &config["text"]["causal"]), (&json!("captioner"), &json!(true)));
        assert_eq!(config["text"]["context_size"], 1024);
    }
}
