//! The words before a colon.

use super::period::Recent;

/// What a value is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Words,
    Image,
    Date,
    Folder,
    Name,
    Camera,
    Lens,
    Rating,
    Type,
    Size,
    Has,
}

impl Key {
    pub const ALL: [Self; 11] = [
        Self::Date,
        Self::Folder,
        Self::Name,
        Self::Camera,
        Self::Lens,
        Self::Rating,
        Self::Type,
        Self::Size,
        Self::Has,
        Self::Image,
        Self::Words,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Image => "image",
            Self::Date => "date",
            Self::Folder => "folder",
            Self::Name => "name",
            Self::Camera => "camera",
            Self::Lens => "lens",
            Self::Rating => "rating",
            Self::Type => "type",
            Self::Size => "size",
            Self::Has => "has",
        }
    }

    /// Values that are right.
    pub fn examples(self) -> &'static str {
        match self {
            Self::Words => "words:\"a text with : or - in it\"",
            Self::Image => "image:photo.jpg or image:\"~/a b.jpg\"",
            Self::Date => "date:2024, date:2024-06-30, date:2024-06..2024-08, date:..2023 or date:last-week",
            Self::Folder => "folder:italy or folder:\"/photos/new york\"",
            Self::Name => "name:img_20 or name:*.png",
            Self::Camera => "camera:canon or camera:\"iphone 15\"",
            Self::Lens => "lens:50mm",
            Self::Rating => "rating:5, rating:>=3 or rating:1..2",
            Self::Type => "type:photo or type:video",
            Self::Size => "size:>2mp for pixels, size:<5mb for the file",
            Self::Has => "has:caption, has:place or has:rating",
        }
    }

    /// Values there are no others of, where that is so.
    pub fn values(self) -> Vec<&'static str> {
        match self {
            Self::Type => vec!["photo", "video"],
            Self::Has => vec!["caption", "place", "rating"],
            Self::Date => Recent::ALL.iter().map(|recent| recent.name()).collect(),
            _ => Vec::new(),
        }
    }

    /// The key of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name().eq_ignore_ascii_case(name))
    }

    /// What would be right where this name is none: the key that other programs call so, or the most alike.
    pub fn meant(name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        if let Some((_, advice)) = ELSEWHERE.iter().find(|(names, _)| names.contains(&name.as_str())) {
            return Some((*advice).to_owned());
        }
        let near = |key: Self| {
            let steps = steps(name.as_bytes(), key.name().as_bytes());
            (steps <= if key.name().len() > 4 { 2 } else { 1 }).then_some((steps, key))
        };
        let (_, key) = Self::ALL.into_iter().filter_map(near).min_by_key(|(steps, _)| *steps)?;
        Some(format!("did you mean {}:?", key.name()))
    }
}

/// What other programs call these things.
const ELSEWHERE: [(&[&str], &str); 11] = [
    (&["path", "dir", "directory", "in"], "write folder:italy"),
    (&["file", "filename"], "write name:img_20"),
    (&["ext", "extension", "format", "filetype"], "write name:*.png"),
    (&["stars", "rated", "score"], "write rating:>=3"),
    (&["year", "month", "day", "taken", "when", "time"], "write date:2024 or date:2024-06..2024-08"),
    (&["before", "until", "till"], "write date:..2024-06"),
    (&["after", "since", "from"], "write date:2024-06.."),
    (&["kind", "media"], "write type:photo or type:video"),
    (&["model", "make", "maker", "device"], "write camera:canon"),
    (&["caption", "text", "title", "description"], "words in double quotes are looked for in captions: \"new york\""),
    (&["tag", "keyword", "person", "people", "object"], "plain words find what is shown: dog"),
];

/// Letters to put in, take out, exchange with the next or replace until one is the other.
fn steps(one: &[u8], other: &[u8]) -> usize {
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for a in 0..=one.len() {
        for b in 0..=other.len() {
            if a == 0 || b == 0 {
                rows[a][b] = a + b;
                continue;
            }
            let is_other = usize::from(one[a - 1] != other[b - 1]);
            let mut least = (rows[a - 1][b] + 1).min(rows[a][b - 1] + 1).min(rows[a - 1][b - 1] + is_other);
            if a > 1 && b > 1 && one[a - 1] == other[b - 2] && one[a - 2] == other[b - 1] {
                least = least.min(rows[a - 2][b - 2] + 1);
            }
            rows[a][b] = least;
        }
    }
    rows[one.len()][other.len()]
}
