//! A frame: what has been told, what is seen, what someone wants.

use eframe::egui::{
    Align2, Area, CentralPanel, Frame, Id, Key, Margin, Modifiers, Order, Panel, Popup, Rect, RichText, Ui, vec2,
};

use super::App;
use super::action::Action;
use super::grid::{Grid, struck};
use super::search_bar::{SearchBar, Surroundings};
use super::source::Source;
use super::theme::palette;
use super::words::{say, say_with};

impl App {
    /// Draws everything.
    pub fn frame(&mut self, ui: &mut Ui) {
        self.poll(ui);
        self.carried(ui);
        let mut actions: Vec<Action> = self.dropped(ui);
        actions.extend(self.escape(ui));
        actions.extend(self.shortcuts(ui.ctx()));
        let is_first = self.is_known && self.sources.contents.roots.is_empty();
        if let Some(reason) = &self.library_error {
            message(ui, &say_with("library-failed", &[("reason", reason.as_str().into())]), true);
        } else if !self.is_known {
            message(ui, &say("library-opening"), false);
        } else if is_first {
            let next = CentralPanel::no_frame().show(ui, |ui| self.welcome.ui(ui)).inner;
            actions.extend(next);
        } else {
            self.library(ui, &mut actions);
        }
        self.overlays(ui, &mut actions);
        for action in actions {
            self.act(ui.ctx(), action);
        }
        self.textures.end_frame();
        self.focused = ui.memory(|memory| memory.focused());
    }

