//! What is known of the photograph under the cursor, at the right: its caption, a conversation about it, what its camera
//! wrote.

mod caption;
mod facts;
mod heat;
mod talk;

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{Align2, Color32, FontId, Rect, RichText, ScrollArea, Sense, TextureHandle, Ui, pos2, vec2};

use super::action::Action;
use super::textures::Textures;
use super::theme::{RADIUS, palette};
use super::words::say;
use super::work::post::Asked;
use crate::engine::Pending;
use crate::library::catalog::PastCaption;
use crate::library::photo::{ContentId, Photo, PhotoId};

/// What was looked up of a photograph.
#[derive(Clone, Debug)]
pub struct About {
    /// Which.
    pub photo: Photo,
    /// Its captions, the newest first.
    pub captions: Vec<PastCaption>,
    /// Other files with the same bytes.
    pub copies: Vec<PathBuf>,
}

/// What the model can do; nothing until it is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Abilities {
    /// Whether it is there.
    pub is_ready: bool,
    /// Writes captions.
    pub can_caption: bool,
    /// Answers questions.
    pub can_answer: bool,
    /// Compares pictures with texts.
    pub can_match: bool,
}

/// The panel.
#[derive(Default)]
pub struct Details {
    /// Whether it is shown.
    pub is_open: bool,
    /// What the model can do.
    pub abilities: Abilities,
    wanted: Option<PhotoId>,
    about: Option<Arc<About>>,
    caption: caption::Caption,
    talk: talk::Talk,
    heat: heat::Heat,
}

impl Details {
    /// Which photograph it is about; answers whether that is another one, which must be looked up.
    pub fn turn_to(&mut self, photo: Option<PhotoId>) -> bool {
        if self.wanted == photo {
            return false;
        }
        self.wanted = photo;
        self.about = None;
        self.caption = caption::Caption::default();
        self.talk.forget();
        self.heat = heat::Heat::default();
        photo.is_some()
    }

    /// Shows what was looked up, if it is still wanted.
    pub fn receive(&mut self, about: About) {
        if self.wanted == Some(about.photo.id) {
            self.caption.show(about.photo.caption.as_deref());
            if self.about.as_ref().is_none_or(|old| old.photo.caption != about.photo.caption) {
                self.heat = heat::Heat::default();
            }
            self.about = Some(Arc::new(about));
        }
    }

    /// Waits for what the model was asked about a photograph.
    pub fn await_reply(&mut self, content: ContentId, asked: Asked, pending: Result<Pending, String>) {
        if self.content() != Some(content) {
            return;
        }
        match asked {
            Asked::Caption => self.caption.await_reply(pending),
            Asked::Answer | Asked::Match => self.talk.await_reply(asked, pending),
            Asked::Look => self.heat.await_reply(pending),
        }
    }

    /// Reads what the model has replied; answers a caption that it has finished.
    pub fn poll(&mut self, ui: &Ui) -> Option<(ContentId, String)> {
        self.talk.poll();
        self.heat.poll(ui.ctx());
        let text = self.caption.poll()?;
        self.content().map(|content| (content, text))
    }

    /// Stops what the model writes.
    pub fn stop(&mut self) {
        self.caption.stop();
    }

    /// What the photograph shows.
    pub fn content(&self) -> Option<ContentId> {
        self.about.as_ref().map(|about| about.photo.content)
    }

    /// The photograph.
    pub fn photo(&self) -> Option<&Photo> {
        self.about.as_ref().map(|about| &about.photo)
    }

    /// What was looked at for the word under the pointer.
    pub fn heat(&self) -> Option<&TextureHandle> {
        self.heat.shown()
    }

    /// Draws it. The picture stands at the top unless it is open large.
    pub fn ui(&mut self, ui: &mut Ui, textures: &mut Textures, is_large: bool) -> Option<Action> {
        let Some(about) = self.about.clone() else {
            ui.add_space(24.0);
            ui.vertical_centered(|ui| {
                ui.label(RichText::new(say("details-none")).color(palette(ui).weak));
            });
            return None;
        };
        let mut action = None;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 8.0);
            if !is_large {
                self.preview(ui, &about.photo, textures);
                ui.add_space(6.0);
            }
            ui.add(eframe::egui::Label::new(RichText::new(about.photo.name()).size(15.5).strong()).truncate());
            action = self.caption.ui(ui, &about, self.abilities, &mut self.heat);
            let asked = self.talk.ui(ui, self.abilities);
            action = asked.or(action.take());
            facts::ui(ui, &about);
            ui.add_space(20.0);
        });
        action
    }

    fn preview(&self, ui: &mut Ui, photo: &Photo, textures: &mut Textures) {
        let width = ui.available_width();
        let Some(Ok(thumbnail)) = textures.thumbnail(photo.id) else {
            let (rect, _) = ui.allocate_exact_size(vec2(width, width * 0.66), Sense::hover());
            ui.painter().rect_filled(rect, RADIUS, palette(ui).placeholder);
            ui.painter().text(rect.center(), Align2::CENTER_CENTER, "…", FontId::proportional(18.0), palette(ui).weak);
            return;
        };
        let scale = (width / thumbnail.size.x).min(width / thumbnail.size.y);
        let (rect, response) = ui.allocate_exact_size(thumbnail.size * scale, Sense::hover());
        let place = Rect::from_center_size(pos2(ui.max_rect().left() + width / 2.0, rect.center().y), rect.size());
        draw(ui, place, &thumbnail.texture, self.heat());
        response.widget_info(|| {
            eframe::egui::WidgetInfo::labeled(
                eframe::egui::Role::Image,
                true,
                photo.caption.clone().unwrap_or_else(|| photo.name()),
            )
        });
    }
}

/// Draws a picture, and over it what the model looked at.
pub fn draw(ui: &Ui, rect: Rect, texture: &TextureHandle, heat: Option<&TextureHandle>) {
    use eframe::egui::{Shape, epaint::RectShape};
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    let shape =
        |texture: &TextureHandle| RectShape::filled(rect, RADIUS, Color32::WHITE).with_texture(texture.id(), whole);
    ui.painter().add(Shape::Rect(shape(texture)));
    if let Some(heat) = heat {
        ui.painter().add(Shape::Rect(shape(heat)));
    }
}

/// The title of a part of the panel.
pub fn title(ui: &mut Ui, text: &str) {
    ui.add_space(14.0);
    ui.label(RichText::new(text).small().color(palette(ui).weak));
}
