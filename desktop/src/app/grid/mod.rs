//! The grid of photographs: any number of them, of which only those on screen are laid out.

mod band;
mod cell;
mod item;
mod keys;
mod layout;
mod menu;
mod scroll;
mod selection;

use eframe::egui::{Align2, FontId, Id, PointerButton, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use band::Band;
pub use item::{Dividers, Item};
pub use keys::struck;
use layout::{DIVIDER, GAP, Layout};
use scroll::Scroll;
pub use selection::Selection;

use super::action::Action;
use super::textures::Textures;
use super::theme::{self, palette};
use super::words::{self, say_with};

/// Sides that a photograph may have in the grid.
pub const SIDES: std::ops::RangeInclusive<f32> = 72.0..=420.0;

/// Space beside the grid.
const MARGIN: f32 = 16.0;

/// Space above it and below; dividers bring their own.
const EDGE: f32 = 8.0;

/// What the grid shows and where it is.
pub struct Grid {
    items: Vec<Item>,
    /// First photographs of the parts that dividers stand between.
    starts: Vec<usize>,
    dividers: Dividers,
    layout: Layout,
    scroll: Scroll,
    /// What is chosen.
    pub selection: Selection,
    /// What is being drawn around photographs.
    band: Option<Band>,
    /// The side that photographs should have.
    pub side: f32,
    /// Photographs that the last frame laid out.
    pub laid_out: usize,
    /// Photographs in a page.
    page: isize,
    /// Whether a menu lies over it, which has the keyboard.
    pub is_covered: bool,
    /// Whether photographs can be carried out of the window.
    pub can_carry: bool,
    is_new: bool,
    shows_cursor: bool,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            starts: Vec::new(),
            dividers: Dividers::None,
            layout: Layout::default(),
            scroll: Scroll::default(),
            selection: Selection::default(),
            band: None,
            side: 176.0,
            laid_out: 0,
            page: 1,
            is_covered: false,
            can_carry: false,
            is_new: true,
            shows_cursor: false,
        }
    }
}

impl Grid {
    /// Shows other photographs. With `again`, it is the same question: the place and what is chosen stay.
    pub fn show(&mut self, items: Vec<Item>, dividers: Dividers, again: bool) {
        let top = self.anchor();
        self.starts.clear();
        let mut last = None;
        for (index, item) in items.iter().enumerate() {
            if last != Some(item.part) || (index == 0) {
                if index == 0 || dividers != Dividers::None {
                    self.starts.push(index);
                }
                last = Some(item.part);
            }
        }
        self.items = items;
        self.dividers = dividers;
        self.is_new = true;
        if again {
            self.selection.follow(&self.items);
            self.scroll.keep = top.and_then(|(photo, offset)| {
                self.items.iter().position(|item| item.photo == photo).map(|index| (index, offset))
            });
        } else {
            self.selection = Selection::default();
            self.scroll = Scroll::default();
        }
    }

    /// The photographs.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// How far down the grid is, in points.
    pub fn scrolled(&self) -> f64 {
        self.scroll.top
    }

    /// The photograph under the cursor.
    pub fn current(&self) -> Option<Item> {
        self.selection.cursor().and_then(|index| self.items.get(index)).copied()
    }

    /// The chosen photographs, or the one under the cursor.
    pub fn chosen(&self) -> Vec<i64> {
        match self.selection.len() {
            0 => self.current().map(|item| item.photo).into_iter().collect(),
            _ => self.selection.in_order(&self.items),
        }
    }

    /// How many those are.
    pub fn num_chosen(&self) -> usize {
        self.selection.len().max(usize::from(self.selection.cursor().is_some()))
    }

    /// Moves the cursor so many photographs on.
    pub fn step(&mut self, by: isize) {
        let Some(last) = self.items.len().checked_sub(1) else { return };
        let index = self.selection.cursor().unwrap_or(0).saturating_add_signed(by).min(last);
        self.selection.only(&self.items, index);
        self.shows_cursor = true;
    }

    /// The name that the grid's keyboard focus has.
    pub fn id() -> Id {
        Id::unique("photographs")
    }

