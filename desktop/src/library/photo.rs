//! What is known of a photograph.

use std::path::PathBuf;

/// A file in the catalogue.
pub type PhotoId = i64;

/// What a file shows: files with the same bytes share it, and with it one vector and one thumbnail.
pub type ContentId = i64;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A still picture.
    Photo,
    /// A film, of which a few frames are read.
    Video,
}

/// Where a caption comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptionSource {
    /// A person wrote it, or it lay in a sidecar.
    Person,
    /// The model wrote it.
    Model,
}

/// A file of the library and everything that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// Which file.
    pub id: PhotoId,
    /// What it shows.
    pub content: ContentId,
    /// Where it lies.
    pub path: PathBuf,
    /// A picture or a film.
    pub kind: Kind,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// When the file was last written, in milliseconds since 1970.
    pub modified_ms: i64,
    /// Upright width in pixels; 0 where unknown.
    pub width: u32,
    /// Upright height in pixels; 0 where unknown.
    pub height: u32,
    /// When it was taken, in the camera's own time, such as `2024-06-30T17:05:09`; else when the file was written.
    pub taken: String,
    /// Maker and model of the camera.
    pub camera: Option<String>,
    /// The lens.
    pub lens: Option<String>,
    /// Degrees north and east.
    pub place: Option<(f64, f64)>,
    /// Stars, 0 to 5.
    pub rating: Option<u8>,
    /// The caption that is shown.
    pub caption: Option<String>,
    /// Who wrote it.
    pub caption_source: Option<CaptionSource>,
}

impl Photo {
    /// Its name without folders, as far as it can be shown.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
