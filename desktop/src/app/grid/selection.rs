//! Which photographs are chosen, and where the keyboard is.

use std::collections::HashSet;

use super::item::Item;
use crate::library::photo::PhotoId;

/// The chosen photographs. They stay chosen when the list around them changes.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    chosen: HashSet<PhotoId>,
    /// Where the keyboard is.
    cursor: Option<(usize, PhotoId)>,
    /// Where a range begins.
    anchor: usize,
}

impl Selection {
    /// Where the keyboard is.
    pub fn cursor(&self) -> Option<usize> {
        self.cursor.map(|(index, _)| index)
    }

    /// The photograph under the cursor.
    pub fn photo(&self) -> Option<PhotoId> {
        self.cursor.map(|(_, photo)| photo)
    }

    /// Chosen photographs.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether none is chosen.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Whether this one is chosen.
    pub fn holds(&self, photo: PhotoId) -> bool {
        self.chosen.contains(&photo)
    }

    /// The chosen photographs in the order they are shown.
    pub fn in_order(&self, items: &[Item]) -> Vec<PhotoId> {
        items.iter().map(|item| item.photo).filter(|photo| self.chosen.contains(photo)).collect()
    }

    /// Chooses one and none else.
    pub fn only(&mut self, items: &[Item], index: usize) {
        let Some(item) = items.get(index) else { return };
        self.chosen.clear();
        self.chosen.insert(item.photo);
        self.cursor = Some((index, item.photo));
        self.anchor = index;
    }

    /// Chooses one more, or one less.
    pub fn toggle(&mut self, items: &[Item], index: usize) {
        let Some(item) = items.get(index) else { return };
        if !self.chosen.remove(&item.photo) {
            self.chosen.insert(item.photo);
        }
        self.cursor = Some((index, item.photo));
        self.anchor = index;
    }

    /// Chooses all from where the range began.
    pub fn range_to(&mut self, items: &[Item], index: usize) {
        let Some(item) = items.get(index) else { return };
        let anchor = self.anchor.min(items.len() - 1);
        let range = anchor.min(index)..=anchor.max(index);
        self.chosen = items[range].iter().map(|item| item.photo).collect();
        self.cursor = Some((index, item.photo));
    }

    /// Chooses these too; the last of them has the cursor.
    pub fn add(&mut self, items: &[Item], indices: &[usize]) {
        self.chosen.extend(indices.iter().filter_map(|index| items.get(*index)).map(|item| item.photo));
        if let Some((index, item)) = indices.last().and_then(|index| Some((*index, items.get(*index)?))) {
            self.cursor = Some((index, item.photo));
            self.anchor = indices[0];
        }
    }

    /// Chooses all.
    pub fn all(&mut self, items: &[Item]) {
        self.chosen = items.iter().map(|item| item.photo).collect();
        if self.cursor.is_none() {
            self.cursor = items.first().map(|item| (0, item.photo));
        }
    }

    /// Chooses none; the cursor stays.
    pub fn none(&mut self) {
        self.chosen.clear();
    }

    /// Finds everything again in another list; what is not in it is no longer chosen.
    pub fn follow(&mut self, items: &[Item]) {
        if !self.chosen.is_empty() {
            let there: HashSet<PhotoId> =
                items.iter().map(|item| item.photo).filter(|photo| self.chosen.contains(photo)).collect();
            self.chosen = there;
        }
        self.cursor = self
            .cursor
            .and_then(|(_, photo)| items.iter().position(|item| item.photo == photo).map(|index| (index, photo)));
        self.anchor = self.cursor().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(photos: &[PhotoId]) -> Vec<Item> {
        let item = |&photo| Item { photo, content: None, part: 0, matched: None, is_settled: true };
        photos.iter().map(item).collect()
    }

    #[test]
    fn a_range_grows_and_shrinks_around_its_beginning() {
        let items = items(&[1, 2, 3, 4, 5]);
        let mut selection = Selection::default();
        selection.only(&items, 2);
        selection.range_to(&items, 4);
        assert_eq!(selection.in_order(&items), [3, 4, 5]);
        selection.range_to(&items, 1);
        assert_eq!(selection.in_order(&items), [2, 3]);
    }

    #[test]
    fn what_is_chosen_stays_chosen_in_another_order() {
        let first = items(&[1, 2, 3]);
        let mut selection = Selection::default();
        selection.only(&first, 0);
        selection.toggle(&first, 2);
        let second = items(&[9, 3, 1]);
        selection.follow(&second);
        assert_eq!(selection.in_order(&second), [3, 1]);
        assert_eq!(selection.cursor(), Some(1));
        selection.follow(&items(&[1]));
        assert_eq!((selection.len(), selection.cursor()), (1, None));
    }
}
