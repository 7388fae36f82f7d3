//! Captions for many photographs at once: a preview of ten, where to write them, and only then the task.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{Align, Button, Frame, Id, Layout, Margin, Modal, RichText, ScrollArea, Sense, TextEdit, Ui, vec2};

use super::action::Action;
use super::details;
use super::textures::Textures;
use super::theme::{RADIUS, palette};
use super::words::{say, say_with};
use crate::library::export::{Existing, Format};
use crate::library::photo::PhotoId;

/// Photographs in the preview.
pub const PREVIEWED: usize = 10;

/// Captions as they will be written.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which plan: drafts of another are not shown in this.
    pub id: u64,
    /// Which photographs.
    pub photos: Arc<Vec<PhotoId>>,
    /// The files that captions go to; `None` where they stay in the library.
    pub format: Option<Format>,
    /// A folder for the files; `None` for beside the photographs.
    pub mirror: Option<PathBuf>,
    /// Whether captions that are there stay, and are written to the files as they are.
    pub keeps: bool,
    /// What becomes of files that are there.
    pub existing: Existing,
    /// Captions that were written for the preview.
    pub drafts: Arc<HashMap<PhotoId, String>>,
}

/// A caption of the preview.
#[derive(Clone, Debug, PartialEq)]
pub enum Draft {
    /// The model has written it.
    Written(String),
    /// It is there already.
    There(String),
    /// It could not be written, and why.
    Failed(String),
}

/// The dialog.
pub struct Bulk {
    plan: Plan,
    drafts: HashMap<PhotoId, Draft>,
    /// Whether the files go to a folder of their own, and its path as it is typed.
    mirror: (bool, String),
    /// Files that are there already, once they were counted.
    there: Option<Result<usize, String>>,
    is_checking: bool,
}

impl Bulk {
    /// Begins to plan.
    pub fn new(id: u64, photos: Vec<PhotoId>) -> Self {
        let plan = Plan {
            id,
            photos: Arc::new(photos),
            format: None,
            mirror: None,
            keeps: true,
            existing: Existing::Leave,
            drafts: Arc::new(HashMap::new()),
        };
        Self { plan, drafts: HashMap::new(), mirror: (false, String::new()), there: None, is_checking: false }
    }

    /// Which plan it is.
    pub fn id(&self) -> u64 {
        self.plan.id
    }

    /// The photographs of the preview.
    pub fn previewed(&self) -> Vec<PhotoId> {
        self.plan.photos.iter().copied().take(PREVIEWED).collect()
    }

    /// Shows a draft.
    pub fn receive(&mut self, id: u64, photo: PhotoId, draft: Draft) {
        if id == self.plan.id {
            self.drafts.insert(photo, draft);
        }
    }

    /// Hears how many files are there already.
    pub fn checked(&mut self, plan: &Plan, there: Result<usize, String>) {
        if plan.id == self.plan.id && plan.format == self.plan.format && plan.mirror == self.plan.mirror {
            self.there = Some(there);
            self.is_checking = false;
        }
    }

    /// Takes a folder for the files.
    pub fn set_mirror(&mut self, folder: PathBuf) {
        self.mirror = (true, folder.display().to_string());
        self.plan.mirror = Some(folder);
        self.there = None;
    }

    /// Draws it over the window.
    pub fn ui(&mut self, ui: &mut Ui, textures: &mut Textures) -> Option<Action> {
        let mut action = None;
        let colors = palette(ui);
        let frame = Frame::new().fill(colors.panel).corner_radius(RADIUS + 6).inner_margin(Margin::same(24));
        let frame = frame.stroke((1.0, colors.line)).shadow(ui.visuals().window_shadow);
        let modal = Modal::new(Id::unique("bulk")).frame(frame).show(ui.ctx(), |ui| {
            ui.set_width(640.0);
            ui.label(RichText::new(say_with("bulk-title", &[("count", self.plan.photos.len().into())])).size(20.0));
            ui.label(RichText::new(say("bulk-promise")).color(colors.weak));
            ui.add_space(8.0);
            let most = (ui.ctx().content_rect().height() - 190.0).max(120.0);
            ScrollArea::vertical().id_salt("plan").max_height(most).auto_shrink([false, true]).show(ui, |ui| {
                self.preview(ui, textures);
                ui.add_space(10.0);
                action = self.target(ui);
            });
            ui.add_space(14.0);
            action = self.buttons(ui).or(action.take());
        });
        if modal.should_close() {
            return Some(Action::DropPlan);
        }
        let must_check = self.plan.format.is_some() && self.there.is_none() && !self.is_checking;
        if must_check && action.is_none() {
            self.is_checking = true;
            action = Some(Action::CheckPlan(self.plan.clone()));
        }
        action
    }

