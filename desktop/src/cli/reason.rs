//! `medley reason`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::model::ReadArguments;
use super::{ALL_GOOD, picture};

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
    let pipeline = arguments.read.open().await?;
    let (left, right) = (picture::read(&pipeline, &arguments.left)?, picture::read(&pipeline, &arguments.right)?);
    let probability = pipeline.reason(&left, &right, &arguments.statement).await?;
    let verdict = probability > 0.5;
    if arguments.read.json {
        super::print(&json!({ "statement": arguments.statement, "true": verdict, "probability": probability }));
    } else {
        super::print(&format_args!("{verdict}\t{:.1}%", 100.0 * probability));
    }
    Ok(ALL_GOOD)
}
