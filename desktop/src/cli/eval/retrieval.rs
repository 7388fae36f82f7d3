//! `medley eval retrieval`.

use std::collections::HashSet;

use anyhow::{Result, bail};
use clap::Args;
use medley::pipeline::Rerank;

use super::{CaptionData, ScoreArguments};
use crate::cli::number::{count, finite};
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::cli::scores::{bank_of, retrieval_score};

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
    /// Another split of the data to compare with, such as train: what is near all of it counts for less (Querybank
    /// normalisation, arXiv 2112.12777)
    #[arg(long, value_name = "NAME")]
    bank_split: Option<String>,
    /// Pictures of it at most, with all their captions
    #[arg(long, value_parser = count, default_value = "1000", requires = "bank_split", value_name = "N")]
    bank_size: usize,
    /// How much it counts how much likelier the decoder finds the text for the picture than for the average one of the
    /// bank: for models that compare and write, something like 0.01
    #[arg(long, value_parser = finite, default_value = "0", requires = "bank_split", value_name = "W")]
    lm_weight: f32,
}

/// Finds texts and pictures and prints how often the right ones were among the first.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let examples = arguments.data.read()?;
    let pipeline = arguments.score.open().await?;
    let mut bar = Bar::new();
    let Arguments { k_test: candidates, logit_weight, lm_weight, .. } = arguments;
    let rerank = Rerank { candidates, logit_weight, lm_weight };
    let bank = match &arguments.bank_split {
        Some(split) => {
            let mut beside = arguments.data.read_split(split)?;
            let searched: HashSet<&str> = examples.iter().map(|example| example.id.as_str()).collect();
            if beside.iter().any(|beside| searched.contains(beside.id.as_str())) {
                bail!("--bank-split {split} holds pictures that are searched: choose another split");
            }
            beside.truncate(arguments.bank_size);
            Some(bank_of(&pipeline, &beside, &mut bar).await?)
        }
        None => None,
    };
    let scores = retrieval_score(&pipeline, &examples, rerank, bank.as_ref(), &mut bar).await?;
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
