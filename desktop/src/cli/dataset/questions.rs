//! `medley data questions`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use medley::data::ask;

use crate::cli::data::CaptionFiles;
use crate::cli::{ALL_GOOD, output};

pub const EXAMPLES: &str = "\
Examples:
  Questions to learn to answer, from captions alone:
    medley data questions --data dataset_flickr8k.json --images images --split train --out questions.json
    medley train vqa --data questions.json --out run
  Up to four of each of your own pictures, which have .txt files beside them:
    medley data questions --data pictures --most 4 --out questions.json
English only, by rules: \"a brown dog runs\" answers \"what color is the dog?\". What no caption of a picture names
while many others do is what is not there.";

/// What to ask about.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: CaptionFiles,
    /// Split to take
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Questions about a picture at most
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Decides which
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The list of pictures, questions and answers that is written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    overwrite: bool,
}

/// Writes questions that captions answer.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let out = &arguments.out;
    output::target(out, arguments.overwrite)?;
    let mut set = arguments.files.read(arguments.split.as_deref())?;
    set.examples.iter_mut().for_each(|example| example.image = example.image.whole_path().into());
    let questions = ask(&set, arguments.most as usize, arguments.seed);
    if questions.is_empty() {
        bail!(
            "no caption answers a question that is asked here: it asks of English sentences such as \"a brown dog runs\""
        );
    }
    output::write(out, arguments.overwrite, &serde_json::to_vec_pretty(&questions)?)?;
    let mut kinds = BTreeMap::new();
    questions.iter().for_each(|question| *kinds.entry(question.kind.as_str()).or_insert(0) += 1);
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let (questions, pictures) = (questions.len(), set.examples.len());
    eprintln!("{questions} questions about {pictures} pictures ({}): {}", kinds.join(", "), out.display());
    Ok(ALL_GOOD)
}
