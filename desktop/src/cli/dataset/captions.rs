//! `medley data captions`.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use medley::data::tell;
use serde::Serialize;

use crate::cli::data::QuestionFiles;
use crate::cli::{ALL_GOOD, output};

pub const EXAMPLES: &str = "\
Examples:
  Captions of pictures of which there are only answered questions:
    medley data captions --data cocoqa.json --images coco --out pairs.json
    medley train caption --data pairs.json --out run
English only, by rules: \"what color is the bus?\" and \"red\" tell \"a red bus\". Yes, no and reasons tell nothing.";

/// Which questions tell something.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: QuestionFiles,
    /// The list of pictures and captions that is written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    overwrite: bool,
}

#[derive(Serialize)]
struct Pair {
    image: String,
    caption: String,
}

/// Writes captions that answered questions tell.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let out = &arguments.out;
    output::target(out, arguments.overwrite)?;
    let set = arguments.files.read_answered()?;
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    for example in &set.examples {
        let told = common(&example.answers).and_then(|answer| tell(&example.question, answer));
        let Some(caption) = told else { continue };
        let image = example.image.whole_path().display().to_string();
        if seen.insert((image.clone(), caption.clone())) {
            pairs.push(Pair { image, caption });
        }
    }
    if pairs.is_empty() {
        bail!("no answered question tells what is in a picture: English ones such as \"what color is the bus?\" do");
    }
    output::write(out, arguments.overwrite, &serde_json::to_vec_pretty(&pairs)?)?;
    let pictures = pairs.iter().map(|pair| &pair.image).collect::<HashSet<_>>().len();
    let (captions, questions) = (pairs.len(), set.examples.len());
    eprintln!("{captions} captions of {pictures} pictures, of {questions} questions: {}", out.display());
    Ok(ALL_GOOD)
}

/// What at least half of the people answered, the first of equals.
fn common(answers: &[String]) -> Option<&str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    answers.iter().for_each(|answer| *counts.entry(answer).or_default() += 1);
    answers.iter().map(String::as_str).find(|answer| 2 * counts[answer] >= answers.len())
}
