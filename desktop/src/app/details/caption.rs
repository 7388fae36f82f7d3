//! The caption of a photograph: written by the model word by word, or by a person; kept with its history.

use eframe::egui::{CollapsingHeader, Label, RichText, Sense, TextEdit, Ui};

use super::heat::Heat;
use super::{Abilities, About, title};
use crate::app::action::Action;
use crate::app::theme::palette;
use crate::app::words::{reason, say};
use crate::engine::{Pending, Reply};
use crate::library::photo::CaptionSource;

/// The caption and what is being done with it.
#[derive(Default)]
pub struct Caption {
    draft: String,
    is_edited: bool,
    pending: Option<Pending>,
    is_asked: bool,
    streamed: String,
    error: Option<String>,
    takes_focus: bool,
}

impl Caption {
    /// Shows the caption that is kept.
    pub fn show(&mut self, text: Option<&str>) {
        if !self.is_edited {
            text.unwrap_or_default().clone_into(&mut self.draft);
        }
    }

    /// Waits for the model.
    pub fn await_reply(&mut self, pending: Result<Pending, String>) {
        self.is_asked = false;
        self.streamed.clear();
        match pending {
            Ok(pending) => self.pending = Some(pending),
            Err(error) => self.error = Some(error),
        }
    }

    /// Reads what the model has written; answers a caption that is finished.
    pub fn poll(&mut self) -> Option<String> {
        while let Some(reply) = self.pending.as_ref()?.poll() {
            match reply {
                Reply::Text(text) => self.streamed = text,
                Reply::Captions(captions) => {
                    self.pending = None;
                    return captions.into_iter().next().map(|caption| caption.text);
                }
                Reply::Failed(error) => {
                    self.pending = None;
                    self.error = Some(reason(&error));
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// Stops the model.
    pub fn stop(&mut self) {
        self.pending = None;
        self.is_asked = false;
    }

    /// Draws it.
    pub fn ui(&mut self, ui: &mut Ui, about: &About, abilities: Abilities, heat: &mut Heat) -> Option<Action> {
        title(ui, &say("caption"));
        let content = about.photo.content;
        let mut action = None;
        let is_writing = self.pending.is_some() || self.is_asked;
        if is_writing {
            let text = if self.streamed.is_empty() { say("caption-reading") } else { format!("{} …", self.streamed) };
            ui.label(RichText::new(text).size(15.0).color(palette(ui).weak));
            if ui.button(say("caption-stop")).clicked() {
                self.stop();
                return Some(Action::StopWriting);
            }
            return None;
        }
        if self.is_edited {
            action = self.edit(ui, about);
        } else {
            match &about.photo.caption {
                Some(text) => {
                    if words(ui, text, heat) && abilities.can_caption {
                        action = Some(Action::Look(text.clone()));
                    }
                    if about.photo.caption_source == Some(CaptionSource::Model) {
                        ui.label(RichText::new(say("caption-by-model")).small().color(palette(ui).weak));
                    }
                }
                None => {
                    ui.label(RichText::new(say("caption-none")).color(palette(ui).weak));
                }
            }
        }
        if let Some(error) = &self.error {
            ui.label(RichText::new(error).color(palette(ui).error));
        }
        ui.horizontal_wrapped(|ui| {
            if self.is_edited {
                return;
            }
            let write = if about.photo.caption.is_some() { "caption-another" } else { "caption-write" };
            let hint = if abilities.is_ready { say("caption-cannot") } else { say("model-not-there") };
            let button = eframe::egui::Button::new(say(write));
            if ui.add_enabled(abilities.can_caption, button).on_disabled_hover_text(hint).clicked() {
                self.error = None;
                self.is_asked = true;
                self.streamed.clear();
                action = Some(Action::WriteCaption);
            }
            if ui.button(say("caption-edit")).clicked() {
                self.is_edited = true;
                self.takes_focus = true;
                self.draft = about.photo.caption.clone().unwrap_or_default();
            }
            if !about.captions.is_empty()
                && ui.button(say("caption-undo")).on_hover_text(say("caption-undo-hint")).clicked()
            {
                action = Some(Action::UndoCaption(content));
            }
        });
        if about.captions.len() > 1 {
            history(ui, about, &mut action);
        }
        action
    }

    fn edit(&mut self, ui: &mut Ui, about: &About) -> Option<Action> {
        let mut action = None;
        let field = TextEdit::multiline(&mut self.draft).desired_rows(3).desired_width(f32::INFINITY);
        let field = ui.add(field).accessible_name(say("caption-field"));
        if std::mem::take(&mut self.takes_focus) {
            field.request_focus();
        }
        ui.horizontal(|ui| {
            if ui.button(say("caption-keep")).clicked() {
                self.is_edited = false;
                action = Some(Action::KeepCaption(about.photo.content, self.draft.trim().to_owned()));
            }
            if ui.button(say("caption-leave")).clicked() {
                self.is_edited = false;
            }
        });
        action
    }
}

/// The words of a caption; over one, the map of what the model looks at for it. Answers whether that is wanted and not
/// there.
fn words(ui: &mut Ui, text: &str, heat: &mut Heat) -> bool {
    let known = heat.words(text);
    let is_known = known.is_some();
    let words = known.unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect());
    let mut over = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.5;
        for (place, word) in words.iter().enumerate() {
            let shown = RichText::new(word).size(15.5);
            let shown = if heat.is_over(place) { shown.color(palette(ui).accent) } else { shown };
            let response = ui.add(Label::new(shown).sense(Sense::hover()));
            if response.hovered() {
                over = Some(place);
            }
        }
    });
    heat.hover(over);
    over.is_some() && !is_known && heat.ask()
}

fn history(ui: &mut Ui, about: &About, action: &mut Option<Action>) {
    CollapsingHeader::new(RichText::new(say("caption-history")).small()).show(ui, |ui| {
        for past in about.captions.iter().skip(1) {
            ui.horizontal_wrapped(|ui| {
                let text = if past.text.is_empty() { say("caption-taken-away") } else { past.text.clone() };
                ui.label(RichText::new(text).color(palette(ui).weak));
                let again = eframe::egui::Button::new(RichText::new(say("caption-again")).small());
                if !past.text.is_empty() && ui.add(again).clicked() {
                    *action = Some(Action::KeepCaption(about.photo.content, past.text.clone()));
                }
            });
        }
    });
}
