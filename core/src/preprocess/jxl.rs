//! JPEG XL: the first picture of a file, in the colours of the web (sRGB).

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::error::{DecodingError, ImageError, ImageFormatHint};
use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};
use jxl_oxide::{AllocTracker, EnumColourEncoding, InitializeResult, JxlImage, RawExif, RenderingIntent};

use super::decode::{HEADER_BYTES, broken, check_pixels, ends_early};
use super::newer::Newer;
use crate::error::Result;

/// Bytes that a pixel takes at most while it is decoded: some copies of four channels of floats.
const PIXEL_BYTES: u64 = 96;
/// Bytes that are read before the header is looked for.
const FIRST_BYTES: usize = 256;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Decodes a file; what is transparent keeps its colour.
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<DynamicImage> {
    let (mut image, start) = open(bytes, max_pixels)?;
    check_pixels((image.width(), image.height()), max_pixels)?;
    let decoded = catch_unwind(AssertUnwindSafe(|| picture(&mut image, &bytes[start..])));
    let decoded = decoded.unwrap_or_else(|_| Err("its decoder gave up".into()));
    decoded.map_err(failed)?.ok_or_else(ends_early)
}

/// Width and height of the upright picture, from the header alone.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32)> {
    open(bytes, 0).map(|(image, _)| (image.width(), image.height()))
}

/// What a camera wrote into a JPEG XL file, as a TIFF; none where there is nothing, or another format.
pub fn exif_of_jpeg_xl(bytes: &[u8]) -> Option<Vec<u8>> {
    if Newer::of(bytes) != Some(Newer::JpegXl) {
        return None;
    }
    let (mut image, start) = open(bytes, 0).ok()?;
    let read = || -> Result<Vec<u8>, Failure> {
        read_all(&mut image, &bytes[start..])?;
        let block = |exif: RawExif<'_>| exif.payload()[exif.tiff_header_offset() as usize..].to_vec();
        Ok(image.aux_boxes().first_exif()?.map(block).unwrap_or(Vec::new()))
    };
    let read = catch_unwind(AssertUnwindSafe(read)).ok()?.ok()?;
    (!read.is_empty()).then_some(read)
}

/// Reads the header; answers also where the bytes begin that were not read.
fn open(bytes: &[u8], max_pixels: u64) -> Result<(JxlImage, usize)> {
    let room = max_pixels.saturating_mul(PIXEL_BYTES).saturating_add(HEADER_BYTES);
    let tracker = AllocTracker::with_limit(usize::try_from(room).unwrap_or(usize::MAX));
    let open = || -> Result<Option<(JxlImage, usize)>, Failure> {
        let mut image = JxlImage::builder().alloc_tracker(tracker).build_uninit();
        let (mut start, mut end) = (0, FIRST_BYTES);
        loop {
            // More only where it is needed: what follows the header may claim any size.
            end = end.min(bytes.len());
            start += image.feed_bytes(&bytes[start..end])?;
            image = match image.try_init()? {
                InitializeResult::Initialized(image) => return Ok(Some((image, start))),
                InitializeResult::NeedMoreData(_) if end == bytes.len() => return Ok(None),
                InitializeResult::NeedMoreData(image) => image,
            };
            end *= 2;
        }
    };
    let opened = catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| Err("its decoder gave up".into()));
    opened.map_err(failed)?.ok_or_else(ends_early)
}

/// Takes what follows the header.
fn read_all(image: &mut JxlImage, mut rest: &[u8]) -> Result<(), Failure> {
    loop {
        let read = image.feed_bytes(rest)?;
        rest = &rest[read..];
        if read == 0 || rest.is_empty() {
            return image.finalize();
        }
    }
}

/// The first picture, if the bytes hold all of it.
fn picture(image: &mut JxlImage, rest: &[u8]) -> Result<Option<DynamicImage>, Failure> {
    read_all(image, rest)?;
    if image.num_loaded_keyframes() == 0 {
        return Ok(None);
    }
    let intent = RenderingIntent::Relative;
    image.request_color_encoding(match image.pixel_format().is_grayscale() {
        true => EnumColourEncoding::gray_srgb(intent),
        false => EnumColourEncoding::srgb(intent),
    });
    let render = image.render_frame(0)?;
    let mut stream = render.stream();
    let (width, height, channels) = (stream.width(), stream.height(), stream.channels());
    let mut levels = vec![0; width as usize * height as usize * channels as usize];
    stream.write_to_buffer::<u8>(&mut levels);
    let picture = match channels {
        1 => GrayImage::from_raw(width, height, levels).map(DynamicImage::from),
        2 => GrayAlphaImage::from_raw(width, height, levels).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, levels).map(DynamicImage::from),
        4 => RgbaImage::from_raw(width, height, levels).map(DynamicImage::from),
        _ => return Err(format!("a picture of {channels} channels is none on a screen").into()),
    };
    Ok(picture)
}

fn failed(source: Failure) -> crate::error::Error {
    broken(ImageError::Decoding(DecodingError::new(ImageFormatHint::Name("JPEG XL".to_owned()), source)))
}
