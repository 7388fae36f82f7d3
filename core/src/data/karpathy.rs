//! Karpathy's split files of COCO, Flickr8k and Flickr30k: `dataset_*.json`.

use serde::Deserialize;

use super::Id;
use super::listing::Record;
use super::pictures::Place;

/// Images with their split and sentences.
#[derive(Deserialize)]
pub(super) struct Karpathy {
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    filename: String,
    /// The folder of COCO's own split: `train2014` or `val2014`.
    #[serde(default)]
    filepath: String,
    #[serde(default)]
    cocoid: Option<Id>,
    #[serde(default)]
    split: Option<String>,
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    raw: String,
}

impl Karpathy {
    pub(super) fn into_records(self) -> Vec<Record> {
        let record = |image: Image| {
            let name = match image.filepath.as_str() {
                "" => image.filename,
                folder => format!("{folder}/{}", image.filename),
            };
            Record {
                id: image.cocoid.map_or_else(|| name.clone(), |Id(id)| id),
                image: name,
                place: Place::Shelf,
                captions: image.sentences.into_iter().map(|sentence| sentence.raw).collect(),
                split: image.split,
            }
        };
        self.images.into_iter().map(record).collect()
    }
}
