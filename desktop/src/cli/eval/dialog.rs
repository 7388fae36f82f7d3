//! `medley eval dialog`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::results::{ResultArguments, id_value};
use super::{ScoreArguments, done};
use crate::cli::data::DialogFiles;
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::{dialog_score, rank_all};

/// Shown under the help.
pub const EXAMPLES: &str = "\
Examples:
  Ranks, and NDCG from the dense annotations:
    medley eval dialog --data visdial_1.0_val.json --images visdial --model run/best.safetensors \\
      --dense visdial_1.0_val_dense_annotations.json
  The hidden test set, for the official evaluation:
    medley eval dialog --data visdial_1.0_test.json --images visdial \\
      --model run/best.safetensors --results ranks.json";

/// What to rank, and with which model.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: DialogFiles,
    /// VisDial's dense annotations JSON, how fitting people found every answer: for NDCG
    #[arg(long, value_name = "FILE")]
    dense: Option<PathBuf>,
    #[command(flatten)]
    score: ScoreArguments,
    /// Dialogs to go through at most; 0 for all
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    results: ResultArguments,
}

/// Ranks the answers of every round and prints where the right ones stood.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let is_written = arguments.results.check()?;
    let mut set = arguments.files.read(arguments.dense.as_deref())?;
    if arguments.limit > 0 {
        set.examples.truncate(arguments.limit);
    }
    let pipeline = arguments.score.open().await?;
    let mut bar = Bar::new();
    let ranks = rank_all(&pipeline, (&set.questions, &set.answers), &set.examples, &mut bar).await?;
    let examples = done(&set.examples, ranks.len())?;
    let results = examples.iter().zip(&ranks).flat_map(|(example, ranks)| {
        // Rounds that are history alone have nothing to rank.
        let ranked = (1..).zip(ranks).filter(|(_, ranks)| !ranks.is_empty());
        ranked.map(|(round, ranks): (usize, _)| json!({ "image_id": id_value(&example.id), "round_id": round, "ranks": ranks }))
    });
    arguments.results.write_list(results)?;
    let scores = dialog_score(examples, &ranks);
    if scores.rounds + scores.dense_rounds == 0 && is_written {
        eprintln!("medley: the dataset keeps its answers to itself: the ranks were written and not scored");
        return Ok(crate::cli::ALL_GOOD);
    }
    if scores.rounds + scores.dense_rounds == 0 {
        bail!("the dataset has no answers to score against: write the ranks with --results");
    }
    arguments.score.show(&scores, || {
        print(&format_args!("rounds      {:>5}", scores.rounds));
        let shares = [("MRR", scores.mrr), ("R@1", scores.r1), ("R@5", scores.r5), ("R@10", scores.r10)];
        shares.iter().for_each(|(name, share)| print(&format_args!("{name:<11} {:>5.1}", 100.0 * share)));
        print(&format_args!("mean rank   {:>5.2}", scores.mean_rank));
        if let Some(ndcg) = scores.ndcg {
            print(&format_args!("NDCG        {:>5.1}   of {} rounds", 100.0 * ndcg, scores.dense_rounds));
        }
    })
}
