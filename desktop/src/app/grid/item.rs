//! What a grid shows.

use crate::library::photo::{ContentId, PhotoId};

/// A photograph in the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// Which file.
    pub photo: PhotoId,
    /// What it shows, once the file was read.
    pub content: Option<ContentId>,
    /// The day it was taken, or the number of its group: what dividers stand between.
    pub part: u32,
    /// How probably it is what was asked for.
    pub matched: Option<f32>,
    /// Whether that number will stay.
    pub is_settled: bool,
}

/// What stands between photographs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dividers {
    /// Nothing.
    #[default]
    None,
    /// The day they were taken.
    Days,
    /// Groups of those that are alike.
    Groups,
}
