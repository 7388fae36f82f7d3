//! `medley capfilt`.

mod merge;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use medley::capfilt::{CapFiltConfig, Judged, capfilt};
use medley::data::{CaptionExample, read_captions};
use medley::{LoadOptions, OpenDevice, Pipeline, Progress};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::merge::{lines, merge, pairs_of, write_json};
use super::model::{DeviceArguments, not_loaded};
use super::number::{count, finite, share};
use super::part::Part;
use super::progress::Bar;
use super::{ALL_GOOD, STOPPED, interrupt};

pub const EXAMPLES: &str = "\
Examples:
  Noisy captions, a captioner and a matcher fine-tuned apart, as in the paper:
    medley capfilt --data web.json --images web --captioner captioner.safetensors --filter matcher.safetensors --out clean
  With pairs that people wrote, which are kept as they are:
    medley capfilt --data web.json --images web --human coco.json --human-images coco \\
      --captioner captioner.safetensors --filter matcher.safetensors --out clean
  On four machines, each a quarter, and then together:
    medley capfilt --data web.json --images web --captioner c.safetensors --filter f.safetensors --out clean --shard 1/4
    medley capfilt --merge --out clean
  What filtering or writing alone would make of it:
    medley capfilt --data web.json --images web --filter matcher.safetensors --out filtered
    medley capfilt --data web.json --images web --captioner captioner.safetensors --no-filter --out captioned
  From tar shards into tar shards, which are not unpacked:
    medley capfilt --data 'web/{000000..000123}.tar' --captioner c.safetensors --filter f.safetensors --out clean \\
      --out-format webdataset
  The result is clean/pairs.json or clean/shards, to be pre-trained on; clean/texts*.jsonl says what became of every
  text and why.";

/// What to clean, and with which models.
#[derive(Args)]
pub struct Arguments {
    /// Pictures with noisy captions: any form that training reads
    #[arg(long, value_name = "PATH", required_unless_present = "merge")]
    data: Option<PathBuf>,
    /// Folder the picture names in the data are relative to
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Split to clean
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Pairs by people, added as they are
    #[arg(long, value_name = "PATH")]
    human: Option<PathBuf>,
    /// Folder the picture names of --human are relative to
    #[arg(long, requires = "human", value_name = "DIR")]
    human_images: Option<PathBuf>,
    /// The model that writes; without --filter it also judges, if it can. Without it nothing is written
    #[arg(long, value_name = "PATH", required_unless_present_any = ["merge", "filter", "no_filter"])]
    captioner: Option<PathBuf>,
    /// The model that judges
    #[arg(long, value_name = "PATH")]
    filter: Option<PathBuf>,
    /// Keep every text, unjudged
    #[arg(long, conflicts_with = "filter")]
    no_filter: bool,
    /// A tokenizer.json or vocab.txt, where none lies beside the models
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Folder for the pairs, summary.json and texts.jsonl; a run that stopped goes on there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Smallest set of words, by probability, that a text is drawn from
    #[arg(long, default_value_t = CapFiltConfig::default().top_p, value_parser = share)]
    top_p: f32,
    /// Least probability of a match for a text to be kept
    #[arg(long, default_value_t = CapFiltConfig::default().threshold, value_parser = finite)]
    threshold: f32,
    /// Longest written text in tokens, prompt included
    #[arg(long, default_value_t = CapFiltConfig::default().max_length, value_parser = count)]
    max_length: usize,
    /// Decides what is written
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Work on one of several parts only, such as 2/4
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Part,
    /// What the pairs are written as
    #[arg(long, value_enum, default_value_t = Format::Json)]
    out_format: Format,
    /// With --out-format webdataset: pictures in a shard
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    shard_size: u32,
    /// Put the parts in --out together
    #[arg(long, conflicts_with_all = ["data", "captioner"])]
    merge: bool,
    #[command(flatten)]
    device: DeviceArguments,
}

/// What kept pairs are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// pairs.json, which names the pictures where they are
    Json,
    /// Tar shards in shards/, with the pictures, and where each text comes from
    Webdataset,
}

/// What became of the texts of one picture: a line of `texts.jsonl`.
#[derive(Serialize, Deserialize)]
struct Line {
    /// Its place in the dataset.
    index: usize,
    image: PathBuf,
    /// Why nothing could be made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    texts: Vec<Judged>,
}