    /// Shows what letting go of photographs would do; Escape takes them back.
    fn carried(&mut self, ui: &Ui) {
        self.grid.can_carry = self.window.is_some() && self.carry.is_none();
        if let Some(carry) = self.carry.take() {
            if ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
                carry.cancel();
            }
            self.carry = carry.show(ui.ctx());
        }
    }

    /// Escape leaves a field or a menu first, and only then does what it does elsewhere.
    fn escape(&mut self, ui: &Ui) -> Option<Action> {
        self.grid.is_covered = Popup::is_any_open(ui.ctx());
        let field = self.focused.filter(|focused| *focused != Grid::id())?;
        let is_left = struck(ui, Key::Escape) && ui.memory(|memory| memory.focused().is_none());
        if !is_left || self.bulk.is_some() {
            return None;
        }
        ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
        (field == SearchBar::id()).then_some(Action::FocusGrid)
    }

    fn library(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let colors = palette(ui);
        let panel = Frame::new().fill(colors.panel);
        (self.left, self.right) = (0.0, 0.0);
        if self.details.is_open {
            let frame = panel.inner_margin(Margin { left: 16, right: 8, top: 14, bottom: 0 });
            let side = Panel::right("details").frame(frame).default_size(330.0).size_range(260.0..=560.0);
            let shown = side.show(ui, |ui| self.details.ui(ui, &mut self.textures, self.is_large));
            self.right = shown.response.rect.width();
            actions.extend(shown.inner);
            if self.details.turn_to(self.grid.selection.photo()) {
                self.grid.selection.photo().into_iter().for_each(|photo| self.look_up(photo));
            }
        }
        if self.is_large {
            let place = (self.grid.selection.cursor().map_or(0, |index| index + 1), self.grid.items().len());
            let (viewer, textures, heat) = (&mut self.viewer, &mut self.textures, self.details.heat());
            let asked = CentralPanel::no_frame().show(ui, |ui| viewer.ui(ui, textures, heat, place)).inner;
            actions.extend(asked);
            return;
        }
        let top = panel.inner_margin(Margin { left: 16, right: 16, top: 12, bottom: 10 });
        let asked = Panel::top("search").frame(top).show(ui, |ui| self.search_bar(ui)).inner;
        actions.extend(asked);
        let left = panel.inner_margin(Margin { left: 12, right: 12, top: 10, bottom: 0 });
        // Where there is hardly room for photographs, they have it.
        let has_room = ui.available_width() > 520.0;
        let side = Panel::left("sources").frame(left).default_size(208.0).size_range(150.0..=340.0);
        if has_room {
            let shown = side.show(ui, |ui| self.sources.ui(ui));
            self.left = shown.response.rect.width();
            actions.extend(shown.inner);
        }
        let asked = CentralPanel::no_frame().show(ui, |ui| self.middle(ui)).inner;
        actions.extend(asked);
    }

    fn search_bar(&mut self, ui: &mut Ui) -> Option<Action> {
        let around = Surroundings {
            models: &self.models,
            has_details: self.details.is_open,
            theme: self.theme,
            side: &mut self.grid.side,
        };
        self.bar.ui(ui, around)
    }

    fn middle(&mut self, ui: &mut Ui) -> Option<Action> {
        if self.sources.current == Source::Problems {
            return self.problems.ui(ui);
        }
        if self.grid.items().is_empty() && self.answered == self.question {
            let name = if self.tasks.is_busy() && self.bar.text.is_empty() { "grid-filling" } else { "grid-empty" };
            message(ui, &say(name), false);
            return None;
        }
        self.grid.ui(ui, &mut self.textures)
    }

    /// What lies over the window: tasks, messages, the dialog.
    fn overlays(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let window = ui.ctx().content_rect();
        let right = self.right;
        if self.tasks.is_shown(ui) {
            let area = Area::new(Id::unique("tasks")).order(Order::Foreground);
            let area = area.anchor(Align2::RIGHT_BOTTOM, vec2(-right - 24.0, -16.0));
            actions.extend(area.show(ui.ctx(), |ui| self.tasks.ui(ui)).inner);
        }
        if self.notices.is_shown() {
            let area = Area::new(Id::unique("notices")).order(Order::Foreground);
            let area = area.anchor(Align2::LEFT_BOTTOM, vec2(self.left + 20.0, -16.0));
            actions.extend(area.show(ui.ctx(), |ui| self.notices.ui(ui)).inner);
        }
        if let Some(bulk) = &mut self.bulk {
            actions.extend(bulk.ui(ui, &mut self.textures));
        }
        if ui.input(|input| !input.raw.hovered_files.is_empty()) {
            let painter = ui.ctx().layer_painter(eframe::egui::LayerId::new(Order::Tooltip, Id::unique("drop")));
            let colors = palette(ui);
            painter.rect_filled(window, 0.0, colors.ground.gamma_multiply(0.8));
            let font = eframe::egui::FontId::proportional(22.0);
            painter.text(window.center(), Align2::CENTER_CENTER, say("drop"), font, colors.text);
        }
    }

    /// A folder that was dropped joins the library; a picture is searched by.
    fn dropped(&mut self, ui: &Ui) -> Vec<Action> {
        let files = ui.input(|input| input.raw.dropped_files.clone());
        let mut actions = Vec::new();
        for file in files {
            let path = file.path().to_owned();
            // A name without an ending is rather a folder; whether it is one, whoever opens it sees.
            if path.extension().is_some() && self.is_known && !self.sources.contents.roots.is_empty() {
                self.bar.add_picture(path);
                self.is_large = false;
                actions.push(Action::Search);
            } else {
                actions.push(Action::AddFolder(path));
            }
        }
        actions
    }
}

/// A sentence in the middle of what is left.
fn message(ui: &mut Ui, text: &str, is_error: bool) {
    let colors = palette(ui);
    let area: Rect = ui.available_rect_before_wrap();
    ui.painter().rect_filled(area, 0.0, colors.ground);
    ui.scope_builder(eframe::egui::UiBuilder::new().max_rect(area), |ui| {
        ui.add_space(area.height() * 0.4);
        ui.vertical_centered(|ui| {
            ui.set_max_width(560.0);
            ui.label(RichText::new(text).size(16.0).color(if is_error { colors.error } else { colors.weak }));
        });
    });
}
