//! Where every photograph of a grid lies, without laying out any that is not seen.
//!
//! Heights are 64-bit: a million photographs are some thirty million points high, where 32 bits only know every second.

use std::ops::Range;

/// Space between photographs.
pub const GAP: f32 = 6.0;

/// Height of a divider with its space.
pub const DIVIDER: f32 = 44.0;

/// A run of photographs under one divider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Section {
    /// Its first photograph.
    pub first: usize,
    /// Photographs in it.
    pub count: usize,
    /// Where its divider begins.
    pub top: f64,
}

/// Rows and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Photographs in a row.
    pub columns: usize,
    /// Side of a photograph.
    pub side: f32,
    /// Height of a divider; 0 where there are none.
    pub divider: f32,
    /// Height of everything.
    pub height: f64,
    sections: Vec<Section>,
}

impl Layout {
    /// Lays out runs of photographs that begin at `starts`, `total` in all.
    pub fn new(starts: &[usize], total: usize, width: f32, wanted: f32, divider: f32) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred at most")]
        let columns = (((width + GAP) / (wanted + GAP)).floor() as usize).max(1);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
        let side = ((width + GAP) / columns as f32 - GAP).max(1.0);
        let mut layout = Self { columns, side, divider, height: 0.0, sections: Vec::with_capacity(starts.len()) };
        for (place, &first) in starts.iter().enumerate() {
            let end = starts.get(place + 1).copied().unwrap_or(total);
            layout.sections.push(Section { first, count: end - first, top: layout.height });
            layout.height += f64::from(divider) + layout.rows(end - first) * layout.step();
        }
        layout
    }

    /// The place of a photograph: x, and y from the top of everything.
    pub fn place(&self, index: usize) -> (f32, f64) {
        let section = &self.sections[self.section(index)];
        let inside = index - section.first;
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^52")]
        let (column, row) = ((inside % self.columns) as f32, (inside / self.columns) as f64);
        (column * (self.side + GAP), section.top + f64::from(self.divider) + row * self.step())
    }

    /// The sections that are seen between two heights.
    pub fn seen_sections(&self, top: f64, bottom: f64) -> &[Section] {
        let first = self.sections.partition_point(|section| section.top <= top).saturating_sub(1);
        let end = self.sections.partition_point(|section| section.top < bottom);
        self.sections.get(first..end).unwrap_or(&[])
    }

    /// The photographs of a section that are seen between two heights.
    pub fn seen(&self, section: &Section, top: f64, bottom: f64) -> Range<usize> {
        let start = section.top + f64::from(self.divider);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the section")]
        let rows = |height: f64| height.max(0.0) as usize;
        let first = (rows(((top - start) / self.step()).floor()) * self.columns).min(section.count);
        let end = (rows(((bottom - start) / self.step()).ceil()) * self.columns).min(section.count);
        section.first + first..section.first + end.max(first)
    }

    /// The photographs that a rectangle touches, from left to right and from top to bottom.
    pub fn touched(&self, (left, right): (f32, f32), (top, bottom): (f64, f64)) -> Vec<usize> {
        let lies_there = |index: &usize| {
            let (x, y) = self.place(*index);
            (x <= right && x + self.side >= left) && (y <= bottom && y + f64::from(self.side) >= top)
        };
        let sections = self.seen_sections(top, bottom.max(top + 1.0)).iter();
        sections.flat_map(|section| self.seen(section, top, bottom.max(top + 1.0))).filter(lies_there).collect()
    }

    /// The photograph a row below or above, in the same column as far as there is one.
    pub fn below(&self, index: usize, rows: isize) -> usize {
        let mut index = index;
        for _ in 0..rows.unsigned_abs() {
            index = if rows > 0 { self.one_below(index) } else { self.one_above(index) };
        }
        index
    }

    /// The first photograph whose row reaches below a height.
    pub fn first_at(&self, height: f64) -> usize {
        let place = self.sections.partition_point(|section| section.top <= height).saturating_sub(1);
        let Some(section) = self.sections.get(place) else { return 0 };
        self.seen(section, height, height + 1.0).start.min((section.first + section.count).saturating_sub(1))
    }

    /// Height of a row with its space.
    pub fn step(&self) -> f64 {
        f64::from(self.side + GAP)
    }

    fn one_below(&self, index: usize) -> usize {
        let place = self.section(index);
        let Section { first, count, .. } = self.sections[place];
        let inside = index - first;
        let (row, column) = (inside / self.columns, inside % self.columns);
        if row < (count - 1) / self.columns {
            return first + (inside + self.columns).min(count - 1);
        }
        match self.sections.get(place + 1) {
            Some(next) => next.first + column.min(next.count - 1),
            None => index,
        }
    }

    fn one_above(&self, index: usize) -> usize {
        let place = self.section(index);
        let inside = index - self.sections[place].first;
        let column = inside % self.columns;
        if inside >= self.columns {
            return index - self.columns;
        }
        let Some(before) = place.checked_sub(1).map(|place| self.sections[place]) else { return index };
        let last_row = (before.count - 1) / self.columns * self.columns;
        before.first + (last_row + column).min(before.count - 1)
    }

    /// The section that a photograph lies in.
    fn section(&self, index: usize) -> usize {
        self.sections.partition_point(|section| section.first <= index).saturating_sub(1)
    }

    #[expect(clippy::cast_precision_loss, reason = "exact below 2^52")]
    fn rows(&self, count: usize) -> f64 {
        count.div_ceil(self.columns) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three days of 5, 1 and 7 photographs in rows of 3.
    fn layout() -> Layout {
        Layout::new(&[0, 5, 6], 13, 3.0 * 100.0 + 2.0 * GAP, 100.0, DIVIDER)
    }

    #[test]
    fn every_row_is_filled_to_the_edge() {
        let layout = Layout::new(&[0], 10, 350.0, 100.0, 0.0);
        assert_eq!(layout.columns, 3);
        let (x, _) = layout.place(2);
        assert!((x + layout.side - 350.0).abs() < 1e-3);
    }

    #[test]
    fn what_is_seen_is_what_lies_there() {
        let layout = layout();
        let (mut top, bottom) = (0.0, 90.0);
        while top < layout.height {
            let seen: Vec<usize> = layout
                .seen_sections(top, top + bottom)
                .iter()
                .flat_map(|section| layout.seen(section, top, top + bottom))
                .collect();
            let expected: Vec<usize> = (0..13)
                .filter(|&index| {
                    let y = layout.place(index).1;
                    y + layout.step() > top && y < top + bottom
                })
                .collect();
            assert_eq!(seen, expected, "from {top}");
            top += 7.0;
        }
    }

    #[test]
    fn a_rectangle_touches_what_lies_under_it_and_no_gap() {
        let layout = layout();
        let first = f64::from(DIVIDER);
        assert_eq!(layout.touched((50.0, 50.0), (first, first)), [0]);
        assert_eq!(layout.touched((50.0, 150.0), (first + 10.0, first + 150.0)), [0, 1, 3, 4]);
        assert!(layout.touched((101.0, 105.0), (first, first + 500.0)).is_empty());
        assert_eq!(layout.touched((-50.0, 500.0), (0.0, layout.height)).len(), 13);
        assert!(layout.touched((0.0, 500.0), (0.0, first - 1.0)).is_empty());
    }

    #[test]
    fn down_and_up_cross_dividers_in_their_column() {
        let layout = layout();
        assert_eq!(layout.below(1, 1), 4);
        assert_eq!(layout.below(2, 1), 4, "the last of a short row");
        assert_eq!(layout.below(4, 1), 5, "the only one of its day");
        assert_eq!(layout.below(5, 1), 6);
        assert_eq!(layout.below(12, 1), 12, "there is nothing below the last");
        assert_eq!(layout.below(8, -1), 5);
        assert_eq!(layout.below(6, -1), 5);
        assert_eq!(layout.below(5, -1), 3);
        assert_eq!(layout.below(1, -1), 1);
    }

    #[test]
    fn a_million_photographs_have_exact_places() {
        let layout = Layout::new(&[0], 1_000_000, 1000.0, 180.0, 0.0);
        let (_, last) = layout.place(999_999);
        let (_, before) = layout.place(999_999 - layout.columns);
        assert!((last - before - layout.step()).abs() < 1e-6);
    }
}
