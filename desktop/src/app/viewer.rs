//! A photograph large: zoomed by the wheel, moved by dragging, left and right to the next.

use eframe::egui::{
    Align2, ColorImage, Context, FontId, Key, Modifiers, PointerButton, Pos2, Rect, Role, Sense, TextureHandle,
    TextureOptions, Ui, Vec2, WidgetInfo, vec2,
};

use super::action::Action;
use super::details;
use super::grid::struck;
use super::textures::Textures;
use super::theme::palette;
use super::words::{percent, say, say_with};
use crate::library::photo::PhotoId;

/// Points of the screen for a pixel of the picture, at most.
const LARGEST: f32 = 8.0;

/// Space around a photograph that fits.
const MARGIN: f32 = 16.0;

/// What is open large.
#[derive(Default)]
pub struct Viewer {
    photo: Option<PhotoId>,
    whole: Option<Result<(TextureHandle, Vec2), String>>,
    /// Points for a pixel; `None` where it fits the window.
    zoom: Option<f32>,
    /// How far its middle is from the window's.
    moved: Vec2,
}

impl Viewer {
    /// Turns to a photograph; answers whether it must be decoded.
    pub fn turn_to(&mut self, photo: PhotoId) -> bool {
        if self.photo == Some(photo) {
            return false;
        }
        *self = Self { photo: Some(photo), ..Self::default() };
        true
    }

    /// Shows a decoded photograph, if it is still wanted.
    pub fn receive(&mut self, context: &Context, photo: PhotoId, picture: Result<ColorImage, String>) {
        if self.photo == Some(photo) {
            self.whole = Some(picture.map(|picture| {
                let [width, height] = picture.size;
                #[expect(clippy::cast_precision_loss, reason = "sides of textures")]
                let size = vec2(width as f32, height as f32);
                (context.load_texture("photograph", picture, TextureOptions::LINEAR), size)
            }));
        }
    }

