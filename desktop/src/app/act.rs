//! What someone wants done, turned into work on other threads.

use std::path::PathBuf;

use eframe::egui::{Context, Key, Modifiers};

use super::App;
use super::action::Action;
use super::bulk::Bulk;
use super::carry::{self, Carry, Over};
use super::grid::Grid;
use super::notices::Notice;
use super::source::Source;
use super::tasks::Wishes;
use super::words::{say, say_with};
use super::work::asking::Question;
use super::work::indexing::{self, Reading};
use super::work::post::{Message, Post, shared};
use super::work::search::Ask;
use super::work::thumbnails::texels;
use super::work::{captioning, copying, folders, opening, trash};
use crate::engine::Cancel;
use crate::library::photo::{CaptionSource, ContentId, PhotoId};
use crate::library::{Library, decode};

impl App {
    /// Does it, or has it done.
    pub(super) fn act(&mut self, context: &Context, action: Action) {
        match action {
            Action::ChooseFolder => {
                folders::choose(&say("choose-photos"), &self.post, |folder, post| post.send(Message::Folder(folder)));
            }
            Action::AddFolder(folder) => self.add_folder(folder),
            Action::RemoveFolder(folder) => {
                self.clerk_does(move |library| library.catalog().remove_root(&folder).map(drop))
            }
            Action::Rescan { forget } => self.read_folders(Reading { forgets: forget, ..Reading::default() }),
            Action::Search => {
                // What is typed is looked for everywhere, not among duplicates.
                if !self.sources.current.can_be_searched() && !self.bar.text.trim().is_empty() {
                    self.sources.current = Source::All;
                }
                self.search(false);
            }
            Action::Show(source) => self.show(source),
            Action::Similar(content, name) => self.show(Source::Similar { content, name }),
            Action::Open => self.open_large(context),
            Action::Close => {
                self.is_large = false;
                context.memory_mut(|memory| memory.request_focus(Grid::id()));
            }
            Action::Step(by) => {
                self.grid.step(by);
                self.open_large(context);
            }
            Action::FocusSearch => self.bar.focus(),
            Action::FocusGrid => {
                context.memory_mut(|memory| memory.request_focus(Grid::id()));
                if self.grid.selection.cursor().is_none() {
                    self.grid.step(0);
                }
            }
            Action::ToggleDetails => self.details.is_open = !self.details.is_open,
            Action::Reveal => self.with_current(|photo, post| folders::reveal(&photo.path, post)),
            Action::CopyPath => self.copy_paths(context),
            Action::Trash => self.clerk_with_chosen(|library, photos, post| trash::run(library, &photos, post)),
            Action::CopyTo => self.copy_to(),
            Action::Carry => self.carry_chosen(),
            Action::Control(id, control) => self.tasks.control(id, control),
            Action::Undo(notice) => {
                if let (Some(undo), Some(clerk)) = (self.notices.take_undo(notice), &self.clerk) {
                    clerk.give(move |library, post| undo(library, post));
                }
            }
            Action::SaveAlbum(name) => {
                let query = self.bar.text.trim().to_owned();
                self.clerk_does(move |library| library.catalog().save_album(&name, &query));
            }
            Action::DeleteAlbum(name) => {
                self.clerk_does(move |library| library.catalog().delete_album(&name).map(drop))
            }
            Action::Theme(theme) => {
                self.theme = theme;
                context.set_theme(theme);
            }
            Action::ChooseModel { is_folder: true } => {
                folders::choose(&say("model-choose"), &self.post, |folder, post| post.send(Message::Model(folder)));
            }
            Action::ChooseModel { is_folder: false } => {
                folders::choose_model(&say("model-choose"), &self.post, |file, post| post.send(Message::Model(file)));
            }
            Action::UseModel(model) => self.use_model(model),
            Action::WriteCaption => self.ask(Question::Caption),
            Action::StopWriting => self.details.stop(),
            Action::KeepCaption(content, text) => self.keep_caption(content, text, CaptionSource::Person),
            Action::UndoCaption(content) => self.clerk_does(move |library| library.catalog().undo_caption(content)),
            Action::Ask(question) => self.ask(Question::Answer(question)),
            Action::Match(text) => self.ask(Question::Match(text)),
            Action::Look(text) => self.ask(Question::Look(text)),
            Action::Caption => self.plan(),
            Action::CheckPlan(plan) => {
                if let Some(library) = self.library.clone() {
                    captioning::check(library, plan, self.post.clone());
                }
            }
            Action::ChooseMirror => {
                folders::choose(&say("choose-mirror"), &self.post, |folder, post| post.send(Message::Mirror(folder)));
            }
            Action::RunPlan(plan) => {
                self.preview.cancel();
                self.bulk = None;
                if let (Some(library), Some(engine)) = (self.library.clone(), self.models.current.get()) {
                    let title = say_with("task-captioning", &[("count", plan.photos.len().into())]);
                    let (id, wishes) = self.tasks.begin(title);
                    captioning::run(library, engine, plan, id, wishes, self.post.clone());
                }
            }
            Action::DropPlan => {
                self.preview.cancel();
                self.bulk = None;
            }
        }
    }