    /// Draws it in the space that is left.
    pub fn ui(&mut self, ui: &mut Ui, textures: &mut Textures) -> Option<Action> {
        let area = ui.available_rect_before_wrap();
        let response = ui.interact(area, Self::id(), Sense::CLICK | Sense::DRAG);
        ui.painter().rect_filled(area, 0.0, palette(ui).ground);
        response.widget_info(|| WidgetInfo::labeled(Role::ListBox, true, self.label(textures)));
        // By the pointer: keys that press what has the focus open a photograph.
        if response.clicked_by(PointerButton::Primary) {
            response.request_focus();
            self.selection.none();
        }
        let inside = area.shrink2(vec2(MARGIN, 0.0)).with_max_x(area.right() - MARGIN - scroll::BAR);
        self.arrange(inside);
        let mut action = self.keys(ui, &response);
        self.wheel(ui, area, inside);
        if std::mem::take(&mut self.shows_cursor) {
            self.show_cursor(area.height());
        }
        self.scroll.settle(self.layout.height + f64::from(2.0 * EDGE), area.height());
        textures.draw_at(self.layout.side * ui.pixels_per_point());
        let drawn = self.photographs(ui, area, inside, textures);
        action = drawn.or(action);
        if self.is_carried(ui, &response, inside) {
            action = Some(Action::Carry);
        } else {
            self.band(ui, &response, inside);
        }
        if let Some(top) = scroll::bar(ui, area, self.scroll.top, self.layout.height + f64::from(2.0 * EDGE)) {
            self.scroll.top = top;
        }
        ui.advance_cursor_after_rect(area);
        action
    }

    /// Whether someone begins to drag photographs that are chosen; from anywhere else a band is drawn.
    fn is_carried(&self, ui: &Ui, response: &Response, inside: Rect) -> bool {
        if !self.can_carry || !response.drag_started_by(PointerButton::Primary) {
            return false;
        }
        let (origin, is_added) =
            ui.input(|input| (input.pointer.press_origin(), input.modifiers.command || input.modifiers.shift));
        let Some(origin) = origin.filter(|_| !is_added) else { return false };
        let (x, y) = band::place(origin, (inside, self.scroll.top - f64::from(EDGE)));
        let under = self.layout.touched((x, x), (y, y)).into_iter().find_map(|index| self.items.get(index));
        under.is_some_and(|item| self.selection.holds(item.photo))
    }

    /// Chooses what the pointer draws a band around.
    fn band(&mut self, ui: &Ui, response: &Response, inside: Rect) {
        let place = (inside, self.scroll.top - f64::from(EDGE));
        let drawn = band::draw(ui, response, &mut self.band, &self.layout, &self.selection, place);
        if let Some(band::Drawn { touched, before, scroll }) = drawn {
            response.request_focus();
            self.selection = before;
            self.selection.add(&self.items, &touched);
            self.scroll.top += f64::from(scroll);
        }
    }

    /// Lays rows out anew where their width or number has changed; what was at the top stays there.
    fn arrange(&mut self, inside: Rect) {
        let divider = if self.dividers == Dividers::None { 0.0 } else { DIVIDER };
        let layout =
            Layout::new(&self.starts[..self.starts.len().min(1)], self.items.len(), inside.width(), self.side, divider);
        let is_same = layout.columns == self.layout.columns && (layout.side - self.layout.side).abs() < 0.01;
        if !is_same || self.is_new {
            if self.scroll.keep.is_none() && !self.is_new {
                self.scroll.keep = self.top();
            }
            self.layout = Layout::new(&self.starts, self.items.len(), inside.width(), self.side, divider);
            self.is_new = false;
        }
        let kept = self.scroll.keep.take().filter(|(index, _)| *index < self.items.len());
        if let Some((index, offset)) = kept {
            self.scroll.top = self.layout.place(index).1 + f64::from(EDGE) - offset;
        }
    }

    /// The wheel scrolls; with Ctrl it makes photographs larger or smaller.
    fn wheel(&mut self, ui: &Ui, area: Rect, inside: Rect) {
        if !ui.rect_contains_pointer(area) {
            return;
        }
        let (scrolled, zoomed) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
        if (zoomed - 1.0).abs() > f32::EPSILON {
            self.side = (self.side * zoomed).clamp(*SIDES.start(), *SIDES.end());
            self.arrange(inside);
        } else {
            self.scroll.top -= f64::from(scrolled);
        }
    }

    /// Draws what is seen.
    fn photographs(&mut self, ui: &mut Ui, area: Rect, inside: Rect, textures: &mut Textures) -> Option<Action> {
        let painter_area = area.intersect(ui.clip_rect());
        ui.shrink_clip_rect(painter_area);
        let top = self.scroll.top - f64::from(EDGE);
        let bottom = top + f64::from(area.height());
        let mut action = None;
        self.laid_out = 0;
        let sections: Vec<layout::Section> = self.layout.seen_sections(top, bottom).to_vec();
        for section in sections {
            #[expect(clippy::cast_possible_truncation, reason = "near the screen")]
            let y = |height: f64| area.top() + (height - top) as f32;
            if self.dividers != Dividers::None {
                self.divider(ui, pos2(inside.left(), y(section.top)), section);
            }
            for index in self.layout.seen(&section, top, bottom) {
                let (x, height) = self.layout.place(index);
                let corner = pos2(inside.left() + x, y(height));
                let rect = Rect::from_min_size(corner, vec2(self.layout.side, self.layout.side));
                self.laid_out += 1;
                action = self.photograph(ui, rect, index, textures).or(action);
            }
        }
        action
    }

