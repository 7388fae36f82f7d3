//! The features of what is searched for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use medley::Error;

use super::blend::Leaf;
use super::cache::{FEATURES, digest};
use crate::engine::{Cancel, Engine, Pending, Pixels, Reply, Request, Urgency};
use crate::library::decode;
use crate::library::photo::Kind;

/// How long a cancelled search goes on waiting at most.
pub(super) const GLANCE: Duration = Duration::from_millis(5);

/// Features that are there or on their way.
pub(super) struct Asked {
    known: Vec<Option<Arc<Vec<f32>>>>,
    keys: Vec<u64>,
    /// What the model is at, and the places of the features in it.
    pending: Vec<(Pending, Vec<usize>)>,
}

/// Asks the model for the features that are not known yet.
pub(super) fn ask(engine: &Engine, leaves: &[Leaf]) -> Result<Asked> {
    let keys: Vec<u64> = leaves.iter().map(|leaf| key(engine, leaf)).collect();
    let known: Vec<_> = keys.iter().map(|key| FEATURES.find(*key)).collect();
    let (mut texts, mut pictures) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for (place, leaf) in leaves.iter().enumerate().filter(|(place, _)| known[*place].is_none()) {
        match leaf {
            Leaf::Words(text) => {
                texts.0.push(text.clone());
                texts.1.push(place);
            }
            Leaf::Image(path) => {
                pictures.0.push(pixels(engine, path)?);
                pictures.1.push(place);
            }
        }
    }
    let mut pending = Vec::new();
    if !texts.0.is_empty() {
        pending.push((engine.ask(Urgency::Interactive, Request::TextFeatures(texts.0)), texts.1));
    }
    if !pictures.0.is_empty() {
        pending.push((engine.ask(Urgency::Interactive, Request::PictureFeatures(pictures.0)), pictures.1));
    }
    Ok(Asked { known, keys, pending })
}

impl Asked {
    /// All of them, in the order of the leaves.
    pub fn wait(mut self, cancel: &Cancel) -> Result<Vec<Arc<Vec<f32>>>> {
        for (pending, places) in &self.pending {
            let Reply::Features(features) = wait(pending, cancel)? else { return Err(unexpected()) };
            for (place, feature) in places.iter().zip(features) {
                let feature = Arc::new(feature);
                FEATURES.keep(self.keys[*place], Arc::clone(&feature));
                self.known[*place] = Some(feature);
            }
        }
        self.known.into_iter().map(|feature| feature.ok_or_else(unexpected)).collect()
    }
}

/// Waits for a reply, or until nobody wants it.
pub(super) fn wait(pending: &Pending, cancel: &Cancel) -> Result<Reply> {
    loop {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        if let Some(reply) = pending.wait_for(GLANCE)? {
            return Ok(reply);
        }
    }
}

pub(super) fn unexpected() -> anyhow::Error {
    anyhow!("the model's thread answered something else than it was asked")
}

/// What the feature is kept under: a picture that was written since is another one.
fn key(engine: &Engine, leaf: &Leaf) -> u64 {
    let model = &engine.about().key;
    match leaf {
        Leaf::Words(text) => digest((model, text)),
        Leaf::Image(path) => {
            let path = at_home(path);
            let written = fs::metadata(&path).and_then(|about| about.modified()).ok();
            digest((model, path, written))
        }
    }
}

fn pixels(engine: &Engine, path: &Path) -> Result<Pixels> {
    let pixels = decode::pixels(&at_home(path), Kind::Photo, &engine.about().preprocessor);
    pixels.context("could not search for a picture")
}

/// The path with the user's folder in place of `~`.
fn at_home(path: &Path) -> PathBuf {
    let home = path.strip_prefix("~").ok().zip(dirs::home_dir());
    home.map_or_else(|| path.to_owned(), |(rest, home)| home.join(rest))
}