    /// Draws it.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        textures: &mut Textures,
        heat: Option<&TextureHandle>,
        place: (usize, usize),
    ) -> Option<Action> {
        let photo = self.photo?;
        let area = ui.available_rect_before_wrap();
        let colors = palette(ui);
        ui.painter().rect_filled(area, 0.0, colors.ground);
        let response = ui.interact(area, ui.scope_id().with("viewer"), Sense::click_and_drag());
        let about = textures.about(photo);
        let name = about.as_ref().map(|about| about.name()).unwrap_or_default();
        response.widget_info(|| {
            let at = [("name", name.as_str().into()), ("number", place.0.into()), ("count", place.1.into())];
            WidgetInfo::labeled(Role::Image, true, say_with("viewer-label", &at))
        });
        let small = textures.thumbnail(photo);
        let shown = match (&self.whole, small) {
            (Some(Ok((texture, size))), _) => Some((texture.clone(), *size)),
            (_, Some(Ok(thumbnail))) => {
                // The thumbnail stands exactly where the photograph will.
                let size = about.as_ref().map(|about| vec2(about.width as f32, about.height as f32));
                let size = size.filter(|size| size.x > 0.0 && size.y > 0.0).unwrap_or(thumbnail.size);
                Some((thumbnail.texture, size))
            }
            _ => None,
        };
        if let Some((texture, size)) = &shown {
            let fit = fitting(area, *size);
            self.point(ui, &response, area, fit);
            let zoom = self.zoom.unwrap_or(fit);
            self.moved = kept_in(self.moved, *size * zoom, area.size());
            let rect = Rect::from_center_size(area.center() + self.moved, *size * zoom);
            let clipped = area.intersect(ui.clip_rect());
            ui.scope(|ui| {
                ui.set_clip_rect(clipped);
                details::draw(ui, rect, texture, heat);
            });
            if let Some(zoom) = self.zoom {
                let corner = area.right_bottom() - vec2(16.0, 12.0);
                let shown = percent(zoom * ui.pixels_per_point());
                ui.painter().text(corner, Align2::RIGHT_BOTTOM, shown, FontId::proportional(12.0), colors.weak);
            }
        }
        if let Some(Err(reason)) = &self.whole {
            let text = say_with("viewer-failed", &[("reason", reason.as_str().into())]);
            ui.painter().text(area.center(), Align2::CENTER_CENTER, text, FontId::proportional(14.0), colors.error);
        } else if shown.is_none() {
            ui.painter().text(
                area.center(),
                Align2::CENTER_CENTER,
                say("viewer-loading"),
                FontId::proportional(14.0),
                colors.weak,
            );
        }
        let at = say_with("viewer-at", &[("number", place.0.into()), ("count", place.1.into())]);
        let line = format!("{name}   {at}");
        ui.painter().text(
            area.left_bottom() + vec2(16.0, -12.0),
            Align2::LEFT_BOTTOM,
            line,
            FontId::proportional(12.0),
            colors.weak,
        );
        let close = self.close_button(ui, area);
        ui.advance_cursor_after_rect(area);
        self.keys(ui, shown.map(|(_, size)| fitting(area, size))).or(close)
    }

    fn close_button(&self, ui: &mut Ui, area: Rect) -> Option<Action> {
        let place = Rect::from_min_size(area.left_top() + vec2(12.0, 10.0), vec2(96.0, 30.0));
        let button = ui.put(place, eframe::egui::Button::new(say("viewer-back")));
        button.on_hover_text(say("viewer-back-hint")).clicked().then_some(Action::Close)
    }

    fn keys(&mut self, ui: &Ui, fit: Option<f32>) -> Option<Action> {
        let (focused, is_modal) = ui.memory(|memory| (memory.focused(), memory.top_modal_layer().is_some()));
        if is_modal || ui.ctx().text_edit_focused() {
            return None;
        }
        let typed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        if struck(ui, Key::Escape) || (focused.is_none() && (struck(ui, Key::Space) || struck(ui, Key::Enter))) {
            return Some(Action::Close);
        }
        if typed(Key::ArrowRight) || typed(Key::ArrowDown) || typed(Key::PageDown) {
            return Some(Action::Step(1));
        }
        if typed(Key::ArrowLeft) || typed(Key::ArrowUp) || typed(Key::PageUp) {
            return Some(Action::Step(-1));
        }
        if let Some(fit) = fit {
            let zoom = self.zoom.unwrap_or(fit);
            if typed(Key::Plus) || typed(Key::Equals) {
                self.zoom = Some((zoom * 1.25).min(LARGEST));
            }
            if typed(Key::Minus) {
                self.zoom = Some(zoom / 1.25).filter(|zoom| *zoom > fit);
            }
            if typed(Key::Num0) {
                self.zoom = None;
            }
            if typed(Key::Num1) {
                self.zoom = Some(1.0 / ui.pixels_per_point());
            }
        }
        None
    }

    /// The wheel zooms around the pointer, dragging moves, a double click changes between all of it and every pixel.
    fn point(&mut self, ui: &Ui, response: &eframe::egui::Response, area: Rect, fit: f32) {
        if response.dragged_by(PointerButton::Primary) && self.zoom.is_some() {
            self.moved += response.drag_delta();
        }
        let pointer = response.hover_pos().unwrap_or(area.center());
        let zoom = self.zoom.unwrap_or(fit);
        if response.double_clicked() {
            let whole = (1.0 / ui.pixels_per_point()).max(fit * 2.0).min(LARGEST);
            self.zoom_to(if self.zoom.is_some() { None } else { Some(whole) }, zoom, pointer, area);
        } else if response.hovered() {
            let (scrolled, pinched) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
            let factor = pinched * (scrolled / 200.0).exp();
            if (factor - 1.0).abs() > 1e-4 {
                let wanted = (zoom * factor).min(LARGEST);
                self.zoom_to(Some(wanted).filter(|wanted| *wanted > fit), zoom, pointer, area);
            }
        }
    }

    /// Changes the zoom so that what is under the pointer stays there.
    fn zoom_to(&mut self, wanted: Option<f32>, before: f32, pointer: Pos2, area: Rect) {
        self.zoom = wanted;
        match wanted {
            Some(after) => {
                let from_middle = pointer - area.center() - self.moved;
                self.moved -= from_middle * (after / before - 1.0);
            }
            None => self.moved = Vec2::ZERO,
        }
    }
}

/// Points for a pixel so that all is seen, and nothing larger than it is.
fn fitting(area: Rect, size: Vec2) -> f32 {
    let space = area.size() - vec2(2.0 * MARGIN, 2.0 * MARGIN + 34.0);
    (space.x / size.x).min(space.y / size.y).clamp(0.001, 2.0)
}

/// No further than that an edge is seen.
fn kept_in(moved: Vec2, picture: Vec2, window: Vec2) -> Vec2 {
    let most = ((picture - window) / 2.0).max(Vec2::ZERO);
    moved.clamp(-most, most)
}
