//! JPEG XL against libjxl 0.7: `fixtures/jxl` holds what its `cjxl` made and what its `djxl` makes of that.

#![allow(clippy::unwrap_used)]

use std::fs;

use image::RgbImage;
use medley::error::Error;
use medley::preprocess::{Alpha, decode, dimensions};

const LIMIT: u64 = 100_000_000;

/// Bytes with transparency, 16 bits of grey, a JPEG as it was, one that is turned, and waves.
const FILES: [&str; 5] = ["alpha", "gray", "jpeg", "turned", "waves"];

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/fixtures/jxl/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn file(name: &str) -> Vec<u8> {
    fixture(&format!("{name}.jxl"))
}

fn decoded(name: &str, alpha: Alpha) -> RgbImage {
    decode(&file(name), alpha, LIMIT).unwrap()
}

/// What the reference makes of a file.
fn expected(name: &str, alpha: Alpha) -> RgbImage {
    decode(&fixture(&format!("{name}.png")), alpha, LIMIT).unwrap()
}

/// The largest difference of two levels, and the mean.
fn difference(one: &RgbImage, other: &RgbImage) -> (u8, f64) {
    assert_eq!(one.dimensions(), other.dimensions());
    let levels = one.as_raw().iter().zip(other.as_raw()).map(|(one, other)| one.abs_diff(*other));
    (levels.clone().max().unwrap(), levels.map(f64::from).sum::<f64>() / one.as_raw().len() as f64)
}

#[test]
fn pictures_are_those_of_the_reference_and_stand_upright() {
    for name in FILES {
        let (most, mean) = difference(&decoded(name, Alpha::Drop), &expected(name, Alpha::Drop));
        match name {
            "alpha" => assert_eq!(most, 0),
            // A JPEG stores colour at half the size; every decoder makes it whole in its own way.
            "jpeg" | "turned" => assert!(mean < 1.2, "{name}: {mean}"),
            // Rounded to levels, on either side of a half.
            _ => assert!(most <= 1, "{name}: {most}"),
        }
    }
    assert_eq!(decoded("alpha", Alpha::White), expected("alpha", Alpha::White));
}

#[test]
fn the_size_is_told_from_the_header_and_refused_where_it_is_too_much() {
    for name in FILES {
        let size = if name == "turned" { (43, 64) } else { (64, 43) };
        assert_eq!(dimensions(&file(name)).unwrap(), size, "{name}");
        assert_eq!(dimensions(&file(name)[..400]).unwrap(), size, "{name}");
        let refused = decode(&file(name), Alpha::Drop, 64 * 43 - 1);
        assert!(matches!(refused, Err(Error::TooManyPixels { .. })), "{name}");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error() {
    for name in FILES {
        let (bytes, whole) = (file(name), decoded(name, Alpha::Drop));
        for end in (12..bytes.len() - 1).step_by(7) {
            match decode(&bytes[..end], Alpha::Drop, LIMIT) {
                Err(Error::BrokenImage { .. }) => {}
                // What follows the picture: how the JPEG it was is written.
                Ok(picture) => assert_eq!(picture, whole, "{name} cut to {end}"),
                Err(other) => panic!("{name} cut to {end}: {other}"),
            }
        }
        let error = decode(&bytes[..bytes.len() / 3], Alpha::Drop, LIMIT).unwrap_err();
        assert!(error.to_string().contains("broken"), "{name}: {error}");
    }
}

#[test]
fn a_damaged_file_is_an_error_or_a_picture_and_never_more() {
    for name in FILES {
        let whole = file(name);
        for place in (12..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            match decode(&bytes, Alpha::Drop, 1_000_000) {
                Ok(_) | Err(Error::BrokenImage { .. } | Error::TooManyPixels { .. }) => {}
                Err(other) => panic!("{name}, byte {place}: {other}"),
            }
        }
    }
}
