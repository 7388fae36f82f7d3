//! Searching on a thread of its own: the latest question wins, older ones are given up.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use anyhow::{Result, anyhow};

use super::opening::spawn;
use super::post::{Message, Post, shared};
use crate::app::grid::{Dividers, Item};
use crate::app::models::Current;
use crate::app::source::{Sort, Source};
use crate::app::words::say;
use crate::engine::{Cancel, Engine};
use crate::library::Library;
use crate::library::catalog::{Order, Row};
use crate::library::photo::PhotoId;
use crate::library::query::{Filter, Query};
use crate::library::search::{Hit, SearchEvent, SearchOptions, SearchOrder, search, similar};

/// Photographs that a search by likeness shows at most.
const MOST: usize = 5_000;

/// Photographs that are shown of those like another.
const MOST_SIMILAR: usize = 200;

/// Photographs that are read together with the text.
const READ_AGAIN: usize = 48;

/// Bits of a perceptual hash in which near-duplicates may differ.
const NEAR_BITS: u32 = 6;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which question: of several the last counts.
    pub number: u64,
    /// The query as it was typed.
    pub text: String,
    /// Where.
    pub source: Source,
    /// What comes first.
    pub sort: Sort,
    /// 0 loose, 1 strict.
    pub strictness: f32,
    /// Whether it is the same question as before, of a library that has changed.
    pub is_again: bool,
    /// Gives it up.
    pub cancel: Cancel,
}

/// What was found.
pub struct Found {
    /// Which question it answers.
    pub number: u64,
    /// Whether the question was asked before.
    pub is_again: bool,
    /// Whether this answers it; otherwise better answers follow.
    pub is_whole: bool,
    /// Seconds since it was asked.
    pub seconds: f64,
    /// The answer, or what is wrong with the question.
    pub answer: Result<Answer, String>,
}

/// Photographs in their order, or files that could not be read.
pub enum Answer {
    /// Photographs.
    Photos(Vec<Item>, Dividers),
    /// The nearest, where none is as sure as was asked for.
    Nearest(Vec<Item>, Dividers),
    /// Files and reasons.
    Problems(Vec<(PathBuf, String)>),
}

/// The thread's handle; it ends with it.
pub struct Searcher {
    asks: Sender<Ask>,
    latest: Arc<AtomicU64>,
    cancel: Cancel,
}

impl Searcher {
    /// Starts the thread; the model may come later.
    pub fn start(library: Library, current: Current, post: Post) -> Self {
        let (asks, asked) = channel::<Ask>();
        let latest = Arc::new(AtomicU64::new(0));
        let newest = Arc::clone(&latest);
        spawn("searching", move || {
            let library = library;
            for ask in asked {
                if ask.number == newest.load(Ordering::Relaxed) {
                    Search {
                        library: &library,
                        engine: current.get(),
                        ask: &ask,
                        newest: &newest,
                        post: &post,
                        start: Instant::now(),
                    }
                    .run();
                }
            }
        });
        Self { asks, latest, cancel: Cancel::default() }
    }

    /// Asks; whatever was asked before is given up.
    pub fn ask(&mut self, ask: Ask) {
        self.cancel.cancel();
        self.cancel = ask.cancel.clone();
        self.latest.store(ask.number, Ordering::Relaxed);
        // Without the thread the window is closing.
        let _ = self.asks.send(ask);
    }
}

struct Search<'a> {
    library: &'a Library,
    engine: Option<Engine>,
    ask: &'a Ask,
    newest: &'a AtomicU64,
    post: &'a Post,
    start: Instant,
}

