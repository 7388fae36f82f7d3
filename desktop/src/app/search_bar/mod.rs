//! The field that everything is found by, with what narrows and orders what is found.

mod chips;
mod completion;

use std::path::PathBuf;

use eframe::egui::{
    Align, ComboBox, Id, Key, Layout, Margin, Modifiers, Popup, RichText, Slider, TextEdit, ThemePreference, Ui,
    text::CCursor, text::CCursorRange, text_edit::TextEditState, vec2,
};

use super::action::Action;
use super::grid;
use super::icons::{self, Icon};
use super::models::Models;
use super::source::Sort;
use super::theme::palette;
use super::words::{say, say_with};
use crate::library::query::{Completion, Query, Term, What};

/// A bar that is narrower has its controls on a second line.
const NARROW: f32 = 700.0;

/// Seconds without a key before a search begins.
const PAUSE: f64 = 0.08;

/// What the field asks for.
#[derive(Default)]
pub struct SearchBar {
    /// What was typed.
    pub text: String,
    /// 0 loose, 1 strict.
    pub strictness: f32,
    /// What comes first.
    pub sort: Sort,
    /// What is wrong with what was typed.
    pub error: Option<String>,
    /// What was found, in words.
    pub found: Option<String>,
    /// When the last key was struck that was not searched for yet.
    typed: Option<f64>,
    /// Whether the field wants the keyboard.
    wants_focus: bool,
    album: String,
}

/// What the bar shows of the rest of the window.
pub struct Surroundings<'a> {
    /// The model that is asked, and others.
    pub models: &'a Models,
    /// Whether details are shown.
    pub has_details: bool,
    /// Dark, light, or as the system is.
    pub theme: ThemePreference,
    /// The side of a photograph in the grid.
    pub side: &'a mut f32,
}

impl SearchBar {
    /// A bar that has the keyboard.
    pub fn new() -> Self {
        Self { strictness: 0.27, wants_focus: true, ..Self::default() }
    }

    /// Gives the field the keyboard.
    pub fn focus(&mut self) {
        self.wants_focus = true;
    }

    /// The field's name among widgets.
    pub fn id() -> Id {
        Id::unique("search field")
    }

    /// Adds a picture to what is asked for.
    pub fn add_picture(&mut self, path: PathBuf) {
        let mut query = self.text.parse::<Query>().unwrap_or(Query::ALL);
        query.terms.push(Term { what: What::Image(path), weight: 1.0 });
        self.text = query.to_string();
    }

    /// Asks for something else.
    pub fn set(&mut self, text: String) {
        self.text = text;
        self.typed = None;
    }