    fn divider(&self, ui: &mut Ui, corner: eframe::egui::Pos2, section: layout::Section) {
        let part = self.items[section.first].part;
        let title = match self.dividers {
            Dividers::Groups => say_with("group", &[("number", part.into()), ("count", section.count.into())]),
            _ => words::day(part),
        };
        let place = pos2(corner.x, corner.y + DIVIDER - 16.0);
        let font = FontId::proportional(14.5);
        let drawn = ui.painter().text(place, Align2::LEFT_CENTER, &title, font, palette(ui).text);
        let heading = ui.interact(drawn, Self::id().with(("divider", section.first)), Sense::hover());
        heading.widget_info(|| WidgetInfo::labeled(Role::Heading, true, &title));
        if self.dividers == Dividers::Days {
            let place = pos2(drawn.right() + 10.0, place.y);
            let count = say_with("count", &[("count", section.count.into())]);
            ui.painter().text(place, Align2::LEFT_CENTER, count, FontId::proportional(12.0), palette(ui).weak);
        }
    }

    fn photograph(&mut self, ui: &mut Ui, rect: Rect, index: usize, textures: &mut Textures) -> Option<Action> {
        let item = self.items[index];
        // Not focusable: the grid is one stop for Tab, arrows do the rest.
        let response = ui.interact(rect, Self::id().with(item.photo), Sense::CLICK);
        let is_chosen = self.selection.holds(item.photo);
        let thumbnail = textures.thumbnail(item.photo);
        let about = textures.about(item.photo);
        let name = about
            .as_ref()
            .map_or_else(|| say_with("photo-number", &[("number", (index + 1).into())]), |about| about.name());
        response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, is_chosen, &name));
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_selected(is_chosen));
        let has_cursor = self.selection.cursor() == Some(index);
        let has_focus = ui.memory(|memory| memory.has_focus(Self::id()));
        let state = cell::State { is_chosen, has_cursor, has_focus, is_hovered: response.hovered() };
        cell::paint(ui, rect, &item, thumbnail.as_ref(), about.as_deref(), state);

        let mut action = None;
        let modifiers = ui.input(|input| input.modifiers);
        if response.clicked() {
            ui.memory_mut(|memory| memory.request_focus(Self::id()));
            if modifiers.shift {
                self.selection.range_to(&self.items, index);
            } else if modifiers.command {
                self.selection.toggle(&self.items, index);
            } else {
                self.selection.only(&self.items, index);
            }
        }
        if response.double_clicked() {
            self.selection.only(&self.items, index);
            action = Some(Action::Open);
        }
        if response.secondary_clicked() && !is_chosen {
            self.selection.only(&self.items, index);
        }
        response.context_menu(|ui| {
            action = menu::ui(ui, self.num_chosen(), item.content.map(|content| (content, name.clone())));
        });
        let caption = about.and_then(|about| about.caption.clone());
        let problem = thumbnail.and_then(Result::err);
        response.on_hover_ui(|ui| {
            ui.label(&name);
            if let Some(caption) = caption {
                ui.label(caption);
            }
            if let Some(problem) = problem {
                ui.colored_label(palette(ui).error, &*problem);
            }
        });
        action
    }

    /// What a screen reader says of the whole grid.
    fn label(&self, textures: &Textures) -> String {
        let count = self.items.len();
        match self.selection.cursor() {
            Some(index) => {
                let name = self.items.get(index).and_then(|item| textures.about(item.photo)).map(|about| about.name());
                let name = name.unwrap_or_default();
                say_with(
                    "grid-label-at",
                    &[("number", (index + 1).into()), ("count", count.into()), ("name", name.into())],
                )
            }
            None => say_with("grid-label", &[("count", count.into())]),
        }
    }

    /// Scrolls until the cursor is seen.
    fn show_cursor(&mut self, height: f32) {
        let Some(index) = self.selection.cursor().filter(|index| *index < self.items.len()) else { return };
        let y = self.layout.place(index).1 + f64::from(EDGE);
        let divider = f64::from(self.layout.divider);
        let (above, below) = (y - divider - f64::from(GAP), y + self.layout.step() - f64::from(height));
        self.scroll.top = self.scroll.top.min(above).max(below);
    }

    /// The photograph at the top, and how far from the top of the screen it is.
    fn top(&self) -> Option<(usize, f64)> {
        if self.items.is_empty() || self.layout.columns == 0 || self.scroll.top <= 0.0 {
            return None;
        }
        let index = self.layout.first_at((self.scroll.top - f64::from(EDGE)).max(0.0));
        (index < self.items.len()).then(|| (index, self.layout.place(index).1 + f64::from(EDGE) - self.scroll.top))
    }

    fn anchor(&self) -> Option<(i64, f64)> {
        self.top().map(|(index, offset)| (self.items[index].photo, offset))
    }
}

/// The corner radius of a photograph of this size.
fn radius(side: f32) -> f32 {
    f32::from(theme::RADIUS).min(side / 12.0)
}
