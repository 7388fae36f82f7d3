//! Search: a filter first, then an exact scan of what is left by features (ITC), then the best of it read together with
//! the text (ITM).
//!
//! - Several terms become one vector, the sum of theirs by weight, which orders photographs as the weighted sum of
//!   similarities does; a negative weight subtracts. `dog OR cat` are two vectors, of which the better counts.
//! - What was found by features is there at once; then pictures are read in small batches, each of which settles places.
//! - The probability of a match is the product of those of the terms, of a negative term that of its absence; weights,
//!   the largest taken as 1, are exponents. [`Calibration`] makes a probability of what was found.
//! - A picture among the terms has no text to be read with: such a search is ordered by similarity and has no
//!   probabilities.
//! - Files with the same bytes are one hit: the first of them, the others counted.
//! - Of a film, its thumbnail is read, which is one frame; its similarity is that of all its frames.
//! - A query without terms lists files, every one, the newest first.

mod blend;
mod cache;
mod candidates;
mod features;
mod rerank;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use medley::Error;

use super::Library;
use super::catalog::{Order, Row};
use super::photo::{ContentId, PhotoId};
use super::query::{Filter, Query};
use super::store::{Among, Scored, VectorStore};
use crate::engine::{Cancel, Engine};
use blend::Blends;
use candidates::Candidates;

/// The least probability of a match that is shown if nobody says otherwise. Of the built-in model, it keeps nine of ten
/// right pictures of a whole sentence, all of a short phrase, and cuts the endless tail.
pub const STRICTNESS: f32 = 0.02;

/// Photographs that are shown where none reaches the cut-off, if nobody says otherwise.
const NEAREST: usize = 3;

/// How a search is made.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// Hits at most.
    pub top: usize,
    /// Photographs that are read together with the text; of a query of several texts so many fewer.
    pub rerank: usize,
    /// How hits are listed.
    pub order: SearchOrder,
    /// The least probability of a match, 0 for all and 1 for none but the surest.
    pub strictness: f32,
    /// Where no match is that probable, so many of the nearest are shown all the same.
    pub nearest: usize,
    /// Stops the search at once, with [`Error::Cancelled`]: for when the next query is there.
    pub cancel: Cancel,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            top: 200,
            rerank: 48,
            order: SearchOrder::Match,
            strictness: STRICTNESS,
            nearest: NEAREST,
            cancel: Cancel::default(),
        }
    }
}

impl SearchOptions {
    /// Whether these were shown because nothing reaches the cut-off.
    pub fn are_nearest(&self, hits: &[Hit]) -> bool {
        hits.first().is_some_and(|hit| !self.is_reached(hit))
    }

    fn is_reached(&self, hit: &Hit) -> bool {
        hit.matched.is_none_or(|matched| matched >= self.strictness)
    }
}

/// How hits are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SearchOrder {
    /// The best match first.
    #[default]
    Match,
    /// The best matches, the newest first.
    Date,
}

/// A photograph that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The first file that shows it.
    pub photo: PhotoId,
    /// What it shows.
    pub content: ContentId,
    /// Cosine with the query (ITC); `None` where nothing was compared.
    pub similarity: Option<f32>,
    /// The probability of a match; `None` where there is none.
    pub matched: Option<f32>,
    /// Whether the probability stays as it is.
    pub is_settled: bool,
    /// Other files with the same bytes that the filter lets through.
    pub copies: usize,
}

/// What a search says on its way.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchEvent {
    /// By features alone, at once.
    Found(Vec<Hit>),
    /// The whole list again, as pictures were read.
    Reranked(Vec<Hit>),
}

/// Hears of a search; answering `Break` stops it.
pub type SearchReport<'a> = dyn FnMut(SearchEvent) -> ControlFlow<()> + 'a;

/// Searches the library; answers with the list as it was settled.
///
/// # Errors
/// [`Error::Cancelled`] when asked to stop, a model that cannot compare, a text it cannot read, a picture that cannot be
/// decoded, a catalogue or vectors that cannot be read.
pub fn search(
    library: &Library,
    engine: &Engine,
    query: &Query,
    options: &SearchOptions,
    report: &mut SearchReport<'_>,
) -> Result<Vec<Hit>> {
    if query.terms.is_empty() {
        let hits = list(library, &query.filter, options.top)?;
        return tell(report, SearchEvent::Found(hits.clone())).map(|()| hits);
    }
    let store = library.vectors(engine.about())?;
    let blends = blend::blends(&query.terms)?;
    // The model reads the texts while the catalogue is asked.
    let asked = features::ask(engine, &blends.leaves)?;
    let rows = match query.filter {
        Filter::All => None,
        ref filter => Some(library.catalog().find_contents(filter)?),
    };
    let features = asked.wait(&options.cancel)?;
    let texts = blends.texts();
    let rerank = if texts.is_empty() { 0 } else { options.rerank.min(store.len()) / texts.len() };
    let wanted = options.top.max(rerank);
    let scored = scan(&*store, &blends, &features, wanted, rows.as_ref().map(|rows| rows.as_slice()), library)?;
    let mut candidates = Candidates::new(scored, &blends, engine.about().calibration);
    candidates.add_similarities(&*store, &features)?;
    candidates.settle_from(rerank);
    tell(report, SearchEvent::Found(candidates.hits(options)))?;
    if rerank > 0 {
        rerank::rerank(library, engine, &texts, rerank, &mut candidates, options, report)?;
    }
    candidates.settle_from(0);
    Ok(candidates.hits(options))
}

