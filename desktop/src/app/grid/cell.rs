//! A photograph in the grid, as it is painted.

use std::sync::Arc;

use eframe::egui::{Align2, Color32, FontId, Rect, Shape, Stroke, StrokeKind, Ui, epaint::RectShape, pos2, vec2};

use super::item::Item;
use super::radius;
use crate::app::icons::{self, Icon};
use crate::app::textures::Thumbnail;
use crate::app::theme::palette;
use crate::app::words;
use crate::library::photo::{Kind, Photo};

/// How a photograph stands among the others.
#[derive(Clone, Copy)]
pub struct State {
    pub is_chosen: bool,
    pub has_cursor: bool,
    pub has_focus: bool,
    pub is_hovered: bool,
}

/// Paints a photograph into a square, cut at its longer sides.
pub fn paint(
    ui: &Ui,
    rect: Rect,
    item: &Item,
    thumbnail: Option<&Result<Thumbnail, Arc<str>>>,
    about: Option<&Photo>,
    state: State,
) {
    let palette = palette(ui);
    let corners = radius(rect.width());
    let painter = ui.painter();
    match thumbnail {
        Some(Ok(thumbnail)) => {
            let uv = square(thumbnail.size.x / thumbnail.size.y);
            let shape = RectShape::filled(rect, corners, Color32::WHITE).with_texture(thumbnail.texture.id(), uv);
            painter.add(Shape::Rect(shape));
        }
        Some(Err(_)) => {
            painter.rect_filled(rect, corners, palette.placeholder);
            painter.text(rect.center(), Align2::CENTER_CENTER, "?", FontId::proportional(24.0), palette.weak);
        }
        None => {
            painter.rect_filled(rect, corners, palette.placeholder);
        }
    }
    if about.is_some_and(|about| about.kind == Kind::Video) {
        let place = Rect::from_min_size(rect.left_top() + vec2(6.0, 6.0), vec2(22.0, 22.0));
        painter.circle_filled(place.center(), 11.0, Color32::from_black_alpha(120));
        icons::paint(ui, place, Icon::Go, Color32::WHITE);
    }
    if let Some(matched) = item.matched.filter(|_| rect.width() >= 100.0) {
        // A number that is still to settle is fainter.
        let strength = if item.is_settled { 215 } else { 120 };
        pill(ui, rect.right_bottom() - vec2(6.0, 6.0), Align2::RIGHT_BOTTOM, &words::percent(matched), strength);
    }
    if state.is_chosen {
        painter.rect_filled(rect, corners, palette.accent.gamma_multiply(0.12));
        painter.rect_stroke(rect, corners, Stroke::new(3.0, palette.accent), StrokeKind::Inside);
        let middle = rect.left_bottom() + vec2(15.0, -15.0);
        painter.circle_filled(middle, 9.0, palette.accent);
        let tick = [pos2(-4.0, 0.0), pos2(-1.2, 3.0), pos2(4.2, -3.2)].map(|point| middle + point.to_vec2());
        painter.line(tick.to_vec(), Stroke::new(2.0, palette.on_accent));
    } else if state.is_hovered {
        painter.rect_stroke(rect, corners, Stroke::new(1.5, palette.weak), StrokeKind::Inside);
    }
    if state.has_cursor && state.has_focus {
        painter.rect_stroke(rect.expand(2.0), corners + 2.0, Stroke::new(2.0, palette.text), StrokeKind::Inside);
    }
}

/// The middle square of a picture, in shares of its sides.
fn square(aspect: f32) -> Rect {
    let (width, height) = if aspect > 1.0 { (1.0 / aspect, 1.0) } else { (1.0, aspect) };
    // Heads are rather in the upper half of a tall picture than in its middle.
    let top = (1.0 - height) * 0.4;
    Rect::from_min_size(pos2((1.0 - width) / 2.0, top), vec2(width, height))
}

/// A word on a photograph, read on any of them.
fn pill(ui: &Ui, corner: eframe::egui::Pos2, align: Align2, text: &str, strength: u8) {
    let color = Color32::from_white_alpha(strength);
    let text = ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(11.5), color);
    let rect = align.anchor_size(corner, text.size() + vec2(10.0, 4.0));
    ui.painter().rect_filled(rect, rect.height() / 2.0, Color32::from_black_alpha(120));
    ui.painter().galley(rect.min + vec2(5.0, 2.0), text, color);
}
