//! Datasets on disk: photographs with captions, in whatever form they come.
//!
//! | form | recognised by |
//! |---|---|
//! | Karpathy's split files | `{"images": [{"filename", "split", "sentences"}]}` |
//! | COCO captions | `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}` |
//! | BLIP's lists | `[{"image", "caption"}]`, a caption being a text or a list |
//! | `metadata.jsonl` | one `{"file_name", "text"}` a line |
//! | a folder | pictures with a `.txt` beside each, or with a `metadata.jsonl` |

mod coco;
mod dialog;
mod folder;
mod karpathy;
mod nlvr;
mod order;
mod pairs;
mod pictures;
mod questions;

pub use dialog::{DialogExample, DialogRound, DialogSet, hold_out_dialogs, read_dialogs};
pub use nlvr::{StatementExample, StatementSet, hold_out_statements, read_statements};
pub use order::epoch_order;
pub use questions::{QuestionExample, QuestionSet, hold_out_questions, read_questions};

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::{Error, Result};

/// A photograph and its captions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionExample {
    /// The file; it existed when the dataset was read.
    pub image: PathBuf,
    /// What people wrote about it: at least one text, none of them empty.
    pub captions: Vec<String>,
    /// Its name within the dataset: COCO's number where there is one, the path as written otherwise.
    pub id: String,
}

/// The photographs of a dataset, or of one of its splits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptionSet {
    /// The photographs, in the order of the file.
    pub examples: Vec<CaptionExample>,
    /// What was left out and why, one sentence each.
    pub warnings: Vec<String>,
}

/// Reads photographs with captions from a file or a folder whose form is recognised by its content.
///
/// Images are looked for in the folder `images`, without it beside `data`. `split` keeps one split; of Karpathy's
/// files `train` has `restval` in it, as everyone trains. Files that are missing are left out with a warning.
///
/// # Errors
/// [`Error::Read`] where `data` cannot be read; [`Error::Data`], in one line with what to do, where it is in none of
/// the forms, is empty, lacks the split or every caption, or where no image is found.
pub fn read_captions(data: &Path, images: Option<&Path>, split: Option<&str>) -> Result<CaptionSet> {
    let mut found = read_records(data)?;
    if let Some(split) = split {
        keep_split(data, &mut found, split)?;
    }
    drop_empty_captions(data, &mut found)?;
    let shelves = pictures::shelves(data, images)?;
    let Records { records, mut warnings } = found;
    let (examples, missing) = pictures::find(records, &shelves);
    if examples.is_empty() {
        return Err(broken(data, pictures::explain_missing(&missing, &shelves)));
    }
    warnings.extend(warning("images missing and left out", &missing));
    Ok(CaptionSet { examples, warnings })
}

/// The splits a dataset names, in the order they appear, `restval` counted as `train`; empty where it has none.
///
/// # Errors
/// As [`read_captions`] where the data cannot be read.
pub fn splits(data: &Path) -> Result<Vec<String>> {
    Ok(split_names(&read_records(data)?.records))
}

/// Whether a dataset names splits; without them [`hold_out`] makes one.
///
/// # Errors
/// As [`read_captions`] where the data cannot be read.
pub fn has_splits(data: &Path) -> Result<bool> {
    splits(data).map(|splits| !splits.is_empty())
}

/// Parts a set in two, the second of about `fraction` of the photographs.
///
/// Which ones depends on their names and the seed, not on the order of the file. Unless `fraction` is 0, each side
/// has at least one photograph of two or more.
pub fn hold_out(set: CaptionSet, fraction: f64, seed: u64) -> (CaptionSet, CaptionSet) {
    let total = set.examples.len();
    let wanted = (total as f64 * fraction.clamp(0.0, 1.0)).round() as usize;
    let wanted = wanted.max(usize::from(fraction > 0.0)).min(total.saturating_sub(1));
    let mut keys: Vec<(u64, usize)> = set
        .examples
        .iter()
        .enumerate()
        .map(|(place, example)| (order::shuffle_key(&example.id, seed), place))
        .collect();
    keys.sort_unstable();
    let mut held = vec![false; total];
    keys.iter().take(wanted).for_each(|&(_, place)| held[place] = true);
    let (second, first): (Vec<_>, Vec<_>) = set.examples.into_iter().zip(held).partition(|(_, held)| *held);
    let side = |examples: Vec<(CaptionExample, bool)>, warnings| CaptionSet {
        examples: examples.into_iter().map(|(example, _)| example).collect(),
        warnings,
    };
    (side(first, set.warnings), side(second, Vec::new()))
}

