//! `medley data check`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use medley::data::{Check, Findings, Leak, holds_questions};
use serde_json::json;

use crate::cli::progress::Bar;
use crate::cli::{ALL_GOOD, SOME_FAILED, interrupt, print};

pub const EXAMPLES: &str = "\
Examples:
  Your own pictures with a .txt of captions beside each:
    medley data check my-photos
  A dataset with splits, every finding as JSON:
    medley data check dataset_flickr8k.json --images images --json
  Whether what is learned from and what is scored on have pictures in common:
    medley data check train.json val.json --images images
  Questions with their answers:
    medley data check questions.json --annotations annotations.json --images coco
Exit code 0: nothing odd; 1: something was found, or could not be read.";

/// Findings of a kind that are shown; --json has all.
const SHOWN: usize = 5;

/// What to check.
#[derive(Args)]
pub struct Arguments {
    /// Captions in any form that training reads, or questions; several are checked against each other
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder the picture names in the data are relative to, or of the pictures of urls
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// VQA v2's annotations JSON, which holds the answers to the questions
    #[arg(long, value_name = "FILE")]
    annotations: Option<PathBuf>,
    /// Print one JSON object with every finding
    #[arg(long)]
    json: bool,
}

/// Checks, and answers by the exit code whether something was found.
pub fn run(arguments: &Arguments) -> Result<u8> {
    interrupt::listen();
    let start = Instant::now();
    let mut check = Check::default();
    let (images, annotations) = (arguments.images.as_deref(), arguments.annotations.as_deref());
    let mut asked = 0;
    for path in &arguments.paths {
        let name = name_of(path, arguments.paths.len());
        if holds_questions(path) {
            asked += 1;
            check.add_questions(&name, path, annotations, images)?;
        } else {
            check.add_captions(&name, path, images)?;
        }
    }
    if annotations.is_some() && asked != 1 {
        bail!("--annotations answers one file of questions, and {asked} were named");
    }
    let mut bar = Bar::new();
    let checked = check.run(&mut |progress| bar.report(progress));
    bar.clear();
    let findings = checked?;
    if arguments.json {
        let mut value = serde_json::to_value(&findings)?;
        value["found"] = json!(findings.count());
        print(&value);
    } else {
        show(&findings, start.elapsed().as_secs_f64());
    }
    Ok(if findings.count() == 0 { ALL_GOOD } else { SOME_FAILED })
}

/// What a dataset without splits is called: by its file where there are several.
fn name_of(path: &Path, count: usize) -> String {
    match (count, path.file_stem()) {
        (2.., Some(stem)) => stem.to_string_lossy().into_owned(),
        _ => "all".to_owned(),
    }
}

fn show(findings: &Findings, seconds: f64) {
    print(&format_args!("{:<24} {:>9} {:>9}", "split", "pictures", "texts"));
    for counts in &findings.splits {
        print(&format_args!("{:<24} {:>9} {:>9}", counts.split, counts.images, counts.texts));
    }
    let list = |what: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        print(&format_args!("\n{what}: {}", lines.len()));
        lines.iter().take(SHOWN).for_each(|line| print(&format_args!("  {line}")));
        if lines.len() > SHOWN {
            print(&format_args!("  and {} more; --json lists all", lines.len() - SHOWN));
        }
    };
    list(
        "pictures that cannot be read",
        findings.broken.iter().map(|broken| format!("{}: {}", broken.image, broken.reason)).collect(),
    );
    list("pictures that are not there", findings.missing.clone());
    list("pictures in two splits", findings.leaks.iter().map(leak).collect());
    list("the same file again", findings.duplicates.iter().map(|group| group.join(" = ")).collect());
    list("looks the same", findings.near_duplicates.iter().map(|group| group.join(" ~ ")).collect());
    list("pictures without a text", findings.bare.clone());
    list("texts without a word", findings.empty_texts.clone());
    list(
        "texts of which only the beginning is read",
        findings.long_texts.iter().map(|long| format!("{}: {} words: {}", long.image, long.words, long.text)).collect(),
    );
    let texts = |texts: &[medley::data::RepeatedText]| -> Vec<String> {
        texts.iter().map(|text| format!("{}: {}", text.image, text.text)).collect()
    };
    list("the same text twice for one picture", texts(&findings.repeated_texts));
    list("questions without an answer", texts(&findings.unanswered));
    list("the files themselves", findings.warnings.clone());
    list(
        "captions of several pictures, which is no error",
        findings.shared_texts.iter().map(|shared| format!("{} pictures: {}", shared.images, shared.text)).collect(),
    );
    let images: usize = findings.splits.iter().map(|counts| counts.images).sum();
    let result = match findings.count() {
        0 => "nothing odd".to_owned(),
        1 => "1 thing to look at".to_owned(),
        count => format!("{count} things to look at"),
    };
    print(&format_args!("\n{result} in {images} pictures, {seconds:.1} s"));
}

/// `train a.jpg = val b.jpg`.
fn leak(leak: &Leak) -> String {
    let placed: Vec<String> = leak.images.iter().map(|placed| format!("{} {}", placed.split, placed.image)).collect();
    placed.join(if leak.is_exact { " = " } else { " ~ " })
}
