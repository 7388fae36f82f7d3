//! Files to upright pictures, whole or at the scale that is needed.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use jpeg_decoder::{Decoder, PixelFormat};
use medley::preprocess::{Alpha, Preprocessor, decode, dimensions};

use super::photo::Kind;
use super::{content, heif, raw, video};
use crate::engine::Pixels;

/// The limit of pixels where nobody names one: 100 megapixels.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Eighths of its size at which a JPEG is decoded. Of 12 megapixels, decoded and made the model's square on one thread:
/// an eighth 83 ms, a quarter 101 ms, a half 159 ms, and the whole, by the faster decoder, 145 ms. Features of 200
/// photographs at a quarter have a cosine of at least 0.9999 with those of the whole, at an eighth of 0.9993.
const SCALES: [u32; 2] = [1, 2];

/// A picture that was decoded, and how large it is when all of it is.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Upright, perhaps smaller than it could be.
    pub picture: RgbImage,
    /// Upright width of the whole.
    pub width: u32,
    /// Upright height of the whole.
    pub height: u32,
}

/// A picture in its full size, upright.
///
/// # Errors
/// A file that cannot be read or decoded, or that has more pixels; the error begins with its path.
pub fn picture(path: &Path, max_pixels: u64) -> Result<RgbImage> {
    let whole = || whole(path, Alpha::Drop, max_pixels);
    whole().with_context(|| path.display().to_string())
}

/// A picture, upright, decoded at a smaller scale where its format can, that gains time, and both its sides stay at
/// least `min_side`.
///
/// # Errors
/// As [`picture`].
pub fn reduced(path: &Path, min_side: u32) -> Result<RgbImage> {
    let small =
        || -> Result<RgbImage> { Ok(reduced_bytes(path, &bytes(path)?, min_side, Alpha::Drop, MAX_PIXELS)?.picture) };
    small().with_context(|| path.display().to_string())
}

/// What the engine takes of a file: of a film its middle frame.
///
/// # Errors
/// As [`picture`], and a film where no `ffmpeg` is found.
pub fn pixels(path: &Path, kind: Kind, preprocessor: &Preprocessor) -> Result<Pixels> {
    let picture = || -> Result<RgbImage> {
        match kind {
            Kind::Photo => whole(path, preprocessor.alpha, preprocessor.max_pixels),
            Kind::Video => video::middle_frame(path),
        }
    };
    Ok(Arc::new(preprocessor.pixels_of(&picture().with_context(|| path.display().to_string())?)))
}

/// Decodes everything.
fn whole(path: &Path, alpha: Alpha, max_pixels: u64) -> Result<RgbImage> {
    whole_bytes(path, &bytes(path)?, alpha, max_pixels)
}

/// Decodes a file's bytes, whose name says whether they are a RAW file.
///
/// # Errors
/// Bytes that cannot be decoded, or that have more pixels.
pub fn whole_bytes(path: &Path, bytes: &[u8], alpha: Alpha, max_pixels: u64) -> Result<RgbImage> {
    let (bytes, orientation) = picture_in(path, bytes)?;
    Ok(turned(decode(&bytes, alpha, max_pixels)?, orientation))
}

/// A file of a format that is decoded here, and how it must be turned beyond what it says itself.
fn picture_in<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Cow<'a, [u8]>, Orientation)> {
    let (bytes, orientation) = raw::picture_in(path, bytes)?;
    Ok((heif::readable(bytes)?, orientation))
}

/// Decodes as [`whole_bytes`] does, but a JPEG at an eighth or a quarter of its size where that leaves sides of at
/// least `min_side`.
///
/// # Errors
/// As [`whole_bytes`].
pub fn reduced_bytes(path: &Path, bytes: &[u8], min_side: u32, alpha: Alpha, max_pixels: u64) -> Result<Decoded> {
    let (bytes, orientation) = picture_in(path, bytes)?;
    let decoded = match at_a_scale(&bytes, min_side, max_pixels) {
        Some(small) => small,
        None => {
            let picture = decode(&bytes, alpha, max_pixels)?;
            let (width, height) = picture.dimensions();
            Decoded { picture, width, height }
        }
    };
    let Decoded { picture, mut width, mut height } = decoded;
    let before = picture.dimensions();
    let picture = turned(picture, orientation);
    if before != picture.dimensions() {
        (width, height) = (height, width);
    }
    Ok(Decoded { picture, width, height })
}

