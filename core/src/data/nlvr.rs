//! Statements about two pictures.
//!
//! | form | recognised by |
//! |---|---|
//! | NLVR2's own | one `{"identifier", "sentence", "label"}` a line |
//! | BLIP's lists | `[{"images": [left, right], "sentence", "label"}]` |

use std::path::Path;

use serde::Deserialize;

use super::listing::read_text;
use super::order::hold_out_by;
use super::pictures::{Shelves, bare_name};
use super::{Picture, broken, pairs, warning};
use crate::error::Result;
use crate::preprocess::pre_caption;

/// A statement about two pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementExample {
    /// The left picture and the right one; they existed when the dataset was read.
    pub images: [Picture; 2],
    /// As people wrote it.
    pub statement: String,
    /// Whether it is true; absent where the dataset keeps that to itself.
    pub label: Option<bool>,
    /// NLVR2's identifier where there is one, the place in the file otherwise.
    pub id: String,
    /// What the examples of one statement share: the identifier without the number of the pair, or the
    /// pictures' set and the statement where there is no identifier.
    pub group: String,
}

/// The statements of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementSet {
    /// In the order of the file.
    pub examples: Vec<StatementExample>,
    /// What was left out and why, one sentence each.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    identifier: Option<String>,
    images: Option<[String; 2]>,
    sentence: String,
    label: Option<Label>,
    /// The folder of a training picture; the other splits lie flat.
    directory: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a label must be \"True\" or \"False\"")]
enum Label {
    Known(bool),
    Written(String),
}

/// What may be given instead of a file that is none of it.
const FORMS: &str = "give NLVR2's JSON lines, or a list of images, sentence and label";

/// Reads statements in NLVR2's own form or BLIP's.
///
/// Pictures are looked for in the folder `images`, without it beside `data`; those that NLVR2 does not name bear
/// the identifier without its last number, as the official repository says, and lie flat, in a folder of their
/// split, or in a numbered folder of it.
///
/// # Errors
/// [`Error::Read`](crate::Error::Read) where `data` cannot be read; [`Error::Data`](crate::Error::Data), in one line, where it is in neither form, is
/// empty, has a label that is none, or where no picture is found.
pub fn read_statements(data: &Path, images: Option<&Path>) -> Result<StatementSet> {
    let text = read_text(data)?;
    let entries: Result<Vec<Entry>, String> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(&text).map_err(|error| error.to_string()),
        false => pairs::read_lines(&text),
    };
    let entries = entries.map_err(|error| broken(data, format!("not the JSON it should be: {error}; {FORMS}")))?;
    if entries.is_empty() {
        return Err(broken(data, "no statement in it".to_owned()));
    }
    let mut shelves = Shelves::new(data, images)?;
    let (mut set, mut missing, mut empty) = (StatementSet::default(), Vec::new(), Vec::new());
    for (place, entry) in entries.into_iter().enumerate() {
        let id = entry.identifier.clone().unwrap_or_else(|| place.to_string());
        let label = entry.label().map_err(|label| {
            broken(data, format!("statement {id} has the label {label:?}, which is neither True nor False"))
        })?;
        let Some(names) = entry.names() else {
            return Err(broken(
                data,
                format!("statement {id} has no \"images\" and no \"identifier\" that names them"),
            ));
        };
        let found = names.each_ref().map(|names| names.iter().find_map(|name| shelves.find(name)));
        let [Some(left), Some(right)] = found else {
            let gone = found.iter().zip(&names).filter(|(found, _)| found.is_none());
            missing.extend(gone.map(|(_, names)| names[names.len() - 1].clone()));
            continue;
        };
        if pre_caption(&entry.sentence, usize::MAX).is_empty() {
            empty.push(id);
            continue;
        }
        let group = match &entry.identifier {
            Some(identifier) => without_pair(identifier),
            None => format!("{} {}", pictures_set(&left), entry.sentence),
        };
        set.examples.push(StatementExample { images: [left, right], statement: entry.sentence, label, id, group });
    }
    set.warnings.extend(warning("statements empty and left out", &empty));
    if set.examples.is_empty() && missing.is_empty() {
        return Err(broken(data, "no statement in it has a word".to_owned()));
    }
    if set.examples.is_empty() {
        return Err(broken(data, shelves.explain_missing(&missing)));
    }
    missing.dedup();
    set.warnings.extend(warning("images missing, the statements about them left out", &missing));
    Ok(set)
}

/// Parts a set in two, the second of the statements about roughly `fraction` of the sets of pictures.
///
/// NLVR2 shows every set in several pairs and says several things about it: all of them go to one side. Which ones
/// depends on the pictures' names and the seed alone. Unless `fraction` is 0, each side has a set at least where
/// there are two or more.
pub fn hold_out_statements(set: StatementSet, fraction: f64, seed: u64) -> (StatementSet, StatementSet) {
    let (kept, held) = hold_out_by(set.examples, |example| pictures_set(&example.images[0]), fraction, seed);
    (StatementSet { examples: kept, warnings: set.warnings }, StatementSet { examples: held, warnings: Vec::new() })
}

impl Entry {
    /// The label, or what stands in its place.
    fn label(&self) -> Result<Option<bool>, String> {
        match &self.label {
            None => Ok(None),
            Some(Label::Known(label)) => Ok(Some(*label)),
            Some(Label::Written(label)) => match label.to_lowercase().as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(label.clone()),
            },
        }
    }

    /// The names each picture may have on a shelf, the likeliest first and the barest last.
    fn names(&self) -> Option<[Vec<String>; 2]> {
        if let Some(images) = &self.images {
            return Some(images.each_ref().map(|image| endings(image)));
        }
        let identifier = self.identifier.as_deref()?;
        let (pair, _) = identifier.rsplit_once('-')?;
        let (split, _) = pair.split_once('-')?;
        Some([0, 1].map(|image| {
            let name = format!("{pair}-img{image}.png");
            let folders = self.directory.iter().flat_map(|directory| {
                [format!("{split}/{directory}/"), format!("images/{split}/{directory}/"), format!("{directory}/")]
            });
            let folders = folders.chain([format!("{split}/"), format!("images/{split}/"), String::new()]);
            folders.map(|folder| format!("{folder}{name}")).collect()
        }))
    }
}

/// A path as written, then without its first folders, which may be those of another machine.
///
/// The bare name is enough only where it is NLVR2's, which no two pictures share.
fn endings(image: &str) -> Vec<String> {
    let starts = std::iter::once(0).chain(image.match_indices('/').map(|(at, _)| at + 1));
    let names = starts.map(|start| image[start..].to_owned());
    names.filter(|name| name == image || name.contains('/') || name.split('-').count() == 4).collect()
}

/// `dev-850-0-1` without the number of the pair: `dev-850--1` (`metrics.py`).
fn without_pair(identifier: &str) -> String {
    let mut parts: Vec<&str> = identifier.split('-').collect();
    if let Some(pair) = parts.get_mut(2) {
        *pair = "";
    }
    parts.join("-")
}

/// The set a picture belongs to, `dev-850` of `dev-850-0-img0.png`; a picture of another name is one of its own.
fn pictures_set(image: &Picture) -> String {
    let image = image.to_string();
    let name = bare_name(&image);
    match name.split('-').collect::<Vec<_>>().as_slice() {
        [split, set, _, _] => format!("{split}-{set}"),
        _ => name.to_owned(),
    }
}
