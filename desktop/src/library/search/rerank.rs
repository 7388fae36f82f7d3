//! The best of what was found, read together with the text.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use anyhow::Result;
use medley::Error;
use medley::pipeline::Reading;

use super::cache::{READINGS, digest};
use super::candidates::Candidates;
use super::features::{GLANCE, unexpected, wait};
use super::{SearchEvent, SearchOptions, SearchReport, tell};
use crate::engine::{Cancel, Engine, Pixels, Reply, Request, Urgency};
use crate::library::Library;
use crate::library::photo::PhotoId;

/// Pictures that are read at once: few first, so that the top of the list settles soon.
const FIRST_BATCH: usize = 4;
const BATCH: usize = 8;

/// Batches of pictures that are decoded ahead of the model.
const AHEAD: usize = 2;

/// Pictures, each with its place among the candidates.
type Batch = Vec<(usize, Pixels)>;

/// Reads the first `count` candidates with every text, and tells the whole list after each batch.
pub(super) fn rerank(
    library: &Library,
    engine: &Engine,
    texts: &[(usize, String)],
    count: usize,
    candidates: &mut Candidates,
    options: &SearchOptions,
    report: &mut SearchReport<'_>,
) -> Result<()> {
    let key = |place: usize, text: &str, candidates: &Candidates| {
        digest((library.folder(), &engine.about().key, candidates.content(place), text))
    };
    let mut unread = Vec::new();
    let count = count.min(candidates.len());
    for place in 0..count {
        let known: Option<Vec<Reading>> =
            texts.iter().map(|(_, text)| READINGS.find(key(place, text, candidates))).collect();
        match known {
            Some(readings) => candidates.set_readings(place, &readings),
            None => unread.push((place, candidates.photo(place))),
        }
    }
    if unread.len() < count {
        tell(report, SearchEvent::Reranked(candidates.hits(options)))?;
    }
    if unread.is_empty() {
        return Ok(());
    }
    let batches = decoded(library, engine, unread)?;
    while let Some(batch) = next(&batches, &options.cancel)? {
        let (places, pictures): (Vec<usize>, Vec<Pixels>) = batch.into_iter().unzip();
        let request = Request::Read { pictures, texts: texts.iter().map(|(_, text)| text.clone()).collect() };
        let pending = engine.ask(Urgency::Interactive, request);
        let Reply::Readings(readings) = wait(&pending, &options.cancel)? else { return Err(unexpected()) };
        for (place, readings) in places.into_iter().zip(readings) {
            for ((_, text), reading) in texts.iter().zip(&readings) {
                READINGS.keep(key(place, text, candidates), *reading);
            }
            candidates.set_readings(place, &readings);
        }
        tell(report, SearchEvent::Reranked(candidates.hits(options)))?;
    }
    Ok(())
}

/// The next batch, waited for as long as someone wants it; `None` after the last.
fn next(batches: &Receiver<Batch>, cancel: &Cancel) -> Result<Option<Batch>> {
    loop {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        match batches.recv_timeout(GLANCE) {
            Ok(batch) => return Ok(Some(batch)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}

/// Pictures in batches, each with its place, decoded by a thread that ends when nobody takes them any more. A picture
/// that cannot be decoded is left out: it keeps what its features said.
fn decoded(library: &Library, engine: &Engine, files: Vec<(usize, PhotoId)>) -> Result<Receiver<Batch>> {
    let (sender, receiver) = sync_channel(AHEAD);
    let (library, preprocessor) = (library.clone(), engine.about().preprocessor.clone());
    let decode = move || {
        let mut batch = Vec::new();
        let mut room = FIRST_BATCH;
        for (place, photo) in files {
            let Ok(Some(photo)) = library.catalog().photo(photo) else { continue };
            let Ok(picture) = library.thumbnails().load(library.catalog(), &photo) else { continue };
            batch.push((place, Arc::new(preprocessor.pixels_of(&picture))));
            if batch.len() == room {
                room = BATCH;
                if sender.send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
            }
        }
        if !batch.is_empty() {
            // Nobody takes it where the search was stopped.
            let _ = sender.send(batch);
        }
    };
    std::thread::Builder::new().name("pictures of a search".to_owned()).spawn(decode)?;
    Ok(receiver)
}
