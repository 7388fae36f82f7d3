//! `medley inspect`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use medley::LoadOptions;
use medley::checkpoint::inspect_weights;
use serde_json::json;

use super::{ALL_GOOD, print};

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
        Some(path) => medley::checkpoint::Weights::open(path)?,
        None => crate::builtin::weights()?,
    };
    let about = inspect_weights(&weights, &options)?;
    if arguments.json {
        let tensors =
            about.tensors.iter().map(|(name, info)| json!({ "name": name, "shape": info.shape, "dtype": info.dtype }));
        print(&json!({
            "kind": about.kind,
            "layout": about.layout,
            "parameters": about.num_parameters,
            "bytes": about.num_bytes,
            "tokenizer": about.has_tokenizer,
            "training_state": about.training_state.len(),
            "config": about.config,
            "tensors": tensors.collect::<Vec<_>>(),
        }));
        return Ok(ALL_GOOD);
    }
    let (vision, text) = (&about.config.vision, &about.config.text);
    print(&format_args!("kind         {}", about.kind.name()));
    print(&format_args!("layout       {}", about.layout));
    print(&format_args!("parameters   {:.1} M", about.num_parameters as f64 / 1e6));
    print(&format_args!("weights      {:.1} MB in {} tensors", about.num_bytes as f64 / 1e6, about.tensors.len()));
    print(&format_args!(
        "images       {0} x {0} px, patches of {1}, {2} layers, {3} wide, {4} heads",
        vision.image_size_px, vision.patch_size_px, vision.num_layers, vision.hidden_size, vision.num_heads
    ));
    print(&format_args!(
        "text         {} words, {} layers, {} wide, {} heads, at most {} tokens",
        text.vocab_size, text.num_layers, text.hidden_size, text.num_heads, text.max_positions
    ));
    print(&format_args!("tokenizer    {}", if about.has_tokenizer { "yes" } else { "none in or beside it" }));
    if !about.training_state.is_empty() {
        print(&format_args!(
            "besides      {} tensors of a training run (--skip-training-state)",
            about.training_state.len()
        ));
    }
    if arguments.tensors {
        for (name, info) in &about.tensors {
            print(&format_args!("{}\t{:?}\t{name}", info.dtype, info.shape));
        }
    }
    Ok(ALL_GOOD)
}
