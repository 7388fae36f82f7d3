//! Messages that come and go, with a way to take back what they tell of.

use std::time::{Duration, Instant};

use eframe::egui::{Frame, Margin, RichText, Ui};

use super::action::Action;
use super::icons::{self, Icon};
use super::theme::{RADIUS, palette};
use super::words::say;
use super::work::clerk::Job;

/// How long a message stays.
const SHOWN: Duration = Duration::from_secs(10);

/// Something a person should know.
pub struct Notice {
    /// The sentence.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
    /// What takes it back, or does what it asks.
    pub undo: Option<Job>,
    /// The name of that button's words.
    pub button: &'static str,
}

impl Notice {
    /// A message that nothing follows from.
    pub fn told(text: String) -> Self {
        Self { text, is_error: false, undo: None, button: "undo" }
    }

    /// A message about something that can be taken back.
    pub fn with_undo(text: String, undo: Job) -> Self {
        Self { undo: Some(undo), ..Self::told(text) }
    }

    /// What went wrong.
    pub fn failed(text: String) -> Self {
        Self { is_error: true, ..Self::told(text) }
    }
}

struct Shown {
    id: u64,
    notice: Notice,
    since: Instant,
}

/// The messages that are shown.
#[derive(Default)]
pub struct Notices {
    shown: Vec<Shown>,
    next: u64,
}

impl Notices {
    /// Shows a message.
    pub fn add(&mut self, notice: Notice) {
        self.next += 1;
        self.shown.retain(|shown| shown.notice.text != notice.text);
        self.shown.push(Shown { id: self.next, notice, since: Instant::now() });
        if self.shown.len() > 4 {
            self.shown.remove(0);
        }
    }

    /// What takes back what a message tells of; the message goes.
    pub fn take_undo(&mut self, id: u64) -> Option<Job> {
        let place = self.shown.iter().position(|shown| shown.id == id)?;
        self.shown.remove(place).notice.undo
    }

    /// Whether there is something to show.
    pub fn is_shown(&mut self) -> bool {
        self.shown.retain(|shown| shown.since.elapsed() < SHOWN);
        !self.shown.is_empty()
    }

    /// Draws them.
    pub fn ui(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let mut closed = None;
        let colors = palette(ui);
        for shown in &self.shown {
            let frame = Frame::new().fill(colors.raised).corner_radius(RADIUS + 2).stroke((1.0, colors.line));
            frame.shadow(ui.visuals().popup_shadow).inner_margin(Margin::symmetric(14, 9)).show(ui, |ui| {
                ui.horizontal(|ui| {
                    let color = if shown.notice.is_error { colors.error } else { colors.text };
                    let text = RichText::new(&shown.notice.text).color(color);
                    ui.add(eframe::egui::Label::new(text).wrap_mode(eframe::egui::TextWrapMode::Extend));
                    if shown.notice.undo.is_some()
                        && ui.button(RichText::new(say(shown.notice.button)).color(colors.accent)).clicked()
                    {
                        action = Some(Action::Undo(shown.id));
                    }
                    if icons::button(ui, Icon::Close, &say("notice-close")).clicked() {
                        closed = Some(shown.id);
                    }
                });
            });
        }
        self.shown.retain(|shown| Some(shown.id) != closed);
        ui.ctx().request_repaint_after(Duration::from_secs(1));
        action
    }
}
