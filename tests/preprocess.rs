//! Image files to pixels and raw text to clean text, against Pillow 13 and the authors' functions.
//!
//! `fixtures/preprocess` holds pictures, the same pictures resized by Pillow (`*_32.png`, `*_384.png`, transparency
//! dropped), and what the reference processors make of them; `modes` holds one file for each way of storing colour,
//! with Pillow's `convert("RGB")` beside it (`*_rgb.png`) and, where there is transparency, its composite on white.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageBuffer, ImageEncoder, ImageFormat, Rgb, RgbImage, imageops};
use medley::error::Error;
use medley::preprocess::{Alpha, Preprocessor, decode, dimensions, pre_caption, pre_question, resize, squash};
use safetensors::SafeTensors;

/// The pictures among the fixtures.
const PICTURES: [&str; 5] = ["gradient", "gray", "noise", "rgba", "shapes"];
/// Pixels are computed in 32 bits from equal bytes: what is left is the rounding of values below 3.
const TOLERANCE: f32 = 1e-6;
const LIMIT: u64 = 100_000_000;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/fixtures/preprocess/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn decoded(bytes: &[u8]) -> RgbImage {
    decode(bytes, Alpha::Drop, LIMIT).unwrap()
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A picture with detail in every row and no symmetry.
fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    RgbImage::from_fn(width, height, |_, _| Rgb([next(), next(), next()]))
}

/// FNV-1a, to know thousands of reference bytes by eight.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let farthest = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(farthest <= TOLERANCE, "{farthest} apart");
}

// ---- resizing ----

#[test]
fn every_fixture_equals_pillow_bit_for_bit() {
    for picture in PICTURES {
        let image = decoded(&fixture(&format!("{picture}.png")));
        for size in [32, 384] {
            let expected = decoded(&fixture(&format!("{picture}_{size}.png")));
            assert!(squash(&image, size) == expected, "{picture} at {size}");
        }
    }
}

/// Up, down, one axis alone, a single pixel; among them sizes for which Pillow 13 takes the columns first.
#[test]
fn odd_sizes_equal_pillow_bit_for_bit() {
    for (width, height, to_width, to_height, expected) in [
        (1, 1, 5, 3, 0x929e_83b3_0f58_4778),
        (2, 3, 1, 1, 0x548f_651a_649c_125c),
        (97, 61, 32, 32, 0x3a1d_c54a_ac06_965e),
        (61, 97, 32, 32, 0x579b_60e8_1d00_d73b),
        (50, 70, 32, 32, 0x13f1_d1ec_45da_2bc4),
        (70, 50, 32, 32, 0x84c9_d866_425f_c093),
        (33, 32, 32, 32, 0x1d29_031a_5859_877d),
        (32, 33, 32, 32, 0x38f2_7bb2_8085_0165),
        (31, 120, 64, 64, 0x6d98_824b_33a7_17fd),
        (120, 31, 64, 64, 0x80b4_e1d0_92e1_3254),
        (64, 64, 63, 65, 0xe6f2_d18e_08a0_8f10),
        (300, 7, 11, 40, 0xd77a_16f5_bebc_3566),
        (7, 300, 40, 11, 0x9694_fa5d_61ff_1d46),
        (200, 150, 199, 3, 0x5258_b5fc_ba3e_a496),
    ] {
        let resized = resize(&noise(width, height), to_width, to_height);
        assert_eq!(resized.dimensions(), (to_width, to_height));
        assert_eq!(hash(&resized), expected, "{width} x {height} to {to_width} x {to_height}");
    }
}

// ---- pixel values ----

