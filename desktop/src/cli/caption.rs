//! `medley caption`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use medley::generate::GenerateConfig;
use medley::{Caption, CaptionOptions, Pipeline, Progress};
use serde_json::json;

use super::generate::GenerateArguments;
use super::inputs::find;
use super::model::ReadArguments;
use super::number::finite;
use super::progress::Bar;
use super::sidecar::{Existing, Sidecars, Write};
use super::{ALL_GOOD, SOME_FAILED, STOPPED, interrupt, picture};

pub const EXAMPLES: &str = "\
Examples:
  medley caption photo.jpg
  medley caption holiday/ --json > captions.jsonl
  find . -name '*.png' -print0 | medley caption - --write txt --skip-existing
  medley caption photo.jpg --sample -n 5 --seed 7";

/// What to caption.
#[derive(Args)]
pub struct Arguments {
    /// Pictures, folders (searched through), patterns, or - for a list on standard input: one a line, or each ended by a NUL
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Also write captions to files: a .txt beside each picture, or captions.jsonl or captions.csv here
    #[arg(long, value_enum, value_name = "FORMAT")]
    write: Option<Write>,
    /// Write over files that are there
    #[arg(long, requires = "write")]
    overwrite: bool,
    /// With --write txt: leave out pictures that have a .txt
    #[arg(long, requires = "write", conflicts_with = "overwrite")]
    skip_existing: bool,
    /// What captions begin with; cut off again
    #[arg(long)]
    prompt: Option<String>,
    /// How much it counts how similar a whole caption is to the picture, where beam search ends with several and the
    /// model compares too; 0 to take what beam search has first
    #[arg(long, default_value_t = 1.0, value_name = "W", value_parser = finite)]
    similarity_weight: f32,
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
    let generate = arguments.generate.config(GenerateConfig::default())?;
    let Arguments { prompt, similarity_weight, .. } = &arguments;
    let options = CaptionOptions { generate, prompt: prompt.clone(), similarity_weight: *similarity_weight };
    let mut found = find(&arguments.paths);
    // Only from here on is there a safe point to stop at: waiting for a list simply ends.
    interrupt::listen();
    for problem in &found.problems {
        eprintln!("medley: {problem}");
    }
    if found.pictures.is_empty() {
        return Ok(SOME_FAILED);
    }
    let existing = match (arguments.overwrite, arguments.skip_existing) {
        (true, _) => Existing::Overwrite,
        (_, true) => Existing::Skip,
        _ => Existing::Refuse,
    };
    let sidecars = arguments.write.map(|format| Sidecars::open(format, existing, &mut found.pictures));
    let mut sidecars = sidecars.transpose()?;

    let mut code = if found.problems.is_empty() { ALL_GOOD } else { SOME_FAILED };
    if !found.pictures.is_empty() {
        let captioned = caption_all(&arguments, &options, &found.pictures, sidecars.as_mut()).await;
        if let Some(sidecars) = sidecars {
            sidecars.finish(captioned.as_ref().is_ok_and(|code| *code != STOPPED))?;
        }
        code = code.max(captioned?);
    }
    Ok(code)
}

async fn caption_all(
    arguments: &Arguments,
    options: &CaptionOptions,
    all: &[PathBuf],
    mut sidecars: Option<&mut Sidecars>,
) -> Result<u8> {
    let pipeline = arguments.read.open().await?;
    let mut bar = Bar::new();
    let (mut code, mut done, total) = (ALL_GOOD, 0, all.len());
    for paths in all.chunks(usize::from(arguments.batch)) {
        let (mut pictures, mut readable) = (Vec::new(), Vec::new());
        for path in paths {
            match picture::read(&pipeline, path) {
                Ok(pixels) => {
                    pictures.push(pixels);
                    readable.push(path.clone());
                }
                Err(error) => {
                    code = SOME_FAILED;
                    bar.line(&format!("medley: {}", super::one_line(&error)));
                }
            }
        }
        let start = Instant::now();
        let captions = write(&pipeline, &pictures, options).await?;
        let seconds = start.elapsed().as_secs_f64() / readable.len().max(1) as f64;
        for (path, captions) in readable.iter().zip(&captions) {
            bar.hide(|| show(path, captions, seconds, arguments.read.json));
            if let Some(sidecars) = &mut sidecars
                && let Err(error) = sidecars.add(path, captions)
            {
                code = SOME_FAILED;
                bar.line(&format!("medley: {}", super::one_line(&error)));
            }
        }
        done += paths.len();
        let progress = Progress::Items { stage: "captioning", done, total };
        if bar.report(progress).is_break() && done < total {
            bar.clear();
            eprintln!("medley: stopped after {done} of {total} pictures");
            return Ok(STOPPED);
        }
    }
    bar.clear();
    Ok(code)
}

async fn write(pipeline: &Pipeline, pictures: &[Vec<f32>], options: &CaptionOptions) -> Result<Vec<Vec<Caption>>> {
    if pictures.is_empty() {
        return Ok(Vec::new());
    }
    Ok(pipeline.caption(&pipeline.see(pictures), options, &mut |_| interrupt::flow()).await?)
}

fn show(path: &Path, captions: &[Caption], seconds: f64, as_json: bool) {
    for caption in captions {
        if as_json {
            super::print(&json!({
                "path": path_text(path),
                "caption": caption.text,
                "confidence": caption.confidence,
                "log_probs": caption.log_probs,
                "seconds": super::milliseconds(seconds),
            }));
        } else {
            super::print(&format_args!("{}\t{}", on_a_line(path), caption.text));
        }
    }
}

/// A path as text: bytes that are none are replaced.
pub fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A path that is one field of one line: tabs, line breaks and other controls are written as escapes.
pub fn on_a_line(path: &Path) -> String {
    let mut line = String::new();
    for letter in path_text(path).chars() {
        match letter.is_control() {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line
}
