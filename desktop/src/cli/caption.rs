//! `medley caption`.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use medley::generate::GenerateConfig;
use medley::{Caption, CaptionOptions, Pipeline, Progress};
use serde_json::json;

use super::generate::GenerateArguments;
use super::inputs::find;
use super::model::ReadArguments;
use super::progress::Bar;
use super::sidecar::{Sidecars, Write};
use super::{ALL_GOOD, SOME_FAILED, interrupt, picture};

pub const EXAMPLES: &str = "\
Examples:
  medley caption photo.jpg
  medley caption holiday/ --json > captions.jsonl
  find . -name '*.png' | medley caption - --write txt
  medley caption photo.jpg --sample -n 5 --seed 7";

/// What to caption.
#[derive(Args)]
pub struct Arguments {
    /// Pictures, folders (searched through), patterns, or - for a list on standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Also write captions to files: a .txt beside each picture, or captions.jsonl or captions.csv here
    #[arg(long, value_enum, value_name = "FORMAT")]
    write: Option<Write>,
    /// Write over files that are there
    #[arg(long, requires = "write")]
    overwrite: bool,
    /// What captions begin with; cut off again
    #[arg(long)]
    prompt: Option<String>,
    /// Pictures read in one pass
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    #[command(flatten)]
    generate: GenerateArguments,
    #[command(flatten)]
    read: ReadArguments,
}

/// Captions every picture; bad ones are reported and skipped.
pub async fn run(arguments: Arguments) -> Result<u8> {
    interrupt::listen();
    let generate = arguments.generate.config(GenerateConfig::default())?;
    let options = CaptionOptions { generate, prompt: arguments.prompt.clone() };
    let found = find(&arguments.paths);
    let mut failed = !found.problems.is_empty();
    for problem in &found.problems {
        eprintln!("medley: {problem}");
    }
    if found.pictures.is_empty() {
        return Ok(SOME_FAILED);
    }

    let pipeline = arguments.read.open().await?;
    let mut sidecars = arguments.write.map(|format| Sidecars::new(format, arguments.overwrite)).transpose()?;

    let mut bar = Bar::new();
    let total = found.pictures.len();
    let mut done = 0;
    for paths in found.pictures.chunks(usize::from(arguments.batch)) {
        let (mut pictures, mut readable) = (Vec::new(), Vec::new());
        for path in paths {
            match picture::read(&pipeline, path) {
                Ok(pixels) => {
                    pictures.push(pixels);
                    readable.push(path.clone());
                }
                Err(error) => {
                    failed = true;
                    bar.line(&format!("medley: {}", super::one_line(&error)));
                }
            }
        }
        let start = Instant::now();
        let captions = write(&pipeline, &pictures, &options).await?;
        let seconds = start.elapsed().as_secs_f64() / readable.len().max(1) as f64;
        for (path, captions) in readable.iter().zip(&captions) {
            bar.hide(|| show(path, captions, seconds, arguments.read.json));
            if let Some(sidecars) = &mut sidecars
                && let Err(error) = sidecars.add(path, captions)
            {
                failed = true;
                bar.line(&format!("medley: {}", super::one_line(&error)));
            }
        }
        done += paths.len();
        let progress = Progress::Items { stage: "captioning", done, total };
        if bar.report(progress).is_break() && done < total {
            bar.clear();
            eprintln!("medley: stopped after {done} of {total} pictures");
            return Ok(130);
        }
    }
    bar.clear();
    Ok(if failed { SOME_FAILED } else { ALL_GOOD })
}

async fn write(pipeline: &Pipeline, pictures: &[Vec<f32>], options: &CaptionOptions) -> Result<Vec<Vec<Caption>>> {
    Ok(pipeline.caption(pictures, options, &mut |_| interrupt::flow()).await?)
}

fn show(path: &Path, captions: &[Caption], seconds: f64, as_json: bool) {
    for caption in captions {
        if as_json {
            super::print(&json!({
                "path": path_text(path),
                "caption": caption.text,
                "confidence": caption.confidence,
                "log_probs": caption.log_probs,
                "seconds": (seconds * 1000.0).round() / 1000.0,
            }));
        } else {
            super::print(&format_args!("{}\t{}", path_text(path), caption.text));
        }
    }
}

/// A path for a line of text: bytes that are no text are replaced.
pub fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
