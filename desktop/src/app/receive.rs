//! What threads have told since the last frame.

use std::time::{Duration, Instant};

use eframe::egui::{Context, Ui};

use super::App;
use super::action::Action;
use super::details::{Abilities, About};
use super::notices::Notice;
use super::settings::Settings;
use super::sources::Contents;
use super::words::{say, say_with};
use super::work::asking::Asking;
use super::work::clerk::Clerk;
use super::work::indexing::{self, Reading};
use super::work::post::{Message, shared};
use super::work::search::{Answer, Found, Searcher};
use super::work::thumbnails;
use crate::engine::Engine;
use crate::library::Library;
use crate::library::photo::{CaptionSource, PhotoId};

/// Time for messages in a frame: textures are sent to the card in many small steps, not in one that is seen.
const TIME: Duration = Duration::from_millis(5);

impl App {
    /// Reads messages until none is left or the frame must be drawn.
    pub(super) fn poll(&mut self, ui: &Ui) {
        let start = Instant::now();
        while let Ok(message) = self.inbox.try_recv() {
            self.receive(ui.ctx(), message);
            if start.elapsed() > TIME {
                ui.ctx().request_repaint();
                break;
            }
        }
        if let Some((content, text)) = self.details.poll(ui) {
            self.keep_caption(content, text, CaptionSource::Model);
        }
    }

    fn receive(&mut self, context: &Context, message: Message) {
        match message {
            Message::Library(Ok(library)) => self.open_library(library),
            Message::Library(Err(reason)) => self.library_error = Some(reason),
            Message::Loading { number, done, total } => self.loading(number, done, total),
            Message::Engine(number, opened) => self.opened(number, opened),
            Message::Model(path) => self.use_model(Some(path)),
            Message::Found(found) => self.found(found),
            Message::Thumbnail(loaded) => self.textures.receive(context, loaded),
            Message::Picture(photo, picture) => self.viewer.receive(context, photo, picture),
            Message::About(about) => self.details.receive(*about),
            Message::Asked(content, asked, pending) => self.details.await_reply(content, asked, pending),
            Message::Settings(settings) => self.apply(context, &settings),
            Message::Contents(contents) => self.know(*contents),
            Message::Task(id, news) => self.tasks.receive(id, news),
            Message::Draft(id, photo, draft) => {
                if let Some(bulk) = &mut self.bulk {
                    bulk.receive(id, photo, draft);
                }
            }
            Message::Checked(plan, there) => {
                if let Some(bulk) = &mut self.bulk {
                    bulk.checked(&plan, there);
                }
            }
            Message::Mirror(folder) => {
                if let Some(bulk) = &mut self.bulk {
                    bulk.set_mirror(folder);
                }
            }
            Message::Copies(folder, photos) => self.copy(folder, photos),
            Message::Folder(folder) => self.act(context, Action::AddFolder(folder)),
            Message::Notice(notice) => self.notices.add(notice),
            Message::Changed => self.refresh(),
            Message::Indexed => self.indexed(),
            Message::Forget => self.read_folders(Reading { forgets: true, ..Reading::default() }),
            Message::Rescan => self.read_folders(Reading::default()),
            Message::FoldersChanged(folders) => {
                self.read_folders(Reading { folders, is_quiet: true, ..Reading::default() })
            }
            Message::Watching(watch) => self.watch = Some(watch),
        }
    }

    fn open_library(&mut self, library: Library) {
        self.textures.connect(thumbnails::start(&library, &self.post));
        self.searcher = Some(Searcher::start(library.clone(), self.models.current.clone(), self.post.clone()));
        match Clerk::start(&library, &self.post) {
            Ok(clerk) => {
                clerk.give(|library, post| post.send(Message::Settings(Settings::load(library))));
                self.clerk = Some(clerk);
            }
            Err(error) => self.library_error = Some(error.to_string()),
        }
        if library.catalog().is_read_only() {
            self.notices.add(Notice::failed(say("library-read-only")));
        } else {
            indexing::hear(library.clone(), self.post.clone());
        }
        self.library = Some(library);
        self.refresh();
    }

    /// Turns to a model that is open.
    pub(super) fn open_engine(&mut self, engine: &Engine) {
        let about = engine.about();
        self.details.abilities = Abilities {
            is_ready: true,
            can_caption: about.can_caption,
            can_answer: about.can_answer,
            can_match: about.feature_size.is_some(),
        };
        if !self.details.abilities.can_match {
            self.notices.add(Notice::failed(say("model-cannot-search")));
        }
        self.asking = Some(Asking::start(engine.clone(), self.post.clone()));
    }

