//! Datasets on disk: photographs with captions, in whatever form they come.
//!
//! | form | recognised by |
//! |---|---|
//! | Karpathy's split files | `{"images": [{"filename", "split", "sentences"}]}` |
//! | COCO captions | `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}` |
//! | BLIP's lists | `[{"image", "caption"}]`, a caption being a text or a list |
//! | bootstrapped lists | `[{"url", "caption"}]`: the picture of a url is a file of a folder, see [`read_captions`] |
//! | `metadata.jsonl` | one `{"file_name", "text"}` a line |
//! | a folder | pictures with a `.txt` beside each, or with a `metadata.jsonl`, or tar shards |
//! | WebDataset | a `.tar`, a pattern such as `{000000..000123}.tar`, several joined by `::`, or a list of them in a file |

mod braces;
mod check;
mod coco;
mod dialog;
mod english;
mod folder;
mod karpathy;
mod listing;
mod nlvr;
mod noise;
mod order;
mod pairs;
mod picture;
mod pictures;
mod questions;
mod shard_writer;
mod shards;

pub use check::{Broken, Check, Findings, Leak, LongText, Placed, RepeatedText, SharedText, SplitCounts};
pub use dialog::{DialogExample, DialogRound, DialogSet, hold_out_dialogs, read_dialogs};
pub use english::{MadeQuestion, ask, tell};
pub use listing::Listing;
pub use nlvr::{StatementExample, StatementSet, hold_out_statements, read_statements};
pub use noise::{NoisyCaption, NoisyPair, exchange, read_noise};
pub use order::epoch_order;
pub use picture::Picture;
pub use pictures::Shelves;
pub use questions::{QuestionExample, QuestionSet, hold_out_questions, holds_questions, read_questions};
pub use shard_writer::ShardWriter;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};

/// A photograph and its captions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionExample {
    /// Where it lies; it existed when the dataset was read.
    pub image: Picture,
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

/// Reads photographs with captions from a file, a folder or shards, whose form is recognised by the content.
///
/// Images are looked for in the folder `images`, without it beside `data`; one may also lie in a tar shard there, named
/// as if the shard were a folder. `split` keeps one split; of Karpathy's files `train` has `restval` in it, as everyone
/// trains. Files that are missing are left out with a warning.
///
/// Nothing is downloaded: the picture of a url is a file of that folder, called by the SHA-256 of the url in
/// hexadecimal digits (`printf %s URL | sha256sum`) or by the last part of the url's path, where no other url of the
/// list ends in the same; as it is or with `.jpg`, `.jpeg`, `.png` or `.webp` behind it.
///
/// # Errors
/// As [`Listing::read`] and [`Listing::captions`].
pub fn read_captions(data: &Path, images: Option<&Path>, split: Option<&str>) -> Result<CaptionSet> {
    Listing::read(data)?.captions(images, split)
}

/// The splits a dataset names; see [`Listing::splits`].
///
/// # Errors
/// As [`Listing::read`].
pub fn splits(data: &Path) -> Result<Vec<String>> {
    Ok(Listing::read(data)?.splits())
}

/// Whether a dataset names splits; without them [`hold_out`] makes one.
///
/// # Errors
/// As [`read_captions`] where the data cannot be read.
pub fn has_splits(data: &Path) -> Result<bool> {
    splits(data).map(|splits| !splits.is_empty())
}

impl CaptionSet {
    /// Adds the photographs of another set, but for those of `held`; of one that is in both, its captions.
    pub fn extend_beside(&mut self, more: Self, held: &Self) {
        let held: HashSet<PathBuf> = held.examples.iter().map(|example| example.image.whole_path()).collect();
        let places = self.examples.iter().enumerate().map(|(place, example)| (example.image.whole_path(), place));
        let mut places: HashMap<PathBuf, usize> = places.collect();
        for example in more.examples {
            let path = example.image.whole_path();
            match places.get(&path) {
                _ if held.contains(&path) => {}
                Some(&place) => self.examples[place].captions.extend(example.captions),
                None => {
                    places.insert(path, self.examples.len());
                    self.examples.push(example);
                }
            }
        }
        self.warnings.extend(more.warnings);
    }
}

/// Parts a set in two, the second of about `fraction` of the photographs.
///
/// Which ones depends on their names and the seed, not on the order of the file. Unless `fraction` is 0, each side
/// has at least one photograph of two or more.
pub fn hold_out(set: CaptionSet, fraction: f64, seed: u64) -> (CaptionSet, CaptionSet) {
    let (kept, held) = order::hold_out_by(set.examples, |example| example.id.clone(), fraction, seed);
    (CaptionSet { examples: kept, warnings: set.warnings }, CaptionSet { examples: held, warnings: Vec::new() })
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

fn broken(path: &Path, reason: String) -> Error {
    Error::Data { path: path.into(), reason }
}
