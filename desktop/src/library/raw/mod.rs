//! The picture that a camera puts into a RAW file beside the sensor's own numbers.

mod canon;
mod fuji;
mod tiff;

use std::io::Cursor;
use std::path::Path;

use anyhow::{Result, anyhow};
use exif::{In, Reader, Tag};
use image::metadata::Orientation;

/// Endings of RAW files whose picture is found.
pub const ENDINGS: [&str; 10] = ["arw", "cr2", "cr3", "dng", "nef", "nrw", "pef", "raf", "rw2", "srw"];

/// The bytes of the picture in a file, and how it must be turned beyond what they themselves say: all of them, unless
/// its name says that it is a RAW file.
pub(super) fn picture_in<'a>(path: &Path, bytes: &'a [u8]) -> Result<(&'a [u8], Orientation)> {
    if !is_raw(path) {
        return Ok((bytes, Orientation::NoTransforms));
    }
    let picture = preview(bytes).ok_or_else(|| anyhow!("this RAW file holds no JPEG picture: export it as JPEG"))?;
    // Of the two, the picture's own word counts; it is turned by that when it is decoded.
    let turned = match orientation(picture) {
        None => orientation(described_by(bytes).unwrap_or(bytes)).unwrap_or(Orientation::NoTransforms),
        Some(_) => Orientation::NoTransforms,
    };
    Ok((picture, turned))
}

/// Whether a name ends as those of RAW files do.
pub(super) fn is_raw(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Where a RAW file that is neither a TIFF nor a JPEG file says what the camera wrote: a TIFF or a JPEG file within it.
pub(super) fn described_by(bytes: &[u8]) -> Option<&[u8]> {
    canon::description(bytes).or_else(|| fuji::preview(bytes)).or_else(|| tiff::panasonic(bytes))
}

fn preview(bytes: &[u8]) -> Option<&[u8]> {
    canon::preview(bytes).or_else(|| fuji::preview(bytes)).or_else(|| tiff::preview(bytes))
}

fn orientation(bytes: &[u8]) -> Option<Orientation> {
    let mut reader = Reader::new();
    let read = reader.continue_on_error(true).read_from_container(&mut Cursor::new(bytes));
    let exif = read.or_else(|error| error.distill_partial_result(|_| ())).ok()?;
    let number = exif.get_field(Tag::Orientation, In::PRIMARY)?.value.get_uint(0)?;
    Orientation::from_exif(u8::try_from(number).ok()?)
}
