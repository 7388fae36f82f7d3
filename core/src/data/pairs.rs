//! Lists of pictures with captions: BLIP's JSON lists, and `metadata.jsonl` with one object a line.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::listing::Record;
use super::pictures::Place;

/// One picture with one caption or several.
#[derive(Deserialize)]
pub(super) struct Pair {
    #[serde(alias = "file_name", alias = "filename")]
    image: Option<String>,
    /// What the lists of bootstrapped captions have in the place of a file.
    url: Option<String>,
    #[serde(alias = "text", alias = "captions", default)]
    caption: Captions,
    #[serde(default)]
    split: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(untagged, expecting = "a caption must be a text or a list of texts")]
enum Captions {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

impl Captions {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(caption) => vec![caption],
            Self::Many(captions) => captions,
            Self::None => Vec::new(),
        }
    }
}

/// Reads one JSON object a line; empty lines are passed over.
///
/// # Errors
/// A sentence with the line and the column.
pub(super) fn read_lines<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    let mut read = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let one = serde_json::from_str(line).map_err(|error| {
            let column = error.column();
            let message = error.to_string();
            // The parser counts lines from this one.
            let message = message.split(" at line ").next().unwrap_or_default();
            format!("{message} at line {number} column {column}")
        })?;
        read.push(one);
    }
    Ok(read)
}

/// The pictures in the order of their first caption; pairs that name the same picture become one.
///
/// # Errors
/// A sentence that says which entry names no picture.
pub(super) fn into_records(pairs: Vec<Pair>) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (number, pair) in (1..).zip(pairs) {
        let (image, place) = match (pair.image, pair.url) {
            (Some(image), _) => (image, Place::Shelf),
            (None, Some(url)) => (url, Place::Url),
            (None, None) => return Err(format!("entry {number} has no \"image\" (or \"file_name\", or \"url\")")),
        };
        let captions = pair.caption.into_vec();
        match places.get(&image) {
            Some(&place) => records[place].captions.extend(captions),
            None => {
                places.insert(image.clone(), records.len());
                records.push(Record { id: image.clone(), image, place, captions, split: pair.split });
            }
        }
    }
    Ok(records)
}