    /// Asks what is asked for, of a library that may have changed since.
    pub(super) fn search(&mut self, is_again: bool) {
        let Some(searcher) = &mut self.searcher else { return };
        self.question += 1;
        searcher.ask(Ask {
            number: self.question,
            text: self.bar.text.clone(),
            source: self.sources.current.clone(),
            sort: self.bar.sort,
            strictness: self.bar.strictness,
            is_again,
            cancel: Cancel::default(),
        });
    }

    fn show(&mut self, source: Source) {
        if !source.can_be_searched() {
            self.bar.set(String::new());
        }
        self.is_large = false;
        self.sources.current = source;
        self.search(false);
    }

    fn add_folder(&mut self, folder: PathBuf) {
        if let Some(wrong) = folders::wrong(&folder) {
            self.welcome.error = Some(wrong.clone());
            if !self.sources.contents.roots.is_empty() {
                self.notices.add(Notice::failed(wrong));
            }
            return;
        }
        self.welcome.error = None;
        self.bar.focus();
        let added = folder.clone();
        self.clerk_does(move |library| library.catalog().add_root(&added).map(drop));
        self.read_folders(Reading { folders: vec![folder], ..Reading::default() });
    }

    /// Has folders read now, or after those that are being read.
    pub(super) fn read_folders(&mut self, reading: Reading) {
        let next = self.next.get_or_insert_with(|| reading.clone());
        next.forgets |= reading.forgets;
        next.is_quiet &= reading.is_quiet;
        if reading.folders.is_empty() || next.folders.is_empty() {
            next.folders.clear();
        } else {
            next.folders.extend(reading.folders);
            next.folders.sort();
            next.folders.dedup();
        }
        self.read_next();
    }

    /// Begins to read what waits, if nothing is being read and the model is there.
    pub(super) fn read_next(&mut self) {
        if self.indexing.is_some() || self.details.abilities.is_ready && !self.details.abilities.can_match {
            return;
        }
        let (Some(library), Some(engine)) = (self.library.clone(), self.models.current.get()) else { return };
        let Some(reading) = self.next.take() else { return };
        if reading.is_quiet && library.catalog().is_read_only() {
            return;
        }
        let (id, wishes) = match reading.is_quiet {
            true => self.tasks.begin_quietly(say("task-reading")),
            false => self.tasks.begin(say("task-reading")),
        };
        self.indexing = Some(id);
        indexing::run(library, engine, reading, id, wishes, self.post.clone());
    }

    fn open_large(&mut self, context: &Context) {
        let Some(photo) = self.grid.selection.photo() else { return };
        self.is_large = true;
        context.memory_mut(|memory| {
            if let Some(focused) = memory.focused() {
                memory.surrender_focus(focused);
            }
        });
        if !self.viewer.turn_to(photo) {
            return;
        }
        let Some(library) = self.library.clone() else { return };
        let most = context.input(|input| input.max_texture_side);
        let post = self.post.clone();
        opening::spawn("photograph", move || {
            // Whoever goes on fast does not want every one of them.
            std::thread::sleep(std::time::Duration::from_millis(40));
            let picture = picture(&library, photo, u32::try_from(most).unwrap_or(u32::MAX));
            post.send(Message::Picture(photo, picture.map_err(|error| shared(&error))));
        });
    }

    fn plan(&mut self) {
        let photos = self.grid.chosen();
        let (Some(library), Some(engine)) = (self.library.clone(), self.models.current.get()) else {
            self.notices.add(Notice::told(say("model-not-there")));
            return;
        };
        if photos.is_empty() {
            return;
        }
        if !engine.about().can_caption {
            self.notices.add(Notice::failed(say("caption-cannot")));
            return;
        }
        self.plans += 1;
        let bulk = Bulk::new(self.plans, photos);
        self.preview = Wishes::default();
        captioning::preview(library, engine, bulk.id(), bulk.previewed(), self.preview.clone(), self.post.clone());
        self.bulk = Some(bulk);
    }