fn reference(tensors: &SafeTensors, name: &str) -> Vec<f32> {
    let tensor = tensors.tensor(name).unwrap();
    assert_eq!(tensor.shape(), [3, 32, 32]);
    tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn pixel_values_equal_the_authors_preprocessing() {
    let file = fixture("pixel_values_32.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let preprocessor = Preprocessor { image_size_px: 32, ..Preprocessor::default() };
    for picture in PICTURES {
        let pixels = preprocessor.pixels(&fixture(&format!("{picture}.png"))).unwrap();
        assert_close(&pixels, &reference(&tensors, &format!("{picture}.original")));
    }
}

#[test]
fn pixel_values_on_white_equal_hugging_face() {
    let file = fixture("pixel_values_32.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let preprocessor = Preprocessor { image_size_px: 32, alpha: Alpha::White, ..Preprocessor::default() };
    for picture in PICTURES {
        let pixels = preprocessor.pixels(&fixture(&format!("{picture}.png"))).unwrap();
        assert_close(&pixels, &reference(&tensors, &format!("{picture}.hf_pil")));
    }
}

/// At the size of the captioning checkpoints: the bytes are compared above, here the first values and the mean.
#[test]
fn pixel_values_at_384_have_the_reference_statistics() {
    let meta: serde_json::Value = serde_json::from_slice(&fixture("preprocess_meta.json")).unwrap();
    let preprocessor = Preprocessor { alpha: Alpha::White, ..Preprocessor::default() };
    for picture in PICTURES {
        let expected = &meta["stats"][format!("{picture}@384")];
        let pixels = preprocessor.pixels(&fixture(&format!("{picture}.png"))).unwrap();
        let first = expected["first8_row0_ch0"].as_array().unwrap();
        let first = first.iter().map(|value| value.as_f64().unwrap() as f32).collect::<Vec<_>>();
        assert_close(&pixels[..8], &first);
        let mean = pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / pixels.len() as f64;
        assert!((mean - expected["pil_mean"].as_f64().unwrap()).abs() < f64::from(TOLERANCE), "{picture}");
    }
}

#[test]
fn a_preprocessor_survives_being_saved_except_for_the_limit() {
    let preprocessor = Preprocessor { image_size_px: 480, max_pixels: 5, ..Preprocessor::default() };
    let saved = serde_json::to_string(&preprocessor).unwrap();
    let loaded: Preprocessor = serde_json::from_str(&saved).unwrap();
    assert_eq!(loaded, Preprocessor { max_pixels: LIMIT, ..preprocessor });
    assert_eq!(serde_json::from_str::<Preprocessor>("{}").unwrap(), Preprocessor::default());
}

// ---- colour ----

#[test]
fn every_way_of_storing_colour_becomes_what_pillow_makes_of_it() {
    for file in [
        "alpha.webp",
        "bilevel.png",
        "cmyk.tiff",
        "colour.bmp",
        "grey_alpha.png",
        "grey_key.png",
        "palette.gif",
        "palette.png",
        "palette_alpha.png",
    ] {
        let expected = decoded(&fixture(&format!("modes/{}_rgb.png", file.replace('.', "_"))));
        assert!(decoded(&fixture(&format!("modes/{file}"))) == expected, "{file}");
    }
}

#[test]
fn every_kind_of_transparency_is_laid_on_white_as_pillow_does() {
    for file in ["alpha.webp", "grey_alpha.png", "grey_key.png", "palette.gif", "palette.png", "palette_alpha.png"] {
        let expected = decoded(&fixture(&format!("modes/{}_white.png", file.replace('.', "_"))));
        let white = decode(&fixture(&format!("modes/{file}")), Alpha::White, LIMIT).unwrap();
        assert!(white == expected, "{file}");
    }
}

/// JPEG leaves the last bits of the transform to the decoder, so two decoders agree to a level or two.
#[test]
fn cmyk_jpeg_is_as_in_pillow() {
    let expected = decoded(&fixture("modes/cmyk_jpg_rgb.png"));
    let image = decoded(&fixture("modes/cmyk.jpg"));
    assert_eq!(image.dimensions(), expected.dimensions());
    assert!(image.iter().zip(expected.iter()).all(|(a, b)| a.abs_diff(*b) <= 2));
}

#[test]
fn sixteen_bit_samples_keep_their_high_byte() {
    let sample = |x: u32, y: u32| (x * 4099 + y * 257) as u16;
    let high = |x: u32, y: u32| (sample(x, y) >> 8) as u8;
    let grey = ImageBuffer::from_fn(16, 16, |x, y| image::Luma([sample(x, y)]));
    let colour = ImageBuffer::from_fn(16, 16, |x, y| image::Rgba([sample(x, y), sample(y, x), 7, 65535]));
    let expected = RgbImage::from_fn(16, 16, |x, y| Rgb([high(x, y); 3]));
    assert_eq!(decoded(&encoded(DynamicImage::ImageLuma16(grey), ImageFormat::Png)), expected);
    let expected = RgbImage::from_fn(16, 16, |x, y| Rgb([high(x, y), high(y, x), 0]));
    assert_eq!(decoded(&encoded(DynamicImage::ImageRgba16(colour), ImageFormat::Png)), expected);
}

// ---- orientation ----

/// A TIFF block with the one tag that cameras use to say how they were held.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

fn photo(image: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

#[test]
fn photos_are_turned_upright() {
    let stored = decoded(&photo(&noise(24, 16), None));
    let upright = [
        stored.clone(),
        imageops::flip_horizontal(&stored),
        imageops::rotate180(&stored),
        imageops::flip_vertical(&stored),
        imageops::flip_horizontal(&imageops::rotate90(&stored)),
        imageops::rotate90(&stored),
        imageops::flip_horizontal(&imageops::rotate270(&stored)),
        imageops::rotate270(&stored),
    ];
    for (expected, orientation) in upright.into_iter().zip(1..) {
        let bytes = photo(&noise(24, 16), Some(exif(orientation)));
        assert!(decoded(&bytes) == expected, "orientation {orientation}");
        assert_eq!(dimensions(&bytes).unwrap(), expected.dimensions());
    }
}

#[test]
fn damaged_exif_does_not_cost_the_photo() {
    let stored = decoded(&photo(&noise(24, 16), None));
    for exif in [vec![], vec![0xFF; 40], exif(6)[..15].to_vec(), exif(0), exif(99)] {
        assert_eq!(decoded(&photo(&noise(24, 16), Some(exif))), stored);
    }
}

// ---- files that are not what they should be ----

#[test]
fn the_format_comes_from_the_content() {
    let image = noise(9, 5);
    for format in [ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP] {
        let decoded = decoded(&encoded(image.clone(), format));
        assert_eq!(decoded.dimensions(), (9, 5));
        assert!(format == ImageFormat::Gif || decoded == image, "{format:?}");
    }
}

#[test]
fn an_empty_file_is_called_empty() {
    assert!(matches!(decode(&[], Alpha::Drop, LIMIT), Err(Error::EmptyFile)));
    assert!(matches!(dimensions(&[]), Err(Error::EmptyFile)));
}

#[test]
fn other_files_are_unknown_images() {
    for bytes in [&b"a picture of a cat"[..], b"\0", b"%PDF-1.7\n", b"<svg xmlns=\"\"/>", &[0, 0, 1, 0, 1, 0]] {
        assert!(matches!(decode(bytes, Alpha::Drop, LIMIT), Err(Error::UnknownImage)));
        assert!(matches!(dimensions(bytes), Err(Error::UnknownImage)));
    }
}

#[test]
fn a_format_without_a_decoder_is_named() {
    for (brand, name) in [("avif", "AVIF"), ("heic", "HEIC")] {
        let refused = decode(format!("\0\0\0\x1cftyp{brand}\0\0\0\0").as_bytes(), Alpha::Drop, LIMIT);
        assert!(matches!(refused, Err(Error::UnreadFormat { format }) if format == name));
    }
}

/// Without its end marker a JPEG is incomplete, even if that is all it lacks; Pillow refuses it, too.
#[test]
fn truncated_jpeg_is_an_error() {
    let whole = photo(&noise(64, 48), Some(exif(1)));
    for length in [3, 20, 200, whole.len() / 2, whole.len() - 2, whole.len() - 1] {
        assert!(matches!(decode(&whole[..length], Alpha::Drop, LIMIT), Err(Error::BrokenImage { .. })), "{length}");
    }
}

#[test]
fn other_truncated_files_are_errors() {
    for format in [ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP] {
        let whole = encoded(noise(64, 48), format);
        for length in [16, whole.len() / 4, whole.len() / 2, whole.len() * 9 / 10] {
            let decoded = decode(&whole[..length], Alpha::Drop, LIMIT);
            assert!(matches!(decoded, Err(Error::BrokenImage { .. })), "{format:?} cut to {length}");
        }
    }
}

#[test]
fn bytes_after_the_image_do_no_harm() {
    for format in [ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let mut bytes = encoded(noise(9, 5), format);
        let expected = decoded(&bytes);
        bytes.extend(b"something a camera appended");
        assert_eq!(decoded(&bytes), expected, "{format:?}");
    }
}

/// A small PNG whose header, correctly signed, claims another size.
fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(noise(1, 1), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = bytes[12..29].iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn too_many_pixels_are_refused_from_the_header() {
    let bytes = png_claiming(30_000, 30_000);
    assert_eq!(dimensions(&bytes).unwrap(), (30_000, 30_000));
    let refused = Preprocessor::default().pixels(&bytes);
    assert!(matches!(refused, Err(Error::TooManyPixels { width: 30_000, height: 30_000, max_pixels: LIMIT })));
}

#[test]
fn the_pixel_limit_itself_is_allowed() {
    let bytes = encoded(noise(20, 10), ImageFormat::Png);
    assert!(decode(&bytes, Alpha::Drop, 200).is_ok());
    assert!(matches!(decode(&bytes, Alpha::Drop, 199), Err(Error::TooManyPixels { .. })));
}

#[test]
fn an_image_without_pixels_is_broken() {
    for bytes in [png_claiming(0, 7), b"GIF89a\0\0\0\0\0\0\0;".to_vec()] {
        assert!(matches!(decode(&bytes, Alpha::Drop, LIMIT), Err(Error::BrokenImage { .. })));
    }
}

/// A file of 60 bytes must not reserve the 4 GiB that one of its chunks claims.
#[test]
fn a_webp_chunk_longer_than_the_file_is_an_error() {
    let mut bytes = b"RIFF\xFF\xFF\xFF\xFFWEBPVP8X\x0A\0\0\0\x08\0\0\0\x07\0\0\x07\0\0".to_vec();
    bytes.extend(b"EXIF\xF0\xFF\xFF\xFFII*\0");
    assert!(matches!(decode(&bytes, Alpha::Drop, LIMIT), Err(Error::BrokenImage { .. })));
    assert!(matches!(dimensions(&bytes), Err(Error::BrokenImage { .. })));
}

// ---- text ----

#[test]
fn captions_are_cleaned_as_by_the_authors() {
    for (raw, clean) in [
        ("A Dog.", "a dog"),
        ("  two   cats\t\ton a mat \n", "two cats on a mat"),
        ("a man (left), a woman (right)!", "a man left , a woman right"),
        ("\"quoted\"*#:;~text", "quoted text"),
        ("it's a t-shirt, isn't it?", "it's a t-shirt, isn't it?"),
        ("one\ttab and\none line", "one\ttab and\none line"),
        ("a line\n", "a line"),
        ("ÉTÉ À LA PLAGE", "été à la plage"),
        ("wide\u{2003}\u{3000}space", "wide space"),
        ("file\x1c\x1dseparators", "file separators"),
        ("...", ""),
        ("", ""),
    ] {
        assert_eq!(pre_caption(raw, 30), clean, "{raw:?}");
    }
}

#[test]
fn questions_lose_punctuation_without_a_space_in_its_place() {
    for (raw, clean) in [
        ("What is (on) the mat?", "what is on the mat?"),
        ("Is it 3:45?", "is it 345?"),
        ("a.b", "ab"),
        ("  who   is it  ", "  who   is it"),
        ("a line\n", "a line\n"),
        ("", ""),
    ] {
        assert_eq!(pre_question(raw, 50), clean, "{raw:?}");
    }
}

#[test]
fn long_texts_are_cut_after_the_last_word_allowed() {
    let words = ["word"; 60].join(" ");
    assert_eq!(pre_caption(&words, 30).split(' ').count(), 30);
    assert_eq!(pre_question(&words, 50).split(' ').count(), 50);
    assert_eq!(pre_caption("a b, c d", 3), "a b, c");
    assert_eq!(pre_question("a  b c", 3), "a  b");
    assert_eq!(pre_caption("some words", 0), "");
}
