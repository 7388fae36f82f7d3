//! A band drawn with the pointer, which chooses what it touches.

use eframe::egui::{PointerButton, Pos2, Rect, Response, Stroke, StrokeKind, Ui, pos2, vec2};

use super::layout::{GAP, Layout};
use super::selection::Selection;
use crate::app::theme::palette;

/// How near to the edge the grid begins to scroll, and by how much of what the pointer is beyond that in a frame.
const EDGE: f32 = 24.0;
const PACE: f32 = 0.25;

/// A band, from where it began in the grid, and what was chosen before.
#[derive(Clone, Debug)]
pub struct Band {
    x: f32,
    y: f64,
    before: Selection,
}

/// What a frame of a band did.
pub struct Drawn {
    /// Photographs that it touches.
    pub touched: Vec<usize>,
    /// What was chosen before, and stays chosen with Ctrl or Shift.
    pub before: Selection,
    /// How much the grid scrolls.
    pub scroll: f32,
}

/// Where in the grid the pointer is; `top` is the height of the grid that `inside` begins at.
pub fn place(pointer: Pos2, (inside, top): (Rect, f64)) -> (f32, f64) {
    (pointer.x - inside.left(), f64::from(pointer.y - inside.top()) + top)
}

/// Draws the band while the pointer is held; `top` is the height of the grid that `inside` begins at.
pub fn draw(
    ui: &Ui,
    response: &Response,
    band: &mut Option<Band>,
    layout: &Layout,
    selection: &Selection,
    (inside, top): (Rect, f64),
) -> Option<Drawn> {
    if response.drag_started_by(PointerButton::Primary) {
        let (x, y) = place(ui.input(|input| input.pointer.press_origin())?, (inside, top));
        *band = Some(Band { x, y, before: selection.clone() });
    }
    if !response.dragged_by(PointerButton::Primary) {
        *band = None;
    }
    let Band { x, y, before } = band.as_ref()?;
    let pointer = response.interact_pointer_pos()?;
    let (to_x, to_y) = place(pointer, (inside, top));
    #[expect(clippy::cast_possible_truncation, reason = "cut to the screen")]
    let on_screen = |y: f64| ((y - top) as f32).clamp(-10.0, inside.height() + 10.0) + inside.top();
    let corners = (pos2(inside.left() + x, on_screen(*y)), pos2(inside.left() + to_x, on_screen(to_y)));
    let rect = Rect::from_two_pos(corners.0, corners.1);
    let colors = palette(ui);
    let painter = ui.painter().clone().with_clip_rect(inside.expand2(vec2(GAP * 2.0, 0.0)));
    painter.rect_filled(rect, 2.0, colors.accent.gamma_multiply(0.2));
    painter.rect_stroke(rect, 2.0, Stroke::new(1.0, colors.accent), StrokeKind::Inside);
    let beyond = (pointer.y - (inside.bottom() - EDGE)).max(0.0) - (inside.top() + EDGE - pointer.y).max(0.0);
    if beyond != 0.0 {
        ui.ctx().request_repaint();
    }
    let is_added = ui.input(|input| input.modifiers.command || input.modifiers.shift);
    Some(Drawn {
        touched: layout.touched((x.min(to_x), x.max(to_x)), (y.min(to_y), y.max(to_y))),
        before: if is_added { before.clone() } else { Selection::default() },
        scroll: beyond * PACE,
    })
}