    fn copy_to(&self) {
        let photos = self.grid.chosen();
        folders::choose(&say("choose-copies"), &self.post, move |folder, post| {
            post.send(Message::Copies(folder, photos))
        });
    }

    /// Copies photographs to a folder.
    pub(super) fn copy(&mut self, folder: PathBuf, photos: Vec<PhotoId>) {
        let Some(library) = self.library.clone() else { return };
        let (id, wishes) = self.tasks.begin(say_with("task-copying", &[("count", photos.len().into())]));
        copying::run(library, photos, folder, id, wishes, self.post.clone());
    }

    fn copy_paths(&self, context: &Context) {
        let context = context.clone();
        self.clerk_with_chosen(move |library, photos, post| match library.catalog().photos(&photos) {
            Ok(photos) => {
                let paths: Vec<String> = photos.iter().map(|photo| photo.path.display().to_string()).collect();
                context.copy_text(paths.join("\n"));
                post.send(Message::Notice(Notice::told(say_with("paths-copied", &[("count", paths.len().into())]))));
            }
            Err(error) => post.send(Message::Notice(Notice::failed(shared(&error)))),
        });
    }

    fn carry_chosen(&mut self) {
        let Some(window) = self.window else { return };
        let carry = Carry::default();
        self.carry = Some(carry.clone());
        self.clerk_with_chosen(move |library, photos, post| {
            let (library, post) = (library.clone(), post.clone());
            opening::spawn("carry", move || {
                let carried = library.catalog().photos(&photos).and_then(|photos| {
                    let files: Vec<PathBuf> = photos.into_iter().map(|photo| photo.path).collect();
                    carry::run(None, window, &files, &carry, &post.waker())
                });
                if let Err(error) = carried {
                    post.send(Message::Notice(Notice::failed(shared(&error))));
                }
                carry.turn(Over::Ended);
                post.waker()();
            });
        });
    }

    pub(super) fn keep_caption(&self, content: ContentId, text: String, source: CaptionSource) {
        self.clerk_does(move |library| library.catalog().set_caption(content, &text, source));
    }

    fn ask(&self, question: Question) {
        if let (Some(asking), Some(photo)) = (&self.asking, self.details.photo()) {
            asking.ask(photo.clone(), question);
        }
    }

    /// Has something done with the catalogue, and shows what follows.
    pub(super) fn clerk_does(&self, job: impl FnOnce(&Library) -> anyhow::Result<()> + Send + 'static) {
        let Some(clerk) = &self.clerk else { return };
        clerk.give(move |library, post| {
            if let Err(error) = job(library) {
                post.send(Message::Notice(Notice::failed(shared(&error))));
            }
            post.send(Message::Changed);
        });
    }

    fn clerk_with_chosen(&self, job: impl FnOnce(&Library, Vec<PhotoId>, &Post) + Send + 'static) {
        let Some(clerk) = &self.clerk else { return };
        let photos = self.grid.chosen();
        clerk.give(move |library, post| job(library, photos, post));
    }

    fn with_current(&self, job: impl FnOnce(crate::library::photo::Photo, &Post) + Send + 'static) {
        let (Some(clerk), Some(photo)) = (&self.clerk, self.grid.selection.photo()) else { return };
        clerk.give(move |library, post| {
            if let Ok(Some(photo)) = library.catalog().photo(photo) {
                job(photo, post);
            }
        });
    }

    /// Keys that mean the same everywhere.
    pub(super) fn shortcuts(&self, context: &Context) -> Option<Action> {
        if self.bulk.is_some() {
            return None;
        }
        let is_typing = context.text_edit_focused();
        context.input_mut(|input| {
            if input.consume_key(Modifiers::COMMAND, Key::F)
                || (!is_typing && input.consume_key(Modifiers::NONE, Key::Slash))
            {
                // The sign itself is not wanted in the field.
                input.events.retain(|event| !matches!(event, eframe::egui::Event::Text(text) if text == "/"));
                return Some(Action::FocusSearch);
            }
            (!is_typing && input.consume_key(Modifiers::NONE, Key::I)).then_some(Action::ToggleDetails)
        })
    }
}

/// A photograph in full, no larger than a texture may be.
fn picture(library: &Library, photo: PhotoId, most: u32) -> anyhow::Result<eframe::egui::ColorImage> {
    let photo = library.catalog().photo(photo)?.ok_or_else(|| anyhow::anyhow!(say("photo-gone")))?;
    if photo.kind == crate::library::photo::Kind::Video {
        return Ok(texels(&library.thumbnails().load(library.catalog(), &photo)?, most));
    }
    Ok(texels(&decode::picture(&photo.path, decode::MAX_PIXELS)?, most))
}
