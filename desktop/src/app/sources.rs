//! The parts of the library, at the left.

use std::path::{Path, PathBuf};

use eframe::egui::{Button, Response, RichText, ScrollArea, Ui, vec2};

use super::action::Action;
use super::source::Source;
use super::theme::palette;
use super::words::{say, say_with};

/// What stands at the left.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Photographs and films.
    pub photos: usize,
    /// Those without a caption.
    pub uncaptioned: usize,
    /// Files that could not be read.
    pub problems: usize,
    /// Files whose place is not there.
    pub missing: usize,
    /// Folders of the library.
    pub roots: Vec<PathBuf>,
    /// Kept searches: names and what they ask for.
    pub albums: Vec<(String, String)>,
}

/// The panel.
#[derive(Default)]
pub struct Sources {
    /// What it shows.
    pub contents: Contents,
    /// What is shown in the middle.
    pub current: Source,
}

impl Sources {
    /// Draws it.
    pub fn ui(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            action = self.list(ui);
        });
        action
    }

    fn list(&self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let mut chosen = None;
        let contents = &self.contents;
        let mut fixed = vec![
            ("source-all", Some(contents.photos), Source::All),
            ("source-uncaptioned", Some(contents.uncaptioned), Source::Uncaptioned),
            ("source-duplicates", None, Source::Duplicates),
            ("source-near", None, Source::NearDuplicates),
        ];
        if contents.problems > 0 {
            fixed.push(("source-problems", Some(contents.problems), Source::Problems));
        }
        for (name, count, source) in fixed {
            if self.entry(ui, &say(name), count, &source).clicked() {
                chosen = Some(source);
            }
        }
        if let Source::Similar { name, .. } = &self.current {
            let name = say_with("source-similar", &[("name", name.as_str().into())]);
            self.entry(ui, &name, None, &self.current);
        }
        heading(ui, &say("folders"));
        for root in &contents.roots {
            let source = Source::Folder(root.clone());
            let entry = self.entry(ui, &name_of(root), None, &source).on_hover_text(root.display().to_string());
            entry.context_menu(|ui| {
                if ui.button(say("folder-remove")).clicked() {
                    action = Some(Action::RemoveFolder(root.clone()));
                    ui.close();
                }
            });
            if entry.clicked() {
                chosen = Some(source);
            }
        }
        if ui.add(Button::new(RichText::new(say("folder-add")).color(palette(ui).weak)).frame(false)).clicked() {
            action = Some(Action::ChooseFolder);
        }
        if !contents.albums.is_empty() {
            heading(ui, &say("albums"));
        }
        for (name, query) in &contents.albums {
            let source = Source::Album { name: name.clone(), query: query.clone() };
            let entry = self.entry(ui, name, None, &source).on_hover_text(query);
            entry.context_menu(|ui| {
                if ui.button(say("album-delete")).clicked() {
                    action = Some(Action::DeleteAlbum(name.clone()));
                    ui.close();
                }
            });
            if entry.clicked() {
                chosen = Some(source);
            }
        }
        chosen.map(Action::Show).or(action)
    }

    /// A line of the list: its name, and how many it holds.
    fn entry(&self, ui: &mut Ui, name: &str, count: Option<usize>, source: &Source) -> Response {
        let count = count.map(|count| say_with("count", &[("count", count.into())])).unwrap_or_default();
        let button =
            Button::selectable(self.current == *source, name).truncate().min_size(vec2(ui.available_width(), 30.0));
        ui.add(button.right_text(RichText::new(count).weak().small())).accessible_name(name)
    }
}

fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(14.0);
    ui.label(RichText::new(text).small().weak());
}

/// A folder's own name.
fn name_of(folder: &Path) -> String {
    folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}