/// The files that a filter lets through, the newest first; no model is needed for that.
///
/// # Errors
/// A catalogue that cannot be read.
pub fn list(library: &Library, filter: &Filter, top: usize) -> Result<Vec<Hit>> {
    let rows = library.catalog().find(filter, Order::Newest)?;
    let hit = |row: Row| {
        let hit = Hit {
            photo: row.photo,
            content: row.content?,
            similarity: None,
            matched: None,
            is_settled: true,
            copies: 0,
        };
        Some(hit)
    };
    Ok(rows.into_iter().filter_map(hit).take(top).collect())
}

/// The photographs most like one of the library, itself left out.
///
/// # Errors
/// A photograph that this model has not read, and as [`search`].
pub fn similar(library: &Library, engine: &Engine, content: ContentId, top: usize) -> Result<Vec<Hit>> {
    let store = library.vectors(engine.about())?;
    let vector = store.vector(content)?;
    let vector = vector.ok_or_else(|| anyhow!("this photograph is not indexed for {} yet", engine.about().name))?;
    let found = scan_vectors(&*store, &[vector], top.saturating_add(1), None, library)?;
    let hits = found.into_iter().filter(|(scored, ..)| scored.content != content).take(top);
    Ok(hits.map(|(scored, row, copies)| hit(scored, row, copies)).collect())
}

fn hit(scored: Scored, row: Row, copies: usize) -> Hit {
    let Scored { content, similarity } = scored;
    Hit { photo: row.photo, content, similarity: Some(similarity), matched: None, is_settled: true, copies }
}

/// What was found, the file it is shown by, and how many others there are.
type Found = (Scored, Row, usize);

fn scan(
    store: &dyn VectorStore,
    blends: &Blends,
    features: &[Arc<Vec<f32>>],
    wanted: usize,
    rows: Option<&[Row]>,
    library: &Library,
) -> Result<Vec<Found>> {
    let vectors = blends.vectors(features)?;
    scan_vectors(store, &vectors, wanted, rows, library)
}

/// The most like one of these vectors, the best first, of those that are among these files.
fn scan_vectors(
    store: &dyn VectorStore,
    vectors: &[Vec<f32>],
    wanted: usize,
    rows: Option<&[Row]>,
    library: &Library,
) -> Result<Vec<Found>> {
    if wanted == 0 || store.is_empty() {
        return Ok(Vec::new());
    }
    // To ask for the files of all hits costs more than to list all files once.
    let listed = match rows {
        None if wanted > MANY => Some(library.catalog().find_contents(&Filter::All)?),
        _ => None,
    };
    if let Some(rows) = rows.or(listed.as_ref().map(|rows| rows.as_slice())) {
        let mut contents: Vec<ContentId> = rows.iter().filter_map(|row| row.content).collect();
        contents.dedup();
        let scored = best(store, vectors, wanted, Among::Only(&contents))?;
        return Ok(scored.into_iter().filter_map(|scored| shown(scored, rows)).collect());
    }
    let mut asked = wanted;
    loop {
        let scored = best(store, vectors, asked, Among::All)?;
        let mut contents: Vec<ContentId> = scored.iter().map(|scored| scored.content).collect();
        contents.sort_unstable();
        let rows = library.catalog().files_of(&contents)?;
        let is_all = scored.len() < asked;
        let mut found: Vec<Found> = scored.into_iter().filter_map(|scored| shown(scored, &rows)).collect();
        // Vectors of photographs that are gone for now took places of others.
        if found.len() >= wanted || is_all {
            found.truncate(wanted);
            return Ok(found);
        }
        asked = asked.saturating_mul(4);
    }
}

/// Hits whose files are asked for one by one.
const MANY: usize = 5_000;

/// The most like one of these vectors: what is best among all is among the best of the one it is most like.
fn best(store: &dyn VectorStore, vectors: &[Vec<f32>], wanted: usize, among: Among<'_>) -> Result<Vec<Scored>> {
    if let [vector] = vectors {
        return store.search(vector, wanted, among);
    }
    let mut best: HashMap<ContentId, f32> = HashMap::new();
    for vector in vectors {
        for Scored { content, similarity } in store.search(vector, wanted, among)? {
            let kept = best.entry(content).or_insert(similarity);
            *kept = kept.max(similarity);
        }
    }
    let mut scored: Vec<Scored> =
        best.into_iter().map(|(content, similarity)| Scored { content, similarity }).collect();
    scored.sort_unstable_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.content.cmp(&b.content)));
    scored.truncate(wanted);
    Ok(scored)
}

/// The file that a content is shown by; `rows` lie by content.
fn shown(scored: Scored, rows: &[Row]) -> Option<Found> {
    let start = rows.partition_point(|row| row.content < Some(scored.content));
    let files = rows[start..].iter().take_while(|row| row.content == Some(scored.content)).count();
    let row = rows.get(start).filter(|_| files > 0)?;
    Some((scored, *row, files - 1))
}

fn tell(report: &mut SearchReport<'_>, event: SearchEvent) -> Result<()> {
    match report(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled.into()),
    }
}
