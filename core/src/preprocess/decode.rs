//! The bytes of an image file to upright 8-bit RGB, as Pillow's `open(file).convert("RGB")` after `exif_transpose`.

use std::io::{self, Cursor};

use image::error::{DecodingError, ImageError};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};
use serde::{Deserialize, Serialize};

use super::newer::Newer;
use crate::error::{Error, Result};

/// Memory for what stands before the pixels: colour profiles, Exif, one row.
pub(super) const HEADER_BYTES: u64 = 64 << 20;
/// The widest pixel a decoder hands out: four floats.
const MAX_PIXEL_BYTES: u64 = 16;

/// What becomes of an image's transparency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alpha {
    /// Forget it and keep the colours underneath (`convert("RGB")`), as in training and evaluation.
    #[default]
    Drop,
    /// Lay the image on white paper, as Hugging Face's processors do from version 5 on.
    White,
}

/// Decodes an image file to upright RGB, guessing its format from the content and never from a name.
///
/// A header that claims more than `max_pixels` is refused before anything is allocated for it.
pub fn decode(bytes: &[u8], alpha: Alpha, max_pixels: u64) -> Result<RgbImage> {
    if let Some(newer) = Newer::of(bytes) {
        return Ok(rgb(newer.decode(bytes, max_pixels)?, alpha));
    }
    let format = format(bytes)?;
    // The decoder makes room for a row before it says how long one is.
    claimed_by_png(bytes, format).map_or(Ok(()), |claimed| check_pixels(claimed, max_pixels))?;
    let mut decoder = open(bytes, format)?;
    let (width, height) = decoder.dimensions();
    check_pixels((width, height), max_pixels)?;
    if width == 0 || height == 0 {
        return Err(broken(ImageError::Decoding(DecodingError::new(format.into(), "image has no pixels"))));
    }
    // The decoder would paint what is missing grey.
    if format == ImageFormat::Jpeg && !reaches_end_of_image(bytes) {
        return Err(ends_early());
    }
    let limits = limits(max_pixels.saturating_mul(MAX_PIXEL_BYTES).saturating_add(HEADER_BYTES));
    decoder.set_limits(limits).map_err(broken)?;
    let orientation = orientation(&mut decoder);
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(orientation);
    Ok(rgb(image, alpha))
}

/// Width and height of the upright image, from the header alone.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32)> {
    if let Some(newer) = Newer::of(bytes) {
        return newer.dimensions(bytes);
    }
    let mut decoder = open(bytes, format(bytes)?)?;
    let (width, height) = decoder.dimensions();
    Ok(match orientation(&mut decoder) {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            (height, width)
        }
        _ => (width, height),
    })
}

/// Refuses a picture of more pixels.
pub(super) fn check_pixels((width, height): (u32, u32), max_pixels: u64) -> Result<()> {
    match u64::from(width) * u64::from(height) > max_pixels {
        true => Err(Error::TooManyPixels { width, height, max_pixels }),
        false => Ok(()),
    }
}

/// What the first chunk of a PNG says of its size.
fn claimed_by_png(bytes: &[u8], format: ImageFormat) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    (format == ImageFormat::Png).then(|| Some((number(16)?, number(20)?))).flatten()
}

fn format(bytes: &[u8]) -> Result<ImageFormat> {
    if bytes.is_empty() {
        return Err(Error::EmptyFile);
    }
    let format = image::guess_format(bytes).ok();
    format.filter(ImageFormat::reading_enabled).ok_or(Error::UnknownImage)
}

