//! The first start: one card that asks for one thing.

use std::path::PathBuf;

use eframe::egui::{Align2, Area, Button, Frame, Id, Key, Margin, RichText, TextEdit, Ui, vec2};

use super::action::Action;
use super::theme::{RADIUS, palette};
use super::words::say;

/// The card of the first start.
#[derive(Default)]
pub struct Welcome {
    path: String,
    /// What is wrong with what was chosen.
    pub error: Option<String>,
}

impl Welcome {
    /// Draws it in the middle of the space that is left.
    pub fn ui(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let colors = palette(ui);
        let space = ui.available_rect_before_wrap();
        ui.painter().rect_filled(space, 0.0, colors.ground);
        let area = Area::new(Id::unique("welcome")).anchor(Align2::CENTER_CENTER, vec2(0.0, -30.0));
        area.order(eframe::egui::Order::Middle).show(ui.ctx(), |ui| {
            let frame = Frame::new().fill(colors.panel).stroke((1.0, colors.line)).corner_radius(RADIUS + 8);
            frame.inner_margin(Margin::same(36)).show(ui, |ui| {
                ui.set_width(420.0);
                ui.spacing_mut().item_spacing.y = 12.0;
                ui.vertical_centered(|ui| {
                    ui.label(RichText::new(say("welcome-question")).size(24.0));
                    ui.label(RichText::new(say("welcome-promise")).color(colors.weak));
                    ui.add_space(8.0);
                    let text = RichText::new(say("welcome-choose")).size(16.0).color(colors.on_accent);
                    if ui.add(Button::new(text).fill(colors.accent).min_size(vec2(200.0, 40.0))).clicked() {
                        action = Some(Action::ChooseFolder);
                    }
                    ui.label(RichText::new(say("welcome-drop")).color(colors.weak));
                    let field = TextEdit::singleline(&mut self.path)
                        .hint_text(say("welcome-path-hint"))
                        .margin(Margin::symmetric(12, 7))
                        .desired_width(320.0);
                    let field = ui.add(field).accessible_name(say("welcome-path"));
                    let is_done = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                    if is_done && !self.path.trim().is_empty() {
                        action = Some(Action::AddFolder(PathBuf::from(self.path.trim())));
                    }
                    if let Some(error) = &self.error {
                        ui.label(RichText::new(error).color(colors.error));
                    }
                });
            });
        });
        action
    }
}
