//! What the files of a dataset say, before pictures are looked for.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::pictures::{self, Place, Shelves};
use super::{CaptionSet, broken, coco, folder, karpathy, pairs, shards, warning};
use crate::error::{Error, Result};

/// The descriptions of a captioned dataset, read once for all its splits.
pub struct Listing {
    data: PathBuf,
    pub(super) records: Vec<Record>,
    pub(super) warnings: Vec<String>,
}

/// One photograph as its file describes it.
#[derive(Clone)]
pub(super) struct Record {
    pub id: String,
    /// Its path or address as written.
    pub image: String,
    /// Where to look for it.
    pub place: Place,
    pub captions: Vec<String>,
    pub split: Option<String>,
}

/// What a file describes, and what was odd about it.
#[derive(Default)]
pub(super) struct Records {
    pub records: Vec<Record>,
    pub warnings: Vec<String>,
}

impl Records {
    pub fn warn(&mut self, what: &str, names: &[String]) {
        self.warnings.extend(warning(what, names));
    }
}

impl Listing {
    /// Reads the descriptions from a file, a folder or shards, whose form is recognised by the content.
    ///
    /// # Errors
    /// [`Error::Read`] where `data` cannot be read; [`Error::Data`], in one line with what to do, where it is in none
    /// of the forms or is empty.
    pub fn read(data: &Path) -> Result<Self> {
        let found = match shards::named(data)? {
            Some(shards) => shards::read(data, &shards)?,
            None => {
                let metadata = fs::metadata(data).map_err(|source| Error::Read { path: data.into(), source })?;
                if metadata.is_dir() { folder::read(data)? } else { read_file(data)? }
            }
        };
        let Records { records, warnings } = found;
        if records.is_empty() {
            return Err(broken(data, "no image in it".to_owned()));
        }
        Ok(Self { data: data.to_owned(), records, warnings })
    }

