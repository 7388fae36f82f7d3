//! WebDataset: tar shards, in which files of one name up to its first dot are one sample.
//!
//! A shard is not unpacked: its headers say where everything lies, and pictures are read from there.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::Value;

use super::braces::expand;
use super::folder::{PICTURES, SPLITS, relative};
use super::listing::{Record, Records};
use super::pictures::Place;
use super::{Picture, broken, some_of};
use crate::error::Result;

/// Texts longer than this are none.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// Keys under which a sample's JSON holds its captions, the likeliest first.
const CAPTION_KEYS: [&str; 3] = ["caption", "captions", "text"];

/// A file in a shard.
pub(super) struct Member {
    pub name: String,
    offset: u64,
    length: u64,
}

impl Member {
    /// It as a picture of this shard.
    pub fn picture(self, shard: &Arc<Path>) -> Picture {
        Picture::Stretch { shard: shard.clone(), name: self.name, offset: self.offset, length: self.length }
    }
}

/// The shards that a path names, where it names any: a `.tar`, a pattern with braces, or several joined by `::`.
///
/// # Errors
/// A pattern that stands for more names than anyone has shards.
pub(super) fn named(data: &Path) -> Result<Option<Vec<PathBuf>>> {
    if data.is_dir() {
        return Ok(None);
    }
    let is_tar = |name: &str| name.to_lowercase().ends_with(".tar");
    let pattern = data.to_string_lossy();
    if data.exists() || !(pattern.contains("::") || pattern.contains('{')) {
        return Ok((data.exists() && is_tar(&pattern)).then(|| vec![data.to_owned()]));
    }
    let mut shards = Vec::new();
    for pattern in pattern.split("::") {
        shards.extend(expand(pattern).map_err(|reason| broken(data, reason))?.into_iter().map(PathBuf::from));
    }
    Ok(shards.iter().all(|shard| is_tar(&shard.to_string_lossy())).then_some(shards))
}

/// The shards that a text file lists, a path or a pattern a line, relative to the file; nothing for other texts.
///
/// # Errors
/// As [`named`].
pub(super) fn listed(data: &Path, text: &str) -> Result<Option<Vec<PathBuf>>> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || !lines.iter().all(|line| line.ends_with(".tar")) {
        return Ok(None);
    }
    let here = data.parent().unwrap_or(Path::new(""));
    let mut shards = Vec::new();
    for line in lines {
        shards.extend(expand(line).map_err(|reason| broken(data, reason))?.into_iter().map(|name| here.join(name)));
    }
    Ok(Some(shards))
}

/// Reads the headers and texts of all shards; a damaged one is named and read as far as it goes.
pub(super) fn read(data: &Path, shards: &[PathBuf]) -> Result<Records> {
    let (there, missing): (Vec<&PathBuf>, Vec<&PathBuf>) = shards.iter().partition(|shard| shard.is_file());
    let missing: Vec<String> = missing.iter().map(|shard| shard.display().to_string()).collect();
    if there.is_empty() {
        return Err(broken(data, format!("matches no shard; looked for {}", some_of(&missing))));
    }
    let name = |shard: &Path| if data.is_dir() { relative(data, shard) } else { shard.display().to_string() };
    let read: Vec<(String, io::Result<Shard>)> =
        there.par_iter().map(|shard| (name(shard), read_shard(shard))).collect();
    let splits = splits_of(read.iter().map(|(shard, _)| shard.as_str()));

    let (mut found, mut damaged) = (Records::default(), Vec::new());
    let (mut bare, mut unreadable) = (Vec::new(), Vec::new());
    for ((shard, read), split) in read.into_iter().zip(splits) {
        match read {
            Ok(Shard { samples, damage }) => {
                damaged.extend(damage.map(|damage| format!("{shard} {damage}")));
                for sample in samples {
                    let name = format!("{shard}/{}", sample.key);
                    if sample.is_unreadable {
                        unreadable.push(name.clone());
                    }
                    match sample.picture {
                        Some(picture) => found.records.push(Record {
                            id: sample.key,
                            image: format!("{shard}/{}", picture.name()),
                            place: Place::Known(picture),
                            captions: sample.captions,
                            split: sample.split.or_else(|| split.clone()),
                        }),
                        None => bare.push(name),
                    }
                }
            }
            Err(error) => damaged.push(format!("{shard} {error}")),
        }
    }
    if found.records.is_empty() && !bare.is_empty() {
        let reason = format!("no sample of its shards has a picture ({})", PICTURES.join(", "));
        return Err(broken(data, reason));
    }
    if found.records.is_empty() && !damaged.is_empty() {
        return Err(broken(data, format!("no shard can be read: {}", some_of(&damaged))));
    }
    name_apart(&mut found.records);
    found.warn("shards missing and left out", &missing);
    found.warn("shards damaged, what comes after it left out", &damaged);
    found.warn("samples without a picture, left out", &bare);
    found.warn("samples whose text cannot be read", &unreadable);
    Ok(found)
}

