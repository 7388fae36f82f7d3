//! `medley eval caption`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use medley::data::read_captions;
use serde_json::json;

use super::model::{DeviceArguments, ModelArguments};
use super::progress::Bar;
use super::scores::score;
use super::{ALL_GOOD, interrupt, print};

/// What to score.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Captions against reference captions: BLEU, ROUGE-L and CIDEr
    Caption(CaptionArguments),
}

#[derive(Args)]
struct CaptionArguments {
    /// Karpathy-split JSON, COCO captions JSON, BLIP pair JSON, metadata.jsonl, or a folder of pictures with .txt files
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Folder the picture names in the data are relative to
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Split to score
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Beginnings that beam search keeps
    #[arg(long, default_value_t = 3)]
    beams: usize,
    /// Pictures in one pass
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Write the captions to this file in the COCO result format
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

/// Captions a dataset and prints what the captions are worth.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let Task::Caption(arguments) = arguments.task;
    interrupt::listen();
    let set = read_captions(&arguments.data, arguments.images.as_deref(), arguments.split.as_deref())?;
    for warning in &set.warnings {
        eprintln!("medley: {warning}");
    }
    let device = arguments.device.open().await?;
    let pipeline = arguments.model.load(&device)?;
    let mut bar = Bar::new();
    let scored = score(&pipeline, &set.examples, arguments.beams, arguments.batch, &mut bar).await?;
    if let Some(path) = &arguments.results {
        let results: Vec<_> = set
            .examples
            .iter()
            .zip(&scored.captions)
            .map(|(example, caption)| {
                let id = example.id.parse::<u64>().map_or_else(|_| json!(example.id), |id| json!(id));
                json!({ "image_id": id, "caption": caption })
            })
            .collect();
        std::fs::write(path, serde_json::to_vec(&results)?)
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    let scores = scored.scores;
    if arguments.json {
        print(&serde_json::to_value(scores)?);
        return Ok(ALL_GOOD);
    }
    print(&format_args!("images   {}", scores.images));
    for (order, bleu) in (1..).zip(scores.bleu) {
        print(&format_args!("BLEU-{order}   {:.1}", 100.0 * bleu));
    }
    print(&format_args!("ROUGE-L  {:.1}", 100.0 * scores.rouge_l));
    print(&format_args!("CIDEr    {:.1}", 100.0 * scores.cider));
    Ok(ALL_GOOD)
}