/// Reads the header.
fn open(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder> {
    // The decoder would allocate whatever length a chunk claims.
    if format == ImageFormat::WebP && !holds_its_chunks(bytes) {
        return Err(ends_early());
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits(HEADER_BYTES));
    reader.into_decoder().map_err(broken)
}

fn limits(bytes: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(bytes);
    limits
}

/// The way up; a photo whose Exif block is damaged is shown as it is stored.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

pub(super) fn broken(source: ImageError) -> Error {
    Error::BrokenImage { source }
}

pub(super) fn ends_early() -> Error {
    broken(ImageError::IoError(io::Error::new(io::ErrorKind::UnexpectedEof, "file ends before the image does")))
}

/// Walks a JPEG's markers up to its own end, past the one in an embedded thumbnail; Pillow asks for it, too.
fn reaches_end_of_image(bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF)) {
        at += found + 1;
        match bytes.get(at) {
            None => return false,
            Some(0xD9) => return true,
            // Padding before a marker.
            Some(0xFF) => {}
            // An escaped byte, or a marker without content.
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 1,
            Some(_) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
    false
}

/// Whether all top-level chunks of a WebP lie inside the file.
fn holds_its_chunks(bytes: &[u8]) -> bool {
    // Where what begins at `at` with a name and a length ends.
    let end_of = |at: usize| {
        let length = bytes.get(at + 4..)?.first_chunk()?;
        Some((at + 8).saturating_add(u32::from_le_bytes(*length) as usize))
    };
    let Some(end) = end_of(0) else { return false };
    let mut at = 12;
    while at + 8 <= end.min(bytes.len()) {
        match end_of(at) {
            Some(next) if next <= bytes.len() => at = next.next_multiple_of(2),
            _ => return false,
        }
    }
    true
}

/// Grey is spread over the three channels, palettes and CMYK are resolved by the decoders.
fn rgb(mut image: DynamicImage, alpha: Alpha) -> RgbImage {
    match &mut image {
        DynamicImage::ImageLuma16(samples) => keep_high_bytes(samples),
        DynamicImage::ImageLumaA16(samples) => keep_high_bytes(samples),
        DynamicImage::ImageRgb16(samples) => keep_high_bytes(samples),
        DynamicImage::ImageRgba16(samples) => keep_high_bytes(samples),
        _ => {}
    }
    match alpha {
        Alpha::White if image.color().has_alpha() => on_white(&image.into_rgba8()),
        Alpha::White | Alpha::Drop => image.into_rgb8(),
    }
}

/// Keeps what Pillow keeps of 16-bit colour, the high byte (times 257 is the 16-bit value that stands for it).
/// Of 16-bit grey Pillow clips all but the darkest 256th to white; here grey is scaled like colour.
fn keep_high_bytes(samples: &mut [u16]) {
    for sample in samples {
        *sample = (*sample >> 8) * 257;
    }
}

fn on_white(image: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0;
        image::Rgb([red, green, blue].map(|value| over_white(value, alpha)))
    })
}

/// One value over opaque white with the rounding of Pillow's `alpha_composite`: 7 extra bits, division by 255 as shifts.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    let sum = ((value * alpha + 255 * (255 - alpha)) << 7) + (0x80 << 7);
    ((((sum >> 8) + sum) >> 8) >> 7) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_stays_and_transparent_turns_white() {
        for value in 0..=255 {
            assert_eq!(over_white(value, 255), value);
            assert_eq!(over_white(value, 0), 255);
        }
    }

    #[test]
    fn compositing_rounds_to_the_nearest_level() {
        for value in 0..=255u8 {
            for alpha in 0..=255u8 {
                let exact = 255.0 - f64::from(alpha) * (255.0 - f64::from(value)) / 255.0;
                assert!((f64::from(over_white(value, alpha)) - exact).abs() <= 0.5);
            }
        }
    }

    #[test]
    fn a_thumbnail_inside_a_jpeg_does_not_end_it() {
        let thumbnail = [0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9];
        let scan = [0xFF, 0xDA, 0, 3, 1, 0x12, 0xFF, 0, 0xFF, 0xD0, 0x34];
        let cut = [&[0xFF, 0xD8][..], &thumbnail, &scan].concat();
        assert!(!reaches_end_of_image(&cut));
        assert!(reaches_end_of_image(&[&cut[..], &[0xFF, 0xFF, 0xD9]].concat()));
    }
}
