//! How far down a grid is, and the bar that shows it.

use eframe::egui::{Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::app::theme::palette;
use crate::app::words::say;

/// Width of the bar.
pub const BAR: f32 = 12.0;

/// The shortest that its handle gets.
const SHORTEST: f32 = 36.0;

/// Where a grid is.
#[derive(Clone, Debug, Default)]
pub struct Scroll {
    /// Points above the screen.
    pub top: f64,
    /// A photograph that shall be so far from the top of the screen once rows are laid out.
    pub keep: Option<(usize, f64)>,
}

impl Scroll {
    /// Keeps to what there is.
    pub fn settle(&mut self, height: f64, seen: f32) {
        self.top = self.top.min(height - f64::from(seen)).max(0.0);
    }
}

/// Draws the bar; answers where someone has dragged it.
pub fn bar(ui: &Ui, area: Rect, top: f64, height: f64) -> Option<f64> {
    let seen = f64::from(area.height());
    if height <= seen {
        return None;
    }
    let rail = area.with_min_x(area.right() - BAR).shrink2(vec2(2.0, 4.0));
    #[expect(clippy::cast_possible_truncation, reason = "points of the screen")]
    let length = ((seen / height * f64::from(rail.height())) as f32).max(SHORTEST).min(rail.height());
    let way = f64::from(rail.height() - length);
    let most = height - seen;
    #[expect(clippy::cast_possible_truncation, reason = "points of the screen")]
    let offset = (top / most * way) as f32;
    let handle = Rect::from_min_size(pos2(rail.left(), rail.top() + offset), vec2(rail.width(), length));

    let id = super::Grid::id().with("bar");
    let response = ui.interact(rail.expand(2.0), id, Sense::DRAG | Sense::CLICK);
    response
        .widget_info(|| WidgetInfo { value: Some(top), ..WidgetInfo::labeled(Role::ScrollBar, true, say("scroll")) });
    let palette = palette(ui);
    let is_held = response.dragged() || response.is_pointer_button_down_on();
    let color = if is_held || response.hovered() { palette.weak } else { palette.line };
    ui.painter().rect_filled(handle.shrink2(vec2(1.0, 0.0)), 4.0, color);

    let pointer = response.interact_pointer_pos()?;
    let held = ui.data_mut(|data| {
        let held: &mut f32 = data.get_temp_mut_or_insert_with(id, || 0.0);
        if response.drag_started() || ui.input(|input| input.pointer.primary_pressed()) {
            // Beside the handle, its middle jumps to the pointer.
            *held = if handle.contains(pointer) { pointer.y - handle.top() } else { length / 2.0 };
        }
        *held
    });
    (is_held && way > 0.0).then(|| (f64::from(pointer.y - held - rail.top()) / way * most).clamp(0.0, most))
}