/// Keys may begin anew in every shard: then the shard belongs to the name.
fn name_apart(records: &mut [Record]) {
    let distinct: HashSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
    if distinct.len() < records.len() {
        records.iter_mut().for_each(|record| record.id.clone_from(&record.image));
    }
}

/// The splits of `train/000.tar` and `val-000.tar`, where all shards bear such names and one is `train`.
fn splits_of<'a>(shards: impl Iterator<Item = &'a str>) -> Vec<Option<String>> {
    let split = |shard: &'a str| {
        let (folder, file) = shard.rsplit_once('/').unwrap_or(("", shard));
        let (folder, stem) = (folder.rsplit('/').next(), file.split(['-', '_', '.']).next());
        [folder, stem].into_iter().flatten().find(|name| SPLITS.contains(name)).map(str::to_owned)
    };
    let splits: Vec<Option<String>> = shards.map(split).collect();
    let distinct: HashSet<&Option<String>> = splits.iter().collect();
    let are_splits = !distinct.contains(&None) && distinct.len() > 1 && distinct.contains(&Some("train".to_owned()));
    if are_splits { splits } else { vec![None; splits.len()] }
}

/// What one shard holds, and how its end was missed.
struct Shard {
    samples: Vec<Sample>,
    damage: Option<String>,
}

/// The files of one name.
#[derive(Default)]
struct Sample {
    key: String,
    picture: Option<Picture>,
    captions: Vec<String>,
    /// Whether the captions are those of a `.json`, which a `.txt` repeats at best.
    is_described: bool,
    split: Option<String>,
    is_unreadable: bool,
}

fn read_shard(path: &Path) -> io::Result<Shard> {
    let (members, damage) = members(path)?;
    let (shard, mut file): (Arc<Path>, File) = (path.into(), File::open(path)?);
    let (mut samples, mut places): (Vec<Sample>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for member in members {
        let Some((key, ending)) = split_name(&member.name) else { continue };
        let is_picture = PICTURES.contains(&ending.as_str());
        if !is_picture && ending != "txt" && ending != "json" {
            continue;
        }
        let mut place = places.get(key).copied().unwrap_or(samples.len());
        // A second picture of the same name begins a sample of its own.
        if place == samples.len() || (is_picture && samples[place].picture.is_some()) {
            place = samples.len();
            places.insert(key.to_owned(), place);
            samples.push(Sample { key: key.to_owned(), ..Sample::default() });
        }
        let sample = &mut samples[place];
        if is_picture {
            sample.picture = Some(member.picture(&shard));
            continue;
        }
        match read_text(&mut file, &member)? {
            Some(text) if ending == "txt" => {
                if !sample.is_described {
                    sample.captions =
                        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
                }
            }
            Some(text) => sample.describe(&text),
            None => sample.is_unreadable = true,
        }
    }
    Ok(Shard { samples, damage })
}

impl Sample {
    /// Takes captions and split from the sample's JSON.
    fn describe(&mut self, json: &str) {
        let Ok(Value::Object(fields)) = serde_json::from_str(json) else {
            self.is_unreadable = true;
            return;
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let captions = CAPTION_KEYS.iter().filter_map(|key| fields.get(*key)).find_map(|value| match value {
            Value::String(caption) => Some(vec![caption.clone()]),
            Value::Array(captions) => captions.iter().map(text).collect(),
            _ => None,
        });
        if let Some(captions) = captions {
            (self.captions, self.is_described) = (captions, true);
        }
        self.split = fields.get("split").and_then(text);
    }
}

/// A sample's name and the ending of one of its files in lower case; nothing for hidden files.
fn split_name(name: &str) -> Option<(&str, String)> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = start + name[start..].find('.')?;
    (dot > start).then(|| (&name[..dot], name[dot + 1..].to_lowercase()))
}

/// A text in a shard, where it is one.
fn read_text(file: &mut File, member: &Member) -> io::Result<Option<String>> {
    if member.length > MAX_TEXT_BYTES {
        return Ok(None);
    }
    let mut bytes = vec![0; member.length as usize];
    file.seek(SeekFrom::Start(member.offset))?;
    file.read_exact(&mut bytes)?;
    Ok(String::from_utf8(bytes).ok())
}

/// The files in a shard, from its headers alone, and what is wrong with its end.
pub(super) fn members(path: &Path) -> io::Result<(Vec<Member>, Option<String>)> {
    let file = File::open(path)?;
    let end = file.metadata()?.len();
    let mut archive = tar::Archive::new(file);
    let mut members = Vec::new();
    for entry in archive.entries_with_seek()? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Ok((members, Some(format!("is damaged: {error}")))),
        };
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        let (offset, length) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(length).is_none_or(|last| last > end) {
            return Ok((members, Some(format!("ends within {name}"))));
        }
        if entry.header().entry_type().is_file() {
            members.push(Member { name, offset, length });
        }
    }
    Ok((members, None))
}
