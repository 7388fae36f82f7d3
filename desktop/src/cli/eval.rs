//! `medley eval`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use medley::Pipeline;
use medley::data::{CaptionExample, read_captions};
use serde_json::json;

use super::model::{DeviceArguments, ModelArguments};
use super::progress::Bar;
use super::scores::{retrieval_score, score};
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
    /// Finding the texts of pictures (TR) and the pictures of texts (IR) within the set: recall among the first 1, 5, 10
    Retrieval(RetrievalArguments),
}

/// What to score on, and with which model.
#[derive(Args)]
struct SetArguments {
    /// Karpathy-split JSON, COCO captions JSON, BLIP pair JSON, metadata.jsonl, or a folder of pictures with .txt files
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Folder the picture names in the data are relative to
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Split to score
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    device: DeviceArguments,
}

#[derive(Args)]
struct CaptionArguments {
    #[command(flatten)]
    set: SetArguments,
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

#[derive(Args)]
struct RetrievalArguments {
    #[command(flatten)]
    set: SetArguments,
    /// The most similar that are put in order by reading picture and text together: the paper takes 256 on COCO and
    /// 128 on Flickr30k; 0 for similarity alone
    #[arg(long, default_value_t = 128, value_name = "K")]
    k_test: usize,
}

/// Scores a model on a dataset and prints the result.
pub async fn run(arguments: Arguments) -> Result<u8> {
    interrupt::listen();
    match arguments.task {
        Task::Caption(arguments) => caption(arguments).await,
        Task::Retrieval(arguments) => retrieval(arguments).await,
    }
}

impl SetArguments {
    async fn open(&self) -> Result<(Vec<CaptionExample>, Pipeline)> {
        let set = read_captions(&self.data, self.images.as_deref(), self.split.as_deref())?;
        for warning in &set.warnings {
            eprintln!("medley: {warning}");
        }
        let device = self.device.open().await?;
        Ok((set.examples, self.model.load(&device)?))
    }
}

async fn caption(arguments: CaptionArguments) -> Result<u8> {
    let (examples, pipeline) = arguments.set.open().await?;
    let mut bar = Bar::new();
    let scored = score(&pipeline, &examples, arguments.beams, arguments.batch, &mut bar).await?;
    if let Some(path) = &arguments.results {
        let results: Vec<_> = examples
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
    if arguments.set.json {
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

async fn retrieval(arguments: RetrievalArguments) -> Result<u8> {
    let (examples, pipeline) = arguments.set.open().await?;
    let mut bar = Bar::new();
    let scores = retrieval_score(&pipeline, &examples, arguments.k_test, &mut bar).await?;
    bar.clear();
    if arguments.set.json {
        print(&serde_json::to_value(scores)?);
        return Ok(ALL_GOOD);
    }
    print(&format_args!("{} pictures, {} texts", scores.images, scores.texts));
    print(&format_args!("                  R@1   R@5  R@10"));
    let row = |name: &str, shares: [f64; 3]| {
        let [first, fifth, tenth] = shares.map(|share| 100.0 * share);
        print(&format_args!("{name:<14} {first:>6.1} {fifth:>5.1} {tenth:>5.1}"));
    };
    row("text (TR)", [scores.tr_r1, scores.tr_r5, scores.tr_r10]);
    row("picture (IR)", [scores.ir_r1, scores.ir_r5, scores.ir_r10]);
    print(&format_args!("mean           {:>6.1}", 100.0 * scores.r_mean));
    Ok(ALL_GOOD)
}
