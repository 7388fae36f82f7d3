//! What can be done with photographs, as a menu.

use eframe::egui::Ui;

use crate::app::action::Action;
use crate::app::words::{say, say_with};
use crate::library::photo::ContentId;

/// The menu of the chosen photographs, `alike` being what the one under the pointer shows, and its name.
pub fn ui(ui: &mut Ui, chosen: usize, alike: Option<(ContentId, String)>) -> Option<Action> {
    let mut action = None;
    let mut entry = |ui: &mut Ui, words: String, does: Action| {
        if ui.button(words).clicked() {
            action = Some(does);
            ui.close();
        }
    };
    entry(ui, say("menu-open"), Action::Open);
    if let Some((content, name)) = alike {
        entry(ui, say("menu-similar"), Action::Similar(content, name));
    }
    entry(ui, say_with("menu-caption", &[("count", chosen.into())]), Action::Caption);
    ui.separator();
    entry(ui, say("menu-reveal"), Action::Reveal);
    entry(ui, say_with("menu-copy-path", &[("count", chosen.into())]), Action::CopyPath);
    entry(ui, say_with("menu-copy-to", &[("count", chosen.into())]), Action::CopyTo);
    ui.separator();
    entry(ui, say_with("menu-trash", &[("count", chosen.into())]), Action::Trash);
    action
}