    /// A model can be asked: what waited for one goes on.
    pub(super) fn model_is_there(&mut self) {
        self.search(true);
        if !self.sources.contents.roots.is_empty() && self.next.is_none() {
            // What has changed while the window was closed, or what another model has not read.
            self.next = Some(Reading { is_quiet: true, ..Reading::default() });
        }
        self.read_next();
    }

    /// Takes in what the library holds.
    fn know(&mut self, contents: Contents) {
        let was_known = std::mem::replace(&mut self.is_known, true);
        self.is_counting = false;
        self.sources.contents = contents;
        if !was_known && !self.sources.contents.roots.is_empty() && self.models.current.get().is_some() {
            // What has changed while the window was closed.
            self.read_folders(Reading { is_quiet: true, ..Reading::default() });
        }
    }

    /// Looks again at everything that is shown.
    pub(super) fn refresh(&mut self) {
        self.textures.forget_failed();
        self.search(true);
        self.count();
        if let Some(photo) = self.details.photo().map(|photo| photo.id) {
            self.look_up(photo);
        }
    }

    /// Has it counted what the library holds.
    fn count(&mut self) {
        let Some(clerk) = self.clerk.as_ref().filter(|_| !self.is_counting) else { return };
        self.is_counting = true;
        clerk.give(|library, post| match contents(library) {
            Ok(contents) => post.send(Message::Contents(Box::new(contents))),
            Err(error) => post.send(Message::Library(Err(shared(&error)))),
        });
    }

    /// Has it looked up what is known of a photograph.
    pub(super) fn look_up(&self, photo: PhotoId) {
        let Some(clerk) = &self.clerk else { return };
        clerk.give(move |library, post| match about(library, photo) {
            Ok(Some(about)) => post.send(Message::About(Box::new(about))),
            Ok(None) => {}
            Err(error) => post.send(Message::Notice(Notice::failed(shared(&error)))),
        });
    }

    fn found(&mut self, found: Found) {
        let Found { number, is_again, is_whole, seconds, answer } = found;
        if number != self.question {
            return;
        }
        let are_nearest = matches!(answer, Ok(Answer::Nearest(..)));
        match answer {
            Ok(Answer::Photos(items, dividers) | Answer::Nearest(items, dividers)) => {
                self.bar.error = None;
                let count = items.len();
                // A list that settles is the same answer: where someone is in it stays.
                self.grid.show(items, dividers, is_again || self.answered == number);
                if self.answered != number && !is_again {
                    self.seconds = seconds;
                }
                self.answered = number;
                let name = match (is_whole, are_nearest) {
                    (false, _) => "found-settling",
                    (true, true) => "found-nearest",
                    (true, false) => "found",
                };
                let mut shown = say_with(name, &[("count", count.into())]);
                if is_whole && !self.bar.text.trim().is_empty() {
                    let milliseconds = (self.seconds * 1000.0).round();
                    shown = say_with("found-in", &[("found", shown.into()), ("milliseconds", milliseconds.into())]);
                }
                self.bar.found = Some(shown);
            }
            Ok(Answer::Problems(list)) => {
                self.bar.error = None;
                self.bar.found = None;
                self.problems.list = list;
            }
            Err(reason) => {
                self.bar.found = None;
                let failed = self.models.error.as_ref().filter(|_| reason == say("search-waits"));
                self.bar.error = Some(match failed {
                    Some(failed) => say_with("model-failed", &[("reason", failed.as_str().into())]),
                    None => reason,
                });
            }
        }
    }

    fn indexed(&mut self) {
        self.indexing = None;
        if let Some(library) = &self.library {
            // Folders may have come.
            indexing::hear(library.clone(), self.post.clone());
        }
        self.read_next();
    }
}

/// What stands at the left.
fn contents(library: &Library) -> anyhow::Result<Contents> {
    let catalog = library.catalog();
    let counts = catalog.counts()?;
    let photos = counts.photos + counts.videos;
    Ok(Contents {
        photos,
        uncaptioned: photos.saturating_sub(counts.captioned),
        problems: counts.problems,
        missing: counts.missing,
        roots: catalog.roots()?,
        albums: catalog.albums()?.into_iter().map(|album| (album.name, album.query)).collect(),
    })
}

fn about(library: &Library, photo: PhotoId) -> anyhow::Result<Option<About>> {
    let catalog = library.catalog();
    let Some(photo) = catalog.photo(photo)? else { return Ok(None) };
    let captions = catalog.captions(photo.content)?;
    let mut copies = Vec::new();
    if photo.content != 0 {
        let others: Vec<PhotoId> = catalog.photos_of(photo.content)?.into_iter().filter(|id| *id != photo.id).collect();
        copies = catalog.photos(&others)?.into_iter().map(|copy| copy.path).collect();
    }
    Ok(Some(About { photo, captions, copies }))
}
