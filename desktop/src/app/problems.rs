//! The files that could not be read, each with its reason.

use std::path::PathBuf;

use eframe::egui::{Align, Button, Frame, Label, Layout, Margin, RichText, ScrollArea, Ui};

use super::action::Action;
use super::theme::palette;
use super::words::{say, say_with};

/// Height of a line.
const LINE: f32 = 46.0;

/// The list.
#[derive(Default)]
pub struct Problems {
    /// Files and reasons.
    pub list: Vec<(PathBuf, String)>,
}

impl Problems {
    /// Draws the lines that are seen.
    pub fn ui(&self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let colors = palette(ui);
        let area = ui.available_rect_before_wrap();
        ui.painter().rect_filled(area, 0.0, colors.ground);
        Frame::new().inner_margin(Margin::symmetric(20, 12)).show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label(RichText::new(say_with("problems-title", &[("count", self.list.len().into())])).size(16.0));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.add(Button::new(say("problems-again"))).clicked() {
                        action = Some(Action::Rescan { forget: false });
                    }
                });
            });
            ui.add_space(8.0);
            ScrollArea::vertical().auto_shrink(false).show_rows(ui, LINE, self.list.len(), |ui, rows| {
                for (path, reason) in &self.list[rows] {
                    ui.allocate_ui(eframe::egui::vec2(ui.available_width(), LINE), |ui| {
                        ui.vertical(|ui| {
                            ui.spacing_mut().item_spacing.y = 2.0;
                            ui.add(Label::new(path.display().to_string()).truncate());
                            ui.add(Label::new(RichText::new(reason).color(colors.weak).size(12.5)).truncate());
                        });
                    });
                }
            });
        });
        action
    }
}
