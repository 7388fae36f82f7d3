//! `medley reason`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::caption::path_text;
use super::model::ReadArguments;
use super::{ALL_GOOD, milliseconds, picture};

pub const EXAMPLES: &str = "\
Examples:
  medley reason left.jpg right.jpg 'both pictures show two dogs' --model model_base_nlvr.pth";

/// What to judge.
#[derive(Args)]
pub struct Arguments {
    /// The left picture
    left: PathBuf,
    /// The right picture
    right: PathBuf,
    /// A statement about both
    statement: String,
    #[command(flatten)]
    read: ReadArguments,
}

/// Prints whether the statement is true, and the probability that it is.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let Arguments { left, right, statement, read } = &arguments;
    if statement.trim().is_empty() {
        bail!("the statement {statement:?} has no word in it");
    }
    let pipeline = read.open().await?;
    let pixels = [picture::read(&pipeline, left)?, picture::read(&pipeline, right)?];
    let start = Instant::now();
    let probability = pipeline.reason(&pixels[0], &pixels[1], statement).await?;
    let seconds = milliseconds(start.elapsed().as_secs_f64());
    let verdict = probability > 0.5;
    if read.json {
        super::print(&json!({
            "left": path_text(left),
            "right": path_text(right),
            "statement": statement,
            "true": verdict,
            "probability": probability,
            "seconds": seconds,
        }));
    } else {
        super::print(&format_args!("{verdict}\t{:.1}%", 100.0 * probability));
    }
    Ok(ALL_GOOD)
}