    fn preview(&self, ui: &mut Ui, textures: &mut Textures) {
        let colors = palette(ui);
        let height = (ui.ctx().content_rect().height() - 430.0).clamp(130.0, 330.0);
        ScrollArea::vertical().id_salt("preview").max_height(height).auto_shrink([false, true]).show(ui, |ui| {
            for photo in self.previewed() {
                ui.horizontal(|ui| {
                    let (rect, _) = ui.allocate_exact_size(vec2(84.0, 56.0), Sense::hover());
                    match textures.thumbnail(photo) {
                        Some(Ok(thumbnail)) => {
                            let scale = (rect.width() / thumbnail.size.x).min(rect.height() / thumbnail.size.y);
                            let inside = eframe::egui::Rect::from_center_size(rect.center(), thumbnail.size * scale);
                            details::draw(ui, inside, &thumbnail.texture, None);
                        }
                        _ => {
                            ui.painter().rect_filled(rect, RADIUS, colors.placeholder);
                        }
                    }
                    let name = textures.about(photo).map(|about| about.name()).unwrap_or_default();
                    ui.vertical(|ui| {
                        ui.set_width(ui.available_width());
                        let (text, color) = match self.drafts.get(&photo) {
                            Some(Draft::Written(text)) => (text.clone(), colors.text),
                            Some(Draft::There(text)) if self.plan.keeps => (text.clone(), colors.weak),
                            Some(Draft::There(_)) => (say("bulk-anew"), colors.weak),
                            Some(Draft::Failed(reason)) => (reason.clone(), colors.error),
                            None => (say("bulk-reading"), colors.weak),
                        };
                        ui.add_space(6.0);
                        ui.add(eframe::egui::Label::new(RichText::new(text).size(14.5).color(color)).wrap());
                        ui.label(RichText::new(name).small().color(colors.weak));
                    });
                });
            }
            let more = self.plan.photos.len().saturating_sub(PREVIEWED);
            if more > 0 {
                ui.label(RichText::new(say_with("bulk-more", &[("count", more.into())])).color(colors.weak));
            }
        });
    }

    /// Where captions are written.
    fn target(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let before = (self.plan.format, self.plan.mirror.clone());
        let plan = &mut self.plan;
        ui.label(RichText::new(say("bulk-where")).small().color(palette(ui).weak));
        ui.radio_value(&mut plan.format, None, say("bulk-library"));
        ui.radio_value(&mut plan.format, Some(Format::Text), say("bulk-text"));
        ui.radio_value(&mut plan.format, Some(Format::JsonLines), say("bulk-jsonl"));
        ui.radio_value(&mut plan.format, Some(Format::Xmp), say("bulk-xmp"));
        if plan.format.is_some() {
            let (is_mirrored, path) = &mut self.mirror;
            ui.horizontal(|ui| {
                ui.add_space(22.0);
                ui.radio_value(is_mirrored, false, say("bulk-beside"));
                ui.radio_value(is_mirrored, true, say("bulk-mirror"));
                if *is_mirrored {
                    let field = TextEdit::singleline(path).hint_text(say("bulk-mirror-hint")).desired_width(180.0);
                    ui.add(field).accessible_name(say("bulk-mirror-path"));
                    if ui.button(say("choose")).clicked() {
                        action = Some(Action::ChooseMirror);
                    }
                }
            });
            plan.mirror = is_mirrored.then(|| PathBuf::from(path.trim()));
        }
        if before != (plan.format, plan.mirror.clone()) {
            self.there = None;
            self.is_checking = false;
        }
        ui.checkbox(&mut self.plan.keeps, say("bulk-keep"));
        match (&self.there, self.plan.format) {
            (Some(Ok(count)), Some(_)) if *count > 0 => {
                ui.add_space(4.0);
                let shown = say_with("bulk-there", &[("count", (*count).into())]);
                ui.label(RichText::new(shown).color(palette(ui).error));
                ui.radio_value(&mut self.plan.existing, Existing::Leave, say("bulk-leave"));
                ui.radio_value(&mut self.plan.existing, Existing::Replace, say("bulk-replace"));
            }
            (Some(Err(reason)), Some(_)) => {
                ui.label(RichText::new(reason).color(palette(ui).error));
            }
            _ => {}
        }
        action
    }

    fn buttons(&mut self, ui: &mut Ui) -> Option<Action> {
        let mut action = None;
        let colors = palette(ui);
        let has_place = self.plan.mirror.as_ref().is_none_or(|folder| folder.is_absolute());
        let is_known = self.plan.format.is_none() || (has_place && matches!(self.there, Some(Ok(_))));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let text = say_with("bulk-go", &[("count", self.plan.photos.len().into())]);
            let go = Button::new(RichText::new(text).color(colors.on_accent)).fill(colors.accent);
            if ui.add_enabled(is_known, go.min_size(vec2(150.0, 34.0))).clicked() {
                let written = self.drafts.iter().filter_map(|(photo, draft)| match draft {
                    Draft::Written(text) => Some((*photo, text.clone())),
                    _ => None,
                });
                self.plan.drafts = Arc::new(written.collect());
                action = Some(Action::RunPlan(self.plan.clone()));
            }
            if ui.add(Button::new(say("cancel")).min_size(vec2(90.0, 34.0))).clicked() {
                action = Some(Action::DropPlan);
            }
        });
        action
    }
}
