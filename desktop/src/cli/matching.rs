//! `medley match`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use medley::preprocess::pre_caption;
use serde_json::json;

use super::caption::path_text;
use super::model::ReadArguments;
use super::{ALL_GOOD, milliseconds, picture};

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
    let Arguments { image, texts, cls_first, read } = &arguments;
    if let Some(place) = texts.iter().position(|text| pre_caption(text, usize::MAX).is_empty()) {
        bail!("text {} of {}, {:?}, has no word in it", place + 1, texts.len(), texts[place]);
    }
    let pipeline = read.open().await?;
    let pixels = picture::read(&pipeline, image)?;
    let start = Instant::now();
    let matches = pipeline.match_texts(&pipeline.see(&[pixels]), texts, *cls_first).await?;
    let seconds = milliseconds(start.elapsed().as_secs_f64());
    if !read.json {
        super::print(&"match\tcosine\ttext");
    }
    for (text, found) in texts.iter().zip(matches) {
        let (probability, similarity) = (found.probability, found.similarity);
        if read.json {
            super::print(&json!({
                "path": path_text(image),
                "text": text,
                "match": probability,
                "similarity": similarity,
                "seconds": seconds,
            }));
        } else {
            super::print(&format_args!("{:.1}%\t{similarity:.3}\t{text}", 100.0 * probability));
        }
    }
    Ok(ALL_GOOD)
}
