//! Which part of the library is shown.

use std::path::PathBuf;

use crate::library::photo::ContentId;

/// A part of the library.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Source {
    /// Everything.
    #[default]
    All,
    /// What lies in a folder or below it.
    Folder(PathBuf),
    /// What a kept search finds.
    Album {
        /// Its name.
        name: String,
        /// What it asks for.
        query: String,
    },
    /// Files with the same bytes.
    Duplicates,
    /// Photographs that look nearly the same.
    NearDuplicates,
    /// What has no caption.
    Uncaptioned,
    /// What looks like a photograph.
    Similar {
        /// The photograph.
        content: ContentId,
        /// Its name.
        name: String,
    },
    /// Files that could not be read.
    Problems,
}

impl Source {
    /// Whether words narrow it.
    pub fn can_be_searched(&self) -> bool {
        matches!(self, Self::All | Self::Folder(_) | Self::Album { .. } | Self::Uncaptioned)
    }
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The best match; the newest where nothing is compared.
    #[default]
    Match,
    /// The newest.
    Newest,
    /// The oldest.
    Oldest,
    /// By name.
    Name,
}

impl Sort {
    /// All of them, as they stand in the menu.
    pub const ALL: [Self; 4] = [Self::Match, Self::Newest, Self::Oldest, Self::Name];

    /// The name of its words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Match => "sort-match",
            Self::Newest => "sort-newest",
            Self::Oldest => "sort-oldest",
            Self::Name => "sort-name",
        }
    }
}