/// One photograph as its file describes it.
struct Record {
    id: String,
    /// Path as written, to be found on a shelf.
    image: String,
    captions: Vec<String>,
    split: Option<String>,
}

/// What a file describes, and what was odd about it.
#[derive(Default)]
struct Records {
    records: Vec<Record>,
    warnings: Vec<String>,
}

impl Records {
    fn warn(&mut self, what: &str, names: &[String]) {
        self.warnings.extend(warning(what, names));
    }
}

/// `images missing and left out: 4 (a.jpg, b.jpg, c.jpg, …)`, where there is one at least.
fn warning(what: &str, names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| format!("{what}: {} ({})", names.len(), some_of(names)))
}

/// The first few of many names.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, …") } else { shown }
}

/// A number or a text that names something.
struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an id must be a number or a text")]
        enum Either {
            Number(i64),
            Text(String),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Number(number) => number.to_string(),
            Either::Text(text) => text,
        }))
    }
}

/// The keys by which JSON files are told apart.
#[derive(Deserialize)]
struct Keys {
    images: Option<IgnoredAny>,
    annotations: Option<IgnoredAny>,
    questions: Option<IgnoredAny>,
}

fn read_records(data: &Path) -> Result<Records> {
    let metadata = fs::metadata(data).map_err(|source| Error::Read { path: data.into(), source })?;
    let found = if metadata.is_dir() { folder::read(data)? } else { read_file(data)? };
    if found.records.is_empty() {
        return Err(broken(data, "no image in it".to_owned()));
    }
    Ok(found)
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
        Some(_) => return Err(broken(data, format!("in no known form; {FORMS}"))),
    };
    Ok(Records { records, warnings: Vec::new() })
}

/// What may be given instead of a file that is none of it.
const FORMS: &str =
    "give a Karpathy split file, COCO captions, a list of image and caption, a metadata.jsonl or a folder";

/// Whether each line is an object of its own: by the file's name, or because the first line is whole and not the last.
fn is_lines(data: &Path, text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    data.extension().is_some_and(|ending| ending == "jsonl" || ending == "ndjson")
        || (lines.next().is_some() && serde_json::from_str::<IgnoredAny>(first).is_ok())
}

/// A whole text file, without the mark some editors put in front.
fn read_text(file: &Path) -> Result<String> {
    let bytes = fs::read(file).map_err(|source| Error::Read { path: file.into(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| broken(file, "not a text in UTF-8".to_owned()))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn broken(path: &Path, reason: String) -> Error {
    Error::Data { path: path.into(), reason }
}

/// One name for what several call the validation split.
fn canonical(split: &str) -> &str {
    match split {
        "valid" | "validation" | "dev" => "val",
        other => other,
    }
}

fn split_names(records: &[Record]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for split in records.iter().filter_map(|record| record.split.as_deref()) {
        let name = if split == "restval" { "train" } else { canonical(split) };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn keep_split(data: &Path, found: &mut Records, wanted: &str) -> Result<()> {
    let wanted = canonical(wanted);
    let names = split_names(&found.records);
    let belongs = |split: &str| canonical(split) == wanted || (wanted == "train" && split == "restval");
    found.records.retain(|record| record.split.as_deref().is_some_and(belongs));
    match (found.records.is_empty(), names.as_slice()) {
        (false, _) => Ok(()),
        (true, []) => Err(broken(data, format!("has no splits; read all of it, without --split {wanted}"))),
        (true, names) => Err(broken(data, format!("has no split called {wanted}; it has {}", names.join(", ")))),
    }
}

/// Leaves out empty captions, then images without any.
fn drop_empty_captions(data: &Path, found: &mut Records) -> Result<()> {
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
        return Err(broken(data, "no image in it has a caption".to_owned()));
    }
    found.warn("captions empty and left out", &empty);
    found.warn("images without a caption, left out", &bare);
    Ok(())
}
