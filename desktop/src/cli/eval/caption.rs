//! `medley eval caption`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::results::{id_value, write_list};
use super::{CaptionData, ScoreArguments};
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::score;

/// What to score on, and how to write.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: CaptionData,
    #[command(flatten)]
    score: ScoreArguments,
    /// Beginnings that beam search keeps
    #[arg(long, default_value_t = 3)]
    beams: usize,
    /// Pictures in one pass
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Write the captions to this file in the COCO result format
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// Captions every picture and prints what the captions are worth.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let examples = arguments.data.read()?;
    let pipeline = arguments.score.open().await?;
    let mut bar = Bar::new();
    let scored = score(&pipeline, &examples, arguments.beams, arguments.batch, &mut bar).await?;
    if let Some(path) = &arguments.results {
        let captions = examples.iter().zip(&scored.captions);
        let results: Vec<Value> = captions
            .map(|(example, caption)| json!({ "image_id": id_value(&example.id), "caption": caption }))
            .collect();
        write_list(path, &results)?;
    }
    let scores = scored.scores;
    arguments.score.show(&scores, || {
        print(&format_args!("images   {}", scores.images));
        for (order, bleu) in (1..).zip(scores.bleu) {
            print(&format_args!("BLEU-{order}   {:.1}", 100.0 * bleu));
        }
        print(&format_args!("ROUGE-L  {:.1}", 100.0 * scores.rouge_l));
        print(&format_args!("CIDEr    {:.1}", 100.0 * scores.cider));
    })
}