    /// Draws it.
    pub fn ui(&mut self, ui: &mut Ui, around: Surroundings<'_>) -> Option<Action> {
        let mut action = None;
        // In a narrow window the field has its line for itself.
        let is_narrow = ui.available_width() < NARROW;
        ui.allocate_ui_with_layout(vec2(ui.available_width(), 38.0), Layout::right_to_left(Align::Center), |ui| {
            action = self.menu_button(ui, &around);
            if !is_narrow {
                action = self.right(ui, around.side).or(action.take());
                loading(ui, &around);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                action = self.field(ui).or(action.take());
            });
        });
        if let Some(error) = &self.error {
            ui.add_space(2.0);
            ui.label(RichText::new(error).color(palette(ui).error));
        }
        if is_narrow {
            let line = vec2(ui.available_width(), 30.0);
            ui.allocate_ui_with_layout(line, Layout::right_to_left(Align::Center), |ui| {
                action = self.right(ui, around.side).or(action.take());
                loading(ui, &around);
            });
        }
        action = self.below(ui).or(action);
        let now = ui.input(|input| input.time);
        if let Some(typed) = self.typed {
            if now - typed >= PAUSE {
                self.typed = None;
                action = Some(Action::Search);
            } else {
                ui.ctx().request_repaint_after_secs((PAUSE - (now - typed)) as f32);
            }
        }
        action
    }

    fn field(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let id = Self::id();
        if std::mem::take(&mut self.wants_focus) {
            ui.memory_mut(|memory| memory.request_focus(id));
        }
        let has_focus = ui.memory(|memory| memory.has_focus(id));
        let offers = if has_focus { completion::offers(&self.text) } else { Vec::new() };
        if let Some(first) = offers.first()
            && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Tab))
        {
            self.accept(ui, first);
        }
        let field = TextEdit::singleline(&mut self.text)
            .id(id)
            .hint_text(say("search-hint"))
            .font(eframe::egui::FontId::proportional(16.0))
            .margin(Margin::symmetric(16, 9))
            .desired_width(ui.available_width())
            // Tab takes what is offered, where something is.
            .lock_focus(!offers.is_empty());
        let response = ui
            .scope(|ui| {
                ui.visuals_mut().widgets.inactive.corner_radius = 19.into();
                ui.visuals_mut().widgets.hovered.corner_radius = 19.into();
                ui.visuals_mut().widgets.active.corner_radius = 19.into();
                ui.add(field)
            })
            .inner
            .accessible_name(say("search"));
        if response.changed() {
            self.typed = Some(ui.input(|input| input.time));
        }
        let down = response.has_focus() && ui.input(|input| input.key_pressed(Key::ArrowDown));
        // Taken, so that it does not also open a photograph.
        let enter = response.lost_focus() && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        if down || enter {
            action = Some(Action::FocusGrid);
            if self.typed.take().is_some() {
                action = Some(Action::Search);
                ui.memory_mut(|memory| memory.request_focus(grid::Grid::id()));
            }
        }
        if let Some(taken) = completion::ui(ui, &response, &offers) {
            self.accept(ui, &taken);
            self.wants_focus = true;
        }
        action
    }

    /// Takes what was offered in place of the last word.
    fn accept(&mut self, ui: &Ui, offer: &Completion) {
        self.text = completion::completed(&self.text, offer);
        self.typed = Some(ui.input(|input| input.time));
        let mut state = TextEditState::load(ui.ctx(), Self::id()).unwrap_or_default();
        let end = CCursor::new(self.text.chars().count());
        state.cursor.set_char_range(Some(CCursorRange::one(end)));
        state.store(ui.ctx(), Self::id());
    }

    /// What stands right of the field, from the right.
    fn right(&mut self, ui: &mut Ui, side: &mut f32) -> Option<Action> {
        let mut action = None;
        ui.spacing_mut().slider_width = 76.0;
        let size = Slider::new(side, grid::SIDES).logarithmic(true).show_value(false);
        ui.add(size).accessible_name(say("size")).on_hover_text(say("size-hint"));
        let sort = ComboBox::from_id_salt("sort").selected_text(say(self.sort.words())).width(118.0);
        let sorted = sort.show_ui(ui, |ui| {
            for sort in Sort::ALL {
                if ui.selectable_value(&mut self.sort, sort, say(sort.words())).changed() {
                    action = Some(Action::Search);
                }
            }
        });
        sorted.response.accessible_name(say("sort"));
        ui.label(RichText::new(say("strict")).small().weak());
        let strictness = Slider::new(&mut self.strictness, 0.0..=1.0).show_value(false);
        let changed = ui.add(strictness).accessible_name(say("strictness")).on_hover_text(say("strictness-hint"));
        if changed.changed() {
            self.typed.get_or_insert(ui.input(|input| input.time));
        }
        ui.label(RichText::new(say("loose")).small().weak());
        action
    }

    fn menu_button(&mut self, ui: &mut Ui, around: &Surroundings<'_>) -> Option<Action> {
        let mut action = None;
        let menu = icons::button(ui, Icon::Menu, &say("menu"));
        Popup::menu(&menu).show(|ui| action = self.menu(ui, around));
        action
    }

    fn menu(&mut self, ui: &mut Ui, around: &Surroundings<'_>) -> Option<Action> {
        let mut action = None;
        let mut entry = |ui: &mut Ui, name: &str, does: Action| {
            if ui.button(say(name)).clicked() {
                action = Some(does);
                ui.close();
            }
        };
        entry(ui, "menu-add-folder", Action::ChooseFolder);
        entry(ui, "menu-rescan", Action::Rescan { forget: false });
        ui.separator();
        entry(ui, if around.has_details { "menu-hide-details" } else { "menu-show-details" }, Action::ToggleDetails);
        ui.separator();
        let chosen = around.models.menu(ui);
        ui.separator();
        ui.label(RichText::new(say("theme")).small().weak());
        let themes = [
            ("theme-system", ThemePreference::System),
            ("theme-dark", ThemePreference::Dark),
            ("theme-light", ThemePreference::Light),
        ];
        for (name, theme) in themes {
            if ui.selectable_label(around.theme == theme, say(name)).clicked() {
                action = Some(Action::Theme(theme));
                ui.close();
            }
        }
        chosen.or(action)
    }

    /// The chips of what is asked for, what was found, and where to keep the search.
    fn below(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let chips = chips::of(&self.text);
        // Always as high: what is found must not jump while someone types.
        ui.horizontal_wrapped(|ui| {
            ui.set_min_height(26.0);
            if let Some(without) = chips::ui(ui, &chips) {
                self.set(without);
                action = Some(Action::Search);
            }
            if let Some(found) = &self.found {
                ui.label(RichText::new(found).weak().small());
            }
            if !self.text.trim().is_empty() && self.error.is_none() {
                ui.menu_button(RichText::new(say("album-save")).small(), |ui| {
                    let name =
                        ui.add(TextEdit::singleline(&mut self.album).hint_text(say("album-name")).desired_width(200.0));
                    let name = name.accessible_name(say("album-name"));
                    let is_done = name.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                    let is_named = !self.album.trim().is_empty();
                    let keep = eframe::egui::Button::new(say("album-keep"));
                    if (ui.add_enabled(is_named, keep).clicked() || is_done) && is_named {
                        action = Some(Action::SaveAlbum(std::mem::take(&mut self.album).trim().to_owned()));
                        ui.close();
                    }
                });
            }
        });
        action
    }
}

/// How much of the model is read.
fn loading(ui: &mut Ui, around: &Surroundings<'_>) {
    if let Some(loading) = around.models.loading() {
        let shown = say_with("model-loading", &[("percent", f64::from((loading * 100.0).round()).into())]);
        ui.label(RichText::new(shown).small().weak()).on_hover_text(around.models.words());
    }
}
