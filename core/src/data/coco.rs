//! COCO's own caption files: `captions_val2014.json`.

use std::collections::HashMap;

use serde::Deserialize;

use super::Id;
use super::listing::Record;
use super::pictures::Place;

/// Images and annotations, joined by the image's id.
#[derive(Deserialize)]
pub(super) struct Coco {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Image {
    id: Id,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: Id,
    /// Absent in the files for detection, which look the same otherwise.
    caption: Option<String>,
}

impl Coco {
    /// The images with their captions, in the order of the images, and what was odd.
    pub(super) fn into_records(self) -> (Vec<Record>, Vec<String>) {
        let record = |Image { id: Id(id), file_name }| Record {
            id,
            image: file_name,
            place: Place::Shelf,
            captions: Vec::new(),
            split: None,
        };
        let mut records: Vec<Record> = self.images.into_iter().map(record).collect();
        let places: HashMap<String, usize> =
            records.iter().enumerate().map(|(place, record)| (record.id.clone(), place)).collect();
        let mut strangers = 0;
        for Annotation { image_id: Id(id), caption } in self.annotations {
            match places.get(&id) {
                Some(&place) => records[place].captions.extend(caption),
                None => strangers += 1,
            }
        }
        let warning =
            (strangers > 0).then(|| format!("captions of images that the file does not list, left out: {strangers}"));
        (records, warning.into_iter().collect())
    }
}
