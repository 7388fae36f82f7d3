//! The keyboard in the grid.

use eframe::egui::{Event, EventFilter, Key, Modifiers, Response, Ui};

use super::Grid;
use crate::app::action::Action;

/// Whether a key was struck, not merely held: what opens must not close again while the finger is down.
pub fn struck(ui: &Ui, key: Key) -> bool {
    ui.input(|input| {
        let is_struck = |event: &Event| {
            matches!(event, Event::Key { key: other, pressed: true, repeat: false, modifiers, .. }
                if *other == key && !modifiers.any())
        };
        input.events.iter().any(is_struck)
    })
}

impl Grid {
    /// Does what was typed, where the keyboard is here or nowhere.
    pub(super) fn keys(&mut self, ui: &Ui, response: &Response) -> Option<Action> {
        let (focused, is_modal) = ui.memory(|memory| (memory.focused(), memory.top_modal_layer().is_some()));
        if is_modal || self.is_covered || focused.is_some_and(|id| id != response.id) {
            return None;
        }
        if response.has_focus() {
            // Arrows move between photographs, not between widgets.
            let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, escape: true, tab: false };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        }
        #[expect(clippy::cast_possible_truncation, reason = "rows on a screen")]
        let rows = (f64::from(response.rect.height()) / self.layout.step()).floor().max(1.0) as isize;
        self.page = rows;
        let (mut action, shift) = (None, ui.input(|input| input.modifiers.shift));
        let last = self.items.len().checked_sub(1);
        let typed = |key| {
            ui.input_mut(|input| input.consume_key(Modifiers::NONE, key) || input.consume_key(Modifiers::SHIFT, key))
        };
        let command = |key| ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, key));

        if let Some(last) = last {
            if command(Key::A) {
                self.selection.all(&self.items);
            }
            let at = self.selection.cursor();
            let from = at.unwrap_or(0);
            // The first arrow shows where the keyboard is.
            let moved = |to: usize| if at.is_none() { from } else { to };
            let mut target = None;
            if typed(Key::ArrowRight) {
                target = Some(moved((from + 1).min(last)));
            }
            if typed(Key::ArrowLeft) {
                target = Some(moved(from.saturating_sub(1)));
            }
            if typed(Key::ArrowDown) {
                target = Some(moved(self.layout.below(from, 1)));
            }
            if typed(Key::ArrowUp) {
                if from < self.layout.columns && !shift {
                    action = Some(Action::FocusSearch);
                }
                target = Some(moved(self.layout.below(from, -1)));
            }
            if typed(Key::PageDown) {
                target = Some(self.layout.below(from, self.page));
            }
            if typed(Key::PageUp) {
                target = Some(self.layout.below(from, -self.page));
            }
            if typed(Key::Home) {
                target = Some(0);
            }
            if typed(Key::End) {
                target = Some(last);
            }
            if let Some(target) = target {
                if shift && at.is_some() {
                    self.selection.range_to(&self.items, target);
                } else {
                    self.selection.only(&self.items, target);
                }
                self.shows_cursor = true;
            }
        }
        if self.selection.cursor().is_some() && (struck(ui, Key::Space) || struck(ui, Key::Enter)) {
            action = Some(Action::Open);
        }
        if struck(ui, Key::Escape) {
            self.selection.none();
        }
        if self.num_chosen() > 0 {
            if typed(Key::C) {
                action = Some(Action::Caption);
            }
            if typed(Key::Delete) {
                action = Some(Action::Trash);
            }
            if ui.input(|input| input.events.contains(&Event::Copy)) {
                action = Some(Action::CopyPath);
            }
        }
        action
    }
}
