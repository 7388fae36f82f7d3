//! `medley match`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::model::ReadArguments;
use super::{ALL_GOOD, picture};

pub const EXAMPLES: &str = "\
Examples:
  medley match photo.jpg 'a dog in the snow' 'a cat on a chair' --model blip-itm-base-coco";

/// What to compare.
#[derive(Args)]
pub struct Arguments {
    /// The picture
    image: PathBuf,
    /// Texts that may describe it
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<String>,
    /// Begin texts with [CLS] as Hugging Face's port does, instead of [ENC]
    #[arg(long)]
    cls_first: bool,
    #[command(flatten)]
    read: ReadArguments,
}

/// Prints the match probability (ITM) and the similarity (ITC cosine) of every text.
pub async fn run(arguments: Arguments) -> Result<u8> {
    let pipeline = arguments.read.open().await?;
    let pixels = picture::read(&pipeline, &arguments.image)?;
    let matches = pipeline.match_texts(&pixels, &arguments.texts, arguments.cls_first).await?;
    if !arguments.read.json {
        super::print(&"match\tcosine\ttext");
    }
    for (text, found) in arguments.texts.iter().zip(matches) {
        if arguments.read.json {
            super::print(&json!({ "text": text, "match": found.probability, "similarity": found.similarity }));
        } else {
            super::print(&format_args!("{:.1}%\t{:.3}\t{text}", 100.0 * found.probability, found.similarity));
        }
    }
    Ok(ALL_GOOD)
}
