//! Signs that no letter stands for in every font, drawn, each on a button with a name.

use eframe::egui::{Color32, Rect, Response, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::theme::palette;

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Three lines: a menu.
    Menu,
    /// Two bars: wait.
    Pause,
    /// A triangle: go on.
    Go,
    /// A cross: away with it.
    Close,
}

/// A button of a sign alone; `name` is what a screen reader says and what shows under the pointer.
pub fn button(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(24.0, 24.0), Sense::click());
    let colors = palette(ui);
    let color = if response.hovered() || response.has_focus() { colors.text } else { colors.weak };
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, 6.0, colors.raised);
    }
    paint(ui, rect, icon, color);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    response.on_hover_text(name)
}

/// Draws a sign in the middle of a place.
pub fn paint(ui: &Ui, rect: Rect, icon: Icon, color: Color32) {
    let painter = ui.painter();
    let at = |x: f32, y: f32| pos2(rect.center().x + x, rect.center().y + y);
    let stroke = Stroke::new(1.6, color);
    match icon {
        Icon::Menu => [-4.5, 0.0, 4.5].into_iter().for_each(|y| {
            painter.line_segment([at(-6.5, y), at(6.5, y)], stroke);
        }),
        Icon::Pause => [-2.5, 2.5].into_iter().for_each(|x| {
            painter.line_segment([at(x, -4.0), at(x, 4.0)], Stroke::new(2.2, color));
        }),
        Icon::Go => {
            let corners = vec![at(-3.0, -4.5), at(4.5, 0.0), at(-3.0, 4.5)];
            painter.add(Shape::convex_polygon(corners, color, Stroke::NONE));
        }
        Icon::Close => [-1.0, 1.0].into_iter().for_each(|side| {
            painter.line_segment([at(-3.5, -3.5 * side), at(3.5, 3.5 * side)], stroke);
        }),
    }
}
