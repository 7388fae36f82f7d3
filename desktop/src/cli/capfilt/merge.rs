//! Parts of a cleaned dataset into one: a list of pairs or tar shards, and a summary.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use medley::Progress;
use medley::capfilt::{Judged, Source, Summary};
use medley::data::{CaptionExample, ShardWriter, Shelves};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Format, Line};
use crate::cli::progress::Bar;
use crate::cli::{ALL_GOOD, SOME_FAILED, STOPPED, print};

/// A picture and a text, as BLIP's lists hold them, and how it came to be there.
#[derive(Serialize, Deserialize)]
pub struct Pair {
    image: PathBuf,
    #[serde(flatten)]
    text: Text,
}

/// A text that stays.
#[derive(Clone, Serialize, Deserialize)]
struct Text {
    caption: String,
    source: Source,
    score: f32,
}

/// A picture and what is kept of its texts.
struct Kept {
    image: PathBuf,
    texts: Vec<Text>,
}

/// Puts all parts together: what is kept, and how much of it into `summary.json`.
pub fn merge(out: &Path, format: Format, shard_size: u32) -> Result<u8> {
    let pictures = read_parts(out)?;
    let mut summary = Summary::default();
    let mut kept: Vec<Kept> = Vec::new();
    for line in &pictures {
        summary.add(&line.texts);
        let texts = line.texts.iter().filter(|text| text.kept).map(Text::from).collect();
        kept.push(Kept { image: whole(&line.image), texts });
    }
    let human: Vec<Pair> = match std::fs::read(out.join("human.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("human.json is no list of pairs")?,
        Err(_) => Vec::new(),
    };
    if !human.is_empty() {
        summary.sources.entry(Source::Human).or_default().kept = human.len();
    }
    for Pair { image, text } in human {
        match kept.last_mut() {
            Some(last) if last.image == image => last.texts.push(text),
            _ => kept.push(Kept { image, texts: vec![text] }),
        }
    }
    kept.retain(|kept| !kept.texts.is_empty());
    let pairs = kept.iter().map(|kept| kept.texts.len()).sum();
    let mut failed = pictures.iter().filter(|line| line.error.is_some()).count();
    match format {
        Format::Json => write_json(&out.join("pairs.json"), &list(&kept))?,
        Format::Webdataset => match write_shards(&out.join("shards"), &kept, shard_size)? {
            Some(unread) => failed += unread,
            None => return Ok(STOPPED),
        },
    }
    write_json(&out.join("summary.json"), &json!(summary))?;
    show(&summary, pairs);
    if failed > 0 {
        eprintln!("medley: {failed} pictures could not be used, see texts-*.jsonl");
    }
    Ok(if failed > 0 { SOME_FAILED } else { ALL_GOOD })
}

impl From<&Judged> for Text {
    fn from(judged: &Judged) -> Self {
        Self { caption: judged.caption.clone(), source: judged.source, score: judged.score }
    }
}

/// A path that is right from anywhere.
fn whole(image: &Path) -> PathBuf {
    std::path::absolute(image).unwrap_or_else(|_| image.to_owned())
}

fn list(kept: &[Kept]) -> Vec<Pair> {
    let pairs =
        |kept: &Kept| kept.texts.iter().map(|text| Pair { image: kept.image.clone(), text: text.clone() }).collect();
    kept.iter().flat_map(|kept| -> Vec<Pair> { pairs(kept) }).collect()
}

/// Pairs by people, who are right.
pub fn pairs_of(examples: &[CaptionExample]) -> Vec<Pair> {
    let pairs = |example: &CaptionExample| -> Vec<Pair> {
        let text = |caption: &String| Text { caption: caption.clone(), source: Source::Human, score: 1.0 };
        example
            .captions
            .iter()
            .map(|caption| Pair { image: whole(&example.image.path()), text: text(caption) })
            .collect()
    };
    examples.iter().flat_map(pairs).collect()
}

/// Writes a sample for every picture; gives the number of those that could not be read, or nothing when stopped.
fn write_shards(folder: &Path, kept: &[Kept], shard_size: u32) -> Result<Option<usize>> {
    remove_shards(folder)?;
    let mut shards = ShardWriter::create(folder, shard_size as usize)?;
    let mut shelves = Shelves::new(Path::new("."), None)?;
    let (mut bar, mut unread) = (Bar::new(), 0);
    for (done, Kept { image, texts }) in kept.iter().enumerate() {
        let captions: Vec<String> = texts.iter().map(|text| text.caption.clone()).collect();
        let about = [("image", json!(image)), ("texts", json!(texts))];
        let about: Map<String, Value> = about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let added = match shelves.find(&image.to_string_lossy()) {
            Some(picture) => picture.read().and_then(|bytes| shards.add(&bytes, &captions, about)),
            None => Err(medley::Error::Data { path: image.clone(), reason: "is not there any more".to_owned() }),
        };
        match added {
            Ok(()) => {}
            Err(error @ medley::Error::Write { .. }) => return Err(error.into()),
            Err(error) => {
                unread += 1;
                bar.line(&format!("medley: {}: {error}", image.display()));
            }
        }
        let progress = Progress::Items { stage: "writing shards", done: done + 1, total: kept.len() };
        if bar.report(progress).is_break() && done + 1 < kept.len() {
            bar.clear();
            eprintln!("stopped while writing {}; the same command writes them anew", folder.display());
            return Ok(None);
        }
    }
    bar.clear();
    let (samples, shards) = shards.finish()?;
    let word = if shards == 1 { "shard" } else { "shards" };
    eprintln!("{samples} pictures in {shards} {word}: {}", folder.display());
    Ok(Some(unread))
}

/// Takes away the shards of an earlier merge: there may have been more of them.
fn remove_shards(folder: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.strip_suffix(".tar").unwrap_or_default();
        if number.len() == 6 && number.chars().all(|digit| digit.is_ascii_digit()) {
            std::fs::remove_file(&path).with_context(|| format!("could not remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The lines of all parts, in the order of the dataset, each picture once.
fn read_parts(out: &Path) -> Result<Vec<Line>> {
    let entries = std::fs::read_dir(out).with_context(|| format!("could not read {}", out.display()))?;
    let mut parts: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    parts.retain(|path| name(path).starts_with("texts-") && name(path).ends_with(".jsonl"));
    parts.sort();
    let Some(first) = parts.first() else { bail!("{} holds no texts-*.jsonl to put together", out.display()) };
    let count: Option<usize> =
        name(first).rsplit_once("-of-").and_then(|(_, rest)| rest.strip_suffix(".jsonl")?.parse().ok());
    if count != Some(parts.len()) {
        bail!("{} holds {} of {} parts", out.display(), parts.len(), count.unwrap_or_default());
    }
    let mut pictures: Vec<Line> = Vec::new();
    for part in &parts {
        pictures.extend(lines(part)?.into_iter().map(|(_, line)| line));
    }
    pictures.sort_by_key(|line| line.index);
    let mut seen = HashSet::new();
    pictures.retain(|line| seen.insert(line.index));
    Ok(pictures)
}

/// The whole lines of a file of texts, as they stand and as they read; none where there is no file.
pub fn lines(path: &Path) -> Result<Vec<(String, Line)>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let read = |line: &str| -> Result<(String, Line)> {
        let parsed = serde_json::from_str(line).with_context(|| format!("{} is no list of texts", path.display()))?;
        Ok((line.to_owned(), parsed))
    };
    whole.lines().map(read).collect()
}

fn show(summary: &Summary, pairs: usize) {
    print(&format_args!("{} pictures, {pairs} pairs kept", summary.images));
    for (source, kind) in &summary.sources {
        let name = match source {
            Source::Web => "web",
            Source::Synthetic => "synthetic",
            Source::Human => "human",
        };
        let share = 100.0 * kind.kept as f64 / (kind.kept + kind.dropped).max(1) as f64;
        print(&format_args!("{name:<10} kept {:>6} of {:>6}  {share:>5.1} %", kind.kept, kind.kept + kind.dropped));
        let examples =
            |texts: &[String], what: &str| texts.iter().for_each(|text| print(&format_args!("  {what}  {text}")));
        examples(&kind.kept_examples, "kept   ");
        examples(&kind.dropped_examples, "dropped");
    }
}

/// Writes a file beside its name and renames it, so that it is whole or not there.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, serde_json::to_vec_pretty(value)?)
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| format!("could not write {}", path.display()))
}
