//! `medley eval retrieval`.

use anyhow::Result;
use clap::Args;
use medley::pipeline::Rerank;

use super::{CaptionData, ScoreArguments};
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::retrieval_score;

/// What to search, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: CaptionData,
    #[command(flatten)]
    score: ScoreArguments,
    /// The most similar that are put in order by reading picture and text together: the paper takes 256 on COCO and
    /// 128 on Flickr30k; 0 for similarity alone
    #[arg(long, default_value_t = 128, value_name = "K")]
    k_test: usize,
    /// How much the logit of reading both counts beside their similarity: the paper adds one to the other; a model
    /// whose reading is surer than it is right does better with less
    #[arg(long, default_value_t = 1.0, value_name = "W")]
    logit_weight: f32,
}

/// Finds texts and pictures and prints how often the right ones were among the first.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let examples = arguments.data.read()?;
    let pipeline = arguments.score.open().await?;
    let mut bar = Bar::new();
    let rerank = Rerank { candidates: arguments.k_test, logit_weight: arguments.logit_weight };
    let scores = retrieval_score(&pipeline, &examples, rerank, &mut bar).await?;
    bar.clear();
    arguments.score.show(&scores, || {
        print(&format_args!("{} pictures, {} texts", scores.images, scores.texts));
        print(&format_args!("                  R@1   R@5  R@10"));
        let row = |name: &str, shares: [f64; 3]| {
            let [first, fifth, tenth] = shares.map(|share| 100.0 * share);
            print(&format_args!("{name:<14} {first:>6.1} {fifth:>5.1} {tenth:>5.1}"));
        };
        row("text (TR)", [scores.tr_r1, scores.tr_r5, scores.tr_r10]);
        row("picture (IR)", [scores.ir_r1, scores.ir_r5, scores.ir_r10]);
        print(&format_args!("mean           {:>6.1}", 100.0 * scores.r_mean));
    })
}