fn turned(picture: RgbImage, orientation: Orientation) -> RgbImage {
    let mut picture = DynamicImage::ImageRgb8(picture);
    picture.apply_orientation(orientation);
    picture.into_rgb8()
}

/// None for what is no JPEG, is small already, or is not decoded cleanly: the whole decoder says what is wrong with it.
fn at_a_scale(bytes: &[u8], min_side: u32, max_pixels: u64) -> Option<Decoded> {
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        return None;
    }
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.read_info().ok()?;
    let about = decoder.info()?;
    let (width, height) = (u32::from(about.width), u32::from(about.height));
    if u64::from(width) * u64::from(height) > max_pixels {
        return None;
    }
    let eighths = SCALES.into_iter().find(|eighths| (width.min(height) * eighths).div_ceil(8) >= min_side)?;
    let scaled = |side: u32| u16::try_from((side * eighths).div_ceil(8)).ok();
    let (small_width, small_height) = decoder.scale(scaled(width)?, scaled(height)?).ok()?;
    let levels = decoder.decode().ok()?;
    let levels = match about.pixel_format {
        PixelFormat::RGB24 => levels,
        PixelFormat::L8 => levels.into_iter().flat_map(|level| [level; 3]).collect(),
        _ => return None,
    };
    let orientation = decoder.exif_data().and_then(Orientation::from_exif_chunk);
    let picture = RgbImage::from_raw(small_width.into(), small_height.into(), levels)?;
    let picture = turned(picture, orientation.unwrap_or(Orientation::NoTransforms));
    let (width, height) = dimensions(bytes).ok()?;
    Some(Decoded { picture, width, height })
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let read = content::read(path)?;
    read.map(|(bytes, _)| bytes).ok_or_else(|| anyhow!("it is being written; try again"))
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{Rgb, imageops};

    use super::*;

    const NAME: &str = "a.jpg";

    fn large() -> Vec<u8> {
        let picture = RgbImage::from_fn(1603, 1207, |x, y| Rgb([(x / 7) as u8, (y / 5) as u8, ((x + y) / 11) as u8]));
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&picture).expect("memory takes it");
        bytes
    }

    fn read(bytes: &[u8], min_side: u32) -> Result<Decoded> {
        reduced_bytes(Path::new(NAME), bytes, min_side, Alpha::Drop, MAX_PIXELS)
    }

    #[test]
    fn a_scaled_picture_is_the_whole_one_made_smaller() {
        let bytes = large();
        let whole = read(&bytes, 1207).expect("is a picture").picture;
        assert_eq!(whole.dimensions(), (1603, 1207));
        assert_eq!(read(&bytes, 303).expect("is a picture").picture, whole, "half the size saves nothing");
        for (min_side, expected) in [(302, (401, 302)), (151, (201, 151)), (10, (201, 151))] {
            let small = read(&bytes, min_side).expect("is a picture");
            assert_eq!(small.picture.dimensions(), expected);
            assert_eq!((small.width, small.height), (1603, 1207), "the whole size is told");
            let shrunk = imageops::thumbnail(&whole, expected.0, expected.1);
            // Where colours wrap around from 255 to 0, edges are smoothed differently.
            let mean = small.picture.as_raw().iter().zip(shrunk.as_raw());
            let mean =
                mean.map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>() / shrunk.as_raw().len() as f64;
            assert!(mean < 3.0, "{min_side}: {mean}");
        }
    }

    #[test]
    fn a_large_picture_that_is_cut_is_an_error_at_every_scale() {
        let bytes = large();
        for end in [bytes.len() - 2, bytes.len() / 2, 300] {
            assert!(read(&bytes[..end], 200).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_follows_a_picture_is_no_matter() {
        let moving = [large(), b"\0\0\0\x18ftypmp42 and a film".to_vec()].concat();
        assert_eq!(read(&moving, 200).expect("is a picture").picture.dimensions(), (401, 302));
    }

    #[test]
    fn a_scaled_picture_too_large_is_refused() {
        let error = reduced_bytes(Path::new(NAME), &large(), 100, Alpha::Drop, 1000).expect_err("is too large");
        assert!(matches!(error.downcast_ref(), Some(medley::Error::TooManyPixels { .. })), "{error}");
    }
}
