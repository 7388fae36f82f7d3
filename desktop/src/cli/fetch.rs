//! Pictures of a dataset, read and decoded on threads while the model works on those before them.

use std::sync::mpsc::{Receiver, sync_channel};

use medley::data::Picture;
use medley::preprocess::Preprocessor;
use medley::{Error, Result};
use rayon::prelude::*;

/// Batches that wait for the model.
const AHEAD: usize = 1;

/// The pixels of pictures, a batch at a time, in their order.
pub struct Fetched {
    batches: Receiver<Result<Vec<Vec<f32>>>>,
}

impl Fetched {
    /// Begins to fetch; ends when this is dropped.
    pub fn begin(preprocessor: &Preprocessor, pictures: Vec<Picture>, batch: usize) -> Self {
        let (sender, batches) = sync_channel(AHEAD);
        let preprocessor = preprocessor.clone();
        std::thread::spawn(move || {
            for pictures in pictures.chunks(batch.max(1)) {
                let pixels = pictures.par_iter().map(|picture| read(&preprocessor, picture)).collect();
                if sender.send(pixels).is_err() {
                    return;
                }
            }
        });
        Self { batches }
    }

    /// The next batch.
    ///
    /// # Errors
    /// The first picture of the batch that cannot be read, by name.
    pub fn next(&self) -> Result<Vec<Vec<f32>>> {
        self.batches.recv().expect("a batch is asked for as often as there is one")
    }
}

/// The pixels of a picture of a dataset; an error names it.
fn read(preprocessor: &Preprocessor, picture: &Picture) -> Result<Vec<f32>> {
    let broken = |error: Error| Error::Data { path: picture.path(), reason: error.to_string() };
    preprocessor.pixels(&picture.read()?).map_err(broken)
}