impl Search<'_> {
    fn run(&self) {
        let answer = self.answer().map_err(|error| shared(&error));
        self.tell(answer, true);
    }

    fn tell(&self, answer: Result<Answer, String>, is_whole: bool) {
        let Ask { number, is_again, .. } = *self.ask;
        let seconds = self.start.elapsed().as_secs_f64();
        self.post.send(Message::Found(Found { number, is_again, is_whole, seconds, answer }));
    }

    fn is_old(&self) -> bool {
        self.newest.load(Ordering::Relaxed) != self.ask.number
    }

    fn answer(&self) -> Result<Answer> {
        let catalog = self.library.catalog();
        let query: Query = self.ask.text.parse()?;
        match &self.ask.source {
            Source::Problems => return Ok(Answer::Problems(catalog.problems()?)),
            Source::Duplicates if query.is_all() => return self.groups(&catalog.duplicates()?),
            Source::NearDuplicates if query.is_all() => return self.groups(&catalog.near_duplicates(NEAR_BITS)?),
            Source::Similar { content, .. } if query.is_all() => {
                let hits = similar(self.library, self.engine()?, *content, MOST_SIMILAR)?;
                return Ok(Answer::Photos(hits.iter().map(item).collect(), Dividers::None));
            }
            _ => {}
        }
        let query = within(query, &self.ask.source)?;
        if query.terms.is_empty() {
            return self.listed(&query.filter);
        }
        let options = SearchOptions {
            top: MOST,
            rerank: READ_AGAIN,
            order: SearchOrder::Match,
            // Even steps for the hand: the tail that one wants cut begins near zero.
            strictness: self.ask.strictness.powi(3),
            cancel: self.ask.cancel.clone(),
            ..SearchOptions::default()
        };
        // Files in the order that was asked for, where that is not how well they match.
        let rows = match self.ask.sort {
            Sort::Match => None,
            sort => Some(catalog.find(&query.filter, order(sort))?),
        };
        let hits = search(self.library, self.engine()?, &query, &options, &mut |event| {
            if self.is_old() {
                return ControlFlow::Break(());
            }
            let (SearchEvent::Found(hits) | SearchEvent::Reranked(hits)) = event;
            self.tell(Ok(self.arranged(&hits, rows.as_deref(), &options)), false);
            ControlFlow::Continue(())
        })?;
        Ok(self.arranged(&hits, rows.as_deref(), &options))
    }

    /// What was found, in the order that was asked for.
    fn arranged(&self, hits: &[Hit], rows: Option<&[Row]>, options: &SearchOptions) -> Answer {
        let answer = if options.are_nearest(hits) { Answer::Nearest } else { Answer::Photos };
        let Some(rows) = rows else { return answer(hits.iter().map(item).collect(), Dividers::None) };
        let found: HashMap<PhotoId, &Hit> = hits.iter().map(|hit| (hit.photo, hit)).collect();
        let items = rows.iter().filter_map(|row| found.get(&row.photo).map(|hit| Item { part: row.day, ..item(hit) }));
        answer(items.collect(), self.dividers())
    }

    /// Everything that a filter lets through.
    fn listed(&self, filter: &Filter) -> Result<Answer> {
        let rows = self.library.catalog().find(filter, order(self.ask.sort))?;
        let item =
            |row: &Row| Item { photo: row.photo, content: row.content, part: row.day, matched: None, is_settled: true };
        Ok(Answer::Photos(rows.iter().map(item).collect(), self.dividers()))
    }

    fn dividers(&self) -> Dividers {
        if self.ask.sort == Sort::Name { Dividers::None } else { Dividers::Days }
    }

    fn groups(&self, groups: &[Vec<PhotoId>]) -> Result<Answer> {
        let mut items = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            let part = u32::try_from(number + 1).unwrap_or(u32::MAX);
            for photo in self.library.catalog().photos(group)? {
                let content = Some(photo.content).filter(|content| *content != 0);
                items.push(Item { photo: photo.id, content, part, matched: None, is_settled: true });
            }
        }
        Ok(Answer::Photos(items, Dividers::Groups))
    }

    fn engine(&self) -> Result<&Engine> {
        self.engine.as_ref().ok_or_else(|| anyhow!(say("search-waits")))
    }
}

/// The query within a part of the library.
fn within(mut query: Query, source: &Source) -> Result<Query> {
    let part = match source {
        Source::Folder(folder) => Filter::Folder(folder.to_string_lossy().into_owned()),
        Source::Uncaptioned => Filter::Not(Box::new(Filter::HasCaption)),
        Source::Album { query: album, .. } => {
            let album: Query = album.parse()?;
            query.terms.extend(album.terms);
            album.filter
        }
        _ => return Ok(query),
    };
    query.filter = Filter::And(vec![query.filter, part]);
    Ok(query.simplified())
}

fn order(sort: Sort) -> Order {
    match sort {
        Sort::Match | Sort::Newest => Order::Newest,
        Sort::Oldest => Order::Oldest,
        Sort::Name => Order::Name,
    }
}

fn item(hit: &Hit) -> Item {
    Item { photo: hit.photo, content: Some(hit.content), part: 0, matched: hit.matched, is_settled: hit.is_settled }
}