/// Cleans, or merges what was cleaned in parts.
pub async fn run(arguments: Arguments) -> Result<u8> {
    interrupt::listen();
    let Some(data) = &arguments.data else {
        return merge(&arguments.out, arguments.out_format, arguments.shard_size);
    };
    let config = CapFiltConfig {
        top_p: arguments.top_p,
        threshold: arguments.threshold,
        max_length: arguments.max_length,
        seed: arguments.seed,
    };
    let web = read(data, arguments.images.as_deref(), arguments.split.as_deref())?;
    let human = match &arguments.human {
        Some(human) => read(human, arguments.human_images.as_deref(), None)?,
        None => Vec::new(),
    };
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("could not create {}", arguments.out.display()))?;
    same_settings(&arguments)?;
    let device = arguments.device.open().await?;
    let (captioner, filter) = models(&arguments, &device)?;
    let Part { index, count } = arguments.shard;
    let mut texts = Texts::open(&arguments.out.join(format!("texts-{index}-of-{count}.jsonl")))?;
    if index == 1 && texts.done.is_empty() {
        write_json(&arguments.out.join("human.json"), &pairs_of(&human))?;
    }
    let mine: Vec<(usize, &CaptionExample)> = arguments.shard.of(&web).collect();
    let (mut bar, mut done) = (Bar::new(), texts.done.len());
    for (place, example) in &mine {
        if texts.done.contains(place) {
            continue;
        }
        let judged = match example.image.read() {
            Ok(picture) => {
                let judged =
                    capfilt(captioner.as_ref(), filter.as_ref(), &picture, *place, &example.captions, &config).await;
                judged.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = &judged {
            bar.line(&format!("medley: {}: {reason}", example.image));
        }
        let (texts_of, error) = judged.map_or_else(|reason| (Vec::new(), Some(reason)), |judged| (judged, None));
        texts.write(Line { index: *place, image: example.image.path(), error, texts: texts_of })?;
        done += 1;
        if bar.report(Progress::Items { stage: "cleaning", done, total: mine.len() }).is_break() {
            bar.clear();
            eprintln!("stopped after {done} of {} pictures; the same command goes on", mine.len());
            return Ok(STOPPED);
        }
    }
    bar.clear();
    if count > 1 {
        eprintln!(
            "part {index} of {count} is done; when all are: medley capfilt --merge --out {}",
            arguments.out.display()
        );
        return Ok(ALL_GOOD);
    }
    merge(&arguments.out, arguments.out_format, arguments.shard_size)
}

/// Refuses to go on with other settings than those the folder was begun with.
fn same_settings(arguments: &Arguments) -> Result<()> {
    let Arguments { data, split, captioner, filter, no_filter, top_p, threshold, max_length, seed, .. } = arguments;
    let settings = json!({
        "data": data, "split": split, "captioner": captioner, "filter": filter,
        "no_filter": no_filter, "top_p": top_p, "threshold": threshold, "max_length": max_length, "seed": seed,
    });
    let path = arguments.out.join("settings.json");
    match std::fs::read_to_string(&path) {
        Ok(begun) if serde_json::from_str::<serde_json::Value>(&begun).ok().as_ref() != Some(&settings) => bail!(
            "{} was begun with other settings, see settings.json there: choose another --out",
            arguments.out.display()
        ),
        Ok(_) => Ok(()),
        Err(_) => write_json(&path, &settings),
    }
}

/// What writes and what judges.
fn models(arguments: &Arguments, device: &OpenDevice) -> Result<(Option<Pipeline>, Option<Pipeline>)> {
    let load = |path: &PathBuf| load(path, arguments, device);
    let captioner = arguments.captioner.as_ref().map(load).transpose()?;
    if let Some(captioner) = captioner.as_ref().filter(|captioner| !captioner.can_caption()) {
        bail!(
            "a model of kind {} cannot write: name a captioner or a pre-training model with --captioner",
            captioner.config().kind.name()
        );
    }
    let filter = match &arguments.filter {
        Some(path) => Some(load(path)?),
        None if arguments.no_filter => None,
        None => captioner.clone(),
    };
    if let Some(filter) = filter.as_ref().filter(|filter| !filter.can_match()) {
        bail!(
            "a model of kind {} cannot judge: name a matcher or a pre-training model with --filter, or keep everything with --no-filter",
            filter.config().kind.name()
        );
    }
    Ok((captioner, filter))
}

fn read(data: &Path, images: Option<&Path>, split: Option<&str>) -> Result<Vec<CaptionExample>> {
    let set = read_captions(data, images, split)?;
    set.warnings.iter().for_each(|warning| eprintln!("medley: {warning}"));
    Ok(set.examples)
}

fn load(path: &Path, arguments: &Arguments, device: &OpenDevice) -> Result<Pipeline> {
    let options =
        LoadOptions { tokenizer: arguments.tokenizer.clone(), skip_training_state: true, ..LoadOptions::default() };
    let mut bar = Bar::new();
    let loaded = Pipeline::load(path, &device.device, &options, &mut |progress| bar.report(progress));
    bar.clear();
    loaded.map_err(|error| not_loaded(&path.display().to_string(), error))
}

/// What was judged so far, a line a picture, written as it happens.
struct Texts {
    file: File,
    path: PathBuf,
    done: BTreeSet<usize>,
}

impl Texts {
    /// Opens the file of a part; a line that was cut off is taken away.
    fn open(path: &Path) -> Result<Self> {
        let lines = lines(path)?;
        let whole: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
        if path.exists() && std::fs::metadata(path)?.len() != whole.len() as u64 {
            std::fs::write(path, whole).with_context(|| format!("could not write {}", path.display()))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("could not write {}", path.display()))?;
        let done = lines.into_iter().map(|(_, line)| line.index).collect();
        Ok(Self { file, path: path.to_owned(), done })
    }

    fn write(&mut self, line: Line) -> Result<()> {
        let text = format!("{}\n", serde_json::to_string(&line)?);
        self.file.write_all(text.as_bytes()).with_context(|| format!("could not write {}", self.path.display()))
    }
}
