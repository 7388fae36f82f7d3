//! `medley eval caption`.

use anyhow::Result;
use clap::Args;
use medley::CaptionOptions;
use serde_json::json;

use super::results::{ResultArguments, id_value};
use super::{CaptionData, ScoreArguments, done};
use crate::cli::number::{count, finite};
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::{caption_options, score};

/// What to score on, and how to write.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: CaptionData,
    #[command(flatten)]
    score: ScoreArguments,
    /// Beginnings that beam search keeps
    #[arg(long, default_value_t = 3, value_parser = count)]
    beams: usize,
    /// How much it counts how similar a whole caption is to the picture, where beam search ends with several and the
    /// model compares too; 0 to take what beam search has first
    #[arg(long, default_value_t = 1.0, value_name = "W", value_parser = finite)]
    similarity_weight: f32,
    /// Pictures in one pass
    #[arg(long, default_value_t = 16, value_parser = count)]
    batch: usize,
    #[command(flatten)]
    results: ResultArguments,
}

/// Captions every picture and prints what the captions are worth.
pub async fn run(arguments: Arguments) -> Result<u8> {
    arguments.results.check()?;
    let examples = arguments.data.read()?;
    let pipeline = arguments.score.open().await?;
    let mut bar = Bar::new();
    let options = CaptionOptions { similarity_weight: arguments.similarity_weight, ..caption_options(arguments.beams) };
    let scored = score(&pipeline, &examples, &options, arguments.batch, &mut bar).await?;
    let examples = done(&examples, scored.captions.len())?;
    let captions = examples.iter().zip(&scored.captions);
    arguments.results.write_list(
        captions.map(|(example, caption)| json!({ "image_id": id_value(&example.id), "caption": caption })),
    )?;
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