    /// The splits it names, in the order they appear, `restval` counted as `train`; empty where it has none.
    pub fn splits(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for split in self.records.iter().filter_map(|record| record.split.as_deref()) {
            let name = canonical(split);
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// The photographs that are there and have a caption, of one split or of all; as [`read_captions`].
    ///
    /// # Errors
    /// [`Error::Data`] where the split or every caption is lacking, or where no image is found.
    ///
    /// [`read_captions`]: super::read_captions
    pub fn captions(&self, images: Option<&Path>, split: Option<&str>) -> Result<CaptionSet> {
        let mut found = Records { records: self.records.clone(), warnings: self.warnings.clone() };
        if let Some(split) = split {
            self.keep_split(&mut found, split)?;
        }
        self.drop_empty_captions(&mut found)?;
        let mut shelves = self.shelves(images)?;
        let Records { records, mut warnings } = found;
        let (examples, missing) = pictures::find(records, &mut shelves);
        if examples.is_empty() {
            return Err(broken(&self.data, shelves.explain_missing(&missing)));
        }
        warnings.extend(warning("images missing and left out", &missing));
        Ok(CaptionSet { examples, warnings })
    }

    /// Where its pictures may lie.
    pub(super) fn shelves(&self, images: Option<&Path>) -> Result<Shelves> {
        Shelves::new(&self.data, images)
    }

    fn keep_split(&self, found: &mut Records, wanted: &str) -> Result<()> {
        let names = self.splits();
        // `restval` alone can be asked for, too.
        let belongs = |split: &str| split == wanted || canonical(split) == canonical_of_wish(wanted);
        found.records.retain(|record| record.split.as_deref().is_some_and(belongs));
        let reason = match (found.records.is_empty(), names.as_slice()) {
            (false, _) => return Ok(()),
            (true, []) => format!("has no splits; read all of it, without --split {wanted}"),
            (true, names) => format!("has no split called {wanted}; it has {}", names.join(", ")),
        };
        Err(broken(&self.data, reason))
    }

    /// Leaves out empty captions, then images without any.
    fn drop_empty_captions(&self, found: &mut Records) -> Result<()> {
        let (mut empty, mut bare) = (Vec::new(), Vec::new());
        found.records.retain_mut(|record| {
            let before = record.captions.len();
            record.captions.retain(|caption| !caption.trim().is_empty());
            empty.extend(std::iter::repeat_n(record.image.clone(), before - record.captions.len()));
            if record.captions.is_empty() {
                bare.push(record.image.clone());
            }
            !record.captions.is_empty()
        });
        if found.records.is_empty() {
            return Err(broken(&self.data, "no image in it has a caption".to_owned()));
        }
        found.warn("captions empty and left out", &empty);
        found.warn("images without a caption, left out", &bare);
        Ok(())
    }
}

/// One name for what several call a split; of Karpathy's files `restval` is learned from with `train`.
pub(super) fn canonical(split: &str) -> &str {
    match split {
        "valid" | "validation" | "dev" => "val",
        "restval" => "train",
        other => other,
    }
}

/// As [`canonical`], but who asks for `restval` means it.
fn canonical_of_wish(split: &str) -> &str {
    if split == "restval" { split } else { canonical(split) }
}

/// The keys by which JSON files are told apart.
#[derive(Deserialize)]
struct Keys {
    images: Option<IgnoredAny>,
    annotations: Option<IgnoredAny>,
    questions: Option<IgnoredAny>,
}

fn read_file(data: &Path) -> Result<Records> {
    let text = read_text(data)?;
    let invalid = |error: serde_json::Error| broken(data, format!("not the JSON it should be: {error}"));
    let records = match text.trim_start().chars().next() {
        None => return Err(broken(data, "file is empty".to_owned())),
        Some('[') => {
            pairs::into_records(serde_json::from_str(&text).map_err(invalid)?).map_err(|reason| broken(data, reason))?
        }
        Some('{') if is_lines(data, &text) => {
            let pairs = pairs::read_lines(&text)
                .map_err(|reason| broken(data, format!("not the JSON it should be: {reason}")))?;
            pairs::into_records(pairs).map_err(|reason| broken(data, reason))?
        }
        Some('{') => {
            let keys: Keys = serde_json::from_str(&text).map_err(invalid)?;
            if keys.questions.is_some() {
                return Err(broken(data, "holds questions, not captions".to_owned()));
            }
            if keys.images.is_none() {
                return Err(broken(data, format!("has no \"images\"; {FORMS}")));
            }
            if keys.annotations.is_some() {
                let coco: coco::Coco = serde_json::from_str(&text).map_err(invalid)?;
                let (records, warnings) = coco.into_records();
                return Ok(Records { records, warnings });
            }
            serde_json::from_str::<karpathy::Karpathy>(&text).map_err(invalid)?.into_records()
        }
        Some(_) => match shards::listed(data, &text)? {
            Some(shards) => return shards::read(data, &shards),
            None => return Err(broken(data, format!("in no known form; {FORMS}"))),
        },
    };
    Ok(Records { records, warnings: Vec::new() })
}

/// What may be given instead of a file that is none of it.
const FORMS: &str = "give a Karpathy split file, COCO captions, a list of image and caption, a metadata.jsonl, \
                     tar shards or a folder";

/// Whether each line is an object of its own: by the file's name, or because the first line is whole and not the last.
fn is_lines(data: &Path, text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    data.extension().is_some_and(|ending| ending == "jsonl" || ending == "ndjson")
        || (lines.next().is_some() && serde_json::from_str::<IgnoredAny>(first).is_ok())
}

/// A whole text file, without the mark some editors put in front.
pub(super) fn read_text(file: &Path) -> Result<String> {
    let bytes = fs::read(file).map_err(|source| Error::Read { path: file.into(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| broken(file, "not a text in UTF-8".to_owned()))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}
